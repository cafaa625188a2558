"""Cut byte streams at their start codes, in pieces of any size, and know in which piece each unit began."""

from __future__ import annotations

from collections.abc import Iterator

from zcore.bitstream.picture import BitstreamError

START = b"\0\0\1"
LARGEST = 1 << 26  # of a unit, in bytes: without an end the buffer would grow for ever


class Units:
    """What lies between start codes: NAL units of H.264 and HEVC, headers and slices of MPEG-2.

    A unit is complete when the next start code is seen, or with :meth:`flush`.
    """

    def __init__(self) -> None:
        self._rest = b""
        self._seen = 0  # bytes of the rest without a start code
        self._piece = 0  # in which the rest began

    def feed(self, data: bytes, piece: int) -> Iterator[tuple[bytes, int]]:
        """Read on.

        Parameters
        ----------
        data : bytes
            The next piece.
        piece : int
            Its number.

        Yields
        ------
        (bytes, int)
            A unit without its start code, with the zeros behind it, and the piece in which it began.

        Raises
        ------
        BitstreamError
            A unit is longer than any can be; what was read of it is dropped.
        """
        boundary = len(self._rest)
        self._rest += data
        start = 0 if self._rest.startswith(START) and boundary else self._rest.find(START)
        if start < 0:
            self._rest, self._seen, self._piece = self._rest[-2:], 0, piece
            return
        search = max(start + 3, self._seen)
        while (end := self._rest.find(START, search)) >= 0:
            yield self._rest[start + 3 : end], self._piece if start < boundary else piece
            start, search = end, end + 3
        if start >= boundary:
            self._piece = piece
        self._rest = self._rest[start:]
        self._seen = max(len(self._rest) - 2, 3)
        if len(self._rest) > LARGEST:
            bits, self._rest = len(self._rest) * 8, b""
            raise BitstreamError(f"a unit of more than {LARGEST} bytes", bits)

    def flush(self) -> Iterator[tuple[bytes, int]]:
        """Give the last unit."""
        rest, self._rest = self._rest, b""
        if rest.startswith(START):
            yield rest[3:], self._piece
