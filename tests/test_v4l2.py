"""One queue: its states, its memory modes, and what a driver may do to it."""

import errno
import gc
import os
import signal

import numpy as np
import pytest

from fakekernel import FakeCamera, FakeDmaBuf, FakeM2m
from fakekernel.v4l2_queue import DMABUF, FLAG_ERROR, FLAG_LAST, FLAG_MONOTONIC, MMAP, USERPTR
from helpers import YUYV, YUYV_SIZE, make_pool, new_buffer
from zcore._alloc import allocate_memfd
from zcore._dmabuf import DmaBuf
from zcore._errors import DeviceBusyError, DeviceError, DeviceGoneError, DeviceTimeoutError, UnsupportedError
from zcore._pool import Pool, PoolClosedError
from zcore._v4l2 import Queue
from zcore._v4l2_device import V4l2Device

CAPTURE, OUTPUT, CAPTURE_MPLANE, OUTPUT_MPLANE = 1, 2, 9, 10


class Rig:
    """A fake camera, its open device, a queue and a pool."""

    def __init__(self, kernel, memory="export", multiplanar=False, count=4, planes=None, **options):
        self.kernel = kernel
        self.camera = FakeCamera(kernel, planes=planes or [YUYV_SIZE], multiplanar=multiplanar)
        self.device = V4l2Device("/dev/video0")
        self.type = CAPTURE_MPLANE if multiplanar else CAPTURE
        self.queue = Queue(self.device.fd, "camera", self.type)
        self.memory = memory
        if memory in ("export", "mmap"):
            self.pool = Pool("camera", "v4l2", writable=False, owner=self.device)
            self.queue.allocate(self.pool, count, export=memory == "export", **options)
            self.pool.describe(**YUYV)
        else:
            self.pool, self.memories = make_pool(kernel, count, YUYV, YUYV_SIZE, writable=False)
            number = {"dmabuf": DMABUF, "userptr": USERPTR}[memory]
            self.queue.use_foreign(number, count, planes or [YUYV_SIZE], self.pool, **options)

    def close(self):
        self.queue.close()
        self.device.close()


@pytest.fixture(params=["export", "mmap", "dmabuf", "userptr"])
def memory(request):
    return request.param


@pytest.fixture(params=[False, True], ids=["single", "mplane"])
def rig(request, fake_kernel, memory):
    made = Rig(fake_kernel, memory, request.param)
    yield made
    made.close()


@pytest.fixture
def exported(fake_kernel):
    made = Rig(fake_kernel)
    yield made
    made.close()


@pytest.fixture
def imported(fake_kernel):
    made = Rig(fake_kernel, "dmabuf")
    yield made
    made.close()


# The way of a frame


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


# Memory modes


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


def test_import_attaches_each_buffer_once(imported):
    imported.queue.start()
    for _ in range(40):
        imported.camera.fill()
        imported.queue.next_frame(5)
    assert imported.camera.capture.attaches == imported.queue.attaches == 4
    assert imported.queue.reattaches == 0


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


def _pool_of(pool, buffers, planes=None):
    pool.add(buffers, planes)
    return pool


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


# Setting up


def test_more_buffers_than_asked_are_used(fake_kernel):
    camera = FakeCamera(fake_kernel)
    camera.capture.least = 6
    with V4l2Device("/dev/video0") as device:
        queue, pool = Queue(device.fd, "camera", CAPTURE), Pool("p", "v4l2")
        queue.allocate(pool, 3, export=True)
        assert queue.count == len(pool) == 6
        queue.close()


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


# What a driver may do


def test_gaps_are_counted(exported):
    exported.queue.start()
    seen = []
    for sequence in (5, 6, 9, 9, 10, 3, 4):
        exported.camera.fill(sequence=sequence)
        seen.append(exported.queue.next_frame(5).dropped)
    assert seen == [0, 0, 2, 0, 0, 0, 0]  # the same number again, or a lower one, is no gap
    assert exported.queue.gaps == 2


def test_sequence_wraps(exported):
    exported.queue.start()
    dropped = []
    for sequence in (0xFFFFFFFE, 0xFFFFFFFF, 1):
        exported.camera.fill(sequence=sequence)
        dropped.append(exported.queue.next_frame(5).dropped)
    assert dropped == [0, 0, 1]


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


def test_picture_behind_a_data_offset_stays_in_its_plane(fake_kernel):
    rig = Rig(fake_kernel, "export", True)
    rig.queue.start()
    rig.camera.fill(data_offset=16)
    frame = rig.queue.next_frame(5)
    with pytest.raises(ValueError, match="ends at byte"):
        frame.array()
    frame.release()
    rig.close()


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


def test_empty_last_buffer_is_no_frame(exported):
    exported.queue.start()
    exported.camera.fill(flags=FLAG_LAST, bytesused=0)
    assert exported.queue.next_frame(5) is None
    assert exported.pool.holders() == {"device": 3}


def test_epipe_ends_the_stream(exported):
    exported.queue.start()
    exported.kernel.fail("VIDIOC_DQBUF", errno.EPIPE)
    assert exported.queue.next_frame(5) is None
    assert exported.queue.state == "ended"


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


def test_failing_streamon_leaks_nothing(exported):
    exported.kernel.fail("VIDIOC_STREAMON", errno.EPIPE)
    with pytest.raises(DeviceError, match="VIDIOC_STREAMON"):
        exported.queue.start()
    assert (exported.queue.state, exported.pool.stats["free"]) == ("ready", 4)
    exported.queue.start()
    exported.camera.fill()
    assert exported.queue.next_frame(5) is not None


def test_failing_streamoff_keeps_the_buffers_with_the_device(exported):
    exported.queue.start()
    exported.kernel.fail("VIDIOC_STREAMOFF", errno.EIO)
    with pytest.raises(DeviceError, match="VIDIOC_STREAMOFF"):
        exported.queue.stop()
    assert (exported.pool.stats["free"], exported.queue.queued_count) == (0, 4)
    exported.queue.stop()
    assert exported.pool.stats["free"] == 4


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


def test_an_open_bracket_on_a_queued_buffer_fails_the_test(fake_kernel):
    """The fake's own rule: what the other tests rely on."""
    rig = Rig(fake_kernel, "dmabuf")
    rig.pool.slot_buffers[0][0].begin_access(1)
    rig.queue.start()
    rig.pool.slot_buffers[0][0].end_access()
    assert "while the CPU has access" in str(fake_kernel.failures.pop())
    rig.close()
    assert isinstance(rig.memories[0], FakeDmaBuf)
