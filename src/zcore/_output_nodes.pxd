# V4L2 output devices, as a chain's loop drives them.
from libc.stdint cimport int64_t, uint64_t

from zcore._chain cimport Node
from zcore._v4l2 cimport Queue


cdef class OutputNode(Node):
    cdef Queue queue
    cdef int kept  # buffers that are left with the device while more may come
    cdef readonly uint64_t frames_in
    cdef readonly uint64_t frames_done
    cdef int64_t patience_ns  # until when it waits at the end for the next buffer to come back, 0 = not yet asked

    cdef int feed(self) noexcept nogil
    cdef int take_back(self) noexcept nogil
    cdef bint patient(self) noexcept nogil
