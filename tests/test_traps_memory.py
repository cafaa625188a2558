"""Traps with memory: out of reach, not exported, not imported, the same twice. Each is planned or refused."""

import errno

import pytest

import zcore
from traps_rig import chain_of, machine, planned, reasons, refused  # noqa: F401
from zcore._dmabuf import DmaBuf
from zcore.stages.base import LinkCaps, Pad, SourceMixin, Stage, make_pool
from zcore.stages.flow import CapsFilter, Tee

YUYV = {"formats": "YUYV"}
CONTIGUOUS = {"reaches": "contiguous", "contiguous": True}
NO_EXPORT = {"exports": False}
NO_IMPORT = {"memories": "mmap"}
ONLY_IMPORT = {"memories": "dmabuf", "exports": False}
ONLY_USERPTR = {"memories": "userptr", "exports": False}


# Importers that do not reach the memory


@pytest.mark.proves("T46")
@pytest.mark.parametrize("refusal", [errno.EINVAL, errno.EFAULT], ids=errno.errorcode.get)
def test_converter_that_needs_contiguous_memory(machine, refusal):
    """The camera's pages are scattered: the converter's own buffers are filled by the camera instead."""
    converter = machine.converter(taking=CONTIGUOUS | {"refusal": refusal})
    with planned(machine.camera(**YUYV), converter, machine.display()) as plan:
        assert (plan[0].memory, plan[0].allocator) == ("dmabuf-import", "v4l2:/dev/video1")
        assert plan.zero_copy
        assert f"converter OUTPUT: VIDIOC_QBUF: [{errno.errorcode[refusal]}]" in reasons(plan[0])
        assert "contiguous" in reasons(plan[0])


def test_converter_that_needs_contiguous_memory_and_has_none(machine):
    """It cannot export: the heap of contiguous memory serves both."""
    machine.heap("system")
    machine.heap("linux,cma", contiguous=True)
    machine.udmabuf()
    converter = machine.converter(taking=CONTIGUOUS | NO_EXPORT)
    with planned(machine.camera(**YUYV), converter, machine.display()) as plan:
        assert plan[0].memory == plan[0].allocator == "dma-heap:linux,cma"
        assert plan.zero_copy


@pytest.mark.proves("T46")
def test_contiguous_memory_that_nobody_has(machine):
    """The only heap has scattered pages; the frames are copied into the converter's own memory."""
    machine.heap("system")
    camera = machine.camera(**YUYV, memories="mmap dmabuf")
    stages = camera, machine.converter(taking=CONTIGUOUS | NO_EXPORT), machine.display()
    refused(
        *stages, error=zcore.ZeroCopyError, require_zero_copy=True,
        says=["camera -> converter would copy every frame", "dmabuf: converter OUTPUT: VIDIOC_QBUF",
              "dma-heap:system: converter OUTPUT", "CMA dma-heap"],
    )  # fmt: skip
    with planned(*stages) as plan:
        assert [link.memory for link in plan] == ["mmap", "dmabuf"]
        assert "converter OUTPUT: VIDIOC_QBUF: [EINVAL]" in plan[0].reason
        assert "COPIES EVERY FRAME: dmabuf: converter OUTPUT" in str(plan)


def test_one_buffer_that_is_out_of_reach(machine):
    """All buffers but the fourth lie well by luck: only queueing each of them tells."""

    def reaches(memory):
        return not memory.label.endswith("/dev/video0:1:3:0")  # fmt: skip

    converter = machine.converter(taking={"reaches": reaches})
    with planned(machine.camera(**YUYV), converter, machine.display()) as plan:
        assert plan[0].allocator == "v4l2:/dev/video1"
        assert "VIDIOC_QBUF: [EINVAL]" in reasons(plan[0])


def test_display_that_needs_contiguous_memory(machine):
    """PRIME refuses the camera's buffers; the camera fills dumb buffers."""
    with planned(machine.camera(**YUYV), machine.display(reaches="contiguous")) as plan:
        assert (plan[0].memory, plan[0].allocator) == ("dmabuf-import", "dumb:/dev/dri/card0")
        assert "DRM_IOCTL_PRIME_FD_TO_HANDLE: [EINVAL]" in reasons(plan[0])
        assert plan.zero_copy


def test_display_that_needs_contiguous_memory_and_a_camera_that_imports_nothing(machine):
    """Neither reaches the other: a copy into dumb buffers, or the reason why."""
    stages = machine.camera(**YUYV, **NO_IMPORT), machine.display(reaches="contiguous")
    refused(
        *stages, error=zcore.ZeroCopyError, require_zero_copy=True,
        says=["camera -> display would copy", "PRIME_FD_TO_HANDLE", "needs contiguous memory"],
    )  # fmt: skip
    with planned(*stages) as plan:
        assert plan[0].memory == "mmap"
        assert plan[0].copy_pool.allocator == "dumb:/dev/dri/card0"


