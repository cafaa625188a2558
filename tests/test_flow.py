"""Branches, queues between threads, and functions that look at what passes."""

import gc
import os
import threading
import time

import pytest

import zcore
from zcore.errors import ChainError, StallError
from zcore.stages.flow import CapsFilter, Passthrough, Queue, Tee


def source(**options):
    return zcore.TestSource("GREY", (16, 16), **options)


class Collector:
    """A sink that notes what comes, and may be held up."""

    def __init__(self, gate=None):
        self.seen = []
        self.threads = set()
        self.gate = gate
        self.stage = zcore.Callback(self.take)

    def take(self, frame):
        if self.gate is not None:
            assert self.gate.wait(20)
        self.seen.append(frame.sequence)
        self.threads.add(threading.current_thread().name)


def test_tee_gives_every_frame_to_every_branch():
    camera, tee, one, two = source(), Tee(), Collector(), Collector()
    report = zcore.Chain(links=[(camera, tee), (tee, one.stage), (tee, two.stage)]).run(frames=10)
    assert one.seen == two.seen == list(range(10))
    assert report.frames == 10
    assert [link.sink for link in report.links] == [one.stage.name, two.stage.name]
    assert report.zero_copy
    assert report.links[0].buffers == report.links[1].buffers


def test_tee_of_tees():
    camera, outer, inner = source(), Tee(), Tee()
    sinks = [Collector() for _ in range(3)]
    links = [(camera, outer), (outer, inner), (inner, sinks[0].stage), (inner, sinks[1].stage), (outer, sinks[2].stage)]
    zcore.Chain(links=links).run(frames=5)
    assert all(sink.seen == list(range(5)) for sink in sinks)


def test_what_stands_behind_a_queue_runs_in_its_own_thread():
    camera, tee, one, two = source(), Tee(), Collector(), Collector()
    zcore.Chain(links=[(camera, tee), (tee, one.stage), (tee, q := Queue()), (q, two.stage)]).run(frames=10)
    assert one.seen == two.seen == list(range(10))
    assert one.threads == {threading.main_thread().name}
    assert two.threads == {"zcore chain 1"}


def test_queue_loses_nothing_when_its_reader_is_slow():
    sink = Collector()
    slow = zcore.Callback(lambda frame: (time.sleep(0.001), sink.take(frame)))
    zcore.Chain(source(), Queue(max_size_buffers=2), slow).run(frames=100)
    assert sink.seen == list(range(100))


@pytest.mark.parametrize("leaky", ["upstream", "downstream"])
def test_leaky_queue_drops_and_counts(leaky):
    gate = threading.Event()
    sink, passed, queue = Collector(gate), Collector(), Queue(max_size_buffers=3, leaky=leaky)
    tee = Tee()
    watch = zcore.Callback(lambda frame: (passed.take(frame), gate.set() if frame.sequence == 49 else None))
    report = zcore.Chain(links=[(s := source(), tee), (tee, queue), (queue, sink.stage), (tee, watch)]).run(frames=50)
    assert passed.seen == list(range(50))
    dropped = next(stage for stage in report.stages if stage.name == queue.name).drops[f"leaky={leaky}"]
    assert dropped + len(sink.seen) == 50
    assert dropped >= 40
    if leaky == "downstream":
        assert sink.seen[-3:] == [47, 48, 49]
    else:
        assert sink.seen[:3] == [0, 1, 2]
    assert s.name in str(report)


def test_queue_waits_for_its_threshold():
    levels = []
    queue = Queue(max_size_buffers=8, min_threshold_buffers=4)
    sink = zcore.Callback(lambda frame: levels.append(queue.current_level_buffers))
    zcore.Chain(source(rate=1000), queue, sink).run(frames=20)
    assert len(levels) == 20
    assert min(levels[:10]) >= 3


def test_queue_levels():
    gate = threading.Event()
    sink, queue = Collector(gate), Queue(max_size_buffers=4)
    chain = zcore.Chain(source(), queue, sink.stage)
    chain.start(frames=20)
    deadline = time.monotonic() + 20
    while queue.current_level_bytes < 4 * 256 and time.monotonic() < deadline:
        time.sleep(0.001)
    assert queue.current_level_buffers == 4
    assert queue.current_level_bytes == 4 * 256
    assert queue.current_level_time >= 0
    gate.set()
    assert chain.wait(20).frames == 20
    assert queue.current_level_buffers == 0


def test_queue_flushes_at_the_end():
    gate = threading.Event()
    sink, queue = Collector(gate), Queue(max_size_buffers=4, flush_on_eos=True)
    threading.Timer(0.3, gate.set).start()
    report = zcore.Chain(source(), queue, sink.stage).run(frames=4)
    assert report.frames < 4


def test_two_queues_in_a_row():
    sink = Collector()
    zcore.Chain(source(), Queue(max_size_buffers=1), Queue(max_size_buffers=1), sink.stage).run(frames=200)
    assert sink.seen == list(range(200))
    assert sink.threads == {"zcore chain 2"}


def test_error_behind_a_queue_ends_the_chain():
    def fail(frame):
        raise RuntimeError("the reader is broken")

    with pytest.raises(RuntimeError, match="the reader is broken") as caught:
        zcore.Chain(source(rate=1000), Queue(), zcore.Callback(fail)).run()
    assert "callback" in caught.value.__notes__[0]


