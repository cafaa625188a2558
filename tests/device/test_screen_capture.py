"""What vkms shows, written back by itself into frames, and what any plane scans out."""

import numpy as np
import pytest

import zcore
from app_rig import running, wait_for
from testbed import debugfs
from zcore.stages.screen_capture import ScreenCapture

SIZE = (640, 480)
pytestmark = pytest.mark.proves("drm-kms:writeback")


def test_each_picture_of_a_display_is_captured(vkms):
    seen = []
    sink = zcore.FakeSink(on_frame=lambda frame: seen.append((int(frame.array()[100, 100, 1]), frame.timestamp_ns)))
    screen, source = zcore.Display(vkms, mode=SIZE), zcore.AppSource(format="XR24", size=SIZE)
    capture = ScreenCapture(screen, num_buffers=6)
    chain = zcore.Chain(source, screen, capture, sink, links=[(source, screen), (capture, sink)])
    chain.start()
    try:
        for number in range(1, 7):
            wait_for(lambda: capture.idle)
            source.push(np.full((480, 640, 4), number, np.uint8))
            wait_for(lambda n=number: len(seen) == n)
        source.end_of_stream()
        report = chain.wait()
    finally:
        chain.stop()
    assert [value for value, _ in seen] == [1, 2, 3, 4, 5, 6]
    times = [time for _, time in seen]
    assert times == sorted(times)
    assert all(link.zero_copy for link in report.links)
    assert screen._scanout is None


def test_a_chain_of_its_own_follows_a_display_that_plays(vkms):
    screen = zcore.Display(vkms, mode=SIZE)
    playing = zcore.Chain(zcore.TestSource("XR24", SIZE, rate=60), screen)
    with playing:
        playing.start(stall_timeout=60)
        try:
            report = zcore.Chain(ScreenCapture(screen, rate=20), zcore.FakeSink()).run(frames=5, stall_timeout=60)
        finally:
            playing.stop()
        shown = playing.wait()
    assert report.frames == 5
    assert report.zero_copy
    assert shown.frames >= 5


@pytest.mark.proves("T58")
def test_pictures_in_a_hurry_are_whole_and_in_order(vkms):
    """vkms reads frames later than the flip after them tells: they must not be written anew before that."""
    seen = []

    def look(frame):
        colours = frame.array()[..., :3]
        seen.append((int(colours.min()), int(colours.max())))

    source, screen = zcore.AppSource(format="XR24", size=SIZE), zcore.Display(vkms, mode=SIZE)
    with running(source, screen):
        source.push(np.full((480, 640, 4), 1, np.uint8))
        wait_for(lambda: screen._scanout is not None and screen.scanout.commits == 1)
        with running(ScreenCapture(screen), zcore.FakeSink(on_frame=look), frames=6) as second:
            for number in range(2, 250):
                source.push(np.full((480, 640, 4), number, np.uint8))
                if len(seen) == 6:
                    break
            second.wait()
        source.end_of_stream()
    assert all(low == high for low, high in seen)
    assert [low for low, _ in seen] == sorted({low for low, _ in seen})


def test_own_card_reads_the_screen_at_a_rate(vkms):
    sink = zcore.ArraySink(keep=5)
    capture = ScreenCapture(vkms, mode=SIZE, rate=100)
    report = zcore.Chain(capture, sink).run(frames=5)
    assert report.frames == 5
    assert report.zero_copy
    assert sink.arrays[0].shape == (480, 640, 4)
    assert not sink.arrays[0][..., :3].any()  # black


def test_captured_frames_go_into_a_converter_without_a_copy(vkms, vim2m):
    capture = ScreenCapture(vkms, mode=SIZE, format="drm:RG16")
    report = zcore.Chain(capture, zcore.Convert(vim2m, "BGR3"), zcore.FakeSink()).run(frames=3, require_zero_copy=True)
    assert report.frames == 3
    assert report.links[0].copied_bytes == 0


def test_two_readers_of_one_screen_are_refused(vkms):
    with zcore.Display(vkms, mode=SIZE) as screen:
        source, first = zcore.AppSource(format="XR24", size=SIZE), ScreenCapture(screen)
        with running(source, screen):
            with running(first, zcore.FakeSink()):
                wait_for(lambda: first._writeback is not None and first._writeback._back)
                with pytest.raises(zcore.DeviceBusyError, match="another stage"):
                    screen.screenshot()
            assert screen.screenshot().shape == (480, 640, 4)


def test_a_card_without_a_free_screen_says_so(vkms):
    with zcore.Display(vkms, mode=SIZE):
        with pytest.raises(zcore.DevicePermissionError, match="give the Display"):
            ScreenCapture(vkms).open()
    with pytest.raises(TypeError, match="Display or the name"):
        ScreenCapture(3)
    with pytest.raises(zcore.ChainError, match="not open"):
        zcore.Chain(ScreenCapture(zcore.Display(vkms)), zcore.FakeSink()).plan()


@pytest.mark.proves("drm-kms:grab", "DRM_IOCTL_MODE_GETFB2", "DRM_IOCTL_PRIME_HANDLE_TO_FD", "T55")
def test_grabbing_what_another_program_shows(vkms):
    """Without being master, as root: the buffers of the display themselves, and no handle is left."""
    values = []
    with zcore.Display(vkms, mode=SIZE) as screen:
        source = zcore.AppSource(format="XR24", size=SIZE)
        with running(source, screen) as chain:
            for number in (1, 2, 3):
                source.push(np.full((480, 640, 4), number, np.uint8))
            wait_for(lambda: screen._scanout is not None and screen.scanout.commits == 3)
            grab = zcore.KmsGrab(vkms, rate=50)
            sink = zcore.FakeSink(on_frame=lambda frame: values.append(int(frame.array()[9, 9, 0])))
            report = zcore.Chain(grab, sink).run(frames=3)
            assert values == [3, 3, 3]
            assert report.zero_copy
            assert report.links[0].copied_frames == 0
            source.end_of_stream()
            chain.wait()
    assert grab.changes == 1


@pytest.mark.proves("drm-kms:grab", "T55")
def test_grab_leaves_no_handle_on_a_card_that_is_shared(vkms):
    with zcore.Display(vkms, mode=SIZE) as screen:
        source = zcore.AppSource(format="XR24", size=SIZE)
        with running(source, screen) as chain:
            source.push(np.full((480, 640, 4), 7, np.uint8))
            wait_for(lambda: screen._scanout is not None and screen.scanout.commits == 1)
            before = debugfs.gem_handles(screen.card.fd.fileno(), 64)
            zcore.Chain(zcore.KmsGrab(card=screen.card, rate=100), zcore.FakeSink()).run(frames=4)
            assert debugfs.gem_handles(screen.card.fd.fileno(), 64) == before
            source.push(np.full((480, 640, 4), 8, np.uint8))  # and the display's own handles are still good
            source.end_of_stream()
            assert chain.wait().frames == 2
