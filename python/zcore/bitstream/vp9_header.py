"""The uncompressed header of VP9 frames (section 6.2 of the VP9 specification), and what stays from frame to frame."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from zcore.bitstream.bits import Bits
from zcore.bitstream.picture import BitstreamError


class MissingReference(BitstreamError):
    """A frame has the size of one that is not there."""


SYNC_CODE = 0x498342
RGB = 7
FILTERS = (1, 0, 2, 3)  # raw_interpolation_filter as the kernel counts: smooth, plain, sharp, bilinear
SWITCHABLE = 4
FEATURES = ((8, True), (6, True), (2, False), (0, False))  # bits, and whether a sign follows
MAX_TILE_COLS_LOG2 = 6


@dataclass(frozen=True)
class Colour:
    """Profile and pixels."""

    profile: int = 0
    bit_depth: int = 8
    full_range: bool = False
    subsampling_x: bool = True
    subsampling_y: bool = True


@dataclass(frozen=True)
class LoopFilter:
    """The loop filter; its deltas stay from frame to frame."""

    level: int = 0
    sharpness: int = 0
    delta_enabled: bool = True
    delta_update: bool = False
    ref_deltas: tuple[int, ...] = (1, 0, -1, -1)
    mode_deltas: tuple[int, ...] = (0, 0)


@dataclass(frozen=True)
class Segmentation:
    """Segmentation; features and probabilities stay from frame to frame."""

    enabled: bool = False
    update_map: bool = False
    temporal_update: bool = False
    update_data: bool = False
    abs_or_delta_update: bool = False
    tree_probs: tuple[int, ...] = (255,) * 7
    pred_probs: tuple[int, ...] = (255,) * 3
    feature_enabled: tuple[int, ...] = (0,) * 8
    feature_data: tuple[int, ...] = (0,) * 32

    def without_features(self) -> Segmentation:
        """Forget the features."""
        return Segmentation(tree_probs=self.tree_probs, pred_probs=self.pred_probs)


@dataclass
class State:
    """What a frame's header builds on.

    Attributes
    ----------
    sizes : list of (int, int)
        Of the eight reference slots; no pixels where nothing is known.
    """

    sizes: list[tuple[int, int]] = field(default_factory=lambda: [(0, 0)] * 8)
    colour: Colour | None = None
    loop_filter: LoopFilter = LoopFilter()
    segmentation: Segmentation = Segmentation()


@dataclass
class Header:
    """A frame's uncompressed header, by the names of the specification and of the kernel."""

    profile: int = 0
    show_existing_frame: bool = False
    frame_to_show: int = 0
    key: bool = False
    show: bool = False
    error_resilient: bool = False
    intra_only: bool = False
    reset_frame_context: int = 0
    refresh_frame_flags: int = 0
    ref_frame_idx: tuple[int, ...] = ()
    ref_frame_sign_bias: int = 0
    size: tuple[int, int] = (0, 0)
    render_size: tuple[int, int] = (0, 0)
    allow_high_precision_mv: bool = False
    interpolation_filter: int = 0
    refresh_frame_context: bool = False
    frame_parallel: bool = True
    frame_context_idx: int = 0
    colour: Colour = Colour()
    loop_filter: LoopFilter = LoopFilter()
    quantization: tuple[int, int, int, int] = (0, 0, 0, 0)
    segmentation: Segmentation = Segmentation()
    tile_cols_log2: int = 0
    tile_rows_log2: int = 0
    compressed_size: int = 0
    uncompressed_size: int = 0

    @property
    def intra(self) -> bool:
        """Whether it refers to no other frame, ``FrameIsIntra``."""
        return self.key or self.intra_only

    @property
    def lossless(self) -> bool:
        """Whether nothing is lost: all indices of the quantiser are 0."""
        return not any(self.quantization)

    @property
    def independent(self) -> bool:
        """Whether it makes all probabilities anew."""
        return self.key or self.error_resilient or (self.intra_only and self.reset_frame_context == 3)


def read_header(data: bytes, state: State) -> Header:
    """Read a frame's uncompressed header.

    Raises
    ------
    BitstreamError
        It is damaged, or it is not VP9.
    """
    bits = Bits(data[:256])  # the longest header has less than 100 bytes
    if bits.u(2) != 2:
        raise BitstreamError("no VP9 frame: its first two bits are not 2", 0)
    h = Header(profile=bits.u(1) | bits.u(1) << 1)
    if h.profile == 3 and bits.flag():
        raise BitstreamError("profiles above 3 are not supported", 4)
    h.show_existing_frame = bits.flag()
    if h.show_existing_frame:
        h.frame_to_show = bits.u(3)
        return h
    h.key, h.show, h.error_resilient = not bits.flag(), bits.flag(), bits.flag()
    if h.key:
        _read_sync_code(bits)
        h.colour = _read_colour(bits, h.profile)
        h.refresh_frame_flags = 0xFF
        h.size = _read_size(bits)
        h.render_size = _read_render_size(bits, h.size)
    else:
        _read_not_key(bits, h, state)
    if not h.error_resilient:
        h.refresh_frame_context, h.frame_parallel = bits.flag(), bits.flag()
    h.frame_context_idx = bits.u(2)
    fresh = h.intra or h.error_resilient  # setup_past_independence()
    h.loop_filter = _read_loop_filter(bits, LoopFilter() if fresh else state.loop_filter)
    h.quantization = bits.u(8), _read_delta_q(bits), _read_delta_q(bits), _read_delta_q(bits)
    h.segmentation = _read_segmentation(bits, state.segmentation.without_features() if fresh else state.segmentation)
    h.tile_cols_log2, h.tile_rows_log2 = _read_tiles(bits, h.size[0])
    h.compressed_size = bits.u(16)
    if not h.compressed_size:
        raise BitstreamError("the compressed header has no bytes", bits.position - 16)
    h.uncompressed_size = (bits.position + 7) // 8
    _check_tiles(data, h)
    return h


