"""Slice segment headers of HEVC (ITU-T H.265, section 7.3.6.1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from zcore.bitstream.bits import Bits
from zcore.bitstream.hevc_pps import Pps
from zcore.bitstream.hevc_rps import MOST, LongTerm, ShortTermSet, read_short_term
from zcore.bitstream.hevc_sps import Sps
from zcore.bitstream.hevc_weights import NO_WEIGHTS, read_weights
from zcore.bitstream.picture import BitstreamError

B, P, I = range(3)  # noqa: E741 - the standard's names
RADL_N, RASL_N, RASL_R = 6, 8, 9
RADL_R = 7
BLA_W_LP, BLA_N_LP, IDR_W_RADL, IDR_N_LP, CRA = 16, 18, 19, 20, 21
MOST_ENTRY_POINTS = 20 * 540  # columns of tiles, and rows of the smallest blocks in the highest picture


@dataclass
class Slice:
    """A slice segment header. Names are the standard's where the kernel has them too."""

    nal_unit_type: int
    temporal_id: int
    first: bool
    no_output_of_prior_pics: bool
    pps: Pps
    sps: Sps
    dependent: bool = False
    address: int = 0
    slice_type: int = I
    pic_output: bool = True
    colour_plane_id: int = 0
    poc_lsb: int = 0
    short_term: ShortTermSet = field(default_factory=ShortTermSet)
    short_term_bits: int = 0
    short_term_base: int = 0  # NumDeltaPocs of the set that it was made from
    long_term: tuple[LongTerm, ...] = ()
    long_term_bits: int = 0
    temporal_mvp: bool = False
    sao_luma: bool = False
    sao_chroma: bool = False
    active: tuple[int, int] = (0, 0)  # references in each list
    entries: tuple[tuple[int, ...] | None, tuple[int, ...] | None] = (None, None)  # list_entry of each list
    mvd_l1_zero: bool = False
    cabac_init: bool = False
    collocated_from_l0: bool = True
    collocated_ref_idx: int = 0
    weights: bytes = NO_WEIGHTS
    five_minus_max_num_merge_cand: int = 0
    qp_delta: int = 0
    chroma_qp: tuple[int, int] = (0, 0)
    deblocking_disabled: bool = False
    beta_offset_div2: int = 0
    tc_offset_div2: int = 0
    loop_filter_across_slices: bool = False
    entry_points: tuple[int, ...] = ()
    data_offset: int = 0  # where its data begin, in bytes of the unit without emulation prevention

    @property
    def irap(self) -> bool:
        """Whether decoding can begin with its picture."""
        return BLA_W_LP <= self.nal_unit_type <= 23

    @property
    def idr(self) -> bool:
        """Whether it belongs to an IDR picture."""
        return self.nal_unit_type in (IDR_W_RADL, IDR_N_LP)

    @property
    def bla(self) -> bool:
        """Whether it belongs to a picture behind which the stream was cut."""
        return BLA_W_LP <= self.nal_unit_type <= BLA_N_LP

    @property
    def rasl(self) -> bool:
        """Whether its picture may build on what is before the key frame that it goes with."""
        return self.nal_unit_type in (RASL_N, RASL_R)

    @property
    def counts_for_poc(self) -> bool:
        """Whether later order counts are relative to its picture's (prevTid0Pic)."""
        non_reference = self.nal_unit_type < 16 and not self.nal_unit_type & 1
        return not self.temporal_id and not non_reference and not RADL_N <= self.nal_unit_type <= RASL_R

    @property
    def num_pic_total_curr(self) -> int:
        """NumPicTotalCurr: pictures that it may refer to."""
        return self.short_term.used + sum(one.used for one in self.long_term)

    def same_picture(self, other: Slice) -> bool:
        """Tell whether two slices can belong to one picture (7.4.7.1)."""
        return (
            self.nal_unit_type == other.nal_unit_type
            and self.temporal_id == other.temporal_id
            and self.pps is other.pps
            and self.poc_lsb == other.poc_lsb
            and (self.short_term, self.long_term) == (other.short_term, other.long_term)
        )


