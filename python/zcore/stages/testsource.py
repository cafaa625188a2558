"""A source of test pictures."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np

from zcore._chain import Link, Node
from zcore._cpu_nodes import PythonNode
from zcore._frame import Frame
from zcore.errors import NegotiationError
from zcore.formats import Format, find
from zcore.stages import patterns
from zcore.stages.arguments import rate_of, size_of
from zcore.stages.base import LinkCaps, SourceMixin, Stage
from zcore.stages.cpu_pads import MemoryPad, software_caps
from zcore.stages.painting import drawable, drawable_formats, planes_of, rgb_to_yuv
from zcore.stages.patterns import MOTIONS, Look, Patch, ZonePlate, pattern_name

Array = np.ndarray[Any, Any]

ANIMATION_MODES = ("frames", "wall-time", "running-time")
DEFAULT_SIZE = (640, 480)
DEFAULT_RATE = Fraction(30)
ALIGN_X, ALIGN_Y = 8, 4  # pixels that share samples in the coarsest format


class Film:
    """The pictures of a pattern as planes of a format; what repeats is painted once.

    Parameters
    ----------
    pattern : str
        A name out of :data:`zcore.stages.patterns.PATTERNS`.
    fmt : Format
        What to paint in.
    size : (int, int)
        Pixels.
    look : Look
        Colours, motion.
    """

    def __init__(self, pattern: str, fmt: Format, size: tuple[int, int], look: Look):
        self.pattern = pattern
        self.format = fmt
        self.size = size
        self.look = look
        self.period = patterns.period(pattern, look)
        self._painted: dict[int, list[Array]] = {}
        self._patched: dict[int, tuple[Patch, list[Array]]] = {}
        self._ground: Array | None = None

    @property
    def patchy(self) -> bool:
        """Whether only a part of the picture changes."""
        return self.pattern in ("smpte", "ball") and not self.look.horizontal_speed

    def draw(self, number: int, planes: Sequence[Array]) -> None:
        """Draw one picture into the planes of a frame."""
        if self.period:
            number %= self.period
        for target, painted in zip(planes, self._whole(0 if self.patchy else number), strict=True):
            target[...] = painted
        if self.patchy:
            patch, painted_part = self._part(number)
            for target, part, rows, columns in zip(planes, painted_part, *self._place(patch), strict=True):
                target[rows : rows + part.shape[0], columns : columns + part.shape[1]] = part

    def paint_ahead(self) -> None:
        """Paint all pictures now that repeat."""
        scratch = [np.empty(shape, dtype) for dtype, shape, _ in self.format.array_specs(*self.size)]
        for number in range(self.period or 1):
            self.draw(number, scratch)

    def _whole(self, number: int) -> list[Array]:
        painted = self._painted.get(number)
        if painted is None:
            painted = self._paint(number)
            if self.period or self.patchy:
                self._painted[number] = painted
        return painted

    def _paint(self, number: int) -> list[Array]:
        if self.patchy:
            picture = patterns.ground(self.pattern, *self.size, number, self.look)
            self._ground = picture
        else:
            picture = patterns.picture(self.pattern, *self.size, number, self.look)
        yuv = None
        if self.pattern == "gamut":
            broken, values = patterns.legal_limits_broken(*self.size)
            yuv = np.where(broken[..., None], values, rgb_to_yuv(picture[..., :3]))
        return planes_of(picture, self.format, yuv=yuv)

    def _part(self, number: int) -> tuple[Patch, list[Array]]:
        known = self._patched.get(number)
        if known is not None:
            return known
        patch = patterns.change(self.pattern, *self.size, number, self.look)
        assert patch is not None
        assert self._ground is not None
        rows, columns = patch.pixels.shape[:2]
        left, top = patch.x // ALIGN_X * ALIGN_X, patch.y // ALIGN_Y * ALIGN_Y
        right = min(self.size[0], -(-(patch.x + columns) // ALIGN_X) * ALIGN_X)
        bottom = min(self.size[1], -(-(patch.y + rows) // ALIGN_Y) * ALIGN_Y)
        whole = self._ground[top:bottom, left:right].copy()
        whole[patch.y - top :, patch.x - left :][:rows, :columns] = patch.pixels
        made = Patch(left, top, whole), planes_of(whole, self.format)
        if self.period:
            self._patched[number] = made
        return made

    def _place(self, patch: Patch) -> tuple[list[int], list[int]]:
        """Find the row and the column of a patch in each plane's array."""
        rows, columns = [], []
        for plane in self.format.planes:
            rows.append(patch.y // plane.vsub)
            columns.append(plane.row_bytes(patch.x) // (plane.dtype.itemsize * max(plane.channels, 1)))
        return rows, columns


class TestSource(Stage, SourceMixin):
    """A source of test pictures.

    Parameters
    ----------
    format : str, optional
        Pixel format; left out: one that the next stage takes.
    size : (int, int), optional
        Pixels; left out: what the chain agrees on, 640x480 where nobody has a wish.
    pattern : str or int
        What to draw, by GStreamer's name or number: ``smpte`` (0), ``snow``, ``black``, ``white``, ``red``, ``green``,
        ``blue``, ``checkers-1``, ``checkers-2``, ``checkers-4``, ``checkers-8``, ``circular``, ``blink``, ``smpte75``,
        ``zone-plate``, ``gamut``, ``chroma-zone-plate``, ``solid-color``, ``ball``, ``smpte100``, ``bar``,
        ``pinwheel``, ``spokes``, ``gradient``, ``colors``, ``smpte-rp-219`` (25).
    rate : float or Fraction, optional
        Frames per second. With `is_live` left out it also makes the source keep that pace.
    num_buffers : int
        After how many frames to end; -1 = never.
    is_live : bool, optional
        Whether frames come in real time, at `rate` (30 where that is left out), or as fast as they are taken.
    do_timestamp : bool
        Stamp frames with the monotonic clock instead of with their place in the film; live sources always do.
    timestamp_offset : int
        Nanoseconds to add to each time.
    foreground_color, background_color : int
        ARGB, 8 bits each, for the patterns of two colours.
    animation_mode : str
        What moves the pictures on: ``frames``, ``wall-time`` or ``running-time``.
    horizontal_speed : int
        Pixels per frame by which the picture moves to the left.
    motion : str
        Of the ball: ``wavy``, ``sweep`` (a turn per second) or ``hsweep`` (half a turn, then from the top again).
    flip : bool
        Whether the ball and its ground change colours every second.
    k0, kx, ky, kt, kxt, kyt, kxy, kx2, ky2, kt2, xoffset, yoffset : int
        Of the zone plates: see :class:`zcore.stages.patterns.ZonePlate`. With all of them 0 the plate is plain grey;
        ``kx2=20, ky2=20, kt=1`` is a good one.
    memory : str
        Where buffers come from: see :func:`zcore.allocate`.
    """

    kind = "testsource"
    __test__ = False  # not a test case, whatever pytest thinks of its name

    def __init__(
        self,
        format: str | Format | None = None,
        size: tuple[int, int] | None = None,
        *,
        pattern: str | int = "smpte",
        rate: float | Fraction | None = None,
        num_buffers: int = -1,
        is_live: bool | None = None,
        do_timestamp: bool = False,
        timestamp_offset: int = 0,
        foreground_color: int = 0xFFFF_FFFF,
        background_color: int = 0xFF00_0000,
        animation_mode: str = "frames",
        horizontal_speed: int = 0,
        motion: str = "wavy",
        flip: bool = False,
        k0: int = 0,
        kx: int = 0,
        ky: int = 0,
        kt: int = 0,
        kxt: int = 0,
        kyt: int = 0,
        kxy: int = 0,
        kx2: int = 0,
        ky2: int = 0,
        kt2: int = 0,
        xoffset: int = 0,
        yoffset: int = 0,
        memory: str = "auto",
        name: str | None = None,
    ):
        super().__init__(name)
        if animation_mode not in ANIMATION_MODES:
            raise ValueError(f"animation_mode is one of {', '.join(ANIMATION_MODES)}, not {animation_mode!r}")
        if motion not in MOTIONS:
            raise ValueError(f"motion is one of {', '.join(MOTIONS)}, not {motion!r}")
        for colour in (foreground_color, background_color):
            if not 0 <= colour <= 0xFFFF_FFFF:
                raise ValueError(f"a colour is ARGB as a number of 32 bits, not {colour:#x}")
        self.pattern = pattern_name(pattern)
        self.format = find(format) if format is not None else None
        self.size = size_of(size)
        self.rate = rate_of(rate)
        self.is_live = rate is not None if is_live is None else is_live
        self.do_timestamp = do_timestamp or self.is_live
        self.timestamp_offset = timestamp_offset
        self.animation_mode = animation_mode
        self.limit = num_buffers if num_buffers >= 0 else None
        self.look = Look(
            foreground=foreground_color,
            background=background_color,
            horizontal_speed=horizontal_speed,
            motion=motion,
            flip=flip,
            zone=ZonePlate(k0, kx, ky, kt, kxt, kyt, kxy, kx2, ky2, kt2, xoffset, yoffset),
        )
        self._pad = MemoryPad(self.name, memory)
        self._count = 0
        self._started = 0.0
        self._film: Film | None = None

    @property
    def output(self) -> MemoryPad:  # type: ignore[override]
        """Its memory."""
        return self._pad

    def open(self) -> None:
        """Begin with frame 0."""
        self._count = 0

    def close(self) -> None:
        """Free the buffers."""
        self._pad.reset()
        self._film = None

    def offers(self) -> Sequence[Format]:
        """List the formats that it can draw."""
        return [self.format] if self.format is not None else drawable_formats()

    def present(self) -> tuple[Format, tuple[int, int]]:
        """Tell what it draws where nobody has a wish."""
        return self.offers()[0], self.size or DEFAULT_SIZE

    def set_output(self, fmt: Format, size: tuple[int, int] | None, bytesperline: int = 0) -> LinkCaps:
        """Choose what to draw."""
        if not drawable(fmt):
            why = "is coded" if fmt.coded else "is tiled" if fmt.tiled else "has no samples that the CPU could write"
            raise NegotiationError(f"{self.name} cannot draw {fmt}: it {why}; convert it behind the source")
        wanted = self.size or size or DEFAULT_SIZE
        return software_caps(fmt, wanted, bytesperline, separate=self._pad.separate, rate=self.rate)

    def start(self) -> None:
        """Prepare the pictures; a live source paints before it starts what it will need again and again."""
        pool = self._pad.pool
        assert pool is not None
        assert pool.format is not None
        self.look = replace(self.look, rate=self.rate or DEFAULT_RATE)
        if self._film is None or (self._film.format, self._film.size, self._film.look) != (
            pool.format,
            pool.size,
            self.look,
        ):
            self._film = Film(self.pattern, pool.format, pool.size, self.look)
            if self.is_live:
                self._film.paint_ahead()
        self._started = time.monotonic()

    def _number(self) -> int:
        """Tell which picture is due."""
        if self.animation_mode == "frames":
            return self._count
        now = time.time() if self.animation_mode == "wall-time" else time.monotonic() - self._started
        return int(now * self.look.rate)

    def draw(self, frame: Frame) -> None:
        """Draw the next picture."""
        assert self._film is not None
        self._film.draw(self._number(), frame.planes(write=True))
        now = time.monotonic_ns() if self.do_timestamp else int(self._count * 1_000_000_000 / self.look.rate)
        frame.set_meta(sequence=self._count, timestamp_ns=now + self.timestamp_offset)
        self._count += 1

    def node(self, source: Link | None, sink: Link | None, frames: int) -> Node:
        """Make what the loop drives."""
        interval = int(1_000_000_000 / self.look.rate) if self.is_live else 0
        return PythonNode(self.name, self.draw, None, sink, pool=self._pad.pool, frames=frames, interval_ns=interval)
