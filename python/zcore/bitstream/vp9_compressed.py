"""The compressed header of VP9 frames as ``struct v4l2_ctrl_vp9_compressed_hdr``: what changes of the probabilities."""

from __future__ import annotations

from zcore.bitstream.picture import BitstreamError
from zcore.bitstream.vp8 import BoolDecoder
from zcore.bitstream.vp9_header import SWITCHABLE, Header

ONLY_4X4, ALLOW_32X32, TX_MODE_SELECT = 0, 3, 4
SINGLE_REFERENCE, COMPOUND_REFERENCE, REFERENCE_MODE_SELECT = 0, 1, 2
FIELDS = {
    "tx_mode": 1, "tx8": 2, "tx16": 4, "tx32": 6, "coef": 4 * 2 * 2 * 6 * 6 * 3, "skip": 3, "inter_mode": 7 * 3,
    "interp_filter": 4 * 2, "is_inter": 4, "comp_mode": 5, "single_ref": 5 * 2, "comp_ref": 5, "y_mode": 4 * 9,
    "uv_mode": 10 * 9, "partition": 16 * 3, "joint": 3, "sign": 2, "classes": 2 * 10, "class0_bit": 2,
    "bits": 2 * 10, "class0_fr": 2 * 2 * 3, "fr": 2 * 3, "class0_hp": 2, "hp": 2,
}  # fmt: skip
"""Bytes of the kernel's fields, in their order."""

AT = {name: sum(list(FIELDS.values())[:n]) for n, name in enumerate(FIELDS)}
SIZE = sum(FIELDS.values())

_coarse = range(7, 255, 13)
INVERSE = bytes([*_coarse, *(delta for delta in range(1, 254) if delta not in _coarse), 253])
"""inv_map_table: coarse steps have the short codes."""

CHANGES = 252
"""Probability, of 256, that a probability stays."""


class CompressedHeader:
    """Reads a compressed header (section 6.3 of the VP9 specification).

    Deltas are given as they are read, through ``inv_map_table``; 0 = no change. Probabilities of motion vectors are new
    values. To apply them is the driver's business: it has the probabilities of the frames before.

    Parameters
    ----------
    data : bytes
        The frame.
    header : Header
        Its uncompressed header.

    Attributes
    ----------
    content : bytearray
        The kernel's structure.
    reference_mode : int
        As the kernel counts.
    """

    def __init__(self, data: bytes, header: Header):
        start = header.uncompressed_size
        self.bits = BoolDecoder(data[start : start + header.compressed_size], start)
        self.content = bytearray(SIZE)
        self.reference_mode = SINGLE_REFERENCE
        if self.bits.flag():
            raise BitstreamError("the marker of the compressed header is set", start * 8)
        self._read(header)
        if self.bits.shifts > 8 * header.compressed_size:
            raise BitstreamError(f"the compressed header is longer than its {header.compressed_size} bytes", start * 8)

    def _read(self, header: Header) -> None:
        tx_mode = ONLY_4X4 if header.lossless else self._tx_mode()
        self.content[0] = tx_mode
        if tx_mode == TX_MODE_SELECT:
            self._deltas("tx8")
            self._deltas("tx16")
            self._deltas("tx32")
        for size in range(min(tx_mode, ALLOW_32X32) + 1):
            if self.bits.flag():
                self._coefficients(AT["coef"] + size * 432)
        self._deltas("skip")
        if header.intra:
            return
        self._deltas("inter_mode")
        if header.interpolation_filter == SWITCHABLE:
            self._deltas("interp_filter")
        self._deltas("is_inter")
        if header.ref_frame_sign_bias not in (0, 7):  # both directions
            self.reference_mode = 1 + self.bits.flag() if self.bits.flag() else SINGLE_REFERENCE
        if self.reference_mode == REFERENCE_MODE_SELECT:
            self._deltas("comp_mode")
        if self.reference_mode != COMPOUND_REFERENCE:
            self._deltas("single_ref")
        if self.reference_mode != SINGLE_REFERENCE:
            self._deltas("comp_ref")
        self._deltas("y_mode")
        self._deltas("partition")
        self._motion(header.allow_high_precision_mv)

    def _tx_mode(self) -> int:
        mode = self.bits.u(2)
        return mode + self.bits.flag() if mode == ALLOW_32X32 else mode

    def _coefficients(self, at: int) -> None:
        """Read those of a transform size: luma and chroma, intra and inter; the first band has three contexts only."""
        for block in range(at, at + 432, 108):
            self._run(block, 9)
            self._run(block + 18, 90)

    def _deltas(self, name: str) -> None:
        self._run(AT[name], FIELDS[name])

    def _run(self, at: int, count: int) -> None:
        bit = self.bits.bit
        for place in range(at, at + count):
            if bit(CHANGES):
                self.content[place] = INVERSE[self._delta()]

    def _delta(self) -> int:
        """Read ``decode_term_subexp()``."""
        bits = self.bits
        if not bits.flag():
            return bits.u(4)
        if not bits.flag():
            return bits.u(4) + 16
        if not bits.flag():
            return bits.u(5) + 32
        value = bits.u(7)
        return value + 64 if value < 65 else (value << 1) - 1 + bits.flag()

    def _motion(self, high_precision: bool) -> None:
        """Read ``mv_probs()``."""
        self._values("joint", 0, 3)
        for i in range(2):
            self._values("sign", i, 1)
            self._values("classes", i * 10, 10)
            self._values("class0_bit", i, 1)
            self._values("bits", i * 10, 10)
        for i in range(2):
            self._values("class0_fr", i * 6, 6)
            self._values("fr", i * 3, 3)
        if high_precision:
            for i in range(2):
                self._values("class0_hp", i, 1)
                self._values("hp", i, 1)

    def _values(self, name: str, first: int, count: int) -> None:
        start = AT[name] + first
        for place in range(start, start + count):
            if self.bits.bit(CHANGES):
                self.content[place] = self.bits.u(7) << 1 | 1
