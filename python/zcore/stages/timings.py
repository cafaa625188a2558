"""Connectors of V4L2 devices and their signals: inputs and outputs, television standards, DV timings of HDMI."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import NamedTuple

from zcore import _v4l2_inputs as native
from zcore._v4l2_device import V4l2Device
from zcore._v4l2_inputs import Connector, DvTimings, Standard
from zcore.errors import DeviceError, NegotiationError, make_error

CAP_DV_TIMINGS, CAP_STD = 0x2, 0x4  # V4L2_IN_CAP_*, V4L2_OUT_CAP_*
STATUS = {
    0x1: "no power", 0x2: "no signal", 0x4: "no colour", 0x10: "mirrored", 0x20: "upside down",
    0x100: "no horizontal lock", 0x200: "colour killer on", 0x400: "no vertical lock", 0x800: "standard not recognised",
    0x10000: "no sync", 0x20000: "no equaliser lock", 0x40000: "no carrier", 0x1000000: "copy protected",
    0x2000000: "access denied", 0x4000000: "from a video recorder",
}  # fmt: skip
NO_PICTURE = 0x1 | 0x2 | 0x100 | 0x400 | 0x800 | 0x10000 | 0x40000 | 0x2000000
# The bits of v4l2_std_id, in order; the gaps are unused.
_BITS = (
    "PAL-B PAL-B1 PAL-G PAL-H PAL-I PAL-D PAL-D1 PAL-K PAL-M PAL-N PAL-Nc PAL-60 NTSC-M NTSC-M-JP NTSC-443 NTSC-M-KR "
    "SECAM-B SECAM-D SECAM-G SECAM-H SECAM-K SECAM-K1 SECAM-L SECAM-LC ATSC-8-VSB ATSC-16-VSB"
)
STANDARDS = {name: 1 << bit for bit, name in enumerate(_BITS.split())}
STANDARDS |= {"PAL": 0xFF, "NTSC": 0xB000, "SECAM": 0xFF0000, "PAL-BG": 0x7, "PAL-DK": 0xE0, "SECAM-DK": 0x320000}
PRIORITIES = {"background": 1, "interactive": 2, "record": 3}


class Signal(NamedTuple):
    """What comes in at an input: ``status`` in words, empty where all is well; then the one of the two that it has."""

    status: str
    standard: str
    timings: DvTimings | None


def status_text(status: int) -> str:
    """Give ``V4L2_IN_ST_*`` in words; empty for a good signal."""
    return ", ".join(text for bit, text in STATUS.items() if status & bit)


def find_connector(device: V4l2Device, wanted: str | int, output: bool = False) -> Connector:
    """Find an input or output by its number, its name, or a part of its name that only one has.

    Raises
    ------
    NegotiationError
        There is none; names what there is.
    """
    known = native.connectors(device, output)
    if isinstance(wanted, bool) or not isinstance(wanted, str | int):
        raise TypeError(f"an {'output' if output else 'input'} is a number or a name, not {wanted!r}")
    if isinstance(wanted, str) and not wanted.strip():
        raise ValueError(f"an {'output' if output else 'input'} has a name, not {wanted!r}")
    if isinstance(wanted, int):
        found = [one for one in known if one.number == wanted]
    else:
        same = [one for one in known if one.name.lower() == wanted.lower()]
        found = same or [one for one in known if wanted.lower() in one.name.lower()]
    if len({one.name for one in found}) > 1 and len(found) > 1:
        names = ", ".join(repr(one.name) for one in found)
        first = found[0]
        if not all(re.fullmatch(re.escape(str(wanted)) + r"[\s\d-]*", one.name, re.IGNORECASE) for one in found):
            raise NegotiationError(f"{device.path} has several {wanted!r}: {names}; write the whole name")
        return first  # 'HDMI' of 'HDMI 0', 'HDMI 1': the first
    if not found:
        what = "output" if output else "input"
        names = ", ".join(f"{one.number} {one.name!r}" for one in known) or "no choice of them"
        raise NegotiationError(f"{device.path} ({device.card}) has no {what} {wanted!r}; it has {names}")
    return found[0]


def choose_connector(device: V4l2Device, wanted: str | int, output: bool = False) -> Connector:
    """Choose an input or output; the format changes with it."""
    found = find_connector(device, wanted, output)
    if native.connector(device, output) != found.number:
        with _Busy(device, "VIDIOC_S_OUTPUT" if output else "VIDIOC_S_INPUT"):
            native.connector(device, output, found.number)
    return found


def present_connector(device: V4l2Device, output: bool = False) -> Connector | None:
    """Tell which input or output is chosen; ``None`` where the device has none."""
    index = native.connector(device, output)
    return next((one for one in native.connectors(device, output) if one.number == index), None)


# Standards


def standard_name(id: int, known: Iterable[Standard] = ()) -> str:
    """Give a set of standards by its name: the driver's, or the single standards that are in it."""
    named = [one.name for one in known if one.id == id] + [name for name, bits in STANDARDS.items() if bits == id]
    if named or not id:
        return named[0] if named else "none"
    return "/".join(name for name, bit in STANDARDS.items() if bit & id and bit.bit_count() == 1)


