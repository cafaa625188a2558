# V4L2 devices by read() and write(), as a chain's loop drives them.
from libc.stdint cimport uint32_t, uint64_t

from zcore._chain cimport Node
from zcore._fill_nodes cimport FillNode
from zcore._pool cimport Slot


cdef class ReadNode(FillNode):
    cdef uint32_t sequence
    cdef uint32_t field
    cdef readonly uint64_t frames


cdef class WriteNode(Node):
    cdef Slot *pending  # what could not be written at once
    cdef uint32_t written  # bytes of it that are
    cdef readonly uint64_t frames

    cdef int write_some(self) noexcept nogil
