"""Queues of events: one place dequeues, whoever wants an event finds his.

The kernel has one queue of events per open file, and VIDIOC_DQEVENT takes whatever is the oldest. A loop that waits for
a new resolution would throw away the control events of somebody else, and the other way round. Here each reader that
takes what is not his hands it on: source changes to the loop, everything else to a ring that Python threads read.
"""

from libc.errno cimport EBADF, ENOENT
from libc.stdint cimport int32_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from zcore._dmabuf cimport pthread_mutex_lock, pthread_mutex_t, pthread_mutex_unlock
from zcore._sys cimport sys_close, sys_ioctl, sys_notify, sys_read, sys_wait_two
from zcore.uapi.videodev2 cimport (
    V4L2_EVENT_SOURCE_CHANGE,
    V4L2_EVENT_SRC_CH_RESOLUTION,
    VIDIOC_DQEVENT,
    v4l2_event,
)


cdef extern from "<poll.h>" nogil:
    enum:
        POLLIN
        POLLPRI
        POLLHUP
        POLLNVAL

cdef extern from *:
    """
    #include <pthread.h>
    static pthread_mutex_t zc_events_lock = PTHREAD_MUTEX_INITIALIZER;
    """
    pthread_mutex_t zc_events_lock


# All below are touched under zc_events_lock only, which is never taken with the GIL.
cdef Hub *hubs = NULL


cdef Hub *find(int fd) noexcept nogil:
    cdef Hub *hub = hubs
    while hub != NULL and hub.fd[0] != fd:
        hub = hub.next
    return hub


cdef int take(int fd, Hub *hub, v4l2_event *event) noexcept nogil:
    """Dequeue one event and keep it for whoever listens: 1, or 0 where there is none."""
    cdef Taken *place
    cdef uint32_t missed
    memset(event, 0, sizeof(v4l2_event))
    cdef int result = sys_ioctl(fd, VIDIOC_DQEVENT, event)
    if result == -ENOENT:
        return 0
    if result < 0 or hub == NULL:
        return result if result < 0 else 1
    missed = event.sequence - hub.sequence - 1 if hub.any else 0
    hub.any = True
    hub.sequence = event.sequence
    if not hub.listeners:
        return 1
    if hub.count == RING:  # nobody reads: the oldest go, as in the kernel
        hub.head = (hub.head + 1) % RING
        hub.count -= 1
        hub.lost += 1
    place = &hub.ring[(hub.head + hub.count) % RING]
    memcpy(&place.event, event, sizeof(v4l2_event))
    place.missed = 0 if <int32_t>missed < 0 else missed  # a driver that does not count
    hub.count += 1
    return 1


cdef bint is_new_resolution(v4l2_event *event) noexcept nogil:
    return event.type == V4L2_EVENT_SOURCE_CHANGE and event.u.src_change.changes & V4L2_EVENT_SRC_CH_RESOLUTION != 0


cdef int events_source_change(int fd) noexcept nogil:
    cdef v4l2_event event
    cdef Hub *hub
    cdef int result = 1
    cdef bint others = False
    pthread_mutex_lock(&zc_events_lock)
    hub = find(fd)
    if hub != NULL and hub.source_changes:
        hub.source_changes -= 1
        if hub.source_changes:
            sys_notify(hub.loop_bell)
    else:
        while True:
            result = take(fd, hub, &event)
            if result <= 0 or is_new_resolution(&event):
                others = others or result > 0
                break
            others = True
    if others and hub != NULL and hub.listeners:
        sys_notify(hub.bell)
    pthread_mutex_unlock(&zc_events_lock)
    return result


cdef int events_loop_bell(int fd) noexcept nogil:
    cdef Hub *hub
    cdef int bell
    pthread_mutex_lock(&zc_events_lock)
    hub = find(fd)
    bell = hub.loop_bell if hub != NULL else -1
    pthread_mutex_unlock(&zc_events_lock)
    return bell


