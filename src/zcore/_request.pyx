"""Requests: controls and buffers that a driver applies together, frame by frame (media controller, Linux 4.20)."""

cimport cython
from libc.errno cimport EBUSY, EINVAL, ENOBUFS, ENODEV, EPIPE, ETIMEDOUT
from libc.stdint cimport int32_t, int64_t, uint32_t
from libc.string cimport memset

from zcore._errors cimport check, device_error
from zcore._fd cimport Fd
from zcore._frame cimport Frame, frame_from_slot
from zcore._ioctl cimport v4l2_qbuf, v4l2_streamon
from zcore._pool cimport HOLDER_DEVICE, HOLDER_PYTHON, Slot, core_take, slot_drop, slot_hold
from zcore._sys cimport sys_close, sys_ioctl, sys_wait
from zcore._v4l2 cimport Queue
from zcore._v4l2_buffers cimport QUEUE_ENDED, QUEUE_GONE, QUEUE_READY, QUEUE_STREAMING
from zcore._v4l2_device cimport V4l2Device
from zcore.uapi.epoll cimport (
    EPOLL_CLOEXEC, EPOLL_CTL_ADD, EPOLL_CTL_DEL, EPOLLPRI, epoll_create1, epoll_ctl, epoll_event, zc_errno,
)
from zcore.uapi.media_request cimport MEDIA_IOC_REQUEST_ALLOC, MEDIA_REQUEST_IOC_QUEUE, MEDIA_REQUEST_IOC_REINIT
from zcore.uapi.videodev2 cimport (
    V4L2_BUF_FLAG_REQUEST_FD,
    V4L2_CTRL_TYPE_INTEGER64,
    V4L2_CTRL_WHICH_REQUEST_VAL,
    V4L2_MEMORY_MMAP,
    VIDIOC_G_EXT_CTRLS,
    VIDIOC_S_EXT_CTRLS,
    v4l2_ext_control,
    v4l2_ext_controls,
)


cdef extern from "<poll.h>" nogil:
    enum:
        POLLIN
        POLLPRI
        POLLOUT


cdef enum:
    MAX_CONTROLS = 64


cdef int request_alloc(int media) noexcept nogil:
    cdef int32_t number = -1
    cdef int result = sys_ioctl(media, MEDIA_IOC_REQUEST_ALLOC, &number)
    return number if result >= 0 else result


cdef int request_queue(int request) noexcept nogil:
    return sys_ioctl(request, MEDIA_REQUEST_IOC_QUEUE, NULL)


cdef int request_reinit(int request) noexcept nogil:
    return sys_ioctl(request, MEDIA_REQUEST_IOC_REINIT, NULL)


cdef int request_set_controls(
    int fd, int request, v4l2_ext_control *controls, uint32_t count, uint32_t *failed
) noexcept nogil:
    cdef v4l2_ext_controls batch
    cdef int result
    memset(&batch, 0, sizeof(batch))
    batch.which = V4L2_CTRL_WHICH_REQUEST_VAL
    batch.request_fd = request
    batch.count = count
    batch.controls = controls
    result = sys_ioctl(fd, VIDIOC_S_EXT_CTRLS, &batch)
    if failed != NULL:
        failed[0] = batch.error_idx
    return result


cdef int queue_in_request(Queue queue, Slot *slot, int request, int64_t stamp_ns) noexcept nogil:
    cdef int result
    cdef int index
    cdef int64_t stamp
    if slot.plane_count != queue.plane_count:
        return -EINVAL
    index = queue.choose_index(slot)
    if index < 0:
        return -ENOBUFS
    queue.prepare(index)
    if queue.memory != V4L2_MEMORY_MMAP or queue.output:
        queue.describe_planes(slot)
    if queue.output:
        stamp = slot.meta.timestamp_ns if stamp_ns < 0 else stamp_ns
        queue.buffer.timestamp.tv_sec = stamp // 1000000000
        queue.buffer.timestamp.tv_usec = (stamp % 1000000000) // 1000
        queue.buffer.field = slot.meta.field
    queue.buffer.flags = V4L2_BUF_FLAG_REQUEST_FD
    queue.buffer.request_fd = request
    result = v4l2_qbuf(queue.fd.number, &queue.buffer)
    if result < 0:
        if result == -ENODEV:
            queue.c_state = QUEUE_GONE
        return result
    if queue.memory != V4L2_MEMORY_MMAP:
        if queue.bound_pool[index] != slot.core.id or queue.bound_slot[index] != <int>slot.index:
            queue.attaches += 1
            if queue.bound_pool[index]:
                queue.reattaches += 1
            queue.bound_pool[index] = slot.core.id
            queue.bound_slot[index] = slot.index
    queue.queued[index] = slot
    queue.queued_count += 1
    slot.holder = queue.holder
    return 0


