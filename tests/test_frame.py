"""More of test_frame.py."""

import copy
import errno
import gc
import pickle
import threading

import numpy as np
import pytest

from frame_rig import DERIVED, memories, pool  # noqa: F401
from helpers import CODED, HEIGHT, NV12, SIZE, WIDTH, XR24, in_thread, make_pool, new_buffer
from zcore._errors import DeviceError, DeviceTimeoutError
from zcore._frame import Frame, View
from zcore._pool import Pool


def test_no_frame_without_a_pool():
    for kind in (Frame, View):
        with pytest.raises(TypeError, match="come from"):
            kind()


def test_frames_cannot_be_copied_or_pickled(pool):
    frame = pool.acquire(0)
    for attempt in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError):
            attempt(frame)


def test_facts(pool):
    frame = pool.acquire(0)
    assert (frame.size, frame.modifier, frame.components) == ((WIDTH, HEIGHT), 0, XR24["components"])
    assert frame.pool is pool
    assert frame.buffers is pool.slot_buffers[frame.index]
    assert frame.fds == (frame.buffers[0].fd,)
    assert (frame.bytes_used, frame.data_offsets) == ((SIZE,), (0,))
    assert (frame.corrupted, frame.clock, frame.timestamp_at) == (False, "unknown", "end")
    assert repr(frame) == f"<Frame 0 of pool, slot {frame.index}>"


def test_meta_can_be_set(pool):
    frame = pool.acquire(0)
    frame.set_meta(sequence=5, timestamp_ns=6)
    frame.set_meta()
    assert (frame.sequence, frame.timestamp_ns) == (5, 6)
    frame.timestamp_ns = 7
    assert frame.timestamp_ns == 7
    with pytest.raises(OverflowError):
        frame.set_meta(sequence=-1)


def test_release_gives_back_once(pool):
    frame = pool.acquire(0)
    frame.release()
    frame.release()
    assert frame.released
    assert pool.stats["free"] == 3
    assert repr(frame) == "<Frame, released>"


@pytest.mark.parametrize(
    "use",
    [
        lambda f: f.index, lambda f: f.array(), lambda f: f.planes(), lambda f: np.asarray(f), lambda f: f.exports,
        lambda f: f.set_meta(sequence=1), lambda f: f.set_used(1), lambda f: f.buffers, lambda f: f.fds,
        lambda f: f.bytes_used, lambda f: f.__dlpack__(),
    ],
)  # fmt: skip
def test_released_frame_is_refused(pool, use):
    frame = pool.acquire(0)
    frame.release()
    with pytest.raises(ValueError, match="released"):
        use(frame)


def test_with_gives_back(pool):
    with pool.acquire(0) as frame:
        assert pool.stats["free"] == 2
    assert frame.released
    with pytest.raises(ZeroDivisionError), pool.acquire(0):
        _ = 1 // 0
    assert pool.stats["free"] == 3


def test_release_with_a_view_alive_is_refused(pool, memories):
    frame = pool.acquire(0)
    view = frame.array()
    with pytest.raises(BufferError, match="1 view"):
        frame.release()
    assert not frame.released
    del view
    frame.release()
    assert pool.stats["free"] == 3


@pytest.mark.parametrize("derive", DERIVED, ids=lambda f: f.__name__[8:])
def test_anything_derived_pins_the_slot(pool, memories, derive):
    frame = pool.acquire(0)
    memory = memories[frame.index]
    pin = derive(frame)
    assert frame.exports >= 1
    del frame
    gc.collect()
    assert pool.stats["free"] == 2
    assert (memory.starts, memory.ends) == ([1], [])  # the bracket is open as long as somebody may look
    del pin
    gc.collect()
    assert pool.stats["free"] == 3
    assert (memory.starts, memory.ends) == ([1], [1])


