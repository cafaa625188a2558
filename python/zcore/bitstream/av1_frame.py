"""AV1 frame headers: uncompressed_header() of the AV1 specification (5.9.2)."""

from __future__ import annotations

from collections.abc import Sequence as Many
from dataclasses import dataclass, field, replace

from zcore.bitstream.av1_grain import FilmGrain, read_grain, read_grain_head
from zcore.bitstream.av1_motion import GlobalMotion, frame_refs, skip_mode_frames
from zcore.bitstream.av1_params import (
    Cdef,
    LoopFilter,
    Quantization,
    Restoration,
    Segmentation,
    Tiles,
    read_cdef,
    read_delta_lf,
    read_loop_filter,
    read_quantization,
    read_restoration,
    read_segmentation,
    read_tiles,
)
from zcore.bitstream.av1_sequence import SELECT, Av1Bits, Sequence
from zcore.bitstream.picture import BitstreamError

KEY, INTER, INTRA_ONLY, SWITCH = range(4)
PRIMARY_REF_NONE = 7
SWITCHABLE = 4  # interpolation filter
ONLY_4X4, LARGEST, TX_SELECT = range(3)
ALL = 0xFF  # slots


class MissingReferenceError(BitstreamError):
    """A frame refers to a slot that nothing was decoded into."""


