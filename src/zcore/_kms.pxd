# One plane that shows frames: which slot is on the screen, which is on its way.
from libc.stdint cimport uint32_t, uint64_t

from zcore._commits cimport Commits, Lane
from zcore._drm cimport Card
from zcore._kms_extras cimport CommitExtras
from zcore._pool cimport MAX_SLOTS, Pool, Slot


# A framebuffer that a slot keeps, found without the GIL.
cdef struct Attached:
    uint64_t pool
    uint32_t framebuffer


cdef class Scanout:
    cdef readonly Card card
    cdef readonly str name
    cdef readonly uint64_t attaches
    cdef CommitExtras c_extras  # None: a commit is the framebuffer alone
    cdef readonly Commits shared
    cdef Lane lane
    cdef int own_fd  # another descriptor of the card, -1 = none
    cdef Attached attached[MAX_SLOTS]
    cdef dict framebuffers  # (pool id, slot index) -> (Framebuffer, Pool)
    cdef tuple pools  # whose slots it may hold; a tuple, because the cycle collector empties dicts

    cdef int keep(self, Pool pool) except -1
    cdef uint32_t framebuffer_of(self, Slot *slot) noexcept nogil  # 0 = not attached yet
    cdef bint busy(self) noexcept nogil  # a frame waits, or its flip is on its way
    cdef bint has_turn(self) noexcept nogil  # whether step() shall come again: its CRTC is free, and others may join
    cdef int trouble(self) noexcept nogil  # -errno of a commit that another plane's thread made, told once
    cdef int submit(self, Slot *slot) noexcept nogil  # takes over the reference unless it fails
    cdef int collect(self) noexcept nogil  # flips seen, or -errno (-EAGAIN = none yet)


cdef object offset_error(str name, int plane, uint32_t offset)
