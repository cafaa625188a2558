"""The native loop with every kind of node, on the fakes of both device families.

The fake camera counts questions: a loop that asks a thousand times in a row for what is not there fails its test.
"""

import errno
import threading

import pytest

from chain_rig import OK, Feeder, bench, numbers  # noqa: F401
from fakekernel.v4l2_queue import FLAG_ERROR, FLAG_LAST, FLAG_MONOTONIC
from helpers import CODED, YUYV, YUYV_SIZE, make_pool
from zcore._cpu_nodes import CopyNode, PythonNode


def test_capture_to_python(bench):
    link, seen = bench.link(), []
    pool = bench.camera(link, auto=100, frames=100)
    bench.sink(link, pool, lambda frame: seen.append(frame.sequence))
    assert bench.run() == OK
    assert seen == list(range(100))
    assert (link.frames, link.count, link.closed) == (100, 0, True)
    assert all(node.done for node in bench.nodes)
    assert bench.kernel.count("DMA_BUF_IOCTL_SYNC") == 0


def test_capture_to_display_copies_nothing_and_looks_at_nothing(bench):
    link = bench.link()
    pool = bench.camera(link, auto=60, frames=60)
    bench.display(link, pool)
    assert bench.run() == OK
    assert bench.card.flips == bench.scanout.flips == 60
    assert bench.scanout.attaches == 4
    assert bench.kernel.count("DMA_BUF_IOCTL_SYNC") == bench.kernel.count("mmap") == 0
    assert pool.holders()["display"] == 1  # the last one stays on the screen
    assert (link.copied_frames, link.copied_bytes) == (0, 0)


def test_capture_to_convert_to_python(bench):
    first, second, seen = bench.link(), bench.link(), []
    bench.camera(first, auto=50, frames=50)
    pool = bench.convert(first, second)
    bench.fake_m2m.transform = lambda planes: [bytes([bench.fake_m2m.converted]) * len(planes[0])]
    bench.sink(second, pool, lambda frame: seen.append(int(frame.array()[0, 0, 0])))
    assert bench.run() == OK
    assert seen == list(range(50))
    node = bench.nodes[1]
    assert (node.frames_in, node.frames_out) == (50, 50)
    output, capture = bench.m2m_queues
    assert output.attaches == bench.fake_m2m.output.attaches == 4
    assert capture.frames == 50


def test_capture_to_convert_to_display(bench):
    first, second = bench.link(), bench.link()
    bench.camera(first, auto=50, frames=50)
    pool = bench.convert(first, second)
    bench.display(second, pool)
    assert bench.run() == OK
    assert bench.card.flips == 50
    assert bench.kernel.count("DMA_BUF_IOCTL_SYNC") == 0


def test_copy_is_counted_and_bracketed(bench):
    first, second, seen = bench.link(), bench.link(), []
    bench.camera(first, frames=5)
    pool, memories = make_pool(bench.kernel, 2, YUYV, YUYV_SIZE, name="copies")
    copy = bench.add(CopyNode("copy", pool, first, second), pool)
    bench.sink(second, pool, numbers(seen))
    feeder = Feeder(bench, [bytes([n + 1]) * YUYV_SIZE for n in range(5)])
    assert bench.run() == OK
    feeder.join()
    assert seen == [(n, n + 1) for n in range(5)]  # with the number of the original
    assert (copy.frames, first.copied_frames, first.copied_bytes) == (5, 5, 5 * YUYV_SIZE)
    assert sum(len(memory.starts) for memory in memories) >= 5
    assert all(len(memory.starts) == len(memory.ends) for memory in memories)


def test_frames_of_a_camera_with_its_own_pace(bench):
    link, seen = bench.link(), []
    pool = bench.camera(link, frames=30)
    bench.sink(link, pool, numbers(seen))
    feeder = Feeder(bench, [bytes([n]) * YUYV_SIZE for n in range(30)])
    assert bench.run() == OK
    feeder.join()
    assert seen == [(n, n) for n in range(30)]


def test_display_at_its_own_pace(bench):
    link = bench.link()
    pool = bench.camera(link, auto=40, frames=40)
    bench.display(link, pool, auto=False)
    done = threading.Event()

    def blank():
        while not done.is_set():
            with bench.kernel.lock:
                if bench.card.pending:
                    bench.card.flip()
            done.wait(0.001)

    thread = threading.Thread(target=blank)
    thread.start()
    status = bench.run()
    done.set()
    thread.join()
    assert status == OK
    assert bench.scanout.flips == 40


