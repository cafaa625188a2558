"""V4L2 queues that get more buffers, or fewer, while they have some: VIDIOC_CREATE_BUFS and VIDIOC_REMOVE_BUFS."""

cimport cython
from libc.errno cimport EBUSY, EINVAL, ENOBUFS, ENODEV, ENOMEM, ENOTTY
from libc.stdint cimport uint32_t
from libc.string cimport memset

from zcore._dmabuf cimport pthread_mutex_lock, pthread_mutex_unlock
from zcore._errors cimport check, device_error
from zcore._ioctl cimport v4l2_create_bufs, v4l2_remove_bufs
from zcore._pool cimport MAX_SLOTS, SLOT_FREE, Core, Pool, Slot
from zcore._sys cimport atomic_load, sys_ioctl, sys_notify
from zcore._v4l2_buffers cimport QUEUE_READY, QUEUE_STREAMING
from zcore.uapi.videodev2 cimport (
    V4L2_MEMORY_FLAG_NON_COHERENT,
    V4L2_MEMORY_MMAP,
    VIDIOC_G_FMT,
    v4l2_create_buffers,
)

from zcore._errors import DeviceError
from zcore._pool import _ids


@cython.no_gc_clear
cdef class GrowingBuffers(QueueBuffers):
    """What a queue with buffers can become: larger, and smaller again.

    To be used through its subclass :class:`zcore._v4l2.Queue`, by the thread that drives the queue.
    """

    def __cinit__(self):
        self.growth_error = ""

    def most_buffers(self):
        """How many buffers the queue can have: what the driver tells (``max_num_buffers``), or 32; 64 at most.

        Raises
        ------
        DeviceError
            ENOTTY where the driver has no VIDIOC_CREATE_BUFS.
        """
        cdef v4l2_create_buffers argument
        cdef uint32_t most = 0
        memset(&argument, 0, sizeof(argument))  # count 0: the driver only answers
        argument.memory = self.memory or V4L2_MEMORY_MMAP
        argument.format.type = self.type
        cdef int result = v4l2_create_bufs(self.fd.fileno(), &argument, &most)
        if result < 0:
            raise device_error(-result, "VIDIOC_CREATE_BUFS", self.name, _refused(-result))
        return min(<int>most, MAX_SLOTS)

    def grow(self, int count=1, *, uint32_t size=0):
        """Add buffers, also while it streams.

        New buffers of the driver's own become slots of the pool, and are exported or mapped as the others are. A queue
        of foreign buffers gets room for more of them at once.

        Parameters
        ----------
        count : int
            How many more.
        size : int, optional
            Bytes that the first plane of its own new buffers shall have, where the others have fewer: for coded frames
            that turn out to be larger.

        Returns
        -------
        int
            How many more it has now; the driver may grant fewer.

        Raises
        ------
        ValueError
            It has no buffers yet, or is not running.
        DeviceError
            ENOTTY: the driver has no VIDIOC_CREATE_BUFS; ENOBUFS: it has as many as it can; ENOMEM; EINVAL: the
            driver makes no buffers of this size.
        """
        cdef v4l2_create_buffers argument
        cdef uint32_t most = 0
        cdef int result, plane, first, fd
        cdef bint own = self.memory == V4L2_MEMORY_MMAP
        if count < 1:
            raise ValueError(f"{self.name}: grows by 1 buffer or more, not {count}")
        if self.c_state not in (QUEUE_READY, QUEUE_STREAMING):
            raise ValueError(f"{self.name}: cannot grow, it is {self.state}")
        if size and not own:
            raise ValueError(f"{self.name}: cannot grow by larger buffers, its buffers are not its own")
        if own and (self.pool is None or not self.pool.core.active):
            raise ValueError(f"{self.name}: cannot grow, its pool is closed")
        room = self.most_buffers() - self.count
        if room <= 0:
            raise device_error(
                ENOBUFS, "VIDIOC_CREATE_BUFS", self.name, f"it has {self.count} buffers, as many as it can have"
            )
        fd = self.fd.number
        memset(&argument, 0, sizeof(argument))
        argument.count = min(room, count)
        argument.memory = self.memory
        argument.flags = V4L2_MEMORY_FLAG_NON_COHERENT if self.non_coherent else 0
        argument.format.type = self.type
        check(sys_ioctl(fd, VIDIOC_G_FMT, &argument.format), "VIDIOC_G_FMT", self.name)
        # The format's sizes, but never less than the buffers have that are there: whoever imports them counts on it.
        if self.multiplanar:
            for plane in range(min(self.plane_count, <int>argument.format.fmt.pix_mp.num_planes)):
                argument.format.fmt.pix_mp.plane_fmt[plane].sizeimage = max(
                    argument.format.fmt.pix_mp.plane_fmt[plane].sizeimage, self.plane_size[plane], 0 if plane else size
                )
        else:
            argument.format.fmt.pix.sizeimage = max(argument.format.fmt.pix.sizeimage, self.plane_size[0], size)
        with nogil:
            result = v4l2_create_bufs(fd, &argument, &most)
        if result < 0:
            raise device_error(-result, "VIDIOC_CREATE_BUFS", self.name, _refused(-result))
        first = argument.index
        if first != self.count or result > MAX_SLOTS - self.count:
            v4l2_remove_bufs(fd, self.type, first, result)
            raise device_error(
                EINVAL, "VIDIOC_CREATE_BUFS", self.name,
                f"the driver made buffers {first} to {first + result - 1} where the queue has {self.count}"
            )
        added = 0
        try:
            for added in range(result):
                if own:
                    self._add_grown(first + added, size)
                else:
                    self.bound_pool[first + added] = 0
                    self.count += 1
        except BaseException:
            # What is behind the one that failed was never used; where it cannot be removed, the queue grows no more.
            v4l2_remove_bufs(fd, self.type, first + added, result - added)
            self.grown += added
            raise
        self.grown += result
        if own and atomic_load(&self.pool.core.waiters):
            sys_notify(self.pool.core.bell)
        return result

    cdef int _add_grown(self, int index, uint32_t size) except -1:
        cdef Pool pool = self.pool
        cdef int plane, planes = self.plane_count
        cdef uint32_t sizes[8]
        if pool.core.count != index:
            raise device_error(EINVAL, "VIDIOC_CREATE_BUFS", self.name, f"pool {pool.name} has slots of somebody else")
        for plane in range(planes):
            sizes[plane] = self.plane_size[plane]
        self.count += 1  # before the pool has the slot: it may be queued as soon as it is there
        try:
            self._add_own_slot(pool, index, self.exported)
            try:
                self._check_grown([max(sizes[plane], 0 if plane else size) for plane in range(planes)])
                if self.on_grow is not None:
                    self.on_grow(pool, index)
            except BaseException:
                self._take_out(index)
                raise
        except BaseException:
            self.count -= 1
            raise
        finally:  # what all buffers have at least
            self.plane_count = planes
            for plane in range(planes):
                self.plane_size[plane] = sizes[plane]
        return 0

    def _check_grown(self, sizes):
        if self.plane_count != len(sizes):
            raise device_error(EINVAL, "VIDIOC_CREATE_BUFS", self.name, f"a buffer of {self.plane_count} planes")
        for plane, size in enumerate(sizes):
            if self.plane_size[plane] < size:
                raise device_error(
                    EINVAL, "VIDIOC_CREATE_BUFS", self.name,
                    f"plane {plane} of a new buffer has {self.plane_size[plane]} bytes, {size} are needed",
                )

    cdef int _take_out(self, int index) except -1:
        """Take the last slot out of the pool; 0 where somebody has it."""
        cdef Pool pool = self.pool
        cdef Core *core = &pool.core
        cdef int place
        cdef bint free
        pthread_mutex_lock(&core.lock)
        free = index == core.count - 1 and core.slots[index].state == SLOT_FREE and core.slots[index].exports == 0
        if free:
            for place in range(core.free_count):
                if core.free[place] == index:
                    core.free_count -= 1
                    core.free[place] = core.free[core.free_count]
                    break
            core.count -= 1
        pthread_mutex_unlock(&core.lock)
        if free:
            pool.buffers.pop()
        return free

    def shrink(self, int count=-1):
        """Remove the last buffers again (Linux 6.10), as far as nobody has them.

        Parameters
        ----------
        count : int, optional
            How many; left out: those that came by growing. One buffer stays in any case.

        Returns
        -------
        int
            How many were removed. It ends at the first one that the device or a frame has: a queue that streams has
            given all that are free to the device, so stop it first.

        Raises
        ------
        ValueError
            It has no buffers of its own.
        DeviceError
            ENOTTY: the driver has no VIDIOC_REMOVE_BUFS.
        """
        cdef int result, index
        cdef Slot *slot
        if self.c_state not in (QUEUE_READY, QUEUE_STREAMING):
            raise ValueError(f"{self.name}: cannot shrink, it is {self.state}")
        if self.memory != V4L2_MEMORY_MMAP or self.pool is None:
            raise ValueError(f"{self.name}: cannot shrink, its buffers are not its own")
        if count < -1:
            raise ValueError(f"{self.name}: shrinks by 0 buffers or more, not {count}")
        # Count 0 only asks: where the call is missing nothing is taken out of the pool.
        check(v4l2_remove_bufs(self.fd.fileno(), self.type, 0, 0), "VIDIOC_REMOVE_BUFS", self.name)
        if count < 0:
            count = max(0, self.count - self.allocated)
        removed = 0
        result = 0
        while removed < count and self.count > 1:
            index = self.count - 1
            buffers = self.pool.buffers[index]
            if not self._take_out(index):
                break
            result = v4l2_remove_bufs(self.fd.number, self.type, index, 1)
            if result < 0:
                slot = &self.pool.core.slots[index]
                self.pool.add_slot(buffers, [(0, slot.planes[plane].length) for plane in range(len(buffers))])
                break
            self.count -= 1
            removed += 1
        if removed:
            # Whoever imported slots knows them by pool and number, and a number may come again with another buffer.
            self.pool.core.id = next(_ids)
            self.allocated = min(self.allocated, self.count)
        if result < 0 and result != -EBUSY:
            raise device_error(-result, "VIDIOC_REMOVE_BUFS", self.name)
        return removed

    cdef bint wants_growth(self, int queued) noexcept nogil:
        return self.limit > self.count and queued < self.reserve and self.pool.core.free_count == 0

    cdef int grow_by_one(self) except -1:
        """Grow because the device runs dry; where that cannot be it is remembered, and not tried again."""
        try:
            self.grow(1)
        except Exception as error:  # also of whoever imports the new slot
            if isinstance(error, DeviceError) and error.errno == ENODEV:  # whoever asks for a frame will hear of it
                return 0
            self.limit = 0
            self.growth_error = str(error)
            return 0
        return 1

    def _why_no_more(self):
        return f"; it cannot grow: {self.growth_error}" if self.growth_error else ""


def _refused(code):
    if code == ENOTTY:
        return "the driver cannot add buffers to a queue (no VIDIOC_CREATE_BUFS)"
    if code == ENOBUFS:
        return "the queue has as many buffers as it can have"
    if code == ENOMEM:
        return "no memory for more buffers (contiguous memory may be used up although RAM is free: see CmaFree)"
    return ""