@cython.final
cdef class RequestPool:
    """Requests of one media device that are made once and used again: nothing is allocated per frame.

    Parameters
    ----------
    media : str
        Path of the media device, such as ``/dev/media0``.
    count : int
        How many.

    Raises
    ------
    DeviceError
        ENOTTY: the driver has no requests.
    """

    def __cinit__(self):
        self.bell = self.watched = -1

    def __init__(self, media, int count):
        cdef int result
        if not 0 < count <= MAX_REQUESTS:
            raise ValueError(f"1 to {MAX_REQUESTS} requests, not {count}")
        self.media = Fd.open(media)
        try:
            self.bell = check(zc_errno(epoll_create1(EPOLL_CLOEXEC)), "epoll_create1", self.media.name)
            while self.count < count:
                result = check(request_alloc(self.media.number), "MEDIA_IOC_REQUEST_ALLOC", self.media.name)
                self.numbers[self.count] = result
                self.count += 1
        except BaseException:
            self.close()
            raise

    cdef int prepare(self) noexcept nogil:
        cdef epoll_event event
        cdef int result, number = self.numbers[self.next]
        if self.count == 0:
            return -ENODEV
        if not self.used[self.next]:
            return 1
        if self.watched == number:
            return 0
        result = request_reinit(number)
        if result == -EBUSY:
            memset(&event, 0, sizeof(event))
            event.events = EPOLLPRI
            result = zc_errno(epoll_ctl(self.bell, EPOLL_CTL_ADD, number, &event))
            if result >= 0:
                self.watched = number
                return 0
        if result < 0:
            return result
        self.used[self.next] = False
        return 1

    cdef int take(self) noexcept nogil:
        cdef int number = self.numbers[self.next]
        self.used[self.next] = True
        self.next = (self.next + 1) % self.count
        return number

    cdef void silence(self) noexcept nogil:
        if self.watched >= 0:
            epoll_ctl(self.bell, EPOLL_CTL_DEL, self.watched, NULL)
            self.watched = -1

    cdef void close_all(self) noexcept nogil:
        self.silence()
        while self.count:
            self.count -= 1
            sys_close(self.numbers[self.count])
        if self.bell >= 0:
            sys_close(self.bell)
            self.bell = -1

    def close(self):
        """Close the requests and the media device; a second call does nothing."""
        self.close_all()
        if self.media is not None:
            self.media.close()

    def __dealloc__(self):
        self.close_all()


@cython.final
cdef class RawRequest:
    """One request by its descriptor: what ``zcore.requests.Request`` is made of."""

    cdef readonly Fd fd
    cdef readonly str name

    def __init__(self, Fd media not None):
        self.name = f"request of {media.name}"
        self.fd = Fd.take(check(request_alloc(media.number), "MEDIA_IOC_REQUEST_ALLOC", media.name), self.name)

    def set_controls(self, V4l2Device device not None, wanted):
        """Put ``(id, type, value)`` into the request; gives 0 or the errno, and the index that failed or -1.

        A value is an int, or bytes for a control with a payload.
        """
        cdef v4l2_ext_control controls[MAX_CONTROLS]
        cdef uint32_t failed = 0
        cdef int result
        kept = fill(controls, wanted)
        result = request_set_controls(device.fd.number, self.fd.fileno(), controls, len(wanted), &failed)
        del kept
        return (-result if result < 0 else 0), (<int>failed if result < 0 and failed < <uint32_t>len(wanted) else -1)

    def get_controls(self, V4l2Device device not None, wanted):
        """Read ``(id, type, size)`` of a completed request: ints, or bytes where the size is not 0."""
        cdef v4l2_ext_control controls[MAX_CONTROLS]
        cdef v4l2_ext_controls batch
        kept = fill(controls, [(id, type, bytes(size) if size else 0) for id, type, size in wanted])
        memset(&batch, 0, sizeof(batch))
        batch.which = V4L2_CTRL_WHICH_REQUEST_VAL
        batch.request_fd = self.fd.fileno()
        batch.count = len(wanted)
        batch.controls = controls
        check(sys_ioctl(device.fd.number, VIDIOC_G_EXT_CTRLS, &batch), "VIDIOC_G_EXT_CTRLS", device.path)
        found = []
        for i, (_, type, size) in enumerate(wanted):
            if size:
                found.append(kept[i])
            else:
                found.append(controls[i].value64 if type == V4L2_CTRL_TYPE_INTEGER64 else controls[i].value)
        return found

    def queue(self):
        """Hand it to the driver (MEDIA_REQUEST_IOC_QUEUE)."""
        check(request_queue(self.fd.fileno()), "MEDIA_REQUEST_IOC_QUEUE", self.name)

    def reinit(self):
        """Make it empty and usable again (MEDIA_REQUEST_IOC_REINIT)."""
        check(request_reinit(self.fd.fileno()), "MEDIA_REQUEST_IOC_REINIT", self.name)

    def wait(self, int timeout_ms):
        """Wait until it is complete (POLLPRI); False where it was not within that time."""
        cdef int result
        cdef int number = self.fd.fileno()
        with nogil:
            result = sys_wait(number, POLLPRI, timeout_ms)
        check(result, "poll", self.name)
        return bool(result & POLLPRI)

    def close(self):
        """Close it; the driver finishes it all the same."""
        self.fd.close()


