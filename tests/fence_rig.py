"""Real fences that a test signals: sw_sync's timelines, and vgem's fences on buffers."""

import fcntl
import os
import struct

from testbed import debugfs, drivers
from zcore._dmabuf import DmaBuf
from zcore._fence import Fence

CREATE_FENCE, INC = 0xC0285700, 0x40045701
CREATE_DUMB, DESTROY_DUMB, HANDLE_TO_FD = 0xC02064B2, 0xC00464B4, 0xC00C642D
VGEM_ATTACH, VGEM_SIGNAL = 0xC0106441, 0x40086442


class SwSync:
    """A timeline of sw_sync. Closing it signals what is pending with ENOENT."""

    def __init__(self):
        self.number = os.open(debugfs.mount_debugfs() / "sync/sw_sync", os.O_RDWR | os.O_CLOEXEC)

    def fence(self, value, name="test"):
        """Make a fence that signals when the timeline has come to this value."""
        raw = bytearray(struct.pack("=I32si", value, name.encode(), 0))
        fcntl.ioctl(self.number, CREATE_FENCE, raw)
        return Fence.adopt(struct.unpack("=I32si", raw)[2])

    def advance(self, steps=1):
        fcntl.ioctl(self.number, INC, struct.pack("=I", steps))

    def close(self):
        if self.number >= 0:
            os.close(self.number)
            self.number = -1

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Vgem:
    """Buffers of vgem, and fences on them that end after ten seconds by themselves."""

    def __init__(self):
        path = drivers.load("vgem").one("display").path
        self.number = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        self.handles = {}

    def buffer(self, size):
        """Make a buffer of this many bytes."""
        raw = bytearray(struct.pack("=IIIIIIQ", 1, -(-size // 4), 32, 0, 0, 0, 0))
        fcntl.ioctl(self.number, CREATE_DUMB, raw)
        handle = struct.unpack("=IIIIIIQ", raw)[4]
        raw = bytearray(struct.pack("=IIi", handle, os.O_RDWR | os.O_CLOEXEC, 0))
        fcntl.ioctl(self.number, HANDLE_TO_FD, raw)
        buffer = DmaBuf.adopt(struct.unpack("=IIi", raw)[2], "vgem")
        self.handles[buffer.identity] = handle
        return buffer

    def write(self, buffer):
        """Say that it is being written; gives the number to signal."""
        raw = bytearray(struct.pack("=IIII", self.handles[buffer.identity], 1, 0, 0))
        fcntl.ioctl(self.number, VGEM_ATTACH, raw)
        return struct.unpack("=IIII", raw)[2]

    def signal(self, fence):
        fcntl.ioctl(self.number, VGEM_SIGNAL, struct.pack("=II", fence, 0))

    def close(self):
        for handle in self.handles.values():
            fcntl.ioctl(self.number, DESTROY_DUMB, struct.pack("=I", handle))
        self.handles = {}
        os.close(self.number)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
