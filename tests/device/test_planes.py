"""Several planes of one vkms screen: one commit at a time, whoever shows; changes while frames are shown."""

import threading

import pytest

import zcore
from zcore._drm import Card
from zcore.stages.kms_setup import PLANE

SIZE = (640, 480)


@pytest.mark.proves("DRM_IOCTL_MODE_ATOMIC", "T58", "T59", "T61", "drm-kms:several-planes")
def test_two_chains_on_one_screen(vivid, vkms):
    video = zcore.Display("vkms", mode=SIZE)
    overlay = zcore.Display("vkms", plane="overlay", render_rectangle=(0, 0, 320, 240))
    main = zcore.Chain(zcore.Capture(vivid, "XR24", SIZE, rate=60), video)
    side = zcore.Chain(zcore.TestSource("XR24", (320, 240)), overlay)
    with main, side:
        main.plan()
        side.plan()
        main.start(frames=20, require_zero_copy=True)
        side.start(frames=30)
        assert side.wait(60).frames == 30
        assert main.wait(60).frames == 20
        assert video.scanout.plane != overlay.scanout.plane
        assert video.card is overlay.card
        assert overlay.scanout.flips == 30
        print("shared commits:", video.scanout.shared_commits, overlay.scanout.shared_commits)


@pytest.mark.proves("drm-kms:several-planes")
def test_one_chain_on_two_planes(vivid, vkms):
    video = zcore.Display("vkms", mode=SIZE, name="video")
    overlay = zcore.Display("vkms", zpos=1, source_crop=(0, 0, 200, 100), render_rectangle=(20, 20, 200, 100))
    camera, tee = zcore.Capture(vivid, "XR24", SIZE, rate=60), zcore.Tee()
    with zcore.Chain(links=[(camera, tee), (tee, video), (tee, overlay)]) as chain:
        report = chain.run(frames=10, require_zero_copy=True)
        assert report.zero_copy
        seen = video.screenshot()
        frame = video.scanout.frame_on_screen()
        top = overlay.scanout.frame_on_screen()
        assert (seen[20:120, 20:220, :3] == top.array()[:100, :200, :3]).all()
        assert (seen[200:, :, :3] == frame.array()[200:, :, :3]).all()
        assert overlay.scanout.shared_commits > 0
        del frame, top


def test_planes_and_crtcs_by_name(vkms):
    with zcore.Display(vkms, plane="overlay-1", crtc="crtc-0", mode=0) as display:
        assert display.accepts()
    for options, told in (
        ({"plane": "overly"}, r"no plane 'overly' for this CRTC; it has primary-0 \(\d+\), "),
        ({"crtc": "crtc-7"}, r"no crtc 'crtc-7'; it has crtc-0 \(\d+\)"),
        ({"mode": 999}, "modes, no number 999"),
    ):
        with zcore.Display(vkms, **options) as display, pytest.raises(zcore.ChainError, match=told):
            display.accepts()


def test_displays_ask_for_two_modes(vkms):
    with zcore.Display(vkms, mode=SIZE) as first, zcore.Display(vkms, mode=(800, 600)) as second:
        with zcore.Chain(zcore.TestSource("XR24", SIZE), first) as chain:
            chain.run(frames=2)
            with pytest.raises(zcore.ChainError, match=r"asks for the mode 800x600 .* give both the same mode"):
                zcore.Chain(zcore.TestSource("XR24", SIZE), second).run(frames=2)


@pytest.mark.proves("T76", "drm-kms:test-only")
def test_changes_go_with_the_next_frame(vivid, vkms):
    display = zcore.Display(vkms, mode=SIZE)
    with zcore.Chain(zcore.Capture(vivid, "XR24", SIZE, rate=60), display) as chain:
        chain.start(frames=40)
        while chain.frames_done < 3:
            threading.Event().wait(0.01)
        display.set(rotation="rotate-0|reflect-x", source_crop=(0, 0, 320, 240))
        assert chain.wait(60).frames == 40
        now = display.card.properties(display.scanout.plane, PLANE)
        assert now["rotation"].value == 0x11
        assert now["SRC_W"].value == 320 << 16
        with pytest.raises(zcore.ChainError, match="no property 'rotatoin'"):
            display.set(rotatoin=1)
    card = Card(vkms)
    try:
        assert card.properties(now_plane(card), PLANE)["rotation"].value == 1
    finally:
        card.close()


def now_plane(card):
    return next(p.id for p in card.planes() if card.properties(p.id, PLANE)["type"].value == 1)


@pytest.mark.proves("drm-kms:master", "DRM_IOCTL_SET_MASTER", "T75", "DRM_IOCTL_DROP_MASTER")
def test_master_lost_in_a_run(vivid, vkms):
    display = zcore.Display(vkms, mode=SIZE)
    display.open()
    chain = zcore.Chain(zcore.Capture(vivid, "XR24", SIZE, rate=60), display)
    chain.start(frames=10**6)
    while chain.frames_done < 3:
        threading.Event().wait(0.01)
    display.card.drop_master()
    with pytest.raises(zcore.DevicePermissionError, match="not the DRM master") as caught:
        chain.wait(60)
    display.card.set_master()
    caught.value.__traceback__ = None
    display.close()


@pytest.mark.proves("DRM_IOCTL_CRTC_GET_SEQUENCE", "DRM_IOCTL_WAIT_VBLANK")
def test_vertical_blanks(vkms):
    with zcore.Display(vkms, mode=SIZE) as display:
        source = zcore.TestSource("XR24", SIZE)
        with zcore.Chain(source, display) as chain:
            chain.run(frames=2)
            number, when = display.vblank()
            later, then = display.wait_vblank(2)
            assert then > when
            assert (later - number) & 0xFFFFFFFF >= 2


@pytest.mark.proves("DRM_IOCTL_MODE_SETPLANE", "drm-kms:legacy")
def test_legacy_overlay(vivid, vkms):
    display = zcore.Display(vkms, mode=SIZE, atomic=False, plane="overlay")
    with zcore.Chain(zcore.Capture(vivid, "XR24", SIZE, rate=60), display) as chain:
        assert chain.run(frames=5, require_zero_copy=True).frames == 5
        assert display.scanout.flips == 5


def test_what_vkms_cannot(vkms):
    for options, told in (
        ({"async_flip": True}, "no asynchronous flips"),
        ({"vrr": True}, "no variable refresh rate"),
        ({"hdr_metadata": zcore.HdrMetadata()}, "takes no HDR metadata"),
        ({"gamma": [0.0, 1.0]}, "GAMMA_LUT has 256 entries here"),
        ({"degamma": [0.0, 1.0]}, "has no DEGAMMA_LUT"),
    ):
        with pytest.raises(zcore.ChainError, match=told):
            zcore.Chain(zcore.TestSource("XR24", SIZE), zcore.Display(vkms, **options)).run(frames=1)
