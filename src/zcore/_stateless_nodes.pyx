"""Stateless decoders as the loop sees them: each picture is a request with its bitstream and its parsed headers."""

cimport cython
from libc.errno cimport EBADMSG, EINVAL, EMSGSIZE, ENOBUFS
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

from zcore._chain cimport Link
from zcore._coded_nodes cimport CodedNode
from zcore._dmabuf cimport memory_map
from zcore._pool cimport HOLDER_DEVICE, Slot, core_take, slot_drop, slot_hold
from zcore._request cimport RequestPool, queue_in_request, request_queue, request_set_controls
from zcore._sys cimport atomic_load, atomic_store
from zcore._v4l2 cimport Queue
from zcore.uapi.videodev2 cimport v4l2_ext_control

from zcore._errors import make_error


cdef extern from "<sys/epoll.h>" nogil:
    enum: EPOLLIN, EPOLLOUT, EPOLLPRI

cdef extern from "<errno.h>" nogil:
    enum: ECANCELED

cdef enum:
    FIELD_NONE = 1


@cython.no_gc_clear  # __dealloc__ drops slots that live in `kept_pools`
cdef class StatelessNode(CodedNode):
    """A stateless decoder.

    The device sees timestamps that are the numbers of pictures, because that is how references are named; frames that
    go on have the times of the coded frames that they came with.

    Parameters
    ----------
    output : Queue
        With mapped buffers of its own: the bitstream is written there.
    changed : callable
        Called with width and height when a picture has another size than agreed, and with that picture where it was
        parsed in Python. All pictures before it are decoded and handed on then. It gives
        ``"pause"`` where both queues must be set up anew: the link behind is closed, and nothing is taken until
        :meth:`resume`. What it raises ends the run.
    size : (int, int)
        What was agreed.
    last_number : int
        Of the last picture of an earlier run: numbers are not used twice.
    """

    def __init__(self, str name, Queue output not None, Queue capture not None, Link source not None,
                 Link sink not None, RequestPool requests not None, *, changed, size,
                 uint64_t last_number=0, bint drop_corrupted=False):
        CodedNode.__init__(
            self, name, output, capture, source, sink, changed=changed, drop_corrupted=drop_corrupted
        )
        self.requests = requests
        self.width, self.height = size
        self.last_number = last_number
        self.kept_pools = ()

    @property
    def bell(self):
        """Descriptor that is readable when a request is complete that was waited for."""
        return self.requests.bell

    def resume(self, Link sink not None, size):
        """Go on behind a pause: both queues have buffers for pictures of this size, and stream."""
        self.sink = sink
        self.width, self.height = size
        self.paused = False
        self.ready |= EPOLLIN

    cdef int keep_pools(self) except -1:
        self.kept_pools = (self.capture.pool, self.output.pool, *self.source.pools)
        return self.sink.carry(self.capture.pool)

    cdef int step(self) noexcept nogil:
        cdef int fed, taken, given, result
        if self.done or self.paused:
            return 0
        if atomic_load(&self.flush_asked):
            result = self.throw_away()
            if result:
                return result
        result = self.capture.refill()
        if result < 0:
            self.operation = "VIDIOC_QBUF"
            return result
        taken = self.take_back()
        if taken < 0:
            return taken
        fed = self.feed()
        if fed < 0:
            return fed
        given = self.give()
        if given < 0:
            return given
        if fed + taken + given == 0 and self.source.closed and self.source.count == 0 and self.pending == 0 and (
            self.out_count == 0 and not self.has_more()
        ):
            self.let_go()
            self.done = True
            self.sink.close()
            return 1
        return fed + taken + given

    cdef bint has_more(self) noexcept nogil:
        """Whether pictures may come although the input is over."""
        return False

    cdef void notice(self, uint32_t events) noexcept nogil:
        self.ready |= events & ~<uint32_t>EPOLLPRI
        if events & EPOLLPRI:  # a request is complete; whether there is still use for it, step() will see
            self.requests.silence()

    cdef int feed(self) noexcept nogil:
        cdef int result, moved = 0
        while not self.paused and self.pending < MAX_RECORDS and self.output.queued_count < self.output.count and (
            self.output.pool.core.free_count
        ):
            result = self.next_picture()
            if result < 0:
                return result
            if result == 0:
                break
            moved += 1
        return moved

    cdef int prepare(self) noexcept nogil:
        cdef int result = self.requests.prepare()
        if result < 0:
            self.operation = "MEDIA_REQUEST_IOC_REINIT"
        return result

    cdef int submit(
        self, const uint8_t *data, size_t length, v4l2_ext_control *controls, int count, Record *record
    ) noexcept nogil:
        """Hand one picture to the device."""
        cdef Slot *slot
        cdef int result, request
        slot = core_take(&self.output.pool.core, HOLDER_DEVICE)
        if slot == NULL:
            return -ENOBUFS
        if length > slot.planes[0].length:
            slot_drop(slot)
            return self.refuse("VIDIOC_QBUF", EMSGSIZE)
        result = memory_map(slot.planes[0].memory)
        request = self.requests.take()
        if result >= 0:
            memcpy(<char *>slot.planes[0].memory.address + slot.planes[0].offset, data, length)
            slot.planes[0].used = length
            slot.planes[0].data_offset = 0
            slot.meta.field = FIELD_NONE
            self.operation = "VIDIOC_S_EXT_CTRLS"
            result = request_set_controls(self.fd, request, controls, count, NULL)
            if result == -EINVAL:
                slot_drop(slot)
                return self.refuse("VIDIOC_S_EXT_CTRLS", EINVAL)
        if result >= 0:
            self.operation = "VIDIOC_QBUF"
            result = queue_in_request(self.output, slot, request, record.number * NS_PER_PICTURE)
        if result < 0:
            slot_drop(slot)
            return result
        self.operation = "MEDIA_REQUEST_IOC_QUEUE"
        result = request_queue(request)
        if result < 0:
            return result
        self.records[(self.first_record + self.pending) % MAX_RECORDS] = record[0]
        self.pending += 1
        self.submitted += 1
        self.bitstream_bytes += length
        return 1

    cdef int refuse(self, const char *operation, int code) noexcept with gil:
        self.operation = operation
        if code == EMSGSIZE:
            detail = f"a coded picture is larger than the device's buffers of {self.output.plane_size[0]} bytes"
            cure = "the stage before knows the largest: tell it in its caps"
        else:
            detail = "the driver refuses the headers of this picture for the format that its pictures are set to"
            cure = "decode to the format that the stream was made from"
        self.error = make_error(code, (<bytes>operation).decode(), self.name, detail, cure)
        return -code

    cdef int next_picture(self) noexcept nogil:
        return 0

    cdef int tell_change(self, uint32_t width, uint32_t height, object picture) noexcept with gil:
        """1 = go on, or paused; -ECANCELED = it raised."""
        answer = self.consult((width, height, picture))
        if self.paused:
            self.let_go()
        elif answer is not None:
            self.width, self.height = width, height
        return 1 if answer is not None else -ECANCELED

    # What comes out

    cdef int give(self) noexcept nogil:
        cdef Slot *slot = NULL
        cdef Record *record
        cdef int result, i, moved = 0
        while self.out_count and self.sink.has_room():
            slot = self.out[0]
            self.out_count -= 1
            for i in range(self.out_count):
                self.out[i] = self.out[i + 1]
            moved += self.hand_on(slot)
        if self.out_count or not self.pending:
            return moved
        record = &self.records[self.first_record]
        if record.number == 0:
            return self.settle(record, NULL)
        slot = NULL
        result = self.fetch(&slot)
        if result <= 0:
            return result if result < 0 else moved
        if slot.meta.timestamp_ns != <int64_t>(record.number * NS_PER_PICTURE):
            slot_drop(slot)
            return -EBADMSG  # pictures come in the order of their requests
        return self.settle(record, slot)

    cdef int settle(self, Record *record, Slot *slot) noexcept nogil:
        """A picture is decoded: hand on what is due, let go of what is not needed any more."""
        cdef int i, j, left = 0
        cdef bint wanted
        if slot != NULL:
            if self.held_count == MAX_HELD:
                slot_drop(slot)
                return -ENOBUFS
            slot.meta.timestamp_ns = record.timestamp_ns
            slot.meta.flags |= record.flags
            self.held[self.held_count] = slot
            self.held_number[self.held_count] = record.number
            self.held_count += 1
        for i in range(record.due_count):
            for j in range(self.held_count):
                if self.held_number[j] == record.due[i] and self.out_count < MAX_HELD:
                    slot_hold(self.held[j])
                    if record.shown_now:
                        self.held[j].meta.timestamp_ns = record.timestamp_ns
                    self.out[self.out_count] = self.held[j]
                    self.out_count += 1
        for j in range(self.held_count):
            wanted = False
            for i in range(record.keep_count):
                wanted = wanted or record.keep[i] == self.held_number[j]
            if wanted:
                self.held[left] = self.held[j]
                self.held_number[left] = self.held_number[j]
                left += 1
            else:
                slot_drop(self.held[j])
        self.held_count = left
        self.first_record = (self.first_record + 1) % MAX_RECORDS
        self.pending -= 1
        return 1

    cdef void drop_due(self) noexcept nogil:
        while self.out_count:
            self.out_count -= 1
            slot_drop(self.out[self.out_count])

    cdef void drop_held(self) noexcept nogil:
        while self.held_count:
            self.held_count -= 1
            slot_drop(self.held[self.held_count])

    cdef void let_go(self) noexcept nogil:
        self.drop_held()
        self.drop_due()
        self.pending = 0

    # A flush

    cdef int throw_away(self) noexcept nogil:
        """A seek, as the kernel's interface has it: nothing is stopped, and what was under way is ignored."""
        cdef int i
        atomic_store(&self.flush_asked, 0)
        self.write_off()
        self.drop_due()
        for i in range(self.pending):  # references stay as long as the device works with them
            self.records[(self.first_record + i) % MAX_RECORDS].due_count = 0
        if self.pending:
            self.records[(self.first_record + self.pending - 1) % MAX_RECORDS].keep_count = 0
        else:
            self.drop_held()
        return 1

    def release(self):
        """Let go of all pictures: the queues are stopped."""
        self.paused = False
        self.let_go()

    @property
    def holds(self):
        """How many pictures it keeps, as references or for later."""
        return self.held_count

    def __dealloc__(self):
        self.let_go()

    cdef uint32_t wants(self) noexcept nogil:
        cdef uint32_t events = 0
        if self.done or self.paused:
            return 0
        if self.output.queued_count:
            events |= EPOLLOUT
        if self.capture.queued_count and self.pending and not self.out_count and self.sink.has_room():
            events |= EPOLLIN
        return events
