"""The format table against bytes written by hand and against the kernel's own headers, and the lookups."""

import re
from pathlib import Path

import numpy as np
import pytest

from zcore import formats
from zcore.formats import BIG_ENDIAN, FORMATS, INVALID, LINEAR, Family, UnknownFormatError, find, fourcc, fourcc_str

DRM_HEADERS = [Path(f"/usr/include/{directory}/drm_fourcc.h") for directory in ("libdrm", "drm")]
DRM_HEADER = next((path for path in DRM_HEADERS if path.exists()), None)

# What the virtual drivers of the kernel offer (Linux 6.12; vkms as of 7.2).
DRIVERS = {
    "vivid": """
        YUYV UYVY YVYU VYUY 422P YU12 YV12 NV12 NV21 NV16 NV61 NV24 NV42 YUVO YUVP Y444 YUV4 AYUV XYUV VUYA VUYX YUVA
        YUVX GREY Y10 Y12 Y16 Y16-BE RGB1 RGBP RGBR R444 XR12 AR12 RX12 RA12 XB12 AB12 BX12 GA12 RGBO XR15 AR15 RX15
        RA15 XB15 AB15 BX15 BA15 RGBQ XR15-BE AR15-BE RGB3 BGR3 BGRH RGB4 BGR4 BX24 XR24 BA24 AR24 XB24 RX24 AB24 RA24
        BA81 GBRG GRBG RGGB BG10 GB10 BA10 RG10 BG12 GB12 BA12 RG12 BYR2 GB16 GR16 RG16 HSV3 HSV4
        NM16 NM61 YM12 YM21 NM12 NM21 YM16 YM61 YM24 YM42""",
    "vicodec": """
        YU12 YV12 422P NV12 NV21 NV16 NV61 NV24 NV42 YUYV YVYU UYVY VYUY BGR3 RGB3 HSV3 BGR4 XR24 AR24 RGB4 BX24 BA24
        RX24 RA24 XB24 AB24 HSV4 GREY""",
    "vim2m": "RGBP RGBR RGB3 BGR3 YUYV BA81 GBRG GRBG RGGB",
    "vkms": """
        AR24 XR24 AB24 XB24 BA24 BX24 RA24 RX24 XR48 AR48 XB48 AB48 RG16 NV12 NV16 NV24 NV21 NV61 NV42 YU12 YU16 YU24
        YV12 YV16 YV24 P010 P012 P016 R1 R2 R4 R8""",
}

# The bytes of one red, one green and one blue pixel, all else zero.
PAINTED = {
    "BGR3": "0000ff 00ff00 ff0000",
    "RGB3": "ff0000 00ff00 0000ff",
    "XR24": "0000ff00 00ff0000 ff000000",
    "AR24": "0000ff00 00ff0000 ff000000",
    "BGR4": "0000ff00 00ff0000 ff000000",
    "XB24": "ff000000 00ff0000 0000ff00",
    "AB24": "ff000000 00ff0000 0000ff00",
    "RX24": "000000ff 0000ff00 00ff0000",
    "RA24": "000000ff 0000ff00 00ff0000",
    "BX24": "00ff0000 0000ff00 000000ff",
    "BA24": "00ff0000 0000ff00 000000ff",
    "RGB4": "00ff0000 0000ff00 000000ff",
    "RGBP": "00f8 e007 1f00",
    "drm:BG16": "1f00 e007 00f8",
    "RGBR": "f800 07e0 001f",
    "XR15": "007c e003 1f00",
    "AR15": "007c e003 1f00",
    "RGBO": "007c e003 1f00",
    "XB15": "1f00 e003 007c",
    "AB15": "1f00 e003 007c",
    "RX15": "00f8 c007 3e00",
    "RA15": "00f8 c007 3e00",
    "BX15": "3e00 c007 00f8",
    "BA15": "3e00 c007 00f8",
    "XR15-BE": "7c00 03e0 001f",
    "AR15-BE": "7c00 03e0 001f",
    "RGBQ": "7c00 03e0 001f",
    "XR12": "000f f000 0f00",
    "AR12": "000f f000 0f00",
    "R444": "000f f000 0f00",
    "XB12": "0f00 f000 000f",
    "AB12": "0f00 f000 000f",
    "RX12": "00f0 000f f000",
    "RA12": "00f0 000f f000",
    "BX12": "f000 000f 00f0",
    "GA12": "f000 000f 00f0",
    "RGB1": "e0 1c 03",
    "drm:BGR8": "07 38 c0",
    "BGRH": "000fc000 03f00000 fc000000",
    "AR30": "0000f03f 00fc0f00 ff030000",
    "drm:AB30": "ff030000 00fc0f00 0000f03f",
    "RX30": "0000c0ff 00f03f00 fc0f0000",
    "RA30": "0000c0ff 00f03f00 fc0f0000",
    "drm:BX30": "fc0f0000 00f03f00 0000c0ff",
    "BGR6": "00000000ffff 0000ffff0000 ffff00000000",
    "RGB6": "ffff00000000 0000ffff0000 00000000ffff",
    "B312": "00000000f0ff 0000f0ff0000 f0ff00000000",
    "B412": "00000000f0ff0000 0000f0ff00000000 f0ff000000000000",
    "drm:XR48": "00000000ffff0000 0000ffff00000000 ffff000000000000",
    "drm:AB48": "ffff000000000000 0000ffff00000000 00000000ffff0000",
}

