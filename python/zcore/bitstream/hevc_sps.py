"""Sequence parameter sets of HEVC (ITU-T H.265, section 7.3.2.2) as the kernel's control structure."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from zcore.bitstream.bits import Bits
from zcore.bitstream.hevc_rps import ShortTermSet, read_short_term
from zcore.bitstream.hevc_scaling import DEFAULTS, ScalingLists, read_scaling_lists
from zcore.bitstream.hevc_vui import read_vui, skip_profile
from zcore.bitstream.picture import BitstreamError

SPS = struct.Struct("<BBHH20B6xQ")
MOST_PICTURES = 16  # MaxDpbSize (A.4.2)
_RANGE_TOOLS = (
    "transform_skip_rotation", "transform_skip_context", "implicit_rdpcm", "explicit_rdpcm", "extended_precision",
    "intra_smoothing_disabled", "high_precision_offsets", "persistent_rice_adaptation", "cabac_bypass_alignment",
)  # fmt: skip


@dataclass
class Sps:
    """A sequence parameter set. Names are the standard's where the kernel has them too."""

    video_parameter_set_id: int
    sps_max_sub_layers_minus1: int
    id: int = 0
    chroma_format_idc: int = 1
    separate_colour_plane: bool = False
    width: int = 8
    height: int = 8
    window: tuple[int, int, int, int] = (0, 0, 0, 0)  # conformance window: left, right, top, bottom
    bit_depth_luma_minus8: int = 0
    bit_depth_chroma_minus8: int = 0
    poc_bits: int = 4
    max_dec_pic_buffering: int = 1
    max_num_reorder: int = 0
    max_latency_increase_plus1: int = 0
    log2_min_cb: int = 3
    log2_diff_cb: int = 0
    log2_min_tb: int = 2
    log2_diff_tb: int = 0
    hierarchy: tuple[int, int] = (0, 0)  # of transforms: inter, intra
    scaling: ScalingLists | None = None
    amp: bool = False
    sample_adaptive_offset: bool = False
    pcm: tuple[int, int, int, int] | None = None  # depth of luma, of chroma, minus 1; log2 of sizes: least, difference
    pcm_loop_filter_disabled: bool = False
    short_term: list[ShortTermSet] = field(default_factory=list)
    long_term: list[tuple[int, bool]] | None = None
    temporal_mvp: bool = False
    strong_intra_smoothing: bool = False
    field_info: bool = False  # SEI messages tell pic_struct
    unsupported: str = ""

    @property
    def chroma_array_type(self) -> int:
        """ChromaArrayType."""
        return 0 if self.separate_colour_plane else self.chroma_format_idc

    @property
    def size(self) -> tuple[int, int]:
        """What is to be seen of a picture, in pixels."""
        left, right, top, bottom = self.window
        across = 2 if self.chroma_format_idc in (1, 2) else 1
        down = 2 if self.chroma_format_idc == 1 else 1
        return self.width - across * (left + right), self.height - down * (top + bottom)

    @property
    def ctbs(self) -> tuple[int, int]:
        """Coding tree blocks from left to right, and from top to bottom."""
        log2 = self.log2_min_cb + self.log2_diff_cb
        return -(-self.width >> log2), -(-self.height >> log2)

    @property
    def max_latency(self) -> int | None:
        """SpsMaxLatencyPictures; ``None`` = no limit."""
        if not self.max_latency_increase_plus1:
            return None
        return self.max_num_reorder + self.max_latency_increase_plus1 - 1

    def pack(self) -> bytes:
        """Give ``struct v4l2_ctrl_hevc_sps``."""
        flags = (
            self.separate_colour_plane, self.scaling is not None, self.amp, self.sample_adaptive_offset,
            self.pcm is not None, self.pcm_loop_filter_disabled, self.long_term is not None, self.temporal_mvp,
            self.strong_intra_smoothing,
        )  # fmt: skip
        return SPS.pack(
            self.video_parameter_set_id, self.id, self.width, self.height, self.bit_depth_luma_minus8,
            self.bit_depth_chroma_minus8, self.poc_bits - 4, self.max_dec_pic_buffering - 1, self.max_num_reorder,
            min(self.max_latency_increase_plus1, 255), self.log2_min_cb - 3, self.log2_diff_cb, self.log2_min_tb - 2,
            self.log2_diff_tb, *self.hierarchy, *(self.pcm or (0, 0, 0, 0)), len(self.short_term),
            len(self.long_term or ()), self.chroma_format_idc, self.sps_max_sub_layers_minus1,
            sum(1 << i for i, isset in enumerate(flags) if isset),
        )  # fmt: skip


