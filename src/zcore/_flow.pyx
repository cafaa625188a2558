"""What has no device: branches, queues between threads, and a look at frames that pass."""

cimport cython
from libc.errno cimport EPIPE
from libc.stdint cimport int64_t, uint32_t, uint64_t

from zcore._chain cimport Link, Node
from zcore._dmabuf cimport pthread_mutex_destroy, pthread_mutex_init, pthread_mutex_lock, pthread_mutex_unlock
from zcore._errors cimport check
from zcore._frame cimport frame_from_slot
from zcore._holders cimport holder_id
from zcore._pool cimport Pool, Slot, slot_drop, slot_hold
from zcore._sys cimport sys_close, sys_notify, sys_read


cdef extern from "<sys/epoll.h>" nogil:
    enum:
        EPOLLIN

cdef extern from "<sys/eventfd.h>" nogil:
    int eventfd(unsigned int initial, int flags)
    enum:
        EFD_CLOEXEC
        EFD_NONBLOCK

cdef extern from "<errno.h>" nogil:
    enum:
        ECANCELED


@cython.final
@cython.no_gc_clear  # __dealloc__ drops slots that live in `pools`
cdef class FrameQueue:
    """A bounded queue of frames between two threads.

    Parameters
    ----------
    name : str
        For messages.
    buffers, bytes, time_ns : int
        It is full as soon as one of them is reached; 0 = no limit. It never holds more than 64 frames.
    threshold_buffers, threshold_bytes, threshold_time_ns : int
        It gives nothing as long as it holds less than any of these, until its end.
    leaky : int
        What happens to a frame that finds it full: 0 = it waits, 1 = it is dropped, 2 = the oldest is dropped for it.
    flush_on_eos : bool
        Whether the end drops what still waits.
    pools : tuple of Pool
        Whose frames go through.
    """

    def __cinit__(self):
        pthread_mutex_init(&self.lock, NULL)
        self.data_bell = self.room_bell = -1

    def __init__(self, str name, *, int64_t buffers=0, int64_t bytes=0, int64_t time_ns=0,
                 int64_t threshold_buffers=0, int64_t threshold_bytes=0, int64_t threshold_time_ns=0,
                 int leaky=LEAKY_NO, bint flush_on_eos=False, tuple pools=()):
        if min(buffers, bytes, time_ns, threshold_buffers, threshold_bytes, threshold_time_ns) < 0:
            raise ValueError(f"{name}: the limits of a queue are 0 or more")
        if not LEAKY_NO <= leaky <= LEAKY_DOWNSTREAM:
            raise ValueError(f"{name}: leaky is 0 (no), 1 (upstream) or 2 (downstream), not {leaky}")
        self.name = name
        self.maximum = Level(min(buffers or QUEUE_SLOTS, QUEUE_SLOTS), bytes, time_ns)
        self.threshold = Level(min(threshold_buffers, self.maximum.buffers), threshold_bytes, threshold_time_ns)
        self.leaky = leaky
        self.flush_on_eos = flush_on_eos
        self.pools = pools
        self.data_bell = check(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "eventfd", name)
        self.room_bell = check(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "eventfd", name)

    def __dealloc__(self):
        self.drop_all()
        if self.data_bell >= 0:
            sys_close(self.data_bell)
        if self.room_bell >= 0:
            sys_close(self.room_bell)
        pthread_mutex_destroy(&self.lock)

    @property
    def levels(self):
        """``(buffers, bytes, nanoseconds)`` that it holds now."""
        cdef Level level
        with nogil:
            pthread_mutex_lock(&self.lock)
            level = self.level()
            pthread_mutex_unlock(&self.lock)
        return level.buffers, level.bytes, level.time_ns

    def flush(self):
        """Drop what waits in it; gives the number of frames."""
        cdef int dropped
        with nogil:
            pthread_mutex_lock(&self.lock)
            dropped = self.count
            while self.count:
                slot_drop(self.take())
            pthread_mutex_unlock(&self.lock)
        return dropped

    cdef void drop_all(self) noexcept nogil:
        while self.count:
            slot_drop(self.take())

    cdef Level level(self) noexcept nogil:
        cdef Level now = Level(self.count, self.bytes, 0)
        cdef int64_t first, last
        if self.count > 1:
            first = self.ring[self.head].meta.timestamp_ns
            last = self.ring[(self.head + self.count - 1) % QUEUE_SLOTS].meta.timestamp_ns
            now.time_ns = max(0, last - first)
        return now

    cdef bint full(self) noexcept nogil:
        cdef Level now = self.level()
        return (
            now.buffers >= self.maximum.buffers
            or (self.maximum.bytes and now.bytes >= self.maximum.bytes)
            or (self.maximum.time_ns and now.time_ns >= self.maximum.time_ns)
        )

    cdef Slot *take(self) noexcept nogil:
        cdef Slot *slot = self.ring[self.head]
        self.head = (self.head + 1) % QUEUE_SLOTS
        self.count -= 1
        self.bytes -= payload(slot)
        return slot

    cdef int offer(self, Slot *slot) noexcept nogil:
        cdef bint wake = False
        cdef int result = 1
        pthread_mutex_lock(&self.lock)
        if self.full():
            if self.leaky == LEAKY_DOWNSTREAM:
                while self.count and self.full():
                    slot_drop(self.take())
                    self.dropped += 1
            elif self.leaky == LEAKY_UPSTREAM:
                slot_drop(slot)
                slot = NULL
                self.dropped += 1
            else:
                self.writer_waits = True
                slot = NULL
                result = 0
        if slot != NULL:
            self.ring[(self.head + self.count) % QUEUE_SLOTS] = slot
            self.count += 1
            self.bytes += payload(slot)
            self.frames += 1
            self.high_water = max(self.high_water, self.count)
            wake = self.reader_waits
            self.reader_waits = False
        pthread_mutex_unlock(&self.lock)
        if wake:
            sys_notify(self.data_bell)
        return result

    cdef int next(self, Slot **slot) noexcept nogil:
        cdef Level now
        cdef bint wake = False
        cdef int result = 0
        pthread_mutex_lock(&self.lock)
        now = self.level()
        if self.count and (self.ended or (
            now.buffers >= self.threshold.buffers
            and now.bytes >= self.threshold.bytes
            and now.time_ns >= self.threshold.time_ns
        ) or self.full()):
            slot[0] = self.take()
            wake = self.writer_waits
            self.writer_waits = False
            result = 1
        elif self.ended:
            result = -EPIPE
        else:
            self.reader_waits = True
        pthread_mutex_unlock(&self.lock)
        if wake:
            sys_notify(self.room_bell)
        return result

    cdef void end(self) noexcept nogil:
        pthread_mutex_lock(&self.lock)
        self.ended = True
        if self.flush_on_eos:
            self.drop_all()
        pthread_mutex_unlock(&self.lock)
        sys_notify(self.data_bell)

    cdef void refuse(self) noexcept nogil:
        pthread_mutex_lock(&self.lock)
        self.refused = True
        self.drop_all()
        pthread_mutex_unlock(&self.lock)
        sys_notify(self.room_bell)


