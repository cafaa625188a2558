"""CPU access to a buffer: fences looked at, DMA_BUF_IOCTL_SYNC START and END.

On a machine without udmabuf there is nothing to bracket. Then only the way of zcore that makes no call is left, for
memory that needs none, and the group is named after it.
"""

import fcntl
import select

import numpy as np
import pytest
from turns import ways

import zcore
from zcore._alloc import allocate_memfd, allocate_udmabuf

SYNC = 0x40086200  # DMA_BUF_IOCTL_SYNC
START, END = (1).to_bytes(8, "little"), (1 | 4).to_bytes(8, "little")  # DMA_BUF_SYNC_READ, DMA_BUF_SYNC_END

BRACKET = ways("CPU access to a DMA-BUF, opened and closed")
COHERENT = ways("CPU access to shared memory that needs no bracket, opened and closed")
VIEW = ways("a picture in a DMA-BUF as an array, bracket included")


def allocate():
    try:
        return allocate_udmabuf(1 << 16)
    except OSError as error:
        pytest.skip(f"no DMA-BUF without a device: udmabuf: {error}")


@pytest.fixture
def buffer():
    return allocate()


def through_zcore(count, buffer):
    begin, end = buffer.begin_access, buffer.end_access
    for _ in range(count):
        begin()
        end()


@BRACKET
def bench_bracket_c_loop(turns, floor, buffer):
    start, end = (int.from_bytes(flags, "little") for flags in (START, END))
    assert turns(floor.bracket_loop, buffer.fd, SYNC, start, end) >= 1


@BRACKET
def bench_bracket_zcore(turns, buffer):
    turns(through_zcore, buffer)
    assert buffer.sync_calls >= 2
    assert buffer.cpu_users == 0


@BRACKET
def bench_bracket_zcore_nested(turns, buffer):
    with buffer.access():
        before = buffer.sync_calls
        turns(through_zcore, buffer)
        assert buffer.sync_calls == before


@BRACKET
def bench_bracket_zcore_with(turns, buffer):
    def way(count, access=buffer.access):
        for _ in range(count):
            with access():
                pass

    turns(way)
    assert buffer.cpu_users == 0


@BRACKET
def bench_bracket_fcntl(turns, buffer):
    poll = select.poll()
    poll.register(buffer.fd, select.POLLIN)

    def way(count, ioctl=fcntl.ioctl, ready=poll.poll, fd=buffer.fd):
        start, end = bytearray(START), bytearray(END)  # changed in place, which is the fastest way that fcntl has
        for _ in range(count):
            ready(0)
            ioctl(fd, SYNC, start, True)
            status = ioctl(fd, SYNC, end, True)
        return status

    assert turns(way) == 0


@COHERENT
def bench_no_bracket_zcore(turns):
    buffer = allocate_memfd(1 << 16)
    turns(through_zcore, buffer)
    assert buffer.sync_calls == 0


@VIEW
def bench_bracketed_array_zcore(turns, buffer):
    pool = zcore.Pool("bench", "udmabuf")
    pool.describe(size=(64, 64), arrays=[(0, 0, np.dtype(np.uint8), (64, 64, 4), (256, 4, 1))])
    pool.add([buffer])
    frame = pool.acquire()

    def way(count, array=frame.array):
        for _ in range(count):
            array()

    turns(way)
    assert buffer.sync_calls >= 2
    assert frame.exports == buffer.cpu_users == 0
