"""The decoded picture buffer of HEVC (ITU-T H.265, sections 8.3.1, 8.3.2 and C.5.2)."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass, field

from zcore.bitstream.hevc_slice import I, Slice
from zcore.bitstream.hevc_sps import Sps
from zcore.bitstream.picture import NS_PER_PICTURE

ENTRY = struct.Struct("<QBBHi")
ENTRIES = 16
LONG_TERM_REFERENCE = 1
SHORT, LONG = "short", "long"


@dataclass
class Stored:
    """A picture in the buffer."""

    number: int
    poc: int
    pic_struct: int = 0
    damaged: bool = False
    reference: str = ""  # "", SHORT or LONG
    waits: bool = False  # it is to be shown yet
    latency: int = 0  # PicLatencyCount


@dataclass
class References:
    """The reference picture set of a picture: what stands for each of its members, in its order."""

    before: list[Stored] = field(default_factory=list)  # RefPicSetStCurrBefore
    after: list[Stored] = field(default_factory=list)
    long: list[Stored] = field(default_factory=list)
    later: list[Stored] = field(default_factory=list)  # for pictures behind it only
    missing: int = 0  # of the first three

    @property
    def current(self) -> list[Stored]:
        """What the picture may refer to, in the order of its first list."""
        return self.before + self.after + self.long

    @property
    def entries(self) -> list[Stored]:
        """Members of ``dpb``, to which indices refer."""
        return self.current + self.later

    def pack(self) -> bytes:
        """Give ``dpb`` of ``struct v4l2_ctrl_hevc_decode_params``."""
        packed = []
        for one in self.entries:
            flags = LONG_TERM_REFERENCE if one.reference == LONG else 0
            poc = (one.poc + (1 << 31)) % (1 << 32) - (1 << 31)
            packed.append(ENTRY.pack(one.number * NS_PER_PICTURE, flags, one.pic_struct, 0, poc))
        return b"".join(packed).ljust(ENTRY.size * ENTRIES, b"\0")

    def indices(self, slice: Slice) -> tuple[list[int], list[int]]:
        """Make the lists of a slice, as indices of entries (8.3.4)."""
        counts = len(self.before), len(self.after), len(self.long)
        before = list(range(counts[0]))
        after = list(range(counts[0], counts[0] + counts[1]))
        long = list(range(counts[0] + counts[1], sum(counts)))
        lists: list[list[int]] = []
        for order, count, chosen in zip((before + after, after + before), slice.active, slice.entries, strict=True):
            pool = order + long
            if not pool or slice.slice_type == I:
                lists.append([])
            elif chosen is not None:
                lists.append([pool[i % len(pool)] for i in chosen])
            else:
                lists.append([pool[i % len(pool)] for i in range(count)])
        return lists[0], lists[1]


class Dpb:
    """Pictures that may be referred to, or are to be shown."""

    def __init__(self) -> None:
        self.pictures: list[Stored] = []
        self._previous_poc = 0  # of prevTid0Pic

    def keep(self) -> list[int]:
        """Give the numbers of the pictures that are needed still."""
        return [picture.number for picture in self.pictures]

    # Before a picture is decoded

    def order_of(self, slice: Slice, fresh: bool) -> int:
        """Compute PicOrderCntVal (8.3.1); `fresh` = NoRaslOutputFlag of a key frame."""
        lsb, msb = slice.poc_lsb, 0
        if not fresh:
            most = 1 << slice.sps.poc_bits
            previous_lsb = self._previous_poc % most
            msb = self._previous_poc - previous_lsb
            if lsb < previous_lsb and previous_lsb - lsb >= most // 2:
                msb += most
            elif lsb > previous_lsb and lsb - previous_lsb > most // 2:
                msb -= most
        return msb + lsb

    def begin(self, slice: Slice, poc: int, fresh: bool, discard: bool = False) -> tuple[References, list[int]]:
        """Mark what is still referred to (8.3.2), and give what is to be shown before the picture (C.5.2.2).

        Parameters
        ----------
        fresh : bool
            NoRaslOutputFlag of a key frame.
        discard : bool
            NoOutputOfPriorPicsFlag of such a one: what waits is never shown.
        """
        references = References()
        if fresh:
            for picture in self.pictures:
                picture.reference = ""
        else:
            references = self._mark(slice, poc)
        if slice.counts_for_poc:
            self._previous_poc = poc
        if not fresh:
            return references, self._bump(slice.sps, before=True)
        due = [] if discard else self._show_all()
        self.pictures = []
        return references, due

    def _mark(self, slice: Slice, poc: int) -> References:
        most = 1 << slice.sps.poc_bits
        known = [picture for picture in self.pictures if picture.reference]
        found = References()
        chosen: list[Stored] = []

        def take(part: list[Stored], wanted: int, choices: Iterable[Stored], kind: str, bits: int = 0) -> None:
            for picture in choices:
                if picture not in chosen and wanted == (picture.poc % bits if bits else picture.poc):
                    picture.reference = kind
                    chosen.append(picture)
                    part.append(picture)
                    return
            if part is not found.later:
                found.missing += 1
                stand_in = self._nearest(wanted if kind == SHORT or not bits else poc)
                if stand_in is not None:
                    part.append(Stored(stand_in.number, wanted, stand_in.pic_struct, True, kind))

        known.reverse()  # where damage has left two of an order count, the later one counts
        for one in slice.long_term:
            part = found.long if one.used else found.later
            if one.cycle is None:
                take(part, one.poc, known, LONG, most)
            else:
                take(part, poc - one.cycle * most - poc % most + one.poc, known, LONG)
        short = [picture for picture in known if picture.reference == SHORT]
        for delta, used in slice.short_term.before:
            take(found.before if used else found.later, poc + delta, short, SHORT)
        for delta, used in slice.short_term.after:
            take(found.after if used else found.later, poc + delta, short, SHORT)
        for picture in known:
            if picture not in chosen:
                picture.reference = ""
        return found

    def _nearest(self, poc: int) -> Stored | None:
        """Find what stands for a missing picture: the device must have one."""
        return min(self.pictures, key=lambda picture: abs(picture.poc - poc), default=None)

    # After it

    def store(self, new: Stored, sps: Sps) -> list[int]:
        """Put a picture in, and give the numbers of those to be shown now (C.5.2.3)."""
        if new.waits:
            for picture in self.pictures:
                if picture.waits and picture.poc > new.poc:
                    picture.latency += 1
        new.reference = SHORT
        self.pictures.append(new)
        return self._bump(sps, before=False)

    def _clean(self) -> None:
        self.pictures = [picture for picture in self.pictures if picture.reference or picture.waits]

    def _show_all(self) -> list[int]:
        waiting = sorted((picture for picture in self.pictures if picture.waits), key=lambda picture: picture.poc)
        return [picture.number for picture in waiting]

    def _bump(self, sps: Sps, before: bool) -> list[int]:
        """Show pictures until as few wait, and as short, as the sequence says; `before` = and the next one has room."""
        due: list[int] = []
        while True:
            self._clean()
            waiting = [picture for picture in self.pictures if picture.waits]
            late = sps.max_latency is not None and any(one.latency >= sps.max_latency for one in waiting)
            full = before and len(self.pictures) >= sps.max_dec_pic_buffering
            if not waiting or not (len(waiting) > sps.max_num_reorder or late or full):
                return due
            first = min(waiting, key=lambda picture: picture.poc)
            first.waits = False
            due.append(first.number)

    def flush(self) -> list[int]:
        """Show all that waits, and forget everything."""
        due = self._show_all()
        self.pictures = []
        return due
