"""A V4L2 buffer queue after videobuf2, stricter: it also watches that a buffer has one user at a time."""

import ctypes
import errno
import os
import time
from collections import deque

from .dmabuf import FakeDmaBuf
from .kernel import Refusal, identity_of
from .structs import PlaneStruct
from .v4l2_growth import GrowingQueue

CAPTURE, OUTPUT, CAPTURE_MPLANE, OUTPUT_MPLANE = 1, 2, 9, 10
MMAP, USERPTR, DMABUF = 1, 2, 4
FLAG_MAPPED, FLAG_QUEUED, FLAG_DONE, FLAG_ERROR, FLAG_MONOTONIC, FLAG_COPY = 1, 2, 4, 0x40, 0x2000, 0x4000
FLAG_LAST = 0x100000
DEQUEUED, QUEUED, DONE = "dequeued", "queued", "done"
IDLE_QUESTIONS = 1000  # DQBUFs in a row that find nothing: whoever asks that often is spinning

libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]


class PlaneState:
    """One memory plane of one buffer."""

    def __init__(self, length, memory=None, offset=0):
        self.length = length
        self.memory = memory  # FakeDmaBuf: own, or imported now
        self.offset = offset  # for mmap
        self.userptr = 0
        self.attached = None  # (identity, length) that is imported
        self.bytesused = 0
        self.data_offset = 0
        self.fd = -1


class Buffer:
    """One index of a queue."""

    def __init__(self, index, planes):
        self.index = index
        self.planes = planes
        self.state = DEQUEUED
        self.flags = self.hints = 0
        self.sequence = 0
        self.field = 1
        self.timestamp_ns = 0
        self.reported_index = None  # what a buggy driver says instead


