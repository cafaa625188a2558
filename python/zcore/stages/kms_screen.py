"""A mode on a connector, and a black picture on the plane that frames take the place of."""

from __future__ import annotations

from dataclasses import dataclass, field

from zcore._drm import Card
from zcore._drm_properties import set_property
from zcore._gem import Framebuffer, add_framebuffer, allocate_dumb
from zcore.errors import DeviceError
from zcore.formats import find
from zcore.stages.kms_setup import ALLOW_MODESET, CONNECTOR, CRTC, PLANE, TEST_ONLY, Rectangle, Route, placements

XRGB = find("drm:XR24").drm
SIDEWAYS = 0xA  # DRM_MODE_ROTATE_90 | DRM_MODE_ROTATE_270


@dataclass
class Wishes:
    """What the user wants of the picture beside the frames.

    Attributes
    ----------
    can_scale : bool
        Whether to try the plane's scaler.
    area : (int, int, int, int), optional
        Left, top, width and height on the screen where the picture goes.
    plane, connector : dict of int to int
        Property ids and values.
    """

    can_scale: bool = True
    area: Rectangle | None = None
    plane: dict[int, int] = field(default_factory=dict)
    connector: dict[int, int] = field(default_factory=dict)


class Screen:
    """What a display stage shows while it has no frame, and where on the screen its frames go."""

    def __init__(self, card: Card):
        self.card = card
        self.route: Route | None = None
        self.wishes = Wishes()
        self._splash: Framebuffer | None = None
        self._mode_blob = 0
        self._rectangles: tuple[Rectangle, Rectangle] | None = None

    def begin(self, route: Route, size: tuple[int, int], wishes: Wishes) -> None:
        """Set the mode, with a black picture of the frames' size."""
        old, self.route, self.wishes = self._splash, route, wishes
        self._splash = self._black(route, size)
        if self.card.atomic:
            if self._mode_blob:
                self.card.destroy_blob(self._mode_blob)
            self._mode_blob = self.card.create_blob(route.mode.raw)
            self._rectangles = self._place(route, self._splash.id, size)
        self.show_black()
        if old is not None:
            old.close()

    def _black(self, route: Route, size: tuple[int, int]) -> Framebuffer:
        """Make a black picture, in a format that nearly every plane has."""
        code = XRGB if XRGB in route.plane.formats else route.plane.formats[0]
        assert code is not None
        buffer, pitch = allocate_dumb(self.card, *size, 32)
        return add_framebuffer(self.card, [buffer], [(0, 0, pitch, size[1])], size, code)

    def show_black(self) -> None:
        """Show the black picture."""
        route, splash, card = self.route, self._splash, self.card
        assert route is not None
        assert splash is not None
        if card.atomic:
            assert self._rectangles is not None
            card.commit(self._settings(route, splash.id, *self._rectangles), ALLOW_MODESET)
            return
        card.set_crtc(route.crtc, splash.id, [route.connector.id], route.mode.raw)
        for id, type, values in (
            (route.plane.id, PLANE, self.wishes.plane),
            (route.connector.id, CONNECTOR, self.wishes.connector),
        ):
            for property_id, value in values.items():
                set_property(card, id, type, property_id, value)

    def _place(self, route: Route, framebuffer: int, size: tuple[int, int]) -> tuple[Rectangle, Rectangle]:
        """Find where the picture goes: scaled with its aspect kept, else in the middle at its own size."""
        rotation = route.plane_properties.get("rotation")
        turned = rotation is not None and self.wishes.plane.get(rotation.id, rotation.value) & SIDEWAYS
        ways = placements(
            size, (route.mode.width, route.mode.height), self.wishes.area, can_scale=self.wishes.can_scale,
            turned=bool(turned),
        )  # fmt: skip
        for source, target in ways[:-1]:
            try:
                self.card.commit(self._settings(route, framebuffer, source, target), ALLOW_MODESET | TEST_ONLY)
            except DeviceError as error:
                if error.errno == 13:
                    raise
                continue
            return source, target
        return ways[-1]

    def _settings(
        self, route: Route, framebuffer: int, source: Rectangle, target: Rectangle
    ) -> dict[int, dict[int, int]]:
        crtc = self.card.properties(route.crtc, CRTC)
        connector = self.card.properties(route.connector.id, CONNECTOR)
        plane = route.plane_properties
        values = {"FB_ID": framebuffer, "CRTC_ID": route.crtc}
        values |= dict(zip(("SRC_X", "SRC_Y", "SRC_W", "SRC_H"), (v << 16 for v in source), strict=True))
        values |= dict(zip(("CRTC_X", "CRTC_Y", "CRTC_W", "CRTC_H"), target, strict=True))
        return {
            route.crtc: {crtc["MODE_ID"].id: self._mode_blob, crtc["ACTIVE"].id: 1},
            route.connector.id: {connector["CRTC_ID"].id: route.crtc} | self.wishes.connector,
            route.plane.id: {plane[name].id: value for name, value in values.items()} | self.wishes.plane,
        }

    def close(self) -> None:
        """Remove the black picture; something else is on the screen by now, or nothing."""
        splash, self._splash = self._splash, None
        if splash is not None:
            splash.close()
        if self._mode_blob:
            self.card.destroy_blob(self._mode_blob)
            self._mode_blob = 0
        self.route = None
