"""What a field of caps can hold.

A number, a string, a boolean and a fraction are Python's own: ``int``, ``float``, ``str``, ``bool`` and ``Fraction``;
``30`` and ``Fraction(30)`` are different values here, as in GStreamer. ``None`` is GStreamer's null string, ``bytes``
a buffer. The rest is in this module. Everything is immutable.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar, Final

from zcore.caps.errors import CapsError

INT_MIN: Final = -(1 << 31)
INT_MAX: Final = (1 << 31) - 1
INT64_MIN: Final = -(1 << 63)
INT64_MAX: Final = (1 << 63) - 1
DOUBLE_MAX: Final = 1.7976931348623157e308
MASK_EXACT: Final = 0xFFFF_FFFF

Value = Any  # any of the types below and in the text above; a closed union would make every use a cast


class UInt(int):
    """An unsigned 32-bit number: ``(uint)``. Like the two below it never meets a plain ``int``."""


class Int64(int):
    """A signed 64-bit number: ``(gint64)``."""


class UInt64(int):
    """An unsigned 64-bit number: ``(guint64)``."""


class Float(float):
    """A number of single precision: ``(float)``."""


@dataclass(frozen=True, slots=True)
class Bitmask:
    """64 bits, like a channel mask: ``(bitmask)0x3``."""

    bits: int

    def __post_init__(self) -> None:
        if not 0 <= self.bits < 1 << 64:
            raise CapsError(f"a bitmask has 64 bits, {self.bits:#x} does not fit")


@dataclass(frozen=True, slots=True)
class FlagSet:
    """Flags of which some do not matter: every word whose bits in `mask` are those of `flags`.

    ``(flagset)3:7``: bits 0 and 1 are set, bit 2 is not, the others may be anything.

    Attributes
    ----------
    flags, mask : int
        32 bits each; flags outside of the mask are dropped.
    type : str
        ``flagset``, or the name of GStreamer's type, such as ``GstVideoMultiviewFlagsSet``.
    """

    flags: int
    mask: int
    type: str = "flagset"

    def __post_init__(self) -> None:
        if not (0 <= self.flags <= MASK_EXACT and 0 <= self.mask <= MASK_EXACT):
            raise CapsError(f"a flag set has 32 bits, {self.flags:x}:{self.mask:x} does not fit")
        object.__setattr__(self, "flags", self.flags & self.mask)

    def __contains__(self, word: object) -> bool:
        return isinstance(word, int) and word & self.mask == self.flags


@dataclass(frozen=True, slots=True)
class IntRange:
    """The numbers from `min` to `max`, both included, in steps.

    GStreamer's ranges hold multiples of their step only. Here they start anywhere, as V4L2's do: ``IntRange(1, 99, 2)``
    are the odd numbers.

    Attributes
    ----------
    min, max, step : int
        `max` becomes the largest number that is in the range.
    type : str
        ``int``, or ``gint64`` for 64-bit numbers.
    """

    min: int
    max: int
    step: int = 1
    type: str = "int"

    def __post_init__(self) -> None:
        low, high = (INT_MIN, INT_MAX) if self.type == "int" else (INT64_MIN, INT64_MAX)
        if self.step < 1:
            raise CapsError(f"the step of a range is positive, not {self.step}")
        if self.min > self.max:
            raise CapsError(f"a range goes from the smaller to the larger, not from {self.min} to {self.max}")
        if self.min < low or self.max > high:
            raise CapsError(f"[ {self.min}, {self.max} ] does not fit into the type {self.type}")
        object.__setattr__(self, "max", self.max - (self.max - self.min) % self.step)
        if self.min == self.max:
            object.__setattr__(self, "step", 1)

    def __contains__(self, value: object) -> bool:
        if type(value) is not INT_TYPES[self.type]:
            return False
        number = int(value)  # type: ignore[call-overload]
        return bool(self.min <= number <= self.max and (number - self.min) % self.step == 0)

    def __len__(self) -> int:
        return (self.max - self.min) // self.step + 1


@dataclass(frozen=True, slots=True)
class DoubleRange:
    """The floating-point numbers from `min` to `max`, both included."""

    min: float
    max: float
    type: ClassVar[str] = "double"

    def __post_init__(self) -> None:
        object.__setattr__(self, "min", float(self.min))
        object.__setattr__(self, "max", float(self.max))
        if not self.min <= self.max:
            raise CapsError(f"a range goes from the smaller to the larger, not from {self.min} to {self.max}")

    def __contains__(self, value: object) -> bool:
        return type(value) is float and self.min <= value <= self.max


@dataclass(frozen=True, slots=True)
class FractionRange:
    """The fractions from `min` to `max`, both included."""

    min: Fraction
    max: Fraction
    type: ClassVar[str] = "fraction"

    def __post_init__(self) -> None:
        object.__setattr__(self, "min", Fraction(self.min))
        object.__setattr__(self, "max", Fraction(self.max))
        if self.min > self.max:
            raise CapsError(f"a range goes from the smaller to the larger, not from {self.min} to {self.max}")

    def __contains__(self, value: object) -> bool:
        return type(value) is Fraction and self.min <= value <= self.max


Range = IntRange | DoubleRange | FractionRange
INT_TYPES: dict[str, type] = {"int": int, "gint64": Int64}
RANGES: tuple[type, ...] = (IntRange, DoubleRange, FractionRange)


@dataclass(frozen=True, slots=True)
class Other:
    """A value of a type that caps hardly ever have, as it was written: ``(date)2024-02-29``. Only equality counts."""

    type: str
    text: str


class Nested(ABC):
    """The base of `Structure` and `Caps`, which are values, too."""

    __slots__ = ()
    type: ClassVar[str]

    @property
    @abstractmethod
    def is_fixed(self) -> bool:
        """Whether it is exactly one format."""


def single(value: Value) -> Value:
    """Give the number that a range of one number is, or the value as it is."""
    if type(value) not in RANGES or value.min != value.max:
        return value
    return INT_TYPES[value.type](value.min) if type(value) is IntRange else value.min


class _Items:
    """What lists and arrays have in common. Values of different types with the same number are not the same."""

    __slots__ = ("_hash", "items")
    items: tuple[Value, ...]
    _hash: int | None

    def __init__(self, *items: Value):
        self.items = tuple(map(single, items))
        self._hash = None

    def __iter__(self) -> Iterator[Value]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> Value:
        return self.items[index]

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        if len(self.items) != len(other.items):
            return False
        return all(identical(one, two) for one, two in zip(self.items, other.items, strict=True))

    def __hash__(self) -> int:
        if self._hash is None:
            self._hash = hash((type(self), tuple(map(hash_key, self.items))))
        return self._hash

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(map(repr, self.items))})"


class ValueList(_Items):
    """Any one of several values, best first: ``{ NV12, I420 }``. All have one type; ranges of that type may be among.

    ``ValueList("NV12", "I420")``. A list within a list is the same as its items. An empty one allows nothing.
    """

    __slots__ = ("plain",)
    plain: frozenset[Value] | None
    """The items as a set, where they are strings or plain integers."""

    def __init__(self, *items: Value):
        flat: list[Value] = []
        for item in items:
            flat.extend(item.items) if type(item) is ValueList else flat.append(item)
        super().__init__(*flat)
        types = {type(item) for item in self.items}
        self.plain = frozenset(self.items) if types in ({str}, {int}) else None
        names = {basic_type(item) for item in self.items if not is_hollow(item)} if self.plain is None else set()
        if len(names) > 1:
            raise CapsError(f"the items of a list have one type, not {' and '.join(sorted(names))}")

    def __contains__(self, value: object) -> bool:
        if self.plain is not None:
            return type(value) in (str, int) and value in self.plain
        return any(identical(item, value) or (type(item) in RANGES and value in item) for item in self.items)


class ValueArray(_Items):
    """All of several values, in this order: ``< 1, 2 >``. Each may itself be a range or a list."""

    __slots__ = ()


_NAMES: dict[type, str] = {
    int: "int", UInt: "uint", Int64: "gint64", UInt64: "guint64", float: "double", Float: "float", bool: "boolean",
    str: "string", type(None): "string", bytes: "buffer", Fraction: "fraction", Bitmask: "bitmask",
}  # fmt: skip


def is_hollow(value: Value) -> bool:
    """Tell whether a list or array has nothing in it that has a type."""
    return isinstance(value, _Items) and all(map(is_hollow, value.items))


def basic_type(value: Value) -> str:
    """Give GStreamer's name for the type of a value, that of the first item for lists and arrays.

    Raises
    ------
    CapsError
        If caps cannot hold such a value.
    """
    name = _NAMES.get(type(value))
    if name is not None:
        return name
    if isinstance(value, _Items):
        return next((basic_type(item) for item in value.items if not is_hollow(item)), "int")
    if isinstance(value, (*RANGES, FlagSet, Other, Nested)):
        return str(value.type)  # type: ignore[attr-defined]
    known = "int, float, str, bool, Fraction, bytes and the classes of zcore.caps"
    raise CapsError(f"{value!r} is a {type(value).__name__}, and caps do not hold such; they hold {known}")


def can_share(one: Value, two: Value) -> bool:
    """Tell whether two values can be in one list."""
    return is_hollow(one) or is_hollow(two) or basic_type(one) == basic_type(two)


def identical(one: Value, two: Value) -> bool:
    """Tell whether two values are the same in type and in number; a NaN is the same as any other."""
    if type(one) is not type(two):
        return False
    return bool(one == two) or (isinstance(one, float) and math.isnan(one) and math.isnan(two))


def hash_key(value: Value) -> Value:
    """Give what to hash a value by: every NaN has a hash of its own, although all are the same here."""
    return 0.0 if isinstance(value, float) else value


def check(value: Value) -> Value:
    """Refuse what caps cannot hold, or what does not fit into its type; give the value as caps hold it."""
    value = single(value)
    name = basic_type(value)
    if isinstance(value, _Items):
        for item in value.items:
            check(item)
    elif isinstance(value, Fraction) or type(value) is FractionRange:
        for one in (value,) if isinstance(value, Fraction) else (value.min, value.max):
            if abs(one.numerator) > INT_MAX or one.denominator > INT_MAX:
                raise CapsError(f"the fraction {one} does not fit into two 32-bit numbers")
    elif isinstance(value, int) and name in INT_LIMITS and not INT_LIMITS[name][0] <= value <= INT_LIMITS[name][1]:
        raise CapsError(f"{value} does not fit into the type {name}")
    elif isinstance(value, str) and ("\0" in value or not _encodable(value)):
        raise CapsError(f"{value!r} has a character that no caps can hold")
    return value


INT_LIMITS: dict[str, tuple[int, int]] = {
    "int": (INT_MIN, INT_MAX),
    "uint": (0, (1 << 32) - 1),
    "gint64": (INT64_MIN, INT64_MAX),
    "guint64": (0, (1 << 64) - 1),
}


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
