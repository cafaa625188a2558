"""Elements for stateless decoders, by the names of GStreamer's v4l2codecs: v4l2slh264dec and the like."""

from __future__ import annotations

import os
from dataclasses import replace
from functools import partial
from typing import Any

from zcore.formats import Format, find
from zcore.pipeline import present
from zcore.pipeline.common import device_facts
from zcore.pipeline.device_elements import RAW, SHARED
from zcore.pipeline.factory import Factory, filters
from zcore.pipeline.properties import Property
from zcore.pipeline.property_types import STRING

CODECS = {
    "fwht": ("FWHT", "FWHT"), "h264": ("H.264", "H264"), "h265": ("H.265", "HEVC"), "mpeg2": ("MPEG-2", "MPEG2"),
    "vp8": ("VP8", "VP8"), "vp9": ("VP9", "VP9"), "av1": ("AV1", "AV1"),
}  # fmt: skip
"""Name in the element's name: name for people, name of the format."""

_OF_FORMAT = {fmt: codec for codec, (_, fmt) in CODECS.items()}


def factories() -> list[Factory]:
    """Look at the devices of this machine: the first of a codec gets the plain name."""
    from zcore.stages.stateless_codecs import stateless_devices

    found: dict[str, Factory] = {}
    for path, _, _, fmt in stateless_devices():
        made = factory(_OF_FORMAT[fmt.name], path)
        if made.name in found:
            made = replace(made, name=f"v4l2sl{os.path.basename(path)}{_OF_FORMAT[fmt.name]}dec")
        found.setdefault(made.name, made)
    return list(found.values())


def factory(codec: str, path: str = "") -> Factory:
    """Make the factory of a codec; without a path its device is to be named in the pipeline."""
    title, name = CODECS[codec]
    fmt = find(name)
    media = present.media(fmt)
    return Factory(
        f"v4l2sl{codec}dec",
        f"V4L2 Stateless {title} Decoder",
        "Codec/Decoder/Video/Hardware",
        f"Decodes {title} with a stateless V4L2 decoder (request API)",
        "zcore.stages.stateless:StatelessDecode",
        filters((media,), (SHARED, RAW)),
        (
            Property("device", STRING, None, f"device node; left out: {path}" if path else "device node"),
            *device_facts(),
            Property("media", STRING, None, "its media device; left out: found"),
        ),
        partial(_arguments, path, fmt),
        None,
        device=path,
    )


def _arguments(path: str, codec: Format, given: dict[str, Any]) -> dict[str, Any]:
    return {"device": path or None, "codec": codec, **given}
