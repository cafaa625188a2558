"""Values of controls: from Python to what the kernel reads, and back."""

from __future__ import annotations

import re
import struct
import sys
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

import numpy as np

from zcore._v4l2_device import V4l2Device
from zcore._v4l2_ext_controls import ControlDescription
from zcore.controls.errors import ControlError
from zcore.controls.kinds import TUPLES, ControlFlag, ControlType, MenuEntry, element_dtype, type_name
from zcore.stages.structures import plain_name

INTEGERS = (ControlType.INTEGER, ControlType.INTEGER64)
MENUS = (ControlType.MENU, ControlType.INTEGER_MENU)
PLAIN = (*INTEGERS, *MENUS, ControlType.BOOLEAN, ControlType.BITMASK, ControlType.BUTTON)
LITTLE = sys.byteorder == "little"
WORDS = {"true": 1, "yes": 1, "on": 1, "1": 1, "false": 0, "no": 0, "off": 0, "0": 0}


def has_payload(info: ControlDescription) -> bool:
    """Whether the value is behind a pointer."""
    return bool(info.flags & ControlFlag.HAS_PAYLOAD) or info.type == ControlType.STRING


def payload_size(info: ControlDescription) -> int:
    """Bytes that the value may take; 0 for a plain number."""
    if not has_payload(info):
        return 0
    if info.type == ControlType.STRING and not info.dims:
        return info.maximum + 1
    if info.flags & ControlFlag.DYNAMIC_ARRAY:
        return info.elem_size * int(np.prod(info.dims or (info.elems,), dtype=np.int64))
    return info.elem_size * max(info.elems, 1)


