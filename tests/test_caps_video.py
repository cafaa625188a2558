"""What caps mean for zcore's formats."""

from dataclasses import replace
from fractions import Fraction

import pytest

from zcore.caps import Caps, CapsError, Features, FractionRange, IntRange, Structure, ValueList
from zcore.caps.names import RAW_FORMATS
from zcore.caps.video import (
    _names,
    allows,
    caps_of,
    check,
    features_of,
    formats_of,
    media_type,
    rates_of,
    sizes_of,
)
from zcore.formats import FORMATS, INVALID, LINEAR, Family, by_drm, find, fourcc

NV12 = find("NV12")
TILED = by_drm(fourcc("NV12"), 0x0100_0000_0000_0002)  # Intel's Y tiles
DRIVERS = replace(NV12, modifier=INVALID, name="NV12 as the driver likes")
DMABUF = "video/x-raw(memory:DMABuf), format=DMA_DRM"


def names(caps: str, *candidates: str) -> list[str]:
    return [fmt.name for fmt in formats_of(Caps.parse(caps), map(find, candidates or ["NV12", "YUYV", "H264", "RGGB"]))]


def test_raw_formats_are_found_in_the_order_of_the_caps():
    assert names("video/x-raw") == ["NV12", "YUYV"]
    assert names("video/x-raw, format={ YUY2, I420, NV12 }") == ["YUYV", "NV12"]
    assert names("video/x-raw, format=I420") == []
    several = "image/jpeg; video/x-raw, format=YUY2; video/x-raw"
    assert names(several, "NV12", "YUYV", "MJPG") == ["MJPEG", "YUYV", "NV12"]
    assert names("ANY") == ["NV12", "YUYV", "H264", "SRGGB8"]
    assert names("EMPTY") == []
    assert names("audio/x-raw") == []


def test_coded_formats_are_told_apart():
    assert names("video/x-h264", "H264", "AVC1", "HEVC") == ["H264", "H264_NO_SC"]
    assert names("video/x-h264, stream-format=avc", "H264", "AVC1") == ["H264_NO_SC"]
    assert names("video/x-h264, stream-format={ avc, byte-stream }, profile=main", "H264", "S264") == ["H264"]
    assert names("video/mpeg, mpegversion=2", "MPG1", "MPG2", "MPG4") == ["MPEG2"]
    assert names("video/mpeg, mpegversion=[ 1, 2 ]", "MPG1", "MPG2", "MPG4") == ["MPEG1", "MPEG2"]
    assert names("image/jpeg", "MJPG", "JPEG", "PJPG", "NV12") == ["MJPEG", "JPEG", "PJPG"]
    assert names("video/x-fwht", "FWHT", "SFWH") == ["FWHT"]
    assert names("video/x-vp8; video/x-vp9", "VP90", "VP80") == ["VP8", "VP9"]
    assert names("video/x-wmv, format=WVC1", "VC1G", "VC1L") == ["VC1_ANNEX_G"]


def test_bayer_formats():
    assert names("video/x-bayer, format=rggb", "RGGB", "BA81") == ["SRGGB8"]
    assert names("video/x-bayer, format={ bggr10le, rggb }", "RGGB", "BG10") == ["SBGGR10", "SRGGB8"]
    assert names("video/x-bayer", "RGGB", "NV12", "pRAA") == ["SRGGB8", "SRGGB10P"]
    assert names("video/x-bayer, format=SRGGB10P", "RGGB", "pRAA") == ["SRGGB10P"]


def test_formats_without_a_name_in_gstreamer():
    assert names("video/x-raw, format=NV42", "NV42", "NV24") == ["NV42"]
    assert names("video/x-raw, format=BGRx", "XR24", "BGR4", "AR24") == ["BGRx", "BGR32"]
    assert names("video/x-raw, format=BGRA", "XR24", "BGR4", "AR24") == ["BGR32", "BGRA"]
    assert names("video/x-raw, format=RGB15", "XR15", "RGBO") == ["XRGB1555", "RGB555"]
    own = {fmt.name for fmt in FORMATS if fmt.gst is None and not fmt.coded and fmt.name in _names(fmt)}
    assert not own & RAW_FORMATS


