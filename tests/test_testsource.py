"""The source of test pictures: patterns, their places in frames, pace and end."""

import shutil
import subprocess
from fractions import Fraction

import numpy as np
import pytest

import zcore
from zcore.formats import find
from zcore.stages import patterns
from zcore.stages.identity import Identity
from zcore.stages.painting import drawable, drawable_formats, planes_of, rgb_to_yuv
from zcore.stages.patterns import PATTERNS, Look, ZonePlate, pattern_name, picture, rgb_picture
from zcore.stages.testsource import Film, TestSource

SIZE = (64, 48)
PLATE = ZonePlate(kx2=20, ky2=20, kt=1)


def frames_of(source, count, fmt=None):
    sink = zcore.ArraySink(format=fmt)
    stamps = []
    zcore.Chain(source, Identity(on_frame=lambda f: stamps.append(f.timestamp_ns)), sink).run(frames=count)
    return sink, stamps


def test_patterns_have_gstreamers_names_and_numbers():
    assert [pattern_name(number) for number in (0, 1, 10, 17, 18, 25)] == [
        "smpte", "snow", "checkers-8", "solid-color", "ball", "smpte-rp-219",
    ]  # fmt: skip
    assert pattern_name("solid_color") == pattern_name("Solid-Color") == "solid-color"
    assert pattern_name("checkers") == "checkers-8"


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [("smtpe", "smpte"), ("chekers-4", "checkers-4"), (26, "0 to 25"), (-1, "0 to 25"), ("qqqqqq", "one of smpte")],
)
def test_unknown_pattern_names_the_nearest(wrong, hint):
    with pytest.raises(ValueError, match=hint):
        TestSource("XR24", pattern=wrong)


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("size", [(1, 1), (2, 2), (3, 5), (17, 9), (50, 30)])
def test_every_pattern_can_be_drawn_at_any_size(pattern, size):
    for number in (0, 1, 31):
        drawn = picture(pattern, *size, number, Look(zone=PLATE))
        assert drawn.shape == (size[1], size[0], 4)
        assert drawn.dtype == np.uint8
        assert drawn[..., 3].min() == 255


@pytest.mark.parametrize(("name", "colour"), patterns.PLAIN.items())
def test_plain_colours(name, colour):
    assert (rgb_picture(name, 5, 4) == colour).all()


