"""Read bits, most significant first."""

from __future__ import annotations

from zcore.bitstream.picture import BitstreamError


class Bits:
    """A position in bytes.

    Parameters
    ----------
    data : bytes
        What to read; for H.264 without its emulation prevention bytes.
    """

    def __init__(self, data: bytes):
        self._value = int.from_bytes(data, "big")
        self.length = len(data) * 8
        self.position = 0

    @property
    def left(self) -> int:
        """Bits that were not read."""
        return self.length - self.position

    def u(self, count: int) -> int:
        """Read an unsigned number of `count` bits."""
        if count > self.left:
            raise BitstreamError(f"{count} bits are needed and {self.left} are left", self.position)
        self.position += count
        return self._value >> (self.length - self.position) & ((1 << count) - 1)

    def flag(self) -> bool:
        """Read one bit."""
        return bool(self.u(1))

    def s(self, count: int) -> int:
        """Read `count` bits and a sign bit behind them, as VP8 and VP9 write numbers."""
        value = self.u(count)
        return -value if self.flag() else value

    def ue(self, most: int = (1 << 32) - 2) -> int:
        """Read an Exp-Golomb code, ``ue(v)`` of H.264."""
        start = self.position
        zeros = 0
        while not self.flag():
            zeros += 1
            if zeros > 32:
                raise BitstreamError("an Exp-Golomb code is longer than 32 bits", start)
        value = (1 << zeros) - 1 + self.u(zeros)
        if value > most:
            raise BitstreamError(f"{value} is more than the {most} that are allowed here", start)
        return value

    def se(self, least: int = -(1 << 31), most: int = (1 << 31) - 1) -> int:
        """Read a signed Exp-Golomb code, ``se(v)`` of H.264."""
        start = self.position
        code = self.ue()
        value = (code + 1) // 2 if code & 1 else -(code // 2)
        if not least <= value <= most:
            raise BitstreamError(f"{value} is not within {least} to {most}", start)
        return value
