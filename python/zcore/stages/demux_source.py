"""Coded frames out of files and from the network, as they are."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any

from zcore._chain import Link, Node
from zcore._cpu_nodes import PythonNode
from zcore._frame import Frame
from zcore.errors import ChainError, NegotiationError
from zcore.formats import Format, find
from zcore.stages.base import LinkCaps, Sizes, SourceMixin, Stage
from zcore.stages.coded_stream import KEYFRAME, PFRAME
from zcore.stages.cpu_pads import MemoryPad, software_caps
from zcore.stages.ffmpeg import PIXELS, ZCORE_NAMES, library, named, options_of
from zcore.stages.file_layout import Location, check_location, name_of
from zcore.stages.roomier import enlarged, filled

FILTERS = {"h264": "h264_mp4toannexb", "hevc": "hevc_mp4toannexb", "mpeg4": "dump_extra=freq=keyframe"}
"""What makes a stream of a container one that decoders of V4L2 take: start codes, and headers in the stream."""

HEADERS = 4096  # bytes at the beginning of a frame in which its headers are


def doubled_headers(head: bytes) -> int:
    """Count the bytes of headers that FFmpeg's filter for HEVC has put before a frame that has the same already."""
    first = head[: head.find(b"\0\0\0\1", 4)]
    again = head.find(first, len(first)) if first else -1
    return again if again > 0 and head[:again] == head[again : 2 * again] else 0


