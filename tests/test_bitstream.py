"""Parsers of coded streams, against encoders' settings and packets, and against noise."""

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitstream_rig import encode
from zcore.bitstream import BitstreamError
from zcore.bitstream.bits import Bits
from zcore.bitstream.h264 import CID_DECODE_PARAMS, CID_PPS, CID_SCALING, CID_SPS, PARAMS, H264Parser, plain
from zcore.bitstream.h264_dpb import ENTRY
from zcore.bitstream.h264_sets import FLAT, PPS, SPS, raster, read_pps, read_sps
from zcore.bitstream.vp8 import CID_VP8_FRAME, FRAME, BoolDecoder, Vp8Parser, partition_sizes

SIZE = (72, 40)  # no multiple of 16: the stream crops


def parsed(parser, packets):
    """Feed packets; gives the pictures."""
    pictures = [picture for packet, _, _ in packets for picture in parser.feed(packet)]
    return pictures + parser.flush()


def in_order_of_time(packets):
    """Numbers of the packets in the order of their times: what is to be shown, and when."""
    return [number + 1 for number, _ in sorted(enumerate(packets), key=lambda one: one[1][1])]


# Bits


def test_exp_golomb_codes():
    bits = Bits(bytes([0b10100110, 0b01000010, 0b10011000, 0b00000000]))
    assert [bits.ue() for _ in range(5)] == [0, 1, 2, 3, 4]
    bits = Bits(bytes([0b10100110, 0b01000010, 0b10011000]))
    assert [bits.se() for _ in range(5)] == [0, 1, -1, 2, -2]


def test_errors_name_the_bit():
    bits = Bits(b"\xff\x00\x00\x00\x00\x00")
    bits.u(8)
    with pytest.raises(BitstreamError, match=r"longer than 32 bits \(at bit 8\)") as caught:
        bits.ue()
    assert caught.value.bit == 8
    with pytest.raises(BitstreamError, match=r"9 bits are needed and 8 are left \(at bit 0\)"):
        Bits(b"\xff").u(9)
    with pytest.raises(BitstreamError, match="3 is more than the 2 that are allowed"):
        Bits(b"\x20").ue(2)


def test_emulation_prevention_is_taken_out():
    assert plain(b"\0\0\3\1\0\0\3\0\0\3\3") == b"\0\0\1\0\0\0\0\3"
    assert plain(b"\1\0\3\0") == b"\1\0\3\0"


# H.264


@pytest.mark.parametrize(
    ("options", "reorder"),
    [
        ({"g": 12, "bf": 2, "refs": 3}, 2),
        ({"g": 100, "bf": 3, "refs": 4, "b_pyramid": "normal", "weightp": 2}, 2),
        ({"profile": "baseline", "g": 5, "bf": 0}, 0),
        ({"bf": 1, "x264_params": "bframes=1:slices=3:cabac=0:8x8dct=1:cqm=jvt"}, 1),
    ],
    ids=["b-frames", "pyramid", "baseline", "slices"],
)
def test_h264_gives_what_the_encoder_made(options, reorder):
    packets = encode("libx264", 30, SIZE, preset="medium", **options)
    parser = H264Parser()
    pictures = parsed(parser, packets)
    decoded = [picture for picture in pictures if picture.number]
    assert parser.damaged_units == parser.without_reference == 0
    assert [picture.number for picture in decoded] == list(range(1, 31))
    assert [number for picture in pictures for number in picture.due] == in_order_of_time(packets)
    assert {picture.size for picture in decoded} == {SIZE}
    assert not any(picture.damaged for picture in decoded)
    assert parser.sps[0].reordered == reorder
    for picture, (packet, _, key) in zip(decoded, packets, strict=True):
        assert picture.key == key
        assert picture.payload in packet.replace(b"\0\0\0\1", b"\0\0\1") + b"\0\0\1"
        assert len(picture.keep) <= parser.sps[0].dpb_size + 1
        assert [id for id, _ in picture.controls] == [CID_SPS, CID_PPS, CID_SCALING, CID_DECODE_PARAMS]
        assert [len(content) for _, content in picture.controls] == [1048, 12, 480, 560]