def test_two_importers_of_which_one_needs_contiguous_memory(machine):
    """With the display's dumb buffers both are served."""
    tee = Tee(name="tee")
    camera, converter = machine.camera(**YUYV), machine.converter()
    display, look = machine.display(reaches="contiguous"), zcore.Callback(print, name="look")
    with planned((camera, tee), (tee, converter), (tee, display), (converter, look)) as plan:
        assert [link.allocator for link in plan][:2] == ["dumb:/dev/dri/card0"] * 2
        assert plan.zero_copy


def test_two_importers_that_reach_only_their_own(machine):
    """A display and a converter, each with an own idea of memory; a third party's serves neither: one is copied."""
    tee = Tee(name="tee")
    camera = machine.camera(**YUYV)
    converter = machine.converter(taking={"reaches": lambda memory: "video1" in memory.label})
    display, look = machine.display(reaches=lambda memory: memory.label == "dumb"), zcore.Callback(print, name="look")
    links = (camera, tee), (tee, converter), (tee, display), (converter, look)
    with planned(*links) as plan:
        assert sorted(link.memory for link in plan[:2]) == ["dmabuf-import", "mmap"]
        assert plan.copies == 1
    refused(*links, error=zcore.ZeroCopyError, require_zero_copy=True, says=["would copy", "converter|display"])


# Those that do not import, or do not export


def test_converter_that_refuses_imports(machine):
    """No DMABUF in REQBUFS: its own buffers go to the camera."""
    with planned(machine.camera(**YUYV), machine.converter(taking=NO_IMPORT), machine.display()) as plan:
        assert (plan[0].memory, plan[0].allocator) == ("dmabuf-import", "v4l2:/dev/video1")


def test_converter_and_camera_that_refuse_imports(machine):
    """Both export, none imports."""
    stages = machine.camera(**YUYV, **NO_IMPORT), machine.converter(taking=NO_IMPORT), machine.display()
    refused(
        *stages, error=zcore.ZeroCopyError, require_zero_copy=True,
        says=["camera -> converter would copy", "camera .*can do export, mmap",
              "converter OUTPUT .*can do export, mmap"],
    )  # fmt: skip
    with planned(*stages) as plan:
        assert plan[0].memory == "mmap"
        assert plan.copies == 1


def test_branch_that_refuses_imports(machine):
    """Two branches: only the frames of the one that refuses are copied."""
    tee = Tee(name="tee")
    camera, converter = machine.camera(**YUYV, memories="mmap"), machine.converter(taking=NO_IMPORT)
    display, look = machine.display(), zcore.Callback(print, name="look")
    with planned((camera, tee), (tee, display), (tee, converter), (converter, look)) as plan:
        assert [(link.sink.name, link.memory) for link in plan][:2] == [("display", "dmabuf"), ("converter", "mmap")]
        assert plan.copies == 1


def test_camera_without_expbuf(machine):
    """VIDIOC_EXPBUF is ENOTTY: the display's buffers are imported."""
    with planned(machine.camera(**YUYV, **NO_EXPORT), machine.display()) as plan:
        assert (plan[0].memory, plan[0].allocator) == ("dmabuf-import", "dumb:/dev/dri/card0")


def test_nobody_with_expbuf(machine):
    """Neither exports, both import: a third party allocates."""
    machine.udmabuf()
    converter = machine.converter(taking=NO_EXPORT)
    with planned(machine.camera(**YUYV, **NO_EXPORT), converter, machine.display()) as plan:
        assert plan[0].memory == plan[0].allocator == "udmabuf"
        assert plan.zero_copy


def test_nobody_with_expbuf_and_no_third_party(machine):
    """The kernel has no allocator for DMA-BUFs; USERPTR is left, over what the converter maps."""
    converter = machine.converter(taking=NO_EXPORT)
    with planned(machine.camera(**YUYV, **NO_EXPORT), converter, machine.display()) as plan:
        assert plan[0].memory == "userptr"
        assert plan.zero_copy
        assert "udmabuf: /dev/udmabuf: open: [ENOENT]" in reasons(plan[0])


def test_export_that_fails_when_it_comes_to_it(machine):
    """EXPBUF is there, and answers EINVAL for real buffers."""
    camera = machine.camera(**YUYV)
    machine.kernel.fail("VIDIOC_EXPBUF", errno.EINVAL, times=1, after=1)
    with planned(camera, machine.display()) as plan:
        assert plan[0].memory == "dmabuf-import"
        assert "dmabuf: camera: VIDIOC_EXPBUF: [EINVAL]" in reasons(plan[0])


