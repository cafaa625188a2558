"""Frames that come from nowhere, and go there."""

import sys
import threading

import pytest

import zcore
from chain_rig import OK, bench  # noqa: F401
from helpers import XR24, YUYV, YUYV_SIZE, make_pool
from zcore._end_nodes import BlankNode, IdentityNode, SinkNode
from zcore.formats import find
from zcore.stages.fakes import FakeSink, FakeSource

SIZE = (64, 48)


def blocks(count=4, **options):
    """Run a fake source of coded frames; gives their bytes."""
    seen = []
    source = FakeSource("MPEG", num_buffers=count, memory="memfd", **options)
    report = zcore.Chain(source, FakeSink(on_frame=lambda f: seen.append(f.array().tobytes()))).run()
    assert report.frames == count
    return seen


@pytest.mark.parametrize(("sizetype", "sizes"), [("empty", {0}), ("fixed", {100}), (1, {0}), (2, {100})])
def test_sizes(sizetype, sizes):
    assert {len(block) for block in blocks(sizetype=sizetype, sizemax=100)} == sizes


def test_random_sizes():
    sizes = [len(block) for block in blocks(50, sizetype="random", sizemin=10, sizemax=13)]
    assert set(sizes) == {10, 11, 12, 13}


def test_default_sizes_are_gstreamers():
    source = FakeSource()
    assert (source.sizetype, source.sizemin, source.sizemax, source.filltype) == ("empty", 0, 4096, "nothing")
    assert source.limit is None
    assert source.offers() is None


@pytest.mark.parametrize(
    ("filltype", "expected"),
    [
        ("zero", [bytes(300)] * 2),
        ("pattern", [bytes(i % 256 for i in range(300))] * 2),
        (5, [bytes(i % 256 for i in range(300)), bytes(i % 256 for i in range(300, 600))]),
    ],
)
def test_filling(filltype, expected):
    assert blocks(2, sizetype="fixed", sizemax=300, filltype=filltype) == expected


def test_random_filling():
    first, second = blocks(2, sizetype="fixed", sizemax=3000, filltype="random")
    assert first != second
    assert len(set(first)) > 200