def test_h264_references_were_kept():
    """What a picture may refer to was decoded before it, and nobody let go of it in between."""
    packets = encode("libx264", 40, SIZE, bf=3, refs=4, g=15, x264_params="b-pyramid=normal")
    alive = set()
    for picture in parsed(H264Parser(), packets):
        if picture.number:
            params = dict(picture.controls)[CID_DECODE_PARAMS]
            entries = [ENTRY.unpack_from(params, 32 * i) for i in range(16)]
            named = {entry[0] // 1000 for entry in entries if entry[-1]}
            assert named <= alive
            assert picture.key or named
            alive.add(picture.number)
        assert set(picture.due) <= alive
        assert set(picture.keep) <= alive
        alive = set(picture.keep)


def test_h264_in_pieces_of_any_size():
    packets = encode("libx264", 8, SIZE, bf=2)
    whole = parsed(H264Parser(), packets)
    stream = b"".join(packet for packet, _, _ in packets)
    for size in (1, 7, 500):
        pieces = [(stream[at : at + size], 0, False) for at in range(0, len(stream), size)]
        assert [one._replace(piece=0) for one in parsed(H264Parser(), pieces)] == [
            one._replace(piece=0) for one in whole
        ]


def test_h264_pictures_know_the_piece_in_which_they_begin():
    packets = encode("libx264", 8, SIZE, bf=2)
    pictures = parsed(H264Parser(), packets)
    assert [picture.piece for picture in pictures if picture.number] == list(range(1, 9))


def test_h264_parameter_sets_by_hand():
    """Baseline, level 1.1, order type 2, 5x3 macroblocks cut to 72x40; CAVLC, three references."""
    text = "010000101100000000001011" + "1" + "1" + "011" + "00100" + "0" + "00101" + "011" + "1" + "1"
    text += "1" + "1" + "00101" + "1" + "00101" + "0" + "1"
    # log2_max_frame_num 4, type 2, refs 3, no gaps, 4+1 wide, 2+1 high, frames only, direct 8x8, crop 0 4 0 4, no VUI
    data = int(text.ljust(-(-len(text) // 8) * 8, "0"), 2).to_bytes(-(-len(text) // 8), "big")
    sps = read_sps(data)
    assert (sps.profile, sps.level, sps.constraints) == (66, 11, 3)
    assert (sps.poc_type, sps.max_refs, sps.frame_num_bits, sps.size) == (2, 3, 4, SIZE)
    fields = SPS.unpack(sps.pack())
    assert fields[:12] == (66, 3, 11, 0, 1, 0, 0, 0, 2, 0, 3, 0)
    assert fields[-3:] == (4, 2, 0x10 | 0x40)
    text = "110010111000001101001011001"
    pps = read_pps(int(text.ljust(32, "0"), 2).to_bytes(4, "big"), {0: sps})
    assert PPS.unpack(pps.pack()) == (0, 0, 0, 2, 0, 0, 3, 0, -2, -2, 0x8)


def test_h264_scaling_lists_are_in_raster_order():
    packets = encode("libx264", 2, SIZE, x264_params="8x8dct=1:cqm=jvt")
    matrix = dict(parsed(H264Parser(), packets)[0].controls)[CID_SCALING]
    assert list(matrix[:16]) == [6, 13, 20, 28, 13, 20, 28, 32, 20, 28, 32, 37, 28, 32, 37, 42]
    assert list(matrix[96 + 64 : 96 + 64 + 8]) == [9, 13, 15, 17, 19, 21, 22, 24]
    flat = dict(parsed(H264Parser(), encode("libx264", 2, SIZE))[0].controls)[CID_SCALING]
    assert flat == raster(FLAT) == bytes([16]) * 480


def test_h264_begins_at_a_key_frame():
    packets = encode("libx264", 20, SIZE, g=8, bf=0, x264_params="scenecut=0")
    sets = packets[0][0][: packets[0][0].index(b"\0\0\1\x65") - 1]
    parser = H264Parser()
    pictures = parsed(parser, [(sets, 0, False), *packets[3:]])
    assert parser.without_reference == 5
    assert [picture.number for picture in pictures if picture.number] == list(range(1, 13))
    assert pictures[0].key
    assert not any(picture.damaged for picture in pictures)


def test_h264_lost_frame_is_told_until_the_next_key_frame():
    packets = encode("libx264", 20, SIZE, g=8, bf=0, refs=1, x264_params="scenecut=0")
    del packets[4]
    pictures = [picture for picture in parsed(H264Parser(), packets) if picture.number]
    assert [picture.damaged for picture in pictures] == [False] * 4 + [True] * 3 + [False] * 12


def test_h264_interlaced_is_refused_in_words():
    packets = encode("libx264", 4, SIZE, flags="+ildct+ilme", x264_params="tff=1")
    parser = H264Parser()
    pictures = parsed(parser, packets)
    fields = [picture for picture in pictures if picture.number]
    # x264 codes interlaced pictures as MBAFF frames, which are frames: these pass.
    assert len(fields) == 4
    flags = SPS.unpack(fields[0].controls[0][1])[-1]
    assert not flags & 0x10
    assert flags & 0x20


def test_h264_slices_without_parameters():
    parser = H264Parser()
    assert parsed(parser, [(b"\0\0\1\x65\x88\x84\0\0\1\x65\x88\x84\0\0\1", 0, False)]) == []
    assert parser.damaged_units == 2
    assert "picture parameters 0, which were not announced" in str(parser.last_error)


# VP8


def test_vp8_gives_what_the_encoder_was_told():
    packets = encode("libvpx", 20, SIZE, g=8, slices=4, b="500k", sharpness=3, auto_alt_ref=0, lag_in_frames=0)
    parser = Vp8Parser()
    pictures = parsed(parser, packets)
    assert parser.damaged_units == 0
    assert [picture.key for picture in pictures] == [key for _, _, key in packets]
    assert {picture.size for picture in pictures} == {SIZE}
    assert [number for picture in pictures for number in picture.due] == list(range(1, 21))
    for picture, (packet, _, key) in zip(pictures, packets, strict=True):
        assert picture.payload == packet
        ((id, content),) = picture.controls
        assert (id, len(content)) == (CID_VP8_FRAME, 1232)
        fields = FRAME.unpack(content)
        assert fields[12:22] == (2, 0, -2, -2, 4, -2, 2, 4, 0 if key else 3, fields[21])  # libvpx' own deltas
        width, height, *_, count, first, bits = fields[-24:-12]
        assert (width, height, count) == (*SIZE, 4)
        sizes = fields[-12:-4]
        assert (10 if key else 3) + first + 9 + sum(sizes) == len(packet)
        assert 0 < bits <= first * 8
        last, golden, alt, flags = fields[-4:]
        assert flags & 0x5 == (5 if key else 4)
        assert all(reference == 0 for reference in (last, golden, alt)) == key


def test_vp8_hidden_frames_are_kept_and_not_shown():
    packets = encode("libvpx", 40, SIZE, g=100, b="60k", auto_alt_ref=1, lag_in_frames=16, arnr_maxframes=5)
    pictures = parsed(Vp8Parser(), packets)
    alive = set()
    for picture in pictures:
        last, golden, alt, _ = FRAME.unpack(picture.controls[0][1])[-4:]
        assert {last // 1000, golden // 1000, alt // 1000} - {0} <= alive
        alive = (alive | {picture.number}) & set(picture.keep)
    assert len(pictures) == len(packets)
    assert sum(bool(picture.due) for picture in pictures) == 40


def test_vp8_begins_at_a_key_frame_and_skips_damage():
    packets = encode("libvpx", 12, SIZE, g=6, auto_alt_ref=0, lag_in_frames=0)
    parser = Vp8Parser()
    pictures = parsed(parser, packets[2:])
    assert parser.without_reference == 4
    assert pictures[0].key
    parser = Vp8Parser()
    packets[2] = (packets[2][0][:2], 2, False)
    pictures = parsed(parser, packets)
    assert parser.damaged_units == 1
    assert [picture.damaged for picture in pictures] == [False, False, True, True, True] + [False] * 6


def test_bool_decoder_reads_what_an_encoder_wrote():
    """The encoder of RFC 6386, section 7.3."""
    values = [(bool(n * 7919 % 11 < 4), n * 37 % 255 + 1) for n in range(500)]
    out, bottom, size, count = bytearray(), 0, 255, 24
    for bit, probability in values:
        split = 1 + (((size - 1) * probability) >> 8)
        bottom, size = (bottom + split, size - split) if bit else (bottom, split)
        while size < 128:
            size <<= 1
            if bottom & (1 << 31):
                place = len(out) - 1
                while out[place] == 255:
                    out[place], place = 0, place - 1
                out[place] += 1
            bottom = bottom << 1 & 0xFFFFFFFF
            count -= 1
            if not count:
                out.append(bottom >> 24)
                bottom, count = bottom & 0xFFFFFF, 8
    for _ in range(4):
        out.append(bottom >> 24 & 0xFF)
        bottom = bottom << 8 & 0xFFFFFFFF
    reader = BoolDecoder(bytes(out))
    assert [(reader.bit(p), p) for _, p in values[:300]] == values[:300]


def test_partitions():
    assert partition_sizes(b"\2\0\0\1\0\0\0\0\0xxyz", 0, 4) == (2, 1, 0, 1)
    with pytest.raises(BitstreamError, match="longer than the frame"):
        partition_sizes(b"\xff\0\0xx", 0, 2)


# Noise


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=300), st.sampled_from([b"", b"\0\0\1\x67", b"\0\0\1\x68", b"\0\0\1\x65", b"\0\0\1\x41"]))
def test_h264_noise(data, start):
    parser = H264Parser()
    parsed(parser, [(start + data, 0, False)])


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=300), st.booleans())
def test_vp8_noise(data, key):
    parser = Vp8Parser()
    parsed(parser, [(b"\x10\x02\x00\x9d\x01\x2a\x40\0\x30\0" + data if key else data, 0, False)] * 2)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_flipped_bits_never_do_more_than_count(data):
    codec, parser = data.draw(st.sampled_from([("libx264", H264Parser), ("libvpx", Vp8Parser)]))
    packets = STREAMS.setdefault(codec, encode(codec, 6, SIZE))
    broken = []
    for packet, time, key in packets:
        changed = bytearray(packet)
        for place in data.draw(st.lists(st.integers(0, min(len(packet), 200) - 1), max_size=3)):
            changed[place] ^= 1 << data.draw(st.integers(0, 7))
        broken.append((bytes(changed), time, key))
    numbers = [picture.number for picture in parsed(parser(), broken) if picture.number]
    assert numbers == list(range(1, len(numbers) + 1))


STREAMS: dict = {}
assert struct.calcsize("<HHiiHHiiiIIIII") == PARAMS.size
