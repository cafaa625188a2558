"""The main job, and the proof of it: what the display showed, pixel for pixel."""

import numpy as np
import pytest

import zcore
from zcore.formats import find
from zcore.stages.patterns import FRAMES, rgb_picture

SIZES = [pytest.param((640, 480), 300, id="640x480"), pytest.param((1920, 1080), 100, id="1920x1080")]


def rgb565_on_vkms(array):
    """What vkms' writeback makes of RGB565: 16 bits a channel inside, rounded to 8."""
    channels = [(array & 31, 31), (array >> 5 & 63, 63), (array >> 11, 31)]  # B, G, R
    return np.stack([np.rint(np.rint(c * (65535 / top)) / 257).astype(np.uint8) for c, top in channels], axis=-1)


def vim2m_rgb565(red, green, blue):
    """What vim2m makes of RGB888: the upper bits, and for each pair of pixels the first one's colour twice."""
    packed = (red.astype(np.uint16) >> 3) << 11 | (green.astype(np.uint16) >> 2) << 5 | blue >> 3
    packed[:, 1::2] = packed[:, ::2]
    return packed


def colours(array):
    pixels = array.reshape(-1, array.shape[2]) if array.ndim == 3 else array.reshape(-1, 1)
    return len(np.unique(pixels, axis=0))


def assert_no_copy(report, frames):
    assert report.frames == frames
    assert report.zero_copy
    for link in report.links:
        assert link.frames == frames
        assert link.copied_frames == link.copied_bytes == 0
        assert link.reattaches == 0
        assert link.memory.startswith("dmabuf")
        assert "memory:DMABuf" in link.caps
    # Nobody looked at a frame, so nobody mapped or synced one.
    assert sum(link.cpu_maps + link.sync_calls for link in report.links) == 0


@pytest.mark.proves("v4l2-buffers:export", "T45", "drm-kms:nonblocking")
@pytest.mark.parametrize(("size", "frames"), SIZES)
def test_capture_display_shows_what_was_captured(vivid, vkms, size, frames):
    display = zcore.Display("vkms", mode=size)
    with zcore.Chain(zcore.Capture(vivid, format="XR24", size=size, rate=60), display) as chain:
        report = chain.run(frames=frames, require_zero_copy=True)
        assert_no_copy(report, frames)
        assert report.links[0].attaches == report.links[0].buffers  # each once, in the first round
        shown = display.screenshot()
        frame = display.scanout.frame_on_screen()
        picture = frame.array()
        assert picture.shape == shown.shape == (size[1], size[0], 4)
        assert np.array_equal(picture[..., :3], shown[..., :3])
        assert colours(shown[::16, ::16]) >= 8  # colour bars, not a black screen
        del frame, picture


@pytest.mark.proves("T45")
def test_capture_convert_display_is_zero_copy_and_right(vivid, vim2m, vkms):
    size, frames = (640, 480), 300
    camera = zcore.Capture(vivid, format="BGR3", size=size, rate=60)
    camera.open()
    camera.control("OSD Text Mode", 2)  # nothing that changes from frame to frame
    try:
        with zcore.Capture(vivid, format="BGR3", size=size) as alone:
            source = next(iter(alone.frames(1))).array().copy()
    finally:
        camera.close()
    display = zcore.Display("vkms", mode=size)
    with zcore.Chain(camera, zcore.Convert(vim2m, format="RGBP"), display) as chain:
        report = chain.run(frames=frames, require_zero_copy=True)
        assert_no_copy(report, frames)
        shown = display.screenshot()
        frame = display.scanout.frame_on_screen()
        converted = frame.array()
        assert np.array_equal(converted, vim2m_rgb565(source[..., 2], source[..., 1], source[..., 0]))
        assert np.array_equal(shown[..., :3], rgb565_on_vkms(converted))
        del frame, converted


