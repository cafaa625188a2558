"""What several kinds of nodes do with V4L2 queues, one step at a time."""

from libc.errno cimport EAGAIN, EMSGSIZE
from libc.stdint cimport int64_t, uint64_t

from zcore._alarm cimport monotonic_ns
from zcore._chain cimport Link
from zcore._pool cimport Slot, slot_drop
from zcore._v4l2 cimport Queue
from zcore.uapi.videodev2 cimport V4L2_MEMORY_DMABUF


cdef int feed_queue(Queue queue, Link source, uint64_t *fed, bint payload_only) noexcept nogil:
    cdef Slot *slot
    cdef int result, moved = 0
    while source.count and queue.queued_count < queue.count:
        slot = source.pop()
        moved += 1
        if payload_only and slot.planes[0].used <= slot.planes[0].data_offset:
            slot_drop(slot)
            continue
        # videobuf2 compares the payload of a single-planar import with the size that it knew before it came.
        if payload_only and queue.memory == V4L2_MEMORY_DMABUF and not queue.multiplanar and (
            slot.planes[0].used > queue.plane_size[0]
        ):
            result = -EMSGSIZE
        else:
            result = queue.queue_slot(slot)
        if result < 0:
            slot_drop(slot)
            return result
        fed[0] += 1
    return moved


cdef int take_one_back(Queue queue) noexcept nogil:
    cdef Slot *slot = NULL
    cdef int result = queue.dequeue(&slot)
    if result < 0:
        return 0 if result == -EAGAIN else result
    slot_drop(slot)
    return 1


cdef bint within_a_second(int64_t *until_ns) noexcept nogil:
    cdef int64_t now_ns = monotonic_ns()
    if until_ns[0] == 0:
        until_ns[0] = now_ns + 1000000000
    return now_ns < until_ns[0]