@dataclass
class Frame:
    """A frame header, by the names of the specification."""

    frame_type: int = KEY
    show_frame: bool = True
    showable_frame: bool = False
    error_resilient_mode: bool = True
    disable_cdf_update: bool = False
    allow_screen_content_tools: bool = False
    force_integer_mv: bool = False
    current_frame_id: int = 0
    frame_size_override: bool = False
    order_hint: int = 0
    primary_ref_frame: int = PRIMARY_REF_NONE
    buffer_removal_time_present: bool = False
    buffer_removal_time: list[int] = field(default_factory=lambda: [0] * 32)
    refresh_frame_flags: int = ALL
    allow_intrabc: bool = False
    frame_refs_short_signaling: bool = False
    ref_frame_idx: list[int] = field(default_factory=lambda: [0] * 7)
    allow_high_precision_mv: bool = False
    interpolation_filter: int = 0
    is_motion_mode_switchable: bool = False
    use_ref_frame_mvs: bool = False
    order_hints: list[int] = field(default_factory=lambda: [0] * 8)
    disable_frame_end_update_cdf: bool = False
    use_superres: bool = False
    superres_denom: int = 8
    upscaled_width: int = 0
    frame_width: int = 0
    frame_height: int = 0
    render: tuple[int, int] = (0, 0)
    tiles: Tiles = field(default_factory=Tiles)
    quantization: Quantization = field(default_factory=Quantization)
    segmentation: Segmentation = field(default_factory=Segmentation)
    loop_filter: LoopFilter = field(default_factory=LoopFilter)
    cdef: Cdef = field(default_factory=Cdef)
    restoration: Restoration = field(default_factory=Restoration)
    tx_mode: int = ONLY_4X4
    reference_select: bool = False
    skip_mode_frames: tuple[int, int] | None = None
    skip_mode_present: bool = False
    allow_warped_motion: bool = False
    reduced_tx_set: bool = False
    motion: GlobalMotion = field(default_factory=GlobalMotion)
    grain: FilmGrain = field(default_factory=FilmGrain)

    @property
    def intra(self) -> bool:
        """Whether it refers to no other frame."""
        return self.frame_type in (KEY, INTRA_ONLY)

    @property
    def shown_key(self) -> bool:
        """Whether everything begins anew with it."""
        return self.frame_type == KEY and self.show_frame

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the decoded picture."""
        return self.upscaled_width, self.frame_height


@dataclass(frozen=True)
class Slot:
    """One of the eight reference slots.

    Attributes
    ----------
    number : int
        Of the picture; 0 = it was lost.
    frame : Frame
        Its header.
    damaged : bool
        Whether it is not what the encoder made.
    showable : bool
        Whether a later header may have it shown.
    """

    number: int
    frame: Frame
    damaged: bool = False
    showable: bool = False


class HeaderReader:
    """Reads one frame header.

    Parameters
    ----------
    bits : Av1Bits
        At its start.
    layer : (int, int)
        Temporal and spatial layer.
    previous_id : int
        Id of the frame before.

    Attributes
    ----------
    frame : Frame
        What was read.
    existing : int
        Slot of the picture that is to be shown, and nothing decoded; -1 = it is a frame's header.
    slots : list of Slot or None
        With what the header tells of what was lost. Nothing of it counts before the whole header was read.
    damaged : bool
        Whether something that it refers to is damaged.
    """

    def __init__(self, bits: Av1Bits, sequence: Sequence, slots: Many[Slot | None], layer: tuple[int, int] = (0, 0)):
        self.bits = bits
        self.sequence = sequence
        self.slots = list(slots)
        self.layer = layer
        self.frame = Frame()
        self.existing = -1
        self.damaged = False

    def read(self) -> None:
        """Read it."""
        f, bits, s = self.frame, self.bits, self.sequence
        if not s.reduced_still_picture_header:
            if bits.flag():
                self._read_existing()
                return
            self._read_type()
        f.disable_cdf_update = bits.flag()
        self._read_tools()
        if s.frame_id_numbers_present:
            f.current_frame_id = bits.u(s.frame_id_length)
            if not f.shown_key:
                self._mark_by_id()
        if f.frame_type == SWITCH:
            f.frame_size_override = True
        elif not s.reduced_still_picture_header:
            f.frame_size_override = bits.flag()
        f.order_hint = bits.u(s.order_hint_bits)
        if not f.intra and not f.error_resilient_mode:
            f.primary_ref_frame = bits.u(3)
        if s.decoder_model_info_present:
            self._read_removal_times()
        if f.frame_type != SWITCH and not f.shown_key:
            f.refresh_frame_flags = bits.u(8)
            if f.frame_type == INTRA_ONLY and f.refresh_frame_flags == ALL:
                raise BitstreamError("an intra frame that is no key frame refreshes everything", bits.position)
        if (not f.intra or f.refresh_frame_flags != ALL) and f.error_resilient_mode and s.enable_order_hint:
            self._mark_by_hints([bits.u(s.order_hint_bits) for _ in range(8)])
        if f.intra:
            self._read_size()
            self._read_render_size()
            f.allow_intrabc = f.allow_screen_content_tools and f.upscaled_width == f.frame_width and bits.flag()
        else:
            self._read_references()
        f.disable_frame_end_update_cdf = s.reduced_still_picture_header or f.disable_cdf_update or bits.flag()
        self._read_params()

    def _read_existing(self) -> None:
        bits, s = self.bits, self.sequence
        self.existing = bits.u(3)
        self._read_presentation_time()
        if s.frame_id_numbers_present:
            id = bits.u(s.frame_id_length)
            slot = self.slots[self.existing]
            if slot is not None and slot.frame.current_frame_id != id:
                raise BitstreamError(f"frame {id} is to be shown, and not there", bits.position)

    def _read_presentation_time(self) -> None:
        s = self.sequence
        if s.decoder_model_info_present and not s.equal_picture_interval:
            self.bits.u(s.frame_presentation_time_length)

    def _read_type(self) -> None:
        f, bits = self.frame, self.bits
        f.frame_type, f.show_frame = bits.u(2), bits.flag()
        if f.show_frame:
            self._read_presentation_time()
            f.showable_frame = f.frame_type != KEY
        else:
            f.showable_frame = bits.flag()
        f.error_resilient_mode = f.frame_type == SWITCH or f.shown_key or bits.flag()

    def _read_tools(self) -> None:
        f, bits, s = self.frame, self.bits, self.sequence
        tools = s.seq_force_screen_content_tools
        f.allow_screen_content_tools = bits.flag() if tools == SELECT else bool(tools)
        if f.allow_screen_content_tools:
            f.force_integer_mv = bits.flag() if s.seq_force_integer_mv == SELECT else bool(s.seq_force_integer_mv)
        f.force_integer_mv = f.force_integer_mv or f.intra

    def _read_removal_times(self) -> None:
        f, bits, s = self.frame, self.bits, self.sequence
        f.buffer_removal_time_present = bits.flag()
        if not f.buffer_removal_time_present:
            return
        temporal, spatial = self.layer
        for i, point in enumerate(s.operating_points):
            within = point.idc >> temporal & 1 and point.idc >> spatial + 8 & 1
            if point.decoder_model and (point.idc == 0 or within):
                f.buffer_removal_time[i] = bits.u(s.buffer_removal_time_length)

    def _mark_by_id(self) -> None:
        """Slots whose frame's id is too far away are not valid (5.9.4)."""
        s, id = self.sequence, self.frame.current_frame_id
        span = 1 << s.delta_frame_id_length
        for i, slot in enumerate(self.slots):
            if slot is None:
                continue
            other = slot.frame.current_frame_id
            if id > span:
                invalid = other > id or other < id - span
            else:
                invalid = id < other < (1 << s.frame_id_length) + id - span
            if invalid:
                self.slots[i] = replace(slot, damaged=True)

    def _mark_by_hints(self, hints: list[int]) -> None:
        """A slot that does not hold what the encoder had there was lost."""
        for i, hint in enumerate(hints):
            slot = self.slots[i]
            if slot is None or slot.frame.order_hint != hint:
                self.slots[i] = Slot(0, Frame(INTER, order_hint=hint), damaged=True)

    def _read_size(self) -> None:
        f, bits, s = self.frame, self.bits, self.sequence
        if f.frame_size_override:
            f.upscaled_width, f.frame_height = bits.u(s.frame_width_bits) + 1, bits.u(s.frame_height_bits) + 1
            if f.upscaled_width > s.max_frame_width or f.frame_height > s.max_frame_height:
                raise BitstreamError(
                    f"a frame of {f.upscaled_width}x{f.frame_height} in a sequence of up to "
                    f"{s.max_frame_width}x{s.max_frame_height}",
                    bits.position,
                )
        else:
            f.upscaled_width, f.frame_height = s.max_frame_width, s.max_frame_height
        self._read_superres()

    def _read_superres(self) -> None:
        f, bits = self.frame, self.bits
        f.use_superres = self.sequence.enable_superres and bits.flag()
        f.superres_denom = bits.u(3) + 9 if f.use_superres else 8
        f.frame_width = (f.upscaled_width * 8 + f.superres_denom // 2) // f.superres_denom

    def _read_render_size(self) -> None:
        f, bits = self.frame, self.bits
        f.render = (bits.u(16) + 1, bits.u(16) + 1) if bits.flag() else f.size

    def _read_references(self) -> None:
        f, bits, s = self.frame, self.bits, self.sequence
        hints = [0 if slot is None else slot.frame.order_hint for slot in self.slots]
        f.frame_refs_short_signaling = s.enable_order_hint and bits.flag()
        if f.frame_refs_short_signaling:
            f.ref_frame_idx = frame_refs(s, f.order_hint, hints, bits.u(3), bits.u(3))
        for i in range(7):
            if not f.frame_refs_short_signaling:
                f.ref_frame_idx[i] = bits.u(3)
            slot = self.slots[f.ref_frame_idx[i]]
            if slot is None:
                raise MissingReferenceError(f"nothing is in slot {f.ref_frame_idx[i]}", bits.position)
            self.damaged = self.damaged or slot.damaged
            if s.frame_id_numbers_present:
                id = f.current_frame_id - bits.u(s.delta_frame_id_length) - 1 & (1 << s.frame_id_length) - 1
                self.damaged = self.damaged or slot.frame.current_frame_id != id
        if not (f.frame_size_override and not f.error_resilient_mode and self._read_size_of_reference()):
            self._read_size()
            self._read_render_size()
        f.allow_high_precision_mv = not f.force_integer_mv and bits.flag()
        f.interpolation_filter = SWITCHABLE if bits.flag() else bits.u(2)
        f.is_motion_mode_switchable = bits.flag()
        f.use_ref_frame_mvs = not f.error_resilient_mode and s.enable_ref_frame_mvs and bits.flag()
        f.order_hints = [0] + [hints[i] for i in f.ref_frame_idx]

    def _read_size_of_reference(self) -> bool:
        f, bits = self.frame, self.bits
        for i in f.ref_frame_idx:
            if not bits.flag():
                continue
            slot = self.slots[i]
            if slot is None or not slot.frame.upscaled_width:
                raise MissingReferenceError(f"the size of what was in slot {i} is not known", bits.position)
            f.upscaled_width, f.frame_height = slot.frame.size
            f.render = slot.frame.render
            self._read_superres()
            return True
        return False

    def _read_params(self) -> None:
        f, bits, s = self.frame, self.bits, self.sequence
        primary: Frame | None = None
        if f.primary_ref_frame != PRIMARY_REF_NONE:
            slot = self.slots[f.ref_frame_idx[f.primary_ref_frame]]
            assert slot is not None  # _read_references() looked
            primary = slot.frame
        f.tiles = read_tiles(bits, s, f.frame_width, f.frame_height)
        f.quantization = q = read_quantization(bits, s)
        f.segmentation = seg = read_segmentation(bits, primary.segmentation if primary else None)
        f.loop_filter = read_delta_lf(bits, q, f.allow_intrabc)
        lossless = not any(q.deltas) and not any(seg.q_idx(i, q.base_q_idx) for i in range(8))
        if not lossless and not f.allow_intrabc:
            read_loop_filter(bits, s, f.loop_filter, primary.loop_filter if primary else None)
            if s.enable_cdef:
                f.cdef = read_cdef(bits, s)
        scaled = f.frame_width != f.upscaled_width
        if s.enable_restoration and not f.allow_intrabc and (scaled or not lossless):
            f.restoration = read_restoration(bits, s)
        if not lossless:
            f.tx_mode = TX_SELECT if bits.flag() else LARGEST
        f.reference_select = not f.intra and bits.flag()
        if f.reference_select and s.enable_order_hint:
            f.skip_mode_frames = skip_mode_frames(s, f.order_hint, f.order_hints[1:])
            f.skip_mode_present = f.skip_mode_frames is not None and bits.flag()
        if not f.intra and not f.error_resilient_mode and s.enable_warped_motion:
            f.allow_warped_motion = bits.flag()
        f.reduced_tx_set = bits.flag()
        if not f.intra:
            previous = primary.motion if primary else GlobalMotion()
            f.motion.read(bits, previous.params, f.allow_high_precision_mv)
        if s.film_grain_params_present and (f.show_frame or f.showable_frame):
            self._read_grain()

    def _read_grain(self) -> None:
        f = self.frame
        f.grain = read_grain_head(self.bits, f.frame_type == INTER)
        index = f.grain.film_grain_params_ref_idx
        if f.grain.update_grain:
            f.grain = read_grain(self.bits, self.sequence, f.grain.grain_seed)
        elif f.grain.apply_grain:
            slot = self.slots[index]
            if index not in f.ref_frame_idx or slot is None:
                raise BitstreamError(f"film grain of slot {index}, which it does not refer to", self.bits.position)
            loaded = replace(slot.frame.grain, update_grain=False, film_grain_params_ref_idx=index)
            f.grain = replace(loaded, grain_seed=f.grain.grain_seed)
