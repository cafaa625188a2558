"""Wrong input and failing devices: each has its own clear error, and leaves nothing behind."""

import os
import signal
import threading
import time

import pytest

import zcore
from testbed import drivers
from zcore._v4l2 import Queue
from zcore._v4l2_device import V4l2Device

SIZE = (640, 480)


def run(*stages, frames=3, **options):
    return zcore.Chain(*stages).run(frames=frames, **options)


def test_missing_device():
    with pytest.raises(FileNotFoundError, match=r"/dev/video99: open: \[ENOENT\].*no such device.*zcore devices"):
        run(zcore.Capture("/dev/video99"), zcore.ArraySink())


def test_not_a_video_device():
    with pytest.raises(zcore.DeviceError, match=r"/dev/null: VIDIOC_QUERYCAP.*not a V4L2 device"):
        run(zcore.Capture("/dev/null"), zcore.ArraySink())


def test_not_a_display():
    with pytest.raises(zcore.DeviceError, match=r"/dev/null: DRM_IOCTL_VERSION.*not a DRM device"):
        run(zcore.TestSource("XR24"), zcore.Display("/dev/null"))


def test_converter_is_no_camera(vim2m):
    with pytest.raises(zcore.DeviceError, match="mem-to-mem"):
        run(zcore.Capture(vim2m), zcore.ArraySink())


def test_camera_is_no_converter(vivid):
    with pytest.raises(zcore.DeviceError, match="no mem-to-mem device"):
        run(zcore.TestSource("BGR3"), zcore.Convert(vivid), zcore.ArraySink())


def test_unknown_driver_names(vkms, vim2m):
    with pytest.raises(FileNotFoundError, match=r"no card of the driver 'i915'.*vkms"):
        run(zcore.TestSource("XR24"), zcore.Display("i915"))
    with pytest.raises(FileNotFoundError, match=r"no mem-to-mem device 'bcm'.*vim2m"):
        run(zcore.TestSource("BGR3"), zcore.Convert("bcm"), zcore.ArraySink())


def test_unsupported_format(vivid):
    with pytest.raises(zcore.NegotiationError, match=r"capture\d+ has no format .*; it has .*YUYV"):
        run(zcore.Capture(vivid, format="MJPG"), zcore.ArraySink())


def test_unknown_format_names_the_nearest():
    with pytest.raises(zcore.UnknownFormatError, match="XR24"):
        zcore.Capture("/dev/video0", format="XR42")


def test_unsupported_size_names_what_there_is(vivid):
    with pytest.raises(zcore.NegotiationError, match=r"no 640x481 .* it answered with \d+x\d+ \(it has .*640x480"):
        run(zcore.Capture(vivid, format="XR24", size=(640, 481)), zcore.ArraySink())


def test_format_that_the_display_has_not(vivid, vkms):
    with pytest.raises(zcore.ZeroCopyError, match="no common format"):
        run(zcore.Capture(vivid, format="YUYV", size=SIZE), zcore.Display("vkms"), require_zero_copy=True)


def test_mode_that_the_display_has_not(vivid, vkms):
    with pytest.raises(zcore.NegotiationError, match=r"has no mode \(641, 480\); it has .*640x480"):
        run(zcore.Capture(vivid, format="XR24", size=SIZE), zcore.Display("vkms", mode=(641, 480)))


def test_connector_and_plane_that_the_display_has_not(vkms):
    with pytest.raises(zcore.ChainError, match=r"no connector 'HDMI-A-1'; it has Virtual-1 \(connected\)"):
        run(zcore.TestSource("XR24", SIZE), zcore.Display("vkms", connector="HDMI-A-1"))
    with pytest.raises(zcore.ChainError, match="no plane 9999"):
        run(zcore.TestSource("XR24", SIZE), zcore.Display("vkms", plane=9999))