def _width(count: int) -> int:
    """Ceil(Log2(count))."""
    return max(count - 1, 0).bit_length()


def read_slice(data: bytes, sets: Mapping[int, Pps], sequences: Mapping[int, Sps], before: Slice | None) -> Slice:
    """Read a slice segment header.

    Parameters
    ----------
    data : bytes
        The NAL unit with its header, or the begin of it, without emulation prevention bytes.
    sets, sequences : mapping
        Parameter sets by their id.
    before : Slice, optional
        The independent slice segment that a dependent one belongs to.
    """
    bits = Bits(data)
    bits.u(1)
    kind = bits.u(6)
    bits.u(6)
    temporal_id = bits.u(3) - 1
    first = bits.flag()
    no_output = 16 <= kind <= 23 and bits.flag()
    pps = sets.get(bits.ue(63))
    if pps is None:
        raise BitstreamError("a slice with picture parameters that were not announced", bits.position)
    sps = sequences.get(pps.sps_id)
    if sps is None:
        raise BitstreamError(f"a slice of sequence {pps.sps_id}, which was not announced", bits.position)
    if sps.unsupported or pps.unsupported:
        raise BitstreamError(sps.unsupported or pps.unsupported, bits.position)
    found = Slice(kind, temporal_id, first, no_output, pps, sps)
    if not first:
        found.dependent = pps.dependent_slice_segments and bits.flag()
        blocks = sps.ctbs[0] * sps.ctbs[1]
        found.address = bits.u(_width(blocks))
        if not 0 < found.address < blocks:
            raise BitstreamError(f"a slice begins at block {found.address} of {blocks}", bits.position)
    if found.dependent:
        if before is None or before.pps is not pps:
            raise BitstreamError("the slice that a dependent slice segment belongs to is missing", bits.position)
        found = replace(before, first=False, dependent=True, address=found.address, entry_points=())
    else:
        _read_independent(bits, found)
    _read_end(bits, found)
    return found


def _read_independent(bits: Bits, found: Slice) -> None:
    pps, sps = found.pps, found.sps
    bits.u(pps.num_extra_slice_header_bits)
    found.slice_type = bits.ue(2)
    if found.irap and found.slice_type != I:
        raise BitstreamError("a key frame refers to others", bits.position)
    found.pic_output = bits.flag() if pps.output_flag_present else True
    found.colour_plane_id = bits.u(2) if sps.separate_colour_plane else 0
    if not found.idr:
        _read_references(bits, found)
        found.temporal_mvp = sps.temporal_mvp and bits.flag()
    if sps.sample_adaptive_offset:
        found.sao_luma = bits.flag()
        found.sao_chroma = sps.chroma_array_type != 0 and bits.flag()
    if found.slice_type != I:
        _read_inter(bits, found)
    base = 26 + pps.init_qp_minus26
    found.qp_delta = bits.se(-6 * sps.bit_depth_luma_minus8 - base, 51 - base)
    if pps.slice_chroma_qp_offsets:
        found.chroma_qp = bits.se(-12, 12), bits.se(-12, 12)
    override = pps.deblocking_override and bits.flag()
    found.deblocking_disabled = pps.deblocking_disabled
    found.beta_offset_div2, found.tc_offset_div2 = pps.beta_offset_div2, pps.tc_offset_div2
    if override:
        found.deblocking_disabled = bits.flag()
        if not found.deblocking_disabled:
            found.beta_offset_div2, found.tc_offset_div2 = bits.se(-6, 6), bits.se(-6, 6)
    filtered = found.sao_luma or found.sao_chroma or not found.deblocking_disabled
    found.loop_filter_across_slices = pps.loop_filter_across_slices
    if pps.loop_filter_across_slices and filtered:
        found.loop_filter_across_slices = bits.flag()