def _read_not_key(bits: Bits, h: Header, state: State) -> None:
    h.intra_only = not h.show and bits.flag()
    h.reset_frame_context = 0 if h.error_resilient else bits.u(2)
    if h.intra_only:
        _read_sync_code(bits)
        h.colour = _read_colour(bits, h.profile) if h.profile else Colour()
        h.refresh_frame_flags = bits.u(8)
        h.size = _read_size(bits)
        h.render_size = _read_render_size(bits, h.size)
        return
    h.colour = state.colour or Colour(h.profile, 10 if h.profile > 1 else 8)
    if h.profile != h.colour.profile:
        raise BitstreamError(
            f"a frame of profile {h.profile} that refers to frames of profile {h.colour.profile}", bits.position
        )
    h.refresh_frame_flags = bits.u(8)
    slots = []
    for i in range(3):
        slots.append(bits.u(3))
        h.ref_frame_sign_bias |= bits.u(1) << i
    h.ref_frame_idx = tuple(slots)
    for slot in slots:
        if bits.flag():  # found_ref
            h.size = state.sizes[slot]
            if h.size == (0, 0):
                raise MissingReference(f"a frame has the size of reference {slot}, which is missing", bits.position)
            break
    else:
        h.size = _read_size(bits)
    h.render_size = _read_render_size(bits, h.size)
    h.allow_high_precision_mv = bits.flag()
    h.interpolation_filter = SWITCHABLE if bits.flag() else FILTERS[bits.u(2)]


def _read_sync_code(bits: Bits) -> None:
    if bits.u(24) != SYNC_CODE:
        raise BitstreamError("a frame without its sync code", bits.position - 24)


def _read_colour(bits: Bits, profile: int) -> Colour:
    """Read ``color_config()``."""
    depth = 8
    if profile > 1:
        depth = 12 if bits.flag() else 10
    space = bits.u(3)
    odd = bool(profile & 1)
    if space == RGB:
        if not odd:
            raise BitstreamError(f"profile {profile} has no RGB", bits.position - 3)
        full_range, x, y = True, False, False
    else:
        full_range = bits.flag()
        x, y = (bits.flag(), bits.flag()) if odd else (True, True)
        if odd and x and y:
            raise BitstreamError(f"profile {profile} has no 4:2:0", bits.position - 2)
    if odd and bits.flag():
        raise BitstreamError("a reserved bit is set", bits.position - 1)
    return Colour(profile, depth, full_range, x, y)


def _read_size(bits: Bits) -> tuple[int, int]:
    return bits.u(16) + 1, bits.u(16) + 1


def _read_render_size(bits: Bits, size: tuple[int, int]) -> tuple[int, int]:
    return _read_size(bits) if bits.flag() else size


def _read_loop_filter(bits: Bits, old: LoopFilter) -> LoopFilter:
    level, sharpness, enabled = bits.u(6), bits.u(3), bits.flag()
    new = replace(old, level=level, sharpness=sharpness, delta_enabled=enabled, delta_update=False)
    if enabled and bits.flag():
        return replace(
            new,
            delta_update=True,
            ref_deltas=tuple(bits.s(6) if bits.flag() else value for value in old.ref_deltas),
            mode_deltas=tuple(bits.s(6) if bits.flag() else value for value in old.mode_deltas),
        )
    return new


def _read_delta_q(bits: Bits) -> int:
    return bits.s(4) if bits.flag() else 0


def _read_segmentation(bits: Bits, old: Segmentation) -> Segmentation:
    new = replace(old, enabled=bits.flag(), update_map=False, temporal_update=False, update_data=False)
    if not new.enabled:
        return new
    if bits.flag():
        tree = _read_probabilities(bits, 7)
        temporal = bits.flag()
        pred = _read_probabilities(bits, 3) if temporal else (255,) * 3
        new = replace(new, update_map=True, temporal_update=temporal, tree_probs=tree, pred_probs=pred)
    if bits.flag():
        absolute = bits.flag()
        masks, values = [0] * 8, [0] * 32
        for segment in range(8):
            for feature, (count, signed) in enumerate(FEATURES):
                if bits.flag():
                    masks[segment] |= 1 << feature
                    values[4 * segment + feature] = bits.s(count) if signed else bits.u(count)
        new = replace(
            new,
            update_data=True,
            abs_or_delta_update=absolute,
            feature_enabled=tuple(masks),
            feature_data=tuple(values),
        )
    return new


def _read_probabilities(bits: Bits, count: int) -> tuple[int, ...]:
    return tuple(bits.u(8) if bits.flag() else 255 for _ in range(count))


def _read_tiles(bits: Bits, width: int) -> tuple[int, int]:
    """Read ``tile_info()``."""
    superblocks = (width + 63) // 64
    cols = 0
    while superblocks > 64 << cols:
        cols += 1
    while superblocks >> cols + 1 >= 4 and bits.flag():
        cols += 1
    if cols > MAX_TILE_COLS_LOG2:
        raise BitstreamError(f"{1 << cols} columns of tiles", bits.position)
    rows = bits.u(1)
    return cols, rows + bits.u(1) if rows else 0


def _check_tiles(data: bytes, h: Header) -> None:
    """Make sure that all tiles are there; the last one takes what is left."""
    position = h.uncompressed_size + h.compressed_size
    for _ in range((1 << h.tile_cols_log2 + h.tile_rows_log2) - 1):
        position += 4 + int.from_bytes(data[position : position + 4], "big")
    if position >= len(data):
        raise BitstreamError(f"headers and tiles go on behind the {len(data)} bytes of their frame", len(data) * 8)
