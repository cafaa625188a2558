"""Choose connector, mode, CRTC and plane of a display, and remember what was there before."""

from __future__ import annotations

import struct
from collections.abc import Callable, Container
from dataclasses import dataclass
from typing import Any

from zcore._drm import Card, Connector, Mode, Plane, Property
from zcore.edid import Edid, parse_edid
from zcore.errors import ChainError, NegotiationError
from zcore.formats import INVALID, LINEAR, Format, UnknownFormatError, by_drm, fourcc_str, modifier_str
from zcore.stages.kms_options import named_id

CRTC, CONNECTOR, PLANE = 0xCCCCCCCC, 0xC0C0C0C0, 0xEEEEEEEE
ALLOW_MODESET, TEST_ONLY = 0x0400, 0x0100
PRIMARY, OVERLAY, CURSOR = 1, 0, 2
WRITEBACK = 18
KINDS = {PRIMARY: "primary", OVERLAY: "overlay", CURSOR: "cursor"}
BROADCOM, PARAMETERS = 0x07, 0x00FF_FFFF_FFFF_FF00

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


def read_edid(card: Card, connector: Connector) -> Edid | None:
    """Read what the monitor tells of itself; ``None`` where there is none, or it tells nothing."""
    blob = card.properties(connector.id, CONNECTOR).get("EDID")
    return parse_edid(card.read_blob(blob.value)) if blob is not None and blob.value else None


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


def choose_routes(
    card: Card,
    *,
    connector: str | int | None = None,
    mode: tuple[int, int] | str | int | None = None,
    plane: int | str | None = None,
    crtc: int | str | None = None,
    taken: Callable[[int], Container[int]] = lambda crtc: (),
    avoid: Callable[[int, int], bool] = lambda crtc, connector: False,
    over: bool = False,
    frame_size: tuple[int, int] | None = None,
    fourcc: int | None = None,
    modifier: int = LINEAR,
    force_mode: bool | None = None,
) -> list[Route]:
    """Choose what to show on: one route for each plane that could do it, best first.

    Parameters
    ----------
    card : Card
        Open device.
    connector : str or int, optional
        Name (``HDMI-A-1``) or id; left out: the first that is connected.
    mode : (int, int), str or int, optional
        Size, a mode's name, or its place in the connector's list; left out: one of the frame's size, else the
        preferred one.
    plane : int or str, optional
        Id; ``primary``, ``overlay``, ``cursor`` or, for the second one, ``overlay-1``; left out: the first primary
        plane, else overlay, that has the format.
    crtc : int or str, optional
        Id, or ``crtc-0``; left out: the one that the connector has, else the first that can drive it.
    taken : callable
        Gives the planes of a CRTC that other displays use.
    avoid : callable
        Tells whether a CRTC is in use with another connector.
    over : bool
        Whether to look among the overlays before the primary plane.
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
    chosen = choose_connector(card, [card.connector(id) for id in connector_ids], connector)
    crtc_index = _choose_crtc(card, chosen, crtcs, crtc, avoid)
    planes = [p for p in card.planes() if p.possible_crtcs >> crtc_index & 1]
    videos = choose_planes(card, planes, plane, fourcc, modifier, taken(crtcs[crtc_index]), over=over)
    present = card.get_crtc(crtcs[crtc_index])[3] if force_mode is False and mode is None else None
    best = present or _choose_mode(chosen, mode, frame_size, card.path, bool(force_mode))
    return [
        Route(card, chosen, crtcs[crtc_index], crtc_index, video, best, card.properties(video.id, PLANE))
        for video in videos
    ]


def choose_route(card: Card, **options: Any) -> Route:
    """Choose the best of :func:`choose_routes`."""
    return choose_routes(card, **options)[0]


def choose_connector(card: Card, connectors: list[Connector], wanted: str | int | None) -> Connector:
    """Find a connector by its name, its id, or its monitor's name; ``None``: the first that is connected."""
    usable = [c for c in connectors if c.type != WRITEBACK]
    names = ", ".join(f"{connector_name(c)} ({'connected' if c.connected else 'disconnected'})" for c in usable)
    if wanted is not None:
        for connector in connectors:
            if wanted in (connector.id, connector_name(connector)) or str(connector.id) == wanted:
                return connector
        for connector in usable:
            monitor = read_edid(card, connector)
            if monitor is not None and isinstance(wanted, str) and wanted.lower() in monitor.names:
                return connector
        raise ChainError(f"{card.path} has no connector {wanted!r}; it has {names or 'none'}")
    for connector in usable:
        if connector.connected and connector.modes:
            return connector
    raise ChainError(f"nothing is connected to {card.path} ({card.driver}); its connectors: {names or 'none'}")


