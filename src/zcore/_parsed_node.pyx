"""A stateless decoder whose headers are read in Python, as the loop sees it."""

cimport cython
from libc.stdint cimport uint8_t, uint64_t
from libc.string cimport memset

from zcore._chain cimport Link
from zcore._cpu_nodes cimport begin_uninterrupted
from zcore._dmabuf cimport Memory, memory_end, memory_map
from zcore._ioctl cimport ACCESS_READ
from zcore._pool cimport Slot, slot_drop
from zcore._request cimport RequestPool
from zcore._stateless_nodes cimport MAX_CONTROLS, MAX_DUE, MAX_RECORDS, MAX_STAMPS, Record, StatelessNode
from zcore._v4l2 cimport Queue
from zcore.uapi.videodev2 cimport V4L2_BUF_FLAG_ERROR, v4l2_ext_control

from zcore._errors import make_error


cdef extern from "<errno.h>" nogil:
    enum: ECANCELED


@cython.final
@cython.no_gc_clear  # as its base class
cdef class ParsedNode(StatelessNode):
    """A stateless decoder with a parser in Python: see :class:`StatelessNode`.

    Parameters
    ----------
    changed, size, last_number, drop_corrupted
        See there; `changed` is called with the first picture of a run, and behind a flush, too.
    parse : callable
        Called with the GIL: with the bytes of each coded frame, and with ``None`` at the end. Gives a list of
        ``zcore.bitstream.Picture``.
    restart : callable
        Called with the GIL at a flush: what comes next is of another place of the stream. Gives how many coded frames
        gave no picture until then because they were damaged.
    """

    def __init__(self, str name, Queue output not None, Queue capture not None, Link source not None,
                 Link sink not None, RequestPool requests not None, *, changed, size, parse, restart,
                 uint64_t last_number=0, bint drop_corrupted=False):
        StatelessNode.__init__(
            self, name, output, capture, source, sink, requests, changed=changed, size=size, last_number=last_number,
            drop_corrupted=drop_corrupted
        )
        self.parse = parse
        self.restart = restart
        self.pictures = []

    cdef bint has_more(self) noexcept nogil:
        return not self.at_rest or self.unsubmitted > 0

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
                    self.pieces += 1
                    self.stamps[self.pieces % MAX_STAMPS] = slot.meta.timestamp_ns
                    self.frames_in += 1
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
                elif self.source.closed and not self.at_rest:
                    self.at_rest = True
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
            if picture.number:
                result = self.prepare()
                if result <= 0:
                    return result
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
        cdef uint64_t piece
        memset(&record, 0, sizeof(record))
        memset(controls, 0, sizeof(controls))
        record.number = picture.number
        # A picture may be complete some pieces after that in which it began, whose time is its own.
        piece = picture.piece if 0 < picture.piece <= self.pieces < picture.piece + MAX_STAMPS else self.pieces
        record.timestamp_ns = self.stamps[piece % MAX_STAMPS]
        record.flags = V4L2_BUF_FLAG_ERROR if picture.damaged else 0
        record.shown_now = picture.shown_now
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

    cdef int throw_away(self) noexcept nogil:
        cdef int result = self.restart_parser()
        self.begun = False
        return result if result < 0 else StatelessNode.throw_away(self)

    cdef int restart_parser(self) noexcept with gil:
        try:
            self.lost = self.restart()
            self.pieces = 0
            self.pictures = []
            self.unsubmitted = 0
            return 0
        except BaseException as error:
            self.error = error
            self.operation = "decode"
            return -ECANCELED

    cdef uint64_t accounted(self) noexcept nogil:
        return StatelessNode.accounted(self) + self.lost

    def release(self):
        """Let go of all pictures: the queues are stopped."""
        StatelessNode.release(self)
        self.pictures = []
        self.unsubmitted = 0
