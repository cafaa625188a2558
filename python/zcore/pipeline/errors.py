"""What is wrong with a pipeline string, where, and what would be right."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from difflib import SequenceMatcher, get_close_matches

WINDOW = 100  # columns of the picture
ALIKE = 0.1  # how much less than the best match others may look like the word


class LaunchError(ValueError):
    """A pipeline string that cannot be understood or built.

    Attributes
    ----------
    message : str
        What is wrong and what helps, without the picture.
    text : str
        The whole pipeline.
    position, end : int
        Where in `text` the culprit begins and ends, in characters from 0.
    expected : tuple of str
        What would be accepted there, where that is a short list.
    """

    def __init__(self, message: str, text: str, position: int, end: int = 0, expected: Sequence[str] = ()):
        self.message = message
        self.text = text
        self.position = min(max(position, 0), len(text))
        self.end = min(max(end, self.position), len(text))
        self.expected = tuple(expected)
        super().__init__(message, text, position, end, self.expected)

    def __str__(self) -> str:
        return f"{self.message}\n{self.picture}"

    @property
    def picture(self) -> str:
        """Two lines: the line of the pipeline where the culprit stands, and carets under it."""
        start = self.text.rfind("\n", 0, self.position) + 1
        stop = self.text.find("\n", self.position)
        line = self.text[start:] if stop < 0 else self.text[start:stop]
        first = self.position - start
        last = min(max(self.end - start, first + 1), max(len(line), first + 1))
        cut = max(0, min(first - WINDOW // 2, len(line) - WINDOW))
        shown = line[cut : cut + WINDOW]
        before = "… " if cut else ""
        after = " …" if cut + WINDOW < len(line) else ""
        indent = len(before) + _columns(shown[: first - cut])
        carets = max(_columns(shown[first - cut : last - cut]), 1)
        return f"  {before}{_printable(shown)}{after}\n  {' ' * indent}{'^' * carets}"


def _printable(text: str) -> str:
    """Replace what would move the carets or the terminal."""
    return "".join(" " if char.isspace() else char if char.isprintable() else "�" for char in text)


def _columns(text: str) -> int:
    wide = sum(unicodedata.east_asian_width(char) in "WF" for char in text)
    return len(text) + wide - sum(unicodedata.combining(char) != 0 for char in text)


def nearest(word: str, known: Iterable[str]) -> str:
    """Propose the names that look like `word`: ``; did you mean 'queue'?``, or nothing."""
    names = {name.lower(): name for name in known}
    lower = word.lower()[:80]
    close = [(SequenceMatcher(a=name, b=lower).ratio(), name) for name in get_close_matches(lower, names, n=3)]
    found = [names[name] for ratio, name in close if ratio > close[0][0] - ALIKE]
    return f"; did you mean {' or '.join(map(repr, found))}?" if found else ""


def listing(names: Iterable[str], limit: int = 40) -> str:
    """List names for a message; a long list is cut with its length."""
    every = list(names)
    more = f" and {len(every) - limit} more" if len(every) > limit else ""
    return ", ".join(every[:limit]) + more or "none"


def short(text: str, limit: int = 60) -> str:
    """Quote a piece of a pipeline for a message."""
    return repr(text if len(text) <= limit else text[:limit] + "…")