class FakeQueue(GrowingQueue):
    """One direction of a device."""

    def __init__(self, device, type, sizes):
        self.device = device
        self.kernel = device.kernel
        self.type = type
        self.sizes = list(sizes)  # sizeimage per plane
        self.multiplanar = type in (CAPTURE_MPLANE, OUTPUT_MPLANE)
        self.output = type in (OUTPUT, OUTPUT_MPLANE)
        self.memories = {MMAP, USERPTR, DMABUF}
        self.exports = True
        self.orphans = True  # V4L2_BUF_CAP_SUPPORTS_ORPHANED_BUFS
        self.most, self.least = 32, 1  # how many buffers are granted
        self.memory = 0
        self.file = None  # the open file that owns the buffers
        self.buffers = []
        self.queued = deque()
        self.done = deque()
        self.streaming = self.error = self.ended = False
        self.attaches = 0
        self.idle_questions = 0
        self.sequence = 0

    # ioctls

    def reqbufs(self, file, argument):
        if argument.memory not in self.memories:
            raise Refusal(errno.EINVAL, f"no memory type {argument.memory}")
        if self.streaming:
            raise Refusal(errno.EBUSY, "streaming")
        if self.buffers and not self.orphans and any(p.memory and p.memory.users for p in self.own_planes()):
            raise Refusal(errno.EBUSY, "buffers are mapped or exported")
        self.check_freeing(argument)
        argument.capabilities = self.abilities()
        argument.flags = self.granted_flags(argument.flags, argument.memory)
        self.non_coherent = bool(argument.flags)
        self.free_all()
        self.memory = argument.memory
        argument.count = 0 if argument.count == 0 else min(max(argument.count, self.least), self.most)
        for index in range(argument.count):
            self.add_buffer(index, self.sizes)

    def add_buffer(self, index, sizes):
        planes = []
        for number, size in enumerate(sizes):
            memory = offset = None
            if self.memory == MMAP:
                memory = FakeDmaBuf(self.kernel, size, f"{self.device.path}:{self.type}:{index}:{number}")
                # Made of the numbers, as videobuf2 has it: it comes again with another buffer.
                offset = (0 if self.output else 1 << 30) + (index << 15) + (number << 12)
                self.device.offsets[offset] = (memory, size)
            planes.append(PlaneState(size, memory, offset or 0))
        self.buffers.append(Buffer(index, planes))

    def own_planes(self):
        return [plane for buffer in self.buffers for plane in buffer.planes] if self.memory == MMAP else []

    def free_all(self):
        for plane in self.own_planes():
            self.device.offsets.pop(plane.offset, None)
            plane.memory.owner = None
        self.buffers = []
        self.queued.clear()
        self.done.clear()

    def find(self, b):
        if b.index >= len(self.buffers):
            raise Refusal(errno.EINVAL, f"index {b.index} of {len(self.buffers)}")
        buffer = self.buffers[b.index]
        if self.multiplanar and (not b.m.planes or b.length < len(buffer.planes)):
            raise Refusal(errno.EINVAL, f"room for {b.length} planes of {len(buffer.planes)}")
        return buffer

    def querybuf(self, file, b):
        self.describe(self.find(b), b)

    def expbuf(self, file, e):
        if self.memory != MMAP or not self.exports:
            raise Refusal(errno.EINVAL, "no buffers of its own")
        if e.flags & ~(os.O_CLOEXEC | os.O_ACCMODE):
            raise Refusal(errno.EINVAL, "flags")
        if e.index >= len(self.buffers) or e.plane >= len(self.buffers[e.index].planes):
            raise Refusal(errno.EINVAL, "index or plane")
        if not e.flags & os.O_CLOEXEC:
            self.kernel.complain("VIDIOC_EXPBUF without O_CLOEXEC leaks into children")
        e.fd = self.buffers[e.index].planes[e.plane].memory.export(readonly=e.flags & os.O_ACCMODE == os.O_RDONLY)

    def qbuf(self, file, b):
        if self.error:
            raise Refusal(errno.EIO, "the queue has failed")
        if b.memory != self.memory:
            raise Refusal(errno.EINVAL, f"memory {b.memory}, the queue has {self.memory}")
        buffer = self.find(b)
        buffer.hints = self.check_hints(b)
        if buffer.state != DEQUEUED:
            raise Refusal(errno.EINVAL, f"buffer {b.index} is {buffer.state}")
        wanted = [self.check_plane(buffer, number, b) for number in range(len(buffer.planes))]
        for plane, (memory, length, userptr, used, start, fd) in zip(buffer.planes, wanted, strict=True):
            if self.memory == DMABUF and plane.attached != (memory.identity, length):
                plane.attached = (memory.identity, length)
                self.attaches += 1
            plane.memory, plane.userptr, plane.length, plane.fd = memory, userptr, length, fd
            plane.bytesused, plane.data_offset = used, start
            if memory is not None:
                self.claim(memory, b.index)
        if self.output:
            buffer.timestamp_ns = b.tv_sec * 1_000_000_000 + b.tv_usec * 1000
            buffer.field = b.field
        buffer.state = QUEUED
        self.queued.append(buffer)

    def check_plane(self, buffer, number, b):
        """Give (memory, length, userptr, bytesused, data_offset, fd) of a plane as QBUF describes it."""
        plane = buffer.planes[number]
        size = self.sizes[number]
        given = PlaneStruct.from_address(b.m.planes + number * 64) if self.multiplanar else b
        length, fd, memory, userptr = plane.length, -1, plane.memory, 0
        if self.memory != MMAP:
            length = given.length
        if self.memory == DMABUF:
            fd = given.m.fd
            try:
                memory = self.kernel.buffers[identity_of(fd)]
            except OSError as error:
                raise Refusal(errno.EBADF, f"descriptor {fd}") from error
            except KeyError as error:
                raise Refusal(errno.EINVAL, "no DMA-BUF") from error
            length = length or memory.size
            if length > memory.size:
                raise Refusal(errno.EINVAL, f"length {length}, the buffer has {memory.size}")
        elif self.memory == USERPTR:
            userptr, memory = given.m.userptr, None
            if not userptr:
                raise Refusal(errno.EFAULT, "address 0")
        if length < size:
            raise Refusal(errno.EINVAL, f"plane {number} has {length} bytes, {size} are needed")
        used, start = given.bytesused, given.data_offset if self.multiplanar else 0
        if self.output:
            if self.memory == DMABUF and not self.multiplanar and used > plane.length:  # __verify_length
                raise Refusal(errno.EINVAL, f"{used} bytes used of a buffer that is known to have {plane.length}")
            used = used or length  # what vb2 takes, with a warning
            if used > length or (start and start >= used):
                raise Refusal(errno.EINVAL, f"plane {number}: {used} bytes used of {length}, offset {start}")
        return memory, length, userptr, used, start, fd

    def claim(self, memory, index):
        memory.check_idle(self.device.path, reads=self.output)
        if memory.writer is not None and not memory.writer.status:
            self.kernel.complain(f"{memory.label} goes to {self.device.path} while {memory.writer.label} is pending")
        if memory.owner not in (None, (self, index)):
            other, _ = memory.owner
            if not (other.output and self.output):  # two devices may read one buffer
                self.kernel.complain(f"{memory.label} goes to {self.device.path} while {other.device.path} has it")
        if not self.output:
            for card in self.kernel.devices.values():
                if memory.identity in getattr(card, "scanned_out", ()):
                    self.kernel.complain(f"{memory.label} is filled by {self.device.path} while {card.path} shows it")
        memory.owner = (self, index)

    def dqbuf(self, file, b):
        """Check in the order of __vb2_wait_for_done_vb: EINVAL, EIO, EPIPE, then the list, then EAGAIN."""
        if b.memory != self.memory:
            raise Refusal(errno.EINVAL, f"memory {b.memory}")
        if not self.streaming:
            raise Refusal(errno.EINVAL, "not streaming")
        if self.error:
            raise Refusal(errno.EIO, "the queue has failed")
        if self.ended:
            raise Refusal(errno.EPIPE, "the last buffer was dequeued")
        if not self.done:
            self.idle_questions += 1
            assert self.idle_questions < IDLE_QUESTIONS, f"{self.device.path}: somebody spins on VIDIOC_DQBUF"
            assert file.nonblocking, f"{self.device.path}: VIDIOC_DQBUF would block"
            raise Refusal(errno.EAGAIN, "nothing is done")
        buffer = self.done[0]
        if self.multiplanar and (not b.m.planes or b.length < len(buffer.planes)):
            raise Refusal(errno.EINVAL, f"room for {b.length} planes of {len(buffer.planes)}")
        self.done.popleft()
        self.idle_questions = 0
        self.release(buffer)
        self.describe(buffer, b)
        if buffer.flags & FLAG_LAST and not self.output:
            self.ended = True

    def release(self, buffer):
        buffer.state = DEQUEUED
        for plane in buffer.planes:
            if plane.memory is not None:
                plane.memory.owner = None

    def describe(self, buffer, b):
        b.index = buffer.index if buffer.reported_index is None else buffer.reported_index
        b.flags = buffer.flags | {QUEUED: FLAG_QUEUED, DONE: FLAG_DONE, DEQUEUED: 0}[buffer.state]
        b.field, b.sequence, b.memory = buffer.field, buffer.sequence, self.memory
        b.tv_sec, rest = divmod(buffer.timestamp_ns, 1_000_000_000)
        b.tv_usec = rest // 1000
        if not self.multiplanar:
            plane = buffer.planes[0]
            b.length, b.bytesused = plane.length, plane.bytesused
            self.point(b.m, plane)
            return
        b.length = len(buffer.planes)
        for number, plane in enumerate(buffer.planes):
            p = PlaneStruct.from_address(b.m.planes + number * 64)
            p.length, p.bytesused, p.data_offset = plane.length, plane.bytesused, plane.data_offset
            self.point(p.m, plane)

    def point(self, m, plane):
        if self.memory == MMAP:
            m.mem_offset = plane.offset
        elif self.memory == USERPTR:
            m.userptr = plane.userptr
        else:
            m.fd = plane.fd

    def streamon(self, file):
        if not self.buffers:
            raise Refusal(errno.EINVAL, "no buffers")
        self.streaming = True

    def streamoff(self, file):
        self.streaming = self.error = self.ended = False
        for buffer in self.buffers:
            self.release(buffer)
        self.queued.clear()
        self.done.clear()

    # What the hardware does

    def take(self, index=None):
        """Take a queued buffer, the oldest where none is named."""
        assert self.streaming, f"{self.device.path} does not stream"
        assert self.queued, f"{self.device.path} has no buffer"
        buffer = self.queued[0] if index is None else self.buffers[index]
        self.queued.remove(buffer)
        return buffer

    def finish(self, buffer, *, flags=0, bytesused=None, sequence=None, timestamp_ns=None, data_offset=0, field=1):
        """Hand a taken buffer over as done."""
        sizes = [bytesused] * len(buffer.planes) if bytesused is None or isinstance(bytesused, int) else bytesused
        for plane, size, used in zip(buffer.planes, self.sizes, sizes, strict=True):
            plane.bytesused = size if used is None else used
            plane.data_offset = data_offset
        buffer.sequence = self.sequence if sequence is None else sequence
        self.sequence = buffer.sequence + 1
        buffer.flags, buffer.field = flags, field
        buffer.timestamp_ns = time.monotonic_ns() if timestamp_ns is None else timestamp_ns
        buffer.state = DONE
        self.done.append(buffer)

    def write(self, buffer, data):
        """Write into the planes of a buffer, as DMA does: without a look at anybody's caches."""
        for plane, content in zip(buffer.planes, [data] if isinstance(data, bytes) else data, strict=False):
            if plane.memory is not None:
                plane.memory.write(content)
            else:
                ctypes.memmove(plane.userptr, content, len(content))

    def read(self, buffer):
        """Read the payload of each plane."""
        found = []
        for plane in buffer.planes:
            length = plane.bytesused - plane.data_offset
            if plane.memory is not None:
                found.append(plane.memory.read(length, plane.data_offset))
            else:
                found.append(ctypes.string_at(plane.userptr + plane.data_offset, length))
        return found

    @property
    def answers_poll(self):
        """Whether poll() answers at once: a buffer, a state to look at, or POLLERR because nothing is queued."""
        return bool(self.done or self.error or self.ended or not self.streaming or not self.queued)
