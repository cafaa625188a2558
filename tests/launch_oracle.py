"""What GStreamer makes of pipelines, and which properties its elements have.

``python3 tests/launch_oracle.py tests/data/gst-launch.json.gz < tests/data/launch.txt`` asks the GStreamer of that
Python and writes the table that ``test_launch_oracle.py`` compares with. It needs GObject introspection for GStreamer
1.0 with the plugins of base, good (video4linux2) and bad (kms), and nothing of zcore. Each line of ``launch.txt`` is
JSON: a ``pipeline`` as one text or as a list of words, and under ``differs`` why zcore answers otherwise, where it
means to.
"""

from __future__ import annotations

import gzip
import json
import os
import sys
from typing import Any

ELEMENTS = (
    "v4l2src", "v4l2sink", "kmssink", "queue", "tee", "appsrc", "appsink", "filesrc", "filesink", "fakesrc", "fakesink",
    "identity", "capsfilter", "videotestsrc", "videoconvert", "videoscale",
)  # fmt: skip
VALUES = (
    "location", "num-buffers", "max-size-buffers", "max-size-time", "leaky", "caps", "pattern", "sync",
    "extra-controls", "plane-properties",
    "silent", "io-mode", "is-live", "drop-probability", "connector-id", "can-scale", "sizetype",
)  # fmt: skip


def gstreamer() -> Any:
    """Give the introspected module."""
    import gi  # type: ignore[import-not-found]

    gi.require_version("Gst", "1.0")
    from gi.repository import Gst  # type: ignore[import-not-found]

    Gst.init(None)
    return Gst


def fresh(work: Any, *arguments: Any) -> Any:
    """Do something in a child, so that elements are numbered from 0 and a crash is an answer."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        os.close(reader)
        with open(writer, "w") as pipe:
            json.dump(work(*arguments), pipe)
        os._exit(0)
    os.close(writer)
    with open(reader) as pipe:
        text = pipe.read()
    status = os.waitpid(child, 0)[1]
    return json.loads(text) if status == 0 else {"error": f"crashed with status {status}"}


def answer(gst: Any, pipeline: str | list[str]) -> dict[str, Any]:
    """Tell what a pipeline becomes: its elements, links and values, or the error."""
    from gi.repository import GLib

    try:
        made = gst.parse_launch(pipeline) if isinstance(pipeline, str) else gst.parse_launchv(pipeline)
    except GLib.Error as error:
        return {"error": error.message}
    elements = sorted(_elements(gst, made), key=lambda one: one.get_name())
    return {
        "elements": {one.get_name(): one.get_factory().get_name() for one in elements},
        "links": sorted(link for one in elements for link in _links(gst, one)),
        "values": {one.get_name(): _values(gst, one) for one in elements},
    }


def _elements(gst: Any, made: Any) -> list[Any]:
    if not isinstance(made, gst.Bin):
        return [made]
    found, walk = [], made.iterate_recurse()
    while True:
        result, one = walk.next()
        if result != gst.IteratorResult.OK:
            return found
        if not isinstance(one, gst.Bin):
            found.append(one)


def _links(gst: Any, element: Any) -> list[list[str]]:
    found = []
    for pad in element.srcpads:
        peer = pad.get_peer()
        while isinstance(peer, gst.ProxyPad):
            peer = peer.get_target() if isinstance(peer, gst.GhostPad) else peer.get_internal().get_peer()
        if peer is not None:
            other = peer.get_parent_element()
            found.append([element.get_name(), pad.get_name(), other.get_name(), peer.get_name()])
    return found


def _values(gst: Any, element: Any) -> dict[str, str]:
    found = {}
    for name in VALUES:
        declared = element.find_property(name)
        if declared is None:
            continue
        value = element.get_property(name)
        if value is None:
            continue
        if isinstance(value, gst.Caps | gst.Structure):
            found[name] = value.to_string()
        else:
            found[name] = getattr(value, "value_nick", None) or (
                str(value).lower() if isinstance(value, bool) else str(value)
            )
    return found


def describe(gst: Any, name: str) -> dict[str, Any]:
    """Tell the pads and the properties of an element."""
    from gi.repository import GObject

    factory = gst.ElementFactory.find(name)
    element = factory.create(None)
    found: dict[str, Any] = {}
    for one in element.list_properties():
        entry: dict[str, Any] = {
            "type": one.value_type.name,
            "readable": bool(one.flags & GObject.ParamFlags.READABLE),
            "writable": bool(one.flags & GObject.ParamFlags.WRITABLE),
        }
        for limit in ("minimum", "maximum"):
            if hasattr(one, limit):
                entry[limit] = getattr(one, limit)
        if one.value_type.is_a(GObject.TYPE_ENUM):
            values = type(element.get_property(one.name)).__enum_values__.values()
            entry["values"] = sorted((int(value), value.value_nick) for value in values)
        try:
            value = element.get_property(one.name) if entry["readable"] else None
        except TypeError:  # a boxed type without a Python shape
            value = None
        if isinstance(value, gst.Caps):
            value = value.to_string()
        nick = getattr(value, "value_nick", value)
        entry["default"] = nick if isinstance(nick, bool | int | float | str) else None
        found[one.name] = entry
    return {
        "long_name": factory.get_metadata("long-name"),
        "klass": factory.get_metadata("klass"),
        "pads": [[pad.name_template, pad.direction.value_nick, pad.presence.value_nick]
                 for pad in factory.get_static_pad_templates()],
        "properties": found,
    }  # fmt: skip


def main() -> None:
    """Write the table."""
    lines = [json.loads(line) for line in sys.stdin if line.strip()]
    gst = gstreamer()
    version = ".".join(str(number) for number in gst.version()[:3])
    table = {
        "gstreamer": version,
        "elements": {name: fresh(describe, gst, name) for name in ELEMENTS},
        "pipelines": [[one["pipeline"], fresh(answer, gst, one["pipeline"])] for one in lines],
    }
    with open(sys.argv[1], "wb") as file, gzip.GzipFile("", "wb", 9, file, 0) as packed:
        packed.write(json.dumps(table, separators=(",", ":"), sort_keys=True).encode())


if __name__ == "__main__":
    main()