# Bytes of one block, and the samples in them.
YUV_BYTES = {
    "YUYV": ("01020304", {"Y": [1, 3], "U": [2], "V": [4]}),
    "YVYU": ("01020304", {"Y": [1, 3], "V": [2], "U": [4]}),
    "UYVY": ("01020304", {"U": [1], "Y": [2, 4], "V": [3]}),
    "VYUY": ("01020304", {"V": [1], "Y": [2, 4], "U": [3]}),
    "Y210": ("400080000001c000", {"Y": [1, 4], "U": [2], "V": [3]}),
    "AYUV": ("01020304", {"A": [1], "Y": [2], "U": [3], "V": [4]}),
    "YUV4": ("01020304", {"A": [1], "Y": [2], "U": [3], "V": [4]}),
    "XYUV": ("01020304", {"Y": [2], "U": [3], "V": [4]}),
    "VUYA": ("01020304", {"V": [1], "U": [2], "Y": [3], "A": [4]}),
    "VUYX": ("01020304", {"V": [1], "U": [2], "Y": [3]}),
    "YUVA": ("01020304", {"Y": [1], "U": [2], "V": [3], "A": [4]}),
    "YUVX": ("01020304", {"Y": [1], "U": [2], "V": [3]}),
    "Y312": ("100020003000", {"Y": [1], "U": [2], "V": [3]}),
    "YUV3": ("010203", {"Y": [1], "U": [2], "V": [3]}),
    "Y444": ("3412", {"A": [1], "Y": [2], "U": [3], "V": [4]}),
    "YUVO": ("6488", {"A": [1], "Y": [2], "U": [3], "V": [4]}),
    "YUVP": ("6410", {"Y": [2], "U": [3], "V": [4]}),
    "drm:Y410": ("02041040", {"U": [2], "Y": [1], "V": [1], "A": [1]}),
    "HSV3": ("010203", {"H": [1], "S": [2], "V": [3]}),
    "HSV4": ("01020304", {"H": [2], "S": [3], "V": [4]}),
    "Y012": ("1000", {"Y": [1]}),
    "Y12": ("0100", {"Y": [1]}),
    "Y16-BE": ("0001", {"Y": [1]}),
    "Y16": ("0100", {"Y": [1]}),
}


def arrays(fmt, width, height, data=None):
    layout = fmt.layout(width, height)
    memory = np.zeros(layout.size, np.uint8) if data is None else np.frombuffer(data, np.uint8)
    return [
        np.ndarray(spec.shape, spec.dtype, memory, place.offset, spec.strides)
        for spec, place in zip(fmt.array_specs(width, height), layout.planes, strict=True)
    ]


