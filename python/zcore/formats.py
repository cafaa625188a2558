"""Pixel formats: the one place that knows fourccs, planes, subsampling and numpy shapes.

A format has up to four names, and they contradict one another:

- a V4L2 fourcc, ``XR24``: names a layout by the order of bytes, mostly
- zcore's own and GStreamer's name, ``BGRx``: the bytes in the order in which they lie in memory
- a DRM fourcc, also ``XR24``, with a modifier
- DRM's name, ``XRGB8888``: a little-endian word from its most significant bit, hence the bytes backwards

`find` takes any of them, and takes the first world that knows it, in this order: V4L2 fourcc, zcore's name, GStreamer's
name, DRM fourcc, DRM's name. Write ``drm:RG16``, ``gst:Y444`` or ``v4l2:RG16`` where that would be wrong:

=========== ========================== =====================================
text        means                      and not
=========== ========================== =====================================
``RG16``    V4L2's Bayer SRGGB16       DRM's RGB565, V4L2's ``RGBP``
``BA12``    V4L2's Bayer SGRBG12       DRM's BGRA4444, V4L2's ``GA12``
``AYUV``    V4L2's bytes A, Y, U, V    DRM's word AYUV, V4L2's ``VUYA``
``XYUV``    V4L2's bytes X, Y, U, V    DRM's word XYUV8888, V4L2's ``VUYX``
``Y444``    V4L2's 16-bit packed YUV   GStreamer's planar 4:4:4, ``YM24``
``RGBP``    V4L2's RGB565              GStreamer's planar RGB
``RGB888``  DRM's word: bytes B, G, R  ``RGB``, V4L2's ``RGB3``
=========== ========================== =====================================
"""

import re
from dataclasses import replace
from difflib import get_close_matches
from typing import Any

import numpy as np

from zcore import formats_table as table
from zcore.formats_layout import (
    FLAT,
    INVALID,
    LINEAR,
    SAND128,
    ArraySpec,
    Component,
    Family,
    Format,
    Layout,
    Plane,
    PlaneLayout,
)

__all__ = [
    "BIG_ENDIAN",
    "FORMATS",
    "INVALID",
    "LINEAR",
    "ArraySpec",
    "Component",
    "Family",
    "Format",
    "Layout",
    "Plane",
    "PlaneLayout",
    "UnknownFormatError",
    "by_drm",
    "by_gst",
    "by_v4l2",
    "drm_str",
    "find",
    "fourcc",
    "fourcc_str",
    "modifier_str",
]

BIG_ENDIAN = 1 << 31
"""Bit 31 of a fourcc: the same format with big-endian words."""

VENDORS = ("NONE", "INTEL", "AMD", "NVIDIA", "SAMSUNG", "QCOM", "VIVANTE", "BROADCOM", "ARM", "ALLWINNER", "AMLOGIC",
           "MTK", "APPLE")  # fmt: skip


class UnknownFormatError(ValueError):
    """A fourcc or a name that is in no table."""


def fourcc(text: str) -> int:
    """Give the number of a fourcc written as text.

    Parameters
    ----------
    text : str
        One to four ASCII characters, padded with blanks; ``-BE`` behind them sets the big-endian bit.

    Examples
    --------
    >>> hex(fourcc("NV12"))
    '0x3231564e'
    >>> fourcc("Y16-BE") == fourcc("Y16 ") | BIG_ENDIAN
    True
    """
    code, big_endian = (text[:-3], BIG_ENDIAN) if len(text) > 4 and text.endswith("-BE") else (text, 0)
    if not 1 <= len(code) <= 4 or not code.isascii():
        raise ValueError(f"{text!r} is not a fourcc: it needs one to four ASCII characters")
    return int.from_bytes(code.ljust(4).encode(), "little") | big_endian


def fourcc_str(code: int) -> str:
    """Give a fourcc as text, or in hexadecimal if it is not printable. `fourcc` reads the text back."""
    raw = (code & ~BIG_ENDIAN).to_bytes(4, "little")
    text = raw.decode("latin-1").rstrip(" ")
    if not text or not all(0x20 <= byte < 0x7F for byte in raw):
        return f"0x{code:08x}"
    return f"{text}-BE" if code & BIG_ENDIAN else text


def modifier_str(modifier: int) -> str:
    """Give a DRM modifier as text: its name if zcore has one, else the vendor and the number."""
    named = {LINEAR: "LINEAR", INVALID: "INVALID", **{value: name for name, value in table.MODIFIERS.items()}}
    if modifier in named:
        return named[modifier]
    vendor = modifier >> 56
    return f"{VENDORS[vendor] if vendor < len(VENDORS) else hex(vendor)}:0x{modifier & INVALID:x}"


def drm_str(code: int, modifier: int = LINEAR) -> str:
    """Give a DRM fourcc and modifier as GStreamer's ``drm-format`` has it: ``NV12``, ``NV12:0x0100000000000002``.

    The fourcc has four characters, blanks included, and ``_BE`` behind it if it is big-endian. ``INVALID`` is written
    like any other modifier, because it is not the same as ``LINEAR``.
    """
    text = fourcc_str(code & ~BIG_ENDIAN).ljust(4) + ("_BE" if code & BIG_ENDIAN else "")
    return text if modifier == LINEAR else f"{text}:0x{modifier:016x}"


