"""Single values as text: what a word means for a type, which type it has when none is given, and how to write it.

The words are GStreamer's: ``min`` and ``max`` for numbers, ``1/max``, ``little_endian``, ``yes`` and ``t``.
"""

from __future__ import annotations

import math
import re
import struct
import sys
from collections.abc import Callable
from fractions import Fraction

from zcore.caps.errors import CapsError
from zcore.caps.values import (
    DOUBLE_MAX,
    INT_LIMITS,
    INT_MAX,
    Bitmask,
    FlagSet,
    Float,
    Int64,
    Other,
    UInt,
    UInt64,
    Value,
    basic_type,
)

WORD = re.compile(r"[A-Za-z0-9_\-+/:.*]+")
"""What is read without quotes."""

BARE = re.compile(r"[A-Za-z0-9_\-+/:.]+")
"""What is written without quotes: GStreamer reads a ``*`` since 1.30 only."""

INTEGER = re.compile(r"[+-]?(?:0[xX][0-9a-fA-F]+|[0-9]+)")
DECIMAL = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
HEXADECIMAL = re.compile(r"[+-]?0[xX](?:[0-9a-fA-F]+\.?[0-9a-fA-F]*|\.[0-9a-fA-F]+)(?:[pP][+-]?[0-9]{1,5})?")
RATIO = re.compile(r"([+-]?[0-9]{1,20})(?:/([+-]?[0-9]{1,20}))?")
FLAGS = re.compile(r"(?:0[xX])?([0-9a-fA-F]{1,8}):(?:0[xX])?([0-9a-fA-F]{1,8})(:(?:[+/][\w-]+)+)?", re.ASCII)
OCTAL = re.compile(r"\\([0-3][0-7][0-7])")
NICKS = re.compile(r"(?:[+/][\w-]+)+", re.ASCII)

TYPES = {
    "int": "int", "i": "int", "gint": "int", "uint": "uint", "u": "uint", "guint": "uint",
    "gint64": "gint64", "guint64": "guint64",
    "float": "float", "f": "float", "gfloat": "float", "double": "double", "d": "double", "gdouble": "double",
    "fraction": "fraction", "GstFraction": "fraction",
    "boolean": "boolean", "bool": "boolean", "b": "boolean", "gboolean": "boolean",
    "string": "string", "str": "string", "s": "string", "gchararray": "string",
    "bitmask": "bitmask", "GstBitmask": "bitmask", "flagset": "flagset", "GstFlagSet": "flagset",
    "buffer": "buffer", "GstBuffer": "buffer",
    "structure": "structure", "GstStructure": "structure", "caps": "caps", "GstCaps": "caps",
    "date": "date", "GDate": "date", "datetime": "datetime", "GstDateTime": "datetime",
    "gdatetime": "gdatetime", "GDateTime": "gdatetime", "type": "type", "GType": "type",
    "GstIntRange": "int", "GstInt64Range": "gint64", "GstDoubleRange": "double", "GstFractionRange": "fraction",
    "taglist": "taglist", "GstTagList": "taglist", "sample": "sample", "GstSample": "sample",
}  # fmt: skip
"""Every name of a type, and the one that is written."""

MULTIVIEW = "GstVideoMultiviewFlagsSet"
MULTIVIEW_FLAGS = {
    "right-view-first": 1 << 0,
    "left-flipped": 1 << 1,
    "left-flopped": 1 << 2,
    "right-flipped": 1 << 3,
    "right-flopped": 1 << 4,
    "half-aspect": 1 << 14,
    "mixed-mono": 1 << 15,
}
ENDIANNESS = {"little_endian": 1234, "big_endian": 4321, "byte_order": 1234 if sys.byteorder == "little" else 4321}
TRUE = ("true", "yes", "t", "1")
FALSE = ("false", "no", "f", "0")
GUESSES = ("int", "double", "fraction", "flagset", "boolean")

