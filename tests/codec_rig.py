"""What the tests of codecs share: fake cameras and codecs, and frames made by hand."""

import numpy as np

import zcore
from fakekernel import FakeCamera, FakeDecoder, FakeEncoder, fourcc
from fakekernel.v4l2_codec import HEADER, KINDS, MAGIC, RAW
from zcore._cpu_nodes import PythonNode
from zcore.formats import find
from zcore.stages.base import LinkCaps, SourceMixin, Stage
from zcore.stages.cpu_pads import MemoryPad
from zcore.stages.roomier import filled

SIZE, OTHER = (64, 16), (32, 32)


def picture(number, count):
    """Bytes that differ from place to place and from frame to frame."""
    return bytes((7 * number + at * 3 + at // 64) % 251 for at in range(count))


def planar420(pixels, size=SIZE):
    """NV12 as YU12."""
    luma, chroma = pixels[: size[0] * size[1]], pixels[size[0] * size[1] :]
    return luma + chroma[::2] + chroma[1::2]


def coded(pixels, raw="YU12", size=SIZE):
    """A coded frame as the fake codec makes it of planar pixels."""
    return HEADER.pack(MAGIC, *size, KINDS.index(RAW[raw][0])) + pixels


class Camera:
    """A fake camera of one format that gives numbered pictures."""

    def __init__(self, kernel, frames=1000, code="NV12", size=SIZE, path="/dev/video0"):
        self.fmt = find(code)
        layout = self.fmt.layout(*size)
        self.device = FakeCamera(kernel, path, *size, code, [layout.size])
        self.device.formats = [(fourcc(code), 0, b"only")]
        self.device.grant = self.grant
        self.size, self.layout, self.code = size, layout, code
        self.device.strides[1] = [layout.planes[0].stride]
        self.device.frame_sizes = [size]
        self.pictures = []
        self.device.auto = frames
        self.device.work = self.work

    def grant(self, fmt):
        return self.device.capture, *self.size, fourcc(self.code), [self.layout.size], [self.layout.planes[0].stride]

    def work(self):
        device = self.device
        queue = device.capture
        while device.auto and queue.streaming and queue.queued:
            device.auto -= 1
            self.pictures.append(picture(len(self.pictures), self.layout.size))
            buffer = queue.take()
            queue.write(buffer, self.pictures[-1])
            queue.finish(buffer, flags=0x2000, timestamp_ns=1_000_000_000 + 1_000_000 * len(self.pictures))
        for file in device.files:
            file.set_readable(queue.answers_poll)

    def stage(self, **options):
        return zcore.Capture("/dev/video0", **options)


class CodedSource(Stage, SourceMixin):
    """Gives payloads as they are, under caps that may not be true."""

    kind = "codedsource"

    def __init__(self, payloads, size=SIZE, codec="FWHT", room=1 << 16):
        super().__init__()
        self.payloads, self.caps_size, self.codec, self.room = payloads, size, find(codec), room
        self.output = MemoryPad(self.name)
        self.given = 0

    def open(self):
        self.given = 0

    def close(self):
        self.output.reset()

    def offers(self):
        return [self.codec]

    def set_output(self, fmt, size, bytesperline=0):
        return LinkCaps(fmt, *self.caps_size, ((self.room, 0),), fmt.v4l2)

    def node(self, source, sink, frames):
        return PythonNode(self.name, self.fill, None, sink, pool=self.output.pool, frames=frames)

    def fill(self, frame):
        if self.given == len(self.payloads):
            return False
        frame = filled(frame, memoryview(self.payloads[self.given]), self.name)
        frame.set_meta(sequence=self.given, timestamp_ns=5_000_000 * (self.given + 1))
        self.given += 1
        return frame


def encoder(kernel, path="/dev/video1", **options):
    return FakeEncoder(kernel, path, **options)


def decoder(kernel, path="/dev/video2", **options):
    return FakeDecoder(kernel, path, **options)


class Kept:
    """A sink that keeps payloads, times and flags."""

    def __init__(self):
        self.payloads, self.times, self.flags, self.sizes = [], [], [], []
        self.stage = zcore.Callback(self.take)

    def take(self, frame):
        self.payloads.append(b"".join(np.ascontiguousarray(plane).tobytes() for plane in frame.planes()))
        self.times.append(frame.timestamp_ns)
        self.flags.append(frame.flags)
        self.sizes.append(frame.size)


def content(number, size):
    return picture(number, size[0] * size[1] * 3 // 2)


def stream(*parts):
    """Coded frames, and what they decode to, of parts of so many frames of a size."""
    payloads, pictures, sizes = [], [], []
    for count, size in parts:
        for _ in range(count):
            pictures.append(content(len(pictures), size))
            payloads.append(coded(pictures[-1], size=size))
            sizes.append(size)
    return payloads, pictures, sizes
