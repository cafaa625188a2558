"""Traps with pixel formats: what devices list and grant, tilings, modifiers, filters. Each is planned or refused."""

import pytest

import zcore
from fakekernel import fourcc
from traps_rig import carried, find, machine, planned, reasons, refused  # noqa: F401
from zcore.formats import INVALID, LINEAR
from zcore.stages.flow import CapsFilter, Tee

TILED_32X32 = find("ST12").modifier
SAMSUNG_TILED = find("VM12").modifier
X_TILED = 0x0100000000000001
DRM = "video/x-raw(memory:DMABuf),format=DMA_DRM"


# Drivers that list one thing and do another


def test_driver_that_lies_in_its_list(machine):
    """It lists YUYV and sets XR24 when YUYV is asked for."""
    camera = machine.camera(formats="YUYV XR24", answers={"YUYV": "XR24"})
    with planned(camera, machine.display()) as plan:
        assert carried(plan) == ["BGRx"]
        assert plan.zero_copy
        assert "camera was asked for YUYV and answered with XR24" in reasons(plan[0])


def test_driver_that_sets_nothing_of_its_list(machine):
    """All that it lists it answers with something that it does not list."""
    camera = machine.camera(formats="YUYV XR24", answers={"YUYV": "UYVY", "XR24": "UYVY"})
    refused(
        camera, machine.display(),
        says=["camera -> display", "asked for YUYV and answered with UYVY", "asked for BGRx and answered with UYVY"],
    )  # fmt: skip


def test_format_that_the_user_chose_and_the_driver_does_not_set(machine):
    """The user wrote XR24; taking YUYV instead would not be what was asked for."""
    camera = machine.camera("XR24", formats="XR24 YUYV", answers={"XR24": "YUYV"})
    text = refused(camera, machine.display(), says=["camera was asked for BGRx and answered with YUYV"])
    assert "camera -> display" in text


def test_format_that_the_user_chose_and_the_driver_does_not_have(machine):
    """The user wrote RGB3, the driver lists two others."""
    refused(machine.camera("RGB3", formats="XR24 YUYV"), machine.display(formats="XR24 BG24"), says=["XR24", "YUYV"])


def test_converter_whose_input_list_lies(machine):
    """The converter lists NV12 and YUYV for what it takes; NV12 it answers with YUYV."""
    camera = machine.camera(formats="NV12 YUYV")
    converter = machine.converter(taking={"formats": "NV12 YUYV", "answers": {"NV12": "YUYV"}})
    with planned(camera, converter, machine.display()) as plan:
        assert carried(plan) == ["YUYV", "BGRx"]
        assert plan.zero_copy
        assert "converter OUTPUT was asked for NV12 and answered with YUYV" in reasons(plan[0])


def test_converter_that_cannot_make_what_it_lists(machine):
    """Of what the converter lists only the last can really be set."""
    giving = {"formats": "NV12 YUYV XR24", "answers": {"NV12": "XR24", "YUYV": "XR24"}}
    converter = machine.converter(taking={"formats": "BGR3"}, giving=giving)
    with planned(machine.camera(formats="BGR3"), converter, machine.display()) as plan:
        assert carried(plan) == ["BGR", "BGRx"]
        assert plan.zero_copy


def test_vendor_format_that_nobody_knows(machine):
    """The first format of the list is none that zcore knows: it cannot be described, and the next one is taken."""
    machine.kernel.devices.clear()
    camera = machine.camera(formats="YUYV")
    listed = machine.fake.formats_of
    machine.fake.formats_of = lambda type: [(fourcc("Q99X"), 0, b"vendor"), *listed(type)]
    with planned(camera, machine.display()) as plan:
        assert carried(plan) == ["YUYV"]


def test_device_that_is_set_to_a_format_that_nobody_knows(machine):
    """VIDIOC_G_FMT tells a fourcc that is in no table."""
    camera = machine.camera(formats="YUYV")
    machine.fake.current[machine.fake.capture.type][2] = fourcc("Q99X")
    with planned(camera, machine.display()) as plan:
        assert carried(plan) == ["YUYV"]


