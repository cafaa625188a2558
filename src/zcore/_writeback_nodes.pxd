# A writeback connector as a source.
from libc.stdint cimport int64_t, uint32_t, uint64_t

from zcore._alarm cimport Alarm
from zcore._chain cimport Node
from zcore._commits cimport Commits
from zcore._drm cimport Card
from zcore._kms_extras cimport CommitExtras
from zcore._pool cimport MAX_SLOTS, Pool, Slot


cdef class WritebackNode(Node):
    cdef readonly uint64_t collisions  # commits that found another one on its way
    cdef readonly uint64_t failed_pictures
    cdef Card card
    cdef Pool pool
    cdef CommitExtras extras
    cdef Commits commits  # with `extras`: hold the frames that are read until the job is done
    cdef uint32_t crtc
    cdef object framebuffers
    cdef uint32_t ids[MAX_SLOTS]
    cdef uint32_t connector
    cdef uint32_t fb_property
    cdef uint32_t fence_property
    cdef Alarm alarm
    cdef Slot *job  # what the card writes, or will write
    cdef bint committed
    cdef int fence  # of the job, -1 = none
    cdef int holder
    cdef bint starving
    cdef bint ticking
    cdef int64_t interval_ns
    cdef int64_t next_ns
    cdef int64_t since_ns
    cdef int64_t timeout_ns
    cdef uint64_t number

    cdef int begin(self) noexcept nogil
    cdef int wait_for_picture(self) noexcept nogil
