"""More of test_chain.py."""

import errno
import gc

import pytest

from chain_rig import OK, bench, failing  # noqa: F401
from helpers import YUYV, YUYV_SIZE, make_pool
from zcore._chain import Link, Loop, Node
from zcore._cpu_nodes import CopyNode, PythonNode


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt, SystemExit])
def test_exception_in_a_sink_ends_the_chain(bench, error):
    link, seen = bench.link(), []
    pool = bench.camera(link, auto=100)

    def sink(frame):
        seen.append(frame.sequence)
        if len(seen) == 5:
            raise error("stop it")

    bench.sink(link, pool, sink)
    status, node = bench.run()
    assert (status, node.name, node.failed_operation) == (-errno.ECANCELED, "sink", "process")
    assert type(node.error) is error
    assert seen == list(range(5))


def test_exception_in_a_source_and_in_a_transform_leaks_nothing(bench):
    first, second = bench.link(), bench.link()
    pool, _ = make_pool(bench.kernel, 2, YUYV, YUYV_SIZE)
    out, _ = make_pool(bench.kernel, 2, YUYV, YUYV_SIZE)

    def fail(*_):
        raise ZeroDivisionError

    bench.add(PythonNode("source", lambda frame: None, None, first, pool=pool), pool)
    node = bench.add(PythonNode("transform", fail, first, second, pool=out, input_pool=pool), out)
    bench.sink(second, out, lambda frame: None)
    assert bench.run() == (-errno.ECANCELED, node)
    first.flush()
    node.error.__traceback__ = None  # it holds the frames that were being worked on
    gc.collect()
    assert pool.stats["free"] == out.stats["free"] == 2


@pytest.mark.proves("T33")
def test_view_of_a_frame_that_goes_on_to_a_device_is_an_error(bench):
    """Its END would come after the device got the buffer."""
    link, kept = bench.link(), []
    pool, _ = make_pool(bench.kernel, 2, YUYV, YUYV_SIZE)
    bench.add(PythonNode("source", lambda frame: kept.append(frame.array(write=True)), None, link, pool=pool), pool)
    bench.display(link, pool)
    status, node = bench.run()
    assert (status, node.name) == (-errno.ECANCELED, "source")
    assert isinstance(node.error, BufferError)
    kept.clear()
    assert bench.card.flips == 0


def test_frame_without_a_view_may_be_kept(bench):
    link, kept = bench.link(), []
    pool, _ = make_pool(bench.kernel, 4, YUYV, YUYV_SIZE)
    bench.add(PythonNode("source", kept.append, None, link, pool=pool, frames=3), pool)
    bench.display(link, pool)
    assert bench.run() == OK
    assert pool.stats["free"] == 1
    kept.clear()
    assert pool.stats["free"] == 3  # one is on the screen


def test_failing_bracket_ends_a_copy(bench):
    first, second = bench.link(), bench.link()
    bench.camera(first, auto=10)
    pool, _ = make_pool(bench.kernel, 2, YUYV, YUYV_SIZE)
    bench.add(CopyNode("copy", pool, first, second), pool)
    bench.sink(second, pool, lambda frame: None)
    bench.kernel.fail("DMA_BUF_IOCTL_SYNC", errno.EIO, after=1)
    status, node = bench.run()
    assert (status, node.name, node.failed_operation) == (-errno.EIO, "copy", "copy")
    assert pool.stats["free"] == 2


@pytest.mark.proves("T31")
def test_copy_goes_on_after_a_signal(bench):
    first, second, seen = bench.link(), bench.link(), []
    bench.camera(first, auto=5, frames=5)
    pool, _ = make_pool(bench.kernel, 2, YUYV, YUYV_SIZE)
    bench.add(CopyNode("copy", pool, first, second), pool)
    bench.sink(second, pool, lambda frame: seen.append(1))
    bench.kernel.fail("poll", errno.EINTR, times=3)
    assert bench.run() == OK
    assert len(seen) == 5


def test_queue_that_was_closed_is_an_error_and_no_crash(bench):
    failing(bench)
    bench.camera_queue.close()
    status, node = bench.run(0.2)
    assert (status, node.name) == (-errno.EINVAL, "camera")


@pytest.mark.parametrize("capacity", [0, -1, 17])
def test_link_capacity(capacity):
    with pytest.raises(ValueError, match="1 to 16"):
        Link("a", "b", capacity)


def test_loop_wants_nodes():
    with pytest.raises(ValueError, match="1 to 32"):
        Loop([])
    with pytest.raises(ValueError, match="1 to 32"):
        Loop([Node("n", None, None)] * 33)
    with pytest.raises(TypeError):
        Loop([None])
    with pytest.raises(TypeError):
        Loop(["node"])


def test_bell_of_a_node_that_is_not_there(bench):
    link = bench.link()
    pool = bench.camera(link)
    bench.display(link, pool)
    loop = bench.make_loop()
    for index in (-1, 2, 32, 1000):
        with pytest.raises(IndexError):
            loop.watch_pool(index, pool.bell)


def test_python_node_wants_its_pools(fake_kernel):
    link, other = Link("a", "b"), Link("b", "c")
    pool, _ = make_pool(fake_kernel, 1)
    for arguments, options in (
        ((None, link), {}), ((link, None), {}), ((link, other), {"pool": pool}), ((None, None), {}),
        ((None, link), {"pool": pool, "input_pool": pool}), ((link, None), {"input_pool": pool, "interval_ns": 5}),
    ):  # fmt: skip
        with pytest.raises(ValueError, match="n: a stage"):
            PythonNode("n", print, *arguments, **options)


def test_loop_is_closed_once(bench):
    link = bench.link()
    pool = bench.camera(link)
    bench.display(link, pool)
    loop = bench.make_loop()
    loop.close()
    loop.close()
    loop.stop()
    assert loop.run(0.1)[0] in (0, -errno.EBADF)


@pytest.mark.parametrize("seconds", [float("inf"), 1e30])
def test_stall_timeout_may_be_endless(bench, seconds):
    link, seen = bench.link(), []
    pool = bench.camera(link, auto=3, frames=3)
    bench.sink(link, pool, lambda frame: seen.append(1))
    assert bench.run(seconds) == OK
    assert len(seen) == 3


def test_link_that_is_flushed_gives_its_frames_back(bench):
    link = bench.link(4)
    pool = bench.camera(link, auto=100)
    bench.display(link, pool, auto=False)
    bench.run(0.05)
    waiting = link.count
    assert waiting == 3 or waiting == 2
    assert link.flush() == waiting
    assert (link.flush(), link.count) == (0, 0)
