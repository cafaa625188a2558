"""Frames of what a display shows, written by the card itself."""

from __future__ import annotations

import os
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from zcore._chain import Link, Node
from zcore._commits import Commits
from zcore._drm import Card
from zcore._gem import Framebuffer, add_framebuffer, allocate_dumb
from zcore._pool import Pool
from zcore._writeback_nodes import WritebackNode
from zcore.allocators import name_buffers
from zcore.errors import ChainError, DeviceError, NegotiationError, make_error
from zcore.formats import LINEAR, Format, find
from zcore.stages.arguments import rate_of
from zcore.stages.base import LinkCaps, Pad, Sizes, SourceMixin, Stage, make_pool
from zcore.stages.display import Display
from zcore.stages.kms_screen import Screen
from zcore.stages.kms_setup import CRTC, Route, choose_route
from zcore.stages.kms_snapshot import Snapshot
from zcore.stages.writeback import Writeback


class WritebackPad(Pad):
    """A writeback connector as the end of a link: the card writes into dumb buffers, or into what it can import."""

    holds = 1

    def __init__(self, stage: ScreenCapture):
        self.stage = stage
        self.name = stage.name
        self.pool: Pool | None = None
        self.framebuffers: list[Framebuffer] = []

    def roles(self) -> set[str]:
        """Tell that it allocates dumb buffers, and imports."""
        return {"export", "import"}

    def allocate(self, caps: LinkCaps, count: int, *, export: bool) -> Pool:
        """Allocate dumb buffers and make framebuffers of them."""
        card = self.stage.card
        pool = make_pool(self.name, f"dumb:{card.path}", caps, writable=False)
        for _ in range(count):
            buffer, pitch = _dumb(card, caps.format, caps.memory_planes[0][1], caps.height)
            if pitch != caps.memory_planes[0][1]:
                raise NegotiationError(f"{self.name} allocates rows of {pitch} bytes, not {caps.memory_planes[0][1]}")
            pool.add([buffer])
        name_buffers(pool)
        self.use(pool, caps, "dmabuf")
        return pool

    def use(self, pool: Pool, caps: LinkCaps, memory: str) -> None:
        """Import each slot as a framebuffer."""
        code, _ = caps.format.require_drm()
        self.framebuffers = [
            add_framebuffer(self.stage.card, buffers, pool.components, caps.size, code) for buffers in pool.slot_buffers
        ]
        self.pool = pool

    def reset(self) -> None:
        """Remove the framebuffers."""
        made, self.framebuffers = self.framebuffers, []
        for framebuffer in made:
            framebuffer.close()
        self.pool = None

    @property
    def allocator(self) -> str:
        """Dumb buffers."""
        return f"dumb:{self.stage.device}"


