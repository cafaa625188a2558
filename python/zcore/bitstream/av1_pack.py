"""AV1 frame headers and tiles as ``struct v4l2_ctrl_av1_frame`` and ``struct v4l2_ctrl_av1_tile_group_entry``."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence

from zcore.bitstream.av1_frame import Frame
from zcore.bitstream.av1_params import Cdef, LoopFilter, Quantization, Restoration, Segmentation, Tiles

TILES = struct.Struct("<4B65I65I64I64IB3x")
QUANTIZATION = struct.Struct("<2B5b4B")
SEGMENTATION = struct.Struct("<2B8B64h")
LOOP_FILTER = struct.Struct("<6B8b2bB")
CDEF = struct.Struct("<34B")
SKIP = struct.Struct("<3B")
RESTORATION = struct.Struct("<3Bx6I")
MOTION = struct.Struct("<8B8I48iB3x")
FRAME = struct.Struct("<8I2HI32I4x8I8Q7bB")
TILE_GROUP_ENTRY = struct.Struct("<4I")
SIZE = 1784  # of struct v4l2_ctrl_av1_frame


def pack_frame(frame: Frame, references: Sequence[int]) -> bytes:
    """Give the kernel's structure.

    Parameters
    ----------
    references : sequence of int
        Times of the pictures of the eight slots, by which the device knows them.
    """
    f = frame
    flags = (
        f.show_frame, f.showable_frame, f.error_resilient_mode, f.disable_cdf_update, f.allow_screen_content_tools,
        f.force_integer_mv, f.allow_intrabc, f.use_superres, f.allow_high_precision_mv, f.is_motion_mode_switchable,
        f.use_ref_frame_mvs, f.disable_frame_end_update_cdf, f.allow_warped_motion, f.reference_select,
        f.reduced_tx_set, f.skip_mode_frames is not None, f.skip_mode_present, f.frame_size_override,
        f.buffer_removal_time_present, f.frame_refs_short_signaling,
    )  # fmt: skip
    motion = f.motion
    return b"".join(
        (
            pack_tiles(f.tiles),
            pack_quantization(f.quantization),
            bytes([f.superres_denom]),
            pack_segmentation(f.segmentation),
            pack_loop_filter(f.loop_filter),
            pack_cdef(f.cdef),
            SKIP.pack(*(f.skip_mode_frames or (0, 0)), f.primary_ref_frame),
            pack_restoration(f.restoration),
            MOTION.pack(*motion.flags, *motion.type, *(n for one in motion.params for n in one), motion.invalid),
            FRAME.pack(
                bits(flags), f.frame_type, f.order_hint, f.upscaled_width, f.interpolation_filter, f.tx_mode,
                f.frame_width - 1, f.frame_height - 1, f.render[0] - 1, f.render[1] - 1, f.current_frame_id,
                *f.buffer_removal_time, *f.order_hints, *references, *f.ref_frame_idx, f.refresh_frame_flags,
            ),
        )
    )  # fmt: skip


def bits(flags: Iterable[bool]) -> int:
    """Give a number with a bit for each flag, the first the lowest."""
    return sum(1 << bit for bit, isset in enumerate(flags) if isset)


def filled(values: Sequence[int], count: int) -> list[int]:
    """Give `count` values: those, and zeros."""
    return [*values, *[0] * (count - len(values))]


def pack_tiles(tiles: Tiles) -> bytes:
    """Give ``struct v4l2_av1_tile_info``."""
    return TILES.pack(
        tiles.uniform, tiles.context_update_tile_id, len(tiles.widths), len(tiles.heights),
        *filled(tiles.col_starts, 65), *filled(tiles.row_starts, 65),
        *filled([one - 1 for one in tiles.widths], 64), *filled([one - 1 for one in tiles.heights], 64),
        tiles.size_bytes,
    )  # fmt: skip


def pack_quantization(q: Quantization) -> bytes:
    """Give ``struct v4l2_av1_quantization``."""
    flags = bits((q.diff_uv_delta, q.using_qmatrix, q.delta_q_present))
    return QUANTIZATION.pack(flags, q.base_q_idx, *q.deltas, *q.qm, q.delta_q_res)


def pack_segmentation(seg: Segmentation) -> bytes:
    """Give ``struct v4l2_av1_segmentation``."""
    flags = bits((seg.enabled, seg.update_map, seg.temporal_update, seg.update_data, seg.seg_id_pre_skip))
    data = (value for one in seg.data for value in one)
    return SEGMENTATION.pack(flags, seg.last_active_seg_id, *seg.features, *data)


def pack_loop_filter(lf: LoopFilter) -> bytes:
    """Give ``struct v4l2_av1_loop_filter``."""
    flags = bits((lf.delta_enabled, lf.delta_update, lf.delta_lf_present, lf.delta_lf_multi))
    return LOOP_FILTER.pack(flags, *lf.level, lf.sharpness, *lf.ref_deltas, *lf.mode_deltas, lf.delta_lf_res)


def pack_cdef(cdef: Cdef) -> bytes:
    """Give ``struct v4l2_av1_cdef``."""
    strengths = (filled([one[i] for one in cdef.strengths], 8) for i in range(4))
    return CDEF.pack(cdef.damping_minus_3, cdef.bits, *(value for one in strengths for value in one))


def pack_restoration(lr: Restoration) -> bytes:
    """Give ``struct v4l2_av1_loop_restoration``."""
    flags = bits((any(lr.type), any(lr.type[1:])))
    return RESTORATION.pack(flags, lr.unit_shift, lr.uv_shift, *lr.type, *lr.size)


def pack_tile_group(entries: Iterable[tuple[int, int, int, int]]) -> bytes:
    """Give an array of ``struct v4l2_ctrl_av1_tile_group_entry``, from offsets, sizes, rows and columns."""
    return b"".join(TILE_GROUP_ENTRY.pack(*entry) for entry in entries)
