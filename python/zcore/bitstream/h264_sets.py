"""H.264 parameter sets (ITU-T H.264, sections 7.3.2.1 and 7.3.2.2) as the kernel's control structures."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from zcore.bitstream.bits import Bits
from zcore.bitstream.picture import BitstreamError

SPS = struct.Struct("<12B255iiiHHI")
PPS = struct.Struct("<6B4bH")
FRAME_MBS_ONLY = 0x10
HIGH_PROFILES = {100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135}
MAX_DPB_MBS = {
    9: 396, 10: 396, 11: 900, 12: 2376, 13: 2376, 20: 2376, 21: 4752, 22: 8100, 30: 8100, 31: 18000, 32: 20480,
    40: 32768, 41: 32768, 42: 34816, 50: 110400, 51: 184320, 52: 184320, 60: 696320, 61: 696320, 62: 696320,
}  # fmt: skip
"""Macroblocks in the decoded picture buffer, by level (table A-1)."""

Lists = tuple[bytes, ...]


def zigzag(side: int) -> list[int]:
    """Give the raster position of each place in the zigzag scan of a square."""
    cells = [(x, y) for y in range(side) for x in range(side)]
    cells.sort(key=lambda at: (at[0] + at[1], at[0] if (at[0] + at[1]) % 2 == 0 else at[1]))
    return [y * side + x for x, y in cells]


ZIGZAG = {16: zigzag(4), 64: zigzag(8)}
_INTRA4 = bytes((6, 13, 13, 20, 20, 20, 28, 28, 28, 28, 32, 32, 32, 37, 37, 42))
_INTER4 = bytes((10, 14, 14, 20, 20, 20, 24, 24, 24, 24, 27, 27, 27, 30, 30, 34))
_INTRA8 = bytes.fromhex(
    "060a0a0d0b0d101010101212121212171717171717191919191919191b1b1b1b1b1b1b1b1d1d1d1d1d1d1d1f1f1f1f1f1f2121212121242424"
    "242626262828" "2a"
)  # fmt: skip
_INTER8 = bytes.fromhex(
    "090d0d0f0d0f111111111313131313151515151515161616161616161818181818181818191919191919191b1b1b1b1b1b1c1c1c1c1c1e1e1e"
    "1e20202021" "2123"
)  # fmt: skip
DEFAULTS: Lists = (*[_INTRA4] * 3, *[_INTER4] * 3, *[_INTRA8, _INTER8] * 3)
"""Table 7-2, in the order of scanning: six of 16 values, six of 64."""

FLAT: Lists = (*[bytes([16]) * 16] * 6, *[bytes([16]) * 64] * 6)


def raster(lists: Lists) -> bytes:
    """Give ``struct v4l2_ctrl_h264_scaling_matrix``: the lists in raster order."""
    out = bytearray()
    for one in lists:
        turned = bytearray(len(one))
        for value, place in zip(one, ZIGZAG[len(one)], strict=True):
            turned[place] = value
        out += turned
    return bytes(out)


def scaling_lists(bits: Bits, count: int, fallback: Lists) -> Lists:
    """Read scaling lists; one that is absent is as the one before it of its kind, the first as `fallback`'s."""
    lists: list[bytes] = []
    for i in range(12):
        if i < count and bits.flag():
            lists.append(_scaling_list(bits, i))
        elif i in (0, 3, 6, 7):
            lists.append(fallback[i])
        else:
            lists.append(lists[i - 1] if i < 6 else lists[i - 2])
    return tuple(lists)


def _scaling_list(bits: Bits, index: int) -> bytes:
    size = 16 if index < 6 else 64
    values = bytearray()
    last = coming = 8
    for place in range(size):
        if coming:
            coming = (last + bits.se(-128, 127)) % 256
            if place == 0 and coming == 0:
                return DEFAULTS[index]
        last = coming or last
        values.append(last)
    return bytes(values)


