"""AV1 headers, against FFmpeg's reading of the same bits: an encoder's streams, and headers of random bits."""

import ctypes
import random
from fractions import Fraction

import pytest

from av1_made import DELIMITER, Writer, any_frame, any_sequence, obu, show_existing
from av1_rig import FILM_GRAIN, FRAME, SEQUENCE, agree, control, recorded, tiles, trace
from bitstream_rig import encode
from zcore.bitstream import av1
from zcore.bitstream.av1 import Av1Parser

SIZE = (128, 96)
SEEDS = range(24)
VARIANTS = {
    "plain": "",
    "grain-tiles": "film-grain=8:tile-columns=1:tile-rows=1",
    "low-delay-matrices": "pred-struct=1:enable-qm=1:qm-min=2",
    "screen": "scm=1",
    "open-groups": "irefresh-type=1:keyint=9",
    "lossless": "lossless=1",
    "segments": "aq-mode=1:enable-variance-boost=1",
    "switch-frames": "sframe-dist=5:pred-struct=1",
    "superres": "superres-mode=1:superres-denom=12:superres-kf-denom=12",
}


def made(variant, frames=24):
    options = {"svtav1_params": VARIANTS[variant]} if VARIANTS[variant] else {}
    return encode("libsvtav1", frames, SIZE, preset=8, **options)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.proves("dev-stateless-decoder:references")
