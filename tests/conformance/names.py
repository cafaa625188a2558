"""The lists that the pages are made of: ioctls by header, transitions by document, traps."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
SOURCES = HERE.parents[1] / "src" / "zcore"


class Entry(NamedTuple):
    """One line of a page: what it is called, what it is, and why it is not there, where it is not."""

    name: str
    text: str
    reason: str


class Section(NamedTuple):
    """A header or a document with its entries."""

    title: str
    entries: tuple[Entry, ...]


def ioctls() -> list[Section]:
    """List every ioctl of the headers that zcore is about; the text is what zcore does with it."""
    return _sections("ioctls.toml")


def transitions() -> list[Section]:
    """List what the kernel's documents say about states; names are ``document:slug``."""
    return _sections("transitions.toml")


def traps() -> list[Section]:
    """List what goes wrong with V4L2, DMA-BUF, KMS and negotiation; names are ``T1`` to ``T86``."""
    return _sections("traps.toml")


def is_used(ioctl: str) -> bool:
    """Tell whether the native half calls an ioctl."""
    return ioctl in _used()


def _used() -> set[str]:
    found: set[str] = set()
    for path in SOURCES.glob("*.pyx"):
        # The import alone is no use: the name must stand once more.
        words = re.findall(
            r"\b(?:ZC_)?((?:VIDIOC|MEDIA|DMA|DRM_IOCTL|UDMABUF|SYNC_IOC|SW_SYNC)_[A-Z0-9_]+)\b", path.read_text()
        )
        found |= {word for word in words if words.count(word) > 1}
    return found


def _sections(name: str) -> list[Section]:
    with (HERE / name).open("rb") as file:
        content = tomllib.load(file)
    return [Section(title, tuple(_entry(*item) for item in entries.items())) for title, entries in content.items()]


def _entry(name: str, value: str | Mapping[str, str]) -> Entry:
    if isinstance(value, str):
        return Entry(name, value, "")
    return Entry(name, value.get("text", ""), value.get("not", ""))
