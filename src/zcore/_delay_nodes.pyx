"""Stages in Python that give frames later than they take them, and others in number: codecs in software."""

cimport cython

from zcore._chain cimport Link
from zcore._fill_nodes cimport FillNode
from zcore._frame cimport frame_from_slot
from zcore._pool cimport Pool, Slot, slot_drop, slot_hold
from zcore._sys cimport atomic_load


cdef extern from "<errno.h>" nogil:
    enum:
        ECANCELED


@cython.final
cdef class DelayNode(FillNode):
    """A stage in Python that may keep frames back, and is drained at the end of its input.

    Parameters
    ----------
    feed : callable
        Called with each frame, and with ``None`` once at the end of the input. Gives the number of frames that can be
        had by `give` now.
    give : callable
        Called with an empty frame of `pool` to fill.
    pool : Pool
        Whose slots are filled.
    input_pool : Pool
        Whose frames come in.
    """

    def __init__(self, str name, feed, give, Link source not None, Link sink not None, *, Pool pool not None,
                 Pool input_pool not None):
        FillNode.__init__(self, name, source, sink, pool)
        self.feed = feed
        self.give = give
        self.input_pool = input_pool

    cdef int step(self) noexcept nogil:
        cdef Slot *slot
        cdef int result
        if self.done:
            return 0
        self.starving = False
        if self.pending > 0:  # what is ready goes out before more comes in: nothing piles up
            if not self.sink.has_room():
                return 0
            slot = self.take_room()
            if slot == NULL:
                return 0
            result = self.hand_out(slot)
            if result < 0:
                slot_drop(slot)
                self.operation = "process"
                return result
            self.pending -= 1
            self.frames_out += 1
            self.give_on(slot)
            return 1
        if self.source.count:
            slot = self.source.pop()
            slot.holder = self.holder
            self.frames_in += 1
            result = self.take_in(slot)
        elif not self.source.closed:
            return 0
        elif not self.drained:
            self.drained = True
            result = self.take_in(NULL)
        else:
            return self.end()
        if result < 0:
            self.operation = "process"
            return result
        return 1

    cdef int take_in(self, void *given) noexcept with gil:
        """0, or -ECANCELED = it raised. Takes over `given`."""
        try:
            self.pending = self.feed(frame_from_slot(self.input_pool, <Slot *>given) if given != NULL else None)
            return 0
        except BaseException as error:
            self.error = error
            return -ECANCELED

    cdef int hand_out(self, void *room) noexcept with gil:
        """0, or -ECANCELED = it raised. Leaves `room` with the caller."""
        try:
            slot_hold(<Slot *>room)
            self.give(frame_from_slot(self.pool, <Slot *>room))
            if atomic_load(&(<Slot *>room).exports):
                raise BufferError(
                    f"{self.name}: a view of the frame that was filled is alive; drop it before returning"
                )
            return 0
        except BaseException as error:
            self.error = error
            return -ECANCELED
