"""Find the video devices of this machine."""

from __future__ import annotations

import os
import re
from dataclasses import asdict, dataclass, field
from itertools import groupby
from typing import Any

from zcore._drm import Card
from zcore._v4l2_device import V4l2Device
from zcore._v4l2_inputs import connector, connectors, dv_timings, standards
from zcore.errors import ChainError, make_error
from zcore.formats import Format, UnknownFormatError, by_v4l2, fourcc_str, modifier_str
from zcore.stages.kms_setup import OVERLAY, PLANE, PRIMARY, connector_name, modifiers, plane_type, read_edid
from zcore.stages.timings import status_text
from zcore.stages.v4l2_pad import (
    CAP_M2M,
    CAP_M2M_MPLANE,
    CAP_STREAMING,
    COMPRESSED,
    capture_type,
    output_type,
)


@dataclass
class FormatInfo:
    """A pixel format of a queue: sizes as texts, such as ``640x480`` or ``16x16 to 4096x2160``."""

    fourcc: str
    description: str
    sizes: list[str] = field(default_factory=list)
    rates: list[str] = field(default_factory=list)


@dataclass
class ConnectorInfo:
    """An input or output: ``status`` in words, known of the chosen one only; what of standards and timings it has."""

    name: str
    chosen: bool
    status: str = ""
    signals: list[str] = field(default_factory=list)


@dataclass
class VideoDevice:
    """A V4L2 node. ``kind`` is ``capture``, ``output`` or ``m2m``; memory types by queue."""

    path: str
    name: str
    driver: str
    bus: str
    kind: str
    multiplanar: bool
    streaming: bool
    capture_formats: list[FormatInfo] = field(default_factory=list)
    output_formats: list[FormatInfo] = field(default_factory=list)
    memory: dict[str, list[str]] = field(default_factory=dict)
    problem: str = ""
    connectors: list[ConnectorInfo] = field(default_factory=list)


@dataclass(frozen=True)
class CodecDevice:
    """One codec of a stateful V4L2 encoder or decoder. ``kind`` is ``enc`` or ``dec``."""

    path: str
    driver: str
    card: str
    kind: str
    format: Format


@dataclass
class PlaneInfo:
    """A KMS plane with its formats and, per format, its modifiers."""

    id: int
    type: str
    formats: dict[str, list[str]]


@dataclass
class DisplayDevice:
    """A DRM card with connectors."""

    path: str
    driver: str
    atomic: bool
    connectors: list[dict[str, Any]] = field(default_factory=list)
    planes: list[PlaneInfo] = field(default_factory=list)
    problem: str = ""
    bus: str = ""


def _numbered(folder: str, prefix: str) -> list[str]:
    try:
        names = [name for name in os.listdir(folder) if re.fullmatch(prefix + r"\d+", name)]
    except OSError:
        return []
    return [f"{folder}/{name}" for name in sorted(names, key=lambda name: int(name[len(prefix) :]))]


def video_paths() -> list[str]:
    """List the V4L2 video nodes."""
    return _numbered("/dev", "video")


def card_paths() -> list[str]:
    """List the DRM primary nodes."""
    return _numbered("/dev/dri", "card")


def video_devices(details: bool = True) -> list[VideoDevice]:
    """List capture, output and mem-to-mem devices; those that cannot be opened are listed with the problem.

    Parameters
    ----------
    details : bool
        Read formats, sizes and memory types too. Memory types are left out for devices that stream just now.
    """
    found = []
    for path in video_paths():
        try:
            with V4l2Device(path) as device:
                info = _video_info(device)
                if info is not None:
                    found.append(info)
                    if details:
                        _read_details(device, info)
                        if info.kind != "m2m":
                            info.connectors = _connectors(device, info.kind == "output")
        except OSError as error:
            found.append(VideoDevice(path, "", "", "", "unknown", False, False, problem=str(error)))
    return found


def _video_info(device: V4l2Device) -> VideoDevice | None:
    gives, takes = capture_type(device.capabilities), output_type(device.capabilities)
    if gives is None and takes is None:
        return None  # radio, metadata, touch
    m2m = bool(device.capabilities & (CAP_M2M | CAP_M2M_MPLANE)) or (gives is not None and takes is not None)
    return VideoDevice(
        device.path,
        device.card,
        device.driver,
        device.bus,
        "m2m" if m2m else "capture" if gives is not None else "output",
        (gives or takes or 0) > 2,
        bool(device.capabilities & CAP_STREAMING),
    )


