"""More of test_v4l2.py."""

import errno

import pytest

from fakekernel import FakeCamera, FakeM2m
from fakekernel.v4l2_queue import DMABUF, FLAG_ERROR, FLAG_LAST, FLAG_MONOTONIC
from helpers import YUYV, YUYV_SIZE, make_pool
from v4l2_rig import CAPTURE, OUTPUT, Rig, exported, imported, memory, rig  # noqa: F401
from zcore._errors import DeviceError, DeviceGoneError
from zcore._pool import Pool
from zcore._v4l2 import Queue
from zcore._v4l2_device import V4l2Device


@pytest.mark.proves("T7", "VIDIOC_REQBUFS")
@pytest.mark.parametrize("foreign", [False, True])
def test_too_few_buffers_are_refused(fake_kernel, foreign):
    camera = FakeCamera(fake_kernel, planes=[YUYV_SIZE])
    camera.capture.most = 2
    with V4l2Device("/dev/video0") as device:
        queue = Queue(device.fd, "camera", CAPTURE)
        with pytest.raises(DeviceError, match="granted 2 buffers, 3 are needed"):  # noqa: PT012 - either way
            if foreign:
                queue.use_foreign(DMABUF, 4, [YUYV_SIZE], make_pool(fake_kernel, 4, YUYV, YUYV_SIZE)[0], minimum=3)
            else:
                queue.allocate(Pool("p", "v4l2"), 4, export=True, minimum=3)
        assert queue.state == "empty"
        assert camera.capture.buffers == []
        queue.use_foreign(DMABUF, 4, [YUYV_SIZE], make_pool(fake_kernel, 2, YUYV, YUYV_SIZE)[0], minimum=2)
        queue.close()


def test_absurdly_many_buffers_are_refused(fake_kernel):
    camera = FakeCamera(fake_kernel, planes=[64])
    camera.capture.least = camera.capture.most = 65
    with V4l2Device("/dev/video0") as device:
        queue = Queue(device.fd, "camera", CAPTURE)
        with pytest.raises(DeviceError, match="granted 65"):
            queue.allocate(Pool("p", "v4l2"), 4, export=True)
        assert (queue.state, camera.capture.buffers) == ("empty", [])


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (errno.EINVAL, "mmap buffers"),
        (errno.ENOTTY, "cannot stream"),
        (errno.ENOMEM, "CmaFree"),
        (errno.EBUSY, "EBUSY"),
    ],
)
def test_refused_buffers_are_explained(fake_kernel, code, text):
    FakeCamera(fake_kernel)
    fake_kernel.fail("VIDIOC_REQBUFS", code)
    with V4l2Device("/dev/video0") as device:
        queue = Queue(device.fd, "camera", CAPTURE)
        with pytest.raises(DeviceError, match=text) as caught:
            queue.allocate(Pool("p", "v4l2"), 4, export=True)
        assert caught.value.errno == code
        assert queue.state == "empty"


@pytest.mark.parametrize(
    ("call", "export", "operation"),
    [("VIDIOC_QUERYBUF", True, "VIDIOC_QUERYBUF"), ("VIDIOC_EXPBUF", True, "VIDIOC_EXPBUF"), ("mmap", False, "mmap")],
)
@pytest.mark.parametrize("after", [0, 2])
def test_failure_while_setting_up_gives_all_back(fake_kernel, call, export, operation, after):
    camera = FakeCamera(fake_kernel)
    fake_kernel.fail(call, errno.ENOMEM, after=after)
    with V4l2Device("/dev/video0") as device:
        queue = Queue(device.fd, "camera", CAPTURE)
        with pytest.raises(DeviceError, match=operation):
            queue.allocate(Pool("p", "v4l2"), 4, export=export)
        assert (queue.state, camera.capture.buffers) == ("empty", [])
        queue.allocate(Pool("q", "v4l2"), 4, export=export)
        queue.close()


@pytest.mark.proves("T28")
def test_driver_without_export(fake_kernel):
    camera = FakeCamera(fake_kernel)
    camera.capture.exports = False
    with V4l2Device("/dev/video0") as device, pytest.raises(DeviceError, match="VIDIOC_EXPBUF"):
        Queue(device.fd, "camera", CAPTURE).allocate(Pool("p", "v4l2"), 4, export=True)


def test_own_buffers_go_into_an_empty_pool(fake_kernel):
    FakeCamera(fake_kernel)
    pool, _ = make_pool(fake_kernel, 1)
    with V4l2Device("/dev/video0") as device, pytest.raises(ValueError, match="slots already"):
        Queue(device.fd, "camera", CAPTURE).allocate(pool, 4, export=True)


def test_buffers_twice_are_refused(exported):
    with pytest.raises(ValueError, match="buffers already"):
        exported.queue.allocate(Pool("p", "v4l2"), 2, export=True)