def test_format_that_changes_behind_the_back(machine):
    """After S_FMT another format is set, as another program or a control does, and G_FMT tells it."""
    camera = machine.camera(formats="XR24 GREY")
    machine.fake.after_format = lambda type: machine.fake.change(type, "GREY")
    refused(
        camera, machine.display(formats="XR24"), error=zcore.ZeroCopyError, require_zero_copy=True,
        says=["camera .* was set to BGRx 64x16 and is at GREY 64x16 now"],
    )  # fmt: skip
    pytest.importorskip("av")
    with planned(camera, machine.display(formats="XR24")) as plan:
        assert carried(plan) == ["GREY", "BGRx"]
        assert "takes no GREY, and BGRx cannot be had: camera" in plan[1].inserted


# Coded frames


def test_coded_frames_for_a_display(machine):
    """A camera that only has JPEG."""
    refused(
        machine.camera(formats="MJPG"), machine.display(),
        says=["no common format", "camera gives MJPEG", "display takes BGRx, YUYV, NV12"],
    )  # fmt: skip


def test_coded_format_comes_first_in_the_list(machine):
    """A camera that lists JPEG first, and is set to it."""
    with planned(machine.camera(formats="MJPG YUYV"), machine.display()) as plan:
        assert carried(plan) == ["YUYV"]
        assert ("MJPEG", "not accepted by display") in plan[0].alternatives


# Layouts


@pytest.mark.proves("T83")
def test_tiled_format_without_a_modifier(machine):
    """HM12 is tiled, and no modifier describes it: a display would show garbage."""
    refused(
        machine.camera(formats="HM12"), machine.display(),
        says=["camera gives NV12_16L16", "tiled", "no modifier", "display"],
    )  # fmt: skip


def test_tiled_format_without_a_modifier_beside_a_linear_one(machine):
    """HM12 comes first; only NV12 behind it can be shown."""
    with planned(machine.camera(formats="HM12 NV12"), machine.display()) as plan:
        assert carried(plan) == ["NV12"]
        why = dict(plan[0].alternatives)["NV12_16L16"]
        assert why == "tiled, and no modifier is known for it: display would take it for linear"


def test_tiling_that_the_display_does_not_have(machine):
    """Both say NV12, and mean other tiles."""
    camera = machine.camera(formats="ST12")
    refused(
        camera, machine.display(formats={"NV12": [LINEAR, SAMSUNG_TILED]}),
        says=["camera gives NV12_32L32", r"display takes NV12 as LINEAR .*0x400000000000002", "0x900000000000001"],
    )  # fmt: skip


def test_tiling_that_both_have(machine):
    """The framebuffer must carry the modifier, or the display would take the tiles for rows."""
    camera = machine.camera(formats="ST12 NV12")
    with planned(camera, machine.display(formats={"NV12": [LINEAR, TILED_32X32]})) as plan:
        assert plan[0].caps.format.modifier == TILED_32X32
        assert plan.zero_copy
        (client,) = machine.card.clients.values()
        assert {framebuffer.modifier for framebuffer in client.framebuffers.values()} == {TILED_32X32}


def test_display_that_has_a_format_only_in_tiles(machine):
    """XR24 is in the plane's list, but IN_FORMATS has it with a tiling alone; linear YUYV can be shown."""
    display = machine.display(formats={"XR24": [X_TILED], "YUYV": [LINEAR]})
    with planned(machine.camera(formats="XR24 YUYV"), display) as plan:
        assert carried(plan) == ["YUYV"]
        assert "modifier 0x0 not accepted by display" in dict(plan[0].alternatives)["BGRx"]


def test_display_that_has_everything_only_in_tiles(machine):
    """No linear frame can be shown at all."""
    refused(
        machine.camera(formats="XR24"), machine.display(formats={"XR24": [X_TILED]}),
        says=["camera gives BGRx", "display takes", "0x100000000000001", r"BGRx is LINEAR"], require_zero_copy=True,
        error=zcore.NegotiationError,
    )  # fmt: skip


