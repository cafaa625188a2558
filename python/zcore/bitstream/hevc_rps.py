"""Reference picture sets of HEVC (ITU-T H.265, sections 7.3.7 and 7.4.8)."""

from __future__ import annotations

from typing import NamedTuple

from zcore.bitstream.bits import Bits
from zcore.bitstream.picture import BitstreamError

MOST = 16  # reference pictures of one picture


class ShortTermSet(NamedTuple):
    """Pictures by the distance of their order counts, those before the picture and those after it, nearest first."""

    before: tuple[tuple[int, bool], ...] = ()  # DeltaPocS0, and whether the picture itself may refer to it
    after: tuple[tuple[int, bool], ...] = ()

    @property
    def num_delta_pocs(self) -> int:
        """NumDeltaPocs."""
        return len(self.before) + len(self.after)

    @property
    def used(self) -> int:
        """How many the picture itself may refer to."""
        return sum(used for _, used in self.before + self.after)


class LongTerm(NamedTuple):
    """A long-term reference picture of a picture."""

    poc: int  # the lowest bits of its order count
    used: bool  # the picture itself may refer to it
    cycle: int | None = None  # DeltaPocMsbCycleLt; None = the lowest bits are enough


def read_short_term(bits: Bits, index: int, known: list[ShortTermSet], last: bool) -> tuple[ShortTermSet, int]:
    """Read ``st_ref_pic_set(index)``.

    Parameters
    ----------
    known : list
        Sets before it in the sequence parameters.
    last : bool
        Whether it is in a slice header.

    Returns
    -------
    (ShortTermSet, int)
        The set, and NumDeltaPocs of the set that it was made from or 0.
    """
    if index and bits.flag():
        back = (bits.ue(index - 1) if last else 0) + 1
        other = known[index - back]
        return _predicted(bits, other), other.num_delta_pocs
    counts = bits.ue(MOST), bits.ue(MOST)
    if sum(counts) > MOST:
        raise BitstreamError(f"more than {MOST} reference pictures", bits.position)
    parts = []
    for count, step in zip(counts, (-1, 1), strict=True):
        delta, part = 0, []
        for _ in range(count):
            delta += step * (bits.ue(32767) + 1)
            part.append((delta, bits.flag()))
        parts.append(tuple(part))
    return ShortTermSet(*parts), 0


def _predicted(bits: Bits, other: ShortTermSet) -> ShortTermSet:
    """Make a set from another one (7-61, 7-62)."""
    sign = -1 if bits.flag() else 1
    shift = sign * (bits.ue(32767) + 1)
    used, kept = [], []
    for _ in range(other.num_delta_pocs + 1):
        used.append(bits.flag())
        kept.append(used[-1] or bits.flag())
    deltas = [delta + shift for delta, _ in other.before + other.after] + [shift]
    # The distances grow within each part of the other set, so sorting gives the order of the standard's loops.
    found = sorted((delta, flag) for delta, flag, keep in zip(deltas, used, kept, strict=True) if keep and delta)
    before = tuple(one for one in reversed(found) if one[0] < 0)
    after = tuple(one for one in found if one[0] > 0)
    if len(before) + len(after) > MOST:
        raise BitstreamError(f"more than {MOST} reference pictures", bits.position)
    return ShortTermSet(before, after)
