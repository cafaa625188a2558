"""Barrier tests: the interpreter switches threads as often as it can."""

import gc
import queue
import sys
import threading

import numpy as np
import pytest

from fakekernel import FakeDmaBuf
from helpers import SIZE, XR24, make_pool, new_buffer, run_threads
from zcore._alloc import allocate_memfd
from zcore._chain import Link, Loop
from zcore._cpu_nodes import PythonNode
from zcore._dmabuf import DmaBuf
from zcore._errors import DeviceTimeoutError
from zcore._pool import Pool, PoolClosedError

THREADS = 8
ROUNDS = 200


@pytest.fixture(autouse=True)
def switching():
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.fixture
def pool():
    made = Pool("shared", "memfd")
    for _ in range(4):
        made.add([allocate_memfd(SIZE)])
    made.describe(**XR24)
    return made


def test_a_slot_has_one_user_at_a_time(pool):
    users = [0] * 4
    clashes = []

    def work(number):
        for round_ in range(ROUNDS):
            frame = pool.acquire(30)
            users[frame.index] += 1
            view = frame.array(write=True)
            view[...] = number
            if users[frame.index] != 1 or view.min() != number or view.max() != number:
                clashes.append((number, round_))
            users[frame.index] -= 1
            del view
            frame.release()

    run_threads(THREADS, work)
    assert clashes == []
    assert pool.stats["free"] == 4
    assert pool.stats["acquired"] == pool.stats["recycled"] == THREADS * ROUNDS
    assert pool.stats["high_water"] <= 4


@pytest.mark.parametrize("how", ["drop", "release", "view", "slice", "memoryview"])
def test_what_one_thread_leases_another_drops(pool, how):
    handed = queue.Queue(2)

    def give():
        frame = pool.acquire(30)
        if how in ("drop", "release"):
            return frame
        array = frame.array()
        return array if how == "view" else array[3:, ::2] if how == "slice" else memoryview(array)

    def work(number):
        for _ in range(ROUNDS):
            if number % 2:
                handed.put(give())
            else:
                got = handed.get()
                if how == "release":
                    got.release()
                del got

    run_threads(THREADS, work)
    assert pool.stats["free"] == 4
    assert pool.stats["recycled"] == ROUNDS * THREADS // 2


def test_views_of_one_frame_die_in_many_threads(fake_kernel):
    pool, memories = make_pool(fake_kernel, 1)
    for round_ in range(20):
        frame = pool.acquire(30)
        views = [frame.array()[i:] for i in range(THREADS)]
        assert frame.exports == THREADS
        del frame
        run_threads(THREADS, lambda number, views=views: views.__setitem__(number, None))
        assert pool.stats["free"] == 1
        assert len(memories[0].ends) == round_ + 1


