"""A writeback connector as a source: the card writes what it scans out into frames, and a fence tells when."""

cimport cython
from libc.errno cimport EBUSY, EINTR, ENOTTY, ETIMEDOUT
from libc.stdint cimport int64_t, uint32_t, uint64_t

from zcore._alarm cimport Alarm, monotonic_ns
from zcore._chain cimport Link, Node
from zcore._commits cimport Commits
from zcore._drm cimport Card
from zcore._fence cimport fence_status
from zcore._gem cimport Framebuffer
from zcore._holders cimport holder_id
from zcore._kms_extras cimport CommitExtras, commit_writeback
from zcore._pool cimport Core, Pool, Slot, core_take, slot_drop
from zcore._sys cimport sys_close, sys_read, sys_wait
from zcore.uapi.videodev2 cimport V4L2_BUF_FLAG_ERROR


cdef extern from "<sys/epoll.h>" nogil:
    enum:
        EPOLLIN

cdef extern from "<poll.h>" nogil:
    enum:
        POLLIN

cdef enum:
    RETRY_NS = 1000000
    MONOTONIC = 0x2000  # V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC


@cython.final
@cython.no_gc_clear  # __dealloc__ drops a slot that lives in `pool`
cdef class WritebackNode(Node):
    """A writeback connector as a source.

    Parameters
    ----------
    framebuffers : sequence of Framebuffer
        Of each slot of the pool.
    connector, fb_property, fence_property : int
        Ids of the connector, of its WRITEBACK_FB_ID and WRITEBACK_OUT_FENCE_PTR.
    extras : CommitExtras, optional
        Of the plane whose commits the jobs go along with: one picture for each that is shown. Left out: commits of its
        own, which are tried again while another one is on its way.
    commits : Commits, optional
        With `extras`: those of the card. Frames that a picture is written back from stay until it is there.
    crtc : int
        With `extras`: whose picture it is.
    frames : int
        After how many to end; -1 = never.
    interval_ns : int
        Time from frame to frame; 0 = as fast as the card can.
    timeout_ns : int
        How long the card may take for a picture.
    """

    def __cinit__(self):
        self.fence = -1

    def __init__(self, str name, Card card not None, Pool pool not None, framebuffers, uint32_t connector,
                 uint32_t fb_property, uint32_t fence_property, Link sink not None, *, CommitExtras extras=None,
                 Commits commits=None, uint32_t crtc=0, int64_t frames=-1,
                 int64_t interval_ns=0, int64_t timeout_ns=5000000000):
        Node.__init__(self, name, None, sink)
        self.framebuffers = tuple(framebuffers)
        if len(self.framebuffers) != len(pool):
            raise ValueError(f"{name}: {len(pool)} slots and {len(self.framebuffers)} framebuffers")
        for i, framebuffer in enumerate(self.framebuffers):
            self.ids[i] = (<Framebuffer?>framebuffer).id
        self.card = card
        self.pool = pool
        if extras is not None and commits is None:
            raise ValueError(f"{name}: jobs that go along with commits need those of the card")
        self.extras = extras
        self.commits = commits
        self.crtc = crtc
        self.connector = connector
        self.fb_property = fb_property
        self.fence_property = fence_property
        self.holder = holder_id(name)
        self.remaining = frames
        self.interval_ns = interval_ns
        self.timeout_ns = timeout_ns
        self.alarm = Alarm(-1, name)
        self.fd = self.alarm.fd

    def __dealloc__(self):
        if self.fence >= 0:
            sys_close(self.fence)
        if self.job != NULL:
            slot_drop(self.job)

    @property
    def idle(self):
        """Whether it waits for the display to show another picture."""
        return self.extras is not None and self.extras.job != 0

    def finish(self, double timeout=1.0):
        """Let go of the job; one that the card works on is waited for, because it writes into its buffer."""
        cdef int milliseconds = <int>(timeout * 1000)
        cdef int fence = -1
        if self.job == NULL:
            return
        if self.extras is not None and not self.committed and not self.extras.disarm():
            with nogil:  # the display's loop may be in the call just now
                sys_wait(self.extras.bell, POLLIN, milliseconds)
            if self.extras.take_job(&fence) > 0:
                self.fence = fence
        self.alarm.forget()
        if self.fence >= 0:
            with nogil:
                sys_wait(self.fence, POLLIN, milliseconds)
            sys_close(self.fence)
            self.fence = -1
        if self.extras is not None:
            with nogil:
                self.commits.written_back(self.crtc)
        slot_drop(self.job)
        self.job = NULL
        self.committed = False

    cdef int keep_pools(self) except -1:
        return self.sink.carry(self.pool)

    cdef void abandon(self) noexcept nogil:
        self.done = True  # finish() sees to the job

    cdef int step(self) noexcept nogil:
        if self.done:
            return 0
        if self.ready:
            self.ready = 0
            self.alarm.silence()
        if self.remaining == 0 and self.job != NULL and not self.committed and (
            self.extras is None or self.extras.disarm()
        ):  # the end came while it waited for the display to show something
            slot_drop(self.job)
            self.job = NULL
        if self.job != NULL and (self.committed or self.extras is not None):
            return self.wait_for_picture()
        if self.remaining == 0:
            self.done = True
            self.sink.close()
            return 1
        if not self.sink.has_room():
            return 0
        return self.begin()

    cdef int begin(self) noexcept nogil:
        """Give the card a buffer."""
        cdef int64_t now_ns = monotonic_ns()
        cdef int result
        self.ticking = now_ns < self.next_ns
        if self.ticking:
            self.alarm.ring_at(self.next_ns)
            return 0
        if self.job == NULL:
            self.job = core_take(&self.pool.core, self.holder)
            self.starving = self.job == NULL
            if self.starving:
                return 0
        self.committed = False
        if self.extras is not None:
            self.extras.arm(self.ids[self.job.index])
            result = self.alarm.watch(self.extras.bell)
            return result if result < 0 else 1
        result = commit_writeback(self.card.fd.number, self.connector, self.fb_property, self.ids[self.job.index],
                                  self.fence_property, &self.fence)
        if result == -EBUSY:
            self.collisions += 1
            self.ticking = True
            self.alarm.ring_at(now_ns + RETRY_NS)
            return 0
        if result < 0:
            self.operation = "DRM_IOCTL_MODE_ATOMIC"
            return result
        self.committed = True
        self.since_ns = now_ns
        self.alarm.ring_at(now_ns + self.timeout_ns)
        result = self.alarm.watch(self.fence)
        return result if result < 0 else 1

    cdef int wait_for_picture(self) noexcept nogil:
        cdef int result, status = 1, fence = -1
        cdef int64_t when_ns = 0
        cdef uint64_t ignored
        cdef Slot *slot
        if not self.committed:
            sys_read(self.extras.bell, &ignored, sizeof(ignored))
            result = self.extras.take_job(&fence)
            if result == -EBUSY:  # that commit met another one, and will be tried again with this job
                self.collisions += 1
                self.extras.arm(self.ids[self.job.index])
                return 0
            if result < 0:
                self.operation = "DRM_IOCTL_MODE_ATOMIC"
                return result
            if result == 0:
                return 0
            self.fence = fence
            self.committed = True
            self.since_ns = monotonic_ns()
            self.alarm.ring_at(self.since_ns + self.timeout_ns)
            result = self.alarm.watch(fence)
            if result < 0:
                return result
        result = sys_wait(self.fence, POLLIN, 0)
        if result == 0 or result == -EINTR:
            if monotonic_ns() - self.since_ns >= self.timeout_ns:
                self.operation = "writeback fence"
                return -ETIMEDOUT
            return 0
        if result > 0:
            result = fence_status(self.fence, &status, &when_ns)
            if result == -ENOTTY:
                result = 0
        if result < 0:
            self.operation = "SYNC_IOC_FILE_INFO"
            return result
        self.alarm.forget()
        self.alarm.ring_at(0)
        sys_close(self.fence)
        self.fence = -1
        if self.extras is not None:
            self.commits.written_back(self.crtc)
        slot, self.job = self.job, NULL
        self.committed = False
        slot.meta.sequence = <uint32_t>self.number
        slot.meta.timestamp_ns = when_ns or monotonic_ns()
        slot.meta.flags = MONOTONIC
        if status < 0:
            self.failed_pictures += 1
            slot.meta.flags |= V4L2_BUF_FLAG_ERROR
        self.number += 1
        if self.interval_ns:
            self.next_ns = max(self.next_ns + self.interval_ns, self.since_ns)
        if self.remaining > 0:
            self.remaining -= 1
        self.sink.push(slot)
        return 1

    cdef uint32_t wants(self) noexcept nogil:
        if self.done:
            return 0
        return EPOLLIN if self.job != NULL or self.ticking else 0

    cdef Core *starved_of(self) noexcept nogil:
        return &self.pool.core if self.starving and not self.done else NULL
