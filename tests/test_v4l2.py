"""One queue: its states, its memory modes, and what a driver may do to it."""

import errno
import gc
import os
import signal

import pytest

from fakekernel import FakeCamera
from fakekernel.v4l2_queue import DMABUF
from helpers import YUYV, YUYV_SIZE, make_pool, new_buffer
from v4l2_rig import CAPTURE, CAPTURE_MPLANE, Rig, _pool_of, exported, imported, memory, rig  # noqa: F401
from zcore._alloc import allocate_memfd
from zcore._dmabuf import DmaBuf
from zcore._errors import DeviceError, DeviceTimeoutError
from zcore._pool import Pool, PoolClosedError
from zcore._v4l2 import Queue
from zcore._v4l2_device import V4l2Device


@pytest.mark.proves("VIDIOC_DQBUF")
def test_frames_come_with_their_pixels(rig):
    rig.queue.start()
    for number in range(10):
        rig.camera.fill(data=bytes([number]) * YUYV_SIZE)
        with rig.queue.next_frame(5) as frame:
            assert frame.sequence == number
            assert (frame.array() == number).all()
            assert frame.clock == "monotonic"
            assert frame.bytes_used == (YUYV_SIZE,)
    assert rig.queue.frames == 10
    assert (rig.queue.gaps, rig.queue.errors) == (0, 0)


@pytest.mark.proves("T1", "v4l2-buffers:start")
def test_states(rig):
    queue = rig.queue
    assert (queue.state, queue.count, queue.queued_count) == ("ready", 4, 0)
    queue.start()
    queue.start()
    assert (queue.state, queue.queued_count) == ("streaming", 4)
    queue.stop()
    assert (queue.state, queue.queued_count, queue.flushed) == ("ready", 0, 4)
    assert rig.pool.stats["free"] == 4
    queue.stop()
    queue.start()
    assert queue.state == "streaming"
    queue.close()
    queue.close()
    assert (queue.state, queue.count) == ("empty", 0)
    assert rig.camera.capture.buffers == []


def test_buffers_are_with_the_device_then_with_the_frame_then_with_the_device_again(rig):
    rig.queue.start()
    assert rig.pool.holders() == {"device": 4}
    rig.camera.fill()
    frame = rig.queue.next_frame(5)
    assert rig.pool.holders() == {"device": 3, "python": 1}
    view = frame.array()
    del frame
    rig.camera.fill()
    assert rig.queue.next_frame(5).sequence == 1  # dropped at once
    assert rig.pool.stats["free"] == 1  # queued with the next call, not before
    rig.camera.fill()
    rig.queue.next_frame(5)
    assert rig.pool.holders() == {"device": 2, "python": 1}
    del view
    rig.camera.fill()
    rig.queue.next_frame(5)
    assert rig.pool.holders() == {"device": 3}


@pytest.mark.proves("T33")
def test_a_viewed_buffer_is_never_queued(rig):
    """The fake complains where a bracket is open on a queued buffer, and fills only what is queued."""
    rig.queue.start()
    views = []
    for number in range(4):
        rig.camera.fill(data=bytes([number]) * YUYV_SIZE)
        views.append(rig.queue.next_frame(5).array())
    assert rig.queue.queued_count == 0
    with pytest.raises(DeviceTimeoutError, match="no buffer to fill"):
        rig.queue.next_frame(0.02)
    assert [int(view.min()) for view in views] == [0, 1, 2, 3]
    del views[1]
    rig.camera.capture.idle_questions = 0
    with pytest.raises(DeviceTimeoutError, match="1 of 4 buffers"):
        rig.queue.next_frame(0.02)
    rig.camera.fill(data=b"\x09" * YUYV_SIZE)
    assert rig.queue.next_frame(5).array().min() == 9


def test_a_view_that_dies_in_another_thread_feeds_the_device(rig):
    import threading

    rig.queue.start()
    frames = []
    for _ in range(4):
        rig.camera.fill()
        frames.append(rig.queue.next_frame(5))
    timer = threading.Timer(0.05, frames.pop)
    timer.start()
    with pytest.raises(DeviceTimeoutError, match="1 of 4 buffers"):
        rig.queue.next_frame(0.5)
    timer.join()
    assert rig.queue.queued_count == 1


@pytest.mark.proves("T4", "v4l2-buffers:restart")
def test_restart_counts_from_anew(rig):
    rig.queue.start()
    rig.camera.fill(sequence=10)
    assert rig.queue.next_frame(5).dropped == 0
    rig.queue.stop()
    rig.queue.start()
    rig.camera.fill(sequence=100)
    assert rig.queue.next_frame(5).dropped == 0
    assert rig.queue.gaps == 0


