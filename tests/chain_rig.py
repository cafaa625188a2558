"""What the tests of chain share."""

import errno
import signal
import socket
import threading

import pytest

from fakekernel import FakeCamera, FakeCard, FakeM2m
from fakekernel.drm import CRTC, PRIMARY
from fakekernel.kernel import Refusal
from fakekernel.v4l2_queue import DMABUF
from helpers import YUYV, YUYV_SIZE
from zcore._chain import Link, Loop
from zcore._cpu_nodes import PythonNode
from zcore._drm import Card
from zcore._kms import Scanout
from zcore._nodes import CaptureNode, ConvertNode, DisplayNode
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


def failing(bench):
    link, seen = bench.link(), []
    pool = bench.camera(link, auto=1000)
    bench.sink(link, pool, lambda frame: seen.append(frame.sequence))
    return pool, seen


class Monitor:
    """Somebody changes the monitor after some frames: the old mode is refused from then on."""

    def __init__(self, card, after, size):
        self.card = card
        self.after = after
        self.size = size
        self.flips = 0
        self.gone = False
        self.atomic = card.drm_ioctl_mode_atomic
        card.drm_ioctl_mode_atomic = self.commit

    def commit(self, file, argument):
        modeset = argument.flags & 0x400
        if not modeset:
            self.flips += 1
            if self.flips == self.after:
                self.gone = True
                self.card.width, self.card.height = self.size
        if self.gone and not modeset:
            raise Refusal(errno.EINVAL, "the mode is gone")
        self.atomic(file, argument)
        if modeset:
            self.gone = False
