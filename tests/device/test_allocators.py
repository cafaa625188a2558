"""Allocators by name, names of buffers in the kernel's own list, and where memory went."""

import gc

import pytest

import zcore
from testbed import debugfs, drivers

SIZE = (640, 480)


@pytest.mark.parametrize(
    "allocator", ["dmabuf", "dmabuf-import", "udmabuf", "dma-heap:system", "dma-heap:reserved", "dma-heap"]
)
def test_the_users_choice_is_taken(vivid, vim2m, allocator):
    chain = zcore.Chain(
        zcore.Capture(vivid, "BGR3", SIZE, rate=60), zcore.Convert(vim2m, "RGBP"), zcore.FakeSink(),
        allocator=allocator,
    )  # fmt: skip
    if allocator == "dmabuf-import":
        sink_side = chain.run(frames=2).links[0]
        assert sink_side.memory == "dmabuf-import"
        return
    if allocator == "dmabuf":
        assert [link.memory for link in chain.run(frames=2).links] == ["dmabuf", "dmabuf"]
        return
    links = chain.run(frames=2).links
    expected = "dma-heap:reserved" if allocator == "dma-heap" else allocator
    assert [link.allocator for link in links] == [expected, expected]
    assert links[0].zero_copy
    assert links[0].buffer_bytes >= links[0].buffers * SIZE[0] * SIZE[1] * 3


def test_choice_for_one_stage_alone(vivid, vim2m):
    camera, converter = zcore.Capture(vivid, "BGR3", SIZE, name="camera"), zcore.Convert(vim2m, "RGBP")
    chain = zcore.Chain(camera, converter, zcore.FakeSink(), allocator={"camera": "dma-heap:system"})
    links = chain.run(frames=2).links
    assert links[0].allocator == "dma-heap:system"
    assert links[1].allocator.startswith("v4l2:")


def test_a_choice_that_cannot_work_is_refused_with_the_reason(vim2m):
    with drivers.vivid(n_devs=1, allocators=1) as nodes:
        chain = zcore.Chain(
            zcore.Capture(nodes.one("capture").path, "BGR3", SIZE), zcore.Convert(vim2m, "RGBP"), zcore.FakeSink(),
            allocator="dma-heap:system",
        )  # fmt: skip
        with pytest.raises(zcore.NegotiationError, match=r"from dma-heap:system, which was asked for; .*contiguous"):
            chain.run(frames=1)


@pytest.mark.proves("DMA_BUF_SET_NAME", "T48", "T49")
def test_buffers_have_names_and_are_accounted_for(vivid, vim2m):
    chain = zcore.Chain(
        zcore.Capture(vivid, "BGR3", SIZE, name="camera"), zcore.Convert(vim2m, "RGBP"), zcore.FakeSink(),
        allocator={"camera": "dma-heap:reserved"},
    )  # fmt: skip
    with chain:
        plan = chain.plan()
        pool = plan[0].pool
        found = zcore.memory()
        mine = next(one for one in found.pools if one.allocator == "dma-heap:reserved")
        assert (mine.buffers, mine.bytes) == (len(pool), sum(b.size for (b,) in pool.slot_buffers))
        assert found.by_allocator["dma-heap:reserved"] == (mine.buffers, mine.bytes)
        assert found.cma_total > found.cma_free > 0
        there = {one.inode: one for one in found.machine}
        for number, (buffer,) in enumerate(pool.slot_buffers):
            kernel = there[buffer.identity[1]]
            assert kernel.name == f"zcore:{pool.name[:20]}:{number}"
            assert kernel.size == buffer.size
            assert any(holder.startswith("device ") for holder in kernel.holders) or kernel.holders
        assert "zcore:" in str(found)
        assert len(debugfs.dmabufs().buffers) == len(found.machine)
        del plan, pool, buffer
    gc.collect()
    assert not any(one.allocator == "dma-heap:reserved" for one in zcore.memory().pools)
