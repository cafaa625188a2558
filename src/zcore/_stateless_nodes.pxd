# Stateless decoders, as a chain's loop drives them.
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from zcore._nodes cimport ConvertNode
from zcore._pool cimport Slot
from zcore._request cimport RequestPool
from zcore.uapi.videodev2 cimport v4l2_ext_control


cdef enum:
    NS_PER_PICTURE = 1000  # a picture's number in the device's timestamps, which count microseconds
    MAX_RECORDS = 32  # submissions under way
    MAX_DUE = 20  # pictures that one submission names
    MAX_HELD = 48
    MAX_CONTROLS = 8
    STAMPS = 64  # pieces of the stream whose times are known


# What is to be done when a picture is decoded. Pictures are numbered in the order of decoding, from 1.
cdef struct Record:
    uint64_t number  # 0 = nothing was decoded, pictures just become due
    int64_t timestamp_ns  # of the frame that it came with
    uint32_t flags  # added to the picture's
    int due_count
    uint64_t due[MAX_DUE]  # pictures to hand on now, in this order
    int keep_count
    uint64_t keep[MAX_DUE]  # pictures that are still needed, as references or for later


cdef class StatelessNode(ConvertNode):
    cdef RequestPool requests
    cdef object parse
    cdef object changed
    cdef uint32_t width  # what was agreed
    cdef uint32_t height
    cdef list pictures  # parsed and not submitted, the next one last
    cdef int unsubmitted  # how many these are
    cdef readonly object error
    cdef bint drop_corrupted
    cdef bint begun  # the first picture was told
    cdef bint flushed  # the parser was asked for what it holds back
    cdef Record records[MAX_RECORDS]
    cdef int first_record
    cdef readonly int pending
    cdef Slot *held[MAX_HELD]
    cdef uint64_t held_number[MAX_HELD]
    cdef int held_count
    cdef Slot *out[MAX_HELD]  # to be handed on
    cdef int out_count
    cdef tuple kept_pools
    cdef int64_t stamp_ns
    cdef int64_t stamps[STAMPS]  # of pieces of the stream: a picture may be complete some pieces after its first
    cdef uint64_t pieces
    cdef readonly uint64_t last_number
    cdef readonly uint64_t submitted
    cdef readonly uint64_t bitstream_bytes  # written into the device's buffers
    cdef readonly uint64_t corrupted_drops

    cdef int submit(
        self, const uint8_t *data, size_t length, v4l2_ext_control *controls, int count, Record *record
    ) noexcept nogil
    cdef int next_picture(self) noexcept nogil  # submits one; 0 = there is none
    cdef bint has_more(self) noexcept nogil
    cdef int next_parsed(self) noexcept with gil
    cdef int submit_parsed(self, object picture) except -1
    cdef int tell_change(self, uint32_t width, uint32_t height, object picture) noexcept with gil
    cdef int settle(self, Record *record, Slot *slot) noexcept nogil
    cdef int refuse(self, const char *operation, int code) noexcept with gil
    cdef void let_go(self) noexcept nogil
