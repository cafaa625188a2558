"""HEVC on the kernel's visl, which decodes nothing and prints the structures that it gets."""

import numpy as np
import pytest

import zcore
from hevc_rig import PPS, encode_hevc, pictures_of, structure, structure_dtype, traced
from test_stateless_visl import played
from testbed import drivers
from visl_trace import numbers, recorded
from zcore._v4l2_device import V4l2Device
from zcore._v4l2_ext_controls import get_raw, set_raw
from zcore.bitstream.hevc import (
    CID_DECODE_PARAMS,
    CID_ENTRY_POINTS,
    CID_PPS,
    CID_SCALING,
    CID_SLICE_PARAMS,
    CID_SPS,
    HevcParser,
)
from zcore.stages.stateless_codecs import CODECS

FLAGS = {
    "slice_sao_luma_flag", "slice_sao_chroma_flag", "slice_temporal_mvp_enabled_flag", "mvd_l1_zero_flag",
    "cabac_init_flag", "collocated_from_l0_flag", "slice_deblocking_filter_disabled_flag",
    "slice_loop_filter_across_slices_enabled_flag",
}  # fmt: skip
SIZE = (128, 96)
CAPS = "video/x-h265,stream-format=byte-stream,alignment=au"
EVENTS = {CID_SPS: "v4l2_ctrl_hevc_sps", CID_PPS: "v4l2_ctrl_hevc_pps", CID_SLICE_PARAMS: "v4l2_ctrl_hevc_slice_params",
          CID_DECODE_PARAMS: "v4l2_ctrl_hevc_decode_params"}  # fmt: skip


@pytest.fixture
def visl():
    with drivers.loaded("visl") as nodes:
        yield nodes.one("m2m").path


def parsed(packets):
    parser = HevcParser()
    pictures = [picture for packet, _, _ in packets for picture in parser.feed(packet)] + parser.flush()
    assert not parser.damaged_units
    return [picture for picture in pictures if picture.number]


def same(event, own, names):
    """Compare fields that visl printed with those of a structure; gives how many these were."""
    count = 0
    for name in names:
        if name not in event:
            continue
        count += 1
        wanted = own[name]
        if event[name].startswith("{"):
            assert numbers(event[name]) == wanted.astype(f"u{wanted.dtype.itemsize}").tolist(), name
        else:
            assert int(event[name]) == int(wanted), name
    return count


@pytest.mark.proves("dev-stateless-decoder:decoding", "dev-stateless-decoder:references")
def test_what_visl_is_told(visl):
    packets = encode_hevc(12, SIZE, bframes=2, ref=3, keyint=8, min_keyint=8, scenecut=0, open_gop=1, slices=2, ctu=16,
                          max_tu_size=16, scaling_list="default")  # fmt: skip
    with recorded("hevc") as seen:
        times, report = played(visl, "HEVC", CAPS, packets, SIZE)
    assert report.frames == 12
    assert times == [40_000_000 * n for n in range(1, 13)]  # each its own, in the order of showing
    pictures = parsed(packets)
    for control, name in EVENTS.items():
        dtype = structure_dtype(name.removeprefix("v4l2_ctrl_"))
        events = seen.of(name)
        assert len(events) == 12
        for event, picture in zip(events, pictures, strict=True):
            own = structure(picture, control, many=True)[0]
            fields = [field for field in dtype.names if field not in ("flags", "dpb", "pred_weight_table", "reserved")]
            assert same(event, own, fields) >= len(fields) - 4  # fields that it does not print
    # By the settings of the encoder and the times of its packets.
    sps, slices, params = (seen.of(EVENTS[one]) for one in (CID_SPS, CID_SLICE_PARAMS, CID_DECODE_PARAMS))
    assert {(one["pic_width_in_luma_samples"], one["pic_height_in_luma_samples"]) for one in sps} == {("128", "96")}
    assert all("SCALING_LIST_ENABLED" in one["flags"] and "SAMPLE_ADAPTIVE_OFFSET" in one["flags"] for one in sps)
    assert [int(one["pic_order_cnt_val"]) for one in params] == [time for _, time, _ in packets]
    keys = [n for n, (_, _, key) in enumerate(packets) if key]
    assert [n for n, one in enumerate(params) if "IRAP_PIC" in one["flags"]] == keys
    assert [n for n, one in enumerate(params) if "IDR_PIC" in one["flags"]] == keys[:1]
    assert [n for n, one in enumerate(slices) if one["slice_type"] == "2"] == keys
    entries = seen.of("v4l2_hevc_dpb_entry")
    assert len(entries) == 12 * 16
    for n, one in enumerate(params):
        for entry in entries[16 * n : 16 * n + int(one["num_active_dpb_entries"])]:
            number = int(entry["timestamp"]) // 1000
            assert 0 < number <= n
            assert packets[number - 1][1] == int(entry["pic_order_cnt_val"])
    sections = traced(packets)
    read = [group[0] for group in pictures_of(sections)]
    for event, fields in zip(slices, read, strict=True):
        flags = {name.removesuffix("_flag").upper() for name, value in fields.items() if name in FLAGS and value}
        flags |= {"COLLOCATED_FROM_L0"} if fields["slice_type"] == 1 else set()
        assert set(event["flags"].split("|")) - {""} == flags
    pps = next(fields for name, fields in sections if name == PPS)
    names = {name.removesuffix("_flag").upper() for name, value in pps.items() if name.endswith("_flag") and value}
    told = set(seen.of(EVENTS[CID_PPS])[0]["flags"].split("|"))
    assert "WEIGHTED_PRED" in told
    assert told == names - {"TRANSFORM_SKIP_ENABLED"}  # which visl does not print
    matrices = seen.of("v4l2_ctrl_hevc_scaling_matrix")
    assert {one["scaling_list_dc_coef_16x16"] for one in matrices} == {"{" + ",".join(["0x10"] * 6) + "}"}
    weights = [one["luma_log2_weight_denom"] for one in seen.of("v4l2_hevc_pred_weight_table")]
    own = [structure(picture, CID_SLICE_PARAMS, many=True)[0]["pred_weight_table"] for picture in pictures]
    assert list(map(int, weights)) == [int(one["luma_log2_weight_denom"]) for one in own]


