"""Stages that keep nothing and make nothing: sinks that only drop, sources of blank frames, and a look at what passes.

None of them touches the memory of a frame, and none takes the GIL unless it was given a function to call.
"""

cimport cython
from libc.errno cimport EIO
from libc.stdint cimport int64_t, uint32_t, uint64_t
from posix.time cimport nanosleep, timespec

from zcore._alarm cimport monotonic_ns
from zcore._chain cimport Link, Node
from zcore._cpu_nodes cimport make_clock
from zcore._fill_nodes cimport FillNode
from zcore._frame cimport frame_from_slot
from zcore._holders cimport holder_id
from zcore._pace cimport Pace
from zcore._pool cimport Pool, Slot, slot_drop, slot_hold
from zcore._sys cimport sys_close, sys_read


cdef extern from "<sys/epoll.h>" nogil:
    enum:
        EPOLLIN

cdef extern from "<errno.h>" nogil:
    enum:
        ECANCELED

cdef enum:
    SECOND = 1000000000


cdef void turn_away(Link link) noexcept nogil:
    """Take no more; frames that wait have not gone over the link then."""
    link.frames -= link.count
    link.refuse()


@cython.final
cdef class SinkNode(Node):
    """A sink that drops each frame, whatever memory it is in; it does not touch that.

    Parameters
    ----------
    process : callable, optional
        Called with each frame before it is dropped.
    pool : Pool, optional
        Whose frames come in; needed for `process`.
    frames : int
        How many to take until it has enough, and lets the stages before it know; -1 = all.
    sync : bool
        Whether frames wait for their time: see :class:`zcore._pace.Pace`.
    offset_ns : int
        With `sync`: how much later.
    """

    def __init__(self, str name, Link source not None, *, process=None, Pool pool=None, int64_t frames=-1,
                 bint sync=False, int64_t offset_ns=0):
        Node.__init__(self, name, source, None)
        if process is not None and pool is None:
            raise ValueError(f"{name}: a function that is shown frames needs the pool that they are of")
        self.process = process
        self.pool = pool
        self.remaining = frames
        self.holder = holder_id(name)
        if sync:
            self.pace = Pace(name, -1, offset_ns)
            self.fd = self.pace.fd

    cdef int step(self) noexcept nogil:
        cdef Slot *slot
        cdef int result, moved = 0
        if self.done:
            return 0
        if self.ready:
            self.ready = 0
            self.pace.silence()
        while self.remaining and self.source.count:
            slot = self.source.ring[self.source.head]
            self.early = self.pace is not None and not self.pace.due(slot)
            if self.early:
                return moved
            self.source.pop()
            self.frames_in += 1
            moved += 1
            if self.remaining > 0:
                self.remaining -= 1
            if self.process is None:
                slot_drop(slot)
                continue
            slot.holder = self.holder
            result = self.call(slot)
            if result < 0:
                self.operation = "process"
                return result
        if self.remaining == 0:
            turn_away(self.source)
            self.done = True
            return moved + 1
        if self.source.closed and self.source.count == 0:
            self.done = True
            return moved + 1
        return moved

    cdef int call(self, void *given) noexcept with gil:
        """0, or -ECANCELED = it raised. Takes over `given`."""
        try:
            self.process(frame_from_slot(self.pool, <Slot *>given))
            return 0
        except BaseException as error:
            self.error = error
            return -ECANCELED

    cdef uint32_t wants(self) noexcept nogil:
        return EPOLLIN if self.early and not self.done else 0


@cython.final
cdef class BlankNode(FillNode):
    """A source of frames whose memory nobody has written.

    Parameters
    ----------
    pool : Pool
        Whose slots it gives.
    frames : int
        After how many to end; -1 = never.
    used : int
        Bytes that each frame claims to hold; -1 = all that its buffer has.
    step_ns : int
        Time from frame to frame that their stamps tell.
    paced : bool
        Whether that time also passes.
    dated : bool
        Stamp with CLOCK_MONOTONIC instead.
    """

    def __cinit__(self):
        self.clock = -1

    def __init__(self, str name, Pool pool not None, Link sink not None, *, int64_t frames=-1, int64_t used=-1,
                 int64_t step_ns=0, bint paced=False, bint dated=False):
        FillNode.__init__(self, name, None, sink, pool, frames=frames)
        self.used = used
        self.step_ns = step_ns
        self.dated = dated
        if paced and step_ns > 0:
            self.clock = self.fd = make_clock(name, step_ns)

    def __dealloc__(self):
        if self.clock >= 0:
            sys_close(self.clock)

    cdef int step(self) noexcept nogil:
        cdef Slot *slot
        cdef uint64_t ticks
        cdef int i, result = self.begin()
        if result <= 0:
            return -result
        if self.clock >= 0 and not self.starving:  # a tick that found no slot is still owed
            if not self.ready:
                return 0
            self.ready = 0
            if sys_read(self.clock, &ticks, sizeof(ticks)) < 0:
                return 0
        slot = self.take_room()
        if slot == NULL:
            return 0
        if self.used >= 0:
            for i in range(slot.plane_count):
                slot.planes[i].used = min(<uint32_t>self.used, slot.planes[i].length)
        slot.meta.sequence = <uint32_t>self.number
        slot.meta.timestamp_ns = monotonic_ns() if self.dated else <int64_t>self.number * self.step_ns
        self.number += 1
        self.give_on(slot)
        return 1

    cdef uint32_t wants(self) noexcept nogil:
        if self.done or self.clock < 0 or not self.sink.has_room() or self.starving:
            return 0
        return EPOLLIN


