"""Set the controls of a V4L2 device by their names when a stage opens it, all in one call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zcore._v4l2_device import ControlInfo, V4l2Device
from zcore.controls.collection import Controls, Granted
from zcore.controls.errors import nearest
from zcore.controls.kinds import ControlFlag
from zcore.errors import DeviceError
from zcore.stages.structures import Value, as_fields, plain_name

__all__ = ["Value", "apply_controls", "as_controls", "find_control"]

# Drivers that predate the control framework may lack these; those of an open decoder can change.
MIN_BUFFERS_FOR_CAPTURE, MIN_BUFFERS_FOR_OUTPUT = 0x00980927, 0x00980928


def as_controls(given: Mapping[str, Value] | str | None) -> dict[str, Value]:
    """Read ``extra_controls``: names, as v4l2-ctl spells them, to values.

    Parameters
    ----------
    given : mapping or str, optional
        As a text GStreamer's structure string: ``c,brightness=10,power_line_frequency=1``.
    """
    found: dict[str, Value] = {}
    for name, value in as_fields(given).items():
        plain = plain_name(name)
        if not plain:
            raise ValueError(f"{name!r} is no control's name")
        if plain in found:
            raise ValueError(f"control {plain!r} is set twice")
        found[plain] = value
    return found


def find_control(device: V4l2Device, name: str, stage: str = "") -> ControlInfo:
    """Find a control by its name; case and punctuation do not matter.

    Raises
    ------
    KeyError
        There is none; names the nearest.
    """
    known = {plain_name(one.name): one for one in device.controls() if not one.flags & ControlFlag.DISABLED}
    if plain_name(name) in known:
        return known[plain_name(name)]
    who = f"{stage} ({device.path}, {device.card})" if stage else f"{device.path} ({device.card})"
    raise KeyError(f"{who} has no control {name!r}; {nearest(plain_name(name), known)}")


def apply_controls(device: V4l2Device, controls: Mapping[str, Any], stage: str) -> Granted:
    """Set controls in one VIDIOC_S_EXT_CTRLS; gives what the driver granted.

    Parameters
    ----------
    device : V4l2Device
        Open device.
    controls : mapping
        As :func:`as_controls` gives it. A menu takes the index or the text of an entry.
    stage : str
        For messages.

    Raises
    ------
    ControlError
        No such control, or no such value for it.
    DeviceError
        The driver refused one; says which.
    """
    return Controls(device, stage).set(controls) if controls else Granted()


def minimum_buffers(device: V4l2Device, id: int) -> int | None:
    """Read a V4L2_CID_MIN_BUFFERS_FOR_*; ``None`` where the driver has none."""
    try:
        return int(device.get_control(id))
    except DeviceError:
        return None
