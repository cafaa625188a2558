"""AV1 references and motion of whole frames: which slots, which to skip with, global motion (5.9.22 to 5.9.25, 7.8)."""

from __future__ import annotations

from collections.abc import Sequence as Many

from zcore.bitstream.av1_sequence import Av1Bits, Sequence
from zcore.bitstream.picture import BitstreamError

LAST, LAST2, LAST3, GOLDEN, BWDREF, ALTREF2, ALTREF = range(1, 8)
IDENTITY, TRANSLATION, ROTZOOM, AFFINE = range(4)
IS_GLOBAL, IS_ROT_ZOOM, IS_TRANSLATION = 1, 2, 4
WARP_BITS = 16  # WARPEDMODEL_PREC_BITS
PLAIN = (0, 0, 1 << WARP_BITS, 0, 0, 1 << WARP_BITS)
"""Parameters of no motion."""


class GlobalMotion:
    """Motion of whole frames, for each of the references.

    Attributes
    ----------
    flags, type : list of int
        As the kernel has them; the first is not used.
    params : list of tuple
        Six numbers for each.
    invalid : int
        Bits of references whose parameters cannot be used (7.11.3.6).
    """

    def __init__(self) -> None:
        self.flags = [0] * 8
        self.type = [IDENTITY] * 8
        self.params: list[tuple[int, ...]] = [PLAIN] * 8
        self.invalid = 0

    def read(self, bits: Av1Bits, previous: Many[tuple[int, ...]], high_precision: bool) -> None:
        """Read them for a frame that is not intra; `previous` are those of the primary reference."""
        for ref in range(LAST, ALTREF + 1):
            if not bits.flag():
                continue
            self.flags[ref] = IS_GLOBAL
            if bits.flag():
                self.flags[ref] |= IS_ROT_ZOOM
                kind = ROTZOOM
            elif bits.flag():
                self.flags[ref] |= IS_TRANSLATION
                kind = TRANSLATION
            else:
                kind = AFFINE
            self.type[ref] = kind
            params = list(PLAIN)
            if kind >= ROTZOOM:
                for i in (2, 3):
                    params[i] = _read_param(bits, kind, i, previous[ref][i], high_precision)
                if kind == AFFINE:
                    for i in (4, 5):
                        params[i] = _read_param(bits, kind, i, previous[ref][i], high_precision)
                else:
                    params[4], params[5] = -params[3], params[2]
            for i in (0, 1):
                params[i] = _read_param(bits, kind, i, previous[ref][i], high_precision)
            self.params[ref] = tuple(params)
            if kind >= ROTZOOM and not warp_valid(params):
                self.invalid |= 1 << ref


def _read_param(bits: Av1Bits, kind: int, i: int, previous: int, high_precision: bool) -> int:
    width, precision = 12, 15  # GM_ABS_ALPHA_BITS, GM_ALPHA_PREC_BITS
    if i < 2:
        width, precision = 12, 6  # GM_ABS_TRANS_BITS, GM_TRANS_PREC_BITS
        if kind == TRANSLATION:
            width, precision = 9 - (not high_precision), 3 - (not high_precision)
    shift = WARP_BITS - precision
    one = i % 3 == 2
    most = 1 << width
    near = (previous >> shift) - (one << precision)
    value = _unsigned_near(bits, 2 * most + 1, near + most) - most
    return (value << shift) + (one << WARP_BITS)


def _unsigned_near(bits: Av1Bits, count: int, near: int) -> int:
    """Read one of `count` values; those about `near` are the shorter ones."""
    value = _subexp(bits, count)
    if near << 1 <= count:
        return _recentered(near, value)
    return count - 1 - _recentered(count - 1 - near, value)


def _recentered(near: int, value: int) -> int:
    if value > 2 * near:
        return value
    return near - (value + 1 >> 1) if value & 1 else near + (value >> 1)