class DemuxSource(Stage, SourceMixin):
    """Read coded frames out of a container, or from the network, one access unit per frame.

    How am I supposed to use this? Before a decoder: ``Chain(DemuxSource("in.mp4"), Decode(codec="H264"), Display())``,
    or before a sink that writes them elsewhere: ``Chain(DemuxSource("in.mkv"), MuxSink("out.mp4"))``. Codec, size and
    rate are those of the file. It needs PyAV, zcore's extra ``software``.

    Parameters
    ----------
    location : str or file object
        A path, or an address that FFmpeg reads from, such as ``rtsp://host/name``, ``udp://:5004`` or an SDP file.
    format : str, optional
        FFmpeg's name of the container, where it cannot be told from the content: ``h264`` for a raw stream.
    stream : int
        Which of the video streams, counted from 0.
    start : float
        Seconds from the beginning; it begins with the key frame at or before that time.
    num_buffers : int
        After how many frames to end; -1 = at the end.
    container_options : mapping, optional
        Options of the container or the protocol, as FFmpeg has them.
    timeout : float
        Seconds for the network to answer; files do not wait.
    do_timestamp : bool
        Stamp frames with the monotonic clock, instead of their times in the file.
    memory : str
        Where buffers come from: see :func:`zcore.allocate`.
    """

    kind = "demuxsource"

    def __init__(
        self,
        location: Location,
        format: str | None = None,
        *,
        stream: int = 0,
        start: float = 0.0,
        num_buffers: int = -1,
        container_options: Mapping[str, object] | None = None,
        timeout: float = 10.0,
        do_timestamp: bool = False,
        memory: str = "auto",
        name: str | None = None,
    ):
        super().__init__(name)
        check_location(location)
        if stream < 0 or start < 0 or timeout <= 0:
            raise ValueError(f"stream and start are 0 or more and timeout is more, not {stream}, {start}, {timeout}")
        self.location = location
        self.container = format
        self.stream = stream
        self.start_at = start
        self.limit = num_buffers if num_buffers >= 0 else None
        self.container_options = options_of(container_options, self.name)
        self.timeout = timeout
        self.do_timestamp = do_timestamp
        self.packets = 0
        self.bytes_read = 0
        self._pad = MemoryPad(self.name, memory)
        self._input: Any = None
        self._video: Any = None
        self._codec: Format | None = None
        self._filter: Any = None
        self._packets: Iterator[Any] | None = None
        self._ready: deque[Any] = deque()
        self._ended = False
        self._shift_ns = 0
        self._last_ns = -1

    @property
    def device(self) -> str:  # type: ignore[override]
        """The file's name, or the address."""
        return name_of(self.location)

    @property
    def output(self) -> MemoryPad:  # type: ignore[override]
        """Memory that it writes."""
        return self._pad

    @property
    def is_open(self) -> bool:
        """Whether it is open."""
        return self._input is not None

    @property
    def duration(self) -> float | None:
        """Length in seconds; ``None`` where the file does not tell, or none is open."""
        length = self._input.duration if self._input is not None else None
        return length / 1_000_000 if length is not None else None

    def open(self) -> None:
        """Open the file, and find out what is in it.

        Raises
        ------
        OSError
            It cannot be read.
        ChainError
            FFmpeg cannot make sense of it, or it has no such video stream.
        """
        if self._input is not None:
            return
        av = library(f"{self.name}: reading containers")
        place = os.fspath(self.location) if isinstance(self.location, (str, os.PathLike)) else self.location
        try:
            self._input = av.open(place, format=self.container, container_options=self.container_options,
                                  timeout=self.timeout)  # fmt: skip
        except (av.FFmpegError, OSError, ValueError) as error:
            raise named(error, self.device, "it could not be opened") from None
        try:
            self._look()
            self.seek(self.start_at)
        except BaseException:
            self.close()
            raise

    def _look(self) -> None:
        videos = self._input.streams.video
        if self.stream >= len(videos):
            have = ", ".join(f"{one.type} {getattr(one.codec_context, 'name', '?')}" for one in self._input.streams)
            raise ChainError(
                f"{self.name}: {self.device} has no video stream {self.stream}; it has {have or 'nothing'}"
            )
        self._video = videos[self.stream]
        name = self._video.codec_context.codec.canonical_name
        known = ZCORE_NAMES.get(name)
        if known is None:
            raise NegotiationError(
                f"{self.name}: {self.device} has {name}, which V4L2 has no name for; zcore knows"
                f" {', '.join(ZCORE_NAMES.values())}"
            )
        self._codec = find(known)
        self.packets = self.bytes_read = 0

    def seek(self, seconds: float) -> None:
        """Go on from the key frame at or before a time.

        Parameters
        ----------
        seconds : float
            From the beginning of the stream.

        Raises
        ------
        ChainError
            It is not open, or cannot be wound.
        """
        if self._input is None:
            raise ChainError(f"{self.name} is not open; open it, or give start=")
        av = library(self.name)
        first = self._video.start_time or 0
        if seconds or self._packets is not None:
            try:
                self._input.seek(first + int(seconds / self._video.time_base), stream=self._video, backward=True)
            except (av.FFmpegError, ValueError) as error:
                raise named(error, self.device, f"it cannot be wound to {seconds:g} s") from None
        self._filter = self._make_filter()
        self._packets = self._input.demux(self._video)
        self._ready.clear()
        self._ended = False
        self._shift_ns = -int(first * self._video.time_base * 1_000_000_000)
        self._last_ns = -1

    def _make_filter(self) -> Any:
        context = self._video.codec_context
        what = FILTERS.get(context.codec.canonical_name)
        if what is None or not context.extradata:
            return None
        return library(self.name).bitstream.BitStreamFilterContext(what, self._video)

    def close(self) -> None:
        """Close the file and free the buffers."""
        self._pad.reset()
        opened, self._input = self._input, None
        self._video = self._filter = self._packets = None
        self._ready.clear()
        if opened is not None:
            opened.close()

    def offers(self) -> Sequence[Format]:
        """Give the codec."""
        assert self._codec is not None
        return [self._codec]

    def output_sizes(self, fmt: Format) -> Sizes | None:
        """Give the size of the pictures."""
        return Sizes.of(self._size())

    def _size(self) -> tuple[int, int]:
        context = self._video.codec_context
        if not context.width or not context.height:
            raise NegotiationError(f"{self.name}: {self.device} does not tell how large its pictures are")
        return context.width, context.height

    def stream_format(self) -> Format | None:
        """Tell what the pictures in the stream are."""
        name = PIXELS.get(self._video.codec_context.pix_fmt or "")
        return find(name) if name else None

    def present(self) -> tuple[Format, tuple[int, int]] | None:
        """Tell what the file has."""
        return (self._codec, self._size()) if self._codec is not None else None

    def _rate(self) -> Fraction | None:
        rate = self._video.average_rate
        return Fraction(rate).limit_denominator(1001) if rate else None

    def set_output(self, fmt: Format, size: tuple[int, int] | None, bytesperline: int = 0) -> LinkCaps:
        """Give what the file has."""
        width, height = self._size()
        if size is not None and tuple(size) != (width, height):
            raise NegotiationError(f"{self.name}: {self.device} has {width}x{height}, not {size[0]}x{size[1]}")
        payload = width * height * 3 + (1 << 16)
        return software_caps(fmt, (width, height), payload=payload, rate=self._rate())

    def read(self, frame: Frame) -> Frame | bool:
        """Fill a frame, or another one that has room, and give it; gives False at the end."""
        while not self._ready:
            if self._ended:
                return False
            self._next()
        packet = self._ready.popleft()
        payload = memoryview(packet)
        if packet.is_keyframe and self._codec is not None and self._codec.name == "HEVC" and self._filter is not None:
            payload = payload[doubled_headers(bytes(payload[:HEADERS])) :]
        frame = filled(frame, payload, self.name)
        stamp = time.monotonic_ns() if self.do_timestamp else self._stamp(packet)
        frame.set_meta(sequence=self.packets, timestamp_ns=stamp, flags=KEYFRAME if packet.is_keyframe else PFRAME)
        self.packets += 1
        self.bytes_read += payload.nbytes
        return frame

    def _next(self) -> None:
        """Read one more packet of the file, and put what the filter makes of it in line."""
        av = library(self.name)
        assert self._packets is not None
        try:
            packet = next(self._packets, None)
            if packet is not None and not packet.size:  # stands for the end
                return
            self._ended = packet is None
            if self._filter is not None:
                self._ready.extend(one for one in self._filter.filter(packet) if one.size)
            elif packet is not None:
                self._ready.append(packet)
        except (av.FFmpegError, OSError, ValueError) as error:
            raise named(error, self.device, f"{self.packets} frames were read") from None

    def _stamp(self, packet: Any) -> int:
        """Give the time of a frame; raw streams have none but the order of their frames."""
        ticks = packet.pts if packet.pts is not None else packet.dts
        if ticks is None:
            stamp = self._last_ns + int(1_000_000_000 / (self._rate() or 25)) if self._last_ns >= 0 else 0
        else:
            unit = packet.time_base or self._video.time_base
            stamp = round(ticks * unit * 1_000_000_000) + self._shift_ns
        self._last_ns = stamp
        return stamp

    def node(self, source: Link | None, sink: Link | None, frames: int) -> Node:
        """Make what the loop drives."""
        return PythonNode(self.name, self.read, None, sink, pool=self._pad.pool, frames=frames)

    def facts(self) -> dict[str, Any]:
        """Give what was read."""
        return {"packets": self.packets, "bytes_read": self.bytes_read} | enlarged(self._pad.pool)
