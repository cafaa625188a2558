"""Scaling lists of HEVC (ITU-T H.265, sections 7.3.4 and 7.4.5)."""

from __future__ import annotations

from dataclasses import dataclass

from zcore.bitstream.bits import Bits
from zcore.bitstream.picture import BitstreamError


def diagonal(side: int) -> list[int]:
    """Give the raster position of each place in the up-right diagonal scan of a square (6.5.3)."""
    cells = [(x, y) for y in range(side) for x in range(side)]
    cells.sort(key=lambda at: (at[0] + at[1], at[0]))
    return [y * side + x for x, y in cells]


SCAN = {16: diagonal(4), 64: diagonal(8)}
_INTRA = bytes((
    16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 17, 16, 17, 16, 17, 18, 17, 18, 18, 17, 18, 21, 19, 20, 21, 20, 19, 21, 24,
    22, 22, 24, 24, 22, 22, 24, 25, 25, 27, 30, 27, 25, 25, 29, 31, 35, 35, 31, 29, 36, 41, 44, 41, 36, 47, 54, 54, 47,
    65, 70, 65, 88, 88, 115,
))  # fmt: skip
_INTER = bytes((
    *[16] * 10, *[17] * 5, *[18] * 6, *[20] * 7, *[24] * 8, *[25] * 7, *[28] * 6, *[33] * 5, *[41] * 4, *[54] * 3,
    71, 71, 91,
))  # fmt: skip
SIZES = (6, 6, 6, 2)  # lists of 4x4, 8x8, 16x16 and 32x32
MATRIX_BYTES = 1000


@dataclass(frozen=True)
class ScalingLists:
    """Lists by size, in the order of scanning, and what takes the place of the first value of the two largest sizes."""

    lists: tuple[tuple[bytes, ...], ...]
    dc: tuple[tuple[int, ...], ...]

    def pack(self) -> bytes:
        """Give ``struct v4l2_ctrl_hevc_scaling_matrix``: the lists in raster order."""
        out = bytearray()
        for lists in self.lists:
            for one in lists:
                turned = bytearray(len(one))
                for value, place in zip(one, SCAN[len(one)], strict=True):
                    turned[place] = value
                out += turned
        return bytes(out) + bytes(self.dc[2]) + bytes(self.dc[3])


def _default(size: int, index: int) -> bytes:
    """Give a list of tables 7-5 and 7-6."""
    if size == 0:
        return bytes([16]) * 16
    return _INTRA if index < SIZES[size] // 2 else _INTER


_DC = tuple((16,) * count for count in SIZES)
DEFAULTS = ScalingLists(tuple(tuple(_default(s, i) for i in range(n)) for s, n in enumerate(SIZES)), _DC)
FLAT = ScalingLists(tuple((bytes([16]) * (64 if s else 16),) * n for s, n in enumerate(SIZES)), _DC)


def read_scaling_lists(bits: Bits) -> ScalingLists:
    """Read ``scaling_list_data()``."""
    lists: list[tuple[bytes, ...]] = []
    dcs: list[tuple[int, ...]] = []
    for size, count in enumerate(SIZES):
        own: list[bytes] = []
        dc: list[int] = []
        for index in range(count):
            if bits.flag():
                one, first = _read_list(bits, size)
            else:
                back = bits.ue(index)  # scaling_list_pred_matrix_id_delta, by threes for 32x32 in the standard
                one, first = (own[index - back], dc[index - back]) if back else (_default(size, index), 16)
            own.append(one)
            dc.append(first)
        lists.append(tuple(own))
        dcs.append(tuple(dc))
    return ScalingLists(tuple(lists), tuple(dcs))


def _read_list(bits: Bits, size: int) -> tuple[bytes, int]:
    coming, first = 8, 16
    if size > 1:
        coming = first = bits.se(-7, 247) + 8
    values = bytearray()
    for _ in range(64 if size else 16):
        coming = (coming + bits.se(-128, 127)) % 256
        if not coming:
            raise BitstreamError("a scaling list has a factor of 0", bits.position)
        values.append(coming)
    return bytes(values), first
