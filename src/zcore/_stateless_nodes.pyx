"""Stateless decoders as the loop sees them: each picture is a request with its bitstream and its parsed headers."""

cimport cython
from libc.errno cimport EAGAIN, EBADMSG, EBUSY, EINVAL, EMSGSIZE, ENOBUFS
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from zcore._chain cimport Link
from zcore._cpu_nodes cimport begin_uninterrupted
from zcore._dmabuf cimport Memory, memory_end, memory_map
from zcore._ioctl cimport ACCESS_READ
from zcore._nodes cimport ConvertNode
from zcore._pool cimport HOLDER_DEVICE, Slot, core_take, slot_drop, slot_hold
from zcore._request cimport RequestPool, queue_in_request, request_queue, request_set_controls
from zcore._sys cimport sys_wait
from zcore._v4l2 cimport Queue
from zcore.uapi.videodev2 cimport V4L2_BUF_FLAG_ERROR, v4l2_ext_control

from zcore._errors import make_error


cdef extern from "<sys/epoll.h>" nogil:
    enum: EPOLLIN, EPOLLOUT, EPOLLERR, EPOLLHUP

cdef extern from "<poll.h>" nogil:
    enum: POLLPRI

cdef extern from "<errno.h>" nogil:
    enum: ECANCELED

cdef enum:
    FIELD_NONE = 1

cdef uint32_t FAILED = EPOLLERR | EPOLLHUP


