"""One ioctl from Python: what zcore's dispatch adds to the system call, and what "not ready" costs."""

import fcntl
import os
import termios

import pytest
from turns import ways

from zcore import NotReadyError, _ioctl

IOCTL = ways("one ioctl with an argument of 88 bytes (the size of v4l2_buffer)")
NOT_READY = ways("nothing there yet")
WAITING = 5  # bytes in the pipe


@pytest.fixture
def pipe():
    reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    os.write(writer, bytes(WAITING))
    yield reader
    os.close(reader)
    os.close(writer)


@pytest.fixture
def empty(pipe):
    os.read(pipe, WAITING)
    return pipe


def number(argument):
    return int.from_bytes(argument[:4], "little")


@IOCTL
def bench_ioctl_c_loop(turns, floor, pipe):
    assert turns(floor.ioctl_loop, pipe, termios.FIONREAD) == WAITING


@IOCTL
def bench_ioctl_zcore_nonblocking(turns, pipe):
    def way(count, call=_ioctl.ioctl, fd=pipe, request=termios.FIONREAD):
        argument = bytearray(88)
        for _ in range(count):
            call(fd, request, argument, True)
        return argument

    assert number(turns(way)) == WAITING


@IOCTL
def bench_ioctl_zcore_without_the_gil(turns, pipe):
    def way(count, call=_ioctl.ioctl, fd=pipe, request=termios.FIONREAD):
        argument = bytearray(88)
        for _ in range(count):
            call(fd, request, argument)
        return argument

    assert number(turns(way)) == WAITING


@IOCTL
def bench_ioctl_fcntl_in_place(turns, pipe):
    def way(count, call=fcntl.ioctl, fd=pipe, request=termios.FIONREAD):
        argument = bytearray(88)
        for _ in range(count):
            call(fd, request, argument, True)
        return argument

    assert number(turns(way)) == WAITING


@IOCTL
def bench_ioctl_fcntl_bytes(turns, pipe):
    def way(count, call=fcntl.ioctl, fd=pipe, request=termios.FIONREAD):
        argument = bytes(88)
        for _ in range(count):
            answer = call(fd, request, argument)
        return answer

    assert number(turns(way)) == WAITING


# The loop of a chain, and a frame that is waited for, take "not ready" as a value. From Python it can only be an
# exception, and this is why the native half raises none on the way of a frame.


@NOT_READY
def bench_not_ready_c_loop(turns, floor, empty):
    assert turns(floor.read_nothing_loop, empty) >= 1


@NOT_READY
def bench_not_ready_exception_of_os_read(turns, empty):
    def way(count, read=os.read, fd=empty):
        found = 0
        for _ in range(count):
            try:
                read(fd, 8)
            except BlockingIOError:
                found += 1
        return found

    assert turns(way) >= 1


@NOT_READY
def bench_not_ready_exception_of_zcore(turns):
    from zcore._errors import make_error

    def way(count):
        found = 0
        for _ in range(count):
            try:
                raise make_error(11, "VIDIOC_DQBUF", "/dev/video0")
            except NotReadyError:
                found += 1
        return found

    assert turns(way) >= 1
