"""Frames on a plane: who is held, and until when."""

import errno
import gc
import signal
import struct
import threading

import pytest

from fakekernel import FakeCamera, FakeCard
from fakekernel.drm import CRTC, PRIMARY
from helpers import NV12, YUYV, YUYV_SIZE, make_pool, new_buffer
from zcore._drm import Card
from zcore._errors import DeviceBusyError, DeviceError, DeviceGoneError, DevicePermissionError, DeviceTimeoutError
from zcore._gem import handle_count
from zcore._kms import Scanout
from zcore._pool import Pool
from zcore._v4l2 import Queue
from zcore._v4l2_device import V4l2Device


class Rig:
    def __init__(self, kernel, atomic=True, count=4, **options):
        self.fake = FakeCard(kernel, atomic=atomic, **options)
        self.fake.active = 1
        self.card = Card("/dev/dri/card0")
        self.scanout = Scanout(
            self.card, "screen", CRTC, PRIMARY, self.fake.property_id(PRIMARY, "FB_ID"), legacy=not atomic
        )
        self.pool, self.memories = make_pool(kernel, count)

    def frame(self):
        return self.pool.acquire(0)

    @property
    def client(self):
        return next(iter(self.fake.clients.values()))

    def on_screen(self):
        """The buffer that is on the screen now."""
        id = self.fake.shown[PRIMARY]
        return self.memories.index(self.client.framebuffers[id].objects[0]) if id else None

    def close(self):
        self.scanout.release()
        self.card.close()


@pytest.fixture(params=[True, False], ids=["atomic", "legacy"])
def rig(request, fake_kernel):
    made = Rig(fake_kernel, request.param)
    if not request.param:  # page flips need something on the screen already
        _, made.splash = show_splash(made)
    yield made
    made.close()


def show_splash(rig):
    frame = rig.frame()
    framebuffer = rig.scanout.attach_slot(rig.pool, frame.index)
    rig.fake.shown[PRIMARY] = framebuffer.id
    rig.scanout.hold_first(frame)
    return framebuffer, frame.index


@pytest.fixture
def atomic(fake_kernel):
    made = Rig(fake_kernel)
    yield made
    made.close()


def test_frame_is_held_until_the_flip_that_replaces_it(rig):
    held = rig.scanout.holds
    free = rig.pool.stats["free"]
    first = rig.frame()
    index = first.index
    rig.scanout.show(first)
    del first
    assert (rig.scanout.holds, rig.pool.stats["free"]) == (held + 1, free - 1)
    rig.fake.flip()
    rig.scanout.wait()
    assert (rig.scanout.holds, rig.on_screen()) == (1, index)
    for _ in range(10):
        before = rig.on_screen()
        rig.scanout.show(rig.frame())
        assert rig.scanout.holds == 2  # the old one is on the screen still
        assert before == rig.on_screen()
        assert rig.pool.holders() == {"screen": 2}
        rig.fake.flip()
        rig.scanout.wait()
        assert rig.pool.holders() == {"screen": 1}
    assert (rig.scanout.flips, rig.scanout.commits) == (11, 11)


def test_one_commit_at_a_time(rig):
    """The fake says EBUSY to a second one; show() waits for the flip before."""
    rig.scanout.show(rig.frame())
    with pytest.raises(DeviceTimeoutError, match="flip event"):
        rig.scanout.show(rig.frame(), 0.02)
    assert rig.scanout.commits == 1
    timer = threading.Timer(0.05, rig.fake.flip)
    timer.start()
    rig.scanout.show(rig.frame(), 30)
    timer.join()
    assert rig.scanout.commits == 2
    rig.fake.flip()
    rig.scanout.wait()


def test_each_slot_is_imported_once(rig):
    rig.scanout.attach(rig.pool)
    for _ in range(20):
        rig.scanout.show(rig.frame())
        rig.fake.flip()
    assert rig.scanout.attaches == rig.client.imports == len(rig.client.framebuffers) == 4
    rig.scanout.wait()


def test_commit_sets_nothing_but_the_framebuffer(atomic):
    atomic.scanout.show(atomic.frame())
    atomic.fake.flip()
    flags, settings = atomic.fake.commits[-1]
    assert flags == 0x201  # NONBLOCK and PAGE_FLIP_EVENT; never ALLOW_MODESET
    assert list(settings) == [PRIMARY]
    assert list(settings[PRIMARY]) == [atomic.fake.property_id(PRIMARY, "FB_ID")]
    atomic.scanout.wait()


