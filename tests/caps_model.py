"""What caps mean, point by point: slow, simple, and without a line of zcore's algebra.

A point is a media type with features and one value for every field. Caps are the set of points that they allow. What an
operation gives is right if it allows the right points, whatever GStreamer says.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from zcore.caps import Bitmask, Caps, DoubleRange, FlagSet, FractionRange, IntRange, Structure, ValueArray, ValueList

Point = tuple[str, frozenset[str], dict[str, Any]]


def contains(allowed: Any, value: Any) -> bool:
    """Tell whether a value of a field allows one fixed value."""
    if isinstance(allowed, ValueList):
        return any(contains(item, value) for item in allowed)
    if isinstance(allowed, ValueArray):
        same_length = isinstance(value, ValueArray) and len(value) == len(allowed)
        return same_length and all(contains(a, v) for a, v in zip(allowed, value, strict=True))
    if isinstance(allowed, FlagSet):
        return isinstance(value, FlagSet) and value.flags & allowed.mask == allowed.flags
    if isinstance(allowed, IntRange):
        inside = type(value) is int and allowed.min <= value <= allowed.max
        return inside and (value - allowed.min) % allowed.step == 0
    if isinstance(allowed, (DoubleRange, FractionRange)):
        kind = float if isinstance(allowed, DoubleRange) else Fraction
        return type(value) is kind and allowed.min <= value <= allowed.max
    return type(allowed) is type(value) and allowed == value


def allows(caps: Caps, point: Point) -> bool:
    """Tell whether caps allow a point."""
    return caps.is_any or any(_allows(one, point) for one in caps.structures)


def _allows(one: Structure, point: Point) -> bool:
    name, features, fields = point
    if one.name != name:
        return False
    if not one.features.is_any and _demanded(one) != features:
        return False
    return all(field in fields and contains(value, fields[field]) for field, value in one.fields.items())


def _demanded(one: Structure) -> frozenset[str]:
    names = frozenset(one.features)
    return frozenset() if names == {"memory:SystemMemory"} else names


def points(rng: random.Random, count: int, *caps: Caps) -> Iterator[Point]:
    """Choose points around what some caps mention: what they allow, the ends of ranges, and what is just outside."""
    structures = [one for some in caps for one in some.structures]
    if not structures:
        return
    fields = {name: [] for one in structures for name in one.fields}
    for one in structures:
        for name, value in one.fields.items():
            fields[name].append(value)
    for _ in range(count):
        near = rng.choice(structures)
        chosen = {}
        for name, values in fields.items():
            value = near.fields[name] if name in near.fields and rng.random() < 0.8 else rng.choice(values)
            chosen[name] = _one(rng, value)
        yield near.name, _demanded(near), chosen


def _one(rng: random.Random, value: Any) -> Any:
    if isinstance(value, ValueList):
        return _one(rng, rng.choice(value.items)) if value.items else "nothing"
    if isinstance(value, ValueArray):
        return ValueArray(*(_one(rng, item) for item in value))
    if isinstance(value, FlagSet):
        return FlagSet(value.flags | (rng.getrandbits(32) & ~value.mask), 0xFFFF_FFFF)
    if isinstance(value, IntRange):
        inside = value.min + rng.randrange(min(len(value), 40)) * value.step
        return rng.choice([value.min, value.max, inside, inside + 1, value.min - 1, value.max + 1])
    if isinstance(value, DoubleRange):
        return rng.choice([value.min, value.max, (value.min + value.max) / 2, value.max + 1.0])
    if isinstance(value, FractionRange):
        return rng.choice([value.min, value.max, (value.min + value.max) / 2, value.max + 1])
    if rng.random() < 0.1:
        return {int: 7, float: 7.5, str: "other", bool: True, Bitmask: Bitmask(9)}.get(type(value), value)
    return value
