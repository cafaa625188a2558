# Stateless decoders, as a chain's loop drives them.
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from zcore._coded_nodes cimport CodedNode
from zcore._pool cimport Slot
from zcore._request cimport RequestPool
from zcore.uapi.videodev2 cimport v4l2_ext_control


cdef enum:
    NS_PER_PICTURE = 1000  # a picture's number in the device's timestamps, which count microseconds
    MAX_RECORDS = 32  # submissions under way
    MAX_DUE = 20  # pictures that one submission names
    MAX_HELD = 48
    MAX_CONTROLS = 8
    MAX_STAMPS = 64


# What is to be done when a picture is decoded. Pictures are numbered in the order of decoding, from 1.
cdef struct Record:
    uint64_t number  # 0 = nothing was decoded, pictures just become due
    int64_t timestamp_ns  # of the frame that it came with
    uint32_t flags  # added to the picture's
    bint shown_now  # what is due takes the time of this record
    int due_count
    uint64_t due[MAX_DUE]  # pictures to hand on now, in this order
    int keep_count
    uint64_t keep[MAX_DUE]  # pictures that are still needed, as references or for later


cdef class StatelessNode(CodedNode):
    cdef RequestPool requests
    cdef uint32_t width  # what was agreed
    cdef uint32_t height
    cdef Record records[MAX_RECORDS]
    cdef int first_record
    cdef readonly int pending
    cdef Slot *held[MAX_HELD]
    cdef uint64_t held_number[MAX_HELD]
    cdef int held_count
    cdef Slot *out[MAX_HELD]  # to be handed on
    cdef int out_count
    cdef tuple kept_pools
    cdef readonly uint64_t last_number
    cdef readonly uint64_t submitted
    cdef readonly uint64_t bitstream_bytes  # written into the device's buffers

    # 1 = there is a request for submit(); 0 = not yet: a buffer is back before its request is complete; -errno
    cdef int prepare(self) noexcept nogil
    cdef int submit(
        self, const uint8_t *data, size_t length, v4l2_ext_control *controls, int count, Record *record
    ) noexcept nogil
    cdef int next_picture(self) noexcept nogil  # submits one; 0 = there is none
    cdef bint has_more(self) noexcept nogil
    cdef int throw_away(self) noexcept nogil
    cdef void drop_due(self) noexcept nogil  # what is decoded and waits for room
    cdef void drop_held(self) noexcept nogil
    cdef int tell_change(self, uint32_t width, uint32_t height, object picture) noexcept with gil
    cdef int settle(self, Record *record, Slot *slot) noexcept nogil
    cdef int refuse(self, const char *operation, int code) noexcept with gil
    cdef void let_go(self) noexcept nogil
