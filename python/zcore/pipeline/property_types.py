"""What properties of elements take, and what a text means for them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from zcore.pipeline import values as forms
from zcore.pipeline.errors import listing, nearest, short
from zcore.pipeline.values import ValueProblem

INT_MAX, UINT_MAX = 2**31 - 1, 2**32 - 1
INT64_MAX, UINT64_MAX = 2**63 - 1, 2**64 - 1
LONGEST_STRUCTURE = 4096


class Type(ABC):
    """What a property takes."""

    name: str
    prefixes: frozenset[str] = frozenset()  # types that may be written before the value

    def parse(self, text: str) -> Any:
        """Turn the text of a value into the value; ``(int)5`` is taken where the type is right.

        Raises
        ------
        ValueProblem
            With what would be accepted.
        """
        kind, start = forms.type_prefix(text)
        if not kind or not self.prefixes:
            return self.convert(text)
        if kind not in self.prefixes:
            raise ValueProblem(f"it is {article(self.name)}, not ({kind})", 0, start)
        return self.convert(text[start:])

    @abstractmethod
    def convert(self, text: str) -> Any:
        """Turn the text of a value, without a type before it, into the value."""

    def accepted(self) -> str:
        """Tell what is accepted, for people."""
        return self.name

    def show(self, value: Any) -> str:
        """Write a value as it would stand in a pipeline."""
        return "" if value is None else str(value)

    def to_dict(self) -> dict[str, Any]:
        """Give the type as plain data."""
        return {"type": self.name}


def article(noun: str) -> str:
    """Put ``a`` or ``an`` before a word."""
    return f"an {noun}" if noun[:1] in "aeio" else f"a {noun}"


@dataclass(frozen=True)
class Int(Type):
    """A whole number."""

    low: int
    high: int
    name: str = "int"
    prefixes = forms.INTS

    def convert(self, text: str) -> int:
        """Read the number; ``min`` and ``max`` are the ends of the range."""
        word = text.strip()
        value = {"min": self.low, "max": self.high}.get(word.lower(), forms.whole_number(word))
        if value is None:
            raise ValueProblem(f"it takes {self.accepted()}")
        if not self.low <= value <= self.high:
            raise ValueProblem(f"it takes {self.accepted()}; {short(word, 24)} is out of range")
        return value

    def accepted(self) -> str:
        """Tell the range."""
        return f"a whole number from {self.low} to {self.high}"

    def to_dict(self) -> dict[str, Any]:
        """Give the type as plain data."""
        return {"type": self.name, "minimum": self.low, "maximum": self.high}


@dataclass(frozen=True)
class Double(Type):
    """A number."""

    low: float
    high: float
    name: str = "double"
    prefixes = forms.DOUBLES | forms.INTS

    def convert(self, text: str) -> float:
        """Read the number."""
        value = forms.real_number(text.strip())
        if value is None or not self.low <= value <= self.high:
            raise ValueProblem(f"it takes {self.accepted()}")
        return value

    def accepted(self) -> str:
        """Tell the range."""
        return f"a number from {self.low:g} to {self.high:g}"

    def to_dict(self) -> dict[str, Any]:
        """Give the type as plain data."""
        return {"type": self.name, "minimum": self.low, "maximum": self.high}


@dataclass(frozen=True)
class Bool(Type):
    """A truth value."""

    name: str = "boolean"
    prefixes = forms.BOOLS

    def convert(self, text: str) -> bool:
        """Read the truth value in any of GStreamer's spellings."""
        value = forms.truth(text.strip())
        if value is None:
            raise ValueProblem(f"it takes {self.accepted()}")
        return value

    def accepted(self) -> str:
        """Tell the spellings."""
        return "true, yes, t, 1 or false, no, f, 0"

    def show(self, value: Any) -> str:
        """Write it as GStreamer prints it."""
        return "true" if value else "false"


@dataclass(frozen=True)
class Choice:
    """One value of an enumeration: its name, its number, what it means."""

    nick: str
    number: int
    meaning: str = ""


@dataclass(frozen=True)
class Enum(Type):
    """One of several names, each with a number."""

    choices: tuple[Choice, ...]
    name: str = "enum"
    prefixes = forms.STRINGS | forms.INTS

    @classmethod
    def of(cls, *names: str, first: int = 0) -> Enum:
        """Make an enumeration of names whose numbers count up; ``name: meaning`` gives the meaning too."""
        pairs = [name.partition(": ") for name in names]
        return cls(tuple(Choice(nick, number, text) for number, (nick, _, text) in enumerate(pairs, first)))

    def convert(self, text: str) -> str:
        """Give the name, for a name in any case, or a number."""
        word = text.strip()
        number = forms.whole_number(word)
        for choice in self.choices:
            if choice.nick.lower() == word.lower().replace("_", "-") or choice.number == number:
                return choice.nick
        names = [choice.nick for choice in self.choices]
        raise ValueProblem(f"it takes {self.accepted()}{nearest(word, names)}")

    def accepted(self) -> str:
        """Tell the names with their numbers."""
        return "one of " + listing(f"{choice.nick} ({choice.number})" for choice in self.choices)

    def to_dict(self) -> dict[str, Any]:
        """Give the type as plain data."""
        return {"type": self.name, "values": [vars(choice) for choice in self.choices]}


