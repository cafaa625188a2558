"""The argument ``media`` of a capture stage: how its graph is to be set up."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from zcore.errors import DeviceError
from zcore.formats import Format
from zcore.media.camera import CameraSetup, configure_camera
from zcore.media.codes import code_of
from zcore.media.find import media_device_of
from zcore.media.text import apply_formats, apply_links, parse_formats, parse_links
from zcore.media.validate import explain_pipeline

_KEYS = ("code", "sensor_size", "source", "rate", "links", "formats")
MediaWish = str | Mapping[str, Any] | bool | None


def check_wish(media: MediaWish) -> dict[str, Any] | None:
    """Read the argument, before any device is opened.

    Parameters
    ----------
    media : str, mapping, bool or None
        ``True``: whatever goes all the way. ``SRGGB8_1X8/640x480``: what the sensor sends. Texts for ``media-ctl``: to
        be set as they are. A mapping has ``code``, ``sensor_size``, ``source``, ``rate`` as
        :func:`zcore.configure_camera`, or the texts ``links`` and ``formats``.
    """
    if media is None or media is False:
        return None
    if media is True:
        return {}
    if isinstance(media, str):
        if "[" in media:
            kind = "links" if "->" in media else "formats"
            media = {kind: media}
        else:
            found = re.fullmatch(r"\s*(?:(\w+?)/)?(\d+)x(\d+)\s*|\s*(\w+)\s*", media)
            if found is None:
                raise ValueError(f"media is a text such as 'SRGGB8_1X8/640x480', not {media!r}")
            media = {"code": found[1] or found[4]}
            if found[2]:
                media["sensor_size"] = (int(found[2]), int(found[3]))
    wish = dict(media)
    for key in wish:
        if key not in _KEYS:
            raise ValueError(f"media has {', '.join(_KEYS)}; there is no {key!r}")
    if wish.get("code") is not None:
        code_of(wish["code"])
    if "links" in wish:
        parse_links(wish["links"])
    if "formats" in wish:
        parse_formats(wish["formats"])
    return wish


def set_up(path: str, wish: dict[str, Any], size: tuple[int, int] | None, format: Format | None) -> CameraSetup | None:
    """Set up the graph behind a video node; ``None`` where the user's own texts did it."""
    if "links" in wish or "formats" in wish:
        media = media_device_of(path)
        if "links" in wish:
            apply_links(media, wish["links"])
        if "formats" in wish:
            apply_formats(media, wish["formats"])
        return None
    sensor = wish.get("sensor_size")
    return configure_camera(
        path, size or sensor, format=format, code=wish.get("code"), source=wish.get("source"), sensor_size=sensor,
        rate=wish.get("rate"),
    )  # fmt: skip


def explained(error: DeviceError, path: str) -> DeviceError:
    """Say which pads disagree, where that is why a stream was not started (EPIPE), or what is not connected."""
    if error.errno in (32, 67):
        why = explain_pipeline(path)
        if why:
            error.cause = f"the media graph behind the device does not fit together: {why}"
            error.cure = "set it up with Capture(media=...), zcore.configure_camera() or 'zcore media'"
    return error
