"""HEVC byte streams (ITU-T H.265, annex B) for frame-based stateless decoders."""

from __future__ import annotations

import struct
from itertools import accumulate

from zcore.bitstream.annexb import LARGEST, START, ByteStream, UnitParser, coded_length, plain
from zcore.bitstream.hevc_dpb import Dpb, References, Stored
from zcore.bitstream.hevc_pps import Pps, read_pps
from zcore.bitstream.hevc_scaling import FLAT
from zcore.bitstream.hevc_slice import CRA, I, Slice, read_slice
from zcore.bitstream.hevc_sps import Sps, read_sps
from zcore.bitstream.picture import BitstreamError, Picture

_BASE = 0x00A40900 + 400
CID_SPS, CID_PPS, CID_SLICE_PARAMS, CID_SCALING = range(_BASE, _BASE + 4)
CID_DECODE_PARAMS, CID_DECODE_MODE, CID_START_CODE, CID_ENTRY_POINTS = range(_BASE + 4, _BASE + 8)
FRAME_BASED, ANNEX_B = 1, 1
IRAP_PIC, IDR_PIC, NO_OUTPUT_OF_PRIOR = 1, 2, 4
PARAMS = struct.Struct("<iHH4B16s16s16sB3x256sQ")
SLICE_PARAMS = struct.Struct("<III4Bi4B8bB3xI16s16sHH194s2xQ")
SLICES = {*range(10), *range(16, 22)}
SPS_UNIT, PPS_UNIT, END_OF_SEQUENCE, END_OF_STREAM, PREFIX_SEI = 33, 34, 36, 37, 39
# What begins a new access unit, or ends one, behind a slice (7.4.2.4.4).
BEGINS = {*range(32, 38), PREFIX_SEI, *range(41, 45), *range(48, 56)}
PIC_TIMING = 1
MOST_SLICES = 600  # of a picture, at the highest level (table A.8)
HEADER_BYTES = 512, 1 << 16  # a slice header with many entry points is long