def read_sps(data: bytes) -> Sps:
    """Read a sequence parameter set.

    Parameters
    ----------
    data : bytes
        The NAL unit with its header, without emulation prevention bytes.

    Raises
    ------
    BitstreamError
        It is damaged. What is not supported is told in :attr:`Sps.unsupported`.
    """
    bits = Bits(data)
    bits.u(16)
    sps = Sps(bits.u(4), bits.u(3))
    if sps.sps_max_sub_layers_minus1 > 6:
        raise BitstreamError("more than 7 temporal sub-layers", bits.position)
    bits.u(1)
    skip_profile(bits, sps.sps_max_sub_layers_minus1)
    sps.id = bits.ue(15)
    _read_picture(bits, sps)
    _read_order(bits, sps)
    _read_blocks(bits, sps)
    if bits.flag():
        sps.scaling = read_scaling_lists(bits) if bits.flag() else DEFAULTS
    sps.amp, sps.sample_adaptive_offset = bits.flag(), bits.flag()
    if bits.flag():
        sps.pcm = bits.u(4), bits.u(4), bits.ue(2), bits.ue(2)
        sps.pcm_loop_filter_disabled = bits.flag()
    count = bits.ue(64)
    for index in range(count):
        sps.short_term.append(read_short_term(bits, index, sps.short_term, False)[0])
    if bits.flag():
        sps.long_term = [(bits.u(sps.poc_bits), bits.flag()) for _ in range(bits.ue(32))]
    sps.temporal_mvp, sps.strong_intra_smoothing = bits.flag(), bits.flag()
    if bits.flag():
        sps.field_info = read_vui(bits, sps.sps_max_sub_layers_minus1)
    if bits.flag():
        _read_extensions(bits, sps)
    return sps


def _read_picture(bits: Bits, sps: Sps) -> None:
    sps.chroma_format_idc = bits.ue(3)
    sps.separate_colour_plane = sps.chroma_format_idc == 3 and bits.flag()
    sps.width, sps.height = bits.ue(65535), bits.ue(65535)
    if bits.flag():
        sps.window = bits.ue(65535), bits.ue(65535), bits.ue(65535), bits.ue(65535)
    if min(sps.size) <= 0:
        raise BitstreamError("nothing of the picture is to be seen", bits.position)
    sps.bit_depth_luma_minus8, sps.bit_depth_chroma_minus8 = bits.ue(8), bits.ue(8)
    sps.poc_bits = bits.ue(12) + 4


def _read_order(bits: Bits, sps: Sps) -> None:
    """Read what tells how pictures are kept and reordered; that of the highest sub-layer counts."""
    for _ in range(sps.sps_max_sub_layers_minus1 + 1 if bits.flag() else 1):
        sps.max_dec_pic_buffering = bits.ue(MOST_PICTURES - 1) + 1
        sps.max_num_reorder = min(bits.ue(), sps.max_dec_pic_buffering - 1)
        sps.max_latency_increase_plus1 = bits.ue()


def _read_blocks(bits: Bits, sps: Sps) -> None:
    sps.log2_min_cb, sps.log2_diff_cb = bits.ue(3) + 3, bits.ue(3)
    sps.log2_min_tb, sps.log2_diff_tb = bits.ue(3) + 2, bits.ue(3)
    if sps.log2_min_cb + sps.log2_diff_cb > 6 or sps.log2_min_tb + sps.log2_diff_tb > 5:
        raise BitstreamError("blocks are larger than they can be", bits.position)
    if (sps.width | sps.height) & ((1 << sps.log2_min_cb) - 1):
        raise BitstreamError(f"{sps.width}x{sps.height} is no multiple of the smallest block", bits.position)
    sps.hierarchy = bits.ue(4), bits.ue(4)


def _read_extensions(bits: Bits, sps: Sps) -> None:
    range_extension = bits.flag()
    bits.u(2)  # of more layers and of 3D: nothing that pictures of the base layer need
    screen_content = bits.flag()
    bits.u(4)
    tools = [name for name in _RANGE_TOOLS if bits.flag()] if range_extension else []
    if tools:
        sps.unsupported = f"range extensions ({', '.join(tools)}) are not supported"
    elif screen_content:
        sps.unsupported = "screen content coding (SCC) is not supported"
