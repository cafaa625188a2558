"""The HEVC parser on headers with every tool, written here at random: FFmpeg's trace_headers says what is in them."""

import random
import re

import numpy as np
import pytest

from hevc_rig import PPS, SLICE, SPS, STRUCTURES, check_slice, structure_dtype, traced
from hevc_slice_writer import B, I, slice_unit
from hevc_writer import CRA, IDR, TRAIL_R, Writer, picture_set, sequence
from zcore.bitstream.annexb import plain
from zcore.bitstream.hevc import (
    CID_DECODE_PARAMS,
    CID_PPS,
    CID_SCALING,
    CID_SLICE_PARAMS,
    CID_SPS,
    HevcParser,
    pack_params,
    pack_slice,
)
from zcore.bitstream.hevc_dpb import SHORT, Dpb, Stored
from zcore.bitstream.hevc_pps import read_pps
from zcore.bitstream.hevc_scaling import DEFAULTS, diagonal
from zcore.bitstream.hevc_slice import read_slice
from zcore.bitstream.hevc_sps import read_sps

SEEDS = range(40)


def unpacked(control, content):
    return np.frombuffer(content, structure_dtype(STRUCTURES[control]))[0]


class Written:
    """Parameter sets and slices, and what FFmpeg reads of them."""

    def __init__(self, seed):
        rnd = random.Random(seed)
        self.sps_unit, self.s = sequence(rnd)
        self.pps_unit, self.p = picture_set(rnd, self.s)
        self.sps, self.pps = read_sps(plain(self.sps_unit[3:])), read_pps(plain(self.pps_unit[3:]))
        blocks = self.s.ctbs[0] * self.s.ctbs[1]
        self.slices = []  # unit, model of the picture's first slice, picture order count
        for number, kind in enumerate((IDR, TRAIL_R, TRAIL_R, TRAIL_R, CRA, TRAIL_R)):
            poc = 40 * number if number else 0
            unit, model = slice_unit(rnd, self.s, self.p, poc, kind)
            self.slices.append((unit, model, poc))
            at = 0
            for _ in range(rnd.randrange(3)):
                at = rnd.randint(at + 1, blocks - 1)
                unit, _ = slice_unit(rnd, self.s, self.p, poc, kind, False, model, bool(self.p.dependent) and
                                     rnd.random() < 0.5, at)  # fmt: skip
                self.slices.append((unit, model, poc))
                if at == blocks - 1:
                    break
        stream = self.s.vps + self.sps_unit + self.pps_unit + b"".join(unit for unit, _, _ in self.slices)
        sections = traced([(stream, 0, True)])
        self.read = [fields for name, fields in sections if name == SLICE]
        self.sps_read, self.pps_read = (next(f for name, f in sections if name == kind) for kind in (SPS, PPS))
        assert len(self.read) == len(self.slices)

    def parsed(self):
        """Give each slice with what FFmpeg reads of it; dependent ones have what the slice before them has."""
        before = None
        for (unit, model, poc), fields in zip(self.slices, self.read, strict=True):
            found = read_slice(plain(unit[3:]), {0: self.pps}, {0: self.sps}, before)
            if not found.dependent:
                before, whole = found, fields
            merged = {**whole, "num_entry_point_offsets": 0, **fields}
            yield unit, model, poc, found, {**merged, "widths": {**whole["widths"], **fields["widths"]}}


@pytest.fixture(params=SEEDS)
def written(request):
    return Written(request.param)