def find(name: str | int | Format) -> Format:
    """Find a format by whatever name it has; the module's text says which name wins.

    Parameters
    ----------
    name : str, int or Format
        A fourcc, a name, or ``NV12:0x0100000000000002``, a DRM fourcc with its modifier. ``v4l2:``, ``drm:`` or
        ``gst:`` in front chooses the world. An integer is a V4L2 fourcc, else a DRM one.

    Raises
    ------
    UnknownFormatError
        With the nearest known names.
    """
    if isinstance(name, Format):
        return name
    if isinstance(name, int):
        if name in _BY_V4L2:
            return _BY_V4L2[name]
        if (name, LINEAR) in _BY_DRM:
            return _BY_DRM[name, LINEAR]
        raise UnknownFormatError(f"unknown fourcc {fourcc_str(name)!r} (0x{name:08x}): {_nearest(fourcc_str(name))}")
    tiled = re.fullmatch(r"(?:drm:)?([^:]{1,4})(?:([-_])BE)?:0[xX]([0-9a-fA-F]{1,16})", name)
    if tiled is not None and tiled[1].isascii():
        return by_drm(fourcc(tiled[1]) | (BIG_ENDIAN if tiled[2] else 0), int(tiled[3], 16))
    world, _, rest = name.partition(":")
    if world == "drm":  # the text of drm_str
        rest = rest.rstrip(" ").replace("_BE", "-BE")
    if rest and world in _WORLDS:
        indexes: tuple[dict[str, Format], ...] = _WORLDS[world]
    else:
        indexes, rest = _ORDER, name
    for index in indexes:
        if rest in index:
            return index[rest]
    folded = {fmt for index in indexes for key, fmt in index.items() if key.lower() == rest.lower()}
    if len(folded) == 1:
        return folded.pop()
    raise UnknownFormatError(f"unknown format {name!r}: {_nearest(rest, indexes)}")


def by_v4l2(code: int) -> Format:
    """Find a format by its V4L2 fourcc, single- or multi-planar."""
    try:
        return _BY_V4L2[code]
    except KeyError:
        text = fourcc_str(code)
        near = _nearest(text, _WORLDS["v4l2"])
        raise UnknownFormatError(f"unknown V4L2 fourcc {text!r} (0x{code:08x}): {near}") from None


def by_drm(code: int, modifier: int = LINEAR) -> Format:
    """Find a format by its DRM fourcc and modifier.

    Parameters
    ----------
    code : int
        DRM fourcc.
    modifier : int
        ``LINEAR``; ``INVALID`` gives the linear format, and it is for the caller to remember that the layout is the
        driver's secret. Any other known fourcc with an unknown modifier is a tiled format without a V4L2 fourcc.
    """
    if modifier == INVALID:
        modifier = LINEAR
    known = _BY_DRM.get((code, modifier))
    if known is not None:
        return known
    if modifier & 0xFF00_0000_0000_00FF == SAND128 and (code, SAND128) in _BY_DRM:
        return replace(_BY_DRM[code, SAND128], modifier=modifier)
    base = _BY_DRM.get((code, LINEAR))
    if base is None:
        text = fourcc_str(code)
        near = _nearest(text, _WORLDS["drm"])
        raise UnknownFormatError(f"unknown DRM fourcc {text!r} (0x{code:08x}): {near}")
    name = f"{base.name}:0x{modifier:016x}"
    return replace(base, name=name, modifier=modifier, v4l2=None, v4l2_mplane=None, gst=None, tile=(1, 1))


def by_gst(name: str) -> Format:
    """Find a format by its GStreamer name, or a coded one by its media type."""
    return find(f"gst:{name}")


def _nearest(text: str, indexes: tuple[dict[str, Format], ...] | None = None) -> str:
    known = dict.fromkeys(key for index in indexes or _ORDER for key in index)
    close = get_close_matches(text, known, n=20, cutoff=0.5)
    close.sort(key=lambda one: -sum(a == b for a, b in zip(one, text, strict=False)))  # rather NV12 than NV31 for NV13
    return f"did you mean {', '.join(close[:4])}?" if close else "nothing known resembles it"


# Reading the table.


