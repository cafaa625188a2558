"""What a display stage does while it shows frames: one by one from Python, changes, pictures back, times."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from zcore._chain import Link, Node
from zcore._commit_alone import commit_alone
from zcore._drm_properties import set_property
from zcore._fence import Fence
from zcore._frame import Frame
from zcore._kms import Scanout
from zcore._kms_events import crtc_sequence, wait_vblank
from zcore._nodes import DisplayNode
from zcore.errors import ChainError
from zcore.stages.base import LinkCaps
from zcore.stages.kms_lease import Lease
from zcore.stages.kms_options import crop_rectangle, plane_wishes, rectangle
from zcore.stages.kms_routes import common_mode, make_wishes
from zcore.stages.kms_setup import PLANE
from zcore.stages.structures import Value

if TYPE_CHECKING:
    from zcore.stages.display import Display

EVERYTHING = object()


class Live:
    """The part of a display stage that is used while frames are shown."""

    def stop(self) -> None:
        """Wait for the flip that is on its way."""
        scanout = self._display._scanout
        self._display.unwatch()
        if self._display._lost:
            return  # nobody sees it, and the card may be gone with the monitor
        if scanout is not None and scanout.holds:
            scanout.wait()
            if scanout.waiting_settings and self._display._screen is not None:  # no frame came to take them along
                self._apply(self._display._screen.settings_without_picture())

    def run_begins(self) -> None:
        """Learn that a loop shows frames from now on."""
        self._display._running, self._display._lost = True, ""
        self._display._patience.run(True)

    def run_ends(self) -> None:
        """Learn that it has ended."""
        self._display._running = False
        self._display._patience.run(False)

    def show(self, frame: Frame, damage: Sequence[tuple[int, int, int, int]] | None = None) -> None:
        """Show one frame; waits until the one before is on the screen.

        Parameters
        ----------
        damage : sequence of (int, int, int, int), optional
            Left, top, width and height of what differs from the frame before, in the frame's pixels; drivers of slow
            panels then send no more than that. Ignored where the plane has no FB_DAMAGE_CLIPS.
        """
        display = self._display
        if not isinstance(frame, Frame):
            raise TypeError(f"{display.name} shows frames, not {type(frame).__name__}: see AppSource for arrays")
        display.open()
        if display._scanout is None:
            planes = tuple((b.size, frame.components[0][2]) for b in frame.buffers)
            caps = LinkCaps(frame.format, *frame.size, planes, frame.pool.fourccs[0])
            display.attach(frame.pool, caps)
            display.start()
        assert display._scanout is not None
        blob = self._damage_blob(frame, damage) if damage is not None else 0
        try:
            display._scanout.show(frame)
        finally:
            if blob:
                display.card.destroy_blob(blob)

    def _damage_blob(self, frame: Frame, damage: Sequence[tuple[int, int, int, int]]) -> int:
        display = self._display
        assert display._route is not None
        assert display._scanout is not None
        property = display._route.plane_properties.get("FB_DAMAGE_CLIPS")
        checked = [rectangle("damage", one) for one in damage]
        for one in checked:
            assert one is not None
            x, y, width, height = one
            if x < 0 or y < 0 or x + width > frame.size[0] or y + height > frame.size[1]:
                raise ValueError(f"damage {one} reaches out of the frame, which has {frame.size[0]}x{frame.size[1]}")
        if property is None or not checked or not display.card.atomic:
            return 0
        display._scanout.wait()  # so that the commit that takes the blob is made before this returns
        corners = [(x, y, x + width, y + height) for x, y, width, height in cast("list[tuple[int, ...]]", checked)]
        blob = display.card.create_blob(np.array(corners, "<i4").tobytes())
        display._scanout.change({display._route.plane.id: {property.id: blob}})
        return int(blob)

    def set(
        self,
        *,
        render_rectangle: Any = EVERYTHING,
        source_crop: Any = EVERYTHING,
        zpos: int | None = None,
        alpha: float | None = None,
        blend_mode: str | None = None,
        rotation: int | str | None = None,
        **properties: Value,
    ) -> None:
        """Change how the picture is shown, also while a chain runs: then it goes with the next frame.

        Parameters
        ----------
        render_rectangle, source_crop : (int, int, int, int) or None
            As in the constructor; ``None``: the whole screen, the whole frame.
        zpos, alpha, blend_mode, rotation
            As in the constructor.
        **properties
            Other properties of the plane, by name.

        Raises
        ------
        ChainError
            No such property, or no such value for it.
        DeviceError
            The driver refuses it, as a trial commit says; what was there before goes on.
        """
        display = self._display
        route, screen, scanout = display._route, display._screen, display._scanout
        before = (display.render_rectangle, display.source_crop, display.plane_properties, display.zpos)
        changed = plane_wishes(properties, zpos, alpha, blend_mode, rotation)
        display.plane_properties = display.plane_properties | changed
        try:
            if render_rectangle is not EVERYTHING:
                display.render_rectangle = rectangle("render_rectangle", render_rectangle)
            if source_crop is not EVERYTHING:
                display.source_crop = crop_rectangle(source_crop)
            display.zpos = zpos if zpos is not None else display.zpos
            if route is None or screen is None or scanout is None or not display._started:
                return  # begins with it
            wishes = make_wishes(display, route, display._caps)
            state = display.shared.crtc(route.crtc)
            if state.before is not None:
                state.before.touch(route.plane.id, wishes.plane)
            settings = screen.replace(wishes, display._framebuffer)
            if display._running and display.card.atomic:
                scanout.change(settings)
            else:
                self._apply(settings)
        except BaseException:
            display.render_rectangle, display.source_crop, display.plane_properties, display.zpos = before
            raise

    def _apply(self, settings: dict[int, dict[int, int]]) -> None:
        display = self._display
        route, screen, scanout = display._route, display._screen, display._scanout
        assert route is not None
        assert screen is not None
        assert scanout is not None
        if display.card.atomic:
            if scanout.holds:
                commit_alone(display.shared.commits, route.crtc, settings)
            else:  # nothing is shown yet, and a plane without a picture takes no place
                scanout.change(settings)
            return
        source, target = screen.rectangles
        scanout.place(target, source)
        for id, value in screen.wishes.plane.items():
            set_property(display.card, route.plane.id, PLANE, id, value)

    def screenshot(self) -> np.ndarray[Any, Any]:
        """Read back what the display shows now, through the card's writeback connector.

        Returns
        -------
        numpy.ndarray
            ``(height, width, 4)`` uint8, bytes B, G, R, X.

        Raises
        ------
        DeviceError
            The card has no writeback connector.
        """
        from zcore.stages.writeback import capture_screen

        display = self._display
        if display._route is None:
            raise ValueError(f"{display.name} shows nothing yet")
        return capture_screen(display.card, display._route, commits=display.shared.commits)

    def take_out_fence(self) -> Fence | None:
        """Give the fence of the latest commit (OUT_FENCE_PTR), which signals when that picture is on the screen.

        ``None`` where it was taken already, or without ``out_fence=True``.
        """
        extras = self._display._scanout.extras if self._display._scanout is not None else None
        return extras.take_out_fence() if extras is not None else None

    def vblank(self) -> tuple[int, int]:
        """Tell the number of the last vertical blank and its time, CLOCK_MONOTONIC in ns."""
        return crtc_sequence(self._display.card, self._shown_on().crtc)

    def wait_vblank(self, count: int = 1) -> tuple[int, int]:
        """Wait for the next vertical blank, or for the one after `count`; gives its number and its time in ns."""
        if count < 1:
            raise ValueError(f"one vertical blank at least can be waited for, not {count}")
        return wait_vblank(self._display.card, self._shown_on().crtc_index, count)

    def _shown_on(self) -> Any:
        if self._display._route is None:
            raise ValueError(f"{self._display.name} shows nothing yet")
        return self._display._route

    def lease(self, *objects: int) -> Lease:
        """Lend the display to somebody else: connector, CRTC and planes, as a descriptor for their ``fd=``.

        Parameters
        ----------
        *objects : int
            Ids of KMS objects; left out: those that this display would show on.
        """
        display = self._display
        if not objects:
            from zcore.stages.kms_routes import routes_for

            route = routes_for(display, None, 0, None)[0]
            objects = (route.connector.id, route.crtc, route.plane.id)
        return Lease(display.card, objects)

    # Running

    def node(self, source: Link | None, sink: Link | None, frames: int) -> Node:
        """Make what the loop drives."""
        assert source is not None
        display = self._display
        return DisplayNode(display.name, self.scanout, source, sync=display.sync, plug=display.watch())

    @property
    def scanout(self) -> Scanout:
        """The plane while frames are attached to it."""
        if self._display._scanout is None:
            raise ValueError(f"{self._display.name} has no frames attached")
        return self._display._scanout

    def facts(self) -> dict[str, Any]:
        """Give the mode, and the time from a frame's timestamp to the flip that showed it."""
        found: dict[str, Any] = {}
        route, scanout = self._display._route, self._display._scanout
        if route is not None:
            found["mode"] = f"{route.mode.width}x{route.mode.height}@{route.mode.refresh:.2f}"
            found["connector"] = route.name
        if scanout is not None and scanout.latency_count:
            found["latency_ms_mean"] = scanout.latency_sum_ns / scanout.latency_count / 1e6
            found["latency_ms_max"] = scanout.latency_max_ns / 1e6
        if scanout is not None and scanout.shared_commits:
            found["commits_with_other_planes"] = scanout.shared_commits
        if scanout is not None and scanout.async_refused:
            found["flips_that_waited"] = scanout.async_refused
        return found

    def _common_mode(self) -> Any:
        route = self._display._route
        if route is None:
            raise ChainError(f"{self._display.name} has no frames to show")
        return common_mode(self._display, route)

    @property
    def _display(self) -> Display:
        return cast("Display", self)
