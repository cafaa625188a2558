"""Cut a pipeline string into words, as ``gst-launch-1.0`` does.

Of all kinds of word that can begin at a place the longest wins: ``location=a!b`` is one assignment, ``a ! b`` three
words. That rule, not the order of the kinds, is what decides about quotes, blanks and exclamation marks.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from zcore.pipeline.errors import LaunchError, short

LONGEST = 65536
"""Characters that a pipeline may have."""

NAME = r"[A-Za-z0-9_][A-Za-z0-9_%:-]*"
# A blank after a backslash belongs to the word, whatever stands before the backslash.
PLAIN = r"\S(?:\S|(?<=\\)[^\S\n])*"
DOUBLE = r'"(?:[^"]|(?<=\\)")*"'
SINGLE = r"'(?:[^']|(?<=\\)')*'"
MEDIA = r"[A-Za-z0-9-]+/[A-Za-z0-9-]+"


def _compile(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.ASCII)  # blanks are ASCII's, as in GStreamer


_name = _compile(NAME)
_equals = _compile(r"\s*=(\s*)")
_values = tuple(map(_compile, (PLAIN, DOUBLE, SINGLE)))
_reference = _compile(rf"({NAME})\.({NAME})?")
_pad = _compile(rf"\.({NAME})")
_bin = _compile(rf"({NAME})\s*\.\s*\(")
_blank = _compile(r"\s+")
_bare_caps = _compile(rf"\s*({MEDIA}(?:\\.|[^!\\])*)!")
_quoted_caps = _compile(rf"\s*({DOUBLE}|{SINGLE})\s*!")
_url = _compile(r"[A-Za-z][A-Za-z0-9+.-]*://(?:\S|(?<=\\)[^\S\n])*")
_preset = _compile(r"@preset\s*=")
_media = _compile(MEDIA)
_lone_mark = _compile(r"!(?:\s|$)")


@dataclass(frozen=True)
class Token:
    """One word of a pipeline.

    Attributes
    ----------
    kind : str
        ``name``, ``assignment``, ``reference``, ``pad``, ``bin``, ``link``, ``url``, ``(``, ``)``, ``,`` or ``end``.
    position, end : int
        Where it stands.
    name : str
        The element's, property's or reference's name.
    value : str
        The property's value, the reference's pad or the link's caps, as written.
    value_position : int
        Where the value begins; -1 where there is none.
    """

    kind: str
    position: int
    end: int
    name: str = ""
    value: str = ""
    value_position: int = -1


def join(words: Sequence[str]) -> str:
    """Join the words that a shell left over into one pipeline; blanks inside of a word are kept with backslashes.

    A single word is a whole pipeline.
    """
    if len(words) == 1:
        return words[0]
    joined = []
    for word in words:
        quoted, before, out = False, "", []
        for char in word:
            if char == '"' and not (quoted and before == "\\"):
                quoted = not quoted
            out.append("\\" + char if char == " " and not quoted else char)
            before = char
        joined.append("".join(out))
    return " ".join(joined)


def tokenize(text: str) -> list[Token]:
    """Cut a pipeline into words; the last one is of the kind ``end``.

    Raises
    ------
    LaunchError
        A character that begins no word, or a pipeline without an end.
    """
    if len(text) > LONGEST:
        raise LaunchError(f"a pipeline of {len(text)} characters; {LONGEST} are the most", text, LONGEST, LONGEST)
    tokens: list[Token] = []
    position = 0
    while position < len(text):
        if blank := _blank.match(text, position):
            position = blank.end()
            continue
        token = _next(text, position)
        if token.kind == "name" and (end := media_type(text, position)) > token.end:
            raise _stray_caps(text, position, end, bool(tokens) and tokens[-1].kind == "link")
        tokens.append(token)
        # The mark that ends a caps filter also begins the next one, if one follows at once.
        position = token.end - (1 if token.value and token.kind == "link" and _filter(text, token.end) else 0)
    tokens.append(Token("end", len(text), len(text)))
    return tokens


def _next(text: str, at: int) -> Token:
    char = text[at]
    if char == "!":
        if caps := _filter(text, at + 1):
            return Token("link", at, caps.end(), value=caps[1].rstrip(), value_position=caps.start(1))
        return Token("link", at, at + 1)
    if char in "(),":
        return Token(char, at, at + 1)
    if char == ".":
        if pad := _pad.match(text, at):
            return Token("pad", at, pad.end(), pad[1])
        raise LaunchError(
            "a '.' stands alone; a pad is written '.src_0', a reference 't.', both without blanks", text, at, at + 1
        )
    if name := _name.match(text, at):
        return _named(text, at, name)
    raise _stray(text, at)


def _named(text: str, at: int, name: re.Match[str]) -> Token:
    found = [Token("name", at, name.end(), name[0])]
    if equals := _equals.match(text, name.end()):
        start = equals.end()
        ends = [match.end() for value in _values if (match := value.match(text, start))]
        if not ends or (equals[1] and _lone_mark.match(text, start)):
            raise LaunchError(f"{name[0]} has no value; write {name[0]}=VALUE", text, at, start)
        found.append(Token("assignment", at, max(ends), name[0], text[start : max(ends)], start))
    if reference := _reference.match(text, at):
        if _equals.match(text, reference.end()):
            raise LaunchError(
                f"properties of {reference[1]} are set where it stands, behind its element's name",
                text,
                at,
                reference.end(),
            )
        value_position = reference.start(2) if reference[2] else -1
        found.append(Token("reference", at, reference.end(), reference[1], reference[2] or "", value_position))
    if opened := _bin.match(text, at):
        found.append(Token("bin", at, opened.end(), opened[1]))
    if url := _url.match(text, at):
        found.append(Token("url", at, url.end(), url[0]))
    return max(found, key=lambda token: token.end)


def _filter(text: str, at: int) -> re.Match[str] | None:
    """Find a caps filter, quoted or not, and the exclamation mark behind it."""
    return _bare_caps.match(text, at) or _quoted_caps.match(text, at)


def _stray_caps(text: str, at: int, end: int, after_link: bool) -> LaunchError:
    return LaunchError(
        f"an element must follow the caps filter {short(text[at:end])}; add '! ELEMENT' behind it"
        if after_link
        else f"{short(text[at:end])} is a caps filter, which stands between two elements: ELEMENT ! CAPS ! ELEMENT",
        text,
        at,
        end,
        ("!",) if after_link else (),
    )


def _stray(text: str, at: int) -> LaunchError:
    char = text[at]
    if char in "\"'":
        closed = text.find(char, at + 1)
        if closed < 0:
            return LaunchError(f"the quote {char} is not closed", text, at, at + 1)
        return LaunchError(
            f"{short(text[at : closed + 1])} stands where an element is expected; quotes are for values of properties,"
            " and for caps between two '!'",
            text,
            at,
            closed + 1,
        )
    if char == "\\":
        return LaunchError(
            "an argument with blanks in it stands where one word is expected; give the whole pipeline as one argument,"
            " or each of its words as its own",
            text,
            at,
            at + 1,
        )
    if char == ":":
        return LaunchError("':' links all pads at once, which zcore has not; link with '!'", text, at, at + 1)
    if char == "@" and (preset := _preset.match(text, at)):
        return LaunchError("zcore has no presets; set each property by itself", text, at, preset.end())
    if char == "#":
        return LaunchError("'#' begins no comment: a pipeline has none", text, at, at + 1)
    if char == "=":
        return LaunchError("'=' has no property before it; write NAME=VALUE", text, at, at + 1)
    if char == "/":
        return LaunchError(
            "a file name stands where an element is expected; write filesrc location=... or filesink location=...",
            text,
            at,
            at + 1,
        )
    return LaunchError(f"{char!r} begins no element, property, link or reference", text, at, at + 1)


def media_type(text: str, at: int) -> int:
    """Tell where the media type that begins at `at` ends, 0 where there is none."""
    found = _media.match(text, at)
    return found.end() if found else 0


def unquote(raw: str, position: int) -> tuple[str, list[int]]:
    """Take the quotes and backslashes off a value, as ``gst-launch-1.0`` does.

    Quotes around the whole value go, backslashes go with them; what stands in quotes inside of it stays as it is.
    Single quotes are kept by GStreamer, which never sees those that a shell has taken off; here they go too.

    Returns
    -------
    value : str
        What the property or the filter gets.
    positions : list of int
        Where each character of it stands in the pipeline, and one more for its end.
    """
    start, end = 0, len(raw)
    if end >= 2 and raw[0] == raw[-1] and raw[0] in "\"'":
        start, end = 1, end - 1
    value: list[str] = []
    positions: list[int] = []
    quoted = False
    at = start
    while at < end:
        char = raw[at]
        if char == "\\" and not quoted:
            at += 1
            if at == end:
                break
            char = raw[at]
        elif char == '"' and not (quoted and raw[at - 1] == "\\"):
            quoted = not quoted
        value.append(char)
        positions.append(position + at)
        at += 1
    return "".join(value), [*positions, position + end]
