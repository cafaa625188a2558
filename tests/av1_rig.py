"""AV1 for tests: what FFmpeg reads in the headers, what our parser reads, and the kernel's structures."""

import contextlib
import ctypes
import io
import re
from ctypes import c_int8, c_int16, c_int32, c_uint8, c_uint16, c_uint32, c_uint64

import pytest

from zcore.bitstream import av1
from zcore.bitstream.av1 import units
from zcore.bitstream.av1_sequence import Av1Bits

_element = re.compile(r"(\d+)\s+(\S+)\s+([01]*) = (-?\d+)$")
KINDS = {"Sequence Header", "Frame Header", "Redundant Frame Header", "Tile Group", "Frame"}
SKIPPED = {"Padding", "Metadata", "Temporal Delimiter", "Tile List"}
FILLING = ("trailing_", "zero_bit")
HEAD = ("obu_", "temporal_id", "spatial_id", "extension_header")


class Unit:
    """An OBU as FFmpeg's trace_headers sees it.

    Attributes
    ----------
    kind : str
        ``Sequence Header``, ``Frame Header`` and so on.
    starts : list of int
        Where elements begin, in bits.
    bits : str
        All that was read, without the OBU's own header.
    values : dict
        Of the elements, by their names.
    error : str
        Why it was not read to its end.
    """

    def __init__(self):
        self.kind = ""
        self.starts = []
        self.bits = ""
        self.values = {}
        self.error = ""


def trace(packets, codec="libsvtav1"):
    """Read packets' headers with FFmpeg; gives lists of :class:`Unit`, one for each packet."""
    av = pytest.importorskip("av")
    from av.bitstream import BitStreamFilterContext, bitstream_filters_available

    if "trace_headers" not in bitstream_filters_available or codec not in av.codecs_available:
        pytest.skip(f"this PyAV has no trace_headers, or no {codec}")
    stream = av.open(io.BytesIO(), "w", format="ivf").add_stream(codec)
    stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
    context = BitStreamFilterContext("trace_headers", in_stream=stream)
    level = av.logging.get_level()
    av.logging.set_level(av.logging.INFO)
    try:
        found = []
        for number, (data, _, _) in enumerate(packets):
            packet = av.Packet(data)
            packet.pts = packet.dts = number
            with av.logging.Capture(local=True) as lines:
                with contextlib.suppress(av.error.InvalidDataError):
                    context.filter(packet)
            found.append(_units([text.strip() for _, name, text in lines if name == "trace_headers"]))
        return found
    finally:
        av.logging.set_level(level)


def _units(lines):
    units = []
    for line in lines:
        if line == "OBU header":
            units.append(Unit())
            continue
        element = _element.match(line)
        if not element:
            if units and units[-1].kind and line not in KINDS:
                units[-1].error = units[-1].error or line
            elif units:
                units[-1].kind = units[-1].kind or line
            continue
        unit = units[-1]
        _, name, bits, value = element.groups()
        if name.startswith(FILLING) or (unit.kind in SKIPPED):
            continue
        if not name.startswith(HEAD):
            unit.starts += [len(unit.bits)] if bits else []
            unit.bits += bits
        unit.values[name] = int(value)
    return units


class Recorder(Av1Bits):
    """Notes what is read from the payload of units."""

    units: list = []  # [type, starts, bits] of each
    on = True

    def u(self, count):
        value = super().u(count)
        if count and self.on and self.units:
            self.units[-1][1].append(len(self.units[-1][2]))
            self.units[-1][2] += format(value, f"0{count}b")
        return value


def recorded(monkeypatch, parser, data):
    """Feed data; gives pictures, and what was read as ``[type, starts, bits]`` of each OBU."""

    def split(data):
        found = units(data)
        while True:
            Recorder.on = False
            unit = next(found, None)
            Recorder.on = True
            if unit is None:
                return
            Recorder.units.append([unit.type, [], ""])
            yield unit

    Recorder.units = []
    with monkeypatch.context() as patched:
        patched.setattr(av1, "Av1Bits", Recorder)
        patched.setattr(av1, "units", split)
        return parser.feed(data), Recorder.units


class Structure(ctypes.Structure):
    """A structure of the kernel's, laid out as its compiler does."""

    def flag_names(self, names):
        return {name for bit, name in enumerate(names) if self.flags >> bit & 1}


def structure(name, *fields):
    return type(name, (Structure,), {"_fields_": list(fields)})


