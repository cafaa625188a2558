"""Read GStreamer's structure strings: a name, then fields, as in ``c,brightness=10,contrast=(int)5``."""

from __future__ import annotations

import re
from collections.abc import Mapping

Value = int | float | bool | str

_FIELD = re.compile(
    r"""\s*(?P<key>[A-Za-z_0-9][\w .+/:-]*?)\s*=\s*
        (?:\(\s*(?P<type>[A-Za-z0-9_]+)\s*\)\s*)?
        (?:"(?P<quoted>(?:[^"\\]|\\.)*)"|<(?P<array>[^<>"]*)>|(?P<bare>[^,;"]*?))\s*(?:,|;\s*$|$)""",
    re.VERBOSE,
)
_NAME = re.compile(r"\s*(?P<name>[A-Za-z][\w+/:.-]*)\s*(?:,|;\s*$|$)")
_INTEGER = re.compile(r"[+-]?(0[xX][0-9a-fA-F]+|\d+)")
_WORDS = {"true": True, "t": True, "yes": True, "false": False, "f": False, "no": False}
_INTEGERS = {"int", "i", "uint", "u", "int64", "uint64", "gint", "guint", "gint64", "guint64", "bitmask", "flags"}
_BOOLEANS = {"boolean", "bool", "b", "gboolean"}
_FLOATS = {"double", "float", "d", "f", "gdouble", "gfloat"}
_STRINGS = {"string", "str", "s", "gchararray"}


def parse_structure(text: str) -> dict[str, Value]:
    """Read the fields of a structure string; its name may be left out.

    Parameters
    ----------
    text : str
        ``name,key=value,key=(type)value,...``. Types are GStreamer's: int, int64, boolean, string, double and their
        short forms; without one, what looks like a number is one.

    Raises
    ------
    ValueError
        Names the place.
    """
    name = _NAME.match(text)
    position = name.end() if name is not None else 0
    fields: dict[str, Value] = {}
    while position < len(text.rstrip("; \t\n")):
        found = _FIELD.match(text, position)
        if found is None:
            raise ValueError(
                f"cannot read {text[position:]!r} in {text!r}: fields are key=value, with commas between them, as in "
                "'c,brightness=10,contrast=5'"
            )
        key = found["key"].strip()
        if key in fields:
            raise ValueError(f"{key!r} stands twice in {text!r}")
        array = found["array"]  # <1, 2, 3>: who takes it reads the numbers
        fields[key] = array if array is not None else _value(key, found["type"], found["quoted"], found["bare"])
        position = found.end()
    return fields


def as_fields(given: Mapping[str, Value] | str | None) -> dict[str, Value]:
    """Give the fields of a mapping or of a structure string."""
    if given is None:
        return {}
    return parse_structure(given) if isinstance(given, str) else dict(given)


def plain_name(name: str) -> str:
    """Spell a name as v4l2-ctl and GStreamer do: lower case, ``_`` for whatever is neither letter nor digit."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")


def _value(key: str, kind: str | None, quoted: str | None, bare: str | None) -> Value:
    if quoted is not None:
        text = re.sub(r"\\(.)", r"\1", quoted)
        return text if kind is None or kind in _STRINGS else _typed(key, kind, text)
    text = (bare or "").strip()
    if not text:
        raise ValueError(f"{key!r} has no value")
    if kind is not None:
        return _typed(key, kind, text)
    if _INTEGER.fullmatch(text):
        return _integer(text)
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    try:
        return float(text)
    except ValueError:
        return text


def _typed(key: str, kind: str, text: str) -> Value:
    kind = kind.lower()
    if kind in _STRINGS:
        return text
    if kind in _INTEGERS and _INTEGER.fullmatch(text):
        return _integer(text)
    if kind in _BOOLEANS and (text.lower() in _WORDS or text in ("0", "1")):
        return _WORDS.get(text.lower(), text == "1")
    if kind in _FLOATS:
        try:
            return float(text)
        except ValueError:
            pass
    known = _INTEGERS | _BOOLEANS | _FLOATS | _STRINGS
    if kind not in known:
        raise ValueError(f"{key!r} has the unknown type {kind!r}; known are {', '.join(sorted(known))}")
    raise ValueError(f"{key}=({kind}){text}: {text!r} is no {kind}")


def _integer(text: str) -> int:
    sign, digits = (-1, text[1:]) if text[0] == "-" else (1, text.lstrip("+"))
    return sign * int(digits, 16 if digits[:2].lower() == "0x" else 10)