cdef int64_t payload(Slot *slot) noexcept nogil:
    cdef int i
    cdef int64_t total = 0
    for i in range(slot.plane_count):
        total += slot.planes[i].used
    return total


@cython.final
cdef class QueueInNode(Node):
    """The end of a chain's segment at a queue."""

    def __init__(self, str name, FrameQueue queue not None, Link source not None):
        Node.__init__(self, name, source, None)
        self.queue = queue
        self.fd = queue.room_bell

    cdef int step(self) noexcept nogil:
        cdef Slot *slot
        cdef uint64_t ignored
        cdef int moved = 0
        if self.done:
            return 0
        if self.ready:
            self.ready = 0
            sys_read(self.fd, &ignored, sizeof(ignored))
        if self.queue.refused:
            self.source.refuse()
            self.done = True
            return 1
        while self.source.count:
            slot = self.source.ring[self.source.head]
            if not self.queue.offer(slot):
                return moved
            self.source.pop()
            moved += 1
        if self.source.closed:
            self.queue.end()
            self.done = True
            return 1
        return moved

    cdef uint32_t wants(self) noexcept nogil:
        return 0 if self.done else EPOLLIN


@cython.final
cdef class QueueOutNode(Node):
    """The beginning of a chain's segment at a queue."""

    def __init__(self, str name, FrameQueue queue not None, Link sink not None):
        Node.__init__(self, name, None, sink)
        self.queue = queue
        self.fd = queue.data_bell
        self.ready = EPOLLIN

    cdef int keep_pools(self) except -1:
        for pool in self.queue.pools:
            self.sink.carry(pool)
        return 0

    cdef void abandon(self) noexcept nogil:
        if not self.done:
            self.queue.refuse()
        self.done = True

    cdef int step(self) noexcept nogil:
        cdef Slot *slot = NULL
        cdef uint64_t ignored
        cdef int result
        if self.done or not self.sink.has_room():
            return 0
        if self.ready:
            self.ready = 0
            self.empty = False
            sys_read(self.fd, &ignored, sizeof(ignored))
        if self.empty:  # whoever fills it rings
            return 0
        result = self.queue.next(&slot)
        if result == 1:
            self.sink.push(slot)
            return 1
        if result == -EPIPE:
            self.done = True
            self.sink.close()
            return 1
        self.empty = True
        return 0

    cdef uint32_t wants(self) noexcept nogil:
        return 0 if self.done or not self.sink.has_room() else EPOLLIN


