"""What vkms shows, written back by itself into frames, and what any plane scans out."""

import numpy as np
import pytest

import zcore
from app_rig import running, wait_for
from zcore.stages.screen_capture import ScreenCapture

SIZE = (640, 480)
pytestmark = pytest.mark.proves("drm-kms:WRITEBACK_FB_ID", "drm-kms:WRITEBACK_OUT_FENCE_PTR")


def shown(screen, capture_sink, frames=8, **options):
    source = zcore.AppSource(format="XR24", size=SIZE)
    capture = ScreenCapture(screen, num_buffers=frames, **options)
    chain = zcore.Chain(source, screen, capture, capture_sink, links=[(source, screen), (capture, capture_sink)])
    return source, capture, chain


def test_each_picture_of_a_display_is_captured(vkms):
    seen = []
    sink = zcore.FakeSink(on_frame=lambda frame: seen.append((int(frame.array()[100, 100, 1]), frame.timestamp_ns)))
    screen = zcore.Display(vkms, mode=SIZE)
    source, capture, chain = shown(screen, sink, frames=6)
    chain.start()
    number = 0
    while len(seen) < 6 and number < 200:
        number += 1
        source.push(np.full((480, 640, 4), number, np.uint8))
    source.end_of_stream()
    report = chain.wait()
    assert len(seen) == 6
    values, times = [value for value, _ in seen], [time for _, time in seen]
    assert values == sorted(set(values))  # each one is a newer picture
    assert times == sorted(times)
    assert all(link.zero_copy for link in report.links)


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
    report = zcore.Chain(capture, zcore.Convert(vim2m, "BGR3"), zcore.FakeSink()).run(
        frames=3, require_zero_copy=True
    )
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