@pytest.mark.parametrize(
    ("code", "kind"),
    [(errno.EBUSY, DeviceBusyError), (errno.EACCES, DevicePermissionError), (errno.EINVAL, DeviceError)],
)
def test_refused_commit_holds_nothing(atomic, fake_kernel, code, kind):
    fake_kernel.fail("DRM_IOCTL_MODE_ATOMIC", code)
    with pytest.raises(kind, match="DRM_IOCTL_MODE_ATOMIC"):
        atomic.scanout.show(atomic.frame())
    assert (atomic.scanout.holds, atomic.pool.stats["free"], atomic.scanout.commits) == (0, 4, 0)
    atomic.scanout.show(atomic.frame())  # no flip is awaited that was never asked for
    atomic.fake.flip()
    atomic.scanout.wait()


@pytest.mark.parametrize("code", [errno.EAGAIN, errno.EINTR])
def test_commit_is_restarted(atomic, fake_kernel, code):
    fake_kernel.fail("DRM_IOCTL_MODE_ATOMIC", code, times=3)
    atomic.scanout.show(atomic.frame())
    atomic.fake.flip()
    atomic.scanout.wait()
    assert atomic.scanout.flips == 1


# Events


def vblank(type=1, length=32, crtc=CRTC):
    return struct.pack("=IIQIIII", type, length, 0, 0, 0, 0, crtc).ljust(length, b"\xee")


def test_other_events_are_skipped(atomic):
    atomic.scanout.show(atomic.frame())
    for raw in (vblank(1), vblank(3), vblank(0x80000001, 48), struct.pack("=II", 77, 8), vblank(2, crtc=99)):
        atomic.fake.send_event(raw)
    with pytest.raises(DeviceTimeoutError):
        atomic.scanout.wait(0.02)
    assert atomic.scanout.flips == 0
    atomic.fake.flip()
    atomic.scanout.wait()
    assert atomic.scanout.flips == 1


def test_several_events_in_one_read(atomic):
    atomic.scanout.show(atomic.frame())
    for raw in (vblank(1), struct.pack("=II", 77, 8), vblank(0x80000001, 64)):
        atomic.fake.send_event(raw)
    atomic.fake.flip()
    for _ in range(3):
        atomic.fake.send_event(vblank(1))
    atomic.scanout.wait()
    assert (atomic.scanout.flips, atomic.scanout.holds) == (1, 1)


def test_flip_of_a_kernel_that_does_not_name_the_crtc(atomic):
    atomic.scanout.show(atomic.frame())
    _, _, user_data, _ = atomic.fake.pending
    atomic.fake.send_event(atomic.fake.flip_event(user_data, crtc=0))
    atomic.scanout.wait()
    assert atomic.scanout.flips == 1
    atomic.fake.pending = None


def test_stale_flip_gives_nothing_back(rig):
    """An event that somebody before did not read must not pass for the flip of this commit."""
    rig.fake.send_event(rig.fake.flip_event())
    rig.scanout.show(rig.frame())
    with pytest.raises(DeviceTimeoutError):
        rig.scanout.wait(0.02)
    rig.fake.flip()
    rig.scanout.wait()
    assert rig.scanout.flips == 1


def test_flip_of_a_scanout_before_is_not_taken_for_ours(atomic):
    atomic.scanout.show(atomic.frame())
    atomic.fake.pending, pending = None, atomic.fake.pending  # its event comes later
    atomic.scanout.release()
    second = Scanout(atomic.card, "second", CRTC, PRIMARY, atomic.fake.property_id(PRIMARY, "FB_ID"))
    second.show(atomic.frame())
    atomic.fake.send_event(atomic.fake.flip_event(pending[2]))
    with pytest.raises(DeviceTimeoutError):
        second.wait(0.02)
    atomic.fake.flip()
    second.wait()
    second.release()


@pytest.mark.parametrize(
    "raw",
    [struct.pack("=II", 2, 0), struct.pack("=II", 2, 4), struct.pack("=II", 2, 0xFFFFFFF0), vblank(2)[:20]],
    ids=["length 0", "shorter than its head", "negative", "cut off"],
)
def test_broken_events_are_an_error_and_no_endless_loop(atomic, raw):
    atomic.scanout.show(atomic.frame())
    atomic.fake.send_event(raw)
    with pytest.raises(DeviceError) as caught:
        atomic.scanout.wait(0.02)
    assert caught.value.errno == errno.EINVAL
    assert atomic.scanout.flips == 0
    atomic.fake.flip()
    atomic.scanout.wait()


def test_wait_goes_on_after_a_signal(atomic):
    atomic.scanout.show(atomic.frame())
    hits = []

    def handler(*_):
        hits.append(1)
        if len(hits) == 3:
            atomic.fake.flip()

    before = signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.02, 0.02)
    try:
        atomic.scanout.wait(30)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert atomic.scanout.flips == 1


