"""More of test_kms.py."""

import errno

import pytest

from fakekernel import FakeCamera
from fakekernel.drm import PRIMARY
from helpers import NV12, YUYV, YUYV_SIZE, make_pool, new_buffer
from kms_rig import Rig, atomic, rig  # noqa: F401
from zcore._errors import DeviceError
from zcore._pool import Pool
from zcore._v4l2 import Queue
from zcore._v4l2_device import V4l2Device


def test_two_colour_planes(fake_kernel):
    rig = Rig(fake_kernel)
    pool, _ = make_pool(fake_kernel, 1, NV12)
    rig.scanout.show(pool.acquire(0))
    rig.fake.flip()
    framebuffer = rig.client.framebuffers[rig.fake.shown[PRIMARY]]
    assert (framebuffer.pitches, framebuffer.offsets) == ([64, 64], [0, 1024])
    rig.scanout.wait()
    rig.close()


@pytest.mark.proves("T38")
def test_plane_that_starts_inside_of_its_buffer(fake_kernel):
    rig = Rig(fake_kernel)
    memory, buffer = new_buffer(fake_kernel, 3 * 4096)
    pool = Pool("p", "fake")
    pool.add([buffer], [(8192, 4096)])
    pool.describe(
        drm_fourcc=0x34325258, size=(64, 16), components=[(0, 0, 256, 16)],
        arrays=[(0, 0, "u1", (16, 256), (256, 1))],
    )  # fmt: skip
    with pool.acquire(0) as frame:
        frame.array(write=True)[...] = 1
    assert memory.read(1, 8192) == b"\x01"
    rig.scanout.show(pool.acquire(0))
    rig.fake.flip()
    assert rig.client.framebuffers[rig.fake.shown[PRIMARY]].offsets == [8192]
    rig.scanout.wait()
    rig.close()


@pytest.mark.proves("drm-kms:modifiers")
def test_modifier_of_the_pool_is_handed_on(fake_kernel):
    rig = Rig(fake_kernel)
    rig.scanout.attach(rig.pool, 0)
    assert {framebuffer.modifier for framebuffer in rig.client.framebuffers.values()} == {0}
    rig.close()


def test_slot_that_is_not_there(atomic):
    for index in (-1, 4, 64):
        with pytest.raises(IndexError):
            atomic.scanout.attach_slot(atomic.pool, index)


def test_refused_import_attaches_nothing(atomic, fake_kernel):
    fake_kernel.fail("DRM_IOCTL_MODE_ADDFB2", errno.EINVAL, after=2)
    with pytest.raises(DeviceError, match="ADDFB2"):
        atomic.scanout.attach(atomic.pool)
    assert atomic.scanout.attaches == 2
    atomic.scanout.attach(atomic.pool)
    assert (atomic.scanout.attaches, len(atomic.client.framebuffers)) == (4, 4)


@pytest.mark.proves("T84")
def test_two_pools_in_turn(atomic, fake_kernel):
    other, _ = make_pool(fake_kernel, 4, name="other")
    for _ in range(6):
        for pool in (atomic.pool, other):
            atomic.scanout.show(pool.acquire(0))
            atomic.fake.flip()
    atomic.scanout.wait()
    assert atomic.scanout.attaches == len(atomic.client.framebuffers) <= 8


def test_latency_is_from_the_frames_time_to_the_flip(atomic):
    import time

    frame = atomic.frame()
    frame.timestamp_ns = time.monotonic_ns() - 5_000_000
    atomic.scanout.show(frame)
    atomic.fake.flip()
    atomic.scanout.wait()
    assert atomic.scanout.latency_count == 1
    assert atomic.scanout.latency_max_ns == atomic.scanout.latency_sum_ns >= 4_999_000
    assert atomic.scanout.last_flip_ns > 0
    atomic.scanout.show(atomic.frame())  # without a time it does not count
    atomic.fake.flip()
    atomic.scanout.wait()
    assert atomic.scanout.latency_count == 1


def test_camera_to_screen_without_a_chain(fake_kernel):
    """Every buffer has one user at a time: the fakes of both devices watch it together."""
    rig = Rig(fake_kernel)
    camera = FakeCamera(fake_kernel, planes=[YUYV_SIZE])
    with V4l2Device("/dev/video0") as device:
        queue, pool = Queue(device.fd, "camera", 1), Pool("camera", "v4l2", writable=False)
        queue.allocate(pool, 4, export=True)
        pool.describe(**YUYV)
        rig.scanout.attach(pool)
        queue.start()
        for number in range(30):
            camera.fill(data=bytes([number]) * YUYV_SIZE)
            rig.scanout.show(queue.next_frame(5))
            rig.fake.flip()
            shown = rig.client.framebuffers[rig.fake.shown[PRIMARY]].objects[0]
            assert shown.read(1) == bytes([number])
        rig.scanout.wait()
        rig.fake.shown[PRIMARY] = 0
        rig.scanout.release()
        queue.close()
    assert fake_kernel.count("DMA_BUF_IOCTL_SYNC") == 0  # nobody looked
    rig.close()