@pytest.mark.proves("T9", "vidioc-g-fmt:busy")
def test_busy_device_names_the_way_out(vivid):
    with zcore.Capture(vivid, "XR24", SIZE) as first:
        frames = first.frames()
        next(frames)
        with pytest.raises(zcore.DeviceBusyError, match=r"VIDIOC_\w+: \[EBUSY\].*(stop|close)"):
            run(zcore.Capture(vivid, "XR24", SIZE), zcore.ArraySink())
        next(frames)  # and the first one is not disturbed
        frames.close()


def test_device_without_streaming():
    with drivers.vivid(n_devs=1, node_types=0x1) as nodes:
        path = nodes.one("capture").path
        with V4l2Device(path) as device:
            queue = Queue(device.fd, "output", 2)  # a capture-only node has no OUTPUT queue
            with pytest.raises(zcore.DeviceError, match="VIDIOC_REQBUFS"):
                queue.use_foreign(4, 2, [4096])


@pytest.mark.proves("T75")
def test_not_the_drm_master(vivid, vkms):
    somebody = os.open(vkms, os.O_RDWR | os.O_CLOEXEC)  # the first to open a card is its master
    try:  # a second Display of this process would share the card of the first
        with pytest.raises(PermissionError, match=r"DRM_IOCTL_SET_MASTER.*not the DRM master.*lease") as caught:
            run(zcore.Capture(vivid, format="XR24", size=SIZE), zcore.Display("vkms"))
        assert isinstance(caught.value, zcore.DeviceError)
    finally:
        os.close(somebody)


def test_lent_descriptor_works_where_opening_would_not(vivid, vkms):
    with zcore.Display("vkms") as owner:
        report = run(
            zcore.Capture(vivid, format="XR24", size=SIZE, rate=60), zcore.Display(fd=owner.card.fd.fileno()), frames=5
        )
        assert report.frames == 5


@pytest.mark.proves("v4l2-buffers:unplug", "T29")
@pytest.mark.parametrize("frames_before", [3, 20])
def test_unplugged_during_a_run(vivid, vkms, frames_before):
    camera = zcore.Capture(vivid, "XR24", SIZE, rate=60)
    chain = zcore.Chain(camera, zcore.Display("vkms", mode=SIZE))
    with chain:
        chain.start()
        while chain.frames_done < frames_before:
            time.sleep(0.01)
        camera.control("Disconnect", 1)
        with pytest.raises(zcore.DeviceGoneError, match=r"capture\d+ .*\[ENODEV\].*unplugged") as caught:
            chain.wait(30)
        assert caught.value.report.frames >= frames_before - 3
        del caught


def test_unplugged_under_a_python_loop(vivid):
    with zcore.Capture(vivid, "XR24", SIZE, rate=60) as camera:
        frames = camera.frames()
        kept = next(frames)
        camera.control("Disconnect", 1)
        with pytest.raises(zcore.DeviceGoneError, match="ENODEV"):  # noqa: PT012 - some frames were filled before
            for _ in range(10):
                next(frames)
        assert kept.array().any()  # its memory stays
        del kept


@pytest.mark.proves("VIDIOC_STREAMON")
def test_driver_that_fails_to_stream(vivid):
    camera = zcore.Capture(vivid, "XR24", SIZE)
    with camera:
        camera.control("Inject VIDIOC_STREAMON Error", 1)
        with pytest.raises(zcore.DeviceError, match=r"capture\d+: VIDIOC_STREAMON: \[EINVAL\]"):
            run(camera, zcore.ArraySink())
    assert run(zcore.Capture(vivid, "XR24", SIZE, rate=60), zcore.ArraySink()).frames == 3


def test_driver_that_refuses_buffers_once_is_asked_another_way(vivid):
    camera = zcore.Capture(vivid, "XR24", SIZE, rate=60)
    with camera:
        camera.control("Inject VIDIOC_REQBUFS Error", 1)
        link = run(camera, zcore.ArraySink()).links[0]
    assert link.zero_copy
    assert link.memory == "dmabuf-import"
    assert [way for way, why in link.rejected if "VIDIOC_REQBUFS: [EINVAL]" in why] == ["dmabuf"]


