"""A V4L2 queue as a state machine, for both directions, single- and multi-planar, and all four memory modes."""

cimport cython
from cpython.exc cimport PyErr_CheckSignals
from libc.errno cimport EAGAIN, EBADMSG, EINVAL, EIO, ENOBUFS, ENODEV, ENOMEM, ENOTTY, EPIPE, ETIMEDOUT
from libc.string cimport memset

from zcore._dmabuf cimport Memory, dmabuf_from_map, dmabuf_take
from zcore._errors cimport check, device_error
from zcore._fd cimport Fd
from zcore._frame cimport frame_from_slot
from zcore._ioctl cimport (
    v4l2_dqbuf,
    v4l2_expbuf,
    v4l2_qbuf,
    v4l2_querybuf,
    v4l2_reqbufs,
    v4l2_streamoff,
    v4l2_streamon,
)
from zcore._pool cimport HOLDER_DEVICE, core_drain_bell, core_take, holder_id, slot_drop, slot_lease
from zcore._sys cimport atomic_add, sys_wait_two
from zcore.uapi.videodev2 cimport (
    V4L2_BUF_FLAG_ERROR,
    V4L2_BUF_FLAG_LAST,
    V4L2_BUF_TYPE_VIDEO_CAPTURE,
    V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE,
    V4L2_BUF_TYPE_VIDEO_OUTPUT,
    V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE,
    V4L2_MEMORY_DMABUF,
    V4L2_MEMORY_MMAP,
    V4L2_MEMORY_USERPTR,
)

import time

from zcore._pool import PoolClosedError


cdef extern from "<poll.h>" nogil:
    enum:
        POLLIN


MEMORY_NAMES = {V4L2_MEMORY_MMAP: "mmap", V4L2_MEMORY_USERPTR: "userptr", V4L2_MEMORY_DMABUF: "dmabuf"}
STATE_NAMES = ("empty", "ready", "streaming", "ended", "failed", "gone")


