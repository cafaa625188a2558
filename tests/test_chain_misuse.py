"""A chain in wrong hands: wrong numbers, wrong threads, stages that two chains want, a process that forked."""

import os
import threading
import time

import pytest

import zcore
from zcore.background import threading as background_threading


def make(*more, rate=None, **options):
    return zcore.Chain(zcore.TestSource("GREY", (64, 48), rate=rate), *more, zcore.FakeSink(), **options)


@pytest.mark.parametrize("frames", ["10", 2.5, float("nan"), [], b"3"])
def test_what_is_no_number_of_frames_is_refused(frames):
    with pytest.raises(TypeError, match="frames is a whole number, or None for no limit, not "):
        make().run(frames=frames)
    chain = make()
    with pytest.raises(TypeError, match="frames is a whole number"):
        chain.start(frames)
    chain.close()


@pytest.mark.parametrize("frames", [-1, 1 << 63, 10**30])
def test_numbers_of_frames_that_cannot_be(frames):
    with pytest.raises(ValueError, match=f"frames is 0 or more, or None for no limit, not {frames}"):
        make().run(frames=frames)


@pytest.mark.parametrize("seconds", ["10", float("nan"), 0, -1, []])
def test_what_is_no_time_to_stall_is_refused(seconds):
    with pytest.raises(ValueError, match="stall_timeout is seconds above 0, or None to wait for ever, not "):
        make().run(frames=1, stall_timeout=seconds)


def copying():
    caps = zcore.CapsFilter("video/x-raw,format=RGB")
    return zcore.Chain(zcore.TestSource("NV12", (64, 48)), zcore.MayConvert(), caps, zcore.FakeSink())


def test_zero_copy_is_asked_for_after_the_plan():
    pytest.importorskip("av")
    for begin in (lambda chain: chain.plan(), lambda chain: chain.run(frames=1)):
        with copying() as chain:
            begin(chain)
            with pytest.raises(zcore.ZeroCopyError, match="require_zero_copy forbids it"):
                chain.run(frames=1, require_zero_copy=True)
    with make() as chain:
        plan = chain.plan()
        assert chain.plan(require_zero_copy=True) is plan


def test_stop_between_start_and_run_counts(monkeypatch):
    begun = threading.Event()

    class Late(threading.Thread):
        def run(self):
            begun.wait(10)
            super().run()

    monkeypatch.setattr(background_threading, "Thread", Late)
    with make(rate=100) as chain:
        chain.start()
        chain.stop()
        begun.set()
        assert chain.wait(10) is not None


def test_stage_that_waits_for_its_own_chain():
    chain = None
    sink = zcore.Callback(lambda frame: chain.wait())
    chain = zcore.Chain(zcore.TestSource("GREY", (64, 48)), sink)
    with chain:
        chain.start(frames=3)
        with pytest.raises(zcore.ChainError, match="cannot be waited for by one of its own stages"):
            chain.wait(10)


def test_only_one_of_two_that_wait_gets_the_report():
    outcomes = []

    def wait():
        try:
            outcomes.append(chain.wait(10).frames)
        except zcore.ChainError as error:
            outcomes.append(str(error))

    with make(rate=100) as chain:
        chain.start(frames=20)
        threads = [threading.Thread(target=wait) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    outcomes.sort(key=str)
    assert outcomes[0] == 20
    assert set(outcomes[1:]) <= {
        "another thread has waited for this run, and has its report", "the chain was not started"
    }  # fmt: skip


def test_a_stage_runs_in_one_chain_at_a_time():
    source = zcore.TestSource("GREY", (64, 48), rate=100)
    first, second = zcore.Chain(source, zcore.FakeSink()), zcore.Chain(source, zcore.FakeSink())
    with first, second:
        first.start()
        while first.frames_done < 1:
            time.sleep(0.001)
        for call in (second.plan, second.run, second.start):
            with pytest.raises(zcore.ChainError, match=f"{source.name} runs in another chain"):
                call()
        first.stop()
        assert first.wait(10).frames > 0
        assert second.run(frames=3).frames == 3
        assert first.run(frames=3).frames == 3


def test_forked_child_leaves_the_chain_to_its_parent():
    with make(rate=100) as chain:
        chain.start()
        child = os.fork()
        if child == 0:
            try:
                chain.close()
            finally:
                os._exit(0)
        end = time.monotonic() + 20
        while (done := os.waitpid(child, os.WNOHANG)) == (0, 0) and time.monotonic() < end:
            time.sleep(0.01)
        if done == (0, 0):
            os.kill(child, 9)
            os.waitpid(child, 0)
        assert done == (child, 0), "close() in the child waits for a thread that only the parent has"
        before = chain.frames_done
        while chain.frames_done == before:
            time.sleep(0.001)
        chain.stop()
        assert chain.wait(10).frames > 0


def test_a_display_shows_frames_only():
    with pytest.raises(TypeError, match="display shows frames, not int: see AppSource for arrays"):
        zcore.Display("/dev/dri/card0", name="display").show(5)