@pytest.mark.parametrize("how", ["stop", "close"])
def test_frames_that_are_out_stay_valid(rig, how):
    rig.queue.start()
    rig.camera.fill(data=b"\x07" * YUYV_SIZE)
    frame = rig.queue.next_frame(5)
    getattr(rig.queue, how)()
    assert frame.array().min() == 7
    frame.release()
    assert rig.pool.stats["free"] == 4


@pytest.mark.proves("T6")
def test_waiting_is_ended_by_a_signal_handler(exported):
    exported.queue.start()

    def handler(*_):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    try:
        with pytest.raises(KeyboardInterrupt):
            exported.queue.next_frame()
    finally:
        signal.signal(signal.SIGALRM, before)
    exported.camera.fill()
    assert exported.queue.next_frame(5) is not None


@pytest.mark.proves("T4", "T5")
def test_flushed_pool_is_waited_for_without_spinning(exported):
    """The fake counts questions: whoever asks a thousand times in a row for a frame that is not there fails."""
    exported.queue.start()
    exported.camera.fill()
    exported.queue.next_frame(5)
    exported.pool.set_flushing(True)
    with pytest.raises(DeviceTimeoutError):
        exported.queue.next_frame(0.3)
    frames = []
    for _ in range(3):
        exported.camera.fill()
        frames.append(exported.queue.next_frame(5))
    with pytest.raises(PoolClosedError):  # nobody will ever queue one
        exported.queue.next_frame(5)


def test_multiplanar_formats_of_several_planes(fake_kernel):
    rig = Rig(fake_kernel, "export", True, planes=[2048, 1024])
    rig.queue.start()
    rig.camera.fill(data=[b"\x01" * 2048, b"\x02" * 1024], bytesused=[2048, 1000])
    frame = rig.queue.next_frame(5)
    assert frame.bytes_used == (2048, 1000)
    assert len({buffer.identity for buffer in frame.buffers}) == 2
    frame.release()
    rig.close()


def test_import_of_several_planes(fake_kernel):
    camera = FakeCamera(fake_kernel, planes=[4096, 4096], multiplanar=True)
    pool = Pool("p", "fake")
    for _ in range(2):
        pool.add([new_buffer(fake_kernel, 4096)[1], new_buffer(fake_kernel, 4096)[1]])
    with V4l2Device("/dev/video0") as device:
        queue = Queue(device.fd, "camera", CAPTURE_MPLANE)
        queue.use_foreign(DMABUF, 2, [4096, 4096], pool)
        queue.start()
        camera.fill(data=[b"\x01" * 4096, b"\x02" * 4096])
        frame = queue.next_frame(5)
        assert [camera.kernel.buffers[b.identity].read(1) for b in frame.buffers] == [b"\x01", b"\x02"]
        queue.close()


def test_a_format_with_more_planes_after_one_with_fewer(fake_kernel):
    rig = Rig(fake_kernel, "export", True)
    rig.queue.close()
    rig.camera.capture.sizes = [2048, 1024]
    pool = Pool("again", "v4l2")
    rig.queue.allocate(pool, 2, export=True)
    assert [len(buffers) for buffers in pool.slot_buffers] == [2, 2]
    rig.close()


@pytest.mark.proves("v4l2-buffers:export", "T18", "VIDIOC_EXPBUF")
def test_exported_buffers_are_known_by_identity(exported):
    for buffers in exported.pool.slot_buffers:
        number = os.dup(buffers[0].fd)
        assert DmaBuf.adopt(number) is buffers[0]
        assert buffers[0].allocator == "v4l2:/dev/video0"


def test_mapped_buffers_cannot_be_exported_and_need_no_bracket(fake_kernel):
    rig = Rig(fake_kernel, "mmap")
    buffer = rig.pool.slot_buffers[0][0]
    assert buffer.fd == -1
    with pytest.raises(ValueError, match="descriptor"):
        buffer.fileno()
    rig.queue.start()
    rig.camera.fill()
    rig.queue.next_frame(5).array()
    assert fake_kernel.count("DMA_BUF_IOCTL_SYNC") == 0
    rig.close()


@pytest.mark.proves("v4l2-buffers:mmap")
@pytest.mark.parametrize("memory", ["mmap"])
def test_mapped_frames_outlive_the_device(fake_kernel, memory):
    rig = Rig(fake_kernel, memory)
    rig.queue.start()
    rig.camera.fill(data=b"\x05" * YUYV_SIZE)
    view = rig.queue.next_frame(5).array()
    rig.close()
    pool = rig.pool
    del rig
    gc.collect()
    assert view.min() == 5
    del pool, view


@pytest.mark.proves("v4l2-buffers:import", "T11", "VIDIOC_QBUF")
def test_import_attaches_each_buffer_once(imported):
    imported.queue.start()
    for _ in range(40):
        imported.camera.fill()
        imported.queue.next_frame(5)
    assert imported.camera.capture.attaches == imported.queue.attaches == 4
    assert imported.queue.reattaches == 0


