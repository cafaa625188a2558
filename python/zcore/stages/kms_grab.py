"""Frames of what any program has on the screen: its own buffers, looked at and not copied."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from zcore._dmabuf import DmaBuf
from zcore._drm import Card
from zcore._frame import Frame
from zcore._grab import read_framebuffer
from zcore._pool import Pool
from zcore.errors import ChainError, DeviceError, NegotiationError
from zcore.formats import INVALID, LINEAR, Format, by_drm
from zcore.stages.app_source import AppSource
from zcore.stages.base import LinkCaps, Pad, Sizes, make_pool
from zcore.stages.kms_setup import choose_route

Planes = list[tuple[DmaBuf, int, int]]


class KmsGrab(AppSource):
    """A source of what a plane scans out, whoever shows it: a compositor, the console, or a :class:`Display`.

    How am I supposed to use this? As the first stage of a chain, as root: the kernel shows the buffers of others to the
    DRM master and to CAP_SYS_ADMIN only. Frames are read-only and *are* what is on the screen, so the other program may
    draw into them while you look; :class:`ScreenCapture` gives finished pictures, where you are the master. Stages that
    can import buffers while they run get them without a copy; for others they are copied, and the report says so.

    Parameters
    ----------
    device : str, optional
        Card, as for :class:`Display`.
    rate : float or Fraction
        How often to look, per second.
    plane : int, optional
        Id; left out: the primary plane of the first display that is on.
    connector : str or int, optional
        As for :class:`Display`.
    num_buffers : int
        After how many frames to end; -1 = never.
    card : Card, optional
        Open card to use instead, such as ``display.card``; it stays the caller's.
    """

    kind = "kmsgrab"

    def __init__(
        self,
        device: str | None = None,
        *,
        rate: float | Fraction = 30,
        plane: int | None = None,
        connector: str | int | None = None,
        num_buffers: int = -1,
        card: Card | None = None,
        name: str | None = None,
    ):
        if rate <= 0:
            raise ValueError(f"rate is a number of looks per second above 0, not {rate}")
        super().__init__(
            rate=rate, num_buffers=num_buffers, do_timestamp=True, block=True, max_buffers=1, max_bytes=0, name=name
        )
        self.device = device or ""
        self.plane, self.connector = plane, connector
        self.skipped = 0  # looks that found the same buffer still in use, or nothing
        self.changes = 0  # buffers that were seen for the first time
        self._given = card
        self._card: Card | None = None
        self._pools: dict[tuple[int, int], Pool] = {}
        self._caps: LinkCaps | None = None
        self._looker: threading.Thread | None = None
        self._ending = threading.Event()
        self._may_look = threading.Event()  # the stages behind are known, and whether they import buffers
        self._failure: BaseException | None = None

    # Opening and closing

    def open(self) -> None:
        """Open the card, and look at what is on the screen."""
        super().open()
        if self._card is not None:
            return
        if self._given is None and os.path.sep not in self.device:
            from zcore.devices import find_card

            self.device = find_card(self.device or None, None)
        card = self._given or Card(self.device)
        self.device = self.device or card.path
        try:
            if self.plane is None:
                self.plane = choose_route(card, connector=self.connector, force_mode=False).plane.id
            self._card = card
            self._describe()
        except BaseException:
            self._card = None
            if self._given is None:
                card.close()
            raise

    @property
    def is_open(self) -> bool:
        """Whether the card is open."""
        return self._card is not None

    def close(self) -> None:
        """Let go of the buffers and close the card."""
        self._end_looking()
        super().close()
        self._pools = {}
        card, self._card = self._card, None
        if card is not None and self._given is None:
            card.close()

    def _describe(self) -> None:
        width, height, fmt, planes = self._look()
        if len({buffer.identity for buffer, _, _ in planes}) > 1:
            raise NegotiationError(f"{self.name}: the picture lies in several buffers, which is not supported")
        first = planes[0]
        if first[2]:
            raise NegotiationError(f"{self.name}: the picture begins {first[2]} bytes into its buffer")
        layout = fmt.layout(width, height, first[1])
        if [(one.stride, one.offset) for one in layout.planes] != [(pitch, offset) for _, pitch, offset in planes]:
            raise NegotiationError(f"{self.name}: the colour planes do not follow one another, as {fmt} has them here")
        self.format, self.size = fmt, (width, height)
        self._caps = LinkCaps(fmt, width, height, ((layout.size, first[1]),), fmt.v4l2 or 0, self.rate)

    def _look(self) -> tuple[int, int, Format, Planes]:
        assert self._card is not None
        assert self.plane is not None
        shown = self._card.plane(self.plane).framebuffer
        if not shown:
            raise ChainError(f"{self.name}: plane {self.plane} of {self.device} shows nothing")
        width, height, fourcc, modifier, planes = read_framebuffer(self._card, shown)
        if modifier == INVALID:
            modifier = None
        return width, height, by_drm(fourcc, LINEAR if modifier is None else modifier), planes

    # What the chain calls

    def offers(self) -> list[Format]:
        """List the one format: that of what is shown."""
        assert self.format is not None
        return [self.format]

    def set_output(self, fmt: Format, size: tuple[int, int] | None, bytesperline: int = 0) -> LinkCaps:
        """Give what is shown as it is."""
        assert self._caps is not None
        if bytesperline not in (0, self._caps.memory_planes[0][1]):
            raise NegotiationError(
                f"{self.name}: rows on the screen have {self._caps.memory_planes[0][1]} bytes, not {bytesperline}"
            )
        return self._caps

    def output_sizes(self, fmt: Format) -> Sizes:
        """List the one size: that of what is shown."""
        assert self.size is not None
        return Sizes.of(self.size)

    def start(self) -> None:
        """Begin to look."""
        super().start()
        if self._looker is None:
            self._ending.clear()
            self._may_look.clear()
            self._failure = None
            self._looker = threading.Thread(target=self._look_on, name=f"zcore {self.name}")
            self._looker.start()

    def linked(self, pads: Sequence[Pad]) -> None:
        """Learn who takes the frames: only now it is known whether buffers that turn up must be copied."""
        super().linked(pads)
        self._may_look.set()

    def stop(self) -> None:
        """Look no more."""
        self._ending.set()
        self._may_look.set()
        super().stop()

    def run_ends(self) -> None:
        """Learn that the run is over."""
        self._ending.set()
        super().run_ends()
        self._end_looking()

    def _end_looking(self) -> None:
        self._ending.set()
        self._may_look.set()
        looker, self._looker = self._looker, None
        if looker is not None and looker is not threading.current_thread():
            looker.join()

    # Looking

    def _look_on(self) -> None:
        assert self.rate is not None
        self._may_look.wait()
        interval, due = float(1 / self.rate), time.monotonic()
        given = 0
        try:
            while not self._ending.is_set() and (self.limit is None or given < self.limit):
                frame = self._grab()
                if frame is None:
                    self.skipped += 1
                else:
                    given += 1
                    with frame:
                        if not self.push(frame, timestamp_ns=time.monotonic_ns()):
                            return
                due = max(due + interval, time.monotonic())
                self._ending.wait(due - time.monotonic())
        except (DeviceError, ChainError) as error:
            self._failure = error
        finally:
            if not self._ending.is_set() and self._failure is not None:
                self.end_of_stream()

    def _grab(self) -> Frame | None:
        assert self._caps is not None
        width, height, fmt, planes = self._look()
        line, first = self._caps.memory_planes[0][1], planes[0]
        if (width, height, fmt, first[1]) != (*self._caps.size, self._caps.format, line):
            raise ChainError(
                f"{self.name}: the screen shows {fmt} {width}x{height} now, not {self._caps.format} "
                f"{self._caps.width}x{self._caps.height}; start the chain again"
            )
        key = first[0].identity
        pool = self._pools.get(key)
        if pool is None:
            pool = make_pool(f"{self.name} screen", f"screen:{self.device}", self._caps, writable=False)
            pool.add([first[0]], [(0, self._caps.memory_planes[0][0])])
            self._pools[key] = pool
            self.changes += 1
        return pool.acquire(0) if pool.stats["free"] else None

    def facts(self) -> dict[str, Any]:
        """Tell how many buffers were seen, how often one was still in use, and why looking ended early."""
        found = super().facts() | {"buffers_seen": self.changes, "skipped": self.skipped}
        return found | ({"ended_because": str(self._failure)} if self._failure is not None else {})
