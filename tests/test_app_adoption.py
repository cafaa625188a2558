"""Frames of other pools, pushed into a chain."""

import gc

import numpy as np
import pytest

import zcore
from app_rig import SIZE, Seen, grey, picture, running, value, wait_for
from zcore.formats import find
from zcore.stages.app import AppSink, AppSource
from zcore.stages.base import make_pool
from zcore.stages.cpu_pads import MemoryPad, software_caps
from zcore.stages.fakes import FakeSink, FakeSource


def foreign(count=3, fmt="GREY", size=SIZE, stride=0, name="foreign"):
    """A pool that no chain knows, with other values in each frame."""
    pool = MemoryPad(name, "memfd").allocate(software_caps(find(fmt), size, stride), count, export=True)
    frames = [pool.acquire(0) for _ in range(count)]
    for number, frame in enumerate(frames):
        for plane in frame.planes(write=True):
            plane[...] = 100 + number
        frame.set_meta(sequence=50 + number, timestamp_ns=1000 + number)
    return pool, frames


def planned(source, sink):
    chain = zcore.Chain(source, sink)
    chain.plan()
    source.linked([sink.input])
    return chain


def test_frame_is_passed_on_without_a_copy():
    _, frames = foreign()
    seen = []
    source = grey()
    sink = FakeSink(on_frame=lambda f: seen.append((value(f), f.sequence, f.timestamp_ns, f.buffers[0])))
    with planned(source, sink) as chain:
        for frame in frames:
            assert source.push(frame)
        source.end_of_stream()
        report = chain.run()
    assert [(number, stamp, when) for number, stamp, when, _ in seen] == [
        (100, 50, 1000), (101, 51, 1001), (102, 52, 1002),
    ]  # fmt: skip
    assert [buffer for *_, buffer in seen] == [frame.buffers[0] for frame in frames]
    assert report.zero_copy
    assert source.copy_reasons == {}
    seen.clear()


def test_lease_goes_back_when_the_chain_is_done():
    pool, frames = foreign()
    source, sink = grey(), AppSink()
    with planned(source, sink) as chain:
        chain.start()
        source.push(frames.pop(), timestamp_ns=7)
        got = sink.pull()
        assert (value(got), got.timestamp_ns) == (102, 7)
        frames.clear()
        assert pool.stats["leased"] == 1  # what the chain has is held in its own pool, too
        view = got.array()
        del got
        gc.collect()
        assert pool.stats["leased"] == 1
        del view
        assert pool.stats["leased"] == 0
        source.end_of_stream()
        chain.wait()


def test_buffers_are_imported_once_and_keep_their_place():
    _, frames = foreign(2)
    places = []
    source, sink = grey(), AppSink()
    with planned(source, sink) as chain:
        own = len(source.output.pool)
        chain.start()
        for turn in range(10):
            source.push(frames[turn % 2])
            got = sink.pull()
            places.append(got.index)
            del got
        assert len(source.output.pool) == own + 2
        assert places == [own, own + 1] * 5
        # They are not handed out for anything else.
        leased = [source.acquire(timeout=0) for _ in range(source.output.pool.stats["free"])]
        assert all(frame.index < own for frame in leased)
        del leased
        source.end_of_stream()
        chain.wait()


def test_frames_outlive_their_pool_and_their_chain():
    pool, frames = foreign(1)
    source, sink = grey(), AppSink()
    with planned(source, sink) as chain:
        chain.start()
        source.push(frames.pop())
        source.end_of_stream()
        chain.wait()
    del pool, source, chain
    gc.collect()
    got = sink.pull()
    del sink
    gc.collect()
    assert value(got) == 100


def test_frame_stays_the_programs_too():
    _, frames = foreign(1)
    source, sink = grey(), Seen()
    with planned(source, sink) as chain:
        look = frames[0].array()
        source.push(frames[0])
        source.end_of_stream()
        chain.run()
    assert (look == 100).all()
    assert not frames[0].released


