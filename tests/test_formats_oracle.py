"""zcore's table of formats against GStreamer's: planes, strides, offsets, sizes, subsampling, components, and bytes."""

import json
from pathlib import Path

import numpy as np
import pytest
from test_caps_oracle import introspecting

from video_info_oracle import ALPHA, FRAME, SECOND, THIRD, first
from zcore import formats
from zcore.caps.names import RAW_FORMATS
from zcore.formats import FORMATS, LINEAR, Family, find, fourcc

TESTS = Path(__file__).parent
TABLE = json.loads((TESTS / "data/gst-video-info.json").read_text())
RAW = [fmt for fmt in FORMATS if fmt.gst and not fmt.coded and fmt.family is not Family.BAYER]
LINEAR_FORMATS = [fmt for fmt in RAW if fmt.linear]
LETTERS = {"Y": first, "R": first, "U": SECOND, "G": SECOND, "V": THIRD, "B": THIRD, "A": ALPHA}
PALETTE = "PAL8"  # GStreamer counts the palette as a plane; in V4L2 and DRM it is no part of the picture


def layouts(fmt):
    for text, (strides, offsets, size) in TABLE["formats"][fmt.gst]["layouts"].items():
        width, height = map(int, text.split("x"))
        yield width, height, strides[: len(fmt.planes)], offsets[: len(fmt.planes)], size


def test_the_table_has_every_format():
    assert tuple(map(int, TABLE["gstreamer"].split("."))) >= (1, 24)
    assert {fmt.gst for fmt in RAW} <= set(TABLE["formats"])
    assert set(TABLE["formats"]) == RAW_FORMATS - {"ENCODED", "DMA_DRM"}
    assert len(LINEAR_FORMATS) > 50


@pytest.mark.parametrize("fmt", LINEAR_FORMATS, ids=str)
def test_layout_as_in_gstreamer(fmt):
    for width, height, strides, offsets, size in layouts(fmt):
        assert len(strides) == len(fmt.planes)
        for plane, stride in zip(fmt.planes, strides, strict=True):
            needed = plane.row_bytes(width)
            assert stride in (needed, -(-needed // 4) * 4), (width, plane)
        # GStreamer makes the rows of the luma even, for NV20 without need: its chroma has as many rows.
        rows = 2 if fmt.name == "NV20" or any(plane.vsub == 2 for plane in fmt.planes) else 1
        layout = fmt.layout(width, height, plane_strides=strides, height_align=rows)
        assert list(layout.offsets) == offsets
        if fmt.name != PALETTE:
            assert layout.size == size
        if all(stride % 4 == 0 for stride in strides):
            assert list(fmt.layout(width, height, stride_align=4).strides) == strides


@pytest.mark.parametrize("fmt", [fmt for fmt in LINEAR_FORMATS if fmt.components and fmt.name != PALETTE], ids=str)
def test_components_as_in_gstreamer(fmt):
    theirs = TABLE["formats"][fmt.gst]
    letters = {"Y": "YUVA", "R": "RGBA"}["Y" if "Y" in {c.name for c in fmt.components} else "R"]
    mine = sorted(fmt.components, key=lambda component: letters.index(component.name))
    assert len(mine) == len(theirs["depth"])
    for index, component in enumerate(mine):
        plane = fmt.planes[component.plane]
        assert component.bits == theirs["depth"][index]
        assert component.plane == theirs["plane"][index]
        assert plane.hsub * component.step == 1 << theirs["w_sub"][index]
        assert plane.vsub == 1 << theirs["h_sub"][index]


@pytest.mark.parametrize("fmt", [fmt for fmt in LINEAR_FORMATS if fmt.components and fmt.name != PALETTE], ids=str)
def test_bytes_as_in_gstreamer(fmt):
    data = np.frombuffer(bytes.fromhex(TABLE["formats"][fmt.gst]["frame"]), np.uint8)
    strides, offsets, _ = TABLE["formats"][fmt.gst]["layouts"][f"{FRAME}x{FRAME}"]
    specs = fmt.array_specs(FRAME, FRAME, strides)
    for component in fmt.components:
        spec = specs[component.plane]
        array = np.ndarray(spec.shape, spec.dtype, data, offsets[component.plane], spec.strides)
        plane = array[:, component.first :: component.step]
        plane = plane[..., component.index] if plane.ndim == 3 else plane
        values = plane.astype(np.int64) >> component.shift & ((1 << component.bits) - 1)
        meant = LETTERS[component.name]
        for (y, x), value in np.ndenumerate(values):
            expected = (meant(x, y) if callable(meant) else meant) << 8 >> 16 - component.bits
            assert value == expected, (component, x, y)


@pytest.mark.parametrize("fmt", [fmt for fmt in RAW if not fmt.linear], ids=str)
def test_tiled_layouts_are_never_larger_than_gstreamers(fmt):
    assert TABLE["formats"][fmt.gst]["tiled"]
    for width, height, strides, _, size in layouts(fmt):
        assert len(strides) == len(fmt.planes)
        assert fmt.layout(width, height).size <= size


def test_ten_twelve_and_sixteen_bits_are_there():
    for name, gst in {"P010": "P010_10LE", "P012": "P012_LE", "P016": "P016_LE"}.items():
        assert find(name).gst == gst
        assert find(name).drm == fourcc(name)
        assert formats.by_gst(gst) is find(name)


def test_a_tiled_format_is_never_taken_for_linear():
    for fmt in FORMATS:
        for code in {fmt.v4l2, fmt.v4l2_mplane} - {None}:
            found = formats.by_v4l2(code)
            if found.tile is None:
                continue
            assert found.tiled
            assert not found.linear
            assert all(len(spec.shape) == 1 for spec in found.array_specs(64, 64))
            if found.drm is None:
                with pytest.raises(ValueError, match="no known DRM modifier"):
                    found.require_drm()
            else:
                assert found.require_drm()[1] not in (LINEAR, formats.INVALID)
        if fmt.drm is not None and fmt.tile is not None:
            assert fmt.modifier != LINEAR, f"{fmt} would be scanned out as rows"


def test_table_is_what_this_machine_says():
    """The GStreamer here may be older and lack formats; those that it has have not changed."""
    import subprocess
    import tempfile

    python = introspecting()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "table.json")
        command = [python, str(TESTS / "video_info_oracle.py"), str(path)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip("this GStreamer has no introspection for GstVideo 1.0")
        here = json.loads(path.read_text())["formats"]
    common = set(here) & set(TABLE["formats"]) & {fmt.gst for fmt in LINEAR_FORMATS}
    assert len(common) > 40
    for name in sorted(common):
        assert here[name]["layouts"] == TABLE["formats"][name]["layouts"], name