def test_python_source_transform_and_sink(bench):
    first, second, seen = bench.link(), bench.link(), []
    pool, memories = make_pool(bench.kernel, 2, YUYV, YUYV_SIZE, name="source")
    out, _ = make_pool(bench.kernel, 2, YUYV, YUYV_SIZE, name="transform")

    def source(frame):
        frame.array(write=True)[...] = source.calls
        frame.set_meta(sequence=source.calls)
        source.calls += 1

    source.calls = 0

    def transform(given, room):
        room.array(write=True)[...] = given.array() + 100
        room.set_meta(sequence=given.sequence)
        return given.sequence % 3 != 2  # every third gives nothing

    bench.add(PythonNode("source", source, None, first, pool=pool, frames=9), pool)
    middle = bench.add(PythonNode("transform", transform, first, second, pool=out, input_pool=pool), out)
    bench.sink(second, out, numbers(seen))
    assert bench.run() == OK
    assert seen == [(n, n + 100) for n in range(9) if n % 3 != 2]
    assert (middle.frames_in, middle.frames_out) == (9, 6)
    assert pool.stats["free"] == out.stats["free"] == 2
    assert all(len(memory.starts) == len(memory.ends) for memory in memories)


def test_python_source_ends_with_false(bench):
    link, seen = bench.link(), []
    pool, _ = make_pool(bench.kernel, 2, YUYV, YUYV_SIZE)

    def source(frame):
        source.calls += 1
        return source.calls <= 3

    source.calls = 0
    bench.add(PythonNode("source", source, None, link, pool=pool), pool)
    bench.sink(link, pool, lambda frame: seen.append(frame.index))
    assert bench.run() == OK
    assert (len(seen), source.calls, pool.stats["free"]) == (3, 4, 2)


def test_paced_source_waits_for_a_slot_and_goes_on(bench):
    """A tick that finds no slot is not the last one."""
    link, kept, seen = bench.link(), [], []
    pool, _ = make_pool(bench.kernel, 1, YUYV, YUYV_SIZE)

    def sink(frame):
        seen.append(1)
        kept.append(frame)
        timer = threading.Timer(0.01, kept.pop)
        timer.start()
        timers.append(timer)

    timers = []
    bench.add(PythonNode("source", lambda frame: None, None, link, pool=pool, frames=5, interval_ns=1_000_000), pool)
    bench.sink(link, pool, sink)
    assert bench.run() == OK
    for timer in timers:
        timer.join()
    assert len(seen) == 5


def test_coded_payload_goes_through(bench):
    link, seen = bench.link(), []
    pool, _ = make_pool(bench.kernel, 2, CODED, YUYV_SIZE)

    def source(frame):
        frame.array(write=True)[:5] = list(b"coded")
        frame.set_used(5)

    bench.add(PythonNode("source", source, None, link, pool=pool, frames=3), pool)
    bench.sink(link, pool, lambda frame: seen.append(bytes(frame.array())))
    assert bench.run() == OK
    assert seen == [b"coded"] * 3


def test_no_frames_at_all(bench):
    link = bench.link()
    pool = bench.camera(link, auto=5, frames=0)
    bench.display(link, pool)
    assert bench.run() == OK
    assert link.frames == 0


@pytest.mark.parametrize(("used", "expected"), [(None, 5), (0, 4)])
def test_last_buffer_of_a_camera_ends_the_chain(bench, used, expected):
    link, seen = bench.link(), []
    pool = bench.camera(link)
    bench.sink(link, pool, lambda frame: seen.append(frame.sequence))

    def feed():
        for _ in range(4):
            while not bench.fake_camera.capture.queued:
                threading.Event().wait(0.001)
            bench.fake_camera.fill()
        while not bench.fake_camera.capture.queued:
            threading.Event().wait(0.001)
        bench.fake_camera.fill(flags=FLAG_LAST, bytesused=used)

    thread = threading.Thread(target=feed)
    thread.start()
    assert bench.run() == OK
    thread.join()
    assert seen == list(range(expected))


def test_last_buffer_ends_the_chain_even_where_no_buffer_is_left(bench):
    """All slots are held: no buffer is queued, so the descriptor cannot be polled for the end."""
    link, kept = bench.link(4), []
    pool = bench.camera(link, auto=4)
    bench.fake_camera.last_at_end = True
    bench.sink(link, pool, kept.append)
    bench.camera_queue.stop()
    bench.fake_camera.auto = 4
    bench.camera_queue.start()
    assert bench.run(2.0) == OK
    assert len(kept) == 4


def test_epipe_ends_the_chain(bench):
    link, seen = bench.link(), []
    pool = bench.camera(link, auto=10)
    bench.kernel.fail("VIDIOC_DQBUF", errno.EPIPE, after=3)
    bench.sink(link, pool, lambda frame: seen.append(frame.sequence))
    assert bench.run() == OK
    assert seen == [0, 1, 2]