class HevcParser(UnitParser):
    """Reads HEVC byte streams, in pieces of any size.

    A picture is known to be complete when the next one begins: it comes one piece later, or with :meth:`flush`. Units
    of other layers than the base layer are passed over.
    """

    references = 16

    def __init__(self, last_number: int = 0):
        super().__init__(last_number)
        self.dpb = Dpb()
        self.sps: dict[int, Sps] = {}
        self.pps: dict[int, Pps] = {}
        self._stream = ByteStream(self.skip)
        self._begun = 0  # in which the picture begins
        self._slices: list[tuple[Slice, bytes]] = []
        self._bytes = 0
        self._independent: Slice | None = None
        self._timing = b""  # the picture timing message before the picture
        self._sequence: Sps | None = None  # of the pictures that are decoded now
        self._restart = True  # only a key frame may come, and nothing before it is known
        self._skip_rasl = True
        self._damaged = False  # a slice of the picture is missing

    def feed(self, data: bytes) -> list[Picture]:
        """Read on."""
        found = super().feed(data)
        coming = self._stream.coming(3)
        if len(coming) == 3 and _layer(coming) == 0:
            kind = coming[0] >> 1 & 63
            if kind in BEGINS or (kind in SLICES and coming[2] & 128):
                self._finish(found)
        return found

    def flush(self) -> list[Picture]:
        """Give the last picture, and show those that wait."""
        found = super().flush()
        due = self.dpb.flush()
        if due:
            found.append(Picture(0, due=due))
        self._restart = True
        return found

    def _unit(self, unit: bytes, found: list[Picture]) -> None:
        if len(unit) > 1 and _layer(unit):
            return
        kind = unit[0] >> 1 & 63
        if kind in BEGINS or (kind in SLICES and len(unit) > 2 and unit[2] & 128):
            self._finish(found)
        try:
            if len(unit) < 3 and kind not in (END_OF_SEQUENCE, END_OF_STREAM):
                raise BitstreamError(f"a unit of {len(unit)} bytes", 0)
            if unit[0] & 128 or (len(unit) > 1 and not unit[1] & 7):
                raise BitstreamError("the header of a NAL unit is damaged", 0)
            if kind in SLICES:
                self._slice(unit, found)
            elif kind == SPS_UNIT:
                sps = read_sps(plain(unit))
                self.sps[sps.id] = sps
                if sps.unsupported:
                    raise BitstreamError(sps.unsupported, 0)
            elif kind == PPS_UNIT:
                pps = read_pps(plain(unit))
                self.pps[pps.id] = pps
                if pps.unsupported:
                    raise BitstreamError(pps.unsupported, 0)
            elif kind == PREFIX_SEI:
                self._timing = _message(plain(unit)[2:], PIC_TIMING) or self._timing
            elif kind in (END_OF_SEQUENCE, END_OF_STREAM):
                self._restart = True
        except BitstreamError as error:
            if kind in SLICES:
                self._damaged, self._independent = True, None
            self.skip(error)

    def _slice(self, unit: bytes, found: list[Picture]) -> None:
        slice = self._read_slice(unit)
        if not slice.first:
            if self._slices and not slice.same_picture(self._slices[-1][0]):
                self._finish(found)  # this one belongs to a picture behind it
            if not self._slices:
                raise BitstreamError("the first slice of a picture is missing", 16)
            if slice.address <= self._slices[-1][0].address:
                raise BitstreamError("a slice does not belong behind the one before it", 16)
        if len(self._slices) == MOST_SLICES or self._bytes + len(unit) > LARGEST:
            raise BitstreamError(f"a picture of more than {MOST_SLICES} slices or {LARGEST} bytes", 0)
        if not slice.dependent:
            self._independent = slice
        if not self._slices:
            self._begun = self._piece
        self._slices.append((slice, unit))
        self._bytes += len(unit) + len(START)

    def _read_slice(self, unit: bytes) -> Slice:
        short, long = HEADER_BYTES
        try:
            return read_slice(plain(unit[:short]), self.pps, self.sps, self._independent)
        except BitstreamError:
            if len(unit) <= short:
                raise
            return read_slice(plain(unit[:long]), self.pps, self.sps, self._independent)

    # A picture

    def _finish(self, found: list[Picture]) -> None:
        """Give the picture that is complete."""
        slices, damaged, timing = self._slices, self._damaged, self._timing
        self._slices, self._bytes, self._independent, self._damaged = [], 0, None, False
        if not slices:
            return
        self._timing = b""
        first, _ = slices[0]
        try:
            pps = first.pps.pack(first.sps)
        except BitstreamError as error:
            self._restart |= first.irap
            self.skip(error)
            return
        fresh = first.irap and (first.idr or first.bla or self._restart or first.sps != self._sequence)
        discard = first.no_output_of_prior_pics or (self._restart and first.nal_unit_type == CRA)  # C.5.2.2
        if first.irap:
            self._restart, self._skip_rasl, self._sequence = False, fresh, first.sps
        if self._restart or (first.rasl and self._skip_rasl):
            self.without_reference += 1
            return
        if first.sps != self._sequence:
            self.skip(BitstreamError("the sequence parameters change without a key frame"))
            return
        poc = self.dpb.order_of(first, fresh)
        references, due = self.dpb.begin(first, poc, fresh, discard)
        inter = any(slice.slice_type != I for slice, _ in slices)
        if inter and len(references.current) < first.num_pic_total_curr:
            self.without_reference += 1  # nothing stands for what is missing
            if due:
                found.append(Picture(0, due=due, keep=self.dpb.keep()))
            return
        damaged |= inter and (references.missing > 0 or any(one.damaged for one in references.current))
        field_info = first.sps.field_info and timing
        new = Stored(self.next_number(), poc, timing[0] >> 4 if field_info else 0, damaged, waits=first.pic_output)
        controls = self._controls(slices, pps, references, new)
        due += self.dpb.store(new, first.sps)
        payload = b"".join(START + unit for _, unit in slices)
        keep = self.dpb.keep()
        size = first.sps.size
        found.append(Picture(new.number, payload, controls, due, keep, size, damaged, first.irap, self._begun))

    def _controls(
        self, slices: list[tuple[Slice, bytes]], pps: bytes, references: References, new: Stored
    ) -> list[tuple[int, bytes]]:
        first, _ = slices[0]
        lists = (first.pps.scaling or first.sps.scaling) if first.sps.scaling is not None else None
        points = [point for slice, _ in slices for point in slice.entry_points]
        ends = accumulate(len(unit) + len(START) for _, unit in slices)
        packed = [
            pack_slice(slice, unit, end, references, new) for (slice, unit), end in zip(slices, ends, strict=True)
        ]
        controls = [
            (CID_SPS, first.sps.pack()),
            (CID_PPS, pps),
            (CID_SLICE_PARAMS, b"".join(packed)),
            (CID_SCALING, (lists or FLAT).pack()),
            (CID_DECODE_PARAMS, pack_params(first, references, new.poc)),
        ]
        if points:
            controls.append((CID_ENTRY_POINTS, struct.pack(f"<{len(points)}I", *points)))
        return controls


