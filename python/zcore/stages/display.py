"""Show frames on a KMS display."""

from __future__ import annotations

import errno
import os
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from zcore._chain import Link, Node
from zcore._drm import Card
from zcore._fd import Fd
from zcore._frame import Frame
from zcore._gem import Framebuffer, add_framebuffer, allocate_dumb
from zcore._kms import Scanout
from zcore._nodes import DisplayNode
from zcore._pool import Pool
from zcore.errors import DeviceError, NegotiationError, make_error
from zcore.formats import Format, UnknownFormatError, by_drm, find
from zcore.stages.base import LinkCaps, Pad, SinkMixin, Stage, make_pool
from zcore.stages.kms_setup import (
    ALLOW_MODESET,
    CONNECTOR,
    CRTC,
    TEST_ONLY,
    Output,
    Rectangle,
    Snapshot,
    choose_output,
    modifiers,
    placements,
)


class DisplayPad(Pad):
    """A KMS plane as the end of a link. It holds two frames: the one on the screen, and the one on its way."""

    holds = 2

    def __init__(self, display: Display):
        self.display = display
        self.name = display.name

    def roles(self) -> set[str]:
        """Tell that it imports, and allocates dumb buffers."""
        return {"export", "import"}

    def allocate(self, caps: LinkCaps, count: int, *, export: bool) -> Pool:
        """Allocate dumb buffers and attach them."""
        card = self.display.card
        fmt, layout = caps.format, caps.format.layout(caps.width, caps.height)
        line = layout.planes[0].width_bytes
        # Bits per pixel and height of a dumb buffer are only a way to ask for bytes in rows that the display likes.
        rows = -(-layout.size // line)
        pool = None
        for _ in range(count):
            buffer, pitch = allocate_dumb(card, -(-line // 4), rows, 32)
            if pool is None:
                stride = pitch if len(fmt.planes) == 1 else line
                if len(fmt.planes) > 1 and pitch != line:
                    stride = pitch
                granted = LinkCaps(fmt, caps.width, caps.height, ((pitch * rows, stride),), caps.fourcc)
                pool = make_pool(self.name, f"dumb:{card.path}", granted)
            pool.add([buffer])
        assert pool is not None
        self.use(pool, caps, "dmabuf")
        return pool

    def use(self, pool: Pool, caps: LinkCaps, memory: str) -> None:
        """Import each slot as a framebuffer."""
        self.display.attach(pool, caps)

    def reset(self) -> None:
        """Remove the framebuffers."""
        self.display.detach()

    @property
    def allocator(self) -> str:
        """Dumb buffers."""
        return f"dumb:{self.display.device}"


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
        name: str | None = None,
    ):
        super().__init__(name)
        self.device = str(device or "")
        self.mode = mode
        self.connector = connector
        self.plane = plane
        self._fd = fd
        self._atomic = atomic
        self._card: Card | None = None
        self._pad = DisplayPad(self)
        self._output: Output | None = None
        self._before: Snapshot | None = None
        self._scanout: Scanout | None = None
        self._splash: Framebuffer | None = None
        self._mode_blob = 0
        self._rectangles: tuple[Rectangle, Rectangle] | None = None
        self._started = False

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

                self.device = find_card(self.device or None)
            source = self.device
        card = Card(source, atomic=self._atomic)
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
            if card.fd.owned_here and self._before is not None:
                self._before.restore()
        except DeviceError as error:  # its owner will set what it wants; this process must still clean up
            warnings.warn(f"what was on {self.device} before could not be put back: {error}", stacklevel=2)
        finally:
            self._before = None
            self._release(card)
            card.close()

    def _release(self, card: Card) -> None:
        scanout, self._scanout = self._scanout, None
        splash, self._splash = self._splash, None
        if scanout is not None:
            scanout.release()
        if splash is not None:
            splash.close()
        if self._mode_blob:
            card.destroy_blob(self._mode_blob)
            self._mode_blob = 0
        self._output = None
        self._started = False

    # Negotiation

    def accepts(self) -> Sequence[Format]:
        """List the formats of the plane, or of all planes that could be chosen."""
        output = self._choose(None, None)
        planes = [output.plane]
        if self.plane is None:
            planes += [p for p in self.card.planes() if p.possible_crtcs >> output.crtc_index & 1]
        found: list[Format] = []
        for code in dict.fromkeys(f for plane in planes for f in plane.formats):
            try:
                fmt = by_drm(code)
            except UnknownFormatError:
                continue
            found.append(fmt)
        return found

    def set_input(self, caps: LinkCaps) -> LinkCaps:
        """Choose plane and mode for these frames."""
        fourcc, modifier = caps.format.require_drm()
        self._output = self._choose(fourcc, caps.size)
        known = modifiers(self.card, self._output.plane_properties)
        if known is not None and modifier not in known.get(fourcc, set()):
            raise NegotiationError(
                f"plane {self._output.plane.id} of {self.device} does not take {caps.format} with modifier"
                f" {modifier:#x}; it takes {sorted(map(hex, known.get(fourcc, set()))) or 'none'}"
            )
        return caps

    def _choose(self, fourcc: int | None, size: tuple[int, int] | None) -> Output:
        return choose_output(
            self.card, connector=self.connector, mode=self.mode, plane=self.plane, frame_size=size, fourcc=fourcc
        )

    # Buffers

    def attach(self, pool: Pool, caps: LinkCaps) -> None:
        """Import the buffers of a pool, once."""
        if self._output is None:
            self.set_input(caps)
        output = self._output
        assert output is not None
        if self._scanout is None:
            fb = output.plane_properties.get("FB_ID")
            self._scanout = Scanout(
                self.card, self.name, output.crtc, output.plane.id, fb.id if fb else 0, legacy=not self.card.atomic
            )
        # Without AddFB2 modifiers "no modifier" is all that can be said; a driver then assumes what it exports itself.
        has_modifiers = bool(self.card.get_cap(0x10))
        self._scanout.attach(pool, caps.format.modifier if has_modifiers else None)
        self._caps = caps

    def detach(self) -> None:
        """Remove the framebuffers; a black picture takes their place first, else the kernel would blank the plane."""
        scanout, self._scanout = self._scanout, None
        if scanout is None:
            return
        if self._started and self._card is not None:
            self._show_splash()
        self._started = False
        scanout.release()

    def start(self) -> None:
        """Set the mode, with a black picture that the first frame replaces."""
        if self._started:
            return
        output = self._output
        assert output is not None
        if self._before is None:
            self._before = Snapshot(output)
        old = self._splash
        self._splash = self._black(output, self._caps.size)
        if self.card.atomic:
            if self._mode_blob:
                self.card.destroy_blob(self._mode_blob)
            self._mode_blob = self.card.create_blob(output.mode.raw)
            self._rectangles = self._place(output, self._splash.id, self._caps.size)
        self._show_splash()
        self._started = True
        if old is not None:
            old.close()

    def _black(self, output: Output, size: tuple[int, int]) -> Framebuffer:
        """Make a black picture of the frames' size, in a format that every plane has."""
        wanted = find("drm:XR24").drm
        code = wanted if wanted in output.plane.formats else output.plane.formats[0]
        assert code is not None
        buffer, pitch = allocate_dumb(self.card, *size, 32)
        return add_framebuffer(self.card, [buffer], [(0, 0, pitch, size[1])], size, code)

    def _show_splash(self) -> None:
        output, splash = self._output, self._splash
        assert output is not None
        assert splash is not None
        if not self.card.atomic:
            self.card.set_crtc(output.crtc, splash.id, [output.connector.id], output.mode.raw)
            return
        assert self._rectangles is not None
        self.card.commit(self._settings(output, splash.id, *self._rectangles), ALLOW_MODESET)

    def _place(self, output: Output, framebuffer: int, size: tuple[int, int]) -> tuple[Rectangle, Rectangle]:
        """Find where the picture goes: scaled with its aspect kept, else in the middle at its own size."""
        ways = placements(size, (output.mode.width, output.mode.height))
        for source, target in ways[:-1]:
            try:
                self.card.commit(self._settings(output, framebuffer, source, target), ALLOW_MODESET | TEST_ONLY)
            except DeviceError as error:
                if error.errno == 13:
                    raise
                continue
            return source, target
        return ways[-1]

    def _settings(
        self, output: Output, framebuffer: int, source: Rectangle, target: Rectangle
    ) -> dict[int, dict[int, int]]:
        crtc = self.card.properties(output.crtc, CRTC)
        connector = self.card.properties(output.connector.id, CONNECTOR)
        plane = output.plane_properties
        values = {"FB_ID": framebuffer, "CRTC_ID": output.crtc}
        values |= dict(zip(("SRC_X", "SRC_Y", "SRC_W", "SRC_H"), (v << 16 for v in source), strict=True))
        values |= dict(zip(("CRTC_X", "CRTC_Y", "CRTC_W", "CRTC_H"), target, strict=True))
        return {
            output.crtc: {crtc["MODE_ID"].id: self._mode_blob, crtc["ACTIVE"].id: 1},
            output.connector.id: {connector["CRTC_ID"].id: output.crtc},
            output.plane.id: {plane[name].id: value for name, value in values.items()},
        }

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

        if self._output is None:
            raise ValueError(f"{self.name} shows nothing yet")
        return capture_screen(self.card, self._output)

    # Running

    def node(self, source: Link | None, sink: Link | None, frames: int) -> Node:
        """Make what the loop drives."""
        assert source is not None
        return DisplayNode(self.name, self.scanout, source)

    @property
    def scanout(self) -> Scanout:
        """The plane while frames are attached to it."""
        if self._scanout is None:
            raise ValueError(f"{self.name} has no frames attached")
        return self._scanout

    def facts(self) -> dict[str, Any]:
        """Give the mode, and the time from a frame's timestamp to the flip that showed it."""
        found: dict[str, Any] = {}
        if self._output is not None:
            mode = self._output.mode
            found["mode"] = f"{mode.width}x{mode.height}@{mode.refresh:.2f}"
            found["connector"] = self._output.name
        if self._scanout is not None and self._scanout.latency_count:
            found["latency_ms_mean"] = self._scanout.latency_sum_ns / self._scanout.latency_count / 1e6
            found["latency_ms_max"] = self._scanout.latency_max_ns / 1e6
        return found
