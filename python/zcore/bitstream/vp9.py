"""VP9 as ``struct v4l2_ctrl_vp9_frame`` and ``struct v4l2_ctrl_vp9_compressed_hdr``."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from zcore.bitstream.picture import NS_PER_PICTURE, BitstreamError, Parser, Picture
from zcore.bitstream.vp9_compressed import CompressedHeader
from zcore.bitstream.vp9_header import Header, MissingReference, State, read_header

CID_VP9_FRAME = 0x00A40900 + 300
CID_VP9_COMPRESSED_HDR = 0x00A40900 + 301
FRAME = struct.Struct("<4b2b3B7x B3b4x 32h8B7B3BB5x I6H 3Q 9B7x")
(
    KEY_FRAME, SHOW_FRAME, ERROR_RESILIENT, INTRA_ONLY, ALLOW_HIGH_PREC_MV, REFRESH_FRAME_CTX, PARALLEL_DEC_MODE,
    X_SUBSAMPLING, Y_SUBSAMPLING, COLOR_RANGE_FULL_SWING,
) = (1 << n for n in range(10))  # fmt: skip
DELTA_ENABLED, DELTA_UPDATE = 1, 2
SEGMENTS, UPDATE_MAP, TEMPORAL_UPDATE, UPDATE_DATA, ABS_OR_DELTA_UPDATE = 1, 2, 4, 8, 0x10


@dataclass
class Reference:
    """A reference slot.

    Attributes
    ----------
    number : int
        Of the picture; 0 = it is missing.
    damaged : bool
        Whether the picture is not what the encoder had.
    """

    number: int = 0
    damaged: bool = False


class Vp9Parser(Parser):
    """Reads VP9: each piece of data is one frame, or a superframe.

    A frame that refers to others of another size is not supported: the device's buffers cannot change their size while
    they are kept as references. It is skipped, and counted as one without its references.
    """

    references = 8

    def __init__(self, last_number: int = 0):
        super().__init__(last_number)
        self.state = State()
        self.slots = [Reference() for _ in range(8)]
        self.size = (0, 0)
        self._damaged_contexts = False

    def feed(self, data: bytes) -> list[Picture]:
        """Read one frame or superframe."""
        pictures: list[Picture] = []
        try:
            for frame in split_superframe(data):
                self._feed_frame(frame, pictures)
        except BitstreamError as error:
            self._lose(error)
        return pictures

    def _feed_frame(self, data: bytes, pictures: list[Picture]) -> None:
        try:
            pictures += self._frame(data)
        except BitstreamError as error:
            self._lose(error)

    def _lose(self, error: BitstreamError) -> None:
        """Skip a damaged frame: nobody knows what it would have changed."""
        if isinstance(error, MissingReference):
            self.without_reference += 1
        else:
            self.skip(error)
        self._damaged_contexts = True
        for slot in self.slots:
            slot.damaged = True

    def _frame(self, data: bytes) -> list[Picture]:
        header = read_header(data, self.state)
        if header.show_existing_frame:
            return self._show(header.frame_to_show)
        compressed = CompressedHeader(data, header)
        self.state.colour, self.state.loop_filter = header.colour, header.loop_filter
        self.state.segmentation = header.segmentation
        named = [self.slots[slot] for slot in header.ref_frame_idx]
        if not self._decodable(header, named):
            self.without_reference += 1
            self._damaged_contexts = True
            self._refresh(header, Reference())
            return []
        if header.independent:
            self._damaged_contexts = False
        damaged = self._damaged_contexts or any(slot.damaged or not slot.number for slot in named)
        there = next((slot.number for slot in named if slot.number), 0)
        controls = [
            (CID_VP9_FRAME, pack(header, compressed.reference_mode, [slot.number or there for slot in named])),
            (CID_VP9_COMPRESSED_HDR, bytes(compressed.content)),
        ]
        number = self.next_number()
        if header.size != self.size:
            self.size = header.size
            self.slots = [Reference() for _ in range(8)]  # these are in buffers that go now
        self._refresh(header, Reference(number, damaged))
        if damaged and header.refresh_frame_context:
            self._damaged_contexts = True
        due = [number] if header.show else []
        return [Picture(number, data, controls, due, self._keep(), header.size, damaged, header.key)]

    def _decodable(self, header: Header, named: list[Reference]) -> bool:
        """Tell whether the device can decode a frame, and remember why not."""
        if header.intra:
            if header.independent or (header.size == self.size and any(slot.number for slot in self.slots)):
                return True
            why = "an intra-only frame at the start, or of another size, that needs the probabilities before it"
        elif header.size != self.size:
            why = "references of another size ({}x{} for a frame of {}x{}) are not supported".format(
                *self.size, *header.size
            )
        else:
            return any(slot.number for slot in named)
        if self.size != (0, 0):
            self.last_error = BitstreamError(why)
        return False

    def _refresh(self, header: Header, reference: Reference) -> None:
        """Let the frame become what it shall be a reference as."""
        for slot in range(8):
            if header.refresh_frame_flags >> slot & 1:
                self.slots[slot] = Reference(reference.number, reference.damaged)
                self.state.sizes[slot] = header.size

    def _show(self, slot: int) -> list[Picture]:
        """Show a picture that was decoded before."""
        number = self.slots[slot].number
        if not number:
            self.without_reference += 1
            return []
        return [Picture(0, due=[number], keep=self._keep(), shown_now=True)]

    def _keep(self) -> list[int]:
        return sorted({slot.number for slot in self.slots} - {0})


def split_superframe(data: bytes) -> list[bytes]:
    """Give the frames of a superframe (annex B of the VP9 specification), or the one frame that `data` is."""
    if not data:
        return []
    marker = data[-1]
    if marker & 0xE0 != 0xC0:
        return [data]
    count, width = (marker & 7) + 1, (marker >> 3 & 3) + 1
    start = len(data) - 2 - count * width
    if start < 0 or data[start] != marker:
        raise BitstreamError("the index of a superframe does not begin with its marker", max(start, 0) * 8)
    frames, position = [], 0
    for n in range(count):
        at = start + 1 + n * width
        size = int.from_bytes(data[at : at + width], "little")
        if not size or position + size > start:
            raise BitstreamError(f"frame {n} of a superframe has {size} bytes, of {start - position}", at * 8)
        frames.append(data[position : position + size])
        position += size
    return frames


def pack(h: Header, reference_mode: int, references: list[int]) -> bytes:
    """Give the kernel's structure for a frame."""
    lf, seg = h.loop_filter, h.segmentation
    return FRAME.pack(
        *lf.ref_deltas, *lf.mode_deltas, lf.level, lf.sharpness,
        flags((DELTA_ENABLED, lf.delta_enabled), (DELTA_UPDATE, lf.delta_update)),
        *h.quantization,
        *seg.feature_data, *seg.feature_enabled, *seg.tree_probs, *seg.pred_probs,
        flags(
            (SEGMENTS, seg.enabled), (UPDATE_MAP, seg.update_map), (TEMPORAL_UPDATE, seg.temporal_update),
            (UPDATE_DATA, seg.update_data), (ABS_OR_DELTA_UPDATE, seg.abs_or_delta_update),
        ),
        flags(
            (KEY_FRAME, h.key), (SHOW_FRAME, h.show), (ERROR_RESILIENT, h.error_resilient),
            (INTRA_ONLY, h.intra_only), (ALLOW_HIGH_PREC_MV, h.allow_high_precision_mv),
            (REFRESH_FRAME_CTX, h.refresh_frame_context), (PARALLEL_DEC_MODE, h.frame_parallel),
            (X_SUBSAMPLING, h.colour.subsampling_x), (Y_SUBSAMPLING, h.colour.subsampling_y),
            (COLOR_RANGE_FULL_SWING, h.colour.full_range),
        ),
        h.compressed_size, h.uncompressed_size, *(pixels - 1 for pixels in (*h.size, *h.render_size)),
        *((number * NS_PER_PICTURE for number in references) if references else (0, 0, 0)),
        h.ref_frame_sign_bias, max(h.reset_frame_context - 1, 0), h.frame_context_idx, h.profile, h.colour.bit_depth,
        h.interpolation_filter, h.tile_cols_log2, h.tile_rows_log2, reference_mode,
    )  # fmt: skip


def flags(*bits: tuple[int, bool]) -> int:
    """Give the sum of the bits that are set."""
    return sum(bit for bit, isset in bits if isset)
