import errno
import struct

import pytest

from fakekernel import FakeCamera, FakeCard, fourcc
from fakekernel.drm import ALLOW_MODESET, CONNECTOR, CRTC, OVERLAY, PRIMARY, TEST_ONLY, UNPLUGGED
from helpers import new_buffer
from zcore._drm import Card, Mode, Plane, Property
from zcore._errors import (
    DeviceBusyError,
    DeviceError,
    DeviceGoneError,
    DeviceNotFoundError,
    DevicePermissionError,
    UnsupportedError,
)  # fmt: skip
from zcore._fd import Fd
from zcore._gem import add_framebuffer

CRTC_TYPE, CONNECTOR_TYPE, PLANE_TYPE = 0xCCCCCCCC, 0xC0C0C0C0, 0xEEEEEEEE


@pytest.fixture
def fake(fake_kernel):
    return FakeCard(fake_kernel)


@pytest.fixture
def card(fake):
    made = Card("/dev/dri/card0")
    yield made
    made.close()


@pytest.mark.proves("DRM_IOCTL_VERSION")
def test_open_card(card):
    assert (card.path, card.driver, card.atomic, card.writeback) == ("/dev/dri/card0", "fake", True, True)
    assert repr(card) == "<Card /dev/dri/card0 fake>"


def test_card_over_a_descriptor_that_is_open_already(fake):
    fd = Fd.open("/dev/dri/card0")
    card = Card(fd)
    assert card.fd is fd
    card.close()
    card.close()
    assert fd.closed


@pytest.mark.proves("T79", "DRM_IOCTL_SET_CLIENT_CAP")
def test_card_without_atomic_commits(fake_kernel):
    FakeCard(fake_kernel, atomic=False)
    card = Card("/dev/dri/card0")
    assert (card.atomic, card.writeback) == (False, False)
    card.close()


def test_atomic_can_be_left_out(fake):
    card = Card("/dev/dri/card0", atomic=False)
    assert not card.atomic
    with pytest.raises(DeviceError):
        card.commit({PRIMARY: {}}, 0)
    card.close()


def test_what_is_no_card(fake_kernel):
    FakeCamera(fake_kernel, "/dev/dri/card0")
    with pytest.raises(UnsupportedError, match="not a DRM device"):
        Card("/dev/dri/card0")
    with pytest.raises(DeviceNotFoundError):
        Card("/dev/dri/card9")


@pytest.mark.proves("T79", "DRM_IOCTL_GET_CAP")
def test_capabilities(card):
    assert card.get_cap(1) == 1
    assert card.get_cap(5) == 3
    assert card.get_cap(0x99) == 0
    assert card.set_client_cap(99, 1) is False


@pytest.mark.proves("drm-kms:master", "DRM_IOCTL_AUTH_MAGIC", "DRM_IOCTL_SET_MASTER", "DRM_IOCTL_DROP_MASTER")
def test_master(fake, card):
    assert card.is_master
    other = Card("/dev/dri/card0")
    assert not other.is_master
    with pytest.raises(DeviceBusyError):
        other.set_master()
    with pytest.raises(DevicePermissionError, match="DRM_IOCTL_MODE_ATOMIC"):
        other.commit({PRIMARY: {}}, TEST_ONLY)
    card.drop_master()
    other.set_master()
    assert other.is_master
    assert not card.is_master
    other.close()


@pytest.mark.proves("DRM_IOCTL_MODE_GETRESOURCES")
def test_resources(card):
    assert card.resources() == ((CRTC,), (CONNECTOR, UNPLUGGED))


@pytest.mark.parametrize("code", [errno.EOPNOTSUPP, errno.EINVAL])
def test_card_without_a_display(fake_kernel, card, code):
    fake_kernel.fail("DRM_IOCTL_MODE_GETRESOURCES", code)
    assert card.resources() == ((), ())


def test_resources_that_grow_in_between_are_asked_again(fake, card, monkeypatch):
    counted = fake.counted
    answers = iter([[CONNECTOR], [CONNECTOR, UNPLUGGED], [CONNECTOR, UNPLUGGED], [CONNECTOR, UNPLUGGED]])

    def growing(argument, count, pointer, values):
        counted(argument, count, pointer, next(answers) if count == "count_connectors" else values)

    monkeypatch.setattr(fake, "counted", growing)
    assert card.resources() == ((CRTC,), (CONNECTOR, UNPLUGGED))


