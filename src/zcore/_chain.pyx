"""The loop of a chain: one epoll over all its devices, no GIL, no allocation per frame."""

cimport cython
from cpython.exc cimport PyErr_CheckSignals
from libc.errno cimport EINTR, ETIMEDOUT
from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memset

from zcore._errors cimport check
from zcore._pool cimport Core, Pool, Slot, slot_drop
from zcore._sys cimport atomic_add, atomic_load, atomic_store, sys_close, sys_notify, sys_read
from zcore.uapi.epoll cimport (
    EFD_CLOEXEC, EFD_NONBLOCK, EPOLL_CLOEXEC, EPOLL_CTL_ADD, EPOLL_CTL_DEL, EPOLL_CTL_MOD, EPOLLIN, EPOLLPRI,
    epoll_create1, epoll_ctl, epoll_event, epoll_wait, eventfd, zc_errno,
)


cdef enum:
    # What an epoll event belongs to when it is no node.
    TAG_STOP = 1000
    TAG_SIGNAL = 1001
    TAG_BELL = 2000  # plus the node's index
    TAG_EVENT = 3000  # plus the node's index


@cython.final
@cython.no_gc_clear  # __dealloc__ drops slots that live in `pools`
cdef class Link:
    """The joint of two stages: a short bounded queue, and the count of what went over it.

    A full link is back-pressure: its source stops dequeuing and the driver decides what to drop.
    """

    def __init__(self, str source, str sink, int capacity=2):
        if not 0 < capacity <= LINK_SLOTS:
            raise ValueError(f"a link holds 1 to {LINK_SLOTS} frames, not {capacity}")
        self.source = source
        self.sink = sink
        self.capacity = capacity
        self.pools = ()

    cdef int carry(self, Pool pool) except -1:
        if pool is not None and pool not in self.pools:
            self.pools += (pool,)
        return 0

    cdef bint has_room(self) noexcept nogil:
        return self.count < self.capacity

    cdef void push(self, Slot *slot) noexcept nogil:
        if self.refused:
            slot_drop(slot)
            return
        self.ring[(self.head + self.count) % LINK_SLOTS] = slot
        self.count += 1
        self.frames += 1

    cdef Slot *pop(self) noexcept nogil:
        cdef Slot *slot
        if self.count == 0:
            return NULL
        slot = self.ring[self.head]
        self.head = (self.head + 1) % LINK_SLOTS
        self.count -= 1
        return slot

    cdef void close(self) noexcept nogil:
        self.closed = True

    cdef void refuse(self) noexcept nogil:
        self.refused = True
        while self.count:
            slot_drop(self.pop())

    def count_anew(self):
        """Begin another report: frames that wait in it were given before it, and will be taken after it."""
        self.carried = self.count
        self.frames = self.copied_frames = self.copied_bytes = 0

    def flush(self):
        """Drop what waits in it; gives the number of frames."""
        cdef Slot *slot
        dropped = 0
        while True:
            slot = self.pop()
            if slot == NULL:
                return dropped
            slot_drop(slot)
            dropped += 1

    def __repr__(self):
        return f"<Link {self.source} -> {self.sink}, {self.frames} frames>"

    def __dealloc__(self):
        while self.count:
            slot_drop(self.pop())


cdef class Node:
    """What the loop drives: one stage of a chain. The subclasses are in ``zcore._nodes``."""

    def __cinit__(self):
        self.fd = -1
        self.remaining = -1
        self.operation = b""

    def __init__(self, str name, Link source, Link sink):
        self.name = name
        self.source = source
        self.sink = sink

    cdef int keep_pools(self) except -1:
        return 0

    cdef int step(self) noexcept nogil:
        return 0

    cdef void abandon(self) noexcept nogil:
        if self.source is not None:
            self.source.refuse()
        self.done = True

    cdef void end_stream(self) noexcept nogil:
        self.remaining = 0

    cdef void notice(self, uint32_t events) noexcept nogil:
        self.ready |= events

    cdef uint32_t wants(self) noexcept nogil:
        return 0

    cdef uint32_t could_use(self) noexcept nogil:
        return self.wants()

    cdef Core *starved_of(self) noexcept nogil:
        return NULL

    @property
    def device_fd(self):
        """Descriptor that it waits on, -1 = none."""
        return self.fd

    @property
    def failed_operation(self):
        """Name of the call that failed."""
        return self.operation.decode()