@pytest.mark.parametrize("derive", DERIVED, ids=lambda f: f.__name__[8:])
def test_last_view_may_die_in_another_thread(pool, memories, derive):
    frame = pool.acquire(0)
    memory = memories[frame.index]
    pins = [derive(frame)]
    del frame
    in_thread(pins.clear)
    in_thread(gc.collect)
    assert pool.stats["free"] == 3
    assert memory.ends == [1]


def test_copies_do_not_pin(pool, memories):
    frame = pool.acquire(0)
    memory = memories[frame.index]
    memory.write(b"\x05" * SIZE)
    copies = [np.array(frame), frame.array().copy(), frame.__array__(copy=True), frame.array().astype("u2")]
    assert frame.exports == 0
    frame.release()
    memory.write(b"\x06" * SIZE)
    assert all(array.min() == array.max() == 5 for array in copies)


def test_views_count(pool):
    frame = pool.acquire(0)
    views = [frame.array(), frame.array(), frame.array()[1:]]
    assert frame.exports == 3
    views.pop()
    assert frame.exports == 2
    views.append(views[0][1:])  # of the same base
    assert frame.exports == 2


def test_frame_in_a_cycle_comes_back_with_the_collector(pool):
    frame = pool.acquire(0)

    class Holder:
        pass

    holder = Holder()
    holder.frame, holder.view, holder.me = frame, frame.array(), holder
    del frame, holder
    gc.collect()
    assert pool.stats["free"] == 3


def test_view_outlives_frame_and_pool(fake_kernel):
    pool, memories = make_pool(fake_kernel, 1)
    memories[0].write(b"\x11" * SIZE)
    view = pool.acquire(0).array()[1:]
    pool.close()
    del pool
    gc.collect()
    assert view.min() == view.max() == 0x11
    assert memories[0].users == 2
    del view
    assert memories[0].users == 0


def test_nothing_derived_can_be_written(pool):
    frame = pool.acquire(0)
    for array in (frame.array(), frame.array()[1:], np.asarray(frame), frame.planes()[0], frame.array().T):
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 1
        with pytest.raises(ValueError, match="WRITEABLE"):
            array.flags.writeable = True
        with pytest.raises(ValueError, match="WRITEABLE"):
            array.setflags(write=True)
        assert memoryview(array).readonly


def test_write_view_is_written_and_flushed(pool, memories):
    frame = pool.acquire(0)
    memory = memories[frame.index]
    frame.array(write=True)[...] = 0x42
    assert memory.read(SIZE) == b"\x42" * SIZE
    assert (memory.starts, memory.ends) == ([3], [3])


def test_read_view_under_a_write_view(pool, memories):
    frame = pool.acquire(0)
    memory = memories[frame.index]
    read = frame.array()
    write = frame.array(write=True)
    write[0, 0] = 9
    assert read[0, 0, 0] == 9
    del write
    assert memory.ends == []
    del read
    assert (memory.starts, memory.ends) == ([1, 3], [3])


def test_frames_that_a_device_fills_cannot_be_written(fake_kernel):
    pool, memories = make_pool(fake_kernel, 1, writable=False)
    frame = pool.acquire(0)
    with pytest.raises(ValueError, match="filled by a device"):
        frame.array(write=True)
    assert (frame.exports, memories[0].starts) == (0, [])


def test_read_only_exports_cannot_be_written(fake_kernel):
    memory, buffer = new_buffer(fake_kernel, readonly=True)
    pool = Pool("p", "fake")
    pool.add([buffer])
    pool.describe(**XR24)
    frame = pool.acquire(0)
    assert frame.array().shape == (HEIGHT, WIDTH, 4)
    with pytest.raises(ValueError, match="read-only"):
        frame.array(write=True)
    assert frame.exports == 0
    assert not memory.open_access


def test_a_view_that_fails_pins_nothing(fake_kernel, pool):
    frame = pool.acquire(0)
    for call, name in (("mmap", "mmap"), ("DMA_BUF_IOCTL_SYNC", "DMA_BUF_IOCTL_SYNC")):
        fake_kernel.fail(call, errno.EIO)
        with pytest.raises(DeviceError, match=name):
            frame.array()
        assert frame.exports == 0
    frame.release()
    assert pool.stats["free"] == 3


