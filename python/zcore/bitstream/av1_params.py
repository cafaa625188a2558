"""Parts of AV1 frame headers: tiles, quantisation, segmentation, filters (5.9.11 to 5.9.20 of its specification)."""

from __future__ import annotations

from dataclasses import dataclass, field

from zcore.bitstream.av1_sequence import Av1Bits, Sequence
from zcore.bitstream.picture import BitstreamError

FEATURE_BITS = (8, 6, 6, 6, 6, 3, 0, 0)
FEATURE_SIGNED = (True, True, True, True, True, False, False, False)
FEATURE_MOST = (255, 63, 63, 63, 63, 7, 0, 0)
ALT_Q, REF_FRAME = 0, 5
REF_DELTAS = (1, 0, 0, 0, -1, 0, -1, -1)
RESTORATION = (0, 3, 1, 2)  # Remap_Lr_Type: none, switchable, Wiener, self-guided
MOST_TILES = 64  # in each direction
MAX_TILE_COUNT = 512  # V4L2_AV1_MAX_TILE_COUNT


@dataclass
class Tiles:
    """How a frame is divided."""

    uniform: bool = True
    context_update_tile_id: int = 0
    col_starts: list[int] = field(default_factory=list)  # in units of 4 pixels, and the end
    row_starts: list[int] = field(default_factory=list)
    widths: list[int] = field(default_factory=list)  # in superblocks
    heights: list[int] = field(default_factory=list)
    size_bytes: int = 1

    @property
    def count(self) -> int:
        """How many tiles there are."""
        return len(self.widths) * len(self.heights)

    @property
    def bits(self) -> int:
        """How many bits the number of a tile has."""
        return log2(1, len(self.widths)) + log2(1, len(self.heights))


def log2(block: int, target: int) -> int:
    """Give how often `block` must be doubled to reach `target` (tile_log2)."""
    k = 0
    while block << k < target:
        k += 1
    return k


