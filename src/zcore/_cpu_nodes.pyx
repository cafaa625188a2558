"""The stages that run on the CPU, as the loop sees them: copies and Python."""

cimport cython
from libc.errno cimport EINTR, ENOSPC
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memcpy
from posix.time cimport CLOCK_MONOTONIC, itimerspec

from zcore._chain cimport Link, Node
from zcore._dmabuf cimport Memory, memory_begin, memory_end, memory_map
from zcore._errors cimport check
from zcore._frame cimport Frame, frame_from_slot
from zcore._ioctl cimport ACCESS_READ, ACCESS_RW
from zcore._holders cimport holder_id
from zcore._pool cimport Core, Pool, Slot, core_take, slot_drop, slot_hold
from zcore._sys cimport atomic_load, sys_close, sys_read


cdef extern from "<sys/epoll.h>" nogil:
    enum:
        EPOLLIN

cdef extern from "<sys/timerfd.h>" nogil:
    int timerfd_create(int clock, int flags)
    int timerfd_settime(int fd, int flags, const itimerspec *value, itimerspec *old)
    enum:
        TFD_CLOEXEC
        TFD_NONBLOCK

cdef extern from "<errno.h>" nogil:
    enum:
        ECANCELED


@cython.final
cdef class CopyNode(Node):
    """Copies each frame with the CPU into a slot of another pool; a plan puts it where nothing else works.

    Parameters
    ----------
    enlarge : callable, optional
        Called with an empty frame of `pool` and the bytes that a coded frame has, which are more than it holds; gives
        a frame of `pool` that has room.
    """

    def __init__(self, str name, Pool pool not None, Link source not None, Link sink not None, *, enlarge=None):
        Node.__init__(self, name, source, sink)
        self.enlarge = enlarge
        self.pool = pool
        self.holder = holder_id(name)

    cdef int keep_pools(self) except -1:
        return self.sink.carry(self.pool)

    cdef int step(self) noexcept nogil:
        cdef Slot *old
        cdef Slot *new
        cdef int result = 0
        if self.done:
            return 0
        if self.source.count == 0:
            if self.source.closed:
                self.done = True
                self.sink.close()
                return 1
            return 0
        if not self.sink.has_room():
            return 0
        new = core_take(&self.pool.core, self.holder)
        self.starving = new == NULL
        if new == NULL:
            return 0
        old = self.source.pop()
        if old.planes[0].used > new.planes[0].length and self.pool.arrays[0].payload:  # coded: a part of it is nothing
            result = self.make_room(<void **>&new, old.planes[0].used)
        if result >= 0:
            result = copy_slot(old, new)
        slot_drop(old)
        if result < 0:
            slot_drop(new)
            self.operation = "copy"
            return result
        self.frames += 1
        self.source.copied_frames += 1
        self.source.copied_bytes += result
        self.sink.push(new)
        return 1

    cdef int make_room(self, void **room, uint32_t size) noexcept with gil:
        """Have another buffer in place of one that is too small. 0, or -errno."""
        if self.enlarge is None:
            return -ENOSPC
        try:
            slot_hold(<Slot *>room[0])
            change_room(room, self.pool, self.enlarge(frame_from_slot(self.pool, <Slot *>room[0]), size))
            return 0
        except BaseException as error:
            self.error = error
            return -ECANCELED

    cdef Core *starved_of(self) noexcept nogil:
        return &self.pool.core if self.starving and self.source.count else NULL


cdef int change_room(void **room, Pool pool, answer) except -1:
    """Go on with another frame of the pool, if that is what somebody gave in place of the room that he was given."""
    cdef Slot *slot
    if isinstance(answer, Frame) and (<Frame>answer).pool is pool:
        slot = (<Frame>answer)._slot()
        slot_hold(slot)
        slot_drop(<Slot *>room[0])
        room[0] = slot
    return 0


cdef int begin_uninterrupted(Memory *memory, uint64_t access) noexcept nogil:
    cdef int result = -EINTR
    while result == -EINTR:  # a signal while fences are waited for; the loop looks at it after the copy
        result = memory_begin(memory, access, 5000)
    return result


cdef int copy_slot(Slot *old, Slot *new) noexcept nogil:
    """Copy payload and metadata; bytes copied, or -errno."""
    cdef int i, result, total = 0
    cdef uint32_t length
    cdef Memory *source
    cdef Memory *target
    for i in range(min(old.plane_count, new.plane_count)):
        source = old.planes[i].memory
        target = new.planes[i].memory
        result = memory_map(source)
        if result >= 0:
            result = memory_map(target)
        if result >= 0:
            result = begin_uninterrupted(source, ACCESS_READ)
        if result < 0:
            return result
        result = begin_uninterrupted(target, ACCESS_RW)
        if result < 0:
            memory_end(source)
            return result
        length = min(old.planes[i].used, new.planes[i].length)
        memcpy(<char *>target.address + new.planes[i].offset, <char *>source.address + old.planes[i].offset, length)
        new.planes[i].used = length
        new.planes[i].data_offset = min(old.planes[i].data_offset, length)
        result = memory_end(target)  # a copy whose caches were not written back is none
        memory_end(source)
        if result < 0:
            return result
        total += length
    new.meta = old.meta
    return total