def _layer(unit: bytes) -> int:
    return (unit[0] & 1) << 5 | unit[1] >> 3


def _message(data: bytes, wanted: int) -> bytes:
    """Find the payload of an SEI message of a type (7.3.5); empty where there is none."""
    place = 0
    while place + 2 < len(data):
        values = []
        for _ in range(2):  # type, size
            value = 0
            while place < len(data) and data[place] == 255:
                value, place = value + 255, place + 1
            if place >= len(data):
                return b""
            values.append(value + data[place])
            place += 1
        if values[0] == wanted:
            return data[place : place + values[1]]
        place += values[1]
    return b""


def pack_params(first: Slice, references: References, poc: int) -> bytes:
    """Give ``struct v4l2_ctrl_hevc_decode_params``."""
    counts = len(references.before), len(references.after), len(references.long)
    places = bytes(range(sum(counts)))
    flags = IRAP_PIC * first.irap | IDR_PIC * first.idr | NO_OUTPUT_OF_PRIOR * first.no_output_of_prior_pics
    return PARAMS.pack(
        poc, first.short_term_bits, first.long_term_bits, len(references.entries), *counts, places[: counts[0]],
        places[counts[0] : counts[0] + counts[1]], places[counts[0] + counts[1] :], first.short_term_base,
        references.pack(), flags,
    )  # fmt: skip


def pack_slice(slice: Slice, unit: bytes, end: int, references: References, picture: Stored) -> bytes:
    """Give an element of ``struct v4l2_ctrl_hevc_slice_params``.

    Parameters
    ----------
    end : int
        Where the slice ends in the buffer. Size and offset count from the begin of the buffer: so drivers that take
        several slices in one buffer read them.
    """
    flags = (
        slice.sao_luma, slice.sao_chroma, slice.temporal_mvp, slice.mvd_l1_zero, slice.cabac_init,
        slice.slice_type != I and slice.collocated_from_l0, False, slice.deblocking_disabled,
        slice.loop_filter_across_slices, slice.dependent,
    )  # fmt: skip
    lists = references.indices(slice)
    return SLICE_PARAMS.pack(
        end * 8, end - len(unit) + coded_length(unit, slice.data_offset), len(slice.entry_points),
        slice.nal_unit_type, slice.temporal_id + 1, slice.slice_type, slice.colour_plane_id, picture.poc,
        max(slice.active[0] - 1, 0), max(slice.active[1] - 1, 0), slice.collocated_ref_idx,
        slice.five_minus_max_num_merge_cand, slice.qp_delta, *slice.chroma_qp, 0, 0, 0, slice.beta_offset_div2,
        slice.tc_offset_div2, picture.pic_struct, slice.address, bytes(lists[0]), bytes(lists[1]),
        slice.short_term_bits, slice.long_term_bits, slice.weights,
        sum(1 << i for i, isset in enumerate(flags) if isset),
    )  # fmt: skip
