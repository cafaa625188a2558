"""Whatever dies first, whatever refers to whom, and however the process ends."""

import gc
import itertools
import os
import subprocess
import sys
import textwrap
import weakref
from pathlib import Path

import pytest

from fakekernel import FakeCamera, FakeCard
from fakekernel.drm import CRTC, PRIMARY
from helpers import YUYV, YUYV_SIZE, make_pool
from zcore._drm import Card
from zcore._gem import handle_count
from zcore._kms import Scanout
from zcore._pool import Pool
from zcore._v4l2 import Queue
from zcore._v4l2_device import V4l2Device

TESTS = Path(__file__).resolve().parent


def camera_parts(kernel, export=True):
    """Everything between a camera and a numpy view."""
    camera = FakeCamera(kernel, planes=[YUYV_SIZE])
    device = V4l2Device("/dev/video0")
    pool = Pool("camera", "v4l2", writable=False, owner=device)
    queue = Queue(device.fd, "camera", 1)
    queue.allocate(pool, 3, export=export)
    pool.describe(**YUYV)
    queue.start()
    camera.fill(data=b"\x2a" * YUYV_SIZE)
    frame = queue.next_frame(5)
    parts = {"device": device, "pool": pool, "queue": queue, "frame": frame, "view": frame.array()[1:]}
    return camera, parts


@pytest.mark.parametrize(
    "order", list(itertools.permutations(["device", "pool", "queue", "frame", "view"])), ids=" ".join
)
def test_parents_may_go_first(fake_kernel, order):
    camera, parts = camera_parts(fake_kernel)
    memory = camera.capture.buffers[0].planes[0].memory
    for name in order:
        if "view" in parts:
            assert parts["view"].min() == parts["view"].max() == 0x2A
        del parts[name]
        gc.collect()
    assert memory.users == 0
    assert not camera.files[0].open  # the device itself is closed with its last user


@pytest.mark.parametrize("order", list(itertools.permutations(["device", "pool", "queue", "view"])), ids=" ".join)
def test_mapped_memory_goes_last(fake_kernel, order):
    """Memory that is mapped through the device: the map, and the device under it, live as long as the view."""
    _, parts = camera_parts(fake_kernel, export=False)
    del parts["frame"]
    for name in order:
        if "view" in parts:
            assert parts["view"].min() == 0x2A
        del parts[name]
        gc.collect()


@pytest.mark.parametrize("order", list(itertools.permutations(["card", "pool", "scanout", "frame"])), ids=" ".join)
def test_display_parts_may_go_in_any_order(fake_kernel, order):
    fake = FakeCard(fake_kernel, auto=True)
    fake.active = 1
    card = Card("/dev/dri/card0")
    pool, memories = make_pool(fake_kernel, 3)
    scanout = Scanout(card, "screen", CRTC, PRIMARY, fake.property_id(PRIMARY, "FB_ID"))
    frame = pool.acquire(0)
    scanout.show(frame)
    scanout.wait()
    parts = {"card": card, "pool": pool, "scanout": scanout, "frame": frame}
    del card, pool, scanout, frame
    for name in order:
        del parts[name]
        gc.collect()
    assert not any(memory.users for memory in memories)
    assert not any(client.handles or client.framebuffers for client in fake.clients.values())


def test_cycle_of_everything_is_collected(fake_kernel):
    class Stage:
        pass

    for _ in range(10):
        stage = Stage()
        camera, stage.parts = camera_parts(fake_kernel)
        stage.parts["pool"].close()
        stage.again = Pool(
            "again", "none", owner=stage, on_close=lambda stage=stage: stage, grow=lambda stage=stage: stage
        )
        stage.parts["self"] = stage.parts
        alive = weakref.ref(stage)
        del stage
        gc.collect()
        assert alive() is None
        assert not camera.files[0].open


def test_closing_twice_in_every_order(fake_kernel):
    for order in itertools.permutations(["queue", "pool", "device"]):
        _, parts = camera_parts(fake_kernel)
        for name in order + order:
            if name == "queue" and parts["device"].fd.closed and parts["queue"].state != "empty":
                continue  # nothing can be asked of a closed descriptor; see the next test
            parts[name].close()
        assert parts["view"].min() == 0x2A
        parts.clear()