def _read_details(device: V4l2Device, info: VideoDevice) -> None:
    for side, type in (("capture", capture_type(device.capabilities)), ("output", output_type(device.capabilities))):
        if type is None:
            continue
        listed = [_format_info(device, code, text) for code, _, text in device.formats(type)]
        setattr(info, f"{side}_formats", listed)
        if info.streaming:
            info.memory[side] = sorted(device.memories(type))


def _connectors(device: V4l2Device, output: bool) -> list[ConnectorInfo]:
    """List inputs or outputs, the chosen one with the names of its standards or timings."""
    now = connector(device, output)
    found = []
    for one in connectors(device, output):
        info = ConnectorInfo(one.name, one.number == now, status_text(one.status))
        if info.chosen:
            info.signals = [name for name, _ in groupby(t.name for t in dv_timings(device))]
            info.signals = [s.name for s in standards(device)] + info.signals
        found.append(info)
    return found


def _format_info(device: V4l2Device, code: int, text: str) -> FormatInfo:
    info = FormatInfo(fourcc_str(code), text)
    for width, height in device.sizes(code):
        info.sizes.append(
            f"{width[0]}x{height[0]}"
            if width[0] == width[1] and height[0] == height[1]
            else f"{width[0]}x{height[0]} to {width[1]}x{height[1]} step {width[2]}x{height[2]}"
        )
        rates = device.intervals(code, width[1], height[1])
        for (n1, d1), (n2, d2) in rates:
            fast, slow = d1 / n1 if n1 else 0.0, d2 / n2 if n2 else 0.0
            text_rate = f"{fast:g}" if fast == slow else f"{slow:g} to {fast:g}"
            if text_rate not in info.rates:
                info.rates.append(text_rate)
    return info


def display_devices(details: bool = True) -> list[DisplayDevice]:
    """List cards that have connectors; those that cannot be opened are listed with the problem."""
    found = []
    for path in card_paths():
        try:
            card = Card(path)
        except OSError as error:
            found.append(DisplayDevice(path, "", False, problem=str(error)))
            continue
        try:
            crtcs, connectors = card.resources()
            if not crtcs:
                continue
            info = DisplayDevice(path, card.driver, card.atomic, bus=bus_of(path))
            for id in connectors:
                connector = card.connector(id)
                monitor = read_edid(card, connector)
                info.connectors.append({
                    "id": id, "monitor": asdict(monitor) if monitor is not None else None,
                    "name": connector_name(connector), "connected": connector.connected,
                    "modes": [f"{m.width}x{m.height}@{m.refresh:.0f}" for m in connector.modes],
                })  # fmt: skip
            if details:
                info.planes = [_plane_info(card, plane) for plane in card.planes()]
            found.append(info)
        finally:
            card.close()
    return found


def _plane_info(card: Card, plane: Any) -> PlaneInfo:
    kinds = {OVERLAY: "overlay", PRIMARY: "primary"}
    known = modifiers(card, card.properties(plane.id, PLANE)) or {}
    formats = {fourcc_str(code): [modifier_str(m) for m in sorted(known.get(code, ()))] for code in plane.formats}
    return PlaneInfo(plane.id, kinds.get(plane_type(card, plane), "cursor"), formats)


def bus_of(path: str) -> str:
    """Give the bus id of a card, such as ``0000:00:02.0``; empty where the machine does not tell."""
    device = os.path.realpath(f"/sys/class/drm/{os.path.basename(path)}/device")
    return os.path.basename(device) if device.startswith("/sys/devices/") else ""


def find_card(driver: str | None = None, bus_id: str | None = None) -> str:
    """Find the card of a driver, or on a bus, or the first one that has something connected.

    Parameters
    ----------
    driver : str, optional
        The kernel's name of the driver, such as ``vkms`` or ``i915``.
    bus_id : str, optional
        ``0000:00:02.0``, or with its bus as libdrm spells it, ``pci:0000:00:02.0``.
    """
    cards = display_devices(details=False)
    wanted = [card for card in cards if not card.problem]
    if bus_id is not None:
        names = {bus_id, bus_id.partition(":")[2]}
        wanted = [card for card in wanted if card.bus in names]
    if driver is not None:
        wanted = [card for card in wanted if card.driver == driver]
    for card in wanted:
        plugged = any(c["connected"] and not c["name"].startswith("Writeback") for c in card.connectors)
        if driver is not None or bus_id is not None or plugged:
            return card.path
    have = ", ".join(
        f"{card.path} ({card.problem or card.driver + (f' on {card.bus}' if card.bus else '')})" for card in cards
    )
    have = have or "none"
    if driver is None and bus_id is None:
        raise ChainError(f"no display is connected; this machine's cards: {have}")
    what = " ".join(
        ([f"of the driver {driver!r}"] if driver is not None else [])
        + ([f"on the bus {bus_id!r}"] if bus_id is not None else [])
    )
    raise make_error(2, "open", driver or bus_id or "", f"no card {what}; this machine's cards: {have}")