def test_three_kinds_of_modifiers():
    candidates = [NV12, TILED, DRIVERS]
    for caps, expected in {
        DMABUF: candidates,
        f"{DMABUF}, drm-format=NV12": [NV12],
        f"{DMABUF}, drm-format=NV12:0x0100000000000002": [TILED],
        f"{DMABUF}, drm-format=NV12:0x100000000000002": [TILED],
        f"{DMABUF}, drm-format=NV12:0x00ffffffffffffff": [DRIVERS],
        f"{DMABUF}, drm-format={{ NV12:0x0100000000000002, XR24, NV12 }}": [TILED, NV12],
        f"{DMABUF}, drm-format=XR24": [],
        "video/x-raw(memory:DMABuf)": candidates,
        "video/x-raw(ANY)": candidates,
        "video/x-raw(memory:DMABuf), format=NV12": [NV12],
        "video/x-raw(memory:DMABuf), format={ DMA_DRM, NV12 }": candidates,
        "video/x-raw, format=NV12": [NV12],
        "video/x-raw": [NV12],
        "video/x-raw(memory:GLMemory)": [NV12],
    }.items():
        assert formats_of(Caps.parse(caps), candidates) == expected, caps


def test_a_tiled_v4l2_format_is_described_by_its_modifier():
    samsung = find("TM12")
    assert formats_of(Caps.parse(f"{DMABUF}, drm-format=NV12:0x0400000000000001"), [samsung, NV12]) == [samsung]
    assert formats_of(Caps.parse(f"{DMABUF}, drm-format=NV12"), [samsung, NV12]) == [NV12]
    assert formats_of(Caps.parse("video/x-raw, format=NV12"), [samsung, find("HM12"), NV12]) == [NV12]
    assert formats_of(Caps.parse("video/x-raw, format=NV12_64Z32"), [samsung, NV12]) == [samsung]
    sand = find("NC12")
    column = f"{DMABUF}, drm-format=NV12:0x{sand.with_stride(1632).modifier:016x}"
    assert formats_of(Caps.parse(column), [sand, sand.with_stride(1632), sand.with_stride(816)]) == [
        sand, sand.with_stride(1632),
    ]  # fmt: skip


def test_big_endian_and_short_fourccs():
    for fmt in (by_drm(fourcc("RG16-BE")), by_drm(fourcc("R8"))):
        caps = caps_of(fmt, (16, 16), features=["memory:DMABuf"])
        assert formats_of(caps, [fmt, NV12]) == [fmt]
        assert formats_of(Caps.parse(str(caps)), [fmt, NV12]) == [fmt]
    assert "drm-format=(string)RG16_BE" in str(caps_of(by_drm(fourcc("RG16-BE")), features=["memory:DMABuf"]))
    assert formats_of(Caps.parse(f'{DMABUF}, drm-format="R8  "'), [find("drm:R8")]) == [find("drm:R8")]


def test_sizes():
    caps = "video/x-raw, format=NV12, width=[ 16, 4096, 16 ], height={ 480, 720 }; video/x-raw, format=YUY2, width=640"
    assert sizes_of(Caps.parse(caps), NV12) == (IntRange(16, 4096, 16), ValueList(480, 720))
    assert sizes_of(Caps.parse(caps), find("YUYV")) == (640, None)
    assert sizes_of(Caps.parse(caps), find("BGRx")) == (ValueList(), ValueList())
    assert sizes_of(Caps.parse("ANY"), NV12) == (None, None)
    assert sizes_of(Caps.parse("video/x-raw, width=640; video/x-raw"), NV12) == (None, None)
    two = Caps.parse("video/x-raw, width=640, height=480; video/x-raw, width=1280, height=720")
    assert sizes_of(two, NV12) == (ValueList(640, 1280), ValueList(480, 720))
    assert allows(two, NV12, (640, 480))
    assert not allows(two, NV12, (640, 720))


def test_rates():
    assert rates_of(Caps.parse("video/x-raw, framerate=30/1"), NV12) == Fraction(30)
    assert rates_of(Caps.parse("video/x-raw, framerate={ 30/1, 25/1 }"), NV12) == ValueList(Fraction(30), Fraction(25))
    caps = Caps.parse("video/x-raw, framerate=(fraction)[ 15, 30 ]")
    assert rates_of(caps, NV12) == FractionRange(Fraction(15), Fraction(30))
    assert rates_of(Caps.parse("video/x-raw"), NV12) is None
    assert allows(caps, NV12, rate=Fraction(24))
    assert not allows(caps, NV12, rate=Fraction(60))


