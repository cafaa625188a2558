"""Frames that a program pushes into a chain: who waits for whom."""

import signal
import sys
import threading

import pytest

import zcore
from app_rig import Seen, acquire_all, grey, picture, push_all, running, thread, wait_for
from zcore.stages import app_door
from zcore.stages.app import AppSink
from zcore.stages.fakes import FakeSink


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(app_door, "START_PATIENCE", 0.05)


def test_too_many_frames_before_the_run(impatient):
    source = grey()
    with zcore.Chain(source, Seen()) as chain:
        chain.plan()
        with pytest.raises(zcore.NotReadyError, match=r"nobody runs the chain.*in use"):
            push_all(source)
        pushed = source.current_level_buffers
        assert pushed >= 3
        source.end_of_stream()
        assert chain.run().frames == pushed


def test_slow_chain_holds_a_fast_program_back():
    source, sink = grey(), Seen()
    sink.gate = threading.Semaphore(0)
    with running(source, sink) as chain:

        def produce():
            for number in range(100):
                assert source.push(picture(number))
            source.end_of_stream()

        with thread(produce):
            for _ in range(100):
                assert source.current_level_buffers <= 64
                sink.gate.release()
        assert chain.wait().frames == 100
    assert sink.values == list(range(100))


def test_many_threads_push():
    source, sink = grey(), Seen()
    with running(source, sink) as chain:

        def produce(start):
            for number in range(start, start + 40):
                assert source.push(picture(number))

        workers = [threading.Thread(target=produce, args=(start,)) for start in range(0, 240, 40)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join(60)
        source.end_of_stream()
        chain.wait()
    assert sorted(sink.values) == list(range(240))
    assert [number for number, _ in sink.frames] == list(range(240))


def test_time_limit_of_a_push_names_who_has_the_buffers():
    source, sink = grey(name="door"), Seen()
    sink.gate = threading.Semaphore(0)
    with running(source, sink):
        with pytest.raises(zcore.DeviceTimeoutError, match=r"door.*in use"):
            push_all(source, timeout=0)
        sink.gate.release(200)


def test_block_keeps_to_the_limit():
    source, sink = grey(max_buffers=2, block=True), Seen()
    sink.gate = threading.Semaphore(0)
    levels = []
    with running(source, sink) as chain:

        def produce():
            for number in range(40):
                source.push(picture(number))
                levels.append(source.current_level_buffers)
            source.end_of_stream()

        with thread(produce):
            sink.gate.release(100)
        chain.wait()
    assert max(levels) <= 2
    assert sink.values == list(range(40))


@pytest.mark.parametrize("limit", [{"max_bytes": 1}, {"max_bytes": 200_000}, {"max_time": 1_000_000}])
def test_other_limits_let_at_least_one_through(limit):
    source, sink = grey(block=True, rate=25, **limit), Seen()
    with running(source, sink) as chain:
        for number in range(20):
            source.push(picture(number))
        source.end_of_stream()
        chain.wait()
    assert sink.values == list(range(20))


@pytest.mark.parametrize(("leaky", "kept"), [("upstream", [0, 1, 2]), ("downstream", [7, 8, 9])])
def test_leaking(leaky, kept):
    source, sink = grey(max_buffers=3, leaky_type=leaky), Seen()
    with zcore.Chain(source, sink) as chain:
        chain.plan()
        for number in range(10):
            assert source.push(picture(number))
        source.end_of_stream()
        report = chain.run()
    assert sink.values == kept
    assert source.drops() == {f"leaky={leaky}": 7}
    assert report.stages[0].drops == {f"leaky={leaky}": 7}


@pytest.mark.parametrize("leaky", ["upstream", "downstream"])
def test_leaking_for_want_of_buffers(leaky):
    source, sink = grey(max_buffers=0, max_bytes=0, leaky_type=leaky), Seen()
    with zcore.Chain(source, sink) as chain:
        plan = chain.plan()
        for number in range(50):
            assert source.push(picture(number), timeout=0)
        source.end_of_stream()
        chain.run()
    count = len(plan[0].pool)
    assert sink.values == (list(range(count)) if leaky == "upstream" else list(range(50 - count, 50)))
    assert source.drops() == {f"leaky={leaky}": 50 - count}


def test_stop_lets_a_program_go_that_waits():
    source, sink = grey(), Seen()
    sink.gate = threading.Semaphore(0)
    results = []

    def produce():
        push_all(source)
        results.append("over")
        results.append(source.push(picture(0)))

    with running(source, sink) as chain:
        with thread(produce):
            wait_for(lambda: sink.values)
            chain.stop()
            sink.gate.release(100)
        chain.wait()
    assert results == ["over", False]


def test_failure_of_the_chain_lets_a_program_go_that_waits():
    def fail(frame):
        raise ZeroDivisionError

    source = grey()
    with running(source, FakeSink(on_frame=fail)) as chain:
        push_all(source)
        with pytest.raises(ZeroDivisionError):
            chain.wait()


def test_sink_that_has_enough_refuses_more():
    source, sink = grey(), Seen(num_buffers=5)
    with running(source, sink) as chain:
        push_all(source)
        assert chain.wait().frames == 5
    with pytest.raises(zcore.ChainError, match="takes no more"):
        source.acquire()


def test_num_buffers():
    source, sink = grey(num_buffers=3), Seen()
    with running(source, sink) as chain:
        for number in range(3):
            source.push(picture(number))
        assert chain.wait().frames == 3


def test_frames_wait_for_the_next_run():
    source, sink = grey(), Seen()
    with zcore.Chain(source, sink) as chain:
        chain.plan()
        for number in range(3):
            source.push(picture(number))
        assert chain.run(frames=1).frames == 1
        source.end_of_stream()
        assert chain.run().frames == 2
        chain.start(frames=2)
        source.push(picture(7))
        source.push(picture(8))
        assert chain.wait().frames == 2
    assert sink.values == [0, 1, 2, 7, 8]


def test_program_is_asked_for_frames():
    sink = Seen()
    numbers = iter(range(20))

    def feed(source):
        number = next(numbers, None)
        if number is None:
            source.end_of_stream()
        else:
            source.push(picture(number))

    assert zcore.Chain(grey(on_need_data=feed), sink).run().frames == 20
    assert sink.values == list(range(20))


def test_program_that_is_asked_once_may_answer_from_elsewhere():
    sink, asked = Seen(), threading.Semaphore(0)
    source = grey(on_need_data=lambda source: asked.release())

    def answer():
        for number in range(10):
            assert asked.acquire(timeout=60)
            source.push(picture(number))
        asked.acquire(timeout=60)
        source.end_of_stream()

    with running(source, sink) as chain, thread(answer):
        assert chain.wait().frames == 10


def test_program_that_is_asked_cannot_wait():
    def feed(source):
        while True:
            source.push(picture(0))

    with pytest.raises(zcore.NotReadyError, match="on_need_data cannot wait"):
        zcore.Chain(grey(on_need_data=feed), Seen()).run()


def test_exception_of_the_program_that_is_asked():
    def feed(source):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        zcore.Chain(grey(on_need_data=feed, name="door"), Seen()).run()


def test_program_is_told_when_it_is_enough():
    told = []
    source = grey(max_buffers=2, on_enough_data=told.append)
    with zcore.Chain(source, Seen()) as chain:
        chain.plan()
        for number in range(3):
            source.push(picture(number))
        assert told == [source, source]
        source.end_of_stream()
        chain.run()


@pytest.mark.parametrize("wait", ["push", "acquire"])
def test_signal_wakes_a_thread_that_waits(wait):
    source, sink = grey(), Seen()
    sink.gate = threading.Semaphore(0)

    def interrupt(*_):
        raise ZeroDivisionError

    before = signal.signal(signal.SIGALRM, interrupt)
    kept = []
    with running(source, sink):
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        with pytest.raises(ZeroDivisionError):
            push_all(source) if wait == "push" else acquire_all(source, kept)
        kept.clear()
        sink.gate.release(200)
    signal.signal(signal.SIGALRM, before)


def test_loop_sleeps_while_nothing_is_pushed():
    source, sink = grey(), Seen()
    with running(source, sink) as chain:
        for number in range(5):
            source.push(picture(number))
            wait_for(lambda n=number: len(sink.values) == n + 1)
            threading.Event().wait(0.02)
        assert chain._runner.loops[0].wakeups < 30
        assert source.idle
        source.end_of_stream()
        chain.wait()
    assert not source.idle


def test_new_plan_in_the_middle_of_a_run():
    """A thread that waits for a buffer of the old plan fills one of the new one."""
    source, sink = grey(), Seen()
    chain = zcore.Chain(source, sink)
    chain.plan()
    source.run_begins()
    source.start()
    leased = [source.acquire(timeout=0) for _ in range(3)]
    first = source.output.pool
    while True:
        frame = first.acquire(timeout=0) if first.stats["free"] else None
        if frame is None:
            break
        leased.append(frame)
    results = []
    with thread(lambda: results.append(source.push(picture(9)))):
        wait_for(lambda: source._door._turn.locked())
        source.stop()  # between two plans
        chain._drop_plan()
        with pytest.raises(zcore.DeviceTimeoutError):
            source.end_of_stream()
        chain.plan()
        source.start()
    assert results == [True]
    assert source.current_level_buffers == 1
    assert source.output.pool is not first
    source.run_ends()
    leased.clear()
    chain.close()


def test_frames_that_wait_go_on_while_a_thread_keeps_the_gil():
    """The loop takes what was pushed, and gives it to whoever pulls, without asking Python."""
    source, sink = grey(), AppSink(holds=16)
    interval = sys.getswitchinterval()
    with running(source, sink) as chain:
        wait_for(lambda: source.idle)
        frames = [source.acquire() for _ in range(4)]
        try:
            sys.setswitchinterval(1000)
            for frame in frames:
                source.push(frame)
            sum(range(20_000_000))
            waiting = sink.current_level_buffers
        finally:
            sys.setswitchinterval(interval)
        assert waiting == 4
        source.end_of_stream()
        chain.wait()
