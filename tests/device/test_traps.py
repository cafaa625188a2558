"""Traps that the kernel's own drivers have: each is planned right, or refused by the name of the culprit."""

import os
import re
from contextlib import contextmanager

import numpy as np
import pytest

import zcore
from testbed import drivers
from zcore import _alloc
from zcore._dmabuf import DmaBuf
from zcore._drm import Card
from zcore._gem import handle_count
from zcore._kms import Scanout
from zcore._v4l2_device import V4l2Device
from zcore.stages.base import make_pool
from zcore.stages.flow import CapsFilter, Queue, Tee

SIZE = (640, 480)
VMALLOC, CONTIG = 0, 1
DRM = "video/x-raw(memory:DMABuf),format=DMA_DRM"


@contextmanager
def planned(*stages, **options):
    """Plan a chain; its buffers are there within the block."""
    chain = zcore.Chain(links=stages) if isinstance(stages[0], tuple) else zcore.Chain(*stages)
    with chain:
        yield chain.plan(**options)


def refused(*stages, says, error=zcore.NegotiationError, **options):
    """Plan a chain that must be refused in these words."""
    with pytest.raises(error) as caught, planned(*stages, **options):
        pass
    missing = [words for words in says if not re.search(words, str(caught.value))]
    assert not missing, f"{missing} not said by: {caught.value}"
    caught.value.__traceback__ = None


def tried(link):
    return "; ".join(f"{what}: {why}" for what, why in link.rejected)


def camera(path, format="XR24", size=SIZE, **options):
    return zcore.Capture(path, format, size, name="camera", **options)


def display(**options):
    return zcore.Display("vkms", name="display", **options)


def wish(text):
    return CapsFilter(text, name="wish")


# Formats and layouts


def test_format_that_the_display_does_not_have(vivid, vkms):
    """vivid has YUYV, vkms no YUV of that kind: converted where it is allowed, refused where not."""
    stages = camera(vivid, "YUYV"), display()
    refused(
        *stages, error=zcore.ZeroCopyError, require_zero_copy=True,
        says=["camera -> display", "camera gives YUYV", "display takes .*BGRx"],
    )  # fmt: skip
    pytest.importorskip("av")
    with planned(*stages) as plan:
        assert [link.zero_copy for link in plan] == [True, False]
        assert "camera gives YUYV" in plan[1].inserted


def test_camera_that_is_set_to_something_else(vivid, vkms):
    """It is set to YUYV, and is set to what the display shows without a conversion."""
    device = V4l2Device(vivid)
    device.set_format(1, *SIZE, zcore.formats.find("YUYV").v4l2)
    device.close()
    with planned(zcore.Capture(vivid, size=SIZE, name="camera"), display()) as plan:
        assert plan.zero_copy
        assert ("YUYV", "not accepted by display") in plan[0].alternatives


@pytest.mark.parametrize("layout", ["0x0100000000000001", "0x00ffffffffffffff"], ids=["tiled", "driver decides"])
def test_layout_that_nobody_has(vivid, vkms, layout):
    """Linear frames go neither for tiled ones nor for those that the driver lays out."""
    refused(
        zcore.Capture(vivid, size=SIZE, name="camera"), wish(f"{DRM},drm-format=XR24:{layout}"), display(),
        says=["camera -> display", "wish", layout],
    )  # fmt: skip


def test_linear_layout_by_its_drm_name(vivid, vkms):
    """Without a suffix a drm-format is linear."""
    stages = zcore.Capture(vivid, size=SIZE, name="camera"), wish(f"{DRM},drm-format=XR24"), display()
    with planned(*stages, require_zero_copy=True) as plan:
        assert (plan[0].caps.format.drm_name, plan[0].caps.format.modifier) == ("XRGB8888", 0)


def test_coded_frames_for_a_display(vivid, vkms):
    """What an encoder gives cannot be shown."""
    with drivers.vicodec() as nodes:
        from zcore.stages.encode import Encode

        encoder = Encode(nodes.one(name="stateful-encoder").path, codec="FWHT", name="encoder")
        refused(
            zcore.Capture(vivid, size=SIZE, name="camera"), encoder, display(),
            says=["encoder -> display", "encoder gives FWHT", "display takes"],
        )  # fmt: skip


# Sizes, rows, rates


@pytest.mark.proves("vidioc-g-fmt:granted")
def test_size_that_the_camera_does_not_have(vivid, vkms):
    """vivid's webcam has a list of sizes."""
    refused(
        zcore.Capture(vivid, "XR24", name="camera"), wish("video/x-raw,width=641,height=479"), display(),
        says=["no common size", "camera gives .*640x360", "wish", "641"], require_zero_copy=True,
    )  # fmt: skip


