"""More of test_chain.py."""

import errno
import os
import threading

import pytest

from chain_rig import OK, alarm, bench, failing, wakeup  # noqa: F401
from helpers import YUYV, YUYV_SIZE, make_pool
from zcore._cpu_nodes import PythonNode


def test_stop_before_the_run(bench):
    link = bench.link()
    pool = bench.camera(link)
    bench.display(link, pool)
    loop = bench.make_loop()
    assert not loop.stopped
    loop.stop()
    assert loop.stopped
    assert bench.run() == OK


@pytest.mark.proves("T6")
def test_stop_from_another_thread_wakes_the_loop(bench):
    link = bench.link()
    pool = bench.camera(link)
    bench.display(link, pool)
    timer = threading.Timer(0.05, bench.make_loop().stop)
    timer.start()
    assert bench.run(60) == OK
    timer.join()


def test_stop_from_a_stage(bench):
    link, seen = bench.link(), []
    pool = bench.camera(link, auto=1000)

    def sink(frame):
        seen.append(frame.sequence)
        if len(seen) == 10:
            bench.loop.stop()

    bench.sink(link, pool, sink)
    assert bench.run() == OK
    assert seen == list(range(10))


def test_stop_ends_a_chain_in_software_that_never_sleeps(bench):
    link, seen = bench.link(), []
    pool, _ = make_pool(bench.kernel, 2, YUYV, YUYV_SIZE)

    def sink(frame):
        seen.append(1)
        if len(seen) == 100:
            bench.loop.stop()

    bench.add(PythonNode("source", lambda frame: None, None, link, pool=pool), pool)
    bench.sink(link, pool, sink)
    assert bench.run() == OK
    assert 100 <= len(seen) <= 102


@pytest.mark.parametrize("with_descriptor", [True, False])
def test_exception_of_a_signal_handler_comes_out_of_the_run(bench, wakeup, alarm, with_descriptor):
    link = bench.link()
    pool = bench.camera(link)
    bench.display(link, pool)

    def handler(*_):
        raise KeyboardInterrupt

    alarm(handler)
    with pytest.raises(KeyboardInterrupt):
        bench.run(60, wakeup if with_descriptor else -1)


def test_handled_signals_neither_end_nor_spin_the_loop(bench, wakeup, alarm):
    link = bench.link()
    pool = bench.camera(link)
    bench.display(link, pool)
    hits = []

    def handler(*_):
        hits.append(1)
        if len(hits) == 10:
            bench.loop.stop()

    alarm(handler, 0.02, 0.02)
    assert bench.run(60, wakeup) == OK
    assert len(hits) >= 10
    assert bench.loop.wakeups < 100


def test_stop_in_a_signal_handler(bench, wakeup, alarm):
    link = bench.link()
    pool = bench.camera(link)
    bench.display(link, pool)
    alarm(lambda *_: bench.loop.stop())
    assert bench.run(60, wakeup) == OK


def test_full_link_stops_the_source(bench):
    link, display_link = bench.link(2), bench.link(1)
    pool = bench.camera(link, auto=1000)
    bench.display(link, pool, auto=False)
    assert bench.run(0.3) == (-errno.ETIMEDOUT, None)
    assert link.count == 2
    assert bench.camera_queue.frames <= 4  # one at the display, two in the link; nobody asked for more
    assert display_link.count == 0
    assert bench.loop.wakeups < 50


def test_stalled_chain_can_be_run_on(bench):
    link = bench.link()
    pool = bench.camera(link, auto=1000, frames=20)
    bench.display(link, pool, auto=False)
    assert bench.run(0.1)[0] == -errno.ETIMEDOUT
    bench.card.auto = True
    bench.card.flip()
    assert bench.run() == OK
    assert bench.scanout.flips == 20


def test_python_sink_that_keeps_frames_starves_the_camera_until_it_drops_them(bench):
    link, kept, total = bench.link(), [], []
    pool = bench.camera(link, auto=40, frames=40)

    def sink(frame):
        kept.append(frame.array())
        total.append(frame.sequence)

    bench.sink(link, pool, sink)
    done = threading.Event()

    def drop():
        while not done.is_set():
            if len(kept) == 4:
                kept.pop(0)
            done.wait(0.001)

    thread = threading.Thread(target=drop)
    thread.start()
    status = bench.run()
    done.set()
    thread.join()
    assert status == OK
    assert total == list(range(40))
    kept.clear()
    assert pool.stats["free"] + bench.camera_queue.queued_count == 4


@pytest.mark.proves("T5")
def test_starved_loop_sleeps(bench):
    """With all buffers held nothing can happen, and nothing does: no spinning on POLLERR, bells or free counts."""
    link, kept = bench.link(), []
    pool = bench.camera(link, auto=100)
    bench.sink(link, pool, kept.append)
    assert bench.run(0.3) == (-errno.ETIMEDOUT, None)
    assert len(kept) == 4
    assert bench.loop.wakeups < 20
    assert "camera" not in pool.holders()
    assert pool.holders() == {"sink": 4}


@pytest.mark.parametrize("how", ["close", "flush"])
def test_pool_that_gives_no_more_slots_lets_the_loop_sleep(bench, how):
    link, kept = bench.link(), []
    pool = bench.camera(link, auto=100)
    bench.sink(link, pool, kept.append)
    bench.run(0.05)
    pool.close() if how == "close" else pool.set_flushing(True)
    kept.clear()  # free slots, and none to be had
    assert pool.stats["free"] == 4
    before = bench.loop.wakeups
    assert bench.run(0.3) == (-errno.ETIMEDOUT, None)
    assert bench.loop.wakeups - before < 20


