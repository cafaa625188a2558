# Stateful encoders and decoders, as a chain's loop drives them.
from libc.stdint cimport uint32_t

from zcore._coded_nodes cimport CodedNode
from zcore._pool cimport Slot


cdef class CodecNode(CodedNode):
    cdef bint decoder
    cdef bint waiting  # CAPTURE starts when the decoder has read the stream's header
    cdef bint told  # the event of a change has been read, and LAST has not come yet
    cdef bint stop_sent
    cdef bint no_stop  # the driver has no command to drain
    cdef readonly bint doubtful  # the format was not the driver's own choice: the first picture tells
    cdef int empty_asked
    cdef bint emptying  # it drains, and will go on after that

    cdef int ask(self, const char *what) noexcept with gil
    cdef int look_for_change(self) noexcept nogil
    cdef int find_end(self, int moved) noexcept nogil
    cdef int drain(self) noexcept nogil
    cdef bint end_is_lost(self) noexcept nogil
    cdef int throw_away(self) noexcept nogil
    cdef int go_on(self) noexcept nogil
    cdef int restart_capture(self) noexcept nogil
