"""Traps with sizes and rows: odd sizes, lists of sizes, padding, planes that lie elsewhere than expected."""

import numpy as np
import pytest

import zcore
from traps_rig import bytes_of_row, carried, chain_of, machine, planned, reasons, refused  # noqa: F401
from zcore.stages.flow import CapsFilter, Tee


def filtered(text):
    return CapsFilter(text, name="wish")


def no_odd(width, height):
    return width & ~1, height & ~1


# Sizes


def test_odd_size_that_the_user_chose(machine):
    """4:2:0 has no odd sizes here: the driver makes 64x16 of 65x17, which is not what was asked for."""
    camera = machine.camera("NV12", (65, 17), formats="NV12", grants_size=no_odd)
    refused(camera, machine.display(), says=["camera", "has no 65x17 in NV12", "answered with 64x16"])


def test_odd_size_that_the_driver_has(machine):
    """Chroma rows are rounded up, and nothing is scaled or cut."""
    camera = machine.camera("NV12", (65, 17), formats="NV12", align=2, grants_size=lambda *size: size, auto=4)
    seen = []
    chain = chain_of(camera, zcore.Callback(lambda frame: seen.append([a.shape for a in frame.planes()]), name="look"))
    assert chain.run(frames=2).frames == 2
    assert seen[0] == [(17, 65), (9, 33, 2)]


def test_odd_size_and_a_converter_that_rounds(machine):
    """The converter makes 64x16 of the camera's 65x17."""
    camera = machine.camera("XR24", (65, 17), formats="XR24", grants_size=lambda *size: size)
    converter = machine.converter(taking={"formats": "XR24", "grants_size": no_odd})
    refused(
        camera, converter, machine.display(), says=["converter takes 64x16 where camera gives 65x17"],
        require_zero_copy=True,
    )  # fmt: skip


def test_size_that_is_not_in_the_list(machine):
    """The filter asks for a size that the camera does not list."""
    camera = machine.camera(formats="YUYV", sizes=[(320, 240), (640, 480)], width=640, height=480)
    refused(
        camera, filtered("video/x-raw,width=800,height=600"), machine.display(),
        says=["no common size", "camera gives 320x240, 640x480", "wish", "800"], require_zero_copy=True,
    )  # fmt: skip


def test_size_between_the_steps(machine):
    """The camera has multiples of 16 only."""
    camera = machine.camera(formats="YUYV", sizes=[(16, 640, 16, 16, 480, 16)])
    refused(
        camera, filtered("video/x-raw,width=100,height=64"), machine.display(),
        says=["no common size", "camera gives 16x16 to 640x480", "in steps of 16", "wish", "100"],
        require_zero_copy=True,
    )  # fmt: skip


def test_size_of_a_range_with_steps(machine):
    """The filter allows 90 to 110 pixels; 96 is the one that the camera has."""
    camera = machine.camera(formats="YUYV", sizes=[(16, 640, 16, 16, 480, 16)])
    with planned(camera, filtered("video/x-raw,width=[90,110],height=64"), machine.display()) as plan:
        assert plan[0].caps.size == (96, 64)


def test_size_that_is_listed_and_not_granted(machine):
    """The driver lists 640x480, and always sets 320x240."""
    camera = machine.camera(
        formats="YUYV", sizes=[(640, 480), (320, 240)], width=320, height=240, grants_size=lambda *_: (320, 240)
    )  # fmt: skip
    refused(
        camera, filtered("video/x-raw,width=640,height=480"), machine.display(),
        says=["camera was asked for 640x480 in YUYV and granted 320x240|has no 640x480 in YUYV"],
        require_zero_copy=True,
    )  # fmt: skip


def test_sizes_that_differ_by_format(machine):
    """The camera has XR24 only in 320x240; the size that was asked for it has in YUYV."""
    camera = machine.camera(
        formats="XR24 YUYV", sizes={"XR24": [(320, 240)], "YUYV": [(320, 240), (640, 480)]}, width=320, height=240
    )  # fmt: skip
    with planned(camera, filtered("video/x-raw,width=640,height=480"), machine.display()) as plan:
        assert (carried(plan), plan[0].caps.size) == (["YUYV"], (640, 480))
        assert plan.zero_copy


def test_converter_that_cannot_scale(machine):
    """It takes 64x16 and would have to give 128x32: it answers with what it takes."""
    converter = machine.converter(size=(128, 32))
    refused(
        machine.camera(formats="YUYV", grants_size=lambda *_: (64, 16)), converter, machine.display(),
        says=["camera .* has no 128x32 in YUYV; it answered with 64x16",
              "converter is to give 128x32 and does not scale"],
        require_zero_copy=True,
    )  # fmt: skip


