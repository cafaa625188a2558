# Queues of events of open devices, and the events that one reader took and another waits for. 0 or more, or -errno.
from libc.stdint cimport uint32_t, uint64_t

from zcore.uapi.videodev2 cimport v4l2_event


cdef enum:
    RING = 256

cdef struct Taken:
    v4l2_event event
    uint32_t missed  # events between the one before and this that the kernel dropped or merged

cdef struct Hub:
    int *fd  # of the Fd: -1 once it is closed
    int bell  # rings for Python threads
    int loop_bell  # rings for the loop that drives the device
    int listeners  # Python threads that want events: without one they are dropped
    int source_changes  # taken by a Python thread, and meant for the loop
    bint closed
    int users  # threads in collect(): the last one closes the bells of a hub that was closed
    bint any
    uint32_t sequence  # of the newest event
    uint32_t head, count
    uint64_t lost  # events that did not fit in
    Taken ring[RING]
    Hub *next


cdef int events_source_change(int fd) noexcept nogil  # 1 = another resolution from here on, 0 = no such event
cdef int events_loop_bell(int fd) noexcept nogil  # readable when another reader took a loop's event; -1 = none
cdef void enlist(Hub *hub) noexcept nogil
cdef void strike(Hub *hub) noexcept nogil  # and close its bells, now or when the last thread leaves it
cdef void ring(Hub *hub) noexcept nogil
cdef int enter(Hub *hub) noexcept nogil  # before fetch() and wait()
cdef bint leave(Hub *hub) noexcept nogil  # whether it was closed
cdef void count_listener(Hub *hub, int delta) noexcept nogil
cdef int fetch(Hub *hub, int fd, Taken *copies, uint32_t *count, uint64_t *lost) noexcept nogil  # RING copies
cdef int wait(Hub *hub, int fd, int timeout_ms) noexcept nogil  # 1 = look, 0 = nothing came