def test_odd_size_and_a_converter_that_rounds(vim2m):
    """vim2m rounds sizes to what it can."""
    refused(
        zcore.TestSource("BGR3", (101, 51), name="pattern"), zcore.Convert(vim2m, "RGBP", name="converter"),
        zcore.ArraySink(name="look"), error=zcore.ZeroCopyError, require_zero_copy=True,
        says=["pattern -> converter", "pattern gives 101x51, converter takes 32x32 to .* in steps of"],
    )  # fmt: skip


@pytest.mark.proves("T15")
def test_padded_rows(vivid, vkms):
    """vivid gives longer rows when it is asked, and the display is told of them: no pixel moves."""
    from fractions import Fraction

    screen = display(mode=SIZE)
    source = camera(vivid, rate=Fraction(60))
    plain = source.set_output
    source.set_output = lambda fmt, size, bytesperline=0: plain(fmt, size, bytesperline or 640 * 4 + 256)
    with zcore.Chain(source, screen) as chain:
        report = chain.run(frames=5, require_zero_copy=True)
        assert chain.plan()[0].caps.memory_planes[0][1] == 640 * 4 + 256
        assert report.links[0].copied_frames == 0
        shown, frame = screen.screenshot(), screen.scanout.frame_on_screen()
        picture = frame.array()
        assert np.array_equal(picture[..., :3], shown[..., :3])
        del frame, picture


def test_rate_that_the_camera_does_not_have(vivid, vkms):
    """The filter asks for 7 frames a second; vivid has 5 and 10."""
    refused(
        camera(vivid), wish("video/x-raw,framerate=7/1"), display(), says=["wish asks for framerate=7/1, camera grants"]
    )  # fmt: skip


def test_rate_within_a_range(vivid, vkms):
    """Of what vivid has, one rate lies between 8 and 12."""
    with planned(camera(vivid), wish("video/x-raw,framerate=[8/1,12/1]"), display()) as plan:
        assert 8 <= plan[0].caps.rate <= 12


def test_plane_without_a_scaler(vivid, vkms):
    """vkms does not scale: a picture that is smaller than the mode stands in the middle, with black around it."""
    screen = display(mode=(1024, 768))
    with zcore.Chain(camera(vivid, size=SIZE, rate=60), screen) as chain:
        chain.run(frames=5, require_zero_copy=True)
        shown, frame = screen.screenshot(), screen.scanout.frame_on_screen()
        picture = frame.array()
        assert np.array_equal(shown[144:624, 192:832, :3], picture[..., :3])
        assert not shown[:144, :, :3].any()
        assert not shown[:, 832:, :3].any()
        del frame, picture


# Memory


@pytest.mark.proves("T46")
def test_converter_out_of_reach_of_a_contiguous_camera(vim2m):
    """vim2m's buffers are vmalloc memory, which a contiguous vivid cannot fill: a contiguous heap serves both."""
    with drivers.vivid(n_devs=1, allocators=CONTIG) as nodes:
        source = camera(nodes.one("capture").path, "BGR3", io_mode="dmabuf-import")
        converter = zcore.Convert(vim2m, "RGBP", output_io_mode="dmabuf", name="converter")
        with planned(source, converter, zcore.ArraySink(name="look")) as plan:
            assert plan[0].memory == "dma-heap:reserved"
            assert plan[0].zero_copy
            assert "dmabuf-import: camera: VIDIOC_QBUF" in tried(plan[0])


@pytest.mark.proves("T46")
def test_contiguous_memory_that_nobody_has(vim2m, monkeypatch):
    """Without that heap nothing is left but a copy; the reason names who refused what."""
    monkeypatch.setattr(_alloc, "heaps", lambda: ["system"])
    with drivers.vivid(n_devs=1, allocators=CONTIG) as nodes:
        source = camera(nodes.one("capture").path, "BGR3", io_mode="dmabuf-import")
        stages = source, zcore.Convert(vim2m, "RGBP", output_io_mode="dmabuf", name="converter"), zcore.ArraySink()
        refused(
            *stages, error=zcore.NegotiationError, require_zero_copy=True,
            says=["camera -> converter", "dma-heap:system: camera: VIDIOC_QBUF", "udmabuf: camera: VIDIOC_QBUF"],
        )  # fmt: skip


def test_addresses_that_a_contiguous_camera_cannot_use(vim2m):
    """vivid's contiguous queue has no USERPTR."""
    with drivers.vivid(n_devs=1, allocators=CONTIG) as nodes:
        source = camera(nodes.one("capture").path, "BGR3", io_mode="userptr")
        refused(
            source, zcore.Convert(vim2m, "RGBP", name="converter"), zcore.ArraySink(),
            says=["camera -> converter", "camera has io mode userptr and can do nothing"],
        )  # fmt: skip


def test_nobody_exports(vivid, vim2m):
    """Both only import: a third party allocates."""
    source = camera(vivid, "BGR3", io_mode="dmabuf-import")
    converter = zcore.Convert(vim2m, "RGBP", output_io_mode="dmabuf-import", name="converter")
    with planned(source, converter, zcore.ArraySink(), require_zero_copy=True) as plan:
        assert plan[0].memory == plan[0].allocator
        assert plan[0].memory.startswith(("dma-heap:", "udmabuf"))