def test_converter_that_cannot_scale_behind_a_camera_that_can(machine):
    """The camera is set to the size that the display's filter asks for, instead."""
    camera = machine.camera(formats="YUYV", sizes=[(64, 16), (128, 32)])
    with planned(camera, machine.converter(), filtered("video/x-raw,width=128,height=32"), machine.display()) as plan:
        assert [link.caps.size for link in plan] == [(128, 32), (128, 32)]
        assert plan.zero_copy


# Rows


@pytest.mark.proves("T80")
def test_padded_rows_that_both_have(machine):
    """100 pixels of YUYV are 200 bytes; both drivers make 256 of it."""
    camera = machine.camera(size=(100, 16), formats="YUYV", align=64)
    with planned(camera, machine.converter(taking={"align": 64}), machine.display()) as plan:
        assert bytes_of_row(plan[0]) == 256
        assert plan.zero_copy


def test_padded_rows_that_the_converter_is_told_of(machine):
    """The converter would take 200 bytes, and takes 256 when it is told so."""
    camera = machine.camera(size=(100, 16), formats="YUYV", align=64)
    with planned(camera, machine.converter(), machine.display()) as plan:
        assert bytes_of_row(plan[0]) == 256
        assert machine.m2m.strides[machine.m2m.output.type] == [256]
        assert plan.zero_copy


@pytest.mark.proves("T82")
def test_padded_rows_that_the_camera_is_asked_for(machine):
    """The converter takes multiples of 256; the camera can give them, and is set once more."""
    camera = machine.camera(size=(100, 16), formats="YUYV")
    with planned(camera, machine.converter(taking={"align": 256}), machine.display()) as plan:
        assert bytes_of_row(plan[0]) == 256
        assert plan.zero_copy


FIXED = {"follows": False}


def test_padded_rows_that_nobody_gives_up(machine):
    """The camera has 256 bytes, the converter takes 200, and neither changes it."""
    stages = machine.camera(size=(100, 16), formats="YUYV", align=64, **FIXED), machine.converter(taking=FIXED)
    refused(
        *stages, machine.display(),
        says=[r"camera gives rows of \(256,\) bytes, converter wants \(200,\)"],
        error=zcore.ZeroCopyError, require_zero_copy=True,
    )  # fmt: skip
    pytest.importorskip("av")
    with planned(*stages, machine.display()) as plan:
        assert [link.zero_copy for link in plan] == [True, False, True]
        assert "camera gives rows of (256,) bytes" in plan[1].inserted


def test_rows_that_two_importers_want_differently(machine):
    """One needs multiples of 64, the other of 96: 192 suits both."""
    tee = Tee(name="tee")
    camera = machine.camera(size=(50, 16), formats="YUYV")
    one = machine.converter(taking={"align": 64})
    two = machine.display(pitch_alignment=96, dumb_alignment=96)
    look = zcore.Callback(print, name="look")
    with planned((camera, tee), (tee, one), (tee, two), (one, look)) as plan:
        assert bytes_of_row(plan[0]) % 192 == 0
        assert plan.zero_copy


def test_display_that_wants_longer_rows(machine):
    """AddFB2 refuses 128 bytes; the display's own buffers tell that it wants multiples of 256."""
    camera = machine.camera(formats="YUYV")
    with planned(camera, machine.display(pitch_alignment=256, dumb_alignment=256)) as plan:
        assert bytes_of_row(plan[0]) == 256
        assert plan.zero_copy


@pytest.mark.proves("T82")
def test_display_that_wants_longer_rows_than_the_camera_gives(machine):
    """The camera has 128 bytes whatever it is asked for."""
    refused(
        machine.camera(formats="YUYV", **FIXED), machine.display(pitch_alignment=256, dumb_alignment=256),
        says=[r"camera gives rows of \(128,\) bytes, display needs multiples of 256"],
        error=zcore.ZeroCopyError, require_zero_copy=True,
    )  # fmt: skip


def test_display_that_wants_longer_rows_of_chroma(machine):
    """64 bytes of luma would do, the 32 of chroma do not; V4L2 can only be asked for longer luma."""
    camera = machine.camera(formats="YU12")
    with planned(camera, machine.display(formats="YU12", pitch_alignment=64)) as plan:
        assert bytes_of_row(plan[0]) == 128
        assert plan.zero_copy
        (client,) = machine.card.clients.values()
        assert {tuple(one.pitches) for one in client.framebuffers.values()} == {(128, 64, 64)}


def test_driver_that_does_not_tell_its_rows(machine):
    """bytesperline is 0 for a format with rows: they have no padding then."""
    camera = machine.camera(formats="YUYV", stride=lambda line: 0, auto=4)
    seen = []
    chain = chain_of(camera, zcore.Callback(lambda frame: seen.append(frame.array().strides), name="look"))
    chain.run(frames=1)
    assert seen == [(128, 2, 1)]


