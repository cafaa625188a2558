"""The devices as the loop sees them: what each does with the frames and events it has, without ever waiting."""

cimport cython
from libc.errno cimport EAGAIN, EINVAL, ENODEV, EPIPE
from libc.stdint cimport int64_t, uint32_t

from zcore._alarm cimport Alarm, monotonic_ns
from zcore._chain cimport Link, Node
from zcore._kms cimport Scanout, offset_error
from zcore._pool cimport Core, Slot, slot_drop
from zcore._queue_steps cimport feed_queue, take_one_back, within_a_second
from zcore._v4l2 cimport Queue
from zcore._v4l2_buffers cimport QUEUE_ENDED, QUEUE_STREAMING
from zcore._v4l2_codec cimport codec_source_change
from zcore.uapi.videodev2 cimport V4L2_BUF_FLAG_ERROR


cdef extern from "<sys/epoll.h>" nogil:
    enum:
        EPOLLIN
        EPOLLOUT
        EPOLLERR
        EPOLLHUP
        EPOLLPRI

cdef uint32_t FAILED = EPOLLERR | EPOLLHUP


@cython.final
cdef class CaptureNode(Node):
    """A capture queue as a source.

    Parameters
    ----------
    frames : int
        After how many to end; -1 = never.
    drop_corrupted : bool
        Whether frames that the driver flags as damaged are dropped and counted, instead of passed on with the flag.
    watch_changes : bool
        Whether to end, with `changed` set, when the driver tells that the source has another resolution now; the
        event has been subscribed to.
    """

    def __init__(self, str name, Queue queue not None, Link sink not None, *, int64_t frames=-1,
                 bint drop_corrupted=False, bint watch_changes=False):
        Node.__init__(self, name, None, sink)
        self.queue = queue
        self.fd = queue.fd.fileno()
        self.remaining = frames
        self.drop_corrupted = drop_corrupted
        self.watch_changes = watch_changes

    cdef int keep_pools(self) except -1:
        return self.sink.carry(self.queue.pool)

    cdef int step(self) noexcept nogil:
        cdef Slot *slot = NULL
        cdef int result
        if self.done:
            return 0
        if self.remaining == 0:
            self.done = True
            self.sink.close()
            return 1
        if self.ready & EPOLLPRI:
            self.ready &= ~<uint32_t>EPOLLPRI
            result = codec_source_change(self.fd)
            if result < 0:
                self.operation = "VIDIOC_DQEVENT"
                return result
            if result > 0:  # frames of the old resolution that are filled already are gone with the plan for them
                self.changed = True
                self.remaining = 0
                return 1
        result = self.queue.refill()
        if result < 0:
            self.operation = "VIDIOC_QBUF"
            return result
        if self.queue.wants_growth(self.queue.queued_count) and self.grow():
            return 1
        if not self.ready & (EPOLLIN | FAILED) or not self.sink.has_room():
            return 0
        # One frame per wakeup: asking until EAGAIN would cost a second call for each.
        self.ready = 0
        result = self.queue.dequeue(&slot)
        if result == -EAGAIN:
            return 0
        if result == -EPIPE:
            self.remaining = 0
            return 1
        if result < 0:
            self.operation = "VIDIOC_DQBUF"
            return result
        if self.queue.c_state == QUEUE_ENDED:  # LAST: there is nothing behind it
            self.remaining = 0
            if not slot.planes[0].used:  # and an empty one is no picture
                slot_drop(slot)
                return 1
        if self.drop_corrupted and slot.meta.flags & V4L2_BUF_FLAG_ERROR:
            self.corrupted_drops += 1
            slot_drop(slot)
            return 1
        if self.remaining > 0:
            self.remaining -= 1
        self.sink.push(slot)
        return 1

    cdef bint grow(self) noexcept with gil:
        return self.queue.grow_by_one() > 0

    cdef uint32_t wants(self) noexcept nogil:
        if self.done or self.queue.queued_count == 0 or not self.sink.has_room():
            return 0
        return EPOLLIN | EPOLLPRI if self.watch_changes else EPOLLIN

    cdef Core *starved_of(self) noexcept nogil:
        if self.done or self.queue.queued_count:
            return NULL
        return &self.queue.pool.core


