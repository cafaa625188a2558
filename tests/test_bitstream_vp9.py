"""The parser of VP9: against FFmpeg's words about each header, a second reader, and a writer of all there can be."""

import random

import numpy as np
import pytest

from bitstream_rig import encode
from vp9_rig import changes, compressed, hidden, show_existing, superframe, traced, uncompressed
from zcore.bitstream import BitstreamError
from zcore.bitstream.vp9 import CID_VP9_COMPRESSED_HDR, CID_VP9_FRAME, FRAME, Vp9Parser, split_superframe
from zcore.bitstream.vp9_compressed import AT
from zcore.controls import structure_dtype

SIZE = (136, 72)
FAST = {"deadline": "realtime", "cpu_used": 8, "lag_in_frames": 0}
FRAME_TYPE, HEADER_TYPE = structure_dtype("vp9_frame"), structure_dtype("vp9_compressed_hdr")
KEY, SHOW, RESILIENT, INTRA_ONLY, HIGH, REFRESH_CTX, PARALLEL, SUB_X, SUB_Y, FULL = (1 << n for n in range(10))


def parsed(packets, parser=None):
    """Feed packets; gives the parser and the pictures."""
    parser = parser or Vp9Parser()
    return parser, [picture for packet in packets for picture in parser.feed(packet)]


def control(picture):
    """Give the two structures of a picture."""
    assert [id for id, _ in picture.controls] == [CID_VP9_FRAME, CID_VP9_COMPRESSED_HDR]
    frame, header = (content for _, content in picture.controls)
    return np.frombuffer(frame, FRAME_TYPE)[0], np.frombuffer(header, HEADER_TYPE)[0]


def only(data, parser):
    """Feed what gives one picture; gives its structures."""
    (picture,) = parser.feed(data)
    assert parser.last_error is None
    return control(picture)


@pytest.fixture(scope="module")
def stream():
    options = {"g": 100, "b": "120k", "error_resilient": 1, **FAST}  # so no frame depends on whether others are shown
    return [packet for packet, _, _ in encode("libvpx-vp9", 9, SIZE, **options)]


def test_layouts():
    """Written down twice: as a number of bytes here, and from the kernel's header."""
    assert FRAME.size == FRAME_TYPE.itemsize == 168
    assert HEADER_TYPE.itemsize == 2040
    mv = HEADER_TYPE.fields["mv"]
    places = {name: HEADER_TYPE.fields[name][1] for name in HEADER_TYPE.names if name != "mv"}
    places |= {name: mv[1] + mv[0].fields[name][1] for name in mv[0].names}
    assert places == AT


# Encoders' streams


