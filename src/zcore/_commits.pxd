# What the planes of a card have in common: one commit at a time on each CRTC, and one reader of the card's events.
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t

from zcore._dmabuf cimport pthread_mutex_t
from zcore._drm cimport Card
from zcore._pool cimport Slot


cdef enum:
    MAX_LANES = 16
    MAX_SETTINGS = 48
    MAX_CRTCS = 32  # masks of CRTCs have 32 bits, so a card has no more


cdef struct Setting:
    uint32_t object
    uint32_t property
    uint64_t value


# A plane on its way through commits. Everything but `busy` and `failure`, which are atomic, belongs to Commits.lock.
cdef struct Lane:
    uint32_t crtc
    uint32_t plane
    uint32_t fb_property
    uint32_t primary_plane  # legacy: whether the CRTC's page flips are this plane's
    int holder
    int busy  # a frame is staged or committed
    int turn  # staged, and its CRTC is free: 1 = others may join the commit, 2 = they had their chance; atomic, too
    bint driven  # a loop steps it; a commit may wait until the other planes of the loop have had their step
    int failure  # -errno of a commit that another plane's thread made
    int bell  # eventfd for the thread that waits for this plane, -1 = none
    bint asynchronous
    void *extras  # the CommitExtras of the plane's scanout, which holds it; NULL = a commit is the picture alone
    Slot *current  # on the screen
    Slot *pending  # committed, not flipped yet
    Slot *staged  # waits until the CRTC takes a commit again
    Slot *read_back  # is written back just now: not given back before that picture is there
    uint32_t staged_framebuffer
    Setting settings[MAX_SETTINGS]  # go with the next frame
    int setting_count
    int32_t place[8]  # legacy overlays: target in pixels, source in 16.16
    uint64_t flips
    uint64_t commits
    uint64_t shared_commits  # that other planes were part of
    uint64_t async_commits
    uint64_t async_refused
    int64_t last_flip_ns
    int64_t latency_sum_ns
    int64_t latency_max_ns
    uint64_t latency_count


cdef class Commits:
    cdef readonly Card card
    cdef readonly bint legacy
    cdef pthread_mutex_t lock
    cdef Lane *lanes[MAX_LANES]
    cdef readonly int lane_count
    cdef uint32_t crtcs[MAX_CRTCS]  # whose commits are awaited, beside `awaited` and `claims`
    cdef uint64_t awaited[MAX_CRTCS]  # number of the pending commit, which its event carries; 0 = none, ALONE
    cdef int claims[MAX_CRTCS]  # how many want to make a commit alone, or are at it
    cdef int alone_count  # of all CRTCs, which are at it
    cdef char events[1024]

    cdef int join(self, Lane *lane) except -1
    cdef void leave(self, Lane *lane) noexcept nogil
    cdef int change(self, Lane *lane, Setting *settings, int count) noexcept nogil
    cdef int submit(self, Lane *lane, Slot *slot, uint32_t framebuffer) noexcept nogil  # takes over the reference
    cdef int collect(self, Lane *reader) noexcept nogil  # flips of the reader's plane, or -errno (-EAGAIN = none yet)
    cdef int claim(self, uint32_t crtc, bint first) noexcept nogil  # -EAGAIN = not now; settle() must follow in the end
    cdef void settle(self, uint32_t crtc, bint claimed, bint read) noexcept nogil
    cdef void written_back(self, uint32_t crtc) noexcept nogil  # the card has read what it wrote back
    cdef void kick(self, Lane *lane) noexcept nogil  # commit what waits, if the CRTC is still free
    # With the lock held
    cdef int place_of(self, uint32_t crtc) noexcept nogil
    cdef bint is_free(self, uint32_t crtc) noexcept nogil
    cdef int flush(self, uint32_t crtc, Lane *submitter) noexcept nogil
    cdef int commit(self, uint32_t crtc, Lane *only, uint64_t number) noexcept nogil
    cdef int call(self, uint32_t crtc, Lane *only, uint64_t number, bint asynchronous) noexcept nogil
    cdef int flip_legacy(self, Lane *lane, uint64_t number) noexcept nogil
    cdef void fail(self, Lane *lane, int error) noexcept nogil
    cdef int flipped(self, uint32_t crtc, int64_t when, Lane *reader) noexcept nogil
    cdef void shown(self, Lane *lane, int64_t when) noexcept nogil