def test_parameter_sets(written):
    sps, pps, read = written.sps, written.pps, written.sps_read
    own = unpacked(CID_SPS, sps.pack())
    names = {"video_parameter_set_id": "sps_video_parameter_set_id", "seq_parameter_set_id": "sps_seq_parameter_set_id",
             "num_short_term_ref_pic_sets": "num_short_term_ref_pic_sets"}  # fmt: skip
    layer = read["sps_max_sub_layers_minus1"]
    for name in own.dtype.names:
        if name not in ("reserved", "flags"):
            text = names.get(name, name)
            assert own[name] == read.get(text, read.get(f"{text}[{layer}]", 0)), name
    assert sps.field_info == written.s.field_info == read.get("frame_field_info_present_flag", 0)
    assert [(list(one.before), list(one.after)) for one in sps.short_term] == written.s.sets
    assert (sps.long_term or []) == [(lsb, bool(used)) for lsb, used in written.s.long]
    window = [read.get(f"conf_win_{side}_offset", 0) for side in ("left", "right", "top", "bottom")]
    assert list(sps.window) == window
    own = unpacked(CID_PPS, pps.pack(sps))
    for name in own.dtype.names:
        if name not in ("reserved", "flags", "column_width_minus1", "row_height_minus1"):
            text = {"pic_parameter_set_id": "pps_pic_parameter_set_id"}.get(name, name)
            assert own[name] == written.pps_read.get(text, 0), name
    for field, count, all in (("column_width_minus1", written.p.columns, written.s.ctbs[0]),
                              ("row_height_minus1", written.p.rows, written.s.ctbs[1])):  # fmt: skip
        sizes = [int(size) + 1 for size in own[field][:count]] if written.p.tiles else [all]
        assert sum(sizes) == all
        if written.p.tiles and not written.p.uniform:
            assert sizes[:-1] == [1] * (count - 1)
        assert max(sizes) - min(sizes) <= 1 or not written.p.uniform
        assert not own[field][count:].any()