def test_overlay_that_has_the_tiles(machine):
    """The primary plane takes linear frames only, the overlay tiled ones."""
    display = machine.display(formats={"NV12": [LINEAR]}, overlay={"NV12": [TILED_32X32]})
    with planned(machine.camera(formats="ST12"), display) as plan:
        assert plan.zero_copy
        assert display._route.plane.id == 32


def test_plane_that_the_user_chose_has_no_tiles(machine):
    """The overlay could show it, but the user wrote the primary plane."""
    display = machine.display(
        formats={"NV12": [LINEAR]}, overlay={"NV12": [TILED_32X32]}, stage={"plane_id": 31}
    )  # fmt: skip
    refused(machine.camera(formats="ST12"), display, says=["camera gives NV12_32L32", "display takes NV12"])


@pytest.mark.proves("T70")
def test_display_without_in_formats(machine):
    """It does not tell its modifiers: only linear frames can be meant."""
    display = machine.display(formats={"NV12": [LINEAR, TILED_32X32]}, in_formats=False)
    with planned(machine.camera(formats="ST12 NV12"), display) as plan:
        assert carried(plan) == ["NV12"]
        assert "modifier 0x900000000000001 not accepted by display" in dict(plan[0].alternatives)["NV12_32L32"]


def test_card_without_modifiers(machine):
    """AddFB2 knows no modifiers: linear frames go without, tiled ones not at all."""
    options = {"formats": {"NV12": [LINEAR, TILED_32X32]}, "addfb_modifiers": False}
    with planned(machine.camera(formats="NV12"), machine.display(**options)):
        (client,) = machine.card.clients.values()
        assert {framebuffer.modifier for framebuffer in client.framebuffers.values()} == {None}
    refused(machine.camera(formats="ST12"), machine.display(**options), says=["camera gives NV12_32L32", "display"])


def test_tiles_through_a_converter(machine):
    """Only the converter knows HM12; behind it everything is linear."""
    converter = machine.converter(taking={"formats": "HM12"}, giving={"formats": "NV12"})
    with planned(machine.camera(formats="HM12"), converter, machine.display()) as plan:
        assert carried(plan) == ["NV12_16L16", "NV12"]
        assert plan.zero_copy


@pytest.mark.proves("T40")
def test_tiles_that_the_cpu_cannot_read(machine):
    """What is tiled cannot be converted on the CPU, not even for a tee's other branch."""
    tee = Tee(name="tee")
    seen = zcore.Callback(print, "YUYV", name="look")
    refused(
        (machine.camera(formats="ST12"), tee), (tee, machine.display(formats={"NV12": [TILED_32X32]})), (tee, seen),
        says=["camera gives NV12_32L32", "look takes YUYV"],
    )  # fmt: skip


# Filters


def filtered(text):
    return CapsFilter(text, name="wish")


def test_filter_with_a_modifier_that_only_the_display_has(machine):
    """The display could show it, the camera cannot give it."""
    display = machine.display(formats={"NV12": [LINEAR, TILED_32X32]})
    refused(
        machine.camera(formats="NV12"), filtered(f"{DRM},drm-format=NV12:0x0900000000000001"), display,
        says=["camera gives NV12", "wish lets through .*NV12:0x0900000000000001"],
    )  # fmt: skip


def test_filter_with_a_modifier_that_only_the_camera_has(machine):
    """The camera could give it, the display cannot show it."""
    refused(
        machine.camera(formats="NV12 ST12"), filtered(f"{DRM},drm-format=NV12:0x0900000000000001"), machine.display(),
        says=["camera gives NV12_32L32", "display takes", "wish"],
    )  # fmt: skip


