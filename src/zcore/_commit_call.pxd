# One atomic commit of the frames of some planes, with all that goes along with them.
from libc.stdint cimport uint32_t, uint64_t

from zcore._commits cimport Lane


# NONBLOCK, with an event; 0 or -errno.
cdef int commit_lanes(
    int card, uint32_t crtc, Lane **members, int count, uint64_t number, bint asynchronous
) noexcept nogil


# How many pictures these planes have had written back with their commits.
cdef uint64_t jobs_of(Lane **lanes, int count) noexcept nogil


# Hold what a picture of this CRTC is written back from, until it is let go of. With the lock of the commits held.
cdef void keep_for_reading(Lane **lanes, int count, uint32_t crtc) noexcept nogil
cdef void let_go_of_read(Lane **lanes, int count, uint32_t crtc) noexcept nogil
