# Stages in Python that keep frames back.
from libc.stdint cimport uint64_t

from zcore._fill_nodes cimport FillNode
from zcore._pool cimport Pool


cdef class DelayNode(FillNode):
    cdef object feed
    cdef object give
    cdef Pool input_pool
    cdef bint drained
    cdef int pending  # frames that `give` has
    cdef readonly uint64_t frames_in
    cdef readonly uint64_t frames_out
    cdef readonly object error  # what `feed` or `give` raised

    cdef int take_in(self, void *given) noexcept with gil
    cdef int hand_out(self, void *room) noexcept with gil
