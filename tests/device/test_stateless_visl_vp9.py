"""What stateless decoders of VP9 are told, by the records of the kernel's visl, which prints what it gets."""

import random

import pytest

import zcore
from bitstream_rig import encode
from test_stateless_visl import played, visl  # noqa: F401
from visl_trace import dumped, numbers, recorded
from vp9_rig import compressed, hidden, show_existing, superframe, traced, uncompressed
from zcore.bitstream.vp9 import CID_VP9_COMPRESSED_HDR, Vp9Parser

SIZE = (128, 96)
FLAGS = ("KEY_FRAME", "SHOW_FRAME", "ERROR_RESILIENT", "INTRA_ONLY", "ALLOW_HIGH_PREC_MV", "REFRESH_FRAME_CTX",
         "PARALLEL_DEC_MODE", "X_SUBSAMPLING", "Y_SUBSAMPLING", "COLOR_RANGE_FULL_SWING")  # fmt: skip
FILTERS = ("EIGHTTAP_SMOOTH", "EIGHTTAP", "EIGHTTAP_SHARP", "BILINEAR")
MODES = ("ONLY_4X4", "ALLOW_8X8", "ALLOW_16X16", "ALLOW_32X32", "SELECT")


def stream(packets):
    """Give packets as `played` takes them, each with its time."""
    return [(packet, number, False) for number, packet in enumerate(packets)]


def of_pictures(packets):
    parser = Vp9Parser()
    return [picture for packet in packets for picture in parser.feed(packet) if picture.number]


def assert_same_header(one, coefficients, mv, content):
    """Compare what visl printed of a compressed header with a structure's bytes."""
    assert one["tx_mode"] == f"TX_MODE_{MODES[content[0]]}"
    order = ("tx8", "tx16", "tx32", "coef", "skip", "inter_mode", "interp_filter", "is_inter", "comp_mode",
             "single_ref", "comp_ref", "y_mode", "uv_mode", "partition", "joint", "sign", "classes", "class0_bit",
             "bits", "class0_fr", "fr", "class0_hp", "hp")  # fmt: skip
    at = 1
    for name in order:
        text = {**one, **coefficients, **mv}[name]
        found = dumped(text) if "0x" not in text else bytes(numbers(text))
        assert found == content[at : at + len(found)], name
        at += len(found)
    assert at == len(content) == 2040


