"""Names that GStreamer knows, to tell a slip of the pen from something new."""

from __future__ import annotations

import re
from difflib import get_close_matches

from zcore.formats import UnknownFormatError, find

FEATURES = (
    "memory:SystemMemory", "memory:DMABuf", "memory:GLMemory", "memory:EGLImage", "memory:VAMemory",
    "memory:VASurface", "memory:CUDAMemory", "memory:NVMM", "memory:D3D11Memory", "memory:D3D12Memory",
    "memory:VulkanImage", "memory:VulkanBuffer", "memory:MFXSurface", "memory:MSDKSurface", "memory:AMFMemory",
    "memory:HIPMemory", "memory:XLNXLL", "memory:WebRTC", "memory:SGXMemory",
    "meta:GstVideoOverlayComposition", "meta:GstVideoGLTextureUploadMeta", "meta:GstVideoAffineTransformation",
    "format:Interlaced",
)  # fmt: skip

_RAW = """
ENCODED I420 YV12 YUY2 UYVY AYUV RGBx BGRx xRGB xBGR RGBA BGRA ARGB ABGR RGB BGR Y41B Y42B YVYU Y444 v210 v216 NV12 NV21
GRAY8 GRAY16_BE GRAY16_LE v308 RGB16 BGR16 RGB15 BGR15 UYVP A420 RGB8P YUV9 YVU9 IYU1 ARGB64 AYUV64 r210 I420_10BE
I420_10LE I422_10BE I422_10LE Y444_10BE Y444_10LE GBR GBR_10BE GBR_10LE NV16 NV24 NV12_64Z32 A420_10BE A420_10LE
A422_10BE A422_10LE A444_10BE A444_10LE NV61 P010_10BE P010_10LE IYU2 VYUY GBRA GBRA_10BE GBRA_10LE GBR_12BE GBR_12LE
GBRA_12BE GBRA_12LE I420_12BE I420_12LE I422_12BE I422_12LE Y444_12BE Y444_12LE GRAY10_LE32 NV12_10LE32 NV16_10LE32
NV12_10LE40 Y210 Y410 VUYA BGR10A2_LE RGB10A2_LE Y444_16BE Y444_16LE P016_BE P016_LE P012_BE P012_LE Y212_BE Y212_LE
Y412_BE Y412_LE NV12_4L4 NV12_32L32 RGBP BGRP AV12 ARGB64_LE ARGB64_BE RGBA64_LE RGBA64_BE BGRA64_LE BGRA64_BE ABGR64_LE
ABGR64_BE NV12_16L32S NV12_8L128 NV12_10BE_8L128 NV12_10LE40_4L4 DMA_DRM MT2110T MT2110R A422 A444 A444_12LE A444_12BE
A422_12LE A422_12BE A420_12LE A420_12BE A444_16LE A444_16BE A422_16LE A422_16BE A420_16LE A420_16BE GBR_16LE GBR_16BE
RBGA Y216_LE Y216_BE Y416_LE Y416_BE GRAY10_LE16 NV16_10LE40 BGR10x2_LE RGB10x2_LE
"""
RAW_FORMATS = frozenset(_RAW.split())
"""The ``format=`` names of ``video/x-raw`` in GStreamer 1.28."""

FIELDS = (
    "format", "width", "height", "framerate", "max-framerate", "pixel-aspect-ratio", "interlace-mode", "field-order",
    "colorimetry", "chroma-site", "multiview-mode", "multiview-flags", "views", "drm-format", "texture-target",
    "mastering-display-info", "content-light-level",
)  # fmt: skip
"""The fields of ``video/x-raw``."""
INTERLACE_MODES = ("progressive", "interleaved", "mixed", "fields", "alternate")

DRM_FORMAT = re.compile(r"([^:]{4})(_BE)?(?::(0[xX][0-9a-fA-F]{1,16}))?", re.DOTALL)
LIKE = 0.92  # how much a feature must resemble a known one to be taken for a slip


def misspelt_feature(name: str) -> str | None:
    """Find the feature that was meant, if this is nearly one: ``memory:DMABUF``."""
    if name in FEATURES:
        return None
    for known in FEATURES:
        if known.lower() == name.lower().replace("_", "").replace("-", ""):
            return known
    digits = re.sub(r"\D", "", name)
    close = get_close_matches(name, FEATURES, n=1, cutoff=LIKE) if len(name) < 64 else []
    return close[0] if close and re.sub(r"\D", "", close[0]) == digits else None


def _nearest(word: str, known: list[str], cutoff: float) -> list[str]:
    """Find the three names that are most like a word; those that begin like it first."""
    close = get_close_matches(word, known, n=8, cutoff=cutoff) if len(word) < 64 else []
    return sorted(close, key=lambda one: -sum(a == b for a, b in zip(one, word, strict=False)))[:3]


def misspelt_format(name: str) -> str | None:
    """Say what was meant by a raw format's name, if this is another world's name or nearly one of GStreamer's."""
    if name in RAW_FORMATS or len(name) > 32:
        return None
    for known in sorted(RAW_FORMATS):
        if known.lower() == name.lower():
            return known
    try:
        found = find(name)
    except (UnknownFormatError, ValueError):
        return " or ".join(_nearest(name, sorted(RAW_FORMATS), 0.75)) or None
    if found.gst in RAW_FORMATS and found.linear:
        return found.gst
    return None


def bad_drm_format(text: str) -> str | None:
    """Say what is wrong with a ``drm-format``, if anything is."""
    found = DRM_FORMAT.fullmatch(text)
    if found is None:
        return "a drm-format is a fourcc of four characters, and :0x with the modifier where it is not linear"
    if found[3] and int(found[3], 16) == 0:
        return f"a linear drm-format has no modifier: write {found[1]}{found[2] or ''}"
    return None


def near(word: str, known: list[str]) -> str:
    """Write the names that resemble a word, for the end of a message."""
    close = _nearest(word, known, 0.5)
    return f"; did you mean {' or '.join(close)}?" if close else ""
