"""Properties of planes and connectors, given by name, checked before they go to the kernel."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches

from zcore._drm import Card, Property
from zcore._drm_properties import PropertyInfo, describe_property
from zcore.errors import ChainError
from zcore.stages.structures import Value, plain_name

IMMUTABLE = 4
# What a display stage sets itself, and what can be said in other ways.
OWN = {
    "FB_ID": "the frames", "CRTC_ID": "connector", "MODE_ID": "mode", "ACTIVE": "mode", "IN_FENCE_FD": "the frames",
    **dict.fromkeys(("SRC_X", "SRC_Y", "SRC_W", "SRC_H"), "the frames"),
    **dict.fromkeys(("CRTC_X", "CRTC_Y", "CRTC_W", "CRTC_H"), "render_rectangle"),
}  # fmt: skip


def read_properties(card: Card, known: Mapping[str, Property], given: Mapping[str, Value], what: str) -> dict[int, int]:
    """Turn properties by name into ids and numbers.

    Parameters
    ----------
    card : Card
        Open device.
    known : mapping
        What the object has, as :meth:`Card.properties` gives it.
    given : mapping
        Names, in which case and punctuation do not matter, to numbers or names of values; several bits of a bit mask
        are joined by ``|``: ``{"rotation": "rotate-0|reflect-x"}``.
    what : str
        For messages, such as ``plane 31``.

    Raises
    ------
    ChainError
        No such property, or no such value for it; says what there is.
    """
    by_name = {plain_name(name): name for name in known}
    found: dict[int, int] = {}
    for asked, value in given.items():
        name = asked if asked in known else by_name.get(plain_name(asked))
        if name is None:
            usable = [plain_name(n) for n, one in known.items() if n not in OWN and not one.flags & IMMUTABLE]
            close = get_close_matches(plain_name(asked), usable, n=2, cutoff=0.5)
            hint = f"did you mean {' or '.join(close)}? " if close else ""
            raise ChainError(f"{what} of {card.path} has no property {asked!r}; {hint}it has {', '.join(usable)}")
        if name in OWN:
            raise ChainError(f"{what} of {card.path}: {name} is set by the stage itself, from {OWN[name]}")
        info = describe_property(card, known[name].id)
        if info.immutable:
            raise ChainError(f"{what} of {card.path}: {name} cannot be changed")
        found[known[name].id] = _number(info, value, f"{what} of {card.path}: {name}")
    return found


def _number(info: PropertyInfo, value: Value, where: str) -> int:
    if info.kind == "enum":
        return _named(info, value, where)
    if info.kind == "bitmask":
        if isinstance(value, str):
            names = [part for part in value.replace("+", "|").split("|") if part.strip()]
            bits = sum({1 << _named(info, name, where) for name in names})
        else:
            bits = _bits(info, int(value), where)
        return _one_angle(info, bits, value, where) if info.name == "rotation" else bits
    if info.kind not in ("range", "signed"):
        raise ChainError(f"{where} takes a {info.kind or 'thing'} of the kernel, which cannot be written as {value!r}")
    if isinstance(value, str) or int(value) != value or not info.minimum <= value <= info.maximum:
        raise ChainError(f"{where} is {info.minimum} to {info.maximum}, not {value!r}")
    return int(value)


def _one_angle(info: PropertyInfo, bits: int, value: Value, where: str) -> int:
    """See to the kernel's rule: one angle, reflections beside it. Without an angle it is that of 0 degrees."""
    angles = {name: 1 << bit for name, bit in info.values.items() if name.startswith("rotate-")}
    given = [name for name, bit in angles.items() if bits & bit]
    if len(given) > 1:
        raise ChainError(
            f"{where} takes one angle, and reflections beside it, such as 'rotate-90|reflect-x', not {value!r}"
        )
    return bits if given else bits | angles.get("rotate-0", 0)


def _named(info: PropertyInfo, value: Value, where: str) -> int:
    if not isinstance(value, str):
        if int(value) in info.values.values():
            return int(value)
    else:
        by_name = {plain_name(name): number for name, number in info.values.items()}
        if plain_name(value) in by_name:
            return by_name[plain_name(value)]
    close = get_close_matches(str(value), info.values, n=2, cutoff=0.4)
    hint = f"did you mean {' or '.join(close)}? " if close else ""
    listed = ", ".join(f"{name} ({number})" for name, number in info.values.items())
    raise ChainError(f"{where} has no value {value!r}; {hint}it has {listed}")


def _bits(info: PropertyInfo, value: int, where: str) -> int:
    possible = sum(1 << bit for bit in info.values.values())
    if value & ~possible or value < 0:
        listed = ", ".join(f"{name} ({1 << bit})" for name, bit in info.values.items())
        raise ChainError(f"{where} has no bits {value:#x}; it has {listed}")
    return value