cdef class ConvertNode(Node):
    """A mem-to-mem device: OUTPUT queue in, CAPTURE queue out, one open file."""

    def __init__(self, str name, Queue output not None, Queue capture not None, Link source not None,
                 Link sink not None):
        Node.__init__(self, name, source, sink)
        self.output = output
        self.capture = capture
        self.fd = output.fd.fileno()

    cdef int keep_pools(self) except -1:
        for pool in self.source.pools:
            if pool not in self.output.sources:
                self.output.sources += (pool,)
        return self.sink.carry(self.capture.pool)

    cdef int step(self) noexcept nogil:
        cdef int fed, taken, given, result
        if self.done:
            return 0
        result = self.capture.refill()
        if result < 0:
            self.operation = "VIDIOC_QBUF"
            return result
        fed = self.feed()
        if fed < 0:
            return fed
        taken = self.take_back()
        if taken < 0:
            return taken
        given = self.give()
        if given < 0:
            return given
        if self.source.closed and self.source.count == 0 and not given and (
            self.output.queued_count == 0 or self.capture.c_state == QUEUE_ENDED
        ):
            # A driver marks the input done just before the picture: the loop may run in between.
            self.ready |= EPOLLIN
            given = self.give()
            if given < 0:
                return given
            if given == 0 and self.sink.has_room() and not self.missing_may_come():
                self.done = True
                self.sink.close()
                return 1
        return fed + taken + given

    cdef bint missing_may_come(self) noexcept nogil:
        """Whether to wait a while at the end: not every converter gives one picture for each that it takes."""
        if self.frames_out >= self.frames_in or self.capture.c_state == QUEUE_ENDED or not self.capture.queued_count:
            return False
        return self.patient()

    cdef bint patient(self) noexcept nogil:
        """Whether the second is not over that began with the first question."""
        return within_a_second(&self.patience_ns)

    cdef int feed(self) noexcept nogil:
        cdef int result = feed_queue(self.output, self.source, &self.frames_in, False)
        if result < 0:
            self.operation = "VIDIOC_QBUF"
        return result

    cdef int take_back(self) noexcept nogil:
        cdef int result
        if not self.ready & (EPOLLOUT | FAILED) or not self.output.queued_count:
            return 0
        self.ready &= ~<uint32_t>EPOLLOUT
        result = take_one_back(self.output)
        if result < 0:
            self.operation = "VIDIOC_DQBUF"
        return result

    cdef int fetch(self, Slot **slot) noexcept nogil:
        cdef int result
        if not self.ready & (EPOLLIN | FAILED) or not self.sink.has_room() or not self.capture.queued_count:
            return 0
        self.ready &= ~(<uint32_t>EPOLLIN | FAILED)
        result = self.capture.dequeue(slot)
        if result == -EAGAIN:
            return 0
        if result == 0:
            if slot[0].planes[0].used or self.capture.c_state != QUEUE_ENDED:
                return 1
            slot_drop(slot[0])  # marks the end and is no picture
            result = -EPIPE
        self.operation = "VIDIOC_DQBUF"
        return result

    cdef int give(self) noexcept nogil:
        cdef Slot *slot = NULL
        cdef int result
        cdef bint drained = self.source.closed and self.source.count == 0
        if self.capture.c_state == QUEUE_ENDED and not drained:  # after LAST nothing more comes
            self.operation = "VIDIOC_DQBUF"
            return -EPIPE
        result = self.fetch(&slot)
        if result <= 0:
            return 0 if result == -EPIPE and drained else result
        self.frames_out += 1
        self.sink.push(slot)
        return 1

    cdef uint32_t wants(self) noexcept nogil:
        cdef uint32_t events = 0
        if self.done:
            return 0
        if self.output.queued_count:
            events |= EPOLLOUT
        # With nothing to convert no picture can come; a queue without buffers would answer EPOLLERR for ever.
        # After LAST it says EPOLLIN for ever.
        if self.capture.queued_count and self.capture.c_state != QUEUE_ENDED and self.sink.has_room() and (
            events or self.frames_out < self.frames_in
        ):
            events |= EPOLLIN
        return events

    cdef Core *starved_of(self) noexcept nogil:
        # A queue that does not stream takes no buffers now, however many come back: nothing to stay awake for.
        if self.done or self.paused or self.capture.queued_count or self.capture.c_state != QUEUE_STREAMING:
            return NULL
        return &self.capture.pool.core


