# One descriptor to wait on, for a descriptor that changes from frame to frame, and for a time.
from libc.stdint cimport int64_t


cdef class Watch:
    cdef int fd  # what to wait on
    cdef int timer
    cdef int watched  # -1 = none

    cdef int watch(self, int fd) noexcept nogil  # 0 or -errno; it stays the caller's, who forgets it before closing it
    cdef void forget(self) noexcept nogil
    cdef void ring_at(self, int64_t when_ns) noexcept nogil  # 0 = not at all
    cdef void silence(self) noexcept nogil
