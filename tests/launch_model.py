"""zcore's answers in the shape of those of ``launch_oracle.py``."""

from typing import Any

from zcore.pipeline import LaunchError, build, draw, parse
from zcore.pipeline.properties import Property
from zcore.pipeline.values import ValueProblem


def answer(pipeline):
    """Tell what a pipeline becomes: its elements, links and values, or the error."""
    try:
        drawn = draw(parse(pipeline))
        chain = build(drawn)
    except LaunchError as error:
        return {"error": str(error)}
    elements = {one.name: one.factory.name for one in drawn.elements}
    elements |= {stage.name: "capsfilter" for stage in chain.stages if stage.name not in elements}
    return {
        "elements": elements,
        "links": sorted(_links(drawn, chain)),
        "values": {one.name: one.values for one in drawn.elements}
        | {stage.name: {"caps": stage.caps} for stage in chain.stages if stage.name.startswith("capsfilter")},
        "properties": {one.name: one.factory.properties for one in drawn.elements},
    }


def _links(drawn, chain):
    """Give the links with their pads; a filter that the text has between two '!' has the pads sink and src."""
    own = {one.name for one in drawn.elements}
    ends = {}
    for joint in drawn.joints:
        ends.setdefault(joint.source.name, []).append(joint.source_pad)
    for source, sink in chain.graph.links:
        source_pad = ends[source.name].pop(0) if source.name in own else "src"
        yield [source.name, source_pad, sink.name, "sink"]


def differing(ours: dict[str, Any], theirs: dict[str, str], properties: dict[str, Property]) -> list[str]:
    """Name the values that were written and mean something else to GStreamer."""
    found = []
    for name, value in ours.items():
        if name not in theirs:
            continue
        try:
            meant = properties[name].type.parse(theirs[name])
        except ValueProblem:  # GStreamer gives types to fields that zcore has no use for, such as fractions in controls
            continue
        if name == "caps":
            meant, value = str(meant), str(value)
        if properties[name].type.name == "string":
            meant = theirs[name]
        if isinstance(meant, float):  # GStreamer's may have single precision
            value, meant = round(value, 6), round(meant, 6)
        if value != meant:
            found.append(f"{name}: {value!r}, GStreamer {theirs[name]!r}")
    return found
