# What stateful and stateless codecs have in common, as a chain's loop drives them.
from libc.stdint cimport uint64_t

from zcore._nodes cimport ConvertNode
from zcore._pool cimport Slot


cdef class CodedNode(ConvertNode):
    cdef object changed  # asked where the stream is not what was agreed
    cdef readonly object error  # what `changed` raised
    cdef bint drop_corrupted
    cdef int flush_asked
    cdef readonly uint64_t corrupted_drops
    cdef readonly uint64_t flushed  # coded frames that a flush threw away, and what had not come out of them
    cdef readonly uint64_t flushes
    cdef readonly uint64_t settled  # of what was taken: frames whose pictures nobody waits for any more

    cdef int wake(self) except -1  # after another thread has asked for something
    cdef uint64_t accounted(self) noexcept nogil  # of what was taken: frames that came out, or are known not to come
    cdef void write_off(self) noexcept nogil  # count as flushed what waits, and what has not come out
    cdef int hand_on(self, Slot *slot) noexcept nogil  # or drop a damaged one, where that is asked for; gives 1
    cdef object consult(self, tuple question)  # what `changed` answers; None = it raised
