"""AV1: references, motion, tiles, layers and damage, by rule."""

import random
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from av1_made import DELIMITER, Writer, any_frame, obu, sequence, show_existing
from av1_rig import control, tiles
from bitstream_rig import encode
from zcore.bitstream import BitstreamError, av1
from zcore.bitstream.av1 import Av1Parser, units
from zcore.bitstream.av1_motion import PLAIN, GlobalMotion, frame_refs, skip_mode_frames, warp_valid
from zcore.bitstream.av1_sequence import Av1Bits, read_sequence

SIZE = (128, 96)


# Numbers


def test_numbers():
    assert [Av1Bits(b"\xe5\x8e\x26").leb128(), Av1Bits(b"\x00").leb128()] == [624485, 0]
    with pytest.raises(BitstreamError, match="more than 8 bytes"):
        Av1Bits(b"\x80" * 9).leb128()
    with pytest.raises(BitstreamError, match="more than 32 bits"):
        Av1Bits(b"\xff\xff\xff\xff\x7f").leb128()
    assert [Av1Bits(bytes([n << 1])).su(7) for n in (0, 63, 64, 127)] == [0, 63, -64, -1]
    for count in (1, 2, 5, 8, 13):
        for value in range(count):
            w = Writer()
            w.ns(count, value)
            assert Av1Bits(w.bytes()).ns(count) == value
    assert [Av1Bits(data).uvlc() for data in (b"\x80", b"\x50", b"\x38", b"\0\0\0\0\xff")] == [0, 1, 6, (1 << 32) - 1]


# References


def spec_frame_refs(distance, order_hint, hints, last, gold):
    """The set frame refs process (7.8), step by step; order hints of 7 bits."""
    idx, used = [-1] * 7, [False] * 8
    idx[0], idx[3] = last, gold
    used[last] = used[gold] = True
    shifted = [64 + distance(hint, order_hint) for hint in hints]

    def find(allowed, better):
        ref, best = -1, 0
        for i in range(8):
            if not used[i] and allowed(shifted[i]) and (ref < 0 or better(shifted[i], best)):
                ref, best = i, shifted[i]
        return ref

    def take(place, ref):
        if ref >= 0:
            idx[place] = ref
            used[ref] = True

    take(6, find(lambda hint: hint >= 64, lambda hint, best: hint >= best))
    take(4, find(lambda hint: hint >= 64, lambda hint, best: hint < best))
    take(5, find(lambda hint: hint >= 64, lambda hint, best: hint < best))
    for place in (1, 2, 4, 5, 6):
        if idx[place] < 0:
            take(place, find(lambda hint: hint < 64, lambda hint, best: hint >= best))
    used = [False] * 8
    ref = find(lambda hint: True, lambda hint, best: hint < best)
    return [ref if one < 0 else one for one in idx]


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 127), st.lists(st.integers(-20, 20), min_size=8, max_size=8), st.data())
def test_references_of_two_that_are_told(hint, distances, data):
    s = read_sequence(Av1Bits(sequence()))
    hints = [(hint + one) % 128 for one in distances]
    last, gold = data.draw(st.integers(0, 7)), data.draw(st.integers(0, 7))
    if distances[last] >= 0 or distances[gold] >= 0:
        with pytest.raises(BitstreamError, match="not in the past"):
            frame_refs(s, hint, hints, last, gold)
    else:
        assert frame_refs(s, hint, hints, last, gold) == spec_frame_refs(s.distance, hint, hints, last, gold)


@pytest.mark.parametrize(
    ("distances", "frames"),
    [
        ((-1, -2, -3, -4, 3, 2, 5), (1, 6)),  # nearest before and nearest after
        ((3, -9, -2, 8, 8, 8, 8), (1, 3)),  # in the order of references
        ((-1, -2, -3, -4, -1, -7, -9), (1, 2)),  # all before: the two nearest times
        ((-1, -1, -1, -1, -1, 0, 0), None),
        ((1, 2, 3, 0, 0, 0, 0), None),
    ],
)
def test_what_to_skip_with(distances, frames):
    s = read_sequence(Av1Bits(sequence()))
    assert skip_mode_frames(s, 5, [(5 + one) % 128 for one in distances]) == frames


# Global motion


