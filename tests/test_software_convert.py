"""Conversion of format and size on the CPU."""

import numpy as np
import pytest

import zcore
from zcore.formats import find
from zcore.stages.base import LinkCaps
from zcore.stages.cpu_pads import software_caps
from zcore.stages.painting import planes_of
from zcore.stages.patterns import picture, rgb_picture
from zcore.stages.software import FFMPEG_NAMES, METHODS, SoftwareConvert, to_rgb

pytest.importorskip("av")

SIZE = (64, 48)
RGB = find("RGB")


def frame_of(caps, name="frames"):
    """A frame in memory of its own."""
    from zcore.stages.cpu_pads import MemoryPad

    return MemoryPad(name, "memfd").allocate(caps, 1, export=True).acquire(0)


def painted(fmt, size, bytesperline=0, pattern="smpte100"):
    frame = frame_of(software_caps(fmt, size, bytesperline))
    for plane, drawn in zip(frame.planes(write=True), planes_of(picture(pattern, *size), fmt), strict=True):
        plane[...] = drawn
    return frame


def converted(frame, fmt, size, bytesperline=0, in_stride=0, **options):
    stage = SoftwareConvert(**options)
    stage.open()
    stage.set_input(software_caps(frame.format, frame.size, in_stride))
    room = frame_of(stage.set_output(fmt, size, bytesperline))
    stage.process(frame, room)
    stage.close()
    return room


def inner(array):
    """Columns away from the edges between bars, where chroma is shared."""
    return array[:, [4, 5, 22, 23, 31, 32, 41, 42, 59, 60]].astype(int)


COLOURED = [name for name in FFMPEG_NAMES if find(name).family != "grey"]


@pytest.mark.parametrize("name", COLOURED)
def test_every_format_is_read(name):
    seen = converted(painted(find(name), SIZE), RGB, SIZE).array()
    assert np.abs(inner(seen) - inner(rgb_picture("smpte100", *SIZE))).max() <= 9


@pytest.mark.parametrize("name", FFMPEG_NAMES)
def test_every_format_is_written(name):
    fmt = find(name)
    room = converted(painted(RGB, SIZE), fmt, SIZE)
    wanted = planes_of(picture("smpte100", *SIZE), fmt)
    for component in fmt.components:
        if component.name == "A":
            continue
        arrays = []
        for planes in (room.planes(), wanted):
            view = planes[component.plane][:, component.first :: component.step]
            view = view[..., component.index] if view.ndim == 3 else view
            arrays.append((view.astype(np.uint32) >> component.shift & (1 << component.bits) - 1).astype(int))
        share = 1 << max(0, component.bits - 5)  # a thirty-second of the range: dithering, rounding
        row, column = arrays[0].shape[0] // 2, arrays[0].shape[1] * 5 // 64  # within the first bar
        assert abs(arrays[0][row, column] - arrays[1][row, column]) <= share
        assert np.median(np.abs(arrays[0] - arrays[1])) <= share


@pytest.mark.parametrize("name", ["GREY", "Y10", "Y16"])
def test_grey_has_the_full_range(name):
    seen = converted(painted(find(name), SIZE, pattern="white"), RGB, SIZE).array()
    assert seen.min() >= 254
    back = converted(painted(RGB, SIZE, pattern="white"), find("GREY"), SIZE).array()
    assert back.min() == 255


@pytest.mark.parametrize("name", ["BGRx", "RGB", "NV12", "YUV420", "YVU420", "YUYV", "P010", "GREY", "RGB565"])
def test_padded_rows_on_either_side(name):
    fmt = find(name)
    size = (61, 43)  # odd, too
    dense = software_caps(fmt, size).memory_planes[0][1]
    from_dense = converted(painted(fmt, size), RGB, size).array()
    frame = painted(fmt, size, dense + 36)
    assert all(not plane.flags.c_contiguous for plane in frame.planes())
    from_padded = converted(frame, RGB, size, in_stride=dense + 36).array()
    assert (from_padded == from_dense).all()
    into_dense = converted(painted(RGB, size), fmt, size).planes()
    into_padded = converted(painted(RGB, size), fmt, size, dense + 36).planes()
    for one, other in zip(into_dense, into_padded, strict=True):
        assert other.strides[0] > one.strides[0]
        assert (one == other).all()


