"""The doors of a chain between devices, on the fake kernel."""

import numpy as np
import pytest

import zcore
from app_rig import running, wait_for
from traps_rig import machine  # noqa: F401
from zcore.formats import find
from zcore.stages.app import AppSink, AppSource
from zcore.stages.base import make_pool
from zcore.stages.cpu_pads import software_caps
from zcore.stages.fakes import FakeSink

SIZE = (64, 16)


def heap_pool(machine, count=6, name="program"):
    """DMA-BUFs that a program has made for itself."""
    caps = software_caps(find("XR24"), SIZE)
    pool = make_pool(name, "dma-heap:system", caps)
    for _ in range(count):
        pool.add([zcore.allocate(caps.memory_planes[0][0], "dma-heap:system")])
    return pool


def test_pushed_pictures_reach_a_display(machine):
    machine.heap("system")
    source = AppSource(format="XR24", size=SIZE)
    with running(source, machine.display()) as chain:
        for number in range(10):
            source.push(np.full((16, 64, 4), number, np.uint8))
        source.end_of_stream()
        report = chain.wait()
    assert report.frames == 10
    assert report.links[0].zero_copy
    assert report.links[0].copied_frames == 10  # from the program's array into the buffer, and none after that


def test_dmabufs_of_a_program_are_shown_as_they_are(machine):
    machine.heap("system")
    pool = heap_pool(machine)
    source, display = AppSource(pool=pool), machine.display()
    with running(source, display) as chain:
        for _ in range(20):
            frame = pool.acquire(timeout=60)
            source.push(frame)
            frame.release()
        source.end_of_stream()
        report = chain.wait()
    assert report.zero_copy
    assert report.links[0].attaches == len(pool)
    assert pool.stats["leased"] == 0


def test_frames_of_a_camera_go_through_a_program_to_a_display(machine):
    out = AppSink(holds=4)
    camera = machine.camera("XR24", SIZE, formats="XR24", auto=1000)
    with zcore.Chain(camera, out) as first:
        pool = first.plan()[0].pool
        into, display = AppSource(pool=pool), machine.display()
        first.start(frames=30)
        with running(into, display) as second:
            numbers = []
            for frame in out:
                numbers.append(frame.sequence)
                assert into.push(frame)
            del frame
            into.end_of_stream()
            report = second.wait()
        assert first.wait().zero_copy
    assert report.zero_copy
    assert report.frames == 30
    assert numbers == list(range(30))
    assert report.links[0].copied_bytes == 0


class Importer:
    """What the pad of a display has to do with one more slot while it runs."""

    def __init__(self, display):
        self.display = display

    def adopt(self, pool, index):
        self.display.scanout.attach_slot(pool, index)


def test_foreign_dmabufs_are_imported_while_a_display_runs(machine):
    machine.heap("system")
    pool = heap_pool(machine, 3)
    source, display = AppSource(format="XR24", size=SIZE), machine.display()
    chain = zcore.Chain(source, display)
    with chain:
        chain.plan()
        source.linked([Importer(display)])
        chain.start()
        for turn in range(12):
            if turn % 4 == 3:
                source.push(np.zeros((16, 64, 4), np.uint8))
                continue
            frame = pool.acquire(timeout=60)
            source.push(frame)
            frame.release()
        source.end_of_stream()
        report = chain.wait()
    assert report.frames == 12
    assert report.links[0].copied_frames == 3
    assert source.copy_reasons == {}
    assert pool.stats["leased"] == 0


def test_display_that_refuses_foreign_dmabufs_gets_copies(machine):
    machine.heap("system")
    pool = heap_pool(machine, 3)
    source, display = AppSource(format="XR24", size=SIZE), machine.display()
    with zcore.Chain(source, display) as chain:
        chain.plan()
        source.linked([Importer(display)])
        chain.start()
        source.push(np.zeros((16, 64, 4), np.uint8))
        wait_for(lambda: chain.frames_done)
        machine.kernel.fail("DRM_IOCTL_PRIME_FD_TO_HANDLE", 22)
        for _ in range(5):
            frame = pool.acquire(timeout=60)
            frame.array(write=True)[...] = 9
            source.push(frame)
            frame.release()
        source.end_of_stream()
        report = chain.wait()
    assert report.links[0].copied_frames == 6
    assert "PRIME_FD_TO_HANDLE" in next(iter(source.copy_reasons))
    assert list(source.copy_reasons.values()) == [5]


def test_fake_sink_takes_dmabufs_of_a_camera(machine):
    camera = machine.camera("XR24", SIZE, formats="XR24", auto=1000)
    report = zcore.Chain(camera, FakeSink(num_buffers=20)).run(require_zero_copy=True)
    assert report.frames == 20
    assert report.links[0].cpu_maps == 0
    assert report.links[0].sync_calls == 0


@pytest.mark.parametrize("drop", [False, True])
def test_camera_goes_on_while_a_program_does_not_pull(machine, drop):
    sink = AppSink(max_buffers=2, drop=drop)
    camera = machine.camera("XR24", SIZE, formats="XR24", auto=1000)
    if drop:
        report = zcore.Chain(camera, sink).run(frames=30)
        assert [frame.sequence for frame in sink] == [28, 29]
        assert report.stages[1].drops == {"drop": 28}
        return
    with running(camera, sink, frames=30) as chain:
        assert sum(1 for _ in sink) == 30
        chain.wait()
