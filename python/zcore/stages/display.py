"""Show frames on a KMS display."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from zcore._drm import Card
from zcore._kms import Scanout
from zcore._pool import Pool
from zcore.errors import ChainError, DeviceError, NegotiationError
from zcore.formats import INVALID, LINEAR, Format
from zcore.stages.base import LinkCaps, SinkMixin, Stage
from zcore.stages.display_options import make_extras
from zcore.stages.display_pad import DisplayPad
from zcore.stages.kms_cards import SharedCard, open_card
from zcore.stages.kms_color import HdrMetadata
from zcore.stages.kms_live import Live
from zcore.stages.kms_options import crop_rectangle, either, plane_wishes, rectangle
from zcore.stages.kms_plug import POLICIES, Plugged
from zcore.stages.kms_routes import make_wishes, routes_for
from zcore.stages.kms_screen import Screen, Wishes
from zcore.stages.kms_setup import Route, modifiers, plane_formats, refused_modifier, takes_modifier
from zcore.stages.kms_snapshot import Snapshot
from zcore.stages.structures import Value, as_fields
from zcore.stages.unplug import Patience

ADDFB2_MODIFIERS = 0x10  # DRM_CAP_ADDFB2_MODIFIERS
ASYNC_FLIP, ATOMIC_ASYNC_FLIP = 0x7, 0x15  # DRM_CAP_ASYNC_PAGE_FLIP, DRM_CAP_ATOMIC_ASYNC_PAGE_FLIP


class Display(Plugged, Live, Stage, SinkMixin):
    """A KMS display.

    How am I supposed to use this? As the last stage of a :class:`zcore.Chain`, or alone: ``with Display("vkms") as
    screen: screen.show(frame)``. What was on the screen before comes back when it closes. Several of them may show on
    one screen, each on a plane of its own: their frames then go into one commit.

    Parameters
    ----------
    device : str, optional
        ``/dev/dri/cardN``, or the driver's name, such as ``vkms``; left out: the first card with a connected display.
    mode : (int, int), str or int, optional
        Size of the mode, its name, or its place in the connector's list. Left out: that of another display of this
        screen, else the frame's size where there is such a mode, else the preferred one.
    connector : str or int, optional
        ``HDMI-A-1``, an id, or the monitor's name as ``zcore devices`` shows it; left out: the first that is connected.
    plane : int or str, optional
        Id, ``primary``, ``overlay``, or ``overlay-1`` for the second one; left out: the first plane that is free and
        takes the frames, primary before overlay, found by trial commits.
    crtc : int or str, optional
        Id, or ``crtc-0``; left out: the connector's own, else the first that can drive it.
    fd : int, optional
        Open descriptor of the card to use instead, such as a lease; it is duplicated and stays the caller's.
    atomic : bool
        False uses the legacy calls even where the driver has atomic commits.
    driver_name, bus_id : str, optional
        Which card: ``vkms``; ``0000:00:02.0`` or ``pci:0000:00:02.0``.
    connector_id, plane_id : int, optional
        GStreamer's names for `connector` and `plane`; -1 is the same as left out.
    force_modesetting : bool, optional
        True takes a mode of the frame's size, or fails; False keeps the mode that the display has, where it is on.
    can_scale : bool
        False shows frames at their own size even where the plane could scale them.
    restore_crtc : bool
        False leaves mode and properties as they are at the end, instead of putting back what was there before.
    render_rectangle : (int, int, int, int), optional
        Left, top, width and height of the part of the screen where the picture goes, its aspect kept.
    source_crop : (int, int, int, int), optional
        Left, top, width and height of the part of the frames to show, in pixels; moved to whole chroma samples.
    zpos : int, optional
        Height of the plane, above those with smaller ones. A plane above 0 is looked for among the overlays first.
    alpha : float, optional
        0.0 (not to be seen) to 1.0 (opaque).
    blend_mode : str, optional
        ``Pre-multiplied``, ``Coverage`` or ``None``: what the alpha of pixels means.
    rotation : str or int, optional
        ``rotate-90``, ``rotate-0|reflect-x`` and so on.
    plane_properties, connector_properties, crtc_properties : mapping or str, optional
        By name, as ``{"rotation": "rotate-180", "alpha": 32768}`` or as GStreamer's structure string
        ``"s,rotation=4,alpha=32768"``; what they were is put back at the end.
    gamma, degamma : array-like, optional
        Look-up tables of the CRTC with as many entries as it has, for all channels or ``(entries, 3)``; floats 0 to 1.
    ctm : array-like, optional
        Matrix of 3 by 3 that the CRTC multiplies colours with.
    hdr_metadata : HdrMetadata, optional
        What the connector tells the monitor of the mastering of the picture.
    vrr : bool
        Whether the monitor follows the frames' rate, where it can.
    async_flip : bool
        Show frames at once, without waiting for the vertical blank; tearing. Frames that the driver refuses to flip
        to like that wait after all, and are counted.
    sync : bool
        Show frames at their time. Frames of a camera have happened and are shown at once; frames with another clock,
        as from a file, are paced by their times from the first one on. Late frames are shown, never dropped.
    in_fence : bool
        Let the kernel wait for the fence that comes with a frame (IN_FENCE_FD), without a limit; False waits for it
        before the commit.
    out_fence : bool
        Ask for a fence with each commit: see :meth:`take_out_fence`.
    on_unplug : str
        When the monitor is pulled out in a run: ``ignore`` goes on showing, ``fail`` and ``wait`` end the run, and
        ``reopen`` waits until it is plugged in again. ``wait`` and ``reopen`` also wait for it at the beginning.
    unplug_timeout : float, optional
        Seconds of each such wait; left out: for ever.
    skip_vsync : bool
        Has no effect, and is here because kmssink has it: zcore never waits for the vertical blank twice.
    """

    kind = "display"

    def __init__(
        self,
        device: str | None = None,
        mode: tuple[int, int] | str | int | None = None,
        *,
        connector: str | int | None = None,
        plane: int | str | None = None,
        crtc: int | str | None = None,
        fd: int | None = None,
        atomic: bool = True,
        driver_name: str | None = None,
        bus_id: str | None = None,
        connector_id: int | None = None,
        plane_id: int | None = None,
        force_modesetting: bool | None = None,
        can_scale: bool = True,
        restore_crtc: bool = True,
        render_rectangle: Sequence[int] | None = None,
        source_crop: Sequence[int] | None = None,
        zpos: int | None = None,
        alpha: float | None = None,
        blend_mode: str | None = None,
        rotation: int | str | None = None,
        plane_properties: Mapping[str, Value] | str | None = None,
        connector_properties: Mapping[str, Value] | str | None = None,
        crtc_properties: Mapping[str, Value] | str | None = None,
        gamma: Any = None,
        degamma: Any = None,
        ctm: Any = None,
        hdr_metadata: HdrMetadata | None = None,
        vrr: bool = False,
        async_flip: bool = False,
        sync: bool = False,
        skip_vsync: bool = False,
        in_fence: bool = True,
        out_fence: bool = False,
        on_unplug: str = "ignore",
        unplug_timeout: float | None = None,
        name: str | None = None,
    ):
        super().__init__(name)
        self.device = str(device or "")
        self.mode = mode
        self.connector = either("connector", connector, connector_id)
        self.plane = either("plane", plane, plane_id)
        self.crtc = crtc
        self.driver_name = driver_name
        self.bus_id = bus_id
        self.force_modesetting = force_modesetting
        self.can_scale = can_scale
        self.restore_crtc = restore_crtc
        self.render_rectangle = rectangle("render_rectangle", render_rectangle)
        self.source_crop = crop_rectangle(source_crop)
        self.zpos = zpos
        self.plane_properties = plane_wishes(as_fields(plane_properties), zpos, alpha, blend_mode, rotation)
        self.connector_properties = as_fields(connector_properties)
        self.crtc_properties = as_fields(crtc_properties)
        self.gamma, self.degamma, self.ctm = gamma, degamma, ctm
        self.hdr_metadata = hdr_metadata
        self.vrr = vrr
        self.async_flip = async_flip
        self.sync = sync
        self.skip_vsync = skip_vsync
        self._in_fence, self._out_fence = in_fence, out_fence
        self._patience = Patience(on_unplug, unplug_timeout, "drm", POLICIES)
        self._fd = fd if fd is not None and fd >= 0 else None
        self._atomic = atomic
        self._shared: SharedCard | None = None
        self._pad = DisplayPad(self)
        self._route: Route | None = None
        self._scanout: Scanout | None = None
        self._screen: Screen | None = None
        self._wishes = Wishes()
        self._accepted: list[Format] | None = None
        self._refused: set[int] = set()  # planes whose real commits failed after their trials
        self._framebuffer = 0  # of one of the frames, for trials
        self._started = self._running = False
        self._mode_is_gone = False

    # Opening and closing

    def open_card(self) -> None:
        """Open the card, or share it with another display."""
        if self._shared is not None:
            return
        if self._fd is not None:
            self.device = self.device or f"fd {self._fd}"
        elif os.path.sep not in self.device:
            from zcore.devices import find_card

            self.device = find_card(self.driver_name or self.device or None, self.bus_id)
        self._shared = open_card(self, self._fd, atomic=self._atomic)
        if self.async_flip:
            cap = ATOMIC_ASYNC_FLIP if self.card.atomic else ASYNC_FLIP
            if not self.card.get_cap(cap):
                path, driver = self.card.path, self.card.driver
                self.close()
                raise ChainError(f"{path}: the driver {driver} has no asynchronous flips; leave async_flip out")

    @property
    def is_open(self) -> bool:
        """Whether the card is open."""
        return self._shared is not None

    @property
    def shared(self) -> SharedCard:
        """The open card, with what its displays have in common."""
        if self._shared is None:
            raise ValueError(f"{self.name} is not open; use it in 'with' or in a chain")
        return self._shared

    @property
    def card(self) -> Card:
        """The open card."""
        return self.shared.card

    @property
    def input(self) -> DisplayPad:  # type: ignore[override]
        """The plane."""
        return self._pad

    def close(self) -> None:
        """Put back what was on the screen, remove the framebuffers and close the card."""
        shared, route = self._shared, self._route
        if shared is None:
            return
        try:
            if shared.card.fd.owned_here and route is not None:
                with shared.lock:
                    self._leave_crtc(shared, route)
        except DeviceError as error:  # its owner will set what it wants; this process must still clean up
            warnings.warn(f"what was on {self.device} before could not be put back: {error}", stacklevel=2)
        finally:
            self._shared = None
            self._refused.clear()
            self._release()
            shared.leave(self)

    def _leave_crtc(self, shared: SharedCard, route: Route) -> None:
        state = shared.crtc(route.crtc)
        if self not in state.active:
            return
        state.active.remove(self)
        if state.before is None:
            return
        if state.active:  # others go on: only this plane goes
            if self._screen is not None and self._screen.route is not None:
                self._screen.show_nothing()
            if self.restore_crtc:
                state.before.restore_plane(shared.commits, route.plane.id)
            return
        before, state.before, state.mode = state.before, None, None
        if self.restore_crtc:
            before.restore(shared.commits)
        elif self._scanout is not None and self._screen is not None:
            self._screen.show_black()  # stays; the frames' buffers are others' from now on

    def forget_screen(self) -> None:
        """Have nothing to put back: the card is gone."""
        if self._route is not None:
            self.shared.crtc(self._route.crtc).before = None

    def _release(self) -> None:
        scanout, self._scanout = self._scanout, None
        screen, self._screen = self._screen, None
        if scanout is not None:
            scanout.release()
        if screen is not None:
            screen.close(keep_shown=not self.restore_crtc)
        self._route = self._accepted = None
        self._started = False

    # Negotiation

    def accepts(self) -> Sequence[Format]:
        """List the formats of the plane, or of all planes that could be chosen, once for each layout (modifier).

        A plane that does not tell its modifiers takes linear frames.
        """
        if self._accepted is None:
            planes = [route.plane for route in routes_for(self, None, LINEAR, None)]
            self._accepted = plane_formats(self.card, planes, with_modifiers=self._has_modifiers)
        return self._accepted

    @property
    def _has_modifiers(self) -> bool:
        """Whether framebuffers can be given a modifier."""
        return bool(self.card.get_cap(ADDFB2_MODIFIERS))

    def set_input(self, caps: LinkCaps) -> LinkCaps:
        """Choose plane and mode for these frames."""
        fourcc, modifier = caps.format.require_drm()
        if modifier not in (LINEAR, INVALID) and not self._has_modifiers:
            raise NegotiationError(
                f"{self.device} knows no modifiers, and would take {caps.format} for a linear picture; convert first"
            )
        with self.shared.lock:
            route = routes_for(self, fourcc, modifier, caps.size)[0]
            known = modifiers(self.card, route.plane_properties)
            if not takes_modifier(known, fourcc, modifier):
                raise NegotiationError(refused_modifier(self.card, route.plane, fourcc, modifier))
            self._wishes = make_wishes(self, route, caps)
            self.shared.reserve(route.crtc, route.plane.id, self)
        self._route = route
        return caps

    def route(self) -> Route:
        """Tell what it shows on, or would show on."""
        return self._route or routes_for(self, None, LINEAR, None)[0]

    # Buffers

    def attach(self, pool: Pool, caps: LinkCaps) -> None:
        """Import the buffers of a pool, once."""
        if self._route is None:
            self.set_input(caps)
        route = self._route
        assert route is not None
        if self._scanout is None:
            fb = route.plane_properties.get("FB_ID")
            self._scanout = Scanout(
                self.card, self.name, route.crtc, route.plane.id, fb.id if fb else 0, legacy=not self.card.atomic,
                commits=self.shared.commits, asynchronous=self.async_flip,
            )  # fmt: skip
            self._scanout.extras = make_extras(route, in_fence=self._in_fence, out_fence=self._out_fence)
        # Without AddFB2 modifiers "no modifier" is all that can be said; a driver then assumes what it exports itself.
        told = self._has_modifiers and caps.format.modifier != INVALID
        self._scanout.attach(pool, caps.format.modifier if told else None)
        self._framebuffer = self._scanout.attach_slot(pool, 0, caps.format.modifier if told else None).id
        self._caps = caps

    def detach(self) -> None:
        """Remove the framebuffers; a black picture takes their place first, else the kernel would blank the plane."""
        scanout, self._scanout = self._scanout, None
        if scanout is None:
            return
        if self._started and self._shared is not None and self._screen is not None and not self._mode_is_gone:
            self._screen.show_black()
        self._started = self._mode_is_gone = False
        scanout.release()

    def start(self) -> None:
        """Set the mode, with a black picture that the first frame replaces."""
        if not self._started:
            self.wait_for_monitor()
        with self.shared.lock:
            self._start()

    def _start(self) -> None:
        if self._started:
            return
        assert self._route is not None
        assert self._scanout is not None
        state = self.shared.crtc(self._route.crtc)
        fourcc, modifier = self._caps.format.require_drm()
        chosen, mode = self._route.plane.id, self._route.mode
        routes = [replace(route, mode=mode) for route in routes_for(self, fourcc, modifier, self._caps.size)]
        routes.sort(key=lambda route: route.plane.id != chosen)
        neighbours = self.shared.neighbours(self._route.crtc, self)
        if not neighbours:
            routes = [replace(route, mode=self._common_mode()) for route in routes]
        elif state.mode is not None and state.mode.raw != self._route.mode.raw:
            routes = [replace(route, mode=state.mode) for route in routes]
        if state.before is None:
            state.before = Snapshot(self._route)
        if self._screen is None:
            self._screen = Screen(self.shared.commits)
        if self not in state.active:
            state.active.append(self)

        def wishes(route: Route) -> Wishes:
            found = make_wishes(self, route, self._caps)
            assert state.before is not None
            state.before.touch(route.plane.id, found.plane)
            state.before.touch(route.connector.id, [*found.connector, *found.connector_blobs])
            state.before.touch(route.crtc, [*found.crtc, *found.crtc_blobs])
            return found

        self._route = self._screen.begin(
            routes, self._caps.size, wishes, self._scanout, self._framebuffer, over=bool(neighbours)
        )
        self.shared.reserve(self._route.crtc, self._route.plane.id, self)
        state.mode = self._route.mode
        self._started = True