def test_streams_are_read_as_ffmpeg_reads_them(variant, monkeypatch):
    """Each bit, each value; each packet shows one picture, in order; what is referred to was kept."""
    packets = made(variant)
    parser, alive, shown, compared = Av1Parser(), set(), [], 0
    by_number = {}
    for (data, _, _), theirs in zip(packets, trace(packets), strict=True):
        pictures, units = recorded(monkeypatch, parser, data)
        assert [unit.values["obu_type"] for unit in theirs] == [kind for kind, _, _ in units]
        for unit, (_, starts, bits) in zip(theirs, units, strict=True):
            assert not unit.error
            assert bits == unit.bits
            assert set(unit.starts) <= set(starts)
        headers = [unit.values for unit in theirs if unit.kind == "Frame Header"]
        assert len(headers) == len(pictures)
        for picture, values in zip(pictures, headers, strict=True):
            if values["show_existing_frame"]:
                assert (picture.number, picture.shown_now, len(picture.due)) == (0, True, 1)
            else:
                frame = by_number[picture.number] = control(picture, av1.CID_FRAME)
                grained = av1.CID_FILM_GRAIN in dict(picture.controls)
                assert grained == ("grain" in variant)
                grain = control(picture, av1.CID_FILM_GRAIN) if grained else None
                compared += agree(values, frame, grain)
                named = {time // 1000 for time in frame.reference_frame_ts} - {0}
                assert named <= alive
                if values["frame_type"] in (1, 3):
                    assert all(frame.reference_frame_ts[i] for i in frame.ref_frame_idx)
                assert picture.size == SIZE
                assert picture.key == (values["frame_type"] == 0)
                for entry in tiles(picture):
                    assert 0 < entry.tile_offset < entry.tile_offset + entry.tile_size <= len(picture.payload)
                assert entry.tile_offset + entry.tile_size == len(picture.payload)
                assert data.count(picture.payload) == 1
                alive.add(picture.number)
            assert set(picture.due) | set(picture.keep) <= alive
            alive = set(picture.keep)
            shown += picture.due
        assert len([number for picture in pictures for number in picture.due]) == 1
    assert (parser.damaged_units, parser.without_reference) == (0, 0)
    assert compared > 20 * len(packets)
    # Each is the picture of its time: SVT-AV1 numbers them so.
    assert [by_number[number].order_hint for number in shown] == [pts for _, pts, _ in packets]


def test_as_many_pictures_as_dav1d_gives():
    av = pytest.importorskip("av")
    packets = made("open-groups", 30)
    context = av.CodecContext.create("libdav1d", "r")
    frames = [frame for data, _, _ in packets for frame in context.decode(av.Packet(data))] + context.decode(None)
    parser = Av1Parser()
    pictures = [picture for data, _, _ in packets for picture in parser.feed(data)] + parser.flush()
    assert len(frames) == 30 == sum(len(picture.due) for picture in pictures)
    assert {(frame.width, frame.height) for frame in frames} == {SIZE}


@pytest.mark.parametrize("container", ["mp4", "webm", "ivf", "obu"])
def test_packets_of_containers(container, tmp_path):
    """MP4 and WebM leave out the temporal delimiters."""
    av = pytest.importorskip("av")
    packets, path = made("plain", 10), str(tmp_path / f"clip.{container}")
    with av.open(path, "w") as file:
        stream = file.add_stream("libsvtav1", rate=25)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        for data, pts, key in packets:
            packet = av.Packet(data)
            packet.stream, packet.time_base, packet.is_keyframe = stream, Fraction(1, 25), key
            packet.pts = packet.dts = pts
            file.mux(packet)
    parser = Av1Parser()
    with av.open(path) as file:
        pictures = [picture for packet in file.demux(video=0) if packet.size for picture in parser.feed(bytes(packet))]
    assert sum(len(picture.due) for picture in pictures) == 10
    assert (parser.damaged_units, parser.without_reference) == (0, 0)


def test_structures_are_as_large_as_the_kernels():
    assert [ctypes.sizeof(one) for one in (SEQUENCE, FRAME, FILM_GRAIN)] == [12, 1784, 194]
    assert (FRAME.global_motion.offset, FRAME.flags.offset, FRAME.reference_frame_ts.offset) == (1272, 1508, 1712)


@pytest.mark.parametrize("seed", SEEDS)
def test_random_headers_are_read_as_ffmpeg_reads_them(seed, monkeypatch):
    """All tools, at random: frame ids, decoder models, layers, short signaling, tiles of any size, global motion."""
    dice = random.Random(seed)
    parser = Av1Parser()
    packets = [(DELIMITER + obu(1, any_sequence(dice)), 0, True)]
    mine = [recorded(monkeypatch, parser, packets[0][0])]
    assert parser.damaged_units == 0
    any_size = seed % 4 == 0
    for n in range(10):
        prefix = dice.choice(["001", "0011", "010", "011", "000"]) if n else "0001"
        found = any_frame(dice, parser, prefix, any_size or not n)
        if found is None:
            continue
        packets.append((DELIMITER + found[0], n, False))
        mine.append(recorded(monkeypatch, parser, packets[-1][0]))
        at = dice.randrange(8)
        slot = parser.slots[at]
        if slot is not None and slot.showable and slot.number:
            header = show_existing(parser.sequence, at, slot.frame.current_frame_id)
            packets.append((DELIMITER + header, n, False))
            mine.append(recorded(monkeypatch, parser, packets[-1][0]))
    compared, slots = 0, [None] * 8
    for (pictures, units), theirs in zip(mine, trace(packets), strict=True):
        assert len(units) == len(theirs)
        for unit, (kind, starts, bits) in zip(theirs, units, strict=True):
            refused = kind == 6 and not pictures  # of another size, after its header was read
            if unit.error:
                # We go on with what is left, and mark it as damaged.
                assert "Missing reference frame needed for" in unit.error
                assert bits.startswith(unit.bits)
                return
            assert unit.bits.startswith(bits) if refused else unit.bits == bits
            assert {start for start in unit.starts if start < len(bits)} <= set(starts)
            assert len(unit.bits) - len(bits) <= 1
            if unit.kind != "Frame Header":
                continue
            if unit.values["show_existing_frame"]:
                shown = slots[unit.values["frame_to_show_map_idx"]]
                slots = [shown] * 8 if shown is None or shown[0].frame_type == 0 else slots
                continue
            if pictures:
                controls = dict(pictures[0].controls)
                grain = control(pictures[0], av1.CID_FILM_GRAIN) if av1.CID_FILM_GRAIN in controls else None
                frame = control(pictures[0], av1.CID_FRAME)
                compared += agree(unit.values, frame, grain)
                stays(unit.values, frame, grain, slots)
            for i in range(8):
                if unit.values.get("refresh_frame_flags", 255) >> i & 1:
                    slots[i] = (frame, grain) if pictures else None
    assert compared > 20


def stays(values, frame, grain, slots):
    """Whether what a frame does not tell is as in the frame that it builds on."""
    if grain is not None and values.get("update_grain") == 0 and slots[values["film_grain_params_ref_idx"]]:
        other = slots[values["film_grain_params_ref_idx"]][1]
        for name, *_ in FILM_GRAIN._fields_:
            if name not in ("flags", "grain_seed", "film_grain_params_ref_idx"):
                assert bytes_of(grain, name) == bytes_of(other, name), name
    primary = values.get("primary_ref_frame", 7)
    if primary == 7:
        if not values.get("loop_filter_delta_update"):
            assert list(frame.loop_filter.ref_deltas) == [1, 0, 0, 0, -1, 0, -1, -1]
        return
    known = slots[frame.ref_frame_idx[primary]]
    if known is None:  # it was refused
        return
    for i in range(8):
        if f"loop_filter_ref_deltas[{i}]" not in values and "loop_filter_sharpness" in values:
            assert frame.loop_filter.ref_deltas[i] == known[0].loop_filter.ref_deltas[i]
    if values["segmentation_enabled"] and not values["segmentation_update_data"]:
        assert bytes_of(frame.segmentation, "feature_data") == bytes_of(known[0].segmentation, "feature_data")
        assert bytes_of(frame.segmentation, "feature_enabled") == bytes_of(known[0].segmentation, "feature_enabled")
        SEEN.add("segments")
    if not values["segmentation_enabled"]:
        assert not any(bytes_of(frame.segmentation, "feature_enabled"))


def bytes_of(record, name):
    value = getattr(record, name)
    return value if isinstance(value, int) else bytes(value)


SEEN: set = set()


def read_first(data):
    """Read the sequence header of a packet."""
    parser = Av1Parser()
    parser.feed(data)
    return parser.sequence


def test_what_was_lost_is_replaced_by_what_is_there():
    """A frame whose tiles are lost: devices are never told of a picture that they do not have."""
    packets = encode("libsvtav1", 10, SIZE, preset=8, svtav1_params="pred-struct=1")
    parser, pictures, lost = Av1Parser(), [], 0
    for n, (data, _, _) in enumerate(packets):
        unit = next(unit for unit in av1.units(data) if unit.type == 6)
        reader = av1.HeaderReader(av1.Av1Bits(unit.payload), parser.sequence or read_first(data), parser.slots)
        reader.read()
        if n > 1 and not lost and reader.frame.refresh_frame_flags:
            w, lost = Writer(), n
            w.text = "".join(format(byte, "08b") for byte in unit.payload)[: reader.bits.position]
            data = DELIMITER + obu(3, w.bytes())
        pictures += parser.feed(data)
    assert lost
    assert parser.damaged_units == 1
    assert len(pictures) == 9
    assert not any(picture.damaged for picture in pictures[:lost])
    assert any(picture.damaged for picture in pictures[lost:])
    alive = {1}
    for picture in pictures[1:]:
        frame = control(picture, av1.CID_FRAME)
        named = [frame.reference_frame_ts[i] // 1000 for i in frame.ref_frame_idx]
        assert set(named) <= alive
        alive = (alive | {picture.number}) & set(picture.keep)