def test_convert_gives_its_last_frame_although_the_input_is_done_first(bench):
    """A driver marks input and output done one after the other; the loop may run in between."""
    first, second, seen = bench.link(), bench.link(), []
    bench.camera(first, auto=3, frames=3)
    pool = bench.convert(first, second, auto=False)
    bench.sink(second, pool, lambda frame: seen.append(frame.index))

    def hardware():
        fake = bench.fake_m2m
        for _ in range(3):
            while not (fake.output.queued and fake.capture.queued):
                threading.Event().wait(0.001)
            taken = fake.finish_output()
            while fake.output.done:  # until the loop has taken the input back
                threading.Event().wait(0.001)
            threading.Event().wait(0.02)
            fake.finish_capture(taken)

    thread = threading.Thread(target=hardware)
    thread.start()
    status = bench.run(5.0)
    thread.join()
    assert status == OK
    assert len(seen) == 3


def test_converter_that_swallows_frames_still_ends(bench):
    first, second, seen = bench.link(), bench.link(), []
    bench.camera(first, auto=4, frames=4)
    pool = bench.convert(first, second, auto=False)
    bench.sink(second, pool, lambda frame: seen.append(frame.index))

    def hardware():
        fake = bench.fake_m2m
        for number in range(4):
            while not (fake.output.queued and fake.capture.queued):
                threading.Event().wait(0.001)
            taken = fake.finish_output()
            if number % 2:
                fake.finish_capture(taken)

    thread = threading.Thread(target=hardware)
    thread.start()
    status = bench.run(10.0)
    thread.join()
    assert status == OK
    assert len(seen) == 2


@pytest.mark.parametrize("how", ["LAST", "EPIPE"])
def test_converter_that_ends_too_early_is_a_failure_and_no_endless_loop(bench, how):
    first, second, seen = bench.link(), bench.link(), []
    bench.camera(first, auto=50)
    pool = bench.convert(first, second, auto=how == "EPIPE")
    bench.sink(second, pool, lambda frame: seen.append(frame.index))
    if how == "EPIPE":
        bench.kernel.fail("VIDIOC_DQBUF", errno.EPIPE, after=17)
    thread = None
    if how == "LAST":

        def hardware():
            fake = bench.fake_m2m
            for number in range(3):
                while not (fake.output.queued and fake.capture.queued):
                    threading.Event().wait(0.001)
                fake.convert(**({"flags": FLAG_LAST} if number == 2 else {}))

        thread = threading.Thread(target=hardware)
        thread.start()
    status, node = bench.run(5.0)
    if thread is not None:
        thread.join()
    assert (status, node.name, node.failed_operation) == (-errno.EPIPE, "convert", "VIDIOC_DQBUF")
    assert len(seen) >= 3


@pytest.mark.parametrize("used", [0, None])
def test_last_buffer_of_a_converter_is_no_failure(bench, used):
    first, second, seen = bench.link(), bench.link(), []
    bench.camera(first, auto=3, frames=3)
    pool = bench.convert(first, second, auto=False)
    bench.sink(second, pool, lambda frame: seen.append(frame.index))

    def hardware():
        fake = bench.fake_m2m
        for number in range(3):
            while not (fake.output.queued and fake.capture.queued):
                threading.Event().wait(0.001)
            values = {"flags": FLAG_LAST, "bytesused": used} if number == 2 else {}
            fake.finish_capture(fake.finish_output(), **values)

    thread = threading.Thread(target=hardware)
    thread.start()
    status = bench.run(5.0)
    thread.join()
    assert status == OK
    assert len(seen) == (2 if used == 0 else 3)


@pytest.mark.parametrize("drop", [False, True])
def test_corrupted_frames_are_passed_or_dropped_and_counted(bench, drop):
    link, seen = bench.link(), []
    pool = bench.camera(link, frames=3, drop_corrupted=drop)
    bench.sink(link, pool, lambda frame: seen.append(frame.corrupted))
    flags = [0, FLAG_ERROR, 0, FLAG_ERROR, 0]

    def feed():
        for extra in flags:
            while not bench.fake_camera.capture.queued:
                threading.Event().wait(0.001)
            bench.fake_camera.fill(flags=FLAG_MONOTONIC | extra)

    thread = threading.Thread(target=feed)
    thread.start()
    assert bench.run() == OK
    thread.join()
    assert seen == ([False] * 3 if drop else [False, True, False])
    assert bench.nodes[0].corrupted_drops == (2 if drop else 0)
