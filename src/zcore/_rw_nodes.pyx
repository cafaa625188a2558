"""V4L2 devices by read() and write(): the kernel copies each frame between its buffers and ours."""

cimport cython
from libc.errno cimport EAGAIN, EINTR, EINVAL
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memset

from zcore._alarm cimport monotonic_ns
from zcore._chain cimport Link, Node
from zcore._dmabuf cimport memory_begin, memory_end, memory_map
from zcore._fill_nodes cimport FillNode
from zcore._ioctl cimport ACCESS_READ, ACCESS_RW
from zcore._pool cimport Pool, Slot, slot_drop
from zcore._sys cimport sys_read, sys_write
from zcore.uapi.videodev2 cimport V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC


cdef extern from "<sys/epoll.h>" nogil:
    enum:
        EPOLLIN
        EPOLLOUT
        EPOLLERR
        EPOLLHUP

cdef uint32_t FAILED = EPOLLERR | EPOLLHUP


cdef int open_memory(Slot *slot, uint64_t access) noexcept nogil:
    """Let the CPU at a frame of one memory plane."""
    cdef int result = -EINTR
    if slot.plane_count != 1:
        return -EINVAL
    cdef int mapped = memory_map(slot.planes[0].memory)
    if mapped < 0:
        return mapped
    while result == -EINTR:  # a signal while fences are waited for; the loop looks at it afterwards
        result = memory_begin(slot.planes[0].memory, access, 5000)
    return result


cdef void describe(Slot *slot, uint32_t used, uint32_t sequence, uint32_t field) noexcept nogil:
    """Number and date a frame, because read() tells neither."""
    memset(&slot.meta, 0, sizeof(slot.meta))
    slot.planes[0].used = used
    slot.planes[0].data_offset = 0
    slot.meta.sequence = sequence
    slot.meta.timestamp_ns = monotonic_ns()
    slot.meta.flags = V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC
    slot.meta.field = field


@cython.final
cdef class ReadNode(FillNode):
    """A capture device as a source: each read() gives one frame.

    Frames are numbered and dated as they come, because read() tells neither.

    Parameters
    ----------
    frames : int
        After how many to end; -1 = never.
    field : int
        ``V4L2_FIELD_*`` of the format: read() does not tell that either.
    """

    def __init__(self, str name, int fd, Pool pool not None, Link sink not None, *, int64_t frames=-1, int field=1):
        FillNode.__init__(self, name, None, sink, pool, frames=frames)
        self.fd = fd
        self.field = field

    cdef int step(self) noexcept nogil:
        cdef Slot *slot
        cdef int result = self.begin()
        if result <= 0:
            return -result
        if not self.ready & (EPOLLIN | FAILED):
            return 0
        slot = self.take_room()
        if slot == NULL:
            return 0
        self.ready = 0
        result = open_memory(slot, ACCESS_RW)
        if result < 0:
            slot_drop(slot)
            self.operation = "mmap"
            return result
        result = sys_read(self.fd, <char *>slot.planes[0].memory.address + slot.planes[0].offset, slot.planes[0].length)
        memory_end(slot.planes[0].memory)
        if result <= 0:
            slot_drop(slot)
            if result == -EAGAIN:
                return 0
            self.operation = "read"
            if result == 0:  # the end of what it gives
                self.remaining = 0
                return 1
            return result
        describe(slot, result, self.sequence, self.field)
        self.sequence += 1
        self.frames += 1
        self.give_on(slot)
        return 1

    cdef uint32_t wants(self) noexcept nogil:
        if self.done or self.starving and not self.pool.core.free_count or not self.sink.has_room():
            return 0
        return EPOLLIN


@cython.final
@cython.no_gc_clear  # __dealloc__ gives back what was not written
cdef class WriteNode(Node):
    """An output device as a sink: each frame is one write(), or several where the device takes less at once."""

    def __init__(self, str name, int fd, Link source not None):
        Node.__init__(self, name, source, None)
        self.fd = fd

    cdef int step(self) noexcept nogil:
        cdef int result
        if self.done:
            return 0
        if self.pending == NULL:
            if self.source.count == 0:
                if self.source.closed:
                    self.done = True
                    return 1
                return 0
            if not self.ready & (EPOLLOUT | FAILED):
                return 0
            self.pending = self.source.pop()
            self.written = 0
        elif not self.ready & (EPOLLOUT | FAILED):
            return 0
        self.ready = 0
        result = self.write_some()
        if result == -EAGAIN:
            return 0
        if result < 0:
            self.operation = "write"
            return result
        self.written += result
        if result and self.written < self.pending.planes[0].used:
            return 1
        slot_drop(self.pending)
        self.pending = NULL
        self.frames += 1
        return 1

    cdef int write_some(self) noexcept nogil:
        cdef Slot *slot = self.pending
        cdef int result = open_memory(slot, ACCESS_READ)
        if result < 0:
            return result
        result = sys_write(
            self.fd, <char *>slot.planes[0].memory.address + slot.planes[0].offset + self.written,
            slot.planes[0].used - self.written,
        )
        memory_end(slot.planes[0].memory)
        return result

    cdef uint32_t wants(self) noexcept nogil:
        return EPOLLOUT if not self.done and (self.source.count or self.pending != NULL) else 0

    def __dealloc__(self):
        if self.pending != NULL:
            slot_drop(self.pending)


def read_into(int fd, Pool pool not None, int index, uint32_t sequence=0, uint32_t field=1):
    """Read one frame into a slot that the caller has a frame of, with the GIL given away.

    Returns
    -------
    int
        Bytes, or -errno.
    """
    cdef Slot *slot
    cdef int result
    if not 0 <= index < pool.core.count:
        raise IndexError(f"pool {pool.name} has {pool.core.count} slots, not {index}")
    slot = &pool.core.slots[index]
    with nogil:
        result = open_memory(slot, ACCESS_RW)
        if result >= 0:
            result = sys_read(fd, <char *>slot.planes[0].memory.address + slot.planes[0].offset, slot.planes[0].length)
            memory_end(slot.planes[0].memory)
        if result > 0:
            describe(slot, result, sequence, field)
    return result
