"""VP9 streams that miss frames, change their size, or are noise."""

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitstream_rig import encode
from vp9_rig import compressed, show_existing, superframe, uncompressed
from zcore.bitstream.vp9 import CID_VP9_FRAME, Vp9Parser
from zcore.controls import structure_dtype

SIZE, OTHER = (96, 64), (64, 96)
KEY, INTRA_ONLY, SUBSAMPLING = 1, 8, 0x180


def frame(**options):
    """Write a frame without pixels."""
    bias = options.get("bias", (0, 0, 0))
    coded, _, _ = compressed(
        random.Random(1), intra=options.get("key") or options.get("intra_only"), often=0,
        switchable=options.get("filter", 4) == 4, both=len(set(bias)) > 1,
    )  # fmt: skip
    return uncompressed(coded, **options) + b"\x01"


def key(size=SIZE, **options):
    return frame(key=True, size=size, **options)


def intra(size=SIZE, **options):
    return frame(intra_only=True, show=False, size=size, **options)


def fed(parser, *packets):
    """Feed packets; gives the pictures that are decoded, as (number, damaged)."""
    return [(one.number, one.damaged) for packet in packets for one in parser.feed(packet) if one.number]


def references(picture):
    fields = np.frombuffer(dict(picture.controls)[CID_VP9_FRAME], structure_dtype("vp9_frame"))[0]
    return [int(fields[f"{name}_frame_ts"]) // 1000 for name in ("last", "golden", "alt")]


def test_begins_at_a_key_frame():
    packets = [packet for packet, _, _ in encode("libvpx-vp9", 12, SIZE, g=6, lag_in_frames=0, cpu_used=8)]
    parser = Vp9Parser(40)
    assert parser.feed(packets[0])[0].number == 41
    parser = Vp9Parser()
    assert fed(parser, *packets[2:]) == [(n, False) for n in range(1, 7)]
    assert (parser.without_reference, parser.damaged_units) == (4, 0)
    assert parser.feed(show_existing(3))[0].due == [1]


def test_a_picture_that_is_missing_cannot_be_shown():
    parser = Vp9Parser()
    assert parser.feed(show_existing(3)) == []
    assert parser.without_reference == 1


def test_damage_goes_from_picture_to_picture():
    parser = Vp9Parser()
    assert fed(parser, key()) == [(1, False)]
    assert fed(parser, b"\x82\x49", b"\x00") == []
    assert parser.damaged_units == 2
    assert "are left" not in str(parser.last_error)
    assert fed(parser, frame(refresh=2, refs=(0, 0, 0))) == [(2, True)]
    # Probabilities are anew with these, but not pixels; then pixels are too.
    assert fed(parser, frame(refresh=4, refs=(0, 0, 0), resilient=True)) == [(3, True)]
    assert fed(parser, intra(refresh=0x30, reset=3)) == [(4, False)]
    assert fed(parser, frame(refresh=4, refs=(4, 5, 4), size=SIZE)) == [(5, False)]
    assert fed(parser, frame(refresh=8, refs=(4, 5, 0))) == [(6, True)]
    assert fed(parser, key()) == [(7, False)]


def test_damaged_probabilities_stay():
    parser = Vp9Parser()
    fed(parser, key())
    parser.feed(b"\x00")
    # An intra-only frame has good pixels, but builds on the probabilities of what is missing.
    assert fed(parser, intra(refresh=0x10)) == [(2, True)]
    assert fed(parser, intra(refresh=0x10, reset=3)) == [(3, False)]
    # What adapts to a damaged picture spoils them again.
    assert fed(parser, frame(refs=(0, 4, 4), refresh=0, refresh_ctx=True)) == [(4, True)]
    assert fed(parser, frame(refs=(4, 4, 4), refresh=0)) == [(5, True)]


def test_sizes_change_with_key_frames():
    parser = Vp9Parser()
    packets = key(), key(OTHER), frame(refs=(1, 2, 3))
    first, second, third = (picture for packet in packets for picture in parser.feed(packet))
    assert (first.size, second.size, third.size) == (SIZE, OTHER, OTHER)
    assert (first.keep, second.keep, third.keep) == ([1], [2], [2, 3])
    assert references(third) == [2, 2, 2]
    assert [picture.key for picture in (first, second, third)] == [True, True, False]


def test_references_of_another_size_are_refused_in_words():
    parser = Vp9Parser()
    assert fed(parser, key(), frame(refresh=1)) == [(1, False), (2, False)]
    assert fed(parser, frame(size=OTHER, refresh=2)) == []
    assert str(parser.last_error).startswith(
        "references of another size (96x64 for a frame of 64x96) are not supported"
    )
    assert (parser.without_reference, parser.damaged_units) == (1, 0)
    # Of that size too, by reference; what would have been there is missing, the rest is not.
    assert fed(parser, frame(refs=(1, 0, 0), refresh=4)) == []
    assert parser.without_reference == 2
    assert fed(parser, frame(refs=(0, 0, 3), resilient=True)) == [(3, False)]
    (picture,) = parser.feed(frame(refs=(1, 0, 3), found=1, resilient=True))
    assert (picture.damaged, references(picture)) == (True, [3, 3, 1])
    assert picture.size == SIZE
    assert fed(parser, key(OTHER)) == [(5, False)]


def test_intra_only_frames_of_another_size():
    parser = Vp9Parser()
    assert fed(parser, intra()) == []  # the start, with probabilities of before
    assert fed(parser, intra(reset=3, refresh=0x0F)) == [(1, False)]
    assert fed(parser, frame(refs=(0, 1, 2), refresh=1)) == [(2, False)]
    assert fed(parser, intra(OTHER)) == []
    assert "needs the probabilities before it" in str(parser.last_error)
    (picture,) = parser.feed(intra(OTHER, reset=3, refresh=0x03))
    assert (picture.size, picture.keep, picture.due) == (OTHER, [3], [])
    assert fed(parser, frame(refs=(2, 3, 2), refresh=0)) == []  # in buffers that are gone
    assert fed(parser, frame(refs=(0, 1, 0), resilient=True)) == [(4, False)]


def test_profiles_do_not_change_between_key_frames():
    parser = Vp9Parser()
    fed(parser, key(), frame(profile=1))
    assert "profile 1 that refers to frames of profile 0" in str(parser.last_error)
    assert fed(parser, key(profile=2, colour=(1, 1, 0))) == [(2, False)]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\x00\x00", "its first two bits are not 2"),
        (b"\xb8\x00", "profiles above 3 are not supported"),
        (b"\x82\x49\x83\x43" + bytes(20), "without its sync code"),
        (key(colour=(0, 7, 0)), "profile 0 has no RGB"),
        (key(profile=1, colour=(0, 1, 0, 1, 1)), "profile 1 has no 4:2:0"),
        (key()[:-1], "headers and tiles go on behind"),
        (key(tiles=(0, 2)) + b"\0\0\0\x40", "headers and tiles go on behind"),
        (uncompressed(b"\x80" + bytes(80), key=True, size=SIZE) + b"x", "the marker of the compressed header is set"),
        (uncompressed(b"", key=True, size=SIZE) + b"x", "the compressed header has no bytes"),
        (uncompressed(b"\x7f\xff", key=True, size=SIZE) + b"x", "longer than its 2 bytes"),
        (key()[:9], "are left"),
    ],
    ids=["marker", "profile4", "sync", "rgb", "4:2:0", "no-tile", "tiles", "bool-marker", "empty", "short", "cut"],
)
def test_damage_is_told_in_words(data, words):
    parser = Vp9Parser()
    assert parser.feed(data) == []
    assert words in str(parser.last_error)
    assert parser.damaged_units == 1