def expected(fields, last):
    """What FFmpeg's words about a frame mean for the kernel's structure; `last` = what stays from frame to frame."""
    get = fields.get
    intra = not get("frame_type") or get("intra_only", 0)
    if intra or get("error_resilient_mode"):
        last.update(ref=[1, 0, -1, -1], mode=[0, 0], data=np.zeros((8, 4), int), enabled=np.zeros(8, int), absolute=0)
    for n in range(4):
        last["ref"][n] = get(f"loop_filter_ref_deltas[{n}]", last["ref"][n])
    for n in range(2):
        last["mode"][n] = get(f"loop_filter_mode_deltas[{n}]", last["mode"][n])
    if get("segmentation_update_data"):
        last["absolute"] = get("segmentation_abs_or_delta_update")
        for place in np.ndindex((8, 4)):
            text = "[{}][{}]".format(*place)
            value = get(f"feature_value{text}", 0)
            last["data"][place] = -value if get(f"feature_sign{text}") else value
        last["enabled"] = np.array(
            [sum(get(f"feature_enabled[{n}][{m}]", 0) << m for m in range(4)) for n in range(8)], int
        )
    if get("segmentation_update_map"):
        last["tree"] = [get(f"segmentation_tree_probs[{n}].prob", 255) for n in range(7)]
        last["pred"] = [get(f"segmentation_pred_prob[{n}].prob", 255) for n in range(3)]
    names = ("segmentation_enabled", "segmentation_update_map", "segmentation_temporal_update",
             "segmentation_update_data")  # fmt: skip
    segments = sum(get(name, 0) << n for n, name in enumerate(names)) | last["absolute"] << 4
    low, high = get("profile_low_bit"), get("profile_high_bit")
    if intra and "color_space" not in fields:
        last["colour"] = 8, SUB_X | SUB_Y
    elif intra:
        last["colour"] = (
            12 if get("ten_or_twelve_bit") else 10 if high else 8,
            get("subsampling_x", int(not low)) * SUB_X | get("subsampling_y", int(not low)) * SUB_Y
            | get("color_range", 1) * FULL,
        )  # fmt: skip
    if "frame_width_minus_1" in fields:
        last["size"] = get("frame_width_minus_1"), get("frame_height_minus_1")
    flags = (KEY if not get("frame_type") else 0) | (SHOW if get("show_frame") else 0)
    flags |= get("error_resilient_mode") * RESILIENT | get("intra_only", 0) * INTRA_ONLY
    flags |= get("allow_high_precision_mv", 0) * HIGH | get("refresh_frame_context", 0) * REFRESH_CTX
    flags |= get("frame_parallel_decoding_mode", 1) * PARALLEL | last["colour"][1]
    raw = get("raw_interpolation_filter_type")
    return {
        "lf": {
            "ref_deltas": last["ref"], "mode_deltas": last["mode"], "level": get("loop_filter_level"),
            "sharpness": get("loop_filter_sharpness"),
            "flags": get("loop_filter_delta_enabled") | get("loop_filter_delta_update", 0) << 1,
        },
        "quant": {
            "base_q_idx": get("base_q_idx"), "delta_q_y_dc": get("delta_q_y_dc.delta_q", 0),
            "delta_q_uv_dc": get("delta_q_uv_dc.delta_q", 0), "delta_q_uv_ac": get("delta_q_uv_ac.delta_q", 0),
        },
        "seg": {
            "feature_data": last["data"], "feature_enabled": last["enabled"], "tree_probs": last["tree"],
            "pred_probs": last["pred"], "flags": segments,
        },
        "flags": flags, "compressed_header_size": get("header_size_in_bytes"),
        "uncompressed_header_size": (fields["end"] + 7) // 8,
        "frame_width_minus_1": last["size"][0], "frame_height_minus_1": last["size"][1],
        "render_width_minus_1": last["size"][0], "render_height_minus_1": last["size"][1],
        "ref_frame_sign_bias": sum(get(f"ref_frame_sign_bias[{n}]", 0) << n - 1 for n in (1, 2, 3)),
        "reset_frame_context": max(get("reset_frame_context", 0) - 1, 0),
        "frame_context_idx": get("frame_context_idx"), "profile": low | high << 1, "bit_depth": last["colour"][0],
        "interpolation_filter": 0 if intra else 4 if raw is None else (1, 0, 2, 3)[raw],
        "tile_cols_log2": get("tile_cols_log2"),
        "tile_rows_log2": get("tile_rows_log2") + get("increment_tile_rows_log2", 0),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("size", "options"),
    [
        (SIZE, {"g": 4, "b": "60k", "sharpness": 3, "cpu_used": 4, "frame_parallel": 0}),
        (SIZE, {"error_resilient": 1, "aq_mode": 3, "b": "50k", **FAST}),
        (SIZE, {"aq_mode": 2, "b": "50k", "cpu_used": 5}),
        (SIZE, {"lossless": 1, **FAST}),
        ((1030, 70), {"tile_columns": 2, "tile_rows": 2, **FAST}),
        (SIZE, {"pix_fmt": "yuv444p", **FAST}),
        (SIZE, {"pix_fmt": "yuv440p", **FAST}),
        (SIZE, {"pix_fmt": "gbrp", **FAST}),
    ],
    ids=["plain", "resilient", "segments", "lossless", "tiles", "4:4:4", "4:4:0", "rgb"],
)
def test_headers_say_what_ffmpeg_reads(size, options):
    packets = [packet for packet, _, _ in encode("libvpx-vp9", 7, size, **options)]
    parser, pictures = parsed(packets)
    words = traced(packets)
    assert len(pictures) == len(words) == len(packets) == 7
    assert parser.damaged_units == parser.without_reference == 0
    slots, last = [0] * 8, {"tree": [255] * 7, "pred": [255] * 3}
    for number, (picture, fields, packet) in enumerate(zip(pictures, words, packets, strict=True), 1):
        frame, _ = control(picture)
        want = expected(fields, last)
        assert {name: _plain(frame[name], want[name]) for name in want} == _plain(want, want)
        references = [0] * 3
        if fields["frame_type"]:
            references = [slots[fields[f"ref_frame_idx[{n}]"]] * 1000 for n in range(3)]
        assert [frame[f"{name}_frame_ts"] for name in ("last", "golden", "alt")] == references
        slots = [number if fields.get("refresh_frame_flags", 255) >> n & 1 else old for n, old in enumerate(slots)]
        assert set(picture.keep) == set(slots)
        assert (picture.number, picture.payload, picture.size) == (number, packet, size)
        assert (picture.due, picture.damaged, picture.key) == ([number], False, not fields["frame_type"])


