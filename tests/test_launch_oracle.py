"""Pipelines mean here what they mean to GStreamer, and elements have its properties."""

import gzip
import json
import os
import subprocess
from pathlib import Path

import pytest

from launch_model import answer, differing
from launch_oracle import ELEMENTS
from zcore.pipeline import Registry
from zcore.pipeline.property_types import Enum, Int

TESTS = Path(__file__).resolve().parent
TABLE = json.loads(gzip.decompress((TESTS / "data" / "gst-launch.json.gz").read_bytes()))
LINES = [json.loads(line) for line in (TESTS / "data" / "launch.txt").read_text().splitlines()]

# GStreamer's types, by those of properties here. Numbers of a device's descriptor are plain integers there.
TYPES = {
    "gint": ("int", "fd"), "guint": ("uint",), "gint64": ("int64",), "guint64": ("uint64",), "gboolean": ("boolean",),
    "gchararray": ("string",), "gdouble": ("double",), "gfloat": ("float",), "GstCaps": ("caps",),
    "GstStructure": ("structure",), "GstValueArray": ("array of int",),
}  # fmt: skip
PROGRAMS = {
    "alloc-pad",
    "parent",
    "last-sample",
    "flags",
    "crop-bounds",
    "drop-buffer-flags",
    "norm",
    "share-deny-mode",
}
"""What only a program can use, is deprecated, or is a type of its own without a use here."""


def compare(theirs, ours):
    """Tell how two answers differ; an empty text where they do not."""
    if ("error" in theirs) != ("error" in ours):
        return f"GStreamer: {theirs.get('error', 'fine')}; zcore: {ours.get('error', 'fine')}"
    if "error" in theirs:
        return ""
    if ours["elements"] != theirs["elements"] or ours["links"] != sorted(theirs["links"]):
        return f"GStreamer: {theirs['elements']} {theirs['links']}; zcore: {ours['elements']} {ours['links']}"
    found = []
    for name, properties in ours["properties"].items():
        found += differing(ours["values"][name], theirs["values"][name], properties)
    return "; ".join(found)


@pytest.mark.parametrize("part", range(8))
def test_pipelines_mean_what_the_table_says(part):
    wrong = []
    for line, (pipeline, theirs) in list(zip(LINES, TABLE["pipelines"], strict=True))[part::8]:
        assert line["pipeline"] == pipeline
        difference = compare(theirs, answer(pipeline))
        if bool(difference) != bool(line.get("differs")):
            wrong.append(f"{pipeline!r}: {difference or 'no difference'}, meant: {line.get('differs') or 'none'}")
    assert not wrong, "\n".join(wrong)


def test_table_is_large_enough_and_of_a_newer_gstreamer():
    assert tuple(map(int, TABLE["gstreamer"].split("."))) >= (1, 24)
    assert len(LINES) > 600
    assert sum("error" in theirs for _, theirs in TABLE["pipelines"]) > 150
    assert sum("error" not in theirs for _, theirs in TABLE["pipelines"]) > 300
    assert sum("differs" in line for line in LINES) < 70


@pytest.mark.parametrize("name", ELEMENTS)
def test_elements_have_the_properties_of_their_counterparts(name):
    theirs, ours = TABLE["elements"][name], Registry().find(name)
    assert sorted([pad.name, pad.direction, "request" if pad.on_request else "always"] for pad in ours.pads) == sorted(
        theirs["pads"]
    )
    for key, their in theirs["properties"].items():
        if key in PROGRAMS:
            continue
        assert key in ours.properties, f"{name} has no {key}"
        mine = ours.properties[key]
        assert (mine.readable, mine.writable) == (their["readable"], their["writable"]), key
        if isinstance(mine.type, Enum):
            missing = {nick: number for number, nick in their["values"]}
            assert {one.nick: one.number for one in mine.type.choices}.items() <= missing.items(), key
        else:
            assert mine.type.name in TYPES[their["type"]], key
        if isinstance(mine.type, Int) and mine.writable:
            assert (mine.type.low, mine.type.high) == (their["minimum"], their["maximum"]), key
        if key not in ("name", "caps") and mine.writable and mine.readable:
            assert mine.default == their["default"], key


@pytest.mark.parametrize("name", ELEMENTS)
def test_properties_that_gstreamer_has_not_are_few(name):
    extra = set(Registry().find(name).properties) - set(TABLE["elements"][name]["properties"])
    assert not extra, extra


def introspecting():
    """Find a Python on this machine that has GStreamer with what the table needs."""
    check = (
        "import gi; gi.require_version('Gst', '1.0'); from gi.repository import Gst; Gst.init(None); "
        "assert Gst.version() >= (1, 24); assert all(map(Gst.ElementFactory.find, ('v4l2src', 'kmssink')))"
    )
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        python = Path(folder, "python3")
        if python.exists() and subprocess.run([python, "-c", check], capture_output=True, check=False).returncode == 0:
            return str(python)
    pytest.skip("no python3 on the PATH has GObject introspection for GStreamer 1.24 with v4l2src and kmssink")


def test_pipelines_mean_what_this_machine_s_gstreamer_says(tmp_path):
    python = introspecting()
    target = tmp_path / "table.json.gz"
    command = [python, str(TESTS / "launch_oracle.py"), str(target)]
    subprocess.run(command, input=(TESTS / "data" / "launch.txt").read_text(), text=True, check=True)
    table = json.loads(gzip.decompress(target.read_bytes()))
    differing_lines = [
        pipeline
        for line, (pipeline, theirs) in zip(LINES, table["pipelines"], strict=True)
        if compare(theirs, answer(pipeline)) and not line.get("differs")
    ]
    assert len(differing_lines) < 10, differing_lines
