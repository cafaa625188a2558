"""Frames that a program pulls out of a chain."""

import gc
import signal
import threading

import numpy as np
import pytest

import zcore
from app_rig import SIZE, grey, picture, running, thread, value, wait_for
from zcore.formats import find
from zcore.stages import app_sink
from zcore.stages.app import AppSink
from zcore.stages.fakes import FakeSource


def blank(**options):
    return FakeSource("GREY", SIZE, memory="memfd", **options)


def test_frames_come_in_order_and_then_the_end():
    sink = AppSink()
    with running(blank(num_buffers=100), sink) as chain:
        frames = []
        while (frame := sink.pull()) is not None:
            frames.append(frame.sequence)
            del frame
        assert frames == list(range(100))
        assert sink.pull() is None
        assert sink.pull(timeout=0) is None
        assert sink.try_pull() is None
        assert chain.wait().frames == 100
    assert sink.is_eos


def test_frames_are_the_chains_own_buffers():
    source, sink = grey(), AppSink()
    with running(source, sink) as chain:
        frame = source.acquire()
        frame.array(write=True)[...] = 5
        index = frame.index
        source.push(frame)
        got = sink.pull()
        assert (got.index, value(got), got.pool) == (index, 5, source.output.pool)
        source.end_of_stream()
        assert chain.wait().zero_copy


def test_iteration_ends_with_the_chain():
    sink = AppSink()
    with running(blank(num_buffers=50), sink):
        assert [frame.sequence for frame in sink] == list(range(50))
        assert list(sink) == []


def test_frames_can_be_pulled_after_the_chain_has_closed():
    source, sink = zcore.TestSource("GREY", SIZE, pattern="blink", memory="memfd"), AppSink()
    report = zcore.Chain(source, sink).run(frames=4)
    assert report.frames == 4
    assert source.output.pool is None
    assert sink.current_level_buffers == 4
    assert sink.current_level_bytes == 4 * 128
    assert not sink.is_eos
    assert [value(frame) for frame in sink] == [16 * 0, 255, 0, 255]
    assert sink.is_eos


def test_frames_that_nobody_pulls_go_with_the_sink():
    sink = AppSink()
    zcore.Chain(blank(), sink).run(frames=4)
    pool = sink.pull().pool
    assert pool.stats["leased"] == 3
    del sink
    gc.collect()
    assert pool.stats["leased"] == 0


def test_frames_that_nobody_pulls_go_before_the_next_plan():
    sink = AppSink()
    zcore.Chain(blank(), sink).run(frames=4)
    pool = sink.pull().pool
    with zcore.Chain(blank(), sink) as chain:
        chain.plan()
        assert pool.stats["leased"] == 0
        assert chain.run(frames=2).frames == 2
    assert [frame.sequence for frame in sink] == [0, 1]


def test_flush_drops_what_waits():
    sink = AppSink()
    zcore.Chain(blank(), sink).run(frames=3)
    assert sink.flush() == 3
    assert sink.pull() is None


def test_slow_program_holds_the_chain_back():
    sink = AppSink(max_buffers=2)
    with running(blank(num_buffers=60), sink) as chain:
        seen = []
        for frame in sink:
            assert sink.current_level_buffers <= 2
            seen.append(frame.sequence)
        assert seen == list(range(60))
        report = chain.wait()
    assert report.stages[1].facts["high_water"] <= 2
    assert report.stages[1].drops == {}


def test_sink_that_drops_keeps_the_newest():
    sink = AppSink(max_buffers=3, drop=True)
    report = zcore.Chain(blank(), sink).run(frames=50)
    assert [frame.sequence for frame in sink] == [47, 48, 49]
    assert sink.drops() == {"drop": 47}
    assert report.stages[1].drops == {"drop": 47}


def test_buffers_are_made_for_what_it_holds():
    assert AppSink().input.holds == 3
    assert AppSink(holds=4).input.holds == 6
    assert AppSink(max_buffers=3, drop=True).input.holds == 4
    assert AppSink(max_buffers=300, drop=True).input.holds == 17
    assert AppSink(max_buffers=300).input.holds == 5
    assert AppSink(on_frame=print, holds=2).input.holds == 2


def test_program_may_hold_as_many_as_it_said():
    sink, kept = AppSink(holds=5), []
    with running(blank(num_buffers=50), sink) as chain:
        for frame in sink:
            kept = [*kept[-3:], frame]
        assert chain.wait().frames == 50


def test_chain_that_is_short_of_buffers_names_the_program():
    sink, kept = AppSink(max_buffers=1), []
    with running(blank(), sink, stall_timeout=0.3) as chain:
        for frame in sink:
            kept.append(frame)
        del frame
        with pytest.raises(zcore.StallError, match="with python"):
            chain.wait()
    kept.clear()


def test_view_keeps_the_frame():
    source, sink = grey(), AppSink()
    with running(source, sink) as chain:
        source.push(picture(9))
        view = sink.pull().array()[2:]
        for number in range(40):
            source.push(picture(number))
            del number
            assert sink.pull() is not None
        assert (view == 9).all()
        source.end_of_stream()
        chain.wait()


def test_two_threads_share_the_frames():
    sink, seen = AppSink(holds=2), []
    with running(blank(num_buffers=300), sink), thread(lambda: seen.extend(f.sequence for f in sink)):
        seen.extend(frame.sequence for frame in sink)
    assert sorted(seen) == list(range(300))


