"""The buffers of a V4L2 queue: the driver's own, or those that somebody else allocated."""

cimport cython
from libc.errno cimport EBUSY, EINVAL, ENOBUFS, ENODEV, ENOMEM, ENOTTY
from libc.stdint cimport int64_t, uint32_t
from libc.string cimport memset

from zcore._dmabuf cimport dmabuf_from_map, dmabuf_take, pthread_mutex_lock, pthread_mutex_unlock
from zcore._errors cimport check, device_error
from zcore._fd cimport Fd
from zcore._ioctl cimport v4l2_expbuf, v4l2_querybuf, v4l2_reqbufs, v4l2_reqbufs_with
from zcore._holders cimport holder_id
from zcore._pool cimport SLOT_FREE, Slot
from zcore.uapi.videodev2 cimport (
    V4L2_BUF_CAP_SUPPORTS_MMAP_CACHE_HINTS,
    V4L2_BUF_CAP_SUPPORTS_ORPHANED_BUFS,
    V4L2_BUF_FLAG_NO_CACHE_CLEAN,
    V4L2_BUF_FLAG_NO_CACHE_INVALIDATE,
    V4L2_BUF_TYPE_VIDEO_CAPTURE,
    V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE,
    V4L2_BUF_TYPE_VIDEO_OUTPUT,
    V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE,
    V4L2_MEMORY_DMABUF,
    V4L2_MEMORY_FLAG_NON_COHERENT,
    V4L2_MEMORY_MMAP,
    V4L2_MEMORY_USERPTR,
    v4l2_buffer,
    v4l2_plane,
)

import weakref


MEMORY_NAMES = {V4L2_MEMORY_MMAP: "mmap", V4L2_MEMORY_USERPTR: "userptr", V4L2_MEMORY_DMABUF: "dmabuf"}
STATE_NAMES = ("empty", "ready", "streaming", "ended", "failed", "gone")


