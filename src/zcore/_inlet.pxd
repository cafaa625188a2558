# The way of frames from Python threads into a chain.
from libc.stdint cimport uint64_t

from zcore._dmabuf cimport pthread_mutex_t
from zcore._flow cimport FrameQueue
from zcore._frame cimport Frame
from zcore._pool cimport Pool, Slot


cdef int sleep_on(int bell, double seconds) except -1  # 1 = it rang


cdef class Inlet:
    cdef readonly FrameQueue queue
    cdef readonly Pool pool
    cdef readonly str name
    cdef pthread_mutex_t lock
    cdef bint wanting  # a thread waits for a slot; the loop gives it one
    cdef Slot *granted
    cdef int grant_bell  # eventfd: rings for that thread
    cdef int holder
    cdef dict imported  # (pool id, slot there) -> slot here
    cdef readonly uint64_t copied_frames
    cdef readonly uint64_t copied_bytes
    cdef uint64_t told_frames  # copies that a link's ledger has
    cdef uint64_t told_bytes

    cdef int import_slot(self, Frame frame) except -1
    cdef int grant(self) noexcept nogil
    cdef void give_back(self) noexcept nogil