def _plain(value, like):
    if isinstance(like, dict):
        return {name: _plain(value[name], part) for name, part in like.items()}
    return np.asarray(value).tolist()


@pytest.mark.parametrize("options", [{"b": "400k", "cpu_used": 2}, {"lossless": 1, **FAST}, {"b": "40k", **FAST}])
def test_compressed_headers_by_a_second_reader(options):
    """It reads to the end: an encoder ends with 32 zeros, and no more than what they need is left."""
    packets = [packet for packet, _, _ in encode("libvpx-vp9", 12, SIZE, **options)]
    _, pictures = parsed(packets)
    changed = 0
    for packet, picture in zip(packets, pictures, strict=True):
        frame, header = control(picture)
        intra, flags = bool(frame["flags"] & KEY), int(frame["flags"])
        start = int(frame["uncompressed_header_size"])
        lossless = not any(frame["quant"].tobytes())
        data = packet[start : start + int(frame["compressed_header_size"])]
        tx_mode, single, found, reader = changes(
            data + bytes(8), lossless, intra, frame["interpolation_filter"] == 4, False, bool(flags & HIGH)
        )
        assert [reader.bit(128) for _ in range(32)] == [0] * 32
        assert 0 <= len(data) * 8 - reader.at + 32 <= 40
        assert (header["tx_mode"], frame["reference_mode"]) == (tx_mode, single)
        # The kernel's order of fields is not that of the stream; what changes, changes once.
        everything = header.tobytes()[1:]
        assert sorted(value for value in everything if value) == sorted(value for value in found if value is not None)
        changed += sum(map(bool, everything))
    assert changed > 20 or "40k" in options.values()


# Everything that can be written


def _random_frame(rng, key, size, profile):
    """Choose values for each field of a frame."""
    optional = lambda value: value if rng.random() < 0.5 else None  # noqa: E731
    signed = lambda most: optional(rng.randint(-most, most) or 1)  # noqa: E731
    intra_only = not key and rng.random() < 0.3
    resilient = rng.random() < 0.3
    options = {
        "key": key, "show": not intra_only and rng.random() < 0.8, "resilient": resilient, "intra_only": intra_only,
        "reset": 0 if resilient else rng.randrange(4), "refresh": 255 if key else rng.randrange(256),
        "refs": tuple(rng.randrange(8) for _ in range(3)), "bias": tuple(rng.randrange(2) for _ in range(3)),
        "colour": (rng.randrange(2), rng.randrange(7 + (profile & 1)), rng.randrange(2), rng.randrange(2), 0),
        "found": rng.randrange(3),
        "size": size if key or intra_only else optional(size),
        "render": optional((rng.randint(1, 65536), rng.randint(1, 65536))), "high": rng.random() < 0.5,
        "filter": rng.randrange(5), "refresh_ctx": not resilient and rng.random() < 0.5,
        "parallel": resilient or rng.random() < 0.5, "ctx": rng.randrange(4), "level": rng.randrange(64),
        "sharpness": rng.randrange(8), "delta": rng.random() < 0.8,
        "deltas": optional([signed(63) for _ in range(6)]),
        "q": (rng.choice([0, rng.randrange(256)]), signed(15), signed(15), signed(15)),
        "tiles": (rng.randrange(4), rng.randrange(3)), "profile": profile, "width": size[0],
    }  # fmt: skip
    if rng.random() < 0.7:
        prob = lambda count: [optional(rng.randrange(256)) for _ in range(count)]  # noqa: E731
        tree = optional(prob(7))
        data = [[signed(255), signed(63), optional(rng.randrange(4)), optional(0)] for _ in range(8)]
        pred = optional(prob(3)) if tree else None
        options["seg"] = {"tree": tree, "pred": pred, "data": optional(data), "absolute": rng.random() < 0.5}
    return options


