"""What a display stage is told: options, checked and brought into one form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from zcore.errors import ChainError
from zcore.stages.kms_place import Rectangle
from zcore.stages.structures import Value, plain_name

OPAQUE = 0xFFFF


def either(what: str, value: Any, id: int | None) -> Any:
    """Take one of two names for the same thing."""
    if id is None or id < 0:
        return value
    if value is not None and value != id:
        raise ValueError(f"{what} is {value!r} and {what}_id {id}: give one of them")
    return id


def rectangle(what: str, given: Sequence[int] | None) -> Rectangle | None:
    """Check a rectangle of left, top, width and height in pixels."""
    if given is None:
        return None
    if len(given) != 4 or any(int(value) != value for value in given):
        raise ValueError(f"{what} is (left, top, width, height) in pixels, not {given!r}")
    x, y, width, height = (int(value) for value in given)
    if width <= 0 or height <= 0:
        raise ValueError(f"{what} has a width and a height above 0, not {width}x{height}")
    return x, y, width, height


def crop_rectangle(given: Sequence[int] | None) -> Rectangle | None:
    """Check the part of the frames that is to be shown."""
    found = rectangle("source_crop", given)
    if found is not None and (found[0] < 0 or found[1] < 0):
        raise ValueError(f"source_crop begins inside of the frame, not at {found[0]}, {found[1]}")
    return found


def plane_wishes(
    given: Mapping[str, Value],
    zpos: int | None,
    alpha: float | None,
    blend_mode: str | None,
    rotation: int | str | None,
) -> dict[str, Value]:
    """Give the properties of the plane, with those that have an option of their own.

    Parameters
    ----------
    alpha : float
        0 to 1.
    """
    wishes = dict(given)
    if alpha is not None and not 0 <= alpha <= 1:
        raise ValueError(f"alpha is 0.0 (not to be seen) to 1.0 (opaque), not {alpha!r}")
    if zpos is not None and (isinstance(zpos, bool) or not isinstance(zpos, int) or zpos < 0):
        raise ValueError(f"zpos is a whole number, 0 or more, and larger ones are above; not {zpos!r}")
    options: dict[str, Value | None] = {
        "zpos": zpos,
        "alpha": None if alpha is None else round(alpha * OPAQUE),
        "pixel blend mode": blend_mode,
        "rotation": rotation,
    }
    names = {plain_name(name) for name in wishes}
    for name, value in options.items():
        if value is None:
            continue
        if plain_name(name) in names:
            raise ValueError(f"{name} is given twice: by itself and in plane_properties")
        wishes[name] = value
    return wishes


def named_id(what: str, wanted: int | str, numbers: Sequence[int], where: str) -> int:
    """Find an object by its id, or by its place in the card's list as ``crtc-0``."""
    if isinstance(wanted, str) and wanted.strip().isdigit():
        wanted = int(wanted)
    if wanted in numbers:
        return int(wanted)
    places = {f"{what}-{index}": id for index, id in enumerate(numbers)}
    if isinstance(wanted, str) and wanted.lower() in places:
        return places[wanted.lower()]
    known = ", ".join(f"{name} ({id})" for name, id in places.items())
    raise ChainError(f"{where} has no {what} {wanted!r}; it has {known or 'none'}")
