"""Values as sets: intersection, difference, union, subset and fixation.

Results keep the order of the first operand, which is the order of preference. `NOTHING`, the empty list, is the empty
set. What a closed range or a nested value cannot express stays larger: ``[ 0.0, 2.0 ]`` without ``1.0`` is itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from fractions import Fraction
from typing import Any

from zcore.caps.values import (
    INT_MAX,
    INT_TYPES,
    MASK_EXACT,
    RANGES,
    Bitmask,
    DoubleRange,
    FlagSet,
    FractionRange,
    IntRange,
    Nested,
    Range,
    Value,
    ValueArray,
    ValueList,
    basic_type,
    identical,
)

NOTHING = ValueList()
SCALARS = frozenset({int, float, str, bool, Fraction, bytes, Bitmask, type(None)})
MOST_PIECES = 64  # into which a range is cut by another of a different step; beyond, it stays whole


def atoms(value: Value) -> tuple[Value, ...]:
    """Give the items of a list, or the one value."""
    return value.items if type(value) is ValueList else (value,)


def gather(values: Iterable[Value]) -> Value:
    """Make one value of several: none is `NOTHING`, one is itself, more are a list without repetitions."""
    seen: dict[Any, Value] = {}
    for value in values:
        seen.setdefault((type(value), value), value)
    if not seen:
        return NOTHING
    return next(iter(seen.values())) if len(seen) == 1 else ValueList(*seen.values())


def intersect(one: Value, two: Value) -> Value:
    """Give what is in both."""
    first, second = type(one), type(two)
    if first is ValueList or second is ValueList:
        return _intersect_lists(one, two)
    if first is second:
        if identical(one, two):
            return one
        if first in SCALARS:
            return NOTHING
    if first in RANGES and second in RANGES:
        return _intersect_ranges(one, two) if first is second else NOTHING
    if first in RANGES:
        return two if two in one else NOTHING
    if second in RANGES:
        return one if one in two else NOTHING
    if first is not second:
        return _intersect_nested(one, two)
    if first is ValueArray:
        return _intersect_arrays(one, two)
    if first is FlagSet:
        return _intersect_flags(one, two)
    return _intersect_nested(one, two)


def _intersect_lists(one: Value, two: Value) -> Value:
    if type(one) is ValueList and type(two) is ValueList:
        plain, other = one.plain, two.plain
        if plain is not None and other is not None:
            common = plain & other
            if type(one.items[0]) is not type(two.items[0]):
                return NOTHING
            return gather(item for item in one.items if item in common)
    if type(one) is not ValueList and type(two) is ValueList and two.plain is not None and type(one) in (int, str):
        return one if one in two.plain and type(two.items[0]) is type(one) else NOTHING
    found = (intersect(a, b) for a in atoms(one) for b in atoms(two))
    return gather(value for value in found if value is not NOTHING)


def _intersect_nested(one: Value, two: Value) -> Value:
    if not (isinstance(one, Nested) and isinstance(two, Nested)) or type(one) is not type(two):
        return NOTHING
    return one.intersect(two) or NOTHING  # type: ignore[attr-defined]


def _intersect_arrays(one: ValueArray, two: ValueArray) -> Value:
    if len(one) != len(two):
        return NOTHING
    items = [intersect(a, b) for a, b in zip(one, two, strict=True)]
    return NOTHING if any(item is NOTHING for item in items) else ValueArray(*items)


def _intersect_flags(one: FlagSet, two: FlagSet) -> Value:
    both = one.mask & two.mask
    if one.flags & both != two.flags & both:
        return NOTHING
    if one.type != two.type and "flagset" not in (one.type, two.type):
        return NOTHING
    kind = two.type if one.type == "flagset" else one.type
    return FlagSet(one.flags | two.flags, one.mask | two.mask, kind)


def _intersect_ranges(one: Value, two: Value) -> Value:
    if type(one) is IntRange:
        return _intersect_progressions(one, two)
    low, high = max(one.min, two.min), min(one.max, two.max)
    if low > high:
        return NOTHING
    return low if low == high else type(one)(low, high)


def _intersect_progressions(one: IntRange, two: IntRange) -> Value:
    if one.type != two.type:
        return NOTHING
    divisor = math.gcd(one.step, two.step)
    if (two.min - one.min) % divisor:
        return NOTHING
    step = one.step // divisor * two.step
    # The number of steps from one.min to the first number that both progressions have.
    modulus = two.step // divisor
    count = (two.min - one.min) // divisor * pow(one.step // divisor, -1, modulus) if modulus > 1 else 0
    start = one.min + count * one.step
    low, high = max(one.min, two.min), min(one.max, two.max)
    return int_range(low + (start - low) % step, high, step, one.type)


def int_range(low: int, high: int, step: int = 1, kind: str = "int") -> Value:
    """Make a range, or the number if it is only one, or `NOTHING`."""
    if low > high:
        return NOTHING
    if high - low < step:
        return INT_TYPES[kind](low)
    return IntRange(low, high, step, kind)


def subtract(one: Value, two: Value) -> Value:
    """Give what is in `one` and not in `two`."""
    if type(one) is ValueList and type(two) is ValueList and one.plain is not None and two.plain is not None:
        if type(one.items[0]) is not type(two.items[0]):
            return one
        return gather(item for item in one.items if item not in two.plain)
    rest = list(atoms(one))
    for hole in atoms(two):
        rest = [piece for value in rest for piece in _subtract_one(value, hole)]
    return gather(rest)


def _subtract_one(value: Value, hole: Value) -> tuple[Value, ...]:
    """Take one value, number or range, out of another."""
    common = intersect(value, hole)
    if common is NOTHING:
        return (value,)
    if type(value) is IntRange:
        return _subtract_progression(value, common)
    if type(value) in (DoubleRange, FractionRange):
        return _subtract_interval(value, hole)
    if isinstance(value, (ValueArray, FlagSet, Nested)):
        return () if _covers(hole, value) else (value,)
    return ()


def _subtract_interval(value: Range, hole: Value) -> tuple[Value, ...]:
    if type(hole) is not type(value):
        return (value,)  # one point: what is left has no closed end
    pieces = []
    if value.min < hole.min:
        pieces.append(type(value)(value.min, hole.min))  # type: ignore[arg-type]
    if hole.max < value.max:
        pieces.append(type(value)(hole.max, value.max))  # type: ignore[arg-type]
    return tuple(pieces)


def _subtract_progression(value: IntRange, common: Value) -> tuple[Value, ...]:
    """Take out of a range a part of itself."""
    step = value.step
    inner = common if type(common) is IntRange else IntRange(common, common, 1, value.type)
    skip = inner.step if len(inner) > 1 else step
    pieces = [int_range(value.min, inner.min - step, step, value.type)]
    if skip // step > MOST_PIECES:
        pieces.append(int_range(inner.min, inner.max, step, value.type))
    else:
        for start in range(inner.min + step, inner.min + skip, step):
            pieces.append(int_range(start, inner.max, skip, value.type))
    pieces.append(int_range(inner.max + step, value.max, step, value.type))
    return tuple(piece for piece in pieces if piece is not NOTHING)


def is_subset(one: Value, two: Value) -> bool:
    """Tell whether all of `one` is in `two`."""
    if identical(one, two):
        return True
    if type(one) is ValueList and type(two) is ValueList and one.plain is not None and two.plain is not None:
        return type(one.items[0]) is type(two.items[0]) and one.plain <= two.plain
    if type(two) is ValueList and type(one) in (int, str) and two.plain is not None:
        return one in two
    if type(one) in RANGES and type(two) in RANGES:
        return type(one) is type(two) and _is_within(one, two)
    for value in atoms(one):
        rest: list[Value] = [value]
        for item in atoms(two):
            if not rest:
                break
            rest = [piece for left in rest for piece in _subtract_one(left, item)]
        if rest:
            return False
    return True


def _is_within(one: Range, two: Range) -> bool:
    """Tell whether a range is within another of the same kind."""
    if one.type != two.type or one.min < two.min or one.max > two.max:
        return False
    if not isinstance(one, IntRange) or not isinstance(two, IntRange):
        return True
    return (one.min == one.max or one.step % two.step == 0) and (one.min - two.min) % two.step == 0


def same(one: Value, two: Value) -> bool:
    """Tell whether two values are the same set."""
    return identical(one, two) or (is_subset(one, two) and is_subset(two, one))


def _covers(outer: Value, inner: Value) -> bool:
    """Tell whether one array, flag set or nested value contains another, given that they meet."""
    if type(inner) is ValueArray:
        return all(is_subset(a, b) for a, b in zip(inner, outer, strict=True))
    if type(inner) is FlagSet:
        return not outer.mask & ~inner.mask and inner.flags & outer.mask == outer.flags
    return bool(inner.is_subset(outer))


def union(one: Value, two: Value) -> Value:
    """Give what is in either, with ranges joined that meet or follow one another."""
    both = atoms(one) + atoms(two)
    if not any(
        isinstance(value, (IntRange, DoubleRange, FractionRange, FlagSet, ValueArray, Nested)) for value in both
    ):
        return gather(both)
    items: list[Value] = []
    for new in both:
        place, index = len(items), 0
        while index < len(items):
            joined = _join(items[index], new)
            if joined is None:
                index += 1
            else:
                del items[index]
                new, place, index = joined, min(place, index), 0
        items.insert(place, new)
    return gather(items)


def _join(one: Value, two: Value) -> Value | None:
    """Make one value of two if there is such; none if there is not."""
    if is_subset(two, one):
        return one
    if is_subset(one, two):
        return two
    if type(one) is type(two) and type(one) in (DoubleRange, FractionRange):
        if max(one.min, two.min) > min(one.max, two.max):
            return None
        return type(one)(min(one.min, two.min), max(one.max, two.max))
    if basic_type(one) == basic_type(two) and IntRange in (type(one), type(two)):
        return _join_progressions(one, two)
    return None


def _join_progressions(one: Value, two: Value) -> Value | None:
    first, second = (value if type(value) is IntRange else None for value in (one, two))
    step = (first or second).step  # type: ignore[union-attr]
    if first and second and first.step != second.step:
        return None
    low_one, high_one = (first.min, first.max) if first else (one, one)
    low_two, high_two = (second.min, second.max) if second else (two, two)
    if (low_one - low_two) % step or max(low_one, low_two) > min(high_one, high_two) + step:
        return None
    return IntRange(int(min(low_one, low_two)), int(max(high_one, high_two)), step, basic_type(one))


def is_fixed(value: Value) -> bool:
    """Tell whether it is exactly one value. A list is not, even of one item."""
    if type(value) is ValueList or type(value) in RANGES:
        return False
    if type(value) is ValueArray:
        return all(is_fixed(item) for item in value)
    if type(value) is FlagSet:
        return value.mask == MASK_EXACT
    return bool(value.is_fixed) if isinstance(value, Nested) else True


def fixate(value: Value, wish: Value = None) -> Value:
    """Choose one value: the nearest to the wish, else the first of a list and the smallest of a range.

    Parameters
    ----------
    value : Value
        What there is to choose from; an empty list stays.
    wish : Value or sequence of Value
        A number, or what should be equal; of several the first that is there, and if none is, the nearest to the first.
    """
    if is_fixed(value) or value == NOTHING:
        return value
    if type(value) is ValueArray:
        return ValueArray(*(fixate(item) for item in value))
    if type(value) is FlagSet:
        return FlagSet(value.flags, MASK_EXACT, value.type)
    if isinstance(value, Nested):
        return value.fixate()  # type: ignore[attr-defined]
    wishes = list(wish) if isinstance(wish, (list, tuple, ValueList)) else [wish]
    for one in wishes:
        for choice in (_nearest(item, one) for item in atoms(value)):
            if identical(choice, one) or (_number(choice) and _number(one) and choice == one):
                return choice
    target = wishes[0] if wishes else None
    choices = [_nearest(item, target) for item in atoms(value)]
    if not _number(target) or not all(map(_number, choices)):
        return choices[0]
    return min(choices, key=lambda choice: abs(choice - target))


def _number(value: Value) -> bool:
    return isinstance(value, (int, float, Fraction)) and not isinstance(value, bool) and value == value


def _nearest(item: Value, target: Value) -> Value:
    """Choose from an item of a list."""
    if type(item) not in RANGES:
        return fixate(item)
    if not _number(target):
        return _typed(item, item.min)
    inside = min(max(target, item.min), item.max)
    if type(item) is IntRange:
        below = item.min + int((inside - item.min) // item.step) * item.step
        inside = below + item.step if (inside - below) * 2 > item.step else below
    elif type(item) is FractionRange:
        exact = Fraction(inside).limit_denominator(INT_MAX)
        inside = min(max(exact, item.min), item.max)
    return _typed(item, inside)


def _typed(item: Range, number: Any) -> Value:
    """Give a number the type that the range is of."""
    kind: Callable[[Any], Value] = INT_TYPES[item.type] if isinstance(item, IntRange) else type(item.min)
    return kind(number)
