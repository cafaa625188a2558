"""Types of controls: their numbers, their names, and what their values are in Python."""

from __future__ import annotations

import re
from enum import IntEnum, IntFlag
from typing import Any, NamedTuple

import numpy as np

from zcore.controls.layouts import LAYOUTS
from zcore.controls.layouts_new import LAYOUTS as NEW_LAYOUTS


class ControlType(IntEnum):
    """V4L2_CTRL_TYPE_*."""

    INTEGER = 1
    BOOLEAN = 2
    MENU = 3
    BUTTON = 4
    INTEGER64 = 5
    CTRL_CLASS = 6
    STRING = 7
    BITMASK = 8
    INTEGER_MENU = 9
    U8 = 0x100
    U16 = 0x101
    U32 = 0x102
    AREA = 0x106
    RECT = 0x107
    HDR10_CLL_INFO = 0x110
    HDR10_MASTERING_DISPLAY = 0x111
    H264_SPS = 0x200
    H264_PPS = 0x201
    H264_SCALING_MATRIX = 0x202
    H264_SLICE_PARAMS = 0x203
    H264_DECODE_PARAMS = 0x204
    H264_PRED_WEIGHTS = 0x205
    FWHT_PARAMS = 0x220
    VP8_FRAME = 0x240
    MPEG2_QUANTISATION = 0x250
    MPEG2_SEQUENCE = 0x251
    MPEG2_PICTURE = 0x252
    VP9_COMPRESSED_HDR = 0x260
    VP9_FRAME = 0x261
    HEVC_SPS = 0x270
    HEVC_PPS = 0x271
    HEVC_SLICE_PARAMS = 0x272
    HEVC_SCALING_MATRIX = 0x273
    HEVC_DECODE_PARAMS = 0x274
    AV1_SEQUENCE = 0x280
    AV1_TILE_GROUP_ENTRY = 0x281
    AV1_FRAME = 0x282
    AV1_FILM_GRAIN = 0x283


class ControlFlag(IntFlag):
    """V4L2_CTRL_FLAG_*."""

    DISABLED = 0x1
    GRABBED = 0x2
    READ_ONLY = 0x4
    UPDATE = 0x8
    INACTIVE = 0x10
    SLIDER = 0x20
    WRITE_ONLY = 0x40
    VOLATILE = 0x80
    HAS_PAYLOAD = 0x100
    EXECUTE_ON_WRITE = 0x200
    MODIFY_LAYOUT = 0x400
    DYNAMIC_ARRAY = 0x800
    HAS_WHICH_MIN_MAX = 0x1000


CUR_VAL, DEF_VAL, REQUEST_VAL, MIN_VAL, MAX_VAL = 0, 0x0F000000, 0x0F010000, 0x0F020000, 0x0F030000

CLASSES = {
    0x980000: "User Controls",
    0x990000: "Codec Controls",
    0x9A0000: "Camera Controls",
    0x9B0000: "FM Radio Modulator Controls",
    0x9C0000: "Flash Controls",
    0x9D0000: "JPEG Compression Controls",
    0x9E0000: "Image Source Controls",
    0x9F0000: "Image Processing Controls",
    0xA10000: "FM Radio Receiver Controls",
    0xA20000: "RF Tuner Controls",
    0xA30000: "Detection Controls",
    0xA40000: "Stateless Codec Controls",
    0xA50000: "Colorimetry Controls",
}


def type_name(number: int) -> str:
    """Name a type as V4L2 does, in lower case; a number in hexadecimal where it is a new one."""
    try:
        return ControlType(number).name.lower()
    except ValueError:
        return f"{number:#x}"


class MenuEntry(int):
    """Index of a menu's entry, with what the menu says there.

    Attributes
    ----------
    text : str
        The entry; for a menu of numbers, the number as text.
    """

    text: str

    def __new__(cls, index: int, text: str | int = "") -> MenuEntry:
        """Make one."""
        self = super().__new__(cls, index)
        self.text = str(text)
        return self

    def __repr__(self) -> str:
        return f"{int(self)} ({self.text})"

    def __reduce__(self) -> tuple[Any, ...]:
        return MenuEntry, (int(self), self.text)


class Area(NamedTuple):
    """struct v4l2_area, in what the control counts: cells, pixels."""

    width: int
    height: int


class Rect(NamedTuple):
    """struct v4l2_rect, in what the control counts, mostly pixels."""

    left: int
    top: int
    width: int
    height: int


class ContentLightLevel(NamedTuple):
    """struct v4l2_ctrl_hdr10_cll_info, in candela per square metre (CTA-861.3)."""

    max_content_light_level: int
    max_pic_average_light_level: int


class MasteringDisplay(NamedTuple):
    """struct v4l2_ctrl_hdr10_mastering_display: chromaticities in 0.00002, luminances in 0.0001 cd/m2 (SMPTE 2086)."""

    display_primaries_x: tuple[int, int, int]
    display_primaries_y: tuple[int, int, int]
    white_point_x: int
    white_point_y: int
    max_display_mastering_luminance: int
    min_display_mastering_luminance: int


TUPLES: dict[int, type[Any]] = {
    ControlType.AREA: Area,
    ControlType.RECT: Rect,
    ControlType.HDR10_CLL_INFO: ContentLightLevel,
    ControlType.HDR10_MASTERING_DISPLAY: MasteringDisplay,
}
_PLAIN = {
    "area": "u32 width, u32 height",
    "rect": "s32 left, s32 top, u32 width, u32 height",
}
_LAYOUTS = {**_PLAIN, **LAYOUTS, **NEW_LAYOUTS}
_SCALARS = {"u8": "u1", "s8": "i1", "u16": "u2", "s16": "i2", "u32": "u4", "s32": "i4", "u64": "u8", "s64": "i8"}
_NUMBERS = {ControlType.U8: "u1", ControlType.U16: "u2", ControlType.U32: "u4", ControlType.INTEGER64: "i8"}


_made: dict[str, np.dtype[Any]] = {}


def structure_dtype(name: str) -> np.dtype[Any]:
    """Give the numpy type of a structure that a control carries.

    Parameters
    ----------
    name : str
        As in the kernel's header, without ``v4l2_`` and ``ctrl_``: ``h264_sps``, ``fwht_params``, ``vp9_frame``.

    Raises
    ------
    KeyError
        There is no such structure.
    """
    if name in _made:
        return _made[name]
    names, formats = [], []
    for field in re.split(r",\s*(?![^\[]*\])", _LAYOUTS[name]):
        found = re.fullmatch(r"(\w+) (\w+)(?:\[([\d,]+)\])?", field)
        assert found is not None, field
        kind: Any = _SCALARS.get(found[1]) or structure_dtype(found[1])
        names.append(found[2])
        formats.append((kind, tuple(int(n) for n in found[3].split(","))) if found[3] else kind)
    _made[name] = np.dtype(list(zip(names, formats, strict=True)), align=True)
    return _made[name]


def element_dtype(type: int, size: int) -> np.dtype[Any] | None:
    """Give the numpy type of one element of a control; ``None`` where this kernel's is another, or unknown."""
    if type in (ControlType.INTEGER, ControlType.BOOLEAN, ControlType.MENU, ControlType.INTEGER_MENU):
        found: np.dtype[Any] = np.dtype("i4")
    elif type == ControlType.BITMASK:
        found = np.dtype("u4")
    elif type in _NUMBERS:
        found = np.dtype(_NUMBERS[ControlType(type)])
    elif type_name(type) in _LAYOUTS:
        found = structure_dtype(type_name(type))
    else:
        return None
    return found if found.itemsize == size else None
