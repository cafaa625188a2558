"""Weighted prediction of HEVC (ITU-T H.265, sections 7.3.6.3 and 7.4.7.3) as the kernel's structure."""

from __future__ import annotations

import struct

from zcore.bitstream.bits import Bits
from zcore.bitstream.picture import BitstreamError

WEIGHTS = struct.Struct("<16b16b32b32b16b16b32b32bBb")
NO_WEIGHTS = bytes(WEIGHTS.size)
_HALF = 128  # wpOffsetHalfRangeC without the tools of range extensions


def read_weights(bits: Bits, counts: list[int], chroma: bool) -> bytes:
    """Read ``pred_weight_table()``; gives ``struct v4l2_hevc_pred_weight_table``.

    Parameters
    ----------
    counts : list of int
        How many references each list has.
    chroma : bool
        Whether there are planes of chroma in the slice.
    """
    denominator = bits.ue(7)
    delta = bits.se(-7, 7) if chroma else 0
    if not 0 <= denominator + delta <= 7:
        raise BitstreamError("a weight's denominator is out of range", bits.position)
    fields: list[int] = []
    for count in (*counts, 0, 0)[:2]:
        fields += _read_list(bits, count, chroma, denominator + delta)
    return WEIGHTS.pack(*fields, denominator, delta)


def _read_list(bits: Bits, count: int, chroma: bool, log2: int) -> list[int]:
    has_luma = [bits.flag() for _ in range(count)]
    has_chroma = [chroma and bits.flag() for _ in range(count)]
    luma, luma_offset = [0] * 16, [0] * 16
    weight, offset = [0] * 32, [0] * 32
    for i in range(count):
        if has_luma[i]:
            luma[i], luma_offset[i] = bits.se(-128, 127), bits.se(-128, 127)
        for j in range(2 * i, 2 * i + 2 if has_chroma[i] else 2 * i):
            weight[j] = bits.se(-128, 127)
            # The kernel's field has 8 bits: it is ChromaOffset, not the difference that is coded (7-56).
            sum = _HALF + bits.se(-4 * _HALF, 4 * _HALF - 1) - ((_HALF * ((1 << log2) + weight[j])) >> log2)
            offset[j] = max(-_HALF, min(sum, _HALF - 1))
    return luma + luma_offset + weight + offset
