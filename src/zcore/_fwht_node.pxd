# A stateless FWHT decoder, as a chain's loop drives it.
from libc.stdint cimport uint8_t, uint32_t, uint64_t

from zcore._pool cimport Slot
from zcore._stateless_nodes cimport StatelessNode


cdef class FwhtNode(StatelessNode):
    cdef Slot *current  # coded frame that is being read
    cdef uint32_t position
    cdef uint64_t reference  # picture that the next one builds on; 0 = none
    cdef bint doubtful  # something was lost since the last key frame
    cdef readonly uint64_t damaged_headers
    cdef readonly uint64_t without_reference

    cdef int take_fwht(self, const uint8_t *start) noexcept nogil
