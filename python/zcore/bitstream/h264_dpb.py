"""The decoded picture buffer of H.264 (ITU-T H.264, sections 8.2.1, 8.2.5 and C.4), for frames."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from zcore.bitstream.h264_sets import Sps
from zcore.bitstream.h264_slice import Slice
from zcore.bitstream.picture import NS_PER_PICTURE

ENTRY = struct.Struct("<QIHB5xiiI")
ENTRIES = 16
VALID, ACTIVE, LONG_TERM = 1, 2, 4
FRAME_REF = 3
SHORT, LONG = "short", "long"


@dataclass
class Stored:
    """A picture in the buffer. With the number 0 it was never sent: a gap in frame_num stands for it."""

    number: int
    frame_num: int
    poc: tuple[int, int]  # of the top and the bottom field
    reference: str = ""  # "", SHORT or LONG
    waits: bool = True  # it is to be shown yet
    wrap: int = 0  # FrameNumWrap
    long_index: int = 0

    @property
    def order(self) -> int:
        """PicOrderCnt of the frame."""
        return min(self.poc)


class Dpb:
    """Pictures that may be referred to, or are to be shown.

    Parameters
    ----------
    frame_num : int
        Of the first picture, where decoding does not begin at an IDR picture: no gap before it.
    """

    def __init__(self, frame_num: int = 0) -> None:
        self.pictures: list[Stored] = []
        self.max_long = 0  # MaxLongTermFrameIdx + 1
        self._previous_msb = self._previous_lsb = 0
        self._previous_frame_num = self._previous_offset = 0
        self._previous_reset = False  # the picture before had memory_management_control_operation 5
        self._previous_ref_frame_num = frame_num

    @property
    def references(self) -> list[Stored]:
        """Pictures that may be referred to."""
        return [picture for picture in self.pictures if picture.reference]

    def keep(self) -> list[int]:
        """Give the numbers of the pictures that are needed still."""
        return [picture.number for picture in self.pictures if picture.number]

    # Picture order count (8.2.1)

    def order_of(self, slice: Slice) -> tuple[int, int]:
        """Compute TopFieldOrderCnt and BottomFieldOrderCnt of a frame."""
        sps = slice.pps.sps
        if sps.poc_type == 0:
            return self._order_0(slice, sps)
        offset = 0
        if not slice.idr:
            before = 0 if self._previous_reset else self._previous_offset
            last = 0 if self._previous_reset else self._previous_frame_num
            offset = before + (1 << sps.frame_num_bits if last > slice.frame_num else 0)
        self._previous_offset = offset
        if sps.poc_type == 2:
            order = 0 if slice.idr else 2 * (offset + slice.frame_num) - (0 if slice.nal_ref_idc else 1)
            return order, order
        return self._order_1(slice, sps, offset)

    def _order_0(self, slice: Slice, sps: Sps) -> tuple[int, int]:
        if slice.idr:
            self._previous_msb = self._previous_lsb = 0
        most = 1 << sps.poc_bits
        lsb, msb = slice.poc_lsb, self._previous_msb
        if lsb < self._previous_lsb and self._previous_lsb - lsb >= most // 2:
            msb += most
        elif lsb > self._previous_lsb and lsb - self._previous_lsb > most // 2:
            msb -= most
        top = msb + lsb
        bottom = top + slice.delta_bottom
        if slice.nal_ref_idc:
            reset = any(command == 5 for command, _, _ in slice.commands)
            # After a reset the frame counts from 0: tempPicOrderCnt is taken off.
            self._previous_msb = 0 if reset else msb
            self._previous_lsb = top - min(top, bottom) if reset else lsb
        return top, bottom

    def _order_1(self, slice: Slice, sps: Sps, offset: int) -> tuple[int, int]:
        cycle = len(sps.offsets)
        number = offset + slice.frame_num if cycle else 0
        if not slice.nal_ref_idc and number > 0:
            number -= 1
        expected = 0
        if number > 0:
            rounds, place = divmod(number - 1, cycle)
            expected = rounds * sum(sps.offsets) + sum(sps.offsets[: place + 1])
        if not slice.nal_ref_idc:
            expected += sps.offset_non_ref
        top = expected + slice.delta[0]
        return top, top + sps.offset_bottom + slice.delta[1]

    # Before a picture is decoded

    def begin(self, slice: Slice) -> bool:
        """Account for missing pictures and compute FrameNumWrap; False where pictures are missing that should not."""
        sps = slice.pps.sps
        most = 1 << sps.frame_num_bits
        complete = True
        expected = (self._previous_ref_frame_num + 1) % most
        if not slice.idr and slice.frame_num not in (self._previous_ref_frame_num, expected):
            complete = sps.gaps
            missing = (slice.frame_num - expected) % most
            if missing > sps.max_refs:  # all that went before leave the window
                expected = (slice.frame_num - sps.max_refs) % most
            while sps.max_refs and expected != slice.frame_num:
                self._wrap(expected, most)
                self._slide(sps)
                self.pictures.append(Stored(0, expected, (0, 0), SHORT, False))
                self._previous_frame_num = self._previous_ref_frame_num = expected
                expected = (expected + 1) % most
        self._wrap(slice.frame_num, most)
        return complete

    def _wrap(self, frame_num: int, most: int) -> None:
        for picture in self.pictures:
            picture.wrap = picture.frame_num - most if picture.frame_num > frame_num else picture.frame_num

    def entries(self) -> bytes:
        """Give ``dpb`` of ``struct v4l2_ctrl_h264_decode_params``: the reference pictures."""
        packed = []
        for picture in self.references[:ENTRIES]:
            if not picture.number:
                continue
            long = picture.reference == LONG
            index = picture.long_index if long else picture.frame_num
            pic_num = picture.long_index if long else picture.wrap & 0xFFFFFFFF
            flags = VALID | ACTIVE | (LONG_TERM if long else 0)
            packed.append(ENTRY.pack(picture.number * NS_PER_PICTURE, pic_num, index, FRAME_REF, *picture.poc, flags))
        return b"".join(packed).ljust(ENTRY.size * ENTRIES, b"\0")

    # After it

    def store(self, number: int, slice: Slice, poc: tuple[int, int]) -> list[int]:
        """Mark references, put the picture in, and give the numbers of those to be shown now."""
        sps = slice.pps.sps
        new = Stored(number, slice.frame_num, poc)
        due: list[int] = []
        reset = False
        if slice.idr:
            due += self._show_all()
            self.pictures = []
            self.max_long = 1 if slice.long_term_idr else 0
            new.reference = LONG if slice.long_term_idr else SHORT
        elif slice.nal_ref_idc:
            new.reference = SHORT
            if slice.adaptive:
                reset = self._adapt(slice, new)
            else:
                self._slide(sps)
        if reset:
            due += self._show_all()
            lowest = new.order
            new.poc = poc[0] - lowest, poc[1] - lowest
            new.frame_num = 0
        self.pictures.append(new)
        due += self._bump(sps)
        self._previous_frame_num = new.frame_num
        self._previous_reset = reset
        if slice.nal_ref_idc:
            self._previous_ref_frame_num = new.frame_num
        return due

    def _slide(self, sps: Sps) -> None:
        """Sliding window (8.2.5.3): the oldest short-term reference goes when there are too many."""
        while len(self.references) >= max(sps.max_refs, 1):
            short = [picture for picture in self.references if picture.reference == SHORT]
            if not short:
                return
            min(short, key=lambda picture: picture.wrap).reference = ""
        self._clean()

    def _adapt(self, slice: Slice, new: Stored) -> bool:
        """Do what the stream commands (8.2.5.4); True where everything is forgotten."""
        for command, first, second in slice.commands:
            pic_num = slice.frame_num - (first + 1)
            if command == 1:
                self._forget(SHORT, pic_num)
            elif command == 2:
                self._forget(LONG, first)
            elif command == 3:
                self._forget(LONG, second)
                for picture in self.references:
                    if picture.reference == SHORT and picture.wrap == pic_num:
                        picture.reference, picture.long_index = LONG, second
            elif command == 4:
                self.max_long = first
                for picture in self.references:
                    if picture.reference == LONG and picture.long_index >= first:
                        picture.reference = ""
            elif command == 5:
                for picture in self.references:
                    picture.reference = ""
                self.max_long = 0
            elif command == 6:
                self._forget(LONG, first)
                new.reference, new.long_index = LONG, first
        self._clean()
        return any(command == 5 for command, _, _ in slice.commands)

    def _forget(self, kind: str, number: int) -> None:
        for picture in self.references:
            if picture.reference == kind and number == (picture.wrap if kind == SHORT else picture.long_index):
                picture.reference = ""

    def _clean(self) -> None:
        self.pictures = [picture for picture in self.pictures if picture.reference or picture.waits]

    def _show_all(self) -> list[int]:
        waiting = sorted((picture for picture in self.pictures if picture.waits), key=lambda picture: picture.order)
        for picture in waiting:
            picture.waits = False
        self._clean()
        return [picture.number for picture in waiting]

    def _bump(self, sps: Sps) -> list[int]:
        """Show pictures until as few wait as the stream says, and all have room (C.4.5.3)."""
        due = []
        while True:
            waiting = [picture for picture in self.pictures if picture.waits]
            full = len(self.pictures) > sps.dpb_size
            if not waiting or not (len(waiting) > sps.reordered or full):
                break
            first = min(waiting, key=lambda picture: picture.order)
            first.waits = False
            due.append(first.number)
            self._clean()
        return due

    def flush(self) -> list[int]:
        """Show all that waits, and forget everything."""
        due = self._show_all()
        self.pictures = []
        return due
