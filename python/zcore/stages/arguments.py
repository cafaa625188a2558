"""Arguments that many stages take: refused when the stage is made, with words, and not by a device later."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from operator import index
from typing import Any

MOST_PIXELS = 0x7FFF_FFFF  # V4L2 and DRM have 32 bits for each side
MOST_RATE = 0x7FFF_FFFF
DENOMINATOR = 1001  # of rates such as 30000/1001


def size_of(size: Any, name: str = "size") -> tuple[int, int] | None:
    """Read a width and a height in pixels; ``None`` stays.

    Raises
    ------
    TypeError, ValueError
        It is no pair of whole numbers, or one of them is not above 0.
    """
    if size is None:
        return None
    try:
        if isinstance(size, (str, bytes)):
            raise TypeError
        width, height = map(index, size)
    except (TypeError, ValueError):
        raise TypeError(f"{name} is (width, height) in pixels, not {size!r}") from None
    if not (0 < width <= MOST_PIXELS and 0 < height <= MOST_PIXELS):
        raise ValueError(f"{name} is (width, height) in pixels, both above 0, not {size!r}")
    return width, height


def rate_of(rate: Any, name: str = "rate") -> Fraction | None:
    """Read frames per second: a number, a fraction, its text, or numerator and denominator; ``None`` stays.

    Raises
    ------
    TypeError, ValueError
        It is none of these, or not above 0.
    """
    if rate is None:
        return None
    try:
        asked = Fraction(*rate) if isinstance(rate, tuple) and len(rate) == 2 else Fraction(rate)
    except (TypeError, ValueError, OverflowError, ZeroDivisionError):
        raise (ValueError if isinstance(rate, (float, str, tuple)) else TypeError)(
            f"{name} is frames per second, such as 30, 29.97 or '30000/1001', not {rate!r}"
        ) from None
    found = asked.limit_denominator(DENOMINATOR)
    if not 0 < found <= MOST_RATE:
        raise ValueError(f"{name} is frames per second above 0 (1/{DENOMINATOR} to {MOST_RATE}), not {rate!r}")
    return found


def count_of(count: Any, name: str) -> int | None:
    """Read a number of things; ``None`` stays."""
    if count is None:
        return None
    try:
        return index(count)
    except TypeError:
        raise TypeError(f"{name} is a whole number, or None, not {count!r}") from None


def function_of(function: Any, name: str) -> Callable[..., Any]:
    """Refuse what cannot be called."""
    if not callable(function):
        raise TypeError(f"{name} is a function, not {function!r}")
    return function  # type: ignore[no-any-return]
