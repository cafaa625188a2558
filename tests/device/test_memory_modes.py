"""Every way to share memory between capture and converter, on both of vivid's allocators and both its APIs."""

import numpy as np
import pytest

import zcore
from testbed import drivers
from zcore import _alloc
from zcore._drm import Card
from zcore._gem import allocate_dumb
from zcore._v4l2 import Queue
from zcore.stages.base import make_pool

SIZE = (640, 480)
VMALLOC, CONTIG = 0, 1

# capture's io mode, converter's io mode, memory that must come of it with vmalloc and with dma-contig buffers
MODES = [
    ("dmabuf", "dmabuf-import", "dmabuf", "dmabuf"),
    # vmalloc memory of the converter is out of reach for a contiguous vivid: a heap that both reach takes its place
    ("dmabuf-import", "dmabuf", "dmabuf-import", "dma-heap:reserved"),
    ("userptr", "auto", "userptr", None),
    # vivid's contiguous buffers are mapped without page structures, so their addresses are of no use to the converter
    ("auto", "userptr", "userptr", "mmap"),
    ("mmap", "mmap", "mmap", "mmap"),
    ("auto", "auto", "dmabuf", "dmabuf"),
]


@pytest.mark.proves("VIDIOC_S_FMT")
@pytest.mark.parametrize("multiplanar", [1, 2], ids=["single-planar", "multi-planar"])
@pytest.mark.parametrize("allocator", [VMALLOC, CONTIG], ids=["vmalloc", "dma-contig"])
@pytest.mark.parametrize(("capture_mode", "convert_mode", "vmalloc", "contig"), MODES)
def test_capture_to_converter(vim2m, capture_mode, convert_mode, vmalloc, contig, allocator, multiplanar):
    expected = vmalloc if allocator == VMALLOC else contig
    with drivers.vivid(n_devs=1, allocators=allocator, multiplanar=multiplanar) as nodes:
        sink = zcore.ArraySink(keep=1)
        chain = zcore.Chain(
            zcore.Capture(nodes.one("capture").path, "BGR3", SIZE, rate=60, io_mode=capture_mode),
            zcore.Convert(vim2m, "RGBP", output_io_mode=convert_mode),
            sink,
        )
        if expected is None:
            # vivid's contiguous queue has no USERPTR, so there is nothing to fill and nothing to copy from.
            with pytest.raises(zcore.NegotiationError, match="userptr"):
                chain.run(frames=8)
            return
        report = chain.run(frames=8)
        link = report.links[0]
        assert (report.frames, link.memory) == (8, expected)
        if expected == "mmap":
            assert not link.zero_copy
            assert link.copied_frames == 8
            assert link.copied_bytes == 8 * SIZE[0] * SIZE[1] * 3
            assert ("io mode mmap" if capture_mode == "mmap" else "userptr: ") in link.reason
        else:
            assert link.zero_copy
            assert link.copied_bytes == link.reattaches == 0
        assert sink.arrays[0].shape == (480, 640)
        assert len(np.unique(sink.arrays[0])) >= 8  # colour bars


def test_mmap_is_refused_where_zero_copy_is_required(vivid, vim2m, monkeypatch):
    def chain():
        return zcore.Chain(
            zcore.Capture(vivid, "BGR3", SIZE, io_mode="mmap"),
            zcore.Convert(vim2m, "RGBP", output_io_mode="mmap"),
            zcore.ArraySink(),
        )

    with pytest.raises(zcore.ZeroCopyError, match="io mode mmap"):
        chain().run(frames=1, require_zero_copy=True)
    monkeypatch.setenv("ZCORE_REQUIRE_ZERO_COPY", "1")
    with pytest.raises(zcore.ZeroCopyError):
        chain().run(frames=1)


def test_multi_planar_format_comes_in_two_buffers():
    with (
        drivers.vivid(n_devs=1, multiplanar=2) as nodes,
        zcore.Capture(nodes.one("capture").path, "NM12", SIZE, rate=60) as camera,
    ):
        for frame in camera.frames(4):
            luma, chroma = frame.planes()
            assert len(frame.buffers) == 2
            assert frame.buffers[0] is not frame.buffers[1]
            assert (luma.shape, chroma.shape) == ((480, 640), (240, 320, 2))
            assert frame.bytes_used == (640 * 480, 640 * 240)
            assert luma.max() > luma.min()
        del frame, luma, chroma