def test_exception_of_a_signal_handler_ends_the_wait(atomic):
    atomic.scanout.show(atomic.frame())

    def handler(*_):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    try:
        with pytest.raises(KeyboardInterrupt):
            atomic.scanout.wait(30)
    finally:
        signal.signal(signal.SIGALRM, before)
    atomic.fake.flip()
    atomic.scanout.wait()


def test_unplugged_card_ends_the_wait(atomic):
    atomic.scanout.show(atomic.frame())
    atomic.fake.unplug()
    with pytest.raises(DeviceGoneError):
        atomic.scanout.wait(5)
    atomic.fake.pending = None
    atomic.client.handles.clear()
    atomic.client.framebuffers.clear()


# The first frame, and the last


def test_first_frame_came_with_the_mode(atomic):
    frame = atomic.frame()
    index = frame.index
    atomic.scanout.hold_first(frame)
    with pytest.raises(ValueError, match="already"):
        atomic.scanout.hold_first(frame)
    del frame
    assert (atomic.scanout.holds, atomic.pool.stats["free"]) == (1, 3)
    atomic.scanout.show(atomic.frame())
    assert atomic.pool.stats["free"] == 2
    atomic.fake.flip()
    atomic.scanout.wait()
    assert atomic.pool.stats["free"] == 3
    assert atomic.on_screen() != index


def test_released_frame_cannot_be_shown(atomic):
    frame = atomic.frame()
    frame.release()
    for use in (atomic.scanout.show, atomic.scanout.hold_first):
        with pytest.raises(ValueError, match="released"):
            use(frame)
    assert atomic.scanout.holds == 0


def test_frame_on_screen(atomic):
    assert atomic.scanout.frame_on_screen() is None
    frame = atomic.frame()
    index = frame.index
    atomic.scanout.show(frame)
    del frame
    atomic.fake.flip()
    atomic.scanout.wait()
    kept = atomic.scanout.frame_on_screen()
    assert (kept.index, kept.pool) == (index, atomic.pool)
    atomic.scanout.show(atomic.frame())
    atomic.fake.flip()
    atomic.scanout.wait()
    assert atomic.pool.stats["free"] == 2  # replaced, and held here
    kept.release()
    assert atomic.pool.stats["free"] == 3


def test_release_gives_all_back(atomic):
    for _ in range(2):
        atomic.scanout.show(atomic.frame())
        atomic.fake.flip()
    atomic.scanout.wait()
    atomic.fake.shown[PRIMARY] = 0
    atomic.scanout.release()
    atomic.scanout.release()
    assert (atomic.scanout.holds, atomic.pool.stats["free"], handle_count(atomic.card)) == (0, 4, 0)
    assert atomic.fake.blanked == 0


def test_release_with_a_commit_pending(atomic):
    atomic.scanout.show(atomic.frame())
    atomic.fake.flip()
    atomic.scanout.show(atomic.frame())
    atomic.fake.flip()  # its event is not read any more
    atomic.scanout.release()
    assert (atomic.scanout.holds, atomic.pool.stats["free"]) == (0, 4)


def test_dropped_scanout_gives_all_back(fake_kernel):
    rig = Rig(fake_kernel)
    rig.scanout.show(rig.frame())
    rig.fake.flip()
    rig.scanout.wait()
    pool, card, fake = rig.pool, rig.card, rig.fake
    del rig
    gc.collect()
    assert pool.stats["free"] == 4
    assert handle_count(card) == 0
    assert fake.blanked == 1
    card.close()


@pytest.mark.parametrize("how", ["show", "hold_first"])
def test_scanout_keeps_the_pool_of_what_it_shows(fake_kernel, how):
    rig = Rig(fake_kernel)
    getattr(rig.scanout, how)(rig.frame())
    memories = rig.memories
    if how == "show":
        rig.fake.flip()
        rig.scanout.wait()
    del rig.pool
    gc.collect()
    assert all(memory.users for memory in memories)
    rig.close()
    gc.collect()
    assert not any(memory.users for memory in memories)


def test_scanout_dies_in_a_cycle_with_all_it_has(fake_kernel):
    class Stage:
        pass

    for _ in range(20):
        stage = Stage()
        stage.rig = Rig(fake_kernel)
        stage.rig.scanout.attach(stage.rig.pool)
        stage.rig.scanout.show(stage.rig.frame())
        stage.rig.fake.flip()
        stage.rig.scanout.wait()
        stage.me = stage
        stage.pool = Pool("cycle", "none", owner=stage)
        del stage
        gc.collect()