def _plane(number: int, text: str) -> tuple[Plane, list[Component]]:
    found = re.fullmatch(r"(>?)(#\d+|(?:[A-Z]\d+f?)+)(?:@(\d+))?(?::(\d)x(\d))?", text)
    if found is None:
        raise ValueError(f"bad plane {text!r}")
    swapped, body, *numbers = found.groups()
    block, hsub, vsub = (int(n or 1) for n in numbers)
    if body.startswith("#"):
        return Plane(block, int(body[1:]), hsub, vsub, FLAT, 0, ""), []
    fields = [(letter, int(bits)) for letter, bits in re.findall(r"([A-Z])(\d+)", body)]
    total = sum(bits for _, bits in fields)
    word = _word(fields)
    kind = "f" if "f" in body else "u"
    dtype: np.dtype[Any] = np.dtype(f"{'>' if swapped else '<'}{kind}{word // 8}")
    channels = total // word // block
    components: dict[str, Component] = {}
    position = 0
    for letter, bits in fields:
        column, index = divmod(position // word, channels)
        if letter in components:  # Y in both pixels of a 4:2:2 block
            components[letter] = replace(components[letter], step=1, first=0)
        elif letter != "X":
            components[letter] = Component(letter, number, index, position % word, bits, block, column)
        position += bits
    plane = Plane(block, total // 8, hsub, vsub, dtype, channels, _order(fields, word))
    return plane, list(components.values())


def _word(fields: list[tuple[str, int]]) -> int:
    """Choose the bits of an array's item: one component each in bytes or 16-bit words, else all in one word."""
    total = sum(bits for _, bits in fields)
    for word in (8, 16):
        position, used, whole = 0, [], total % word == 0
        for letter, bits in fields:
            whole = whole and position // word == (position + bits - 1) // word
            used += [position // word] if letter != "X" else []
            position += bits
        if whole and len(set(used)) == len(used):
            return word
    return total


def _order(fields: list[tuple[str, int]], word: int) -> str:
    """Spell the components, and padding only where it is a whole item or shares a word with several components."""
    total = sum(bits for _, bits in fields)
    items = [""] * (total // word)
    position = 0
    for letter, bits in fields:
        items[position // word] += letter
        position += bits
    return "".join(item if len(item.strip("X")) > 1 else item.strip("X") or "X" for item in items)


def _format(name: str, family: str, planes: str, codes: tuple[str, str], drm: str, gst: str, tile: str = "") -> Format:
    read = [_plane(number, text) for number, text in enumerate(planes.split("|"))]
    found = re.fullmatch(r"([^=+]+)(?:=(\w+))?(?:\+(\w+))?", drm)
    assert found is not None, drm
    single, several = (None if code == "-" else fourcc(code) for code in codes)
    width, _, height = tile.partition("x")
    return Format(
        name=name,
        family=Family(family),
        v4l2=single,
        v4l2_mplane=several,
        drm=None if drm == "-" else fourcc(found[1]),
        modifier=table.MODIFIERS[found[3]] if found[3] else LINEAR,
        drm_name=found[2],
        gst={"-": None, "=": name}.get(gst, gst),
        planes=tuple(plane for plane, _ in read),
        components=tuple(component for _, components in read for component in components),
        tile=(int(width), int(height)) if tile else None,
    )


def _read() -> list[Format]:
    formats = []
    for line in table.TABLE.splitlines():
        if line and not line.startswith("#"):
            name, single, several, drm, gst, family, planes, *tile = line.split()
            formats.append(_format(name, family, planes, (single, several), drm, gst, *tile))
    for line in filter(None, table.BAYER.splitlines()):
        name, planes, *codes, gst = line.split()
        for pattern, code in zip(table.BAYER_PATTERNS, codes, strict=True):
            own = name.format(pattern)
            formats.append(_format(own, "bayer", planes, (code, "-"), "-", gst.format(pattern.lower())))
    words = table.VENDOR.split()
    coded = [line.split() for line in filter(None, table.CODED.splitlines())]
    coded += [[name, code, "-"] for name, code in zip(words[::2], words[1::2], strict=True)]
    formats += [_format(name, "coded", "#1", (code, "-"), "-", gst) for name, code, gst in coded]
    return formats


FORMATS: tuple[Format, ...] = tuple(_read())
"""All formats, each once."""

_BY_V4L2: dict[int, Format] = {}
_BY_DRM: dict[tuple[int, int], Format] = {}
_NAMES: dict[str, Format] = {}
_V4L2_TEXT: dict[str, Format] = {}
_DRM_TEXT: dict[str, Format] = {}
_DRM_NAMES: dict[str, Format] = {}
_GST: dict[str, Format] = {}
for _one in FORMATS:
    _NAMES[_one.name] = _one
    for _code in (_one.v4l2, _one.v4l2_mplane):
        if _code is not None:
            _BY_V4L2[_code] = _V4L2_TEXT[fourcc_str(_code)] = _one
    if _one.drm is not None:
        _BY_DRM.setdefault((_one.drm, _one.modifier), _one)
        if _one.modifier == LINEAR:
            _DRM_TEXT.setdefault(fourcc_str(_one.drm), _one)
            if _one.drm_name:
                _DRM_NAMES.setdefault(_one.drm_name, _one)
    if _one.gst:
        _GST.setdefault(_one.gst, _one)
_ORDER = (_V4L2_TEXT, _NAMES, _GST, _DRM_TEXT, _DRM_NAMES)
_WORLDS = {"v4l2": (_V4L2_TEXT,), "gst": (_GST,), "drm": (_DRM_TEXT, _DRM_NAMES)}
