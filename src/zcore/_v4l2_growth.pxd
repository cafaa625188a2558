# V4L2 queues that get more buffers, or fewer, while they have some.
from libc.stdint cimport uint32_t

from zcore._v4l2_buffers cimport QueueBuffers


cdef class GrowingBuffers(QueueBuffers):
    cdef public int limit  # how many buffers it may have by growing by itself; 0 = it does not
    cdef public int reserve  # it grows when the device has fewer than that, and none is free
    cdef public object on_grow  # called with (pool, index) for each new slot, before the device gets it
    cdef readonly str growth_error  # why it stopped growing
    cdef readonly int grown  # buffers that came by growing since it was made

    cdef bint wants_growth(self, int queued) noexcept nogil
    cdef int grow_by_one(self) except -1
    cdef int _add_grown(self, int index, uint32_t size) except -1
    cdef int _take_out(self, int index) except -1
