"""Requests with the kernel's vivid and vim2m: controls that hold for one frame."""

import gc
import os

import numpy as np
import pytest

import zcore
from testbed import drivers
from zcore import requests
from zcore._v4l2_device import V4l2Device


@pytest.fixture
def camera():
    with drivers.vivid(n_devs=1) as nodes, V4l2Device(nodes.one("capture").path) as device:
        device.set_format(1, 640, 360, zcore.Capture(device.path, "GREY").format.v4l2)
        pattern = device.control_id("Test Pattern")
        device.set_control(pattern, 6)  # 100% White
        yield device
        device.set_control(pattern, 0)  # the driver stays loaded, and others count on its colour bars


@pytest.mark.proves(
    "MEDIA_IOC_REQUEST_ALLOC", "MEDIA_REQUEST_IOC_QUEUE", "MEDIA_REQUEST_IOC_REINIT", "VIDIOC_G_EXT_CTRLS",
    "VIDIOC_S_EXT_CTRLS", "request-api:queue-and-complete", "request-api:reuse",
)  # fmt: skip
def test_brightness_holds_for_its_frame(camera):
    queue = requests.buffers(camera, count=3)
    requests.start(queue)
    means = []
    with requests.Request(camera) as request:
        for brightness in (128, 20, 90):
            request.set_controls({"Brightness": brightness})
            request.queue(queue)
            request.submit()
            request.wait(20)
            frame = requests.take(queue, 20)
            means.append(np.median(frame.array()))
            assert request.get_controls(["Brightness"]) == {"Brightness": brightness}
            frame.release()
            request.reuse()
    assert means[1] < means[2] < means[0]
    queue.close()


@pytest.mark.proves("T20", "request-api:mixing")
def test_mixing(camera):
    queue = requests.buffers(camera, count=3)
    requests.start(queue)
    with requests.Request(camera) as request:
        request.queue(queue)
        with pytest.raises(zcore.DeviceBusyError, match="either all within requests or all directly"):
            requests.give(queue)
        request.submit()
        queue.stop()
        request.wait(20)
    queue.close()


@pytest.mark.proves("T20", "request-api:mixing")
def test_both_ways_are_refused_by_a_stateless_decoder():
    with drivers.vicodec() as nodes, V4l2Device(nodes.one("m2m", "stateless-decoder").path) as device:
        queue = requests.buffers(device, output=True, count=2)
        frame = queue.pool.acquire()
        with pytest.raises(zcore.DeviceError, match="within requests only"):
            requests.give(queue, frame)
        with requests.Request(device) as request:
            request.queue(queue, frame)
            with pytest.raises(zcore.DeviceError, match="lacks a control that the driver needs"):
                request.submit()
        frame.release()
        queue.close()


def test_nothing_is_left_open(camera):
    def standing():
        gc.collect()
        return len(os.listdir("/proc/self/fd"))

    before = standing()
    for _ in range(100):
        requests.Request(camera).close()
    assert standing() == before


def test_media_devices_are_found(camera):
    assert requests.media_device_of(camera.path).startswith("/dev/media")
    with drivers.vim2m() as nodes:
        path = nodes.one("m2m").path
        media = requests.media_device_of(path)
        assert media != requests.media_device_of(camera.path)
        with V4l2Device(path) as device, requests.Request(device) as request:
            assert request.fileno() > 0
