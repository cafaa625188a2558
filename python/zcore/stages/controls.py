"""Set the controls of a V4L2 device by their names, all in one call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches

from zcore._v4l2_controls import menu, set_controls
from zcore._v4l2_device import ControlInfo, V4l2Device
from zcore.errors import ChainError, DeviceError, make_error
from zcore.stages.structures import Value, as_fields, plain_name

__all__ = ["Value", "apply_controls", "as_controls", "find_control"]

INTEGER, BOOLEAN, MENU, BUTTON, INTEGER64, _, STRING, BITMASK, INTEGER_MENU = range(1, 10)
READ_ONLY, HAS_PAYLOAD, DISABLED = 0x4, 0x100, 0x1
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
    known = {plain_name(control.name): control for control in device.controls() if not control.flags & DISABLED}
    if plain_name(name) in known:
        return known[plain_name(name)]
    who = f"{stage} ({device.path}, {device.card})" if stage else f"{device.path} ({device.card})"
    raise KeyError(f"{who} has no control {name!r}; {nearest(plain_name(name), known)}")


def nearest(name: str, known: Sequence[str] | Mapping[str, object]) -> str:
    """Say which name may be meant, and which there are."""
    close = get_close_matches(name, list(known), n=3, cutoff=0.5)
    listed = ", ".join(list(known)[:20]) + (f" and {len(known) - 20} more" if len(known) > 20 else "")
    return (f"did you mean {' or '.join(close)}? " if close else "") + f"it has {listed or 'none'}"


def apply_controls(device: V4l2Device, controls: Mapping[str, Value], stage: str) -> dict[str, int | str]:
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
    ChainError
        No such control, or no such value for it.
    DeviceError
        The driver refused one; says which.
    """
    if not controls:
        return {}
    infos = {}
    for name in controls:
        try:
            infos[name] = find_control(device, name, stage)
        except KeyError as error:
            raise ChainError(error.args[0]) from None
    wanted = [(infos[name].id, infos[name].type, _number(device, infos[name], controls[name])) for name in controls]
    code, index, granted = set_controls(device, wanted)
    names = list(controls)
    if code:
        found = names[index] if index >= 0 else names[0] if len(names) == 1 else ""
        which = f"{found}={controls[found]}" if found else f"(one of {', '.join(names)})"
        raise make_error(
            code, "VIDIOC_S_EXT_CTRLS", f"{stage} ({device.path})", f"control {which} was refused", _cure(code)
        )
    return dict(zip(names, granted, strict=True))


def minimum_buffers(device: V4l2Device, id: int) -> int | None:
    """Read a V4L2_CID_MIN_BUFFERS_FOR_*; ``None`` where the driver has none."""
    try:
        return int(device.get_control(id))
    except DeviceError:
        return None


def _cure(code: int) -> str:
    return {13: "it is read-only", 16: "it cannot change while the device streams", 34: "see its range"}.get(code, "")


def _number(device: V4l2Device, control: ControlInfo, value: Value) -> int | str:
    """Turn a value into what the kernel takes, or say what this control takes."""
    name = plain_name(control.name)
    if control.flags & READ_ONLY:
        raise ChainError(f"{device.path}: control {name} is read-only")
    if control.type == STRING:
        if control.minimum <= len(str(value)) <= control.maximum:
            return str(value)
        raise ChainError(f"{device.path}: {name} is {control.minimum} to {control.maximum} characters, not {value!r}")
    if control.flags & HAS_PAYLOAD or control.type not in range(INTEGER, INTEGER_MENU + 1):
        raise ChainError(f"{device.path}: control {name} is an array or a structure, and takes no single value")
    if control.type == BUTTON:
        return 1
    if control.type in (MENU, INTEGER_MENU):
        return _entry(device, control, value)
    if isinstance(value, str) or int(value) != value:
        raise ChainError(f"{device.path}: {name} is a {_kind(control)}, not {value!r}")
    low, high = (0, control.maximum) if control.type == BITMASK else (control.minimum, control.maximum)
    if control.type == BITMASK:
        high &= 0xFFFFFFFF
    if not low <= value <= high:
        raise ChainError(f"{device.path}: {name} is {low} to {high}, not {value}")
    return int(value)


def _entry(device: V4l2Device, control: ControlInfo, value: Value) -> int:
    entries = menu(device, control)
    if not isinstance(value, str):
        if int(value) in entries:
            return int(value)
    else:
        by_name = {plain_name(str(text)): index for index, text in entries.items()}
        if plain_name(value) in by_name:
            return by_name[plain_name(value)]
    listed = ", ".join(f"{index} ({text})" for index, text in entries.items())
    close = get_close_matches(str(value), [str(text) for text in entries.values()], n=1, cutoff=0.4)
    hint = f"did you mean {close[0]!r}? " if close else ""
    raise ChainError(f"{device.path}: {plain_name(control.name)} has no entry {value!r}; {hint}it has {listed}")


def _kind(control: ControlInfo) -> str:
    if control.type == BOOLEAN:
        return "switch (0 or 1)"
    return f"number from {control.minimum} to {control.maximum}"