def test_converter_limit_is_named_before_the_first_frame(vivid, vim2m, vkms):
    # vim2m's MAX_W and MAX_H are 640 and 480: there is no larger picture to convert on this driver.
    chain = zcore.Chain(
        zcore.Capture(vivid, format="BGR3", size=(1920, 1080)),
        zcore.Convert(vim2m, format="RGBP"),
        zcore.Display("vkms"),
    )
    with pytest.raises(zcore.ZeroCopyError, match=r"1920x1080.* takes .*640x480"):
        chain.run(frames=1, require_zero_copy=True)


def test_moving_picture_through_converter_arrives_unchanged(vim2m, vkms):
    size, frames = (640, 480), 47
    display = zcore.Display("vkms", mode=size)
    source = zcore.TestSource("BGR3", size)
    with zcore.Chain(source, zcore.Convert(vim2m, format="RGBP"), display) as chain:
        report = chain.run(frames=frames, require_zero_copy=True)
        assert report.frames == frames
        assert report.links[0].allocator == "udmabuf"
        shown = display.screenshot()
    expected = vim2m_rgb565(*np.moveaxis(rgb_picture("smpte", *size, (frames - 1) % FRAMES), -1, 0))
    assert np.array_equal(shown[..., :3], rgb565_on_vkms(expected))


@pytest.mark.proves("T53")
def test_source_draws_into_dumb_buffers(vkms):
    display = zcore.Display("vkms", mode=(640, 480))
    source = zcore.TestSource("XR24", (640, 480), pattern="gradient", memory="dma-heap:nothing")
    with zcore.Chain(source, display) as chain:
        report = chain.run(frames=10, require_zero_copy=True)
        assert report.links[0].memory == "dmabuf-import"
        assert report.links[0].allocator.startswith("dumb:")
        assert report.links[0].rejected
        shown = display.screenshot()
    assert np.array_equal(shown[..., 2::-1], rgb_picture("gradient", 640, 480, 9))


def test_smaller_picture_is_centred_where_the_plane_cannot_scale(vivid, vkms):
    display = zcore.Display("vkms", mode=(1024, 768))
    with zcore.Chain(zcore.Capture(vivid, format="XR24", size=(640, 480), rate=60), display) as chain:
        chain.run(frames=5, require_zero_copy=True)
        shown = display.screenshot()
        frame = display.scanout.frame_on_screen()
        picture = frame.array()
        assert np.array_equal(shown[144:624, 192:832, :3], picture[..., :3])
        assert not shown[:144, :, :3].any()
        assert not shown[:, :192, :3].any()
        del frame, picture


@pytest.mark.proves("drm-kms:legacy", "DRM_IOCTL_MODE_PAGE_FLIP")
def test_legacy_page_flips_show_frames_too(vivid, vkms):
    display = zcore.Display("vkms", mode=(640, 480), atomic=False)
    report = zcore.Chain(zcore.Capture(vivid, format="XR24", size=(640, 480), rate=60), display).run(
        frames=20, require_zero_copy=True
    )
    assert report.frames == 20
    assert report.stages[1].facts["mode"].startswith("640x480")


def test_python_driven_loop_shows_frames(vivid, vkms):
    with zcore.Capture(vivid, format="XR24", size=(640, 480), rate=60) as camera, zcore.Display("vkms") as screen:
        for frame in camera.frames(10):
            screen.show(frame)
        screen.scanout.wait()
        assert screen.scanout.flips == 10
        del frame


def test_all_ten_lines_of_the_readme_run(vivid, vim2m, vkms):
    with zcore.Capture(vivid, format="XR24", size=(640, 480)) as camera:
        for frame in camera.frames(3):
            pixels = frame.array()
            assert pixels.shape == (480, 640, 4)
            assert not pixels.flags.writeable
            assert frame.timestamp_ns > 0
            assert frame.clock == "monotonic"
        del frame, pixels
    assert find("XR24").drm_name == "XRGB8888"
