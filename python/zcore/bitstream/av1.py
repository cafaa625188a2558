"""AV1 streams in the low-overhead format (AV1 specification, 5.2) for stateless decoders."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from zcore.bitstream.av1_frame import Frame, HeaderReader, MissingReferenceError, Slot
from zcore.bitstream.av1_pack import pack_frame, pack_tile_group
from zcore.bitstream.av1_sequence import Av1Bits, Sequence, read_sequence
from zcore.bitstream.picture import NS_PER_PICTURE, BitstreamError, Parser, Picture

_BASE = 0x00A40900 + 500
CID_SEQUENCE, CID_TILE_GROUP_ENTRY, CID_FRAME, CID_FILM_GRAIN = _BASE, _BASE + 1, _BASE + 2, _BASE + 5
SEQUENCE_HEADER, TEMPORAL_DELIMITER, FRAME_HEADER, TILE_GROUP = 1, 2, 3, 4
METADATA, FRAME, REDUNDANT_FRAME_HEADER, TILE_LIST, PADDING = 5, 6, 7, 8, 15
HEADER_BYTES = 2048  # no header is longer


@dataclass(frozen=True)
class Obu:
    """One unit of a stream.

    Attributes
    ----------
    type : int
        What it is.
    layer : (int, int), optional
        Temporal and spatial layer; ``None`` where it does not say.
    whole : bytes
        The unit with its header.
    payload : bytes
        Without it.
    """

    type: int
    layer: tuple[int, int] | None
    whole: bytes
    payload: bytes


class Coded:
    """A frame whose header was read, and whose tiles come."""

    def __init__(self, header: HeaderReader, unit: bytes):
        self.header = header
        self.frame = header.frame
        self.payload = bytearray(unit)
        self.entries: list[tuple[int, int, int, int]] = []

    @property
    def complete(self) -> bool:
        """Whether all tiles are there."""
        return len(self.entries) == self.frame.tiles.count

    def add(self, payload: bytes, start: int, offset: int) -> None:
        """Read a tile group.

        Parameters
        ----------
        payload : bytes
            Of its unit.
        start : int
            Where in it the tile group begins.
        offset : int
            Where that payload is, in the bytes for the device.
        """
        tiles = self.frame.tiles
        first, last = 0, tiles.count - 1
        bits = Av1Bits(payload[start : start + 8])
        if tiles.count > 1 and bits.flag():
            first, last = bits.u(tiles.bits), bits.u(tiles.bits)
        bits.align()
        if first != len(self.entries) or not first <= last < tiles.count:
            raise BitstreamError(
                f"tiles {first} to {last} of {tiles.count}, where {len(self.entries)} is next", start * 8
            )
        at = start + bits.position // 8
        entries = []
        for number in range(first, last + 1):
            size = len(payload) - at
            if number < last:
                if size < tiles.size_bytes:
                    raise BitstreamError(f"no room for the size of tile {number}", at * 8)
                size = int.from_bytes(payload[at : at + tiles.size_bytes], "little") + 1
                at += tiles.size_bytes
            if size <= 0 or at + size > len(payload):
                raise BitstreamError(f"tile {number} has {size} bytes, and {len(payload) - at} are left", at * 8)
            entries.append((offset + at, size, *divmod(number, len(tiles.widths))))
            at += size
        self.entries += entries


class Av1Parser(Parser):
    """Reads AV1: pieces of data are temporal units, or any other whole number of open bitstream units (OBUs).

    Of a stream with several operating points the first is decoded, which is the best.
    """

    references = 8

    def __init__(self, last_number: int = 0):
        super().__init__(last_number)
        self.sequence: Sequence | None = None
        self.slots: list[Slot | None] = [None] * 8
        self.size = (0, 0)
        self._coded: Coded | None = None
        self._skipping = False  # tiles of a frame that is damaged
        self._grain = False  # the device was told of film grain, which stays

    def feed(self, data: bytes) -> list[Picture]:
        """Read on."""
        found: list[Picture] = []
        try:
            for unit in units(data):
                try:
                    self._unit(unit, found)
                except MissingReferenceError as error:
                    self.without_reference += 1
                    self.last_error = error
                    self._skipping = True
                except BitstreamError as error:
                    self.skip(error)
                    if unit.type in (FRAME_HEADER, FRAME, TILE_GROUP):
                        self._lose()
        except BitstreamError as error:
            self.skip(error)
            self._lose()
        return found

    def flush(self) -> list[Picture]:
        """Notice that tiles are missing: the stream is over. No picture is held back."""
        self._begin_frame()
        return []

    def _unit(self, unit: Obu, found: list[Picture]) -> None:
        if unit.type == SEQUENCE_HEADER:
            self._take_sequence(unit)
            return
        if unit.type == TEMPORAL_DELIMITER:
            self._begin_frame()
            self._skipping = False
            return
        if unit.layer is not None and self.sequence is not None:
            temporal, spatial = unit.layer
            idc = self.sequence.idc
            if idc and not (idc >> temporal & 1 and idc >> spatial + 8 & 1):
                return
            if not idc and spatial:
                raise BitstreamError("more than one spatial layer is not supported", 8)
        if unit.type in (FRAME_HEADER, FRAME):
            self._begin_frame()
            self._skipping = False
            self._header(unit, found)
        elif unit.type == TILE_GROUP and not self._skipping:
            if self._coded is None:
                raise BitstreamError("tiles without the header of their frame", 0)
            offset = len(self._coded.payload) + len(unit.whole) - len(unit.payload)
            self._coded.payload += unit.whole
            self._tiles(self._coded, unit.payload, 0, offset, found)
        elif unit.type == TILE_LIST:
            raise BitstreamError("lists of tiles (large scale tile decoding) are not supported", 0)

    def _take_sequence(self, unit: Obu) -> None:
        try:
            sequence = read_sequence(Av1Bits(unit.payload[:HEADER_BYTES]))
        except BitstreamError:
            self.sequence = None
            self.slots = [None] * 8
            raise
        if sequence != self.sequence:
            self._begin_frame()
            self.slots = [None] * 8  # it begins with a key frame
        self.sequence = sequence

    def _begin_frame(self) -> None:
        coded = self._coded
        if coded is not None:
            missing = coded.frame.tiles.count - len(coded.entries)
            self.skip(BitstreamError(f"{missing} tiles of a frame are missing", len(coded.payload) * 8))
            self._lose()

    def _lose(self) -> None:
        """What a frame was to refresh is not what it should be; of an unreadable header that may be anything."""
        coded, self._coded = self._coded, None
        self._skipping = True
        if coded is not None:
            self._refresh(coded.frame, Slot(0, coded.frame, damaged=True))
        else:
            self.slots = [None if slot is None else replace(slot, damaged=True) for slot in self.slots]

    def _refresh(self, frame: Frame, slot: Slot | None) -> None:
        for i in range(8):
            if frame.refresh_frame_flags >> i & 1:
                self.slots[i] = slot

    def _keep(self) -> list[int]:
        return sorted({slot.number for slot in self.slots if slot is not None} - {0})

    def _header(self, unit: Obu, found: list[Picture]) -> None:
        if self.sequence is None:
            raise MissingReferenceError("a frame before a sequence header")
        bits = Av1Bits(unit.payload[:HEADER_BYTES])
        header = HeaderReader(bits, self.sequence, self.slots, unit.layer or (0, 0))
        try:
            header.read()
        except MissingReferenceError:
            self._refresh(header.frame, None)
            raise
        if header.existing >= 0:
            if unit.type == FRAME:
                raise BitstreamError("a frame that only shows another", 0)
            self._show(header.existing, found)
            return
        self.slots = header.slots
        if not header.frame.intra and not self._keep():
            self._refresh(header.frame, Slot(0, header.frame, damaged=True))
            raise MissingReferenceError("everything that a frame could refer to was lost")
        coded = self._coded = Coded(header, unit.whole)
        self._check_size(coded.frame)
        if unit.type == FRAME:
            bits.align()
            start = bits.position // 8
            self._tiles(coded, unit.payload, start, len(unit.whole) - len(unit.payload), found)

    def _check_size(self, frame: Frame) -> None:
        """Only what refers to nothing can have another size: the device's buffers are made anew then."""
        begins = frame.shown_key or not any(self.slots)
        if frame.size != self.size and not begins:
            raise BitstreamError(
                "a frame of {}x{} among frames of {}x{}: scaled references are not supported".format(
                    *frame.size, *self.size
                )
            )

    def _show(self, index: int, found: list[Picture]) -> None:
        """Show what was decoded before; of a key frame, all other slots have it then (7.21)."""
        slot = self.slots[index]
        if slot is None or not slot.number:
            raise MissingReferenceError(f"the picture in slot {index} is to be shown, and was lost")
        if not slot.showable:
            raise BitstreamError(f"the picture in slot {index} is not to be shown again", 1)
        if slot.frame.frame_type == 0:
            self.slots = [replace(slot, showable=False)] * 8
        found.append(Picture(0, due=[slot.number], keep=self._keep(), shown_now=True))

    def _tiles(self, coded: Coded, payload: bytes, start: int, offset: int, found: list[Picture]) -> None:
        coded.add(payload, start, offset)
        if coded.complete:
            self._coded = None
            found.append(self._picture(coded))

    def _picture(self, coded: Coded) -> Picture:
        assert self.sequence is not None
        frame = coded.frame
        numbers = [0 if slot is None or frame.shown_key else slot.number for slot in self.slots]
        if not frame.intra:
            for i in frame.ref_frame_idx:
                numbers[i] = numbers[i] or max(numbers)  # the nearest to what was lost
        damaged = coded.header.damaged
        self.size = frame.size
        number = self.next_number()
        controls = [
            (CID_SEQUENCE, self.sequence.pack()),
            (CID_FRAME, pack_frame(frame, [one * NS_PER_PICTURE for one in numbers])),
            (CID_TILE_GROUP_ENTRY, pack_tile_group(coded.entries)),
        ]
        self._grain = self._grain or self.sequence.film_grain_params_present
        if self._grain:
            controls.append((CID_FILM_GRAIN, frame.grain.pack()))
        self._refresh(frame, Slot(number, frame, damaged, frame.showable_frame))
        due = [number] if frame.show_frame else []
        key = frame.frame_type == 0
        return Picture(number, bytes(coded.payload), controls, due, self._keep(), frame.size, damaged, key)


def units(data: bytes) -> Iterator[Obu]:
    """Split data into its units (5.3); those behind a damaged header are not found."""
    at = 0
    while at < len(data):
        bits = Av1Bits(data[at : at + 16])
        if bits.flag():
            raise BitstreamError("the forbidden bit of a unit is set", at * 8)
        type, extended, sized = bits.u(4), bits.flag(), bits.flag()
        bits.u(1)
        layer = None
        if extended:
            layer = bits.u(3), bits.u(2)
            bits.u(3)
        left = len(data) - at - bits.position // 8
        size = bits.leb128() if sized else left
        start = at + bits.position // 8
        if start + size > len(data):
            raise BitstreamError(f"a unit of {size} bytes, and {len(data) - start} are left", at * 8)
        yield Obu(type, layer, data[at : start + size], data[start : start + size])
        at = start + size
