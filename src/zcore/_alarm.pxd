# A descriptor to wait on that is readable when another one is, or when a time has come.
from libc.stdint cimport int64_t


cdef class Alarm:
    cdef int fd  # what to wait on
    cdef int timer

    cdef void ring_at(self, int64_t when_ns) noexcept nogil  # on CLOCK_MONOTONIC
    cdef void silence(self) noexcept nogil  # it rang, or need not ring any more


cdef int64_t monotonic_ns() noexcept nogil