TILE_INFO = structure(
    "v4l2_av1_tile_info", ("flags", c_uint8), ("context_update_tile_id", c_uint8), ("tile_cols", c_uint8),
    ("tile_rows", c_uint8), ("mi_col_starts", c_uint32 * 65), ("mi_row_starts", c_uint32 * 65),
    ("width_in_sbs_minus_1", c_uint32 * 64), ("height_in_sbs_minus_1", c_uint32 * 64), ("tile_size_bytes", c_uint8),
    ("reserved", c_uint8 * 3),
)  # fmt: skip
QUANTIZATION = structure(
    "v4l2_av1_quantization", ("flags", c_uint8), ("base_q_idx", c_uint8), ("delta_q_y_dc", c_int8),
    ("delta_q_u_dc", c_int8), ("delta_q_u_ac", c_int8), ("delta_q_v_dc", c_int8), ("delta_q_v_ac", c_int8),
    ("qm_y", c_uint8), ("qm_u", c_uint8), ("qm_v", c_uint8), ("delta_q_res", c_uint8),
)  # fmt: skip
SEGMENTATION = structure(
    "v4l2_av1_segmentation", ("flags", c_uint8), ("last_active_seg_id", c_uint8), ("feature_enabled", c_uint8 * 8),
    ("feature_data", c_int16 * 8 * 8),
)  # fmt: skip
LOOP_FILTER = structure(
    "v4l2_av1_loop_filter", ("flags", c_uint8), ("level", c_uint8 * 4), ("sharpness", c_uint8),
    ("ref_deltas", c_int8 * 8), ("mode_deltas", c_int8 * 2), ("delta_lf_res", c_uint8),
)  # fmt: skip
CDEF = structure(
    "v4l2_av1_cdef", ("damping_minus_3", c_uint8), ("bits", c_uint8), ("y_pri_strength", c_uint8 * 8),
    ("y_sec_strength", c_uint8 * 8), ("uv_pri_strength", c_uint8 * 8), ("uv_sec_strength", c_uint8 * 8),
)  # fmt: skip
RESTORATION = structure(
    "v4l2_av1_loop_restoration", ("flags", c_uint8), ("lr_unit_shift", c_uint8), ("lr_uv_shift", c_uint8),
    ("reserved", c_uint8), ("frame_restoration_type", c_uint32 * 3), ("loop_restoration_size", c_uint32 * 3),
)  # fmt: skip
MOTION = structure(
    "v4l2_av1_global_motion", ("flags", c_uint8 * 8), ("type", c_uint32 * 8), ("params", c_int32 * 6 * 8),
    ("invalid", c_uint8), ("reserved", c_uint8 * 3),
)  # fmt: skip
FRAME = structure(
    "v4l2_ctrl_av1_frame", ("tile_info", TILE_INFO), ("quantization", QUANTIZATION), ("superres_denom", c_uint8),
    ("segmentation", SEGMENTATION), ("loop_filter", LOOP_FILTER), ("cdef", CDEF), ("skip_mode_frame", c_uint8 * 2),
    ("primary_ref_frame", c_uint8), ("loop_restoration", RESTORATION), ("global_motion", MOTION), ("flags", c_uint32),
    ("frame_type", c_uint32), ("order_hint", c_uint32), ("upscaled_width", c_uint32),
    ("interpolation_filter", c_uint32), ("tx_mode", c_uint32), ("frame_width_minus_1", c_uint32),
    ("frame_height_minus_1", c_uint32), ("render_width_minus_1", c_uint16), ("render_height_minus_1", c_uint16),
    ("current_frame_id", c_uint32), ("buffer_removal_time", c_uint32 * 32), ("reserved", c_uint8 * 4),
    ("order_hints", c_uint32 * 8), ("reference_frame_ts", c_uint64 * 8), ("ref_frame_idx", c_int8 * 7),
    ("refresh_frame_flags", c_uint8),
)  # fmt: skip
SEQUENCE = structure(
    "v4l2_ctrl_av1_sequence", ("flags", c_uint32), ("seq_profile", c_uint8), ("order_hint_bits", c_uint8),
    ("bit_depth", c_uint8), ("reserved", c_uint8), ("max_frame_width_minus_1", c_uint16),
    ("max_frame_height_minus_1", c_uint16),
)  # fmt: skip
FILM_GRAIN = structure(
    "v4l2_ctrl_av1_film_grain", ("flags", c_uint8), ("cr_mult", c_uint8), ("grain_seed", c_uint16),
    ("film_grain_params_ref_idx", c_uint8), ("num_y_points", c_uint8), ("point_y_value", c_uint8 * 16),
    ("point_y_scaling", c_uint8 * 16), ("num_cb_points", c_uint8), ("point_cb_value", c_uint8 * 16),
    ("point_cb_scaling", c_uint8 * 16), ("num_cr_points", c_uint8), ("point_cr_value", c_uint8 * 16),
    ("point_cr_scaling", c_uint8 * 16), ("grain_scaling_minus_8", c_uint8), ("ar_coeff_lag", c_uint8),
    ("ar_coeffs_y_plus_128", c_uint8 * 25), ("ar_coeffs_cb_plus_128", c_uint8 * 25),
    ("ar_coeffs_cr_plus_128", c_uint8 * 25), ("ar_coeff_shift_minus_6", c_uint8), ("grain_scale_shift", c_uint8),
    ("cb_mult", c_uint8), ("cb_luma_mult", c_uint8), ("cr_luma_mult", c_uint8), ("cb_offset", c_uint16),
    ("cr_offset", c_uint16), ("reserved", c_uint8 * 4),
)  # fmt: skip
TILE = structure(
    "v4l2_ctrl_av1_tile_group_entry", ("tile_offset", c_uint32), ("tile_size", c_uint32), ("tile_row", c_uint32),
    ("tile_col", c_uint32),
)  # fmt: skip
BY_ID = {av1.CID_SEQUENCE: SEQUENCE, av1.CID_FRAME: FRAME, av1.CID_FILM_GRAIN: FILM_GRAIN}