def test_frame_that_is_on_its_way_is_copied_the_second_time():
    _, frames = foreign(1)
    source, sink = grey(), Seen()
    with planned(source, sink) as chain:
        source.push(frames[0])
        source.push(frames[0])
        source.end_of_stream()
        report = chain.run()
    assert sink.values == [100, 100]
    assert report.links[0].copied_frames == 1
    assert "on its way in" in next(iter(source.copy_reasons))


def test_stages_that_cannot_import_get_copies():
    _, frames = foreign()
    source, sink = grey(), Seen()
    with zcore.Chain(source, sink) as chain:
        chain.plan()
        source.linked([])  # nobody told who is behind
        for frame in frames:
            source.push(frame)
        source.end_of_stream()
        report = chain.run()
    assert sink.values == [100, 101, 102]
    assert sink.frames == [(50, 1000), (51, 1001), (52, 1002)]
    assert report.links[0].copied_frames == 3
    assert source.copy_reasons == {"a stage behind cannot import buffers while it runs": 3}
    assert report.stages[0].facts["copy_reasons"] == source.copy_reasons


def test_refusal_of_a_stage_is_the_reason_and_is_asked_for_once():
    _, frames = foreign()
    source, sink = grey(), Seen()
    asked = []

    class Picky:
        def adopt(self, pool, index):
            asked.append((pool, index))
            raise zcore.NegotiationError("the device reaches contiguous memory only")

    with planned(source, sink) as chain:
        own = len(source.output.pool)
        source.linked([sink.input, Picky()])
        for frame in frames:
            source.push(frame)
        source.end_of_stream()
        chain.run()
        assert asked == [(source.output.pool, own)]
    assert source.copy_reasons == {"the device reaches contiguous memory only": 3}
    assert sink.values == [100, 101, 102]
    asked.clear()


def test_one_pad_that_cannot_import_is_enough_for_copies():
    _, frames = foreign(1)
    source, sink = grey(), Seen()
    with planned(source, sink) as chain:
        source.linked([sink.input, object()])
        source.push(frames[0])
        source.end_of_stream()
        assert chain.run().links[0].copied_frames == 1


def test_other_strides_are_copied_row_by_row():
    _, frames = foreign(2, stride=32)
    source, sink = grey(), Seen()
    with planned(source, sink) as chain:
        for frame in frames:
            source.push(frame)
        source.end_of_stream()
        chain.run()
    assert sink.values == [100, 101]
    assert "planes lie at" in next(iter(source.copy_reasons))


@pytest.mark.parametrize(("fmt", "size"), [("GREY", (8, 8)), ("NV12", SIZE)])
def test_other_pictures_are_refused(fmt, size):
    _, frames = foreign(1, fmt, size)
    source, sink = grey(), Seen()
    with planned(source, sink):
        with pytest.raises(ValueError, match="the chain has GREY 16x8, the frame is"):
            source.push(frames[0])


def test_pools_have_room_for_so_many_buffers_and_no_more():
    pools = [foreign(30, name=f"pool{number}") for number in range(3)]
    source, sink = grey(), AppSink(max_buffers=1)
    with planned(source, sink) as chain:
        own = len(source.output.pool)
        chain.start()
        for turn in (1, 2):
            for _, frames in pools:
                for frame in frames:
                    source.push(frame)
                    assert 100 <= value(sink.pull()) < 130
            assert source.copy_reasons == {"a pool has 64 slots at most": turn * (90 - (64 - own))}
        source.end_of_stream()
        chain.wait()


# A pool that is known beforehand


def lent(pool, sink, **options):
    source = AppSource(pool=pool, **options)
    return source, zcore.Chain(source, sink)


def test_known_pool_is_imported_when_the_chain_is_planned():
    pool, frames = foreign(6)
    source, chain = lent(pool, sink := AppSink())
    with chain:
        plan = chain.plan()
        assert len(plan[0].pool) == 6
        assert plan[0].zero_copy
        assert (source.format, source.size) == (find("GREY"), SIZE)
        chain.start()
        for number, frame in enumerate(frames):
            source.push(frame)
            got = sink.pull()
            assert (value(got), got.buffers) == (100 + number, frame.buffers)
            del got
        source.end_of_stream()
        assert chain.wait().zero_copy
    assert pool.stats["leased"] == 6
    assert not pool.closed


