"""What stateful and stateless codecs have in common: damage, a flush, and the question what to do about a change."""

from libc.stdint cimport uint64_t

from zcore._chain cimport Link
from zcore._nodes cimport ConvertNode
from zcore._pool cimport Pool, Slot, slot_drop
from zcore._sys cimport atomic_store, sys_notify
from zcore._v4l2 cimport Queue
from zcore.uapi.videodev2 cimport V4L2_BUF_FLAG_ERROR


cdef class CodedNode(ConvertNode):
    """A codec, stateful or stateless: what :class:`zcore._codec_nodes.CodecNode` and others build on.

    Parameters
    ----------
    changed : callable or None
        What to do about a stream that is not what was agreed. It gives ``"pause"`` where what is behind needs another
        plan: then the link behind is closed, and the node waits for ``resume()``. What it raises ends the run.
    drop_corrupted : bool
        Whether frames that the driver flags as damaged are dropped and counted, instead of passed on with the flag.
    """

    def __init__(self, str name, Queue output not None, Queue capture not None, Link source not None,
                 Link sink not None, *, changed=None, bint drop_corrupted=False):
        ConvertNode.__init__(self, name, output, capture, source, sink)
        self.changed = changed
        self.drop_corrupted = drop_corrupted

    def flush(self):
        """Throw away what has been taken and did not come out yet, as soon as the loop comes by; from any thread."""
        atomic_store(&self.flush_asked, 1)
        self.wake()

    cdef int wake(self) except -1:
        """Have the loop come by: it wakes up for the pool that CAPTURE is filled from."""
        pool = self.capture.pool
        if pool is not None:
            sys_notify((<Pool>pool).core.bell)
        return 0

    cdef uint64_t accounted(self) noexcept nogil:
        return self.frames_out + self.corrupted_drops + self.settled

    cdef void write_off(self) noexcept nogil:
        cdef uint64_t known = self.accounted()
        self.flushes += 1
        while self.source.count:
            slot_drop(self.source.pop())
            self.flushed += 1
        if self.frames_in > known:
            self.flushed += self.frames_in - known
            self.settled += self.frames_in - known

    cdef int hand_on(self, Slot *slot) noexcept nogil:
        if self.drop_corrupted and slot.meta.flags & V4L2_BUF_FLAG_ERROR:
            self.corrupted_drops += 1
            slot_drop(slot)
        else:
            self.frames_out += 1
            self.sink.push(slot)
        return 1

    cdef object consult(self, tuple question):
        try:
            answer = self.changed(*question) or ""
        except BaseException as error:
            self.error = error
            self.operation = "decode"
            return None
        if answer == "pause":
            self.paused = True
            self.sink.close()
        return answer
