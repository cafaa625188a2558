# A V4L2 queue as a state machine: one direction of one open device.
from libc.stdint cimport int64_t, uint32_t, uint64_t

from zcore._fd cimport Fd
from zcore._pool cimport MAX_PLANES, MAX_SLOTS, Pool, Slot
from zcore.uapi.videodev2 cimport v4l2_buffer, v4l2_plane


cdef enum QueueState:
    QUEUE_EMPTY  # no buffers
    QUEUE_READY  # buffers, not streaming
    QUEUE_STREAMING
    QUEUE_ENDED  # LAST was seen: no DQBUF before a restart
    QUEUE_FAILED  # EIO: needs STREAMOFF
    QUEUE_GONE  # ENODEV


cdef class Queue:
    cdef readonly Fd fd
    cdef readonly str name
    cdef readonly uint32_t type
    cdef readonly uint32_t memory
    cdef readonly int count  # buffers that the driver granted
    cdef readonly Pool pool  # own buffers, or the foreign pool that a CAPTURE queue fills
    cdef readonly int queued_count
    cdef readonly uint64_t frames
    cdef readonly uint64_t attaches  # imports of a buffer that this index had not seen
    cdef readonly uint64_t reattaches  # of these, on an index that held another buffer before
    cdef readonly uint64_t gaps  # frames that the driver dropped, by sequence numbers
    cdef readonly uint64_t errors  # buffers with the error flag
    cdef readonly uint64_t flushed  # buffers that STREAMOFF gave back unfinished
    cdef int c_state
    cdef bint multiplanar
    cdef bint output
    cdef int holder
    cdef int plane_count
    cdef uint32_t plane_size[MAX_PLANES]
    cdef int64_t last_sequence
    cdef Slot *queued[MAX_SLOTS]  # per V4L2 index: the reference that the device holds
    cdef uint64_t bound_pool[MAX_SLOTS]  # per V4L2 index: which buffer the kernel has attached there
    cdef int bound_slot[MAX_SLOTS]
    cdef v4l2_buffer buffer
    cdef v4l2_plane planes[MAX_PLANES]

    cdef int _add_own_slot(self, Pool pool, int index, bint export) except -1

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
