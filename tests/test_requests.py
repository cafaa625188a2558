"""Requests against a fake camera and converter: what may be done when, and what is said where it may not."""

import errno

import pytest

import zcore
from fakekernel import FakeCamera, FakeM2m
from fakekernel.requests import COMPLETE, FakeMedia, WithRequests
from fakekernel.v4l2_queue import CAPTURE, FLAG_MONOTONIC, OUTPUT
from zcore import requests
from zcore._v4l2_device import V4l2Device

SIZE = (64, 16)


class FakeVivid(WithRequests, FakeCamera):
    """A camera that applies the brightness of a request to its frame."""

    def __init__(self, kernel, path="/dev/video0", requires=False):
        super().__init__(kernel, path, *SIZE, "YUYV", [2048])
        self.capture = self.give_requests(CAPTURE, requires)
        FakeMedia(kernel, self)

    def work(self):
        queue = self.capture
        while queue.streaming and queue.queued and queue.queued[0].request:
            buffer = queue.take()
            request, buffer.request = buffer.request, None
            for id, value in request.controls.items():
                self.controls[id][6] = value
            queue.write(buffer, bytes([self.controls[0x00980900][6]]) * 2048)
            queue.finish(buffer, flags=FLAG_MONOTONIC)
            request.complete()
        super().work()


class FakeVim2m(WithRequests, FakeM2m):
    """A converter whose OUTPUT queue takes requests."""

    def __init__(self, kernel, path="/dev/video1"):
        super().__init__(kernel, path, *SIZE, "YUYV", [2048])
        self.output = self.give_requests(OUTPUT)
        FakeMedia(kernel, self)


@pytest.fixture
def vivid(fake_kernel):
    return FakeVivid(fake_kernel)


class Camera:
    """An open camera with buffers."""

    def __init__(self, count=3):
        self.device = V4l2Device("/dev/video0")
        self.queue = requests.buffers(self.device, count=count)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.queue.close()
        self.device.close()


@pytest.mark.proves("VIDIOC_G_EXT_CTRLS", "request-api:queue-and-complete", "request-api:reuse")
def test_controls_go_with_their_frame(vivid):
    with Camera() as camera, requests.Request(camera.device, "/dev/media0") as request:
        requests.start(camera.queue)
        for value in (10, 200, 30, 40):
            request.set_controls({"brightness": value, "Contrast": 1})
            request.queue(camera.queue)
            request.submit()
            request.wait()
            frame = requests.take(camera.queue)
            assert frame.array()[0, 0].tolist()[0] == value
            assert request.get_controls(["Brightness", "Contrast"]) == {"Brightness": value, "Contrast": 1}
            request.reuse()
            del frame
    assert [one.times_queued for one in vivid.media.requests] == [4]


@pytest.mark.proves("T20", "request-api:mixing")
def test_mixing_is_explained(vivid, fake_kernel):
    with Camera() as camera, requests.Request(camera.device, "/dev/media0") as request:
        requests.start(camera.queue)
        request.queue(camera.queue)
        with pytest.raises(zcore.DeviceBusyError, match="either all within requests or all directly"):
            requests.give(camera.queue)
        assert camera.queue.queued_count == 1
    with Camera() as camera, requests.Request(camera.device, "/dev/media0") as request:
        requests.give(camera.queue)
        with pytest.raises(zcore.DeviceBusyError, match="stop the queue, then use one way only"):
            request.queue(camera.queue)
    vivid.capture.requires = True
    with Camera() as camera, pytest.raises(zcore.DeviceError, match="takes buffers within requests only") as caught:
        requests.give(camera.queue)
    assert caught.value.errno == errno.EBADR
    vivid.capture.requires, vivid.capture.supports = False, False
    with Camera() as camera, requests.Request(camera.device, "/dev/media0") as request:
        with pytest.raises(zcore.DeviceError, match="the queue has no requests"):
            request.queue(camera.queue)


def test_states_are_explained(vivid):
    with Camera() as camera, requests.Request(camera.device, "/dev/media0") as request:
        with pytest.raises(zcore.DeviceError, match="the request has no buffer"):
            request.submit()
        with pytest.raises(zcore.DeviceTimeoutError, match="the request is not complete"):
            request.wait(0.01)
        request.queue(camera.queue)
        request.submit()
        with pytest.raises(zcore.DeviceBusyError, match="the request was queued already"):
            request.submit()
        with pytest.raises(zcore.DeviceBusyError, match="the request is with the driver still"):
            request.reuse()
        with pytest.raises(zcore.DeviceBusyError, match="reuse"):
            request.set_controls({"Brightness": 1})
        with pytest.raises(zcore.DevicePermissionError, match="can be read when it is complete"):
            request.get_controls(["Brightness"])
        with pytest.raises(ValueError, match="no control 'Brightnes'; did you mean Brightness"):
            request.set_controls({"Brightnes": 1})
        with pytest.raises(ValueError, match="before it was started"):
            requests.take(camera.queue)
    with pytest.raises(ValueError, match="closed"):
        request.fileno()


def test_stopping_completes_what_is_under_way(vivid):
    with Camera() as camera, requests.Request(camera.device, "/dev/media0") as request:
        vivid.work = lambda: None
        requests.start(camera.queue)
        request.queue(camera.queue)
        request.submit()
        camera.queue.stop()
        request.wait()
        assert vivid.media.requests[0].state == COMPLETE
        assert camera.queue.queued_count == 0
        request.reuse()


def test_converter_with_requests_on_one_side(fake_kernel):
    fake = FakeVim2m(fake_kernel)
    device = V4l2Device("/dev/video1")
    queues = [requests.buffers(device, output=output, count=2) for output in (True, False)]
    for queue in queues:
        requests.start(queue)
    with requests.Request(device, "/dev/media0") as request:
        for number in range(4):
            frame = queues[0].pool.acquire()
            frame.array(write=True)[:] = number + 1
            frame.set_used(2048)
            request.set_controls({"Contrast": number})
            request.queue(queues[0], frame)
            frame.release()
            requests.give(queues[1])
            request.submit()
            one = fake.output.queued[0].request
            fake.convert()
            one.complete()
            request.wait()
            assert requests.take(queues[0]) is None
            got = requests.take(queues[1])
            assert (got.array() == number + 1).all()
            got.release()
            request.reuse()
        with pytest.raises(ValueError, match="give one"):
            request.queue(queues[0])
        with pytest.raises(ValueError, match="give no frame"):
            requests.give(queues[1], queues[1].pool.acquire())
    for queue in queues:
        queue.close()
    device.close()


def test_media_device_is_found_by_sysfs(tmp_path, monkeypatch):
    with pytest.raises(zcore.DeviceNotFoundError):
        requests.media_device_of("/dev/video77")
    with pytest.raises(zcore.DeviceGoneError, match="has no media device, and so no requests"):
        requests.media_device_of("/dev/null")


def test_device_without_requests(fake_kernel):
    FakeCamera(fake_kernel)
    from fakekernel.kernel import Device

    Device(fake_kernel, "/dev/media0")
    device = V4l2Device("/dev/video0")
    with pytest.raises(zcore.UnsupportedError, match="the driver has no requests"):
        requests.Request(device, "/dev/media0")
    device.close()