def test_bell_of_a_pool_that_nobody_starves_of_does_not_spin(bench):
    """A ring that comes when the node was served already stays in the bell until somebody reads it."""
    link, kept = bench.link(), []
    pool = bench.camera(link, auto=4)
    bench.sink(link, pool, kept.append)
    bench.run(0.05)
    waiting = threading.Thread(target=lambda: pool.acquire(30).release())
    waiting.start()
    while pool.stats["starved"] < 0:
        pass
    kept.clear()
    waiting.join()
    os.write(pool.bell, (5).to_bytes(8, "little"))
    before = bench.loop.wakeups
    assert bench.run(0.3) == (-errno.ETIMEDOUT, None)
    assert bench.loop.wakeups - before < 30


def test_slow_converter_holds_the_source_back(bench):
    first, second, seen = bench.link(), bench.link(), []
    camera_pool = bench.camera(first, auto=100, count=6)
    pool = bench.convert(first, second, auto=False, inputs=2)
    bench.sink(second, pool, seen.append)
    assert bench.run(0.2) == (-errno.ETIMEDOUT, None)
    output, _ = bench.m2m_queues
    assert (output.queued_count, first.count) == (2, 2)
    assert camera_pool.holders()["m2m in"] == 2
    assert bench.loop.wakeups < 60


def test_unplugged_camera_ends_the_chain(bench):
    link = bench.link()
    pool = bench.camera(link)
    bench.display(link, pool)
    timer = threading.Timer(0.05, bench.fake_camera.unplug)
    timer.start()
    status, node = bench.run(60)
    timer.join()
    assert (status, node) == (-errno.ENODEV, bench.nodes[0])
    assert node.failed_operation == "VIDIOC_DQBUF"
    assert bench.camera_queue.state == "gone"


@pytest.mark.parametrize("device", ["camera", "m2m"])
def test_unplug_in_the_middle(bench, device):
    first, second, seen = bench.link(), bench.link(), []
    camera_pool = bench.camera(first, auto=1000)
    pool = bench.convert(first, second)

    def sink(frame):
        seen.append(frame.sequence)
        if len(seen) == 20:
            (bench.fake_camera if device == "camera" else bench.fake_m2m).unplug()

    bench.sink(second, pool, sink)
    status, node = bench.run()
    assert (status, node.name) == (-errno.ENODEV, "camera" if device == "camera" else "convert")
    for queue in (bench.camera_queue, *bench.m2m_queues):
        queue.stop()
    for link in bench.links:
        link.flush()
    assert camera_pool.stats["free"] == pool.stats["free"] == 4


@pytest.mark.parametrize(
    ("call", "code"),
    [("VIDIOC_DQBUF", errno.EIO), ("VIDIOC_DQBUF", errno.EINVAL), ("VIDIOC_QBUF", errno.ENOMEM)],
)
def test_failing_call_of_a_camera_is_named(bench, call, code):
    pool, seen = failing(bench)
    bench.kernel.fail(call, code, after=5)
    status, node = bench.run()
    assert (status, node.name, node.failed_operation) == (-code, "camera", call)
    bench.camera_queue.stop()
    for link in bench.links:
        link.flush()
    assert pool.stats["free"] == 4
    assert seen == list(range(len(seen)))


@pytest.mark.parametrize("after", [4, 7, 11, 12, 13])
@pytest.mark.parametrize(("call", "code"), [("VIDIOC_QBUF", errno.EINVAL), ("VIDIOC_DQBUF", errno.EIO)])
def test_failures_around_a_converter_leak_nothing(bench, call, code, after):
    first, second, seen = bench.link(), bench.link(), []
    camera_pool = bench.camera(first, auto=100)
    pool = bench.convert(first, second)
    bench.sink(second, pool, lambda frame: seen.append(frame.index))
    bench.kernel.fail(call, code, after=after)
    status, node = bench.run()
    assert (status, node.failed_operation) == (-code, call)
    for queue in (bench.camera_queue, *bench.m2m_queues):
        queue.stop()
    for link in bench.links:
        link.flush()
    assert camera_pool.stats["free"] == pool.stats["free"] == 4


@pytest.mark.proves("T16")
def test_driver_that_names_a_wrong_buffer_ends_the_chain(bench):
    failing(bench)
    camera = bench.fake_camera
    camera.capture.done[2].reported_index = 77
    status, node = bench.run()
    assert (status, node.name) == (-errno.EBADMSG, "camera")


@pytest.mark.parametrize("code", [errno.EBUSY, errno.EACCES, errno.EINVAL])
def test_refused_commit_ends_the_chain(bench, code):
    link = bench.link()
    pool = bench.camera(link, auto=100)
    bench.display(link, pool)
    bench.kernel.fail("DRM_IOCTL_MODE_ATOMIC", code, after=5)
    status, node = bench.run()
    assert (status, node.name, node.failed_operation) == (-code, "display", "DRM_IOCTL_MODE_ATOMIC")
    assert bench.scanout.holds <= 2


def test_pool_that_was_not_attached_ends_the_chain(bench):
    link = bench.link()
    pool = bench.camera(link, auto=10)
    bench.display(link, pool, attach=False)
    assert bench.run() == (-errno.ENOENT, bench.nodes[1])


@pytest.mark.proves("drm-kms:unplug")
def test_unplugged_card_ends_the_chain(bench):
    link = bench.link()
    pool = bench.camera(link, auto=1000)
    bench.display(link, pool, auto=False)
    timer = threading.Timer(0.05, bench.card.unplug)
    timer.start()
    status, node = bench.run(60)
    timer.join()
    assert (status, node.name) == (-errno.ENODEV, "display")
    bench.card.pending = None
    for client in bench.card.clients.values():
        client.handles.clear()
        client.framebuffers.clear()