cdef object fill(v4l2_ext_control *controls, wanted):
    """Fill an array of controls; gives what keeps the payloads alive."""
    cdef bytes payload
    if not 0 < len(wanted) <= MAX_CONTROLS:
        raise ValueError(f"1 to {MAX_CONTROLS} controls at once, not {len(wanted)}")
    memset(controls, 0, sizeof(v4l2_ext_control) * len(wanted))
    kept = []
    for i, (id, type, value) in enumerate(wanted):
        controls[i].id = id
        kept.append(None)
        if isinstance(value, (bytes, bytearray)):
            payload = bytes(bytearray(value))  # its own copy: the kernel writes into it
            kept[i] = payload
            controls[i].size = len(payload)
            controls[i].ptr = <void *><char *>payload
        elif type == V4L2_CTRL_TYPE_INTEGER64:
            controls[i].value64 = <int64_t>value
        else:
            controls[i].value = <int32_t><int64_t>value
    return kept


def set_payloads(V4l2Device device not None, wanted):
    """Set controls with payloads, ``(id, bytes)``, outside of any request; gives 0 or the errno."""
    cdef v4l2_ext_control controls[MAX_CONTROLS]
    cdef v4l2_ext_controls batch
    kept = fill(controls, [(id, 0, content) for id, content in wanted])
    memset(&batch, 0, sizeof(batch))
    batch.count = len(wanted)
    batch.controls = controls
    result = sys_ioctl(device.fd.number, VIDIOC_S_EXT_CTRLS, &batch)
    del kept
    return -result if result < 0 else 0


def start_queue(Queue queue not None):
    """Start streaming without queueing anything: buffers come within requests."""
    if queue.c_state == QUEUE_STREAMING:
        return
    if queue.c_state != QUEUE_READY:
        raise ValueError(f"{queue.name}: cannot start, it is {queue.state}")
    check(v4l2_streamon(queue.fd.number, queue.type), "VIDIOC_STREAMON", queue.name)
    queue.c_state = QUEUE_STREAMING
    queue.last_sequence = -1


def queue_buffer(Queue queue not None, RawRequest request, Frame frame=None):
    """Queue a buffer within a request, or directly where that is ``None``.

    Parameters
    ----------
    queue : Queue
        An OUTPUT queue takes `frame`; a CAPTURE queue a free slot of its pool.
    """
    cdef Slot *slot
    cdef int result
    if queue.output:
        if frame is None:
            raise ValueError(f"{queue.name} takes frames: give one")
        slot = frame._slot()
        slot_hold(slot)
        if frame.pool not in queue.sources:
            queue.sources += (frame.pool,)
    else:
        if frame is not None:
            raise ValueError(f"{queue.name} fills buffers of its own pool: give no frame")
        slot = core_take(&queue.pool.core, HOLDER_DEVICE) if queue.pool is not None else NULL
        if slot == NULL:
            raise device_error(EBUSY, "VIDIOC_QBUF", queue.name, "no buffer is free")
    if request is None:
        result = queue.queue_slot(slot)
    else:
        result = queue_in_request(queue, slot, request.fd.fileno(), -1)
    if result < 0:
        slot_drop(slot)
    check(result, "VIDIOC_QBUF", queue.name)


def dequeue_buffer(Queue queue not None, int timeout_ms):
    """Take a finished buffer, waiting for it: a Frame of a CAPTURE queue; ``None`` of an OUTPUT queue, or at the end.

    Raises
    ------
    DeviceTimeoutError
        None was finished.
    """
    cdef Slot *slot = NULL
    cdef int result
    cdef int number = queue.fd.fileno()
    cdef short event = POLLOUT if queue.output else POLLIN
    if queue.c_state == QUEUE_READY:
        raise ValueError(f"{queue.name}: gives nothing before it was started")
    with nogil:
        result = sys_wait(number, event, timeout_ms)
    if check(result, "poll", queue.name) == 0:
        raise device_error(ETIMEDOUT, "VIDIOC_DQBUF", queue.name, queue.explain_silence())
    result = queue.dequeue(&slot)
    if result == -EPIPE:
        return None
    check(result, "VIDIOC_DQBUF", queue.name)
    if queue.output:
        slot_drop(slot)
        return None
    if queue.c_state == QUEUE_ENDED and not slot.planes[0].used:
        slot_drop(slot)
        return None
    slot.holder = HOLDER_PYTHON
    return frame_from_slot(queue.pool, slot)