def _choose_crtc(
    card: Card,
    connector: Connector,
    crtcs: tuple[int, ...],
    wanted: int | str | None,
    avoid: Callable[[int, int], bool],
) -> int:
    possible = [i for i in range(len(crtcs)) if connector.possible_crtcs >> i & 1]
    if not possible:
        raise ChainError(f"no CRTC of {card.path} can drive {connector_name(connector)}")
    if wanted is not None:
        index = crtcs.index(named_id("crtc", wanted, crtcs, card.path))
        if index not in possible:
            can = ", ".join(str(crtcs[i]) for i in possible)
            raise ChainError(f"CRTC {wanted} of {card.path} cannot drive {connector_name(connector)}; these can: {can}")
        return index
    properties = card.properties(connector.id, CONNECTOR)
    now = properties["CRTC_ID"].value if "CRTC_ID" in properties else 0
    if now in crtcs and crtcs.index(now) in possible and not avoid(now, connector.id):
        return crtcs.index(now)
    return next((i for i in possible if not avoid(crtcs[i], connector.id)), possible[0])


def choose_planes(
    card: Card,
    planes: list[Plane],
    wanted: int | str | None,
    fourcc: int | None,
    modifier: int,
    taken: Container[int] = (),
    *,
    over: bool = False,
) -> list[Plane]:
    """List the planes that could show a format, best first."""
    kinds = {plane.id: KINDS.get(plane_type(card, plane), "cursor") for plane in planes}
    if wanted is not None:
        found = _named_plane(card, planes, kinds, wanted, taken)
        if found.id in taken:
            raise ChainError(f"plane {found.id} of {card.path} is used by another display of this program")
        return [found]
    order = ("overlay", "primary", "cursor") if over else ("primary", "overlay", "cursor")
    free = sorted((p for p in planes if p.id not in taken), key=lambda p: order.index(kinds[p.id]))
    if not free and planes:
        raise ChainError(f"all planes of {card.path} for this CRTC are used by displays of this program")
    able = [plane for plane in free if fourcc is None or fourcc in plane.formats]
    fine = [
        plane for plane in able
        if fourcc is None or takes_modifier(modifiers(card, card.properties(plane.id, PLANE)), fourcc, modifier)
    ]  # fmt: skip
    if fine:
        return fine
    if able and fourcc is not None:
        raise NegotiationError(refused_modifier(card, able[0], fourcc, modifier))
    have = sorted({fourcc_str(f) for plane in free for f in plane.formats})
    raise NegotiationError(f"no plane of {card.path} shows {fourcc_str(fourcc or 0)}; they show {', '.join(have)}")


def _named_plane(
    card: Card, planes: list[Plane], kinds: dict[int, str], wanted: int | str, taken: Container[int]
) -> Plane:
    """Find a plane by its id, by its kind (the first that is free), or by kind and number."""
    number = int(wanted) if isinstance(wanted, str) and wanted.strip().isdigit() else wanted
    counts: dict[str, int] = {}
    names = {}
    for plane in planes:
        kind = kinds[plane.id]
        names[f"{kind}-{counts.setdefault(kind, 0)}"] = plane
        counts[kind] += 1
    for name, plane in names.items():
        if plane.id == number or (isinstance(wanted, str) and wanted.lower() == name):
            return plane
    of_kind = [plane for plane in planes if kinds[plane.id] == str(wanted).lower()]
    if of_kind:
        return next((plane for plane in of_kind if plane.id not in taken), of_kind[0])
    known = ", ".join(f"{name} ({plane.id})" for name, plane in names.items())
    raise ChainError(f"{card.path} has no plane {wanted!r} for this CRTC; it has {known}")


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
    wanted: tuple[int, int] | str | int | None,
    frame_size: tuple[int, int] | None,
    path: str,
    exact: bool,
) -> Mode:
    modes = connector.modes
    if isinstance(wanted, int):
        if not 0 <= wanted < len(modes):
            raise NegotiationError(f"{connector_name(connector)} of {path} has {len(modes)} modes, no number {wanted}")
        return modes[wanted]
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