@pytest.mark.proves("T2", "v4l2-buffers:queue-error")
def test_fatal_queue_error_ends_the_run_with_its_name(vivid):
    camera = zcore.Capture(vivid, "XR24", SIZE, rate=60)
    chain = zcore.Chain(camera, zcore.ArraySink(keep=1))
    with chain:
        chain.start()
        while chain.frames_done < 3:
            time.sleep(0.01)
        camera.control("Inject Fatal Streaming Error", 1)
        with pytest.raises(zcore.DeviceError, match=r"VIDIOC_D?QBUF: \[EIO\].*device's queue"):
            chain.wait(30)


@pytest.mark.proves("v4l2-buffers:error-flag")
def test_damaged_frames_are_flagged_or_dropped(vivid):
    with zcore.Capture(vivid, "XR24", SIZE, rate=60) as camera:
        camera.control("Percentage of Dropped Buffers", 0)
        frames = camera.frames()
        next(frames)
        camera.control("Inject V4L2_BUF_FLAG_ERROR", 1)
        flags = [frame.corrupted for frame in (next(frames) for _ in range(8))]
        assert flags.count(True) == 1
        frames.close()


@pytest.mark.proves("T17")
def test_dropped_frames_are_counted_under_their_reason(vivid):
    camera = zcore.Capture(vivid, "XR24", SIZE, rate=60)
    with camera:
        camera.control("Percentage of Dropped Buffers", 50)
        try:
            with zcore.Chain(camera, zcore.ArraySink(keep=1)) as chain:
                report = chain.run(frames=30)
        finally:
            camera.control("Percentage of Dropped Buffers", 0)
    assert report.stages[0].drops["driver"] > 0


def test_signal_during_a_wait_is_taken_at_once(vivid):
    camera = zcore.Capture(vivid, "XR24", SIZE, rate=60)
    hits = []
    before = signal.signal(signal.SIGUSR1, lambda *_: hits.append(1))
    try:
        threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGUSR1)).start()
        report = run(camera, zcore.ArraySink(keep=1), frames=60)  # a handler that returns does not end the run
        assert (report.frames, hits) == (60, [1])

        def interrupt(*_):
            raise KeyboardInterrupt

        signal.signal(signal.SIGUSR1, interrupt)
        threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGUSR1)).start()
        with pytest.raises(KeyboardInterrupt):
            run(camera, zcore.ArraySink(keep=1), frames=None)
        threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGUSR1)).start()
        with zcore.Capture(vivid, "XR24", SIZE, rate=60) as alone, pytest.raises(KeyboardInterrupt):
            for _ in alone.frames():
                pass
        del _
    finally:
        signal.signal(signal.SIGUSR1, before)


@pytest.mark.proves("T24")
def test_too_many_frames_kept_says_who_has_them(vivid):
    with zcore.Capture(vivid, "XR24", SIZE, rate=60, buffers=4) as camera:
        frames = camera.frames(timeout=1)
        kept = [next(frames) for _ in range(4)]
        with pytest.raises(zcore.DeviceTimeoutError, match=r"all 4 buffers of pool .* are in use: 4 by "):
            next(frames)
        kept.clear()
        frames.close()


@pytest.mark.proves("T24")
def test_hoarding_sink_stalls_with_the_holders_named(vivid):
    kept = []
    chain = zcore.Chain(zcore.Capture(vivid, "XR24", SIZE, rate=60), zcore.Callback(kept.append))
    with chain:
        with pytest.raises(zcore.StallError, match=r"of \d+ buffers \d+ with callback") as caught:
            chain.run(frames=100, stall_timeout=2)
        del caught
        kept.clear()


def test_stop_from_another_thread_gives_the_report(vivid, vkms):
    chain = zcore.Chain(zcore.Capture(vivid, "XR24", SIZE, rate=60), zcore.Display("vkms", mode=SIZE))
    chain.start()
    while chain.frames_done < 5:
        time.sleep(0.01)
    chain.stop()
    assert chain.wait(30).frames >= 5
