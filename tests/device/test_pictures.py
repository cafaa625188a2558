"""What vkms shows, read back through its writeback connector and compared with what numpy says it should be.

The results are kept in pictures.json, from which docs/pictures.md is made (tests/pictures_page.py). With
ZCORE_PICTURES=write in the environment they are written anew.
"""

import json
import os

import numpy as np
import pytest

import zcore
from picture_rig import RESULTS, SCREEN, as_seen, frames_of, on_screen, pattern, premultiplied, record, stored

FORMATS = ["XR24", "AR24", "RG16", "XR48", "AR48"]
SMALL = (160, 120)


@pytest.fixture(scope="module")
def results():
    return {}


def shown(display, card_frames):
    display.show(card_frames)
    display.scanout.wait()
    return display.screenshot()


@pytest.mark.proves("DRM_IOCTL_MODE_ADDFB2", "T74")
@pytest.mark.parametrize("fourcc", FORMATS)
def test_formats(vkms, results, fourcc):
    picture = pattern(SCREEN)
    with zcore.Display(vkms, mode=SCREEN) as display:
        pool, (frame,) = frames_of(display.card, SCREEN, fourcc, picture)
        assert record(f"format {fourcc}", shown(display, frame), as_seen(picture, fourcc), results)
        del frame, pool


@pytest.mark.proves("T74")
@pytest.mark.parametrize("code", ["XR24", "AR24", "RGBP"])
def test_formats_of_the_camera(vivid, vkms, results, code):
    display = zcore.Display(vkms, mode=SCREEN)
    with zcore.Chain(zcore.Capture(vivid, code, SCREEN, rate=60), display) as chain:
        chain.run(frames=2, require_zero_copy=True)
        seen = display.screenshot()
        frame = display.scanout.frame_on_screen()
        array = frame.array().copy()
        del frame
    if code == "RGBP":
        channels = [(array & 31, 31), (array >> 5 & 63, 63), (array >> 11, 31)]
        array = np.stack([np.rint(np.rint(c * (65535 / top)) / 257).astype(np.uint8) for c, top in channels], axis=-1)
    expected = array[..., :3]
    if code == "AR24":  # vivid's alpha is 0, and what is premultiplied adds up on black
        assert not array[..., 3].any()
    assert record(f"vivid {code}", seen, expected, results)


PLACES = {
    "position": {"render_rectangle": (100, 60, *SMALL)},
    "position at the edge": {"render_rectangle": (480, 360, *SMALL)},
    "letterbox": {},
    "crop": {"source_crop": (32, 16, 64, 48), "render_rectangle": (0, 0, 64, 48)},
    "crop in the middle": {"source_crop": (32, 16, 64, 48)},
}


@pytest.mark.proves("T72")
@pytest.mark.parametrize("name", PLACES)
def test_places(vkms, results, name):
    picture, options = pattern(SMALL), PLACES[name]
    with zcore.Display(vkms, mode=SCREEN, **options) as display:
        pool, (frame,) = frames_of(display.card, SMALL, "XR24", picture)
        x, y, width, height = options.get("source_crop", (0, 0, *SMALL))
        part = picture[y : y + height, x : x + width]
        # vkms does not scale: what is smaller than its rectangle stands in the middle of it.
        left, top = options.get("render_rectangle", ((SCREEN[0] - width) // 2, (SCREEN[1] - height) // 2))[:2]
        assert record(name, shown(display, frame), on_screen(part, left, top), results)
        del frame, pool


TURNS = {
    "rotate-0": lambda p: p,
    "reflect-x": lambda p: p[:, ::-1],
    "reflect-y": lambda p: p[::-1],
    "rotate-90": lambda p: np.rot90(p),
    "rotate-180": lambda p: p[::-1, ::-1],
    "rotate-270": lambda p: np.rot90(p, 3),
}


@pytest.mark.proves("T76")
def test_turns(vkms, results):
    size = (480, 480)
    picture = pattern(size)
    with zcore.Display(vkms, mode=SCREEN, render_rectangle=(0, 0, *size)) as display:
        pool, (frame,) = frames_of(display.card, size, "XR24", picture)
        shown(display, frame)
        for name, turn in TURNS.items():
            display.set(rotation=name if name.startswith("rotate") else f"rotate-0|{name}")
            record(name, display.screenshot(), on_screen(turn(picture)), results)
        del frame, pool
    assert results["rotate-0"] == results["reflect-x"] == "equal"


@pytest.mark.proves("drm-kms:several-planes", "DRM_IOCTL_MODE_ATOMIC", "T58", "T63")
def test_overlay_over_primary(vkms, results):
    below, above = pattern(SCREEN), pattern(SMALL, 2)
    with (
        zcore.Display(vkms, mode=SCREEN, zpos=0) as video,
        zcore.Display(vkms, zpos=1, render_rectangle=(64, 48, *SMALL)) as overlay,
    ):
        pool, (frame,) = frames_of(video.card, SCREEN, "XR24", below)
        half = (above.astype(np.uint16) * 128 // 255).astype(np.uint8)
        translucent = np.dstack([half, np.full(half.shape[:2], 128, np.uint8)])
        over_pool, (opaque,) = frames_of(video.card, SMALL, "AR24", above)
        half_pool, (seen_through,) = frames_of(video.card, SMALL, "AR24", translucent)
        video.show(frame)
        video.scanout.wait()
        assert record("overlay over primary", shown(overlay, opaque), on_screen(above, 64, 48, below=below), results)
        part = below[48 : 48 + SMALL[1], 64 : 64 + SMALL[0]]
        expected = on_screen(premultiplied(half, part, 128), 64, 48, below=below)
        record("overlay, pixels half transparent (pre-multiplied)", shown(overlay, seen_through), expected, results)
        overlay.set(render_rectangle=(200, 300, *SMALL))
        moved = on_screen(above, 200, 300, below=below)
        assert record("overlay, moved while shown", shown(overlay, opaque), moved, results)
        overlay.close()
        assert record("primary, after the overlay has gone", video.screenshot(), below, results)
        del frame, opaque, seen_through, pool, over_pool, half_pool


@pytest.mark.proves("drm-kms:colour")
def test_gamma_is_seen(vkms, results):
    picture = pattern(SCREEN)
    with zcore.Display(vkms, mode=SCREEN, gamma=np.linspace(1, 0, 256)) as display:
        pool, (frame,) = frames_of(display.card, SCREEN, "XR24", picture)
        assert record("gamma, turned over", shown(display, frame), 255 - picture, results)
        del frame, pool


def test_what_vkms_has_not(vkms, results):
    """The table tells what could not be compared, and this that it is so."""
    with zcore.Display(vkms, mode=SCREEN) as display:
        pool, (frame,) = frames_of(display.card, SMALL, "XR24", pattern(SMALL))
        display.show(frame)
        for name in ("alpha", "pixel blend mode", "zpos", "COLOR_ENCODING"):
            assert name not in display._route.plane_properties
            results[name] = "not there"
        target = display._screen.rectangles[1]
        assert target[2:] == SMALL  # 640x480 would have been tried first
        results["scaling"] = "not there"
        del frame, pool


def test_results_are_those_that_are_kept(results):
    if len(results) < 20:
        pytest.skip("only a part of the comparisons was made")
    if os.environ.get("ZCORE_PICTURES") == "write":
        RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    assert results == stored(), "tests/pictures_page.py tells how to make docs/pictures.md anew"
