"""VP8 frame headers (RFC 6386) as ``struct v4l2_ctrl_vp8_frame``."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field, replace

from zcore.bitstream.picture import NS_PER_PICTURE, BitstreamError, Parser, Picture
from zcore.bitstream.vp8_tables import (
    COEFFICIENT_UPDATES,
    DEFAULT_COEFFICIENTS,
    DEFAULT_MOTION,
    DEFAULT_UV_MODES,
    DEFAULT_Y_MODES,
    MOTION_UPDATES,
)

CID_VP8_FRAME = 0x00A40900 + 200
KEY_FRAME, EXPERIMENTAL, SHOW_FRAME, NO_SKIP_COEFF, BIAS_GOLDEN, BIAS_ALT = 1, 2, 4, 8, 0x10, 0x20
SEGMENTS, UPDATE_MAP, UPDATE_DATA, DELTA_VALUES = 1, 2, 4, 8
LF_DELTAS, LF_UPDATE, LF_SIMPLE = 1, 2, 4
FRAME = struct.Struct("<4b4b3BxI 4b4bBBHI B5bH 1056s4s3s38s3x BBBx HH 8B II8I QQQQ")


class BoolDecoder:
    """The arithmetic decoder of VP8 and VP9 (RFC 6386, section 7).

    Parameters
    ----------
    data : bytes
        A partition.
    offset : int
        Of the partition in its frame, in bytes: for messages.
    """

    def __init__(self, data: bytes, offset: int = 0):
        self._data = data
        self._offset = offset
        self._next = 2
        self.value = int.from_bytes(data[:2].ljust(2, b"\0"), "big")
        self.range = 255
        self.shifts = 0

    def bit(self, probability: int) -> bool:
        """Read a bit that is 0 with a probability of `probability` of 256."""
        split = 1 + (((self.range - 1) * probability) >> 8)
        isset = self.value >= split << 8
        if isset:
            self.range -= split
            self.value -= split << 8
        else:
            self.range = split
        while self.range < 128:
            self.value <<= 1
            self.range <<= 1
            self.shifts += 1
            if self.shifts % 8 == 0:
                if self._next > len(self._data) + 8:
                    raise BitstreamError("the header is longer than its partition", (self._offset + self._next) * 8)
                if self._next < len(self._data):
                    self.value |= self._data[self._next]
                self._next += 1
        return isset

    def flag(self) -> bool:
        """Read a bit."""
        return self.bit(128)

    def u(self, count: int) -> int:
        """Read an unsigned number."""
        value = 0
        for _ in range(count):
            value = value << 1 | self.flag()
        return value

    def s(self, count: int) -> int:
        """Read a number and the sign behind it."""
        value = self.u(count)
        return -value if self.flag() else value

    def optional(self, count: int) -> int:
        """Read a flag, and a signed number where it is set; else 0."""
        return self.s(count) if self.flag() else 0


@dataclass
class Entropy:
    """Probabilities that stay from frame to frame."""

    coefficients: bytes = DEFAULT_COEFFICIENTS
    y_modes: bytes = DEFAULT_Y_MODES
    uv_modes: bytes = DEFAULT_UV_MODES
    motion: bytes = DEFAULT_MOTION


@dataclass
class Segments:
    """Segmentation, which stays from frame to frame."""

    flags: int = 0
    quant: list[int] = field(default_factory=lambda: [0] * 4)
    filter: list[int] = field(default_factory=lambda: [0] * 4)
    probabilities: list[int] = field(default_factory=lambda: [255] * 3)


@dataclass
class Deltas:
    """Adjustments of the loop filter, which stay from frame to frame."""

    enabled: bool = False
    reference: list[int] = field(default_factory=lambda: [0] * 4)
    mode: list[int] = field(default_factory=lambda: [0] * 4)


@dataclass
class Header:
    """A frame's header, by the names of RFC 6386 and of the kernel."""

    key: bool
    version: int
    show: bool
    first_part_size: int
    start: int  # of the first partition
    width: int = 0
    height: int = 0
    horizontal_scale: int = 0
    vertical_scale: int = 0
    filter_simple: bool = False
    filter_level: int = 0
    sharpness: int = 0
    lf_update: bool = False
    partitions: tuple[int, ...] = ()
    quant: tuple[int, ...] = ()
    refresh_golden: bool = True
    refresh_alt: bool = True
    copy_to_golden: int = 0
    copy_to_alt: int = 0
    bias_golden: bool = False
    bias_alt: bool = False
    refresh_last: bool = True
    refresh_entropy: bool = True
    skip_enabled: bool = False
    prob_skip: int = 0
    prob_intra: int = 0
    prob_last: int = 0
    prob_golden: int = 0
    header_bits: int = 0
    coder: tuple[int, int, int] = (0, 0, 0)


