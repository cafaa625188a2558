import contextlib
import errno
import gc
import os
import pickle
import select
import signal
import threading

import numpy as np
import pytest

from helpers import NV12, SIZE, XR24, make_pool, new_buffer, run_threads
from zcore._alloc import allocate_memfd
from zcore._errors import DeviceTimeoutError
from zcore._pool import Pool, PoolClosedError


@pytest.fixture
def pool():
    made = Pool("cam", "memfd")
    for _ in range(3):
        made.add([allocate_memfd(SIZE)])
    made.describe(**XR24)
    return made


def test_empty_pool_has_nothing():
    pool = Pool("empty", "none")
    assert len(pool) == 0
    assert pool.slot_buffers == []
    with pytest.raises(DeviceTimeoutError, match="all 0 buffers"):
        pool.acquire(0)


def test_slots_are_leased_and_come_back(pool):
    frames = [pool.acquire(0) for _ in range(3)]
    assert sorted(frame.index for frame in frames) == [0, 1, 2]
    with pytest.raises(DeviceTimeoutError):
        pool.acquire(0)
    index = frames.pop().index
    assert pool.acquire(0).index == index


def test_last_slot_that_came_back_is_the_first_to_go(pool):
    """Its memory is in the caches still."""
    frames = {frame.index: frame for frame in [pool.acquire(0) for _ in range(3)]}
    del frames[1], frames[0]
    assert pool.acquire(0).index == 0


def test_statistics(pool):
    first, second = pool.acquire(0), pool.acquire(0)
    first.release()
    assert pool.stats == {
        "size": 3, "free": 2, "leased": 1, "acquired": 2, "recycled": 1, "starved": 0, "high_water": 2,
    }  # fmt: skip
    second.release()
    assert (pool.stats["free"], pool.stats["recycled"], pool.stats["high_water"]) == (3, 2, 2)


def test_holders_are_named(pool):
    frames = [pool.acquire(0), pool.acquire(0, holder="encoder"), pool.acquire(0, holder="encoder")]
    assert pool.holders() == {"python": 1, "encoder": 2}
    with pytest.raises(DeviceTimeoutError, match=r"1 by python, 2 by encoder|2 by encoder, 1 by python"):
        pool.acquire(0)
    assert pool.stats["starved"] == 1
    frames.clear()
    assert pool.holders() == {}


def test_timeout_waits_and_tells(pool):
    frames = [pool.acquire(0) for _ in range(3)]
    with pytest.raises(DeviceTimeoutError) as caught:
        pool.acquire(0.02)
    assert (caught.value.operation, caught.value.device, caught.value.errno) == ("acquire", "cam", errno.ETIMEDOUT)
    assert len(frames) == 3


def test_drop_in_another_thread_wakes_who_waits(pool):
    frames = [pool.acquire(0) for _ in range(3)]
    waiting = threading.Event()

    def drop():
        waiting.wait()
        frames.pop()

    dropper = threading.Thread(target=drop)
    dropper.start()
    waiting.set()
    assert pool.acquire(30) is not None
    dropper.join()


def test_signal_handler_ends_the_wait(pool):
    frames = [pool.acquire(0) for _ in range(3)]

    def handler(*_):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    try:
        with pytest.raises(KeyboardInterrupt):
            pool.acquire()
    finally:
        signal.signal(signal.SIGALRM, before)
    assert len(frames) == 3
    frames.clear()
    assert pool.stats["free"] == 3


def test_bell_rings_only_for_who_waits(pool):
    pool.acquire(0).release()
    assert not select.select([pool.bell], [], [], 0)[0]


def test_close_refuses_new_leases_and_keeps_old_ones(pool):
    frame = pool.acquire(0)
    pool.close()
    pool.close()
    assert pool.closed
    with pytest.raises(PoolClosedError, match="cam is closed"):
        pool.acquire(0)
    frame.array(write=True)[...] = 7
    assert frame.array().min() == 7
    frame.release()
    assert pool.stats["free"] == 3
    with pytest.raises(PoolClosedError):
        pool.set_flushing(False)


@pytest.mark.parametrize("how", ["close", "flush"])
def test_threads_that_wait_stop_waiting(pool, how):
    frames = [pool.acquire(0) for _ in range(3)]
    caught = []

    def work(number):
        if number == 0:
            while pool.stats["starved"] < 0 or threading.active_count() < 5:
                pass
            pool.close() if how == "close" else pool.set_flushing(True)
            return
        try:
            pool.acquire(30)
        except PoolClosedError as error:
            caught.append(str(error))

    run_threads(4, work)
    assert len(caught) == 3
    assert all(("closed" if how == "close" else "flushing") in text for text in caught)
    assert len(frames) == 3


def test_flushing_can_be_undone(pool):
    frame = pool.acquire(0)
    pool.set_flushing(True)
    assert not pool.closed
    with pytest.raises(PoolClosedError, match="flushing"):
        pool.acquire(0)
    frame.release()
    pool.set_flushing(False)
    assert len([pool.acquire(0) for _ in range(3)]) == 3


def test_on_close_is_called_once():
    calls = []
    pool = Pool("p", "none", on_close=lambda: calls.append(1))
    pool.close()
    pool.close()
    assert calls == [1]