def test_features():
    assert features_of(Caps.parse("video/x-raw(memory:DMABuf, meta:Foo)"), NV12) == {"memory:DMABuf", "meta:Foo"}
    assert features_of(Caps.parse("video/x-raw(memory:SystemMemory)"), NV12) == set()
    assert features_of(Caps.parse("video/x-raw(ANY)"), NV12) == set()
    both = Caps.parse("video/x-raw(memory:DMABuf), format=NV12; video/x-raw, format={ NV12, I420 }")
    assert features_of(both, NV12) == set()
    one = Caps.parse("video/x-raw(memory:DMABuf), format=NV12; video/x-raw, format=I420")
    assert features_of(one, NV12) == {"memory:DMABuf"}
    assert allows(both, NV12, features=["memory:DMABuf"])
    assert not allows(both, find("YU12"), features=["memory:DMABuf"])
    assert allows(Caps.ANY, NV12, (1, 1), Fraction(1), ["memory:DMABuf"])


@pytest.mark.parametrize("fmt", FORMATS, ids=str)
def test_caps_of_a_format_allow_that_format(fmt):
    for features in ((), ("memory:DMABuf",)):
        caps = caps_of(fmt, (640, 480), Fraction(30), features)
        assert caps.is_fixed
        assert caps[0].name == media_type(fmt)
        assert Caps.parse(str(caps)) == caps
        assert fmt in formats_of(caps, FORMATS)
        assert sizes_of(caps, fmt) == (640, 480)
        assert rates_of(caps, fmt) == Fraction(30)
        assert allows(caps, fmt, (640, 480), Fraction(30), list(caps[0].features))
        demanded = bool(features or (not fmt.coded and fmt.modifier != LINEAR))
        assert features_of(caps, fmt) == ({"memory:DMABuf"} if demanded else set())
        for other in formats_of(caps, FORMATS) if not fmt.coded else ():
            same = (other.drm, other.modifier) == (fmt.drm, fmt.modifier)
            assert same or {fmt.name, other.name} & {"BGR32", "RGB32"}


def test_caps_of_text():
    assert str(caps_of(NV12, (640, 480), Fraction(30))) == (
        "video/x-raw, format=(string)NV12, width=(int)640, height=(int)480, framerate=(fraction)30/1"
    )
    assert str(caps_of(TILED, (640, 480))) == (
        "video/x-raw(memory:DMABuf), format=(string)DMA_DRM, drm-format=(string)NV12:0x0100000000000002, "
        "width=(int)640, height=(int)480"
    )
    assert str(caps_of(DRIVERS)) == (
        "video/x-raw(memory:DMABuf), format=(string)DMA_DRM, drm-format=(string)NV12:0x00ffffffffffffff"
    )
    assert str(caps_of(find("NV42"), features=["memory:DMABuf"])) == (
        "video/x-raw(memory:DMABuf), format=(string)DMA_DRM, drm-format=(string)NV42"
    )
    assert str(caps_of(find("H264"))) == "video/x-h264, stream-format=(string)byte-stream, alignment=(string)au"
    assert str(caps_of(find("RGGB"))) == "video/x-bayer, format=(string)rggb"
    assert str(caps_of(find("S264"))) == "video/x-h264-slice"
    assert caps_of(NV12, features=["meta:Foo"])[0].features == Features("meta:Foo")
    with pytest.raises(CapsError, match="does not fit into the type int"):
        caps_of(NV12, (1 << 40, 1))


@pytest.mark.parametrize(
    ("caps", "words"),
    [
        ("video/x-raw, framerate=30", "framerate=\\(int\\)30: a rate is a fraction, like 30/1"),
        ("image/jpeg, width=640/1", "a width is a whole number"),
        ("video/x-raw, height=(string)480", "a height is a whole number"),
        ("video/x-raw, width=< 1 >", "a width is a whole number"),
        ("video/x-raw, widht=640", "unknown field 'widht'; did you mean width"),
        ("video/x-raw, format=DMA_DRM", "write video/x-raw\\(memory:DMABuf\\)"),
        ("video/x-raw(memory:DMABuf), format=NV12, drm-format=NV12", "goes with format=DMA_DRM"),
    ],
)
def test_caps_that_cannot_be_meant(caps, words):
    with pytest.raises(CapsError, match=words) as caught:
        formats_of(Caps.parse(caps), [NV12])
    assert caught.value.text == str(Caps.parse(caps))
    with pytest.raises(CapsError):
        check(Caps.parse(caps))


def test_fields_that_are_not_zcores_business_pass():
    check(Caps.parse("video/x-raw, my-own-field=5, width={ 1, [ 2, 4 ] }, framerate={ 1/1, [ 2/1, 3/1 ] }"))
    check(Caps([Structure("video/x-raw", {"width": ValueList()})]))
    assert media_type(find("GREY")) == "video/x-raw"
    assert {media_type(fmt) for fmt in FORMATS if fmt.family is Family.BAYER} == {"video/x-bayer"}
