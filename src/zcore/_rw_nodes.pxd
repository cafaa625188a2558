# V4L2 devices by read() and write(), as a chain's loop drives them.
from libc.stdint cimport int64_t, uint32_t, uint64_t

from zcore._chain cimport Node
from zcore._pool cimport Pool, Slot


cdef class ReadNode(Node):
    cdef Pool pool
    cdef int holder
    cdef int64_t remaining  # -1 = no limit
    cdef uint32_t sequence
    cdef uint32_t field
    cdef bint starving
    cdef readonly uint64_t frames


cdef class WriteNode(Node):
    cdef Slot *pending  # what could not be written at once
    cdef uint32_t written  # bytes of it that are
    cdef readonly uint64_t frames

    cdef int write_some(self) noexcept nogil