@pytest.mark.parametrize("type", [0, 3, 11, 14])
def test_other_queues_are_refused(fake_kernel, type):
    FakeCamera(fake_kernel)
    with V4l2Device("/dev/video0") as device, pytest.raises(ValueError, match="video queue"):
        Queue(device.fd, "x", type)


def test_queue_without_buffers_refuses_all(fake_kernel):
    FakeCamera(fake_kernel)
    with V4l2Device("/dev/video0") as device:
        queue = Queue(device.fd, "camera", CAPTURE)
        for use in (queue.start, queue.next_frame, lambda: queue.probe(Pool("p", "x"))):
            with pytest.raises(ValueError):
                use()
        queue.stop()
        queue.close()
    assert fake_kernel.count("VIDIOC_DQBUF") == fake_kernel.count("VIDIOC_STREAMOFF") == 0


def test_capture_queue_without_a_pool_refuses_to_run(fake_kernel):
    FakeCamera(fake_kernel, planes=[YUYV_SIZE])
    with V4l2Device("/dev/video0") as device:
        queue = Queue(device.fd, "camera", CAPTURE)
        queue.use_foreign(DMABUF, 2, [YUYV_SIZE])
        for use in (queue.start, queue.next_frame):
            with pytest.raises(ValueError):
                use()
        queue.close()


def test_output_queue_gives_no_frames(fake_kernel):
    FakeM2m(fake_kernel, planes=[YUYV_SIZE])
    with V4l2Device("/dev/video1") as device:
        queue = Queue(device.fd, "output", OUTPUT)
        queue.use_foreign(DMABUF, 2, [YUYV_SIZE])
        queue.start()
        with pytest.raises(ValueError, match="OUTPUT"):
            queue.next_frame(0)
        queue.close()


def test_ready_queue_gives_no_frames_and_takes_no_buffers(exported):
    with pytest.raises(ValueError, match="start"):
        exported.queue.next_frame(0)
    assert exported.pool.stats["free"] == 4


def test_probe_takes_the_buffer_back(imported):
    imported.queue.probe(imported.pool)
    assert (imported.pool.stats["free"], imported.queue.queued_count) == (4, 0)
    imported.kernel.fail("VIDIOC_QBUF", errno.EFAULT)
    with pytest.raises(DeviceError, match="VIDIOC_QBUF"):
        imported.queue.probe(imported.pool)
    assert imported.pool.stats["free"] == 4
    imported.queue.start()
    assert imported.queue.queued_count == 4


@pytest.mark.proves("T17")
def test_gaps_are_counted(exported):
    exported.queue.start()
    seen = []
    for sequence in (5, 6, 9, 9, 10, 3, 4):
        exported.camera.fill(sequence=sequence)
        seen.append(exported.queue.next_frame(5).dropped)
    assert seen == [0, 0, 2, 0, 0, 0, 0]  # the same number again, or a lower one, is no gap
    assert exported.queue.gaps == 2


@pytest.mark.proves("T17")
def test_sequence_wraps(exported):
    exported.queue.start()
    dropped = []
    for sequence in (0xFFFFFFFE, 0xFFFFFFFF, 1):
        exported.camera.fill(sequence=sequence)
        dropped.append(exported.queue.next_frame(5).dropped)
    assert dropped == [0, 0, 1]


@pytest.mark.proves("T2", "v4l2-buffers:error-flag")
def test_error_flag_does_not_end_the_stream(exported):
    exported.queue.start()
    exported.camera.fill(flags=FLAG_ERROR | FLAG_MONOTONIC)
    with exported.queue.next_frame(5) as frame:
        assert frame.corrupted
    exported.camera.fill()
    assert not exported.queue.next_frame(5).corrupted
    assert (exported.queue.errors, exported.queue.frames) == (1, 2)


@pytest.mark.parametrize("multiplanar", [False, True])
@pytest.mark.parametrize(
    ("used", "start", "expected"),
    [(100, 0, 100), (0, 0, 0), (YUYV_SIZE + 5000, 0, None), (100, 40, 60), (100, 200, 0)],
)
@pytest.mark.proves("T16")
def test_sizes_of_the_driver_are_checked(fake_kernel, multiplanar, used, start, expected):
    if start and not multiplanar:
        start, expected = 0, 100
    rig = Rig(fake_kernel, "export", multiplanar)
    rig.queue.start()
    rig.camera.fill(bytesused=used, data_offset=start)
    frame = rig.queue.next_frame(5)
    plane = frame.buffers[0].size
    assert frame.bytes_used == ((YUYV_SIZE if expected is None else expected),)
    assert frame.bytes_used[0] + frame.data_offsets[0] <= plane
    frame.release()
    rig.close()


