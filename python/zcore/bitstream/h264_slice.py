"""H.264 slice headers (ITU-T H.264, section 7.3.3), as far as frame-based decoders are told of them."""

from __future__ import annotations

from dataclasses import dataclass, field

from zcore.bitstream.bits import Bits
from zcore.bitstream.h264_sets import Pps
from zcore.bitstream.picture import BitstreamError

P, B, I, SP, SI = range(5)  # noqa: E741 - the standard's names
HEADER_BYTES = 512  # more than a slice header can have


@dataclass
class Slice:
    """A slice header."""

    nal_ref_idc: int
    idr: bool
    first_mb: int
    type: int
    pps: Pps
    frame_num: int
    idr_pic_id: int = 0
    poc_lsb: int = 0
    delta_bottom: int = 0
    delta: tuple[int, int] = (0, 0)
    poc_bits: int = 0  # that these four take
    marking_bits: int = 0
    long_term_idr: bool = False
    no_output_of_prior: bool = False
    commands: list[tuple[int, int, int]] = field(default_factory=list)  # memory_management_control_operation
    adaptive: bool = False

    def same_picture(self, other: Slice) -> bool:
        """Tell whether two slices belong to one picture (7.4.1.2.4)."""
        return (
            self.frame_num == other.frame_num
            and self.pps.id == other.pps.id
            and self.pps.sps is other.pps.sps
            and bool(self.nal_ref_idc) == bool(other.nal_ref_idc)
            and self.idr == other.idr
            and (not self.idr or self.idr_pic_id == other.idr_pic_id)
            and (self.poc_lsb, self.delta_bottom, self.delta) == (other.poc_lsb, other.delta_bottom, other.delta)
        )


def read_slice(nal_ref_idc: int, nal_type: int, data: bytes, sets: dict[int, Pps]) -> Slice:
    """Read a slice header.

    Parameters
    ----------
    nal_ref_idc, nal_type : int
        Of the NAL header.
    data : bytes
        What follows it, without emulation prevention bytes.
    sets : mapping
        Picture parameter sets by their id.
    """
    bits = Bits(data)
    first_mb = bits.ue(139263)
    kind = bits.ue(9) % 5
    id = bits.ue(255)
    if id not in sets:
        raise BitstreamError(f"a slice with picture parameters {id}, which were not announced", bits.position)
    pps = sets[id]
    sps = pps.sps
    if sps.separate_planes:
        bits.u(2)
    found = Slice(nal_ref_idc, nal_type == 5, first_mb, kind, pps, bits.u(sps.frame_num_bits))
    if not sps.frame_mbs_only and bits.flag():
        raise BitstreamError("field pictures (interlaced) are not supported", bits.position)
    if found.idr:
        found.idr_pic_id = bits.ue(65535)
    start = bits.position
    if sps.poc_type == 0:
        found.poc_lsb = bits.u(sps.poc_bits)
        found.delta_bottom = bits.se() if pps.bottom_poc else 0
    elif sps.poc_type == 1 and not sps.delta_zero:
        found.delta = bits.se(), bits.se() if pps.bottom_poc else 0
    found.poc_bits = bits.position - start
    if pps.redundant:
        bits.ue(127)
    if kind == B:
        bits.u(1)
    active = [pps.active[0] + 1, pps.active[1] + 1]
    if kind in (P, SP, B) and bits.flag():
        active[0] = bits.ue(31) + 1
        if kind == B:
            active[1] = bits.ue(31) + 1
    for _ in range((kind in (P, SP)) + 2 * (kind == B)):
        _skip_modifications(bits)
    if (pps.weighted and kind in (P, SP)) or (pps.bipred == 1 and kind == B):
        _skip_weights(bits, active[: 2 if kind == B else 1], sps.chroma != 0 and not sps.separate_planes)
    if nal_ref_idc:
        start = bits.position
        _read_marking(bits, found)
        found.marking_bits = bits.position - start
    return found


def _skip_modifications(bits: Bits) -> None:
    if not bits.flag():
        return
    for _ in range(67):
        if bits.ue(5) == 3:
            return
        bits.ue()
    raise BitstreamError("more modifications of a reference list than there can be", bits.position)


def _skip_weights(bits: Bits, counts: list[int], chroma: bool) -> None:
    bits.ue(7)
    if chroma:
        bits.ue(7)
    for count in counts:
        for _ in range(count):
            if bits.flag():
                bits.se(-128, 127)
                bits.se(-128, 127)
            if chroma and bits.flag():
                for _ in range(4):
                    bits.se(-128, 127)


def _read_marking(bits: Bits, found: Slice) -> None:
    """Read dec_ref_pic_marking (7.3.3.3)."""
    if found.idr:
        found.no_output_of_prior, found.long_term_idr = bits.flag(), bits.flag()
        return
    found.adaptive = bits.flag()
    if not found.adaptive:
        return
    for _ in range(66):
        command = bits.ue(6)
        if command == 0:
            return
        first = bits.ue() if command in (1, 2, 3, 4, 6) else 0
        second = bits.ue() if command == 3 else 0
        found.commands.append((command, first, second))
    raise BitstreamError("more reference marking than there can be", bits.position)
