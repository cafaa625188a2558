"""Colours: the kernel's rules for what a driver leaves open, and GStreamer's strings for them."""

import ctypes
import ctypes.util
import itertools
import subprocess

import pytest

from zcore import colorimetry, formats
from zcore.colorimetry import COLORSPACES, ENCODINGS, GST_NAMES, TRANSFERS, Colorimetry, parse, resolve
from zcore.stages.base import LinkCaps

ALL = sorted(set(COLORSPACES.values()) - {0})
PROGRAM = """
#include <stdio.h>
#include <linux/videodev2.h>
int main(void)
{
    for (int rgb = 0; rgb < 2; rgb++)
        for (int space = 1; space < 13; space++)
            printf("%d %d %d %d %d\\n", rgb, space, V4L2_MAP_YCBCR_ENC_DEFAULT(space),
                   V4L2_MAP_QUANTIZATION_DEFAULT(rgb, space, 0), V4L2_MAP_XFER_FUNC_DEFAULT(space));
    for (int sd = 0; sd < 2; sd++)
        for (int hd = 0; hd < 2; hd++)
            printf("- %d %d %d 0\\n", sd, hd, V4L2_MAP_COLORSPACE_DEFAULT(sd, hd));
}
"""


@pytest.mark.proves("T86", "colorspaces:defaults")
def test_defaults_are_those_of_the_header(tmp_path):
    (tmp_path / "map.c").write_text(PROGRAM)
    subprocess.run(["cc", "-o", tmp_path / "map", tmp_path / "map.c"], check=True)
    said = subprocess.run([tmp_path / "map"], check=True, capture_output=True, text=True).stdout.split("\n")[:-1]
    assert len(said) == 24 + 4
    for line in said:
        first, *rest = line.split()
        a, b, c, d = map(int, rest)
        if first == "-":
            assert colorimetry.default_colorspace(bool(a), bool(b)) == c, line
        elif a in ALL:
            assert resolve(a, 0, 0, 0, bool(int(first)))[:4] == (a, b, c, d), line


def test_what_the_driver_tells_wins():
    assert resolve(3, 1, 1, 2) == Colorimetry(3, 1, 1, 2)
    assert resolve(8, 129, 0, 0, True) == Colorimetry(8, 129, 1, 2, True)
    assert resolve(8, 129, 0, 0, False).ycbcr_enc == 1  # an encoding of HSV tells nothing about Y'CbCr
    assert resolve(77, 55, 9, 99) == resolve(0)  # numbers that no kernel has


@pytest.mark.parametrize(
    ("size", "rgb", "space"),
    [(None, False, 8), ((720, 576), False, 1), ((1280, 720), False, 3), ((1280, 720), True, 8), ((64, 48), True, 8)],
)
def test_nobody_tells_the_colorspace(size, rgb, space):
    assert resolve(0, is_rgb_or_hsv=rgb, size=size).colorspace == space


@pytest.mark.parametrize(
    ("told", "rgb", "text"),
    [
        ((1, 0, 0, 0), False, "bt601"),
        ((3, 0, 0, 0), False, "bt709"),
        ((2, 0, 0, 0), False, "smpte240m"),
        ((8, 0, 0, 0), True, "sRGB"),
        ((8, 0, 0, 0), False, "2:4:7:1"),
        ((7, 0, 0, 0), False, "1:4:7:1"),
        ((10, 0, 0, 0), False, "bt2020"),
        ((10, 0, 0, 7), False, "bt2100-pq"),
        ((3, 1, 1, 0), False, "1:4:5:1"),
        ((11, 0, 0, 0), False, "2:4:1:0"),
    ],
)
def test_strings_of_gstreamer(told, rgb, text):
    assert str(resolve(*told, rgb)) == text


def test_strings_come_back():
    for space, encoding, span, transfer in itertools.product(ALL, [1, 2, 6, 8], [1, 2], [1, 2, 3, 4, 5, 7]):
        one = resolve(space, encoding, span, transfer)
        if space in (7, 8, 11):  # sRGB and JPEG have the primaries of Rec. 709; raw has none
            continue
        again = parse(one.gst)
        assert again[1:4] == one[1:4], one
        assert again.gst == one.gst


def test_strings_are_those_of_gstreamer_itself():
    name = ctypes.util.find_library("gstvideo-1.0")
    if name is None:
        for known, numbers in GST_NAMES.items():
            assert parse(":".join(map(str, numbers)) if known != "bt2100-hlg" else "bt709")
        return
    library = ctypes.CDLL(name)
    for known, numbers in GST_NAMES.items():
        info = (ctypes.c_int * 4)()
        assert library.gst_video_colorimetry_from_string(info, known.encode())
        assert tuple(info) == numbers, known


def test_words_of_v4l2_are_read():
    assert parse("rec709") == Colorimetry(3)
    assert parse("jpeg") == Colorimetry(7)
    assert parse("sRGB").rgb
    assert not parse("srgb").rgb
    assert parse(Colorimetry(3)) == Colorimetry(3)


def test_words_are_told():
    assert resolve(3).words == "rec709, 709, limited, 709"
    assert resolve(8, is_rgb_or_hsv=True).words == "srgb, rgb, full, srgb"
    assert resolve(8, 128, is_rgb_or_hsv=True).words == "srgb, hsv180, full, srgb"
    assert Colorimetry(99, 99).words == "99, 99, default, default"
    assert resolve(7).full_range
    assert len(set(ENCODINGS.values())) == len(ENCODINGS)
    assert len(set(TRANSFERS.values())) == len(TRANSFERS)


@pytest.mark.parametrize(("text", "says"), [("bt710", "did you mean 'bt709'"), ("1:2:3", "zcore knows"), ("", "knows")])
def test_slips_are_named(text, says):
    with pytest.raises(ValueError, match=says):
        parse(text)


@pytest.mark.parametrize("text", ["bt2100-hlg", "2:2:5:1", "3:1:1:1", "1:1:1:99"])
def test_what_v4l2_cannot_say(text):
    with pytest.raises(ValueError, match="V4L2 has no words"):
        parse(text)
    with pytest.raises(TypeError):
        parse(7)


def test_a_link_knows_its_colours():
    caps = LinkCaps(formats.find("NV12"), 1920, 1080, ((1920 * 1620, 1920),), colorspace=3)
    assert str(caps.colorimetry) == "bt709"
    assert str(LinkCaps(formats.find("XR24"), 64, 16, ((4096, 256),)).colorimetry) == "sRGB"
    assert str(LinkCaps(formats.find("YUYV"), 64, 16, ((2048, 128),)).colorimetry) == "bt601"
