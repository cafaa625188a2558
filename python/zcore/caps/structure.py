"""One alternative of caps: a media type, its features and its fields."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import ClassVar, Final

from zcore.caps import algebra
from zcore.caps.errors import CapsError
from zcore.caps.names import misspelt_feature
from zcore.caps.scalars import WORD, write
from zcore.caps.values import (
    RANGES,
    IntRange,
    Nested,
    Value,
    ValueArray,
    ValueList,
    basic_type,
    check,
    hash_key,
    identical,
)

NAME = re.compile(r"[A-Za-z][A-Za-z0-9/\-_.:+*]*")
FEATURE = re.compile(r"[A-Za-z]+:[A-Za-z][A-Za-z0-9]*")
SYSTEM_MEMORY: Final = "memory:SystemMemory"


class Features:
    """What is demanded of the memory, or of what comes with each frame: ``memory:DMABuf``.

    None at all is plain memory, the same as ``memory:SystemMemory``. `Features.ANY` goes with everything.

    Parameters
    ----------
    *names : str
        Such as ``meta:GstVideoOverlayComposition``; each counts once.

    Raises
    ------
    CapsError
        If a name is no feature's, or is nearly one that is known.
    """

    __slots__ = ("_set", "is_any", "names")
    ANY: ClassVar[Features]
    names: tuple[str, ...]
    is_any: bool
    _set: frozenset[str]

    def __init__(self, *names: str):
        for name in names:
            if meant := misspelt_feature(name):
                raise CapsError(f"unknown feature {name!r}; did you mean {meant}?")
            if not FEATURE.fullmatch(name):
                raise CapsError(f"{name!r} is no feature; one looks like memory:DMABuf")
        self.names = tuple(dict.fromkeys(names))
        self.is_any = False
        self._set = frozenset(names) - {SYSTEM_MEMORY} if len(self.names) == 1 else frozenset(names)

    def agrees(self, other: Features) -> bool:
        """Tell whether both demand the same, or one of them is ANY."""
        return self.is_any or other.is_any or self._set == other._set

    @property
    def is_plain(self) -> bool:
        """Whether plain memory is meant."""
        return not self._set and not self.is_any

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)

    def __contains__(self, name: object) -> bool:
        return name in self.names

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Features):
            return NotImplemented
        return self.is_any == other.is_any and self._set == other._set

    def __hash__(self) -> int:
        return hash((self.is_any, self._set))

    def __str__(self) -> str:
        return "ANY" if self.is_any else ", ".join(self.names)

    def __repr__(self) -> str:
        return "Features.ANY" if self.is_any else f"Features({', '.join(map(repr, self.names))})"

    def __reduce__(self) -> tuple[object, ...]:
        return (_any, ()) if self.is_any else (Features, self.names)


def _any() -> Features:
    return Features.ANY


Features.ANY = Features()
Features.ANY.is_any = True
PLAIN: Final = Features()


class Structure(Nested):
    """A media type with its fields; a field that is not there may be anything.

    Parameters
    ----------
    name : str
        The media type, like ``video/x-raw``.
    fields : mapping or iterable of pairs
        From field names to values, in the order in which they are written.
    features : Features, iterable of str or str
        See `Features`.

    Attributes
    ----------
    name : str
    fields : Mapping of str to Value
    features : Features
    """

    __slots__ = ("_hash", "_hint", "features", "fields", "name")
    type: ClassVar[str] = "structure"
    name: str
    fields: Mapping[str, Value]
    features: Features
    _hint: str | None
    _hash: int | None

    def __init__(
        self,
        name: str,
        fields: Mapping[str, Value] | Iterable[tuple[str, Value]] = (),
        features: Features | Iterable[str] | str = PLAIN,
    ):
        if not NAME.fullmatch(name):
            raise CapsError(f"{name!r} is no media type; it begins with a letter and has letters, digits and /-_.:+*")
        known = dict(fields)
        for field, value in known.items():
            if not isinstance(field, str) or not WORD.fullmatch(field):
                raise CapsError(f"{field!r} is no field's name; it has letters, digits and _-+/:.*")
            known[field] = check(value)
        if not isinstance(features, Features):
            features = Features(features) if isinstance(features, str) else Features(*features)
        self._fill(name, known, features)

    def _fill(self, name: str, fields: dict[str, Value], features: Features) -> None:
        self.name = name
        self.fields = MappingProxyType(fields)
        self.features = features
        hint = fields.get("format")
        self._hint = hint if type(hint) is str else None
        self._hash = None

    def with_fields(self, fields: Mapping[str, Value], features: Features | None = None) -> Structure:
        """Give a structure of the same name with these fields instead."""
        return make(self.name, dict(fields), self.features if features is None else features)

    def __getitem__(self, field: str) -> Value:
        return self.fields[field]

    def get(self, field: str, default: Value = None) -> Value:
        """Give a field, or something else if it is not there."""
        return self.fields.get(field, default)

    def __contains__(self, field: object) -> bool:
        return field in self.fields

    @property
    def is_fixed(self) -> bool:
        """Whether every field is one value and the features are not ANY."""
        return not self.features.is_any and all(map(algebra.is_fixed, self.fields.values()))

    def intersect(self, other: Structure) -> Structure | None:
        """Give what is in both, or None. Fields of this one come first, and the features that are not ANY win."""
        if self.name != other.name:
            return None
        if self._hint is not None and other._hint is not None and self._hint != other._hint:
            return None
        if not self.features.agrees(other.features):
            return None
        fields = dict(self.fields)
        for name, value in other.fields.items():
            if name not in fields:
                fields[name] = value
            elif (common := algebra.intersect(fields[name], value)) is algebra.NOTHING:
                return None
            else:
                fields[name] = common
        return make(self.name, fields, other.features if self.features.is_any else self.features)

    def can_intersect(self, other: Structure) -> bool:
        """Tell whether `intersect` would give something."""
        if self.name != other.name or not self.features.agrees(other.features):
            return False
        for name, value in other.fields.items():
            if name in self.fields and algebra.intersect(self.fields[name], value) is algebra.NOTHING:
                return False
        return True

    def is_subset(self, other: Structure) -> bool:
        """Tell whether all of this is in the other, which then has no field that this has not."""
        if self.name != other.name:
            return False
        if self._hint is not None and other._hint is not None and self._hint != other._hint:
            return False
        if (self.features.is_any and not other.features.is_any) or not self.features.agrees(other.features):
            return False
        mine = self.fields
        return all(name in mine and algebra.is_subset(mine[name], value) for name, value in other.fields.items())

    def subtract(self, other: Structure) -> list[Structure] | None:
        """Give structures that together are this one without the other; None if the other takes nothing away.

        Where only the other has a field, what is left cannot be told and everything stays.
        """
        if self.name != other.name or not self.features.agrees(other.features):
            return None
        pieces: list[Structure] = []
        for name, value in other.fields.items():
            if name not in self.fields:
                return None
            rest = algebra.subtract(self.fields[name], value)
            if rest is algebra.NOTHING:
                continue
            if algebra.same(rest, self.fields[name]):
                return None
            pieces.append(self.with_fields({**self.fields, name: rest}))
        return pieces[::-1]

    def fixate(self, wishes: Mapping[str, Value] | None = None) -> Structure:
        """Choose one value for each field, the nearest to what is wished; ANY features become none."""
        wanted = wishes or {}
        fields = {name: algebra.fixate(value, wanted.get(name)) for name, value in self.fields.items()}
        return self.with_fields(fields, PLAIN if self.features.is_any else None)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Structure):
            return NotImplemented
        return (
            self.name == other.name
            and self.features == other.features
            and len(self.fields) == len(other.fields)
            and all(f in other.fields and identical(value, other.fields[f]) for f, value in self.fields.items())
        )

    def __hash__(self) -> int:
        if self._hash is None:
            items = frozenset((name, hash_key(value)) for name, value in self.fields.items())
            self._hash = hash((self.name, self.features, items))
        return self._hash

    def __str__(self) -> str:
        features = "" if self.features.is_plain else f"({self.features})"
        fields = "".join(f", {name}=({basic_type(value)}){text_of(value)}" for name, value in self.fields.items())
        return f"{self.name}{features}{fields}"

    def __repr__(self) -> str:
        return f"<Structure {self}>"

    def __reduce__(self) -> tuple[object, ...]:
        return Structure, (self.name, tuple(self.fields.items()), self.features)


def make(name: str, fields: dict[str, Value], features: Features) -> Structure:
    """Make a structure of what is known to be right."""
    structure = Structure.__new__(Structure)
    structure._fill(name, fields, features)
    return structure


def text_of(value: Value, inside: bool = False) -> str:
    """Write a value as GStreamer does, without the type that stands before it.

    Parameters
    ----------
    inside : bool
        For what is in a list in a list: every item has its type in front.
    """
    if isinstance(value, (ValueList, ValueArray)):
        left, right = "{}" if isinstance(value, ValueList) else "<>"
        told = None if inside else basic_type(value)
        items = []
        for item in value:
            deeper, kind = isinstance(item, (ValueList, ValueArray)), basic_type(item)
            items.append(("" if deeper or kind == told else f"({kind})") + text_of(item, True))
        return f"{left} {', '.join(items)} {right}"
    if type(value) is IntRange:
        step = "" if value.step == 1 else f", {value.step}"
        return f"[ {value.min}, {value.max}{step} ]"
    if type(value) in RANGES:
        return f"[ {write(value.min)}, {write(value.max)} ]"
    if isinstance(value, Structure):
        return f"[{value};]"
    if isinstance(value, Nested):
        return f"[{value}]"
    return write(value)
