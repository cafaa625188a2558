"""What stages that fill frames of a pool have in common: the pool that runs dry, the number of frames, the end."""

from libc.stdint cimport int64_t

from zcore._chain cimport Link, Node
from zcore._holders cimport holder_id
from zcore._pool cimport Core, Pool, Slot, core_take


cdef class FillNode(Node):
    """A stage that takes slots of a pool and hands them on: what sources and codecs in software build on.

    Parameters
    ----------
    pool : Pool
        Whose slots it gives.
    frames : int
        After how many to end; -1 = never.
    """

    def __init__(self, str name, Link source, Link sink not None, Pool pool not None, *, int64_t frames=-1):
        Node.__init__(self, name, source, sink)
        self.pool = pool
        self.holder = holder_id(name)
        self.remaining = frames

    cdef int keep_pools(self) except -1:
        return self.sink.carry(self.pool)

    cdef int begin(self) noexcept nogil:
        if self.done:
            return 0
        if self.remaining == 0:
            self.end()
            return -1
        return self.sink.has_room()

    cdef Slot *take_room(self) noexcept nogil:
        cdef Slot *slot = core_take(&self.pool.core, self.holder)
        self.starving = slot == NULL
        return slot

    cdef void give_on(self, Slot *slot) noexcept nogil:
        if self.remaining > 0:
            self.remaining -= 1
        self.sink.push(slot)

    cdef int end(self) noexcept nogil:
        self.done = True
        self.sink.close()
        return 1

    cdef Core *starved_of(self) noexcept nogil:
        return &self.pool.core if self.starving and not self.done else NULL