def test_queue_closed_after_its_descriptor(fake_kernel):
    """The kernel freed the buffers with the descriptor: there is nobody to ask, and nothing to fail."""
    _, parts = camera_parts(fake_kernel)
    parts["device"].close()
    before = len(fake_kernel.calls)
    parts["queue"].close()
    assert parts["queue"].state == "empty"
    assert len(fake_kernel.calls) == before
    del parts["view"]
    parts["frame"].release()
    assert parts["pool"].stats["free"] == 3


def test_card_closed_before_its_scanout(fake_kernel):
    fake = FakeCard(fake_kernel, auto=True)
    fake.active = 1
    card = Card("/dev/dri/card0")
    pool, _ = make_pool(fake_kernel, 3)
    scanout = Scanout(card, "screen", CRTC, PRIMARY, fake.property_id(PRIMARY, "FB_ID"))
    scanout.show(pool.acquire(0))
    scanout.wait()
    client = next(iter(fake.clients.values()))
    card.close()
    client.handles.clear()  # the kernel did, with the file
    client.framebuffers.clear()
    fake.shown[PRIMARY] = 0
    scanout.release()
    assert (handle_count(card), pool.stats["free"]) == (0, 3)
    assert fake_kernel.count("DRM_IOCTL_GEM_CLOSE") == 0


# The end of the process

PRELUDE = """
    import atexit, gc, os, sys, threading
    import numpy as np
    from helpers import SIZE, XR24, YUYV, YUYV_SIZE
    from zcore._alloc import allocate_memfd
    from zcore._chain import Link, Loop
    from zcore._nodes import PythonNode
    from zcore._pool import Pool

    def make_pool(count=2):
        pool = Pool("end", "memfd")
        for _ in range(count):
            pool.add([allocate_memfd(SIZE)])
        pool.describe(**XR24)
        return pool

    class Stage:
        pass
"""
FAKE = """
    from fakekernel import FakeCamera, FakeKernel
    from zcore import _sys
    from zcore._v4l2 import Queue
    from zcore._v4l2_device import V4l2Device

    kernel = FakeKernel()
    _sys.install_fake_kernel(kernel)
    camera = FakeCamera(kernel, planes=[YUYV_SIZE])
    device = V4l2Device("/dev/video0")
    pool = Pool("camera", "v4l2", writable=False, owner=device)
    queue = Queue(device.fd, "camera", 1)
    queue.allocate(pool, 3, export=True)
    pool.describe(**YUYV)
    queue.start()
    camera.fill(data=b"*" * YUYV_SIZE)
    frame = queue.next_frame(5)
    view = frame.array()
"""


def run_script(body, *preludes):
    code = "".join(textwrap.dedent(part) for part in (PRELUDE, *preludes, body))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), *sys.path]), "PYTHONFAULTHANDLER": "1"}
    return subprocess.run(
        [sys.executable, "-X", "dev", "-W", "ignore::ResourceWarning", "-c", code], capture_output=True, text=True,
        timeout=50, env=environment, check=False,
    )  # fmt: skip


