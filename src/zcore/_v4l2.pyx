"""A V4L2 queue as a state machine, for both directions, single- and multi-planar, and all four memory modes."""

cimport cython
from cpython.exc cimport PyErr_CheckSignals
from libc.errno cimport EAGAIN, EBADMSG, EINVAL, EIO, ENOBUFS, ENODEV, EPIPE, ETIMEDOUT
from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memset

from zcore._alarm cimport monotonic_ns
from zcore._dmabuf cimport Memory
from zcore._errors cimport check, device_error
from zcore._frame cimport frame_from_slot
from zcore._ioctl cimport v4l2_dqbuf, v4l2_qbuf, v4l2_streamoff, v4l2_streamon
from zcore._pool cimport HOLDER_DEVICE, HOLDER_PYTHON, Pool, core_drain_bell, core_take, slot_drop, slot_lease
from zcore._sys cimport atomic_add, sys_wait_two
from zcore._v4l2_buffers cimport (
    QUEUE_EMPTY,
    QUEUE_ENDED,
    QUEUE_FAILED,
    QUEUE_GONE,
    QUEUE_READY,
    QUEUE_STREAMING,
)
from zcore._v4l2_growth cimport GrowingBuffers
from zcore.uapi.videodev2 cimport (
    V4L2_BUF_FLAG_ERROR,
    V4L2_BUF_FLAG_LAST,
    V4L2_BUF_FLAG_TIMESTAMP_MASK,
    V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC,
    V4L2_MEMORY_DMABUF, V4L2_MEMORY_MMAP, V4L2_MEMORY_USERPTR,
)

import time

from zcore._pool import PoolClosedError


cdef extern from "<poll.h>" nogil:
    enum:
        POLLIN


