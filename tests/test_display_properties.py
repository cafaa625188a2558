"""What a display can be told beside its frames: properties, rectangles, modes, cards, layouts, times."""

import pytest

import zcore
from codec_rig import Camera
from fakekernel import FakeCard
from fakekernel.drm import CONNECTOR, CRTC, OVERLAY, PRIMARY
from zcore import devices
from zcore._drm_properties import describe_property
from zcore._fd import Fd
from zcore.formats import find
from zcore.stages.kms_place import placements

CARD = "/dev/dri/card0"
TILED = 0x0100000000000002
SAND = find("NC12").modifier


@pytest.fixture
def card(fake_kernel):
    return FakeCard(fake_kernel, auto=True)


def show(kernel, size=(64, 16), frames=3, device=CARD, **options):
    camera = Camera(kernel, code="XR24", size=size)
    display = zcore.Display(device, **options)
    with zcore.Chain(camera.stage(), display) as chain:
        report = chain.run(frames=frames, require_zero_copy=True)
        yield display
    assert report.frames == frames


def settings(card, object=PRIMARY, number=0):
    """Properties of the first real commit, by name."""
    _, values = card.commits[number]
    return {card.properties[object][id][0]: value for id, value in values[object].items()}


# Properties


@pytest.mark.proves("DRM_IOCTL_MODE_OBJ_SETPROPERTY", "T76")
@pytest.mark.parametrize("as_text", [False, True], ids=["mapping", "string"])
@pytest.mark.proves("DRM_IOCTL_MODE_OBJ_SETPROPERTY")
@pytest.mark.parametrize("atomic", [True, False], ids=["atomic", "legacy"])
def test_properties_are_set_and_put_back(fake_kernel, card, atomic, as_text):
    before = {id: [entry[2] for entry in card.properties[id].values()] for id in (PRIMARY, CONNECTOR)}
    plane = {"alpha": 32768, "rotation": "rotate-180", "pixel_blend_mode": "Coverage", "zpos": 2, "hue": -7}
    connector = {"max bpc": 10, "content_type": "cinema"}
    if as_text:
        plane = "s,alpha=32768,rotation=4,pixel_blend_mode=coverage,zpos=(int)2,hue=-7"
        connector = "s,max_bpc=10,content_type=3"
    for _ in show(fake_kernel, plane_properties=plane, connector_properties=connector, atomic=atomic):
        assert card.value(PRIMARY, "alpha") == 32768
        assert card.value(PRIMARY, "rotation") == 4
        assert card.value(PRIMARY, "pixel blend mode") == 1
        assert card.value(PRIMARY, "zpos") == 2
        assert card.value(PRIMARY, "hue") & 0xFFFFFFFFFFFFFFFF == 2**64 - 7
        assert card.value(CONNECTOR, "max bpc") == 10
        assert card.value(CONNECTOR, "content type") == 3
        if atomic:
            assert settings(card) | {"alpha": 32768, "zpos": 2} == settings(card)  # with the mode, not after it
    after = {id: [entry[2] for entry in card.properties[id].values()] for id in (PRIMARY, CONNECTOR)}
    assert after == before


@pytest.mark.parametrize(
    ("value", "bits"),
    [
        ("rotate-0|reflect-x", 0x11),
        ("rotate_90+reflect_y", 0x22),
        ("rotate-270", 8),
        (0x14, 0x14),
        (1, 1),
        ("reflect-x", 0x11),
    ],
)
def test_bit_masks(fake_kernel, card, value, bits):
    for _ in show(fake_kernel, plane_properties={"rotation": value}):
        assert card.value(PRIMARY, "rotation") == bits


