# Devices, as a chain's loop drives them.
from libc.stdint cimport int64_t, uint64_t

from zcore._chain cimport Node
from zcore._kms cimport Scanout
from zcore._v4l2 cimport Queue


cdef class CaptureNode(Node):
    cdef Queue queue
    cdef int64_t remaining  # -1 = no limit
    cdef bint drop_corrupted
    cdef readonly uint64_t corrupted_drops


cdef class ConvertNode(Node):
    cdef Queue output  # takes frames
    cdef Queue capture  # gives frames
    cdef readonly uint64_t frames_in
    cdef readonly uint64_t frames_out
    cdef int64_t patience_ns  # until when it waits for pictures that are missing at the end, 0 = not yet asked

    cdef bint missing_may_come(self) noexcept nogil
    cdef int feed(self) noexcept nogil
    cdef int take_back(self) noexcept nogil
    cdef int give(self) noexcept nogil


cdef class DisplayNode(Node):
    cdef Scanout scanout
    cdef bint asked  # no event was there when it last looked
    cdef readonly uint64_t frames_in
