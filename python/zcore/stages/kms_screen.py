"""A mode on a connector, a plane on it, and a black picture there that frames take the place of."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from zcore._commit_alone import commit_alone
from zcore._commits import Commits
from zcore._drm_properties import set_property
from zcore._gem import Framebuffer, add_framebuffer, allocate_dumb
from zcore._kms import Scanout
from zcore._kms_legacy import set_gamma, set_plane
from zcore.errors import ChainError, DeviceError
from zcore.formats import find
from zcore.stages.kms_place import Rectangle, placements
from zcore.stages.kms_setup import (
    ALLOW_MODESET,
    CONNECTOR,
    CRTC,
    PLANE,
    PRIMARY,
    TEST_ONLY,
    Route,
    plane_type,
)

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
    crop : (int, int, int, int), optional
        Left, top, width and height of the part of the frame that is shown.
    plane, connector, crtc : dict of int to int
        Property ids and values.
    connector_blobs, crtc_blobs : dict of int to bytes
        Property ids and contents.
    gamma : bytes
        Table for the call of old; empty: as it is.
    """

    can_scale: bool = True
    area: Rectangle | None = None
    crop: Rectangle | None = None
    plane: dict[int, int] = field(default_factory=dict)
    connector: dict[int, int] = field(default_factory=dict)
    crtc: dict[int, int] = field(default_factory=dict)
    connector_blobs: dict[int, bytes] = field(default_factory=dict)
    crtc_blobs: dict[int, bytes] = field(default_factory=dict)
    gamma: bytes = b""


