"""Set up the graph behind a camera: the way from a sensor to a video node, its links, and one format along it."""

from __future__ import annotations

import heapq
import itertools
from dataclasses import dataclass, field
from fractions import Fraction

from zcore._subdev import MbusFormat, Route, formats_of_code
from zcore._v4l2_device import V4l2Device
from zcore.errors import ChainError, DeviceBusyError, NegotiationError
from zcore.formats import Format, UnknownFormatError, by_v4l2, find, fourcc_str
from zcore.media.codes import code_name, code_of
from zcore.media.find import media_device_of
from zcore.media.graph import Entity, Link, MediaDevice, Pad
from zcore.media.validate import CAP_IO_MC, capture_queue, pipeline_links, validate

MOST_TRIES = 256  # formats that are tried on the way; a graph that refuses so many fits nothing


class _Unfit(Exception):
    """A format that does not go all the way."""


@dataclass
class CameraSetup:
    """What :func:`configure_camera` has set. Print it to get the lines for ``media-ctl -l`` and ``media-ctl -V``."""

    media: str
    device: str
    source: str
    format: str
    size: tuple[int, int]
    links: list[str] = field(default_factory=list)
    formats: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        lines = [f"{self.media}: {self.source} to {self.device}, {self.format} {self.size[0]}x{self.size[1]}"]
        return "\n".join([*lines, *(f"  {text}" for text in (*self.links, *self.formats, *self.notes))])


def way_to(media: MediaDevice, video: Entity, source: str | None = None) -> list[Link]:
    """Find the way from a sensor to a video node: the one for which the fewest links have to be enabled.

    Parameters
    ----------
    media : MediaDevice
        The graph.
    video : Entity
        Where the way ends.
    source : str, optional
        Where it begins; left out: wherever is nearest.

    Returns
    -------
    list of Link
        From the sensor on.
    """
    start = media.entity(source) if source is not None else None
    numbers = itertools.count()
    heap: list[tuple[int, int, int, Pad, tuple[Link, ...]]] = [(0, 0, next(numbers), pad, ()) for pad in video.sinks]
    ends: set[str] = set()
    seen: set[Pad] = set()
    while heap:
        cost, length, _, pad, way = heapq.heappop(heap)
        if not pad.is_sink:  # arrived at a pad that nothing inside leads to
            ends.add(str(pad.entity))
            if start is None or pad.entity is start:
                return list(way)
            continue
        if pad in seen:
            continue
        seen.add(pad)
        for link in pad.links:
            if link.sink is not pad:
                continue
            onward = (link, *way)
            more = cost + (not link.enabled)
            inner = _leading_to(link.source)
            if start is link.source.entity or not inner:
                heapq.heappush(heap, (more, length + 1, next(numbers), link.source, onward))
            for sink in inner:
                heapq.heappush(heap, (more, length + 1, next(numbers), sink, onward))
    if start is not None:
        raise ChainError(
            f"{media.path}: nothing leads from {start} to {video}; its ways begin at {', '.join(ends) or 'none'}"
        )
    raise ChainError(
        f"{media.path}: no link leads to {video}: its driver sets up what is behind it by itself; "
        "use Capture without media="
    )


def _leading_to(source: Pad) -> list[Pad]:
    """Sink pads of the same entity from which data come to a source pad."""
    sinks = source.entity.sinks
    if len(sinks) < 2 or source.entity.subdev_path is None:
        return sinks
    with source.subdev() as device:
        routes: list[Route] | None = device.routes()
    if not routes:
        return sinks
    routed = {route.sink_pad for route in routes if route.source_pad == source.index and route.flags & 1}
    return [pad for pad in sinks if pad.index in routed] or sinks