def test_fence_of_a_frame_is_waited_for(fake_kernel, pool, memories):
    frame = pool.acquire(0)
    memories[frame.index].pending = 2
    with pytest.raises(DeviceTimeoutError):
        frame.array()
    memories[frame.index].pending = 0
    fake_kernel.fail("poll", errno.EINTR)
    assert frame.array() is not None


def test_release_while_another_thread_opens_a_view(fake_kernel, pool):
    """The view may wait for a fence without the GIL; the slot must be pinned by then."""
    frame = pool.acquire(0)
    memory = fake_kernel.buffers[frame.buffers[0].identity]
    inside, go_on, outcome = threading.Event(), threading.Event(), []

    def poll(events, timeout):
        inside.set()
        fake_kernel.lock.release()
        go_on.wait()
        fake_kernel.lock.acquire()
        return events

    memory.poll = poll
    thread = threading.Thread(target=lambda: outcome.append(frame.array()))
    thread.start()
    inside.wait()
    with pytest.raises(BufferError):
        frame.release()
    go_on.set()
    thread.join()
    outcome.clear()
    frame.release()
    assert pool.stats["free"] == 3


def test_nv12_has_two_planes(fake_kernel):
    pool, memories = make_pool(fake_kernel, 1, NV12)
    memories[0].write(b"\x01" * (WIDTH * HEIGHT) + b"\x02\x03" * (WIDTH * HEIGHT // 4))
    frame = pool.acquire(0)
    luma, chroma = frame.planes()
    assert (luma.shape, chroma.shape) == ((HEIGHT, WIDTH), (HEIGHT // 2, WIDTH // 2, 2))
    assert (luma == 1).all()
    assert (chroma == [2, 3]).all()
    assert (frame.array() == luma).all()
    assert np.asarray(frame).base is not None


def test_padding_at_the_end_of_a_row_is_skipped(fake_kernel):
    memory, buffer = new_buffer(fake_kernel, 4096)
    memory.write(bytes(range(16)) * 256)
    pool = Pool("p", "fake")
    pool.add([buffer], [(32, 4000)])
    pool.describe(arrays=[(0, 1, "u2", (3, 4), (16, 2))])
    array = pool.acquire(0).array()
    assert array.strides == (16, 2)
    assert (array.astype("<u2").view("u1").reshape(3, 8) == np.arange(1, 9)).all()


def test_coded_frame_shows_its_payload(fake_kernel):
    pool, memories = make_pool(fake_kernel, 1, CODED)
    memories[0].write(b"payload")
    frame = pool.acquire(0)
    assert frame.array().size == SIZE
    frame.set_used(7)
    assert frame.bytes_used == (7,)
    assert bytes(frame.array()) == b"payload"
    frame.set_used(0)
    assert frame.array().size == 0


@pytest.mark.parametrize("sizes", [(), (1, 2), (SIZE + 1,), (-1,)])
def test_impossible_payloads_are_refused(pool, sizes):
    frame = pool.acquire(0)
    with pytest.raises(ValueError):
        frame.set_used(*sizes)
    assert frame.bytes_used == (SIZE,)


@pytest.mark.parametrize(
    "array",
    [
        (0, 0, "u1", (HEIGHT + 1, WIDTH, 4), (WIDTH * 4, 4, 1)),
        (0, 1, "u1", (HEIGHT, WIDTH, 4), (WIDTH * 4, 4, 1)),
        (0, SIZE, "u1", (1,), (1,)),
        (0, SIZE - 1, "u2", (1,), (1,)),
        (1, 0, "u1", (1,), (1,)),
        (0, 1, "u1", (-1,), (1,)),
    ],
)
def test_arrays_that_end_behind_their_plane_are_refused(fake_kernel, array):
    pool, memories = make_pool(fake_kernel, 1, {"arrays": [array]})
    with pytest.raises(ValueError, match="ends at byte"):
        pool.acquire(0).array()
    assert memories[0].starts == []