EXPECTED = {
    "int": "a whole number, min or max",
    "uint": "a whole number that is not negative, min or max",
    "gint64": "a whole number, min or max",
    "guint64": "a whole number that is not negative, min or max",
    "float": "a number, min or max",
    "double": "a number, min or max",
    "fraction": "a fraction like 30/1 of 32-bit numbers, min or max",
    "boolean": "true or false",
    "bitmask": "up to 64 bits in hexadecimal, like 0x3",
    "flagset": "two hexadecimal numbers of up to 32 bits, flags and mask, like 3:7",
    "buffer": "bytes in hexadecimal, two digits each",
    "string": "a word, or a text in double quotes",
}


def read(kind: str, word: str) -> Value:
    """Read a word as a value of a type.

    Raises
    ------
    CapsError
        If it is none; the message says what would be.
    """
    if kind.endswith("FlagsSet"):
        return _flags(word, kind)
    reader = _READERS.get(kind)
    if reader is None:
        return Other(kind, word)
    value = reader(word)
    if value is None:
        raise CapsError(f"{word!r} is no {kind}; expected {EXPECTED[kind]}")
    return value


def guess(word: str) -> Value:
    """Read a word whose type is not told: the first of int, double, fraction, flag set and boolean, else a string."""
    if word == "NULL":
        return None
    for kind in GUESSES:
        value = _READERS[kind](word)
        if value is not None:
            return value
    return word


def _integer(word: str, kind: str) -> int | None:
    low, high = INT_LIMITS[kind]
    if not INTEGER.fullmatch(word):
        lower = word.lower()
        return {"min": low, "max": high, **ENDIANNESS}.get(lower)
    digits = word.lstrip("+-")
    if len(digits) > 80:
        return None
    if digits[:2] in ("0x", "0X"):
        number = int(digits, 16)
    elif digits[0] == "0":
        if not set(digits) <= set("01234567"):
            return None
        number = int(digits, 8)
    else:
        number = int(digits)
    number = -number if word[0] == "-" else number
    return number if low <= number <= high else None


def _double(word: str) -> float | None:
    lower = word.lower()
    if lower in ("min", "max"):
        return DOUBLE_MAX if lower == "max" else -DOUBLE_MAX
    bare = lower.lstrip("+-")
    if bare in ("nan", "inf", "infinity") and len(lower) - len(bare) < 2:
        return math.nan if bare == "nan" else float(lower)
    if DECIMAL.fullmatch(word):
        return float(word)
    if HEXADECIMAL.fullmatch(word):
        try:
            return float.fromhex(word)
        except OverflowError:
            return math.inf if word[0] != "-" else -math.inf
    return None


def _float(word: str) -> Float | None:
    number = _double(word)
    if number is None:
        return None
    try:
        return Float(struct.unpack("<f", struct.pack("<f", number))[0])
    except OverflowError:  # min, max, and what is beyond
        largest = struct.unpack("<f", b"\xff\xff\x7f\x7f")[0]
        return Float(math.copysign(largest if word.lower() in ("min", "max") else math.inf, number))


def _fraction(word: str) -> Fraction | None:
    lower = word.lower()
    if lower in ("min", "max", "1/max"):
        return Fraction(1, INT_MAX) if lower == "1/max" else Fraction(INT_MAX if lower == "max" else -INT_MAX)
    found = RATIO.fullmatch(word)
    if found is None:
        return None
    above, below = int(found[1]), int(found[2] or 1)
    if below == 0 or max(abs(above), abs(below)) > INT_MAX:
        return None
    return Fraction(above, below)


def _boolean(word: str) -> bool | None:
    lower = word.lower()
    return True if lower in TRUE else False if lower in FALSE else None


def _bitmask(word: str) -> Bitmask | None:
    found = re.fullmatch(r"0[bB]([01]{1,64})|(?:0[xX])?([0-9a-fA-F]{1,16})", word)
    if found is None:
        return None
    return Bitmask(int(found[1], 2) if found[1] else int(found[2], 16))