def test_pictures_have_the_size_of_their_format():
    seen = []
    source = FakeSource("NV12", SIZE, filltype="pattern", memory="memfd")
    zcore.Chain(source, FakeSink(on_frame=lambda f: seen.append((f.bytes_used, f.planes()[1].tobytes())))).run(frames=1)
    assert seen[0][0] == (64 * 48 * 3 // 2,)
    assert seen[0][1][:4] == bytes([0, 1, 2, 3])  # it counted on after the first plane, which has a multiple of 256


def test_padded_rows_are_filled_without_their_padding():
    source = FakeSource("GREY", (10, 4), filltype="pattern", memory="memfd")
    pool = source.output.allocate(source.set_output(find("GREY"), None, 16), 1, export=True)
    frame = pool.acquire(0)
    source.fill(frame)
    assert frame.array().reshape(-1).tolist() == list(range(40))


def test_stamps_follow_the_datarate():
    stamps = []
    source = FakeSource("MPEG", sizetype="fixed", sizemax=100, datarate=1000, memory="memfd")
    zcore.Chain(source, FakeSink(on_frame=lambda f: stamps.append((f.sequence, f.timestamp_ns)))).run(frames=3)
    assert stamps == [(0, 0), (1, 100_000_000), (2, 200_000_000)]
    stamps.clear()
    source = FakeSource("MPEG", sizetype="fixed", sizemax=100, datarate=1000, filltype="zero", memory="memfd")
    zcore.Chain(source, FakeSink(on_frame=lambda f: stamps.append((f.sequence, f.timestamp_ns)))).run(frames=3)
    assert stamps == [(0, 0), (1, 100_000_000), (2, 200_000_000)]


@pytest.mark.parametrize("filltype", ["nothing", "zero"])
def test_stamps_follow_the_rate_of_a_caps_filter(filltype):
    stamps = []
    chain = zcore.launch(
        f"fakesrc filltype={filltype} num-buffers=3 ! video/x-raw,format=GRAY8,width=64,height=48,framerate=25/1 !"
        " fakesink name=end"
    )
    chain["end"].on_frame = lambda frame: stamps.append(frame.timestamp_ns)
    chain.stages[0].format = find("GREY")
    chain.run()
    assert stamps == [0, 40_000_000, 80_000_000]


@pytest.mark.parametrize("filltype", ["nothing", "zero"])
def test_live_frames_are_dated_by_the_clock(filltype):
    stamps = []
    source = FakeSource("GREY", SIZE, is_live=True, filltype=filltype, memory="memfd")
    zcore.Chain(source, FakeSink(on_frame=lambda f: stamps.append(f.timestamp_ns))).run(frames=3)
    assert stamps == sorted(stamps)
    assert stamps[0] > 1_000_000_000


@pytest.mark.parametrize("filltype", ["nothing", "zero"])
def test_source_and_sink_can_keep_a_pace(filltype):
    source = FakeSource("GREY", SIZE, datarate=64 * 48 * 1000, sync=True, filltype=filltype, memory="memfd")
    assert zcore.Chain(source, FakeSink(sync=True, ts_offset=1000)).run(frames=10).frames == 10


def test_messages_handoffs_and_dumps(capsys):
    seen = []
    source = FakeSource(
        "MPEG", sizetype="fixed", sizemax=20, filltype="pattern", silent=False, on_frame=seen.append, memory="memfd",
        name="giver",
    )  # fmt: skip
    sink = FakeSink(silent=False, dump=True, name="taker")
    zcore.Chain(source, sink).run(frames=1)
    assert len(seen) == 1
    seen.clear()
    assert source.last_message.startswith("create giver: frame 0, 20 bytes, MPEG")
    assert sink.last_message.startswith("chain taker: frame 0, 20 bytes, MPEG")
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        "0:00000000  00 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f  ................",
        "0:00000010  10 11 12 13                                      ....",
    ]


def test_messages_are_empty_while_silent():
    source, sink = FakeSource("GREY", SIZE, memory="memfd"), FakeSink()
    zcore.Chain(source, sink).run(frames=1)
    assert source.last_message is sink.last_message is None


def test_sink_that_has_enough_ends_the_chain():
    report = zcore.Chain(FakeSource("GREY", SIZE, memory="memfd"), FakeSink(num_buffers=5)).run()
    assert report.frames == 5


def test_sink_with_nothing_to_take_ends_at_once():
    assert zcore.Chain(FakeSource("GREY", SIZE, memory="memfd"), FakeSink(num_buffers=0)).run().frames == 0


def test_sink_may_want_more_than_there_is():
    assert (
        zcore.Chain(FakeSource("GREY", SIZE, num_buffers=3, memory="memfd"), FakeSink(num_buffers=5)).run().frames == 3
    )


def test_exception_of_a_handoff_ends_the_chain():
    def fail(frame):
        raise ZeroDivisionError

    for stages in (
        (FakeSource("GREY", SIZE, on_frame=fail, memory="memfd"), FakeSink()),
        (FakeSource("GREY", SIZE, memory="memfd"), FakeSink(on_frame=fail)),
    ):
        with pytest.raises(ZeroDivisionError):
            zcore.Chain(*stages).run(frames=3)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"sizetype": "big"}, "sizetype is one of empty, fixed, random"),
        ({"sizetype": 0}, "sizetype"),
        ({"filltype": 6}, "filltype"),
        ({"sizemin": 5, "sizemax": 4}, "sizemin to sizemax"),
        ({"datarate": -1}, "datarate"),
    ],
)
def test_wrong_arguments(options, why):
    with pytest.raises(ValueError, match=why):
        FakeSource(**options)


# On the fake kernel: the sink takes a device's frames as they are.