def decode(info: ControlDescription, raw: bytes, menu: Mapping[int, str | int] | None = None) -> Any:
    """Turn what the driver gave into a value."""
    if info.type == ControlType.STRING and not info.dims:
        return raw.split(b"\0", 1)[0].decode(errors="replace")
    if not has_payload(info):
        return number(info, struct.unpack("=q" if info.type == ControlType.INTEGER64 else "=i4x", raw)[0], menu)
    kind = element_dtype(info.type, info.elem_size)
    if kind is None:
        return raw
    elements = np.frombuffer(raw[: len(raw) // kind.itemsize * kind.itemsize], kind).copy()
    if info.dims:
        dynamic = info.flags & ControlFlag.DYNAMIC_ARRAY
        return elements if dynamic else elements.reshape(info.dims)
    if info.type in TUPLES:
        return TUPLES[info.type]._make(_plain(field) for field in elements[0].item())
    return elements[0]


def _plain(field: Any) -> Any:
    return tuple(field.tolist()) if isinstance(field, np.ndarray) else field


def number(info: ControlDescription, value: int, menu: Mapping[int, str | int] | None = None) -> Any:
    """Turn a number into a value: a bool, an entry of a menu, a mask."""
    if info.type == ControlType.BOOLEAN:
        return bool(value)
    if info.type in MENUS:
        return MenuEntry(value, (menu or {}).get(value, ""))
    return value & 0xFFFFFFFF if info.type == ControlType.BITMASK else value


def encode(
    device: V4l2Device, info: ControlDescription, value: Any, menu: Mapping[int, str | int]
) -> tuple[int, int] | tuple[int, bytes] | tuple[int, bytes, bool]:
    """Turn a value into what :func:`zcore._v4l2_ext_controls.set_raw` takes.

    Raises
    ------
    ControlError
        The control does not take it; says what it takes.
    """
    name = plain_name(info.name)

    def refuse(text: str) -> ControlError:
        return ControlError(f"{device.path}: {name} {text}", name)

    if info.type == ControlType.STRING and not info.dims:
        return info.id, _string(info, value, refuse)
    if has_payload(info):
        return info.id, _payload(info, value, refuse)
    if info.type == ControlType.BUTTON:
        return info.id, 1
    if info.type in MENUS:
        return info.id, _entry(value, menu, refuse)
    if info.type not in PLAIN:
        raise refuse(f"is of type {type_name(info.type)}, which zcore does not know: set it as bytes")
    wish = _integer(info, value, refuse)
    if info.type == ControlType.INTEGER64:
        return info.id, struct.pack("=q", wish), True
    return info.id, wish


def _string(info: ControlDescription, value: Any, refuse: Any) -> bytes:
    if isinstance(value, bytes):
        raw = value
    elif isinstance(value, (str, int, float)):
        raw = str(value).encode()
    else:
        raise refuse(f"is a text, not {value!r}")
    if b"\0" in raw:
        raise refuse("is a text without a zero in it")
    if not info.minimum <= len(raw) <= info.maximum:
        raise refuse(f"is {info.minimum} to {info.maximum} characters, not {value!r}")
    if info.step > 1 and (len(raw) - info.minimum) % info.step:
        raise refuse(f"is {info.minimum} to {info.maximum} characters in steps of {info.step}, not {len(raw)}")
    return raw + b"\0"


def _integer(info: ControlDescription, value: Any, refuse: Any) -> int:
    kind = (
        "switch (0 or 1)" if info.type == ControlType.BOOLEAN else f"number from {info.minimum} to {info.maximum}"
    )  # fmt: skip
    if info.type == ControlType.BOOLEAN and isinstance(value, str) and value.lower() in WORDS:
        return WORDS[value.lower()]
    try:
        if isinstance(value, (str, bytes)) or int(value) != value:
            raise refuse(f"is a {kind}, not {value!r}")
    except (TypeError, ValueError, OverflowError) as error:
        if isinstance(error, ControlError):
            raise
        raise refuse(f"is a {kind}, not {value!r}") from None
    wish = int(value)
    if info.type == ControlType.BITMASK:
        mask = info.maximum & 0xFFFFFFFF
        if not 0 <= wish <= mask:
            raise refuse(f"is 0 to {mask}, not {wish}")
        if wish & ~mask:
            raise refuse(f"has the bits {mask:#x}, and {wish & ~mask:#x} of {wish:#x} are none of them")
        return wish
    low, high, step = (0, 1, 1) if info.type == ControlType.BOOLEAN else (info.minimum, info.maximum, info.step)
    if not low <= wish <= high:
        raise refuse(f"is {low} to {high}, not {wish}")
    if step > 1 and (wish - low) % step:
        below = wish - (wish - low) % step
        near = f"{below} and {below + step}" if below + step <= high else str(below)
        raise refuse(f"is {low} to {high} in steps of {step}, not {wish}; near are {near}")
    return wish


def _entry(value: Any, menu: Mapping[int, str | int], refuse: Any) -> int:
    if isinstance(value, str):
        by_name = {plain_name(str(text)) or str(text): index for index, text in menu.items()}
        if (plain_name(value) or value) in by_name:
            return by_name[plain_name(value) or value]
    else:
        try:
            if int(value) == value and int(value) in menu:
                return int(value)
        except (TypeError, ValueError, OverflowError):
            pass
    listed = ", ".join(f"{index} ({text})" for index, text in menu.items())
    close = get_close_matches(str(value), [str(text) for text in menu.values()], n=1, cutoff=0.4)
    hint = f"did you mean {close[0]!r}? " if close else ""
    raise refuse(f"has no entry {value!r}; {hint}it has {listed or 'none'}")


def from_text(text: str, refuse: Any) -> Any:
    """Read an array or a plain structure: ``1, 2, 0x3``, ``640x480``, or all its bytes as ``hex:0a0b``."""
    if text.strip().lower().startswith("hex:"):
        try:
            return bytes.fromhex(text.strip()[4:])
        except ValueError:
            raise refuse(f"takes bytes as hex:0a0b, not {short(text)!r}") from None
    area = re.fullmatch(r"\s*(\d+)\s*x\s*(\d+)\s*", text)
    if area:
        return [int(area[1]), int(area[2])]
    words = [word for word in re.split(r"[\s,;\[\](){}<>]+", text) if word]
    try:
        return [int(word, 0) for word in words]
    except ValueError:
        raise refuse(f"takes numbers such as '1, 2, 0x3', not {short(text)!r}") from None


def shape_of(info: ControlDescription) -> str:
    """Say what an array or a structure consists of."""
    kind = type_name(info.type)
    if not info.dims:
        return f"a {kind} of {info.elem_size} bytes"
    dims = "x".join(map(str, info.dims))
    return (
        f"an array of up to {dims} {kind}" if info.flags & ControlFlag.DYNAMIC_ARRAY else f"an array of {dims} {kind}"
    )


def _payload(info: ControlDescription, value: Any, refuse: Any) -> bytes:
    size = payload_size(info)
    dynamic = bool(info.flags & ControlFlag.DYNAMIC_ARRAY)
    kind = element_dtype(info.type, info.elem_size)
    if isinstance(value, (bytes, bytearray, memoryview)):
        raw = bytes(value)
        fits = 0 < len(raw) <= size and len(raw) % info.elem_size == 0 if dynamic else len(raw) == size
        if not fits:
            raise refuse(f"is {shape_of(info)}, {size} bytes in all, not {len(raw)}")
        return raw
    if kind is None:
        raise refuse(f"is {shape_of(info)}, and takes bytes only, not {type(value).__name__}")
    if isinstance(value, str):
        value = from_text(value, refuse)
    if isinstance(value, float) or value is None:
        raise refuse(f"is {shape_of(info)}, and takes no single value such as {value!r}")
    if isinstance(value, bytes):
        return _payload(info, value, refuse)
    if kind.names is None:
        return _numbers(info, value, kind, dynamic, refuse)
    return _structures(info, value, kind, dynamic, refuse)


def _numbers(info: ControlDescription, value: Any, kind: np.dtype[Any], dynamic: bool, refuse: Any) -> bytes:
    try:
        wish = np.asarray(value)
    except (ValueError, TypeError):
        wish = np.asarray(None)
    whole = wish.dtype == np.float64 and bool(np.all(np.abs(wish) < 1 << 53)) and bool(np.all(wish == np.floor(wish)))
    if whole:
        wish = wish.astype("i8")
    if wish.dtype.kind not in "iub" or not wish.size or (not wish.ndim and info.elems != 1):
        raise refuse(f"is {shape_of(info)}, and takes no single value such as {value!r}"[:300])
    if dynamic:
        if wish.ndim != 1 or wish.size > int(np.prod(info.dims)):
            raise refuse(f"is {shape_of(info)}, not {'x'.join(map(str, wish.shape))}")
    else:
        dims = info.dims or (1,)
        if wish.ndim == 0 or (wish.ndim == 1 and wish.size == int(np.prod(dims))):
            wish = wish.reshape(dims)
        if wish.shape != tuple(dims):
            raise refuse(f"is {shape_of(info)}, not {'x'.join(map(str, wish.shape))}")
    low, high = info.minimum, info.maximum
    if info.type == ControlType.BITMASK:
        low, high = 0, high & 0xFFFFFFFF
    wrong = np.argwhere((wish < low) | (wish > high))
    if len(wrong):
        place = tuple(int(i) for i in wrong[0])
        index = ", ".join(map(str, place))
        raise refuse(f"is {shape_of(info)} of {low} to {high}; [{index}] is {wish[place]}")
    return np.ascontiguousarray(wish, dtype=kind).tobytes()


def _structures(info: ControlDescription, value: Any, kind: np.dtype[Any], dynamic: bool, refuse: Any) -> bytes:
    try:
        if isinstance(value, Mapping):
            unknown = [key for key in value if key not in (kind.names or ())]
            if unknown:
                raise refuse(f"has no field {unknown[0]!r}; it has {', '.join(kind.names or ())}")
            one = np.zeros((), kind)
            for key, part in value.items():
                one[key] = part
            wish = one
        elif isinstance(value, (np.ndarray, np.void)):
            wish = np.asarray(value)
            if wish.dtype != kind:
                raise refuse(
                    f"is {shape_of(info)} with the fields {', '.join(kind.names or ())}, not {wish.dtype}"[:500]
                )
        elif info.dims:
            wish = np.array([tuple(one) for one in value], kind)
        else:
            wish = np.array(tuple(value), kind)
    except ControlError:
        raise
    except (TypeError, ValueError, ArithmeticError) as error:
        fields = ", ".join(kind.names or ())
        raise refuse(f"is {shape_of(info)} with the fields {fields}; {value!r} is none ({error})"[:500]) from None
    raw = wish.tobytes()
    most = payload_size(info)
    if (len(raw) > most or not raw) if dynamic else len(raw) != most:
        raise refuse(f"is {shape_of(info)}, {most} bytes in all, not {len(raw)}")
    return raw


def pack(value: int) -> bytes:
    """Give 8 bytes as the kernel does for a number of 32 bits."""
    return struct.pack("=I4x", value & 0xFFFFFFFF)


def short(value: Any) -> str:
    """Give a value for a message, cut where it is long."""
    text = value if isinstance(value, str) else repr(value) if isinstance(value, (bytes, np.ndarray)) else str(value)
    return text if len(text) <= 60 else text[:57] + "..."
