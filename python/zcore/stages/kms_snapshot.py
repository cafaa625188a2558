"""Remember what a display showed, and put it back."""

from __future__ import annotations

from collections.abc import Iterable

from zcore._drm import Property
from zcore._drm_properties import set_property
from zcore.errors import DeviceError
from zcore.stages.kms_setup import ALLOW_MODESET, CONNECTOR, CRTC, PLANE, Route

NAMES = {
    CRTC: ("ACTIVE", "MODE_ID"),
    CONNECTOR: ("CRTC_ID",),
    PLANE: ("FB_ID", "CRTC_ID", "SRC_X", "SRC_Y", "SRC_W", "SRC_H", "CRTC_X", "CRTC_Y", "CRTC_W", "CRTC_H"),
}


class Snapshot:
    """State of a CRTC, its connector and its planes, to be put back at the end."""

    def __init__(self, route: Route):
        card = self._card = route.card
        self._route = route
        self._objects = [(route.crtc, CRTC), (route.connector.id, CONNECTOR)]
        self._objects += [(p.id, PLANE) for p in card.planes() if p.possible_crtcs >> route.crtc_index & 1]
        self._legacy = card.get_crtc(route.crtc)
        self._properties = {id: card.properties(id, type) for id, type in self._objects}
        self._touched: set[int] = set()
        if card.atomic:
            # The blob itself goes with the state that uses it, so its content is kept.
            mode = self._properties[route.crtc]["MODE_ID"].value
            self._mode = card.read_blob(mode) if mode else b""

    def touch(self, properties: Iterable[int]) -> None:
        """Name properties beyond the usual ones that will be changed."""
        self._touched |= set(properties)

    def restore(self) -> None:
        """Put everything back; what was dark goes dark."""
        card, route = self._card, self._route
        if not card.atomic:
            self._restore_legacy()
            return
        settings: dict[int, dict[int, int]] = {}
        for id, type in self._objects:
            before = self._properties[id]
            if type == PLANE and before.get("CRTC_ID", Property(0, 0, 0)).value not in (0, route.crtc):
                continue  # belongs to somebody else's CRTC
            settings[id] = {
                one.id: one.value for name, one in before.items() if name in NAMES[type] or one.id in self._touched
            }
        blob = card.create_blob(self._mode) if self._mode else 0
        try:
            settings[route.crtc][self._properties[route.crtc]["MODE_ID"].id] = blob
            card.commit(settings, ALLOW_MODESET)
        finally:
            if blob:
                card.destroy_blob(blob)

    def _restore_legacy(self) -> None:
        card, route = self._card, self._route
        problem: DeviceError | None = None
        for id, type in self._objects:
            for one in self._properties[id].values():
                if one.id in self._touched:
                    try:
                        set_property(card, id, type, one.id, one.value)
                    except DeviceError as error:  # the picture comes back all the same
                        problem = error
        framebuffer, x, y, mode = self._legacy
        if mode is not None and framebuffer:
            card.set_crtc(route.crtc, framebuffer, [route.connector.id], mode.raw, x, y)
        else:
            card.set_crtc(route.crtc, 0)
        if problem is not None:
            raise problem
