"""Pictures as the planes of a pixel format, by the format table."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from zcore.formats import FORMATS, Family, Format, find

Array = np.ndarray[Any, Any]
Shapes = Sequence[tuple[tuple[int, ...], np.dtype[Any]]]

PREFERRED = ("BGRx", "RGBx", "RGB16", "BGR", "RGB", "NV12", "I420", "YUY2", "GRAY8")

# Components that a picture has to fill.
_LETTERS = {Family.RGB: "RGB", Family.YUV: "YUV", Family.GREY: "Y", Family.BAYER: "S"}


def drawable(fmt: Format) -> bool:
    """Tell whether pictures can be drawn in a format: the CPU can write its pixels one by one."""
    return fmt.linear and not set(_LETTERS.get(fmt.family, "?")) - {component.name for component in fmt.components}


@cache
def drawable_formats() -> tuple[Format, ...]:
    """List all formats that can be drawn, those that most devices take first."""
    first = [find(f"gst:{name}") for name in PREFERRED]
    return tuple(dict.fromkeys([*first, *(fmt for fmt in FORMATS if drawable(fmt))]))


def shapes_of(fmt: Format, width: int, height: int) -> list[tuple[tuple[int, ...], np.dtype[Any]]]:
    """Tell the shape and the type of each plane of a picture without padding."""
    return [(spec.shape, spec.dtype) for spec in fmt.array_specs(width, height)]


def planes_of(picture: Array, fmt: Format, shapes: Shapes | None = None, yuv: Array | None = None) -> list[Array]:
    """Turn a picture into the planes of a format, component by component.

    Parameters
    ----------
    picture : array of uint8
        ``(height, width, 3)`` R, G, B, or with A as a fourth.
    fmt : Format
        What to make of it. YUV is BT.601 with limited range; grey has the full range, as converters take it.
    shapes : sequence of (shape, dtype), optional
        Of the planes; left out: without padding.
    yuv : array of uint8, optional
        ``(height, width, 3)`` Y, U, V, in the place of what is computed from R, G, B.
    """
    if not drawable(fmt):
        raise ValueError(f"pictures cannot be drawn as {fmt}")
    height, width = picture.shape[:2]
    samples: dict[str, Array]
    if fmt.family is Family.RGB:
        samples = dict(zip("RGB", np.moveaxis(picture[..., :3], -1, 0), strict=True))
    elif fmt.family is Family.BAYER:
        samples = {"S": _mosaic(picture, fmt.bayer or "RGGB")}
    elif fmt.family is Family.GREY:
        samples = {"Y": rgb_to_grey(picture[..., :3])}
    else:
        values = yuv if yuv is not None else rgb_to_yuv(picture[..., :3])
        samples = dict(zip("YUV", np.moveaxis(values, -1, 0), strict=True))
    samples["A"] = picture[..., 3] if picture.shape[2] == 4 else np.full((height, width), 255, np.uint8)
    planes = [np.zeros(shape, dtype) for shape, dtype in shapes or shapes_of(fmt, width, height)]
    for component in fmt.components:
        view = planes[component.plane][:, component.first :: component.step]
        if view.ndim == 3:
            view = view[..., component.index]
        values = _subsampled(samples[component.name], view.shape)
        if view.dtype.kind == "f":
            view[...] = values / np.float32(255)
            continue
        if component.bits == 8 and view.dtype.itemsize == 1:
            view[...] = values
            continue
        scaled = (values.astype(np.uint32) << 8 | values) >> (16 - component.bits)
        view |= (scaled << component.shift).astype(view.dtype)
    return planes


def _mosaic(picture: Array, pattern: str) -> Array:
    """See a picture through a colour filter of 2 x 2 pixels."""
    seen = np.empty(picture.shape[:2], np.uint8)
    for place, colour in enumerate(pattern):
        rows, columns = slice(place // 2, None, 2), slice(place % 2, None, 2)
        seen[rows, columns] = picture[rows, columns, "RGB".index(colour)]
    return seen


def _subsampled(values: Array, shape: tuple[int, ...]) -> Array:
    """Take every second sample where chroma is coarser; the last one again where an odd size was rounded up."""
    if values.shape == shape:
        return values
    rows = np.minimum(np.arange(shape[0]) * -(-values.shape[0] // shape[0]), values.shape[0] - 1)
    columns = np.minimum(np.arange(shape[1]) * -(-values.shape[1] // shape[1]), values.shape[1] - 1)
    picked: Array = values[rows[:, None], columns[None, :]]
    return picked


def rgb_to_yuv(rgb: Array) -> Array:
    """Convert to Y, U, V of BT.601, limited range (ITU-R BT.601-7), 8 bits."""
    matrix = np.array([[65.481, 128.553, 24.966], [-37.797, -74.203, 112.0], [112.0, -93.786, -18.214]]) / 255.0
    yuv = rgb.astype(np.float32) @ matrix.T.astype(np.float32)
    yuv += np.array((16.5, 128.5, 128.5), np.float32)  # cutting off is then rounding, and nothing leaves 0 to 255
    return yuv.astype(np.uint8)


def rgb_to_grey(rgb: Array) -> Array:
    """Convert to the luma of BT.601, full range, 8 bits."""
    grey = rgb.astype(np.float32) @ np.array((0.299, 0.587, 0.114), np.float32)
    rounded: Array = np.minimum(grey + np.float32(0.5), 255).astype(np.uint8)
    return rounded
