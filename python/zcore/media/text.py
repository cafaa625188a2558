"""The text in which ``media-ctl`` takes formats and links, so that lines that work there work here."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from zcore.errors import ChainError
from zcore.media.codes import CODES, code_name, code_of
from zcore.media.graph import Link, MediaDevice, Pad
from zcore.media.validate import FIELDS, field_name

COLORSPACES = {
    "smpte170m": 1, "smpte240m": 2, "rec709": 3, "470m": 5, "470bg": 6, "jpeg": 7, "srgb": 8, "oprgb": 9, "bt2020": 10,
    "raw": 11, "dcip3": 12,
}  # fmt: skip
XFER = {"709": 1, "srgb": 2, "oprgb": 3, "smpte240m": 4, "none": 5, "dcip3": 6, "smpte2084": 7}
YCBCR = {
    "601": 1, "709": 2, "xv601": 3, "xv709": 4, "bt2020": 6, "bt2020c": 7, "smpte240m": 8,
}  # fmt: skip
QUANTIZATION = {"full-range": 1, "lim-range": 2}
TARGETS = {"crop": 0x0, "compose": 0x100}  # V4L2_SEL_TGT_*
BOUNDS = {"crop.bounds": 0x2, "compose.bounds": 0x102}
_WORDS = {
    "field": {name: number for number, name in enumerate(FIELDS)},
    "colorspace": COLORSPACES,
    "xfer": XFER,
    "ycbcr": YCBCR,
    "quantization": QUANTIZATION,
}
_ARGUMENTS = {"field": "field", "colorspace": "colorspace", "xfer": "xfer_func", "ycbcr": "ycbcr_enc",
              "quantization": "quantization"}  # fmt: skip
_SHORT = {"YUYV": "YUYV8_1X16", "UYVY": "UYVY8_1X16"}  # media-ctl's own

_PAD = re.compile(
    r"""\s*(?:"(?P<double>[^"]*)"|'(?P<single>[^']*)'|(?P<id>\d+))\s*:\s*(?P<pad>\d+)(?:/(?P<stream>\d+))?"""
)
_SIZE = re.compile(r"(\d+)[xX*](\d+)")
_RECTANGLE = re.compile(r"\(\s*(-?\d+)\s*,\s*(-?\d+)\s*\)\s*/\s*(\d+)[xX*](\d+)")


class MediaTextError(ChainError, ValueError):
    """A text for links or formats has a mistake; shows where."""


@dataclass
class PadSetting:
    """What one entry of a text sets: everything that it left out stays ``None``."""

    name: str | int
    pad: int
    stream: int = 0
    code: int | None = None
    size: tuple[int, int] | None = None
    more: dict[str, int] = field(default_factory=dict)
    rectangles: dict[str, tuple[int, int, int, int]] = field(default_factory=dict)
    interval: tuple[int, int] | None = None


class _Reader:
    def __init__(self, text: str):
        self.text = text
        self.at = 0

    def fail(self, why: str, at: int | None = None) -> MediaTextError:
        place = self.at if at is None else at
        return MediaTextError(f"{why}\n  {self.text}\n  {' ' * place}^")

    def blank(self) -> None:
        while self.at < len(self.text) and self.text[self.at].isspace():
            self.at += 1

    def take(self, pattern: re.Pattern[str], what: str) -> re.Match[str]:
        found = pattern.match(self.text, self.at)
        if found is None:
            self.blank()
            raise self.fail(f"expected {what}")
        self.at = found.end()
        return found

    def has(self, word: str) -> bool:
        self.blank()
        if self.text.startswith(word, self.at):
            self.at += len(word)
            return True
        return False

    def need(self, word: str) -> None:
        if not self.has(word):
            raise self.fail(f"expected {word!r}")

    @property
    def done(self) -> bool:
        self.blank()
        return self.at >= len(self.text)

    def pad(self) -> tuple[str | int, int, int]:
        found = self.take(_PAD, "a pad, such as 'Scaler':0")
        name = found["double"] if found["double"] is not None else found["single"]
        return (int(found["id"]) if name is None else name, int(found["pad"]), int(found["stream"] or 0))


