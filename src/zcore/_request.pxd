# Requests of the media controller: buffers and controls that a driver applies together.
from libc.stdint cimport int64_t, uint32_t

from zcore._fd cimport Fd
from zcore._pool cimport Slot
from zcore._v4l2 cimport Queue
from zcore.uapi.videodev2 cimport v4l2_ext_control


cdef enum:
    MAX_REQUESTS = 34  # one for each buffer that a queue may have, and two that end late


cdef class RequestPool:
    cdef readonly Fd media
    cdef readonly int count
    cdef int numbers[MAX_REQUESTS]  # descriptors
    cdef bint used[MAX_REQUESTS]  # was queued since it was made or recycled
    cdef int next
    cdef readonly int bell  # readable when the request that was not complete is; for a loop
    cdef int watched  # the descriptor that the bell is about, -1 = none

    cdef int prepare(self) noexcept nogil  # 1 = take() gives one; 0 = the bell will ring for it; -errno
    cdef int take(self) noexcept nogil  # a descriptor; only after prepare()
    cdef void silence(self) noexcept nogil  # after the bell rang
    cdef void close_all(self) noexcept nogil


# All give 0 or -errno.
cdef int request_alloc(int media) noexcept nogil  # new descriptor
cdef int request_queue(int request) noexcept nogil
cdef int request_reinit(int request) noexcept nogil
cdef int request_set_controls(
    int fd, int request, v4l2_ext_control *controls, uint32_t count, uint32_t *failed
) noexcept nogil
# As Queue.queue_slot, within a request; takes over the reference unless it fails. `stamp_ns` < 0: the slot's own time.
cdef int queue_in_request(Queue queue, Slot *slot, int request, int64_t stamp_ns) noexcept nogil
