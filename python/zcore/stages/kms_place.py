"""Where a picture goes on the screen, and which part of it."""

from __future__ import annotations

from zcore.errors import NegotiationError
from zcore.formats import Format

Rectangle = tuple[int, int, int, int]


def placements(
    frame: tuple[int, int],
    screen: tuple[int, int],
    area: Rectangle | None = None,
    *,
    can_scale: bool = True,
    turned: bool = False,
    crop: Rectangle | None = None,
) -> list[tuple[Rectangle, Rectangle]]:
    """List the ways to place a picture, best first, as ``(source, target)`` rectangles in pixels.

    Scaled as large as fits with its aspect kept; then, for planes that cannot scale, in the middle at its own size and
    cut at the edges, with the cut on even pixels as 4:2:0 needs it.

    Parameters
    ----------
    area : (int, int, int, int), optional
        Left, top, width and height of the part of the screen to fill; left out: all of it.
    can_scale : bool
        False leaves the scaled way out.
    turned : bool
        Whether the plane turns the picture by 90 or 270 degrees.
    crop : (int, int, int, int), optional
        The part of the frame to show, as :func:`cropped` gives it; left out: all of it.
    """
    if crop is not None:
        ways = placements(crop[2:], screen, area, can_scale=can_scale, turned=turned)
        return [((x + crop[0], y + crop[1], w, h), target) for (x, y, w, h), target in ways]
    left, top, room, height_room = _within(area, screen)
    across, down = (frame[1], frame[0]) if turned else frame
    scale = min(room / across, height_room / down)
    width, height = max(1, min(room, round(across * scale))), max(1, min(height_room, round(down * scale)))
    target = left + (room - width) // 2, top + (height_room - height) // 2, width, height
    scaled = (0, 0, *frame), target
    width, height = min(across, room), min(down, height_room)
    x, y = (across - width) // 2 & ~1, (down - height) // 2 & ~1
    cut = (y, x, height, width) if turned else (x, y, width, height)
    middle = cut, (left + (room - width) // 2, top + (height_room - height) // 2, width, height)
    return [scaled, middle] if can_scale and scaled != middle else [middle]


def _within(area: Rectangle | None, screen: tuple[int, int]) -> Rectangle:
    """Cut an area at the edges of the screen."""
    if area is None:
        return 0, 0, *screen
    left, top = max(area[0], 0), max(area[1], 0)
    right, bottom = min(area[0] + area[2], screen[0]), min(area[1] + area[3], screen[1])
    if right <= left or bottom <= top:
        raise NegotiationError(f"the rectangle {area} lies outside of the screen, which has {screen[0]}x{screen[1]}")
    return left, top, right - left, bottom - top


def cropped(crop: Rectangle, frame: tuple[int, int], fmt: Format) -> Rectangle:
    """Move a crop to where the format's chroma samples allow it: to the left and up, and smaller.

    Planes refuse, or silently move, a picture of 4:2:0 that begins or ends between two chroma samples.

    Raises
    ------
    NegotiationError
        It reaches out of the frame, or has no pixel left.
    """
    left, top, width, height = crop
    if left + width > frame[0] or top + height > frame[1]:
        raise NegotiationError(f"source_crop {crop} reaches out of the frame, which has {frame[0]}x{frame[1]}")
    across = max(plane.hsub * plane.block_width for plane in fmt.planes)
    down = max(plane.vsub for plane in fmt.planes)
    left, top = left // across * across, top // down * down
    width, height = width // across * across, height // down * down
    if not width or not height:
        raise NegotiationError(f"source_crop {crop} is smaller than a chroma sample of {fmt.name} ({across}x{down})")
    return left, top, width, height