def choose_standard(device: V4l2Device, wanted: str | int) -> int:
    """Set a television standard by its name, or with ``auto`` the one that the device detects.

    Raises
    ------
    NegotiationError
        This input has none, or not this one; or there is no signal.
    """
    if isinstance(wanted, bool) or not isinstance(wanted, str | int):
        raise TypeError(f"a standard is a name such as 'PAL', not {wanted!r}")
    known = native.standards(device)
    if wanted != "auto" and native.get_standard(device) is None:
        raise NegotiationError(
            f"{device.path} ({device.card}): {_here(device)} has no television standards{_try(device)}"
        )
    if wanted == "auto":
        found = _detected(device)
    else:
        found = wanted if isinstance(wanted, int) else _standard_id(wanted, known)
        possible = 0
        for one in known:
            possible |= one.id
        if not found or (possible and not found & possible):
            names = [one.name for one in known]
            near = get_close_matches(str(wanted).upper(), [*names, *STANDARDS], n=1)
            hint = f"; did you mean {near[0]!r}?" if near and near[0] != wanted else ""
            raise NegotiationError(
                f"{device.path} ({device.card}): {_here(device)} has no standard {wanted!r}{hint}; it has "
                f"{', '.join(names) or 'none'}"
            )
    if native.get_standard(device) != found:
        with _Busy(device, "VIDIOC_S_STD"):
            native.set_standard(device, found)
    return native.get_standard(device) or found


def _standard_id(name: str, known: Sequence[Standard]) -> int:
    flat = name.upper().replace("_", "-")
    for one in known:
        if one.name.upper() == flat:
            return one.id
    return next((bits for text, bits in STANDARDS.items() if text.upper() == flat), 0)


def _detected(device: V4l2Device) -> int:
    found = native.get_standard(device, query=True)
    if found is None:
        raise NegotiationError(f"{device.path} ({device.card}): {_here(device)} detects no standards; name one")
    if not found:
        raise make_error(
            67, "VIDIOC_QUERYSTD", device.path, f"no standard was recognised at {_here(device)}", _plug(device)
        )
    return found


# DV timings


def choose_timings(device: V4l2Device, wanted: str | DvTimings) -> DvTimings:
    """Set DV timings by their name, such as ``1920x1080p60``, or with ``auto`` those of the signal.

    A name is looked up in what the device has (VIDIOC_ENUM_DV_TIMINGS); 59.94 and 60 are told apart only where both
    are there. Timings that it has not listed can be given as :class:`DvTimings`.

    Raises
    ------
    NegotiationError
        This input has none, or not these; names the nearest.
    DeviceError
        With ``auto``: there is no signal (ENOLINK), or none that can be locked on (ENOLCK) or received (ERANGE).
    """
    if wanted == "auto":
        found = query_timings(device)
        if found is None:
            raise NegotiationError(f"{device.path} ({device.card}): {_here(device)} has no DV timings{_try(device)}")
    elif isinstance(wanted, DvTimings):
        found = wanted
    elif isinstance(wanted, str):
        found = _named_timings(device, wanted)
    else:
        raise TypeError(f"timings are a name such as '1920x1080p60', not {wanted!r}")
    now = native.get_dv_timings(device)
    if now is not None and now.raw == found.raw:
        return now
    with _Busy(device, "VIDIOC_S_DV_TIMINGS"):
        return native.set_dv_timings(device, found)


