"""Queues that grow and shrink, let go of buffers that are out, and memory that is not coherent."""

import errno

import numpy as np
import pytest

import zcore
from fakekernel import FakeCamera
from fakekernel.v4l2_growth import NO_CACHE_CLEAN, NO_CACHE_INVALIDATE
from v4l2_rig import Rig
from zcore._errors import DeviceBusyError, DeviceError
from zcore._pool import Pool
from zcore._v4l2 import Queue
from zcore._v4l2_device import V4l2Device

BOTH = pytest.mark.parametrize("multiplanar", [False, True], ids=["single", "mplane"])
pytestmark = pytest.mark.proves("VIDIOC_REQBUFS")


@pytest.mark.proves("VIDIOC_CREATE_BUFS", "v4l2-buffers:grow", "T25")
@pytest.mark.parametrize("memory", ["export", "mmap", "dmabuf", "userptr"])
@BOTH
def test_grows_while_it_streams(fake_kernel, memory, multiplanar):
    rig = Rig(fake_kernel, memory, multiplanar, count=2)
    rig.queue.start()
    rig.camera.fill(data=b"old")
    kept = [rig.queue.next_frame(5)]
    assert rig.queue.grow(3) == 3
    assert (rig.queue.count, len(rig.camera.capture.buffers)) == (5, 5)
    if memory in ("export", "mmap"):
        assert (len(rig.pool), rig.queue.grown) == (5, 3)
        rig.camera.auto = 4
        kept += [rig.queue.next_frame(5) for _ in range(4)]
        assert {frame.index for frame in kept} == {0, 1, 2, 3, 4}
        assert bytes(np.asarray(kept[0]).reshape(-1)[:3]) == b"old"
    kept.clear()
    rig.close()


@pytest.mark.proves("VIDIOC_CREATE_BUFS", "T25")
def test_asks_how_many_there_may_be(fake_kernel):
    rig = Rig(fake_kernel)
    queue = rig.camera.capture
    queue.most = 40
    assert rig.queue.most_buffers() == 40
    assert rig.queue.grow(100) == 36
    with pytest.raises(DeviceError, match="as many as it can have"):
        rig.queue.grow()
    queue.most = 1000
    assert rig.queue.most_buffers() == 64  # slots of a pool
    queue.tells_most = False
    assert rig.queue.most_buffers() == 32
    rig.close()


@pytest.mark.proves("VIDIOC_CREATE_BUFS")
@pytest.mark.parametrize("call", ["VIDIOC_QUERYBUF", "VIDIOC_EXPBUF", "VIDIOC_CREATE_BUFS", "VIDIOC_G_FMT"])
def test_growing_that_fails_midway_leaves_what_worked(fake_kernel, call):
    rig = Rig(fake_kernel)
    after = 1 if call == "VIDIOC_CREATE_BUFS" else 0 if call == "VIDIOC_G_FMT" else 2
    fake_kernel.fail(call, errno.ENOMEM, after=after)
    with pytest.raises(DeviceError, match=call):
        rig.queue.grow(4)
    there = 6 if after == 2 else 4
    assert len(rig.pool) == rig.queue.count == len(rig.camera.capture.buffers) == there
    assert rig.queue.grow() == 1
    rig.queue.start()
    assert rig.queue.queued_count == there + 1
    rig.close()


@pytest.mark.proves("VIDIOC_CREATE_BUFS")
def test_slot_that_an_importer_refuses_is_taken_back(fake_kernel):
    rig = Rig(fake_kernel)

    def refuse(pool, index):
        assert (pool, index) == (rig.pool, 4)
        raise zcore.NegotiationError("no framebuffer")

    rig.queue.on_grow = refuse
    with pytest.raises(zcore.NegotiationError):
        rig.queue.grow()
    assert (len(rig.pool), rig.queue.count, len(rig.camera.capture.buffers)) == (4, 4, 4)
    assert rig.pool.stats["free"] == 4
    rig.close()


