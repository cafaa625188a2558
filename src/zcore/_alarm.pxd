# A descriptor to wait on that is readable when another one is, or when a time has come.
from libc.stdint cimport int64_t


cdef class Alarm:
    cdef int fd  # what to wait on
    cdef int timer
    cdef int watched  # -1 = none

    cdef int add(self, int fd) noexcept nogil  # 0 or -errno; for good
    cdef int watch(self, int fd) noexcept nogil  # instead of the one before, which its owner forgets before closing it
    cdef void forget(self) noexcept nogil
    cdef void ring_at(self, int64_t when_ns) noexcept nogil  # on CLOCK_MONOTONIC; 0 = not at all
    cdef void silence(self) noexcept nogil  # it rang, or need not ring any more


cdef int64_t monotonic_ns() noexcept nogil