@cython.final
cdef class Loop:
    """Drive the nodes of a chain until every one is done, one fails, or :meth:`stop` is called.

    Parameters
    ----------
    nodes : sequence of Node
        From sources to sinks.
    """

    def __cinit__(self):
        self.epoll = -1
        self.stop_bell = -1

    def __init__(self, nodes):
        self.nodes = list(nodes)
        if not 0 < len(self.nodes) <= MAX_NODES:
            raise ValueError(f"a chain has 1 to {MAX_NODES} stages, not {len(self.nodes)}")
        self.node_count = len(self.nodes)
        for i, node in enumerate(self.nodes):
            self.c_nodes[i] = <void *><Node?>node
            (<Node>node).armed = 0  # another loop may have driven it before
        self.epoll = check(zc_errno(epoll_create1(EPOLL_CLOEXEC)), "epoll_create1", "chain")
        self.stop_bell = check(zc_errno(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)), "eventfd", "chain")
        self.watch(self.stop_bell, TAG_STOP)

    def watch(self, int fd, uint32_t tag):
        """Wake up when a descriptor is readable."""
        cdef epoll_event event
        memset(&event, 0, sizeof(event))
        event.events = EPOLLIN
        event.data.u32 = tag
        check(zc_errno(epoll_ctl(self.epoll, EPOLL_CTL_ADD, fd, &event)), "EPOLL_CTL_ADD", "chain")

    cdef int check_index(self, int index) except -1:
        if not 0 <= index < self.node_count:
            raise IndexError(f"the chain has {self.node_count} nodes, not {index}")
        return 0

    def watch_pool(self, int index, bell):
        """Wake up for node `index` when a slot of the pool with this bell comes back while the node starves."""
        self.check_index(index)
        self.bells[index] = bell
        self.watch(bell, TAG_BELL + index)

    def set_followers(self, int index, uint32_t followers):
        """Say, as bits, which nodes are behind node `index`: when it pauses, the run ends as soon as these are done."""
        self.check_index(index)
        self.followers[index] = followers

    def watch_events(self, int index, bell):
        """Wake up node `index` with EPOLLPRI when another reader took an event that is meant for it."""
        self.check_index(index)
        self.event_bells[index] = bell
        self.watch(bell, TAG_EVENT + index)

    def run(self, double stall_timeout=10.0, int signal_fd=-1):
        """Run; gives ``(status, node)``: 0 and ``None``, or ``-errno`` and the node that failed.

        Parameters
        ----------
        stall_timeout : float
            Seconds without any event after which ``-ETIMEDOUT`` comes back.
        signal_fd : int
            Readable when a signal came (``signal.set_wakeup_fd``); -1 where another thread takes the signals.
        """
        cdef int result
        cdef int stall_ms = <int>(min(max(stall_timeout, 0.0), 1e6) * 1000)  # inf too is a number of milliseconds
        if signal_fd >= 0:
            self.watch(signal_fd, TAG_SIGNAL)
        self.failed = -1
        for node in self.nodes:
            (<Node>node).keep_pools()
        try:
            with nogil:
                result = self.spin(stall_ms, signal_fd)
        finally:
            if signal_fd >= 0:
                epoll_ctl(self.epoll, EPOLL_CTL_DEL, signal_fd, NULL)
        interruption, self.interruption = self.interruption, None
        if interruption is not None:
            raise interruption
        return result, self.nodes[self.failed] if self.failed >= 0 else None

    def stop(self):
        """End the run as soon as may be, from any thread or signal handler."""
        atomic_store(&self.stopping, 1)
        if self.stop_bell >= 0:
            sys_notify(self.stop_bell)

    def end(self):
        """Let sources give no more, and carry what is on its way to its end; from any thread or signal handler."""
        atomic_store(&self.ending, 1)
        if self.stop_bell >= 0:
            sys_notify(self.stop_bell)

    @property
    def stopped(self):
        """Whether :meth:`stop` was called."""
        return bool(atomic_load(&self.stopping))

    def close(self):
        """Close the loop's own descriptors; a second call does nothing."""
        if self.epoll >= 0:
            sys_close(self.epoll)
        if self.stop_bell >= 0:
            sys_close(self.stop_bell)
        self.epoll = self.stop_bell = -1

    def __dealloc__(self):
        self.close()

    # Without the GIL from here on

    cdef int spin(self, int stall_ms, int signal_fd) noexcept nogil:
        cdef epoll_event events[MAX_NODES]
        cdef int count, i, result, waited = 0, timeout
        cdef uint32_t tag
        cdef uint64_t ignored
        cdef char signals[64]
        while True:
            result = self.pass_over_nodes()
            if result < 0:
                return result
            if self.finished() or atomic_load(&self.stopping):
                return 0
            result = self.arm()
            if result < 0:
                return result
            timeout = 0 if self.announce_sleep(1) else min(1000, max(1, stall_ms - waited))
            count = epoll_wait(self.epoll, events, MAX_NODES, timeout)
            self.announce_sleep(-1)
            self.wakeups += 1
            if count < 0:
                if zc_errno(-1) != -EINTR:
                    return zc_errno(-1)
                count = 0
                result = self.look_at_signals()
                if result < 0:
                    return result
            elif count == 0:
                waited += timeout
                if waited >= stall_ms:
                    return -ETIMEDOUT
                continue
            waited = 0
            for i in range(count):
                tag = events[i].data.u32
                if tag < MAX_NODES:
                    (<Node>self.c_nodes[tag]).notice(events[i].events)
                elif tag == TAG_SIGNAL:
                    sys_read(signal_fd, signals, sizeof(signals))  # or it would wake the loop for ever
                    result = self.look_at_signals()
                    if result < 0:
                        return result
                elif tag == TAG_STOP:
                    sys_read(self.stop_bell, &ignored, sizeof(ignored))
                elif tag >= TAG_EVENT:
                    sys_read(self.event_bells[tag - TAG_EVENT], &ignored, sizeof(ignored))
                    (<Node>self.c_nodes[tag - TAG_EVENT]).notice(EPOLLPRI)
                elif tag >= TAG_BELL:
                    # Whether its node starves still or was served meanwhile: a bell that nobody reads wakes for ever.
                    sys_read(self.bells[tag - TAG_BELL], &ignored, sizeof(ignored))

    cdef int pass_over_nodes(self) noexcept nogil:
        """Move frames until none moves."""
        cdef int moved = 1, i, result
        while moved and not atomic_load(&self.stopping):  # stages in software may have no reason ever to pause
            moved = 0
            for i in range(self.node_count if atomic_load(&self.ending) else 0):
                if (<Node>self.c_nodes[i]).source is None:
                    (<Node>self.c_nodes[i]).end_stream()
            for i in range(self.node_count):
                if (<Node>self.c_nodes[i]).sink is not None and (<Node>self.c_nodes[i]).sink.refused:
                    (<Node>self.c_nodes[i]).abandon()
                    continue
                result = (<Node>self.c_nodes[i]).step()
                if result < 0:
                    self.failed = i
                    return result
                moved += result
        return 0

    cdef bint finished(self) noexcept nogil:
        cdef int i
        cdef uint32_t at_work = 0
        for i in range(self.node_count):
            if not (<Node>self.c_nodes[i]).done:
                at_work |= <uint32_t>1 << i
        if not at_work:
            return True
        for i in range(self.node_count):
            if (<Node>self.c_nodes[i]).paused and not self.followers[i] & at_work:
                return True
        return False

    cdef int arm(self) noexcept nogil:
        """Tell epoll what is of interest now; a call only where that has changed."""
        cdef int i, result
        cdef uint32_t waited_for = 0
        for i in range(self.node_count):
            waited_for |= (<Node>self.c_nodes[i]).wants()
        for i in range(self.node_count):
            # A display does not ask for its flip event as long as a camera will wake the loop anyway: the event is
            # read then, which saves a wakeup per frame. With nothing else to wait for it asks.
            result = self.arm_node(i, (<Node>self.c_nodes[i]).wants() if waited_for else
                                   (<Node>self.c_nodes[i]).could_use())
            if result < 0:
                self.failed = i
                return result
        return 0

    cdef int arm_node(self, int index, uint32_t events) noexcept nogil:
        cdef epoll_event event
        cdef int operation
        cdef int fd = (<Node>self.c_nodes[index]).fd
        cdef uint32_t armed = (<Node>self.c_nodes[index]).armed
        if armed == events or fd < 0:
            return 0
        memset(&event, 0, sizeof(event))
        event.events = events
        event.data.u32 = index
        # No events means out of the set: a V4L2 queue without buffers says EPOLLERR, which cannot be masked.
        operation = EPOLL_CTL_DEL if events == 0 else EPOLL_CTL_ADD if armed == 0 else EPOLL_CTL_MOD
        (<Node>self.c_nodes[index]).armed = events
        return zc_errno(epoll_ctl(self.epoll, operation, fd, &event))

    cdef bint announce_sleep(self, int delta) noexcept nogil:
        """Tell the pools that nodes starve of that the loop sleeps (1) or woke up (-1); True: a slot came meanwhile."""
        cdef int i
        cdef Core *core
        cdef bint found = False
        for i in range(self.node_count):
            core = (<Node>self.c_nodes[i]).starved_of()
            if core != NULL:
                atomic_add(&core.waiters, delta)
                if core.active and atomic_load(&core.free_count):  # a closed pool gives none: no reason to stay awake
                    found = True
        return found

    cdef int look_at_signals(self) noexcept with gil:
        try:
            PyErr_CheckSignals()
        except BaseException as interruption:  # KeyboardInterrupt mostly: run() raises it
            self.interruption = interruption
            return -EINTR
        return 0
