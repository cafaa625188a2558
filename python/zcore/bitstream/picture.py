"""What parsers give: pictures, in the order of decoding, with the kernel's control structures filled in."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import NamedTuple

NS_PER_PICTURE = 1000
"""How a picture is named in control structures: its number as nanoseconds of a timestamp that counts microseconds."""


class BitstreamError(ValueError):
    """A stream is damaged, or uses what is not supported.

    Attributes
    ----------
    bit : int
        Where in the unit at hand (a NAL unit, a frame) it was noticed, in bits from its start.
    """

    def __init__(self, text: str, bit: int = 0):
        super().__init__(f"{text} (at bit {bit})")
        self.bit = bit


class Picture(NamedTuple):
    """One picture to decode, or with the number 0 only pictures that become due.

    Attributes
    ----------
    number : int
        In the order of decoding, from 1, never twice; 0 = nothing to decode.
    payload : bytes
        What the device reads.
    controls : sequence of (int, bytes)
        V4L2 control id and its structure.
    due : sequence of int
        Numbers of the pictures to show after this one was decoded, in their order.
    keep : sequence of int
        Numbers of the pictures that later ones may refer to, or that are due later.
    size : (int, int)
        Width and height that are to be seen.
    damaged : bool
        Whether something that it builds on is missing.
    key : bool
        Whether decoding can start here.
    piece : int
        With which call of :meth:`Parser.feed` it began, counted from 1: it has the time of that piece. 0 = the last.
    shown_now : bool
        Whether what is due takes the time of the coded frame at hand, although it came with an earlier one.
    """

    number: int
    payload: bytes = b""
    controls: Sequence[tuple[int, bytes]] = ()
    due: Sequence[int] = ()
    keep: Sequence[int] = ()
    size: tuple[int, int] = (0, 0)
    damaged: bool = False
    key: bool = False
    piece: int = 0
    shown_now: bool = False


class Parser(ABC):
    """Reads one stream.

    Parameters
    ----------
    last_number : int
        Number of the last picture of an earlier stream on the same device.

    Attributes
    ----------
    damaged_units : int
        Units that were skipped because they are damaged.
    without_reference : int
        Pictures that were skipped because what they build on is missing.
    last_error : BitstreamError or None
        Why a unit was skipped last.
    """

    references = 1  # pictures that the device may have to keep

    def __init__(self, last_number: int = 0):
        self.last_number = last_number
        self.damaged_units = 0
        self.without_reference = 0
        self.last_error: BitstreamError | None = None

    @abstractmethod
    def feed(self, data: bytes) -> list[Picture]:
        """Read on; gives the pictures that are complete. Damaged units are skipped and counted."""

    def flush(self) -> list[Picture]:
        """Give what is held back: the stream is over."""
        return []

    def next_number(self) -> int:
        """Number the next picture."""
        self.last_number += 1
        return self.last_number

    def skip(self, error: BitstreamError) -> None:
        """Count a damaged unit."""
        self.damaged_units += 1
        self.last_error = error