def test_scaling_lists(written):
    for found, lists in ((written.sps.scaling, written.s.lists), (written.pps.scaling, written.p.lists)):
        if lists is None:
            assert found in (None, DEFAULTS)
            continue
        for (size, matrix), one in lists.items():
            index = matrix // 3 if size == 3 else matrix
            values, dc = one
            if dc is None:  # the default of that matrix
                values, dc = DEFAULTS.lists[size][values // 3 if size == 3 else values], 16
            assert found.lists[size][index] == bytes(values)
            assert found.dc[size][index] == dc
        packed = unpacked(CID_SCALING, found.pack())
        for name, size in (("4x4", 0), ("8x8", 1), ("16x16", 2), ("32x32", 3)):
            for matrix, values in zip(packed[f"scaling_list_{name}"], found.lists[size], strict=True):
                side = 8 if size else 4
                assert matrix[side] == values[1]  # the second in the scan is below the first
                assert matrix[1] == values[2]
        assert packed["scaling_list_dc_coef_16x16"].tolist() == list(found.dc[2])
        assert packed["scaling_list_dc_coef_32x32"].tolist() == list(found.dc[3])


def test_diagonal_scan():
    assert diagonal(4) == [0, 4, 1, 8, 5, 2, 12, 9, 6, 3, 13, 10, 7, 14, 11, 15]


def test_slices(written):
    checked = 0
    for unit, model, poc, found, fields in written.parsed():
        known = {poc + delta for delta, _ in model.before + model.after}
        most = 1 << written.sps.poc_bits
        if len({at % most for at in [*known, *(at for at, _, _ in model.long)]}) < len(known) + len(model.long):
            continue  # the lowest bits name more than one picture, as in no stream
        checked += 1
        dpb = Dpb()
        dpb.pictures = [Stored(number, at, reference=SHORT) for number, at in enumerate(sorted(known), 1)]
        dpb.pictures += [Stored(number, at, reference=SHORT) for number, (at, _, _) in enumerate(model.long, 1000)]
        references, _ = dpb.begin(found, poc, found.idr)
        assert references.missing == 0
        params = unpacked(CID_DECODE_PARAMS, pack_params(found, references, poc))
        own = unpacked(CID_SLICE_PARAMS, pack_slice(found, unit[3:], len(unit), references, Stored(1, poc)))
        check_slice(own, fields, {**written.pps_read}, poc, dependent=found.dependent)
        assert own["colour_plane_id"] == fields.get("colour_plane_id", 0)
        assert len(plain(unit[3 : own["data_byte_offset"]])) * 8 == fields["bits"]
        assert found.pic_output == fields.get("pic_output_flag", 1)
        assert list(found.entry_points) == [fields[f"entry_point_offset_minus1[{i}]"] + 1
                                            for i in range(fields["num_entry_point_offsets"])]  # fmt: skip
        check_lists(own, params, found, model, poc)
        check_sizes(params, fields)
    assert checked


def check_lists(own, params, found, model, poc):
    sets = [[poc + delta for delta, used in part if used] for part in (model.before, model.after)]
    long = [at for at, used, _ in model.long if used]
    pocs = params["dpb"]["pic_order_cnt_val"]
    for name, wanted in zip(("st_curr_before", "st_curr_after", "lt_curr"), (*sets, long), strict=True):
        chosen = params[f"poc_{name}"][: params[f"num_poc_{name}"]]
        most = 1 << found.sps.poc_bits
        assert [int(pocs[i]) % most for i in chosen] == [at % most for at in wanted]
        assert {int(params["dpb"]["flags"][i]) for i in chosen} <= {int(name == "lt_curr")}
    assert params["num_active_dpb_entries"] == len(model.before + model.after) + len(model.long)
    for i in range(2 if found.slice_type == B else found.slice_type != I):
        pool = sets[i] + sets[1 - i] + long
        count = int(own[f"num_ref_idx_l{i}_active_minus1"]) + 1
        chosen = found.entries[i]
        wanted = [pool[place % len(pool)] for place in (chosen or range(count))]
        assert [int(pocs[place]) % most for place in own[f"ref_idx_l{i}"][:count]] == [at % most for at in wanted]


def check_sizes(params, fields):
    """Bits of the sets in the slice header: FFmpeg's elements lie between those with these names."""
    names = list(fields)
    if "short_term_ref_pic_set_sps_flag" not in names:
        assert params["short_term_ref_pic_set_size"] == params["long_term_ref_pic_set_size"] == 0
        return
    widths = fields["widths"]
    own = [name for name in names if name.startswith(("num_negative", "num_positive", "inter_ref_pic_set", "delta_idx",
                                                      "delta_rps", "abs_delta", "used_by_curr_pic_flag", "use_delta",
                                                      "delta_poc_s", "used_by_curr_pic_s"))]  # fmt: skip
    size = sum(widths[name] for name in own)
    assert params["short_term_ref_pic_set_size"] == size
    assert (size == 0) == bool(fields["short_term_ref_pic_set_sps_flag"])
    own = [name for name in names if name.startswith(("num_long_term", "lt_idx", "poc_lsb_lt", "used_by_curr_pic_lt",
                                                      "delta_poc_msb"))]  # fmt: skip
    assert params["long_term_ref_pic_set_size"] == sum(widths[name] for name in own)


@pytest.mark.parametrize(
    ("extension", "words"),
    [
        ("10000000" + "001000000", r"range extensions \(implicit_rdpcm\) are not supported"),
        ("00010000" + "1" * 20, r"screen content coding \(SCC\) is not supported"),
    ],
)
def test_unsupported_sequences_are_named(extension, words):
    rnd = random.Random(1)
    unit, s = sequence(rnd, extension=extension)
    sets, p = picture_set(rnd, s)
    parser = HevcParser()
    assert parser.feed(unit + sets + slice_unit(rnd, s, p, 0, IDR)[0]) + parser.flush() == []
    assert parser.damaged_units == 2  # the set, and the picture
    with pytest.raises(ValueError, match=words):
        raise parser.last_error


@pytest.mark.parametrize(
    ("extension", "words"),
    [
        ("10000000s1011", r"range extensions \(cross_component_prediction\) are not supported"),
        ("10000000s0100", r"range extensions \(chroma_qp_offset_list\) are not supported"),
        ("00010000" + "1" * 20, r"screen content coding \(SCC\) is not supported"),
    ],
)
def test_unsupported_pictures_are_named(extension, words):
    rnd = random.Random(1)
    _, s = sequence(rnd)
    unit, _ = picture_set(rnd, s, extension=extension)
    assert re.fullmatch(words, read_pps(plain(unit[3:])).unsupported)


def test_other_layers_are_passed_over():
    parser = HevcParser()
    w = Writer()
    w.u(8, 255)
    assert parser.feed(w.unit(IDR, layer=1) + w.unit(33, layer=5)) + parser.flush() == []
    assert parser.damaged_units == 0
