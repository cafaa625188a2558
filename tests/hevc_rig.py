"""Streams of x265, and what FFmpeg reads in their headers."""

import re
from itertools import groupby

import numpy as np
import pytest

from bitstream_rig import encode
from zcore.bitstream.hevc import CID_DECODE_PARAMS, CID_PPS, CID_SCALING, CID_SLICE_PARAMS, CID_SPS
from zcore.controls.kinds import structure_dtype

STRUCTURES = {
    CID_SPS: "hevc_sps", CID_PPS: "hevc_pps", CID_SLICE_PARAMS: "hevc_slice_params",
    CID_SCALING: "hevc_scaling_matrix", CID_DECODE_PARAMS: "hevc_decode_params",
}  # fmt: skip
_line = re.compile(r"^(\d+) +(\w+(?:\[\d+\])*) +([01]*) *= (-?\d+)$")
SLICE, SPS, PPS = "Slice Segment Header", "Sequence Parameter Set", "Picture Parameter Set"


def encode_hevc(frames, size=(72, 40), pix_fmt="yuv420p", **params):
    """Give the packets of x265; an underscore is a hyphen, and spaces are kept."""
    text = ":".join(f"{name.replace('_', '-')}={value}" for name, value in {"log_level": "none", **params}.items())
    return encode("libx265", frames, size, pix_fmt, preset="fast", x265_params=text)


def traced(packets):
    """Give ``(section, {syntax element: value})`` of each header, as FFmpeg's trace_headers prints them."""
    av = pytest.importorskip("av")
    reader = av.bitstream.BitStreamFilterContext("trace_headers", av.Codec("hevc", "r"))
    before = av.logging.get_level()
    av.logging.set_level(av.logging.TRACE)
    try:
        with av.logging.Capture() as lines:
            for packet, _, _ in packets:
                reader.filter(av.Packet(packet))
    finally:
        av.logging.set_level(before)
    found = []
    for _, _, text in lines:
        text = text.strip()
        match = _line.match(text)
        if match and found:
            fields = found[-1][1]
            if match[2] not in fields:
                fields[match[2]] = int(match[4])
                fields.setdefault("widths", {})[match[2]] = len(match[3])
            fields["bits"] = int(match[1]) + len(match[3])
        elif text and text[0].isupper() and ":" not in text:
            found.append((text, {}))
    return found


def decoded(packets, format=None):
    """Give ``(pts, size, is key frame)`` of what FFmpeg decodes, in the order in which it shows them."""
    av = pytest.importorskip("av")
    context = av.CodecContext.create("hevc", "r")
    context.thread_count = 1
    frames = []
    for data, pts, _ in packets:
        packet = av.Packet(data)
        packet.pts = pts
        frames += context.decode(packet)
    frames += context.decode(None)
    return [(frame.pts, (frame.width, frame.height), bool(frame.key_frame)) for frame in frames]


def structure(picture, control, many=False):
    """Give a control of a picture as zcore's general layouts of structures read it."""
    found = np.frombuffer(dict(picture.controls)[control], structure_dtype(STRUCTURES[control]))
    return found if many else found[0]


def pictures_of(sections):
    """Group the slice headers of a trace by picture."""
    slices = [fields for name, fields in sections if name == SLICE]
    numbers, number = [], 0
    for fields in slices:
        number += fields["first_slice_segment_in_pic_flag"]
        numbers.append(number)
    groups = groupby(zip(numbers, slices, strict=True), lambda one: one[0])
    return [[fields for _, fields in group] for _, group in groups]


def check_slice(own, fields, pps, poc, dependent=False):
    """Compare an element of the slice parameters with what FFmpeg reads."""
    assert own["slice_pic_order_cnt"] == poc
    assert own["nuh_temporal_id_plus1"] == fields["nuh_temporal_id_plus1"]
    for name in ("nal_unit_type", "slice_type", "slice_qp_delta", "slice_cb_qp_offset", "slice_cr_qp_offset",
                 "collocated_ref_idx", "five_minus_max_num_merge_cand", "num_entry_point_offsets"):  # fmt: skip
        assert own[name] == fields.get(name, 0), name
    assert own["slice_segment_addr"] == fields.get("slice_segment_address", 0)
    for name in ("slice_beta_offset_div2", "slice_tc_offset_div2"):
        assert own[name] == fields.get(name, pps.get(name.replace("slice", "pps"), 0))
    for i, inter in enumerate((fields["slice_type"] < 2, fields["slice_type"] == 0)):
        default = pps[f"num_ref_idx_l{i}_default_active_minus1"]
        name = f"num_ref_idx_l{i}_active_minus1"
        assert own[name] == (fields.get(name, default) if inter else 0)
    across = pps["pps_loop_filter_across_slices_enabled_flag"]
    flags = (
        fields.get("slice_sao_luma_flag", 0), fields.get("slice_sao_chroma_flag", 0),
        fields.get("slice_temporal_mvp_enabled_flag", 0), fields.get("mvd_l1_zero_flag", 0),
        fields.get("cabac_init_flag", 0), fields.get("collocated_from_l0_flag", int(fields["slice_type"] < 2)), 0,
        fields.get("slice_deblocking_filter_disabled_flag", pps.get("pps_deblocking_filter_disabled_flag", 0)),
        fields.get("slice_loop_filter_across_slices_enabled_flag", across), dependent,
    )  # fmt: skip
    assert own["flags"] == sum(flag << i for i, flag in enumerate(flags))