@pytest.mark.proves("DRM_IOCTL_MODE_GETENCODER", "DRM_IOCTL_MODE_GETCONNECTOR")
def test_connector(card):
    connector = card.connector(CONNECTOR)
    assert (connector.id, connector.type, connector.number, connector.connected) == (CONNECTOR, 11, 1, True)
    assert (connector.encoder, connector.possible_crtcs) == (45, 1)
    (mode,) = connector.modes
    assert isinstance(mode, Mode)
    assert (mode.name, mode.width, mode.height, mode.preferred, len(mode.raw)) == ("fake", 64, 16, True, 68)
    assert mode.refresh == pytest.approx(60, rel=0.05)


def test_unplugged_connector(card):
    connector = card.connector(UNPLUGGED)
    assert (connector.connected, connector.modes, connector.encoder) == (False, (), 0)
    with pytest.raises(DeviceNotFoundError, match="GETCONNECTOR"):
        card.connector(99)


@pytest.mark.proves("DRM_IOCTL_MODE_GETPLANERESOURCES", "DRM_IOCTL_MODE_GETPLANE")
def test_planes(card, fake):
    primary, overlay = card.planes()
    assert primary == Plane(PRIMARY, 0, 0, 1, tuple(fake.formats))
    assert overlay.id == OVERLAY
    with pytest.raises(DeviceNotFoundError):
        card.plane(99)


@pytest.mark.proves("T76", "DRM_IOCTL_MODE_GETPROPERTY", "DRM_IOCTL_MODE_OBJ_GETPROPERTIES")
def test_properties(card, fake):
    found = card.properties(PRIMARY, PLANE_TYPE)
    assert set(found) >= {"type", "FB_ID", "CRTC_ID", "IN_FORMATS", "SRC_X", "CRTC_H"}
    assert found["FB_ID"] == Property(fake.property_id(PRIMARY, "FB_ID"), 0, 0x40)
    assert card.enum_values(found["type"].id)["Primary"] == found["type"].value
    assert card.properties(99, PLANE_TYPE) == card.properties(PRIMARY, CRTC_TYPE) == {}
    assert "CRTC_ID" in card.properties(CONNECTOR, CONNECTOR_TYPE)


@pytest.mark.proves("T70", "DRM_IOCTL_MODE_GETPROPBLOB")
def test_in_formats_blob(card, fake):
    blob = card.read_blob(card.properties(PRIMARY, PLANE_TYPE)["IN_FORMATS"].value)
    version, _, count, offset, modifiers, start = struct.unpack_from("=6I", blob)
    assert (version, modifiers) == (1, 1)
    assert list(struct.unpack_from(f"={count}I", blob, offset)) == fake.formats
    assert struct.unpack_from("=QIIQ", blob, start) == ((1 << count) - 1, 0, 0, 0)


@pytest.mark.proves("T78", "DRM_IOCTL_MODE_CREATEPROPBLOB", "DRM_IOCTL_MODE_DESTROYPROPBLOB")
def test_blobs(card):
    content = bytes(range(200))
    id = card.create_blob(content)
    assert card.read_blob(id) == content
    card.destroy_blob(id)
    with pytest.raises(DeviceNotFoundError):
        card.read_blob(id)
    with pytest.raises(DeviceError):
        card.create_blob(b"")


def light_up(card, fake, id):
    """Turn the display on with a framebuffer."""
    blob = card.create_blob(card.connector(CONNECTOR).modes[0].raw)
    p = fake.property_id
    card.commit(
        {
            CRTC: {p(CRTC, "ACTIVE"): 1, p(CRTC, "MODE_ID"): blob}, CONNECTOR: {p(CONNECTOR, "CRTC_ID"): CRTC},
            PRIMARY: {p(PRIMARY, "FB_ID"): id, p(PRIMARY, "CRTC_ID"): CRTC, p(PRIMARY, "CRTC_X"): -3},
        },
        ALLOW_MODESET,
    )  # fmt: skip
    card.destroy_blob(blob)


