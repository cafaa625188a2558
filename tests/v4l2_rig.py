"""What the tests of v4l2 share."""

import pytest

from fakekernel import FakeCamera
from fakekernel.v4l2_queue import DMABUF, USERPTR
from helpers import YUYV, YUYV_SIZE, make_pool
from zcore._pool import Pool
from zcore._v4l2 import Queue
from zcore._v4l2_device import V4l2Device

CAPTURE, OUTPUT, CAPTURE_MPLANE, OUTPUT_MPLANE = 1, 2, 9, 10


class Rig:
    """A fake camera, its open device, a queue and a pool."""

    def __init__(self, kernel, memory="export", multiplanar=False, count=4, planes=None, **options):
        self.kernel = kernel
        self.camera = FakeCamera(kernel, planes=planes or [YUYV_SIZE], multiplanar=multiplanar)
        self.device = V4l2Device("/dev/video0")
        self.type = CAPTURE_MPLANE if multiplanar else CAPTURE
        self.queue = Queue(self.device.fd, "camera", self.type)
        self.memory = memory
        if memory in ("export", "mmap"):
            self.pool = Pool("camera", "v4l2", writable=False, owner=self.device)
            self.queue.allocate(self.pool, count, export=memory == "export", **options)
            self.pool.describe(**YUYV)
        else:
            self.pool, self.memories = make_pool(kernel, count, YUYV, YUYV_SIZE, writable=False)
            number = {"dmabuf": DMABUF, "userptr": USERPTR}[memory]
            self.queue.use_foreign(number, count, planes or [YUYV_SIZE], self.pool, **options)

    def close(self):
        self.queue.close()
        self.device.close()


@pytest.fixture(params=["export", "mmap", "dmabuf", "userptr"])
def memory(request):
    return request.param


@pytest.fixture(params=[False, True], ids=["single", "mplane"])
def rig(request, fake_kernel, memory):
    made = Rig(fake_kernel, memory, request.param)
    yield made
    made.close()


@pytest.fixture
def exported(fake_kernel):
    made = Rig(fake_kernel)
    yield made
    made.close()


@pytest.fixture
def imported(fake_kernel):
    made = Rig(fake_kernel, "dmabuf")
    yield made
    made.close()


def _pool_of(pool, buffers, planes=None):
    pool.add(buffers, planes)
    return pool
