"""Sizes, strides and arrays against numbers written by hand, and what must hold for any format of any size."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zcore.formats import FORMATS, find

# fourcc: size at 640x480, then size and strides at 641x481 (rows rounded up to the chroma sample or the block)
GOLDEN = {
    "XR24": (1228800, 1233284, [2564]),
    "BGR3": (921600, 924963, [1923]),
    "RGBP": (614400, 616642, [1282]),
    "RGB1": (307200, 308321, [641]),
    "BGR6": (1843200, 1849926, [3846]),
    "B412": (2457600, 2466568, [5128]),
    "GREY": (307200, 308321, [641]),
    "Y10": (614400, 616642, [1282]),
    "Y10P": (384000, 387205, [805]),
    "Y12P": (460800, 463203, [963]),
    "Y14P": (537600, 542087, [1127]),
    "YUYV": (614400, 617604, [1284]),
    "Y210": (1228800, 1235208, [2568]),
    "Y41P": (460800, 467532, [972]),
    "NV12": (460800, 463043, [641, 642]),
    "NV16": (614400, 617123, [641, 642]),
    "NV24": (921600, 924963, [641, 1282]),
    "NV15": (576000, 581210, [805, 805]),
    "P010": (921600, 926086, [1282, 1284]),
    "YU12": (460800, 463043, [641, 321, 321]),
    "YV12": (460800, 463043, [641, 321, 321]),
    "422P": (614400, 617123, [641, 321, 321]),
    "YM24": (921600, 924963, [641, 641, 641]),
    "411P": (460800, 463203, [641, 161, 161]),
    "YUV9": (345600, 347283, [641, 161, 161]),
    "BA81": (307200, 308321, [641]),
    "RG10": (614400, 616642, [1282]),
    "pRAA": (384000, 387205, [805]),
    "pRCC": (460800, 463203, [963]),
    "ip3r": (399360, 400192, [832]),
    "HSV3": (921600, 924963, [1923]),
    "INZI": (1228800, 1233284, [1282, 1282]),
    "drm:P030": (616320, 618032, [856, 856]),
    "drm:R1": (38400, 38961, [81]),
}


# fourcc: size at 640x480 of what packs bits, or pads to tiles
SIZES = {
    "HI24": 307200, "PAL8": 307200, "Y10B": 384000, "ip3y": 399360, "PC1M": 307200, "PC2M": 307200, "Y8I": 614400,
    "Y12I": 921600, "CNF4": 153600, "Z16": 614400, "YYUV": 614400, "UV8": 307200, "drm:R2": 76800, "drm:R4": 153600,
    "NV20": 768000, "drm:NV30": 1152000, "drm:P210": 1228800, "VT12": 460800, "ST12": 460800, "HM12": 460800,
    "AT12": 491520, "TM12": 460800, "VM12": 460800, "MM21": 460800, "MT2T": 576000, "MT2R": 576000, "VT15": 576000,
    "T010": 921600, "AX12-BE": 614400, "NC12": 460800, "Nc12": 460800, "NC30": 645120, "Nc30": 645120, "Q10C": 737280,
}  # fmt: skip


@pytest.mark.parametrize(("code", "expected"), GOLDEN.items())
def test_layout_has_the_size_and_strides_written_down(code, expected):
    fmt = find(code)
    assert fmt.layout(640, 480).size == expected[0]
    odd = fmt.layout(641, 481)
    assert (odd.size, list(odd.strides)) == expected[1:]


@pytest.mark.parametrize(("code", "size"), SIZES.items())
def test_layout_has_the_size_written_down(code, size):
    assert find(code).layout(640, 480).size == size


def test_layout_of_nv12_with_padded_stride_and_height():
    layout = find("NV12").layout(1920, 1080, 2048, height_align=16)
    assert [(p.offset, p.stride, p.rows, p.size, p.width_bytes) for p in layout.planes] == [
        (0, 2048, 1080, 2048 * 1088, 1920),
        (2048 * 1088, 2048, 540, 2048 * 544, 1920),
    ]
    assert layout.size == 2048 * 1632


def test_layout_derives_chroma_strides_from_the_one_that_v4l2_has():
    assert find("YU12").layout(640, 480, 768).strides == (768, 384, 384)
    assert find("NV24").layout(640, 480, 768).strides == (768, 1536)
    assert find("NV15").layout(640, 480, 832).strides == (832, 832)
    assert find("P010").layout(640, 480, 1536).strides == (1536, 1536)
    assert find("NV12").layout(641, 480, 641).strides == (641, 642)


def test_layout_aligns_and_separates():
    aligned = find("YU12").layout(100, 10, stride_align=64, plane_align=4096)
    assert aligned.strides == (128, 64, 64)
    assert aligned.offsets == (0, 4096, 8192)
    apart = find("NM12").layout(640, 480, separate=True)
    assert apart.offsets == (0, 0)
    assert [plane.size for plane in apart.planes] == [307200, 153600]
    assert apart.size == 460800


def test_layout_rejects_nonsense():
    with pytest.raises(ValueError, match="needs 640 bytes for a row of plane 0, but its stride is 639"):
        find("NV12").layout(640, 480, 639)
    with pytest.raises(ValueError, match="2 planes, but 3 strides"):
        find("NV12").layout(640, 480, plane_strides=[640, 640, 640])
    with pytest.raises(ValueError, match="0x480"):
        find("NV12").layout(0, 480)


def test_coded_formats_are_payloads():
    jpeg = find("MJPG")
    assert jpeg.coded
    assert jpeg.layout(640, 480, size=5000).size == 5000
    assert jpeg.layout(640, 480).size >= 640 * 480
    assert [tuple(s) for s in jpeg.array_specs(640, 480, size=1234)] == [(np.dtype(np.uint8), (1234,), (1,))]


def test_array_shapes_follow_the_rules():
    def shapes(code, width=6, height=5):
        return [(spec.shape, spec.dtype.str) for spec in find(code).array_specs(width, height)]

    assert shapes("RGB3") == [((5, 6, 3), "|u1")]
    assert shapes("XR24") == [((5, 6, 4), "|u1")]
    assert shapes("AR12") == shapes("XR15") == shapes("RGBP") == [((5, 6), "<u2")]
    assert shapes("RGBR") == [((5, 6), ">u2")]
    assert shapes("AR30") == [((5, 6), "<u4")]
    assert shapes("drm:XR48") == [((5, 6, 4), "<u2")]
    assert shapes("drm:AB4H") == [((5, 6, 4), "<f2")]
    assert shapes("YUYV") == [((5, 6, 2), "|u1")]
    assert shapes("YUYV", width=5) == [((5, 6, 2), "|u1")]
    assert shapes("NV12", width=5) == [((5, 5), "|u1"), ((3, 3, 2), "|u1")]
    assert shapes("P010") == [((5, 6), "<u2"), ((3, 3, 2), "<u2")]
    assert shapes("YU12") == [((5, 6), "|u1"), ((3, 3), "|u1"), ((3, 3), "|u1")]
    assert shapes("RGGB") == [((5, 6), "|u1")]
    assert shapes("RG10") == [((5, 6), "<u2")]
    assert shapes("pRAA") == [((5, 10), "|u1")]
    assert shapes("TM12") == [((128 * 32,), "|u1"), ((128 * 16,), "|u1")]
    assert find("XR24").array_specs(6, 5, 64)[0].strides == (64, 4, 1)
    assert find("NV12").array_specs(6, 5, [64, 32])[1].strides == (32, 2, 1)


@settings(deadline=None)  # a slow machine is no bug
@given(
    fmt=st.sampled_from([fmt for fmt in FORMATS if not fmt.coded]),
    width=st.integers(1, 5000),
    height=st.integers(1, 5000),
    padding=st.integers(0, 300),
    height_align=st.sampled_from([1, 2, 16, 32]),
    plane_align=st.sampled_from([1, 64, 4096]),
)
def test_planes_never_overlap_and_hold_their_rows(fmt, width, height, padding, height_align, plane_align):
    stride = fmt.layout(width, height).strides[0] + padding
    layout = fmt.layout(width, height, stride, height_align=height_align, plane_align=plane_align)
    end = 0
    for plane in layout.planes:
        assert plane.offset >= end
        assert plane.offset % plane_align == 0
        assert plane.stride >= plane.width_bytes > 0
        assert plane.size >= plane.stride * plane.rows > 0
        end = plane.offset + plane.size
    assert layout.size == end
    for larger in (fmt.layout(width + 1, height), fmt.layout(width, height + 1)):
        assert larger.size >= fmt.layout(width, height).size
    assert fmt.layout(width, height, separate=True).size == fmt.layout(width, height).size


@settings(deadline=None)  # a slow machine is no bug
@given(
    fmt=st.sampled_from([fmt for fmt in FORMATS if fmt.linear]),
    width=st.integers(1, 70),
    height=st.integers(1, 20),
    padding=st.integers(0, 9),
)
def test_arrays_fit_their_memory_and_cover_every_row(fmt, width, height, padding):
    strides = [stride + padding for stride in fmt.layout(width, height).strides]
    layout = fmt.layout(width, height, plane_strides=strides)
    memory = np.zeros(layout.size, np.uint8)
    for spec, place in zip(fmt.array_specs(width, height, strides), layout.planes, strict=True):
        view = np.ndarray(spec.shape, spec.dtype, memory, place.offset, spec.strides)
        view.view(np.uint8)[...] = 1
    assert int(memory.sum()) == sum(plane.width_bytes * plane.rows for plane in layout.planes)