def query_timings(device: V4l2Device) -> DvTimings | None:
    """Read the timings of the signal; ``None`` where this input has none."""
    try:
        return native.get_dv_timings(device, query=True)
    except DeviceError as error:
        what = {67: "there is no signal", 37: "the signal is unstable", 34: "the signal is out of range"}
        if error.errno not in what:
            raise
        raise make_error(
            error.errno, "VIDIOC_QUERY_DV_TIMINGS", device.path, f"{_here(device)}: {what[error.errno]}", _plug(device)
        ) from error


def _named_timings(device: V4l2Device, name: str) -> DvTimings:
    known = native.dv_timings(device)
    if not known and native.get_dv_timings(device) is None:
        raise NegotiationError(f"{device.path} ({device.card}): {_here(device)} has no DV timings{_try(device)}")
    match = re.fullmatch(r"(\d+)x(\d+)([pi])?(\d+(?:\.\d+)?)?", name.strip().lower())
    if match is None:
        raise ValueError(f"timings are named like '1920x1080p60' or '1280x720', not {name!r}")
    width, height, interlaced = int(match[1]), int(match[2]), match[3] == "i"
    found = [one for one in known if (one.width, one.height) == (width, height) and one.interlaced == interlaced]
    if match[4]:
        rate = float(match[4])
        near = [one for one in found if abs(_shown_rate(one) - rate) <= 0.5]
        found = sorted(near, key=lambda one: (abs(_shown_rate(one) - rate), -(one.standards & 1)))
    if not found:
        raise NegotiationError(
            f"{device.path} ({device.card}) has no timings {name!r}; it has {_like(known, width, height)}"
        )
    return found[0]


def _shown_rate(one: DvTimings) -> float:
    return one.rate * (2 if one.interlaced else 1)


def _like(known: Sequence[DvTimings], width: int, height: int) -> str:
    """List up to eight names, those of the nearest size first."""
    order = sorted(known, key=lambda one: abs(one.width - width) + abs(one.height - height))
    names = list(dict.fromkeys(one.name for one in order))
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")


# Signals


def read_signal(device: V4l2Device) -> Signal:
    """Look at the signal of the present input, and say in words what is wrong with it."""
    now = present_connector(device)
    status = status_text(now.status) if now is not None else ""
    timings, standard = None, ""
    try:
        timings = query_timings(device)
        if timings is None:
            found = native.get_standard(device, query=True)
            standard = standard_name(found, native.standards(device)) if found else ""
            if found == 0 and not status:
                status = "no standard recognised"
    except DeviceError as error:
        status = status or {67: "no signal", 37: "unstable signal", 34: "signal out of range"}.get(error.errno or 0, "")
        status = status or str(error)
    return Signal(status, standard, timings)


def follow_signal(device: V4l2Device) -> None:
    """Set the device to the timings or the standard that it detects now, where its input has either.

    A driver changes nothing by itself when the signal does: it tells (V4L2_EVENT_SOURCE_CHANGE) and waits to be told
    (Linux media documentation, "Digital Video (DV) Timings"). The format follows from the timings.

    Raises
    ------
    DeviceError
        There is no signal (ENOLINK), or none that the device can lock on to (ENOLCK) or receive (ERANGE).
    """
    timings = query_timings(device)
    if timings is not None:
        native.set_dv_timings(device, timings)
        return
    found = native.get_standard(device, query=True)
    if found is not None:
        native.set_standard(device, found or _detected(device))


def _here(device: V4l2Device) -> str:
    now = present_connector(device) or present_connector(device, output=True)
    return f"{now.name!r}" if now is not None else "it"


def _plug(device: V4l2Device) -> str:
    now = present_connector(device)
    text = status_text(now.status) if now is not None else ""
    return f"the input says: {text}" if text else "plug in a source and switch it on, or choose another input"


def _try(device: V4l2Device) -> str:
    """Tell which inputs would have what this one has not."""
    able = [
        f"{one.name!r} has {'DV timings' if one.capabilities & CAP_DV_TIMINGS else 'standards'}"
        for one in native.connectors(device)
        if one.capabilities & (CAP_DV_TIMINGS | CAP_STD)
    ]
    return f" ({', '.join(able)})" if able else ""


class _Busy:
    """Say what EBUSY means here."""

    def __init__(self, device: V4l2Device, call: str):
        self.device, self.call = device, call

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, DeviceError) and error.errno == 16:
            raise make_error(
                16,
                self.call,
                self.device.path,
                "buffers are allocated, and with the signal their format would change",
                "stop what uses this device first, here or in another program (fuser -v names it)",
            ) from error