@cython.final
cdef class DisplayNode(Node):
    """A KMS plane as a sink.

    Parameters
    ----------
    sync : bool
        Whether frames wait for their time. Frames that are dated by the clock of the machine (CLOCK_MONOTONIC) have
        happened and are shown at once; of others the first one is shown at once, and the rest as much later as their
        times say.
    plug : object, optional
        Has ``fileno()``, readable when something was plugged in or out anywhere, and ``look()``, which raises when that
        was this display.
    """

    def __init__(self, str name, Scanout scanout not None, Link source not None, *, bint sync=False, plug=None):
        Node.__init__(self, name, source, None)
        self.scanout = scanout
        self.plug = plug
        self.told = plug is not None  # it may have happened before this
        self.fd = scanout.descriptor
        if sync:
            self.alarm = Alarm(self.fd, name)
            self.fd = self.alarm.fd

    @property
    def bell(self):
        """Rings when another thread has read the flip event of this plane."""
        return self.scanout.bell

    @property
    def news(self):
        """Descriptor that is readable when something was plugged in or out; -1 = nobody asks."""
        return self.plug.fileno() if self.plug is not None else -1

    cdef void notice(self, uint32_t events) noexcept nogil:
        self.told |= (events & EPOLLPRI) != 0
        self.ready |= events & ~<uint32_t>EPOLLPRI

    cdef int keep_pools(self) except -1:
        self.scanout.lane.driven = True
        return 0

    cdef int step(self) noexcept nogil:
        cdef Slot *slot
        cdef int result, plane
        if self.done:
            return 0
        if self.told:
            result = self.look_at_plug()
            if result < 0:
                return result
        if self.alarm is not None and self.ready:
            self.alarm.silence()
            if not self.scanout.busy():  # the alarm watches the card, too: what nobody reads would ring for ever
                self.ready = 0
                result = self.scanout.collect()
                if result < 0 and result != -EAGAIN:
                    self.operation = "read (flip event)"
                    return result
        if self.scanout.busy() and (self.source.count or self.ready):
            if self.ready or not self.asked:
                self.ready = 0
                self.asked = True
                result = self.scanout.collect()
                if result < 0 and result != -EAGAIN:
                    self.operation = "read (flip event)"
                    return result
        if self.scanout.busy():
            return self.scanout.has_turn()
        result = self.scanout.trouble()
        if result < 0:
            self.operation = "DRM_IOCTL_MODE_ATOMIC"
            return result
        self.asked = False
        if self.source.count == 0:
            if self.source.closed:
                self.done = True
                return 1
            return 0
        slot = self.source.ring[self.source.head]
        if self.alarm is not None and not self.due(slot):
            self.ready = 0
            return 0
        slot = self.source.pop()
        for plane in range(slot.plane_count):
            if slot.planes[plane].data_offset:
                result = self.refuse(plane, slot.planes[plane].data_offset)
                slot_drop(slot)
                return result
        result = self.scanout.submit(slot)
        if result < 0:
            slot_drop(slot)
            self.operation = "DRM_IOCTL_MODE_ATOMIC"
            return result
        self.frames_in += 1
        return 1

    cdef bint due(self, Slot *slot) noexcept nogil:
        """Whether to show it now; else the timer is set."""
        cdef int64_t now_ns = monotonic_ns(), due_ns
        cdef int64_t time_ns = slot.meta.timestamp_ns
        self.early = False
        if time_ns == 0:
            return True
        if not self.dated:
            self.dated = True
            self.shift_ns = 0 if 0 <= now_ns - time_ns < 1000000000 else now_ns - time_ns
        due_ns = time_ns + self.shift_ns
        if due_ns <= now_ns:
            return True
        if due_ns - now_ns > 10 * <int64_t>1000000000:  # no pause, but a jump in the frames' times
            self.shift_ns = now_ns - time_ns
            return True
        self.alarm.ring_at(due_ns)
        self.early = True
        return False

    cdef int look_at_plug(self) noexcept with gil:
        self.told = False
        try:
            self.plug.look()
        except BaseException as error:
            self.operation = "uevent"
            self.error = error
            return -ENODEV
        return 0

    cdef int refuse(self, int plane, uint32_t offset) noexcept with gil:
        self.operation = "DRM_IOCTL_MODE_ADDFB2"
        self.error = offset_error(self.name, plane, offset)
        return -EINVAL

    cdef uint32_t wants(self) noexcept nogil:
        if not self.scanout.busy():
            return EPOLLIN if self.early and not self.done else 0
        return EPOLLIN if self.source.count or self.source.closed else 0

    cdef uint32_t could_use(self) noexcept nogil:
        return EPOLLIN if self.scanout.busy() or (self.early and not self.done) else 0