@pytest.mark.parametrize(
    ("plane", "told"),
    [
        (
            {"aplha": 1},
            r"plane 31 of /dev/dri/card0 has no property 'aplha'; did you mean alpha\? it has rotation, alpha",
        ),
        ({"alpha": 65536}, "alpha is 0 to 65535, not 65536"),
        ({"alpha": "half"}, "alpha is 0 to 65535, not 'half'"),
        ({"hue": -181}, "hue is -180 to 180, not -181"),
        ({"pixel_blend_mode": "Coverege"}, r"no value 'Coverege'; did you mean Coverage\? it has Pre-multiplied \(0\)"),
        ({"pixel_blend_mode": 3}, r"no value 3; it has Pre-multiplied \(0\), Coverage \(1\), None \(2\)"),
        ({"rotation": "rotate-45"}, "no value 'rotate-45'; did you mean rotate-"),
        ({"rotation": 5}, r"takes one angle, and reflections beside it, such as 'rotate-90\|reflect-x', not 5"),
        ({"rotation": "rotate-0|rotate-90"}, "takes one angle"),
        ({"rotation": 0x40}, r"no bits 0x40; it has rotate-0 \(1\)"),
        ({"type": 1}, "type cannot be changed"),
        ({"FB_ID": 1}, "FB_ID is set by the stage itself, from the frames"),
        ({"crtc_x": 1}, "CRTC_X is set by the stage itself, from render_rectangle"),
    ],
)
def test_properties_that_cannot_be(fake_kernel, card, plane, told):
    chain = zcore.Chain(Camera(fake_kernel, code="XR24").stage(), zcore.Display(CARD, plane_properties=plane))
    with pytest.raises(zcore.ChainError, match=told):
        chain.run(frames=1)
    assert card.commits == []  # said before anything changed


def test_blob_cannot_be_written_as_a_number(fake_kernel, card):
    chain = zcore.Chain(
        Camera(fake_kernel, code="XR24").stage(),
        zcore.Display(CARD, connector_properties={"hdr_output_metadata": 5}),
    )
    with pytest.raises(zcore.ChainError, match=r"connector HDMI-A-1 of .*takes a blob of the kernel"):
        chain.run(frames=1)


def test_broken_structure_is_said_at_once():
    with pytest.raises(ValueError, match="cannot read"):
        zcore.Display(plane_properties="s,alpha")


def test_what_properties_take(card):
    display = zcore.Display(CARD)
    with display:
        kinds = {
            name: describe_property(display.card, one.id).kind
            for name, one in display.card.properties(PRIMARY, 0xEEEEEEEE).items()
        }
        hue = describe_property(display.card, card.property_id(PRIMARY, "hue"))
    assert kinds | {"alpha": "range", "rotation": "bitmask", "FB_ID": "object", "IN_FORMATS": "blob"} == kinds
    assert (hue.kind, hue.minimum, hue.maximum, hue.immutable) == ("signed", -180, 180, False)


# Where the picture goes


@pytest.mark.parametrize(
    ("frame", "area", "options", "source", "target"),
    [
        ((64, 16), None, {}, (0, 0, 64, 16), (0, 0, 64, 16)),
        ((32, 32), None, {}, (0, 0, 32, 32), (24, 0, 16, 16)),
        ((32, 8), None, {"can_scale": False}, (0, 0, 32, 8), (16, 4, 32, 8)),
        ((128, 32), None, {"can_scale": False}, (32, 8, 64, 16), (0, 0, 64, 16)),
        ((64, 16), (8, 4, 32, 8), {}, (0, 0, 64, 16), (8, 4, 32, 8)),
        ((64, 16), (8, 4, 16, 8), {}, (0, 0, 64, 16), (8, 6, 16, 4)),
        ((64, 16), (8, 4, 16, 8), {"can_scale": False}, (24, 4, 16, 8), (8, 4, 16, 8)),
        ((16, 16), (-16, 0, 32, 16), {}, (0, 0, 16, 16), (0, 0, 16, 16)),
        ((16, 64), None, {"turned": True}, (0, 0, 16, 64), (0, 0, 64, 16)),
        ((16, 128), None, {"turned": True, "can_scale": False}, (0, 32, 16, 64), (0, 0, 64, 16)),
    ],
)
@pytest.mark.proves("T72")
def test_placements(frame, area, options, source, target):
    assert placements(frame, (64, 16), area, **options)[0] == (source, target)


def test_rectangle_outside_of_the_screen():
    with pytest.raises(zcore.NegotiationError, match="lies outside of the screen, which has 64x16"):
        placements((64, 16), (64, 16), (64, 0, 10, 10))


def test_render_rectangle(fake_kernel, card):
    for _ in show(fake_kernel, render_rectangle=(8, 4, 32, 8)):
        assert [settings(card)[name] for name in ("CRTC_X", "CRTC_Y", "CRTC_W", "CRTC_H")] == [8, 4, 32, 8]
        assert settings(card)["SRC_W"] == 64 << 16


@pytest.mark.parametrize(
    ("wrong", "told"), [((1, 2, 3), "left, top"), ((0, 0, 0, 5), "above 0"), ((0, 0, 1.5, 2), "pixels")]
)
def test_rectangles_that_are_none(wrong, told):
    with pytest.raises(ValueError, match=told):
        zcore.Display(render_rectangle=wrong)