@pytest.mark.parametrize("seed", range(8))
def test_all_that_can_be_written_is_read(seed):
    rng = random.Random(seed)
    profile = seed % 4
    size = rng.choice([(64, 64), (513, 33), (2048, 200)])
    parser, packets, pictures, wants = Vp9Parser(), [], [], []
    for number in range(25):
        options = _random_frame(rng, number == 0, size, profile)
        coded, header, mode = compressed(
            rng, intra=options["key"] or options["intra_only"], lossless=not any(options["q"]),
            switchable=options["filter"] == 4, both=len(set(options["bias"])) > 1, high=options["high"],
        )  # fmt: skip
        rows, columns = min(options["tiles"][1], 2), options["tiles"][0]
        frame = uncompressed(coded, **options) + bytes([0, 0, 0, 1, 5]) * ((1 << rows + columns) - 1) + b"\x55"
        if rng.random() < 0.2:
            frame = superframe(frame, width=rng.choice([2, 3, 4]))
        packets.append(frame)
        pictures += parser.feed(frame)
        wants.append((header, mode))
    assert parser.last_error is None
    assert len(pictures) == 25
    last = {"tree": [255] * 7, "pred": [255] * 3}
    for fields, picture, (header, mode) in zip(traced(packets), pictures, wants, strict=True):
        frame, got = control(picture)
        want = expected(fields, last)
        for side, part in enumerate(("width", "height")):
            want[f"frame_{part}_minus_1"] = size[side] - 1
            want[f"render_{part}_minus_1"] = fields.get(f"render_{part}_minus_1", size[side] - 1)
        assert {name: _plain(frame[name], want[name]) for name in want} == _plain(want, want)
        assert frame["reference_mode"] == mode
        assert got.tobytes() == header.tobytes()


# Order and references


def test_hidden_frames_and_those_that_are_shown_later(stream):
    """Against FFmpeg's decoder: each picture that it shows is told by what it looks like."""
    av = pytest.importorskip("av")
    words = traced(stream)
    whole = _decoded(av, stream)
    assert len(set(whole)) == 9
    packets = [
        stream[0],
        superframe(hidden(stream[1], words[1], 0x80), stream[2]),
        stream[3],
        show_existing(7),
        superframe(hidden(stream[4], words[4], 0x40), hidden(stream[5], words[5]), stream[6], width=3),
        superframe(show_existing(6), stream[7]),
        superframe(hidden(stream[8], words[8], 0x20)),
        show_existing(5),
    ]
    parser, pictures = parsed(packets)
    assert parser.damaged_units == parser.without_reference == 0
    assert [picture.number for picture in pictures] == [1, 2, 3, 4, 0, 5, 6, 7, 0, 8, 9, 0]
    due = [number for picture in pictures for number in picture.due]
    assert due == [1, 3, 4, 2, 7, 5, 8, 9]
    assert [whole.index(one) + 1 for one in _decoded(av, packets)] == due
    assert [picture.shown_now for picture in pictures] == [not picture.number for picture in pictures]
    alive = set()
    for picture in pictures:
        if picture.number:
            frame, _ = control(picture)
            assert {int(frame[f"{name}_frame_ts"]) // 1000 for name in ("last", "golden", "alt")} - {0} <= alive
            alive.add(picture.number)
        assert set(picture.due) <= alive
        assert set(picture.keep) <= alive
        alive = set(picture.keep)


def _decoded(av, packets):
    decoder = av.CodecContext.create("vp9", "r")
    decoder.thread_count = 1
    frames = [frame for packet in packets for frame in decoder.decode(av.Packet(packet))] + decoder.decode(None)
    return [hash(frame.to_ndarray().tobytes()) for frame in frames]


def test_superframes():
    assert split_superframe(superframe(b"a" * 3, b"b" * 300, width=2)) == [b"a" * 3, b"b" * 300]
    assert split_superframe(b"ab\x20") == [b"ab\x20"]
    assert split_superframe(b"") == []
    with pytest.raises(BitstreamError, match="does not begin with its marker"):
        split_superframe(b"\x82xxxx" + bytes([0xC1]))
    with pytest.raises(BitstreamError, match="frame 1 of a superframe has 9 bytes, of 3"):
        split_superframe(b"aabbb\xc1\x02\x09\xc1")