@cython.final
@cython.no_gc_clear  # __dealloc__ drops slots that live in `pool` and `sources`
cdef class Queue(GrowingBuffers):
    """One direction of one open V4L2 device.

    How am I supposed to use this? Set the format on the device, then :meth:`allocate` buffers of the driver's own (they
    make the queue's :attr:`pool`) or :meth:`use_foreign` buffers, then :meth:`start`. A CAPTURE queue is kept filled by
    :meth:`refill` and emptied by :meth:`next_frame`; chains do both without the GIL. :meth:`close` gives all back.

    What the driver granted wins over what was asked for. Buffers keep the index they had, because the kernel attaches
    and maps a DMA-BUF anew when it comes under another one.
    """

    def __cinit__(self):
        memset(self.queued, 0, sizeof(self.queued))
        self.sources = ()
        self.last_sequence = -1

    def probe(self, Pool pool not None):
        """Queue the buffers of a pool on trial and take them back: only that tells whether the device reaches them.

        All of them, because one may lie in contiguous pages by luck where the next does not.

        Raises
        ------
        DeviceError
            From VIDIOC_QBUF.
        """
        cdef Slot *slot
        cdef int result = 0, tried = 0
        if self.c_state != QUEUE_READY:
            raise ValueError(f"{self.name}: cannot probe, it is {self.state}")
        with nogil:
            while result >= 0 and self.queued_count < self.count:
                slot = core_take(&pool.core, HOLDER_DEVICE)
                if slot == NULL:
                    break
                tried += 1
                result = self.queue_slot(slot)
                if result < 0:
                    slot_drop(slot)
            v4l2_streamoff(self.fd.number, self.type)
            self.give_back_all()
        if not tried:
            raise ValueError(f"{self.name}: no buffer of {pool.name} is free to probe with")
        check(result, "VIDIOC_QBUF", self.name)

    def start(self):
        """Start streaming; a CAPTURE queue gets its free buffers first."""
        cdef int result = 0
        cdef uint32_t type = self.type
        cdef int fd = self.fd.number
        if self.c_state == QUEUE_STREAMING:
            return
        if self.c_state != QUEUE_READY:
            raise ValueError(f"{self.name}: cannot start, it is {self.state}")
        if not self.output and self.pool is None:
            raise ValueError(f"{self.name}: cannot start, it has no pool to fill")
        operation = "VIDIOC_QBUF"
        if not self.output:
            with nogil:
                result = self.refill()
        if result >= 0:
            operation = "VIDIOC_STREAMON"
            with nogil:
                result = v4l2_streamon(fd, type)
        if result < 0:
            with nogil:
                v4l2_streamoff(fd, type)  # before anybody else can take what was queued
                self.give_back_all()
            raise device_error(-result, operation, self.name)
        self.c_state = QUEUE_STREAMING
        self.last_sequence = -1

    def next_frame(self, timeout=None):
        """Wait for a filled frame of a CAPTURE queue.

        Parameters
        ----------
        timeout : float, optional
            Seconds; ``None`` = as long as it takes. Ctrl-C works.

        Returns
        -------
        Frame or None
            ``None`` at the end of the stream (LAST or EPIPE).

        Raises
        ------
        DeviceTimeoutError
            No frame came; says how many buffers the device has and who holds the others.
        DeviceGoneError, DeviceError
            Unplugged, or a queue error.
        """
        cdef Slot *slot = NULL
        cdef int result, slice_ms
        cdef int device = self.fd.fileno()
        if self.output or self.pool is None:
            raise ValueError(f"{self.name}: gives no frames, it is {'an OUTPUT queue' if self.output else self.state}")
        if self.c_state == QUEUE_READY:
            raise ValueError(f"{self.name}: gives no frames before start()")
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            # With the GIL: these never block, and giving it away for each call loses frames beside a busy thread.
            if self.c_state == QUEUE_STREAMING:
                check(self.refill(), "VIDIOC_QBUF", self.name)
                if self.wants_growth(self.queued_count) and self.grow_by_one():
                    continue
            result = self.dequeue(&slot)
            if result == -EPIPE:
                return None
            if result >= 0:
                if self.c_state == QUEUE_ENDED and not slot.planes[0].used:  # an empty buffer only marks the end
                    slot_drop(slot)
                    return None
                slot.holder = HOLDER_PYTHON
                return frame_from_slot(self.pool, slot)
            if result != -EAGAIN:
                raise device_error(-result, "VIDIOC_DQBUF", self.name)
            slice_ms = 1000
            if deadline is not None:
                slice_ms = min(1000, <int>((deadline - time.monotonic()) * 1000 + 0.999))
                if slice_ms <= 0:
                    raise device_error(ETIMEDOUT, "VIDIOC_DQBUF", self.name, self.explain_silence())
            if not self.pool.core.active and self.queued_count == 0:
                raise PoolClosedError(f"{self.name}: the device has no buffer, and pool {self.pool.name} gives none")
            atomic_add(&self.pool.core.waiters, 1)
            with nogil:
                result = 0
                if self.pool.core.free_count == 0 or self.queued_count == self.count or not self.pool.core.active:
                    # A device without buffers answers POLLERR at once: only a returning buffer helps then.
                    result = sys_wait_two(
                        device if self.queued_count else -1, POLLIN, self.pool.core.bell, POLLIN, slice_ms
                    )
            atomic_add(&self.pool.core.waiters, -1)
            if result > 0 and result >> 16:
                core_drain_bell(&self.pool.core)
            PyErr_CheckSignals()

    def explain_silence(self):
        """Say why no frame comes, as far as the queue can know."""
        if self.queued_count == 0:
            return f"the device has no buffer to fill: {self.pool.starvation()}{self._why_no_more()}"
        return f"the device has {self.queued_count} of {self.count} buffers and filled none; is there a signal?"

    def stop(self):
        """Stop streaming; every queued buffer comes back and is counted as flushed."""
        cdef int result
        with nogil:
            result = self.stop_streaming()
        if result != -ENODEV:
            check(result, "VIDIOC_STREAMOFF", self.name)
        self.sources = ()

    def close(self):
        """Stop and give the buffers back; frames that are out keep their memory."""
        if self.c_state == QUEUE_EMPTY:
            return
        if self.fd.ours():
            self.stop()
        elif self.fd.closed:  # the kernel took the buffers from the device with its last descriptor
            self.flushed += self.queued_count
            self.give_back_all()
            self.sources = ()
        self._free()

    def __dealloc__(self):
        if self.c_state != QUEUE_EMPTY:
            if self.queued_count and self.fd.ours():  # what is given back must not be filled any more
                v4l2_streamoff(self.fd.number, self.type)
            self.give_back_all()

    # The frame path

    cdef void prepare(self, int index) noexcept nogil:
        memset(&self.buffer, 0, sizeof(self.buffer))
        self.buffer.type = self.type
        self.buffer.memory = self.memory
        self.buffer.index = index
        if self.multiplanar:
            memset(self.planes, 0, sizeof(v4l2_plane) * (self.plane_count or MAX_PLANES))
            self.buffer.m.planes = self.planes
            self.buffer.length = self.plane_count or MAX_PLANES

    cdef int choose_index(self, Slot *slot) noexcept nogil:
        """Same buffer, same index; else an index that no buffer has; else any that is free."""
        cdef int index, other = -1
        cdef uint64_t pool = slot.core.id
        if self.memory == V4L2_MEMORY_MMAP:
            if self.pool is None or slot.core != &self.pool.core:  # its own buffers are all it takes
                return -1
            return slot.index if slot.index < <uint32_t>self.count and self.queued[slot.index] == NULL else -1
        if slot.index < <uint32_t>self.count:
            index = slot.index
            if self.bound_pool[index] == pool and self.bound_slot[index] == index and self.queued[index] == NULL:
                return index
        for index in range(self.count):
            if self.queued[index] == NULL:
                if self.bound_pool[index] == pool and self.bound_slot[index] == <int>slot.index:
                    return index
                if other < 0 or (self.bound_pool[index] == 0 and self.bound_pool[other] != 0):
                    other = index
        return other

    cdef int queue_slot(self, Slot *slot) noexcept nogil:
        cdef int result, index
        if slot.plane_count != self.plane_count:
            return -EINVAL
        if self.output and not self.multiplanar and slot.planes[0].data_offset:  # cannot be said, and must not be lost
            return -EINVAL
        index = self.choose_index(slot)
        if index < 0:
            return -ENOBUFS
        self.prepare(index)
        if self.memory != V4L2_MEMORY_MMAP or self.output:
            self.describe_planes(slot)
        if self.output:
            self.buffer.timestamp.tv_sec = slot.meta.timestamp_ns // 1000000000
            self.buffer.timestamp.tv_usec = (slot.meta.timestamp_ns % 1000000000) // 1000
            self.buffer.field = slot.meta.field
        self.buffer.flags = self.cache_hints
        result = v4l2_qbuf(self.fd.number, &self.buffer)
        if result < 0:
            if result == -ENODEV:
                self.c_state = QUEUE_GONE
            return result
        if self.memory != V4L2_MEMORY_MMAP:
            if self.bound_pool[index] != slot.core.id or self.bound_slot[index] != <int>slot.index:
                self.attaches += 1
                if self.bound_pool[index]:
                    self.reattaches += 1
                self.bound_pool[index] = slot.core.id
                self.bound_slot[index] = slot.index
        self.hinted += self.cache_hints != 0
        self.queued[index] = slot
        self.queued_count += 1
        slot.holder = self.holder
        return 0

    cdef void describe_planes(self, Slot *slot) noexcept nogil:
        cdef int i
        cdef Memory *memory
        for i in range(self.plane_count):
            memory = slot.planes[i].memory
            if self.multiplanar:
                if self.memory == V4L2_MEMORY_DMABUF:
                    self.planes[i].m.fd = memory.fd
                elif self.memory == V4L2_MEMORY_USERPTR:
                    self.planes[i].m.userptr = <unsigned long>memory.address + slot.planes[i].offset
                self.planes[i].length = slot.planes[i].length  # constant: another length would attach anew
                self.planes[i].bytesused = slot.planes[i].used if self.output else 0
                self.planes[i].data_offset = slot.planes[i].data_offset if self.output else 0
            else:
                self.buffer.length = slot.planes[i].length
                self.buffer.bytesused = slot.planes[i].used if self.output else 0
                if self.memory == V4L2_MEMORY_DMABUF:
                    self.buffer.m.fd = memory.fd  # and no payload beyond what videobuf2 knows, as of rounded up buffers
                    self.buffer.bytesused = min(self.buffer.bytesused, self.plane_size[i])
                elif self.memory == V4L2_MEMORY_USERPTR:
                    self.buffer.m.userptr = <unsigned long>memory.address + slot.planes[i].offset

    cdef int refill(self) noexcept nogil:
        """Queue every free slot of the pool."""
        cdef Slot *slot
        cdef int result
        if self.pool is None or self.output:
            return -EINVAL
        while self.queued_count < self.count and self.pool.core.free_count:
            slot = core_take(&self.pool.core, HOLDER_DEVICE)
            if slot == NULL:
                break
            result = self.queue_slot(slot)
            if result < 0:
                slot_drop(slot)
                return result
        return 0

    cdef int dequeue(self, Slot **slot) noexcept nogil:
        cdef int result
        cdef uint32_t index
        if self.c_state != QUEUE_STREAMING:
            return (-EPIPE if self.c_state == QUEUE_ENDED else -ENODEV if self.c_state == QUEUE_GONE else
                    -EIO if self.c_state == QUEUE_FAILED else -EINVAL)
        self.prepare(0)
        result = v4l2_dqbuf(self.fd.number, &self.buffer)
        if result < 0:
            if result == -EPIPE:
                self.c_state = QUEUE_ENDED
            elif result == -ENODEV:
                self.c_state = QUEUE_GONE
            elif result == -EIO:
                self.c_state = QUEUE_FAILED
            return result
        index = self.buffer.index
        if index >= <uint32_t>self.count or self.queued[index] == NULL:
            return -EBADMSG  # the driver names a buffer that it does not have
        slot[0] = self.queued[index]
        self.queued[index] = NULL
        self.queued_count -= 1
        if not self.output:
            self.read_planes(slot[0])
            slot_lease(slot[0], self.holder)
            self.frames += 1
            if self.buffer.flags & V4L2_BUF_FLAG_ERROR:
                self.errors += 1
            if self.buffer.flags & V4L2_BUF_FLAG_LAST:
                self.c_state = QUEUE_ENDED
        return 0

    cdef void read_planes(self, Slot *slot) noexcept nogil:
        """What the driver says is checked before anybody uses it as a length."""
        cdef int i
        cdef uint32_t used, start, step
        for i in range(self.plane_count):
            used = self.planes[i].bytesused if self.multiplanar else self.buffer.bytesused
            start = self.planes[i].data_offset if self.multiplanar else 0
            slot.planes[i].used = min(used, slot.planes[i].length)
            slot.planes[i].data_offset = min(start, slot.planes[i].used)
        slot.meta.timestamp_ns = self.buffer.timestamp.tv_sec * 1000000000 + self.buffer.timestamp.tv_usec * 1000
        slot.meta.sequence = self.buffer.sequence
        slot.meta.flags = self.buffer.flags
        slot.meta.field = self.buffer.field
        slot.meta.dropped = 0
        if self.stamp:
            slot.meta.timestamp_ns = monotonic_ns()
            slot.meta.flags = slot.meta.flags & ~V4L2_BUF_FLAG_TIMESTAMP_MASK | V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC
        # A gap is a hint only: some drivers never count, and the number may start anywhere and wrap.
        if self.last_sequence >= 0:
            step = <uint32_t>self.buffer.sequence - <uint32_t>self.last_sequence
            if 1 < step < <uint32_t>0x80000000:
                slot.meta.dropped = step - 1
                self.gaps += slot.meta.dropped
        self.last_sequence = self.buffer.sequence

    cdef int stop_streaming(self) noexcept nogil:
        cdef int result = 0
        if self.c_state == QUEUE_EMPTY:
            return 0
        if self.c_state != QUEUE_READY or self.queued_count:
            result = v4l2_streamoff(self.fd.number, self.type)
        if result == -ENODEV:
            self.c_state = QUEUE_GONE
        elif result < 0:
            return result  # the device still owns the buffers
        self.flushed += self.queued_count
        self.give_back_all()
        if self.c_state != QUEUE_GONE:
            self.c_state = QUEUE_READY
        return 0

    cdef void give_back_all(self) noexcept nogil:
        cdef int index
        for index in range(MAX_SLOTS):
            if self.queued[index] != NULL:
                slot_drop(self.queued[index])
                self.queued[index] = NULL
        self.queued_count = 0
