"""Colours of a display: the blobs of gamma, matrix and HDR, and what a plane is told of its frames' colours."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from zcore._drm import Card, Property
from zcore._drm_properties import describe_property
from zcore._kms_legacy import gamma_size
from zcore.errors import ChainError
from zcore.formats import Family
from zcore.stages.base import LinkCaps
from zcore.stages.structures import plain_name

BLOB = 0x10  # DRM_MODE_PROP_BLOB
# V4L2_YCBCR_ENC_* -> the kernel's names of COLOR_ENCODING (drm_color_mgmt.c)
ENCODINGS = {
    1: "ITU-R BT.601 YCbCr", 3: "ITU-R BT.601 YCbCr", 5: "ITU-R BT.601 YCbCr", 8: "ITU-R BT.601 YCbCr",
    2: "ITU-R BT.709 YCbCr", 4: "ITU-R BT.709 YCbCr",
    6: "ITU-R BT.2020 YCbCr", 7: "ITU-R BT.2020 YCbCr",
}  # fmt: skip
RANGES = {True: "YCbCr full range", False: "YCbCr limited range"}
# CTA-861-G, EOTF of the static metadata descriptor
TRANSFERS = {"sdr": 0, "hdr": 1, "pq": 2, "hlg": 3}


@dataclass(frozen=True)
class HdrMetadata:
    """Mastering data of an HDR picture, for ``Display(hdr_metadata=...)``.

    Attributes
    ----------
    eotf : str
        ``pq`` (SMPTE ST 2084), ``hlg``, ``hdr`` (traditional gamma) or ``sdr``.
    primaries : sequence of (float, float)
        CIE 1931 x and y of red, green and blue, 0 to 1; left out: those of Rec. 2020.
    white : (float, float)
        The white point; left out: D65.
    max_luminance, min_luminance : float
        Of the mastering display, in candela per square metre.
    max_cll, max_fall : int
        Brightest pixel and brightest picture on average, in candela per square metre; 0 = unknown.
    """

    eotf: str = "pq"
    primaries: Sequence[tuple[float, float]] = ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046))
    white: tuple[float, float] = (0.3127, 0.3290)
    max_luminance: float = 1000.0
    min_luminance: float = 0.0001
    max_cll: int = 0
    max_fall: int = 0

    def pack(self) -> bytes:
        """Give it as ``struct hdr_output_metadata``: chromaticities in steps of 0.00002, darkness in 0.0001 cd/m2."""
        if self.eotf not in TRANSFERS:
            raise ValueError(f"eotf is one of {', '.join(TRANSFERS)}, not {self.eotf!r}")
        if len(self.primaries) != 3:
            raise ValueError(f"primaries are x and y of red, green and blue, not {self.primaries!r}")
        points = [value for point in (*self.primaries, self.white) for value in point]
        if len(points) != 8 or not all(0 <= value <= 1 for value in points):
            raise ValueError(f"chromaticities are pairs of 0 to 1, not {(*self.primaries, self.white)!r}")
        lights = (round(self.max_luminance), round(self.min_luminance * 10000), self.max_cll, self.max_fall)
        if not all(0 <= value <= 0xFFFF for value in lights):
            raise ValueError(f"a luminance is out of range in {self!r}: 0 to 65535 cd/m2, the darkest 0 to 6.5535")
        steps = [round(value * 50000) for value in points]
        return struct.pack("=IBB12H2x", 0, TRANSFERS[self.eotf], 0, *steps, *lights)


def lut_content(what: str, given: Any, size: int) -> bytes:
    """Pack a look-up table as ``struct drm_color_lut`` entries.

    Parameters
    ----------
    given : array-like
        ``(size,)`` for all channels alike, or ``(size, 3)``: red, green, blue; floats 0 to 1, or 16 bit integers.
    size : int
        Entries that the hardware has.
    """
    table = np.asarray(given)
    if table.ndim == 1:
        table = np.repeat(table[:, None], 3, axis=1)
    if table.shape != (size, 3):
        raise ChainError(f"{what} has {size} entries here, of 1 or 3 channels; the one given has {table.shape}")
    if table.dtype.kind == "f":
        if not np.isfinite(table).all() or table.min() < 0 or table.max() > 1:
            raise ChainError(f"{what}: floats are 0.0 to 1.0, and these go from {table.min()} to {table.max()}")
        table = np.rint(table * 65535)
    elif table.dtype.kind not in "ui" or table.min() < 0 or table.max() > 65535:
        raise ChainError(f"{what} takes floats of 0 to 1 or integers of 0 to 65535, not {table.dtype}")
    entries = np.zeros((size, 4), "<u2")
    entries[:, :3] = table
    return entries.tobytes()


def matrix_content(given: Any) -> bytes:
    """Pack a colour matrix as ``struct drm_color_ctm``: S31.32, sign and magnitude."""
    matrix = np.asarray(given, float)
    if matrix.shape != (3, 3) or not np.isfinite(matrix).all() or abs(matrix).max() >= 2**31:
        raise ChainError(f"ctm is a matrix of 3 by 3 numbers, not {given!r}")
    return struct.pack("<9Q", *((int(v < 0) << 63) | round(abs(float(v)) * 2**32) for v in matrix.reshape(9)))


def crtc_blobs(card: Card, known: dict[str, Property], *, gamma: Any, degamma: Any, ctm: Any) -> dict[int, bytes]:
    """Give the blobs for a CRTC by property id, their sizes checked.

    Raises
    ------
    ChainError
        The CRTC has no such property, or tables of another size.
    """
    found: dict[int, bytes] = {}
    for what, given in (("GAMMA_LUT", gamma), ("DEGAMMA_LUT", degamma), ("CTM", ctm)):
        if given is None:
            continue
        if what not in known:
            raise ChainError(f"the CRTC of {card.path} has no {what}; it has {', '.join(known)}")
        size = known[f"{what}_SIZE"].value if f"{what}_SIZE" in known else 0
        found[known[what].id] = matrix_content(given) if what == "CTM" else lut_content(what, given, size)
    return found


def legacy_gamma(card: Card, crtc: int, known: dict[str, Property], given: Any) -> bytes:
    """Give a gamma table for SETGAMMA; empty where the CRTC has the property, or nothing was given.

    Raises
    ------
    ChainError
        The CRTC has no table, or one of another size.
    """
    if given is None or card.atomic or "GAMMA_LUT" in known:
        return b""
    size = gamma_size(card, crtc)
    if not size:
        raise ChainError(f"the CRTC of {card.path} has no gamma table; leave gamma out")
    entries = np.frombuffer(lut_content("gamma", given, size), "<u2").reshape(size, 4)
    return np.ascontiguousarray(entries[:, :3].T).astype("=u2").tobytes()


def colour_settings(card: Card, plane: dict[str, Property], caps: LinkCaps) -> dict[int, int]:
    """Tell a plane what the frames' Y'CbCr means, as far as it has the properties and the values.

    A plane that is told nothing takes its default, mostly BT.601 in limited range, whatever the camera made.
    """
    if caps.format.family is not Family.YUV:
        return {}
    colours = caps.colorimetry
    wanted = {"COLOR_ENCODING": ENCODINGS.get(colours.ycbcr_enc, ""), "COLOR_RANGE": RANGES[colours.full_range]}
    found = {}
    for name, value in wanted.items():
        if name in plane:
            values = describe_property(card, plane[name].id).values
            by_name = {plain_name(text): number for text, number in values.items()}
            if plain_name(value) in by_name:
                found[plane[name].id] = by_name[plain_name(value)]
    return found
