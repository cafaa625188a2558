"""The loop's ends of the doors between a chain and Python threads."""

cimport cython
from libc.errno cimport EPIPE
from libc.stdint cimport int64_t, uint32_t, uint64_t

from zcore._chain cimport Link, Node
from zcore._flow cimport FrameQueue
from zcore._frame cimport frame_from_slot
from zcore._holders cimport holder_id
from zcore._inlet cimport Inlet, sleep_on
from zcore._pace cimport Pace
from zcore._pool cimport HOLDER_PYTHON, Core, Pool, Slot
from zcore._sys cimport sys_notify, sys_read


cdef extern from "<sys/epoll.h>" nogil:
    enum:
        EPOLLIN

cdef extern from "<errno.h>" nogil:
    enum:
        ECANCELED


@cython.final
cdef class AppSourceNode(Node):
    """The loop's end of an inlet.

    Parameters
    ----------
    inlet : Inlet
        Where frames come from.
    frames : int
        After how many to end; -1 = never.
    need : callable, optional
        Called once whenever nothing waits and a slot is free.
    """

    def __init__(self, str name, Inlet inlet not None, Link sink not None, *, int64_t frames=-1, need=None):
        Node.__init__(self, name, None, sink)
        self.inlet = inlet
        self.fd = inlet.queue.data_bell
        self.remaining = frames
        self.need = need
        self.copied_before, self.bytes_before = inlet.told_frames, inlet.told_bytes
        self.ready = EPOLLIN

    cdef int keep_pools(self) except -1:
        return self.sink.carry(self.inlet.pool)

    cdef void abandon(self) noexcept nogil:
        if not self.done:
            self.inlet.queue.refuse()
            sys_notify(self.inlet.grant_bell)
        self.done = True

    cdef void end_stream(self) noexcept nogil:
        self.draining = True  # what waits in the inlet comes first

    cdef int step(self) noexcept nogil:
        cdef Slot *slot = NULL
        cdef uint64_t ignored
        cdef int granted, result
        if self.done:
            return 0
        if self.ready:
            self.ready = 0
            sys_read(self.fd, &ignored, sizeof(ignored))
        granted = self.inlet.grant()
        self.starving = granted < 0
        if self.remaining == 0:
            self.done = True
            self.sink.close()
            return 1
        if not self.sink.has_room():
            return granted > 0
        result = self.inlet.queue.next(&slot)
        if result == 1:
            self.asked = False
            if self.remaining > 0:
                self.remaining -= 1
            self.tell_copies()
            self.sink.push(slot)
            return 1
        if result == -EPIPE or self.draining:
            self.done = True
            self.sink.close()
            return 1
        if self.need is not None and not self.asked:
            self.starving = self.inlet.pool.core.free_count == 0
            if not self.starving:
                self.asked = True
                result = self.ask()
                if result < 0:
                    self.operation = "need-data"
                    return result
                return 1
        return granted > 0

    cdef void tell_copies(self) noexcept nogil:
        self.inlet.told_frames = self.inlet.copied_frames
        self.inlet.told_bytes = self.inlet.copied_bytes
        self.sink.copied_frames = self.inlet.told_frames - self.copied_before
        self.sink.copied_bytes = self.inlet.told_bytes - self.bytes_before

    cdef int ask(self) noexcept with gil:
        try:
            self.need()
            return 0
        except BaseException as error:
            self.error = error
            return -ECANCELED

    cdef uint32_t wants(self) noexcept nogil:
        return 0 if self.done else EPOLLIN

    cdef Core *starved_of(self) noexcept nogil:
        return &self.inlet.pool.core if self.starving and not self.done else NULL


@cython.final
cdef class Outlet:
    """The way of frames from a chain to Python threads.

    Parameters
    ----------
    name : str
        For messages.
    queue : FrameQueue
        Where frames wait for a thread.
    """

    def __init__(self, str name, FrameQueue queue not None):
        self.name = name
        self.queue = queue

    def take(self):
        """Lease the next frame; ``None`` where none waits."""
        cdef Slot *slot = NULL
        if self.queue.next(&slot) != 1:
            return None
        slot.holder = HOLDER_PYTHON
        for pool in self.queue.pools:
            if &(<Pool>pool).core == slot.core:
                return frame_from_slot(pool, slot)
        raise SystemError(f"{self.name}: a frame of an unknown pool")  # no node puts one there

    def wait(self, double seconds):
        """Wait for a frame, for the end, or :meth:`wake`."""
        sleep_on(self.queue.data_bell, seconds)

    def wake(self):
        """Let a thread that waits look around."""
        sys_notify(self.queue.data_bell)

    def end(self):
        """Say that no more frames come."""
        self.queue.end()

    @property
    def ended(self):
        """Whether :meth:`end` was called."""
        return self.queue.ended

    def renew(self):
        """Make ready for another run."""
        self.queue.ended = self.queue.refused = False

    def refuse(self):
        """Take no more frames, and drop those that wait."""
        self.queue.refuse()


@cython.final
cdef class AppSinkNode(Node):
    """The loop's end of an outlet.

    Parameters
    ----------
    outlet : Outlet
        Where frames go.
    sync : bool
        Whether frames wait for their time: see :class:`zcore._pace.Pace`.
    offset_ns : int
        With `sync`: how much later.
    """

    def __init__(self, str name, Outlet outlet not None, Link source not None, *, bint sync=False,
                 int64_t offset_ns=0):
        Node.__init__(self, name, source, None)
        self.outlet = outlet
        self.holder = holder_id(name)
        self.fd = outlet.queue.room_bell
        if sync:
            self.pace = Pace(name, self.fd, offset_ns)
            self.fd = self.pace.fd

    cdef int keep_pools(self) except -1:
        kept = self.outlet.queue.pools if self.outlet.queue.count else ()
        self.outlet.queue.pools = kept + tuple([pool for pool in self.source.pools if pool not in kept])
        return 0

    cdef int step(self) noexcept nogil:
        cdef Slot *slot
        cdef uint64_t ignored
        cdef int moved = 0
        if self.done:
            return 0
        if self.ready:
            self.ready = 0
            self.full = False
            if self.pace is not None:
                self.pace.silence()
            sys_read(self.outlet.queue.room_bell, &ignored, sizeof(ignored))
        if self.outlet.queue.refused:
            self.source.refuse()
            self.done = True
            return 1
        if self.full:  # whoever makes room rings
            return 0
        while self.source.count:
            slot = self.source.ring[self.source.head]
            self.early = self.pace is not None and not self.pace.due(slot)
            if self.early:
                return moved
            slot.holder = self.holder
            self.full = not self.outlet.queue.offer(slot)
            if self.full:
                return moved
            self.source.pop()
            moved += 1
        if self.source.closed:
            self.done = True
            return moved + 1
        return moved

    cdef uint32_t wants(self) noexcept nogil:
        return 0 if self.done else EPOLLIN