def test_only_frames_of_the_known_pool_are_taken():
    pool, frames = foreign(6)
    _, others = foreign(1)
    source, chain = lent(pool, Seen())
    with chain:
        chain.plan()
        for wrong in (others[0], picture(0)):
            with pytest.raises(ValueError, match="frames of foreign only"):
                source.push(wrong)
        with pytest.raises(zcore.ChainError, match="no buffers of its own"):
            source.acquire()
        source.push(frames[0])
        with pytest.raises(BufferError, match="on its way"):
            source.push(frames[0])
        source.end_of_stream()
        assert chain.run().frames == 1


def test_known_pool_says_what_the_frames_are():
    pool, _ = foreign(1)
    with pytest.raises(ValueError, match="with pool its frames say"):
        AppSource(pool=pool, format="NV12")
    source, chain = lent(pool, Seen())
    with pytest.raises(zcore.NegotiationError, match="too few buffers"):
        chain.plan()
    assert source.output.pool is None
    padded, _ = foreign(6, stride=48)
    source, chain = lent(padded, Seen())
    with chain:
        assert chain.plan()[0].caps.memory_planes == ((384, 48),)
        with pytest.raises(zcore.NegotiationError, match="have 48 bytes, not 16"):
            source.set_output(find("GREY"), None, 16)


def test_pool_whose_planes_lie_elsewhere():
    caps = software_caps(find("NV12"), (16, 8))
    pool = zcore.Pool("odd", "memfd", find("NV12"))
    pool.describe(size=(16, 8), components=[(0, 0, 16, 8), (0, 256, 16, 4)], arrays=[])
    pool.add([zcore.allocate(512, "memfd")])
    source = AppSource(pool=pool)
    with pytest.raises(zcore.NegotiationError, match="planes of odd lie at"):
        source.output.allocate(source.set_output(find("NV12"), None), 1, export=True)
    assert make_pool("even", "memfd", caps).components[1] == (0, 128, 16, 4)
    with pytest.raises(ValueError, match="has no buffers"):
        AppSource(pool=zcore.Pool("empty", "memfd", find("NV12"))).set_output(find("NV12"), None)


def test_from_chain_to_chain_without_a_copy():
    """Cameras fill the buffers of the first chain, and the second one shows them."""
    first = AppSink(holds=4)
    drawn = []
    with zcore.Chain(zcore.TestSource("GREY", SIZE, pattern="blink", memory="memfd"), first) as one:
        plan = one.plan()
        second = AppSource(pool=plan[0].pool)
        sink = FakeSink(on_frame=lambda frame: drawn.append((frame.sequence, value(frame))))
        one.start(frames=40)
        with running(second, sink) as other:
            for frame in first:
                assert second.push(frame)
            second.end_of_stream()
            report = other.wait()
            one.wait()
        assert report.zero_copy
        wait_for(lambda: plan[0].pool.stats["leased"] <= 1)
    assert drawn == [(number, number % 2 * 255) for number in range(40)]
    del frame


def test_blocks_of_bytes_pass_whatever_their_length():
    """Coded frames have no strides; their payload comes along."""
    _, _ = foreign(1)
    sizes = []
    first = AppSink(holds=2)
    feeder = FakeSource("H264", SIZE, sizetype="random", sizemin=1, sizemax=90_000, filltype="pattern", memory="memfd")
    source = AppSource(format="H264", size=(64, 48), memory="memfd")
    sink = FakeSink(on_frame=lambda frame: sizes.append(frame.bytes_used[0]))
    expected = []
    with planned(source, sink) as chain:
        chain.start()
        with running(feeder, first, frames=20) as other:
            for frame in first:
                expected.append(frame.bytes_used[0])
                source.push(frame)
            other.wait()
        del frame
        source.end_of_stream()
        report = chain.wait()
    assert sizes == expected
    assert report.zero_copy
    assert np.unique(sizes).size > 5