class Screen:
    """What a display stage shows while it has no frame, and where on the screen its frames go.

    Attributes
    ----------
    over : bool
        Whether other displays show something on the same CRTC: then there is no mode to set, and no black picture.
    """

    def __init__(self, commits: Commits):
        self.commits = commits
        self.card = commits.card
        self.route: Route | None = None
        self.wishes = Wishes()
        self.over = False
        self._size = (0, 0)
        self._splash: Framebuffer | None = None
        self._mode_blob = 0
        self._blobs: dict[tuple[int, int], int] = {}  # object and property -> blob
        self._rectangles: tuple[Rectangle, Rectangle] | None = None

    def begin(
        self,
        routes: list[Route],
        size: tuple[int, int],
        wishes: Callable[[Route], Wishes],
        scanout: Scanout,
        framebuffer: int,
        *,
        over: bool,
    ) -> Route:
        """Set the mode with a black picture, or, over other planes, prepare the first frame; gives the chosen plane.

        Each plane is asked by trial commits, each way to place the picture on it, best first. What passes the trial
        may still be refused when it is meant; then the next one is tried.

        Parameters
        ----------
        routes : list of Route
            One for each plane that may be tried, best first.
        wishes : callable
            Gives what is wanted in a plane's own property ids.
        framebuffer : int
            One of the frames to come, for trials.
        """
        old, self._splash = self._splash, None
        self._size, self.over = size, over
        self._forget_blobs()
        failure: Exception | None = None
        try:
            for route in routes:
                try:
                    self.route, self.wishes = route, wishes(route)
                    self._make_blobs(route)
                    if self._try_plane(route, scanout, framebuffer):
                        return route
                except (ChainError, DeviceError) as error:
                    if isinstance(error, DeviceError) and error.errno in (errno.EACCES, errno.ENODEV):
                        raise
                    failure = failure or error
            assert failure is not None
            if len(routes) > 1:
                failure.add_note(f"tried on the planes {', '.join(str(route.plane.id) for route in routes)}")
            raise failure
        finally:
            if old is not None and (self._splash is not None or over):
                old.close()

    def begin_black(self, route: Route, size: tuple[int, int]) -> None:
        """Set the mode with a black picture, where no frames are to come."""
        self.route, self.wishes, self._size, self.over = route, Wishes(), size, False
        self._make_blobs(route)
        self._make_splash(route)
        if self._splash is None:
            raise ChainError(f"plane {route.plane.id} of {self.card.path} takes no XRGB8888 for a black picture")
        self._rectangles = (0, 0, *size), (0, 0, *size)
        self.show_black()

    def _try_plane(self, route: Route, scanout: Scanout, framebuffer: int) -> bool:
        self._make_splash(route)
        primary = plane_type(self.card, route.plane) == PRIMARY
        fb = route.plane_properties.get("FB_ID")
        failure: DeviceError | None = None
        for way in self._ways(route):
            self._rectangles = way
            try:
                if self.card.atomic:
                    self.card.commit(self.settings(framebuffer), ALLOW_MODESET | TEST_ONLY)
                self._show(scanout, framebuffer)
            except DeviceError as error:
                if error.errno in (errno.EACCES, errno.ENODEV):
                    raise
                failure = failure or error
                continue
            scanout.retarget(route.plane.id, fb.id if fb else 0, primary=primary)
            return True
        if failure is not None:
            raise failure
        return False

    def _ways(self, route: Route) -> Iterator[tuple[Rectangle, Rectangle]]:
        rotation = route.plane_properties.get("rotation")
        turned = rotation is not None and self.wishes.plane.get(rotation.id, rotation.value) & SIDEWAYS
        yield from placements(
            self._size, (route.mode.width, route.mode.height), self.wishes.area, can_scale=self.wishes.can_scale,
            turned=bool(turned), crop=self.wishes.crop,
        )  # fmt: skip

    def _make_splash(self, route: Route) -> None:
        """Make a black picture, in a format that nearly every plane has; others begin with a frame."""
        if self._splash is not None or self.over:
            return
        if XRGB in route.plane.formats or not self.card.atomic:
            assert XRGB is not None
            buffer, pitch = allocate_dumb(self.card, *self._size, 32)
            self._splash = add_framebuffer(self.card, [buffer], [(0, 0, pitch, self._size[1])], self._size, XRGB)

    def _make_blobs(self, route: Route) -> None:
        if not self.card.atomic:
            return
        self._forget_blobs()
        if not self.over:
            self._mode_blob = self.card.create_blob(route.mode.raw)
        for object, contents in (
            (route.crtc, self.wishes.crtc_blobs), (route.connector.id, self.wishes.connector_blobs),
        ):  # fmt: skip
            for id, content in contents.items():
                self._blobs[object, id] = self.card.create_blob(content)

    def _show(self, scanout: Scanout, framebuffer: int) -> None:
        route = self.route
        assert route is not None
        if not self.card.atomic:
            self._show_legacy(scanout)
        elif self.over:
            settings = self.settings(framebuffer)
            plane = settings.pop(route.plane.id)
            del plane[route.plane_properties["FB_ID"].id]
            if settings:
                commit_alone(self.commits, route.crtc, settings, ALLOW_MODESET)
            scanout.change({route.plane.id: plane})
        else:
            first = self._splash.id if self._splash is not None else framebuffer
            commit_alone(self.commits, route.crtc, self.settings(first), ALLOW_MODESET)

    def _show_legacy(self, scanout: Scanout) -> None:
        route, card = self.route, self.card
        assert route is not None
        assert self._rectangles is not None
        if not self.over:
            assert self._splash is not None
            card.set_crtc(route.crtc, self._splash.id, [route.connector.id], route.mode.raw)
        scanout.place(self._rectangles[1], self._rectangles[0])
        for id, type, values in (
            (route.plane.id, PLANE, self.wishes.plane),
            (route.connector.id, CONNECTOR, self.wishes.connector),
            (route.crtc, CRTC, self.wishes.crtc),
        ):
            for property_id, value in values.items():
                set_property(card, id, type, property_id, value)
        for (object, id), content in {
            **{(route.crtc, id): content for id, content in self.wishes.crtc_blobs.items()},
            **{(route.connector.id, id): content for id, content in self.wishes.connector_blobs.items()},
        }.items():
            blob = self._blobs[object, id] = card.create_blob(content)
            set_property(card, object, CRTC if object == route.crtc else CONNECTOR, id, blob)
        if self.wishes.gamma:
            set_gamma(card, route.crtc, self.wishes.gamma)

    def show_black(self) -> None:
        """Show the black picture, or nothing on this plane where others go on."""
        route, card = self.route, self.card
        assert route is not None
        if self.over or (self._splash is None and card.atomic):
            self.show_nothing()
        elif card.atomic:
            assert self._splash is not None
            commit_alone(self.commits, route.crtc, self.settings(self._splash.id), ALLOW_MODESET)
        else:
            assert self._splash is not None
            if plane_type(card, route.plane) != PRIMARY:
                self.show_nothing()
            card.set_crtc(route.crtc, self._splash.id, [route.connector.id], route.mode.raw)

    def show_nothing(self) -> None:
        """Switch the plane off."""
        route, card = self.route, self.card
        assert route is not None
        if card.atomic:
            plane = route.plane_properties
            off = {route.plane.id: {plane["FB_ID"].id: 0, plane["CRTC_ID"].id: 0}}
            commit_alone(self.commits, route.crtc, off)
        elif plane_type(card, route.plane) != PRIMARY:
            set_plane(card, route.plane.id, 0, 0, (0, 0, 0, 0), (0, 0, 0, 0))

    def replace(self, wishes: Wishes, framebuffer: int) -> dict[int, dict[int, int]]:
        """Try other wishes for the plane while it shows frames; gives what to commit, without the picture.

        Raises
        ------
        DeviceError
            The driver refuses every way; what was there before goes on.
        """
        route, before = self.route, (self.wishes, self._rectangles)
        assert route is not None
        self.wishes = wishes
        failure: DeviceError | None = None
        for way in self._ways(route):
            self._rectangles = way
            settings = {route.plane.id: self.settings(framebuffer)[route.plane.id]}
            try:
                if self.card.atomic:
                    self.card.commit(settings, TEST_ONLY)
            except DeviceError as error:
                failure = failure or error
                continue
            del settings[route.plane.id][route.plane_properties["FB_ID"].id]
            return settings
        self.wishes, self._rectangles = before
        assert failure is not None
        raise failure

    @property
    def rectangles(self) -> tuple[Rectangle, Rectangle]:
        """What of the frame goes where on the screen."""
        assert self._rectangles is not None
        return self._rectangles

    def settings_without_picture(self) -> dict[int, dict[int, int]]:
        """Give all that belongs to the plane but for the picture itself."""
        assert self.route is not None
        settings = self.settings(0)[self.route.plane.id]
        del settings[self.route.plane_properties["FB_ID"].id]
        return {self.route.plane.id: settings}

    def settings(self, framebuffer: int) -> dict[int, dict[int, int]]:
        """Give all that belongs to the picture, for a commit."""
        route = self.route
        assert route is not None
        assert self._rectangles is not None
        source, target = self._rectangles
        plane = route.plane_properties
        values = {"FB_ID": framebuffer, "CRTC_ID": route.crtc}
        values |= dict(zip(("SRC_X", "SRC_Y", "SRC_W", "SRC_H"), (v << 16 for v in source), strict=True))
        values |= dict(zip(("CRTC_X", "CRTC_Y", "CRTC_W", "CRTC_H"), target, strict=True))
        found = {
            route.plane.id: {plane[name].id: value for name, value in values.items()} | self.wishes.plane,
            route.crtc: dict(self.wishes.crtc),
            route.connector.id: dict(self.wishes.connector),
        }
        for (object, id), blob in self._blobs.items():
            found[object][id] = blob
        if not self.over:
            crtc = self.card.properties(route.crtc, CRTC)
            connector = self.card.properties(route.connector.id, CONNECTOR)
            found[route.crtc] |= {crtc["MODE_ID"].id: self._mode_blob, crtc["ACTIVE"].id: 1}
            found[route.connector.id][connector["CRTC_ID"].id] = route.crtc
        return {object: known for object, known in found.items() if known}

    def _forget_blobs(self) -> None:
        blobs, self._blobs = [*self._blobs.values(), self._mode_blob], {}
        self._mode_blob = 0
        for blob in blobs:
            if blob:
                self.card.destroy_blob(blob)

    def close(self, *, keep_shown: bool = False) -> None:
        """Remove the black picture; something else is on the screen by now, or it is meant to stay."""
        splash, self._splash = self._splash, None
        if splash is not None:
            splash.close(keep_shown=keep_shown)
        self._forget_blobs()
        self.route = None
