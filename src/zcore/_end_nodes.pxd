# Stages that keep nothing and make nothing: they count, wait and pass on.
from libc.stdint cimport int64_t, uint32_t, uint64_t

from zcore._chain cimport Node
from zcore._fill_nodes cimport FillNode
from zcore._pace cimport Pace
from zcore._pool cimport Pool, Slot


cdef class SinkNode(Node):
    cdef object process
    cdef Pool pool
    cdef Pace pace
    cdef bint early  # the next frame is not due yet
    cdef int holder
    cdef readonly uint64_t frames_in
    cdef readonly object error  # what `process` raised

    cdef int call(self, void *given) noexcept with gil


cdef class BlankNode(FillNode):
    cdef int clock
    cdef bint dated
    cdef int64_t step_ns
    cdef int64_t used
    cdef uint64_t number


cdef class IdentityNode(Node):
    cdef object function
    cdef object failure
    cdef object raised
    cdef Pool pool
    cdef Pace pace
    cdef bint early
    cdef bint failed
    cdef int holder
    cdef int64_t eos_after
    cdef int64_t error_after
    cdef int64_t sleep_us
    cdef int64_t datarate
    cdef uint64_t bytes
    cdef double drop_probability
    cdef uint64_t random
    cdef int64_t last_time_ns
    cdef int64_t last_sequence
    cdef readonly uint64_t frames
    cdef readonly uint64_t dropped
    cdef readonly uint64_t refused
    cdef readonly uint64_t imperfect_timestamps
    cdef readonly uint64_t imperfect_sequence

    cdef bint look(self, Slot *slot) noexcept nogil
    cdef int call(self, void *given) noexcept with gil
