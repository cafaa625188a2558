"""What a user fixes about frames that have no device behind them: by caps, or by format, size and rate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from zcore.caps import Caps
from zcore.caps.video import formats_of, rates_of, sizes_of
from zcore.formats import FORMATS, Format, find
from zcore.stages.arguments import rate_of, size_of
from zcore.stages.base import Sizes


@dataclass(frozen=True)
class Wishes:
    """What frames may be.

    Attributes
    ----------
    formats : tuple of Format, optional
        ``None`` = any.
    size : (int, int), optional
        Pixels; ``None`` = any.
    rate : Fraction, optional
        Frames per second.
    """

    formats: tuple[Format, ...] | None = None
    size: tuple[int, int] | None = None
    rate: Fraction | None = None

    @property
    def format(self) -> Format | None:
        """The format, where there is just one."""
        return self.formats[0] if self.formats is not None and len(self.formats) == 1 else None

    @property
    def sizes(self) -> Sizes | None:
        """The size as the planner wants it."""
        return Sizes.of(self.size) if self.size is not None else None


def read_wishes(
    caps: Caps | str | None,
    format: str | Format | None,
    size: tuple[int, int] | None,
    rate: float | Fraction | None = None,
) -> Wishes:
    """Read what a stage was told.

    Raises
    ------
    ValueError
        Both ways were used, or the caps allow nothing that zcore knows.
    """
    if caps is None:
        return Wishes(
            (find(format),) if format is not None else None,
            size_of(size),
            rate_of(rate),
        )
    if format is not None or size is not None or rate is not None:
        raise ValueError("give either caps, or format, size and rate")
    caps = Caps.parse(caps) if isinstance(caps, str) else caps
    if not isinstance(caps, Caps):
        raise TypeError(f"caps are Caps or their text, not {caps!r}")
    if caps.is_any:
        return Wishes()
    formats = formats_of(caps, FORMATS)
    if not formats:
        raise ValueError(f"no format that zcore knows is allowed by {caps}")
    width, height = sizes_of(caps, formats[0])
    fixed = (width, height) if isinstance(width, int) and isinstance(height, int) else None
    rates = rates_of(caps, formats[0])
    return Wishes(_once(formats), fixed, Fraction(rates) if isinstance(rates, (int, Fraction)) else None)


def _once(formats: Sequence[Format]) -> tuple[Format, ...]:
    """Leave out formats that are another name for one before them."""
    known: dict[object, Format] = {}
    for fmt in formats:
        known.setdefault((fmt.drm, fmt.modifier) if fmt.drm is not None else fmt.name, fmt)
    return tuple(known.values())