@cython.no_gc_clear  # __dealloc__ drops slots that live in `kept_pools`
cdef class StatelessNode(ConvertNode):
    """A stateless decoder.

    The device sees timestamps that are the numbers of pictures, because that is how references are named; frames that
    go on have the times of the coded frames that they came with.

    Parameters
    ----------
    output : Queue
        With mapped buffers of its own: the bitstream is written there.
    parse : callable, optional
        Called with the GIL: with the bytes of each coded frame, and with ``None`` at the end. Gives a list of
        ``zcore.bitstream.Picture``.
    changed : callable
        Called with width and height when a picture has another size than agreed, and with that picture where `parse`
        gave it; also with the first picture of a run. All pictures before it are decoded and handed on then. It gives
        ``"pause"`` where both queues must be set up anew: the link behind is closed, and nothing is taken until
        :meth:`resume`. What it raises ends the run.
    size : (int, int)
        What was agreed.
    last_number : int
        Of the last picture of an earlier run: numbers are not used twice.
    """

    def __init__(self, str name, Queue output not None, Queue capture not None, Link source not None,
                 Link sink not None, RequestPool requests not None, *, changed, size, parse=None,
                 uint64_t last_number=0, bint drop_corrupted=False):
        ConvertNode.__init__(self, name, output, capture, source, sink)
        self.requests = requests
        self.parse = parse
        self.changed = changed
        self.width, self.height = size
        self.pictures = []
        self.last_number = last_number
        self.drop_corrupted = drop_corrupted
        self.kept_pools = ()

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
        return not self.flushed or self.unsubmitted > 0

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

    cdef int submit(
        self, const uint8_t *data, size_t length, v4l2_ext_control *controls, int count, Record *record
    ) noexcept nogil:
        """Hand one picture to the device."""
        cdef Slot *slot
        cdef int result, request
        request = self.requests.take()
        if request == -EBUSY:
            # Its buffer is back already, and the driver ends the request right after that.
            sys_wait(self.requests.numbers[self.requests.next], POLLPRI, 1000)
            request = self.requests.take()
        if request < 0:
            self.operation = "MEDIA_REQUEST_IOC_REINIT"
            return request
        slot = core_take(&self.output.pool.core, HOLDER_DEVICE)
        if slot == NULL:
            return -ENOBUFS
        if length > slot.planes[0].length:
            slot_drop(slot)
            return self.refuse("VIDIOC_QBUF", EMSGSIZE)
        result = memory_map(slot.planes[0].memory)
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

    # Codecs whose headers are read in Python

    cdef int next_picture(self) noexcept nogil:
        return self.next_parsed()

    cdef int next_parsed(self) noexcept with gil:
        """Submit the next picture that the parser found; 0 = there is none."""
        cdef Slot *slot
        cdef Memory *memory
        cdef int result
        try:
            if not self.pictures:
                if self.source.count:
                    slot = self.source.pop()
                    self.stamp_ns = slot.meta.timestamp_ns
                    self.frames_in += 1
                    self.pieces += 1
                    self.stamps[self.pieces % STAMPS] = self.stamp_ns
                    memory = slot.planes[0].memory
                    result = memory_map(memory)
                    if result >= 0:
                        result = begin_uninterrupted(memory, ACCESS_READ)
                    if result < 0:
                        slot_drop(slot)
                        self.operation = "mmap"
                        return result
                    content = (<char *>memory.address + slot.planes[0].offset)[
                        slot.planes[0].data_offset:slot.planes[0].used
                    ]
                    memory_end(memory)
                    slot_drop(slot)
                elif self.source.closed and not self.flushed:
                    self.flushed = True
                    content = None
                else:
                    return 0
                self.pictures = self.parse(content)
                self.pictures.reverse()
                self.unsubmitted = len(self.pictures)
                return 1
            picture = self.pictures[len(self.pictures) - 1]
            if picture.number and (not self.begun or picture.size != (self.width, self.height)):
                older = [number for number in picture.due if number < picture.number]
                if older:  # to be shown before it, and with buffers of the old size
                    self.pictures[len(self.pictures) - 1] = picture._replace(due=picture.due[len(older):])
                    return self.submit_parsed(picture._replace(number=0, due=older, keep=()))
                if self.pending or self.out_count:
                    return 0
                result = self.tell_change(picture.size[0], picture.size[1], picture)
                if result < 0 or self.paused:
                    return result
                self.begun = True
            self.unsubmitted -= 1
            return self.submit_parsed(self.pictures.pop())
        except BaseException as error:
            if self.error is None:
                self.error = error
            self.operation = "decode"
            return -ECANCELED

    cdef int submit_parsed(self, object picture) except -1:
        cdef Record record
        cdef v4l2_ext_control controls[MAX_CONTROLS]
        cdef bytes payload, content
        cdef int result, count = 0
        cdef uint64_t piece = picture.piece
        memset(&record, 0, sizeof(record))
        memset(controls, 0, sizeof(controls))
        record.number = picture.number
        record.timestamp_ns = self.stamp_ns
        if 0 < piece <= self.pieces < piece + STAMPS:
            record.timestamp_ns = self.stamps[piece % STAMPS]
        record.flags = V4L2_BUF_FLAG_ERROR if picture.damaged else 0
        if len(picture.due) > MAX_DUE or len(picture.keep) > MAX_DUE or len(picture.controls) > MAX_CONTROLS:
            raise ValueError(f"picture {picture.number} names more pictures or controls than there can be")
        for number in picture.due:
            record.due[record.due_count] = number
            record.due_count += 1
        for number in picture.keep:
            record.keep[record.keep_count] = number
            record.keep_count += 1
        if record.number == 0:
            self.records[(self.first_record + self.pending) % MAX_RECORDS] = record
            self.pending += 1
            return 1
        payload = bytes(picture.payload)
        for id, content in picture.controls:
            controls[count].id = id
            controls[count].size = len(content)
            controls[count].ptr = <void *><char *>content  # `picture` keeps it
            count += 1
        result = self.submit(<const uint8_t *><char *>payload, len(payload), controls, count, &record)
        if result < 0:
            if self.error is None:
                self.error = make_error(-result, self.operation.decode(), self.name)
            raise self.error
        self.last_number = max(self.last_number, record.number)
        return result

    cdef int tell_change(self, uint32_t width, uint32_t height, object picture) noexcept with gil:
        """1 = go on, or paused; -ECANCELED = it raised."""
        try:
            if self.changed(width, height, picture) == "pause":
                self.paused = True
                self.let_go()
                self.sink.close()
            else:
                self.width, self.height = width, height
            return 1
        except BaseException as error:
            self.error = error
            self.operation = "decode"
            return -ECANCELED

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
            if self.drop_corrupted and slot.meta.flags & V4L2_BUF_FLAG_ERROR:
                self.corrupted_drops += 1
                slot_drop(slot)
            else:
                self.frames_out += 1
                self.sink.push(slot)
            moved += 1
        if self.out_count or not self.pending:
            return moved
        record = &self.records[self.first_record]
        if record.number == 0:
            return self.settle(record, NULL)
        if not self.ready & (EPOLLIN | FAILED) or not self.sink.has_room() or not self.capture.queued_count:
            return moved
        self.ready &= ~(<uint32_t>EPOLLIN | FAILED)
        slot = NULL
        result = self.capture.dequeue(&slot)
        if result == -EAGAIN:
            return moved
        self.operation = "VIDIOC_DQBUF"
        if result < 0:
            return result
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

    cdef void let_go(self) noexcept nogil:
        cdef int i
        for i in range(self.held_count):
            slot_drop(self.held[i])
        for i in range(self.out_count):
            slot_drop(self.out[i])
        self.held_count = self.out_count = self.pending = 0

    def release(self):
        """Let go of all pictures: the queues are stopped."""
        self.paused = False
        self.let_go()
        self.pictures = []
        self.unsubmitted = 0

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
