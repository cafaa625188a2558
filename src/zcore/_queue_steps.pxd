# What several kinds of nodes do with V4L2 queues, one step at a time.
from libc.stdint cimport int64_t, uint64_t

from zcore._chain cimport Link
from zcore._v4l2 cimport Queue


# Queue what waits in a link, and count it in `fed`; with `payload_only` frames without a payload are dropped, because
# the kernel would take them for full ones. Frames moved, or -errno from VIDIOC_QBUF.
cdef int feed_queue(Queue queue, Link source, uint64_t *fed, bint payload_only) noexcept nogil
# Let go of one frame that an OUTPUT queue is done with: 1, or 0 where there is none, or -errno from VIDIOC_DQBUF.
cdef int take_one_back(Queue queue) noexcept nogil
# Whether the second is not over that began with the first question; `until_ns` is 0 before that.
cdef bint within_a_second(int64_t *until_ns) noexcept nogil
