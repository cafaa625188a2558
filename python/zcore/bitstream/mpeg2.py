"""MPEG-2 video (ITU-T H.262) for stateless decoders: frame pictures, each with all of its slices."""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace

from zcore.bitstream.annexb import START, ByteStream, UnitParser
from zcore.bitstream.bits import Bits
from zcore.bitstream.picture import NS_PER_PICTURE, BitstreamError, Picture

_BASE = 0x00A40900 + 220
CID_SEQUENCE, CID_PICTURE, CID_QUANTISATION = _BASE, _BASE + 1, _BASE + 2
SEQUENCE = struct.Struct("<HHIHBB")
PICTURE = struct.Struct("<QQI4BBBB5x")

PICTURE_UNIT, USER_DATA, SEQUENCE_UNIT, ERROR_UNIT, EXTENSION, END, GROUP = 0x00, 0xB2, 0xB3, 0xB4, 0xB5, 0xB7, 0xB8
FIRST_SLICE, LAST_SLICE = 0x01, 0xAF
SEQUENCE_EXTENSION, MATRIX_EXTENSION, SCALABLE_EXTENSION, CODING_EXTENSION = 1, 3, 5, 8
INTRA, PREDICTED, BOTH = 1, 2, 3  # picture_coding_type: I, P, B
FRAME = 3  # picture_structure
PROGRESSIVE_SEQUENCE = 1
TOP_FIELD_FIRST, FRAME_PRED_DCT, CONCEALMENT_MV, Q_SCALE_TYPE = 1, 2, 4, 8
INTRA_VLC, ALT_SCAN, REPEAT_FIRST, PROGRESSIVE = 0x10, 0x20, 0x40, 0x80

# The default intra matrix of 6.3.11, in zigzag order, which is the order of the stream and of the kernel.
DEFAULT_INTRA = bytes((
    8, 16, 16, 19, 16, 19, 22, 22, 22, 22, 22, 22, 26, 24, 26, 27, 27, 27, 26, 26, 26, 26, 27, 27, 27, 29, 29, 29,
    34, 34, 34, 29, 29, 29, 27, 27, 29, 29, 32, 32, 34, 34, 37, 38, 37, 35, 35, 34, 35, 38, 38, 40, 40, 40, 48, 48,
    46, 46, 56, 56, 58, 69, 69, 83,
))  # fmt: skip
DEFAULT_OTHER = bytes([16] * 64)


@dataclass(frozen=True)
class Sequence:
    """A sequence header with its extension, by the names of the standard."""

    width: int
    height: int
    vbv_buffer_size: int
    extended: bool = False
    profile_and_level: int = 0
    progressive: bool = False
    chroma_format: int = 1
    low_delay: bool = False

    def pack(self) -> bytes:
        """Give ``struct v4l2_ctrl_mpeg2_sequence``."""
        flags = PROGRESSIVE_SEQUENCE if self.progressive else 0
        size = self.width, self.height
        return SEQUENCE.pack(*size, self.vbv_buffer_size, self.profile_and_level, self.chroma_format, flags)


@dataclass
class Head:
    """A picture header with its coding extension."""

    type: int
    extended: bool = False
    f_code: tuple[int, ...] = ()
    dc_precision: int = 0
    structure: int = FRAME
    flags: int = 0