@pytest.mark.proves("T13")
def test_picture_behind_a_data_offset_stays_in_its_plane(fake_kernel):
    rig = Rig(fake_kernel, "export", True)
    rig.queue.start()
    rig.camera.fill(data_offset=16)
    frame = rig.queue.next_frame(5)
    with pytest.raises(ValueError, match="ends at byte"):
        frame.array()
    frame.release()
    rig.close()


@pytest.mark.proves("T16")
@pytest.mark.parametrize("index", [4, 7, 63, 64, 0xFFFFFFFF])
def test_index_that_no_buffer_has_is_an_error_and_no_crash(exported, index):
    exported.queue.start()
    exported.camera.fill().reported_index = index
    with pytest.raises(DeviceError) as caught:
        exported.queue.next_frame(5)
    assert caught.value.errno == errno.EBADMSG
    assert exported.queue.queued_count == 4
    exported.queue.stop()  # from here on the accounts agree again
    assert exported.pool.stats["free"] == 4


@pytest.mark.proves("T16")
def test_index_that_is_not_with_the_device_is_an_error(exported):
    exported.queue.start()
    exported.camera.fill()
    frame = exported.queue.next_frame(5)
    exported.camera.fill().reported_index = frame.index
    with pytest.raises(DeviceError) as caught:
        exported.queue.next_frame(5)
    assert caught.value.errno == errno.EBADMSG
    frame.release()
    exported.queue.stop()
    assert exported.pool.stats["free"] == 4


@pytest.mark.proves("T3", "v4l2-buffers:last")
def test_last_buffer_ends_the_stream(exported):
    exported.queue.start()
    exported.camera.fill()
    exported.camera.fill(flags=FLAG_LAST)
    assert [exported.queue.next_frame(5).sequence for _ in range(2)] == [0, 1]
    assert exported.queue.state == "ended"
    asked = exported.kernel.count("VIDIOC_DQBUF")
    assert exported.queue.next_frame(5) is None
    assert exported.queue.next_frame(5) is None
    assert exported.kernel.count("VIDIOC_DQBUF") == asked  # never again before a restart
    exported.queue.stop()
    exported.queue.start()
    exported.camera.fill()
    assert exported.queue.next_frame(5) is not None


@pytest.mark.proves("T3", "v4l2-buffers:last")
def test_empty_last_buffer_is_no_frame(exported):
    exported.queue.start()
    exported.camera.fill(flags=FLAG_LAST, bytesused=0)
    assert exported.queue.next_frame(5) is None
    assert exported.pool.holders() == {"device": 3}


@pytest.mark.proves("T1", "T3")
def test_epipe_ends_the_stream(exported):
    exported.queue.start()
    exported.kernel.fail("VIDIOC_DQBUF", errno.EPIPE)
    assert exported.queue.next_frame(5) is None
    assert exported.queue.state == "ended"


@pytest.mark.proves("T1", "T2", "v4l2-buffers:queue-error", "VIDIOC_DQBUF")
def test_eio_fails_the_queue_until_a_restart(exported):
    exported.queue.start()
    exported.camera.fill()
    exported.camera.break_queue()
    for _ in range(2):
        with pytest.raises(DeviceError) as caught:
            exported.queue.next_frame(5)
        assert (caught.value.errno, exported.queue.state) == (errno.EIO, "failed")
    with pytest.raises(ValueError, match="failed"):
        exported.queue.start()
    exported.queue.stop()
    exported.queue.start()
    exported.camera.fill()
    assert exported.queue.next_frame(5) is not None


@pytest.mark.proves("v4l2-buffers:unplug", "T29")
def test_unplugged_device_is_gone(exported):
    exported.queue.start()
    exported.camera.fill(data=b"\x03" * YUYV_SIZE)
    frame = exported.queue.next_frame(5)
    exported.camera.unplug()
    for _ in range(2):
        with pytest.raises(DeviceGoneError):
            exported.queue.next_frame(5)
    assert exported.queue.state == "gone"
    exported.queue.stop()
    assert exported.queue.state == "gone"
    assert exported.pool.holders() == {"python": 1}
    assert frame.array().min() == 3  # its memory stays
    frame.release()
    exported.queue.close()


@pytest.mark.proves("T6")
def test_unplugged_device_wakes_who_waits(exported):
    import threading

    exported.queue.start()
    timer = threading.Timer(0.05, exported.camera.unplug)
    timer.start()
    with pytest.raises(DeviceGoneError):
        exported.queue.next_frame(30)
    timer.join()


def test_stop_notices_that_the_device_is_gone(exported):
    exported.queue.start()
    exported.camera.unplug()
    exported.queue.stop()
    assert exported.queue.state == "gone"
    assert exported.pool.stats["free"] == 4
