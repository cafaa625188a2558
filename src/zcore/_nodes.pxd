# Devices, as a chain's loop drives them.
from libc.stdint cimport int64_t, uint32_t, uint64_t

from zcore._alarm cimport Alarm
from zcore._chain cimport Node
from zcore._kms cimport Scanout
from zcore._pool cimport Slot
from zcore._v4l2 cimport Queue


cdef class CaptureNode(Node):
    cdef Queue queue
    cdef bint drop_corrupted
    cdef bint watch_changes
    cdef readonly bint changed  # the source has another resolution now
    cdef readonly uint64_t corrupted_drops

    cdef bint grow(self) noexcept with gil


cdef class ConvertNode(Node):
    cdef Queue output  # takes frames
    cdef Queue capture  # gives frames
    cdef readonly uint64_t frames_in
    cdef readonly uint64_t frames_out
    cdef int64_t patience_ns  # until when it waits for pictures that are missing at the end, 0 = not yet asked

    cdef bint missing_may_come(self) noexcept nogil
    cdef bint patient(self) noexcept nogil
    cdef int feed(self) noexcept nogil
    cdef int take_back(self) noexcept nogil
    # 1 = a picture, 0 = none yet or no room for it, -EPIPE = LAST was on one that is out already, or -errno
    cdef int fetch(self, Slot **slot) noexcept nogil
    cdef int give(self) noexcept nogil


cdef class DisplayNode(Node):
    cdef Scanout scanout
    cdef bint asked  # no event was there when it last looked
    cdef readonly uint64_t frames_in
    cdef readonly object error  # why a frame was refused, or where the monitor went
    cdef object plug
    cdef bint told  # something was plugged in or out
    cdef Alarm alarm  # rings when a frame is due; None = frames are shown as they come
    cdef bint early  # the next frame is not due yet
    cdef bint dated  # `shift_ns` is known
    cdef int64_t shift_ns  # from a frame's time to the time to show it

    cdef bint due(self, Slot *slot) noexcept nogil
    cdef int refuse(self, int plane, uint32_t offset) noexcept with gil
    cdef int look_at_plug(self) noexcept with gil
