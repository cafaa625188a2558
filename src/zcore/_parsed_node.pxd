# A stateless decoder whose headers are read in Python, as a chain's loop drives it.
from libc.stdint cimport int64_t, uint64_t

from zcore._stateless_nodes cimport MAX_STAMPS, StatelessNode


cdef class ParsedNode(StatelessNode):
    cdef object parse
    cdef object restart
    cdef list pictures  # parsed and not submitted, the next one last
    cdef int unsubmitted  # how many these are
    cdef bint begun  # the first picture was told
    cdef bint at_rest  # the parser was asked for what it holds back
    cdef uint64_t lost  # coded frames of which parsers before this one made nothing
    cdef uint64_t pieces  # of the stream that the parser got
    cdef int64_t stamps[MAX_STAMPS]  # times of the last ones

    cdef int next_parsed(self) noexcept with gil
    cdef int submit_parsed(self, object picture) except -1
    cdef int restart_parser(self) noexcept with gil