def test_error_before_a_queue_ends_the_chain():
    def fail(frame):
        raise RuntimeError("the filter is broken")

    with pytest.raises(RuntimeError, match="the filter is broken"):
        zcore.Chain(source(), Passthrough(fail), Queue(), Collector().stage).run()


def test_stall_behind_a_queue_is_told():
    gate = threading.Event()
    sink = Collector(gate)
    threading.Timer(0.6, gate.set).start()
    with pytest.raises(StallError, match=r"nothing happened for 0\.2 s"):
        zcore.Chain(source(), Queue(max_size_buffers=2), sink.stage).run(frames=50, stall_timeout=0.2)


def test_stop_from_another_thread():
    chain = zcore.Chain(source(), Queue(max_size_buffers=2), zcore.Callback(lambda frame: time.sleep(0.001)))
    threading.Timer(0.1, chain.stop).start()
    assert chain.run().frames > 0


def test_passthrough_sees_and_drops():
    sink = Collector()
    keep = Passthrough(lambda frame: frame.sequence % 3 == 0)
    report = zcore.Chain(source(), keep, sink.stage).run(frames=9)
    assert sink.seen == [0, 3, 6]
    stage = next(stage for stage in report.stages if stage.name == keep.name)
    assert (stage.frames_in, stage.frames_out, stage.drops) == (9, 3, {"refused": 6})


def test_frames_that_a_passthrough_keeps_are_its_own():
    kept = []
    look = Passthrough(lambda frame: kept.append(frame) if frame.sequence < 2 else None)
    with zcore.Chain(source(), look, Collector().stage) as chain:
        assert chain.run(frames=20).frames == 20
        assert [frame.sequence for frame in kept] == [0, 1]
        kept.clear()


def test_filter_is_no_stage_of_its_own_while_it_runs():
    sink = Collector()
    zcore.Chain(source(), CapsFilter("video/x-raw,format=GRAY8,width=16"), sink.stage).run(frames=3)
    assert sink.seen == [0, 1, 2]


def test_chain_can_run_again_with_queues():
    sink = Collector()
    with zcore.Chain(source(), Queue(), sink.stage) as chain:
        chain.run(frames=5)
        chain.run(frames=5)
    assert len(sink.seen) == 10


def test_stages_are_found_by_name():
    queue = Queue(name="q")
    chain = zcore.Chain(source(), queue, Collector().stage)
    assert chain["q"] is queue
    with pytest.raises(KeyError, match="no stage 'p'; there are testsource"):
        chain["p"]


@pytest.mark.parametrize(
    ("links", "words"),
    [
        (lambda s, q, c, d: [(s, c), (s, d)], "put a tee behind it"),
        (lambda s, q, c, d: [(s, q), (q, c), (c, d)], "gives no frames"),
        (lambda s, q, c, d: [(s, q)], "nothing follows queue"),
        (lambda s, q, c, d: [(q, c)], "nothing comes before queue"),
        (lambda s, q, c, d: [(s, c), (q, c)], "takes frames from testsource.* already"),
        (lambda s, q, c, d: [(s, s)], "takes no frames"),
    ],
)
def test_wrong_links(links, words):
    with pytest.raises(ChainError, match=words):
        zcore.Chain(links=links(source(), Queue(), Collector().stage, Collector().stage))


def test_two_stages_of_one_name():
    with pytest.raises(ChainError, match="two stages have the name a"):
        zcore.Chain(zcore.TestSource("GREY", name="a"), Queue(name="a"), Collector().stage)


def test_wrong_options():
    with pytest.raises(ValueError, match="leaky is one of no, upstream, downstream, not 'yes'"):
        Queue(leaky="yes")
    with pytest.raises(ValueError, match="0 \\(none\\) or more"):
        Queue(-1)


def test_closing_a_chain_that_runs_stops_it():
    sink = Collector()
    chain = zcore.Chain(source(rate=100), Queue(), sink.stage)
    chain.start()
    deadline = time.monotonic() + 20
    while len(sink.seen) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    chain.close()
    assert chain.wait(20).frames >= 3
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("zcore chain")]


@pytest.mark.parametrize("what", ["close", "run"])
def test_a_stage_cannot_close_or_run_its_own_chain(what):
    def meddle(frame):
        chain.close() if what == "close" else chain.run(frames=1)

    chain = zcore.Chain(source(), zcore.Callback(meddle))
    with pytest.raises(ChainError, match="call stop\\(\\) there" if what == "close" else "runs already"):
        chain.run(frames=3)
    assert chain.run.__self__ is chain


def test_closed_chain_keeps_no_descriptors():
    gc.disable()
    try:
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(3):
            with zcore.Chain(source(), Queue(), zcore.Callback(lambda frame: None)) as chain:
                chain.run(frames=3)
            del chain
        assert len(os.listdir("/proc/self/fd")) <= before
    finally:
        gc.enable()


def test_too_many_branches():
    tee = Tee(name="t")
    with pytest.raises(ChainError, match="t has 17 branches and 16 are possible"):
        zcore.Chain(links=[(source(), tee), *((tee, Collector().stage) for _ in range(17))])
