# What has no device: branches, queues between threads, and a look at frames that pass.
from libc.stdint cimport int64_t, uint64_t

from zcore._chain cimport Link, Node
from zcore._dmabuf cimport pthread_mutex_t
from zcore._pool cimport Pool, Slot


cdef enum:
    QUEUE_SLOTS = 64
    MAX_BRANCHES = 16
    LEAKY_NO = 0
    LEAKY_UPSTREAM = 1
    LEAKY_DOWNSTREAM = 2


cdef struct Level:
    int64_t buffers
    int64_t bytes
    int64_t time_ns


cdef class FrameQueue:
    cdef pthread_mutex_t lock
    cdef Level maximum  # 0 = no limit
    cdef Level threshold
    cdef int leaky
    cdef bint flush_on_eos
    cdef bint ended  # the source gives no more
    cdef bint refused  # the sink takes no more
    cdef bint reader_waits
    cdef bint writer_waits
    cdef int data_bell  # eventfd: rings for a reader that waits
    cdef int room_bell
    cdef int head
    cdef int count
    cdef int64_t bytes
    cdef Slot *ring[QUEUE_SLOTS]
    cdef readonly str name
    cdef readonly uint64_t frames
    cdef readonly uint64_t dropped
    cdef readonly int high_water
    cdef tuple pools

    cdef Level level(self) noexcept nogil
    cdef bint full(self) noexcept nogil
    cdef Slot *take(self) noexcept nogil
    cdef int offer(self, Slot *slot) noexcept nogil  # 1 = taken (or dropped), 0 = full
    cdef int next(self, Slot **slot) noexcept nogil  # 1 = a frame, 0 = none now, -EPIPE = none ever
    cdef void end(self) noexcept nogil
    cdef void refuse(self) noexcept nogil
    cdef void drop_all(self) noexcept nogil


cdef class QueueInNode(Node):
    cdef FrameQueue queue


cdef class QueueOutNode(Node):
    cdef FrameQueue queue
    cdef bint empty


cdef class TeeNode(Node):
    cdef readonly tuple sinks
    cdef int sink_count
    cdef void *c_sinks[MAX_BRANCHES]


cdef class PassNode(Node):
    cdef object function
    cdef Pool pool
    cdef int holder
    cdef readonly uint64_t dropped
    cdef readonly object error  # what `function` raised

    cdef int call(self, void *given) noexcept with gil