class Vp8Parser(Parser):
    """Reads VP8: each piece of data is one frame."""

    references = 3

    def __init__(self, last_number: int = 0):
        super().__init__(last_number)
        self.entropy = Entropy()
        self.segments = Segments()
        self.deltas = Deltas()
        self.size = (0, 0)
        self.scale = (0, 0)
        self.last = self.golden = self.alt = 0
        self._damaged = False

    def feed(self, data: bytes) -> list[Picture]:
        """Read one frame."""
        if not data:
            return []
        kept = self.entropy, self.segments, self.deltas
        self.segments = replace(self.segments, quant=list(self.segments.quant), filter=list(self.segments.filter))
        self.deltas = replace(self.deltas, reference=list(self.deltas.reference), mode=list(self.deltas.mode))
        try:
            return self._frame(data)
        except BitstreamError as error:
            self.entropy, self.segments, self.deltas = kept
            self._damaged = True
            self.skip(error)
            return []

    def _frame(self, data: bytes) -> list[Picture]:
        header = read_tag(data)
        if not header.key and not (self.last and self.golden and self.alt):
            self.without_reference += 1
            return []
        if header.key:
            self.entropy, self.segments, self.deltas = Entropy(), Segments(), Deltas()
            self.size = header.width, header.height
            self.scale = header.horizontal_scale, header.vertical_scale
            self._damaged = False
        saved = self.entropy
        self.entropy = replace(saved)
        self._read(header, data)
        number = self.next_number()
        controls = [(CID_VP8_FRAME, self._pack(header))]
        if not header.refresh_entropy:
            self.entropy = saved
        self._update(header, number)
        keep = sorted({self.last, self.golden, self.alt} - {0})
        due = [number] if header.show else []
        return [Picture(number, data, controls, due, keep, self.size, self._damaged, header.key)]

    def _read(self, h: Header, data: bytes) -> None:
        first = data[h.start : h.start + h.first_part_size]
        bits = BoolDecoder(first, h.start)
        if h.key:
            bits.flag()  # colour space
            bits.flag()  # clamping
        self._read_segments(bits)
        h.filter_simple = bits.flag()
        h.filter_level, h.sharpness = bits.u(6), bits.u(3)
        self._read_deltas(bits, h)
        h.partitions = partition_sizes(data, h.start + h.first_part_size, 1 << bits.u(2))
        h.quant = (bits.u(7), *(bits.optional(4) for _ in range(5)))
        if h.key:
            h.refresh_entropy = bits.flag()
        else:
            h.refresh_golden, h.refresh_alt = bits.flag(), bits.flag()
            h.copy_to_golden = 0 if h.refresh_golden else bits.u(2)
            h.copy_to_alt = 0 if h.refresh_alt else bits.u(2)
            h.bias_golden, h.bias_alt = bits.flag(), bits.flag()
            h.refresh_entropy, h.refresh_last = bits.flag(), bits.flag()
        self.entropy.coefficients = bytes(
            bits.u(8) if bits.bit(stays) else old
            for old, stays in zip(self.entropy.coefficients, COEFFICIENT_UPDATES, strict=True)
        )
        h.skip_enabled = bits.flag()
        h.prob_skip = bits.u(8) if h.skip_enabled else 0
        if not h.key:
            h.prob_intra, h.prob_last, h.prob_golden = bits.u(8), bits.u(8), bits.u(8)
            if bits.flag():
                self.entropy.y_modes = bytes(bits.u(8) for _ in range(4))
            if bits.flag():
                self.entropy.uv_modes = bytes(bits.u(8) for _ in range(3))
            self.entropy.motion = bytes(
                ((bits.u(7) << 1) or 1) if bits.bit(stays) else old
                for old, stays in zip(self.entropy.motion, MOTION_UPDATES, strict=True)
            )
        h.header_bits = bits.shifts
        h.coder = bits.range, bits.value >> 8 & 0xFF, -bits.shifts % 8

    def _read_segments(self, bits: BoolDecoder) -> None:
        segments = self.segments
        segments.flags &= DELTA_VALUES
        if not bits.flag():
            return
        segments.flags |= SEGMENTS
        update_map, update_data = bits.flag(), bits.flag()
        if update_data:
            segments.flags = SEGMENTS | UPDATE_DATA | (0 if bits.flag() else DELTA_VALUES)
            segments.quant = [bits.optional(7) for _ in range(4)]
            segments.filter = [bits.optional(6) for _ in range(4)]
        if update_map:
            segments.flags |= UPDATE_MAP
            segments.probabilities = [bits.u(8) if bits.flag() else 255 for _ in range(3)]

    def _read_deltas(self, bits: BoolDecoder, h: Header) -> None:
        self.deltas.enabled = bits.flag()
        if not self.deltas.enabled:
            return
        h.lf_update = bits.flag()
        if h.lf_update:
            for values in (self.deltas.reference, self.deltas.mode):
                for i in range(4):
                    if bits.flag():
                        values[i] = bits.s(6)

    def _pack(self, h: Header) -> bytes:
        segments, deltas, entropy = self.segments, self.deltas, self.entropy
        lf = (LF_DELTAS if deltas.enabled else 0) | (LF_UPDATE if h.lf_update else 0)
        flags = sum(
            bit
            for bit, isset in (
                (KEY_FRAME, h.key), (EXPERIMENTAL, h.version > 3), (SHOW_FRAME, h.show),
                (NO_SKIP_COEFF, h.skip_enabled), (BIAS_GOLDEN, h.bias_golden), (BIAS_ALT, h.bias_alt),
            )
            if isset
        )  # fmt: skip
        return FRAME.pack(
            *segments.quant, *segments.filter, *segments.probabilities, segments.flags,
            *deltas.reference, *deltas.mode, h.sharpness, h.filter_level, 0, lf | (LF_SIMPLE if h.filter_simple else 0),
            *h.quant, 0,
            entropy.coefficients, entropy.y_modes, entropy.uv_modes, entropy.motion,
            *h.coder,
            *self.size, *self.scale, h.version, h.prob_skip, h.prob_intra, h.prob_last, h.prob_golden,
            len(h.partitions), h.first_part_size, h.header_bits, *(*h.partitions, *[0] * 8)[:8],
            *(number * NS_PER_PICTURE for number in ((0, 0, 0) if h.key else (self.last, self.golden, self.alt))),
            flags,
        )  # fmt: skip

    def _update(self, h: Header, number: int) -> None:
        """Let the frame become what it shall be a reference as; copies come before refreshes."""
        last, golden, alt = self.last, self.golden, self.alt
        if h.copy_to_golden:
            self.golden = last if h.copy_to_golden == 1 else alt
        if h.copy_to_alt:
            self.alt = last if h.copy_to_alt == 1 else golden
        if h.refresh_golden:
            self.golden = number
        if h.refresh_alt:
            self.alt = number
        if h.refresh_last:
            self.last = number