def configure_camera(
    device: str,
    size: tuple[int, int] | None = None,
    *,
    format: str | Format | None = None,
    code: str | int | None = None,
    source: str | None = None,
    sensor_size: tuple[int, int] | None = None,
    rate: float | Fraction | None = None,
) -> CameraSetup:
    """Set links and formats from a sensor to a video node, so that the node can be captured from.

    The links of the way are enabled, those that would lead something else into the same pads are disabled. The format
    is set pad by pad from the sensor on, and what each driver granted is what the next pad is asked for. What branches
    off is set to the same, because the kernel starts it too. At the end the kernel's rules are checked.

    Parameters
    ----------
    device : str
        The video node, such as ``/dev/video2``.
    size : (int, int), optional
        Pixels that the video node gives; left out: what the sensor is set to.
    format : str or Format, optional
        Pixel format of the video node; left out: the first that goes with the code.
    code : str or int, optional
        What the sensor sends, such as ``SRGGB8_1X8``; left out: what it sends now, or else the first of its codes that
        goes all the way.
    source : str, optional
        Name of the entity to begin with, such as ``Sensor B``.
    sensor_size : (int, int), optional
        Pixels that the sensor sends, where something behind it crops or scales; left out: `size`.
    rate : float or Fraction, optional
        Frames per second of the sensor.

    Returns
    -------
    CameraSetup
        What was set; ``format`` and ``size`` are what to give to :class:`zcore.Capture`.

    Raises
    ------
    NegotiationError
        Nothing goes all the way; names the pads that disagree.
    ChainError
        No media device, or no way from that source.
    DeviceError
        A driver refused; EBUSY: a part of the graph streams.
    """
    wanted = find(format) if format is not None else None
    first = code_of(code) if code is not None else None
    media = media_device_of(device)
    video = media.entity(device)
    way = way_to(media, video, source)
    setup = CameraSetup(media.path, device, way[0].source.entity.name, "", (0, 0))
    _connect(media, way, setup)
    _run(media, video, way, setup, _Walk(way, device, size, wanted), first, sensor_size)
    if rate is not None:
        _set_rate(way[0].source, Fraction(rate).limit_denominator(1001), setup)
    return setup


def _run(
    media: MediaDevice,
    video: Entity,
    way: list[Link],
    setup: CameraSetup,
    walk: _Walk,
    code: int | None,
    sensor_size: tuple[int, int] | None,
) -> None:
    """Try what the sensor can send, until one goes all the way and everything beside the way agrees to it as well."""
    for choice in [code] if code is not None else walk.first_codes():
        fourcc = walk.run(choice, sensor_size)
        if fourcc is None:
            continue
        setup.formats, setup.notes = list(walk.set), []
        setup.format, setup.size = fourcc_str(fourcc), walk.size
        _follow_branches(video, way, setup)
        wrong = validate(media, video)
        if not wrong:
            return
        walk.reasons.append(f"with {code_name(choice)} {'; '.join(map(str, wrong))}")
        way[:] = [media.link(media.pad(one.source.entity.name, one.source.index),
                             media.pad(one.sink.entity.name, one.sink.index)) for one in way]  # fmt: skip
        video = media.entity(video.name)
    lines = "\n  ".join(dict.fromkeys(walk.reasons))
    raise NegotiationError(
        f"{media.path}: nothing that {way[0].source} sends goes all the way to {walk.device}:\n  {lines}"
    )


def _connect(media: MediaDevice, way: list[Link], setup: CameraSetup) -> None:
    for link in way:
        for rival in link.sink.links:
            if rival.sink is link.sink and rival is not link and rival.enabled and not rival.immutable:
                media.set_link(rival, False)
                setup.links.append(str(rival))
    for link in way:
        media.set_link(link, True)
        setup.links.append(str(link))


class _Walk:
    """Set one format along a way, and go back where it does not go on."""

    def __init__(self, way: list[Link], device: str, size: tuple[int, int] | None, wanted: Format | None):
        self.way = way
        self.device = device
        self.wish = size
        self.wanted = wanted
        self.tries = 0
        self.set: list[str] = []
        self.size = (0, 0)
        self.reasons: list[str] = []

    def first_codes(self) -> list[int]:
        """List what the sensor can send, what it sends now first."""
        return self._codes(self.way[0].source, self.way[0].source.format())

    def run(self, code: int, sensor_size: tuple[int, int] | None) -> int | None:
        """Let the sensor send one code; gives the fourcc of the video node, ``None`` where it does not go that far."""
        pad = self.way[0].source
        now = pad.format()
        self.set = []
        return self._through(pad, [code], sensor_size or self.wish or (now.width, now.height), 0)

    def _codes(self, pad: Pad, now: MbusFormat) -> list[int]:
        with pad.subdev() as device:
            listed = device.codes(pad.index)
        return list(dict.fromkeys([now.code, *listed]))

    def _through(self, pad: Pad, codes: list[int], size: tuple[int, int], step: int) -> int | None:
        """Set a source pad to one code after the other, and what follows with it."""
        before = len(self.set)
        for code in codes:
            if self.tries >= MOST_TRIES:
                self.reasons.append(f"gave up after {MOST_TRIES} formats")
                return None
            self.tries += 1
            granted = pad.set_format(code, size)
            if granted.code != code:
                self.reasons.append(f"{pad} has no {code_name(code)} and answered with {code_name(granted.code)}")
                continue
            self.set.append(_text(pad, granted))
            try:
                return self._over(step, granted)
            except _Unfit as error:
                self.reasons.append(str(error))
            del self.set[before:]
        return None

    def _over(self, step: int, given: MbusFormat) -> int:
        """Take what a source pad gives over the link of this step, and go on."""
        link = self.way[step]
        size = given.width, given.height
        if step == len(self.way) - 1:
            return self._arrive(link, given)
        got = link.sink.set_format(given.code, size, field=given.field)
        if (got.width, got.height, got.code) != (*size, given.code):
            raise _Unfit(f"{link.source} gives {_fmt(given)}, and {link.sink} answers with {_fmt(got)}")
        self.set.append(_text(link.sink, got))
        pad = self.way[step + 1].source
        now = pad.format()
        fourcc = self._through(pad, self._codes(pad, now), self.wish or (now.width, now.height), step + 1)
        if fourcc is None:
            raise _Unfit(f"behind {link.sink} nothing goes on from {_fmt(given)}")
        return fourcc

    def _arrive(self, link: Link, given: MbusFormat) -> int:
        size = given.width, given.height
        if self.wish is not None and size != tuple(self.wish):
            raise _Unfit(
                f"{link.source} gives {_fmt(given)} and not {self.wish[0]}x{self.wish[1]}: nothing on the way scales so"
            )
        fourcc = set_video(self.device, given, self.wanted)
        self.size = size
        return fourcc