def test_sink_takes_buffers_of_a_device_untouched(bench):
    link = bench.link()
    pool = bench.camera(link, auto=20, frames=20)
    before = len(bench.kernel.calls)
    node = bench.add(SinkNode("sink", link))
    assert bench.run() == OK
    assert node.frames_in == 20
    assert not any("SYNC" in call.name or call.name == "mmap" for call in bench.kernel.calls[before:])
    assert pool.stats["leased"] == 0


def test_sink_keeps_no_more_than_it_was_told(bench):
    link = bench.link()
    pool = bench.camera(link, auto=20)
    bench.add(SinkNode("sink", link, frames=3))
    assert bench.run() == OK
    assert link.refused
    assert link.count == 0
    assert pool.stats["leased"] == 0


def test_function_of_a_sink_needs_a_pool(bench):
    with pytest.raises(ValueError, match="needs the pool"):
        SinkNode("sink", bench.link(), process=print)


def test_paced_sink_drops_nothing_and_wakes_up(bench):
    """The stamps tell 2 ms; what is dated by another clock begins now."""
    link = bench.link()
    pool, _ = make_pool(bench.kernel, 3, XR24)
    seen = []
    bench.add(BlankNode("blank", pool, link, frames=5, step_ns=2_000_000), pool)
    bench.add(
        SinkNode("sink", link, process=lambda f: seen.append(f.timestamp_ns), pool=pool, sync=True), None
    )  # fmt: skip
    assert bench.run() == OK
    assert seen == [0, 2_000_000, 4_000_000, 6_000_000, 8_000_000]


def test_pause_that_is_a_jump_is_not_waited_for(bench):
    link = bench.link()
    pool, _ = make_pool(bench.kernel, 3, XR24)
    bench.add(BlankNode("blank", pool, link, frames=3, step_ns=100_000_000_000), pool)
    bench.add(SinkNode("sink", link, sync=True))
    assert bench.run() == OK


def test_blank_source_waits_for_free_slots(bench):
    """A thread that is slow to give frames back; the loop sleeps and is woken."""
    link, kept, seen = bench.link(), [], []
    pool, _ = make_pool(bench.kernel, 2, YUYV, YUYV_SIZE)
    full = threading.Event()

    def take(frame):
        seen.append(frame.sequence)
        kept.append(frame)
        if len(kept) == 2:
            full.set()

    def give_back():
        full.wait(30)
        for _ in range(8):
            while not kept:
                threading.Event().wait(0.001)
            kept.pop(0)

    bench.add(BlankNode("blank", pool, link, frames=8), pool)
    bench.add(SinkNode("sink", link, process=take, pool=pool))
    thread = threading.Thread(target=give_back)
    thread.start()
    assert bench.run() == OK
    thread.join()
    assert seen == list(range(8))
    assert pool.stats["free"] == 2


def test_identity_node_on_device_frames(bench):
    first, second = bench.link(), bench.link()
    pool = bench.camera(first, auto=30, frames=30)
    node = bench.add(IdentityNode("identity", first, second, pool, drop_probability=0.5, seed=3))
    sink = bench.add(SinkNode("sink", second))
    assert bench.run() == OK
    assert node.frames == 30
    assert 0 < node.dropped < 30
    assert sink.frames_in == 30 - node.dropped
    assert pool.stats["leased"] == 0


def test_frames_go_on_while_a_thread_keeps_the_gil(bench):
    """Nothing on their way asks for it: one long call in C, and no frame waits for its end."""
    first, second = bench.link(), bench.link()
    pool, _ = make_pool(bench.kernel, 3, XR24)
    bench.add(BlankNode("blank", pool, first), pool)
    bench.add(IdentityNode("identity", first, second, pool, drop_probability=0.1, datarate=1000))
    bench.add(SinkNode("sink", second))
    loop = bench.make_loop()
    interval = sys.getswitchinterval()
    thread = threading.Thread(target=bench.run)
    thread.start()
    try:
        while second.frames < 100:
            threading.Event().wait(0.001)
        sys.setswitchinterval(1000)
        before = second.frames
        sum(range(20_000_000))
        after = second.frames
    finally:
        sys.setswitchinterval(interval)
        loop.stop()
        thread.join()
    assert after > before + 1000