def parse_formats(text: str) -> list[PadSetting]:
    """Read ``'Sensor A':0 [fmt:SBGGR8_1X8/640x480 field:none], ...``."""
    reader, found = _Reader(text), []
    while True:
        setting = PadSetting(*reader.pad())
        reader.need("[")
        while not reader.has("]"):
            if reader.done:
                raise reader.fail("expected ']'")
            _property(reader, setting)
            reader.has(",")
        found.append(setting)
        if reader.done:
            return found
        reader.need(",")


def _property(reader: _Reader, setting: PadSetting) -> None:
    reader.blank()
    begin = reader.at
    if reader.has("@"):
        setting.interval = _interval(reader)
        return
    word = reader.take(re.compile(r"[a-z.]+"), "a property: fmt, field, crop, compose, interval, colorspace")[0]
    reader.need(":")
    if word == "fmt":
        name = reader.take(re.compile(r"\s*([A-Za-z0-9_]+)"), "a code, such as SRGGB8_1X8")
        try:
            setting.code = _code(name[1])
        except ValueError as error:
            raise reader.fail(str(error), name.start(1)) from None
        reader.need("/")
        size = reader.take(_SIZE, "a size, such as 640x480")
        setting.size = int(size[1]), int(size[2])
        if reader.has("@"):
            setting.interval = _interval(reader)
    elif word in TARGETS:
        values = reader.take(_RECTANGLE, "a rectangle, such as (0,0)/640x480")
        setting.rectangles[word] = (int(values[1]), int(values[2]), int(values[3]), int(values[4]))
    elif word in BOUNDS:
        reader.take(_RECTANGLE, "a rectangle")  # printed for information; nothing to set
    elif word == "interval":
        setting.interval = _interval(reader)
    elif word in _WORDS:
        value = reader.take(re.compile(r"\s*([a-z0-9-]+)"), f"a value of {word}")
        if value[1] not in _WORDS[word]:
            raise reader.fail(f"{word} is one of {', '.join(_WORDS[word])}", value.start(1))
        setting.more[_ARGUMENTS[word]] = _WORDS[word][value[1]]
    else:
        raise reader.fail(
            f"no property is named {word!r}; there are fmt, crop, compose, interval, {', '.join(_WORDS)}", begin
        )


def _interval(reader: _Reader) -> tuple[int, int]:
    found = reader.take(re.compile(r"\s*(\d+)\s*/\s*(\d+)"), "seconds per frame, such as 1/30")
    if not int(found[1]) or not int(found[2]):
        raise reader.fail("an interval is not 0", found.start(1))
    return int(found[1]), int(found[2])


def _code(name: str) -> int:
    """Find a code, also by the short names that media-ctl has: SBGGR8 is SBGGR8_1X8."""
    short = _SHORT.get(name.upper())
    bits = re.fullmatch(r"(S[BGR]{4}|Y)(\d+)", name.upper())
    if bits and f"{name.upper()}_1X{bits[2]}" in CODES:
        short = f"{name.upper()}_1X{bits[2]}"
    return code_of(short or name)


def parse_links(text: str) -> list[tuple[tuple[str | int, int], tuple[str | int, int], bool]]:
    """Read ``'Sensor A':0->'Debayer A':0[1], ...``: both pads and whether to enable."""
    reader, found = _Reader(text), []
    while True:
        source = reader.pad()[:2]
        reader.need("->")
        sink = reader.pad()[:2]
        reader.need("[")
        flag = reader.take(re.compile(r"\s*([01])"), "1 to enable or 0 to disable")
        reader.need("]")
        found.append((source, sink, flag[1] == "1"))
        if reader.done:
            return found
        reader.need(",")