def read_tag(data: bytes) -> Header:
    """Read the first bytes of a frame, which are not coded arithmetically (RFC 6386, section 9.1)."""
    if len(data) < 3:
        raise BitstreamError(f"a frame of {len(data)} bytes", 0)
    tag = int.from_bytes(data[:3], "little")
    header = Header(not tag & 1, tag >> 1 & 7, bool(tag >> 4 & 1), tag >> 5, 3)
    if header.key:
        if len(data) < 10 or data[3:6] != b"\x9d\x01\x2a":
            raise BitstreamError("a key frame without its start code", 24)
        width, height = struct.unpack_from("<HH", data, 6)
        header.width, header.horizontal_scale = width & 0x3FFF, width >> 14
        header.height, header.vertical_scale = height & 0x3FFF, height >> 14
        header.start = 10
        if not header.width or not header.height:
            raise BitstreamError("a frame without pixels", 48)
    if header.start + header.first_part_size > len(data):
        raise BitstreamError(f"the first partition has {header.first_part_size} bytes, the frame {len(data)}", 0)
    return header


def partition_sizes(data: bytes, start: int, count: int) -> tuple[int, ...]:
    """Give the sizes of the partitions of coefficients; the last one takes what is left."""
    position = start + 3 * (count - 1)
    if position > len(data):
        raise BitstreamError(f"no room for the sizes of {count} partitions", start * 8)
    sizes = [int.from_bytes(data[start + 3 * i : start + 3 * i + 3], "little") for i in range(count - 1)]
    left = len(data) - position - sum(sizes)
    if left < 0:
        raise BitstreamError("the partitions are longer than the frame", start * 8)
    return (*sizes, left)
