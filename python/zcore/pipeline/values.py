"""Read single values as GStreamer does: whole and real numbers, fractions, truth values, arrays of numbers."""

from __future__ import annotations

import re
from fractions import Fraction

INTS = frozenset({"int", "i", "uint", "u", "int64", "uint64", "gint", "guint", "gint64", "guint64", "long", "ulong"})
DOUBLES = frozenset({"double", "d", "float", "f", "gdouble", "gfloat"})
BOOLS = frozenset({"boolean", "bool", "b", "gboolean"})
STRINGS = frozenset({"string", "str", "s", "gchararray"})
FRACTIONS = frozenset({"fraction", "gstfraction"})

TRUE = ("true", "yes", "t", "1")
FALSE = ("false", "no", "f", "0")

_whole = re.compile(r"[+-]?(?:0[xX][0-9a-fA-F]{1,32}|[0-9]{1,40})")
_real = re.compile(r"[+-]?(?:[0-9]{1,40}(?:\.[0-9]{0,80})?|\.[0-9]{1,80})(?:[eE][+-]?[0-9]{1,4})?")
_ratio = re.compile(r"([+-]?[0-9]{1,20})\s*/\s*([0-9]{1,20})", re.ASCII)
_prefix = re.compile(r"\s*\(\s*([A-Za-z0-9]+)\s*\)\s*", re.ASCII)


class ValueProblem(ValueError):
    """A text that is no value of the wanted type; ``index`` and ``end`` tell which part of it."""

    def __init__(self, message: str, index: int = 0, end: int | None = None):
        super().__init__(message)
        self.message = message
        self.index = index
        self.end = end


def type_prefix(text: str) -> tuple[str, int]:
    """Read the type before a value, as in ``(int)5``; gives it in lower case, and where the value begins."""
    found = _prefix.match(text)
    return (found[1].lower(), found.end()) if found else ("", 0)


def whole_number(text: str) -> int | None:
    """Read an integer as C does: ``10``, ``0x1f``, ``010`` is 8; ``None`` where it is none."""
    if _whole.fullmatch(text) is None:
        return None
    digits = text.lstrip("+-")
    base = 16 if digits[:2] in ("0x", "0X") else 8 if len(digits) > 1 and digits[0] == "0" else 10
    try:
        return int(text, base)
    except ValueError:  # 089
        return None


def real_number(text: str) -> float | None:
    """Read a floating-point number; ``None`` where it is none."""
    return float(text) if _real.fullmatch(text) else None


def ratio(text: str) -> Fraction | None:
    """Read a fraction, ``30/1`` or ``30``; ``None`` where it is none."""
    found = _ratio.fullmatch(text)
    if found is None:
        number = whole_number(text)
        return None if number is None else Fraction(number)
    return Fraction(int(found[1]), int(found[2])) if int(found[2]) else None


def truth(text: str) -> bool | None:
    """Read a truth value in any of GStreamer's spellings; ``None`` where it is none."""
    word = text.lower()
    return True if word in TRUE else False if word in FALSE else None


def whole_numbers(text: str) -> list[int] | None:
    """Read an array of integers, ``<1,2,3>`` or ``<(int)1,(int)2>``; ``None`` where it is none."""
    inside = text.strip()
    if len(inside) < 2 or inside[0] != "<" or inside[-1] != ">":
        return None
    values = []
    for part in inside[1:-1].split(","):
        kind, start = type_prefix(part)
        value = whole_number(part[start:].strip())
        if value is None or (kind and kind not in INTS):
            return None
        values.append(value)
    return values