def sample(fmt, planes, name):
    component = fmt.component(name)
    plane = planes[component.plane]
    values = plane[0] if plane.ndim == 2 else plane[0, :, component.index]
    return ((values[component.first :: component.step] >> component.shift) & ((1 << component.bits) - 1)).tolist()


@pytest.mark.proves("T74")
@pytest.mark.parametrize(("code", "pixels"), PAINTED.items())
def test_painted_pixels_come_back_as_red_green_and_blue(code, pixels):
    fmt = find(code)
    for name, pixel in zip("RGB", pixels.split(), strict=True):
        planes = arrays(fmt, 1, 1, bytes.fromhex(pixel))
        for other in "RGB":
            full = (1 << fmt.component(other).bits) - 1
            assert sample(fmt, planes, other) == [full if other == name else 0], (code, name, other)


def test_every_rgb_format_with_a_v4l2_fourcc_is_painted():
    missing = {f.name for f in FORMATS if f.family is Family.RGB and f.v4l2 and f.components}
    missing -= {find(code).name for code in PAINTED} | {"PAL8"}
    assert missing == set()


@pytest.mark.parametrize(("code", "expected"), YUV_BYTES.items())
def test_packed_samples_come_back(code, expected):
    fmt = find(code)
    data, samples = bytes.fromhex(expected[0]), expected[1]
    planes = arrays(fmt, fmt.planes[0].block_width, 1, data)
    assert {component.name for component in fmt.components} == set(samples)
    assert {name: sample(fmt, planes, name) for name in samples} == samples


@pytest.mark.parametrize(
    ("sampling", "codes"),
    [
        ("UV 2x2", "NV12 P010 P012 drm:P016 VT12 HM12 ST12 AT12 TM12 VM12 MM21 MT21 NC12 Nc12 T010 Q08C YU12 YM12"),
        ("VU 2x2", "NV21 NM21 YV12 YM21"),
        ("UV 2x1", "NV16 drm:P210 422P YM16"),
        ("VU 2x1", "NV61 drm:YV16 YM61"),
        ("UV 1x1", "NV24 YM24 drm:Q410"),
        ("VU 1x1", "NV42 YM42 drm:Q401"),
        ("UV 4x1", "411P"),
        ("VU 4x1", "drm:YV11"),
        ("UV 4x4", "YUV9"),
        ("VU 4x4", "YVU9"),
        (" 2x2", "NV15 drm:P030 MT2T MT2R VT15 AX12-BE NC30 Nc30 Q10C"),
        (" 2x1", "NV20"),
        (" 1x1", "drm:NV30"),
    ],
)
def test_chroma_order_and_subsampling(sampling, codes):
    for code in codes.split():
        fmt = find(code)
        chroma = sorted((c.plane, c.index, c.name) for c in fmt.components if c.name in "UV")
        order = "".join(name for _, _, name in chroma)
        assert {f"{order} {plane.hsub}x{plane.vsub}" for plane in fmt.planes[1:]} == {sampling}, code
        assert (fmt.planes[0].hsub, fmt.planes[0].vsub) == (1, 1), code


def test_components_that_are_not_there_are_an_error():
    with pytest.raises(KeyError, match="NV12 has no component R, only YUV"):
        find("NV12").component("R")