# Layouts


def test_two_colour_planes(fake_kernel):
    rig = Rig(fake_kernel)
    pool, _ = make_pool(fake_kernel, 1, NV12)
    rig.scanout.show(pool.acquire(0))
    rig.fake.flip()
    framebuffer = rig.client.framebuffers[rig.fake.shown[PRIMARY]]
    assert (framebuffer.pitches, framebuffer.offsets) == ([64, 64], [0, 1024])
    rig.scanout.wait()
    rig.close()


def test_plane_that_starts_inside_of_its_buffer(fake_kernel):
    rig = Rig(fake_kernel)
    memory, buffer = new_buffer(fake_kernel, 3 * 4096)
    pool = Pool("p", "fake")
    pool.add([buffer], [(8192, 4096)])
    pool.describe(
        drm_fourcc=0x34325258, size=(64, 16), components=[(0, 0, 256, 16)],
        arrays=[(0, 0, "u1", (16, 256), (256, 1))],
    )  # fmt: skip
    with pool.acquire(0) as frame:
        frame.array(write=True)[...] = 1
    assert memory.read(1, 8192) == b"\x01"
    rig.scanout.show(pool.acquire(0))
    rig.fake.flip()
    assert rig.client.framebuffers[rig.fake.shown[PRIMARY]].offsets == [8192]
    rig.scanout.wait()
    rig.close()


def test_modifier_of_the_pool_is_handed_on(fake_kernel):
    rig = Rig(fake_kernel)
    rig.scanout.attach(rig.pool, 0)
    assert {framebuffer.modifier for framebuffer in rig.client.framebuffers.values()} == {0}
    rig.close()


def test_slot_that_is_not_there(atomic):
    for index in (-1, 4, 64):
        with pytest.raises(IndexError):
            atomic.scanout.attach_slot(atomic.pool, index)


def test_refused_import_attaches_nothing(atomic, fake_kernel):
    fake_kernel.fail("DRM_IOCTL_MODE_ADDFB2", errno.EINVAL, after=2)
    with pytest.raises(DeviceError, match="ADDFB2"):
        atomic.scanout.attach(atomic.pool)
    assert atomic.scanout.attaches == 2
    atomic.scanout.attach(atomic.pool)
    assert (atomic.scanout.attaches, len(atomic.client.framebuffers)) == (4, 4)


def test_two_pools_in_turn(atomic, fake_kernel):
    other, _ = make_pool(fake_kernel, 4, name="other")
    for _ in range(6):
        for pool in (atomic.pool, other):
            atomic.scanout.show(pool.acquire(0))
            atomic.fake.flip()
    atomic.scanout.wait()
    assert atomic.scanout.attaches == len(atomic.client.framebuffers) <= 8


def test_latency_is_from_the_frames_time_to_the_flip(atomic):
    import time

    frame = atomic.frame()
    frame.timestamp_ns = time.monotonic_ns() - 5_000_000
    atomic.scanout.show(frame)
    atomic.fake.flip()
    atomic.scanout.wait()
    assert atomic.scanout.latency_count == 1
    assert atomic.scanout.latency_max_ns == atomic.scanout.latency_sum_ns >= 4_999_000
    assert atomic.scanout.last_flip_ns > 0
    atomic.scanout.show(atomic.frame())  # without a time it does not count
    atomic.fake.flip()
    atomic.scanout.wait()
    assert atomic.scanout.latency_count == 1


def test_camera_to_screen_without_a_chain(fake_kernel):
    """Every buffer has one user at a time: the fakes of both devices watch it together."""
    rig = Rig(fake_kernel)
    camera = FakeCamera(fake_kernel, planes=[YUYV_SIZE])
    with V4l2Device("/dev/video0") as device:
        queue, pool = Queue(device.fd, "camera", 1), Pool("camera", "v4l2", writable=False)
        queue.allocate(pool, 4, export=True)
        pool.describe(**YUYV)
        rig.scanout.attach(pool)
        queue.start()
        for number in range(30):
            camera.fill(data=bytes([number]) * YUYV_SIZE)
            rig.scanout.show(queue.next_frame(5))
            rig.fake.flip()
            shown = rig.client.framebuffers[rig.fake.shown[PRIMARY]].objects[0]
            assert shown.read(1) == bytes([number])
        rig.scanout.wait()
        rig.fake.shown[PRIMARY] = 0
        rig.scanout.release()
        queue.close()
    assert fake_kernel.count("DMA_BUF_IOCTL_SYNC") == 0  # nobody looked
    rig.close()
