"""Choose connector, mode, CRTC and plane of a display, and remember what was there before."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from zcore._drm import Card, Connector, Mode, Plane, Property
from zcore.errors import ChainError, NegotiationError
from zcore.formats import INVALID, LINEAR, Format, UnknownFormatError, by_drm, fourcc_str, modifier_str

CRTC, CONNECTOR, PLANE = 0xCCCCCCCC, 0xC0C0C0C0, 0xEEEEEEEE
ALLOW_MODESET, TEST_ONLY = 0x0400, 0x0100
PRIMARY, OVERLAY, CURSOR = 1, 0, 2
WRITEBACK = 18
BROADCOM, PARAMETERS = 0x07, 0x00FF_FFFF_FFFF_FF00

Rectangle = tuple[int, int, int, int]
CONNECTOR_NAMES = {
    0: "Unknown", 1: "VGA", 2: "DVI-I", 3: "DVI-D", 4: "DVI-A", 5: "Composite", 6: "SVIDEO", 7: "LVDS", 8: "Component",
    9: "DIN", 10: "DP", 11: "HDMI-A", 12: "HDMI-B", 13: "TV", 14: "eDP", 15: "Virtual", 16: "DSI", 17: "DPI",
    18: "Writeback", 19: "SPI", 20: "USB",
}  # fmt: skip


def connector_name(connector: Connector) -> str:
    """Name a connector as the kernel does, such as ``HDMI-A-1``."""
    return f"{CONNECTOR_NAMES.get(connector.type, 'Unknown')}-{connector.number}"


@dataclass
class Route:
    """What a display stage uses of a card."""

    card: Card
    connector: Connector
    crtc: int
    crtc_index: int
    plane: Plane
    mode: Mode
    plane_properties: dict[str, Property]

    @property
    def name(self) -> str:
        """Connector's name."""
        return connector_name(self.connector)


def plane_type(card: Card, plane: Plane) -> int:
    """Tell whether a plane is primary, overlay or cursor."""
    properties = card.properties(plane.id, PLANE)
    return properties["type"].value if "type" in properties else OVERLAY


def modifiers(card: Card, properties: dict[str, Property]) -> dict[int, set[int]] | None:
    """Read a plane's IN_FORMATS blob: fourcc to modifiers; ``None`` where the driver has none."""
    blob = properties.get("IN_FORMATS")
    if blob is None or not blob.value:
        return None
    return parse_in_formats(card.read_blob(blob.value))


def plane_formats(card: Card, planes: list[Plane], *, with_modifiers: bool) -> list[Format]:
    """List what planes show, once for each layout: fourcc and modifier.

    Parameters
    ----------
    with_modifiers : bool
        Whether framebuffers can be given a modifier; else only linear ones can be meant.
    """
    found: dict[tuple[int, int], Format] = {}
    for plane in planes:
        known = modifiers(card, card.properties(plane.id, PLANE)) if with_modifiers else None
        for code in plane.formats:
            for modifier in sorted(known.get(code, ())) if known is not None else [LINEAR]:
                try:
                    found.setdefault((code, modifier), by_drm(code, modifier))
                except UnknownFormatError:
                    continue
    return list(found.values())


def takes_modifier(known: dict[int, set[int]] | None, fourcc: int, modifier: int) -> bool:
    """Tell whether a plane takes a layout.

    Without IN_FORMATS that is linear alone. Parameters within a modifier, such as the column height of Broadcom's
    SAND, are not listed in IN_FORMATS.
    """
    if modifier == INVALID:  # the driver decides
        return True
    if known is None:
        return modifier == LINEAR
    listed = known.get(fourcc, set())
    return modifier in listed or (modifier >> 56 == BROADCOM and modifier & ~PARAMETERS in listed)


def parse_in_formats(content: bytes) -> dict[int, set[int]]:
    """Parse ``struct drm_format_modifier_blob``.

    Each modifier comes with a mask of 64 formats, which starts at the format of its own ``offset``.
    """
    _, _, count_formats, formats_at, count_modifiers, modifiers_at = struct.unpack_from("<6I", content)
    formats = struct.unpack_from(f"<{count_formats}I", content, formats_at)
    found: dict[int, set[int]] = {fourcc: set() for fourcc in formats}
    for i in range(count_modifiers):
        mask, offset, _, modifier = struct.unpack_from("<QIIQ", content, modifiers_at + 24 * i)
        for bit in range(64):
            if mask >> bit & 1 and offset + bit < count_formats:
                found[formats[offset + bit]].add(modifier)
    return found


