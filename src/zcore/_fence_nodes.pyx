"""Frames that wait in the loop until those who write them are done: V4L2 itself waits for no fence."""

cimport cython
from libc.errno cimport EINTR, EIO, ENOTTY, EPERM, ETIMEDOUT
from libc.stdint cimport int64_t, uint32_t

from zcore._alarm cimport Alarm, monotonic_ns
from zcore._chain cimport Link, Node
from zcore._dmabuf cimport Memory
from zcore._fence cimport fence_status, fence_take
from zcore._holders cimport holder_name
from zcore._ioctl cimport ACCESS_READ, dmabuf_export_fence
from zcore._pool cimport Slot, slot_drop
from zcore._sys cimport sys_close, sys_dup, sys_wait
from zcore.uapi.videodev2 cimport V4L2_BUF_FLAG_ERROR

import os

from zcore._errors import make_error


cdef extern from "<sys/epoll.h>" nogil:
    enum:
        EPOLLIN

cdef extern from "<poll.h>" nogil:
    enum:
        POLLIN

cdef enum:
    LOOK_AGAIN_NS = 2000000  # where a descriptor cannot be waited on in epoll


@cython.final
cdef class FenceNode(Node):
    """Keeps frames back until their writers are done; the other stages of the loop go on meanwhile.

    A frame of a pool that only its own chain fills, without a fence of its own, costs nothing here: no system call.
    For a frame with a fence that is one poll, and one for each buffer whose owner is somebody else.

    Parameters
    ----------
    timeout_ns : int
        How long a frame may wait.
    on_timeout : int
        What happens to one that has waited so long: FENCE_RAISE or FENCE_DROP.
    on_error : int
        What happens to one whose fence signalled an error: FENCE_RAISE, FENCE_DROP or FENCE_FLAG, which passes it on
        with V4L2_BUF_FLAG_ERROR.
    """

    def __cinit__(self):
        self.exported = -1

    def __init__(self, str name, Link source not None, Link sink not None, *, int64_t timeout_ns, int on_timeout=0,
                 int on_error=2):
        Node.__init__(self, name, source, sink)
        self.alarm = Alarm(-1, name)
        self.fd = self.alarm.fd
        self.timeout_ns = timeout_ns
        self.on_timeout = on_timeout
        self.on_error = on_error

    def __dealloc__(self):
        if self.exported >= 0:
            sys_close(self.exported)

    cdef int keep_pools(self) except -1:
        for pool in self.source.pools:
            self.sink.carry(pool)
        return 0

    cdef void abandon(self) noexcept nogil:
        self.begin()
        self.source.refuse()
        self.done = True

    cdef void move_on(self) noexcept nogil:
        self.alarm.forget()
        if self.exported >= 0:
            sys_close(self.exported)
            self.exported = -1
        self.place += 1

    cdef void begin(self) noexcept nogil:
        """Be ready for the next frame."""
        self.move_on()
        self.place = 0
        if self.waiting:
            self.alarm.ring_at(0)
        self.waiting = False

    cdef void tell_copies(self) noexcept nogil:
        """Hand on what the source says about copies: the ledger reads the link behind this node."""
        self.sink.copied_frames += self.source.copied_frames - self.told_frames
        self.sink.copied_bytes += self.source.copied_bytes - self.told_bytes
        self.told_frames, self.told_bytes = self.source.copied_frames, self.source.copied_bytes

    cdef int step(self) noexcept nogil:
        cdef Slot *slot
        cdef int result
        if self.done:
            return 0
        if self.waiting:
            if not self.ready:
                return 0
            self.ready = 0
            self.alarm.silence()
        if not self.sink.has_room():
            return 0
        if self.source.count == 0:
            if not self.source.closed:
                return 0
            self.tell_copies()
            self.done = True
            self.sink.close()
            return 1
        slot = self.source.ring[self.source.head]
        if slot.fence >= 0 or slot.imported:
            result = self.look(slot)
            if result < 0:
                self.operation = "poll (fence)"
                return result
            if result == 0:
                return 0
        else:
            result = 1
        self.source.pop()
        self.begin()
        self.tell_copies()
        if result == 2:
            slot_drop(slot)
        else:
            self.sink.push(slot)
        return 1

    cdef int look(self, Slot *slot) noexcept nogil:
        """1 = its writers are done, 0 = not yet, 2 = to be dropped, or -errno."""
        cdef int result, status
        cdef int64_t waited
        while self.place <= slot.plane_count:
            status = 1
            result = self.implicit_fences(slot, &status) if self.place else self.explicit_fence(slot, &status)
            if result < 0:
                return result
            if result == 0:
                return self.sleep(slot)
            if status < 0:
                result = self.settle(slot, status)
                if result != 1:
                    return result
            self.move_on()
        if self.waiting:
            waited = monotonic_ns() - self.since_ns
            self.waited_ns += waited
            self.waited_max_ns = max(self.waited_max_ns, waited)
        return 1

    # 1 = signalled, 0 = `pending` has not, or -errno

    cdef int explicit_fence(self, Slot *slot, int *status) noexcept nogil:
        return 1 if slot.fence < 0 else self.state(slot.fence, status)

    cdef int implicit_fences(self, Slot *slot, int *status) noexcept nogil:
        cdef Memory *memory = slot.planes[self.place - 1].memory
        cdef int result
        if not slot.imported or memory.fd < 0 or memory.coherent:
            return 1
        if self.place > 1 and memory == slot.planes[self.place - 2].memory:
            return 1
        if self.exported < 0:
            result = sys_wait(memory.fd, POLLIN, 0)
            if result > 0:
                return 1
            if result < 0 and result != -EINTR:
                return result
            # The buffer itself could be waited on, but would not tell of errors.
            result = dmabuf_export_fence(memory.fd, ACCESS_READ)
            if result == -ENOTTY:  # before Linux 6.0
                self.pending = memory.fd
                return 0
            if result < 0:
                return result
            self.exported = result
        return self.state(self.exported, status)

    cdef int state(self, int fd, int *status) noexcept nogil:
        cdef int64_t when
        cdef int result = sys_wait(fd, POLLIN, 0)
        if result == 0 or result == -EINTR:
            self.pending = fd
            return 0
        if result > 0:
            result = fence_status(fd, status, &when)
        return result if result < 0 else 1

    cdef int settle(self, Slot *slot, int status) noexcept nogil:
        """A fence signalled an error: 1 = pass the frame on, 2 = drop it, or -errno."""
        self.errors += 1
        if self.on_error == FENCE_FLAG:
            slot.meta.flags |= V4L2_BUF_FLAG_ERROR
            return 1
        if self.on_error == FENCE_DROP:
            return 2
        with gil:
            return self.complain(slot, EIO, status)

    cdef int sleep(self, Slot *slot) noexcept nogil:
        """0 = wait, 2 = it has waited long enough, and is dropped, or -errno."""
        cdef int result
        cdef int64_t now_ns = monotonic_ns()
        if not self.waiting:
            self.waiting = True
            self.since_ns = now_ns
            self.frames_late += 1
            self.alarm.ring_at(now_ns + self.timeout_ns)
        elif now_ns - self.since_ns >= self.timeout_ns:
            self.timeouts += 1
            if self.on_timeout == FENCE_DROP:
                return 2
            with gil:
                return self.complain(slot, ETIMEDOUT, 0)
        result = self.alarm.watch(self.pending)
        if result == -EPERM:  # a descriptor that epoll does not take
            self.alarm.ring_at(min(now_ns + LOOK_AGAIN_NS, self.since_ns + self.timeout_ns))
            result = 0
        return result if result < 0 else 0

    cdef int complain(self, void *given, int code, int status) noexcept:
        cdef Slot *slot = <Slot *>given
        try:
            self.error = self.words(code, status, slot.meta.sequence, holder_name(slot.holder),
                                    self.exported if self.place else slot.fence)
        except BaseException as error:
            self.error = error
        return -code

    def words(self, int code, int status, sequence, holder, int number):
        """Say which fence it was, who signals it, and who waits."""
        who = "a writer of its memory" if self.place else "the fence that came with it"
        number = sys_dup(number) if number >= 0 else -1
        if number >= 0:
            with fence_take(number) as fence:
                who += f" ({fence!r})"
        if status:
            return make_error(
                code, "SYNC_IOC_FILE_INFO", self.name,
                f"frame {sequence}, from {holder}: {who} signalled an error, {os.strerror(-status)}: whoever writes the"
                " picture has failed",
                "look at what fills the frames; fence_error='flag' or 'drop' goes on without this one",
            )
        return make_error(
            code, "poll (fence)", self.name,
            f"frame {sequence}, from {holder}: {who} did not signal within {self.timeout_ns / 1e9:g} s",
            "look at what fills the frames (a hung GPU, a job that was never submitted); fence_timeout= waits longer,"
            " fence_late='drop' goes on without this frame",
        )

    cdef uint32_t wants(self) noexcept nogil:
        return EPOLLIN if self.waiting and not self.done and self.sink.has_room() else 0
