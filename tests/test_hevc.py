"""The HEVC parser on streams of x265, against FFmpeg: its decoder for order, its trace_headers for every field."""

import numpy as np
import pytest

from hevc_rig import PPS, SPS, check_slice, decoded, encode_hevc, pictures_of, structure, traced
from zcore.bitstream.annexb import ByteStream, coded_length, plain
from zcore.bitstream.hevc import (
    CID_DECODE_PARAMS,
    CID_ENTRY_POINTS,
    CID_PPS,
    CID_SCALING,
    CID_SLICE_PARAMS,
    CID_SPS,
    HevcParser,
)

SIZE = (72, 40)
STREAMS = {
    "b-frames": {"bframes": 3, "b_adapt": 0, "ref": 3, "keyint": 12, "scenecut": 0},
    "open-gop": {"bframes": 3, "b_pyramid": 1, "open_gop": 1, "keyint": 8, "min_keyint": 8, "scenecut": 0, "ref": 4},
    "low-delay": {"bframes": 0, "keyint": 6, "repeat_headers": 1, "aud": 1, "hrd": 1, "vbv_bufsize": 500,
                  "vbv_maxrate": 500, "bitrate": 300},
    "slices": {"size": (160, 128), "slices": 3, "bframes": 2, "weightb": 1, "ctu": 16, "max_tu_size": 16},
    "wavefront": {"size": (160, 130), "wpp": 1, "ctu": 16, "max_tu_size": 16, "bframes": 1, "frame_threads": 1},
    "main10": {"pix_fmt": "yuv420p10le", "scaling_list": "default", "bframes": 2, "deblock": "1,-2", "tskip": 1,
               "cu_lossless": 1, "cbqpoffs": 3, "crqpoffs": -2, "constrained_intra": 1, "temporal_layers": 2},
    "small-tools": {"no_sao": 1, "no_deblock": 1, "amp": 1, "rect": 1, "no_strong_intra_smoothing": 1,
                    "no_temporal_mvp": 1, "no_signhide": 1, "no_weightp": 1, "max_merge": 5, "ref": 1},
    "4:2:2": {"pix_fmt": "yuv422p", "bframes": 1, "dynamic_rd": 0},
    "grey": {"pix_fmt": "gray", "bframes": 1},
    "fields": {"interlace": "tff", "bframes": 2, "keyint": 9},
    "leading": {"bframes": 8, "b_adapt": 2, "open_gop": 0, "radl": 2, "keyint": 9, "ref": 5, "temporal_layers": 3},
    "not-a-multiple": {"size": (70, 38), "bframes": 1},
}  # fmt: skip
FRAMES = 18


@pytest.fixture(scope="module")
def streams():
    return {}


@pytest.fixture(params=STREAMS)
def packets(request, streams):
    if request.param not in streams:
        streams[request.param] = encode_hevc(FRAMES, **STREAMS[request.param])
    return streams[request.param]


def parsed(parser, packets):
    return [picture for packet, _, _ in packets for picture in parser.feed(packet)] + parser.flush()


def without_piece(pictures):
    return [picture._replace(piece=0) for picture in pictures]


def shown(pictures, packets):
    """Times of the pictures, in the order in which they are due."""
    return [packets[number - 1][1] for picture in pictures for number in picture.due]


def test_every_picture_comes_once_and_in_order(packets):
    parser = HevcParser()
    pictures = parsed(parser, packets)
    assert parser.damaged_units == parser.without_reference == 0
    coded = [picture for picture in pictures if picture.number]
    assert [picture.number for picture in coded] == list(range(1, FRAMES + 1))
    reference = decoded(packets)
    assert shown(pictures, packets) == [pts for pts, _, _ in reference] == list(range(FRAMES))
    assert {picture.size for picture in coded} == {size for _, size, _ in reference}
    assert [picture.key for picture in coded] == [key for _, _, key in packets]
    assert not any(picture.damaged for picture in coded)
    for picture, (packet, _, _) in zip(coded, packets, strict=True):
        assert packet.replace(b"\0\0\0\1", b"\0\0\1").endswith(picture.payload)


