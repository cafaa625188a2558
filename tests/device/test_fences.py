"""Fences of sw_sync and vgem that signal late, never, and with an error, in front of vivid, vim2m, vkms and the CPU."""

import errno
import os

import numpy as np
import pytest

import zcore
from app_rig import running, wait_for
from fence_rig import SwSync, Vgem
from testbed import drivers
from zcore._drm import Card
from zcore._fence import Fence
from zcore.errors import DeviceError, DeviceTimeoutError
from zcore.formats import find
from zcore.stages.base import make_pool
from zcore.stages.cpu_pads import software_caps

SIZE = (640, 480)
CAP_SYNCOBJ, CAP_SYNCOBJ_TIMELINE = 0x13, 0x14


@pytest.fixture
def line():
    with SwSync() as made:
        yield made


@pytest.fixture
def vgem():
    with Vgem() as made:
        yield made


def vgem_pool(vgem, code="XR24", count=4):
    caps = software_caps(find(code), SIZE)
    pool = make_pool("gpu", "vgem", caps)
    for _ in range(count):
        pool.add([vgem.buffer(caps.memory_planes[0][0])])
    return pool


@pytest.mark.proves(
    "sync-file:info", "sync-file:merge", "SYNC_IOC_FILE_INFO", "SYNC_IOC_MERGE", "SYNC_IOC_SET_DEADLINE"
)
def test_a_fence_tells_of_itself(line):
    with line.fence(1, "first") as first, line.fence(3, "third") as third, first.merge(third, "both") as both:
        assert (first.status, third.status, both.status) == (0, 0, 0)
        assert first.info().parts[0].driver == "sw_sync"
        assert both.info().name == "both"
        assert not both.wait(0)
        assert first.set_deadline(1) in (True, False)
        line.advance()
        assert first.wait(5)
        assert (first.status, both.status) == (1, 0)
        assert first.timestamp_ns > 0
        line.advance(2)
        assert both.wait(5)
        assert both.status == 1
        pending = line.fence(9)
        line.close()
        assert pending.wait(5)
        assert pending.status == -errno.ENOENT
        assert "No such file" in repr(pending)
    with open("/dev/null") as other, pytest.raises(ValueError, match="no sync_file"):
        Fence.dup(other)


def test_neither_testbed_driver_has_syncobj(vgem, vkms):
    """Why there is no API for timelines: there is nothing to prove it on."""
    for path in (drivers.load("vgem").one("display").path, vkms):
        card = Card(path)
        assert not card.get_cap(CAP_SYNCOBJ)
        assert not card.get_cap(CAP_SYNCOBJ_TIMELINE)
        card.close()


@pytest.mark.proves("DMA_BUF_IOCTL_EXPORT_SYNC_FILE", "T31", "T32", "dma-buf:late-fence")
def test_cpu_waits_for_the_writer(vgem):
    buffer = vgem.buffer(4096)
    number = vgem.write(buffer)
    assert buffer.wait(timeout=0.02) is False
    with pytest.raises(DeviceTimeoutError):
        buffer.begin_access(timeout=0.02)
    with buffer.export_sync_file() as fence:
        told = Fence.dup(fence)
        assert told.status == 0
        assert told.info().parts[0].driver == "vgem"
    vgem.signal(number)
    assert told.wait(5)
    assert told.status == 1
    with buffer.access(zcore.Access.RW):
        pass
    with buffer.export_sync_file() as fence, Fence.dup(fence) as stub:
        assert stub.status == 1


@pytest.mark.proves("DMA_BUF_IOCTL_IMPORT_SYNC_FILE")
def test_imported_fence_holds_up_who_waits_implicitly(line):
    buffer = zcore.allocate(4096, "dma-heap:system")
    with line.fence(1) as fence:
        assert buffer.import_sync_file(fence)
        assert buffer.wait(timeout=0.02) is False
        line.advance()
        assert buffer.wait(timeout=5)


@pytest.mark.proves("T42", "dma-buf:late-fence")
def test_v4l2_gets_a_buffer_when_its_writer_is_done(vgem, vim2m):
    """vim2m would read it at once: V4L2 waits for no fence."""
    pool = vgem_pool(vgem, "BGR3")
    source, sink = zcore.AppSource(pool=pool), zcore.ArraySink(keep=3)
    fences = []
    with running(source, zcore.Convert(vim2m, "RGBP"), sink) as chain:
        for _ in range(3):
            frame = pool.acquire(60)
            frame.array(write=True)[...] = 0
            fences.append(vgem.write(frame.buffers[0]))
            source.push(frame)
            frame.release()
        wait_for(lambda: source.facts().get("fence_waits"))
        assert chain.frames_done == 0
        for number in fences:
            vgem.signal(number)
        source.end_of_stream()
        report = chain.wait()
    assert report.frames == 3
    assert report.links[0].zero_copy
    assert pool.stats["leased"] == 0