@cython.final
cdef class TeeNode(Node):
    """Gives each frame to several links; the slowest of them sets the pace."""

    def __init__(self, str name, Link source not None, sinks):
        Node.__init__(self, name, source, None)
        self.sinks = tuple(sinks)
        if not 0 < len(self.sinks) <= MAX_BRANCHES:
            raise ValueError(f"{name}: a tee has 1 to {MAX_BRANCHES} branches, not {len(self.sinks)}")
        self.sink_count = len(self.sinks)
        for i, link in enumerate(self.sinks):
            self.c_sinks[i] = <void *><Link?>link

    cdef int keep_pools(self) except -1:
        for link in self.sinks:
            for pool in self.source.pools:
                (<Link>link).carry(pool)
        return 0

    cdef int step(self) noexcept nogil:
        cdef Slot *slot
        cdef int i, open_branches = 0
        if self.done:
            return 0
        for i in range(self.sink_count):
            if not (<Link>self.c_sinks[i]).refused:
                open_branches += 1
                if not (<Link>self.c_sinks[i]).has_room():
                    return 0
        if not open_branches:
            self.source.refuse()
            self.done = True
            return 1
        slot = self.source.pop()
        if slot == NULL:
            if not self.source.closed:
                return 0
            for i in range(self.sink_count):
                (<Link>self.c_sinks[i]).close()
            self.done = True
            return 1
        for i in range(self.sink_count):
            slot_hold(slot)
            (<Link>self.c_sinks[i]).push(slot)
        slot_drop(slot)
        return 1


@cython.final
cdef class PassNode(Node):
    """Shows each frame to a Python function and passes it on.

    Parameters
    ----------
    function : callable
        Called with each frame; a frame for which it gives False is dropped. What it keeps or views, it keeps back.
    pool : Pool
        Whose frames come.
    """

    def __init__(self, str name, function, Link source not None, Link sink not None, Pool pool not None):
        Node.__init__(self, name, source, sink)
        self.function = function
        self.pool = pool
        self.holder = holder_id(name)

    cdef int keep_pools(self) except -1:
        for pool in self.source.pools:
            self.sink.carry(pool)
        return 0

    cdef int step(self) noexcept nogil:
        cdef Slot *slot
        cdef int result
        if self.done or not self.sink.has_room():
            return 0
        slot = self.source.pop()
        if slot == NULL:
            if not self.source.closed:
                return 0
            self.done = True
            self.sink.close()
            return 1
        slot.holder = self.holder
        result = self.call(slot)
        if result == 1:
            self.sink.push(slot)
            return 1
        slot_drop(slot)
        if result < 0:
            self.operation = "function"
            return result
        self.dropped += 1
        return 1

    cdef int call(self, void *given) noexcept with gil:
        """1 = go on, 0 = drop, -ECANCELED = it raised."""
        try:
            slot_hold(<Slot *>given)
            return 0 if self.function(frame_from_slot(self.pool, <Slot *>given)) is False else 1
        except BaseException as error:
            self.error = error
            return -ECANCELED