ENDINGS = {
    "pool alone": "pool = make_pool()",
    "frame": "pool = make_pool(); frame = pool.acquire(0)",
    "view": "view = make_pool().acquire(0).array()[1:]",
    "written view": "view = make_pool().acquire(0).array(write=True); view[...] = 1",
    "memoryview": "view = memoryview(make_pool().acquire(0).array())",
    "tensor": "view = np.from_dlpack(make_pool().acquire(0))",
    "capsule": "view = make_pool().acquire(0).__dlpack__(max_version=(1, 0))",
    "cycle": """
        stage = Stage()
        stage.pool = make_pool()
        stage.frame = stage.pool.acquire(0)
        stage.view, stage.me = stage.frame.array(), stage
    """,
    "owner": """
        stage = Stage()
        stage.pool = Pool("p", "none", owner=stage, on_close=lambda: stage, grow=lambda: stage)
    """,
    "builtins": "import builtins; builtins.kept = make_pool().acquire(0).array()",
    "atexit": """
        pool = make_pool()
        frame = pool.acquire(0)
        atexit.register(lambda: (frame.array().sum(), frame.release(), pool.close()))
    """,
    "__del__": """
        class Late:
            def __init__(self):
                self.pool = make_pool()
                self.view = self.pool.acquire(0).array()
            def __del__(self):
                self.view = None
                self.pool.acquire(0)
        late = Late()
    """,
    "daemon thread that waits": """
        pool = make_pool(1)
        frame = pool.acquire(0)
        threading.Thread(target=pool.acquire, daemon=True).start()
        while pool.stats["starved"] < 0: pass
    """,
    "daemon thread that drops": """
        pool = make_pool(1)
        def work():
            while True:
                pool.acquire(1).array()
        threading.Thread(target=work, daemon=True).start()
        for _ in range(100): pool.acquire(5)
    """,
    "daemon loop": """
        pool = make_pool(2)
        link = Link("a", "b")
        loop = Loop([PythonNode("a", lambda f: None, None, link, pool=pool, interval_ns=1000000),
                     PythonNode("b", lambda f: f.array(), link, None, input_pool=pool)])
        threading.Thread(target=loop.run, daemon=True).start()
        while link.frames < 3: pass
    """,
    "loop that never ran": """
        link = Link("a", "b")
        loop = Loop([PythonNode("a", print, None, link, pool=make_pool(), interval_ns=1000)])
    """,
    "sys.exit": "view = make_pool().acquire(0).array(); sys.exit(0)",
}


@pytest.mark.parametrize("body", ENDINGS.values(), ids=ENDINGS)
def test_interpreter_exit_prints_nothing(body):
    done = run_script(body)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize(
    "body",
    ["", "del device", "del queue", "del pool, queue", "camera.unplug()", "queue.stop()", "pool.close()",
     "stage = Stage(); stage.all = [stage, device, pool, queue, frame, view]"],
)  # fmt: skip
def test_interpreter_exit_with_a_stream_prints_nothing(body):
    done = run_script(body + "\natexit.register(_sys.install_fake_kernel, None)\n", FAKE)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


# Fork

CHILD = """
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        before = len(kernel.calls)
        def report():
            gc.collect()
            calls = [call.name for call in kernel.calls[before:]]
            # The end of its own look is its own affair: it cleans caches and takes nothing from anybody.
            os.write(writer, repr([name for name in calls if name != "DMA_BUF_IOCTL_SYNC"]).encode())
        atexit.register(report)
        {child}
        sys.exit(0)
    os.close(writer)
    told = os.read(reader, 65536).decode()
    status = os.waitpid(child, 0)[1]
    assert status == 0, status
    assert told == "[]", told
    assert camera.capture.streaming and queue.state == "streaming"
    assert view.min() == 42
    camera.fill(data=b"+" * YUYV_SIZE)
    assert queue.next_frame(5).array().min() == 43
    del frame, view
    queue.close()
    assert pool.stats["free"] == 3
    device.close()
    _sys.install_fake_kernel(None)
"""


@pytest.mark.parametrize(
    "child",
    ["pass", "del queue, device, pool, frame, view; gc.collect()", "queue.close(); device.close()",
     "frame = None; view = None; pool.close()", "del pool, view, frame, queue"],
)  # fmt: skip
def test_forked_child_leaves_the_stream_of_its_parent_alone(child):
    code = CHILD.format(child=child)
    done = run_script(code, FAKE)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_forked_child_of_a_waiting_parent():
    done = run_script(
        """
        pool = make_pool(1)
        frame = pool.acquire(0)
        thread = threading.Thread(target=lambda: pool.acquire(30))
        thread.start()
        while not pool.holders(): pass
        child = os.fork()
        if child == 0:
            del frame
            pool.acquire(0).array(write=True)[...] = 1  # its own accounts; the memory is shared
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        assert pool.stats["free"] == 0
        del frame
        thread.join()
        assert pool.stats["free"] == 1
        """
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
