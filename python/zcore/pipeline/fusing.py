"""Make one stage of elements that are two in GStreamer: a muxer with its sink, a source with its demuxer."""

from __future__ import annotations

from typing import Any

from zcore.pipeline.blueprint import Blueprint, Element, Joint
from zcore.pipeline.errors import LaunchError
from zcore.pipeline.mux_elements import DEMUXERS, MUXERS, PARSERS, PAYLOADERS
from zcore.stages.base import Stage

FILE, UDP, TCP, SRT = "filesink", "udpsink", "tcpclientsink", "srtsink"
BEHIND = {**dict.fromkeys(MUXERS, (FILE,)), "mpegtsmux": (FILE, UDP, TCP, SRT),
          "matroskamux": (FILE, TCP), "webmmux": (FILE, TCP), **dict.fromkeys(PAYLOADERS, (UDP,))}  # fmt: skip
ONLY_BEHIND = {UDP: ("mpegtsmux", *PAYLOADERS), TCP: ("mpegtsmux", "matroskamux", "webmmux"), SRT: ("mpegtsmux",)}
PACKETS = 1316  # bytes: seven packets of a transport stream


def fuse(blueprint: Blueprint) -> tuple[dict[Element, Stage], list[Joint]]:
    """Make the stages that stand for two elements.

    Returns
    -------
    dict, list
        Elements with the stage that each of them has become, and the joints that are left.

    Raises
    ------
    LaunchError
        An element stands where zcore has no use for it; says what may stand there.
    """
    stages: dict[Element, Stage] = {}
    before = {joint.sink: joint for joint in blueprint.joints}
    after: dict[Element, list[Joint]] = {}
    for joint in blueprint.joints:
        after.setdefault(joint.source, []).append(joint)
    gone: list[Joint] = []
    for element in blueprint.elements:
        name = element.factory.name
        if name in BEHIND:
            joint = after[element][0]
            _check(blueprint, joint.sink.factory.name in BEHIND[name], element,
                   f"behind {name} stands {' or '.join(BEHIND[name])}, with which it is one stage")  # fmt: skip
        elif name in ONLY_BEHIND:
            one = before[element]
            cure = "rtspclientsink" if name == UDP else "MuxSink"
            _check(blueprint, one.source.factory.name in ONLY_BEHIND[name], element,
                   f"before {name} stands {' or '.join(ONLY_BEHIND[name])}; {cure} takes coded frames")  # fmt: skip
            continue
        elif name in DEMUXERS:
            joint = before[element]
            _check(blueprint, joint.source.factory.name == "filesrc", element,
                   f"before {name} stands filesrc, with which it is one stage")  # fmt: skip
        elif name in PARSERS and before[element].source.factory.name == "filesrc":
            joint = before[element]
        else:
            continue
        _check(blueprint, not joint.caps, element, "no caps filter can stand between these two, which are one stage")
        gone.append(joint)
        pair = (joint.source, joint.sink)
        stage = _sink(*pair, blueprint.text) if name in BEHIND else _source(*pair, blueprint.text)
        stages[joint.source] = stages[joint.sink] = stage
    return stages, [joint for joint in blueprint.joints if joint not in gone]


def _check(blueprint: Blueprint, fine: bool, element: Element, message: str) -> None:
    if not fine:
        raise LaunchError(f"{element}: {message}", blueprint.text, element.position, element.end)


def _values(element: Element, text: str, taken: tuple[str, ...]) -> dict[str, Any]:
    """Give the values of an element that its stage has; others must have their default."""
    known = element.factory.properties
    given = {}
    for key, value in element.values.items():
        if not known[key].passed:
            continue
        if key not in taken and value != known[key].default:
            raise LaunchError(f"{element}: {key} cannot be had where it is one stage with another", text,
                              element.position, element.end)  # fmt: skip
        given[key] = value
    return given


def _make(parts: tuple[Element, Element], main: Element, text: str, values: dict[str, Any], kind: str) -> Stage:
    from zcore.stages.demux_source import DemuxSource
    from zcore.stages.mux_sink import MuxSink

    named = [one for one in parts if not one.name.startswith(one.factory.name)]
    name = (named or [main])[0].name
    try:
        return MuxSink(name=name, **values) if kind == "sink" else DemuxSource(name=name, **values)
    except (ValueError, TypeError) as error:
        raise LaunchError(f"{main}: {error}", text, main.position, main.end) from error


def _sink(muxer: Element, sink: Element, text: str) -> Stage:
    own = _values(muxer, text, ("fragment-duration", "faststart", "streamable", "pt", "mtu"))
    given = _values(sink, text, ("location", "host", "port", "ttl", "uri", "mode", "latency", "passphrase", "sync",
                                 "ts-offset"))  # fmt: skip
    kind = sink.factory.name
    options: dict[str, object] = {}
    values: dict[str, Any] = {"sync": given.get("sync", kind in (UDP, SRT)), "ts_offset": given.get("ts-offset", 0)}
    if muxer.factory.name in MUXERS:
        values["format"] = MUXERS[muxer.factory.name][1]
    where = f"{given.get('host', 'localhost')}:{given.get('port', 5004 if kind == UDP else 4953)}"
    if kind == FILE:
        values["location"] = given["location"]
    elif kind == SRT:
        values["location"] = given.get("uri", "srt://127.0.0.1:7001")
        options["latency"] = given.get("latency", 125) * 1000
        options |= {key: given[key] for key in ("mode", "passphrase") if given.get(key)}
    elif muxer.factory.name in PAYLOADERS:
        values["location"] = f"rtp://{where}?ttl={given.get('ttl', 64)}&pkt_size={own.get('mtu', 1400)}"
        if own.get("pt", 96) != 96:
            options["payload_type"] = own["pt"]
    else:
        values["location"] = f"{kind[:3]}://{where}" + (
            f"?ttl={given.get('ttl', 64)}&pkt_size={PACKETS}" * (kind == UDP)
        )
    if own.get("fragment-duration"):
        values["fragmented"] = True
        options["frag_duration"] = own["fragment-duration"] * 1000
    if own.get("faststart") and not own.get("fragment-duration"):
        options["movflags"] = "faststart"
    if own.get("streamable"):
        options["live"] = 1
    return _make((muxer, sink), sink, text, {**values, "container_options": options}, "sink")


def _source(source: Element, cutter: Element, text: str) -> Stage:
    given = _values(source, text, ("location", "num-buffers", "do-timestamp"))
    _values(cutter, text, ())
    name = cutter.factory.name
    values = {
        "location": given["location"],
        "format": DEMUXERS[name][1] if name in DEMUXERS else PARSERS[name][1],
        "num_buffers": given.get("num-buffers", -1),
        "do_timestamp": given.get("do-timestamp", False),
    }
    return _make((source, cutter), source, text, values, "source")
