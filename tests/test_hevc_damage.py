"""The HEVC parser on streams that are cut, damaged, or begin in the middle; FFmpeg tells what is to be shown."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hevc_rig import decoded, encode_hevc, structure
from hevc_slice_writer import slice_unit
from hevc_writer import IDR, RASL_N, TRAIL_R, Writer, picture_set, sequence
from zcore.bitstream.annexb import START
from zcore.bitstream.hevc import (
    CID_DECODE_PARAMS,
    CID_ENTRY_POINTS,
    CID_PPS,
    CID_SCALING,
    CID_SLICE_PARAMS,
    CID_SPS,
    HevcParser,
)
from zcore.stages.stateless_codecs import without

CRA = 21
END_OF_SEQUENCE = b"\0\0\1\x48\x01"
OPEN = {"bframes": 3, "b_pyramid": 1, "open_gop": 1, "keyint": 8, "min_keyint": 8, "scenecut": 0, "repeat_headers": 1}


@pytest.fixture(scope="module")
def open_gops():
    """Groups of pictures that begin with CRA pictures, and pictures that build on what is before these."""
    packets = encode_hevc(26, **OPEN)
    assert RASL_N in [kinds(packet)[-1] for packet, _, _ in packets]
    return packets


@pytest.fixture(scope="module")
def closed_gops():
    return encode_hevc(20, **{**OPEN, "open_gop": 0})


def units(packet):
    return packet.replace(b"\0\0\0\1", START).split(START)[1:]


def kinds(packet):
    return [unit[0] >> 1 & 63 for unit in units(packet)]


def places(packets, *wanted):
    """Which packets are of these kinds."""
    return [place for place, (packet, _, _) in enumerate(packets) if kinds(packet)[-1] in wanted]


def fed(parser, packets):
    return [picture for packet, _, _ in packets for picture in parser.feed(packet)] + parser.flush()


def parsed(packets, parser=None):
    """Give the parser and its pictures, with the times of their packets."""
    parser = parser or HevcParser()
    pictures = fed(parser, packets)
    times = {}
    rest = list(packets)
    for picture in pictures:
        while picture.number and picture.number not in times:
            packet, time, _ = rest.pop(0)
            if packet.replace(b"\0\0\0\1", START).replace(END_OF_SEQUENCE, b"").endswith(picture.payload):
                times[picture.number] = time
    return parser, pictures, times


def shown(pictures, times):
    return [times[number] for picture in pictures for number in picture.due]


def as_ffmpeg_does(packets):
    """Compare what is shown; gives the parser and its pictures by time."""
    parser, pictures, times = parsed(packets)
    assert shown(pictures, times) == [time for time, _, _ in decoded(packets)]
    return parser, {times[picture.number]: picture for picture in pictures if picture.number}


def test_begins_at_a_key_frame_without_what_builds_on_pictures_before_it(open_gops):
    first, *_ = places(open_gops, CRA)
    parser, by_time = as_ffmpeg_does(open_gops[first - 2 :])
    assert parser.damaged_units == 2  # pictures before it, whose parameters were not announced
    assert parser.without_reference == 3  # those that go with it
    assert min(by_time) == 8
    assert by_time[8].key
    assert not any(picture.damaged for picture in by_time.values())


def test_end_of_sequence_makes_the_next_one_begin_anew(open_gops):
    _, second, _ = places(open_gops, CRA)
    packet, *rest = open_gops[second - 1]
    packets = [*open_gops[: second - 1], (packet + END_OF_SEQUENCE, *rest), *open_gops[second:]]
    parser, by_time = as_ffmpeg_does(packets)
    assert parser.damaged_units == 0
    params = {time: structure(picture, CID_DECODE_PARAMS) for time, picture in by_time.items()}
    assert params[16]["pic_order_cnt_val"] == 16  # its lowest bits: nothing counts from before
    assert params[16]["num_active_dpb_entries"] == 0


def test_pictures_that_the_stream_takes_back_are_not_shown(closed_gops):
    second = places(closed_gops, 19, 20)[1]
    packet, *rest = closed_gops[second]
    place = packet.rindex(units(packet)[-1]) + 2
    changed = packet[:place] + bytes([packet[place] | 0x40]) + packet[place + 1 :]  # no_output_of_prior_pics_flag
    packets = [*closed_gops[:second], (changed, *rest), *closed_gops[second + 1 :]]
    _, by_time = as_ffmpeg_does(packets)
    _, pictures, times = parsed(packets)
    assert len(shown(pictures, times)) == len(packets) - 2
    assert structure(by_time[8], CID_DECODE_PARAMS)["flags"] == 7
    alive = [number for picture in pictures for number in picture.keep if number > second]
    assert min(alive) == second + 1


def test_without_a_reference_frames_are_marked_as_damaged(closed_gops):
    lost = 5
    assert closed_gops[lost][1] == 7
    _, pictures, times = parsed(closed_gops[:lost] + closed_gops[lost + 1 :])
    damaged = [times[picture.number] for picture in pictures if picture.damaged]
    assert damaged == [6, 5]  # what builds on it, up to the next key frame
    for picture in pictures:
        if picture.damaged:
            params = structure(picture, CID_DECODE_PARAMS)
            named = [int(stamp) // 1000 for stamp in params["dpb"]["timestamp"][: params["num_active_dpb_entries"]]]
            assert set(named) <= set(range(1, picture.number))  # a neighbour stands for the one that is missing
            count = params["num_poc_st_curr_before"] + params["num_poc_st_curr_after"] + params["num_poc_lt_curr"]
            assert 0 < count <= params["num_active_dpb_entries"]


def test_lost_picture_that_nobody_needs(closed_gops):
    lost = places(closed_gops, 0)[0]
    _, by_time = as_ffmpeg_does(closed_gops[:lost] + closed_gops[lost + 1 :])
    assert not any(picture.damaged for picture in by_time.values())


def test_lost_slices():
    packets = encode_hevc(6, (160, 128), slices=3, bframes=0, ref=1, ctu=16, max_tu_size=16)
    first, second, third = units(packets[2][0])
    for left, error, coded in (
        (START + first + START + third, None, 6),
        (START + second + START + third, "first slice of a picture is missing", 5),
        (START + first + START + second[:2] + START + third, "a unit of 2 bytes", 6),
        (START + first + START + third + START + second, "does not belong behind the one before it", 6),
    ):
        parser = HevcParser()
        pictures = fed(parser, [*packets[:2], (left, 2, False), *packets[3:]])
        assert sum(bool(picture.number) for picture in pictures) == coded
        assert (error or "None") in str(parser.last_error)
        assert [picture.damaged for picture in pictures[:2]] == [False] * 2
        if error:
            assert all(picture.damaged for picture in pictures[2:coded])
        assert parser.damaged_units == (0 if error is None else 2 if coded == 5 else 1)


def test_another_size_comes_behind_all_that_waits(closed_gops):
    small = closed_gops[:10]
    large = [(packet, time + 100, key) for packet, time, key in encode_hevc(10, (96, 64), **OPEN)]
    parser, pictures, times = parsed(small + large)
    assert parser.damaged_units == 0
    assert shown(pictures, times) == sorted(time for _, time, _ in small + large)
    assert [picture.size for picture in pictures if picture.number] == [(72, 40)] * 10 + [(96, 64)] * 10
    place = next(n for n, picture in enumerate(pictures) if picture.size == (96, 64))
    before = [number for picture in pictures[: place + 1] for number in picture.due if number <= 10]
    assert sorted(before) == list(range(1, 11))


def test_another_size_without_a_key_frame_is_refused(closed_gops):
    other = encode_hevc(3, (96, 64), bframes=0, repeat_headers=1)
    sets = b"".join(START + unit for unit in units(other[0][0])[:3])
    parser, pictures, _ = parsed([*closed_gops[:3], (sets + other[1][0], 3, False)])
    assert [picture.number for picture in pictures] == [1, 2, 3, 0]
    assert "change without a key frame" in str(parser.last_error)


def test_flush_ends_a_stream(closed_gops):
    parser, first, _ = parsed(closed_gops[:5])
    _, again, _ = parsed(closed_gops[5:], parser)
    assert parser.without_reference == 3
    assert next(picture.number for picture in again if picture.number) == 6
    _, fresh, _ = parsed(closed_gops[:1], HevcParser(7))
    assert [picture.number for picture in fresh] == [8, 0]
    assert first[-1].number == 0


def test_controls_that_a_device_has_not_got(closed_gops):
    _, pictures, _ = parsed(closed_gops)
    for picture in without(pictures, {CID_SLICE_PARAMS, CID_ENTRY_POINTS}):
        if picture.number:
            assert [id for id, _ in picture.controls] == [CID_SPS, CID_PPS, CID_SCALING, CID_DECODE_PARAMS]


def test_slices_without_parameters():
    parser = HevcParser()
    assert parsed([(b"\0\0\1\x26\x01\xaf\x0c\0\0\1\x02\x01\xd0\0\0\1\x42\x01", 0, False)], parser)[1] == []
    assert parser.damaged_units == 3


def test_picture_structure_is_told():
    rnd = random.Random(5)
    while True:
        sps, s = sequence(rnd)
        if s.field_info:
            break
    pps, p = picture_set(rnd, s)
    stream = sps + pps
    for poc, kind, structure_ in ((0, IDR, 1), (1, TRAIL_R, 2), (2, TRAIL_R, None)):
        w = Writer()
        for value in (5, 2, 0xAAAA) if poc else ():  # another message before it, as long as it says
            w.u(8 if value < 256 else 16, value)
        w.u(16, 0x0101)
        w.u(8, (structure_ or 0) << 4)
        stream += w.unit(39) if structure_ is not None else b""
        stream += slice_unit(rnd, s, p, poc, kind)[0]
    parser = HevcParser()
    pictures = [picture for picture in parser.feed(stream) + parser.flush() if picture.number]
    assert [structure(picture, CID_SLICE_PARAMS)["pic_struct"] for picture in pictures][:2] == [1, 2]
    assert parser.damaged_units == 0


# Noise


STREAMS: dict = {}


def written_stream(seed):
    rnd = random.Random(seed)
    sps, s = sequence(rnd)
    pps, p = picture_set(rnd, s)
    stream = sps + pps
    for number in range(8):
        kind = CRA if number == 5 else TRAIL_R if number else IDR
        unit, model = slice_unit(rnd, s, p, 2 * number, kind)
        stream += unit
        if s.ctbs[0] * s.ctbs[1] > 4:
            stream += slice_unit(rnd, s, p, 2 * number, kind, False, model, bool(p.dependent), 2)[0]
    return [(stream, 0, True)]


def check(pictures):
    """What holds of every stream, however damaged."""
    numbers = [picture.number for picture in pictures if picture.number]
    assert numbers == list(range(1, len(numbers) + 1))
    due = [number for picture in pictures for number in picture.due]
    assert len(set(due)) == len(due)
    alive = set()
    for picture in pictures:
        assert len(picture.keep) <= 17
        assert len(picture.due) <= 20
        if picture.number:
            params = structure(picture, CID_DECODE_PARAMS)
            count = params["num_active_dpb_entries"]
            assert {int(stamp) // 1000 for stamp in params["dpb"]["timestamp"][:count]} <= alive
            for one in structure(picture, CID_SLICE_PARAMS, many=True):
                assert one["data_byte_offset"] * 8 <= one["bit_size"] <= len(picture.payload) * 8
                for name in ("l0", "l1"):
                    assert max(one[f"ref_idx_{name}"]) <= max(count, 1) - 1
            alive.add(picture.number)
        assert set(picture.due) <= alive
        assert set(picture.keep) <= alive
        alive = set(picture.keep)


@settings(max_examples=250, deadline=None)
@given(st.data())
def test_flipped_bits_and_cuts(data):
    name = data.draw(st.sampled_from(["open", "slices", *range(12)]))
    if name not in STREAMS:
        slices = {"slices": 3, "size": (96, 96), "bframes": 2, "ctu": 16, "max_tu_size": 16}
        options = {"open": OPEN, "slices": slices}
        STREAMS[name] = written_stream(name) if isinstance(name, int) else encode_hevc(14, **options[name])
    broken = []
    for packet, time, key in STREAMS[name]:
        changed = bytearray(packet)
        for _ in range(data.draw(st.integers(0, 3))):
            place = data.draw(st.integers(0, len(packet) - 1))
            changed[place] ^= 1 << data.draw(st.integers(0, 7))
        cut = data.draw(st.sampled_from([None, None, None, data.draw(st.integers(0, len(packet)))]))
        if data.draw(st.integers(0, 9)):
            broken.append((bytes(changed[:cut]), time, key))
    parser = HevcParser()
    check(fed(parser, broken))
    assert len(parser.dpb.pictures) == 0


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300), st.sampled_from([b"", b"B\1", b"D\1", b"&\1", b"\2\1", b"N\1\1"]))
def test_noise(data, start):
    sps, s = sequence(random.Random(2))
    pps, p = picture_set(random.Random(2), s)
    head = sps + pps + slice_unit(random.Random(2), s, p, 0, IDR)[0]
    parser = HevcParser()
    check(parser.feed(head + START + start + data) + parser.flush())
