"""Frames on a plane: who is held, and until when."""

import errno
import gc
import signal
import struct
import threading

import pytest

from fakekernel.drm import CRTC, PRIMARY
from kms_rig import Rig, atomic, rig, vblank  # noqa: F401
from zcore._errors import DeviceBusyError, DeviceError, DeviceGoneError, DevicePermissionError, DeviceTimeoutError
from zcore._gem import handle_count
from zcore._kms import Scanout
from zcore._pool import Pool


@pytest.mark.proves("T58", "drm-kms:replaced-frame")
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


@pytest.mark.proves("T59", "drm-kms:nonblocking")
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


@pytest.mark.proves("T64")
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
@pytest.mark.proves("T61")
def test_refused_commit_holds_nothing(atomic, fake_kernel, code, kind):
    fake_kernel.fail("DRM_IOCTL_MODE_ATOMIC", code)
    with pytest.raises(kind, match="DRM_IOCTL_MODE_ATOMIC"):
        atomic.scanout.show(atomic.frame())
    assert (atomic.scanout.holds, atomic.pool.stats["free"], atomic.scanout.commits) == (0, 4, 0)
    atomic.scanout.show(atomic.frame())  # no flip is awaited that was never asked for
    atomic.fake.flip()
    atomic.scanout.wait()


@pytest.mark.proves("T68")
@pytest.mark.parametrize("code", [errno.EAGAIN, errno.EINTR])
def test_commit_is_restarted(atomic, fake_kernel, code):
    fake_kernel.fail("DRM_IOCTL_MODE_ATOMIC", code, times=3)
    atomic.scanout.show(atomic.frame())
    atomic.fake.flip()
    atomic.scanout.wait()
    assert atomic.scanout.flips == 1


@pytest.mark.proves("T62")
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


@pytest.mark.proves("T62")
def test_several_events_in_one_read(atomic):
    atomic.scanout.show(atomic.frame())
    for raw in (vblank(1), struct.pack("=II", 77, 8), vblank(0x80000001, 64)):
        atomic.fake.send_event(raw)
    atomic.fake.flip()
    for _ in range(3):
        atomic.fake.send_event(vblank(1))
    atomic.scanout.wait()
    assert (atomic.scanout.flips, atomic.scanout.holds) == (1, 1)


@pytest.mark.proves("T63")
def test_flip_of_a_kernel_that_does_not_name_the_crtc(atomic):
    atomic.scanout.show(atomic.frame())
    _, _, user_data, _ = atomic.fake.pending
    atomic.fake.send_event(atomic.fake.flip_event(user_data, crtc=0))
    atomic.scanout.wait()
    assert atomic.scanout.flips == 1
    atomic.fake.pending = None


@pytest.mark.proves("T61")
def test_stale_flip_gives_nothing_back(rig):
    """An event that somebody before did not read must not pass for the flip of this commit."""
    rig.fake.send_event(rig.fake.flip_event())
    rig.scanout.show(rig.frame())
    with pytest.raises(DeviceTimeoutError):
        rig.scanout.wait(0.02)
    rig.fake.flip()
    rig.scanout.wait()
    assert rig.scanout.flips == 1


@pytest.mark.proves("T63")
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
@pytest.mark.proves("T62")
def test_broken_events_are_an_error_and_no_endless_loop(atomic, raw):
    atomic.scanout.show(atomic.frame())
    atomic.fake.send_event(raw)
    with pytest.raises(DeviceError) as caught:
        atomic.scanout.wait(0.02)
    assert caught.value.errno == errno.EINVAL
    assert atomic.scanout.flips == 0
    atomic.fake.flip()
    atomic.scanout.wait()


@pytest.mark.proves("T61")
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


@pytest.mark.proves("drm-kms:unplug")
def test_unplugged_card_ends_the_wait(atomic):
    atomic.scanout.show(atomic.frame())
    atomic.fake.unplug()
    with pytest.raises(DeviceGoneError):
        atomic.scanout.wait(5)
    atomic.fake.pending = None
    atomic.client.handles.clear()
    atomic.client.framebuffers.clear()


@pytest.mark.proves("T60", "drm-kms:first-modeset")
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


@pytest.mark.proves("T77")
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


@pytest.mark.proves("T57")
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