def choose_route(
    card: Card,
    *,
    connector: str | int | None = None,
    mode: tuple[int, int] | str | None = None,
    plane: int | None = None,
    frame_size: tuple[int, int] | None = None,
    fourcc: int | None = None,
    modifier: int = LINEAR,
    force_mode: bool | None = None,
) -> Route:
    """Choose what to show on.

    Parameters
    ----------
    card : Card
        Open device.
    connector : str or int, optional
        Name (``HDMI-A-1``) or id; left out: the first that is connected.
    mode : (int, int) or str, optional
        Size, or a mode's name; left out: one of the frame's size, else the preferred one.
    plane : int, optional
        Id; left out: the first primary plane, else overlay, that has the format.
    frame_size : (int, int), optional
        Size of the frames to come.
    fourcc, modifier : int
        DRM fourcc and modifier of the frames to come.
    force_mode : bool, optional
        True takes a mode of the frame's size and no other; False keeps the mode that the display has, where it is on.
    """
    crtcs, connector_ids = card.resources()
    if not crtcs:
        raise ChainError(f"{card.path} ({card.driver}) has no display part (a render-only device?)")
    chosen = _choose_connector(card, [card.connector(id) for id in connector_ids], connector)
    crtc_index = _choose_crtc(card, chosen, len(crtcs), crtcs)
    planes = [p for p in card.planes() if p.possible_crtcs >> crtc_index & 1]
    video = _choose_plane(card, planes, plane, fourcc, modifier)
    present = card.get_crtc(crtcs[crtc_index])[3] if force_mode is False and mode is None else None
    return Route(
        card,
        chosen,
        crtcs[crtc_index],
        crtc_index,
        video,
        present or _choose_mode(chosen, mode, frame_size, card.path, bool(force_mode)),
        card.properties(video.id, PLANE),
    )


def _choose_connector(card: Card, connectors: list[Connector], wanted: str | int | None) -> Connector:
    usable = [c for c in connectors if c.type != WRITEBACK]
    names = ", ".join(f"{connector_name(c)} ({'connected' if c.connected else 'disconnected'})" for c in usable)
    if wanted is not None:
        for connector in connectors:
            if wanted in (connector.id, connector_name(connector)) or str(connector.id) == wanted:
                return connector
        raise ChainError(f"{card.path} has no connector {wanted!r}; it has {names or 'none'}")
    for connector in usable:
        if connector.connected and connector.modes:
            return connector
    raise ChainError(f"nothing is connected to {card.path} ({card.driver}); its connectors: {names or 'none'}")


def _choose_crtc(card: Card, connector: Connector, count: int, crtcs: tuple[int, ...]) -> int:
    possible = [i for i in range(count) if connector.possible_crtcs >> i & 1]
    if not possible:
        raise ChainError(f"no CRTC of {card.path} can drive {connector_name(connector)}")
    properties = card.properties(connector.id, CONNECTOR)
    now = properties["CRTC_ID"].value if "CRTC_ID" in properties else 0
    return next((i for i in possible if crtcs[i] == now), possible[0])


def _choose_plane(card: Card, planes: list[Plane], wanted: int | None, fourcc: int | None, modifier: int) -> Plane:
    if wanted is not None:
        for plane in planes:
            if plane.id == wanted:
                return plane
        raise ChainError(f"{card.path} has no plane {wanted} for this CRTC; it has {[p.id for p in planes]}")
    by_type = sorted(planes, key=lambda p: {PRIMARY: 0, OVERLAY: 1}.get(plane_type(card, p), 2))
    able = [plane for plane in by_type if fourcc is None or fourcc in plane.formats]
    for plane in able:
        if fourcc is None or takes_modifier(modifiers(card, card.properties(plane.id, PLANE)), fourcc, modifier):
            return plane
    if able and fourcc is not None:
        raise NegotiationError(refused_modifier(card, able[0], fourcc, modifier))
    have = sorted({fourcc_str(f) for plane in planes for f in plane.formats})
    raise NegotiationError(f"no plane of {card.path} shows {fourcc_str(fourcc or 0)}; they show {', '.join(have)}")


def refused_modifier(card: Card, plane: Plane, fourcc: int, modifier: int) -> str:
    """Say which layouts a plane takes instead."""
    known = modifiers(card, card.properties(plane.id, PLANE))
    listed = sorted(known.get(fourcc, ())) if known is not None else [LINEAR]
    return (
        f"plane {plane.id} of {card.path} does not take {fourcc_str(fourcc)} with modifier {modifier_str(modifier)} "
        f"({modifier:#x}); it takes {', '.join(map(modifier_str, listed)) or 'none'}"
    )


def _choose_mode(
    connector: Connector,
    wanted: tuple[int, int] | str | None,
    frame_size: tuple[int, int] | None,
    path: str,
    exact: bool,
) -> Mode:
    modes = connector.modes
    if isinstance(wanted, str) and "x" in wanted and wanted not in {m.name for m in modes}:
        width, _, rest = wanted.partition("x")
        if width.isdigit() and rest.isdigit():
            wanted = int(width), int(rest)
    if wanted is not None:
        for mode in modes:
            if wanted in (mode.name, (mode.width, mode.height)):
                return mode
        listed = ", ".join(dict.fromkeys(f"{m.width}x{m.height}" for m in modes))
        raise NegotiationError(f"{connector_name(connector)} of {path} has no mode {wanted}; it has {listed}")
    for mode in modes:
        if frame_size == (mode.width, mode.height):
            return mode
    if exact and frame_size is not None:
        listed = ", ".join(dict.fromkeys(f"{m.width}x{m.height}" for m in modes))
        raise NegotiationError(
            f"{connector_name(connector)} of {path} has no mode of {frame_size[0]}x{frame_size[1]}, which "
            f"force_modesetting asks for; it has {listed}"
        )
    return next((m for m in modes if m.preferred), modes[0])


def placements(
    frame: tuple[int, int],
    screen: tuple[int, int],
    area: Rectangle | None = None,
    *,
    can_scale: bool = True,
    turned: bool = False,
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
    """
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