@pytest.mark.proves("DRM_IOCTL_MODE_ATOMIC")
def test_commit(card, fake, fake_kernel):
    _, buffer = new_buffer(fake_kernel)
    framebuffer = add_framebuffer(card, [buffer], [(0, 0, 256, 16)], (64, 16), fourcc("XR24"))
    light_up(card, fake, framebuffer.id)
    assert (fake.active, fake.shown[PRIMARY]) == (1, framebuffer.id)
    assert fake.value(PRIMARY, "CRTC_X") == 0xFFFFFFFFFFFFFFFD  # signed, as the kernel takes it
    assert card.plane(PRIMARY).framebuffer == framebuffer.id
    id, x, y, mode = card.get_crtc(CRTC)
    assert (id, x, y, mode.width) == (framebuffer.id, 0, 0, 64)
    card.commit({PRIMARY: {fake.property_id(PRIMARY, "FB_ID"): 0}}, TEST_ONLY)
    assert fake.shown[PRIMARY] == framebuffer.id
    framebuffer.close()


@pytest.mark.proves("DRM_IOCTL_MODE_ATOMIC")
def test_refused_commits(card, fake):
    property = fake.property_id(PRIMARY, "FB_ID")
    for settings, flags, kind in (
        ({PRIMARY: {property: 9999}}, TEST_ONLY, DeviceNotFoundError),
        ({99: {property: 0}}, TEST_ONLY, DeviceNotFoundError),
        ({PRIMARY: {9999: 0}}, TEST_ONLY, DeviceNotFoundError),
        ({CRTC: {fake.property_id(CRTC, "ACTIVE"): 1}}, TEST_ONLY, DeviceError),
        ({PRIMARY: {property: 0}}, 0x8000, DeviceError),
    ):
        with pytest.raises(kind, match="DRM_IOCTL_MODE_ATOMIC"):
            card.commit(settings, flags)


@pytest.mark.parametrize("settings", [{i: {} for i in range(65)}, {1: dict.fromkeys(range(513), 0)}])
def test_commit_that_is_too_large(card, settings):
    with pytest.raises(ValueError, match="64 objects and 512"):
        card.commit(settings, 0)


@pytest.mark.proves("T68")
@pytest.mark.parametrize("code", [errno.EAGAIN, errno.EINTR])
def test_calls_are_restarted(fake_kernel, card, code):
    fake_kernel.fail("DRM_IOCTL_MODE_ATOMIC", code, times=3)
    card.commit({PRIMARY: {}}, TEST_ONLY)
    assert fake_kernel.count("DRM_IOCTL_MODE_ATOMIC") == 4


@pytest.mark.proves("drm-kms:legacy", "DRM_IOCTL_MODE_GETCRTC", "DRM_IOCTL_MODE_SETCRTC")
def test_legacy_mode_setting(card, fake, fake_kernel):
    _, buffer = new_buffer(fake_kernel)
    framebuffer = add_framebuffer(card, [buffer], [(0, 0, 256, 16)], (64, 16), fourcc("XR24"))
    assert card.get_crtc(CRTC) == (0, 0, 0, None)
    card.set_crtc(CRTC, framebuffer.id, [CONNECTOR], card.connector(CONNECTOR).modes[0].raw)
    assert (fake.active, fake.shown[PRIMARY]) == (1, framebuffer.id)
    card.set_crtc(CRTC, 0)
    assert (fake.active, fake.shown[PRIMARY]) == (0, 0)
    with pytest.raises(ValueError, match="68 bytes"):
        card.set_crtc(CRTC, framebuffer.id, [CONNECTOR], b"short")
    framebuffer.close()


@pytest.mark.parametrize(
    "use",
    [
        lambda c: c.resources(), lambda c: c.connector(CONNECTOR), lambda c: c.planes(),
        lambda c: c.properties(PRIMARY, PLANE_TYPE), lambda c: c.create_blob(b"x"), lambda c: c.commit({}, 0),
        lambda c: c.get_crtc(CRTC), lambda c: c.set_master(),
    ],
)  # fmt: skip
def test_unplugged_is_told_by_every_call(card, fake, use):
    fake.unplug()
    with pytest.raises(DeviceGoneError):
        use(card)