def test_bars():
    row = rgb_picture("smpte100", 70, 9)[4]
    assert row[5::10].tolist() == [[255 * part for part in bar] for bar in patterns.BARS]
    assert (rgb_picture("smpte75", 70, 9)[4] == row // 255 * 191).all()


def test_smpte_has_three_rows_and_moving_noise():
    first, second = (rgb_picture("smpte", 120, 120, number) for number in (0, 1))
    assert first[10, 5].tolist() == [255, 255, 255]
    assert first[85, 5].tolist() == [0, 0, 255]  # the second row is in the order of the first, the other way round
    assert first[85, -5].tolist() == [255, 255, 255]
    assert first[100, 5].tolist() == [0, 0, 128]
    changed = np.argwhere((first != second).any(axis=-1))
    assert changed.min() >= 90
    assert len(changed) > 800
    assert (rgb_picture("smpte", 120, 120, patterns.FRAMES) == first).all()


@pytest.mark.parametrize("side", [1, 2, 4, 8])
def test_checkers(side):
    drawn = rgb_picture(f"checkers-{side}", 32, 32)
    red = np.kron(np.indices((32 // side, 32 // side)).sum(axis=0) % 2 == 0, np.ones((side, side), bool))
    assert (drawn[red] == (255, 0, 0)).all()
    assert (drawn[~red] == (0, 255, 0)).all()


def test_colours_of_the_two_coloured_patterns():
    look = Look(foreground=0x80_10_20_30, background=0x40_A0_B0_C0)
    assert (picture("solid-color", 4, 4, 0, look) == (0x10, 0x20, 0x30, 0x80)).all()
    assert (picture("blink", 4, 4, 0, look) == (0xA0, 0xB0, 0xC0, 0x40)).all()
    assert (picture("blink", 4, 4, 1, look) == (0x10, 0x20, 0x30, 0x80)).all()
    bar = picture("bar", 70, 4, 0, look)
    assert (bar[:, :10] == (0x10, 0x20, 0x30, 0x80)).all()
    assert (bar[:, 10:] == (0xA0, 0xB0, 0xC0, 0x40)).all()
    gradient = picture("gradient", 4, 100, 0)[..., 0]
    assert gradient[0].max() == 0
    assert (np.diff(gradient[:, 0].astype(int)) >= 0).all()
    assert gradient[-1].min() > 250


def test_colors_has_no_colour_twice():
    drawn = rgb_picture("colors", 256, 256).reshape(-1, 3)
    assert len(np.unique(drawn, axis=0)) == 256 * 256


def test_ball_stays_inside_and_moves():
    places = []
    for number in range(400):
        ys, xs = np.nonzero(rgb_picture("ball", 100, 80, number)[..., 0] > 128)
        assert 700 < len(xs) < 1300
        places.append((xs.mean(), ys.mean()))
    assert len(set(places)) > 390


@pytest.mark.parametrize("motion", patterns.MOTIONS)
def test_ball_turns_and_flips(motion):
    look = Look(motion=motion, flip=True, rate=Fraction(10))
    bright = [rgb_picture("ball", 100, 80, number, look)[..., 0].mean() > 128 for number in range(40)]
    assert bright == [number // 10 % 2 == 1 for number in range(40)]


def test_sweeping_ball_is_back_after_a_second():
    look = Look(motion="sweep", rate=Fraction(10))
    assert (rgb_picture("ball", 100, 80, 0, look) == rgb_picture("ball", 100, 80, 10, look)).all()
    assert (rgb_picture("ball", 100, 80, 0, look) != rgb_picture("ball", 100, 80, 5, look)).any()


def test_zone_plate_is_grey_without_coefficients_and_moves_with_them():
    assert (rgb_picture("zone-plate", 64, 48) == 128).all()
    assert patterns.period("zone-plate") == 1
    look = Look(zone=PLATE)
    assert patterns.period("zone-plate", look) == 0
    first, later = (rgb_picture("zone-plate", 64, 48, number, look) for number in (0, 64))
    assert first[24, 32, 0] == 128
    assert later[24, 32, 0] == 255  # a quarter of a cycle
    assert (rgb_picture("chroma-zone-plate", 64, 48, 0, look)[..., :2] == 128).all()


def test_picture_scrolls_to_the_left():
    still = rgb_picture("smpte100", 70, 8)
    moved = rgb_picture("smpte100", 70, 8, 3, Look(horizontal_speed=4))
    assert (moved[:, :-12] == still[:, 12:]).all()
    assert (moved[:, -12:] == still[:, :12]).all()


def test_gamut_breaks_the_limits_in_yuv():
    film = Film("gamut", find("YUV444"), (64, 64), Look())
    planes = [np.empty((64, 64), np.uint8) for _ in range(3)]
    film.draw(0, planes)
    assert sorted(set(planes[0][:16].flat)) == [0, 16]
    assert sorted(set(planes[0][16:32].flat)) == [235, 255]
    assert planes[2].max() == planes[1].max() == 255


@pytest.mark.parametrize("fmt", drawable_formats(), ids=str)
def test_patches_lie_where_the_picture_has_them(fmt):
    """What is painted piecewise is what is painted as a whole."""
    width, height = 61, 43
    for pattern, number in (("smpte", 7), ("ball", 0), ("ball", 33)):
        film = Film(pattern, fmt, (width, height), Look())
        planes = [np.empty(spec.shape, spec.dtype) for spec in fmt.array_specs(width, height)]
        film.draw(number, planes)
        whole = planes_of(picture(pattern, width, height, number), fmt)
        for drawn, expected in zip(planes, whole, strict=True):
            assert drawn.tobytes() == expected.tobytes()


def test_repeating_pictures_are_painted_once():
    film = Film("snow", find("GREY"), (16, 16), Look())
    film.paint_ahead()
    assert len(film._painted) == patterns.FRAMES
    planes = [np.empty((16, 16), np.uint8)]
    film.draw(2, planes)
    first = planes[0].copy()
    film.draw(2 + patterns.FRAMES, planes)
    assert (planes[0] == first).all()
    assert len(film._painted) == patterns.FRAMES


@pytest.mark.parametrize("name", ["BGRx", "RGB16", "NV12", "I420", "YUY2", "P010_10LE", "GRAY8"])
def test_padded_rows(name):
    fmt = find(f"gst:{name}")
    source = TestSource(fmt, (37, 21), pattern="smpte75", memory="memfd")
    dense = source.set_output(fmt, None)
    padded = source.set_output(fmt, None, dense.memory_planes[0][1] + 52)
    assert padded.memory_planes[0][1] == dense.memory_planes[0][1] + 52
    pool = source.output.allocate(padded, 1, export=True)
    frame = pool.acquire(0)
    for plane in frame.planes(write=True):
        plane[...] = 0
    source.start()
    source.draw(frame)
    expected = planes_of(picture("smpte75", 37, 21), fmt)
    for plane, wanted in zip(frame.planes(), expected, strict=True):
        assert plane.strides[0] > wanted.strides[0]
        assert (plane == wanted).all()
    source.close()


def test_end_after_num_buffers():
    sink, _ = frames_of(TestSource("GREY", SIZE, num_buffers=3, memory="memfd"), None)
    assert sink.sequences == [0, 1, 2]


def test_run_may_ask_for_less_than_num_buffers():
    sink, _ = frames_of(TestSource("GREY", SIZE, num_buffers=9, memory="memfd"), 2)
    assert sink.sequences == [0, 1]


def test_stamps_are_places_in_the_film():
    _, stamps = frames_of(TestSource("GREY", SIZE, is_live=False, rate=25, timestamp_offset=7, memory="memfd"), 4)
    assert stamps == [7, 40_000_007, 80_000_007, 120_000_007]


def test_live_source_stamps_with_the_clock():
    source = TestSource("GREY", SIZE, rate=200, memory="memfd")
    assert source.is_live
    _, stamps = frames_of(source, 5)
    assert stamps == sorted(stamps)
    assert stamps[0] > 1_000_000_000
    _, stamps = frames_of(TestSource("GREY", SIZE, do_timestamp=True, memory="memfd"), 2)
    assert stamps[0] > 1_000_000_000


@pytest.mark.parametrize("mode", ["wall-time", "running-time"])
def test_time_may_move_the_pictures(mode):
    sink, _ = frames_of(TestSource("GREY", SIZE, pattern="blink", animation_mode=mode, memory="memfd"), 3)
    assert {int(array[0, 0]) for array in sink.arrays} <= {0, 255}


def test_size_and_format_are_free_unless_they_are_given():
    source = TestSource()
    assert source.size is None
    assert source.present() == (find("BGRx"), (640, 480))
    assert source.set_output(find("NV12"), (320, 240)).size == (320, 240)
    assert source.set_output(find("NV12"), None).size == (640, 480)
    assert TestSource(size=(8, 8)).set_output(find("NV12"), (320, 240)).size == (8, 8)


def test_all_offered_formats_can_be_drawn():
    offered = TestSource().offers()
    assert len(offered) > 120
    assert all(map(drawable, offered))
    assert [fmt.gst for fmt in offered[:3]] == ["BGRx", "RGBx", "RGB16"]
    for name in ("SRGGB8", "NV15", "HM12", "FWHT", "PAL8", "HSV24"):
        fmt = find("RGGB" if name == "SRGGB8" else name)
        assert drawable(fmt) == (name == "SRGGB8")


@pytest.mark.parametrize(("name", "why"), [("MJPG", "is coded"), ("HM12", "is tiled"), ("NV15", "no samples")])
def test_undrawable_formats_say_why(name, why):
    with pytest.raises(zcore.NegotiationError, match=why):
        TestSource("XR24").set_output(find(name), (64, 48))


def test_deep_and_odd_formats_keep_the_colours():
    red = np.broadcast_to(np.uint8((255, 0, 0, 255)), (4, 4, 4))
    assert planes_of(red, find("RGB48"))[0][0, 0].tolist() == [65535, 0, 0]
    assert planes_of(red, find("drm:AR4H"))[0][0, 0].tolist() == [0, 0, 1, 1]
    assert planes_of(red, find("RGGB"))[0][:2, :2].tolist() == [[255, 0], [0, 0]]
    assert planes_of(red, find("AR15"))[0][0, 0] == 0xFC00
    y, u, v = rgb_to_yuv(red[..., :3])[0, 0].tolist()
    assert (y, u, v) == (81, 90, 240)
    assert planes_of(red, find("AYUV"))[0][0, 0].tolist() == [255, 81, 90, 240]
    assert planes_of(np.full((2, 2, 3), 255, np.uint8), find("GREY"))[0].min() == 255


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"rate": 0}, "above 0"),
        ({"animation_mode": "x"}, "one of frames"),
        ({"motion": "x"}, "one of wavy"),
        ({"foreground_color": 1 << 32}, "32 bits"),
        ({"background_color": -1}, "32 bits"),
    ],
)
def test_wrong_arguments(options, why):
    with pytest.raises(ValueError, match=why):
        TestSource("XR24", **options)


SAME = [
    "black", "white", "red", "green", "blue", "checkers-1", "checkers-2", "checkers-4", "checkers-8", "blink",
    "smpte75", "gamut", "solid-color", "smpte100", "bar", "colors",
]  # fmt: skip


@pytest.mark.skipif(shutil.which("gst-launch-1.0") is None, reason="GStreamer is not installed")
@pytest.mark.parametrize("pattern", SAME)
def test_pictures_are_gstreamers(pattern, tmp_path):
    path = tmp_path / "frames.rgb"
    subprocess.run(
        f"gst-launch-1.0 -q videotestsrc num-buffers=2 pattern={pattern} ! video/x-raw,format=RGB,width=160,height=120"
        f" ! filesink location={path}",
        shell=True, check=True, timeout=50,
    )  # fmt: skip
    theirs = np.fromfile(path, np.uint8).reshape(2, 120, 160, 3)
    for number in (0, 1):
        assert (rgb_picture(pattern, 160, 120, number) == theirs[number]).all()
