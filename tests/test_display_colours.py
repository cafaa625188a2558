"""What a display is told of colours: encoding and range of Y'CbCr, tables, matrices; damage; refresh rates."""

import dataclasses

import numpy as np
import pytest

import zcore
from codec_rig import Camera
from fakekernel import FakeCard
from fakekernel.drm import CRTC, PRIMARY
from zcore.formats import find
from zcore.stages.base import LinkCaps
from zcore.stages.kms_color import colour_settings, lut_content, matrix_content

CARD = "/dev/dri/card0"


@pytest.fixture
def card(fake_kernel):
    return FakeCard(fake_kernel, auto=True)


def run(kernel, **options):
    display = zcore.Display(CARD, plane="primary", **options)
    with zcore.Chain(Camera(kernel, code="XR24", size=(64, 16)).stage(), display) as chain:
        chain.run(frames=2, require_zero_copy=True)
        yield display


@pytest.mark.proves("T73", "drm-kms:colour")
@pytest.mark.parametrize(
    ("colorspace", "quantization", "encoding", "full"),
    [(1, 0, 0, 0), (3, 0, 1, 0), (10, 0, 2, 0), (7, 0, 0, 1), (3, 1, 1, 1)],
    ids=["smpte170m", "rec709", "bt2020", "jpeg", "rec709-full"],
)
def test_planes_learn_the_colours_of_frames(fake_kernel, card, colorspace, quantization, encoding, full):
    caps = LinkCaps(find("NV12"), 64, 16, ((64 * 24, 64),), colorspace=colorspace, quantization=quantization)
    with zcore.Display(CARD) as display:
        known = display.card.properties(PRIMARY, 0xEEEEEEEE)
        found = colour_settings(display.card, known, caps)
        assert found == {known["COLOR_ENCODING"].id: encoding, known["COLOR_RANGE"].id: full}
        assert colour_settings(display.card, known, dataclasses.replace(caps, format=find("XR24"))) == {}
        assert colour_settings(display.card, {}, caps) == {}  # a plane that cannot be told


def test_tables_and_matrices(fake_kernel, card):
    gamma, matrix = np.linspace(1, 0, 256), [[0, 1, 0], [-0.5, 0, 0], [0, 0, 1]]
    for display in run(fake_kernel, gamma=gamma, ctm=matrix, vrr=True):
        blobs = card.clients[card.master].blobs
        entries = np.frombuffer(blobs[card.value(CRTC, "GAMMA_LUT")], "<u2").reshape(256, 4)
        assert entries[0].tolist() == [65535, 65535, 65535, 0]
        assert entries[-1].tolist() == [0, 0, 0, 0]
        ctm = np.frombuffer(blobs[card.value(CRTC, "CTM")], "<u8").tolist()
        assert ctm == [0, 1 << 32, 0, 1 << 63 | 1 << 31, 0, 0, 0, 0, 1 << 32]
        assert card.value(CRTC, "VRR_ENABLED") == 1
        assert display.facts()["mode"]
    assert [card.value(CRTC, name) for name in ("GAMMA_LUT", "CTM", "VRR_ENABLED")] == [0, 0, 0]
    assert not any(file.open for file in card.files)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (np.zeros(255), "has 256 entries here"), (np.zeros((256, 4)), "has 256 entries"),
        (np.full(256, 1.5), "floats are 0.0 to 1.0"), (np.full(256, -1), "integers of 0 to 65535"),
        (np.full(256, np.nan), "floats are"),
    ],
)  # fmt: skip
def test_tables_that_cannot_be(given, told):
    with pytest.raises(zcore.ChainError, match=told):
        lut_content("GAMMA_LUT", given, 256)


def test_matrix_that_cannot_be():
    with pytest.raises(zcore.ChainError, match="3 by 3"):
        matrix_content([1, 2, 3])


@pytest.mark.parametrize(
    ("options", "told"),
    [({"eotf": "pg"}, "eotf is one of"), ({"white": (2, 0)}, "pairs of 0 to 1"), ({"max_cll": 70000}, "luminance")],
)
def test_metadata_that_cannot_be(options, told):
    with pytest.raises(ValueError, match=told):
        zcore.HdrMetadata(**options).pack()


@pytest.mark.proves("drm-kms:damage")
def test_damage_goes_with_the_frame(fake_kernel, card):
    seen = []
    for display in run(fake_kernel):
        frame = display.scanout.frame_on_screen()
        atomic, blobs = card.drm_ioctl_mode_atomic, card.clients[card.master].blobs
        clips = card.property_id(PRIMARY, "FB_DAMAGE_CLIPS")

        def watch(file, argument, atomic=atomic, blobs=blobs, clips=clips):
            seen.append(blobs[card.settings(argument)[PRIMARY][clips]])
            atomic(file, argument)

        card.drm_ioctl_mode_atomic = watch
        before = set(blobs)
        display.show(frame, damage=[(8, 4, 16, 8), (0, 0, 1, 1)])
        assert set(blobs) == before
        card.drm_ioctl_mode_atomic = atomic
        assert np.frombuffer(seen[0], "<i4").tolist() == [8, 4, 24, 12, 0, 0, 1, 1]
        with pytest.raises(ValueError, match="reaches out of the frame"):
            display.show(frame, damage=[(60, 0, 8, 8)])
        del frame
