"""What a display stage may show its frames on, and what it asks of that: the display's options, applied to a card."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from zcore._drm import Mode
from zcore.errors import ChainError, NegotiationError
from zcore.stages.base import LinkCaps
from zcore.stages.kms_color import colour_settings, crtc_blobs, legacy_gamma
from zcore.stages.kms_place import cropped
from zcore.stages.kms_properties import read_properties
from zcore.stages.kms_screen import Wishes
from zcore.stages.kms_setup import CONNECTOR, CRTC, OVERLAY, PRIMARY, Route, choose_routes, connector_name, plane_type

if TYPE_CHECKING:
    from zcore.stages.display import Display


def routes_for(display: Display, fourcc: int | None, modifier: int, size: tuple[int, int] | None) -> list[Route]:
    """List the routes for a display's frames, one for each plane that is free and could show them, best first."""
    shared = display.shared

    def avoid(crtc: int, connector: int) -> bool:
        routes = [other._route for other in shared.neighbours(crtc, display)]
        return any(route is not None and route.connector.id != connector for route in routes)

    def taken(crtc: int) -> set[int]:
        return shared.taken(crtc, display) | display._refused

    routes = choose_routes(
        display.card,
        connector=display.connector,
        mode=display.mode,
        plane=display.plane,
        crtc=display.crtc,
        taken=taken,
        avoid=avoid,
        over=bool(display.zpos),
        frame_size=size,
        fourcc=fourcc,
        modifier=modifier,
        force_mode=display.force_modesetting,
    )
    mode = _mode_of_others(display, routes[0])
    return [replace(route, mode=mode) for route in routes] if mode is not None else routes


def _mode_of_others(display: Display, route: Route) -> Mode | None:
    """Find the mode that other displays have given to the same CRTC, or will give to it because they were told to."""
    state = display.shared.crtc(route.crtc)
    others = display.shared.neighbours(route.crtc, display)
    if others and state.mode is not None and state.mode.raw in {mode.raw for mode in route.connector.modes}:
        if display.mode is not None and route.mode.raw != state.mode.raw:
            raise ChainError(
                f"{display.name} asks for the mode {route.mode.name} on {connector_name(route.connector)}, where "
                f"{others[0].name} shows something with {state.mode.name}: give both the same mode"
            )
        return state.mode
    if display.mode is None:
        for other in display.shared.displays:
            there = other._route
            if other is not display and other.mode is not None and there is not None and there.crtc == route.crtc:
                return there.mode
    return None


def common_mode(display: Display, route: Route) -> Mode:
    """Choose the mode for a CRTC before the first of its displays shows something.

    Who was told a mode decides, then who has the primary plane: pictures over it may be small.
    """
    planned = [other._route for other in display.shared.displays if other._route is not None and other.mode is not None]
    primaries = [
        other._route for other in display.shared.displays
        if other._route is not None and plane_type(display.card, other._route.plane) == PRIMARY
    ]  # fmt: skip
    for found in (*planned, *primaries):
        if found.crtc == route.crtc and found.connector.id == route.connector.id:
            return found.mode
    return route.mode


def make_wishes(display: Display, route: Route, caps: LinkCaps) -> Wishes:
    """Turn a display's options into property ids, numbers and contents, all of them checked.

    Raises
    ------
    ChainError
        A property that is not there, or does not take such a value.
    """
    card = display.card
    connector = card.properties(route.connector.id, CONNECTOR)
    crtc = card.properties(route.crtc, CRTC)
    given = dict(display.plane_properties)
    if display.zpos is not None and "zpos" in given and _order_is_fixed(display, route):
        del given["zpos"]
    table = legacy_gamma(card, route.crtc, crtc, display.gamma)
    wishes = Wishes(
        display.can_scale,
        display.render_rectangle,
        cropped(display.source_crop, caps.size, caps.format) if display.source_crop is not None else None,
        colour_settings(card, route.plane_properties, caps)
        | read_properties(card, route.plane_properties, given, f"plane {route.plane.id}"),
        read_properties(card, connector, display.connector_properties, f"connector {route.name}"),
        read_properties(card, crtc, display.crtc_properties, f"CRTC {route.crtc}"),
        {},
        crtc_blobs(card, crtc, gamma=None if table else display.gamma, degamma=display.degamma, ctm=display.ctm),
        table,
    )
    if display.hdr_metadata is not None:
        if "HDR_OUTPUT_METADATA" not in connector:
            raise ChainError(f"connector {route.name} of {card.path} takes no HDR metadata")
        wishes.connector_blobs[connector["HDR_OUTPUT_METADATA"].id] = display.hdr_metadata.pack()
    if display.vrr:
        if "VRR_ENABLED" not in crtc or "vrr_capable" not in connector or not connector["vrr_capable"].value:
            raise ChainError(f"{route.name} of {card.path} has no variable refresh rate; leave vrr out")
        wishes.crtc[crtc["VRR_ENABLED"].id] = 1
    return wishes


def _order_is_fixed(display: Display, route: Route) -> bool:
    """Tell whether the planes have no zpos to set; then the order that they have must be the one that is asked for.

    Raises
    ------
    NegotiationError
        The planes lie the other way round.
    """
    known = route.plane_properties.get("zpos")
    if known is not None and not known.flags & 4:
        return False
    own = _height(route, known.value if known is not None else None)
    for other in display.shared.displays:
        there = other._route
        if other is display or there is None or there.crtc != route.crtc or other.zpos is None or display.zpos is None:
            continue
        zpos = there.plane_properties.get("zpos")
        if (_height(there, zpos.value if zpos is not None else None) > own) != (other.zpos > display.zpos):
            raise NegotiationError(
                f"plane {route.plane.id} of {route.card.path} cannot be moved: it has a fixed place, below or above "
                f"plane {there.plane.id}; {display.name} (zpos {display.zpos}) and {other.name} (zpos {other.zpos}) "
                "ask for the other way round; exchange their planes"
            )
    return True


def _height(route: Route, zpos: int | None) -> tuple[int, int, int]:
    """Say where a plane lies: by its fixed zpos, else primary, overlays, cursor, in the order of the card's list."""
    kind = plane_type(route.card, route.plane)
    return zpos or 0, {PRIMARY: 0, OVERLAY: 1}.get(kind, 2), route.plane.id