def test_wrong_ways_to_grow_and_shrink(fake_kernel):
    rig = Rig(fake_kernel)
    for wrong in (0, -1):
        with pytest.raises(ValueError, match="1 buffer or more"):
            rig.queue.grow(wrong)
    with pytest.raises(TypeError):
        rig.queue.grow("two")
    with pytest.raises(ValueError, match="0 buffers or more"):
        rig.queue.shrink(-2)
    rig.queue.close()
    for method in (rig.queue.grow, rig.queue.shrink):
        with pytest.raises(ValueError, match="empty"):
            method()
    rig.close()
    foreign = Rig(fake_kernel, "dmabuf")
    with pytest.raises(ValueError, match="not its own"):
        foreign.queue.shrink()
    foreign.close()


@pytest.mark.proves("VIDIOC_REMOVE_BUFS", "v4l2-buffers:shrink")
@pytest.mark.parametrize("memory", ["export", "mmap"])
@BOTH
def test_shrinks_to_what_it_had(fake_kernel, memory, multiplanar):
    rig = Rig(fake_kernel, memory, multiplanar)
    rig.queue.grow(4)
    before = rig.pool.id
    assert rig.queue.shrink() == 4
    assert len(rig.pool) == rig.queue.count == len(rig.camera.capture.buffers) == rig.pool.stats["free"] == 4
    assert rig.pool.id != before  # else importers would take new buffers for the old ones
    assert rig.queue.shrink() == 0
    assert rig.queue.shrink(100) == 3
    assert rig.queue.grow(2) == 2
    rig.queue.start()
    assert rig.queue.queued_count == 3
    rig.camera.fill()
    assert rig.queue.next_frame(5) is not None
    rig.close()


@pytest.mark.proves("VIDIOC_REMOVE_BUFS", "v4l2-buffers:shrink")
def test_buffers_that_somebody_has_stay(fake_kernel):
    rig = Rig(fake_kernel, count=2)
    rig.queue.start()
    rig.queue.grow(2)
    assert rig.queue.shrink(1) == 1  # free still: nothing was queued since
    rig.camera.fill()
    kept = rig.queue.next_frame(5)
    assert rig.queue.shrink(3) == 0
    rig.queue.stop()
    fake_kernel.fail("VIDIOC_REMOVE_BUFS", errno.EBUSY, after=1)
    assert rig.queue.shrink(2) == 0
    assert len(rig.pool) == rig.queue.count == 3
    kept.release()
    assert rig.queue.shrink(2) == 2
    rig.camera.capture.removes = False
    with pytest.raises(DeviceError, match="VIDIOC_REMOVE_BUFS"):
        rig.queue.shrink(1)
    rig.close()


@pytest.mark.proves("v4l2-buffers:grow")
def test_capture_grows_while_frames_are_kept(fake_kernel):
    camera = FakeCamera(fake_kernel)
    camera.auto = 1000
    with zcore.Capture("/dev/video0", buffers=2, max_buffers=6) as stage:
        kept = []
        for frame in stage.frames(5, timeout=5):
            kept.append(frame)
        assert len({frame.index for frame in kept}) == 5
        assert stage.facts()["grown"] == 4
        with pytest.raises(zcore.DeviceTimeoutError, match="all 6 buffers"):
            kept += list(stage.frames(9, timeout=0.05))
        assert stage.facts()["grown"] == 4
        kept.clear()
        del frame
        assert len(list(stage.frames(3, timeout=5))) == 3


@pytest.mark.proves("v4l2-buffers:grow")
def test_capture_that_cannot_grow_says_so_and_goes_on(fake_kernel):
    camera = FakeCamera(fake_kernel)
    camera.auto, camera.capture.creates = 1000, False
    with zcore.Capture("/dev/video0", buffers=3, max_buffers=6) as stage:
        kept = list(stage.frames(3, timeout=5))
        assert "VIDIOC_CREATE_BUFS" in stage.facts()["growth_refused"]
        with pytest.raises(zcore.DeviceTimeoutError, match="it cannot grow"):
            kept += list(stage.frames(9, timeout=0.05))
        assert fake_kernel.count("VIDIOC_CREATE_BUFS") == 1


@pytest.mark.proves("v4l2-buffers:grow")
def test_chain_grows_while_python_keeps_frames(fake_kernel):
    camera = FakeCamera(fake_kernel)
    camera.auto = 30
    sink = zcore.AppSink(max_buffers=40)
    chain = zcore.Chain(zcore.Capture("/dev/video0", buffers=3, max_buffers=20, name="camera"), sink)
    report = chain.run(frames=12)
    assert report.frames == 12
    (facts,) = [stage.facts for stage in report.stages if stage.name == "camera"]
    assert facts["grown"] >= 9
    while sink.pull(timeout=0) is not None:
        pass
    chain.close()