@cython.final
cdef class IdentityNode(Node):
    """Hands on the frames that come, and does to their flow what it was told.

    Parameters
    ----------
    function : callable, optional
        Shown each frame; where it gives False, the frame is dropped.
    failure : BaseException, optional
        What to raise instead of handing on frame number `error_after`.
    eos_after, error_after : int
        End, or fail, in the place of the frame with this number, counted from 1; -1 = never.
    drop_probability : float
        0 to 1.
    seed : int
        Of the random numbers for it.
    sleep_us : int
        Microseconds that the whole loop sleeps before each frame.
    datarate : int
        Bytes per second by which frames are stamped anew; 0 = not.
    sync : bool
        Whether frames wait for their time: see :class:`zcore._pace.Pace`.
    offset_ns : int
        With `sync`: how much later.
    """

    def __init__(self, str name, Link source not None, Link sink not None, Pool pool not None, *, function=None,
                 failure=None, int64_t eos_after=-1, int64_t error_after=-1, double drop_probability=0,
                 uint64_t seed=1, int64_t sleep_us=0, int64_t datarate=0, bint sync=False, int64_t offset_ns=0):
        Node.__init__(self, name, source, sink)
        self.function = function
        self.failure = failure
        self.pool = pool
        self.eos_after = eos_after
        self.error_after = error_after
        self.drop_probability = drop_probability
        self.random = seed or 1
        self.sleep_us = sleep_us
        self.datarate = datarate
        self.holder = holder_id(name)
        self.last_sequence = -1
        if sync:
            self.pace = Pace(name, -1, offset_ns)
            self.fd = self.pace.fd

    cdef int keep_pools(self) except -1:
        for pool in self.source.pools:
            self.sink.carry(pool)
        return 0

    @property
    def error(self):
        """What it was told to raise, or what `function` raised."""
        return self.failure if self.failed else self.raised

    cdef int step(self) noexcept nogil:
        cdef Slot *slot
        cdef timespec pause
        cdef int result
        if self.done:
            return 0
        if self.ready:
            self.ready = 0
            self.pace.silence()
        if not self.sink.has_room():
            return 0
        if self.source.count == 0:
            if not self.source.closed:
                return 0
            self.done = True
            self.sink.close()
            return 1
        slot = self.source.ring[self.source.head]
        self.early = self.pace is not None and not self.pace.due(slot)
        if self.early:
            return 0
        self.source.pop()
        slot.holder = self.holder
        self.frames += 1
        if self.frames == <uint64_t>self.error_after:
            slot_drop(slot)
            self.failed = True
            self.operation = "error-after"
            return -EIO
        if self.frames == <uint64_t>self.eos_after:
            slot_drop(slot)
            turn_away(self.source)
            self.sink.close()
            self.done = True
            return 1
        if not self.look(slot):
            self.dropped += 1
            slot_drop(slot)
            return 1
        if self.sleep_us > 0:
            pause.tv_sec = self.sleep_us // 1000000
            pause.tv_nsec = self.sleep_us % 1000000 * 1000
            nanosleep(&pause, NULL)
        if self.function is not None:
            result = self.call(slot)
            if result <= 0:
                slot_drop(slot)
                self.operation = "function"
                self.refused += 1
                return result if result < 0 else 1
        self.sink.push(slot)
        return 1

    cdef bint look(self, Slot *slot) noexcept nogil:
        """Note what is odd about a frame, and date it anew where that is asked for; False = drop it."""
        cdef int i
        if self.last_sequence >= 0:
            if slot.meta.timestamp_ns <= self.last_time_ns:
                self.imperfect_timestamps += 1
            if slot.meta.sequence != <uint32_t>(self.last_sequence + 1):
                self.imperfect_sequence += 1
        self.last_time_ns = slot.meta.timestamp_ns
        self.last_sequence = slot.meta.sequence
        if self.drop_probability > 0:
            self.random ^= self.random << 13
            self.random ^= self.random >> 7
            self.random ^= self.random << 17
            if (self.random >> 11) * (1.0 / 9007199254740992.0) < self.drop_probability:
                return False
        if self.datarate > 0:
            slot.meta.timestamp_ns = <int64_t>(<double>self.bytes * SECOND / self.datarate)
            for i in range(slot.plane_count):
                self.bytes += slot.planes[i].used - slot.planes[i].data_offset
        return True

    cdef int call(self, void *given) noexcept with gil:
        """1 = go on, 0 = drop, -ECANCELED = it raised."""
        try:
            slot_hold(<Slot *>given)
            return 0 if self.function(frame_from_slot(self.pool, <Slot *>given)) is False else 1
        except BaseException as error:
            self.raised = error
            return -ECANCELED

    cdef uint32_t wants(self) noexcept nogil:
        return EPOLLIN if self.early and not self.done and self.sink.has_room() else 0
