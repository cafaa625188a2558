"""More of test_frame.py."""

import contextlib

import numpy as np
import pytest

from fakekernel import FakeDmaBuf
from frame_rig import DERIVED, memories, pool  # noqa: F401
from helpers import SIZE, XR24, make_pool
from zcore._pool import Pool


def test_pool_that_was_not_described_has_no_arrays(fake_kernel):
    pool, _ = make_pool(fake_kernel, 1, None)
    frame = pool.acquire(0)
    with pytest.raises(ValueError, match="arrays"):
        frame.array()
    assert frame.planes() == ()


def test_numpy_protocol(pool):
    frame = pool.acquire(0)
    assert np.asarray(frame, dtype="u1").base is not None
    assert np.asarray(frame, dtype="f4").dtype == "f4"
    with pytest.raises(ValueError, match="copy"):
        frame.__array__("f4", copy=False)
    assert frame.__array__(copy=False) is not None


def test_dlpack_protocol(fake_kernel):
    pool, memories = make_pool(fake_kernel, 1)
    memories[0].write(b"\x21" * SIZE)
    frame = pool.acquire(0)
    assert frame.__dlpack_device__() == (1, 0)
    with pytest.raises(BufferError, match="readonly"):  # a legacy tensor cannot say that it is read-only
        frame.__dlpack__()
    assert frame.exports == 0
    capsule = frame.__dlpack__(max_version=(1, 0))
    assert frame.exports == 1
    del capsule  # never used: its destructor gives the view back
    assert frame.exports == 0
    array = np.from_dlpack(frame)
    assert not array.flags.writeable
    assert array.min() == 0x21


def test_next_user_of_a_slot_does_not_inherit(pool):
    frame = pool.acquire(0)
    index = frame.index
    frame.set_meta(sequence=9, timestamp_ns=9)
    frame.set_used(1)
    frame.release()
    frame = pool.acquire(0)
    assert frame.index == index
    assert (frame.sequence, frame.timestamp_ns, frame.bytes_used) == (0, 0, (SIZE,))


def test_with_and_a_view_alive_is_an_error_that_names_it(pool):
    view = []
    with pytest.raises(BufferError, match="view"), pool.acquire(0) as frame:
        view.append(frame.array())
    del frame
    with contextlib.suppress(BufferError):
        view.clear()
    assert pool.stats["free"] == 3


def test_frames_of_one_buffer_make_one_bracket(fake_kernel):
    memory = FakeDmaBuf(fake_kernel, SIZE)
    from zcore._dmabuf import DmaBuf

    pools = []
    for name in ("a", "b"):
        pool = Pool(name, "fake")
        pool.add([DmaBuf.adopt(memory.export())])
        pool.describe(**XR24)
        pools.append(pool)
    first, second = (pool.acquire(0).array() for pool in pools)
    del first
    assert memory.ends == []
    del second
    assert (memory.starts, memory.ends) == ([1], [1])
