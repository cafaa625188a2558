"""Picture parameter sets of HEVC (ITU-T H.265, section 7.3.2.3) as the kernel's control structure."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from zcore.bitstream.bits import Bits
from zcore.bitstream.hevc_scaling import ScalingLists, read_scaling_lists
from zcore.bitstream.hevc_sps import Sps
from zcore.bitstream.picture import BitstreamError

PPS = struct.Struct("<4BbBbbBB20s22sbbBxQ")
MOST_COLUMNS, MOST_ROWS = 20, 22


@dataclass
class Pps:
    """A picture parameter set. Names are the standard's where the kernel has them too."""

    id: int
    sps_id: int
    dependent_slice_segments: bool = False
    output_flag_present: bool = False
    num_extra_slice_header_bits: int = 0
    sign_data_hiding: bool = False
    cabac_init_present: bool = False
    active: tuple[int, int] = (0, 0)  # num_ref_idx_default_active_minus1
    init_qp_minus26: int = 0
    constrained_intra_pred: bool = False
    transform_skip: bool = False
    cu_qp_delta: bool = False
    diff_cu_qp_delta_depth: int = 0
    chroma_qp: tuple[int, int] = (0, 0)  # offsets of Cb and Cr
    slice_chroma_qp_offsets: bool = False
    weighted_pred: bool = False
    weighted_bipred: bool = False
    transquant_bypass: bool = False
    tiles: bool = False
    entropy_coding_sync: bool = False
    columns: int = 1
    rows: int = 1
    uniform: bool = False
    widths: tuple[int, ...] = ()  # of all columns but the last, in coding tree blocks
    heights: tuple[int, ...] = ()
    loop_filter_across_tiles: bool = False
    loop_filter_across_slices: bool = False
    deblocking_control: bool = False
    deblocking_override: bool = False
    deblocking_disabled: bool = False
    beta_offset_div2: int = 0
    tc_offset_div2: int = 0
    scaling: ScalingLists | None = None
    lists_modification: bool = False
    log2_parallel_merge_level_minus2: int = 0
    slice_header_extension: bool = False
    unsupported: str = ""

    def sizes(self, sps: Sps) -> tuple[list[int], list[int]]:
        """Give widths of the columns and heights of the rows of tiles, in coding tree blocks (6-3, 6-4).

        Raises
        ------
        BitstreamError
            The picture has no room for them.
        """
        across, down = sps.ctbs
        found = []
        for count, given, all in ((self.columns, self.widths, across), (self.rows, self.heights, down)):
            if self.uniform:
                sizes = [(i + 1) * all // count - i * all // count for i in range(count)]
            else:
                sizes = [*given, all - sum(given)]
            if min(sizes) < 1:
                raise BitstreamError(f"{self.columns}x{self.rows} tiles in {across}x{down} blocks")
            found.append(sizes)
        return found[0], found[1]

    def pack(self, sps: Sps) -> bytes:
        """Give ``struct v4l2_ctrl_hevc_pps``."""
        flags = (
            self.dependent_slice_segments, self.output_flag_present, self.sign_data_hiding, self.cabac_init_present,
            self.constrained_intra_pred, self.transform_skip, self.cu_qp_delta, self.slice_chroma_qp_offsets,
            self.weighted_pred, self.weighted_bipred, self.transquant_bypass, self.tiles, self.entropy_coding_sync,
            self.loop_filter_across_tiles, self.loop_filter_across_slices, self.deblocking_override,
            self.deblocking_disabled, self.lists_modification, self.slice_header_extension, self.deblocking_control,
            self.uniform,
        )  # fmt: skip
        widths, heights = self.sizes(sps) if self.tiles else ([], [])
        return PPS.pack(
            self.id, self.num_extra_slice_header_bits, *self.active, self.init_qp_minus26,
            self.diff_cu_qp_delta_depth, *self.chroma_qp, self.columns - 1, self.rows - 1, _minus1(widths),
            _minus1(heights), self.beta_offset_div2, self.tc_offset_div2, self.log2_parallel_merge_level_minus2,
            sum(1 << i for i, isset in enumerate(flags) if isset),
        )  # fmt: skip


def _minus1(sizes: Sequence[int]) -> bytes:
    return bytes(min(size - 1, 255) for size in sizes)


def read_pps(data: bytes) -> Pps:
    """Read a picture parameter set.

    Parameters
    ----------
    data : bytes
        The NAL unit with its header, without emulation prevention bytes.

    Raises
    ------
    BitstreamError
        It is damaged. What is not supported is told in :attr:`Pps.unsupported`.
    """
    bits = Bits(data)
    bits.u(16)
    pps = Pps(bits.ue(63), bits.ue(15))
    pps.dependent_slice_segments, pps.output_flag_present = bits.flag(), bits.flag()
    pps.num_extra_slice_header_bits = bits.u(3)
    pps.sign_data_hiding, pps.cabac_init_present = bits.flag(), bits.flag()
    pps.active = bits.ue(14), bits.ue(14)
    pps.init_qp_minus26 = bits.se(-26 - 48, 25)
    pps.constrained_intra_pred, pps.transform_skip, pps.cu_qp_delta = bits.flag(), bits.flag(), bits.flag()
    pps.diff_cu_qp_delta_depth = bits.ue(3) if pps.cu_qp_delta else 0
    pps.chroma_qp = bits.se(-12, 12), bits.se(-12, 12)
    pps.slice_chroma_qp_offsets = bits.flag()
    pps.weighted_pred, pps.weighted_bipred = bits.flag(), bits.flag()
    pps.transquant_bypass, pps.tiles, pps.entropy_coding_sync = bits.flag(), bits.flag(), bits.flag()
    if pps.tiles:
        pps.columns, pps.rows = bits.ue(MOST_COLUMNS - 1) + 1, bits.ue(MOST_ROWS - 1) + 1
        pps.uniform = bits.flag()
        if not pps.uniform:
            pps.widths = tuple(bits.ue(8191) + 1 for _ in range(pps.columns - 1))
            pps.heights = tuple(bits.ue(8191) + 1 for _ in range(pps.rows - 1))
        pps.loop_filter_across_tiles = bits.flag()
    pps.loop_filter_across_slices = bits.flag()
    pps.deblocking_control = bits.flag()
    if pps.deblocking_control:
        pps.deblocking_override, pps.deblocking_disabled = bits.flag(), bits.flag()
        if not pps.deblocking_disabled:
            pps.beta_offset_div2, pps.tc_offset_div2 = bits.se(-6, 6), bits.se(-6, 6)
    if bits.flag():
        pps.scaling = read_scaling_lists(bits)
    pps.lists_modification = bits.flag()
    pps.log2_parallel_merge_level_minus2 = bits.ue(4)
    pps.slice_header_extension = bits.flag()
    if bits.flag():
        _read_extensions(bits, pps)
    return pps


def _read_extensions(bits: Bits, pps: Pps) -> None:
    range_extension = bits.flag()
    bits.u(2)  # of more layers and of 3D: nothing that pictures of the base layer need
    screen_content = bits.flag()
    bits.u(4)
    tools = []
    if range_extension:
        if pps.transform_skip and bits.ue(3):
            tools.append("log2_max_transform_skip_block_size")
        if bits.flag():
            tools.append("cross_component_prediction")
        if bits.flag():
            tools.append("chroma_qp_offset_list")
        elif bits.ue(8) or bits.ue(8):
            tools.append("log2_sao_offset_scale")
    if tools:
        pps.unsupported = f"range extensions ({', '.join(tools)}) are not supported"
    elif screen_content:
        pps.unsupported = "screen content coding (SCC) is not supported"