def test_io_modes_that_need_a_copy(vivid, vim2m):
    """Both use their own buffers."""
    stages = (
        camera(vivid, "BGR3", io_mode="mmap"),
        zcore.Convert(vim2m, "RGBP", output_io_mode="mmap", name="converter"),
    )
    modes = ["camera has io mode mmap", "converter OUTPUT has io mode mmap"]
    refused(
        *stages, zcore.ArraySink(), error=zcore.ZeroCopyError, require_zero_copy=True,
        says=["camera -> converter would copy every frame", *modes],
    )  # fmt: skip
    with planned(*stages, zcore.ArraySink()) as plan:
        assert (plan[0].memory, plan.copies) == ("mmap", 1)


def test_filter_that_forbids_the_copy(vivid, vim2m):
    """memory:DMABuf, where io-mode=mmap rules out every DMA-BUF."""
    refused(
        camera(vivid, "BGR3", io_mode="mmap"), wish("video/x-raw(memory:DMABuf)"),
        zcore.Convert(vim2m, "RGBP", name="converter"), zcore.ArraySink(),
        says=["camera -> converter", "as memory:DMABuf asks", "camera has io mode mmap"],
    )  # fmt: skip


def test_branch_that_cannot_share(vivid, vkms, vim2m):
    """Of two branches one has its own buffers: only its frames are copied."""
    tee, source, screen = Tee(name="tee"), zcore.Capture(vivid, size=SIZE, name="camera", io_mode="dmabuf"), display()
    converter = zcore.Convert(vim2m, "RGBP", output_io_mode="mmap", name="converter")
    look = zcore.ArraySink(name="look")
    with planned((source, tee), (tee, screen), (tee, converter), (converter, look)) as plan:
        zero_copy = {link.sink.name: link.zero_copy for link in plan}
        assert zero_copy["display"]
        assert not zero_copy["converter"]
        assert plan.copies == 1


def test_two_memories_and_one():
    """vivid's multi-planar NM12 lies in two buffers; who reads it on the CPU does not mind."""
    with drivers.vivid(n_devs=1, multiplanar=2) as nodes:
        source = camera(nodes.one("capture").path, "NM12")
        with planned(source, zcore.ArraySink(name="look"), require_zero_copy=True) as plan:
            assert len(plan[0].caps.memory_planes) == 2


@pytest.mark.proves("T11")
def test_same_buffers_under_two_numbers(vivid, vkms):
    """PRIME gives one handle for a buffer whatever its number is, and counts nothing: it is closed once."""
    with zcore.Capture(vivid, "XR24", SIZE) as source:
        caps = source.configure()
        first = source.output.queue.pool
        again = make_pool("again", "dup", caps)
        for (buffer,) in first.slot_buffers:
            again.add([DmaBuf.adopt(os.dup(buffer.fileno()), "dup")], [(0, caps.memory_planes[0][0])])
        card = Card(vkms)
        try:
            planes = [plane for plane in card.planes() if plane.possible_crtcs & 1]
            scanouts = [Scanout(card, f"plane {n}", 0, planes[0].id, 0) for n in range(2)]
            for scanout, pool in zip(scanouts, (first, again), strict=True):
                scanout.attach(pool, 0)
            assert handle_count(card) == len(first)
            scanouts[0].release()
            assert handle_count(card) == len(first)  # the other one's are still there
            scanouts[1].release()
            assert handle_count(card) == 0
        finally:
            card.close()
        again.close()


# Buffers and owners


def test_queue_that_waits_for_more_than_v4l2_has(vivid, vkms):
    """V4L2 has 32 buffers at most."""
    queue = Queue(64, 0, 0, min_threshold_buffers=31, name="queue")
    refused(
        camera(vivid), queue, display(), require_zero_copy=True,
        says=["camera -> display", "queue gives nothing before 31 frames wait in it", "of 32 buffers"],
    )  # fmt: skip


@pytest.mark.proves("T9")
def test_camera_that_somebody_else_streams_from(vivid, vkms):
    """S_FMT and REQBUFS are EBUSY: no other format or memory is tried."""
    with zcore.Capture(vivid, "XR24", SIZE) as other:
        frames = other.frames(100)
        next(frames)
        refused(
            camera(vivid, size=(320, 180)), display(), error=zcore.DeviceBusyError,
            says=[r"/dev/video\d+.*EBUSY|EBUSY.*/dev/video\d+|camera: VIDIOC_REQBUFS: .EBUSY."],
        )  # fmt: skip
        frames.close()


def test_display_that_somebody_else_owns(vivid, vkms):
    """Another open file is the DRM master."""
    owner = Card(vkms)
    try:
        refused(
            camera(vivid), display(), error=zcore.DevicePermissionError,
            says=["DRM_IOCTL_SET_MASTER", "a compositor or another program owns the display"],
        )  # fmt: skip
    finally:
        owner.close()