@dataclass(frozen=True)
class String(Type):
    """A text."""

    name: str = "string"

    def convert(self, text: str) -> str:
        """Take the text as it is, without a ``(string)`` before it or escaped quotes around it."""
        if "\0" in text:
            raise ValueProblem("it takes a text without NUL characters", text.index("\0"), text.index("\0") + 1)
        text = text.removeprefix("(string)")
        return text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' else text

    def accepted(self) -> str:
        """Tell that anything goes."""
        return "any text"


@dataclass(frozen=True)
class FractionType(Type):
    """A quotient of two whole numbers."""

    name: str = "fraction"
    prefixes = forms.FRACTIONS | forms.INTS

    def convert(self, text: str) -> Fraction:
        """Read ``30/1`` or ``30``."""
        value = forms.ratio(text.strip())
        if value is None or abs(value.numerator) > INT_MAX or value.denominator > INT_MAX:
            raise ValueProblem(f"it takes {self.accepted()}")
        return value

    def accepted(self) -> str:
        """Tell the form."""
        return "a fraction such as 30/1"

    def show(self, value: Any) -> str:
        """Write it with its denominator."""
        return "" if value is None else f"{Fraction(value).numerator}/{Fraction(value).denominator}"


@dataclass(frozen=True)
class CapsType(Type):
    """Caps."""

    name: str = "caps"

    def convert(self, text: str) -> Any:
        """Read caps; gives :class:`zcore.caps.Caps`."""
        from zcore.caps import Caps, CapsError

        try:
            caps = Caps.parse(text)
        except CapsError as error:
            raise ValueProblem(error.reason, error.position) from None
        if caps.is_empty:
            raise ValueProblem("nothing has these caps, so nothing could pass")
        return caps

    def accepted(self) -> str:
        """Tell the form."""
        return "caps, such as video/x-raw,format=NV12,width=1280"


@dataclass(frozen=True)
class Structure(Type):
    """Fields with values."""

    name: str = "structure"

    def convert(self, text: str) -> dict[str, Any]:
        """Read ``name,field=value,...``; the fields are given, the name is not."""
        from zcore.stages.structures import parse_structure

        if len(text) > LONGEST_STRUCTURE:
            raise ValueProblem(f"it takes {LONGEST_STRUCTURE} characters at most, these are {len(text)}")
        try:
            return dict(parse_structure(text))
        except ValueError as error:
            raise ValueProblem(str(error)) from None

    def accepted(self) -> str:
        """Tell the form."""
        return "NAME,FIELD=VALUE,..., such as c,brightness=10"

    def show(self, value: Any) -> str:
        """Write the fields."""
        return "" if not value else "c," + ",".join(f"{key}={one}" for key, one in value.items())


@dataclass(frozen=True)
class IntArray(Type):
    """Whole numbers in a row."""

    parts: tuple[str, ...]
    low: int = -INT_MAX - 1
    high: int = INT_MAX
    name: str = "array of int"

    def convert(self, text: str) -> tuple[int, ...]:
        """Read ``<0,0,640,480>``."""
        values = forms.whole_numbers(text)
        if values is None:
            raise ValueProblem(f"it takes {self.accepted()}")
        if len(values) != len(self.parts):
            raise ValueProblem(f"it takes {self.accepted()}; {len(values)} are given")
        if bad := [value for value in values if not self.low <= value <= self.high]:
            raise ValueProblem(f"it takes {self.accepted()} from {self.low} to {self.high}, not {bad[0]}")
        return tuple(values)

    def accepted(self) -> str:
        """Tell the form."""
        return f"{len(self.parts)} whole numbers, <{', '.join(self.parts)}>"

    def show(self, value: Any) -> str:
        """Write it with its brackets."""
        return "" if value is None else f"<{', '.join(map(str, value))}>"

    def to_dict(self) -> dict[str, Any]:
        """Give the type as plain data."""
        return {"type": self.name, "parts": list(self.parts)}


INT = Int(-INT_MAX - 1, INT_MAX)
COUNT = Int(-1, INT_MAX)
UINT = Int(0, UINT_MAX, "uint")
INT64 = Int(-INT64_MAX - 1, INT64_MAX, "int64")
UINT64 = Int(0, UINT64_MAX, "uint64")
FD = Int(-1, INT_MAX, "fd")
BOOL = Bool()
STRING = String()
CAPS = CapsType()
STRUCTURE = Structure()