cdef int make_clock(str name, int64_t interval_ns) except -1:
    """Make a timer that ticks for ever; 0 = not yet."""
    cdef itimerspec period
    cdef int clock = check(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK), "timerfd_create", name)
    period.it_value.tv_sec = period.it_interval.tv_sec = interval_ns // 1000000000
    period.it_value.tv_nsec = period.it_interval.tv_nsec = interval_ns % 1000000000
    timerfd_settime(clock, 0, &period, NULL)
    return clock


@cython.final
cdef class PythonNode(Node):
    """A stage written in Python; the only kind that takes the GIL.

    Parameters
    ----------
    process : callable
        A sink's is called with each frame. A source's is called with an empty frame of `pool` to fill, and gives False
        at its end; it may fill another frame of `pool` and give that. A transform's is called with a frame and an
        empty one to fill.
    pool : Pool, optional
        Whose slots a source or transform fills.
    input_pool : Pool, optional
        Whose frames come in.
    frames : int
        For a source: after how many to end; -1 = never.
    interval_ns : int
        For a source: time from frame to frame; 0 = as fast as they are taken.
    """

    def __cinit__(self):
        self.clock = -1

    def __init__(self, str name, process, Link source, Link sink, *, Pool pool=None, Pool input_pool=None,
                 int64_t frames=-1, int64_t interval_ns=0):
        Node.__init__(self, name, source, sink)
        if (sink is None) != (pool is None) or (source is None) != (input_pool is None):
            raise ValueError(f"{name}: a stage that gives frames has a pool, and one that takes them an input_pool")
        if sink is None and (source is None or interval_ns):
            raise ValueError(f"{name}: a stage takes or gives frames, and only what gives them has an interval")
        self.process = process
        self.pool = pool
        self.input_pool = input_pool
        self.remaining = frames
        self.holder = holder_id(name)
        if interval_ns:
            self.clock = self.fd = make_clock(name, interval_ns)

    def __dealloc__(self):
        if self.clock >= 0:
            sys_close(self.clock)

    cdef int keep_pools(self) except -1:
        return 0 if self.sink is None else self.sink.carry(self.pool)

    cdef int step(self) noexcept nogil:
        cdef Slot *given = NULL
        cdef Slot *room = NULL
        cdef uint64_t ticks
        cdef int result
        if self.done:
            return 0
        if self.source is None and self.remaining == 0 or (
            self.source is not None and self.source.count == 0 and self.source.closed
        ):
            self.done = True
            if self.sink is not None:
                self.sink.close()
            return 1
        if self.source is not None and self.source.count == 0 or self.sink is not None and not self.sink.has_room():
            return 0
        if self.clock >= 0 and not self.starving:  # a tick that found no slot is still owed
            if not self.ready:
                return 0
            self.ready = 0
            if sys_read(self.clock, &ticks, sizeof(ticks)) < 0:
                return 0
        if self.sink is not None:
            room = core_take(&self.pool.core, self.holder)
            self.starving = room == NULL
            if room == NULL:
                return 0
        if self.source is not None:
            given = self.source.pop()
            given.holder = self.holder
            self.frames_in += 1
        result = self.call(given, <void **>&room)
        if result < 0:
            self.operation = "process"
            if room != NULL:
                slot_drop(room)
            return result
        if room != NULL:
            if result == 0:  # nothing came of it: the end for a source, no frame for a transform
                slot_drop(room)
                if self.source is None:
                    self.remaining = 0
                return 1
            self.frames_out += 1
            if self.remaining > 0:
                self.remaining -= 1
            self.sink.push(room)
        return 1

    cdef int call(self, void *given, void **room_of) noexcept with gil:
        """1 = go on, 0 = nothing given, -ECANCELED = it raised. Takes over `given`, leaves the room with the caller."""
        cdef list arguments = []
        cdef void *room = room_of[0]
        try:
            if given != NULL:
                arguments.append(frame_from_slot(self.input_pool, <Slot *>given))
            if room != NULL:
                slot_hold(<Slot *>room)
                arguments.append(frame_from_slot(self.pool, <Slot *>room))
            answer = self.process(*arguments)
            result = 0 if answer is False else 1
            if room != NULL:
                change_room(room_of, self.pool, answer)
                room = room_of[0]
            if room != NULL and atomic_load(&(<Slot *>room).exports):
                raise BufferError(
                    f"{self.name}: a view of the frame that was filled is alive; drop it before returning"
                )
            return result
        except BaseException as error:
            self.error = error
            return -ECANCELED

    cdef uint32_t wants(self) noexcept nogil:
        if self.done or self.clock < 0 or not self.sink.has_room() or self.starving:
            return 0
        return EPOLLIN

    cdef Core *starved_of(self) noexcept nogil:
        if self.done or not self.starving or (self.source is not None and self.source.count == 0):
            return NULL
        return &self.pool.core
