"""Writes the tables of properties in docs/from-gstreamer*.md: each side by what it says about itself.

``PYTHONPATH=python python tests/gstreamer_page.py`` brings the page up to date. A table stands between two lines,
``<!-- properties: v4l2src -->`` and ``<!-- end -->``.
"""

import gzip
import json
import re
from pathlib import Path

from zcore.pipeline import Registry, codecs
from zcore.pipeline.property_types import Enum

ROOT = Path(__file__).resolve().parents[1]
PAGES = (ROOT / "docs/from-gstreamer.md", ROOT / "docs/from-gstreamer-files.md")
TABLE = json.loads(gzip.decompress((ROOT / "tests/data/gst-launch.json.gz").read_bytes()))
PLACE = re.compile(r"^<!-- properties: (\S+) -->\n.*?^<!-- end -->$", re.MULTILINE | re.DOTALL)
TYPES = {
    "gint": "int", "guint": "uint", "gint64": "int64", "guint64": "uint64", "gboolean": "boolean",
    "gchararray": "string", "gdouble": "double", "gfloat": "float", "GstCaps": "caps", "GstStructure": "structure",
    "GstValueArray": "array",
}  # fmt: skip
SHARED = ("name", "parent")  # of every element; the page tells of them once
PROGRAMS = "for programs only"
ABSENT = {
    "alloc-pad": PROGRAMS,
    "crop-bounds": PROGRAMS,
    "drop-buffer-flags": "frames have no such flags to drop",
    "flags": "'zcore devices' tells what a device can",
    "last-sample": "no frame is kept back; appsink gives frames to programs",
}
"""Why zcore has not what GStreamer has."""


def factory(name):
    """Find an element; a codec whatever this machine has."""
    return Registry().find(name, {"device"}) if codecs.is_codec(name) else Registry().find(name)


def code(text):
    """Quote a text for a cell of a table."""
    return f"`{text}`".replace("|", "\\|")


def their_side(name, prop, theirs):
    """Tell GStreamer's type and default."""
    if theirs is None:  # of an element that GStreamer makes for a device
        kind, names = prop.type.name.replace("fd", "int"), [one.nick for one in getattr(prop.type, "choices", ())]
        default, readable = prop.type.show(prop.default), prop.writable
    else:
        kind = TYPES.get(theirs["type"], "enum" if "values" in theirs else "flags" if name == "flags" else "object")
        names = [nick for _, nick in theirs.get("values", ())]
        default, readable = theirs.get("default"), theirs["writable"]
        default = {True: "true", False: "false"}.get(default, default) if isinstance(default, bool) else default
    told = kind + (": " + ", ".join(names) if len(names) <= 8 and names else "")
    if len(names) > 8:
        told += f" of {len(names)}"
    if not readable:
        return f"{told}; read only"
    return told + (f"; {code(default)}" if default not in (None, "") else "; none")


def our_side(name, prop, theirs):
    """Tell what zcore makes of it."""
    if prop is None:
        return f"not there: {ABSENT[name]}"
    if prop.without_effect:
        return f"accepted, of no effect: {prop.without_effect}"
    if prop.only_default:
        return f"only the default: {prop.only_default}"
    told = prop.meaning + (f" (in {prop.unit})" if prop.unit and prop.unit not in prop.meaning else "")
    if theirs is not None and isinstance(prop.type, Enum):
        missing = [nick for _, nick in theirs["values"] if nick not in {one.nick for one in prop.type.choices}]
        told += f"; not there: {', '.join(map(code, missing))}" if missing else ""
    if theirs is not None and prop.writable and prop.readable and prop.default != theirs.get("default"):
        told += f"; default {code(prop.type.show(prop.default))}"
    return told


def rank(prop):
    """Sort what does something first, then what is read, what does nothing, and what is not there."""
    if prop is None:
        return 4
    if prop.without_effect or prop.only_default:
        return 3 if prop.only_default else 2
    return 0 if prop.writable else 1


def table(element):
    """Make the table of an element's properties."""
    ours = factory(element).properties
    known = TABLE["elements"].get(element)
    theirs = known["properties"] if known else {}
    names = sorted({*ours, *theirs} - {*SHARED}, key=lambda name: (rank(ours.get(name)), name))
    rows = ["| property | GStreamer: type; default | zcore |", "| --- | --- | --- |"]
    for name in names:
        left, right = (
            their_side(name, ours.get(name), theirs.get(name)),
            our_side(name, ours.get(name), theirs.get(name)),
        )
        rows.append(f"| `{name}` | {left} | {right} |")
    return "\n".join(rows)


def updated(text):
    """Give the page with all its tables as they should be."""
    return PLACE.sub(lambda found: f"<!-- properties: {found[1]} -->\n{table(found[1])}\n<!-- end -->", text)


def elements(text):
    """List the elements that have a table."""
    return [found[1] for found in PLACE.finditer(text)]


def text_of_pages():
    """Read all pages as one text."""
    return "".join(page.read_text() for page in PAGES)


if __name__ == "__main__":
    for page in PAGES:
        page.write_text(updated(page.read_text()))
