"""What the devices of this machine grant at the pads of their elements, as caps."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from zcore import devices
from zcore.devices import FormatInfo, VideoDevice
from zcore.formats import FORMATS, Format, UnknownFormatError, by_drm, by_v4l2, fourcc
from zcore.pipeline.factory import Grant

_range = re.compile(r"(\d+)x(\d+) to (\d+)x(\d+) step (\d+)x(\d+)")
_point = re.compile(r"(\d+)x(\d+)")
MPEG_VERSIONS = {"MPEG1": 1, "MPEG2": 2, "MPEG4": 4}


def coded_media() -> list[str]:
    """List the media types of all coded formats that have one."""
    return list(dict.fromkeys(media(fmt) for fmt in FORMATS if fmt.coded and fmt.gst))


def media(fmt: Format) -> str:
    """Give the caps of a format without size and rate; empty where GStreamer has no name for it."""
    if not fmt.gst:
        return ""
    if fmt.coded:
        version = MPEG_VERSIONS.get(fmt.name)
        return fmt.gst + (f", mpegversion={version}" if version and fmt.gst == "video/mpeg" else "")
    kind = "video/x-bayer" if fmt.family.value == "bayer" else "video/x-raw"
    return f"{kind}, format={fmt.gst}"


def _format(info: FormatInfo) -> Format | None:
    try:
        return by_v4l2(fourcc(info.fourcc) if not info.fourcc.startswith("0x") else int(info.fourcc, 16))
    except (UnknownFormatError, ValueError):
        return None


def _sizes(info: FormatInfo) -> list[str]:
    """Turn the sizes of a format into fields of caps; one empty text where there are none."""
    found = []
    for text in info.sizes:
        if span := _range.fullmatch(text):
            w, h, x, y, step_x, step_y = span.groups()
            found.append(f", width={_span(w, x, step_x)}, height={_span(h, y, step_y)}")
        elif point := _point.fullmatch(text):
            found.append(f", width={point[1]}, height={point[2]}")
    return found or [""]


def _span(low: str, high: str, step: str) -> str:
    if low == high:
        return low
    step = step if int(step) > 1 and int(low) % int(step) == 0 and int(high) % int(step) == 0 else ""
    return f"[ {low}, {high}{', ' if step else ''}{step} ]"


def _queue(formats: Iterable[FormatInfo], memory: list[str]) -> tuple[str, ...]:
    found: list[str] = []
    shared = bool({"export", "dmabuf"} & set(memory))
    for info in formats:
        fmt = _format(info)
        if fmt is None or not media(fmt):
            continue
        for size in _sizes(info):
            if shared and fmt.drm is not None and not fmt.coded:
                found.append(f"video/x-raw(memory:DMABuf), format=DMA_DRM, drm-format={_drm(fmt)}{size}")
            found.append(media(fmt) + size)
    return tuple(dict.fromkeys(found))


def _drm(fmt: Format) -> str:
    from zcore.formats import drm_str

    assert fmt.drm is not None
    text = drm_str(fmt.drm, fmt.modifier)
    return f'"{text}"' if " " in text else text


def grants(device: VideoDevice) -> list[Grant]:
    """Tell what a V4L2 device grants at its pads: OUTPUT is the sink pad, CAPTURE the source pad."""
    found = []
    for pad, side, formats in (("sink", "output", device.output_formats), ("src", "capture", device.capture_formats)):
        caps = _queue(formats, device.memory.get(side, []))
        if caps:
            found.append(Grant(pad, device.path, caps))
    return found


def _devices(wanted: Callable[[VideoDevice], bool]) -> list[Grant]:
    return [grant for device in devices.video_devices() if wanted(device) for grant in grants(device)]


def captures() -> list[Grant]:
    """Look at all capture devices."""
    return _devices(lambda device: device.kind == "capture" and device.streaming)


def outputs() -> list[Grant]:
    """Look at all output devices."""
    return _devices(lambda device: device.kind == "output" and device.streaming)


def converters() -> list[Grant]:
    """Look at all mem-to-mem devices with pixels on both sides."""
    return _devices(is_converter)


def one(path: str, pads: dict[str, str] | None = None) -> list[Grant]:
    """Look at one device; `pads` keeps the caps of a pad that begin so."""
    found = _devices(lambda device: device.path == path)
    if not pads:
        return found
    kept = []
    for grant in found:
        start = pads.get(grant.pad, "")
        caps = tuple(text for text in grant.caps if text.startswith(start))
        kept.append(Grant(grant.pad, grant.device, caps))
    return kept


def is_converter(device: VideoDevice) -> bool:
    """Tell whether a device has pixels on both sides."""
    return device.kind == "m2m" and device.streaming and _raw(device.output_formats) and _raw(device.capture_formats)


def _raw(formats: Iterable[FormatInfo]) -> bool:
    return any(fmt is not None and not fmt.coded for fmt in map(_format, formats))


def displays() -> list[Grant]:
    """Look at the planes of all cards with a display that is connected."""
    found = []
    for card in devices.display_devices():
        if card.problem or not any(one["connected"] for one in card.connectors):
            continue
        caps: list[str] = []
        for plane in card.planes:
            for name, modifiers in plane.formats.items():
                caps += _plane_caps(name, modifiers)
        found.append(Grant("sink", card.path, tuple(dict.fromkeys(caps))))
    return found


def _plane_caps(name: str, modifiers: list[str]) -> list[str]:
    try:
        fmt = by_drm(fourcc(name) if not name.startswith("0x") else int(name, 16))
    except (UnknownFormatError, ValueError):
        return []
    found = []
    if not modifiers or "LINEAR" in modifiers:
        found.append(f"video/x-raw(memory:DMABuf), format=DMA_DRM, drm-format={_drm(fmt)}")
        if fmt.gst:
            found.append(f"video/x-raw, format={fmt.gst}")
    return found
