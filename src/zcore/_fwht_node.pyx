"""A stateless FWHT decoder as the loop sees it: its headers are read without the GIL."""

cimport cython
from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memcmp, memcpy, memset

from zcore._cpu_nodes cimport begin_uninterrupted
from zcore._dmabuf cimport Memory, memory_end, memory_map
from zcore._ioctl cimport ACCESS_READ
from zcore._pool cimport slot_drop
from zcore._stateless_nodes cimport NS_PER_PICTURE, Record, StatelessNode
from zcore.uapi.stateless cimport (
    ZC_V4L2_CID_STATELESS_FWHT_PARAMS,
    ZC_V4L2_FWHT_FL_I_FRAME,
    ZC_V4L2_FWHT_VERSION,
    zc_v4l2_ctrl_fwht_params,
)
from zcore.uapi.videodev2 cimport V4L2_BUF_FLAG_ERROR, v4l2_ext_control


cdef extern from "<arpa/inet.h>" nogil:
    uint32_t ntohl(uint32_t value)

cdef enum:
    FWHT_HEADER = 44  # eight bytes of magic, then nine numbers, most significant byte first

cdef const char *FWHT_MAGIC = "OOOO\xff\xff\xff\xff"


@cython.final
@cython.no_gc_clear  # __dealloc__ drops a slot that lives in `kept_pools`
cdef class FwhtNode(StatelessNode):
    """A stateless FWHT decoder: see :class:`StatelessNode`.

    Parameters
    ----------
    changed, size, last_number, drop_corrupted
        See there.
    """

    cdef bint has_more(self) noexcept nogil:
        return self.current != NULL

    cdef int next_picture(self) noexcept nogil:
        """Submit the next picture of the coded frame at hand, or of the next one; 0 = there is none."""
        cdef int result
        cdef Memory *memory
        if self.current == NULL:
            self.current = self.source.pop()
            if self.current == NULL:
                return 0
            self.position = self.current.planes[0].data_offset
            self.frames_in += 1
        if self.position >= self.current.planes[0].used:
            slot_drop(self.current)
            self.current = NULL
            return 1
        result = self.prepare()
        if result <= 0:
            return result
        memory = self.current.planes[0].memory
        self.operation = "mmap"
        result = memory_map(memory)
        if result >= 0:
            result = begin_uninterrupted(memory, ACCESS_READ)
        if result < 0:
            return result
        result = self.take_fwht(<uint8_t *>memory.address + self.current.planes[0].offset)
        memory_end(memory)
        return result

    cdef int take_fwht(self, const uint8_t *start) noexcept nogil:
        cdef uint32_t numbers[9]
        cdef uint32_t left = self.current.planes[0].used - self.position
        cdef const uint8_t *at = start + self.position
        cdef int i, result
        cdef bint sound = left >= FWHT_HEADER and memcmp(at, FWHT_MAGIC, 8) == 0
        cdef zc_v4l2_ctrl_fwht_params params
        cdef v4l2_ext_control control
        cdef Record record
        if sound:
            memcpy(numbers, at + 8, sizeof(numbers))
            for i in range(9):
                numbers[i] = ntohl(numbers[i])
            sound = 1 <= numbers[0] <= ZC_V4L2_FWHT_VERSION and numbers[8] <= left - FWHT_HEADER
            sound = sound and numbers[1] > 0 and numbers[2] > 0
        if not sound:  # the next picture of this frame may be sound
            self.damaged_headers += 1
            self.doubtful = True
            self.position += 1
            while self.position < self.current.planes[0].used and (
                self.current.planes[0].used - self.position < 8 or memcmp(start + self.position, FWHT_MAGIC, 8) != 0
            ):
                self.position += 1
            return 1
        if numbers[1] != self.width or numbers[2] != self.height:
            if numbers[3] & ZC_V4L2_FWHT_FL_I_FRAME:
                return 0 if self.pending or self.out_count else self.tell_change(numbers[1], numbers[2], None)
            self.reference = 0  # what it builds on has another size, so it was lost
        memset(&record, 0, sizeof(record))
        memset(&params, 0, sizeof(params))
        if numbers[3] & ZC_V4L2_FWHT_FL_I_FRAME:
            self.doubtful = False
        else:
            if self.reference == 0 or (self.doubtful and self.drop_corrupted):
                self.without_reference += 1
                self.position += FWHT_HEADER + numbers[8]
                return 1
            params.backward_ref_ts = self.reference * NS_PER_PICTURE
            if self.doubtful:
                record.flags = V4L2_BUF_FLAG_ERROR
        params.version = numbers[0]
        params.width = numbers[1]
        params.height = numbers[2]
        params.flags = numbers[3]
        params.colorspace = numbers[4]
        params.xfer_func = numbers[5]
        params.ycbcr_enc = numbers[6]
        params.quantization = numbers[7]
        memset(&control, 0, sizeof(control))
        control.id = ZC_V4L2_CID_STATELESS_FWHT_PARAMS
        control.size = sizeof(params)
        control.ptr = &params
        record.number = self.last_number + 1
        record.timestamp_ns = self.current.meta.timestamp_ns
        record.due_count = record.keep_count = 1
        record.due[0] = record.keep[0] = record.number
        result = self.submit(at + FWHT_HEADER, numbers[8], &control, 1, &record)
        if result < 0:
            return result
        self.position += FWHT_HEADER + numbers[8]
        self.last_number = self.reference = record.number
        return 1

    cdef int throw_away(self) noexcept nogil:
        StatelessNode.throw_away(self)
        self.reference = 0
        self.doubtful = False
        if self.current != NULL:
            slot_drop(self.current)
            self.current = NULL
        return 1

    cdef uint64_t accounted(self) noexcept nogil:
        return StatelessNode.accounted(self) + self.damaged_headers + self.without_reference

    cdef void let_go(self) noexcept nogil:
        StatelessNode.let_go(self)
        self.reference = 0
        if self.current != NULL and not self.paused:  # behind a pause it goes on with this frame
            slot_drop(self.current)
            self.current = NULL

    def __dealloc__(self):
        if self.current != NULL:
            slot_drop(self.current)
            self.current = NULL