def fill_foreign(path, make_buffer):
    """Let vivid fill buffers of another allocator; gives the last frame, copied, and what a plain capture shows."""
    with zcore.Capture(path, "XR24", SIZE, rate=60) as camera:
        camera.control("OSD Text Mode", 2)
        caps = camera.set_output(camera.offers()[0], SIZE)
        device = camera.output.device
        pool = make_pool("foreign", "foreign", caps, writable=False)
        for _ in range(4):
            pool.add([make_buffer(caps.memory_planes[0][0])], [(0, caps.memory_planes[0][0])])
        queue = Queue(device.fd, "import", camera.output.type)
        queue.use_foreign(4, 4, [caps.memory_planes[0][0]], pool, minimum=2)
        queue.start()
        seen = set()
        for _ in range(12):
            frame = queue.next_frame(5)
            seen.add(frame.buffers[0].identity)
            last = frame.array().copy()
            del frame
        assert len(seen) > 1
        assert queue.attaches == len(seen) or queue.attaches == 4
        assert queue.reattaches == 0
        queue.close()
        pool.close()
    with zcore.Capture(path, "XR24", SIZE) as camera:
        plain = next(iter(camera.frames(1))).array().copy()
    assert np.array_equal(last, plain)


@pytest.mark.proves("DMA_HEAP_IOCTL_ALLOC")
@pytest.mark.parametrize("allocator", [VMALLOC, CONTIG], ids=["vmalloc", "dma-contig"])
def test_cma_heap_buffers_are_filled(allocator):
    with drivers.vivid(n_devs=1, allocators=allocator) as nodes:
        fill_foreign(nodes.one("capture").path, lambda size: _alloc.allocate_heap(size, "reserved"))


@pytest.mark.proves("UDMABUF_CREATE")
@pytest.mark.parametrize("kind", ["dma-heap:system", "udmabuf"])
def test_scattered_buffers_are_filled(vivid, kind):
    fill_foreign(vivid, lambda size: _alloc.allocate(size, kind))


def test_dumb_buffers_are_filled(vivid, vkms):
    card = Card(vkms)
    try:
        fill_foreign(vivid, lambda size: allocate_dumb(card, SIZE[0], SIZE[1], 32)[0])
    finally:
        card.close()


@pytest.mark.proves("dma-buf:cpu-access", "DMA_BUF_IOCTL_SYNC")
@pytest.mark.parametrize("kind", ["dma-heap:system", "dma-heap:reserved", "udmabuf"])
def test_cpu_access_is_bracketed_on_every_allocator(kind):
    buffer = _alloc.allocate(1 << 16, kind)
    pool = zcore.Pool("bracket", kind)
    pool.add([buffer])
    pool.describe(arrays=[(0, 0, np.dtype("u1"), (1 << 16,), (1,))])
    frame = pool.acquire()
    first, second = frame.array(write=True), frame.array()
    assert buffer.cpu_users == 2
    assert buffer.sync_calls == 1  # START for both: the second view's direction was open already
    first[:] = 7
    assert int(second.sum()) == 7 << 16
    del first, second
    assert (buffer.cpu_users, buffer.sync_calls, buffer.maps) == (0, 2, 1)


@pytest.mark.proves("v4l2-buffers:mmap", "VIDIOC_QUERYBUF")
def test_cpu_reads_mapped_frames_in_place(vivid):
    report = zcore.Chain(zcore.Capture(vivid, "XR24", SIZE, rate=60, io_mode="mmap"), zcore.ArraySink(keep=1)).run(
        frames=5, require_zero_copy=True
    )
    assert report.links[0].memory == "map"
    assert report.links[0].copied_bytes == 0


def test_cpu_writes_mapped_frames_in_place(vim2m):
    sink = zcore.ArraySink(keep=1)
    report = zcore.Chain(
        zcore.TestSource("BGR3", SIZE, pattern="white"), zcore.Convert(vim2m, "RGBP", output_io_mode="mmap"), sink
    ).run(frames=5, require_zero_copy=True)
    assert report.links[0].memory == "map"
    assert (sink.arrays[0] == 0xFFFF).all()


def test_mode_that_the_driver_has_not_is_explained():
    with drivers.vivid(n_devs=1, allocators=CONTIG) as nodes:
        camera = zcore.Capture(nodes.one("capture").path, "XR24", SIZE, io_mode="userptr")
        chain = zcore.Chain(camera, zcore.ArraySink())
        with pytest.raises(zcore.NegotiationError, match=r"capture.* has io mode userptr and can do nothing"):
            chain.run(frames=1)