@pytest.mark.proves("dev-stateless-decoder:decoding", "dev-stateless-decoder:references")
def test_vp9(visl):
    options = {"g": 5, "aq_mode": 3, "b": "60k", "error_resilient": 1, "sharpness": 2, "lag_in_frames": 0}
    plain = [packet for packet, _, _ in encode("libvpx-vp9", 7, SIZE, deadline="realtime", cpu_used=7, **options)]
    words = traced(plain)
    packets = [
        *plain[:2], superframe(hidden(plain[2], words[2], 0x80), plain[3]), plain[4], show_existing(7), *plain[5:],
    ]  # fmt: skip
    with recorded("vp9") as seen:
        times, report = played(visl, "VP9", "video/x-vp9", stream(packets))
    # The hidden picture comes with the time of what shows it.
    assert times == [40_000_000 * n for n in range(1, 8)]
    assert report.frames == 7
    frames, headers = seen.of("v4l2_ctrl_vp9_frame"), seen.of("v4l2_ctrl_vp9_compressed_hdr")
    coefficients, mvs = seen.of("v4l2_ctrl_vp9_compressed_coeff"), seen.of("v4l2_vp9_mv_probs")
    assert len(frames) == len(headers) == len(coefficients) == len(mvs) == 7
    slots = [0] * 8
    for n, (one, said) in enumerate(zip(frames, words, strict=True)):
        key = not said["frame_type"]
        assert (one["frame_width_minus_1"], one["frame_height_minus_1"]) == ("127", "95")
        assert (one["render_width_minus_1"], one["render_height_minus_1"]) == ("127", "95")
        flags = one["flags"].split("|")
        assert ("KEY_FRAME" in flags) == key == (n in (0, 5))
        assert ("SHOW_FRAME" in flags) == (n != 2)
        assert set(flags) <= set(FLAGS)
        assert {"ERROR_RESILIENT", "X_SUBSAMPLING", "Y_SUBSAMPLING", "PARALLEL_DEC_MODE"} <= set(flags)
        assert int(one["lf.level"]) == said["loop_filter_level"]
        assert int(one["lf.sharpness"]) == said["loop_filter_sharpness"]
        assert numbers(one["lf.ref_deltas"]) == [1, 0, 0xFF, 0xFF]
        assert int(one["quant.base_q_idx"]) == said["base_q_idx"]
        assert int(one["compressed_header_size"]) == said["header_size_in_bytes"]
        assert int(one["uncompressed_header_size"]) == (said["end"] + (n == 2) + 7) // 8
        assert ("ENABLED" in one["seg.flags"].split("|")) == bool(said["segmentation_enabled"])
        raw = said.get("raw_interpolation_filter_type")
        name = "EIGHTTAP" if key else "SWITCHABLE" if raw is None else FILTERS[raw]
        assert one["interpolation_filter"] == f"INTERP_FILTER_{name}"
        named = [slots[said[f"ref_frame_idx[{m}]"]] * 1000 for m in range(3)] if not key else [0] * 3
        assert [int(one[f"{name}_frame_ts"]) for name in ("last", "golden", "alt")] == named
        refresh = said.get("refresh_frame_flags", 255) | (0x80 if n == 2 else 0)
        slots = [n + 1 if refresh >> m & 1 else old for m, old in enumerate(slots)]
    assert any("UPDATE_MAP" in one["seg.flags"] for one in frames)
    for one, more, mv, picture in zip(headers, coefficients, mvs, of_pictures(packets), strict=True):
        assert_same_header(one, more, mv, dict(picture.controls)[CID_VP9_COMPRESSED_HDR])


