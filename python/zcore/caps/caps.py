"""Caps: what a link may carry, as a list of alternatives, best first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import ClassVar, Literal, Self

from zcore.caps import algebra
from zcore.caps.errors import CapsError
from zcore.caps.structure import Structure
from zcore.caps.values import Nested, Value, ValueList, can_share

MOST_STRUCTURES = 100_000  # that `normalize` makes
MOST_PIECES = 64  # into which a structure is cut by others before what is left counts as whole


class Caps(Nested):
    """A set of media formats, as GStreamer describes them.

    ``Caps.parse("video/x-raw,format={NV12,I420},width=[16,1920]")``. Caps never change; what would change them gives
    new ones. ``a & b``, ``a | b`` and ``a - b`` are `intersect`, `union` and `subtract`. ``a == b`` tells whether both
    are written the same, apart from the order of fields; `is_equal` whether both allow the same.

    Parameters
    ----------
    structures : iterable of Structure
        The alternatives, best first.

    Attributes
    ----------
    structures : tuple of Structure
    is_any : bool
        Whether everything is allowed. Such caps have no structures.
    """

    __slots__ = ("is_any", "structures")
    type: ClassVar[str] = "caps"
    ANY: ClassVar[Caps]
    EMPTY: ClassVar[Caps]
    structures: tuple[Structure, ...]
    is_any: bool

    def __init__(self, structures: Iterable[Structure] = ()):
        self.structures = tuple(structures)
        self.is_any = False

    @classmethod
    def parse(cls, text: str, *, strict: bool = True) -> Caps:
        """Read caps as GStreamer writes them.

        Parameters
        ----------
        text : str
            Like ``video/x-raw(memory:DMABuf), format=NV12; image/jpeg``, ``ANY`` or ``EMPTY``.
        strict : bool
            Refuse a raw format that GStreamer does not know and that resembles one which it knows.

        Raises
        ------
        CapsError
            With the place, what was expected there, and the nearest name.
        """
        from zcore.caps.parser import parse  # the parser makes nested caps

        return parse(text, strict=strict)

    @classmethod
    def of(cls, caps: Caps | str) -> Caps:
        """Give caps, read from text if need be."""
        return caps if isinstance(caps, Caps) else cls.parse(caps)

    @property
    def is_empty(self) -> bool:
        """Whether nothing is allowed."""
        return not self.structures and not self.is_any

    @property
    def is_fixed(self) -> bool:
        """Whether there is one structure, and each of its fields is one value."""
        return len(self.structures) == 1 and self.structures[0].is_fixed

    def __bool__(self) -> bool:
        return not self.is_empty

    def __iter__(self) -> Iterator[Structure]:
        return iter(self.structures)

    def __len__(self) -> int:
        return len(self.structures)

    def __getitem__(self, index: int) -> Structure:
        return self.structures[index]

    def intersect(self, other: Caps, mode: Literal["zig-zag", "first"] = "zig-zag") -> Caps:
        """Give what both allow.

        Parameters
        ----------
        mode : {"zig-zag", "first"}
            Whose order of preference counts: both, or that of these caps.
        """
        if mode not in ("zig-zag", "first"):
            raise ValueError(f"mode {mode!r} is neither zig-zag nor first")
        if self.is_any or other.is_empty or self is other:
            return other
        if other.is_any or self.is_empty:
            return self
        mine, others = self.structures, other.structures
        pairs = ((i, j, one.intersect(two)) for i, one in enumerate(mine) for j, two in enumerate(others))
        met = [(i + j, j, both) for i, j, both in pairs if both is not None]
        if mode == "zig-zag":  # by the sum of both ranks; among equals the other's better rank first
            met.sort(key=lambda found: found[:2])
        return _merge([], [both for _, _, both in met])

    def can_intersect(self, other: Caps) -> bool:
        """Tell whether there is something that both allow."""
        if self.is_empty or other.is_empty:
            return False
        if self.is_any or other.is_any:
            return True
        return any(one.can_intersect(two) for one in self.structures for two in other.structures)

    def is_subset(self, other: Caps) -> bool:
        """Tell whether the other caps allow everything that these do, be it by several structures together."""
        if other.is_any:
            return True
        return not self.is_any and all(_covered(one, other.structures) for one in self.structures)

    def is_equal(self, other: Caps) -> bool:
        """Tell whether both allow the same."""
        return self == other or (self.is_subset(other) and other.is_subset(self))

    def union(self, other: Caps) -> Caps:
        """Give these caps and behind them what the other has in addition."""
        if self.is_any or other.is_any:
            return Caps.ANY
        return _merge(list(self.structures), other.structures)

    def subtract(self, other: Caps) -> Caps:
        """Give what these allow and the other does not.

        A field that only the other has, and a hole in a range of fractions, cannot be expressed; what is left is then
        larger. So it is where a structure would be cut into more than 64 pieces.

        Raises
        ------
        CapsError
            For ANY, of which no part can be taken.
        """
        if self.is_empty or other.is_any:
            return Caps.EMPTY
        if other.is_empty:
            return self
        if self.is_any or any(one.features.is_any for one in self.structures):
            raise CapsError("ANY has no parts that could be taken away from it", str(self))
        return Caps(piece for one in self.structures for piece in _without(one, other.structures)).simplify()

    def simplify(self) -> Caps:
        """Join structures that can be written as one. The first of those that are joined gives the place."""
        done: list[Structure] = []
        for one in self.structures:
            new, place, index = one, len(done), 0
            while index < len(done):
                joined = _join(done[index], new)
                if joined is None:
                    index += 1
                else:
                    del done[index]
                    new, place, index = joined, min(place, index), 0
            done.insert(place, new)
        return self if len(done) == len(self.structures) else Caps(done)

    def normalize(self) -> Caps:
        """Write every item of a list as a structure of its own, in GStreamer's order.

        Raises
        ------
        CapsError
            If that would be more than 100,000 structures.
        """
        count = 0
        for one in self.structures:
            product = 1
            for value in one.fields.values():
                product *= len(value) if isinstance(value, ValueList) else 1
            count += product
        if count > MOST_STRUCTURES:
            raise CapsError(f"these caps stand for {count} structures, which is too many to list")
        if self.is_any:
            return self
        work = list(self.structures)
        done: list[Structure] = []
        while len(done) < len(work):
            one = work[len(done)]
            for name, value in one.fields.items():
                if isinstance(value, ValueList) and value.items:
                    fields = dict(one.fields)
                    work.extend(one.with_fields({**fields, name: item}) for item in value.items[1:])
                    one = one.with_fields({**fields, name: value.items[0]})
            done.append(one)
        return Caps(one for one in done if algebra.NOTHING not in one.fields.values())

    def truncate(self) -> Caps:
        """Give the first structure only."""
        return self if len(self.structures) < 2 else Caps(self.structures[:1])

    def fixate(self, wishes: Mapping[str, Value] | None = None) -> Caps:
        """Choose one format out of these: of the first structure, one value for each field.

        Parameters
        ----------
        wishes : mapping of str to Value, optional
            By field name, the value to which the choice shall be nearest, or a list of values by preference. A field
            without a wish gets the first value of a list, the smallest of a range.

        Raises
        ------
        CapsError
            For ANY.

        Examples
        --------
        >>> str(Caps.parse("video/x-raw,format={I420,NV12},width=[16,1920]").fixate({"width": 2000}))
        'video/x-raw, format=(string)I420, width=(int)1920'
        """
        if self.is_any:
            raise CapsError("ANY cannot be fixed: nothing is known of what there is to choose from", str(self))
        return Caps(one.fixate(wishes) for one in self.structures[:1])

    def __and__(self, other: Caps) -> Caps:
        return self.intersect(other) if isinstance(other, Caps) else NotImplemented

    def __or__(self, other: Caps) -> Caps:
        return self.union(other) if isinstance(other, Caps) else NotImplemented

    def __sub__(self, other: Caps) -> Caps:
        return self.subtract(other) if isinstance(other, Caps) else NotImplemented

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Caps):
            return NotImplemented
        return self.is_any == other.is_any and self.structures == other.structures

    def __hash__(self) -> int:
        return hash((self.is_any, self.structures))

    def __str__(self) -> str:
        if self.is_any:
            return "ANY"
        return "; ".join(map(str, self.structures)) or "EMPTY"

    def __repr__(self) -> str:
        return f"<Caps {self}>"

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __reduce__(self) -> tuple[object, ...]:
        return (_any, ()) if self.is_any else (Caps, (self.structures,))


Caps.EMPTY = Caps()
Caps.ANY = Caps()
Caps.ANY.is_any = True


def _any() -> Caps:
    return Caps.ANY


def _merge(done: list[Structure], more: Iterable[Structure]) -> Caps:
    """Add structures that are not within one that is already there."""
    for one in more:
        if not any(one.is_subset(old) for old in done):
            done.append(one)
    return Caps(done)


def _join(one: Structure, two: Structure) -> Structure | None:
    """Make one structure of two: where one is within the other, or they differ in one field only."""
    if one.name != two.name or one.features != two.features:
        return None
    if one.fields.keys() == two.fields.keys():
        differing = [name for name, value in one.fields.items() if not algebra.same(value, two.fields[name])]
        if not differing:
            return one
        name = differing[0]
        if len(differing) == 1 and can_share(one.fields[name], two.fields[name]):
            return one.with_fields({**one.fields, name: algebra.union(one.fields[name], two.fields[name])})
    if two.is_subset(one):
        return one
    return two if one.is_subset(two) else None


def _without(one: Structure, holes: tuple[Structure, ...]) -> list[Structure]:
    """Take structures out of one, as far as that does not make too many pieces of it."""
    rest = [one]
    for hole in holes:
        pieces: list[Structure] = []
        for piece in rest:
            cut = piece.subtract(hole)
            pieces.extend([piece] if cut is None else cut)
        if len(pieces) > MOST_PIECES:
            pieces = list(_merge([], pieces).structures) if len(pieces) < 2 * MOST_PIECES else pieces
        if len(pieces) <= MOST_PIECES:
            rest = pieces
    return rest


def _covered(one: Structure, others: tuple[Structure, ...]) -> bool:
    """Tell whether a structure is within others together; one with an empty list is nothing at all."""
    if algebra.NOTHING in one.fields.values() or any(one.is_subset(other) for other in others):
        return True
    rest = [one]
    for other in others:
        if one.features.is_any and not other.features.is_any:
            continue
        rest = [piece for left in rest for piece in _cut(left, other)]
        if not rest or len(rest) > MOST_PIECES:
            break
    return not rest


def _cut(one: Structure, other: Structure) -> list[Structure]:
    """Give pieces of a structure that do not overlap, without what is in the other."""
    if one.subtract(other) is None:
        return [one]
    pieces: list[Structure] = []
    fields = dict(one.fields)
    for name, value in other.fields.items():
        rest = algebra.subtract(fields[name], value)
        if rest is not algebra.NOTHING:
            pieces.append(one.with_fields({**fields, name: rest}))
        fields[name] = algebra.intersect(fields[name], value)
    return pieces