class ScreenCapture(Stage, SourceMixin):
    """A source of what a display shows: the card composes it and writes it into frames, without the CPU.

    How am I supposed to use this? With a :class:`Display` of this program, in the same chain or another one:
    ``ScreenCapture(display)`` gives one frame for each picture that it shows, and goes along with its commits. Without
    one, ``ScreenCapture("vkms")`` opens the card for itself and reads as fast as it can, or at `rate`. That needs a
    writeback connector, which is for the DRM master alone; what another program shows is for :class:`KmsGrab`.

    Parameters
    ----------
    source : Display or str, optional
        Whose picture; or a card as for :class:`Display`.
    format : str, optional
        Of those that the connector writes; left out: what the next stage takes.
    rate : float or Fraction, optional
        Frames per second at most.
    num_buffers : int
        After how many frames to end; -1 = never.
    mode, connector : optional
        As for :class:`Display`; for a card whose screen is off.
    timeout : float
        Seconds that the card may take for a picture.
    """

    kind = "screencapture"

    def __init__(
        self,
        source: Display | str | None = None,
        *,
        format: str | Format | None = None,
        rate: float | Fraction | None = None,
        num_buffers: int = -1,
        mode: tuple[int, int] | str | None = None,
        connector: str | int | None = None,
        timeout: float = 5.0,
        name: str | None = None,
    ):
        super().__init__(name)
        if source is not None and not isinstance(source, Display | str | os.PathLike):
            raise TypeError(f"ScreenCapture takes a Display or the name of a card, not {type(source).__name__}")
        if timeout <= 0:
            raise ValueError(f"timeout is a number of seconds above 0, not {timeout}")
        self.display = source if isinstance(source, Display) else None
        self.device = "" if isinstance(source, Display) else os.fspath(source or "")
        self.format = find(format) if format is not None else None
        self.rate = rate_of(rate)
        self.limit = num_buffers if num_buffers >= 0 else None
        self.mode, self.connector, self.timeout = mode, connector, timeout
        self._pad = WritebackPad(self)
        self._card: Card | None = None
        self._open = False
        self._writeback: Writeback | None = None
        self._before: Snapshot | None = None
        self._screen: Screen | None = None
        self._node: WritebackNode | None = None
        self._counts: dict[str, int] = {}
        self._dark = False

    @property
    def output(self) -> WritebackPad:  # type: ignore[override]
        """The connector."""
        return self._pad

    # Opening and closing

    def open(self) -> None:
        """Open the card, where it is not a display's."""
        if self._open:
            return
        if self.display is None:
            if os.path.sep not in self.device:
                from zcore.devices import find_card

                self.device = find_card(self.device or None, None)
            card = Card(self.device)
            try:
                if not card.is_master:
                    card.set_master()
            except DeviceError:
                card.close()
                raise make_error(
                    13, "DRM_IOCTL_SET_MASTER", self.device,
                    "another program owns the display, and only that one may write its picture back",
                    "give the Display of this program, or use KmsGrab",
                ) from None  # fmt: skip
            self._card = card
        self._open = True

    @property
    def is_open(self) -> bool:
        """Whether it is open."""
        return self._open

    @property
    def card(self) -> Card:
        """The open card: the display's, where there is one."""
        if self.display is not None:
            if not self.display.is_open:
                raise ChainError(
                    f"{self.name} reads what {self.display.name} shows, which is not open; plan or start its chain "
                    "first, or put it into the same chain"
                )
            return self.display.card
        if self._card is None:
            raise ValueError(f"{self.name} is not open; use it in 'with' or in a chain")
        return self._card

    def close(self) -> None:
        """Put back what was there before, and close the card, where it is not a display's."""
        self.stop()
        self._pad.reset()
        self._writeback = None
        before, self._before = self._before, None
        screen, self._screen = self._screen, None
        card, self._card = self._card, None
        self._open = False
        try:
            if before is not None and card is not None and card.fd.owned_here:
                before.restore(Commits(card))
        finally:
            if screen is not None:
                screen.close()
            if card is not None:
                card.close()

    # Negotiation

    def _route(self) -> Route:
        if self.display is not None:
            return self.display.route()
        return choose_route(self.card, connector=self.connector, mode=self.mode, force_mode=False)

    @property
    def writeback(self) -> Writeback:
        """The connector."""
        if self._writeback is None:
            card = self.card  # tells what is to be done where the display's is not open
            shared = self.display.shared.commits if self.display is not None else None
            self._writeback = Writeback(card, self._route(), shared)
        return self._writeback

    def offers(self) -> Sequence[Format]:
        """List the formats that the connector writes."""
        formats = self.writeback.formats()
        if self.format is None:
            return formats
        if self.format not in formats:
            raise NegotiationError(
                f"{self.name}: {self.card.path} writes back {', '.join(map(str, formats))}, not {self.format}"
            )
        return [self.format]

    def output_sizes(self, fmt: Format) -> Sizes:
        """List the one size: that of the mode."""
        return Sizes.of(self.writeback.size)

    def present(self) -> tuple[Format, tuple[int, int]]:
        """Tell the best format, and the size of the mode."""
        return self.offers()[0], self.writeback.size

    def set_output(self, fmt: Format, size: tuple[int, int] | None, bytesperline: int = 0) -> LinkCaps:
        """Choose a format; the size is that of the mode."""
        wanted = self.writeback.size
        if size is not None and tuple(size) != wanted:
            raise NegotiationError(
                f"{self.name} gives pictures of {wanted[0]}x{wanted[1]}, the size of the mode, not {size[0]}x{size[1]}"
            )
        width, height = wanted
        _, line = _dumb(self.card, fmt, max(bytesperline, fmt.layout(width, height).planes[0].stride), height)
        return LinkCaps(fmt, width, height, ((line * height, line),), fmt.v4l2 or 0, self.rate)

    # Running

    def start(self) -> None:
        """Join the connector to what is shown; a screen that is off is set to its mode."""
        writeback = self.writeback
        if self.display is not None:
            self.display.start()
            mode = self.display.route().mode
            if (mode.width, mode.height) != writeback.size:
                raise ChainError(
                    f"{self.display.name} has another mode now, {mode.width}x{mode.height}; give it a mode= of its own"
                )
        elif self._needs_mode(writeback.route):
            self._before = self._before or Snapshot(writeback.route)
            self._screen = self._screen or Screen(writeback.commits)
            self._screen.begin_black(writeback.route, writeback.size)
        writeback.attach()
        self._dark = writeback.in_place_of_the_screen

    def _needs_mode(self, route: Route) -> bool:
        """Whether the screen is off, or has another mode than the one that was asked for."""
        present = self.card.get_crtc(route.crtc)[3]
        if not self.card.properties(route.crtc, CRTC)["ACTIVE"].value or present is None:
            return True
        return (present.width, present.height) != (route.mode.width, route.mode.height)

    def stop(self) -> None:
        """Wait for the picture that the card works on, and let go of the connector."""
        node, self._node = self._node, None
        if node is not None:
            node.finish()
            self._count(node)
        if self._writeback is not None and (self.display is None or self.display.is_open):
            self._writeback.detach()

    def node(self, source: Link | None, sink: Link | None, frames: int) -> Node:
        """Make what the loop drives."""
        assert sink is not None
        assert self._pad.pool is not None
        writeback = self.writeback
        extras = self.display.scanout.extras if self.display is not None else None
        if extras is not None:
            extras.write_back(writeback.connector, writeback.framebuffer_property, writeback.fence_property)
        self._node = WritebackNode(
            self.name,
            self.card,
            self._pad.pool,
            self._pad.framebuffers,
            writeback.connector,
            writeback.framebuffer_property,
            writeback.fence_property,
            sink,
            extras=extras,
            commits=writeback.commits,
            crtc=writeback.route.crtc,
            frames=frames,
            interval_ns=int(1_000_000_000 / self.rate) if self.rate else 0,
            timeout_ns=int(self.timeout * 1e9),
        )
        return self._node

    @property
    def idle(self) -> bool:
        """Whether it waits for the display to show another picture; not where no chain drives the display any more."""
        shown = self.display is not None and self.display.runs_in is not None
        return shown and self._node is not None and self._node.idle

    def facts(self) -> dict[str, Any]:
        """Tell what the connector did to the screen, and how often commits collided."""
        if self._node is not None:
            self._count(self._node)
        return {"screen_off_meanwhile": self._dark} | {what: count for what, count in self._counts.items() if count}

    def _count(self, node: WritebackNode) -> None:
        self._counts = {"collisions": node.collisions, "failed_pictures": node.failed_pictures}


def _dumb(card: Card, fmt: Format, line: int, height: int) -> tuple[Any, int]:
    """Allocate a dumb buffer with rows of this many bytes, or of what the card makes of it."""
    if len(fmt.planes) > 1 or fmt.modifier != LINEAR:
        raise NegotiationError(f"dumb buffers hold linear pictures of one plane, not {fmt}")
    return allocate_dumb(card, -(-line // 4), height, 32)