@pytest.mark.proves("T74")
def test_v4l2_fourccs_mean_these_drm_fourccs_and_no_others():
    """The translation table, written again: where the fourccs agree, where they do not, and else none."""
    same = """
        XR24 AR24 XB24 AB24 BX24 BA24 RX24 RA24 XR15 AR15 XB15 AB15 RX15 RA15 BX15 BA15 XR15-BE AR15-BE XR12 AR12 XB12
        AB12 RX12 RA12 BX12 AR30 RX30 RA30 YUYV YVYU UYVY VYUY Y210 Y212 Y216 NV12 NV21 NV16 NV61 NV24 NV42 NV15 NV20
        P010 P012 YU12 YV12 YUV9 YVU9"""
    other = """
        BGR3=RG24 RGB3=BG24 BGR4=XR24 RGB4=BX24 RGBP=RG16 RGBR=RG16-BE RGBO=XR15 RGBQ=XR15-BE GA12=BA12 R444=XR12
        RGB1=RGB8 PAL8=C8 BGR6=RG48 RGB6=BG48 GREY=R8 Y10=R10 Y12=R12 Y16=R16 VUYA=AYUV VUYX=XYUV YUVA=AVUY YUVX=XVUY
        YUV3=VU24 NM12=NV12 NM21=NV21 NM16=NV16 NM61=NV61 PM12=P012 YM12=YU12 YM21=YV12 422P=YU16 YM16=YU16 YM61=YV16
        YM24=YU24 YM42=YV24 411P=YU11 VT12=NV12 ST12=NV12 TM12=NV12 VM12=NV12 MM21=NV12 VT15=NV15 NC12=NV12 NC30=P030
        Q08C=NV12"""
    expected = {code: code for code in same.split()} | dict(pair.split("=") for pair in other.split())
    actual = {
        fourcc_str(code): fourcc_str(fmt.drm)
        for fmt in FORMATS
        for code in (fmt.v4l2, fmt.v4l2_mplane)
        if code is not None and fmt.drm is not None
    }
    assert actual == expected


def test_fourccs_are_unique_and_names_too():
    codes = [code for fmt in FORMATS for code in (fmt.v4l2, fmt.v4l2_mplane) if code is not None]
    assert len(codes) == len(set(codes))
    assert len({fmt.name for fmt in FORMATS}) == len(FORMATS)
    drm = [(fmt.drm, fmt.modifier) for fmt in FORMATS if fmt.drm is not None]
    twice = {fourcc_str(code) for code, modifier in drm if drm.count((code, modifier)) > 1}
    assert twice == {"XR24", "BX24", "XR15", "XR15-BE", "XR12"}  # by the old ambiguous V4L2 fourccs
    assert [formats.by_drm(fourcc(code)).name for code in sorted(twice)] == [
        "xRGB", "XRGB4444", "XRGB1555", "XRGB1555_BE", "BGRx",
    ]  # fmt: skip


def test_every_name_finds_its_format():
    for fmt in FORMATS:
        assert find(fmt) is fmt
        for code in (fmt.v4l2, fmt.v4l2_mplane):
            if code is not None:
                assert fourcc(fourcc_str(code)) == code
                assert formats.by_v4l2(code) is find(code) is find(fourcc_str(code)) is fmt
        if fmt.drm is not None:
            found = formats.by_drm(fmt.drm, fmt.modifier)
            assert (found.drm, found.modifier, found.planes) == (fmt.drm, fmt.modifier, fmt.planes)
            assert find("drm:" + formats.drm_str(fmt.drm, fmt.modifier)) is found
        if fmt.gst is not None:
            assert formats.by_gst(fmt.gst).gst == fmt.gst


@pytest.mark.parametrize(
    ("text", "v4l2", "drm"),
    [
        ("XR24", "XR24", "XR24"),
        ("BGRx", "XR24", "XR24"),
        ("bgrx", "XR24", "XR24"),
        ("XRGB8888", "XR24", "XR24"),
        ("RGBP", "RGBP", "RG16"),
        ("RG16", "RG16", None),
        ("drm:RG16", "RGBP", "RG16"),
        ("BGR3", "BGR3", "RG24"),
        ("RGB3", "RGB3", "BG24"),
        ("RGB", "RGB3", "BG24"),
        ("RGB888", "BGR3", "RG24"),
        ("AYUV", "AYUV", None),
        ("drm:AYUV", "VUYA", "AYUV"),
        ("Y444", "Y444", None),
        ("GA12", "GA12", "BA12"),
        ("I420", "YU12", "YU12"),
        ("YUY2", "YUYV", "YUYV"),
        ("NM12", "NV12", "NV12"),
        ("video/x-h264", "H264", None),
    ],
)
def test_find_resolves_names_in_the_documented_order(text, v4l2, drm):
    fmt = find(text)
    assert fmt.v4l2 == fourcc(v4l2)
    assert fmt.drm == (None if drm is None else fourcc(drm))


