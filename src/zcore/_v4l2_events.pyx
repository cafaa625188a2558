"""The events of an open V4L2 device, for Python threads; what a loop waits for stays the loop's."""

cimport cython
from cpython.mem cimport PyMem_Calloc, PyMem_Free
from libc.errno cimport EBADF, EINVAL, ENOTTY
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memset

from zcore._errors cimport check
from zcore._fd cimport Fd
from zcore._sys cimport sys_ioctl
from zcore._v4l2_device cimport V4l2Device
from zcore._v4l2_hubs cimport (
    RING,
    Hub,
    Taken,
    count_listener,
    enlist,
    enter,
    events_loop_bell,
    events_source_change,
    fetch,
    leave,
    ring,
    strike,
    wait,
)
from zcore.uapi.epoll cimport zc_errno
from zcore.uapi.videodev2 cimport (
    V4L2_EVENT_CTRL,
    V4L2_EVENT_FRAME_SYNC,
    V4L2_EVENT_MOTION_DET,
    V4L2_EVENT_SOURCE_CHANGE,
    V4L2_EVENT_VSYNC,
    VIDIOC_SUBSCRIBE_EVENT,
    VIDIOC_UNSUBSCRIBE_EVENT,
    v4l2_event,
    v4l2_event_subscription,
)

import threading
from typing import NamedTuple


cdef extern from "<sys/eventfd.h>" nogil:
    int eventfd(unsigned int initial, int flags)
    enum:
        EFD_CLOEXEC
        EFD_NONBLOCK


def loop_bell(int fd):
    """Give the descriptor that rings when a loop's event was taken by another reader; -1 where nobody else reads."""
    cdef int bell
    with nogil:
        bell = events_loop_bell(fd)
    return bell


class Event(NamedTuple):
    """An event, as VIDIOC_DQEVENT gave it."""

    type: int
    id: int
    sequence: int
    timestamp_ns: int
    pending: int  # how many more waited in the kernel
    missed: int  # how many before it were dropped or merged by the kernel
    # By type: VSYNC (field,), CTRL (changes, type, value, flags, minimum, maximum, step, default), FRAME_SYNC
    # (frame_sequence,), SOURCE_CHANGE (changes,), MOTION_DET (flags, frame_sequence, region_mask), else bytes
    payload: tuple


cdef decode(Taken *taken):
    cdef v4l2_event *event = &taken.event
    if event.type == V4L2_EVENT_CTRL:
        c = event.u.ctrl
        value = c.value64 if c.type == 5 else c.value
        payload = (c.changes, c.type, value, c.flags, c.minimum, c.maximum, c.step, c.default_value)
    elif event.type == V4L2_EVENT_SOURCE_CHANGE:
        payload = (event.u.src_change.changes,)
    elif event.type == V4L2_EVENT_FRAME_SYNC:
        payload = (event.u.frame_sync.frame_sequence,)
    elif event.type == V4L2_EVENT_VSYNC:
        payload = (event.u.vsync.field,)
    elif event.type == V4L2_EVENT_MOTION_DET:
        payload = (event.u.motion_det.flags, event.u.motion_det.frame_sequence, event.u.motion_det.region_mask)
    else:
        payload = ((<char *>event.u.data)[:64],)
    stamp = <int64_t>event.timestamp.tv_sec * 1000000000 + event.timestamp.tv_nsec
    return Event(event.type, event.id, event.sequence, stamp, event.pending, taken.missed, payload)


@cython.final
cdef class EventHub:
    """The events of one open device; made by :func:`hub_of`."""

    cdef Hub *hub
    cdef Fd fd
    cdef readonly str path
    cdef readonly bint closed

    def __cinit__(self, Fd fd not None, str path):
        self.fd = fd
        self.path = path
        self.hub = <Hub *>PyMem_Calloc(1, sizeof(Hub))
        if self.hub == NULL:
            raise MemoryError()
        self.hub.fd = &fd.number
        self.hub.bell = self.hub.loop_bell = -1

    def __init__(self, fd, path):
        self.hub.bell = check(zc_errno(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)), "eventfd", self.path)
        self.hub.loop_bell = check(zc_errno(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)), "eventfd", self.path)
        with nogil:
            enlist(self.hub)

    def subscribe(self, uint32_t type, uint32_t id=0, uint32_t flags=0):
        """Ask the driver for events (VIDIOC_SUBSCRIBE_EVENT); False where it has none of that kind."""
        cdef v4l2_event_subscription subscription
        cdef int result
        memset(&subscription, 0, sizeof(subscription))
        subscription.type = type
        subscription.id = id
        subscription.flags = flags
        result = sys_ioctl(self.fd.number, VIDIOC_SUBSCRIBE_EVENT, &subscription)
        if result == -EINVAL or result == -ENOTTY:
            return False
        check(result, "VIDIOC_SUBSCRIBE_EVENT", self.path)
        return True

    def unsubscribe(self, uint32_t type, uint32_t id=0):
        """Want no more of them; a device that is closed or gone sends none anyway."""
        cdef v4l2_event_subscription subscription
        memset(&subscription, 0, sizeof(subscription))
        subscription.type = type
        subscription.id = id
        sys_ioctl(self.fd.number, VIDIOC_UNSUBSCRIBE_EVENT, &subscription)

    def listen(self, int delta):
        """Count who wants events: 1 for one more, -1 for one less. Nobody: they are dropped."""
        with nogil:
            count_listener(self.hub, delta)

    def collect(self, int timeout_ms):
        """Wait for events, and take all that there are.

        Parameters
        ----------
        timeout_ms : int
            How long to wait for the first; 0 does not wait, -1 waits for ever.

        Returns
        -------
        (int, list of Event, int)
            0 or the errno (ENODEV: unplugged, EBADF: closed meanwhile, EINTR: look for signals); the events; how many
            did not fit in since the last call because nobody read them.
        """
        cdef Taken *copies
        cdef uint32_t count = 0
        cdef uint64_t lost = 0
        cdef int result
        copies = <Taken *>PyMem_Calloc(RING, sizeof(Taken))
        if copies == NULL:
            raise MemoryError()
        try:
            with nogil:
                result = enter(self.hub)
                if result >= 0:
                    result = fetch(self.hub, self.fd.number, copies, &count, &lost)
                    if result >= 0 and not count and timeout_ms:
                        result = wait(self.hub, self.fd.number, timeout_ms)
                        if result > 0:
                            result = fetch(self.hub, self.fd.number, copies, &count, &lost)
                    if leave(self.hub):
                        result = -EBADF
            return -min(result, 0), [decode(&copies[i]) for i in range(count)], lost
        finally:
            PyMem_Free(copies)

    def wake(self):
        """Let :meth:`collect` return in whatever thread it waits."""
        with nogil:
            ring(self.hub)

    def close(self):
        """End every wait; the device closes."""
        self.closed = True
        with nogil:
            strike(self.hub)

    def __dealloc__(self):
        if self.hub != NULL:
            if not self.closed:
                with nogil:
                    strike(self.hub)
            PyMem_Free(self.hub)


_making = threading.Lock()


def hub_of(V4l2Device device not None):
    """Give the hub of an open device; the first call makes it."""
    with _making:
        if device.events is None:
            device.events = EventHub(device.fd, device.path)
        return device.events


def forget_source_changes(V4l2Device device not None):
    """Drop the source changes of an earlier run; other events stay with those who wait for them."""
    cdef int fd = device.fd.number
    with nogil:
        while events_source_change(fd) > 0:
            pass
