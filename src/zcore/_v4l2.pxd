# A V4L2 queue as a state machine: one direction of one open device.
from libc.stdint cimport int64_t, uint64_t

from zcore._pool cimport MAX_PLANES, MAX_SLOTS, Slot
from zcore._v4l2_buffers cimport QUEUE_ENDED
from zcore._v4l2_growth cimport GrowingBuffers
from zcore.uapi.videodev2 cimport v4l2_buffer, v4l2_plane


cdef class Queue(GrowingBuffers):
    cdef readonly int queued_count
    cdef readonly uint64_t frames
    cdef readonly uint64_t hinted  # VIDIOC_QBUFs that told the driver to leave the caches alone
    cdef readonly uint64_t attaches  # imports of a buffer that this index had not seen
    cdef readonly uint64_t reattaches  # of these, on an index that held another buffer before
    cdef readonly uint64_t gaps  # frames that the driver dropped, by sequence numbers
    cdef readonly uint64_t errors  # buffers with the error flag
    cdef public bint stamp  # frames get the time at which they came, not the driver's
    cdef readonly uint64_t flushed  # buffers that STREAMOFF gave back unfinished
    cdef int64_t last_sequence
    cdef tuple sources  # of an OUTPUT queue: pools whose slots it may hold
    cdef Slot *queued[MAX_SLOTS]  # per V4L2 index: the reference that the device holds
    cdef v4l2_buffer buffer
    cdef v4l2_plane planes[MAX_PLANES]

    # The frame path. 0 or -errno.
    cdef int queue_slot(self, Slot *slot) noexcept nogil  # takes over the reference unless it fails
    cdef int refill(self) noexcept nogil
    cdef int dequeue(self, Slot **slot) noexcept nogil  # the caller owns the reference
    cdef int stop_streaming(self) noexcept nogil
    cdef void prepare(self, int index) noexcept nogil
    cdef int choose_index(self, Slot *slot) noexcept nogil
    cdef void describe_planes(self, Slot *slot) noexcept nogil
    cdef void read_planes(self, Slot *slot) noexcept nogil
    cdef void give_back_all(self) noexcept nogil