def control(picture, id):
    """Give a picture's control as its structure."""
    content = dict(picture.controls)[id]
    assert len(content) == ctypes.sizeof(BY_ID[id])
    return BY_ID[id].from_buffer_copy(content)


def tiles(picture):
    """Give a picture's tiles."""
    content = dict(picture.controls)[av1.CID_TILE_GROUP_ENTRY]
    return list((TILE * (len(content) // 16)).from_buffer_copy(content))


FRAME_FLAGS = (
    "show_frame", "showable_frame", "error_resilient_mode", "disable_cdf_update", "allow_screen_content_tools",
    "force_integer_mv", "allow_intrabc", "use_superres", "allow_high_precision_mv", "is_motion_mode_switchable",
    "use_ref_frame_mvs", "disable_frame_end_update_cdf", "allow_warped_motion", "reference_select", "reduced_tx_set",
    "", "skip_mode_present", "frame_size_override_flag", "buffer_removal_time_present_flag",
    "frame_refs_short_signaling",
)  # fmt: skip
PLACES = {
    "base_q_idx": "quantization.base_q_idx", "qm_y": "quantization.qm_y", "qm_u": "quantization.qm_u",
    "delta_q_res": "quantization.delta_q_res", "context_update_tile_id": "tile_info.context_update_tile_id",
    "loop_filter_level": "loop_filter.level", "loop_filter_sharpness": "loop_filter.sharpness",
    "loop_filter_ref_deltas": "loop_filter.ref_deltas", "loop_filter_mode_deltas": "loop_filter.mode_deltas",
    "delta_lf_res": "loop_filter.delta_lf_res", "cdef_damping_minus_3": "cdef.damping_minus_3",
    "cdef_bits": "cdef.bits", "cdef_y_pri_strength": "cdef.y_pri_strength",
    "cdef_y_sec_strength": "cdef.y_sec_strength", "cdef_uv_pri_strength": "cdef.uv_pri_strength",
    "cdef_uv_sec_strength": "cdef.uv_sec_strength", "lr_type": "loop_restoration.frame_restoration_type",
    "lr_uv_shift": "loop_restoration.lr_uv_shift", "width_in_sbs_minus_1": "tile_info.width_in_sbs_minus_1",
    "height_in_sbs_minus_1": "tile_info.height_in_sbs_minus_1",
}  # fmt: skip
PLACES |= {f"delta_q_{one}.delta_q": f"quantization.delta_q_{one}" for one in ("y_dc", "u_dc", "u_ac", "v_dc", "v_ac")}
MAPPED = {"cdef_y_sec_strength": (0, 1, 2, 4), "cdef_uv_sec_strength": (0, 1, 2, 4), "lr_type": (0, 3, 1, 2)}
FEATURE_MOST = (255, 63, 63, 63, 63, 7, 0, 0)


def agree(values, frame, grain=None):
    """Whether what FFmpeg read is in the kernel's structures; gives how many values were compared."""
    compared = 0
    for name, value in values.items():
        key, *index = re.split(r"\[|\]\[?", name.rstrip("]"))
        index = [int(one) for one in index]
        if key == "force_integer_mv" and frame.frame_type in (0, 2):
            assert frame.flags >> FRAME_FLAGS.index(key) & 1  # 5.9.2: set for all intra frames, whatever was read
        elif key in FRAME_FLAGS:
            assert frame.flags >> FRAME_FLAGS.index(key) & 1 == value, name
        elif key == "feature_enabled":
            assert frame.segmentation.feature_enabled[index[0]] >> index[1] & 1 == value, name
        elif key == "feature_value":
            most = FEATURE_MOST[index[1]]
            assert frame.segmentation.feature_data[index[0]][index[1]] == max(-most, min(most, value)), name
        elif key == "frame_width_minus_1":
            assert frame.upscaled_width == value + 1, name
        elif key in PLACES or hasattr(FRAME, key):
            ours = frame
            for part in PLACES.get(key, key).split("."):
                ours = getattr(ours, part)
            assert (ours[index[0]] if index else ours) == MAPPED.get(key, {value: value})[value], name
        elif grain is not None and hasattr(FILM_GRAIN, key) and key != "flags":
            ours = getattr(grain, key)
            assert (ours[index[0]] if index else ours) == value, name
        else:
            continue
        compared += 1
    return compared