@cython.no_gc_clear  # a Queue gives slots of `pool` back in its __dealloc__
cdef class QueueBuffers:
    """What a queue is before it streams: its buffers are requested, checked and given back here.

    To be used through its subclass :class:`zcore._v4l2.Queue`.
    """

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

    def _request(self, uint32_t memory, int count, bint coherent=True):
        if self.c_state != QUEUE_EMPTY:
            raise ValueError(f"{self.name}: has buffers already; close() first")
        self.settle()
        cdef int granted
        cdef uint32_t type = self.type
        cdef uint32_t capabilities = 0
        cdef uint32_t flags = 0 if coherent else V4L2_MEMORY_FLAG_NON_COHERENT
        cdef int fd = self.fd.number
        with nogil:
            granted = v4l2_reqbufs_with(fd, type, memory, count, &flags, &capabilities)
        if granted < 0:
            raise device_error(-granted, "VIDIOC_REQBUFS", self.name, _refused(-granted, memory))
        if granted > MAX_SLOTS:  # more than asked for, and more than can be told apart
            v4l2_reqbufs(fd, type, memory, 0, NULL)
            raise device_error(ENOBUFS, "VIDIOC_REQBUFS", self.name, f"the driver granted {granted} buffers")
        self.memory = memory
        self.capabilities = capabilities
        # Drivers before Linux 5.16 leave the flags as they are, so the capability has a say, too.
        self.non_coherent = (
            not coherent and memory == V4L2_MEMORY_MMAP and flags & V4L2_MEMORY_FLAG_NON_COHERENT != 0 and
            capabilities & V4L2_BUF_CAP_SUPPORTS_MMAP_CACHE_HINTS != 0
        )
        self.cache_hints = 0
        self.exported = False
        self.count = self.allocated = granted
        self.c_state = QUEUE_READY
        memset(self.bound_pool, 0, sizeof(self.bound_pool))
        return granted

    def _too_few(self, int minimum):
        granted = self.count
        self._free()
        raise device_error(
            ENOBUFS, "VIDIOC_REQBUFS", self.name, f"the driver granted {granted} buffers, {minimum} are needed"
        )

    def allocate(self, Pool pool not None, int count, *, bint export, int minimum=1, bint coherent=True):
        """Let the driver allocate buffers and put them into a pool.

        Parameters
        ----------
        pool : Pool
            Empty; gets one slot per buffer.
        count, minimum : int
            Buffers to ask for, and how many must be granted.
        export : bool
            Export each plane as a DMA-BUF (VIDIOC_EXPBUF); otherwise map it through the device.
        coherent : bool
            False: ask for memory that the CPU reads through its caches (V4L2_MEMORY_FLAG_NON_COHERENT); see
            :attr:`non_coherent` for whether it was granted. The driver is told then to leave the caches of exported
            buffers alone: whoever looks at one brackets that with DMA_BUF_IOCTL_SYNC.

        Raises
        ------
        DeviceError
            Too few granted, or no export.
        """
        if pool.core.count:
            raise ValueError(f"{self.name}: pool {pool.name} has slots already; V4L2 numbers them from 0")
        self._request(V4L2_MEMORY_MMAP, count, coherent)
        if self.count < minimum:
            self._too_few(minimum)
        self.exported = export
        if export and self.non_coherent:
            self.cache_hints = V4L2_BUF_FLAG_NO_CACHE_INVALIDATE | V4L2_BUF_FLAG_NO_CACHE_CLEAN
        try:
            for index in range(self.count):
                self._add_own_slot(pool, index, export)
        except BaseException:
            self.pool = pool
            self._free()
            raise
        self.pool = pool
        pool.maker = weakref.ref(self)

    cdef int _add_own_slot(self, Pool pool, int index, bint export) except -1:
        cdef int result, plane
        cdef uint32_t length
        cdef int64_t offset
        cdef v4l2_buffer buffer
        cdef v4l2_plane planes[MAX_PLANES]
        memset(&buffer, 0, sizeof(buffer))
        buffer.type = self.type
        buffer.memory = self.memory
        buffer.index = index
        if self.multiplanar:
            memset(planes, 0, sizeof(planes))
            buffer.m.planes = planes
            buffer.length = self.plane_count or MAX_PLANES
        check(v4l2_querybuf(self.fd.number, &buffer), "VIDIOC_QUERYBUF", self.name)
        self.plane_count = buffer.length if self.multiplanar else 1
        if not 0 < self.plane_count <= MAX_PLANES:
            raise device_error(EINVAL, "VIDIOC_QUERYBUF", self.name, f"a buffer of {self.plane_count} planes")
        buffers = []
        lengths = []
        for plane in range(self.plane_count):
            length = planes[plane].length if self.multiplanar else buffer.length
            offset = planes[plane].m.mem_offset if self.multiplanar else buffer.m.offset
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

    def _free(self):
        # With frames still out this orphans their buffers. Without V4L2_BUF_CAP_SUPPORTS_ORPHANED_BUFS it is EBUSY as
        # long as a buffer is mapped or exported, so those that nobody has go first. What the driver refuses is tried
        # again in settle(): forgotten, it would come back as EBUSY of the next VIDIOC_S_FMT, which names no cause.
        cdef Pool pool = self.pool
        cdef int result
        cdef bint own = pool is not None and self.memory == V4L2_MEMORY_MMAP
        if self.fd.ours() and self.c_state != QUEUE_GONE:
            if own and not self.capabilities & V4L2_BUF_CAP_SUPPORTS_ORPHANED_BUFS:
                pool.close()
                self._let_go(pool)
                self.leftover = pool
            result = v4l2_reqbufs(self.fd.number, self.type, self.memory, 0, NULL)
            if result < 0 and result != -ENODEV:
                self.unfreed = self.memory
            else:
                self.leftover = None
        self.c_state = QUEUE_EMPTY
        self.count = self.allocated = 0
        self.plane_count = 0  # the next format may have more
        self.pool = None

    cdef int _let_go(self, Pool pool) except -1:
        """Close the descriptors and maps of a closed pool's slots that nobody has."""
        cdef int index
        gone = []  # dropped when the lock is not held: they make system calls
        for index in range(pool.core.count):
            pthread_mutex_lock(&pool.core.lock)
            free = pool.core.slots[index].state == SLOT_FREE
            if free:
                pool.core.slots[index].plane_count = 0
            pthread_mutex_unlock(&pool.core.lock)
            if free:
                gone.append(pool.buffers[index])
                pool.buffers[index] = ()
        return 0

    def settle(self):
        """Free buffers that the driver would not let go when the queue was closed.

        Happens before new buffers are asked for. A new format needs it, too: VIDIOC_S_FMT is EBUSY before.

        Raises
        ------
        DeviceBusyError
            Somebody has frames still. Only drivers without V4L2_BUF_CAP_SUPPORTS_ORPHANED_BUFS (Linux before 5.0, and
            those that do not use videobuf2) need that to be waited for.
        DeviceError
            VIDIOC_REQBUFS fails again for whatever other reason.
        """
        cdef Pool pool = self.leftover
        cdef int result
        if not self.unfreed:
            return
        if not self.fd.ours():  # the kernel freed them with the descriptor
            self.leftover = None
            self.unfreed = 0
            return
        if pool is not None:
            self._let_go(pool)
        result = v4l2_reqbufs(self.fd.number, self.type, self.unfreed, 0, NULL)
        if result == -EBUSY and pool is not None:
            held = ", ".join(f"{count} by {name}" for name, count in pool.holders().items()) or "none by frames"
            raise device_error(
                EBUSY, "VIDIOC_REQBUFS", self.name,
                f"buffers of its last run are held: {held}; this driver frees none that are mapped or exported "
                "(no V4L2_BUF_CAP_SUPPORTS_ORPHANED_BUFS): drop those frames, and arrays of them, first"
            )
        if result < 0:
            raise device_error(
                -result, "VIDIOC_REQBUFS", self.name, "the driver does not free the buffers of its last run"
            )
        self.leftover = None
        self.unfreed = 0


def _refused(int code, memory):
    name = MEMORY_NAMES.get(memory, memory)
    if code == EINVAL:
        return f"the driver has no {name} buffers, or not for this format"
    if code == ENOTTY:
        return "the device cannot stream (no VIDIOC_REQBUFS)"
    if code == ENOMEM:
        return "no memory for the buffers (contiguous memory may be used up although RAM is free: see CmaFree)"
    return ""
