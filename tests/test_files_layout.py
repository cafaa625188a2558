"""How files are cut into frames."""

import io
import struct

import pytest

from file_rig import fwht, jpeg
from zcore.stages.file_layout import (
    FWHT_HEADER,
    FWHT_MAGIC,
    Reader,
    check_location,
    jpeg_size,
    largest_fwht,
    look_at,
    name_of,
)


def units(data, rule, blocksize=4096, file=None):
    reader = Reader(file or io.BytesIO(data), "film")
    found = []
    while unit := reader.next(rule, blocksize):
        found.append(unit)
    assert reader.place == len(data)
    return found


def test_header_is_the_kernels():
    assert FWHT_HEADER.size == 44
    assert bytes.fromhex("4f4f4f4fffffffff") == FWHT_MAGIC


def test_first_bytes_tell_format_and_size():
    content = look_at(fwht((320, 180), b"x" * 10))
    assert (content.format, content.size) == ("FWHT", (320, 180))
    content = look_at(jpeg((40, 24)))
    assert (content.format, content.size) == ("MJPEG", (40, 24))
    for head in (b"", b"abc", FWHT_MAGIC, b"\xff\xd8"[:1]):
        assert look_at(head).format == ""


def test_jpeg_without_its_frame_header_has_no_size():
    assert jpeg_size(jpeg()[:20]) is None
    assert jpeg_size(b"\xff\xd8") is None


def test_fwht_is_cut_at_its_headers():
    frames = [fwht((64, 48), bytes([n]) * n * 100) for n in range(5)]
    assert units(b"".join(frames), "FWHT") == frames


@pytest.mark.parametrize("cut", [1, 30, 43, 44, 60])
def test_fwht_that_ends_too_early_names_the_place(cut):
    whole, other = fwht((64, 48), b"a" * 100), fwht((64, 48), b"b" * 100)
    with pytest.raises(ValueError, match=r"film: .* at byte 144"):
        units(whole + other[:cut], "FWHT")


def test_something_else_behind_fwht():
    with pytest.raises(ValueError, match="no FWHT frame header at byte 144"):
        units(fwht((64, 48), b"a" * 100) + bytes(60), "FWHT")


@pytest.mark.parametrize(
    "options",
    [{}, {"quality": 5}, {"progressive": True}, {"restart_marker_blocks": 1}, {"comment": b"\xff\xd8\xff\xd9 inside"}],
    ids=["plain", "poor", "progressive", "restarts", "markers in a comment"],
)
def test_jpegs_are_cut_at_their_ends(options):
    frames = [jpeg((16 + 8 * n, 24), **options) for n in range(4)]
    assert units(b"".join(frames), "MJPEG") == frames


def test_jpeg_longer_than_what_is_read_at_once():
    frames = [jpeg((400, 300), quality=95) for _ in range(2)]
    assert len(frames[0]) > 1 << 16
    assert units(b"".join(frames), "MJPEG") == frames


def test_jpeg_with_a_thumbnail_inside():
    thumbnail = jpeg((16, 16))
    outer = jpeg((64, 48))
    segment = b"\xff\xe1" + struct.pack(">H", len(thumbnail) + 2) + thumbnail
    frame = outer[:2] + segment + outer[2:]
    assert units(frame * 3, "MJPEG") == [frame] * 3
    assert look_at(frame).size == (64, 48)


def test_filling_between_markers():
    frame = jpeg()
    frame = frame[:2] + b"\xff\xff" + frame[2:]
    assert units(frame * 2, "MJPEG") == [frame] * 2


@pytest.mark.parametrize("cut", [1, 2, 3, 10, -400, -3, -1])
def test_damaged_jpeg_names_the_place(cut):
    whole = jpeg()
    with pytest.raises(ValueError, match=rf"film: .* at byte {len(whole)}"):
        units(whole + whole[:cut], "MJPEG")


def test_no_jpeg():
    with pytest.raises(ValueError, match="no JPEG picture begins at byte 0"):
        units(b"nothing", "MJPEG")


def test_blocks():
    assert units(b"abcdefgh", "", 3) == [b"abc", b"def", b"gh"]
    assert units(b"", "", 3) == []


class Trickle(io.RawIOBase):
    """A pipe that gives a byte or two at a time."""

    def __init__(self, data):
        self.data = data

    def read(self, size=-1):
        taken, self.data = self.data[: min(size, 2)], self.data[min(size, 2) :]
        return taken


def test_file_that_gives_little_at_a_time():
    frames = [fwht((64, 48), b"a" * 100), fwht((64, 48), b"b" * 7)]
    data = b"".join(frames)
    assert units(data, "FWHT", file=Trickle(data)) == frames
    frame = jpeg((16, 16))
    assert units(frame * 2, "MJPEG", file=Trickle(frame * 2)) == [frame] * 2


def test_longest_fwht_frame():
    file = io.BytesIO(fwht((64, 48), b"a" * 100) + fwht((64, 48), b"b" * 300) + b"rest")
    assert largest_fwht(file) == 344
    assert file.tell() == 0
    assert largest_fwht(Trickle(b"")) == 0


def test_numbered_names_are_refused():
    for name in ("a%05d.raw", "%d"):
        with pytest.raises(ValueError, match="single files"):
            check_location(name)
    for name in ("100%.raw", "a%20b", io.BytesIO()):
        check_location(name)


def test_names():
    assert name_of("x") == "x"
    assert name_of(io.BytesIO()) == "file"
