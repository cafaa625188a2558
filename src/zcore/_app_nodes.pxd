# The loop's ends of the doors between a chain and Python threads.
from libc.stdint cimport int64_t, uint64_t

from zcore._chain cimport Node
from zcore._flow cimport FrameQueue
from zcore._inlet cimport Inlet
from zcore._pace cimport Pace


cdef class AppSourceNode(Node):
    cdef Inlet inlet
    cdef object need
    cdef bint asked
    cdef bint starving
    cdef bint draining  # it ends when nothing waits any more
    cdef uint64_t copied_before
    cdef uint64_t bytes_before
    cdef readonly object error

    cdef void tell_copies(self) noexcept nogil
    cdef int ask(self) noexcept with gil


cdef class Outlet:
    cdef readonly FrameQueue queue
    cdef readonly str name


cdef class AppSinkNode(Node):
    cdef Outlet outlet
    cdef Pace pace
    cdef bint early
    cdef bint full
    cdef int holder