def _flagset(word: str) -> FlagSet | None:
    found = FLAGS.fullmatch(word)
    return FlagSet(int(found[1], 16), int(found[2], 16)) if found else None


def _flags(word: str, kind: str) -> FlagSet:
    """Read flags of a type with a name of its own. Its flags may be told by their names where zcore knows them."""
    found = FLAGS.fullmatch(word)
    if found:
        return FlagSet(int(found[1], 16), int(found[2], 16), kind)
    if kind != MULTIVIEW or not NICKS.fullmatch(word):
        raise CapsError(f"{word!r} is no {kind}; expected {EXPECTED['flagset']}")
    flags = mask = 0
    for sign, nick in re.findall(r"([+/])([\w-]+)", word):
        if nick not in MULTIVIEW_FLAGS:
            raise CapsError(f"{kind} has no flag {nick!r}, only {', '.join(MULTIVIEW_FLAGS)}")
        mask |= MULTIVIEW_FLAGS[nick]
        flags |= MULTIVIEW_FLAGS[nick] if sign == "+" else 0
    return FlagSet(flags, mask, kind)


def _buffer(word: str) -> bytes | None:
    return bytes.fromhex(word) if re.fullmatch(r"(?:[0-9a-fA-F]{2})*", word) else None


def _cast(word: str, kind: str, make: Callable[[int], Value]) -> Value:
    number = _integer(word, kind)
    return None if number is None else make(number)


_READERS: dict[str, Callable[[str], Value]] = {
    "int": lambda word: _integer(word, "int"),
    "uint": lambda word: _cast(word, "uint", UInt),
    "gint64": lambda word: _cast(word, "gint64", Int64),
    "guint64": lambda word: _cast(word, "guint64", UInt64),
    "double": _double,
    "float": _float,
    "fraction": _fraction,
    "boolean": _boolean,
    "bitmask": _bitmask,
    "flagset": _flagset,
    "buffer": _buffer,
    "string": str,
}


def unquote(text: str) -> str | None:
    r"""Read what is between double quotes: ``\x`` is x, ``\303\244`` the bytes of a letter. None if that is no text."""
    out = bytearray()
    position = 0
    while position < len(text):
        if text[position] != "\\":
            out += text[position].encode()
            position += 1
        elif found := OCTAL.match(text, position):
            out.append(int(found[1], 8))
            position += 4
        elif position + 1 < len(text) and text[position + 1] not in "0123":
            out += text[position + 1].encode()
            position += 2
        else:
            return None
    try:
        return None if 0 in out else out.decode()
    except UnicodeDecodeError:
        return None


def quote(text: str) -> str:
    """Write a string, in quotes where it needs them."""
    if BARE.fullmatch(text) and text != "NULL":
        return text
    out = []
    for byte in text.encode():
        char = chr(byte)
        plain = byte < 0x80 and BARE.fullmatch(char)
        out.append(char if plain else f"\\{char}" if 0x20 <= byte < 0x7F else f"\\{byte:03o}")
    return f'"{"".join(out)}"'


def write(value: Value) -> str:
    """Write a single value without its type, as GStreamer does."""
    if isinstance(value, str):
        return quote(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return format(value, ".17g")
    if isinstance(value, Fraction):
        return f"{value.numerator}/{value.denominator}"
    if isinstance(value, bytes):
        return value.hex() or '""'
    if isinstance(value, Bitmask):
        return f"0x{value.bits:016x}"
    if isinstance(value, FlagSet):
        return f"{value.flags:x}:{value.mask:x}{_nicks(value)}"
    if isinstance(value, Other):
        return value.text
    if isinstance(value, int):
        return int.__repr__(value)
    if value is None:
        return "NULL"
    raise AssertionError(basic_type(value))


def _nicks(value: FlagSet) -> str:
    if value.type != MULTIVIEW:
        return ""
    parts = [("+" if value.flags & bit else "/") + nick for nick, bit in MULTIVIEW_FLAGS.items() if value.mask & bit]
    return ":" + "".join(parts) if parts else ""
