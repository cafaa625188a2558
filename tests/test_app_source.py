"""Frames that a program pushes into a chain."""

import numpy as np
import pytest

import zcore
from app_rig import SHAPE, SIZE, Seen, acquire_all, grey, picture, running
from zcore.formats import find
from zcore.stages.app import AppSource
from zcore.stages.fakes import FakeSink
from zcore.stages.painting import planes_of
from zcore.stages.patterns import picture as pattern


def test_frames_arrive_in_order():
    source, sink = grey(), Seen()
    with running(source, sink) as chain:
        for number in range(200):
            assert source.push(picture(number))
        source.end_of_stream()
        report = chain.wait()
    assert sink.values == [number % 251 for number in range(200)]
    assert [number for number, _ in sink.frames] == list(range(200))
    assert report.frames == 200


def test_copies_are_in_the_ledger():
    source, sink = grey(), Seen()
    with running(source, sink) as chain:
        for number in range(5):
            source.push(picture(number))
        source.end_of_stream()
        report = chain.wait()
    assert not report.zero_copy
    assert (report.links[0].copied_frames, report.links[0].copied_bytes) == (5, 5 * 128)
    assert report.stages[0].facts == {"copied_frames": 5, "copied_bytes": 640}


def test_frame_that_is_filled_in_place_is_not_copied():
    source, sink = grey(), Seen()
    with running(source, sink) as chain:
        for number in range(30):
            frame = source.acquire()
            frame.array(write=True)[...] = number
            assert source.push(frame)
            assert frame.released
        source.end_of_stream()
        report = chain.wait()
    assert sink.values == list(range(30))
    assert report.zero_copy


def test_leased_frame_that_is_dropped_comes_back():
    source = grey(holds=2)
    chain = zcore.Chain(source, Seen())
    chain.plan()
    frames = [source.lease(timeout=0)]
    with pytest.raises(zcore.DeviceTimeoutError, match="by python"):
        acquire_all(source, frames, timeout=0)
    assert len(frames) >= 2
    frames.pop()
    source.acquire(timeout=0)
    del frames
    chain.close()


def test_view_of_a_frame_that_is_pushed_is_an_error():
    source = grey()
    chain = zcore.Chain(source, Seen())
    chain.plan()
    frame = source.acquire()
    view = frame.array(write=True)
    with pytest.raises(BufferError, match="1 view"):
        source.push(frame)
    del view
    assert source.push(frame)
    with pytest.raises(ValueError, match="released"):
        source.push(frame)
    chain.close()


@pytest.mark.parametrize("kind", ["planes", "bytes", "bytearray", "memoryview", "flat array"])
@pytest.mark.parametrize("name", ["NV12", "XR24", "YU12", "P010", "YUYV"])
def test_ways_to_give_a_picture(name, kind):
    fmt = find(name)
    planes = planes_of(pattern("smpte", 61, 43), fmt)
    raw = b"".join(plane.tobytes() for plane in planes)
    content = {
        "planes": planes if len(planes) > 1 else planes[0],
        "bytes": raw,
        "bytearray": bytearray(raw),
        "memoryview": memoryview(raw),
        "flat array": np.frombuffer(raw, np.uint8),
    }[kind]
    source, sink = AppSource(format=name, size=(61, 43), memory="memfd"), zcore.ArraySink()
    with running(source, sink) as chain:
        source.push(content)
        source.end_of_stream()
        chain.wait()
    got = sink.arrays[0] if len(planes) > 1 else (sink.arrays[0],)
    for one, other in zip(got, planes, strict=True):
        assert (one == other).all()


def test_coded_frames_have_their_own_lengths():
    source, sizes = AppSource(format="H264", size=SIZE, memory="memfd"), []
    with running(source, FakeSink(on_frame=lambda frame: sizes.append(frame.array().tobytes()))) as chain:
        for length in (0, 1, 1000):
            source.push(b"x" * length)
        source.push(np.arange(3, dtype=np.uint16))
        source.push(bytes(65537))  # larger than the buffers were
        with pytest.raises(ValueError, match="is one array"):
            source.push([np.zeros(3), np.zeros(3)])
        source.end_of_stream()
        chain.wait()
    assert sizes == [b"", b"x", b"x" * 1000, bytes([0, 0, 1, 0, 2, 0]), bytes(65537)]


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (np.zeros((8, 17), np.uint8), r"GREY 16x8 is uint8 \(8, 16\), or 128 bytes, not uint8 \(8, 17\)"),
        (np.zeros(SHAPE, np.int16), "not int16"),
        (np.zeros(127, np.uint8), r"not uint8 \(127,\)"),
        (b"abc", r"not uint8 \(3,\)"),
        ([np.zeros(SHAPE, np.uint8)] * 2, r"\(8, 16\) and uint8 \(8, 16\)"),
    ],
)
def test_pictures_that_do_not_fit(content, what):
    source = grey()
    chain = zcore.Chain(source, Seen())
    chain.plan()
    with pytest.raises(ValueError, match=what):
        source.push(content)
    assert source.current_level_buffers == 0
    chain.close()


