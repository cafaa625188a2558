# What stages that fill frames of a pool have in common, as a chain's loop drives them.
from libc.stdint cimport int64_t

from zcore._chain cimport Node
from zcore._pool cimport Pool, Slot


cdef class FillNode(Node):
    cdef Pool pool
    cdef int holder
    cdef bint starving  # the pool had no slot when it last asked

    cdef int begin(self) noexcept nogil  # 1 = there is room for a frame, 0 = none; where it is over: -1, and it is done
    cdef Slot *take_room(self) noexcept nogil  # NULL = the pool has none, and the loop wakes up for the next one
    cdef void give_on(self, Slot *slot) noexcept nogil
    cdef int end(self) noexcept nogil  # nothing more comes; gives 1