class Mpeg2Parser(UnitParser):
    """Reads MPEG-2 video, in pieces of any size.

    A picture is known to be complete when something else than a slice comes: one piece later, or with :meth:`flush`.
    """

    references = 2

    def __init__(self, last_number: int = 0):
        super().__init__(last_number)
        self._stream = ByteStream(self._lose, zeros=True)
        self.sequence: Sequence | None = None
        self._matrices = [DEFAULT_INTRA, DEFAULT_OTHER, DEFAULT_INTRA, DEFAULT_OTHER]
        self._older = self._newer = 0  # reference pictures
        self._waiting = 0  # decoded, and to be shown when the next reference picture has come
        self._head: Head | None = None
        self._slices: list[bytes] = []
        self._begun = 0  # the piece in which the picture at hand begins
        self._damaged = False  # a unit of this picture is missing
        self._broken = {0: False}  # reference pictures by number: damaged or not

    def flush(self) -> list[Picture]:
        """Give the last picture, and show the one that waits."""
        found = super().flush()
        self._end(found)
        return found

    def _unit(self, unit: bytes, found: list[Picture]) -> None:
        code = unit[0]
        content = Bits(unit[1:])
        try:
            if FIRST_SLICE <= code <= LAST_SLICE:
                self._slice(unit)
                return
            if code == EXTENSION:
                self._extension(content)
                return
            if code in (PICTURE_UNIT, SEQUENCE_UNIT, GROUP, END):
                self._finish(found)
            if code == PICTURE_UNIT:
                self._head, self._begun, self._damaged = read_head(content), self._piece, False
            elif code == SEQUENCE_UNIT:
                self._take_sequence(content, found)
            elif code == END:
                self._end(found)
            elif code == ERROR_UNIT:
                raise BitstreamError("the stream marks an error itself", 0)
        except BitstreamError as error:
            self._lose(error)

    def _lose(self, error: BitstreamError) -> None:
        self._damaged = True
        self.skip(error)

    def _slice(self, unit: bytes) -> None:
        if self._head is None:
            raise BitstreamError("a slice without the header of its picture", 0)
        self._slices.append(unit)

    def _take_sequence(self, bits: Bits, found: list[Picture]) -> None:
        width, height = bits.u(12), bits.u(12)
        bits.u(8)  # aspect ratio and frame rate
        bits.u(19)  # bit rate and a marker
        vbv = bits.u(10)
        bits.u(1)
        if not width or not height:
            raise BitstreamError("a sequence without pixels", 0)
        intra = read_matrix(bits) or DEFAULT_INTRA
        other = read_matrix(bits) or DEFAULT_OTHER
        old = self.sequence
        self.sequence = Sequence(width, height, vbv)
        if old is not None and (old.width & 0xFFF, old.height & 0xFFF) != (width, height):
            self._end(found)  # nothing refers across a change
        self._matrices = [intra, other, intra, other]

    def _extension(self, bits: Bits) -> None:
        kind = bits.u(4)
        if kind == SEQUENCE_EXTENSION and self.sequence is not None:
            self.sequence = read_sequence_extension(bits, self.sequence)
        elif kind == MATRIX_EXTENSION:
            for place in range(4):
                matrix = read_matrix(bits)
                if matrix is not None:
                    self._matrices[place] = matrix
                    if place < 2:  # 6.3.11: until chroma has its own
                        self._matrices[place + 2] = matrix
        elif kind == CODING_EXTENSION and self._head is not None:
            read_coding_extension(bits, self._head)
        elif kind in (SCALABLE_EXTENSION, 9, 10):
            raise BitstreamError("scalable streams are not supported", 4)

    def _finish(self, found: list[Picture]) -> None:
        """Give the picture that is complete."""
        head, slices = self._head, self._slices
        self._head, self._slices = None, []
        if head is None or not slices:
            return
        try:
            self._check(head)
        except BitstreamError as error:
            self.skip(error)
            if head.type != BOTH:
                self._broken = dict.fromkeys(self._broken, True)
            return
        assert self.sequence is not None
        forward, backward = (self._older, self._newer) if head.type == BOTH else (self._newer, 0)
        if (head.type == PREDICTED and not forward) or (head.type == BOTH and not (forward and backward)):
            self.without_reference += 1
            return
        used = {PREDICTED: (forward,), BOTH: (forward, backward)}.get(head.type, ())
        damaged = self._damaged or any(self._broken[number] for number in used)
        number = self.next_number()
        controls = [
            (CID_SEQUENCE, self.sequence.pack()),
            (CID_PICTURE, pack_picture(head, forward if used else 0, backward)),
            (CID_QUANTISATION, b"".join(self._matrices)),
        ]
        due = self._order(head, number, damaged)
        payload = b"".join(START + one for one in slices)
        keep = sorted({self._older, self._newer, self._waiting} - {0})
        size = self.sequence.width, self.sequence.height
        found.append(Picture(number, payload, controls, due, keep, size, damaged, head.type == INTRA, self._begun))

    def _check(self, head: Head) -> None:
        if self.sequence is None:
            raise BitstreamError("a picture before the first sequence header", 0)
        if not self.sequence.extended or not head.extended:
            raise BitstreamError("MPEG-1 is not supported: a header has no extension", 0)
        if head.structure != FRAME:
            raise BitstreamError("pictures of single fields are not supported", 0)
        if head.type not in (INTRA, PREDICTED, BOTH):
            raise BitstreamError(f"pictures of type {head.type} are not supported", 10)

    def _order(self, head: Head, number: int, damaged: bool) -> list[int]:
        """Let a picture become a reference; gives what is to be shown now (6.1.1.11)."""
        if head.type == BOTH:
            return [number]
        self._older, self._newer = self._newer, number
        self._broken = {n: self._broken.get(n, False) for n in (self._older, 0)} | {number: damaged}
        assert self.sequence is not None
        due = [self._waiting] if self._waiting else []
        self._waiting = number
        if self.sequence.low_delay:
            due, self._waiting = [*due, number], 0
        return due

    def _end(self, found: list[Picture]) -> None:
        """Show what waits, and let go of the reference pictures."""
        if self._waiting:
            found.append(Picture(0, due=[self._waiting]))
        self._older = self._newer = self._waiting = 0
        self._broken = {0: False}