@pytest.mark.proves("v4l2-buffers:orphan", "T8")
def test_buffers_are_orphaned_while_frames_are_out(fake_kernel):
    rig = Rig(fake_kernel)
    rig.queue.start()
    rig.camera.fill(data=b"abc")
    frame = rig.queue.next_frame(5)
    rig.queue.close()
    assert not rig.camera.capture.buffers
    assert bytes(np.asarray(frame).reshape(-1)[:3]) == b"abc"
    rig.device.set_format(rig.type, 320, 240, rig.device.get_format(rig.type).fourcc)
    rig.device.close()


@pytest.mark.proves("v4l2-buffers:orphan", "T8")
@pytest.mark.parametrize("memory", ["export", "mmap"])
def test_driver_without_orphans_gets_its_buffers_back_first(fake_kernel, memory):
    camera = FakeCamera(fake_kernel)
    camera.capture.orphans = False
    device = V4l2Device("/dev/video0")
    queue = Queue(device.fd, "camera", 1)

    def allocate():
        pool = Pool("camera", "v4l2", writable=False, owner=device)
        queue.allocate(pool, 3, export=memory == "export")
        return pool

    pool = allocate()  # kept, as a plan keeps it
    queue.close()
    assert not camera.capture.buffers
    pool = allocate()
    queue.start()
    camera.fill(data=b"abc")
    frame = queue.next_frame(5)
    queue.close()
    assert len(camera.capture.buffers) == 3
    with pytest.raises(DeviceBusyError, match=r"1 by python.*drop those frames"):
        queue.settle()
    with pytest.raises(DeviceBusyError, match="ORPHANED"):
        allocate()
    frame.release()
    queue.settle()
    assert not camera.capture.buffers
    queue.settle()
    assert len(allocate()) == 3
    assert pool.closed
    queue.close()
    device.close()


@pytest.mark.proves("v4l2-buffers:cache-hints")
@pytest.mark.parametrize("memory", ["export", "mmap"])
def test_memory_that_is_not_coherent(fake_kernel, memory):
    camera = FakeCamera(fake_kernel)
    camera.capture.cache_hints = True
    camera.auto = 100
    mode = {"export": "dmabuf", "mmap": "mmap"}[memory]
    with zcore.Capture("/dev/video0", coherent=False, io_mode=mode, buffers=3, max_buffers=5) as stage:
        kept = list(stage.frames(4, timeout=5))  # grows: the new ones must be of the same kind
        facts = stage.facts()
        assert camera.capture.non_coherent
        assert facts["grown"] >= 1
        assert facts["non_coherent"] is True
        hints = {buffer.hints for buffer in camera.capture.buffers}
        if stage.output.queue.exported:
            assert facts["cache_hints"] >= 4
            assert NO_CACHE_CLEAN | NO_CACHE_INVALIDATE in hints
        else:  # nobody brackets what is mapped through the device: the driver must look after it
            assert hints == {0}
            assert "cache_hints" not in facts
        kept.clear()


@pytest.mark.proves("v4l2-buffers:cache-hints")
def test_driver_without_hints_gives_what_it_has(fake_kernel):
    camera = FakeCamera(fake_kernel)
    camera.auto = 10
    with zcore.Capture("/dev/video0", coherent=False) as stage:
        assert len(list(stage.frames(2, timeout=5))) == 2
        assert stage.facts() == {"non_coherent": False}


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"buffers": 1}, ValueError),
        ({"buffers": 65}, ValueError),
        ({"buffers": 8, "max_buffers": 4}, ValueError),
        ({"max_buffers": 65}, ValueError),
        ({"max_buffers": "many"}, TypeError),
        ({"max_buffers": True}, TypeError),
        ({"coherent": "yes"}, TypeError),
    ],
)
def test_wrong_numbers_are_refused_early(wrong, error):
    with pytest.raises(error, match=r"buffers|coherent"):
        zcore.Capture("/dev/video0", **wrong)
