"""Traps between devices and what runs on the CPU: memory that devices cannot have, and pixels that numpy cannot see."""

import numpy as np
import pytest

import zcore
from traps_rig import carried, chain_of, machine, planned, reasons, refused  # noqa: F401
from zcore.stages.flow import Tee

YUYV = {"formats": "YUYV"}


def pattern(format="YUYV", **options):
    return zcore.TestSource(format, (64, 16), name="pattern", **options)


def test_memory_of_software_that_the_display_cannot_have(machine):
    """udmabufs are scattered pages: the pattern is painted into dumb buffers."""
    machine.udmabuf()
    with planned(pattern(), machine.display(reaches="contiguous")) as plan:
        assert plan[0].allocator == "dumb:/dev/dri/card0"
        assert plan.zero_copy
        assert "dmabuf: /dev/dri/card0: DRM_IOCTL_PRIME_FD_TO_HANDLE: [EINVAL]" in reasons(plan[0])


def test_memory_of_software_on_a_kernel_without_allocators(machine):
    """A memfd is no DMA-BUF: the converter's own buffers are painted into, in place."""
    with planned(pattern(), machine.converter(), machine.display()) as plan:
        assert plan[0].allocator == "v4l2:/dev/video1"
        assert plan.zero_copy


def test_converter_that_nobody_can_write_into(machine):
    """It exports nothing and has no MMAP: only a third party's buffers do."""
    machine.udmabuf()
    taking = {"memories": "dmabuf", "exports": False}
    with planned(pattern(), machine.converter(taking=taking), machine.display()) as plan:
        assert plan[0].allocator == "udmabuf"
        assert plan.zero_copy


def test_converter_that_nobody_can_write_into_and_no_third_party(machine):
    """And the kernel has none."""
    taking = {"memories": "dmabuf", "exports": False}
    refused(
        pattern(), machine.converter(taking=taking), machine.display(),
        says=["pattern -> converter", "converter OUTPUT: VIDIOC_QBUF", "udmabuf|memfd"],
    )  # fmt: skip


def test_pattern_for_two_devices(machine):
    """One reaches contiguous memory only, the other anything: the heap that both reach."""
    machine.heap("linux,cma", contiguous=True)
    tee = Tee(name="tee")
    source = pattern(memory="dma-heap:linux,cma")
    converter, display = machine.converter(taking={"exports": False}), machine.display(reaches="contiguous")
    look = zcore.Callback(print, name="look")
    with planned((source, tee), (tee, converter), (tee, display), (converter, look)) as plan:
        assert plan[0].allocator == "dma-heap:linux,cma"
        assert plan.zero_copy


@pytest.mark.proves("T40")
def test_exporter_whose_buffers_can_only_be_read(machine):
    """A map for writing would be EACCES; a function that reads needs none."""
    camera = machine.camera(**YUYV, readonly=True, auto=9)
    machine.fake.fills = [b"\x37" * 2048]
    seen = []
    chain_of(camera, zcore.Callback(lambda frame: seen.append(set(frame.array().flat)), name="look")).run(frames=3)
    assert seen == [{0x37}] * 3


def test_exporter_whose_buffers_can_only_be_read_and_a_copy(machine):
    """The copy reads from them, too."""
    camera = machine.camera(**YUYV, readonly=True, memories="mmap", auto=9)
    report = chain_of(camera, machine.display(reaches="contiguous")).run(frames=3)
    assert report.links[0].copied_frames == 3


def test_tiles_for_numpy(machine):
    """A function that says nothing about formats would see tiles as if they were rows."""
    with planned(machine.camera(formats="HM12 NV12"), zcore.Callback(print, "NV12", name="look")) as plan:
        assert carried(plan) == ["NV12"]
    refused(
        machine.camera(formats="HM12"), zcore.Callback(print, "NV12", name="look"),
        says=["camera gives NV12_16L16", "look takes NV12", "tiled"],
    )  # fmt: skip


def test_conversion_for_a_display_that_needs_contiguous_memory(machine):
    """What the CPU makes is made where the display can have it: one pass over the pixels, not two."""
    pytest.importorskip("av")
    camera = machine.camera(formats="UYVY")
    with planned(camera, machine.display(reaches="contiguous")) as plan:
        assert carried(plan) == ["UYVY", "YUYV"]
        assert plan[1].allocator == "dumb:/dev/dri/card0"
        assert plan.copies == 1


def test_conversion_that_only_one_branch_needs(machine):
    """The display has the camera's format, the function wants another: only its branch is converted."""
    pytest.importorskip("av")
    tee, camera = Tee(name="tee"), machine.camera(**YUYV)
    look = zcore.Callback(print, "RGB3", name="look")
    with planned((camera, tee), (tee, machine.display()), (tee, look)) as plan:
        assert [(link.sink.name, link.zero_copy) for link in plan] == [
            ("display", True), ("convert-for-look", True), ("look", False),
        ]  # fmt: skip


def test_wish_in_the_environment(machine, monkeypatch):
    """ZCORE_REQUIRE_ZERO_COPY=1 forbids what would be converted, and the error says what."""
    monkeypatch.setenv("ZCORE_REQUIRE_ZERO_COPY", "1")
    refused(
        machine.camera(formats="UYVY"), machine.display(), error=zcore.NegotiationError,
        says=["camera -> display", "camera gives UYVY", "display takes BGRx, YUYV, NV12"],
    )  # fmt: skip
    monkeypatch.setenv("ZCORE_REQUIRE_ZERO_COPY", "0")
    pytest.importorskip("av")
    with planned(machine.camera(formats="UYVY"), machine.display()) as plan:
        assert plan.copies == 1


def test_frames_that_are_kept_after_the_chain(machine):
    """Arrays that outlive the chain keep their memory, and nothing else."""
    kept = []
    camera = machine.camera(**YUYV, auto=9)
    machine.fake.fills = [b"\x11" * 2048]
    chain_of(camera, zcore.Callback(lambda frame: kept.append(frame.array()), name="look", holds=3)).run(frames=3)
    assert [int(array.min()) for array in kept] == [0x11] * 3
    assert machine.fake.capture.buffers == []
    kept.clear()


def test_pixels_of_a_copy_are_those_of_the_frame(machine):
    """Padded rows are copied with their padding, into buffers that have the same."""
    camera = machine.camera(size=(100, 16), **YUYV, align=64, memories="mmap", auto=9)
    picture = np.arange(16 * 256, dtype=np.uint16).astype(np.uint8)
    machine.fake.fills = [picture.tobytes()]
    taken = []
    converter = machine.converter(taking={"memories": "mmap", "align": 64})
    machine.m2m.transform = lambda planes: taken.append(planes[0]) or []
    report = chain_of(camera, converter, machine.display()).run(frames=2)
    assert report.links[0].copied_frames == 2
    assert taken[0] == picture.tobytes()