def read_matrix(bits: Bits) -> bytes | None:
    """Read a flag, and the matrix behind it where it is set."""
    return bytes(bits.u(8) for _ in range(64)) if bits.flag() else None


def read_sequence_extension(bits: Bits, sequence: Sequence) -> Sequence:
    """Read the extension of a sequence header, behind its identifier (6.2.2.3)."""
    level, progressive, chroma = bits.u(8), bits.flag(), bits.u(2)
    width, height = bits.u(2) << 12 | sequence.width & 0xFFF, bits.u(2) << 12 | sequence.height & 0xFFF
    bits.u(13)  # bit rate and a marker
    vbv = bits.u(8) << 10 | sequence.vbv_buffer_size & 0x3FF
    if not chroma:
        raise BitstreamError("a sequence without a chroma format", 13)
    return replace(
        sequence, width=width, height=height, vbv_buffer_size=vbv, extended=True, profile_and_level=level,
        progressive=progressive, chroma_format=chroma, low_delay=bits.flag(),
    )  # fmt: skip


def read_head(bits: Bits) -> Head:
    """Read a picture header (6.2.3); what follows the type is MPEG-1's, or of no use."""
    bits.u(10)  # temporal reference
    return Head(bits.u(3))


def read_coding_extension(bits: Bits, head: Head) -> None:
    """Read a picture coding extension, behind its identifier (6.2.3.1)."""
    head.f_code = tuple(bits.u(4) for _ in range(4))
    head.dc_precision, head.structure = bits.u(2), bits.u(2)
    for flag in (TOP_FIELD_FIRST, FRAME_PRED_DCT, CONCEALMENT_MV, Q_SCALE_TYPE, INTRA_VLC, ALT_SCAN, REPEAT_FIRST):
        head.flags |= flag if bits.flag() else 0
    bits.u(1)  # chroma_420_type
    head.flags |= PROGRESSIVE if bits.flag() else 0
    head.extended = True


def pack_picture(head: Head, forward: int, backward: int) -> bytes:
    """Give ``struct v4l2_ctrl_mpeg2_picture``."""
    references = backward * NS_PER_PICTURE, forward * NS_PER_PICTURE
    return PICTURE.pack(*references, head.flags, *head.f_code, head.type, head.structure, head.dc_precision)
