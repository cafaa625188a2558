"""Remember what a display showed, and put it back."""

from __future__ import annotations

from collections.abc import Iterable

from zcore._commit_alone import commit_alone
from zcore._commits import Commits
from zcore._drm import Card, Property
from zcore._drm_properties import set_property
from zcore._kms_legacy import gamma_size, get_gamma, set_gamma
from zcore.errors import DeviceError
from zcore.stages.kms_setup import ALLOW_MODESET, CONNECTOR, CRTC, PLANE, Route

BLOB = 0x10  # DRM_MODE_PROP_BLOB
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
        self._touched: set[tuple[int, int]] = set()
        self._contents: dict[tuple[int, int], bytes] = {}
        self._gamma = b"" if card.atomic else read_gamma(card, route.crtc)
        if card.atomic:
            # The blob itself goes with the state that uses it, so its content is kept.
            mode = self._properties[route.crtc]["MODE_ID"].value
            self._mode = card.read_blob(mode) if mode else b""

    def touch(self, object: int, properties: Iterable[int]) -> None:
        """Name properties beyond the usual ones that will be changed."""
        for id in properties:
            self._touched.add((object, id))
            before = next((one for one in self._properties[object].values() if one.id == id), None)
            if before is not None and before.flags & BLOB and before.value and (object, id) not in self._contents:
                self._contents[object, id] = self._card.read_blob(before.value)

    def restore(self, commits: Commits) -> None:
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
                one.id: one.value
                for name, one in before.items()
                if name in NAMES[type] or (id, one.id) in self._touched
            }
        mode = self._properties[route.crtc]["MODE_ID"].id
        self._commit(commits, settings, self._contents | ({(route.crtc, mode): self._mode} if self._mode else {}))

    def restore_plane(self, commits: Commits, plane: int) -> None:
        """Put back what was changed of one plane, beside others that go on; what it showed does not come back yet."""
        settings = {one.id: one.value for one in self._properties[plane].values() if (plane, one.id) in self._touched}
        if self._card.atomic and settings:
            self._commit(commits, {plane: settings}, self._contents)
        elif not self._card.atomic:
            for id, value in settings.items():
                set_property(self._card, plane, PLANE, id, value)

    def _commit(
        self, commits: Commits, settings: dict[int, dict[int, int]], contents: dict[tuple[int, int], bytes]
    ) -> None:
        blobs = []
        try:
            for (object, id), content in contents.items():
                if id in settings.get(object, {}):
                    blobs.append(self._card.create_blob(content))
                    settings[object][id] = blobs[-1]
            commit_alone(commits, self._route.crtc, settings, ALLOW_MODESET)
        finally:
            for blob in blobs:
                self._card.destroy_blob(blob)

    def _restore_legacy(self) -> None:
        card, route = self._card, self._route
        problem: DeviceError | None = None
        for id, type in self._objects:
            for one in self._properties[id].values():
                if (id, one.id) in self._touched:
                    try:
                        set_property(card, id, type, one.id, one.value)
                    except DeviceError as error:  # the picture comes back all the same
                        problem = error
        framebuffer, x, y, mode = self._legacy
        if mode is not None and framebuffer:
            card.set_crtc(route.crtc, framebuffer, [route.connector.id], mode.raw, x, y)
        else:
            card.set_crtc(route.crtc, 0)
        if self._gamma and read_gamma(card, route.crtc) != self._gamma:
            set_gamma(card, route.crtc, self._gamma)
        if problem is not None:
            raise problem


def read_gamma(card: Card, crtc: int) -> bytes:
    """Read a gamma table the old way; empty where there is none."""
    size = gamma_size(card, crtc)
    return get_gamma(card, crtc, size) if size else b""