def write_near(w, value, near, most):
    """The inverse of decode_signed_subexp_with_ref(-most, most + 1, near)."""
    count, x, r = 2 * most + 1, value + most, near + most
    if r << 1 > count:
        x, r = count - 1 - x, count - 1 - r
    v = x if x > 2 * r else 2 * (r - x) - 1 if x < r else 2 * (x - r)
    i = start = 0
    while True:
        width = 3 + i - 1 if i else 3
        if count <= start + 3 * (1 << width):
            w.ns(count - start, v - start)
            return
        if v < start + (1 << width):
            w(1, 0)
            w(width, v - start)
            return
        w(1, 1)
        start += 1 << width
        i += 1


@settings(max_examples=100, deadline=None)
@given(st.data(), st.booleans())
def test_global_motion_is_read_as_it_was_written(data, high):
    w, wanted, before = Writer(), GlobalMotion(), GlobalMotion()
    for ref in range(1, 8):
        alphas = [data.draw(st.integers(-4096, 4096)) for _ in range(4)]
        moves = [data.draw(st.integers(-512 << 3, 512 << 3)) for _ in range(2)]
        old = [n << 10 for n in moves[::-1]] + [(n << 1) + one for n, one in zip(alphas[::-1], PLAIN[2:], strict=True)]
        before.params[ref] = tuple(old)
        kind = data.draw(st.integers(0, 3))
        w(1, kind > 0)
        if not kind:
            continue
        w(1, kind == 2)
        if kind != 2:
            w(1, kind == 1)
        params = list(PLAIN)
        for i in ((), (), (2, 3), (2, 3, 4, 5))[kind]:
            params[i] = (alphas[i - 2] << 1) + PLAIN[i]
            write_near(w, alphas[i - 2], (old[i] >> 1) - (PLAIN[i] >> 1), 4096)
        if kind == 2:
            params[4:] = -params[3], params[2]
        for i in (0, 1):
            width, precision = (9 - (not high), 3 - (not high)) if kind == 1 else (12, 6)
            value = max(-(1 << width), min(1 << width, moves[i]))
            params[i] = value << 16 - precision
            write_near(w, value, old[i] >> 16 - precision, 1 << width)
        wanted.params[ref], wanted.type[ref] = tuple(params), kind
    bits = Av1Bits(w.bytes())
    motion = GlobalMotion()
    motion.read(bits, before.params, high)
    assert (motion.params, motion.type, bits.position) == (wanted.params, wanted.type, len(w.text))


def test_transforms_that_cannot_be_two_shears():
    one = 1 << 16
    assert warp_valid(PLAIN)
    assert warp_valid((0, 0, one + 8191, 0, 0, one))
    assert not warp_valid((0, 0, one + 16384, 0, 0, one))  # 4 * alpha
    assert warp_valid((0, 0, one, 9000, 0, one))
    assert not warp_valid((0, 0, one, 9400, 0, one))  # 7 * beta
    assert not warp_valid((0, 0, one, 0, 16384, one))  # 4 * gamma
    assert not warp_valid((0, 0, one, 0, 0, one - 16384))  # 4 * delta
    assert warp_valid((0, 0, one, 4000, 12000, one + 732))
    assert not warp_valid((0, 0, 0, 0, 0, one))
    assert not warp_valid((0, 0, -one, 0, 0, one))


# Units


def started(parser, **options):
    """Feed a sequence header and a key frame of one tile or more; gives its picture."""
    parser.feed(DELIMITER + obu(1, sequence(**options)))
    dice = random.Random(5)
    found = any_frame(dice, parser, "0001", ones=0.3)
    (picture,) = parser.feed(found[0])
    return picture


def key_with_tiles(least=4):
    """Give the sequence header and a key frame of several tiles, in parts: header and frame."""
    parser = Av1Parser()
    head = DELIMITER + obu(1, sequence(size=(1024, 512), grain=0))
    parser.feed(head)
    for seed in range(100):
        unit, frame = any_frame(random.Random(seed), parser, "0001", ones=0.5)
        if least <= frame.tiles.count < 40:
            return head, unit, frame
    raise AssertionError("no such frame")


def header_of(unit, frame):
    """Give the payload of a frame header unit, from a frame unit."""
    (found,) = units(unit)
    parser = Av1Parser()
    parser.feed(obu(1, sequence(size=(1024, 512), grain=0)))
    bits = Av1Bits(found.payload)
    reader = av1.HeaderReader(bits, parser.sequence, [None] * 8)
    reader.read()
    w = Writer()
    w.text = "".join(format(byte, "08b") for byte in found.payload)[: bits.position]
    return w.bytes()


