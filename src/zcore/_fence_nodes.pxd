# Frames that wait in the loop until those who write them are done.
from libc.stdint cimport int64_t, uint64_t

from zcore._alarm cimport Alarm
from zcore._chain cimport Link, Node
from zcore._pool cimport Slot


cdef enum:
    FENCE_RAISE = 0
    FENCE_DROP = 1
    FENCE_FLAG = 2


cdef class FenceNode(Node):
    cdef readonly uint64_t frames_late  # that had to wait
    cdef readonly uint64_t timeouts
    cdef readonly uint64_t errors
    cdef readonly int64_t waited_ns
    cdef readonly int64_t waited_max_ns
    cdef readonly object error
    cdef Alarm alarm
    cdef int64_t timeout_ns
    cdef int on_timeout
    cdef int on_error
    cdef bint waiting
    cdef int place  # what is looked at: 0 = the frame's own fence, 1 ... = its memory planes
    cdef int exported  # sync_file of the plane at `place`, -1 = none
    cdef int pending  # what has not signalled yet
    cdef int64_t since_ns
    cdef uint64_t told_frames
    cdef uint64_t told_bytes

    cdef int look(self, Slot *slot) noexcept nogil
    cdef int explicit_fence(self, Slot *slot, int *status) noexcept nogil
    cdef int implicit_fences(self, Slot *slot, int *status) noexcept nogil
    cdef int state(self, int fd, int *status) noexcept nogil
    cdef int settle(self, Slot *slot, int status) noexcept nogil
    cdef int sleep(self, Slot *slot) noexcept nogil
    cdef void move_on(self) noexcept nogil
    cdef void begin(self) noexcept nogil
    cdef void tell_copies(self) noexcept nogil
    cdef int complain(self, void *slot, int code, int status) noexcept