@pytest.mark.proves("T11")
def test_affinity_holds_whatever_the_order_of_return(imported):
    imported.queue.start()
    for round_ in range(10):
        with pytest.raises(DeviceTimeoutError):  # queues what came back
            imported.queue.next_frame(0)
        frames = []
        for _ in range(4):
            imported.camera.fill()
            frames.append(imported.queue.next_frame(5))
        for number in ([3, 1, 0, 2], [0, 1, 2, 3], [2, 3, 1, 0])[round_ % 3]:
            frames[number].release()
    assert imported.camera.capture.attaches == 4


@pytest.mark.proves("T11")
def test_more_buffers_than_indices_attach_anew(fake_kernel):
    camera = FakeCamera(fake_kernel, planes=[YUYV_SIZE])
    pool, _ = make_pool(fake_kernel, 4, YUYV, YUYV_SIZE)
    with V4l2Device("/dev/video0") as device:
        queue = Queue(device.fd, "camera", CAPTURE)
        queue.use_foreign(DMABUF, 2, [YUYV_SIZE], pool)
        queue.start()
        held = [pool.acquire(0), pool.acquire(0)]
        for _ in range(2):
            camera.fill()
            frame = queue.next_frame(5)
            held.append(frame)
        for frame in held[:2]:
            frame.release()
        queue.stop()
        queue.start()
        assert camera.capture.attaches == queue.attaches
        assert queue.attaches - queue.reattaches == 2
        del held, frame
        queue.close()


@pytest.mark.proves("T19")
def test_identities_are_what_counts_not_numbers(fake_kernel):
    """Two pools of the same buffers: the second import is the same buffer, and the kernel attaches nothing anew."""
    rig = Rig(fake_kernel, "dmabuf")
    rig.queue.start()
    assert fake_kernel.count("VIDIOC_QBUF") == 4
    assert len({identity for buffers in rig.pool.slot_buffers for identity in [buffers[0].identity]}) == 4
    rig.close()


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda k: make_pool(k, 2, YUYV, 1024)[0], None),
        (lambda k: _pool_of(Pool("p", "fake"), [new_buffer(k, 4096)[1]] * 2), "1 memory plane"),
        (lambda k: _pool_of(Pool("p", "fake"), [new_buffer(k, 8192)[1]], [(4096, 4096)]), "offset"),
    ],
)
def test_unfit_pools_are_refused_in_words(fake_kernel, make, text):
    FakeCamera(fake_kernel, planes=[YUYV_SIZE if text else 8192])
    with V4l2Device("/dev/video0") as device:
        queue = Queue(device.fd, "camera", CAPTURE)
        with pytest.raises(DeviceError, match=text or "needs 8192 bytes"):
            queue.use_foreign(DMABUF, 2, [YUYV_SIZE if text else 8192], make(fake_kernel))
        assert queue.state == "empty"
    assert fake_kernel.count("VIDIOC_REQBUFS") == 0


def test_memory_that_is_no_dmabuf_is_refused(fake_kernel):
    FakeCamera(fake_kernel, planes=[YUYV_SIZE])
    pool = Pool("p", "memfd")
    pool.add([allocate_memfd(YUYV_SIZE)])
    with V4l2Device("/dev/video0") as device:
        queue = Queue(device.fd, "camera", CAPTURE)
        queue.use_foreign(DMABUF, 2, [YUYV_SIZE], pool)
        with pytest.raises(DeviceError) as caught:
            queue.start()
        assert (caught.value.errno, caught.value.operation) == (errno.EINVAL, "VIDIOC_QBUF")
        assert (queue.state, queue.queued_count, pool.stats["free"]) == ("ready", 0, 1)
        queue.close()


def test_buffers_without_descriptor_cannot_be_imported(fake_kernel):
    rig = Rig(fake_kernel, "mmap")
    FakeCamera(fake_kernel, "/dev/video5", planes=[YUYV_SIZE])
    with V4l2Device("/dev/video5") as device, pytest.raises(DeviceError, match="cannot be exported"):
        Queue(device.fd, "other", CAPTURE).use_foreign(DMABUF, 2, [YUYV_SIZE], rig.pool)
    rig.close()


@pytest.mark.proves("T7")
def test_more_buffers_than_asked_are_used(fake_kernel):
    camera = FakeCamera(fake_kernel)
    camera.capture.least = 6
    with V4l2Device("/dev/video0") as device:
        queue, pool = Queue(device.fd, "camera", CAPTURE), Pool("p", "v4l2")
        queue.allocate(pool, 3, export=True)
        assert queue.count == len(pool) == 6
        queue.close()
