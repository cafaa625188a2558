"""Properties of vkms' planes and connectors: set, read back, seen, and put back."""

import numpy as np
import pytest

import zcore
from zcore._drm import Card
from zcore._drm_properties import describe_property
from zcore._kms_legacy import gamma_size, get_gamma, set_gamma
from zcore.stages.kms_properties import OWN
from zcore.stages.kms_setup import CONNECTOR, CRTC, PLANE

SIZE = (640, 480)


def other_value(info, now):
    """A value that a property does not have now."""
    if info.kind in ("range", "signed"):
        return info.minimum if now != info.minimum else info.maximum
    if info.kind == "enum":
        return next((value for value in info.values.values() if value != now), None)
    return None


def settable(card, id, type):
    """Give {name: (info, value now)} of what a user may set."""
    found = {}
    for name, one in card.properties(id, type).items():
        info = describe_property(card, one.id)
        if name not in OWN and not info.immutable and info.kind in ("range", "signed", "enum", "bitmask"):
            found[name] = (info, one.value)
    return found


def chain_of(vivid, **options):
    display = zcore.Display("vkms", mode=SIZE, **options)
    return display, zcore.Chain(zcore.Capture(vivid, "XR24", SIZE, rate=60), display)


@pytest.mark.proves("T76", "drm-kms:restore")
def test_every_property_is_set_and_put_back(vivid, vkms):
    with zcore.Display(vkms) as display:
        route = display.route()
        planes = settable(display.card, route.plane.id, PLANE)
        connectors = settable(display.card, route.connector.id, CONNECTOR)
    wishes = {name: other_value(*known) for name, known in planes.items()}
    wishes = {name: value for name, value in wishes.items() if value is not None and name != "zpos"}
    # These two are states of the cable that a commit may name and does not change.
    screen = {name: other_value(*known) for name, known in connectors.items() if name not in ("DPMS", "link-status")}
    screen = {name: value for name, value in screen.items() if value is not None}
    print(f"plane: {wishes or 'nothing'} of {list(planes)}; connector: {screen or 'nothing'} of {list(connectors)}")
    display, chain = chain_of(vivid, plane_properties=wishes, connector_properties=screen)
    with chain:
        chain.run(frames=3, require_zero_copy=True)
        for id, type, wanted in ((route.plane.id, PLANE, wishes), (route.connector.id, CONNECTOR, screen)):
            now = display.card.properties(id, type)
            assert {name: now[name].value for name in wanted} == wanted
    card = Card(vkms)
    try:
        after = card.properties(route.plane.id, PLANE)
        assert {name: after[name].value for name in wishes} == {name: planes[name][1] for name in wishes}
    finally:
        card.close()


@pytest.mark.parametrize(
    ("rotation", "bits", "turn"),
    [
        ("rotate-0|reflect-x", 0x11, lambda p: p[:, ::-1]),
        (1, 0x01, lambda p: p),
        # Turned sideways 480 of 640 columns fit: the picture is cut, because vkms does not scale.
        ("rotate-270", 0x08, lambda p: np.pad(np.rot90(p[:, 80:560], 3), ((0, 0), (80, 80), (0, 0)))),
        # vkms 6.12 turns rows and columns around, and leaves the order of rows as it is.
        ("rotate-180", 0x04, None),
        ("rotate-0|reflect-y", 0x21, None),
        ("rotate-90", 0x02, None),
    ],
    ids=["reflect-x", "number", "rotate-270", "rotate-180", "reflect-y", "rotate-90"],
)
def test_turned_pictures_are_seen(vivid, vkms, rotation, bits, turn):
    display, chain = chain_of(vivid, plane_properties={"rotation": rotation})
    with chain:
        try:
            chain.run(frames=4, require_zero_copy=True)
        except zcore.ChainError as error:
            if "no property 'rotation'" in str(error):
                pytest.skip("the planes of this vkms have no property rotation")
            raise
        assert display.card.properties(display.scanout.plane, PLANE)["rotation"].value == bits
        if turn is not None:
            shown = display.screenshot()
            frame = display.scanout.frame_on_screen()
            picture = frame.array()
            assert np.array_equal(shown[..., :3], turn(picture[..., :3]))
            del frame, picture
    card = Card(vkms)
    try:
        assert card.properties(display_plane(card), PLANE)["rotation"].value == 1
    finally:
        card.close()


def display_plane(card):
    return next(p.id for p in card.planes() if card.properties(p.id, PLANE)["type"].value == 1)


def test_render_rectangle_is_seen(vivid, vkms):
    display = zcore.Display("vkms", mode=(1024, 768), render_rectangle=(300, 200, *SIZE), driver_name="vkms")
    with zcore.Chain(zcore.Capture(vivid, "XR24", SIZE, rate=60), display) as chain:
        chain.run(frames=3, require_zero_copy=True)
        shown = display.screenshot()
        frame = display.scanout.frame_on_screen()
        picture = frame.array()
        assert np.array_equal(shown[200:680, 300:940, :3], picture[..., :3])
        assert not shown[:200, :, :3].any()
        assert not shown[:, :300, :3].any()
        del frame, picture


def test_sync_and_the_rest(vivid, vkms):
    display, chain = chain_of(vivid, sync=True, skip_vsync=True, can_scale=False, force_modesetting=True)
    assert chain.run(frames=20, require_zero_copy=True).frames == 20
    display = zcore.Display("vkms", sync=True, mode=SIZE)
    assert zcore.Chain(zcore.TestSource("XR24", SIZE, rate=60), display).run(frames=20).frames == 20
    assert display.device == vkms


def test_unknown_property_is_said_with_what_there_is(vivid, vkms):
    _, chain = chain_of(vivid, plane_properties={"rotatoin": 1})
    with pytest.raises(zcore.ChainError, match=r"plane \d+ of .* has no property 'rotatoin'"):
        chain.run(frames=1)


def test_overlay_plane_by_id(vivid, vkms):
    with zcore.Display(vkms) as display:
        primary = display.route().plane.id
        others = [plane.id for plane in display.card.planes() if plane.id != primary and 0x34325258 in plane.formats]
    display, chain = chain_of(vivid, plane_id=others[0])
    with chain:
        assert chain.run(frames=3, require_zero_copy=True).frames == 3
        assert display.scanout.plane == others[0]


@pytest.mark.proves("DRM_IOCTL_MODE_SETGAMMA", "DRM_IOCTL_MODE_GETGAMMA")
def test_gamma_table_the_old_way(vkms):
    """What drivers without atomic commits take; in vkms it ends up in the property."""
    card = Card(vkms)
    try:
        crtc = card.resources()[0][0]
        size = gamma_size(card, crtc)
        before = get_gamma(card, crtc, size)
        table = np.array([np.linspace(65535, 0, size), np.linspace(0, 65535, size), np.full(size, 7)], "u2")
        set_gamma(card, crtc, table.tobytes())
        assert get_gamma(card, crtc, size) == table.tobytes()
        blob = card.read_blob(card.properties(crtc, CRTC)["GAMMA_LUT"].value)
        assert (table == np.frombuffer(blob, "<u2").reshape(size, 4)[:, :3].T).all()
        set_gamma(card, crtc, before)
    finally:
        card.close()
