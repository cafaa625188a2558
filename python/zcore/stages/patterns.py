"""Test patterns, drawn as R, G, B, A: those of GStreamer's videotestsrc, by its names and numbers."""

from __future__ import annotations

from dataclasses import dataclass, field
from difflib import get_close_matches
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

Array = np.ndarray[Any, Any]

PATTERNS = (
    "smpte", "snow", "black", "white", "red", "green", "blue", "checkers-1", "checkers-2", "checkers-4", "checkers-8",
    "circular", "blink", "smpte75", "zone-plate", "gamut", "chroma-zone-plate", "solid-color", "ball", "smpte100",
    "bar", "pinwheel", "spokes", "gradient", "colors", "smpte-rp-219",
)  # fmt: skip
"""All patterns; the place of each is its number."""

ALIASES = {"checkers": "checkers-8"}
MOTIONS = ("wavy", "sweep", "hsweep")
FRAMES = 30  # pictures of noise before it repeats

BARS = ((1, 1, 1), (1, 1, 0), (0, 1, 1), (0, 1, 0), (1, 0, 1), (1, 0, 0), (0, 0, 1))
PLAIN = {"black": (0, 0, 0), "white": (255, 255, 255), "red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255)}
BALL_RADIUS = 20
BLADES = 19  # of the pinwheel; twice as many spokes


def pattern_name(pattern: str | int) -> str:
    """Find a pattern by name or number.

    Raises
    ------
    ValueError
        There is no such pattern; names the nearest ones.
    """
    if isinstance(pattern, int):
        if 0 <= pattern < len(PATTERNS):
            return PATTERNS[pattern]
        raise ValueError(f"patterns have the numbers 0 to {len(PATTERNS) - 1}, not {pattern}")
    name = pattern.lower().replace("_", "-")
    name = ALIASES.get(name, name)
    if name not in PATTERNS:
        near = get_close_matches(name, PATTERNS, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}?" if near else f"it is one of {', '.join(PATTERNS)}"
        raise ValueError(f"there is no test pattern {pattern!r}; {hint}")
    return name


@dataclass(frozen=True)
class ZonePlate:
    """Coefficients of a zone plate's phase, in 1/256 of a cycle.

    The phase is ``k0 + kx x + ky y + kt t + kxt x t / (w/2) + kyt y t / (h/2) + kxy x y / (w/2) + kx2 x² / w +
    ky2 y² / h + kt2 t² / 2``, with x and y in pixels from the centre and t in frames.
    """

    k0: int = 0
    kx: int = 0
    ky: int = 0
    kt: int = 0
    kxt: int = 0
    kyt: int = 0
    kxy: int = 0
    kx2: int = 0
    ky2: int = 0
    kt2: int = 0
    xoffset: int = 0
    yoffset: int = 0

    @property
    def moves(self) -> bool:
        """Whether it changes from frame to frame."""
        return any((self.kt, self.kxt, self.kyt, self.kt2))

    def waves(self, width: int, height: int, t: int) -> Array:
        """Give ``(height, width)`` uint8, 128 where the phase is 0."""
        x = np.arange(width, dtype=np.float64) - width // 2 - self.xoffset
        y = (np.arange(height, dtype=np.float64) - height // 2 - self.yoffset)[:, None]
        half_width, half_height = max(width / 2, 1), max(height / 2, 1)
        phase = self.k0 + self.kx * x + self.ky * y + self.kt * t
        phase = phase + self.kxt * x * t / half_width + self.kyt * y * t / half_height + self.kxy * x * y / half_width
        phase = phase + self.kx2 * x * x / width + self.ky2 * y * y / height + self.kt2 * t * t / 2
        waves: Array = np.rint(128 + 127 * np.sin(phase * (2 * np.pi / 256))).astype(np.uint8)
        return waves


@dataclass(frozen=True)
class Look:
    """What the patterns can be told. Colours are ARGB, 8 bits each, as one number."""

    foreground: int = 0xFFFF_FFFF
    background: int = 0xFF00_0000
    horizontal_speed: int = 0  # pixels per frame, to the left
    motion: str = "wavy"
    flip: bool = False
    rate: Fraction = Fraction(30)  # frames in a second of the ball's motion
    zone: ZonePlate = field(default_factory=ZonePlate)


DEFAULT = Look()


class Patch(NamedTuple):
    """A part of a picture: where it lies, and its pixels."""

    x: int
    y: int
    pixels: Array


def rgba_of(colour: int) -> tuple[int, int, int, int]:
    """Split an ARGB number into R, G, B, A."""
    return colour >> 16 & 255, colour >> 8 & 255, colour & 255, colour >> 24 & 255


def period(pattern: str, look: Look = DEFAULT) -> int:
    """After how many frames the pictures repeat; 1 = it stands still, 0 = they never do."""
    if look.horizontal_speed:
        return 0
    if pattern in ("zone-plate", "chroma-zone-plate"):
        return 0 if look.zone.moves else 1
    return {"smpte": FRAMES, "snow": FRAMES, "blink": 2, "ball": 0}.get(pattern, 1)


def rgb_picture(pattern: str, width: int, height: int, number: int = 0, look: Look = DEFAULT) -> Array:
    """Draw one whole picture as ``(height, width, 3)`` uint8, R, G, B."""
    return picture(pattern, width, height, number, look)[..., :3]


def picture(pattern: str, width: int, height: int, number: int = 0, look: Look = DEFAULT) -> Array:
    """Draw one whole picture as ``(height, width, 4)`` uint8, R, G, B, A."""
    whole = ground(pattern, width, height, number, look)
    patch = change(pattern, width, height, number, look)
    if patch is not None:
        rows, columns = patch.pixels.shape[:2]
        whole[patch.y : patch.y + rows, patch.x : patch.x + columns] = patch.pixels
    return np.roll(whole, -look.horizontal_speed * number, axis=1) if look.horizontal_speed else whole


def ground(pattern: str, width: int, height: int, number: int = 0, look: Look = DEFAULT) -> Array:
    """Draw what stands still, and of patterns that change as a whole the picture with this number."""
    x = np.arange(width)
    y = np.arange(height)[:, None]
    plain = np.full((height, width, 4), 255, np.uint8)
    if pattern in PLAIN:
        plain[..., :3] = PLAIN[pattern]
    elif pattern.startswith("checkers-"):
        side = int(pattern.partition("-")[2])
        plain[..., :3] = np.where(((x // side + y // side) % 2 == 0)[..., None], PLAIN["red"], PLAIN["green"])
    elif pattern in ("smpte75", "smpte100"):
        _bars(plain, slice(0, height), 191 if pattern == "smpte75" else 255)
    elif pattern == "smpte":
        _smpte(plain)
    elif pattern == "smpte-rp-219":
        _smpte_rp_219(plain)
    elif pattern == "gamut":
        for row, colour in enumerate(("black", "white", "red", "blue")):
            plain[row * height // 4 : (row + 1) * height // 4, :, :3] = PLAIN[colour]
    elif pattern == "colors":
        plain[..., 0] = x * 4096 // width % 256
        plain[..., 1] = y * 16 // height * 16 + x * 16 // width
        plain[..., 2] = y * 4096 // height % 256
    elif pattern == "zone-plate":
        plain[..., :3] = look.zone.waves(width, height, number)[..., None]
    elif pattern == "chroma-zone-plate":
        plain[..., :2] = 128
        plain[..., 2] = look.zone.waves(width, height, number)
    elif pattern == "snow":
        plain[..., :3] = _noise(width, height, number)
    else:
        return _blend(_coverage(pattern, x, y, width, height, number), look)
    return plain


def change(pattern: str, width: int, height: int, number: int, look: Look = DEFAULT) -> Patch | None:
    """Draw the part that differs from the ground; ``None`` where there is none."""
    if pattern == "smpte":  # noise, so that a picture that hangs is seen to hang
        left, top = width * 3 // 4, height * 3 // 4
        noise = np.full((height - top, width - left, 4), 255, np.uint8)
        noise[..., :3] = _noise(width - left, height - top, number)
        return Patch(left, top, noise)
    if pattern == "ball":
        return _ball(width, height, number, look)
    return None


def legal_limits_broken(width: int, height: int) -> tuple[Array, Array]:
    """Tell for the pattern ``gamut`` which pixels leave the legal range, and the Y, U, V that they have then."""
    x = np.arange(width)
    y = np.arange(height)[:, None]
    broken = (x // 16 + y // 16) % 2 == 1
    values = np.empty((height, 1, 3), np.uint8)
    for row, colour in enumerate(((0, 128, 128), (255, 128, 128), (81, 90, 255), (41, 255, 110))):
        values[row * height // 4 : (row + 1) * height // 4] = colour
    return broken, np.broadcast_to(values, (height, width, 3))


def _noise(width: int, height: int, number: int) -> Array:
    random = np.random.default_rng(number % FRAMES)
    return random.integers(0, 256, (height, width, 1), np.uint8)


def _edges(width: int, parts: int) -> list[int]:
    return [width * part // parts for part in range(parts + 1)]


def _bars(target: Array, rows: slice, level: int, columns: slice | None = None, colours: Any = BARS) -> None:
    """Draw upright bars of the same width."""
    area = target[rows, columns or slice(None)]
    edges = _edges(area.shape[1], len(colours))
    for left, right, colour in zip(edges, edges[1:], colours, strict=False):
        area[:, left:right, :3] = np.array(colour) * level


def _smpte(target: Array) -> None:
    """Draw the bars of SMPTE ECR 1-1978; the lower right corner is left for noise."""
    height, width = target.shape[:2]
    upper, lower = height * 2 // 3, height * 3 // 4
    black = (0, 0, 0)
    _bars(target, slice(0, upper), 255)
    _bars(target, slice(upper, lower), 255, None, (BARS[6], black, BARS[4], black, BARS[2], black, BARS[0]))
    marks = [(0, 0, 128), (255, 255, 255), (0, 128, 255)]  # -I, white, +Q
    _bars(target, slice(lower, height), 1, slice(0, width // 2), marks)
    target[lower:, width // 2 :, :3] = 0
    target[lower:, width * 2 // 3 : width * 3 // 4, :3] = 19  # just above black


def _smpte_rp_219(target: Array) -> None:
    """Draw the bars of SMPTE RP 219."""
    height, width = target.shape[:2]
    rows = [0, height * 7 // 12, height * 8 // 12, height * 9 // 12, height]
    side = width // 8
    inner = slice(side, width - side)
    bar = (width - 2 * side) / 7
    first = side + round(bar)
    area = target[..., :3]
    area[rows[0] : rows[1]] = 102
    _bars(target, slice(rows[0], rows[1]), 191, inner)
    for row, left, second, last in (
        (1, (0, 255, 255), (0, 63, 105), (0, 0, 255)),
        (2, (255, 255, 0), (65, 0, 119), (255, 0, 0)),
    ):
        strip = area[rows[row] : rows[row + 1]]
        strip[:, :side], strip[:, side:first], strip[:, width - side :] = left, second, last
        strip[:, first : width - side] = 191
    ramp = np.arange(width - side - first) / max(5 * bar, 1)
    area[rows[2] : rows[3], first : width - side] = np.rint(np.minimum(ramp, 1) * 255).astype(np.uint8)[:, None]
    bottom = area[rows[3] :]
    bottom[:] = 38
    bottom[:, inner] = 0
    for begin, end, grey in ((1.5, 3.5, 255), (13 / 3, 14 / 3, 0), (5, 16 / 3, 5), (17 / 3, 6, 10)):
        bottom[:, side + round(begin * bar) : side + round(end * bar)] = grey


def _blend(coverage: Array, look: Look) -> Array:
    """Mix foreground (1) and background (0)."""
    front, back = np.array(rgba_of(look.foreground), float), np.array(rgba_of(look.background), float)
    mixed: Array = np.rint(back + (front - back) * coverage[..., None]).astype(np.uint8)
    return mixed


def _between(values: Array) -> Array:
    limited: Array = np.clip(values, 0, 1)
    return limited


def _coverage(pattern: str, x: Array, y: Array, width: int, height: int, number: int) -> Array:
    """Tell how much of the foreground each pixel has, 0 to 1."""
    shape = (height, width)
    if pattern == "solid-color":
        return np.ones(shape)
    if pattern == "blink":
        return np.full(shape, float(number % 2))
    if pattern == "bar":
        return np.broadcast_to((x < width // 7).astype(float), shape)
    if pattern == "gradient":
        return np.broadcast_to(y / height, shape)
    if pattern == "ball":
        return np.zeros(shape)
    across, down = x - width // 2, y - height // 2
    distance = np.hypot(across, down)
    if pattern == "circular":  # rings in seven zones, each with wider rings than the one within
        zone = np.floor(distance * 16 / width)
        cycles = 0.375 * 2.0 ** ((1 - zone) / 4)
        rings = 0.5 + 0.5 * np.sin(2 * np.pi * cycles * (distance - zone * width / 16))
        return np.where((zone >= 1) & (zone < 8), rings, 0.0)
    angle = np.arctan2(down, across)
    edge = distance * np.cos(BLADES * angle) / BLADES  # pixels from the nearest edge of a blade
    if pattern == "pinwheel":
        return _between(0.5 - edge)
    assert pattern == "spokes", pattern
    return _between(1.5 - np.abs(edge))


def _ball(width: int, height: int, number: int, look: Look) -> Patch:
    """Draw the ball and what is close to it."""
    radius = max(1, min(BALL_RADIUS, min(width, height) // 4))
    room_x, room_y = width - 2 * radius, height - 2 * radius
    seconds = number / float(look.rate)
    if look.motion == "wavy":
        x = radius + room_x * (0.5 + 0.5 * np.sin(2 * np.pi * number / 200))
        y = radius + room_y * (0.5 + 0.5 * np.sin(2 * np.pi * number / 200 * 2**0.5))
    else:
        turn = seconds % 1 if look.motion == "sweep" else seconds % 1 / 2
        x = radius + room_x * (0.5 + 0.5 * np.sin(2 * np.pi * turn))
        y = radius + room_y * (0.5 - 0.5 * np.cos(2 * np.pi * turn))
    left, top = max(0, int(x) - radius - 1), max(0, int(y) - radius - 1)
    right, bottom = min(width, int(x) + radius + 2), min(height, int(y) + radius + 2)
    distance = np.hypot(np.arange(left, right) - x, np.arange(top, bottom)[:, None] - y)
    coverage = _between(radius - distance)
    if look.flip and int(seconds) % 2:
        return Patch(0, 0, _flipped(coverage, left, top, width, height, look))
    return Patch(left, top, _blend(coverage, look))


def _flipped(coverage: Array, left: int, top: int, width: int, height: int, look: Look) -> Array:
    """Draw the whole picture with the colours the other way round."""
    whole = np.ones((height, width))
    whole[top : top + coverage.shape[0], left : left + coverage.shape[1]] -= coverage
    return _blend(whole, look)
