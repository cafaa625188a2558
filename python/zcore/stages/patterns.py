"""Test pictures, in any format that numpy can see."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from zcore.formats import Family, Format

PATTERNS = ("smpte", "gradient", "checkers", "black", "white")
FRAMES = 30  # pictures of a moving pattern before it repeats

BARS = ((255, 255, 255), (255, 255, 0), (0, 255, 255), (0, 255, 0), (255, 0, 255), (255, 0, 0), (0, 0, 255), (0, 0, 0))

Array = np.ndarray[Any, Any]


def rgb_picture(pattern: str, width: int, height: int, number: int) -> Array:
    """Draw a pattern as ``(height, width, 3)`` uint8, R, G, B."""
    x = np.arange(width)
    y = np.arange(height)[:, None]
    picture = np.zeros((height, width, 3), np.uint8)
    if pattern == "white":
        picture[...] = 255
    elif pattern == "gradient":
        picture[..., 0] = (x * 255 // max(width - 1, 1))[None, :]
        picture[..., 1] = y * 255 // max(height - 1, 1)
        picture[..., 2] = number * 255 // FRAMES
    elif pattern == "checkers":
        picture[...] = np.where(((x // 8 + y // 8 + number) % 2)[..., None] == 1, 255, 0)
    elif pattern == "smpte":
        picture[...] = np.array(BARS, np.uint8)[x * len(BARS) // width][None]
        side = max(4, min(width, height) // 8)
        left, top = (width - side) * number // FRAMES, (height - side) // 2
        picture[top : top + side, left : left + side] = (255, 128, 0)
    return picture


def paint(
    pattern: str, fmt: Format, width: int, height: int, shapes: Sequence[tuple[tuple[int, ...], np.dtype[Any]]]
) -> list[list[Array]]:
    """Draw the pictures of a pattern in a format: one list of planes for each."""
    still = pattern in ("black", "white")
    return [
        planes_of(rgb_picture(pattern, width, height, number), fmt, shapes) for number in range(1 if still else FRAMES)
    ]


def planes_of(rgb: Array, fmt: Format, shapes: Sequence[tuple[tuple[int, ...], np.dtype[Any]]]) -> list[Array]:
    """Turn an RGB picture into the planes of a format, component by component, by the format table."""
    if fmt.family is Family.RGB:
        samples = dict(zip("RGB", np.moveaxis(rgb, -1, 0), strict=True))
    elif fmt.family in (Family.YUV, Family.GREY):
        samples = dict(zip("YUV", np.moveaxis(rgb_to_yuv(rgb), -1, 0), strict=True))
    else:
        raise ValueError(f"test pictures cannot be drawn as {fmt}")
    planes = [np.zeros(shape, dtype) for shape, dtype in shapes]
    for component in fmt.components:
        target = planes[component.plane]
        values = samples.get(component.name)
        if values is None:  # alpha, padding
            values = np.full(rgb.shape[:2], 255, np.uint8)
        view = target[:, component.first :: component.step]
        if view.ndim == 3:
            view = view[..., component.index]
        values = _subsampled(values, view.shape)
        scaled = (values.astype(np.uint32) << 8 | values) >> (16 - component.bits)
        view |= (scaled << component.shift).astype(target.dtype)
    return planes


def _subsampled(values: Array, shape: tuple[int, ...]) -> Array:
    """Take every second sample where chroma is coarser; the last one again where an odd size was rounded up."""
    rows = np.minimum(np.arange(shape[0]) * -(-values.shape[0] // shape[0]), values.shape[0] - 1)
    columns = np.minimum(np.arange(shape[1]) * -(-values.shape[1] // shape[1]), values.shape[1] - 1)
    picked: Array = values[rows[:, None], columns[None, :]]
    return picked


def rgb_to_yuv(rgb: Array) -> Array:
    """Convert to Y, U, V of BT.601, limited range (ITU-R BT.601-7), 8 bits."""
    matrix = np.array([[65.481, 128.553, 24.966], [-37.797, -74.203, 112.0], [112.0, -93.786, -18.214]]) / 255.0
    yuv = rgb.astype(float) @ matrix.T + (16.0, 128.0, 128.0)
    return np.clip(np.rint(yuv), 0, 255).astype(np.uint8)
