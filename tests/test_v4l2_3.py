"""More of test_v4l2.py."""

import errno
import gc

import numpy as np
import pytest

from fakekernel import FakeCamera, FakeDmaBuf, FakeM2m
from fakekernel.v4l2_queue import DMABUF, MMAP, USERPTR
from helpers import YUYV, YUYV_SIZE, make_pool
from v4l2_rig import CAPTURE, OUTPUT, Rig, exported, imported, memory, rig  # noqa: F401
from zcore._errors import DeviceBusyError, DeviceError, UnsupportedError
from zcore._pool import Pool
from zcore._v4l2 import Queue
from zcore._v4l2_device import V4l2Device


@pytest.mark.proves("T21")
@pytest.mark.parametrize("after", [0, 2])
@pytest.mark.parametrize("code", [errno.EINVAL, errno.ENODEV])
def test_failing_qbuf_at_the_start_leaks_nothing(imported, after, code):
    imported.kernel.fail("VIDIOC_QBUF", code, after=after)
    with pytest.raises(DeviceError) as caught:
        imported.queue.start()
    assert (caught.value.errno, caught.value.operation) == (code, "VIDIOC_QBUF")
    assert (imported.queue.queued_count, imported.pool.stats["free"]) == (0, 4)
    if code == errno.EINVAL:
        imported.queue.start()
        assert imported.queue.queued_count == len(imported.camera.capture.queued) == 4


@pytest.mark.proves("T21", "VIDIOC_QBUF")
def test_failing_qbuf_in_the_stream_leaks_nothing(imported):
    imported.queue.start()
    imported.camera.fill()
    imported.queue.next_frame(5)
    imported.kernel.fail("VIDIOC_QBUF", errno.ENOMEM)
    with pytest.raises(DeviceError, match="VIDIOC_QBUF"):
        imported.queue.next_frame(5)
    assert (imported.pool.stats["free"], imported.queue.queued_count) == (1, 3)
    imported.camera.fill()
    assert imported.queue.next_frame(5) is not None
    assert imported.queue.queued_count == 3


@pytest.mark.proves("VIDIOC_STREAMON")
def test_failing_streamon_leaks_nothing(exported):
    exported.kernel.fail("VIDIOC_STREAMON", errno.EPIPE)
    with pytest.raises(DeviceError, match="VIDIOC_STREAMON"):
        exported.queue.start()
    assert (exported.queue.state, exported.pool.stats["free"]) == ("ready", 4)
    exported.queue.start()
    exported.camera.fill()
    assert exported.queue.next_frame(5) is not None


@pytest.mark.proves("VIDIOC_STREAMOFF")
def test_failing_streamoff_keeps_the_buffers_with_the_device(exported):
    exported.queue.start()
    exported.kernel.fail("VIDIOC_STREAMOFF", errno.EIO)
    with pytest.raises(DeviceError, match="VIDIOC_STREAMOFF"):
        exported.queue.stop()
    assert (exported.pool.stats["free"], exported.queue.queued_count) == (0, 4)
    exported.queue.stop()
    assert exported.pool.stats["free"] == 4


@pytest.mark.proves("T8")
def test_close_without_orphans_frees_when_nothing_is_out(fake_kernel):
    rig = Rig(fake_kernel)
    rig.camera.capture.orphans = False
    rig.queue.start()
    rig.camera.fill()
    frame = rig.queue.next_frame(5)
    rig.queue.close()  # an old driver keeps the buffers with the descriptor
    assert rig.queue.state == "empty"
    frame.release()
    rig.device.close()


@pytest.mark.proves("v4l2-buffers:stop")
def test_dropped_queue_stops_its_device(fake_kernel):
    """What is given back must not be filled any more."""
    rig = Rig(fake_kernel, "dmabuf")
    rig.queue.start()
    pool, camera, device = rig.pool, rig.camera, rig.device
    del rig
    gc.collect()
    assert not camera.capture.streaming
    assert pool.stats["free"] == 4
    device.close()


def test_queue_dies_in_a_cycle_with_its_pool(fake_kernel):
    class Stage:
        pass

    for _ in range(20):
        stage = Stage()
        stage.rig = Rig(fake_kernel, "export")
        stage.rig.pool2 = Pool("other", "none", owner=stage)
        stage.me = stage
        stage.rig.queue.start()
        fake_kernel.devices["/dev/video0"].fill()
        stage.frame = stage.rig.queue.next_frame(5)
        stage.array = stage.frame.array()[1:]
        camera = stage.rig.camera
        del stage
        gc.collect()
        assert not camera.capture.streaming


def test_nothing_is_queued_for_a_frame_that_is_out(rig):
    rig.queue.start()
    rig.camera.fill()
    frame = rig.queue.next_frame(5)
    rig.queue.stop()
    rig.queue.start()
    assert rig.queue.queued_count == 3
    assert np.asarray(frame).shape == (16, 64, 2)
    frame.release()


@pytest.mark.proves("T26")
def test_two_queues_of_one_device_are_one_open_file(fake_kernel):
    FakeM2m(fake_kernel, planes=[YUYV_SIZE])
    with V4l2Device("/dev/video1") as device:
        output, capture = Queue(device.fd, "in", OUTPUT), Queue(device.fd, "out", CAPTURE)
        output.use_foreign(DMABUF, 2, [YUYV_SIZE])
        capture.allocate(Pool("out", "v4l2"), 2, export=True)
        output.start()
        capture.start()
        capture.close()
        output.close()
    assert fake_kernel.count("open") == 1


@pytest.mark.proves("T28")
def test_unsupported_memory(fake_kernel):
    camera = FakeCamera(fake_kernel, planes=[YUYV_SIZE])
    camera.capture.memories = {MMAP}
    pool, _ = make_pool(fake_kernel, 2, YUYV, YUYV_SIZE)
    with V4l2Device("/dev/video0") as device:
        queue = Queue(device.fd, "camera", CAPTURE)
        for number, name in ((DMABUF, "dmabuf"), (USERPTR, "userptr")):
            with pytest.raises(DeviceError, match=f"no {name} buffers"):
                queue.use_foreign(number, 2, [YUYV_SIZE], pool)


def test_busy_queue_is_told(fake_kernel):
    FakeCamera(fake_kernel)
    fake_kernel.fail("VIDIOC_REQBUFS", errno.EBUSY)
    with V4l2Device("/dev/video0") as device, pytest.raises(DeviceBusyError):
        Queue(device.fd, "camera", CAPTURE).allocate(Pool("p", "v4l2"), 2, export=True)


def test_unknown_ioctl_of_the_driver(fake_kernel):
    FakeCamera(fake_kernel)
    fake_kernel.fail("VIDIOC_REQBUFS", errno.ENOTTY)
    with V4l2Device("/dev/video0") as device, pytest.raises(UnsupportedError):
        Queue(device.fd, "camera", CAPTURE).allocate(Pool("p", "v4l2"), 2, export=True)


@pytest.mark.proves("T33")
def test_an_open_bracket_on_a_queued_buffer_fails_the_test(fake_kernel):
    """The fake's own rule: what the other tests rely on."""
    rig = Rig(fake_kernel, "dmabuf")
    rig.pool.slot_buffers[0][0].begin_access(1)
    rig.queue.start()
    rig.pool.slot_buffers[0][0].end_access()
    assert "while the CPU has access" in str(fake_kernel.failures.pop())
    rig.close()
    assert isinstance(rig.memories[0], FakeDmaBuf)
