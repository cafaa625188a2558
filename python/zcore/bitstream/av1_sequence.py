"""AV1 sequence headers (5.5 of its specification) as ``struct v4l2_ctrl_av1_sequence``, and how AV1 writes numbers."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from zcore.bitstream.bits import Bits
from zcore.bitstream.picture import BitstreamError

SEQUENCE = struct.Struct("<IBBBxHH")
SELECT = 2  # SELECT_SCREEN_CONTENT_TOOLS, SELECT_INTEGER_MV: each frame tells
BT_709, SRGB, IDENTITY = 1, 13, 0
FLAGS = (
    "still_picture", "use_128x128_superblock", "enable_filter_intra", "enable_intra_edge_filter",
    "enable_interintra_compound", "enable_masked_compound", "enable_warped_motion", "enable_dual_filter",
    "enable_order_hint", "enable_jnt_comp", "enable_ref_frame_mvs", "enable_superres", "enable_cdef",
    "enable_restoration", "mono_chrome", "color_range", "subsampling_x", "subsampling_y", "film_grain_params_present",
    "separate_uv_delta_q",
)  # fmt: skip
"""Fields that are flags of the kernel's structure, from bit 0 on."""


class Av1Bits(Bits):
    """Reads numbers as AV1 writes them (4.10)."""

    def su(self, count: int) -> int:
        """Read a signed number of `count` bits."""
        value = self.u(count)
        return value - (1 << count) if value >> (count - 1) else value

    def ns(self, count: int) -> int:
        """Read one of `count` values: the first of them may have a bit less."""
        width = count.bit_length()
        short = (1 << width) - count
        value = self.u(width - 1)
        return value if value < short else (value << 1) - short + self.u(1)

    def uvlc(self) -> int:
        """Read a number that is preceded by as many zeros as it has bits."""
        zeros = 0
        while not self.flag():
            zeros += 1
        return (1 << 32) - 1 if zeros >= 32 else (1 << zeros) - 1 + self.u(zeros)

    def leb128(self) -> int:
        """Read a number in bytes of 7 bits, the least significant first."""
        start, value = self.position, 0
        for i in range(8):
            byte = self.u(8)
            value |= (byte & 0x7F) << (7 * i)
            if not byte & 0x80:
                if value >= 1 << 32:
                    raise BitstreamError(f"{value} has more than 32 bits", start)
                return value
        raise BitstreamError("a number has more than 8 bytes", start)

    def align(self) -> None:
        """Go on at the next byte."""
        self.position = -(-self.position // 8) * 8


@dataclass
class OperatingPoint:
    """One way to decode a stream of several layers."""

    idc: int = 0
    decoder_model: bool = False


@dataclass
class Sequence:
    """A sequence header, by the names of the specification."""

    seq_profile: int = 0
    still_picture: bool = False
    reduced_still_picture_header: bool = False
    equal_picture_interval: bool = False
    decoder_model_info_present: bool = False
    buffer_delay_length: int = 0
    buffer_removal_time_length: int = 0
    frame_presentation_time_length: int = 0
    operating_points: list[OperatingPoint] = field(default_factory=list)
    frame_width_bits: int = 0
    frame_height_bits: int = 0
    max_frame_width: int = 0
    max_frame_height: int = 0
    frame_id_numbers_present: bool = False
    delta_frame_id_length: int = 0
    frame_id_length: int = 0
    use_128x128_superblock: bool = False
    enable_filter_intra: bool = False
    enable_intra_edge_filter: bool = False
    enable_interintra_compound: bool = False
    enable_masked_compound: bool = False
    enable_warped_motion: bool = False
    enable_dual_filter: bool = False
    enable_order_hint: bool = False
    enable_jnt_comp: bool = False
    enable_ref_frame_mvs: bool = False
    seq_force_screen_content_tools: int = SELECT
    seq_force_integer_mv: int = SELECT
    order_hint_bits: int = 0
    enable_superres: bool = False
    enable_cdef: bool = False
    enable_restoration: bool = False
    bit_depth: int = 8
    mono_chrome: bool = False
    color_range: bool = False
    subsampling_x: bool = True
    subsampling_y: bool = True
    separate_uv_delta_q: bool = False
    film_grain_params_present: bool = False

    @property
    def planes(self) -> int:
        """How many planes pictures have."""
        return 1 if self.mono_chrome else 3

    @property
    def idc(self) -> int:
        """Layers that belong to the operating point that is decoded: the first, which is the whole stream."""
        return self.operating_points[0].idc

    def distance(self, a: int, b: int) -> int:
        """Give how far apart two order hints are (5.9.3)."""
        if not self.enable_order_hint:
            return 0
        m = 1 << (self.order_hint_bits - 1)
        return ((a - b) & (m - 1)) - ((a - b) & m)

    def pack(self) -> bytes:
        """Give the kernel's structure."""
        flags = sum(1 << bit for bit, name in enumerate(FLAGS) if getattr(self, name))
        size = self.max_frame_width - 1, self.max_frame_height - 1
        return SEQUENCE.pack(flags, self.seq_profile, self.order_hint_bits, self.bit_depth, *size)


def read_sequence(bits: Av1Bits) -> Sequence:
    """Read a sequence header."""
    s = Sequence()
    s.seq_profile = bits.u(3)
    if s.seq_profile > 2:
        raise BitstreamError(f"profile {s.seq_profile} is not defined", 0)
    s.still_picture, s.reduced_still_picture_header = bits.flag(), bits.flag()
    if s.reduced_still_picture_header:
        if not s.still_picture:
            raise BitstreamError("a reduced header of what is no still picture", 4)
        bits.u(5)  # seq_level_idx
        s.operating_points = [OperatingPoint()]
    else:
        _read_timing(bits, s)
        _read_operating_points(bits, s)
    if (s.idc >> 8 & (s.idc >> 8) - 1) > 0:
        raise BitstreamError(f"more than one spatial layer is not supported (operating point {s.idc:#x})")
    s.frame_width_bits, s.frame_height_bits = bits.u(4) + 1, bits.u(4) + 1
    s.max_frame_width, s.max_frame_height = bits.u(s.frame_width_bits) + 1, bits.u(s.frame_height_bits) + 1
    if not s.reduced_still_picture_header:
        s.frame_id_numbers_present = bits.flag()
        if s.frame_id_numbers_present:
            s.delta_frame_id_length = bits.u(4) + 2
            s.frame_id_length = bits.u(3) + s.delta_frame_id_length + 1
            if s.frame_id_length > 16:
                raise BitstreamError(f"frame ids of {s.frame_id_length} bits", bits.position)
    s.use_128x128_superblock, s.enable_filter_intra, s.enable_intra_edge_filter = bits.flag(), bits.flag(), bits.flag()
    if not s.reduced_still_picture_header:
        _read_tools(bits, s)
    s.enable_superres, s.enable_cdef, s.enable_restoration = bits.flag(), bits.flag(), bits.flag()
    _read_colours(bits, s)
    s.film_grain_params_present = bits.flag()
    return s


def _read_timing(bits: Av1Bits, s: Sequence) -> None:
    if not bits.flag():
        return
    bits.u(32)  # num_units_in_display_tick
    bits.u(32)  # time_scale
    s.equal_picture_interval = bits.flag()
    if s.equal_picture_interval:
        bits.uvlc()
    s.decoder_model_info_present = bits.flag()
    if s.decoder_model_info_present:
        s.buffer_delay_length = bits.u(5) + 1
        bits.u(32)  # num_units_in_decoding_tick
        s.buffer_removal_time_length, s.frame_presentation_time_length = bits.u(5) + 1, bits.u(5) + 1


def _read_operating_points(bits: Av1Bits, s: Sequence) -> None:
    delays = bits.flag()
    for _ in range(bits.u(5) + 1):
        point = OperatingPoint(bits.u(12))
        if bits.u(5) > 7:  # seq_level_idx
            bits.flag()
        if s.decoder_model_info_present:
            point.decoder_model = bits.flag()
            if point.decoder_model:
                bits.u(s.buffer_delay_length)
                bits.u(s.buffer_delay_length)
                bits.flag()
        if delays and bits.flag():
            bits.u(4)
        s.operating_points.append(point)


def _read_tools(bits: Av1Bits, s: Sequence) -> None:
    s.enable_interintra_compound, s.enable_masked_compound = bits.flag(), bits.flag()
    s.enable_warped_motion, s.enable_dual_filter = bits.flag(), bits.flag()
    s.enable_order_hint = bits.flag()
    if s.enable_order_hint:
        s.enable_jnt_comp, s.enable_ref_frame_mvs = bits.flag(), bits.flag()
    if not bits.flag():
        s.seq_force_screen_content_tools = bits.u(1)
    if s.seq_force_screen_content_tools and not bits.flag():
        s.seq_force_integer_mv = bits.u(1)
    if s.enable_order_hint:
        s.order_hint_bits = bits.u(3) + 1


def _read_colours(bits: Av1Bits, s: Sequence) -> None:
    high = bits.flag()
    s.bit_depth = 10 if high else 8
    if s.seq_profile == 2 and high and bits.flag():
        s.bit_depth = 12
    s.mono_chrome = s.seq_profile != 1 and bits.flag()
    colours = (bits.u(8), bits.u(8), bits.u(8)) if bits.flag() else (2, 2, 2)
    if s.mono_chrome:
        s.color_range = bits.flag()
        return
    if colours == (BT_709, SRGB, IDENTITY):
        if s.seq_profile == 0 or (s.seq_profile == 2 and s.bit_depth != 12):
            raise BitstreamError(f"profile {s.seq_profile} has no RGB", bits.position)
        s.color_range, s.subsampling_x, s.subsampling_y = True, False, False
    else:
        s.color_range = bits.flag()
        if s.seq_profile == 1:
            s.subsampling_x = s.subsampling_y = False
        elif s.seq_profile == 2 and s.bit_depth == 12:
            s.subsampling_x = bits.flag()
            s.subsampling_y = s.subsampling_x and bits.flag()
        elif s.seq_profile == 2:
            s.subsampling_y = False
        if s.subsampling_x and s.subsampling_y:
            bits.u(2)  # chroma_sample_position
    s.separate_uv_delta_q = bits.flag()