@pytest.mark.parametrize("method", [name for name, flag in METHODS.items() if flag])
def test_methods_scale(method):
    seen = converted(painted(RGB, SIZE), RGB, (128, 24), method=method).array()
    assert seen.shape == (24, 128, 3)
    assert np.abs(seen[12, 8::18].astype(int) - rgb_picture("smpte100", 128, 24)[12, 8::18]).max() <= 12


def test_nearest_makes_no_new_colours():
    seen = converted(painted(RGB, SIZE, pattern="checkers-1"), RGB, (128, 96), method="nearest-neighbour").array()
    assert {tuple(pixel) for pixel in seen.reshape(-1, 3).tolist()} == {(255, 0, 0), (0, 255, 0)}
    soft = converted(painted(RGB, SIZE, pattern="checkers-1"), RGB, (128, 96)).array()
    assert len(np.unique(soft.reshape(-1, 3), axis=0)) > 2


def test_methods_have_gstreamers_numbers():
    assert SoftwareConvert(method=0).method == "nearest-neighbour"
    assert SoftwareConvert(method=3).method == "lanczos"


@pytest.mark.parametrize("method", ["hermite", "mitchell", 6, 9, 10, -1, "blinear"])
def test_methods_that_the_scaler_lacks(method):
    with pytest.raises(ValueError, match="scal"):
        SoftwareConvert(method=method)


def test_converter_that_only_converts():
    stage = SoftwareConvert(scale=False)
    stage.open()
    stage.set_input(software_caps(RGB, SIZE))
    assert not stage.scales
    assert stage.set_output(find("NV12"), None).size == SIZE
    with pytest.raises(zcore.NegotiationError, match="keeps the size"):
        stage.set_output(find("NV12"), (32, 24))
    with pytest.raises(ValueError, match="scale=False"):
        SoftwareConvert(size=SIZE, scale=False)


def test_converter_that_only_scales():
    stage = SoftwareConvert(convert=False)
    stage.open()
    assert len(stage.offers()) == len(FFMPEG_NAMES)
    stage.set_input(software_caps(RGB, SIZE))
    assert stage.offers() == [RGB]
    assert stage.set_output(RGB, (32, 24)).size == (32, 24)
    with pytest.raises(zcore.NegotiationError, match="keeps the format"):
        stage.set_output(find("NV12"), None)
    with pytest.raises(ValueError, match="convert=False"):
        SoftwareConvert("NV12", convert=False)


def test_output_comes_after_input():
    with pytest.raises(zcore.NegotiationError, match="after what it takes"):
        SoftwareConvert().set_output(RGB, SIZE)


def test_format_that_the_scaler_does_not_know():
    with pytest.raises(zcore.NegotiationError, match="does not know NV15"):
        SoftwareConvert().set_input(LinkCaps(find("NV15"), 64, 48, ((7680, 80),)))


def test_meta_is_kept_and_formats_may_change_between_runs():
    frame = painted(RGB, SIZE)
    frame.set_meta(sequence=7, timestamp_ns=99)
    stage = SoftwareConvert()
    stage.open()
    for fmt in ("NV12", "YUYV", "NV12"):
        stage.set_input(software_caps(RGB, SIZE))
        room = frame_of(stage.set_output(find(fmt), None))
        stage.process(frame, room)
        assert (room.sequence, room.timestamp_ns) == (7, 99)
    assert "PyAV" in stage.facts()["software"]
    stage.close()


def test_to_rgb():
    assert np.abs(inner(to_rgb(painted(find("NV12"), SIZE))) - inner(rgb_picture("smpte100", *SIZE))).max() <= 9


def test_in_a_chain():
    source = zcore.TestSource("NV12", SIZE, pattern="smpte100", memory="memfd")
    sink = zcore.ArraySink()
    report = zcore.Chain(source, SoftwareConvert("RGB3", (128, 96), memory="memfd"), sink).run(frames=3)
    assert report.frames == 3
    assert sink.arrays[-1].shape == (96, 128, 3)
    assert sink.sequences == [0, 1, 2]


def test_threads_do_not_change_the_picture():
    frame = painted(find("NV12"), SIZE)
    one, many = (converted(frame, RGB, (640, 480), n_threads=n).array() for n in (1, 0))
    assert (one == many).all()
    with pytest.raises(ValueError, match="n_threads"):
        SoftwareConvert(n_threads=-1)
