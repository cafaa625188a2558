"""Wait for a device and for a time with one descriptor, also where the device's is another one for each frame."""

cimport cython
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memset
from posix.time cimport CLOCK_MONOTONIC, clock_gettime, itimerspec, timespec

from zcore._errors cimport check
from zcore._sys cimport sys_close, sys_read
from zcore.uapi.epoll cimport (
    EPOLL_CLOEXEC, EPOLL_CTL_ADD, EPOLL_CTL_DEL, EPOLLIN, epoll_create1, epoll_ctl, epoll_event, zc_errno,
)


cdef extern from "<sys/timerfd.h>" nogil:
    int timerfd_create(int clock, int flags)
    int timerfd_settime(int fd, int flags, const itimerspec *value, itimerspec *old)
    enum:
        TFD_CLOEXEC
        TFD_NONBLOCK
        TFD_TIMER_ABSTIME


@cython.final
cdef class Alarm:
    """Something to wait on that is readable when a device is, or when a time has come.

    Parameters
    ----------
    fd : int
        The device's descriptor, which stays the caller's; -1 = none, or one that comes later, such as a fence.
    name : str
        For messages.
    """

    def __cinit__(self):
        self.fd = self.timer = self.watched = -1

    def __init__(self, int fd, str name):
        cdef int flags = TFD_CLOEXEC | TFD_NONBLOCK
        self.timer = check(zc_errno(timerfd_create(CLOCK_MONOTONIC, flags)), "timerfd_create", name)
        self.fd = check(zc_errno(epoll_create1(EPOLL_CLOEXEC)), "epoll_create1", name)
        for one in (fd, self.timer):
            if one >= 0:
                check(self.add(one), "EPOLL_CTL_ADD", name)

    def __dealloc__(self):
        self.forget()
        for fd in (self.fd, self.timer):
            if fd >= 0:
                sys_close(fd)

    cdef int add(self, int fd) noexcept nogil:
        cdef epoll_event event
        memset(&event, 0, sizeof(event))
        event.events = EPOLLIN
        return zc_errno(epoll_ctl(self.fd, EPOLL_CTL_ADD, fd, &event))

    cdef int watch(self, int fd) noexcept nogil:
        cdef int result
        if fd == self.watched:
            return 0
        self.forget()
        result = self.add(fd)
        if result >= 0:
            self.watched = fd
        return result

    cdef void forget(self) noexcept nogil:
        cdef epoll_event event
        if self.watched < 0:
            return
        memset(&event, 0, sizeof(event))
        # Closing it would not do: the file may be open under another number, and would wake the loop for ever.
        epoll_ctl(self.fd, EPOLL_CTL_DEL, self.watched, &event)
        self.watched = -1

    cdef void ring_at(self, int64_t when_ns) noexcept nogil:
        cdef itimerspec when
        memset(&when, 0, sizeof(when))
        when.it_value.tv_sec = when_ns // 1000000000
        when.it_value.tv_nsec = when_ns % 1000000000
        timerfd_settime(self.timer, TFD_TIMER_ABSTIME, &when, NULL)

    cdef void silence(self) noexcept nogil:
        cdef uint64_t ticks
        sys_read(self.timer, &ticks, sizeof(ticks))


cdef int64_t monotonic_ns() noexcept nogil:
    cdef timespec now
    clock_gettime(CLOCK_MONOTONIC, &now)
    return <int64_t>now.tv_sec * 1000000000 + now.tv_nsec
