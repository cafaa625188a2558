# Frames at their time.
from libc.stdint cimport int64_t

from zcore._alarm cimport Alarm
from zcore._pool cimport Slot


cdef class Pace:
    cdef Alarm alarm
    cdef int fd  # what to wait on
    cdef int timer
    cdef bint dated
    cdef int64_t shift_ns
    cdef int64_t offset_ns

    cdef bint due(self, Slot *slot) noexcept nogil
    cdef void ring_at(self, int64_t when_ns) noexcept nogil
    cdef void silence(self) noexcept nogil
