"""How files are cut into frames."""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, BinaryIO

Location = str | os.PathLike[str] | IO[bytes]

FWHT_MAGIC = b"\x4f\x4f\x4f\x4f\xff\xff\xff\xff"
FWHT_HEADER = struct.Struct(">8s9I")  # magic, version, width, height, flags, four of colour, size of what follows
JPEG_START, JPEG_END = b"\xff\xd8", b"\xff\xd9"
_NUMBERED = re.compile(r"%\d*d")


def check_location(location: object) -> None:
    """Refuse a name that stands for many files, and what is neither a name nor a file."""
    if (
        not isinstance(location, (str, os.PathLike))
        and not hasattr(location, "read")
        and not hasattr(location, "write")
    ):
        raise TypeError(f"location is the name of a file or an open file, not {location!r}")
    if isinstance(location, (str, os.PathLike)) and _NUMBERED.search(os.fspath(location)):
        raise ValueError(
            f"location {os.fspath(location)!r} has a number for each frame (multifilesrc and multifilesink in"
            " GStreamer); zcore reads and writes single files, and PngSink numbered pictures"
        )


def name_of(location: Location) -> str:
    """Give the name of a file for messages."""
    return os.fspath(location) if isinstance(location, (str, os.PathLike)) else str(getattr(location, "name", "file"))


@dataclass
class Content:
    """What the first bytes of a file tell.

    Attributes
    ----------
    format : str
        Name of the format; empty where nothing is known.
    size : (int, int), optional
        Pixels.
    picture : str
        Name of the raw format that a decoder makes of it without changing samples; empty where nothing is known.
    """

    format: str = ""
    size: tuple[int, int] | None = None
    picture: str = ""


def look_at(head: bytes) -> Content:
    """Tell what a file begins with."""
    if head.startswith(FWHT_MAGIC) and len(head) >= FWHT_HEADER.size:
        fields = FWHT_HEADER.unpack_from(head)
        return Content("FWHT", (fields[2], fields[3]), fwht_picture(fields[4]))
    if head.startswith(JPEG_START):
        return Content("MJPEG", jpeg_size(head))
    return Content()


def fwht_picture(flags: int) -> str:
    """Read from the flags of an FWHT header (V4L2_FWHT_FL_* of the kernel's v4l2-controls.h) what was encoded."""
    components = 1 + (flags >> 16 & 7)
    pixels = flags >> 19 & 3  # 1 = YUV, 2 = RGB, 3 = HSV
    if pixels == 2:
        return "BGRA" if components == 4 else "RGB"
    if pixels == 3 or components == 1:
        return "HSV24" if pixels == 3 else "GREY"
    full_height, full_width = flags & 1 << 7, flags & 1 << 8
    return ("NV24" if full_height else "") if full_width else "YUV422" if full_height else "YUV420"


def jpeg_size(head: bytes) -> tuple[int, int] | None:
    """Find the size in the frame header (SOF) of a JPEG picture."""
    place = 2
    while place + 9 <= len(head) and head[place] == 0xFF:
        marker = head[place + 1]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack_from(">HH", head, place + 5)
            return (width, height) if width and height else None
        place += 2 + int.from_bytes(head[place + 2 : place + 4], "big")
    return None


class Reader:
    """Read a file unit by unit.

    Parameters
    ----------
    file : binary file object
        Buffered.
    name : str
        For messages.
    """

    def __init__(self, file: BinaryIO, name: str):
        self.file = file
        self.name = name
        self.place = 0
        self._ahead = b""

    def next(self, rule: str, blocksize: int) -> bytes:
        """Read the next unit: an access unit of ``FWHT`` or ``MJPEG``, or a block; empty at the end.

        Raises
        ------
        ValueError
            No unit begins here; names the place.
        """
        cut: Callable[[], bytes] | None = {"FWHT": self._fwht, "MJPEG": self._jpeg}.get(rule)
        unit = cut() if cut is not None else self._read(blocksize)
        self.place += len(unit)
        return unit

    def _read(self, count: int) -> bytes:
        data = self._ahead[:count]
        self._ahead = self._ahead[count:]
        while len(data) < count:
            more = self.file.read(count - len(data))
            if not more:
                break
            data += more
        return data

    def _broken(self, what: str) -> ValueError:
        return ValueError(f"{self.name}: {what} at byte {self.place}; is the file whole, and of this format?")

    def _fwht(self) -> bytes:
        header = self._read(FWHT_HEADER.size)
        if not header:
            return b""
        if len(header) < FWHT_HEADER.size or not header.startswith(FWHT_MAGIC):
            raise self._broken("there is no FWHT frame header")
        size = FWHT_HEADER.unpack(header)[-1]
        payload = self._read(size)
        if len(payload) < size:
            raise self._broken(f"an FWHT frame of {size} bytes ends after {len(payload)},")
        return header + payload

    def _jpeg(self) -> bytes:
        """Read up to the end of the picture. Thumbnails lie within segments, whose lengths lead past them."""
        start = self._read(2)
        if not start:
            return b""
        if start != JPEG_START:
            raise self._broken("no JPEG picture begins")
        parts = [start]
        while True:
            marker = self._read(2)
            while marker == b"\xff\xff":  # filling
                parts.append(marker[:1])
                marker = marker[1:] + self._read(1)
            if len(marker) < 2 or marker[0] != 0xFF:
                raise self._broken("a JPEG picture is damaged or ends too early")
            parts.append(marker)
            if marker == JPEG_END:
                return b"".join(parts)
            if marker[1] == 0x01 or 0xD0 <= marker[1] <= 0xD7:  # these have no length
                continue
            length = self._read(2)
            rest = self._read(int.from_bytes(length, "big") - 2)
            parts += [length, rest]
            if len(length) < 2 or len(rest) + 2 < int.from_bytes(length, "big"):
                raise self._broken("a JPEG picture ends too early")
            if marker[1] == 0xDA:
                parts.append(self._entropy_coded())

    def _entropy_coded(self) -> bytes:
        """Read the samples behind a start of scan, up to the next marker that is none of theirs."""
        data = bytearray()
        while True:
            chunk = self._read(1 << 14)
            if not chunk:
                raise self._broken("a JPEG picture ends too early")
            data += chunk
            place = max(0, len(data) - len(chunk) - 1)
            while (place := data.find(b"\xff", place)) >= 0 and place + 1 < len(data):
                if data[place + 1] == 0 or 0xD0 <= data[place + 1] <= 0xD7 or data[place + 1] == 0xFF:
                    place += 1
                    continue
                self._ahead = bytes(data[place:]) + self._ahead
                return bytes(data[:place])


def largest_fwht(file: BinaryIO) -> int:
    """Find the longest frame of an FWHT file by its headers; 0 where the file cannot be wound back."""
    if not file.seekable():
        return 0
    start = file.tell()
    largest = 0
    while True:
        header = file.read(FWHT_HEADER.size)
        if len(header) < FWHT_HEADER.size or not header.startswith(FWHT_MAGIC):
            break
        size = FWHT_HEADER.unpack(header)[-1]
        largest = max(largest, FWHT_HEADER.size + size)
        file.seek(size, os.SEEK_CUR)
    file.seek(start)
    return largest