@pytest.mark.parametrize("capture", ["mmap", "userptr", "dmabuf", "dmabuf-import"])
@pytest.mark.parametrize("convert", ["mmap", "userptr", "dmabuf", "dmabuf-import"])
def test_io_modes_in_all_combinations(machine, capture, convert):
    """Each pair of io modes is planned without a copy, or with one and the io modes as the reason."""
    machine.udmabuf()
    camera = machine.camera(**YUYV, stage={"io_mode": capture})
    stages = camera, machine.converter(stage={"output_io_mode": convert}), machine.display()
    expected = {
        ("mmap", "mmap"): "mmap", ("mmap", "userptr"): "userptr", ("mmap", "dmabuf"): "mmap",
        ("userptr", "mmap"): "userptr", ("userptr", "userptr"): "userptr", ("userptr", "dmabuf"): "userptr",
        ("dmabuf", "mmap"): "mmap", ("dmabuf", "userptr"): "userptr", ("dmabuf", "dmabuf"): "dmabuf",
        ("dmabuf", "dmabuf-import"): "dmabuf", ("dmabuf-import", "dmabuf"): "dmabuf-import",
        ("dmabuf-import", "dmabuf-import"): "udmabuf",
    }.get((capture, convert), "mmap")  # fmt: skip
    modes = [f"camera has io mode {capture}", f"converter OUTPUT has io mode {convert}"]
    with planned(*stages) as plan:
        assert plan[0].memory == expected
        assert plan[0].zero_copy == (expected != "mmap")
        assert expected != "mmap" or all(mode in plan[0].reason for mode in modes)
    if expected == "mmap":
        refused(*stages, error=zcore.ZeroCopyError, require_zero_copy=True, says=["camera -> converter", *modes])


# Addresses


def test_camera_that_takes_addresses_only(machine):
    """USERPTR is all that it has: it fills what the converter maps."""
    with planned(machine.camera(**YUYV, **ONLY_USERPTR), machine.converter(), machine.display()) as plan:
        assert (plan[0].memory, plan[0].allocator) == ("userptr", "v4l2:/dev/video1")
        assert plan.zero_copy


def test_camera_that_takes_addresses_only_and_a_display(machine):
    """A display has no addresses: frames are copied into its buffers, with the reason."""
    stages = machine.camera(**YUYV, **ONLY_USERPTR), machine.display()
    says = ["camera -> display", "camera .*can do userptr", "display can do export, import"]
    refused(*stages, error=zcore.ZeroCopyError, require_zero_copy=True, says=says)
    with planned(*stages) as plan:
        assert plan[0].memory == "mmap"
        assert plan[0].allocator == "memfd"
        assert "camera has io mode auto and can do userptr" in plan[0].reason


def test_camera_that_takes_addresses_and_cannot_use_them(machine):
    """Scattered pages of a process are no use to a device that needs contiguous memory."""
    camera = machine.camera(**YUYV, **ONLY_USERPTR, reaches="contiguous", refusal=errno.EFAULT)
    refused(
        camera, machine.converter(taking={"exports": False}), machine.display(),
        says=["camera -> converter", r"userptr: camera: VIDIOC_QBUF: .EFAULT.", "contiguous"],
    )  # fmt: skip


def test_camera_that_imports_and_allocates_nothing(machine):
    """It has no MMAP: somebody else must allocate."""
    with planned(machine.camera(**YUYV, **ONLY_IMPORT), machine.display()) as plan:
        assert plan[0].allocator == "dumb:/dev/dri/card0"


def test_camera_that_imports_and_a_function_that_reads(machine):
    """Python has memory of its own where the kernel has an allocator."""
    machine.udmabuf()
    camera = machine.camera(**YUYV, **ONLY_IMPORT)
    with planned(camera, zcore.Callback(print, name="look")) as plan:
        assert plan[0].allocator == "udmabuf"
        assert plan.zero_copy


def test_camera_that_imports_and_a_kernel_without_allocators(machine):
    """A memfd is no DMA-BUF: there is nothing that the camera could fill."""
    refused(
        machine.camera(**YUYV, **ONLY_IMPORT), zcore.Callback(print, name="look"),
        says=["camera -> look", "no memory that both sides can use", "camera: VIDIOC_QBUF|udmabuf"],
    )  # fmt: skip


# The same memory


def test_exporter_that_gives_the_same_buffer_twice(machine):
    """Two indices are one memory: every second frame would overwrite the one before while it is shown."""
    with planned(machine.camera(**YUYV, shares=True), machine.display()) as plan:
        assert plan[0].allocator == "dumb:/dev/dri/card0"
        assert "camera (/dev/video0) exports the same buffer under several indices" in reasons(plan[0])
    refused(
        machine.camera(**YUYV, shares=True, memories="mmap"), machine.display(), require_zero_copy=True,
        error=zcore.ZeroCopyError, says=["camera .* exports the same buffer under several indices"],
    )  # fmt: skip