@pytest.mark.parametrize(
    ("wish", "passes"),
    [("NV12", "NV12"), ("NV12:0x0900000000000001", "NV12_32L32"), ("{ NV12:0x0900000000000001, NV12 }", "NV12"),
     (f"NV12:{INVALID:#018x}", None)],
)  # fmt: skip
@pytest.mark.proves("T69")
def test_linear_tiled_and_driver_decides_are_three_things(machine, wish, passes):
    """A filter for the layout that the driver decides lets no linear frames through, and the other way round."""
    camera = machine.camera(formats="NV12 ST12")
    display = machine.display(formats={"NV12": [LINEAR, TILED_32X32]})
    wish = filtered(f"{DRM},drm-format=(string){wish}")
    if passes is None:
        refused(camera, wish, display, says=["camera gives NV12, NV12_32L32", "wish lets through"])
        return
    with planned(camera, wish, display) as plan:
        assert carried(plan) == [passes]


def test_filter_for_any_modifier(machine):
    """Without drm-format the chain decides; the linear one comes first in the camera's list."""
    display = machine.display(formats={"NV12": [LINEAR, TILED_32X32]})
    with planned(machine.camera(formats="NV12 ST12"), filtered(DRM), display) as plan:
        assert carried(plan) == ["NV12"]


def test_filter_that_contradicts_the_camera(machine):
    """Nobody could give what it asks for."""
    refused(
        machine.camera(formats="YUYV"), filtered("video/x-raw,format=NV12"), machine.display(),
        says=["camera gives YUYV", "wish", "NV12"], require_zero_copy=True,
    )  # fmt: skip


def test_filter_that_contradicts_the_display(machine):
    """The camera has it, the display does not."""
    refused(
        machine.camera(formats="YUYV UYVY"), filtered("video/x-raw,format=UYVY"), machine.display(),
        says=["camera gives UYVY", "display takes BGRx, YUYV, NV12", "wish"], require_zero_copy=True,
    )  # fmt: skip


def test_two_filters_that_contradict_each_other(machine):
    """Each branch of a tee wants another format: one of them would have to be converted."""
    tee, one, two = Tee(name="tee"), filtered("video/x-raw,format=NV12"), filtered("video/x-raw,format=YUY2")
    two.name = "other"
    looks = zcore.Callback(print, name="look"), zcore.Callback(print, name="glance")
    refused(
        (machine.camera(formats="NV12 YUYV"), tee), (tee, one), (one, looks[0]), (tee, two), (two, looks[1]),
        says=["camera", "wish|other"], require_zero_copy=True,
    )  # fmt: skip


def test_rate_that_the_driver_does_not_grant(machine):
    """The filter asks for 60 frames a second, the driver sets 30."""
    camera = machine.camera(formats="YUYV", rates=[15, 30])
    refused(
        camera, filtered("video/x-raw,framerate=60/1"), machine.display(), says=["camera", "60", "30", "wish"]
    )  # fmt: skip


def test_rate_within_a_range(machine):
    """The filter allows 10 to 20, the driver has 15."""
    camera = machine.camera(formats="YUYV", rates=[5, 15, 30])
    with planned(camera, filtered("video/x-raw,framerate=[10/1,20/1]"), machine.display()) as plan:
        assert plan[0].caps.rate == 15


def test_rate_behind_a_converter(machine):
    """No converter changes the rate: the camera before it is set to what the filter behind it asks for."""
    camera = machine.camera(formats="YUYV", rates=[15, 30])
    with planned(camera, machine.converter(), filtered("video/x-raw,framerate=15/1"), machine.display()) as plan:
        assert [link.caps.rate for link in plan] == [15, 15]


def test_rate_that_the_user_chose_against_the_filter(machine):
    """rate=30 on the camera and framerate=15/1 behind it: neither is changed silently."""
    camera = machine.camera(formats="YUYV", rates=[15, 30], stage={"rate": 30})
    refused(
        camera, filtered("video/x-raw,framerate=15/1"), machine.display(),
        says=["wish asks for framerate=15/1, camera grants 30"],
    )  # fmt: skip
