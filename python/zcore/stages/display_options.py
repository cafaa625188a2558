"""Options of a display that need a look before they are used, and what goes along with its commits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from zcore._kms_extras import CommitExtras
from zcore.stages.kms_setup import CRTC, Rectangle, Route


def make_extras(route: Route, *, in_fence: bool, out_fence: bool) -> CommitExtras | None:
    """Make what goes along with the commits of a plane; ``None`` with the legacy calls, which carry nothing."""
    if not route.card.atomic:
        return None
    wait = route.plane_properties.get("IN_FENCE_FD") if in_fence else None
    tell = route.card.properties(route.crtc, CRTC).get("OUT_FENCE_PTR") if out_fence else None
    return CommitExtras(wait.id if wait else 0, tell.id if tell else 0)


def either(what: str, value: Any, id: int | None) -> Any:
    """Take one of two names for the same thing."""
    if id is None or id < 0:
        return value
    if value is not None and value != id:
        raise ValueError(f"{what} is {value!r} and {what}_id {id}: give one of them")
    return id


def rectangle(given: Sequence[int] | None) -> Rectangle | None:
    """Read a rectangle of four numbers."""
    if given is None:
        return None
    if len(given) != 4 or any(int(value) != value for value in given):
        raise ValueError(f"render_rectangle is (left, top, width, height) in pixels, not {given!r}")
    x, y, width, height = (int(value) for value in given)
    if width <= 0 or height <= 0:
        raise ValueError(f"render_rectangle has a width and a height above 0, not {width}x{height}")
    return x, y, width, height