class TwoNumbers(Stage, SourceMixin):
    """A source that describes both planes of NV12 by descriptors of their own, which are the same buffer."""

    kind = "two-numbers"
    is_open = True

    def __init__(self, machine):
        super().__init__("source")
        self.machine = machine
        self.output = TwoNumbersPad(self)

    def open(self):
        pass

    def close(self):
        self.output.reset()

    def node(self, source, sink, frames):
        raise NotImplementedError

    def offers(self):
        return [zcore.formats.find("NV12")]

    def present(self):
        return self.offers()[0], (64, 16)

    def set_output(self, fmt, size, bytesperline=0):
        return LinkCaps(fmt, 64, 16, ((1024, 64), (512, 64)), fmt.v4l2_mplane)


class TwoNumbersPad(Pad):
    name = "source"

    def __init__(self, stage):
        self.stage = stage
        self.pool = None

    def roles(self):
        return {"export"}

    def allocate(self, caps, count, *, export):
        from fakekernel import FakeDmaBuf

        self.pool = make_pool("source", "two-numbers", caps)
        for _ in range(count):
            memory = FakeDmaBuf(self.stage.machine.kernel, 4096, "both planes")
            planes = [DmaBuf.adopt(memory.export(), "two-numbers") for _ in range(2)]
            self.pool.add(planes, [(0, 1024), (1024, 512)])
        return self.pool

    def use(self, pool, caps, memory):
        raise NotImplementedError

    def reset(self):
        self.pool = None


def test_same_buffer_under_two_numbers_on_a_display(machine):
    """PRIME gives one handle for both and counts no references: it is imported once and closed once."""
    with planned(TwoNumbers(machine), machine.display(formats="NV12")) as plan:
        (client,) = machine.card.clients.values()
        assert plan.zero_copy
        assert len(client.handles) == client.imports == plan[0].buffers
        for framebuffer in client.framebuffers.values():
            assert len(set(framebuffer.objects)) == 1
            assert framebuffer.offsets == [0, 1024]


def test_same_buffer_under_two_numbers_for_a_converter(machine):
    """V4L2 has no word for a plane that begins within a buffer."""
    converter = machine.converter(taking={"formats": "NM12"}, giving={"formats": "YUYV"}, multiplanar=True)
    refused(
        TwoNumbers(machine), converter, machine.display(), error=zcore.NegotiationError, require_zero_copy=True,
        says=["source -> converter", "plane 1 starts at an offset, which V4L2 cannot express"],
    )  # fmt: skip


def test_same_buffer_for_two_displays(machine):
    """Two cards import the same buffers; each has handles of its own, and each closes them."""
    from fakekernel.quirky_drm import QuirkyCard

    other = QuirkyCard(machine.kernel, "/dev/dri/card1", formats="YUYV")
    tee, second = Tee(name="tee"), zcore.Display("/dev/dri/card1", name="second")
    camera, first = machine.camera(**YUYV), machine.display()
    with planned((camera, tee), (tee, first), (tee, second)) as plan:
        assert plan.zero_copy
        for card in (machine.card, other):
            (client,) = card.clients.values()
            assert len(client.handles) == len(client.framebuffers) == plan[0].buffers


# Filters


def test_filter_that_asks_for_dmabuf_where_only_a_copy_works(machine):
    """memory:DMABuf forbids the copy that would be planned without it."""
    wish = CapsFilter("video/x-raw(memory:DMABuf)", name="wish")
    camera = machine.camera(**YUYV, **NO_IMPORT)
    refused(
        camera, wish, machine.display(reaches="contiguous"),
        says=["camera -> display", "as memory:DMABuf asks", "PRIME_FD_TO_HANDLE"],
    )  # fmt: skip


def test_filter_that_asks_for_dmabuf_where_addresses_would_do(machine):
    """Without a copy, but not what was asked for."""
    wish = CapsFilter("video/x-raw(memory:DMABuf)", name="wish")
    camera = machine.camera(**YUYV, **ONLY_USERPTR)
    refused(camera, wish, machine.converter(), machine.display(), says=["camera -> converter", "memory:DMABuf asks"])


def test_frames_really_arrive_by_whichever_way(machine):
    """The plans with the odd ways run as well."""
    machine.udmabuf()
    for camera, taking in ((NO_EXPORT, {}), (ONLY_USERPTR, {}), (ONLY_IMPORT, NO_EXPORT), (NO_IMPORT, NO_IMPORT)):
        stages = machine.camera(**YUYV, **camera, auto=30), machine.converter(taking=taking), machine.display()
        assert chain_of(*stages).run(frames=6).frames == 6
    report = chain_of(machine.camera(**YUYV, **ONLY_USERPTR, auto=30), machine.display()).run(frames=6)
    assert report.links[0].copied_frames == 6
