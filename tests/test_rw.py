"""read() and write() as an io mode: what is copied is told, and frames arrive whole."""

import errno

import pytest

import zcore
from fakekernel import FakeCamera, FakeOutput
from fakekernel.kernel import File
from zcore.errors import DeviceError, DeviceTimeoutError, ZeroCopyError
from zcore.stages.output import Output

READWRITE, STREAMING = 0x01000000, 0x04000000
SIZE = 64 * 16 * 2


class Reader(FakeCamera):
    """A camera that is read: every open file gets the frames of `content`."""

    def __init__(self, kernel, streams=False):
        super().__init__(kernel)
        self.capabilities |= READWRITE
        if not streams:
            self.capabilities &= ~STREAMING
        self.frame_sizes = [(64, 16)]
        self.content = []
        self.opens = 0

    def opened(self, file: File):
        self.opens += 1
        for data in self.content:
            file.peer.send(data)

    def work(self):
        """Leave the socket alone: what is in it are frames."""

    def vidioc_reqbufs(self, file, argument):
        from fakekernel import Refusal

        if not self.capabilities & STREAMING:
            raise Refusal(errno.ENOTTY, "cannot stream")
        super().vidioc_reqbufs(file, argument)


def pictures(count):
    return [bytes([number + 1]) * SIZE for number in range(count)]


@pytest.mark.proves("v4l2-buffers:read-write")
@pytest.mark.parametrize("mode", ["rw", "auto"])
def test_frames_are_read(fake_kernel, mode):
    reader = Reader(fake_kernel)
    reader.content = pictures(2)
    with zcore.Capture("/dev/video0", io_mode=mode) as camera:
        seen = [(f.sequence, f.bytes_used, f.clock, f.planes()[0].max()) for f in camera.frames(2)]
    assert seen == [(0, (SIZE,), "monotonic", 1), (1, (SIZE,), "monotonic", 2)]
    assert not fake_kernel.count("VIDIOC_QBUF")


def test_chain_tells_the_copy(fake_kernel):
    reader = Reader(fake_kernel)
    reader.content = pictures(2)
    sink = zcore.ArraySink()
    chain = zcore.Chain(zcore.Capture("/dev/video0", io_mode="rw"), sink)
    report = chain.run(frames=2)
    link = report.links[0]
    assert (link.frames, link.copied_frames, link.copied_bytes) == (2, 2, 2 * SIZE)
    assert "read() copies each frame" in link.reason
    assert not report.zero_copy
    assert [int(array.max()) for array in sink.arrays] == [1, 2]


def test_copy_can_be_forbidden(fake_kernel):
    Reader(fake_kernel)
    with pytest.raises(ZeroCopyError, match=r"read\(\) copies"):
        zcore.Chain(zcore.Capture("/dev/video0"), zcore.ArraySink()).run(frames=1, require_zero_copy=True)


def test_no_frame_comes(fake_kernel):
    Reader(fake_kernel)
    with (
        zcore.Capture("/dev/video0", io_mode="rw") as camera,
        pytest.raises(DeviceTimeoutError, match="is there a signal"),
    ):
        next(camera.frames(1, timeout=0.05))


def test_devices_that_cannot(fake_kernel):
    camera = FakeCamera(fake_kernel)
    with (
        pytest.raises(DeviceError, match=r"has no read\(\).*io_mode='auto'"),
        zcore.Capture("/dev/video0", io_mode="rw"),
    ):
        pass
    camera.capabilities = camera.capabilities & ~STREAMING | READWRITE
    with (
        pytest.raises(DeviceError, match=r"only has read\(\).*io_mode='rw'"),
        zcore.Capture("/dev/video0", io_mode="mmap"),
    ):
        pass
    camera.capabilities &= ~READWRITE
    with pytest.raises(DeviceError, match="neither stream"), zcore.Capture("/dev/video0"):
        pass


class Writer(FakeOutput):
    """An output that is written to; what came is kept when its file is closed."""

    def __init__(self, kernel):
        super().__init__(kernel)
        self.capabilities |= READWRITE
        self.got = b""

    def work(self, automatic=True):
        """Leave the socket alone: what is in it are frames."""

    def closed(self, file):
        try:
            while data := file.peer.recv(65536):
                self.got += data
        except BlockingIOError:
            pass
        super().closed(file)


@pytest.mark.proves("v4l2-buffers:read-write")
def test_frames_are_written(fake_kernel):
    sender = Writer(fake_kernel)
    source = zcore.TestSource("YUYV", (64, 16))
    report = zcore.Chain(source, Output("/dev/video2", io_mode="rw")).run(frames=1)
    sender.reap()
    assert report.links[0].copied_frames == 1
    assert "write() copies each frame" in report.links[0].reason
    assert len(sender.got) == SIZE
    assert len(set(sender.got)) > 4  # a picture, not zeroes
    assert not fake_kernel.count("VIDIOC_QBUF")
