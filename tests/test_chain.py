"""The native loop with every kind of node, on the fakes of both device families.

The fake camera counts questions: a loop that asks a thousand times in a row for what is not there fails its test.
"""

import errno
import gc
import os
import signal
import socket
import threading

import pytest

from fakekernel import FakeCamera, FakeCard, FakeM2m
from fakekernel.drm import CRTC, PRIMARY
from fakekernel.v4l2_queue import DMABUF, FLAG_ERROR, FLAG_LAST, FLAG_MONOTONIC
from helpers import CODED, YUYV, YUYV_SIZE, make_pool
from zcore._chain import Link, Loop, Node
from zcore._drm import Card
from zcore._kms import Scanout
from zcore._nodes import CaptureNode, ConvertNode, CopyNode, DisplayNode, PythonNode
from zcore._pool import Pool
from zcore._v4l2 import Queue
from zcore._v4l2_device import V4l2Device

OK = (0, None)


class Bench:
    """Makes stages on fakes, and closes them."""

    def __init__(self, kernel):
        self.kernel = kernel
        self.closers = []
        self.nodes = []
        self.pools = {}  # node -> pool it may starve of
        self.links = []
        self.loop = None
        self.card = None
        self.watched = False

    def link(self, capacity=2):
        self.links.append(Link(f"stage {len(self.links)}", f"stage {len(self.links) + 1}", capacity))
        return self.links[-1]

    def add(self, node, pool=None):
        self.nodes.append(node)
        if pool is not None:
            self.pools[node] = pool
        return node

    def camera(self, sink, auto=0, frames=-1, count=4, export=True, **options):
        self.fake_camera = FakeCamera(self.kernel, planes=[YUYV_SIZE])
        self.fake_camera.auto = auto
        device = V4l2Device("/dev/video0")
        queue = Queue(device.fd, "camera", 1)
        pool = Pool("camera", "v4l2", writable=False, owner=device)
        queue.allocate(pool, count, export=export)
        pool.describe(**YUYV)
        queue.start()
        self.camera_queue = queue
        self.closers[:0] = [queue.close, device.close]
        self.add(CaptureNode("camera", queue, sink, frames=frames, **options), pool)
        return pool

    def convert(self, source, sink, auto=True, inputs=4, outputs=4):
        self.fake_m2m = FakeM2m(self.kernel, planes=[YUYV_SIZE], auto=auto)
        device = V4l2Device("/dev/video1")
        output, capture = Queue(device.fd, "m2m in", 2), Queue(device.fd, "m2m out", 1)
        pool = Pool("m2m", "v4l2", writable=False, owner=device)
        output.use_foreign(DMABUF, inputs, [YUYV_SIZE])
        capture.allocate(pool, outputs, export=True)
        pool.describe(**YUYV)
        output.start()
        capture.start()
        self.m2m_queues = output, capture
        self.closers[:0] = [output.close, capture.close, device.close]
        self.add(ConvertNode("convert", output, capture, source, sink), pool)
        return pool

    def display(self, source, pool, auto=True, attach=True):
        self.card = FakeCard(self.kernel, auto=auto)
        self.card.active = 1
        card = Card("/dev/dri/card0")
        self.scanout = Scanout(card, "display", CRTC, PRIMARY, self.card.property_id(PRIMARY, "FB_ID"))
        if attach:
            self.scanout.attach(pool)
        self.closers[:0] = [self.scanout.release, card.close]
        return self.add(DisplayNode("display", self.scanout, source))

    def sink(self, source, pool, process):
        return self.add(PythonNode("sink", process, source, None, input_pool=pool))

    def run(self, stall=10.0, signal_fd=-1):
        self.loop = self.loop or Loop(self.nodes)
        if not self.watched:
            for index, node in enumerate(self.nodes):
                if node in self.pools:
                    self.loop.watch_pool(index, self.pools[node].bell)
            self.watched = True
        return self.loop.run(stall, signal_fd)

    def make_loop(self):
        self.loop = Loop(self.nodes)
        return self.loop

    def close(self):
        if self.loop is not None:
            self.loop.close()
        for link in self.links:
            link.flush()
        if self.card is not None and self.card.pending and not self.card.gone:
            self.card.flip()  # as a display does before it goes
        for close in self.closers:  # sinks first
            close()


@pytest.fixture
def bench(fake_kernel):
    made = Bench(fake_kernel)
    yield made
    made.close()


def numbers(seen):
    """A sink that notes the first byte and the number of each frame."""
    return lambda frame: seen.append((frame.sequence, int(frame.array()[0, 0, 0])))


# Straight runs


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


class Feeder(threading.Thread):
    """Fills a camera's buffers from another thread as they come, as hardware does."""

    def __init__(self, bench, frames, **values):
        super().__init__()
        self.bench, self.frames, self.values, self.error = bench, frames, values, None
        self.start()

    def run(self):
        camera = self.bench.fake_camera
        try:
            for data in self.frames:
                while not camera.capture.queued:
                    threading.Event().wait(0.001)
                camera.fill(data=data, **self.values)
        except BaseException as error:
            self.error = error

    def join(self, timeout=60):
        super().join(timeout)
        if self.error:
            raise self.error


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


# Ends


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


# Stopping


def test_stop_before_the_run(bench):
    link = bench.link()
    pool = bench.camera(link)
    bench.display(link, pool)
    loop = bench.make_loop()
    assert not loop.stopped
    loop.stop()
    assert loop.stopped
    assert bench.run() == OK


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


@pytest.fixture
def wakeup():
    """What the Python half does around a run: signals wake the loop through a descriptor."""
    reader, writer = socket.socketpair()
    reader.setblocking(False)
    writer.setblocking(False)
    before = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
    yield reader.fileno()
    signal.set_wakeup_fd(before)
    reader.close()
    writer.close()


@pytest.fixture
def alarm():
    def arm(handler, seconds=0.05, interval=0.0):
        signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, seconds, interval)

    before = signal.getsignal(signal.SIGALRM)
    yield arm
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


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


# Back-pressure


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


# Failures


def failing(bench):
    link, seen = bench.link(), []
    pool = bench.camera(link, auto=1000)
    bench.sink(link, pool, lambda frame: seen.append(frame.sequence))
    return pool, seen


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


# What is refused


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
