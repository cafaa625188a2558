"""Byte streams of NAL units (annex B of ITU-T H.264 and H.265), and of MPEG-2, which begins its units alike."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable

from zcore.bitstream.picture import BitstreamError, Parser, Picture

START = b"\0\0\1"
LARGEST = 1 << 26  # of a NAL unit: without an end the buffer would grow for ever
_PREVENTION = b"\0\0\3"


class ByteStream:
    """Takes a byte stream apart, in pieces of any size.

    Parameters
    ----------
    damaged : callable
        Told of a unit that has no end.
    zeros : bool
        Whether zeros behind a unit are left there: in MPEG-2 they may belong to it.
    """

    def __init__(self, damaged: Callable[[BitstreamError], None], *, zeros: bool = False):
        self._damaged = damaged
        self._padding = b"" if zeros else b"\0"
        self._pieces = 0
        self._began = 0  # the piece in which the unit begins whose end was not seen yet
        self._rest = bytearray()
        self._searched = 0  # no start code begins before it
        self._inside = False  # the rest is a unit; else what comes before the first start code

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """Read on.

        Returns
        -------
        list of (int, bytes)
            The units whose end was seen, without start codes, each with the number of the piece in
            which it begins, counted from 1.
        """
        self._pieces += 1
        self._rest += data
        units = []
        while True:
            at = self._rest.find(START, self._searched)
            if at < 0:
                break
            unit = bytes(self._rest[:at]).rstrip(self._padding) if self._inside else b""
            if unit:
                units.append((self._began, unit))
            del self._rest[: at + len(START)]
            self._inside, self._searched, self._began = True, 0, self._pieces
        self._searched = max(len(self._rest) - 2, 0)
        if not self._inside:
            del self._rest[: self._searched]
            self._searched = 0
        elif len(self._rest) > LARGEST:
            self._damaged(BitstreamError(f"a unit of more than {LARGEST} bytes", len(self._rest) * 8))
            self.reset()
        return units

    def flush(self) -> list[tuple[int, bytes]]:
        """Give the last unit: the stream is over."""
        unit = bytes(self._rest).rstrip(self._padding) if self._inside else b""
        self.reset()
        return [(self._began, unit)] if unit else []

    def reset(self) -> None:
        """Forget what was not given."""
        self._rest.clear()
        self._inside, self._searched = False, 0

    def coming(self, count: int) -> bytes:
        """Give the first bytes of the unit whose end was not seen yet; as many as there are."""
        return bytes(self._rest[:count]) if self._inside else b""


class UnitParser(Parser):
    """Reads a byte stream unit by unit; a picture is complete when something else than its slices comes."""

    _stream: ByteStream
    _piece = 0  # in which the unit at hand begins

    @abstractmethod
    def _unit(self, unit: bytes, found: list[Picture]) -> None:
        """Read one unit."""

    @abstractmethod
    def _finish(self, found: list[Picture]) -> None:
        """Give the picture that is complete."""

    def feed(self, data: bytes) -> list[Picture]:
        """Read on."""
        found: list[Picture] = []
        self._read(self._stream.feed(data), found)
        return found

    def flush(self) -> list[Picture]:
        """Give the last picture; those that wait are the codec's business."""
        found: list[Picture] = []
        self._read(self._stream.flush(), found)
        self._finish(found)
        return found

    def _read(self, units: list[tuple[int, bytes]], found: list[Picture]) -> None:
        for self._piece, unit in units:
            self._unit(unit, found)


def plain(unit: bytes) -> bytes:
    """Take out the bytes that keep a NAL unit from looking like a start code (7.4.1)."""
    at = unit.find(_PREVENTION)
    if at < 0:
        return unit
    parts, start = [], 0
    while at >= 0:
        parts.append(unit[start : at + 2])
        start = at + 3
        at = unit.find(_PREVENTION, start)
    parts.append(unit[start:])
    return b"".join(parts)


def coded_length(unit: bytes, count: int) -> int:
    """Give how many bytes of a unit hold the first `count` of what :func:`plain` gives of it."""
    at = unit.find(_PREVENTION)
    while 0 <= at < count - 2:
        count += 1
        at = unit.find(_PREVENTION, at + 3)
    return count