@pytest.mark.parametrize("content", [None, 7, "text", [], [1, 2]])
def test_things_that_are_no_pictures(content):
    source = grey()
    chain = zcore.Chain(source, Seen())
    chain.plan()
    with pytest.raises(TypeError, match="numpy arrays, bytes and frames"):
        source.push(content)
    chain.close()


def test_times():
    for options, expected in (
        ({}, [0, 0, 5]),
        ({"rate": 25}, [0, 40_000_000, 5]),
    ):
        source, sink = grey(**options), Seen()
        with running(source, sink) as chain:
            source.push(picture(0))
            source.push(picture(1))
            source.push(picture(2), timestamp_ns=5)
            source.end_of_stream()
            chain.wait()
        assert [time for _, time in sink.frames] == expected
    for options in ({"do_timestamp": True}, {"is_live": True}):
        source, sink = grey(**options), Seen()
        with running(source, sink) as chain:
            source.push(picture(0))
            source.end_of_stream()
            chain.wait()
        assert sink.frames[0][1] > 1_000_000_000


def test_nothing_can_be_pushed_without_a_plan():
    for work in (lambda s: s.push(picture(0)), lambda s: s.acquire(), lambda s: s.end_of_stream()):
        with pytest.raises(zcore.NotReadyError, match=r"chain.start\(\)"):
            work(grey())


def test_frames_may_be_pushed_before_the_run():
    source, sink = grey(), Seen()
    with zcore.Chain(source, sink) as chain:
        chain.plan()
        for number in range(3):
            source.push(picture(number))
        assert source.current_level_buffers == 3
        assert source.current_level_bytes == 3 * 128
        source.end_of_stream()
        assert chain.run().frames == 3
    assert sink.values == [0, 1, 2]


def test_push_after_the_end():
    source = grey()
    with zcore.Chain(source, Seen()) as chain:
        chain.plan()
        source.end_of_stream()
        with pytest.raises(zcore.ChainError, match="after end_of_stream"):
            source.push(picture(0))
        assert chain.run().frames == 0


def test_caps_and_what_is_left_open():
    source = AppSource("video/x-raw,format=NV12,width=64,height=48,framerate=25/1")
    assert (source.format, source.size, source.rate) == (find("NV12"), (64, 48), 25)
    assert source.present() == (find("NV12"), (64, 48))
    assert source.output_sizes(find("NV12")).points == [(64, 48)]
    source = AppSource("video/x-raw,format={NV12,YUY2},width=[1,100]")
    assert (source.format, source.size) == (None, None)
    assert source.offers() == (find("NV12"), find("YUYV"))
    for free in (AppSource(), AppSource("ANY")):
        assert free.offers() is free.present() is free.output_sizes(find("NV12")) is None
    assert AppSource(size=(8, 8)).set_output(find("GREY"), (4, 4)).size == (8, 8)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"caps": "video/x-raw", "format": "NV12"}, "either caps, or format"),
        ({"caps": "audio/x-raw"}, "no format that zcore knows"),
        ({"leaky_type": "no"}, "none, upstream, downstream"),
        ({"max_bytes": -1}, "0 .no limit. or more"),
    ],
)
def test_wrong_arguments(options, why):
    with pytest.raises(ValueError, match=why):
        AppSource(**options)


def test_next_stage_decides_what_is_left_open():
    source, sink = AppSource(size=SIZE, memory="memfd"), zcore.ArraySink(format="RGB3")
    with running(source, sink) as chain:
        source.push(np.full((8, 16, 3), 7, np.uint8))
        source.end_of_stream()
        chain.wait()
    assert sink.arrays[0].shape == (8, 16, 3)
