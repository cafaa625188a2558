"""H.264 byte streams (ITU-T H.264, annex B) for frame-based stateless decoders."""

from __future__ import annotations

import struct

from zcore.bitstream.annexb import START, ByteStream, UnitParser, plain
from zcore.bitstream.h264_dpb import Dpb
from zcore.bitstream.h264_sets import FLAT, Pps, Sps, raster, read_pps, read_sps
from zcore.bitstream.h264_slice import HEADER_BYTES, SI, B, I, P, Slice, read_slice
from zcore.bitstream.picture import BitstreamError, Picture

_BASE = 0x00A40900
CID_DECODE_MODE, CID_START_CODE, CID_SPS, CID_PPS, CID_SCALING, CID_DECODE_PARAMS = (
    _BASE, _BASE + 1, _BASE + 2, _BASE + 3, _BASE + 4, _BASE + 7,
)  # fmt: skip
FRAME_BASED, ANNEX_B = 1, 1
IDR_PIC, PFRAME, BFRAME = 1, 8, 0x10
PARAMS = struct.Struct("<HHiiHHiiiIIIII")
SLICE, IDR, SPS_UNIT, PPS_UNIT = 1, 5, 7, 8


class H264Parser(UnitParser):
    """Reads H.264 byte streams, in pieces of any size.

    A picture is known to be complete when the next one begins: it comes later, or with :meth:`flush`.
    """

    references = 16

    def __init__(self, last_number: int = 0):
        super().__init__(last_number)
        self.dpb = Dpb()
        self.sps: dict[int, Sps] = {}
        self.pps: dict[int, Pps] = {}
        self._raw_pps: dict[int, bytes] = {}
        self._stream = ByteStream(self.skip)
        self._begun = 0  # in which the picture begins
        self._slices: list[bytes] = []
        self._first: Slice | None = None
        self._kinds: set[int] = set()
        self._started = False
        self._damaged = False

    def flush(self) -> list[Picture]:
        """Give the last picture, and show those that wait."""
        found = super().flush()
        due = self.dpb.flush()
        if due:
            found.append(Picture(0, due=due))
        self._started = False
        return found

    def _unit(self, unit: bytes, found: list[Picture]) -> None:
        kind = unit[0] & 31
        try:
            if unit[0] & 128:
                raise BitstreamError("the forbidden bit of a NAL unit is set", 0)
            if kind in (SLICE, IDR):
                self._slice(unit, kind, found)
            elif 6 <= kind <= 9:
                self._finish(found)  # these begin a new access unit
                if kind == SPS_UNIT:
                    self._take_sps(read_sps(plain(unit[1:])))
                elif kind == PPS_UNIT:
                    pps = read_pps(plain(unit[1:]), self.sps)
                    self.pps[pps.id], self._raw_pps[pps.id] = pps, unit
            elif kind in (2, 3, 4):
                raise BitstreamError("data partitioning is not supported", 3)
            elif kind == 20:
                raise BitstreamError("more than one view or layer (MVC, SVC) is not supported", 3)
        except BitstreamError as error:
            if kind in (SLICE, IDR, 2, 3, 4):
                self._damaged = True
            self.skip(error)

    def _take_sps(self, sps: Sps) -> None:
        old = self.sps.get(sps.id)
        if old == sps:
            return
        self.sps[sps.id] = sps
        for id, pps in list(self.pps.items()):
            if pps.sps.id == sps.id:  # what it says depends on its sequence
                self.pps[id] = read_pps(plain(self._raw_pps[id][1:]), self.sps)

    def _slice(self, unit: bytes, kind: int, found: list[Picture]) -> None:
        slice = read_slice(unit[0] >> 5 & 3, kind, plain(unit[1:HEADER_BYTES]), self.pps)
        if self._first is not None and not slice.same_picture(self._first):
            self._finish(found)
        if self._first is None:
            self._first, self._begun = slice, self._piece
        self._kinds.add(slice.type)
        self._slices.append(unit)

    def _finish(self, found: list[Picture]) -> None:
        """Give the picture that is complete."""
        first, slices, kinds = self._first, self._slices, self._kinds
        self._first, self._slices, self._kinds = None, [], set()
        if first is None:
            return
        intra = not kinds - {I, SI}
        if not self._started and not (first.idr or intra):
            self.without_reference += 1
            return
        key = first.idr or not self._started
        if first.idr:
            self._damaged = False
        elif not self._started:
            self.dpb = Dpb(first.frame_num)
        self._started = True
        if not self.dpb.begin(first):
            self._damaged = True
        poc = self.dpb.order_of(first)
        entries = bytes(32 * 16) if first.idr else self.dpb.entries()
        number = self.next_number()
        controls = self._controls(first, kinds, entries, poc)
        due = self.dpb.store(number, first, poc)
        payload = b"".join(START + unit for unit in slices)
        found.append(
            Picture(
                number, payload, controls, due, self.dpb.keep(), first.pps.sps.size, self._damaged, key, self._begun
            )
        )

    def _controls(self, first: Slice, kinds: set[int], entries: bytes, poc: tuple[int, int]) -> list[tuple[int, bytes]]:
        flags = IDR_PIC if first.idr else 0
        flags |= PFRAME if P in kinds and B not in kinds else 0
        flags |= BFRAME if B in kinds else 0
        params = PARAMS.pack(
            first.nal_ref_idc, first.frame_num, *poc, first.idr_pic_id, first.poc_lsb, first.delta_bottom,
            *first.delta, first.marking_bits, first.poc_bits, 0, 0, flags,
        )  # fmt: skip
        return [
            (CID_SPS, first.pps.sps.pack()),
            (CID_PPS, first.pps.pack()),
            (CID_SCALING, raster(first.pps.scaling or FLAT)),
            (CID_DECODE_PARAMS, entries + params),
        ]