def _pad(media: MediaDevice, name: str | int, index: int) -> Pad:
    try:
        if isinstance(name, int):
            name = next((entity.name for entity in media.entities if entity.id == name), str(name))
        return media.pad(name, index)
    except KeyError as error:
        raise ChainError(error.args[0]) from None


def apply_links(media: MediaDevice, text: str) -> list[Link]:
    """Enable and disable links as a text says, in its order; a mistake in the text changes nothing.

    Parameters
    ----------
    media : MediaDevice
        Where the links are.
    text : str
        As ``media-ctl -l`` takes it: ``"'Debayer A':1->'Scaler':0[1]"``, several with commas between them.

    Returns
    -------
    list of Link
        As they are now.

    Raises
    ------
    MediaTextError
        A mistake in the text, shown at its place.
    ChainError
        No such entity, pad or link.
    DeviceError
        The kernel refuses; see :meth:`MediaDevice.set_link`.
    """
    wanted = []
    for source, sink, enabled in parse_links(text):
        try:
            wanted.append((media.link(_pad(media, *source), _pad(media, *sink)), enabled))
        except KeyError as error:
            raise ChainError(error.args[0]) from None
    for link, enabled in wanted:
        media.set_link(link, enabled)
    return [link for link, _ in wanted]


def apply_formats(media: MediaDevice, text: str) -> list[str]:
    """Set formats, rectangles and intervals of pads as a text says, in its order.

    Parameters
    ----------
    media : MediaDevice
        Where the pads are.
    text : str
        As ``media-ctl -V`` takes it: ``"'Scaler':0 [fmt:RGB888_1X24/640x480 crop:(0,0)/320x240]"``.

    Returns
    -------
    list of str
        What each pad has now, in the same text; a driver may have granted something else.
    """
    settings = [(_pad(media, one.name, one.pad), one) for one in parse_formats(text)]
    return [_apply(pad, setting) for pad, setting in settings]


def _apply(pad: Pad, setting: PadSetting) -> str:
    with pad.subdev() as device:
        if setting.code is not None or setting.more:
            now = device.get_format(pad.index, stream=setting.stream)
            width, height = setting.size or (now.width, now.height)
            more: dict[str, Any] = dict(setting.more)
            code = now.code if setting.code is None else setting.code
            device.set_format(pad.index, width, height, code, stream=setting.stream, **more)
        for name, rectangle in setting.rectangles.items():
            device.selection(pad.index, TARGETS[name], rectangle, stream=setting.stream)
        if setting.interval is not None:
            device.frame_interval(pad.index, setting.interval, stream=setting.stream)
    return format_text(pad, stream=setting.stream)


def format_text(pad: Pad, *, stream: int = 0) -> str:
    """Tell what a pad is set to, as ``media-ctl`` takes it: ``'Scaler':0 [fmt:RGB888_1X24/640x480 field:none]``."""
    with pad.subdev() as device:
        now = device.get_format(pad.index, stream=stream)
        parts = [f"fmt:{code_name(now.code)}/{now.width}x{now.height}"]
        interval = device.frame_interval(pad.index, stream=stream)
        if interval is not None and all(interval):
            parts[0] += f"@{interval[0]}/{interval[1]}"
        if now.field:
            parts.append(f"field:{field_name(now.field)}")
        parts += [f"{word}:{name}" for word, value in (("colorspace", now.colorspace), ("xfer", now.xfer_func),
                  ("ycbcr", now.ycbcr_enc), ("quantization", now.quantization))
                  for name, number in _WORDS[word].items() if number == value]  # fmt: skip
        for word, target in TARGETS.items():
            rectangle = device.selection(pad.index, target, stream=stream)
            if rectangle is not None:
                parts.append(f"{word}:({rectangle[0]},{rectangle[1]})/{rectangle[2]}x{rectangle[3]}")
    where = f"{pad}/{stream}" if stream else str(pad)
    return f"{where} [{' '.join(parts)}]"
