"""A V4L2 output device as the loop sees it."""

cimport cython
from libc.stdint cimport uint32_t

from zcore._chain cimport Link, Node
from zcore._queue_steps cimport feed_queue, take_one_back, within_a_second
from zcore._v4l2 cimport Queue


cdef extern from "<sys/epoll.h>" nogil:
    enum:
        EPOLLOUT
        EPOLLERR
        EPOLLHUP

cdef uint32_t FAILED = EPOLLERR | EPOLLHUP


@cython.final
cdef class OutputNode(Node):
    """An output queue as a sink: it takes frames and gives each back when the device is done with it.

    Parameters
    ----------
    kept : int
        How many buffers are left with the device as long as more frames may come: some drivers show the last one on
        and on, and asking for it would only tell so.
    """

    def __init__(self, str name, Queue queue not None, Link source not None, *, int kept=0):
        Node.__init__(self, name, source, None)
        self.queue = queue
        self.fd = queue.fd.fileno()
        self.kept = kept

    cdef int keep_pools(self) except -1:
        for pool in self.source.pools:
            if pool not in self.queue.sources:
                self.queue.sources += (pool,)
        return 0

    cdef int step(self) noexcept nogil:
        cdef int fed, taken
        if self.done:
            return 0
        fed = self.feed()
        if fed < 0:
            return fed
        taken = self.take_back()
        if taken < 0:
            return taken
        if self.source.closed and self.source.count == 0 and (
            self.queue.queued_count == 0 or (not taken and not self.patient())
        ):
            self.done = True
            return 1
        return fed + taken

    cdef int feed(self) noexcept nogil:
        cdef int result = feed_queue(self.queue, self.source, &self.frames_in, False)
        if result < 0:
            self.operation = "VIDIOC_QBUF"
        return result

    cdef int take_back(self) noexcept nogil:
        cdef int result
        if not self.ready & (EPOLLOUT | FAILED) or not self.queue.queued_count:
            return 0
        self.ready = 0
        result = take_one_back(self.queue)
        if result < 0:
            self.operation = "VIDIOC_DQBUF"
        elif result:
            self.frames_done += 1
            self.patience_ns = 0
        return result

    cdef bint patient(self) noexcept nogil:
        """Whether to wait at the end for what is with the device: one that shows its last frame for ever keeps it."""
        return within_a_second(&self.patience_ns)

    cdef uint32_t wants(self) noexcept nogil:
        cdef bint over = self.source.closed and self.source.count == 0
        # A queue without buffers answers EPOLLERR, which cannot be masked.
        if self.done or self.queue.queued_count <= (0 if over else self.kept):
            return 0
        return EPOLLOUT
