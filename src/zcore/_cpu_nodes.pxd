# Stages that run on the CPU.
from libc.stdint cimport int64_t, uint32_t, uint64_t

from zcore._chain cimport Node
from zcore._dmabuf cimport Memory
from zcore._pool cimport Pool


cdef class CopyNode(Node):
    cdef Pool pool
    cdef bint starving
    cdef int holder
    cdef object enlarge
    cdef readonly uint64_t frames
    cdef readonly object error  # what `enlarge` raised

    cdef int make_room(self, void **room, uint32_t size) noexcept with gil


cdef class PythonNode(Node):
    cdef object process
    cdef Pool pool  # of a source or transform: whose slots it writes
    cdef Pool input_pool
    cdef bint starving
    cdef int clock  # timerfd of a paced source
    cdef int holder
    cdef readonly uint64_t frames_in
    cdef readonly uint64_t frames_out
    cdef readonly object error  # what `process` raised

    cdef int call(self, void *given, void **room_of) noexcept with gil


cdef int make_clock(str name, int64_t interval_ns) except -1  # a timerfd that ticks for ever; 0 = not yet
cdef int begin_uninterrupted(Memory *memory, uint64_t access) noexcept nogil
