"""A slot leased from a pool and given back."""

import collections
import queue
import threading

import numpy as np
import pytest
from turns import ways

import zcore
from zcore._alloc import allocate_memfd

LEASE = ways("a slot leased and given back")
SLOTS = 8


@pytest.fixture
def pool():
    made = zcore.Pool("bench", "memfd")
    made.describe(size=(16, 16), arrays=[(0, 0, np.dtype(np.uint8), (16, 16, 4), (64, 4, 1))])
    for _ in range(SLOTS):
        made.add([allocate_memfd(4096)])
    yield made
    made.close()


class PythonPool:
    """What one writes first: a lock and a deque."""

    def __init__(self, items):
        self._free = collections.deque(items)
        self._lock = threading.Lock()

    def acquire(self):
        with self._lock:
            return self._free.popleft()

    def release(self, item):
        with self._lock:
            self._free.append(item)


@LEASE
def bench_lease_c_stack_and_mutex(turns, floor):
    assert turns(floor.pool_loop) == SLOTS


@LEASE
def bench_lease_zcore_dropped(turns, pool):
    def way(count, acquire=pool.acquire):
        for _ in range(count):
            acquire()

    turns(way)
    assert pool.stats["free"] == SLOTS
    assert pool.stats["recycled"] == pool.stats["acquired"] > 0


@LEASE
def bench_lease_zcore_released(turns, pool):
    def way(count, acquire=pool.acquire):
        for _ in range(count):
            acquire().release()

    turns(way)
    assert pool.stats["free"] == SLOTS


@LEASE
def bench_lease_zcore_with(turns, pool):
    def way(count, acquire=pool.acquire):
        for _ in range(count):
            with acquire():
                pass

    turns(way)
    assert pool.stats["free"] == SLOTS


@LEASE
def bench_lease_simple_queue(turns):
    items = queue.SimpleQueue()
    for i in range(SLOTS):
        items.put(i)

    def way(count, get=items.get, put=items.put):
        for _ in range(count):
            put(get())

    turns(way)
    assert items.qsize() == SLOTS


@LEASE
def bench_lease_deque(turns):
    items = collections.deque(range(SLOTS))

    def way(count, pop=items.popleft, append=items.append):
        for _ in range(count):
            append(pop())

    turns(way)
    assert len(items) == SLOTS


@LEASE
def bench_lease_python_lock_and_deque(turns):
    items = PythonPool(range(SLOTS))

    def way(count, acquire=items.acquire, release=items.release):
        for _ in range(count):
            release(acquire())

    turns(way)
    assert len(items._free) == SLOTS