cdef void enlist(Hub *hub) noexcept nogil:
    global hubs
    pthread_mutex_lock(&zc_events_lock)
    hub.next = hubs
    hubs = hub
    pthread_mutex_unlock(&zc_events_lock)


cdef void strike(Hub *hub) noexcept nogil:
    global hubs
    cdef Hub **place
    pthread_mutex_lock(&zc_events_lock)
    place = &hubs
    while place[0] != NULL:
        if place[0] == hub:
            place[0] = hub.next
            break
        place = &place[0].next
    hub.closed = True
    if hub.users:
        sys_notify(hub.bell)
    else:
        close_bells(hub)
    pthread_mutex_unlock(&zc_events_lock)


cdef void close_bells(Hub *hub) noexcept nogil:
    if hub.bell >= 0:
        sys_close(hub.bell)
    if hub.loop_bell >= 0:
        sys_close(hub.loop_bell)
    hub.bell = hub.loop_bell = -1


cdef void ring(Hub *hub) noexcept nogil:
    pthread_mutex_lock(&zc_events_lock)
    if hub.bell >= 0:
        sys_notify(hub.bell)
    pthread_mutex_unlock(&zc_events_lock)


cdef int enter(Hub *hub) noexcept nogil:
    cdef int result = 0
    pthread_mutex_lock(&zc_events_lock)
    if hub.closed:
        result = -EBADF
    else:
        hub.users += 1
    pthread_mutex_unlock(&zc_events_lock)
    return result


cdef bint leave(Hub *hub) noexcept nogil:
    cdef bint closed
    pthread_mutex_lock(&zc_events_lock)
    hub.users -= 1
    closed = hub.closed
    if closed and not hub.users:
        close_bells(hub)
    pthread_mutex_unlock(&zc_events_lock)
    return closed


cdef void count_listener(Hub *hub, int delta) noexcept nogil:
    pthread_mutex_lock(&zc_events_lock)
    hub.listeners += delta
    if hub.listeners <= 0:
        hub.listeners = 0
        hub.count = 0
    pthread_mutex_unlock(&zc_events_lock)


cdef int fetch(Hub *hub, int fd, Taken *copies, uint32_t *count, uint64_t *lost) noexcept nogil:
    """Empty the ring and the kernel's queue."""
    cdef v4l2_event event
    cdef uint64_t ticks
    cdef int result = 1
    cdef uint32_t taken = 0
    pthread_mutex_lock(&zc_events_lock)
    sys_read(hub.bell, &ticks, sizeof(ticks))
    while taken < RING and fd >= 0:
        result = take(fd, hub, &event)
        if result <= 0:
            break
        taken += 1
        if is_new_resolution(&event):  # the loop's, which no longer sees that there is something
            hub.source_changes += 1
            sys_notify(hub.loop_bell)
    while hub.count:
        memcpy(&copies[count[0]], &hub.ring[hub.head], sizeof(Taken))
        hub.head = (hub.head + 1) % RING
        hub.count -= 1
        count[0] += 1
    lost[0] = hub.lost
    hub.lost = 0
    pthread_mutex_unlock(&zc_events_lock)
    return 0 if result > 0 or count[0] else result


cdef int wait(Hub *hub, int fd, int timeout_ms) noexcept nogil:
    """1 = look, 0 = nothing came, or -errno."""
    cdef int result = sys_wait_two(fd, POLLPRI, hub.bell, POLLIN, timeout_ms)
    if result <= 0:
        return result
    if result & POLLPRI or result >> 16:
        return 1
    # A V4L2 queue that does not stream says POLLERR for ever; so only what is asked for may wake, and the bell.
    if result & (POLLHUP | POLLNVAL):
        return 1
    return sys_wait_two(-1, 0, hub.bell, POLLIN, timeout_ms if 0 <= timeout_ms < 20 else 20) >> 16 != 0