def test_grow_makes_slots_up_to_the_maximum():
    made = []

    def grow():
        made.append(allocate_memfd(SIZE))
        return [made[-1]], [(0, SIZE)]

    pool = Pool("p", "memfd", grow=grow, maximum=2)
    frames = [pool.acquire(0), pool.acquire(0)]
    with pytest.raises(DeviceTimeoutError):
        pool.acquire(0)
    assert len(made) == len(pool) == 2
    frames.clear()
    pool.acquire(0)
    assert len(made) == 2


def test_failing_grow_is_raised_and_can_be_tried_again():
    failing = [True]

    def grow():
        if failing.pop():
            raise MemoryError
        return [allocate_memfd(SIZE)], [(0, SIZE)]

    pool = Pool("p", "memfd", grow=grow, maximum=1)
    with pytest.raises(MemoryError):
        pool.acquire(0)
    failing.append(False)
    assert pool.acquire(0).index == 0


def test_grow_from_many_threads_keeps_the_maximum():
    def grow():
        buffer = allocate_memfd(SIZE)
        threading.Event().wait(0.02)  # lets the others in, as an allocation does
        return [buffer], [(0, SIZE)]

    pool = Pool("p", "memfd", grow=grow, maximum=2)
    frames = []

    def work(_):
        with contextlib.suppress(DeviceTimeoutError):
            frames.append(pool.acquire(0.2))

    run_threads(8, work)
    assert len(pool) == len(frames) == 2


# What is refused


@pytest.mark.parametrize(
    ("buffers", "planes", "error"),
    [
        ([], None, ValueError),
        ("nine", None, ValueError),
        ("one", [(0, SIZE + 1)], ValueError),
        ("one", [(SIZE, 1)], ValueError),
        ("one", [(-1, 1)], ValueError),
        ("one", [(0, -1)], ValueError),
        ("one", [(0, 1), (1, 1)], ValueError),
        ([None], None, TypeError),
        ([None], [(0, 0)], TypeError),
        (["x"], [(0, 0)], TypeError),
    ],
)
def test_wrong_slots_are_refused(buffers, planes, error):
    pool = Pool("p", "memfd")
    if isinstance(buffers, str):
        buffers = [allocate_memfd(SIZE)] * {"one": 1, "nine": 9}[buffers]
    with pytest.raises(error):
        pool.add(buffers, planes)
    assert len(pool) == 0


def test_pool_has_64_slots_at_most():
    buffer = allocate_memfd(SIZE)
    pool = Pool("p", "memfd")
    for _ in range(64):
        pool.add([buffer])
    with pytest.raises(ValueError, match="64"):
        pool.add([buffer])
    with pytest.raises(ValueError, match="64"):
        Pool("p", "memfd", maximum=65)


@pytest.mark.parametrize(
    "wrong",
    [
        {"components": [(0, 0, 1, 1)] * 5},
        {"arrays": [(0, 0, "u1", (1,), (1,))] * 5},
        {"components": [(8, 0, 1, 1)]},
        {"arrays": [(8, 0, "u1", (1,), (1,))]},
        {"arrays": [(0, 0, "u1", (1, 1, 1, 1, 1), (1, 1, 1, 1, 1))]},
        {"arrays": [(0, 0, "u1", (1, 1), (1,))]},
        {"arrays": [(0, 0, "u1", (), ())]},
        {"arrays": [(0, 0, "u1", (2, -1), (1, 1))]},
        {"arrays": [(0, 0, "u1", (2,), (-1,))]},
    ],
)
def test_impossible_pictures_are_refused(wrong):
    pool = Pool("p", "memfd")
    with pytest.raises((ValueError, OverflowError)):
        pool.describe(**wrong)


def test_described_once(pool):
    with pytest.raises(ValueError, match="once"):
        pool.describe(**NV12)


def test_pools_are_told_apart(pool):
    assert Pool("cam", "memfd").id > pool.id
    assert (pool.name, pool.allocator, pool.size) == ("cam", "memfd", (64, 16))
    assert pool.components == XR24["components"]
    with pytest.raises(TypeError):
        pickle.dumps(pool)


def test_memory_goes_with_the_last_frame(fake_kernel):
    pool, memories = make_pool(fake_kernel, 1)
    frame = pool.acquire(0)
    pool.close()
    del pool
    gc.collect()
    assert memories[0].users == 1
    assert frame.array().shape == (16, 64, 4)
    del frame
    assert memories[0].users == 0


def test_owner_lives_as_long_as_the_pool():
    class Device:
        pass

    import weakref

    device = Device()
    alive = weakref.ref(device)
    pool = Pool("p", "none", owner=device)
    del device
    gc.collect()
    assert alive() is pool.owner
    del pool
    gc.collect()
    assert alive() is None


def test_two_planes_of_one_buffer(fake_kernel):
    memory, buffer = new_buffer(fake_kernel, 8192)
    memory.write(bytes(4096) + b"\x09" * 4096)
    pool = Pool("p", "fake")
    pool.add([buffer, buffer], [(0, 4096), (4096, 4096)])
    pool.describe(arrays=[(0, 0, "u1", (4096,), (1,)), (1, 0, "u1", (4096,), (1,))])
    with pool.acquire(0) as frame:
        first, second = frame.planes()
        assert (int(first.max()), int(second.min())) == (0, 9)
        assert np.shares_memory(first, second) is False
        del first, second
    assert (memory.starts, memory.ends) == ([1], [1])  # two views, one buffer, one bracket
    os.fstat(buffer.fd)