@pytest.mark.proves("dev-stateless-decoder:decoding")
def test_vp9_that_no_encoder_here_makes(visl):
    """Headers that are written by the specification: 10 bits, compound references, contexts, what segments have."""
    rng = random.Random(9)
    packets, wants = [], []
    data = [[-200, None, 3, None], [17, -63, None, 0], *[[None] * 4] * 6]
    for options in (
        {"key": True, "size": SIZE, "colour": (0, 2, 1), "q": (255, -15, 15, 1), "tiles": (0, 2), "render": (60, 40)},
        {"refs": (0, 1, 2), "bias": (0, 0, 1), "filter": 2, "ctx": 3, "refresh_ctx": True, "parallel": False,
         "deltas": (-63, 63, None, 5, None, -1), "seg": {"tree": [9] * 7, "pred": [3, None, 4], "data": data}},
        {"intra_only": True, "show": False, "reset": 2, "ctx": 2, "size": SIZE, "colour": (0, 2, 1), "refresh": 0x80},
        {"refs": (0, 7, 2), "bias": (1, 0, 1), "reset": 0, "high": True, "level": 63, "sharpness": 7},
    ):  # fmt: skip
        coded, want, mode = compressed(
            rng, intra="size" in options, switchable="filter" not in options, both="bias" in options,
            high=options.get("high", False), often=0.5,
        )  # fmt: skip
        tiles = (b"\0\0\0\1x" * 3 if "tiles" in options else b"") + b"x"
        packets.append(uncompressed(coded, profile=2, **options) + tiles)
        wants.append((want.tobytes(), mode))
    with recorded("vp9") as seen:
        times, _ = played(visl, "VP9", "video/x-vp9", stream(packets))
    assert times == [40_000_000, 80_000_000, 160_000_000]
    frames = seen.of("v4l2_ctrl_vp9_frame")
    names = "ctrl_vp9_compressed_hdr", "ctrl_vp9_compressed_coeff", "vp9_mv_probs"
    parts = [seen.of(f"v4l2_{name}") for name in names]
    modes = [f"REFERENCE_MODE_{('SINGLE_REFERENCE', 'COMPOUND_REFERENCE', 'SELECT')[mode]}" for _, mode in wants]
    assert [one["reference_mode"] for one in frames] == modes
    for header, more, mv, (want, _) in zip(*parts, wants, strict=True):
        assert_same_header(header, more, mv, want)
    first, second, third, fourth = frames
    assert {(one["profile"], one["bit_depth"]) for one in frames} == {("2", "10")}
    assert first["tile_rows_log_2"] == "2"
    assert (first["render_width_minus_1"], first["render_height_minus_1"]) == ("59", "39")
    assert [first[f"quant.delta_q_{name}"] for name in ("y_dc", "uv_dc", "uv_ac")] == ["-15", "15", "1"]
    assert "COLOR_RANGE_FULL_SWING" in first["flags"]
    assert numbers(second["lf.ref_deltas"]) == [256 - 63, 63, 255, 5]
    assert numbers(second["lf.mode_deltas"]) == [0, 255]
    assert second["interpolation_filter"] == "INTERP_FILTER_EIGHTTAP_SHARP"
    assert second["frame_context_idx"] == "3"
    assert second["ref_frame_sign_bias"] == "SIGN_BIAS_ALT"
    assert second["seg.flags"] == "ENABLED|UPDATE_MAP|TEMPORAL_UPDATE|UPDATE_DATA"
    assert numbers(second["seg.tree_probs"]) == [9] * 7
    assert numbers(second["seg.pred_probs"]) == [3, 255, 4]
    assert numbers(second["seg.feature_enabled"]) == [5, 11, 0, 0, 0, 0, 0, 0]
    values = dumped(second["seg.feature_data"])
    assert values[:16] == b"".join(value.to_bytes(2, "little", signed=True) for value in (-200, 0, 3, 0, 17, -63, 0, 0))
    assert third["reset_frame_context"] == "RESET_FRAME_CTX_SPEC"
    assert "INTRA_ONLY" in third["flags"]
    assert [fourth[f"{name}_frame_ts"] for name in ("last", "golden", "alt")] == ["2000", "3000", "1000"]
    assert "ALLOW_HIGH_PREC_MV" in fourth["flags"]


@pytest.mark.proves("dev-stateless-decoder:resolution-change", "dev-stateless-decoder:initialization")
def test_vp9_of_another_size(visl):
    options = {"deadline": "realtime", "cpu_used": 8, "lag_in_frames": 0}
    first = [packet for packet, _, _ in encode("libvpx-vp9", 3, SIZE, **options)]
    packets = [*first, *(packet for packet, _, _ in encode("libvpx-vp9", 3, (160, 96), **options))]
    with recorded("vp9") as seen:
        times, report = played(visl, "VP9", "video/x-vp9", stream(packets))
    assert times == [40_000_000 * n for n in range(1, 7)]
    assert len(report.replanned) == 1
    assert "160x96 now" in report.replanned[0]
    widths = [one["frame_width_minus_1"] for one in seen.of("v4l2_ctrl_vp9_frame")]
    assert widths == ["127"] * 3 + ["159"] * 3


def test_vp9_in_a_pipeline(visl, tmp_path):
    """By the element's name, from a file that was made by another pipeline."""
    path = tmp_path / "in.webm"
    zcore.launch(
        "videotestsrc num-buffers=4 ! video/x-raw,format=I420,width=128,height=96,framerate=25/1 ! "
        f"vp9enc deadline=1 cpu-used=8 ! webmmux ! filesink location={path}"
    ).run()
    with zcore.launch(
        f"filesrc location={path} ! matroskademux ! v4l2slvp9dec device={visl} ! video/x-raw,format=NV12 ! "
        "appsink name=out"
    ) as chain:
        chain.start()
        sizes = [frame.size for frame in chain["out"]]
        chain.wait()
    assert sizes == [SIZE] * 4