def group(tiles, first, last):
    """Give a tile group unit with some of the tiles, of which tile n has n + 1 bytes."""
    w = Writer()
    w(1, 1)
    w(tiles.bits, first)
    w(tiles.bits, last)
    data = w.bytes(trailing=False)
    for n in range(first, last + 1):
        data += b"" if n == last else n.to_bytes(tiles.size_bytes, "little")
        data += bytes([n + 1]) * (n + 1)
    return obu(4, data)


def test_tiles_in_several_groups():
    head, unit, frame = key_with_tiles()
    header = header_of(unit, frame)
    n = frame.tiles.count
    groups = [group(frame.tiles, 0, 1), group(frame.tiles, 2, n - 1)]
    parser = Av1Parser()
    redundant = obu(7, header)
    (picture,) = parser.feed(
        head + obu(3, header) + groups[0] + redundant + obu(5, b"\1meta") + groups[1] + obu(15, b"x")
    )
    assert (parser.damaged_units, parser.without_reference) == (0, 0)
    assert picture.payload == obu(3, header) + b"".join(groups)
    entries = tiles(picture)
    assert [(one.tile_row, one.tile_col) for one in entries] == [divmod(i, len(frame.tiles.widths)) for i in range(n)]
    assert [one.tile_size for one in entries] == [i + 1 for i in range(n)]
    for i, one in enumerate(entries):
        assert picture.payload[one.tile_offset :][: one.tile_size] == bytes([i + 1]) * (i + 1)
    # The same, unit by unit, and the last one without its size.
    parser = Av1Parser()
    last = bytes([4 << 3]) + next(units(groups[1])).payload
    found = [p for part in (head, obu(3, header), groups[0], last) for p in parser.feed(part)]
    assert [len(tiles(one)) for one in found] == [n]


@pytest.mark.parametrize("parts", [(1,), (0, 0), (0,), ()], ids=["first-missing", "twice", "last-missing", "none"])
def test_tiles_that_are_missing(parts):
    head, unit, frame = key_with_tiles()
    header = header_of(unit, frame)
    n = frame.tiles.count
    groups = [group(frame.tiles, 0, 1), group(frame.tiles, 2, n - 1)]
    parser = Av1Parser()
    assert parser.feed(head + obu(3, header) + b"".join(groups[i] for i in parts)) == []
    parser.feed(DELIMITER)
    assert parser.damaged_units == 1
    found = any_frame(random.Random(1), parser, "0011")
    assert parser.feed(found[0]) == []  # all references were lost with the key frame
    assert parser.without_reference == 1
    (picture,) = parser.feed(head + unit)
    assert not picture.damaged


def test_layers():
    parser = Av1Parser()
    started(parser, points=((0x103, 5, 0), (0x101, 5, 0)))
    unit, _ = any_frame(random.Random(3), parser, "0011", sizes=False)
    payload = next(units(unit)).payload
    assert len(parser.feed(obu(6, payload, layer=(1, 0)))) == 1
    assert parser.feed(obu(6, payload, layer=(2, 0))) == []  # not of the operating point
    assert parser.damaged_units == 0
    parser = Av1Parser()
    parser.feed(obu(1, sequence(points=((0x301, 5, 0),))))
    assert "more than one spatial layer is not supported" in str(parser.last_error)
    parser = Av1Parser()
    started(parser)
    parser.feed(obu(6, payload, layer=(0, 1)))
    assert "more than one spatial layer is not supported" in str(parser.last_error)
    parser.feed(obu(8, b"\0" * 8))
    assert "large scale tile" in str(parser.last_error)


def test_still_picture():
    parser = Av1Parser()
    parser.feed(obu(1, sequence(still=1, reduced=1)))
    unit, _ = any_frame(random.Random(2), parser, "")
    (picture,) = parser.feed(unit)
    assert (picture.due, picture.key) == ([1], True)
    assert control(picture, av1.CID_SEQUENCE).flags & 1


# Pictures that are shown later


