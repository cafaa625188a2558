# One plane that shows frames: which slot is on the screen, which is on its way.
from libc.stdint cimport int64_t, uint32_t, uint64_t

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
    cdef readonly uint32_t crtc
    cdef readonly uint32_t plane
    cdef readonly uint64_t flips
    cdef readonly uint64_t commits
    cdef readonly uint64_t attaches
    cdef readonly int64_t last_flip_ns
    cdef readonly int64_t latency_sum_ns  # from a frame's timestamp to the flip that showed it
    cdef readonly int64_t latency_max_ns
    cdef readonly uint64_t latency_count
    cdef uint32_t fb_property
    cdef bint legacy
    cdef public CommitExtras extras  # None: a commit is the framebuffer alone
    cdef int holder
    cdef Slot *current  # on the screen
    cdef Slot *pending  # committed, not flipped yet
    cdef uint64_t awaited  # number of the pending commit, which its event carries
    cdef Attached attached[MAX_SLOTS]
    cdef dict framebuffers  # (pool id, slot index) -> (Framebuffer, Pool)
    cdef tuple pools  # whose slots it may hold; a tuple, because the cycle collector empties dicts
    cdef char events[1024]

    cdef int keep(self, Pool pool) except -1
    cdef uint32_t framebuffer_of(self, Slot *slot) noexcept nogil  # 0 = not attached yet
    cdef int submit(self, Slot *slot) noexcept nogil  # takes over the reference unless it fails
    cdef int collect(self) noexcept nogil  # flips seen, or -errno (-EAGAIN = none yet)
    cdef void flipped(self, int64_t when) noexcept nogil


cdef object offset_error(str name, int plane, uint32_t offset)