@dataclass
class Sps:
    """A sequence parameter set."""

    id: int
    profile: int
    constraints: int
    level: int
    chroma: int = 1
    separate_planes: bool = False
    depth_luma: int = 0
    depth_chroma: int = 0
    bypass: bool = False
    lists: Lists | None = None
    frame_num_bits: int = 4
    poc_type: int = 0
    poc_bits: int = 4
    delta_zero: bool = False
    offset_non_ref: int = 0
    offset_bottom: int = 0
    offsets: tuple[int, ...] = ()
    max_refs: int = 0
    gaps: bool = False
    width_mbs: int = 1
    height_units: int = 1
    frame_mbs_only: bool = True
    mbaff: bool = False
    direct_8x8: bool = False
    crop: tuple[int, int, int, int] = (0, 0, 0, 0)
    reorder: int | None = None
    buffering: int | None = None

    @property
    def height_mbs(self) -> int:
        """Macroblocks from top to bottom of a frame."""
        return self.height_units * (1 if self.frame_mbs_only else 2)

    @property
    def size(self) -> tuple[int, int]:
        """What is to be seen of a picture, in pixels."""
        left, right, top, bottom = self.crop
        step_x = 2 if self.chroma in (1, 2) else 1
        step_y = (2 if self.chroma == 1 else 1) * (1 if self.frame_mbs_only else 2)
        return self.width_mbs * 16 - step_x * (left + right), self.height_mbs * 16 - step_y * (top + bottom)

    @property
    def dpb_size(self) -> int:
        """Pictures in the decoded picture buffer (A.3.1, MaxDpbFrames)."""
        level = 9 if self.level == 11 and self.constraints & 8 and self.profile in (66, 77, 88) else self.level
        most = min(16, max(1, MAX_DPB_MBS.get(level, 696320) // (self.width_mbs * self.height_mbs)))
        return max(most if self.buffering is None else min(self.buffering, 16), self.max_refs, 1)

    @property
    def reordered(self) -> int:
        """How many pictures may wait for one that is shown before them."""
        if self.reorder is not None:
            return self.reorder
        if self.poc_type == 2 or (self.profile in (44, 86, 100, 110, 122, 244) and self.constraints & 8):
            return 0
        return self.dpb_size

    def pack(self) -> bytes:
        """Give ``struct v4l2_ctrl_h264_sps``."""
        flags = (self.separate_planes, self.bypass, self.delta_zero, self.gaps, self.frame_mbs_only, self.mbaff,
                 self.direct_8x8)  # fmt: skip
        return SPS.pack(
            self.profile, self.constraints, self.level, self.id, self.chroma, self.depth_luma, self.depth_chroma,
            self.frame_num_bits - 4, self.poc_type, self.poc_bits - 4, self.max_refs, len(self.offsets),
            *self.offsets, *[0] * (255 - len(self.offsets)), self.offset_non_ref, self.offset_bottom,
            self.width_mbs - 1, self.height_units - 1, sum(1 << i for i, isset in enumerate(flags) if isset),
        )  # fmt: skip


def read_sps(data: bytes) -> Sps:
    """Read a sequence parameter set, without its NAL header."""
    bits = Bits(data)
    profile, constraints, level = bits.u(8), bits.u(8), bits.u(8)
    # The kernel's flags begin with constraint_set0; the stream has it as the highest bit.
    sps = Sps(0, profile, sum(1 << i for i in range(6) if constraints >> (7 - i) & 1), level)
    sps.id = bits.ue(31)
    if profile in HIGH_PROFILES:
        sps.chroma = bits.ue(3)
        sps.separate_planes = bits.flag() if sps.chroma == 3 else False
        sps.depth_luma, sps.depth_chroma = bits.ue(6), bits.ue(6)
        sps.bypass = bits.flag()
        if bits.flag():
            sps.lists = scaling_lists(bits, 8 if sps.chroma != 3 else 12, DEFAULTS)
    sps.frame_num_bits = bits.ue(12) + 4
    sps.poc_type = bits.ue(2)
    if sps.poc_type == 0:
        sps.poc_bits = bits.ue(12) + 4
    elif sps.poc_type == 1:
        sps.delta_zero = bits.flag()
        sps.offset_non_ref, sps.offset_bottom = bits.se(), bits.se()
        sps.offsets = tuple(bits.se() for _ in range(bits.ue(255)))
    sps.max_refs = bits.ue(16)
    sps.gaps = bits.flag()
    sps.width_mbs, sps.height_units = bits.ue(1054) + 1, bits.ue(1054) + 1
    sps.frame_mbs_only = bits.flag()
    sps.mbaff = bits.flag() if not sps.frame_mbs_only else False
    sps.direct_8x8 = bits.flag()
    if bits.flag():
        sps.crop = bits.ue(65535), bits.ue(65535), bits.ue(65535), bits.ue(65535)
    if min(sps.size) <= 0:
        raise BitstreamError("nothing of the picture is to be seen", bits.position)
    if bits.flag():
        _read_vui(bits, sps)
    return sps


def _read_vui(bits: Bits, sps: Sps) -> None:
    """Read what tells how pictures are reordered (E.1.1)."""
    if bits.flag() and bits.u(8) == 255:  # aspect ratio
        bits.u(32)
    if bits.flag():  # overscan
        bits.u(1)
    if bits.flag():  # video signal
        bits.u(4)
        if bits.flag():
            bits.u(24)
    if bits.flag():  # chroma location
        bits.ue(5)
        bits.ue(5)
    if bits.flag():  # timing
        bits.u(65)
    parameters = [bits.flag() and _skip_hrd(bits) for _ in range(2)]
    if any(parameters):
        bits.u(1)
    bits.u(1)
    if bits.flag():  # bitstream restriction
        bits.u(1)
        for _ in range(4):
            bits.ue()
        sps.reorder, sps.buffering = bits.ue(16), bits.ue(16)


def _skip_hrd(bits: Bits) -> bool:
    count = bits.ue(31) + 1
    bits.u(8)
    for _ in range(count):
        bits.ue()
        bits.ue()
        bits.u(1)
    bits.u(20)
    return True


@dataclass
class Pps:
    """A picture parameter set."""

    id: int
    sps: Sps
    entropy: bool = False
    bottom_poc: bool = False
    active: tuple[int, int] = (0, 0)  # minus 1
    weighted: bool = False
    bipred: int = 0
    qp: int = 0
    qs: int = 0
    chroma_qp: tuple[int, int] = (0, 0)
    deblocking: bool = False
    constrained: bool = False
    redundant: bool = False
    transform_8x8: bool = False
    lists: Lists | None = None

    @property
    def scaling(self) -> Lists | None:
        """The lists that count for its pictures; ``None`` = none are given."""
        return self.lists or self.sps.lists

    def pack(self) -> bytes:
        """Give ``struct v4l2_ctrl_h264_pps``."""
        flags = (self.entropy, self.bottom_poc, self.weighted, self.deblocking, self.constrained, self.redundant,
                 self.transform_8x8, self.scaling is not None)  # fmt: skip
        return PPS.pack(
            self.id, self.sps.id, 0, *self.active, self.bipred, self.qp, self.qs, *self.chroma_qp,
            sum(1 << i for i, isset in enumerate(flags) if isset),
        )  # fmt: skip


def read_pps(data: bytes, known: dict[int, Sps]) -> Pps:
    """Read a picture parameter set, without its NAL header.

    Raises
    ------
    BitstreamError
        It is damaged, belongs to a sequence that is not known, or has slice groups.
    """
    bits = Bits(data)
    id, sps_id = bits.ue(255), bits.ue(31)
    if sps_id not in known:
        raise BitstreamError(f"picture parameters for sequence {sps_id}, which was not announced", bits.position)
    pps = Pps(id, known[sps_id])
    pps.entropy, pps.bottom_poc = bits.flag(), bits.flag()
    if bits.ue(7):
        raise BitstreamError("slice groups (FMO) are not supported", bits.position)
    pps.active = bits.ue(31), bits.ue(31)
    pps.weighted, pps.bipred = bits.flag(), bits.u(2)
    pps.qp, pps.qs = bits.se(-62, 25), bits.se(-26, 25)
    first = bits.se(-12, 12)
    pps.chroma_qp = first, first
    pps.deblocking, pps.constrained, pps.redundant = bits.flag(), bits.flag(), bits.flag()
    if bits.position < last_bit(data):
        pps.transform_8x8 = bits.flag()
        if bits.flag():
            count = 6 + (6 if pps.sps.chroma == 3 else 2) * pps.transform_8x8
            pps.lists = scaling_lists(bits, count, pps.sps.lists or DEFAULTS)
        pps.chroma_qp = first, bits.se(-12, 12)
    return pps


def last_bit(data: bytes) -> int:
    """Find the stop bit of a NAL unit: what lies before it is content (more_rbsp_data)."""
    stripped = data.rstrip(b"\0")
    if not stripped:
        return 0
    return len(stripped) * 8 - 1 - ((stripped[-1] & -stripped[-1]).bit_length() - 1)
