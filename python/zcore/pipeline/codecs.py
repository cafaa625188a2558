"""Elements that the devices of this machine give: an encoder or a decoder for each codec, more converters."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from zcore import devices
from zcore.formats import Format, find
from zcore.pipeline import present, stateless_elements
from zcore.pipeline.device_elements import CONVERT_PROPERTIES, RAW, SHARED, V4L2CONVERT, m2m_properties
from zcore.pipeline.errors import listing, nearest
from zcore.pipeline.factory import Factory, filters

CODECS = {
    "fwht": ("FWHT", ("FWHT",)),
    "h263": ("H.263", ("H263",)),
    "h264": ("H.264", ("H264",)),
    "h265": ("H.265", ("HEVC",)),
    "jpeg": ("JPEG", ("MJPEG", "JPEG")),
    "mpeg2": ("MPEG2", ("MPEG2", "MPEG1")),
    "mpeg4": ("MPEG4", ("MPEG4",)),
    "vc1": ("VC1", ("VC1_ANNEX_G", "VC1_ANNEX_L")),
    "vp8": ("VP8", ("VP8",)),
    "vp9": ("VP9", ("VP9",)),
    "av1": ("AV1", ("AV1",)),
}
"""Name in the element's name: name for people, names of the formats."""

_OF_FORMAT = {fmt: codec for codec, (_, formats) in CODECS.items() for fmt in formats}
_element = re.compile(r"v4l2(?:(video\d+)(?=[a-z]))?([a-z0-9]*?)(enc|dec|convert)", re.ASCII)


def is_codec(name: str) -> bool:
    """Tell whether a name is built like those of these elements."""
    return _element.fullmatch(name) is not None


def factories() -> list[Factory]:
    """Look at the devices of this machine.

    The first device of a kind gets the plain name, ``v4l2h264enc``; others have their node in it, as GStreamer names
    them: ``v4l2video3h264enc``.
    """
    found: dict[str, Factory] = {}
    seen: set[str] = set()
    for device in devices.codec_devices():
        codec = _OF_FORMAT.get(device.format.name)
        seen.add(device.path)
        if codec is None:
            continue
        plain = f"v4l2{codec}{device.kind}"
        made = _codec(plain, device.kind, codec, device.path, device.format)
        if plain in found and found[plain].device != device.path:
            made = replace(made, name=f"v4l2{os.path.basename(device.path)}{codec}{device.kind}")
        found.setdefault(made.name, made)
    converters = [d for d in devices.video_devices() if d.path not in seen and present.is_converter(d)]
    for converter in converters[1:]:
        made = _converter(f"v4l2{os.path.basename(converter.path)}convert", converter.path)
        found[made.name] = made
    return [*found.values(), *stateless_elements.factories()]


def on_any_device(name: str) -> Factory | None:
    """Make the factory of a codec whose device is named in the pipeline; ``None`` where there is no such codec."""
    found = _element.fullmatch(name)
    if found is not None and name[4:6] == "sl" and found[2][2:] in stateless_elements.CODECS and found[3] == "dec":
        return stateless_elements.factory(found[2][2:])
    if found is None or found[1] or found[2] not in CODECS or found[3] == "convert":
        return None
    return _codec(name, found[3], found[2], "")


def missing(name: str, have: Sequence[str]) -> str:
    """Say that this machine has no such element, and which it has."""
    found = _element.fullmatch(name)
    assert found is not None
    what = "no such converter" if found[3] == "convert" else "no device for this codec"
    if found[3] != "convert" and found[2] not in CODECS:
        hint = nearest(name, [*have, *(f"v4l2{codec}{found[3]}" for codec in CODECS)])
        return f"no element {name!r}{hint}; the codecs of V4L2 are {listing(CODECS)}"
    return f"no element {name!r}: this machine has {what}{nearest(name, have)}; it has {listing(sorted(have))}"


def _codec(name: str, kind: str, codec: str, path: str, format: Format | None = None) -> Factory:
    title, names = CODECS[codec]
    formats = [format] if format is not None else [find(one) for one in names]
    coded = tuple(dict.fromkeys(present.media(one) for one in formats))
    encodes = kind == "enc"
    meaning = f"device node; left out: {path}" if path else "device node"
    return Factory(
        name,
        f"V4L2 {title} {'Encoder' if encodes else 'Decoder'}",
        f"Codec/{'Encoder' if encodes else 'Decoder'}/Video/Hardware",
        f"{'Encodes' if encodes else 'Decodes'} {title} with a V4L2 mem-to-mem device",
        "zcore.stages.encode:Encode" if encodes else "zcore.stages.codec:Decode",
        filters((SHARED, RAW), coded) if encodes else filters(coded, (SHARED, RAW)),
        m2m_properties(meaning),
        partial(_arguments, path, formats[0]),
        partial(present.one, path, {"src" if encodes else "sink": coded[0]}) if path else None,
        device=path,
    )


def _arguments(path: str, codec: Format, given: dict[str, Any]) -> dict[str, Any]:
    return {"device": path, "codec": codec, **given}


def _converter(name: str, path: str) -> Factory:
    return Factory(
        name,
        V4L2CONVERT.long_name,
        V4L2CONVERT.klass,
        V4L2CONVERT.description,
        V4L2CONVERT.stage,
        V4L2CONVERT.pads,
        (*m2m_properties(f"device node; left out: {path}"), *CONVERT_PROPERTIES),
        lambda given: {"device": path, **given},
        partial(present.one, path),
        device=path,
    )
