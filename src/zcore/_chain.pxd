# The loop of a chain: nodes joined by links, driven by one epoll without the GIL.
from libc.stdint cimport int64_t, uint32_t, uint64_t

from zcore._pool cimport Core, Pool, Slot


cdef enum:
    LINK_SLOTS = 16
    MAX_NODES = 32


cdef class Link:
    cdef readonly str source
    cdef readonly str sink
    cdef readonly int capacity
    cdef readonly int count
    cdef readonly bint closed  # the source gives no more
    cdef readonly bint refused  # the sink takes no more
    cdef readonly uint64_t frames
    cdef readonly uint64_t copied_frames
    cdef readonly uint64_t copied_bytes
    cdef readonly int carried  # frames that waited in it when it was last counted
    cdef int head
    cdef Slot *ring[LINK_SLOTS]
    cdef tuple pools  # whose slots it may hold; a tuple, because the cycle collector empties lists

    cdef int carry(self, Pool pool) except -1
    cdef bint has_room(self) noexcept nogil
    cdef void push(self, Slot *slot) noexcept nogil  # takes over the reference; the caller has seen has_room()
    cdef Slot *pop(self) noexcept nogil  # NULL = empty; the caller owns the reference
    cdef void close(self) noexcept nogil
    cdef void refuse(self) noexcept nogil  # for a sink that has had enough: what waits is dropped, what comes too


cdef class Node:
    cdef readonly str name
    cdef readonly bint done
    cdef readonly bint paused  # what is behind it needs another plan; it keeps what it has taken
    cdef Link source  # link that it takes from, None for a source
    cdef Link sink  # link that it gives to, None for a sink
    cdef int fd  # what it waits on, -1 = nothing
    cdef uint32_t ready  # events that epoll told and step() has not used up
    cdef uint32_t armed
    cdef int64_t remaining  # of a source: frames that it may give still, -1 = no limit
    cdef const char *operation  # the call that failed

    cdef int keep_pools(self) except -1  # before each run: whoever may hold a slot holds its pool
    cdef int step(self) noexcept nogil  # frames moved, or -errno
    cdef void abandon(self) noexcept nogil  # nobody takes what it gives
    cdef void end_stream(self) noexcept nogil  # a source shall give no more
    cdef void notice(self, uint32_t events) noexcept nogil
    cdef uint32_t wants(self) noexcept nogil  # events to wake up for
    cdef uint32_t could_use(self) noexcept nogil  # events to wake up for when nothing else is waited for
    cdef Core *starved_of(self) noexcept nogil  # pool whose next free slot it needs, or NULL


cdef class Loop:
    cdef readonly list nodes
    cdef readonly uint64_t wakeups
    cdef int node_count
    cdef void *c_nodes[MAX_NODES]
    cdef int epoll
    cdef int stop_bell
    cdef int failed  # index of the node that failed
    cdef int stopping
    cdef int ending
    cdef int bells[MAX_NODES]  # per node: the bell that is watched for it
    cdef uint32_t followers[MAX_NODES]  # per node: which nodes are behind it, as bits
    cdef int event_bells[MAX_NODES]  # per node: the bell of the events that it may have to look for
    cdef object interruption

    cdef int check_index(self, int index) except -1
    cdef int spin(self, int stall_ms, int signal_fd) noexcept nogil
    cdef int pass_over_nodes(self) noexcept nogil
    cdef bint finished(self) noexcept nogil
    cdef int arm(self) noexcept nogil
    cdef int arm_node(self, int index, uint32_t events) noexcept nogil
    cdef bint announce_sleep(self, int delta) noexcept nogil
    cdef int look_at_signals(self) noexcept nogil