def _read_references(bits: Bits, found: Slice) -> None:
    """Read the order count and the reference picture set."""
    sps = found.sps
    found.poc_lsb = bits.u(sps.poc_bits)
    count = len(sps.short_term)
    if not bits.flag():
        start = bits.position
        found.short_term, found.short_term_base = read_short_term(bits, count, sps.short_term, True)
        found.short_term_bits = bits.position - start
    elif not count:
        raise BitstreamError("a reference picture set of the sequence, which has none", bits.position)
    else:
        index = bits.u(_width(count))
        if index >= count:
            raise BitstreamError(f"reference picture set {index} of {count}", bits.position)
        found.short_term = sps.short_term[index]
    if sps.long_term is not None:
        start = bits.position
        found.long_term = _read_long_term(bits, sps, sps.long_term)
        found.long_term_bits = bits.position - start
    if found.short_term.num_delta_pocs + len(found.long_term) > MOST:
        raise BitstreamError(f"more than {MOST} reference pictures", bits.position)


def _read_long_term(bits: Bits, sps: Sps, candidates: list[tuple[int, bool]]) -> tuple[LongTerm, ...]:
    of_sequence = bits.ue(len(candidates)) if candidates else 0
    count = of_sequence + bits.ue(MOST)
    if count > MOST:
        raise BitstreamError(f"more than {MOST} reference pictures", bits.position)
    found: list[LongTerm] = []
    cycle = 0
    for i in range(count):
        if i < of_sequence:
            index = bits.u(_width(len(candidates)))
            if index >= len(candidates):
                raise BitstreamError(f"long-term reference picture {index} of {len(candidates)}", bits.position)
            poc, used = candidates[index]
        else:
            poc, used = bits.u(sps.poc_bits), bits.flag()
        present = bits.flag()
        delta = bits.ue(1 << 28) if present else 0
        cycle = delta if i in (0, of_sequence) else cycle + delta  # (7-52)
        found.append(LongTerm(poc, used, cycle if present else None))
    return tuple(found)


def _read_inter(bits: Bits, found: Slice) -> None:
    pps = found.pps
    bipred = found.slice_type == B
    active = [pps.active[0] + 1, pps.active[1] + 1 if bipred else 0]
    if bits.flag():
        active[0] = bits.ue(14) + 1
        if bipred:
            active[1] = bits.ue(14) + 1
    found.active = active[0], active[1]
    total = found.num_pic_total_curr
    if not total:
        raise BitstreamError("a slice refers to others, and its reference picture set is empty", bits.position)
    if pps.lists_modification and total > 1:
        lists: list[tuple[int, ...] | None] = [None, None]
        for i in range(2 if bipred else 1):
            if bits.flag():
                lists[i] = tuple(bits.u(_width(total)) for _ in range(active[i]))
                if max(lists[i] or (0,)) >= total:
                    raise BitstreamError("an entry of a reference list is out of range", bits.position)
        found.entries = lists[0], lists[1]
    found.mvd_l1_zero = bipred and bits.flag()
    found.cabac_init = pps.cabac_init_present and bits.flag()
    if found.temporal_mvp:
        found.collocated_from_l0 = not bipred or bits.flag()
        others = active[0 if found.collocated_from_l0 else 1] - 1
        found.collocated_ref_idx = bits.ue(others) if others else 0
    if pps.weighted_bipred if bipred else pps.weighted_pred:
        found.weights = read_weights(bits, active, found.sps.chroma_array_type != 0)
    found.five_minus_max_num_merge_cand = bits.ue(4)


def _read_end(bits: Bits, found: Slice) -> None:
    """Read entry points, and look for the begin of the data."""
    pps = found.pps
    if pps.tiles or pps.entropy_coding_sync:
        rows = found.sps.ctbs[1]
        most = pps.columns * (rows if pps.entropy_coding_sync else pps.rows) - 1
        count = bits.ue(min(most, MOST_ENTRY_POINTS))
        if count:
            length = bits.ue(31) + 1
            found.entry_points = tuple(bits.u(length) + 1 for _ in range(count))
            if max(found.entry_points) >> 32:
                raise BitstreamError("an entry point is out of range", bits.position)
    if pps.slice_header_extension:
        bits.u(8 * bits.ue(256))
    if not bits.flag():
        raise BitstreamError("a slice header does not end where it should", bits.position)
    if bits.position % 8 and bits.u(8 - bits.position % 8):
        raise BitstreamError("a slice header does not end where it should", bits.position)
    found.data_offset = bits.position // 8