@pytest.mark.proves("dev-stateless-decoder:resolution-change", "dev-stateless-decoder:initialization")
def test_of_another_size_and_depth(visl):
    options = {"bframes": 2, "ref": 2, "keyint": 8, "scenecut": 0, "repeat_headers": 1}
    packets = encode_hevc(4, SIZE, **options)
    packets += [(packet, time + 4, key) for packet, time, key in encode_hevc(4, (160, 96), "yuv420p10le", **options)]
    with recorded("hevc") as seen:
        times, report = played(visl, "HEVC", CAPS, packets, SIZE)
    assert report.frames == 8
    assert times == [40_000_000 * n for n in range(1, 9)]
    assert len(report.replanned) == 1
    assert "160x96 now" in report.replanned[0]
    sps = seen.of(EVENTS[CID_SPS])
    assert [(one["pic_width_in_luma_samples"], one["bit_depth_luma_minus8"]) for one in sps] == [("128", "0")] * 4 + [
        ("160", "2")
    ] * 4


def test_arrays_arrive_whole(visl):
    """Slices and entry points of one picture, by the kernel's own account of its controls."""
    packets = encode_hevc(2, SIZE, slices=3, wpp=1, ctu=16, max_tu_size=16, bframes=0)
    picture = parsed(packets)[1]
    controls = dict(picture.controls)
    assert len(controls[CID_SLICE_PARAMS]) == 3 * structure_dtype("hevc_slice_params").itemsize
    assert list(controls) == [CID_SPS, CID_PPS, CID_SLICE_PARAMS, CID_SCALING, CID_DECODE_PARAMS, CID_ENTRY_POINTS]
    with V4l2Device(visl) as device:
        assert CODECS["HEVC"].absent(device) == set()
        code, _, _ = set_raw(device, list(controls.items()))
        assert code == 0
        code, _, found = get_raw(device, [(id, len(content)) for id, content in controls.items()])
        assert code == 0
        assert found == list(controls.values())
        points = np.frombuffer(found[-1], np.uint32)
        slices = np.frombuffer(found[2], structure_dtype("hevc_slice_params"))
        assert len(points) == slices["num_entry_point_offsets"].sum() > 0


def test_pipeline_by_gstreamers_names(visl, tmp_path):
    """A file that is cut anywhere, of a size that nobody told before."""
    path = tmp_path / "in.h265"
    path.write_bytes(b"".join(packet for packet, _, _ in encode_hevc(9, SIZE, bframes=2, open_gop=1)))
    text = f"filesrc location={path} blocksize=700 ! v4l2slh265dec ! video/x-raw,format=NV12 ! appsink name=out"
    with recorded("hevc") as seen, zcore.launch(text) as chain:
        chain.start()
        sizes = [frame.size for frame in chain["out"]]
        chain.wait()
    assert sizes == [SIZE] * 9
    assert len(seen.of(EVENTS[CID_SPS])) == 9
