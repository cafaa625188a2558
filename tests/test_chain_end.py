"""The end of a stream that somebody asks for: sources give no more, and nothing that is on its way is lost."""

import threading
import time

import pytest

import zcore
from app_rig import SIZE, grey, wait_for
from fakekernel import FakeCamera


def ended(chain, when):
    with chain:
        chain.start()
        wait_for(when)
        chain.end_of_stream()
        report = chain.wait(60)
    assert report is not None
    return report


def test_all_frames_of_a_slow_chain_arrive():
    seen = []

    def slowly(frame):
        time.sleep(0.005)
        seen.append(frame.sequence)

    source = zcore.TestSource("GREY", SIZE)
    chain = zcore.Chain(source, zcore.Queue(), zcore.Callback(slowly))
    report = ended(chain, lambda: len(seen) > 3)
    assert seen == list(range(len(seen)))
    assert report.frames == len(seen) == report.stages[0].frames_out


def test_codec_in_software_gives_what_it_keeps():
    pytest.importorskip("av")
    sink = zcore.ArraySink()
    chain = zcore.Chain(
        zcore.TestSource("NV12", (64, 48)), zcore.Encode(codec="MPEG2", fallback="software"), zcore.Decode(
            codec="MPEG2", fallback="software"), sink
    )  # fmt: skip
    report = ended(chain, lambda: chain.frames_done > 5)
    assert report.frames == report.stages[0].frames_out


def test_frames_that_were_pushed_come_first():
    source, seen = grey(max_bytes=0), []
    gate = threading.Event()

    def take(frame):
        gate.wait(60)
        seen.append(frame.sequence)

    chain = zcore.Chain(source, zcore.Callback(take))
    with chain:
        chain.start()
        for _ in range(2):
            source.push(bytes(SIZE[0] * SIZE[1]))
        chain.end_of_stream()
        gate.set()
        assert chain.wait(60).frames == 2
    assert seen == [0, 1]


def test_stop_is_still_possible():
    gate = threading.Event()
    chain = zcore.Chain(zcore.TestSource("GREY", SIZE), zcore.Queue(), zcore.Callback(lambda frame: gate.wait(60)))
    with chain:
        chain.start()
        chain.end_of_stream()
        chain.stop()
        gate.set()
        assert chain.wait(60) is not None


def test_end_that_comes_at_once_and_twice():
    chain = zcore.Chain(zcore.TestSource("GREY", SIZE), zcore.FakeSink())
    with chain:
        chain.start()
        chain.end_of_stream()
        chain.end_of_stream()
        report = chain.wait(60)
        assert report.frames == report.stages[0].frames_out
        chain.end_of_stream()  # nothing runs: no harm, and not for the next run
        assert chain.run(frames=3).frames == 3


def test_camera_ends(fake_kernel):
    FakeCamera(fake_kernel).auto = -1
    seen = []
    chain = zcore.Chain(zcore.Capture("/dev/video0"), zcore.Callback(lambda frame: seen.append(frame.sequence)))
    report = ended(chain, lambda: len(seen) > 2)
    assert report.frames == len(seen) == report.stages[0].frames_out
