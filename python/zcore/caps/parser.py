"""Reading caps: one pass from left to right, and every error knows its place."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from zcore.caps import scalars
from zcore.caps.caps import Caps
from zcore.caps.errors import CapsError
from zcore.caps.names import bad_drm_format, misspelt_format, near
from zcore.caps.scalars import EXPECTED, TYPES, WORD
from zcore.caps.structure import NAME, PLAIN, Features, Structure, make
from zcore.caps.values import (
    DoubleRange,
    FractionRange,
    IntRange,
    Value,
    ValueArray,
    ValueList,
    basic_type,
    single,
)

MOST_DEPTH = 32
"""How deep lists, arrays and nested caps may be."""

_SPACE = re.compile(r"(?:\\?[ \t\n\v\f\r])*")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_CAST = re.compile(r"\(\s*([A-Za-z0-9_\-+/:.*]*)\s*\)", re.ASCII)
_NESTED = re.compile(
    r"\[\s*[A-Za-z][A-Za-z0-9/\-_.:+*]*\s*(?:\(|;|\]|,\s*[A-Za-z0-9_\-+/:.*]+\s*=)", re.ASCII
)  # what tells [ foo, a=1 ] from a range
_WHOLE = {"ANY": Caps.ANY, "EMPTY": Caps.EMPTY, "NONE": Caps.EMPTY, "": Caps.EMPTY}
_CONTAINERS = {"list": "{", "GstValueList": "{", "array": "<", "GstValueArray": "<"}
_BOUNDS = ("min", "max")


def parse(text: str, *, strict: bool = True, depth: int = 0) -> Caps:
    """Read caps; see `Caps.parse`."""
    if not isinstance(text, str):
        raise TypeError(f"caps are text, not {type(text).__name__}")
    if found := re.search("[\0\ud800-\udfff]", text):
        raise CapsError(f"{found[0]!r} is a character that no caps can hold", text, found.start())
    whole = _WHOLE.get(text.strip())
    return _Reader(text, strict, depth).caps("") if whole is None else whole


class _Reader:
    """A text and how far it has been read."""

    def __init__(self, text: str, strict: bool, depth: int = 0):
        self.text = text
        self.strict = strict
        self.depth = depth
        self.at = 0
        self.field = self.media = ""

    def error(self, reason: str, at: int | None = None) -> CapsError:
        return CapsError(reason, self.text, self.at if at is None else at)

    @contextmanager
    def placed(self, at: int, cure: str = "") -> Iterator[None]:
        """Give errors of values, which know no text, the place in this one."""
        try:
            yield
        except CapsError as error:
            if error.text == self.text:
                raise
            raise self.error(error.reason + cure, at) from None

    @contextmanager
    def deeper(self) -> Iterator[None]:
        if self.depth >= MOST_DEPTH:
            raise self.error(f"values are nested more than {MOST_DEPTH} deep")
        self.depth += 1
        yield
        self.depth -= 1

    def peek(self) -> str:
        return self.text[self.at : self.at + 1]

    def space(self) -> str:
        """Go on to what is no white space, and show it."""
        found = _SPACE.match(self.text, self.at)
        assert found is not None
        self.at = found.end()
        return self.peek()

    def take(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        found = pattern.match(self.text, self.at)
        if found:
            self.at = found.end()
        return found

    def expected(self, what: str) -> CapsError:
        char = self.peek()
        return self.error(f"expected {what}, found {repr(char) if char else 'the end'}")

    def caps(self, closing: str) -> Caps:
        """Read structures up to the end, or to the bracket that closes nested caps."""
        found: list[Structure] = []
        while self.space() not in ("", closing):
            start = self.at
            structure = self.structure(closing)
            if structure.name in _WHOLE and not structure.fields and structure.features.is_plain:
                if found or self.space() not in ("", closing):
                    raise self.error(f"{structure.name} stands alone, without other structures", start)
                return _WHOLE[structure.name]
            found.append(structure)
            if self.space() == ";":
                self.at += 1
        return Caps(found)

    def structure(self, closing: str = "") -> Structure:
        start = self.at
        quoted = self.take(_QUOTED)
        word = None if quoted else self.take(WORD)
        if not quoted and not word:
            raise self.expected("a media type like video/x-raw")
        name = scalars.unquote(quoted[1]) if quoted else word[0] if word else None
        if name is None or not NAME.fullmatch(name):
            raise self.error(f"{name!r} is no media type; it is a letter, then letters, digits and /-_.:+*", start)
        features = PLAIN
        if self.space() == "(":
            features = self.features()
        fields: dict[str, Value] = {}
        while (char := self.space()) not in ("", ";", closing):
            if char != ",":
                raise self.expected("',' and a field, or ';'")
            self.at += 1
            if self.space() in ("", ";", closing):
                break
            if not (named := self.take(WORD)):
                raise self.expected("a field's name")
            if self.space() != "=":
                raise self.expected(f"'=' and the value of {named[0]}")
            self.at += 1
            self.media, self.field = name, named[0]
            fields[named[0]] = self.value()
        return make(name, fields, features)

    def features(self) -> Features:
        start = self.at + 1
        end = self.text.find(")", start)
        if end < 0:
            self.at = len(self.text)
            raise self.expected("')' after the features")
        inner = self.text[start:end]
        names, at = [], start
        for part in inner.split(",") if inner.strip(" ") else ():
            name = part.strip(" ")
            place = at + len(part) - len(part.lstrip(" "))
            at += len(part) + 1
            if name.upper() == "ANY" and inner.strip(" ") != "ANY":
                raise self.error("ANY is written in capitals and stands alone", place)
            if name != "ANY":
                with self.placed(place):
                    Features(name)
            names.append(name)
        self.at = end + 1
        return Features.ANY if names == ["ANY"] else Features(*names)

    def value(self, kind: str | None = None) -> Value:
        """Read a value; `kind` is the type that was told for the list around it."""
        if self.space() == "(":
            kind = self.cast() or kind
        char = self.space()
        start = self.at
        if char == "[":
            with self.deeper(), self.placed(start):
                if kind in ("structure", "caps") or (kind is None and _NESTED.match(self.text, self.at)):
                    return self.nested(kind)
                return self.range(kind)
        if char in ("{", "<"):
            cure = "; tell the type in front, like (string)" + char
            with self.deeper():
                items = self.items("}" if char == "{" else ">", kind)
            with self.placed(start, cure):
                return ValueList(*items) if char == "{" else ValueArray(*items)
        return self.scalar(kind)

    def cast(self) -> str | None:
        """Read a type in parentheses. One with a container, such as ``(int/list)``, must be followed by its bracket."""
        start = self.at
        found = self.take(_CAST)
        if not found:
            raise self.expected("a type in parentheses, like (int)")
        name, _, container = found[1].partition("/")
        if container or name in _CONTAINERS:
            bracket = _CONTAINERS.get(container or name)
            if bracket is None or self.space() != bracket:
                raise self.error(f"{found[1]!r} is no type that goes with what follows it", start + 1)
            name = name if container else ""
        if not name:
            if found[1]:
                return None
            raise self.error("expected a type between the parentheses, like int", start + 1)
        if name in TYPES or name.endswith("FlagsSet"):
            return TYPES.get(name, name)
        raise self.error(f"unknown type {name!r}{near(name, list(TYPES))}", found.start(1))

    def items(self, closing: str, kind: str | None) -> list[Value]:
        self.at += 1
        found: list[Value] = []
        while (char := self.space()) != closing:
            if char == ",":
                self.at += 1
                if self.space() == ",":
                    raise self.expected("a value")
                continue
            found.append(self.value(kind))
            if self.space() not in (",", closing):
                raise self.expected(f"',' or {closing!r}")
        self.at += 1
        return found

    def nested(self, kind: str | None) -> Value:
        self.at += 1
        media, field = self.media, self.field
        inner = self.caps("]")
        if self.space() != "]":
            raise self.expected("']'")
        self.at += 1
        self.media, self.field = media, field
        if kind == "caps" or (kind is None and len(inner.structures) != 1):
            return inner
        if len(inner.structures) != 1:
            raise self.error("expected one structure between the brackets", self.at - 1)
        return inner.structures[0]

    def range(self, kind: str | None) -> Value:
        start = self.at
        bounds: list[tuple[str, int]] = []
        kinds = {kind} if kind else set()
        while True:
            self.at += 1
            if self.space() == "(" and (told := self.cast()):
                kinds.add(told)
            self.space()
            if not (word := self.take(WORD)):
                raise self.expected("a number")
            bounds.append((word[0], word.start()))
            char = self.space()
            if char == "]" and len(bounds) > 1:
                break
            if char != "," or len(bounds) == 3:
                raise self.expected("','" if len(bounds) == 1 else "']'")
        self.at += 1
        kinds = (
            kinds or {basic_type(scalars.guess(word)) for word, _ in bounds if word.lower() not in _BOUNDS} or {"int"}
        )
        if len(kinds) > 1:
            raise self.error(f"the bounds of a range have one type, not {' and '.join(sorted(kinds))}", start)
        return self.ranged(kinds.pop(), bounds, start)

    def ranged(self, kind: str, bounds: list[tuple[str, int]], start: int) -> Value:
        if kind not in ("int", "gint64", "double", "fraction"):
            raise self.error(f"there are ranges of int, gint64, double and fraction, not of {kind}", start)
        numbers = [self.number(kind, word, at) for word, at in bounds]
        if len(numbers) == 3 and kind not in ("int", "gint64"):
            raise self.error(f"only ranges of whole numbers have a step, not those of {kind}", bounds[2][1])
        with self.placed(bounds[2][1] if len(numbers) == 3 and numbers[2] < 1 else bounds[0][1]):
            if kind == "double":
                found: Value = DoubleRange(*numbers)
            elif kind == "fraction":
                found = FractionRange(*numbers)
            else:
                found = IntRange(numbers[0], numbers[1], numbers[2] if len(numbers) > 2 else 1, kind)
        return single(found)

    def number(self, kind: str, word: str, at: int) -> Value:
        with self.placed(at):
            return scalars.read(kind, word)

    def scalar(self, kind: str | None) -> Value:
        start = self.at
        if self.peek() == '"':
            return self.quoted(kind)
        word = self.take(WORD)
        if not word:
            char = self.peek()
            odd = char and char not in ",;=()[]{}<>"
            raise self.expected("a value" + (", in double quotes where it has such characters" if odd else ""))
        follows = self.peek()
        if follows and not follows.isspace() and follows not in ",;)]}>\\":
            raise self.error(f"text with {follows!r} in it needs double quotes around it")
        if kind == "string" or kind is None:
            value = scalars.guess(word[0]) if kind is None else None if word[0] == "NULL" else word[0]
            return self.checked(value, start)
        if kind in ("structure", "caps"):
            raise self.error(f"expected a {kind} in brackets, like [video/x-raw, width=640]", start)
        return self.number(kind, word[0], start)

    def quoted(self, kind: str | None) -> Value:
        start = self.at
        found = self.take(_QUOTED)
        if not found:
            self.at = len(self.text)
            raise self.expected("'\"' at the end of the text in quotes")
        value = scalars.unquote(found[1])
        if value is None:
            raise self.error("a wrong escape: \\ and three octal digits are a byte of UTF-8", start)
        if kind in ("structure", "caps"):
            with self.deeper(), self.placed(start):
                inner = parse(value, strict=self.strict, depth=self.depth)
                if kind == "structure" and len(inner.structures) != 1:
                    raise self.error("expected one structure between the quotes", start)
                return inner if kind == "caps" else inner.structures[0]
        if kind is None or kind == "string":
            return self.checked(value, start)
        if kind == "buffer" and value == "":
            return b""
        if kind in EXPECTED:
            raise self.error(f"expected {EXPECTED[kind]}, without quotes", start)
        return self.number(kind, found[0], start)

    def checked(self, value: Value, at: int) -> Value:
        """Refuse formats that GStreamer would never agree on with anybody."""
        if not self.strict or self.media != "video/x-raw" or not isinstance(value, str):
            return value
        if self.field == "format" and (meant := misspelt_format(value)):
            raise self.error(f"unknown raw format {value!r}; did you mean {meant}?", at)
        if self.field == "drm-format" and (wrong := bad_drm_format(value)):
            raise self.error(f"{value!r}: {wrong}", at)
        return value