def set_video(path: str, given: MbusFormat, wanted: Format | None = None) -> int:
    """Set a video node to what comes over its link; gives the fourcc. Raises _Unfit where it cannot hold that."""
    with V4l2Device(path) as device:
        type = capture_queue(device.capabilities)
        if device.capabilities & CAP_IO_MC:
            listed = formats_of_code(device, type, given.code)
        else:
            listed = [code for code, _, _ in device.formats(type)]
        known = [code for code in listed if _known(code, wanted)]
        for code in known:
            got = device.set_format(type, given.width, given.height, code)
            if (got.width, got.height, got.fourcc) == (given.width, given.height, code):
                return int(code)
    what = f"{wanted} " if wanted is not None else ""
    have = ", ".join(map(fourcc_str, listed)) or "nothing"
    raise _Unfit(f"{path} cannot hold {_fmt(given)} as {what or 'a format that zcore knows'} (it has {have})")


def _known(code: int, wanted: Format | None) -> bool:
    try:
        return wanted is None or by_v4l2(code) == wanted
    except UnknownFormatError:
        return False


def _follow_branches(video: Entity, way: list[Link], setup: CameraSetup) -> None:
    """Set what hangs off the way to what it is given: the kernel starts it together with the rest."""
    done = set(way)
    todo = [link.source for link in way]
    while todo:
        pad = todo.pop(0)
        for link in pad.links:
            if link.source is not pad or not link.enabled or link in done:
                continue
            done.add(link)
            sink = link.sink
            try:
                given = pad.format()
                if sink.entity.subdev_path is not None:
                    got = sink.set_format(given.code, (given.width, given.height), field=given.field)
                    setup.formats.append(_text(sink, got))
                    todo += sink.entity.sources
                elif sink.entity.video_path is not None:
                    fourcc = set_video(sink.entity.video_path, given)
                    setup.notes.append(f"{sink.entity.video_path} branches off: {fourcc_str(fourcc)}")
            except (_Unfit, DeviceBusyError) as error:
                setup.notes.append(f"{sink} branches off and was left as it is: {error}")
    # Rivals far from the way do not matter: what is not started together is not checked together.
    setup.notes += [f"{link} is started too" for link in pipeline_links(video) if link not in done]


def _set_rate(pad: Pad, rate: Fraction, setup: CameraSetup) -> None:
    with pad.subdev() as device:
        if device.frame_interval(pad.index) is None:
            raise NegotiationError(
                f"{pad} has no frame interval to set: its driver takes the rate from controls (vertical blanking)"
            )
        got = device.frame_interval(pad.index, (rate.denominator, rate.numerator))
    if got is not None:
        setup.notes.append(f"{pad} @{got[0]}/{got[1]}")


def _fmt(one: MbusFormat) -> str:
    return f"{code_name(one.code)}/{one.width}x{one.height}"


def _text(pad: Pad, one: MbusFormat) -> str:
    return f"{pad} [fmt:{_fmt(one)}]"