def test_unknown_formats_name_their_neighbours():
    with pytest.raises(UnknownFormatError, match=r"unknown format 'NV13': did you mean .*NV12"):
        find("NV13")
    with pytest.raises(UnknownFormatError, match=r"unknown V4L2 fourcc 'YUYB' \(0x42595559\): did you mean .*YUYV"):
        formats.by_v4l2(fourcc("YUYB"))
    with pytest.raises(UnknownFormatError, match="unknown DRM fourcc 'XR25'"):
        formats.by_drm(fourcc("XR25"))
    with pytest.raises(UnknownFormatError, match="unknown fourcc '0x00000001'"):
        find(1)
    with pytest.raises(UnknownFormatError):
        find("gst:NM12")
    for bad in ("", "ABCDE", "äbcd"):
        with pytest.raises(ValueError, match="not a fourcc"):
            fourcc(bad)


def test_fourcc_text():
    assert fourcc("NV12") == 0x3231564E
    assert fourcc("R8") == fourcc("R8  ")
    assert fourcc("Y16-BE") == fourcc("Y16 ") | BIG_ENDIAN == fourcc("Y16 -BE")
    assert fourcc_str(fourcc("Y16-BE")) == "Y16-BE"
    assert fourcc_str(fourcc("Y16 ")) == "Y16"
    assert fourcc_str(7) == "0x00000007"


def test_drivers_formats_are_known_and_linear():
    for driver in ("vivid", "vicodec", "vim2m"):
        for code in DRIVERS[driver].split():
            fmt = find(f"v4l2:{code}")
            assert fmt.linear, code
            assert fmt.memory_planes(fourcc(code)) == (len(fmt.planes) if code[1] == "M" else 1), code
    assert [len(DRIVERS[driver].split()) for driver in DRIVERS] == [93, 28, 9, 32]
    assert find("FWHT").coded
    for code in DRIVERS["vkms"].split():
        assert find(f"drm:{code}").linear, code


def test_every_fourcc_of_the_kernels_header_is_known():
    header = Path("/usr/include/linux/videodev2.h")
    if not header.exists():
        pytest.skip(f"{header} is not installed")
    found = re.findall(r"define V4L2_PIX_FMT_\w+\s+v4l2_fourcc(_be)?\(([^)]+)\)", header.read_text())
    codes = {"".join(re.findall("'(.)'", text)) + ("-BE" if be else "") for be, text in found}
    assert len(codes) > 150
    unknown = {code for code in codes if fourcc(code) not in {c for f in FORMATS for c in (f.v4l2, f.v4l2_mplane)}}
    assert unknown == set()


def test_every_fourcc_of_the_kernels_drm_header_is_known_or_left_out_on_purpose():
    if DRM_HEADER is None:
        pytest.skip("drm_fourcc.h is not installed")
    found = re.findall(r"define DRM_FORMAT_(\w+)\s+fourcc_code\(([^)]+)\)", DRM_HEADER.read_text())
    assert len(found) > 90
    known = {fmt.drm for fmt in FORMATS}
    unknown = {name for name, letters in found if fourcc("".join(re.findall("'(.)'", letters))) not in known}
    left_out = r"[CD][124]|D8|RG88|GR88|RG1616|GR1616|\w+_A8|AXBXGXRX\w+|VUY101010|[YX]0L[02]|YUV420_(8|10)BIT"
    assert {name for name in unknown if not re.fullmatch(left_out, name)} == set()