def _subexp(bits: Av1Bits, count: int) -> int:
    i = start = 0
    while True:
        width = 3 + i - 1 if i else 3
        if count <= start + 3 * (1 << width):
            return bits.ns(count - start) + start
        if not bits.flag():
            return bits.u(width) + start
        i += 1
        start += 1 << width


def _round_signed(value: int, shift: int) -> int:
    rounded = abs(value) + (1 << shift - 1) >> shift
    return -rounded if value < 0 else rounded


def _clip(value: int) -> int:
    return max(-32768, min(32767, value))


def warp_valid(params: Many[int]) -> bool:
    """Whether an affine transform can be made of two shears (7.11.3.6)."""
    if params[2] <= 0:
        return False
    # 7.11.3.7; the table there has these reciprocals.
    shift = params[2].bit_length() - 1
    rest = params[2] - (1 << shift)
    index = (rest + (1 << shift - 9) >> shift - 8) if shift > 8 else rest << 8 - shift
    factor = ((1 << 22) + (256 + index) // 2) // (256 + index)
    shift += 14
    alpha = _clip(params[2] - (1 << WARP_BITS))
    beta = _clip(params[3])
    gamma = _clip(_round_signed((params[4] << WARP_BITS) * factor, shift))
    delta = _clip(params[5] - _round_signed(params[3] * params[4] * factor, shift) - (1 << WARP_BITS))
    alpha, beta, gamma, delta = (abs(_round_signed(one, 6) << 6) for one in (alpha, beta, gamma, delta))
    return 4 * alpha + 7 * beta < 1 << WARP_BITS and 4 * gamma + 4 * delta < 1 << WARP_BITS


def frame_refs(sequence: Sequence, order_hint: int, hints: Many[int], last: int, golden: int) -> list[int]:
    """Find out the slots of all references from those of two of them (7.8).

    Parameters
    ----------
    hints : sequence of int
        Order hints of the eight slots.
    last, golden : int
        Slots of LAST_FRAME and GOLDEN_FRAME.
    """
    far = [sequence.distance(hint, order_hint) for hint in hints]
    if far[last] >= 0 or far[golden] >= 0:
        raise BitstreamError("the last frame or the golden frame is not in the past")
    found = [-1] * 8
    found[LAST], found[GOLDEN] = last, golden
    free = [slot for slot in range(8) if slot not in (last, golden)]

    def take(ref: int, slots: list[int]) -> None:
        if slots and found[ref] < 0:
            found[ref] = slots[0]
            free.remove(slots[0])

    def behind() -> list[int]:
        return sorted((slot for slot in free if far[slot] >= 0), key=lambda slot: (far[slot], slot))

    take(ALTREF, behind()[::-1])
    take(BWDREF, behind())
    take(ALTREF2, behind())
    for ref in (LAST2, LAST3, BWDREF, ALTREF2, ALTREF):
        take(ref, sorted((slot for slot in free if far[slot] < 0), key=lambda slot: (far[slot], slot))[::-1])
    earliest = min(range(8), key=lambda slot: (far[slot], slot))
    return [earliest if slot < 0 else slot for slot in found[LAST:]]


def skip_mode_frames(sequence: Sequence, order_hint: int, hints: Many[int]) -> tuple[int, int] | None:
    """Find the two references that skipped blocks are predicted from (5.9.22), from the hints of the seven."""
    before = after = second = -1
    for i, hint in enumerate(hints):
        distance = sequence.distance(hint, order_hint)
        if distance < 0 and (before < 0 or sequence.distance(hint, hints[before]) > 0):
            before = i
        elif distance > 0 and (after < 0 or sequence.distance(hint, hints[after]) < 0):
            after = i
    if before < 0:
        return None
    if after < 0:
        for i, hint in enumerate(hints):
            if sequence.distance(hint, hints[before]) < 0 and (
                second < 0 or sequence.distance(hint, hints[second]) > 0
            ):
                second = i
        after = second
    return None if after < 0 else (LAST + min(before, after), LAST + max(before, after))
