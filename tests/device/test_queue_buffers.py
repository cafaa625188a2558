"""Buffers of real queues: more, fewer, let go while they are out, and not coherent."""

from contextlib import contextmanager

import numpy as np
import pytest

import zcore
from testbed import drivers
from zcore._pool import Pool
from zcore._v4l2 import Queue
from zcore._v4l2_device import V4l2Device

SIZE = (320, 180)
VMALLOC, CONTIG = 0, 1


def picture(frame):
    """Tell whether a frame has colour bars."""
    return np.asarray(frame).std() > 20


@contextmanager
def camera_queue(multiplanar, fourcc=None):
    """Open vivid's camera and its queue; both are closed however the test ends, or vivid could not be unloaded."""
    with drivers.vivid(n_devs=1, multiplanar=2 if multiplanar else 1) as nodes:
        device = V4l2Device(nodes.one("capture").path)
        queue = Queue(device.fd, "camera", 9 if multiplanar else 1)
        try:
            if fourcc is not None:
                device.set_format(queue.type, *SIZE, int.from_bytes(fourcc, "little"))
            yield device, queue
        finally:
            queue.close()
            device.close()


@pytest.mark.proves("VIDIOC_CREATE_BUFS", "VIDIOC_REMOVE_BUFS", "v4l2-buffers:grow", "v4l2-buffers:shrink", "T25")
@pytest.mark.parametrize("planes", [0, 1, 2], ids=["single-planar", "multi-planar", "two-planes"])
@pytest.mark.parametrize("export", [True, False], ids=["export", "mmap"])
def test_queue_grows_and_shrinks(planes, export):
    with camera_queue(planes > 0, b"NM12" if planes == 2 else None) as (device, queue):
        pool = Pool("camera", "vivid", writable=False, owner=device)
        queue.allocate(pool, 3, export=export)
        granted = queue.count
        assert len(pool.slot_buffers[0]) == max(planes, 1)
        most = queue.most_buffers()
        # vivid's MAX_VID_CAP_BUFFERS; a multi-planar queue of it keeps to videobuf2's own limit.
        assert most == (32 if planes else 64)
        queue.start()
        kept = [queue.next_frame(10), queue.next_frame(10)]
        assert queue.grow(3) == 3
        kept += [queue.next_frame(10) for _ in range(3)]
        assert len({frame.index for frame in kept}) == 5
        queue.stop()
        queue.shrink()
        assert max(frame.index for frame in kept) < queue.count  # buffers that frames have stay
        kept.clear()
        queue.shrink()
        assert len(pool) == queue.count == granted
        assert queue.grow(100) == most - granted
        with pytest.raises(zcore.DeviceError, match="as many as it can have"):
            queue.grow()
        assert queue.shrink() == most - granted
        queue.start()
        assert queue.next_frame(10) is not None


@pytest.mark.proves("VIDIOC_CREATE_BUFS", "v4l2-buffers:grow")
def test_capture_grows_while_frames_are_kept(vivid):
    with zcore.Capture(vivid, "XR24", SIZE, rate=60, buffers=2, max_buffers=40) as camera:
        kept = list(camera.frames(36))
        assert len({frame.index for frame in kept}) == 36
        assert camera.facts()["grown"] >= 30  # of the rest some were granted at the start
        assert picture(kept[0])
        assert picture(kept[-1])


@pytest.mark.proves("VIDIOC_CREATE_BUFS", "v4l2-buffers:grow", "v4l2-buffers:import")
def test_chain_to_a_display_grows_with_its_framebuffers(vivid, vkms):
    kept = []

    def keep(frame):
        if len(kept) < 6:
            kept.append(frame)

    camera = zcore.Capture(vivid, "XR24", (640, 480), rate=60, buffers=5, max_buffers=12, name="camera")
    report = zcore.Chain(camera, zcore.Passthrough(keep), zcore.Display(vkms, mode=(640, 480))).run(frames=30)
    (facts,) = [stage.facts for stage in report.stages if stage.name == "camera"]
    assert (report.frames, len(kept)) == (30, 6)
    assert facts["grown"] >= 3  # two on the screen, six kept, and what the camera needs
    assert all(link.zero_copy for link in report.links)
    kept.clear()


@pytest.mark.proves("v4l2-buffers:orphan", "T8")
@pytest.mark.parametrize("mode", ["dmabuf", "mmap"])
def test_frames_outlive_the_buffers_of_their_queue(vivid, mode):
    with zcore.Capture(vivid, "XR24", SIZE, rate=60, io_mode=mode) as camera:
        frame = next(iter(camera.frames(1)))
        before = np.array(frame)
        queue = camera.output.queue
        assert queue.capabilities & 0x10  # V4L2_BUF_CAP_SUPPORTS_ORPHANED_BUFS
        queue.close()
        camera.caps = None
        camera.size = (640, 360)
        assert [other.size for other in camera.frames(2)] == [(640, 360)] * 2
        assert (np.asarray(frame) == before).all()
    assert picture(frame)


@pytest.mark.proves("v4l2-buffers:cache-hints")
@pytest.mark.parametrize("allocator", [VMALLOC, CONTIG], ids=["vmalloc", "dma-contig"])
@pytest.mark.parametrize("mode", ["dmabuf", "mmap"])
def test_memory_that_is_not_coherent(allocator, mode):
    with drivers.vivid(n_devs=1, allocators=allocator, cache_hints=1) as nodes:
        path = nodes.one("capture").path
        with zcore.Capture(path, "XR24", SIZE, rate=60, io_mode=mode, coherent=False, max_buffers=6) as camera:
            kept = list(camera.frames(5))
            facts = camera.facts()
            assert facts["non_coherent"] is True
            assert facts["grown"] >= 1
            exported = camera.output.queue.exported
            assert ("cache_hints" in facts) == exported
            if mode == "dmabuf":
                assert exported
            assert all(picture(frame) for frame in kept)


@pytest.mark.proves("v4l2-buffers:cache-hints")
def test_driver_without_cache_hints_gives_what_it_has():
    with drivers.vivid(n_devs=1, cache_hints=0) as nodes:
        with zcore.Capture(nodes.one("capture").path, "XR24", SIZE, rate=60, coherent=False) as camera:
            assert picture(next(iter(camera.frames(1))))
            assert camera.facts()["non_coherent"] is False