def test_drm_words_agree_with_the_comments_of_the_kernels_header():
    """drm_fourcc.h spells every packed format's word, from the most significant bit: read it, compare bit by bit."""
    if DRM_HEADER is None:
        pytest.skip("drm_fourcc.h is not installed")
    pattern = r"define DRM_FORMAT_(\w+)\s+fourcc_code\(([^)]+)\)\s*/\* \[\d+:0\] ([\w:]+) ([\d:]+) "
    compared = 0
    for name, letters, names, bits in re.findall(pattern, DRM_HEADER.read_text()):
        fmt = {f.drm_name: f for f in FORMATS}.get(name)
        if fmt is None:
            continue
        assert fmt.drm == fourcc("".join(re.findall("'(.)'", letters))), name
        expected, position = set(), 0
        for field, width in reversed(list(zip(names.split(":"), map(int, bits.split(":")), strict=True))):
            letter = {"Cb": "U", "Cr": "V"}.get(field.rstrip("01"), field.rstrip("01")) or "x"
            if letter.lower() != "x":
                letter = "Y" if fmt.family is Family.GREY else letter
                expected.add((letter, position, width))
            position += width
        plane = fmt.planes[0]
        actual = set()
        for component in fmt.components:
            item = plane.dtype.itemsize * 8
            for column in range(component.first, plane.block_width, component.step):
                start = (column * max(plane.channels, 1) + component.index) * item + component.shift
                actual.add((component.name, start, component.bits))
        assert position == plane.block_bytes * 8, name
        assert actual == expected, name
        compared += 1
    assert compared > 45


@pytest.mark.proves("T83")
def test_tiled_formats_carry_their_modifier_or_are_refused():
    for code, modifier in {"TM12": "SAMSUNG_64_32", "VM12": "SAMSUNG_16_16", "ST12": "ALLWINNER_TILED",
                           "MM21": "MTK_16L_32S", "NC12": "SAND128", "VT12": "VIVANTE_TILED"}.items():  # fmt: skip
        fmt = find(code)
        assert fmt.tiled
        assert fmt.require_drm()[0] == fourcc("NV12")
        assert formats.modifier_str(fmt.require_drm()[1]) == modifier
    for code in ("HM12", "AT12", "AX12-BE", "MT21", "MT2T", "T010"):
        assert find(code).tiled
        with pytest.raises(ValueError, match="tiled and has no known DRM modifier"):
            find(code).require_drm()
    with pytest.raises(ValueError, match="coded and must be decoded"):
        find("H264").require_drm()
    with pytest.raises(ValueError, match="DRM has no fourcc"):
        find("RGGB").require_drm()
    assert find("NV12").require_drm() == (fourcc("NV12"), LINEAR)


def test_modifiers_with_parameters():
    sand = find("NC12").with_stride(1632)
    assert sand.modifier == 0x0700_0000_0006_6004
    assert formats.by_drm(fourcc("NV12"), sand.modifier).v4l2 == fourcc("NC12")
    assert find("NV12").with_stride(2048) is find("NV12")
    afbc = formats.by_drm(fourcc("AR24"), 0x0800_0000_0000_0001)
    assert afbc.tiled
    assert (afbc.v4l2, afbc.gst, afbc.has_alpha) == (None, None, True)
    assert afbc.require_drm() == (fourcc("AR24"), 0x0800_0000_0000_0001)
    assert formats.modifier_str(afbc.modifier) == "ARM:0x1"
    assert find("NV12:0x0400000000000001").name == "NV12MT"
    assert formats.by_drm(fourcc("NV12"), INVALID) is find("NV12")


def test_bayer_patterns():
    assert [find(code).bayer for code in ("BA81", "GB10", "pgAA", "ip3r", "PC1g")] == [
        "BGGR", "GBRG", "GRBG", "RGGB", "GBRG",
    ]  # fmt: skip
    assert find("NV12").bayer is None
    assert len([fmt for fmt in FORMATS if fmt.family is Family.BAYER]) == 52
