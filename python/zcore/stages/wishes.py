"""What a user fixes about frames that have no device behind them: by caps, or by format, size and rate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from zcore.caps import Caps
from zcore.caps.video import formats_of, rates_of, sizes_of, strings_of
from zcore.colorimetry import parse
from zcore.formats import FORMATS, Format, find
from zcore.stages.arguments import rate_of, size_of
from zcore.stages.base import LinkCaps, Sizes
from zcore.stages.fields import GST_MODES


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
    caps : Caps, optional
        All that was told, where it was told by caps.
    """

    formats: tuple[Format, ...] | None = None
    size: tuple[int, int] | None = None
    rate: Fraction | None = None
    caps: Caps | None = None

    @property
    def format(self) -> Format | None:
        """The format, where there is just one."""
        return self.formats[0] if self.formats is not None and len(self.formats) == 1 else None

    @property
    def sizes(self) -> Sizes | None:
        """The size as the planner wants it."""
        return Sizes.of(self.size) if self.size is not None else None

    def dress(self, caps: LinkCaps) -> LinkCaps:
        """Give caps of a link the colours and the field order that were told.

        Raises
        ------
        ValueError
            V4L2, and so zcore, has no words for these colours.
        """
        if self.caps is None:
            return caps
        for text in strings_of(self.caps, caps.format, "colorimetry")[:1]:
            told = parse(text)
            caps = replace(
                caps,
                colorspace=told.colorspace,
                ycbcr_enc=told.ycbcr_enc,
                quantization=told.quantization,
                xfer_func=told.xfer_func,
            )
        for mode in strings_of(self.caps, caps.format, "interlace-mode")[:1]:
            caps = replace(caps, field=(GST_MODES[mode] or (0,))[0])
        return caps


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
    return Wishes(_once(formats), fixed, Fraction(rates) if isinstance(rates, (int, Fraction)) else None, caps)


def _once(formats: Sequence[Format]) -> tuple[Format, ...]:
    """Leave out formats that are another name for one before them."""
    known: dict[object, Format] = {}
    for fmt in formats:
        known.setdefault((fmt.drm, fmt.modifier) if fmt.drm is not None else fmt.name, fmt)
    return tuple(known.values())