@cython.final
@cython.no_gc_clear  # __dealloc__ drops slots that live in `pool`
cdef class Queue:
    """One direction of one open V4L2 device.

    How am I supposed to use this? Set the format on the device, then :meth:`allocate` buffers of the driver's own (they
    make the queue's :attr:`pool`) or :meth:`use_foreign` buffers, then :meth:`start`. A CAPTURE queue is kept filled by
    :meth:`refill` and emptied by :meth:`next_frame`; chains do both without the GIL. :meth:`close` gives all back.

    What the driver granted wins over what was asked for. Buffers keep the index they had, because the kernel attaches
    and maps a DMA-BUF anew when it comes under another one.
    """

    def __cinit__(self):
        memset(self.queued, 0, sizeof(self.queued))
        self.last_sequence = -1

    def __init__(self, Fd fd not None, str name, int type):
        if type not in (
            V4L2_BUF_TYPE_VIDEO_CAPTURE, V4L2_BUF_TYPE_VIDEO_OUTPUT,
            V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE, V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE,
        ):
            raise ValueError(f"{name}: buffer type {type} is not a video queue")
        self.fd = fd
        self.name = name
        self.type = type
        self.multiplanar = type in (V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE, V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE)
        self.output = type in (V4L2_BUF_TYPE_VIDEO_OUTPUT, V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE)
        self.holder = holder_id(name)

    @property
    def state(self):
        """``empty``, ``ready``, ``streaming``, ``ended`` (LAST was seen), ``failed`` or ``gone``."""
        return STATE_NAMES[self.c_state]

    # Setting up

    def _request(self, uint32_t memory, int count):
        if self.c_state != QUEUE_EMPTY:
            raise ValueError(f"{self.name}: has buffers already; close() first")
        cdef int granted
        cdef uint32_t type = self.type
        cdef int fd = self.fd.number
        with nogil:
            granted = v4l2_reqbufs(fd, type, memory, count, NULL)
        if granted < 0:
            raise device_error(-granted, "VIDIOC_REQBUFS", self.name, _refused(-granted, memory))
        if granted > MAX_SLOTS:  # more than asked for, and more than can be told apart
            v4l2_reqbufs(fd, type, memory, 0, NULL)
            raise device_error(ENOBUFS, "VIDIOC_REQBUFS", self.name, f"the driver granted {granted} buffers")
        self.memory = memory
        self.count = granted
        self.c_state = QUEUE_READY
        memset(self.bound_pool, 0, sizeof(self.bound_pool))
        return granted

    def _too_few(self, int minimum):
        granted = self.count
        self._free()
        raise device_error(
            ENOBUFS, "VIDIOC_REQBUFS", self.name, f"the driver granted {granted} buffers, {minimum} are needed"
        )

    def allocate(self, Pool pool not None, int count, *, bint export, int minimum=1):
        """Let the driver allocate buffers and put them into a pool.

        Parameters
        ----------
        pool : Pool
            Empty; gets one slot per buffer.
        count, minimum : int
            Buffers to ask for, and how many must be granted.
        export : bool
            Export each plane as a DMA-BUF (VIDIOC_EXPBUF); otherwise map it through the device.

        Raises
        ------
        DeviceError
            Too few granted, or no export.
        """
        if pool.core.count:
            raise ValueError(f"{self.name}: pool {pool.name} has slots already; V4L2 numbers them from 0")
        self._request(V4L2_MEMORY_MMAP, count)
        if self.count < minimum:
            self._too_few(minimum)
        try:
            for index in range(self.count):
                self._add_own_slot(pool, index, export)
        except BaseException:
            self._free()
            raise
        self.pool = pool

    cdef int _add_own_slot(self, Pool pool, int index, bint export) except -1:
        cdef int result, plane
        cdef uint32_t length
        cdef int64_t offset
        self.prepare(index)
        check(v4l2_querybuf(self.fd.number, &self.buffer), "VIDIOC_QUERYBUF", self.name)
        self.plane_count = self.buffer.length if self.multiplanar else 1
        if not 0 < self.plane_count <= MAX_PLANES:
            raise device_error(EINVAL, "VIDIOC_QUERYBUF", self.name, f"a buffer of {self.plane_count} planes")
        buffers = []
        lengths = []
        for plane in range(self.plane_count):
            length = self.planes[plane].length if self.multiplanar else self.buffer.length
            offset = self.planes[plane].m.mem_offset if self.multiplanar else self.buffer.m.offset
            self.plane_size[plane] = length
            if export:
                result = v4l2_expbuf(self.fd.number, self.type, index, plane)
                if result < 0:
                    raise device_error(-result, "VIDIOC_EXPBUF", self.name)
                buffers.append(dmabuf_take(result, f"v4l2:{self.fd.name}"))
            else:
                buffers.append(dmabuf_from_map(self.fd.number, length, offset, self.fd, f"v4l2:{self.fd.name}"))
            lengths.append((0, length))
        return pool.add_slot(tuple(buffers), lengths)

    def use_foreign(self, uint32_t memory, int count, plane_sizes, Pool pool=None, *, int minimum=1):
        """Take buffers that somebody else allocated: DMA-BUFs (``V4L2_MEMORY_DMABUF``) or addresses (USERPTR).

        Parameters
        ----------
        memory : int
            V4L2_MEMORY_DMABUF or V4L2_MEMORY_USERPTR.
        count, minimum : int
            Buffers to ask for, and how many must be granted.
        plane_sizes : sequence of int
            ``sizeimage`` per memory plane, as the format says: smaller buffers are refused here with their size.
        pool : Pool, optional
            For a CAPTURE queue: whose free slots it fills.
        """
        sizes = list(plane_sizes)
        if not 0 < len(sizes) <= MAX_PLANES:
            raise ValueError(f"{self.name}: 1 to {MAX_PLANES} planes, not {len(sizes)}")
        if pool is not None:
            self.check_pool(pool, sizes, memory)
        self._request(memory, count)
        if self.count < minimum:
            self._too_few(minimum)
        self.plane_count = len(sizes)
        for i, size in enumerate(sizes):
            self.plane_size[i] = size
        self.pool = pool

    def check_pool(self, Pool pool not None, sizes, uint32_t memory):
        """Refuse, in words, buffers that the kernel would answer with a bare EINVAL."""
        cdef Slot *slot
        for index in range(pool.core.count):
            slot = &pool.core.slots[index]
            if slot.plane_count != len(sizes):
                raise device_error(
                    EINVAL, "VIDIOC_QBUF", self.name,
                    f"it wants {len(sizes)} memory plane(s), buffers of {pool.name} have {slot.plane_count}",
                )
            for i in range(slot.plane_count):
                if slot.planes[i].length < sizes[i]:
                    raise device_error(
                        EINVAL, "VIDIOC_QBUF", self.name,
                        f"plane {i} needs {sizes[i]} bytes, buffers of {pool.name} have {slot.planes[i].length}",
                    )
                if slot.planes[i].offset:
                    raise device_error(
                        EINVAL, "VIDIOC_QBUF", self.name, f"plane {i} starts at an offset, which V4L2 cannot express"
                    )
                if memory == V4L2_MEMORY_DMABUF and slot.planes[i].memory.fd < 0:
                    raise device_error(
                        EINVAL, "VIDIOC_QBUF", self.name, f"buffers of {pool.name} cannot be exported as DMA-BUF"
                    )
                if memory == V4L2_MEMORY_USERPTR and slot.planes[i].memory.address == NULL:
                    (<object>pool.buffers[index][i]).begin_access()
                    (<object>pool.buffers[index][i]).end_access()

    def probe(self, Pool pool not None):
        """Queue the buffers of a pool on trial and take them back: only that tells whether the device reaches them.

        All of them, because one may lie in contiguous pages by luck where the next does not.

        Raises
        ------
        DeviceError
            From VIDIOC_QBUF.
        """
        cdef Slot *slot
        cdef int result = 0
        cdef int tried = 0
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
            result = self.dequeue(&slot)
            if result == -EPIPE:
                return None
            if result >= 0:
                if self.c_state == QUEUE_ENDED and not slot.planes[0].used:  # an empty buffer only marks the end
                    slot_drop(slot)
                    return None
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
            return f"the device has no buffer to fill: {self.pool.starvation()}"
        return f"the device has {self.queued_count} of {self.count} buffers and filled none; is there a signal?"

    def stop(self):
        """Stop streaming; every queued buffer comes back and is counted as flushed."""
        cdef int result
        with nogil:
            result = self.stop_streaming()
        if result != -ENODEV:
            check(result, "VIDIOC_STREAMOFF", self.name)

    def close(self):
        """Stop and give the buffers back; frames that are out keep their memory."""
        if self.c_state == QUEUE_EMPTY:
            return
        if self.fd.ours():
            self.stop()
        self._free()

    def _free(self):
        # With frames still out this orphans their buffers (V4L2_BUF_CAP_SUPPORTS_ORPHANED_BUFS); an old driver says
        # EBUSY, and its buffers go with the descriptor.
        if self.fd.ours() and self.c_state != QUEUE_GONE:
            v4l2_reqbufs(self.fd.number, self.type, self.memory, 0, NULL)
        self.c_state = QUEUE_EMPTY
        self.count = 0
        self.plane_count = 0  # the next format may have more
        self.pool = None

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
        cdef int result
        cdef int index
        if slot.plane_count != self.plane_count:
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
                if self.memory == V4L2_MEMORY_DMABUF:
                    self.buffer.m.fd = memory.fd
                elif self.memory == V4L2_MEMORY_USERPTR:
                    self.buffer.m.userptr = <unsigned long>memory.address + slot.planes[i].offset
                self.buffer.length = slot.planes[i].length
                self.buffer.bytesused = slot.planes[i].used if self.output else 0

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


def _refused(int code, memory):
    name = MEMORY_NAMES.get(memory, memory)
    if code == EINVAL:
        return f"the driver has no {name} buffers, or not for this format"
    if code == ENOTTY:
        return "the device cannot stream (no VIDIOC_REQBUFS)"
    if code == ENOMEM:
        return "no memory for the buffers (contiguous memory may be used up although RAM is free: see CmaFree)"
    return ""
