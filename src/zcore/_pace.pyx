"""Frames at their time."""

cimport cython
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memset
from posix.time cimport itimerspec

from zcore._alarm cimport Alarm, monotonic_ns
from zcore._cpu_nodes cimport make_clock
from zcore._pool cimport Slot
from zcore._sys cimport sys_close, sys_read


cdef extern from "<sys/timerfd.h>" nogil:
    int timerfd_settime(int fd, int flags, const itimerspec *value, itimerspec *old)
    enum:
        TFD_TIMER_ABSTIME

cdef enum:
    SECOND = 1000000000
    LONGEST_PAUSE = 10  # seconds; more is no pause but a jump in the frames' times


@cython.final
cdef class Pace:
    """Hold frames back until it is their time.

    Frames that the machine's clock (CLOCK_MONOTONIC) has dated have happened and are due at once. Of others the first
    one is due at once, and the rest as much later as their times say.

    Parameters
    ----------
    name : str
        For messages.
    fd : int
        Another descriptor that shall wake up the same sleeper, or -1.
    offset_ns : int
        How much later than their time frames are due.
    """

    def __cinit__(self):
        self.timer = self.fd = -1

    def __init__(self, str name, int fd=-1, int64_t offset_ns=0):
        self.offset_ns = offset_ns
        if fd >= 0:
            self.alarm = Alarm(fd, name)
            self.fd = self.alarm.fd
        else:
            self.timer = self.fd = make_clock(name, 0)

    def __dealloc__(self):
        if self.timer >= 0:
            sys_close(self.timer)

    cdef bint due(self, Slot *slot) noexcept nogil:
        """Whether it is a frame's time; otherwise `fd` will be readable then."""
        cdef int64_t now_ns = monotonic_ns(), due_ns
        cdef int64_t time_ns = slot.meta.timestamp_ns
        if not self.dated:
            self.dated = True
            self.shift_ns = 0 if 0 <= now_ns - time_ns < SECOND else now_ns - time_ns
        due_ns = time_ns + self.shift_ns + self.offset_ns
        if due_ns <= now_ns:
            return True
        if due_ns - now_ns > LONGEST_PAUSE * <int64_t>SECOND:
            self.shift_ns = now_ns - time_ns
            return True
        self.ring_at(due_ns)
        return False

    cdef void ring_at(self, int64_t when_ns) noexcept nogil:
        cdef itimerspec when
        if self.alarm is not None:
            self.alarm.ring_at(when_ns)
            return
        memset(&when, 0, sizeof(when))
        when.it_value.tv_sec = when_ns // SECOND
        when.it_value.tv_nsec = when_ns % SECOND
        timerfd_settime(self.timer, TFD_TIMER_ABSTIME, &when, NULL)

    cdef void silence(self) noexcept nogil:
        cdef uint64_t ticks
        if self.alarm is not None:
            self.alarm.silence()
        else:
            sys_read(self.timer, &ticks, sizeof(ticks))
