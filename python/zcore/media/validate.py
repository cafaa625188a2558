"""Whether a pipeline of a media graph may start: the rules by which the kernel answers STREAMON with EPIPE."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from zcore._subdev import formats_of_code
from zcore._v4l2_device import V4l2Device
from zcore.formats import fourcc_str
from zcore.media.codes import code_name
from zcore.media.graph import Entity, Link, MediaDevice, Pad

CAP_IO_MC = 0x20000000  # V4L2_CAP_IO_MC
FIELD_NONE = 1  # V4L2_FIELD_NONE
FIELDS = (
    "any",
    "none",
    "top",
    "bottom",
    "interlaced",
    "seq-tb",
    "seq-bt",
    "alternate",
    "interlaced-tb",
    "interlaced-bt",
)
COLORIMETRY = ("colorspace", "ycbcr_enc", "quantization", "xfer_func")


@dataclass(frozen=True)
class Mismatch:
    """A link over which a stream cannot start: both pads, and what each of them says."""

    source: str
    sink: str
    gives: str
    takes: str

    def __str__(self) -> str:
        if not self.source:
            return f"{self.sink} {self.takes}"
        return f"{self.source} gives {self.gives}, but {self.sink} takes {self.takes}"


class VideoFormat(NamedTuple):
    """What a video node is set to, in the words of a pad; ``fits`` tells whether its fourcc can hold a code."""

    width: int
    height: int
    fourcc: int
    field: int
    colorimetry: tuple[int, ...]
    allowed: dict[int, list[int]] | None  # code -> fourccs; None where the driver does not tell


def capture_queue(capabilities: int) -> int:
    """Buffer type of the queue of a video node."""
    from zcore.stages.v4l2_pad import capture_type, output_type

    return capture_type(capabilities) or output_type(capabilities) or 1


def read_video(path: str, codes: tuple[int, ...] = ()) -> VideoFormat:
    """Read what a video node is set to, and which fourccs it has for some codes of the media bus."""
    with V4l2Device(path) as device:
        type = capture_queue(device.capabilities)
        now = device.get_format(type)
        allowed = None
        if device.capabilities & CAP_IO_MC:
            allowed = {code: formats_of_code(device, type, code) for code in codes}
    return VideoFormat(
        now.width, now.height, now.fourcc, now.field,
        (now.colorspace, now.ycbcr_enc, now.quantization, now.xfer_func), allowed,
    )  # fmt: skip


def pipeline_links(start: Entity) -> list[Link]:
    """List the enabled links that are started together with an entity, as the kernel does it.

    That is more than the way to the sensor: a pad that feeds two links starts both.
    """
    seen: set[Pad] = set()
    found: dict[Link, None] = {}
    todo = list(start.pads)
    while todo:
        pad = todo.pop()
        if pad in seen:
            continue
        seen.add(pad)
        todo += [other for other in pad.entity.pads if other.is_sink != pad.is_sink]
        for link in pad.links:
            if link.enabled:
                found[link] = None
                todo.append(link.source if link.sink is pad else link.sink)
    return list(found)


def validate(media: MediaDevice, entity: str | Entity) -> list[Mismatch]:
    """Find what keeps a stream from starting.

    The rules are those of v4l2_subdev_link_validate_default() and of media_pipeline_start(): over each enabled link
    width, height and code must be the same at both pads, and so must the field order unless the sink pad says
    ``none``; a pad that must be connected needs an enabled link. Drivers may have rules of their own besides; where
    the others hold, colorimetry that differs is told.

    Parameters
    ----------
    media : MediaDevice
        Read anew here, because somebody else may have changed it.
    entity : str or Entity
        The video node that is to stream, by its name or path.

    Returns
    -------
    list of Mismatch
        Empty where nothing is wrong.
    """
    media.refresh()
    start = media.entity(entity.name if isinstance(entity, Entity) else entity)
    links = pipeline_links(start)
    found: list[Mismatch] = []
    soft: list[Mismatch] = []
    for link in sorted(links, key=lambda one: one.id):
        for hard, mismatch in check_link(link):
            (found if hard else soft).append(mismatch)
    pads = {pad for link in links for end in (link.source, link.sink) for pad in end.entity.pads} | set(start.pads)
    for pad in sorted(pads, key=lambda one: one.id):
        if pad.must_connect and not any(link.enabled for link in pad.links):
            found.append(Mismatch("", str(pad), "", "must be connected and has no enabled link"))
    return found or soft


def check_link(link: Link) -> Iterator[tuple[bool, Mismatch]]:
    """Compare both ends of a link; gives mismatches, and whether the kernel's own rules forbid them."""
    if link.source.entity.subdev_path is None:
        return  # an output's video node, or a part whose formats nobody can read
    gives = link.source.format()
    given = f"{code_name(gives.code)}/{gives.width}x{gives.height}"
    path = link.sink.entity.video_path
    colorimetry: tuple[int, ...]
    if link.sink.entity.subdev_path is not None:
        takes = link.sink.format()
        wrong = takes.code != gives.code
        taken = f"{code_name(takes.code)}/{takes.width}x{takes.height}"
        width, height, field, colorimetry = takes.width, takes.height, takes.field, takes[4:]
    elif path is not None:
        video = read_video(path, (gives.code,))
        wrong = video.allowed is not None and video.fourcc not in video.allowed[gives.code]
        taken = f"{fourcc_str(video.fourcc)}/{video.width}x{video.height}"
        if wrong and video.allowed is not None:
            fit = ", ".join(map(fourcc_str, video.allowed[gives.code]))
            taken += f" ({path} can hold {code_name(gives.code)} as {fit or 'nothing'})"
        width, height, field, colorimetry = video.width, video.height, video.field, video.colorimetry
    else:
        return
    ends = str(link.source), str(link.sink)
    if wrong or (width, height) != (gives.width, gives.height):
        yield True, Mismatch(*ends, given, taken)
    elif field not in (gives.field, FIELD_NONE):
        yield True, Mismatch(*ends, f"field {field_name(gives.field)}", f"field {field_name(field)}")
    for name, here, there in zip(COLORIMETRY, gives[4:], colorimetry, strict=True):
        if here and there and here != there:
            yield False, Mismatch(*ends, f"{name} {here}", f"{name} {there}")


def field_name(number: int) -> str:
    """Name a V4L2_FIELD_*."""
    return FIELDS[number] if number < len(FIELDS) else str(number)


def explain_pipeline(path: str) -> str:
    """Say why STREAMON of a video node was refused; empty where its graph has nothing to say about it."""
    from zcore.media.find import media_device_of

    try:
        media = media_device_of(path)
        return "; ".join(map(str, validate(media, path)))
    except (OSError, KeyError, RuntimeError):
        return ""  # the first error is the one to tell
