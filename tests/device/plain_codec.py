"""A decoder as small as can be, which zcore's is held against: plain ioctls, mmap, one frame in, one frame out."""

import ctypes
import fcntl
import mmap
import os
import select

from fakekernel.structs import NUMBERS, BufferStruct, EventSubscription, Format, Int, RequestBuffers, fourcc

OUTPUT, CAPTURE, MMAP = 2, 1, 1
COUNT = 4


class PlainDecoder:
    """Decodes a list of coded frames.

    Parameters
    ----------
    path : str
        Single-planar decoder.
    size : (int, int)
        Pixels.
    raw : str
        V4L2 fourcc to decode to; must be what the stream was made from.
    """

    def __init__(self, path, size, raw):
        self.fd = os.open(path, os.O_RDWR | os.O_NONBLOCK)
        self.size, self.raw = size, raw
        self.maps = {OUTPUT: [], CAPTURE: []}

    def call(self, name, argument):
        fcntl.ioctl(self.fd, NUMBERS[name], argument)
        return argument

    def set_format(self, type, code):
        fmt = self.call("VIDIOC_G_FMT", Format(type=type))
        fmt.fmt.pix.width, fmt.fmt.pix.height = self.size
        fmt.fmt.pix.pixelformat = fourcc(code)
        return self.call("VIDIOC_S_FMT", fmt)

    def allocate(self, type):
        granted = self.call("VIDIOC_REQBUFS", RequestBuffers(count=COUNT, type=type, memory=MMAP)).count
        for index in range(granted):
            buffer = self.call("VIDIOC_QUERYBUF", BufferStruct(type=type, memory=MMAP, index=index))
            self.maps[type].append(mmap.mmap(self.fd, buffer.length, offset=buffer.m.mem_offset))

    def queue(self, type, index, content=b""):
        self.maps[type][index][: len(content)] = content
        self.call("VIDIOC_QBUF", BufferStruct(type=type, memory=MMAP, index=index, bytesused=len(content), field=1))

    def take(self, type, event):
        poll = select.poll()
        poll.register(self.fd, event)
        while not any(events & event for _, events in poll.poll(10000)):
            pass
        return self.call("VIDIOC_DQBUF", BufferStruct(type=type, memory=MMAP))

    def decode(self, frames):
        """Give the pictures as bytes."""
        self.call("VIDIOC_SUBSCRIBE_EVENT", EventSubscription(type=5))
        self.set_format(OUTPUT, "FWHT")
        self.allocate(OUTPUT)
        self.call("VIDIOC_STREAMON", Int(OUTPUT))
        self.queue(OUTPUT, 0, frames[0])
        # The header is read within QBUF: CAPTURE may be set up now.
        self.set_format(CAPTURE, self.raw)
        self.allocate(CAPTURE)
        for index in range(len(self.maps[CAPTURE])):
            self.queue(CAPTURE, index)
        self.call("VIDIOC_STREAMON", Int(CAPTURE))
        pictures = []
        for following in [*frames[1:], None]:
            buffer = self.take(CAPTURE, select.POLLIN)
            assert not buffer.flags & 0x40, "the plain decoder made a damaged picture"
            pictures.append(bytes(self.maps[CAPTURE][buffer.index][: buffer.bytesused]))
            self.queue(CAPTURE, buffer.index)
            index = self.take(OUTPUT, select.POLLOUT).index
            if following is not None:
                self.queue(OUTPUT, index, following)
        return pictures

    def close(self):
        for maps in self.maps.values():
            for one in maps:
                one.close()
        os.close(self.fd)


def plain_decode(path, size, raw, frames):
    """Decode coded frames; gives pictures as bytes."""
    decoder = PlainDecoder(path, size, raw)
    try:
        return decoder.decode(frames)
    finally:
        decoder.close()


assert ctypes.sizeof(BufferStruct) == 88
