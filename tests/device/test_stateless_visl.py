"""What stateless decoders are told, by the records of the kernel's visl, which prints what it gets."""

import struct

import pytest

import zcore
from bitstream_rig import encode
from testbed import drivers
from visl_trace import numbers, recorded
from zcore.bitstream.h264 import CID_DECODE_PARAMS, H264Parser
from zcore.bitstream.h264_dpb import ENTRY

SIZE = (128, 96)
LARGE = (640, 360)  # the least that it has for FWHT


@pytest.fixture
def visl():
    with drivers.loaded("visl") as nodes:
        yield nodes.one("m2m").path


def played(visl, codec, media, packets, size=SIZE):
    """Decode packets; gives times of what came out, and the report."""
    times = []
    sink = zcore.Callback(lambda frame: times.append(frame.timestamp_ns))
    source = zcore.AppSource(f"{media},width={size[0]},height={size[1]}", max_bytes=0)
    chain = zcore.Chain(source, zcore.StatelessDecode(visl, codec, format="NV12"), sink)
    with chain:
        chain.start()
        for packet, pts, _ in packets:
            source.push(packet, timestamp_ns=(pts + 1) * 40_000_000)
        source.end_of_stream()
        report = chain.wait()
    return times, report


@pytest.mark.proves("dev-stateless-decoder:decoding", "dev-stateless-decoder:references")
def test_h264(visl):
    packets = encode("libx264", 12, SIZE, bf=2, refs=3, g=8, b_pyramid="none", x264_params="scenecut=0:cabac=1")
    with recorded("h264") as seen:
        times, report = played(visl, "H264", "video/x-h264,stream-format=byte-stream", packets)
    assert report.frames == 12
    assert times == [40_000_000 * n for n in range(1, 13)]
    sps, pps = seen.of("v4l2_ctrl_h264_sps"), seen.of("v4l2_ctrl_h264_pps")
    params = seen.of("v4l2_ctrl_h264_decode_params")
    assert len(sps) == len(pps) == len(params) == 12
    assert {(one["pic_width_in_mbs_minus1"], one["pic_height_in_map_units_minus1"]) for one in sps} == {("7", "5")}
    assert {(one["profile_idc"], one["max_num_ref_frames"]) for one in sps} == {("100", "3")}
    assert all("FRAME_MBS_ONLY" in one["flags"] for one in sps)
    assert all("ENTROPY_CODING_MODE" in one["flags"] and "TRANSFORM_8X8_MODE" in one["flags"] for one in pps)
    # By the packets' own times: the order counts of a group of pictures go with them.
    keys = [n for n, (_, _, key) in enumerate(packets) if key]
    assert [n for n, one in enumerate(params) if "IDR_PIC" in one["flags"]] == keys
    for first, behind in zip(keys, [*keys[1:], 12], strict=True):
        for (_, pts, _), one in zip(packets[first:behind], params[first:behind], strict=True):
            assert int(one["top_field_order_cnt"]) == 2 * (pts - packets[first][1])
    # Everything that a picture may refer to was decoded before it, in this group.
    entries = seen.of("v4l2_h264_dpb_entry")
    assert len(entries) == 12 * 16
    for n in range(12):
        valid = [one for one in entries[16 * n : 16 * n + 16] if "VALID" in one.get("flags", "")]
        decoded = {number * 1000 for number in range(max(key for key in keys if key <= n) + 1, n + 1)}
        assert {int(one["reference_ts"]) for one in valid} <= decoded
        assert bool(valid) == (n not in keys)
    ours = [picture for packet, _, _ in packets for picture in PARSER.feed(packet)] + PARSER.flush()
    for n, picture in enumerate(one for one in ours if one.number):
        content = dict(picture.controls)[CID_DECODE_PARAMS]
        kernel = [int(one["reference_ts"]) for one in entries[16 * n : 16 * n + 16]]
        assert kernel == [ENTRY.unpack_from(content, 32 * i)[0] for i in range(16)]


PARSER = H264Parser()


@pytest.mark.proves("dev-stateless-decoder:resolution-change", "dev-stateless-decoder:initialization")
def test_h264_of_another_size(visl):
    """Pictures that wait to be shown come out before the buffers go."""
    options = {"bf": 2, "refs": 2, "g": 8, "x264_params": "scenecut=0"}
    packets = [*encode("libx264", 5, SIZE, **options)]
    packets += [(packet, pts + 5, key) for packet, pts, key in encode("libx264", 5, (160, 96), **options)]
    with recorded("h264") as seen:
        times, report = played(visl, "H264", "video/x-h264,stream-format=byte-stream", packets)
    assert len(times) == report.frames == 10
    assert len(report.replanned) == 1
    assert "160x96 now" in report.replanned[0]
    assert [one["pic_width_in_mbs_minus1"] for one in seen.of("v4l2_ctrl_h264_sps")] == ["7"] * 5 + ["9"] * 5


@pytest.mark.proves("dev-stateless-decoder:decoding")
def test_vp8(visl):
    packets = encode("libvpx", 8, SIZE, g=4, sharpness=3, slices=2, auto_alt_ref=0, lag_in_frames=0)
    with recorded("vp8") as seen:
        times, report = played(visl, "VP8", "video/x-vp8", packets)
    assert len(times) == report.frames == 8
    frames = seen.of("v4l2_ctrl_vp8_frame")
    assert len(frames) == 8
    for n, ((packet, _, key), one) in enumerate(zip(packets, frames, strict=True)):
        assert (one["width"], one["height"], one["num_dct_parts"]) == ("128", "96", "2")
        assert ("KEY_FRAME" in one["flags"]) == key
        assert "SHOW_FRAME" in one["flags"]
        assert int(one["first_part_size"]) == int.from_bytes(packet[:3], "little") >> 5
        start = 10 if key else 3
        sizes = numbers(one["dct_part_sizes"])
        assert start + int(one["first_part_size"]) + 3 + sum(sizes) == len(packet)
        assert one["last_frame_ts"] == ("0" if key else str(n * 1000))
        assert one["lf.sharpness_level"] == ("0" if key else "3")
        assert numbers(one["lf.ref_frm_delta"])[:2] == [2, 0]


def test_fwht_without_a_device_that_decodes(visl):
    header = struct.pack(">8s9I", b"OOOO\xff\xff\xff\xff", 3, *LARGE, 1 << 10 | 2 << 16 | 1 << 19, 3, 1, 2, 1, 100)
    behind = struct.pack(">8s9I", b"OOOO\xff\xff\xff\xff", 3, *LARGE, 2 << 16 | 1 << 19, 3, 1, 2, 1, 60)
    packets = [(header + bytes(100), 0, True), (behind + bytes(60), 1, False)]
    with recorded("fwht") as seen:
        times, _ = played(visl, "FWHT", "video/x-fwht", packets, LARGE)
    assert times == [40_000_000, 80_000_000]
    first, second = [text for _, fields in seen for text in fields.items()]
    flags = "I_FRAME|PIXENC_YUV|0x20000"
    rest = "colorspace 3 xfer_func 1 ycbcr_enc 2 quantization 1"
    assert first == ("backward_ref_ts", f"0 version 3 width 640 height 360 flags {flags} {rest}")
    assert second[1].startswith("1000 version 3 width 640 height 360 flags PIXENC_YUV")