def test_can_scale(fake_kernel, card):
    for _ in show(fake_kernel, (32, 8), can_scale=False):
        assert [settings(card)[name] for name in ("CRTC_X", "CRTC_Y", "CRTC_W", "CRTC_H")] == [16, 4, 32, 8]


def test_turned_pictures_keep_their_aspect(fake_kernel, card):
    for _ in show(fake_kernel, (16, 64), plane_properties={"rotation": "rotate-90"}):
        assert [settings(card)[name] for name in ("CRTC_X", "CRTC_Y", "CRTC_W", "CRTC_H")] == [0, 0, 64, 16]


# Which card, connector, plane and mode


def test_connector_and_plane_by_id(fake_kernel, card):
    for display in show(fake_kernel, connector_id=CONNECTOR, plane_id=OVERLAY):
        assert display.scanout.plane == OVERLAY
        assert card.shown[OVERLAY]
    assert zcore.Display(connector_id=-1, plane_id=-1, fd=-1).plane is None
    with pytest.raises(ValueError, match="plane is 31 and plane_id 32: give one"):
        zcore.Display(plane=31, plane_id=32)
    with pytest.raises(zcore.ChainError, match="has no connector 99"), zcore.Display(CARD, connector_id=99) as display:
        display.accepts()


def test_cards_by_driver_and_bus(fake_kernel, card, monkeypatch):
    FakeCard(fake_kernel, "/dev/dri/card1", auto=True)
    monkeypatch.setattr(devices, "card_paths", lambda: [CARD, "/dev/dri/card1"])
    monkeypatch.setattr(devices, "bus_of", lambda path: f"0000:0{path[-1]}:02.0")
    for options, found in (
        ({}, CARD), ({"driver_name": "fake"}, CARD), ({"bus_id": "0000:01:02.0"}, "/dev/dri/card1"),
        ({"bus_id": "pci:0000:01:02.0", "driver_name": "fake"}, "/dev/dri/card1"),
    ):  # fmt: skip
        with zcore.Display(**options) as display:
            assert display.device == found
    with pytest.raises(zcore.DeviceNotFoundError, match=r"on the bus 'usb:1'; .*card0 \(fake on 0000:00:02.0\)"):
        zcore.Display(bus_id="usb:1").open()
    with pytest.raises(zcore.DeviceNotFoundError, match="no card of the driver 'i915'"):
        zcore.Display(driver_name="i915").open()
    with pytest.raises(zcore.ChainError, match="is driven by fake, not by i915"):
        zcore.Display(CARD, driver_name="i915").open()


def test_descriptor_of_somebody_else(fake_kernel, card):
    with Fd.open(CARD) as lease:
        for display in show(fake_kernel, device=None, fd=lease.fileno()):
            assert display.device == f"fd {lease.fileno()}"
        assert not lease.closed
        assert all(file.open for file in card.files)


def test_force_modesetting(fake_kernel, card):
    chain = zcore.Chain(
        Camera(fake_kernel, code="XR24", size=(32, 16)).stage(), zcore.Display(CARD, force_modesetting=True)
    )
    with pytest.raises(
        zcore.NegotiationError, match="no mode of 32x16, which force_modesetting asks for; it has 64x16"
    ):
        chain.run(frames=1)


def test_present_mode_is_kept_where_asked(fake_kernel, card):
    card.active = 1
    mode = card.mode()
    mode.name, mode.htotal = b"present", 99
    card.mode = lambda: mode
    for display in show(fake_kernel, (32, 16), force_modesetting=False):
        assert display.facts()["mode"].startswith("64x16")
        assert display._route.mode.name == "present"


@pytest.mark.proves("drm-kms:restore")
@pytest.mark.parametrize("restore", [True, False])
def test_restore_crtc(fake_kernel, card, restore):
    for _ in show(fake_kernel, restore_crtc=restore, plane_properties={"alpha": 5}):
        pass
    assert card.value(CRTC, "ACTIVE") == (not restore)
    assert card.value(PRIMARY, "alpha") == (0xFFFF if restore else 5)
    assert card.blanked == 0  # the black picture stays where nothing takes its place (CLOSEFB)
    assert bool(card.shown[PRIMARY]) is not restore


def test_sync_reaches_the_node(fake_kernel, card):
    for display in show(fake_kernel, sync=True, skip_vsync=True):
        assert display.sync
        assert card.flips == 3