@pytest.mark.proves("dma-buf:late-fence", "dma-buf:no-fence", "dma-buf:failed-fence", "T42", "T44")
@pytest.mark.parametrize("how", ["late", "never", "error"])
def test_explicit_fence_in_front_of_a_v4l2_output(line, how):
    caps = software_caps(find("YUYV"), SIZE)
    pool = make_pool("gpu", "dma-heap:system", caps)
    for _ in range(3):
        pool.add([zcore.allocate(caps.memory_planes[0][0], "dma-heap:system")])
    source = zcore.AppSource(pool=pool, fence_timeout=0.3 if how == "never" else 20, fence_error="drop")
    with drivers.vivid(n_devs=1, node_types=0x100) as nodes:
        with running(source, zcore.Output(nodes.one("output").path, "YUYV")) as chain:
            for number in range(2):
                frame = pool.acquire(60)
                with line.fence(number + 1) as fence:
                    source.push(frame, fence=fence)
                frame.release()
            source.end_of_stream()
            wait_for(lambda: source.facts().get("fence_waits"))
            if how == "never":
                with pytest.raises(DeviceTimeoutError, match="sw_sync"):
                    chain.wait()
            else:
                line.advance(2) if how == "late" else line.close()
                report = chain.wait()
                assert report.frames == (2 if how == "late" else 0)
                assert report.stages[0].drops == ({} if how == "late" else {"fence signalled an error": 2})
    assert pool.stats["leased"] == 0


@pytest.mark.proves("drm-kms:in-fence", "drm-kms:out-fence", "T66")
def test_kms_waits_for_the_fence_of_a_frame_and_gives_one(line, vkms):
    screen = zcore.Display(vkms, mode=SIZE, out_fence=True)
    caps = software_caps(find("XR24"), SIZE)
    pool = make_pool("gpu", "dma-heap:system", caps)
    for _ in range(3):
        pool.add([zcore.allocate(caps.memory_planes[0][0], "dma-heap:system")])
    source = zcore.AppSource(pool=pool)
    with running(source, screen) as chain:
        frame = pool.acquire(60)
        with line.fence(1) as fence:
            source.push(frame, fence=fence)
        frame.release()
        wait_for(lambda: screen.is_open and screen._scanout is not None and screen.scanout.commits == 1)
        assert screen.scanout.extras.in_fences == 1
        out = screen.take_out_fence()
        assert screen.take_out_fence() is None
        assert out.status == 0
        line.advance()
        assert out.wait(10)
        assert out.status == 1
        source.end_of_stream()
        assert chain.wait().frames == 1
        assert "fence_waits" not in source.facts()
    assert pool.stats["leased"] == 0


def test_implicit_fence_in_front_of_a_display(vgem, vkms):
    pool = vgem_pool(vgem)
    source = zcore.AppSource(pool=pool)
    with zcore.Display(vkms, mode=SIZE) as screen, running(source, screen) as chain:
        frame = pool.acquire(60)
        number = vgem.write(frame.buffers[0])
        source.push(frame)
        frame.release()
        wait_for(lambda: screen._scanout is not None and screen.scanout.commits == 1)
        assert screen.scanout.flips == 0
        vgem.signal(number)
        source.end_of_stream()
        assert chain.wait().frames == 1


def test_no_descriptor_is_left_after_many_fences(line):
    source = zcore.AppSource(pool=(pool := vgemless()))
    seen = []
    with running(source, zcore.FakeSink(on_frame=lambda frame: seen.append(frame.sequence))) as chain:
        before = len(os.listdir("/proc/self/fd"))
        for number in range(200):
            frame = pool.acquire(60)
            with line.fence(number + 1) as fence:
                source.push(frame, fence=fence)
            frame.release()
            line.advance()
        wait_for(lambda: len(seen) == 200)
        wait_for(lambda: len(os.listdir("/proc/self/fd")) == before)
        source.end_of_stream()
        chain.wait()


def vgemless():
    caps = software_caps(find("XR24"), (64, 48))
    pool = make_pool("program", "udmabuf", caps)
    for _ in range(3):
        pool.add([zcore.allocate(caps.memory_planes[0][0], "udmabuf")])
    return pool


@pytest.mark.proves("dma-buf:failed-fence")
def test_error_of_a_writer_is_told_at_the_frame(line):
    pool = vgemless()
    source, seen = zcore.AppSource(pool=pool), []
    with running(source, zcore.FakeSink(on_frame=lambda frame: seen.append(frame.corrupted))) as chain:
        frame = pool.acquire(60)
        np.copyto(frame.array(write=True), 0)
        source.push(frame, fence=line.fence(1))
        frame.release()
        source.end_of_stream()
        line.close()
        chain.wait()
    assert seen == [True]


def test_raise_for_a_writer_that_failed(line):
    pool = vgemless()
    source = zcore.AppSource(pool=pool, fence_error="raise")
    with running(source, zcore.FakeSink()) as chain:
        frame = pool.acquire(60)
        source.push(frame, fence=line.fence(1))
        frame.release()
        line.close()
        with pytest.raises(DeviceError, match="whoever writes the picture has failed"):
            chain.wait()
