"""What caps mean for zcore's formats: which they allow, at which sizes and rates, and how a format is described.

A format goes by one of these names:

- ``video/x-raw,format=NV12``: rows from top to bottom. Where GStreamer has no name, zcore's own is taken.
- ``video/x-raw(memory:DMABuf),format=DMA_DRM,drm-format=NV12``: as DRM describes it. Without a suffix it is linear;
  with one it has that modifier, and ``:0x00ffffffffffffff`` is the one that leaves the layout to the driver. None of
  these three goes for another. Without a ``drm-format`` any is allowed.
- ``video/x-bayer,format=rggb`` and coded media types such as ``video/x-h264``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from fractions import Fraction
from functools import lru_cache

from zcore.caps import algebra
from zcore.caps.caps import Caps
from zcore.caps.errors import CapsError
from zcore.caps.names import DRM_FORMAT, FIELDS, INTERLACE_MODES
from zcore.caps.structure import SYSTEM_MEMORY, Features, Structure, text_of
from zcore.caps.values import FractionRange, IntRange, Value, basic_type
from zcore.formats import BIG_ENDIAN, LINEAR, Family, Format, by_drm, by_gst, drm_str, fourcc
from zcore.formats_layout import SAND128

__all__ = [
    "allows",
    "caps_of",
    "check",
    "features_of",
    "formats_of",
    "media_type",
    "rates_of",
    "sizes_of",
    "strings_of",
]

DMABUF = "memory:DMABuf"
DMA_DRM = "DMA_DRM"
_SAND_BASE = 0xFF00_0000_0000_00FF  # Broadcom's modifier without its parameter, the height of a column

_STREAM = {"stream-format": "byte-stream", "alignment": "au"}
_CODED: dict[str, dict[str, Value]] = {
    "DV": {"systemstream": True},
    "MPEG": {"systemstream": True},
    "MPEG1": {"mpegversion": 1},
    "MPEG2": {"mpegversion": 2},
    "MPEG4": {"mpegversion": 4, "systemstream": False},
    "XVID": {"mpegversion": 4, "systemstream": False},
    "H263": {"variant": "itu"},
    "H264": _STREAM,
    "H264_NO_SC": {"stream-format": "avc", "alignment": "au"},
    "H264_MVC": _STREAM,
    "HEVC": _STREAM,
    "VC1_ANNEX_G": {"wmvversion": 3, "format": "WVC1"},
    "VC1_ANNEX_L": {"wmvversion": 3, "format": "WMV3"},
    "AV1": {"stream-format": "obu-stream", "alignment": "tu"},
}
"""What tells coded formats of one media type apart."""

_AMBIGUOUS = {"BGR32": ("BGRx", "BGRA"), "RGB32": ("xRGB", "ARGB")}


def media_type(fmt: Format) -> str:
    """Give the media type of a format: ``video/x-raw``, ``video/x-bayer``, ``image/jpeg``."""
    if fmt.family is Family.BAYER:
        return "video/x-bayer"
    if fmt.coded:
        return fmt.gst or f"video/x-{fmt.name.lower().replace('_', '-')}"
    return "video/x-raw"


@lru_cache(maxsize=1024)
def _names(fmt: Format) -> tuple[str, ...]:
    """Give the ``format=`` names of a raw or Bayer format, the best first."""
    if fmt.name in _AMBIGUOUS:
        return _AMBIGUOUS[fmt.name]
    if fmt.gst:  # with the modifier of that name, which a copy of the format need not have
        return (fmt.gst,) if fmt.modifier == by_gst(fmt.gst).modifier else ()
    if fmt.drm is not None and fmt.modifier == LINEAR and fmt.tile is None:
        twin = by_drm(fmt.drm)
        return (twin.gst or fmt.name,)
    return (fmt.name,) if fmt.modifier == LINEAR else ()


def caps_of(
    fmt: Format,
    size: tuple[int, int] | None = None,
    rate: Fraction | None = None,
    features: Iterable[str] = (),
) -> Caps:
    """Describe one format by fixed caps.

    Parameters
    ----------
    fmt : Format
    size : (int, int), optional
        Width and height in pixels.
    rate : Fraction, optional
        Frames per second.
    features : iterable of str
        Such as ``memory:DMABuf``. A format whose modifier is not linear gets that one in any case.

    Raises
    ------
    CapsError
        If the size or the rate does not fit into caps.
    """
    demanded = list(dict.fromkeys(features))
    fields: dict[str, Value] = {}
    if fmt.coded:
        fields.update(_CODED.get(fmt.name, {}))
    elif fmt.modifier != LINEAR or (DMABUF in demanded and fmt.gst is None and fmt.drm is not None and not fmt.tiled):
        code, modifier = fmt.require_drm()
        fields.update({"format": DMA_DRM, "drm-format": drm_str(code, modifier)})
        demanded = demanded if DMABUF in demanded else [DMABUF, *demanded]
    else:
        fields["format"] = _names(fmt)[0]
    if size is not None:
        fields.update(width=int(size[0]), height=int(size[1]))
    if rate is not None:
        fields["framerate"] = Fraction(rate)
    return Caps([Structure(media_type(fmt), fields, demanded)])


def formats_of(caps: Caps, candidates: Iterable[Format]) -> list[Format]:
    """Give those of some formats that caps allow, in the caps' order of preference.

    Parameters
    ----------
    caps : Caps
    candidates : iterable of Format

    Returns
    -------
    list of Format
        Those of the first structure first. Within a structure a list of formats gives the order, else the candidates'.

    Raises
    ------
    CapsError
        If the caps cannot be meant as they are; see `check`.
    """
    known = list(candidates)
    if caps.is_any:
        return known
    check(caps)
    found: dict[Format, None] = {}
    for structure in caps.structures:
        allowed = [(place, fmt) for fmt in known if (place := _place(structure, fmt)) is not None]
        allowed.sort(key=lambda one: one[0])
        found.update(dict.fromkeys(fmt for _, fmt in allowed))
    return list(found)


def sizes_of(caps: Caps, fmt: Format) -> tuple[Value, Value]:
    """Give the widths and heights that caps allow for a format.

    Returns
    -------
    (width, height)
        Each is None for any, an int, an IntRange, or a ValueList of these; an empty list if the format is not allowed
        at all. Of several structures it is what any of them allows; `allows` tells whether a width goes with a height.

    Raises
    ------
    CapsError
        If a width or a height is no whole number.
    """
    return _limit(caps, fmt, "width"), _limit(caps, fmt, "height")


def rates_of(caps: Caps, fmt: Format) -> Value:
    """Give the frame rates that caps allow for a format.

    Returns
    -------
    None, Fraction, FractionRange or ValueList
        As for `sizes_of`.

    Raises
    ------
    CapsError
        If the rate is no fraction: ``30`` is none, ``30/1`` is.
    """
    return _limit(caps, fmt, "framerate")


def strings_of(caps: Caps, fmt: Format, name: str) -> list[str]:
    """Give the values of ``colorimetry`` or ``interlace-mode`` that caps allow for a format; none for any.

    Raises
    ------
    CapsError
        If a value is no text.
    """
    limit = _limit(caps, fmt, name)
    return [one for one in algebra.atoms(limit) if isinstance(one, str)] if limit is not None else []


def features_of(caps: Caps, fmt: Format) -> set[str]:
    """Give the features that caps demand for a format, whichever structure is chosen; none for plain memory."""
    sets = [set(one.features) - {SYSTEM_MEMORY} for one in _allowing(caps, fmt)]
    return set.intersection(*sets) if sets else set()


def allows(
    caps: Caps,
    fmt: Format,
    size: tuple[int, int] | None = None,
    rate: Fraction | None = None,
    features: Sequence[str] | None = None,
) -> bool:
    """Tell whether one structure of some caps allows all of this together; what is None is not asked about."""
    wanted: dict[str, Value] = {}
    if size is not None:
        wanted.update(width=int(size[0]), height=int(size[1]))
    if rate is not None:
        wanted["framerate"] = Fraction(rate)
    given = None if features is None else Features(*features)
    for one in _allowing(caps, fmt):
        if all(name not in one or algebra.is_subset(value, one[name]) for name, value in wanted.items()) and (
            given is None or one.features.agrees(given)
        ):
            return True
    return caps.is_any


@lru_cache(maxsize=256)
def check(caps: Caps) -> None:
    """Refuse caps that GStreamer would read, and that could never be agreed on.

    Raises
    ------
    CapsError
        For ``framerate=30``, which is no fraction; for a field of ``video/x-raw`` that is nearly a known one; for
        ``DMA_DRM`` without ``memory:DMABuf``, and for a ``drm-format`` without ``DMA_DRM``.
    """
    for one in caps.structures:
        for name in ("width", "height", "framerate", "colorimetry", "interlace-mode"):
            _checked(caps, one, name)
        for mode in algebra.atoms(one.get("interlace-mode", algebra.NOTHING)):
            if mode not in INTERLACE_MODES:
                raise _error(
                    f"no interlace-mode {mode!r}; there are {', '.join(INTERLACE_MODES)}", caps, "interlace-mode"
                )
        if one.name != "video/x-raw":
            continue
        for name in one.fields:
            close = [] if name in FIELDS else get_close_matches(name, FIELDS, n=1, cutoff=0.8)
            if close:
                raise _error(f"unknown field {name!r}; did you mean {close[0]}?", caps, name)
        if one.get("format") == DMA_DRM and DMABUF not in one.features and not one.features.is_any:
            raise _error(f"format={DMA_DRM} is for DMA-BUFs: write video/x-raw({DMABUF})", caps, DMA_DRM)
        if "drm-format" in one and not algebra.is_subset(DMA_DRM, one.get("format", DMA_DRM)):
            raise _error(f"a drm-format goes with format={DMA_DRM}, not with another format", caps, "drm-format")


def _error(reason: str, caps: Caps, word: str) -> CapsError:
    text = str(caps)
    return CapsError(reason, text, max(text.find(word), 0))


def _checked(caps: Caps, one: Structure, name: str) -> Value:
    """Give a field, None if it is not there; refuse a type that it never has."""
    value = one.get(name)
    if value is None or value == algebra.NOTHING:
        return value
    kind = {"framerate": "fraction", "width": "int", "height": "int"}.get(name, "string")
    single = all(isinstance(item, (int, Fraction, IntRange, FractionRange, str)) for item in algebra.atoms(value))
    if basic_type(value) != kind or not single:
        text = f"({basic_type(value)}){text_of(value)}"
        cures = {"fraction": "a rate is a fraction, like 30/1", "string": f"a {name} is a text"}
        cure = cures.get(kind, f"a {name} is a whole number of pixels")
        raise _error(f"{name}={text}: {cure}", caps, f" {name}=")
    return value


def _limit(caps: Caps, fmt: Format, name: str) -> Value:
    if caps.is_any:
        return None
    limit: Value = algebra.NOTHING
    for one in _allowing(caps, fmt):
        value = _checked(caps, one, name)
        if value is None:
            return None
        limit = algebra.union(limit, value)
    return limit


def _allowing(caps: Caps, fmt: Format) -> list[Structure]:
    return [one for one in caps.structures if _place(one, fmt) is not None]


def _place(one: Structure, fmt: Format) -> int | None:
    """Give the place that a structure gives a format among others: 0 is best, None is not at all."""
    if one.name != media_type(fmt):
        return None
    if fmt.coded:
        fields = _CODED.get(fmt.name, {})
        met = all(name not in one or algebra.is_subset(value, one[name]) for name, value in fields.items())
        return 0 if met else None
    drm_allowed = fmt.drm is not None and (DMABUF in one.features or one.features.is_any)
    if "format" not in one:
        named = bool(_names(fmt)) and "drm-format" not in one
        return 0 if named or (drm_allowed and _drm_place(one, fmt) is not None) else None
    order = _order(one)
    places = [order[name] for name in _names(fmt) if name in order]
    if drm_allowed and DMA_DRM in order and (inner := _drm_place(one, fmt)) is not None:
        places.append(order[DMA_DRM] + inner)
    return min(places, default=None)


@lru_cache(maxsize=256)
def _order(one: Structure) -> dict[str, int]:
    """Give the place of each name that a structure has for its format."""
    order: dict[str, int] = {}
    for name in algebra.atoms(one["format"]):
        if isinstance(name, str):
            order.setdefault(name, len(order))
    return order


def _drm_place(one: Structure, fmt: Format) -> int | None:
    if "drm-format" not in one:
        return 0
    for place, text in enumerate(algebra.atoms(one["drm-format"])):
        described = _read_drm(text)
        if described is not None and described[0] == fmt.drm and _same_modifier(described[1], fmt.modifier):
            return place
    return None


def _read_drm(text: Value) -> tuple[int, int] | None:
    """Read a ``drm-format``: the fourcc and the modifier."""
    found = DRM_FORMAT.fullmatch(text) if isinstance(text, str) else None
    if found is None or not found[1].isascii():
        return None
    code = fourcc(found[1]) | (BIG_ENDIAN if found[2] else 0)
    return code, int(found[3], 16) if found[3] else LINEAR


def _same_modifier(one: int, two: int) -> bool:
    """Tell whether two modifiers are the same. Broadcom's may lack the column's height until the driver has told it."""
    if one == two:
        return True
    return one & _SAND_BASE == two & _SAND_BASE == SAND128 and SAND128 in (one, two)
