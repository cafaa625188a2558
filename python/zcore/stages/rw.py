"""V4L2 devices by read() and write(), for those that cannot stream buffers: the kernel copies each frame."""

from __future__ import annotations

import errno
import select
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from zcore._chain import Link, Node
from zcore._frame import Frame
from zcore._pool import Pool
from zcore._rw_nodes import ReadNode, WriteNode, read_into
from zcore._v4l2 import Queue
from zcore._v4l2_device import V4l2Device
from zcore.errors import NegotiationError, make_error
from zcore.stages.base import LinkCaps
from zcore.stages.cpu_pads import MemoryPad
from zcore.stages.v4l2_pad import CAP_READWRITE, CAP_STREAMING, V4l2Pad

if TYPE_CHECKING:
    from zcore.stages.capture import Capture

READ = "io mode rw: read() copies each frame out of the kernel's buffers"
WRITE = "io mode rw: write() copies each frame into the kernel's buffers"


def make_pad(device: V4l2Device, type: int, name: str, io_mode: str, holds: int = 2) -> V4l2Pad:
    """Make the pad of a queue, or with ``rw``, and for devices that have nothing else, one for read() and write()."""
    able = device.capabilities
    way = "write()" if type in (2, 10) else "read()"
    who = f"{device.card} ({device.driver})"
    if io_mode == "rw" and not able & CAP_READWRITE:
        raise make_error(25, "VIDIOC_QUERYCAP", device.path, f"{who} has no {way}", "use io_mode='auto'")
    if io_mode != "rw" and able & CAP_STREAMING:
        return V4l2Pad(device, type, name, io_mode, holds)
    if io_mode not in ("auto", "rw"):
        raise make_error(
            25, "VIDIOC_QUERYCAP", device.path, f"{who} cannot stream buffers, it only has {way}", "use io_mode='rw'"
        )
    if not able & CAP_READWRITE:
        raise make_error(25, "VIDIOC_QUERYCAP", device.path, f"{who} can neither stream buffers nor {way}")
    return RwPad(device, type, name, "rw", 1)


class RwPad(V4l2Pad):
    """A device whose frames are copied by read() or write() into, or out of, buffers of any kind."""

    def __init__(self, device: V4l2Device, type: int, name: str, io_mode: str, holds: int):
        super().__init__(device, type, name, io_mode, holds)
        self.copies = WRITE if self.is_output else READ
        self.memory = MemoryPad(name)
        self.taken: LinkCaps | None = None

    def roles(self) -> set[str]:
        """Tell that it allocates, and works in any memory that can be mapped."""
        return {"export", "import", "map"}

    def checked(self, caps: LinkCaps) -> LinkCaps:
        """Keep what the driver granted; frames of several memory planes cannot be carried."""
        super().checked(caps)
        if len(caps.memory_planes) > 1:
            raise NegotiationError(
                f"{self.name} has {caps.format} in {len(caps.memory_planes)} memory planes, and read() and write() "
                "carry one"
            )
        self.taken = caps
        return caps

    def allocate(self, caps: LinkCaps, count: int, *, export: bool) -> Pool:
        """Allocate shared memory."""
        return self.memory.allocate(caps, count, export=export)

    def use(self, pool: Pool, caps: LinkCaps, memory: str) -> None:
        """Work in the other side's buffers."""
        self.memory.pool = pool

    def reset(self) -> None:
        """Let go of the buffers."""
        self.memory.reset()

    @property
    def allocator(self) -> str:
        """Where its own buffers come from."""
        return self.memory.allocator

    def restart(self) -> V4l2Device:
        """Close the device and open it again, which is how reading and writing end; its settings stay."""
        path = self.device.path
        self.queue.close()
        self.device.close()
        self.device = V4l2Device(path)
        self.queue = Queue(self.device.fd, self.name, self.type)
        return self.device

    def read_node(self, sink: Link, frames: int) -> Node:
        """Make what the loop reads with."""
        assert self.memory.pool is not None
        field = self.taken.field if self.taken is not None else 1
        return ReadNode(self.name, self.device.fd.fileno(), self.memory.pool, sink, frames=frames, field=field)

    def write_node(self, source: Link) -> Node:
        """Make what the loop writes with."""
        return WriteNode(self.name, self.device.fd.fileno(), source)


def read_frames(camera: Capture, count: int | None, timeout: float | None) -> Iterator[Frame]:
    """Iterate over frames of a device without a chain."""
    pad = camera.output
    assert isinstance(pad, RwPad)
    if camera.caps is None:
        camera.set_output(camera.offers()[0], camera.size)
    assert camera.caps is not None
    pool = pad.allocate(camera.caps, camera.buffers or 4, export=True)
    limits = [limit for limit in (count, camera.limit) if limit is not None]
    left = min(limits, default=None)
    number = 0
    try:
        while left is None or number < left:
            frame = pool.acquire(timeout)
            if not _read(pad, pool, frame.index, number, timeout):
                return
            number += 1
            yield frame
            del frame
    finally:
        pad.reset()
        pool.close()


def _read(pad: RwPad, pool: Pool, index: int, sequence: int, timeout: float | None) -> bool:
    number = pad.device.fd.fileno()
    end = None if timeout is None else time.monotonic() + timeout
    poll = select.poll()
    poll.register(number, select.POLLIN)
    while True:
        size = read_into(number, pool, index, sequence, pad.taken.field if pad.taken is not None else 1)
        if size >= 0:
            return size > 0
        if size != -errno.EAGAIN:
            raise make_error(-size, "read", pad.name)
        left = 1.0 if end is None else end - time.monotonic()
        if left <= 0:
            raise make_error(errno.ETIMEDOUT, "read", pad.name, "no frame came; is there a signal?")
        poll.poll(min(left, 1.0) * 1000)