def test_time_limits():
    source, sink = grey(), AppSink(name="door")
    with running(source, sink) as chain:
        assert sink.try_pull() is None
        assert sink.try_pull(0.001) is None
        with pytest.raises(zcore.DeviceTimeoutError, match="no frame came"):
            sink.pull(timeout=0.001)
        source.push(picture(1))
        assert value(sink.pull(timeout=60)) == 1
        source.end_of_stream()
        assert sink.pull(timeout=60) is None
        chain.wait()


def test_thread_that_waits_for_another_has_its_own_limit():
    source, sink = grey(), AppSink()
    with running(source, sink) as chain:
        with thread(lambda: [frame.release() for frame in sink]):
            wait_for(sink._turn.locked)
            with pytest.raises(zcore.DeviceTimeoutError, match="another thread"):
                sink.pull(timeout=0)
            source.end_of_stream()
        chain.wait()


def test_nobody_runs_the_chain(monkeypatch):
    monkeypatch.setattr(app_sink, "START_PATIENCE", 0.02)
    sink = AppSink()
    with pytest.raises(zcore.NotReadyError, match="nobody runs"):
        sink.pull()
    assert sink.try_pull(1) is None
    assert not sink.is_eos


def test_program_may_wait_before_the_chain_runs():
    sink, seen = AppSink(), []
    with thread(lambda: seen.extend(frame.sequence for frame in sink)):
        wait_for(sink._turn.locked)
        zcore.Chain(blank(num_buffers=5), sink).run()
    assert seen == [0, 1, 2, 3, 4]


def test_stop_and_failure_end_the_iteration():
    for fail in (False, True):
        source, sink = grey(), AppSink()
        with running(source, sink) as chain:
            with thread(lambda sink=sink: list(sink)):
                wait_for(sink._turn.locked)
                if fail:
                    source.on_need_data = None
                chain.stop()
            chain.wait()
        assert sink.is_eos


def test_every_run_has_its_own_end():
    sink = AppSink()
    with zcore.Chain(blank(), sink) as chain:
        chain.run(frames=3)
        assert sink.pull().sequence == 0
        chain.run(frames=2)  # what waited is gone
        assert len([frame.sequence for frame in sink]) == 2
        assert sink.pull() is None


def test_function_gets_the_frames():
    seen = []
    sink = AppSink(on_frame=lambda frame: seen.append(frame.sequence))
    assert zcore.Chain(blank(), sink).run(frames=5).frames == 5
    assert seen == [0, 1, 2, 3, 4]
    with pytest.raises(ValueError, match="on_frame"):
        sink.pull()


def test_exception_of_the_function_ends_the_chain():
    def fail(frame):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        zcore.Chain(blank(), AppSink(on_frame=fail)).run(frames=5)


@pytest.mark.parametrize("options", [{}, {"on_frame": lambda frame: None}, {"max_buffers": 1}])
def test_paced_frames_all_come(options):
    source = zcore.TestSource("GREY", SIZE, rate=500, is_live=False, memory="memfd")
    sink = AppSink(sync=True, ts_offset=1000, **options)
    with running(source, sink, frames=10) as chain:
        if "on_frame" not in options:
            assert [frame.sequence for frame in sink] == list(range(10))
        assert chain.wait().frames == 10


def test_signal_wakes_a_thread_that_waits():
    def interrupt(*_):
        raise ZeroDivisionError

    before = signal.signal(signal.SIGALRM, interrupt)
    source, sink = grey(), AppSink()
    with running(source, sink):
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        with pytest.raises(ZeroDivisionError):
            sink.pull()
    signal.signal(signal.SIGALRM, before)


def test_loop_sleeps_while_nothing_is_pulled():
    sink = AppSink(max_buffers=1)
    with running(blank(num_buffers=20), sink) as chain:
        for number in range(20):
            wait_for(lambda: sink.current_level_buffers)
            threading.Event().wait(0.002)
            if number < 15:
                assert sink.idle
            assert sink.pull().sequence == number
        assert chain.wait().frames == 20
    assert not sink.idle


def test_asking_for_a_format():
    sink = AppSink("video/x-raw,format=NV12,width=64,height=48")
    assert sink.accepts() == (find("NV12"),)
    assert sink.input_sizes(find("NV12")).points == [(64, 48)]
    with running(zcore.TestSource(memory="memfd"), sink, frames=1) as chain:
        frame = sink.pull()
        assert (frame.format, frame.size) == (find("NV12"), (64, 48))
        del frame
        chain.wait()
    assert AppSink().accepts() is AppSink().input_sizes(find("NV12")) is None


@pytest.mark.parametrize("options", [{"max_buffers": -1}, {"holds": 0}])
def test_wrong_arguments(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        AppSink(**options)


def test_from_door_to_door():
    """What a program does between two chains: look at each frame, change what it passes on."""
    first, second = AppSink(), grey()
    sink = zcore.ArraySink()
    with running(zcore.TestSource("GREY", SIZE, pattern="blink", memory="memfd"), first, frames=20) as one:
        with running(second, sink) as other:
            for frame in first:
                room = second.acquire()
                np.subtract(255, frame.array(), out=room.array(write=True))
                second.push(room)
            second.end_of_stream()
            assert other.wait().zero_copy
        one.wait()
    assert [int(array[0, 0]) for array in sink.arrays] == [255, 0] * 10