def test_a_key_frame_that_is_shown_later_takes_all_slots():
    parser = Av1Parser()
    started(parser)
    for seed in range(200):
        unit, frame = any_frame(random.Random(seed), parser, "00001", sizes=False)  # key, hidden, showable
        if frame.refresh_frame_flags not in (0, 255):
            break
    (picture,) = parser.feed(DELIMITER + unit)
    assert (picture.due, picture.key) == ((), True) or (list(picture.due), picture.key) == ([], True)
    at = (frame.refresh_frame_flags & -frame.refresh_frame_flags).bit_length() - 1
    assert set(picture.keep) == {1, 2}
    shown = parser.feed(DELIMITER + show_existing(parser.sequence, at))
    assert [(one.number, one.due, one.keep, one.shown_now) for one in shown] == [(0, [2], [2], True)]
    assert {slot.number for slot in parser.slots} == {2}
    assert parser.feed(DELIMITER + show_existing(parser.sequence, 3)) == []
    assert "not to be shown again" in str(parser.last_error)


def test_begins_at_a_key_frame():
    packets = encode("libsvtav1", 12, SIZE, preset=8, svtav1_params="pred-struct=1:keyint=5")
    parser = Av1Parser()
    pictures = [picture for packet, _, _ in packets[2:] for picture in parser.feed(packet)]
    keys = [n for n, (_, _, key) in enumerate(packets) if key]
    assert parser.without_reference == keys[1] - 2
    assert parser.damaged_units == 0
    assert pictures[0].key
    assert not any(picture.damaged for picture in pictures)
    assert len(pictures) == 12 - keys[1]


# Damage


def test_damage_is_told_until_the_next_key_frame():
    packets = encode("libsvtav1", 12, SIZE, preset=8, svtav1_params="pred-struct=1:keyint=5")
    keys = [n for n, (_, _, key) in enumerate(packets) if key]
    for damage in (lambda data: data[: len(data) // 2], lambda data: data[:2] + b"\xff" + data[3:]):
        parser, pictures = Av1Parser(), []
        for n, (data, _, _) in enumerate(packets):
            pictures += parser.feed(damage(data) if n == 2 else data)
        assert parser.damaged_units == 1
        assert [picture.damaged for picture in pictures] == [2 < n < keys[1] for n in range(12) if n != 2]
        assert [picture.number for picture in pictures] == list(range(1, 12))


def test_frames_of_another_size_are_refused_in_words():
    packets = encode("libsvtav1", 8, SIZE, preset=8, svtav1_params="resize-mode=1:resize-denom=12:pred-struct=1")
    parser = Av1Parser()
    pictures = [picture for packet, _, _ in packets for picture in parser.feed(packet)]
    assert parser.damaged_units
    assert "scaled references are not supported" in str(parser.last_error)
    assert len({picture.size for picture in pictures}) == 1


STREAM: list = []


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_flips_and_cuts_never_do_more_than_count(data):
    if not STREAM:
        STREAM.extend(encode("libsvtav1", 8, SIZE, preset=8, svtav1_params="film-grain=8:tile-columns=1"))
    parser, pictures = Av1Parser(), []
    for packet, _, _ in STREAM:
        changed = bytearray(packet)
        for place in data.draw(st.lists(st.integers(0, min(len(packet), 150) - 1), max_size=3)):
            changed[place] ^= 1 << data.draw(st.integers(0, 7))
        pictures += parser.feed(bytes(changed[: data.draw(st.integers(0, len(packet)) | st.just(len(packet)))]))
    pictures += parser.flush()
    numbers = [picture.number for picture in pictures if picture.number]
    assert numbers == list(range(1, len(numbers) + 1))
    for picture in pictures:
        assert all(0 < number <= len(numbers) for number in [*picture.due, *picture.keep])
        assert len(picture.keep) <= 8


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=400), st.sampled_from([1, 3, 4, 6, 7]))
def test_noise(data, kind):
    parser = Av1Parser()
    parser.feed(data)
    started(parser)
    parser.feed(data + obu(kind, data))
    parser.flush()


def test_memory_does_not_grow():
    packets = encode("libsvtav1", 20, SIZE, preset=8, svtav1_params="pred-struct=1")
    parser = Av1Parser()
    parser.feed(packets[0][0])
    tracemalloc.start()
    try:
        for n in range(60):
            for data, _, _ in packets[1:]:
                parser.feed(data)
                parser.feed(data[: len(data) * n // 60])
            if n == 10:
                before = tracemalloc.get_traced_memory()[0]
        assert tracemalloc.get_traced_memory()[0] < before + 200_000
    finally:
        tracemalloc.stop()
