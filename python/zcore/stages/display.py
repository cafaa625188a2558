"""Show frames on a KMS display."""

from __future__ import annotations

import errno
import os
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from zcore._chain import Link, Node
from zcore._drm import Card
from zcore._fd import Fd
from zcore._fence import Fence
from zcore._frame import Frame
from zcore._kms import Scanout
from zcore._nodes import DisplayNode
from zcore._pool import Pool
from zcore.errors import ChainError, DeviceError, NegotiationError, make_error
from zcore.formats import INVALID, LINEAR, Format
from zcore.stages.base import LinkCaps, SinkMixin, Stage
from zcore.stages.display_options import either, make_extras, rectangle
from zcore.stages.display_pad import DisplayPad
from zcore.stages.kms_properties import read_properties
from zcore.stages.kms_screen import Screen, Wishes
from zcore.stages.kms_setup import (
    CONNECTOR,
    Route,
    choose_route,
    modifiers,
    plane_formats,
    refused_modifier,
    takes_modifier,
)
from zcore.stages.kms_snapshot import Snapshot
from zcore.stages.structures import Value, as_fields

ADDFB2_MODIFIERS = 0x10  # DRM_CAP_ADDFB2_MODIFIERS


class Display(Stage, SinkMixin):
    """A KMS display.

    How am I supposed to use this? As the last stage of a :class:`zcore.Chain`, or alone: ``with Display("vkms") as
    screen: screen.show(frame)``. What was on the screen before comes back when it closes.

    Parameters
    ----------
    device : str, optional
        ``/dev/dri/cardN``, or the driver's name, such as ``vkms``; left out: the first card with a connected display.
    mode : (int, int) or str, optional
        Size of the mode, or its name. Left out: the frame's size where there is such a mode, else the preferred one.
    connector : str or int, optional
        ``HDMI-A-1`` or an id; left out: the first that is connected.
    plane : int, optional
        Id; left out: the first plane, primary before overlay, that shows the format.
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
    plane_properties, connector_properties : mapping or str, optional
        By name, as ``{"rotation": "rotate-180", "alpha": 32768}`` or as GStreamer's structure string
        ``"s,rotation=4,alpha=32768"``; what they were is put back at the end.
    sync : bool
        Show frames at their time. Frames of a camera have happened and are shown at once; frames with another clock,
        as from a file, are paced by their times from the first one on. Late frames are shown, never dropped.
    in_fence : bool
        Let the kernel wait for the fence that comes with a frame (IN_FENCE_FD), without a limit; False waits for it
        before the commit.
    out_fence : bool
        Ask for a fence with each commit: see :meth:`take_out_fence`.
    skip_vsync : bool
        Has no effect, and is here because kmssink has it: zcore never waits for the vertical blank twice.
    """

    kind = "display"

    def __init__(
        self,
        device: str | None = None,
        mode: tuple[int, int] | str | None = None,
        *,
        connector: str | int | None = None,
        plane: int | None = None,
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
        plane_properties: Mapping[str, Value] | str | None = None,
        connector_properties: Mapping[str, Value] | str | None = None,
        sync: bool = False,
        skip_vsync: bool = False,
        in_fence: bool = True,
        out_fence: bool = False,
        name: str | None = None,
    ):
        super().__init__(name)
        self.device = str(device or "")
        self.mode = mode
        self.connector = either("connector", connector, connector_id)
        self.plane = either("plane", plane, plane_id)
        self.driver_name = driver_name
        self.bus_id = bus_id
        self.force_modesetting = force_modesetting
        self.can_scale = can_scale
        self.restore_crtc = restore_crtc
        self.render_rectangle = rectangle(render_rectangle)
        self.plane_properties = as_fields(plane_properties)
        self.connector_properties = as_fields(connector_properties)
        self.sync = sync
        self.skip_vsync = skip_vsync
        self._in_fence, self._out_fence = in_fence, out_fence
        self._fd = fd if fd is not None and fd >= 0 else None
        self._atomic = atomic
        self._card: Card | None = None
        self._pad = DisplayPad(self)
        self._route: Route | None = None
        self._before: Snapshot | None = None
        self._scanout: Scanout | None = None
        self._screen: Screen | None = None
        self._wishes = Wishes()
        self._accepted: list[Format] | None = None
        self._started = False
        self._mode_is_gone = False

    # Opening and closing

    def open(self) -> None:
        """Open the card and check that this process may change the display."""
        if self._card is not None:
            return
        if self._fd is not None:
            self.device = self.device or f"fd {self._fd}"
            source: Any = Fd.dup(self._fd, self.device)
        else:
            if os.path.sep not in self.device:
                from zcore.devices import find_card

                self.device = find_card(self.driver_name or self.device or None, self.bus_id)
            source = self.device
        card = Card(source, atomic=self._atomic)
        if self.driver_name not in (None, card.driver):
            card.close()
            raise ChainError(f"{self.device} is driven by {card.driver}, not by {self.driver_name}")
        if not card.is_master:
            try:
                card.set_master()
            except DeviceError:
                card.close()
                raise make_error(
                    errno.EACCES,
                    "DRM_IOCTL_SET_MASTER",
                    self.device,
                    "this process is not the DRM master: a compositor or another program owns the display",
                    "stop the display server, switch to a free console, or pass fd= of a lease",
                ) from None
        self._card = card

    @property
    def is_open(self) -> bool:
        """Whether the card is open."""
        return self._card is not None

    @property
    def card(self) -> Card:
        """The open card."""
        if self._card is None:
            raise ValueError(f"{self.name} is not open; use it in 'with' or in a chain")
        return self._card

    @property
    def input(self) -> DisplayPad:  # type: ignore[override]
        """The plane."""
        return self._pad

    def close(self) -> None:
        """Put back what was on the screen, remove the framebuffers and close the card."""
        card, self._card = self._card, None
        if card is None:
            return
        try:
            if card.fd.owned_here and self._before is not None and self.restore_crtc:
                self._before.restore()
        except DeviceError as error:  # its owner will set what it wants; this process must still clean up
            warnings.warn(f"what was on {self.device} before could not be put back: {error}", stacklevel=2)
        finally:
            self._before = None
            self._release()
            card.close()

    def _release(self) -> None:
        scanout, self._scanout = self._scanout, None
        screen, self._screen = self._screen, None
        if scanout is not None:
            scanout.release()
        if screen is not None:
            screen.close()
        self._route = self._accepted = None
        self._started = False

    # Negotiation

    def accepts(self) -> Sequence[Format]:
        """List the formats of the plane, or of all planes that could be chosen, once for each layout (modifier).

        A plane that does not tell its modifiers takes linear frames.
        """
        if self._accepted is None:
            route = self._choose(None, LINEAR, None)
            planes = [route.plane]
            if self.plane is None:
                others = [p for p in self.card.planes() if p.possible_crtcs >> route.crtc_index & 1]
                planes += [plane for plane in others if plane != route.plane]
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
        route = self._choose(fourcc, modifier, caps.size)
        known = modifiers(self.card, route.plane_properties)
        if not takes_modifier(known, fourcc, modifier):
            raise NegotiationError(refused_modifier(self.card, route.plane, fourcc, modifier))
        connector = self.card.properties(route.connector.id, CONNECTOR)
        self._wishes = Wishes(
            self.can_scale,
            self.render_rectangle,
            read_properties(self.card, route.plane_properties, self.plane_properties, f"plane {route.plane.id}"),
            read_properties(self.card, connector, self.connector_properties, f"connector {route.name}"),
        )
        self._route = route
        return caps

    def _choose(self, fourcc: int | None, modifier: int, size: tuple[int, int] | None) -> Route:
        return choose_route(
            self.card,
            connector=self.connector,
            mode=self.mode,
            plane=self.plane,
            frame_size=size,
            fourcc=fourcc,
            modifier=modifier,
            force_mode=self.force_modesetting,
        )

    def route(self) -> Route:
        """Tell what it shows on, or would show on."""
        return self._route or self._choose(None, LINEAR, None)

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
                self.card, self.name, route.crtc, route.plane.id, fb.id if fb else 0, legacy=not self.card.atomic
            )
            self._scanout.extras = make_extras(route, in_fence=self._in_fence, out_fence=self._out_fence)
        # Without AddFB2 modifiers "no modifier" is all that can be said; a driver then assumes what it exports itself.
        told = self._has_modifiers and caps.format.modifier != INVALID
        self._scanout.attach(pool, caps.format.modifier if told else None)
        self._caps = caps

    def detach(self) -> None:
        """Remove the framebuffers; a black picture takes their place first, else the kernel would blank the plane."""
        scanout, self._scanout = self._scanout, None
        if scanout is None:
            return
        if self._started and self._card is not None and self._screen is not None and not self._mode_is_gone:
            self._screen.show_black()
        self._started = self._mode_is_gone = False
        scanout.release()

    def recover(self) -> bool:
        """Look again after a commit has failed; True where the display has another mode or connector now."""
        before = self._route
        if before is None:
            return False
        try:
            now = self._choose(*self._caps.format.require_drm(), self._caps.size)
        except (ChainError, DeviceError):  # nothing is connected: the failure of the commit is the reason to tell
            return False
        self._mode_is_gone = (now.connector.id, now.mode.raw) != (before.connector.id, before.mode.raw)
        return self._mode_is_gone

    def start(self) -> None:
        """Set the mode, with a black picture that the first frame replaces."""
        if self._started:
            return
        assert self._route is not None
        if self._before is None:
            self._before = Snapshot(self._route)
        self._before.touch([*self._wishes.plane, *self._wishes.connector])
        if self._screen is None:
            self._screen = Screen(self.card)
        self._screen.begin(self._route, self._caps.size, self._wishes)
        self._started = True

    def stop(self) -> None:
        """Wait for the flip that is on its way."""
        if self._scanout is not None and self._scanout.holds:
            self._scanout.wait()

    def show(self, frame: Frame) -> None:
        """Show one frame; waits until the one before is on the screen."""
        self.open()
        if self._scanout is None:
            planes = tuple((b.size, frame.components[0][2]) for b in frame.buffers)
            caps = LinkCaps(frame.format, *frame.size, planes, frame.pool.fourccs[0])
            self.attach(frame.pool, caps)
            self.start()
        assert self._scanout is not None
        self._scanout.show(frame)

    def take_out_fence(self) -> Fence | None:
        """Give the fence of the latest commit (OUT_FENCE_PTR), which signals when that picture is on the screen.

        ``None`` where it was taken already, or without ``out_fence=True``.
        """
        extras = self._scanout.extras if self._scanout is not None else None
        return extras.take_out_fence() if extras is not None else None

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

        if self._route is None:
            raise ValueError(f"{self.name} shows nothing yet")
        return capture_screen(self.card, self._route)

    # Running

    def node(self, source: Link | None, sink: Link | None, frames: int) -> Node:
        """Make what the loop drives."""
        assert source is not None
        return DisplayNode(self.name, self.scanout, source, sync=self.sync)

    @property
    def scanout(self) -> Scanout:
        """The plane while frames are attached to it."""
        if self._scanout is None:
            raise ValueError(f"{self.name} has no frames attached")
        return self._scanout

    def facts(self) -> dict[str, Any]:
        """Give the mode, and the time from a frame's timestamp to the flip that showed it."""
        found: dict[str, Any] = {}
        if self._route is not None:
            mode = self._route.mode
            found["mode"] = f"{mode.width}x{mode.height}@{mode.refresh:.2f}"
            found["connector"] = self._route.name
        if self._scanout is not None and self._scanout.latency_count:
            found["latency_ms_mean"] = self._scanout.latency_sum_ns / self._scanout.latency_count / 1e6
            found["latency_ms_max"] = self._scanout.latency_max_ns / 1e6
        return found
