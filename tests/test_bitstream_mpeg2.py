"""MPEG-2 for stateless decoders: against what an encoder was told, against its order of pictures, and against noise."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitstream_rig import encode
from zcore.bitstream.h264 import H264Parser
from zcore.bitstream.mpeg2 import (
    ALT_SCAN,
    CID_PICTURE,
    CID_QUANTISATION,
    CID_SEQUENCE,
    DEFAULT_INTRA,
    DEFAULT_OTHER,
    INTRA_VLC,
    PICTURE,
    PROGRESSIVE,
    SEQUENCE,
    Mpeg2Parser,
)

SIZE = (128, 96)
INTRA, PREDICTED, BOTH = 1, 2, 3


def parsed(parser, pieces):
    return [picture for piece in pieces for picture in parser.feed(piece)] + parser.flush()


def stream(frames=12, **options):
    return encode("mpeg2video", frames, SIZE, **{"bf": 2, "g": 6, **options})


def kind(picture):
    return PICTURE.unpack(dict(picture.controls)[CID_PICTURE])[7]


def test_what_the_encoder_was_told():
    packets = stream(dc=10)
    parser = Mpeg2Parser()
    pictures = [one for one in parsed(parser, [data for data, _, _ in packets]) if one.number]
    assert parser.damaged_units == parser.without_reference == 0
    assert len(pictures) == len(packets)
    assert [one.key for one in pictures] == [key for _, _, key in packets]
    for picture, (packet, _, _) in zip(pictures, packets, strict=True):
        controls = dict(picture.controls)
        width, height, vbv, level, chroma, flags = SEQUENCE.unpack(controls[CID_SEQUENCE])
        assert (width, height, chroma) == (*SIZE, 1) == (*picture.size, 1)
        assert level == 0x48  # main profile at main level
        assert flags == 1
        assert vbv
        *_, flags, f0, f1, f2, f3, _, structure, precision = PICTURE.unpack(controls[CID_PICTURE])
        assert structure == 3
        assert precision == 2
        assert not flags & INTRA_VLC
        assert flags & PROGRESSIVE
        assert not flags & ALT_SCAN
        assert all(1 <= code <= 9 or code == 15 for code in (f0, f1, f2, f3))
        assert controls[CID_QUANTISATION] == (DEFAULT_INTRA + DEFAULT_OTHER) * 2
        assert picture.payload[:4] == b"\0\0\1\1"
        assert picture.payload.count(b"\0\0\1") == SIZE[1] // 16  # a slice for each row of macroblocks
        assert picture.payload in packet


def test_order_is_that_of_the_times():
    packets = stream(20)
    pictures = parsed(Mpeg2Parser(), [data for data, _, _ in packets])
    shown = [number for picture in pictures for number in picture.due]
    assert shown == [n + 1 for n, _ in sorted(enumerate(packets), key=lambda one: one[1][1])]


def test_references_are_there_and_of_the_right_kind():
    alive, newest, older = set(), 0, 0
    for picture in parsed(Mpeg2Parser(), [data for data, _, _ in stream(20)]):
        if not picture.number:
            continue
        backward, forward, *_ = PICTURE.unpack(dict(picture.controls)[CID_PICTURE])
        assert (forward, backward) == {
            INTRA: (0, 0), PREDICTED: (newest * 1000, 0), BOTH: (older * 1000, newest * 1000)
        }[kind(picture)]  # fmt: skip
        assert {forward // 1000, backward // 1000} - {0} <= alive
        if kind(picture) != BOTH:
            older, newest = newest, picture.number
        alive = (alive | {picture.number}) & set(picture.keep)


def test_own_matrices_of_the_stream():
    first = stream(1)[0][0]
    at = first.index(b"\0\0\1\xb3") + 4
    head = int.from_bytes(first[at : at + 8], "big")
    assert head & 3 == 0  # the encoder has no matrices of its own
    intra, other = bytes(range(8, 72)), bytes(range(100, 164))
    bits = head >> 1 | 1
    for value in intra:
        bits = bits << 8 | value
    bits = bits << 1 | 1
    for value in other:
        bits = bits << 8 | value
    mine = first[:at] + bits.to_bytes(8 + 128, "big") + first[at + 8 :]
    (picture,) = [one for one in parsed(Mpeg2Parser(), [mine]) if one.number]
    assert dict(picture.controls)[CID_QUANTISATION] == (intra + other) * 2


@pytest.mark.parametrize("size", [1, 7, 100, 5000])
@pytest.mark.parametrize(("codec", "make"), [("mpeg2video", Mpeg2Parser), ("libx264", H264Parser)])
def test_pieces_of_any_size(codec, make, size):
    packets = encode(codec, 8, SIZE, bf=2, g=4)
    data = b"".join(packet for packet, _, _ in packets)
    whole = parsed(make(), [packet for packet, _, _ in packets])
    cut = parsed(make(), [data[at : at + size] for at in range(0, len(data), size)])
    assert [one._replace(piece=0) for one in cut] == [one._replace(piece=0) for one in whole]


@pytest.mark.parametrize(("codec", "make"), [("mpeg2video", Mpeg2Parser), ("libx264", H264Parser)])
def test_each_picture_knows_its_piece(codec, make):
    """Its time is that of the piece in which it began, though it is complete only when the next one comes."""
    packets = encode(codec, 8, SIZE, bf=2, g=4)
    pictures = [one for one in parsed(make(), [packet for packet, _, _ in packets]) if one.number]
    assert [one.piece for one in pictures] == list(range(1, 9))


def test_begins_at_a_key_frame():
    packets = [data for data, _, _ in stream(14)]
    parser = Mpeg2Parser()
    pictures = [one for one in parsed(parser, packets[1:]) if one.number]
    assert kind(pictures[0]) == INTRA
    assert parser.damaged_units + parser.without_reference >= 4
    assert "before the first sequence header" in str(parser.last_error)


def test_b_pictures_in_front_of_the_first_key_frame_are_left_out():
    packets = [data for data, _, _ in stream(16, g=6)]
    begin = next(n for n, data in enumerate(packets) if n and b"\0\0\1\xb3" in data)
    parser = Mpeg2Parser()
    kinds = [kind(one) for one in parsed(parser, packets[begin:]) if one.number]
    assert kinds[:2] == [INTRA, PREDICTED]
    assert parser.without_reference == 2


def test_damage_is_told_until_the_next_key_frame():
    packets = [data for data, _, _ in stream(18, bf=0, g=6)]
    broken = bytearray(packets[2])
    at = broken.index(b"\0\0\1\xb5")
    broken[at + 3] = 0xB4  # the coding extension is lost
    packets[2] = bytes(broken)
    parser = Mpeg2Parser()
    pictures = [one for one in parsed(parser, packets) if one.number]
    assert parser.damaged_units >= 1
    assert [one.damaged for one in pictures] == [False] * 2 + [True] * 3 + [False] * 12


def test_another_size_shows_first_what_waits():
    small = [data for data, _, _ in stream(4)]
    large = [data for data, _, _ in encode("mpeg2video", 4, (160, 96), bf=2)]
    pictures = parsed(Mpeg2Parser(), small + large)
    change = next(n for n, one in enumerate(pictures) if one.size == (160, 96))
    assert sorted(number for one in pictures[:change] for number in one.due) == [1, 2, 3, 4]
    assert [one.size for one in pictures if one.number] == [SIZE] * 4 + [(160, 96)] * 4


@pytest.mark.parametrize(
    ("codec", "says"), [("mpeg1video", "MPEG-1 is not supported"), ("mpeg2video", "single fields are not supported")]
)
def test_what_is_not_supported(codec, says):
    packets = [data for data, _, _ in encode(codec, 3, SIZE)]
    if codec == "mpeg2video":  # the coding extension says two bits: top field
        packets = [_of_a_field(data, data.rindex(b"\0\0\1\xb5")) for data in packets]
    parser = Mpeg2Parser()
    assert not [one for one in parsed(parser, packets) if one.number]
    assert parser.damaged_units >= 1
    assert says in str(parser.last_error) or parser.without_reference


def _of_a_field(data, at):
    changed = bytearray(data)
    changed[at + 6] = changed[at + 6] & 0xFC | 1
    return bytes(changed)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.sampled_from([0, 1, 0xB3, 0xB5, 0xB7, 0xB8]), st.binary(max_size=80)), max_size=8))
def test_noise(units):
    parsed(Mpeg2Parser(), [b"\0\0\1" + bytes([code]) + data for code, data in units])


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_flipped_bits_never_do_more_than_count(data):
    broken = []
    for packet in PACKETS or PACKETS.extend(one for one, _, _ in stream(6)) or PACKETS:
        changed = bytearray(packet)
        for place in data.draw(st.lists(st.integers(0, min(len(packet), 200) - 1), max_size=3)):
            changed[place] ^= 1 << data.draw(st.integers(0, 7))
        broken.append(bytes(changed))
    pictures = parsed(Mpeg2Parser(), broken)
    numbers = [one.number for one in pictures if one.number]
    assert numbers == list(range(1, len(numbers) + 1))
    shown = [number for one in pictures for number in one.due]
    assert sorted(shown) == numbers


PACKETS: list = []