# Codecs whose streams a driver does not parse itself: they need the request API.
STATELESS = {"MPEG2_SLICE", "H264_SLICE", "HEVC_SLICE", "VP8_FRAME", "VP9_FRAME", "AV1_FRAME", "FWHT_STATELESS"}


def codec_devices() -> list[CodecDevice]:
    """List what the stateful encoders and decoders of this machine have, one entry for each codec and direction.

    Stateless decoders are left out, and so are devices that cannot be opened.
    """
    found = []
    for path in video_paths():
        try:
            with V4l2Device(path) as device:
                found += _codecs_of(device)
        except OSError:
            continue
    return found


def _codecs_of(device: V4l2Device) -> list[CodecDevice]:
    if not device.capabilities & (CAP_M2M | CAP_M2M_MPLANE):
        return []
    takes, gives = output_type(device.capabilities), capture_type(device.capabilities)
    assert takes is not None
    assert gives is not None
    (taken, takes_pixels), (given, gives_pixels) = _split(device, takes), _split(device, gives)
    found = [(fmt, "enc") for fmt in given if takes_pixels] + [(fmt, "dec") for fmt in taken if gives_pixels]
    return [CodecDevice(device.path, device.driver, device.card, kind, fmt) for fmt, kind in found]


def _split(device: V4l2Device, type: int) -> tuple[list[Format], bool]:
    """List the codecs of a queue, and tell whether it has formats of pixels, too."""
    coded, pixels = [], False
    for code, flags, _ in device.formats(type):
        try:
            fmt = by_v4l2(code)
        except UnknownFormatError:
            pixels = pixels or not flags & COMPRESSED
            continue
        if not fmt.coded:
            pixels = True
        elif fmt.name not in STATELESS:
            coded.append(fmt)
    return coded, pixels


def _shut() -> str:
    """Tell which nodes this user may not open: one of them may be what is looked for."""
    paths = [path for path in video_paths() if not os.access(path, os.R_OK | os.W_OK)]
    return f"; this user may not open {', '.join(paths)} (join the group 'video', or run as root)" if paths else ""


def find_codec_device(kind: str, codec: Format, driver: str | None = None) -> str:
    """Find the first device that has a codec.

    Parameters
    ----------
    kind : str
        ``enc`` or ``dec``.
    codec : Format
        Coded format.
    driver : str, optional
        Name of the driver or of the device.
    """
    known = codec_devices()
    for device in known:
        if (device.kind, device.format) == (kind, codec) and driver in (None, device.driver, device.card):
            return device.path
    have = ", ".join(f"{d.path} ({d.driver}, {d.kind} {d.format})" for d in known) or "none"
    what = "encoder to" if kind == "enc" else "decoder of"
    by = f" by {driver!r}" if driver else ""
    raise make_error(2, "open", str(codec), f"no {what} {codec}{by}; this machine's codecs: {have}{_shut()}")


def find_converter() -> str:
    """Find the first mem-to-mem device that takes pixels and gives pixels."""
    devices = [device for device in video_devices(details=False) if device.kind == "m2m"]
    for info in devices:
        try:
            with V4l2Device(info.path) as device:
                types = output_type(device.capabilities), capture_type(device.capabilities)
                if all(type is not None and _split(device, type)[1] for type in types):
                    return info.path
        except OSError:
            continue
    have = ", ".join(f"{d.path} ({d.driver})" for d in devices) or "none"
    raise make_error(2, "open", "converter", f"no converter; this machine's mem-to-mem devices: {have}{_shut()}")


def find_m2m(driver: str) -> str:
    """Find the mem-to-mem device of a driver or with this name."""
    devices = video_devices(details=False)
    for device in devices:
        if device.kind == "m2m" and driver in (device.driver, device.name):
            return device.path
    have = ", ".join(f"{d.path} ({d.driver or d.problem})" for d in devices if d.kind in ("m2m", "unknown")) or "none"
    raise make_error(2, "open", driver, f"no mem-to-mem device {driver!r}; this machine has: {have}")


def to_dict() -> dict[str, Any]:
    """Give all devices as plain data, ready for JSON."""
    from zcore._alloc import heaps

    return {
        "video": [asdict(device) for device in video_devices()],
        "displays": [asdict(device) for device in display_devices()],
        "allocators": [f"dma-heap:{name}" for name in heaps()]
        + (["udmabuf"] if os.path.exists("/dev/udmabuf") else []),
    }