def test_fields_are_told():
    packets = encode_hevc(FRAMES, **STREAMS["fields"])
    pictures = [picture for picture in parsed(HevcParser(), packets) if picture.number]
    told = [(int(structure(picture, CID_SLICE_PARAMS, many=True)[0]["pic_struct"]), time % 2)
            for picture, (_, time, _) in zip(pictures, packets, strict=True)]  # fmt: skip
    assert set(told) == {(1, 0), (2, 1)}
    for picture in pictures:
        params = structure(picture, CID_DECODE_PARAMS)
        for entry in params["dpb"][: params["num_active_dpb_entries"]]:
            assert entry["field_pic"] == told[int(entry["timestamp"]) // 1000 - 1][0]


def test_references_were_kept(packets):
    alive = set()
    for picture in parsed(HevcParser(), packets):
        if picture.number:
            params = structure(picture, CID_DECODE_PARAMS)
            entries = params["dpb"][: params["num_active_dpb_entries"]]
            assert {int(stamp) // 1000 for stamp in entries["timestamp"]} <= alive
            assert picture.key or len(entries)
            alive.add(picture.number)
        assert set(picture.due) <= alive
        assert set(picture.keep) <= alive
        alive = set(picture.keep)


def test_pictures_come_with_the_next_piece(packets):
    parser = HevcParser()
    for number, (packet, _, _) in enumerate(packets):
        found = parser.feed(packet)
        assert [(picture.number, picture.piece) for picture in found] == ([(number, number)] if number else [])


def test_in_pieces_of_any_size(packets):
    whole = parsed(HevcParser(), packets)
    stream = b"".join(packet for packet, _, _ in packets)
    for size in (1, 7, 500):
        pieces = [(stream[at : at + size], 0, False) for at in range(0, len(stream), size)]
        assert without_piece(parsed(HevcParser(), pieces)) == without_piece(whole)


def test_parameter_sets_are_what_ffmpeg_reads(packets):
    sections = traced(packets)
    sps, pps = (next(fields for name, fields in sections if name == kind) for kind in (SPS, PPS))
    highest = sps["sps_max_sub_layers_minus1"]
    picture = parsed(HevcParser(), packets)[0]
    own = structure(picture, CID_SPS)
    for name in own.dtype.names:
        if name in ("reserved", "flags", "num_long_term_ref_pics_sps"):
            continue
        text = {"video_parameter_set_id": "sps_video_parameter_set_id",
                "seq_parameter_set_id": "sps_seq_parameter_set_id"}.get(name, name)  # fmt: skip
        value = sps.get(text, sps.get(f"{text}[{highest}]", 0))
        assert own[name] == value, name
    flags = ("separate_colour_plane_flag", "scaling_list_enabled_flag", "amp_enabled_flag",
             "sample_adaptive_offset_enabled_flag", "pcm_enabled_flag", "pcm_loop_filter_disabled_flag",
             "long_term_ref_pics_present_flag", "sps_temporal_mvp_enabled_flag",
             "strong_intra_smoothing_enabled_flag")  # fmt: skip
    assert own["flags"] == sum(sps.get(name, 0) << i for i, name in enumerate(flags))
    own = structure(picture, CID_PPS)
    names = {"pic_parameter_set_id": "pps_pic_parameter_set_id"}
    for name in own.dtype.names:
        if name not in ("reserved", "flags", "column_width_minus1", "row_height_minus1"):
            assert own[name] == pps.get(names.get(name, name), 0), name
    flags = ("dependent_slice_segments_enabled_flag", "output_flag_present_flag", "sign_data_hiding_enabled_flag",
             "cabac_init_present_flag", "constrained_intra_pred_flag", "transform_skip_enabled_flag",
             "cu_qp_delta_enabled_flag", "pps_slice_chroma_qp_offsets_present_flag", "weighted_pred_flag",
             "weighted_bipred_flag", "transquant_bypass_enabled_flag", "tiles_enabled_flag",
             "entropy_coding_sync_enabled_flag", "loop_filter_across_tiles_enabled_flag",
             "pps_loop_filter_across_slices_enabled_flag", "deblocking_filter_override_enabled_flag",
             "pps_deblocking_filter_disabled_flag", "lists_modification_present_flag",
             "slice_segment_header_extension_present_flag", "deblocking_filter_control_present_flag",
             "uniform_spacing_flag")  # fmt: skip
    assert own["flags"] == sum(pps.get(name, 0) << i for i, name in enumerate(flags))


def test_slice_headers_are_what_ffmpeg_reads(packets):
    sections = traced(packets)
    pps = next(fields for name, fields in sections if name == PPS)
    groups = pictures_of(sections)
    pictures = [picture for picture in parsed(HevcParser(), packets) if picture.number]
    assert len(groups) == len(pictures)
    first_time = 0
    for (_, time, _), picture, group in zip(packets, pictures, groups, strict=True):
        first_time = time if group[0]["nal_unit_type"] in (19, 20) else first_time
        params = structure(picture, CID_DECODE_PARAMS)
        assert params["pic_order_cnt_val"] == time - first_time
        slices = structure(picture, CID_SLICE_PARAMS, many=True)
        assert len(slices) == len(group)
        units = [unit for unit in picture.payload.split(b"\0\0\1") if unit]
        end = 0
        for own, fields, unit in zip(slices, group, units, strict=True):
            begin, end = end + 3, end + 3 + len(unit)
            assert own["bit_size"] == end * 8
            # From the buffer's begin, emulation prevention bytes included: the header in front of it has these bits.
            assert len(plain(picture.payload[begin : own["data_byte_offset"]])) * 8 == fields["bits"]
            check_slice(own, fields, pps, time - first_time)
            check_references(own, params, fields, time - first_time)
        for entry in params["dpb"][: params["num_active_dpb_entries"]]:
            assert packets[int(entry["timestamp"]) // 1000 - 1][1] - first_time == entry["pic_order_cnt_val"]
        points = [fields[f"entry_point_offset_minus1[{i}]"] + 1 for fields in group
                  for i in range(fields.get("num_entry_point_offsets", 0))]  # fmt: skip
        content = dict(picture.controls).get(CID_ENTRY_POINTS, b"")
        assert np.frombuffer(content, np.uint32).tolist() == points


def check_references(own, params, fields, poc):
    """The sets by FFmpeg's values, the lists and weights made from these."""
    sets = []
    for part, count, sign in (("s0", "num_negative_pics", -1), ("s1", "num_positive_pics", 1)):
        at, found = poc, []
        for i in range(fields.get(count, 0)):
            at += sign * (fields[f"delta_poc_{part}_minus1[{i}]"] + 1)
            found += [at] * fields[f"used_by_curr_pic_{part}_flag[{i}]"]
        sets.append(found)
    pocs = params["dpb"]["pic_order_cnt_val"]
    for name, wanted in zip(("poc_st_curr_before", "poc_st_curr_after"), sets, strict=True):
        assert [pocs[i] for i in params[name][: params[f"num_{name}"]]] == wanted
    assert params["num_poc_lt_curr"] == 0
    for i in range({0: 2, 1: 1, 2: 0}[fields["slice_type"]]):
        count = own[f"num_ref_idx_l{i}_active_minus1"] + 1
        order = (sets[i] + sets[1 - i]) * 16
        assert [pocs[place] for place in own[f"ref_idx_l{i}"][:count]] == order[:count]
    table = own["pred_weight_table"]
    assert table["luma_log2_weight_denom"] == fields.get("luma_log2_weight_denom", 0)
    assert table["delta_chroma_log2_weight_denom"] == fields.get("delta_chroma_log2_weight_denom", 0)
    log2 = int(table["luma_log2_weight_denom"]) + int(table["delta_chroma_log2_weight_denom"])
    for i in range(2):
        for j in range(16):
            assert table[f"delta_luma_weight_l{i}"][j] == fields.get(f"delta_luma_weight_l{i}[{j}]", 0)
            assert table[f"luma_offset_l{i}"][j] == fields.get(f"luma_offset_l{i}[{j}]", 0)
            for k in range(2):
                weight = fields.get(f"delta_chroma_weight_l{i}[{j}][{k}]", 0)
                assert table[f"delta_chroma_weight_l{i}"][j][k] == weight
                coded = fields.get(f"delta_chroma_offset_l{i}[{j}][{k}]")
                offset = 0 if coded is None else 128 + coded - ((128 * ((1 << log2) + weight)) >> log2)
                assert table[f"chroma_offset_l{i}"][j][k] == min(max(offset, -128), 127)


def test_scaling_lists_are_in_raster_order(streams):
    flat = structure(parsed(HevcParser(), encode_hevc(1))[0], CID_SCALING)
    assert {int(value) for name in flat.dtype.names for value in flat[name].flat} == {16}
    default = structure(parsed(HevcParser(), encode_hevc(1, scaling_list="default"))[0], CID_SCALING)
    assert set(default["scaling_list_4x4"].flat) == {16}
    for name, intra in (("scaling_list_8x8", 3), ("scaling_list_16x16", 3), ("scaling_list_32x32", 1)):
        for i, matrix in enumerate(default[name].reshape(-1, 8, 8)):
            assert (matrix == matrix.T).all()
            assert matrix[7, 7] == (115 if i < intra else 91)
            assert matrix[0].tolist() == [16, 16, 16, 16, 17, 18, 21 if i < intra else 20, 24]


def test_emulation_prevention():
    for coded, content in ((b"\0\0\3\1\0\0\3\0\0\3\3", b"\0\0\1\0\0\0\0\3"), (b"\1\0\3\0", b"\1\0\3\0"),
                           (b"\0\0\0\3\1", b"\0\0\0\1"), (b"\0\0\3\0\3", b"\0\0\0\3")):  # fmt: skip
        assert plain(coded) == content
        for count in range(len(content) + 1):
            length = coded_length(coded, count)
            assert plain(coded[:length]) == content[:count]


def test_units_without_an_end_are_not_kept(monkeypatch):
    from zcore.bitstream import annexb

    monkeypatch.setattr(annexb, "LARGEST", 100)
    errors = []
    stream = ByteStream(errors.append)
    assert stream.feed(b"\0\0\1" + b"x" * 60) == stream.feed(b"y" * 60) == []
    assert "more than 100 bytes" in str(errors[0])
    assert stream.feed(b"z\0\0\1\1\0\0\0\1\2") == [(3, b"\1")]
    assert stream.feed(b"\2\0\0\1\3\3") == [(3, b"\2\2")]
    assert stream.coming(9) == b"\3\3"
    assert stream.flush() == [(4, b"\3\3")]
    assert stream.flush() == []