def test_driver_that_tells_pixels_instead_of_bytes(machine):
    """bytesperline is the width in pixels: shorter than a row can be."""
    refused(
        machine.camera(formats="XR24", stride=lambda line: line // 4), machine.display(), require_zero_copy=True,
        says=["camera answered to BGRx 64x16 with what cannot be", "needs 256 bytes for a row", "stride is 64"],
    )  # fmt: skip


@pytest.mark.proves("T39")
def test_driver_that_tells_a_size_that_is_too_small(machine):
    """sizeimage is less than the rows that it tells take: reading the last ones would leave the buffer."""
    refused(
        machine.camera(formats="YUYV", extra=-1000), machine.display(), require_zero_copy=True,
        says=["camera answered to YUYV 64x16 with 1048 bytes in rows of 128, and its pixels take 2048"],
    )  # fmt: skip


# Planes


def test_buffers_that_are_larger_than_the_picture(machine):
    """The driver appends 4096 bytes of its own; whoever imports needs only the picture."""
    camera = machine.camera(formats="YUYV", extra=4096, auto=30)
    chain = chain_of(camera, machine.converter(), machine.display())
    report = chain.run(frames=5)
    assert [link.copied_frames for link in report.links] == [0, 0]


def test_importer_that_needs_more_than_the_picture(machine):
    """The converter wants 8192 bytes behind each picture: only its own buffers have them."""
    camera = machine.camera(formats="YUYV")
    with planned(camera, machine.converter(taking={"extra": 8192}), machine.display()) as plan:
        assert plan[0].memory == "dmabuf-import"
        assert plan[0].allocator == "v4l2:/dev/video1"
        assert "plane 0 needs 10240 bytes, buffers of camera have 2048" in reasons(plan[0])


def test_importer_that_needs_more_and_cannot_export(machine):
    """Neither the camera's buffers nor its own will do; a heap's buffers are made large enough for both."""
    machine.udmabuf()
    converter = machine.converter(taking={"extra": 8192, "exports": False})
    with planned(machine.camera(formats="YUYV"), converter, machine.display()) as plan:
        assert plan[0].memory == "udmabuf"
        assert plan.zero_copy


PADDED_HEIGHT = {"formats": "NV12", "rows": 32}


@pytest.mark.proves("T14", "T81")
def test_chroma_that_lies_elsewhere(machine):
    """One driver rounds 16 lines up to 32 before the chroma, the other does not; V4L2 has no word for offsets."""
    stages = machine.camera(formats="NV12"), machine.converter(taking=PADDED_HEIGHT), machine.display()
    refused(
        *stages, error=zcore.ZeroCopyError, require_zero_copy=True,
        says=["converter", "looks for the planes of NV12 64x16", "round the height differently"],
    )  # fmt: skip


def test_chroma_that_lies_elsewhere_and_another_format(machine):
    """With YUYV there is only one plane, and nothing to disagree about."""
    camera = machine.camera(formats="NV12 YUYV")
    converter = machine.converter(taking={"formats": "NV12 YUYV", "rows": 32, "extra": 0})
    with planned(camera, converter, machine.display()) as plan:
        assert carried(plan) == ["YUYV", "BGRx"]
        assert plan.zero_copy


@pytest.mark.proves("T81")
def test_chroma_of_a_padded_picture_on_a_display(machine):
    """Both planes are told to the display where they are, behind 32 lines of luma."""
    with planned(machine.camera(**PADDED_HEIGHT), machine.display()):
        (client,) = machine.card.clients.values()
        for framebuffer in client.framebuffers.values():
            assert framebuffer.offsets == [0, 64 * 32]
            assert framebuffer.pitches == [64, 64]


@pytest.mark.proves("T13")
def test_pixels_that_begin_behind_the_start(machine):
    """A multi-planar driver puts 64 bytes of its own before the pixels: views begin behind them."""
    camera = machine.camera(formats="NM12", multiplanar=True, offset=64, auto=9)
    machine.fake.fills = [b"\0" * 64 + b"\x11" * 1024, b"\0" * 64 + b"\x22" * 512]
    seen = []

    def look(frame):
        seen.append([(array.shape, int(array.min()), int(array.max())) for array in frame.planes()])

    chain_of(camera, zcore.Callback(look, name="look")).run(frames=1)
    assert seen == [[((16, 64), 0x11, 0x11), ((8, 32, 2), 0x22, 0x22)]]


def test_pixels_that_begin_behind_the_start_for_a_display(machine):
    """A framebuffer is made once, and cannot follow an offset that comes with each frame."""
    camera = machine.camera(formats="NM12", multiplanar=True, offset=64, auto=9)
    with pytest.raises(zcore.DeviceError, match=r"display.*64") as caught:
        chain_of(camera, machine.display()).run(frames=2)
    caught.value.__traceback__ = None


# One memory or one for each plane


def test_two_memories_and_one(machine):
    """The camera gives luma and chroma in two buffers, the converter takes them in one."""
    camera = machine.camera(formats="NM12", multiplanar=True)
    stages = camera, machine.converter(taking={"formats": "NV12"}), machine.display()
    refused(
        *stages, error=zcore.ZeroCopyError, require_zero_copy=True,
        says=["camera gives NV12 in 2 memory planes .NM12., converter takes it in 1 .NV12."],
    )  # fmt: skip
    pytest.importorskip("av")
    with planned(*stages) as plan:
        assert [len(link.caps.memory_planes) for link in plan] == [2, 1, 1]
        assert [link.zero_copy for link in plan] == [True, False, True]


def test_one_memory_and_two(machine):
    """The other way round."""
    camera = machine.camera(formats="NV12")
    converter = machine.converter(taking={"formats": "NM12"}, giving={"formats": "YUYV"}, multiplanar=True)
    refused(
        camera, converter, machine.display(), error=zcore.ZeroCopyError, require_zero_copy=True,
        says=["camera gives NV12 in 1 memory plane .NV12., converter takes it in 2 .NM12."],
    )  # fmt: skip
    pytest.importorskip("av")
    with planned(camera, converter, machine.display()) as plan:
        assert [len(link.caps.memory_planes) for link in plan] == [1, 2, 1]
        assert "in 1 memory plane (NV12)" in plan[1].inserted


def test_software_that_can_do_both(machine):
    """A source on the CPU lays its planes as the converter takes them."""
    machine.udmabuf()
    converter = machine.converter(taking={"formats": "NM12"}, giving={"formats": "YUYV"}, multiplanar=True)
    taken = []
    machine.m2m.transform = lambda planes: taken.append([set(plane) for plane in planes]) or []
    chain = chain_of(zcore.TestSource("NV12", (64, 16), pattern="black", name="source"), converter, machine.display())
    report = chain.run(frames=3)
    assert report.links[0].copied_frames == 0
    assert taken[0] == [{16}, {128}]


@pytest.mark.proves("T12")
def test_camera_that_has_both(machine):
    """It lists NV12 and NM12, which DRM calls the same; the converter takes NM12 only."""
    camera = machine.camera(formats="NV12 NM12", multiplanar=True)
    converter = machine.converter(taking={"formats": "NM12"}, giving={"formats": "YUYV"}, multiplanar=True)
    with planned(camera, converter, machine.display()) as plan:
        assert [len(link.caps.memory_planes) for link in plan] == [2, 1]
        assert plan.zero_copy


@pytest.mark.proves("T12")
def test_converter_that_has_both(machine):
    """The camera has NM12 only, the converter lists NV12 first."""
    camera = machine.camera(formats="NM12", multiplanar=True)
    converter = machine.converter(taking={"formats": "NV12 NM12"}, giving={"formats": "YUYV"}, multiplanar=True)
    with planned(camera, converter, machine.display()) as plan:
        assert len(plan[0].caps.memory_planes) == 2
        assert plan.zero_copy


def test_two_memories_on_a_display(machine):
    """DRM takes a handle for each plane."""
    with planned(machine.camera(formats="NM12", multiplanar=True), machine.display()) as plan:
        (client,) = machine.card.clients.values()
        assert {len(set(framebuffer.objects)) for framebuffer in client.framebuffers.values()} == {2}
        assert plan.zero_copy


def test_frames_are_copied_row_by_row_where_rows_differ(machine):
    """What was converted because of its rows has its pixels where they belong."""
    pytest.importorskip("av")
    camera = machine.camera(size=(100, 16), formats="YUYV", align=64, auto=20, **FIXED)
    pixels = np.arange(16 * 200, dtype=np.uint8).reshape(16, 200)
    padded = np.zeros((16, 256), np.uint8)
    padded[:, :200] = pixels
    finish = machine.fake.capture.finish
    machine.fake.capture.finish = lambda buffer, **values: (
        machine.fake.capture.write(buffer, padded.tobytes()), finish(buffer, **values)
    )  # fmt: skip
    converter = machine.converter(taking=FIXED)
    taken = []
    machine.m2m.transform = lambda planes: taken.append(planes[0]) or []
    chain_of(camera, converter, machine.display()).run(frames=2)
    assert np.array_equal(np.frombuffer(taken[0], np.uint8)[: 16 * 200].reshape(16, 200), pixels)