def read_tiles(bits: Av1Bits, s: Sequence, width: int, height: int) -> Tiles:
    """Read tile_info()."""
    tiles = Tiles()
    shift = 5 if s.use_128x128_superblock else 4
    mi_cols, mi_rows = 2 * (width + 7 >> 3), 2 * (height + 7 >> 3)
    cols, rows = (one + (1 << shift) - 1 >> shift for one in (mi_cols, mi_rows))
    most_width = 4096 >> shift + 2
    most_area = 4096 * 2304 >> 2 * (shift + 2)
    least_cols = log2(most_width, cols)
    least = max(least_cols, log2(most_area, rows * cols))
    tiles.uniform = bits.flag()
    if tiles.uniform:
        tiles.widths = _uniform(bits, cols, least_cols)
        tiles.heights = _uniform(bits, rows, max(least - log2(1, len(tiles.widths)), 0))
    else:
        tiles.widths = _explicit(bits, cols, most_width)
        area = rows * cols >> least + 1 if least else rows * cols
        tiles.heights = _explicit(bits, rows, max(area // max(tiles.widths), 1))
    if tiles.count > MAX_TILE_COUNT:
        raise BitstreamError(f"{tiles.count} tiles are more than the {MAX_TILE_COUNT} that are supported")
    tiles.col_starts = _starts(tiles.widths, shift, mi_cols)
    tiles.row_starts = _starts(tiles.heights, shift, mi_rows)
    if tiles.bits:
        tiles.context_update_tile_id = bits.u(tiles.bits)
        if tiles.context_update_tile_id >= tiles.count or tiles.context_update_tile_id > 255:
            raise BitstreamError(f"no tile {tiles.context_update_tile_id} to take probabilities of", bits.position)
        tiles.size_bytes = bits.u(2) + 1
    return tiles


def _uniform(bits: Av1Bits, blocks: int, log: int) -> list[int]:
    most = log2(1, min(blocks, MOST_TILES))
    while log < most and bits.flag():
        log += 1
    size = blocks + (1 << log) - 1 >> log
    return [min(size, blocks - start) for start in range(0, blocks, size)]


def _explicit(bits: Av1Bits, blocks: int, most: int) -> list[int]:
    sizes: list[int] = []
    while blocks:
        if len(sizes) == MOST_TILES:
            raise BitstreamError(f"more than {MOST_TILES} tiles in a row", bits.position)
        sizes.append(bits.ns(min(blocks, most)) + 1)
        blocks -= sizes[-1]
    return sizes


def _starts(sizes: list[int], shift: int, end: int) -> list[int]:
    return [sum(sizes[:i]) << shift for i in range(len(sizes))] + [end]


@dataclass
class Quantization:
    """Quantisers of a frame."""

    base_q_idx: int = 0
    y_dc: int = 0
    u_dc: int = 0
    u_ac: int = 0
    v_dc: int = 0
    v_ac: int = 0
    diff_uv_delta: bool = False
    using_qmatrix: bool = False
    qm: tuple[int, int, int] = (0, 0, 0)
    delta_q_present: bool = False
    delta_q_res: int = 0

    @property
    def deltas(self) -> tuple[int, ...]:
        """Differences to the first, in the kernel's order."""
        return self.y_dc, self.u_dc, self.u_ac, self.v_dc, self.v_ac


def read_quantization(bits: Av1Bits, s: Sequence) -> Quantization:
    """Read quantization_params()."""
    q = Quantization(bits.u(8), _delta_q(bits))
    if s.planes > 1:
        q.diff_uv_delta = s.separate_uv_delta_q and bits.flag()
        q.u_dc, q.u_ac = _delta_q(bits), _delta_q(bits)
        q.v_dc, q.v_ac = (_delta_q(bits), _delta_q(bits)) if q.diff_uv_delta else (q.u_dc, q.u_ac)
    q.using_qmatrix = bits.flag()
    if q.using_qmatrix:
        y, u = bits.u(4), bits.u(4)
        q.qm = y, u, bits.u(4) if s.separate_uv_delta_q else u
    return q


def _delta_q(bits: Av1Bits) -> int:
    return bits.su(7) if bits.flag() else 0


@dataclass
class Segmentation:
    """Segments, whose features stay from frame to frame."""

    enabled: bool = False
    update_map: bool = False
    temporal_update: bool = False
    update_data: bool = False
    features: list[int] = field(default_factory=lambda: [0] * 8)  # bits
    data: list[list[int]] = field(default_factory=lambda: [[0] * 8 for _ in range(8)])

    @property
    def last_active_seg_id(self) -> int:
        """The last segment that has a feature."""
        return max((i for i, features in enumerate(self.features) if features), default=0)

    @property
    def seg_id_pre_skip(self) -> bool:
        """Whether numbers of segments are read before it is read what is skipped."""
        return any(features >> REF_FRAME for features in self.features)

    def q_idx(self, segment: int, base: int) -> int:
        """Give the quantiser of a segment (7.12.2)."""
        if not self.features[segment] >> ALT_Q & 1:
            return base
        return max(0, min(255, base + self.data[segment][ALT_Q]))


def read_segmentation(bits: Av1Bits, previous: Segmentation | None) -> Segmentation:
    """Read segmentation_params(); `previous` is that of the primary reference."""
    seg = Segmentation(bits.flag())
    if not seg.enabled:
        return seg
    if previous is None:
        seg.update_map = seg.update_data = True
    else:
        seg.update_map = bits.flag()
        seg.temporal_update = seg.update_map and bits.flag()
        seg.update_data = bits.flag()
        seg.features, seg.data = previous.features, previous.data
    if seg.update_data:
        seg.features, seg.data = [0] * 8, [[0] * 8 for _ in range(8)]
        for i in range(8):
            for j, (width, most) in enumerate(zip(FEATURE_BITS, FEATURE_MOST, strict=True)):
                if bits.flag():
                    value = bits.su(width + 1) if FEATURE_SIGNED[j] else bits.u(width)
                    seg.features[i] |= 1 << j
                    seg.data[i][j] = max(-most, min(most, value))
    return seg


@dataclass
class LoopFilter:
    """The deblocking filter; its deltas stay from frame to frame."""

    level: list[int] = field(default_factory=lambda: [0] * 4)
    sharpness: int = 0
    delta_enabled: bool = True
    delta_update: bool = False
    ref_deltas: list[int] = field(default_factory=lambda: list(REF_DELTAS))
    mode_deltas: list[int] = field(default_factory=lambda: [0] * 2)
    delta_lf_present: bool = False
    delta_lf_res: int = 0
    delta_lf_multi: bool = False


def read_delta_lf(bits: Av1Bits, q: Quantization, allow_intrabc: bool) -> LoopFilter:
    """Read delta_q_params() and delta_lf_params(); gives a loop filter that is not read yet."""
    q.delta_q_present = q.base_q_idx > 0 and bits.flag()
    q.delta_q_res = bits.u(2) if q.delta_q_present else 0
    lf = LoopFilter()
    if q.delta_q_present and not allow_intrabc:
        lf.delta_lf_present = bits.flag()
        if lf.delta_lf_present:
            lf.delta_lf_res, lf.delta_lf_multi = bits.u(2), bits.flag()
    return lf


def read_loop_filter(bits: Av1Bits, s: Sequence, lf: LoopFilter, previous: LoopFilter | None) -> None:
    """Read loop_filter_params(), where the frame has it; `previous` is that of the primary reference."""
    if previous is not None:
        lf.ref_deltas, lf.mode_deltas = list(previous.ref_deltas), list(previous.mode_deltas)
    lf.level[0], lf.level[1] = bits.u(6), bits.u(6)
    if s.planes > 1 and (lf.level[0] or lf.level[1]):
        lf.level[2], lf.level[3] = bits.u(6), bits.u(6)
    lf.sharpness = bits.u(3)
    lf.delta_enabled = bits.flag()
    if not lf.delta_enabled:
        return
    lf.delta_update = bits.flag()
    if lf.delta_update:
        for values in (lf.ref_deltas, lf.mode_deltas):
            for i in range(len(values)):
                if bits.flag():
                    values[i] = bits.su(7)


@dataclass
class Cdef:
    """The directional filter."""

    damping_minus_3: int = 0
    bits: int = 0
    strengths: list[tuple[int, int, int, int]] = field(default_factory=list)  # Y primary, secondary, UV likewise


def read_cdef(bits: Av1Bits, s: Sequence) -> Cdef:
    """Read cdef_params(), where the frame has it."""
    cdef = Cdef(bits.u(2), bits.u(2))
    for _ in range(1 << cdef.bits):
        y = _strengths(bits)
        cdef.strengths.append(y + (_strengths(bits) if s.planes > 1 else (0, 0)))
    return cdef


def _strengths(bits: Av1Bits) -> tuple[int, int]:
    primary, secondary = bits.u(4), bits.u(2)
    return primary, secondary + (secondary == 3)


@dataclass
class Restoration:
    """The restoration filter."""

    type: list[int] = field(default_factory=lambda: [0] * 3)
    unit_shift: int = 0
    uv_shift: int = 0
    size: tuple[int, int, int] = (0, 0, 0)


def read_restoration(bits: Av1Bits, s: Sequence) -> Restoration:
    """Read lr_params(), where the frame has it."""
    lr = Restoration()
    for i in range(s.planes):
        lr.type[i] = RESTORATION[bits.u(2)]
    if not any(lr.type):
        return lr
    lr.unit_shift = bits.u(1)
    if s.use_128x128_superblock:
        lr.unit_shift += 1
    elif lr.unit_shift:
        lr.unit_shift += bits.u(1)
    if s.subsampling_x and s.subsampling_y and (lr.type[1] or lr.type[2]):
        lr.uv_shift = bits.u(1)
    size = 256 >> 2 - lr.unit_shift
    lr.size = size, size >> lr.uv_shift, size >> lr.uv_shift
    return lr
