"""Rectangles of V4L2 devices: what is cropped, and where in the buffer it is composed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from zcore._v4l2_device import V4l2Device
from zcore._v4l2_selection import Rect, get_selection, set_selection
from zcore.errors import DeviceError, NegotiationError, make_error

TARGETS = {
    "crop": 0x0, "crop_default": 0x1, "crop_bounds": 0x2, "native_size": 0x3,
    "compose": 0x100, "compose_default": 0x101, "compose_bounds": 0x102, "compose_padded": 0x103,
}  # fmt: skip
FLAGS = {"ge": 0x1, "le": 0x2, "keep_config": 0x4}


class Margins(NamedTuple):
    """What is left out at each side, in pixels: a crop that does not need to know the size of the picture."""

    left: int = 0
    top: int = 0
    right: int = 0
    bottom: int = 0


Area = Sequence[int | None] | Margins
"""Left, top, width, height in pixels, ``None`` for what shall stay as it is; or :class:`Margins`."""


def as_area(area: Area | None, what: str) -> Area | None:
    """Check a rectangle before any device is opened."""
    if area is None:
        return None
    try:
        values = tuple(area)
    except TypeError:
        values = ()
    whole = all(value is None or (isinstance(value, int) and not isinstance(value, bool)) for value in values)
    if isinstance(area, str) or len(values) != 4 or not whole:
        raise TypeError(f"{what} is (left, top, width, height) in pixels, or Margins, not {area!r}")
    small = values if isinstance(area, Margins) else values[2:]
    least = 0 if isinstance(area, Margins) else 1
    if any(value is not None and value < least for value in small):
        raise ValueError(f"{what} {area!r} holds no pixel")
    if any(value is not None and not -(1 << 31) <= value < 1 << 31 for value in values):
        raise ValueError(f"{what} {area!r} does not fit into the kernel's numbers")
    return area if isinstance(area, Margins) else values


def flag_bits(flags: str | Sequence[str]) -> int:
    """Turn ``ge``, ``le`` and ``keep_config`` into ``V4L2_SEL_FLAG_*``."""
    names = flags.replace("|", " ").replace(",", " ").split() if isinstance(flags, str) else list(flags)
    unknown = [name for name in names if name not in FLAGS]
    if unknown:
        raise ValueError(f"no selection flag {unknown[0]!r}; there are {', '.join(FLAGS)}")
    return sum({FLAGS[name] for name in names})


def read(device: V4l2Device, type: int, name: str) -> Rect | None:
    """Read a rectangle by the name of its target."""
    return get_selection(device, type, TARGETS[name])


def write(device: V4l2Device, type: int, name: str, area: Area, flags: int = 0, who: str = "") -> Rect:
    """Set ``crop`` or ``compose``; what the driver granted comes back.

    Raises
    ------
    NegotiationError
        There is no such rectangle here, or the flags cannot be kept.
    DeviceError
        Anything else, such as EBUSY while buffers are allocated.
    """
    wanted = _complete(device, type, name, area, who)
    try:
        return set_selection(device, type, TARGETS[name], wanted, flags)
    except DeviceError as error:
        bounds, now = read(device, type, f"{name}_bounds"), read(device, type, name)
        about = f"; it may lie in {text(bounds)}" if bounds else ""
        if error.errno in (25, 22, 61):
            why = (
                f"it can only have {text(now)}{about}" if now else "the device, or its present input, has no such thing"
            )
            raise NegotiationError(
                f"{who} ({device.path}) does not take {name} {text(wanted)}: {why} (VIDIOC_S_SELECTION, "
                f"{ {25: 'ENOTTY', 22: 'EINVAL', 61: 'ENODATA'}[error.errno] })"
            ) from error
        if error.errno == 34:
            raise NegotiationError(
                f"{who} ({device.path}) has no {name} {_within(flags)} {text(wanted)} "
                f"(VIDIOC_S_SELECTION, ERANGE){about}"
            ) from error
        if error.errno == 16:
            raise make_error(
                16,
                "VIDIOC_S_SELECTION",
                device.path,
                f"{name} {text(wanted)} would change the size of frames, and buffers are allocated",
                "set it before the first frame, or choose a rectangle of the present size",
            ) from error
        raise


def _within(flags: int) -> str:
    return {1: "at least as large as", 2: "within", 3: "exactly at"}.get(flags & 3, "like")


def _complete(device: V4l2Device, type: int, name: str, area: Area, who: str) -> Rect:
    if isinstance(area, Margins):
        whole = read(device, type, f"{name}_default") or read(device, type, f"{name}_bounds")
        if whole is None:
            raise NegotiationError(
                f"{who} ({device.path}) cannot {name}: the device, or its present input, has no such thing"
            )
        rect = Rect(
            whole.left + area.left,
            whole.top + area.top,
            whole.width - area.left - area.right,
            whole.height - area.top - area.bottom,
        )
        if rect.width < 1 or rect.height < 1:
            raise NegotiationError(f"{who} ({device.path}): of {text(whole)} the margins {tuple(area)} leave nothing")
        return rect
    if None in area:
        now = read(device, type, name)
        if now is None:
            raise NegotiationError(
                f"{who} ({device.path}) cannot {name}: the device, or its present input, has no such thing"
            )
        return Rect(*(old if new is None else new for old, new in zip(now, area, strict=True)))
    return Rect(*area)  # type: ignore[arg-type]


def text(rect: Rect | None) -> str:
    """Give a rectangle as ``640x480+10+20``, as X has it."""
    return f"{rect.width}x{rect.height}{rect.left:+d}{rect.top:+d}" if rect is not None else "none"