def test_views_of_one_frame_are_opened_in_many_threads(fake_kernel):
    pool, memories = make_pool(fake_kernel, 1)
    frame = pool.acquire(0)

    def work(number):
        for _ in range(ROUNDS // 4):
            view = frame.array(write=bool(number % 2))
            assert view.shape == (16, 64, 4)
            del view

    run_threads(THREADS, work)
    assert frame.exports == 0
    assert memories[0].open_access == 0
    frame.release()


def test_frame_is_released_once_by_many_threads(pool):
    for _ in range(ROUNDS):
        frame = pool.acquire(30)
        run_threads(2, lambda _, frame=frame: frame.release())
        assert pool.stats["free"] == 4
    assert pool.stats["recycled"] == ROUNDS


def test_release_against_view(pool):
    """Either the view wins, and release() says so, or the frame is gone."""
    outcomes = {"viewed": 0, "released": 0}
    for _ in range(ROUNDS):
        frame = pool.acquire(30)
        views = []

        def work(number, frame=frame, views=views):
            try:
                if number:
                    views.append(frame.array())
                else:
                    frame.release()
            except (BufferError, ValueError):
                return

        run_threads(2, work)
        assert bool(views) != frame.released
        outcomes["viewed" if views else "released"] += 1
        assert pool.stats["free"] == (3 if views else 4)
        views.clear()
        frame.release()
    assert sum(outcomes.values()) == ROUNDS


def test_flushing_while_others_acquire(pool):
    refused, done = [], threading.Event()

    def work(number):
        if number == 0:
            for _ in range(ROUNDS):
                pool.set_flushing(True)
                pool.set_flushing(False)
            done.set()
            return
        while not done.is_set():
            try:
                pool.acquire(1).release()
            except PoolClosedError as error:
                refused.append(str(error))

    run_threads(THREADS, work)
    assert pool.stats["free"] == 4
    assert len(pool.acquire(0).buffers) == 1


def test_close_wakes_everybody(pool):
    held = [pool.acquire(0) for _ in range(4)]
    refused = []

    def work(number):
        if number == 0:
            pool.close()
            return
        try:
            pool.acquire(30)
        except PoolClosedError:
            refused.append(number)

    run_threads(THREADS, work)
    assert len(refused) == THREADS - 1
    del held
    assert pool.stats["free"] == 4


def test_starving_threads_are_all_served(pool):
    """No wakeup is lost: eight threads, four slots, nobody waits longer than it takes."""
    served = [0] * THREADS

    def work(number):
        for _ in range(ROUNDS):
            with pool.acquire(30):
                served[number] += 1

    run_threads(THREADS, work)
    assert served == [ROUNDS] * THREADS


def test_timeouts_against_returns(pool):
    got = []

    def work(_):
        for _ in range(ROUNDS // 4):
            try:
                with pool.acquire(0.0005):
                    got.append(1)
            except DeviceTimeoutError:
                continue

    run_threads(THREADS, work)
    assert pool.stats["free"] == 4
    assert pool.stats["acquired"] == len(got)


def test_imports_against_drops(fake_kernel):
    """A buffer that dies in one thread while another imports it: never a stale descriptor, never two objects."""
    memory = FakeDmaBuf(fake_kernel, SIZE)

    def work(_):
        for _ in range(ROUNDS):
            buffer = DmaBuf.adopt(memory.export())
            assert buffer.identity == memory.identity
            with buffer.access():
                pass
            del buffer

    run_threads(THREADS, work)
    gc.collect()
    assert memory.users == 0
    assert memory.open_access == 0


def test_collector_in_one_thread_and_frames_in_others(pool):
    class Holder:
        pass

    done = threading.Event()

    def work(number):
        if number == 0:
            while not done.is_set():
                gc.collect()
            return
        try:
            for _ in range(ROUNDS // 4):
                holder = Holder()
                holder.view = pool.acquire(30).array()
                holder.me = holder  # only the collector ends it
                del holder
        finally:
            finished.wait()
            done.set()

    finished = threading.Barrier(THREADS - 1)
    run_threads(THREADS, work)
    gc.collect()
    assert pool.stats["free"] == 4


def test_loop_beside_threads_of_the_same_pool(fake_kernel):
    pool, _ = make_pool(fake_kernel, 4)
    link, seen = Link("source", "sink"), []

    def fill(frame):
        frame.array(write=True)[...] = 1

    nodes = [
        PythonNode("source", fill, None, link, pool=pool, frames=ROUNDS),
        PythonNode("sink", lambda frame: seen.append(int(frame.array().max())), link, None, input_pool=pool),
    ]
    loop = Loop(nodes)
    loop.watch_pool(0, pool.bell)

    def work(number):
        if number == 0:
            assert loop.run() == (0, None)
            return
        while not nodes[1].done:
            with pool.acquire(30) as frame:
                frame.array(write=True)[...] = 2
            np.zeros(1)

    run_threads(4, work)
    loop.close()
    assert seen == [1] * ROUNDS
    assert pool.stats["free"] == 4


def test_brackets_of_two_frames_of_one_buffer(fake_kernel):
    memory, buffer = new_buffer(fake_kernel)
    pools = []
    for name in ("a", "b"):
        pool = Pool(name, "fake")
        pool.add([buffer])
        pool.describe(**XR24)
        pools.append(pool)

    def work(number):
        for _ in range(ROUNDS // 2):
            with pools[number % 2].acquire(30) as frame:
                view = frame.array(write=True)
                view[0] = number
                del view

    run_threads(4, work)
    assert memory.open_access == 0
