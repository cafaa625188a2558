"""What the tests of lifecycle share."""

import errno
import os
import subprocess
import sys
import textwrap
from pathlib import Path

from fakekernel import FakeCamera, FakeM2m
from helpers import YUYV, YUYV_SIZE
from zcore._chain import Link, Loop
from zcore._nodes import CaptureNode, ConvertNode
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


def stalled_chain(kernel, converter):
    """A chain that stopped with frames in its link and, with a converter, in that one's queue."""
    camera = FakeCamera(kernel, planes=[YUYV_SIZE])
    camera.auto = 100
    device = V4l2Device("/dev/video0")
    pool = Pool("camera", "v4l2", writable=False, owner=device)
    queue = Queue(device.fd, "camera", 1)
    queue.allocate(pool, 6, export=True)
    queue.start()
    first, second = Link("a", "b"), Link("b", "c")
    nodes = [CaptureNode("camera", queue, first)]
    output = None
    if converter:
        FakeM2m(kernel, planes=[YUYV_SIZE])
        m2m = V4l2Device("/dev/video1")
        output, capture = Queue(m2m.fd, "in", 2), Queue(m2m.fd, "out", 1)
        output.use_foreign(4, 2, [YUYV_SIZE])
        capture.allocate(Pool("m2m", "v4l2"), 2, export=True)
        output.start()
        capture.start()
        nodes.append(ConvertNode("convert", output, capture, first, second))
    loop = Loop(nodes)
    assert loop.run(0.05)[0] == -errno.ETIMEDOUT
    loop.close()
    assert first.count == 2
    memories = [buffer.planes[0].memory for buffer in camera.capture.buffers]
    queue.close()
    return pool, first, output, memories


PRELUDE = """
    import atexit, gc, os, sys, threading
    import numpy as np
    from helpers import SIZE, XR24, YUYV, YUYV_SIZE
    from zcore._alloc import allocate_memfd
    from zcore._chain import Link, Loop
    from zcore._cpu_nodes import PythonNode
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