def test_a_damaged_frame_in_a_superframe_is_one():
    parser = Vp9Parser()
    packet = superframe(key(), b"\x00\x01", frame(refresh=2))
    assert fed(parser, packet) == [(1, False), (2, True)]
    assert parser.damaged_units == 1
    assert fed(parser, packet[:-2] + packet[-1:]) == []
    assert parser.damaged_units == 2
    assert parser.feed(b"") == []


# Noise


def assert_kernel_takes(picture):
    """Check what the kernel checks of a frame's control (validate_vp9_frame): a refusal would end the stream."""
    one = np.frombuffer(dict(picture.controls)[CID_VP9_FRAME], structure_dtype("vp9_frame"))[0]
    lf, quant, seg, profile = one["lf"], one["quant"], one["seg"], one["profile"]
    assert lf["level"] <= 63
    assert lf["sharpness"] <= 7
    assert max(map(abs, [*lf["ref_deltas"].tolist(), *lf["mode_deltas"].tolist()])) <= 63
    assert all(abs(int(quant[f"delta_q_{name}"])) <= 15 for name in ("y_dc", "uv_dc", "uv_ac"))
    assert (abs(seg["feature_data"].astype(int)) <= [255, 63, 3, 0]).all()
    assert (seg["feature_enabled"] <= 15).all()
    assert one["bit_depth"] in ((10, 12) if profile > 1 else (8,))
    assert (one["flags"] & SUBSAMPLING == SUBSAMPLING) == (profile in (0, 2))
    assert one["tile_cols_log2"] <= 6
    assert one["interpolation_filter"] <= 4
    assert max(one["reset_frame_context"], one["reference_mode"]) <= 2
    assert one["frame_context_idx"] <= 3
    assert dict(picture.controls)[CID_VP9_FRAME + 1][0] <= 4


def assert_sound(parser, packets):
    """Feed anything: numbers go on, and what is named was kept."""
    alive, last = set(), 0
    for packet in packets:
        for picture in parser.feed(packet):
            if picture.number:
                assert picture.number == last + 1
                last = picture.number
                assert_kernel_takes(picture)
                assert set(references(picture)) - {0} <= alive
                alive.add(last)
            assert set(picture.due) <= alive
            assert set(picture.keep) <= alive
            assert len(picture.keep) <= 8
            alive = set(picture.keep)
    return last


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=200), st.sampled_from([b"", b"\x82\x49\x83\x42\0\0\x50\0\x30\0", b"\x86\0\x40\x92", b"\x88"]))
def test_noise(data, start):
    assert_sound(Vp9Parser(), [key(), start + data, start + data, frame(), data])


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_flipped_bits_and_cuts(data):
    packets = STREAM or STREAM.extend(
        [*(packet for packet, _, _ in encode("libvpx-vp9", 5, SIZE, aq_mode=2, b="60k")), intra(reset=2),
         superframe(frame(show=False, refresh=0x80), frame(seg={"tree": [1] * 7, "data": [[1, -1, 2, 0]] * 8})),
         show_existing(7), key(OTHER), frame(size=OTHER)]
    ) or STREAM  # fmt: skip
    broken = []
    for packet in packets:
        changed = bytearray(packet)
        for place in data.draw(st.lists(st.integers(0, min(len(packet), 60) - 1), max_size=2)):
            changed[place] ^= 1 << data.draw(st.integers(0, 7))
        broken.append(bytes(changed[: data.draw(st.sampled_from([None, None, None, -1, 20, 3]))]))
    parser = Vp9Parser()
    assert_sound(parser, broken)
    assert assert_sound(Vp9Parser(), packets) == 10


STREAM: list = []
