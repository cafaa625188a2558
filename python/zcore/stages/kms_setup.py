"""Choose connector, mode, CRTC and plane of a display, and remember what was there before."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from zcore._drm import Card, Connector, Mode, Plane, Property
from zcore.errors import ChainError, NegotiationError
from zcore.formats import fourcc_str

CRTC, CONNECTOR, PLANE = 0xCCCCCCCC, 0xC0C0C0C0, 0xEEEEEEEE
ALLOW_MODESET, TEST_ONLY = 0x0400, 0x0100
PRIMARY, OVERLAY, CURSOR = 1, 0, 2
WRITEBACK = 18

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
class Output:
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


def choose_output(
    card: Card,
    *,
    connector: str | int | None = None,
    mode: tuple[int, int] | str | None = None,
    plane: int | None = None,
    frame_size: tuple[int, int] | None = None,
    fourcc: int | None = None,
) -> Output:
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
    fourcc : int, optional
        DRM fourcc of the frames to come.
    """
    crtcs, connector_ids = card.resources()
    if not crtcs:
        raise ChainError(f"{card.path} ({card.driver}) has no display part (a render-only device?)")
    chosen = _choose_connector(card, [card.connector(id) for id in connector_ids], connector)
    crtc_index = _choose_crtc(card, chosen, len(crtcs), crtcs)
    planes = [p for p in card.planes() if p.possible_crtcs >> crtc_index & 1]
    video = _choose_plane(card, planes, plane, fourcc)
    return Output(
        card,
        chosen,
        crtcs[crtc_index],
        crtc_index,
        video,
        _choose_mode(chosen, mode, frame_size, card.path),
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


def _choose_plane(card: Card, planes: list[Plane], wanted: int | None, fourcc: int | None) -> Plane:
    if wanted is not None:
        for plane in planes:
            if plane.id == wanted:
                return plane
        raise ChainError(f"{card.path} has no plane {wanted} for this CRTC; it has {[p.id for p in planes]}")
    by_type = sorted(planes, key=lambda p: {PRIMARY: 0, OVERLAY: 1}.get(plane_type(card, p), 2))
    for plane in by_type:
        if fourcc is None or fourcc in plane.formats:
            return plane
    have = sorted({fourcc_str(f) for plane in planes for f in plane.formats})
    raise NegotiationError(f"no plane of {card.path} shows {fourcc_str(fourcc or 0)}; they show {', '.join(have)}")


def _choose_mode(
    connector: Connector, wanted: tuple[int, int] | str | None, frame_size: tuple[int, int] | None, path: str
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
    return next((m for m in modes if m.preferred), modes[0])


class Snapshot:
    """State of a CRTC, its connector and its planes, to be put back at the end."""

    def __init__(self, output: Output):
        self._card = output.card
        self._output = output
        self._objects = [(output.crtc, CRTC), (output.connector.id, CONNECTOR)]
        self._objects += [(p.id, PLANE) for p in output.card.planes() if p.possible_crtcs >> output.crtc_index & 1]
        self._legacy = output.card.get_crtc(output.crtc)
        self._properties = {}
        if output.card.atomic:
            self._properties = {id: output.card.properties(id, type) for id, type in self._objects}
            # The blob itself goes with the state that uses it, so its content is kept.
            mode = self._properties[output.crtc]["MODE_ID"].value
            self._mode = output.card.read_blob(mode) if mode else b""

    def restore(self) -> None:
        """Put everything back; what was dark goes dark."""
        card, output = self._card, self._output
        if not card.atomic:
            framebuffer, x, y, mode = self._legacy
            if mode is not None and framebuffer:
                card.set_crtc(output.crtc, framebuffer, [output.connector.id], mode.raw, x, y)
            else:
                card.set_crtc(output.crtc, 0)
            return
        settings: dict[int, dict[int, int]] = {}
        for id, type in self._objects:
            names = {
                CRTC: ("ACTIVE", "MODE_ID"),
                CONNECTOR: ("CRTC_ID",),
                PLANE: ("FB_ID", "CRTC_ID", "SRC_X", "SRC_Y", "SRC_W", "SRC_H", "CRTC_X", "CRTC_Y", "CRTC_W", "CRTC_H"),
            }[type]
            before = self._properties[id]
            if type == PLANE and before.get("CRTC_ID", Property(0, 0, 0)).value not in (0, output.crtc):
                continue  # belongs to somebody else's CRTC
            settings[id] = {before[name].id: before[name].value for name in names if name in before}
        blob = card.create_blob(self._mode) if self._mode else 0
        try:
            settings[output.crtc][self._properties[output.crtc]["MODE_ID"].id] = blob
            card.commit(settings, ALLOW_MODESET)
        finally:
            if blob:
                card.destroy_blob(blob)


def placements(frame: tuple[int, int], screen: tuple[int, int]) -> list[tuple[Rectangle, Rectangle]]:
    """List the ways to place a picture, best first, as ``(source, target)`` rectangles in pixels.

    Scaled as large as fits with its aspect kept; then, for planes that cannot scale, in the middle at its own size and
    cut at the screen's edges, with the cut on even pixels as 4:2:0 needs it.
    """
    scale = min(screen[0] / frame[0], screen[1] / frame[1])
    width, height = min(screen[0], round(frame[0] * scale)), min(screen[1], round(frame[1] * scale))
    scaled = (0, 0, *frame), ((screen[0] - width) // 2, (screen[1] - height) // 2, width, height)
    width, height = min(frame[0], screen[0]), min(frame[1], screen[1])
    cut = ((frame[0] - width) // 2 & ~1, (frame[1] - height) // 2 & ~1, width, height)
    middle = ((screen[0] - width) // 2, (screen[1] - height) // 2, width, height)
    return [scaled, (cut, middle)] if scaled != (cut, middle) else [scaled]
