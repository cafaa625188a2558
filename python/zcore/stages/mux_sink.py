"""Coded frames into files and onto the network, as they are."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from zcore._frame import Frame
from zcore.errors import ChainError, NegotiationError
from zcore.formats import Format, find
from zcore.stages.arguments import rate_of
from zcore.stages.base import LinkCaps
from zcore.stages.callback import Callback
from zcore.stages.coded_stream import BFRAME, DecodeTimes, is_key, looks_wrong, reorder_depth
from zcore.stages.ffmpeg import codec_of, library, named, options_of
from zcore.stages.file_layout import Location, name_of
from zcore.stages.mux_targets import SEEKING, check_fits, check_place, describe_session, find_target, fitting

UNIT = 90_000  # ticks of a second, as MPEG has them: whole numbers for all usual rates
FRAGMENTS = "frag_keyframe+delay_moov+default_base_moof"  # delayed, it can say when the first picture is shown
LIVE = {"matroska": {"cluster_time_limit": "1000"}, "webm": {"cluster_time_limit": "1000"}}


class MuxSink(Callback):
    """Write coded frames into a container, or send them over the network, without encoding them again.

    How am I supposed to use this? Behind anything that gives coded frames: ``Chain(Capture(...),
    Encode(codec="H264"), MuxSink("out.mp4"))``, ``MuxSink("rtp://192.168.0.7:5004")``. It needs PyAV, zcore's extra
    ``software``. The container is complete when the run is over, however it ends.

    Parameters
    ----------
    location : str or file object
        A path, whose ending tells the container (``.mp4``, ``.mov``, ``.mkv``, ``.webm``, ``.ts``, ``.avi``), or an
        address: ``rtp://host:port``, ``rtsp://host:port/name`` (announced to a server there and recorded by it),
        ``srt://host:port``, ``udp://host:port``, ``tcp://host:port``. A file that is there is replaced.
    format : str, optional
        FFmpeg's name of the container; left out: told by the location, and MPEG-TS for ``srt``, ``udp``, ``tcp``.
    fragmented : bool
        For ``mp4`` and ``mov``: write the index piece by piece with each key frame, so that the file can be played
        while it is written, and after the program was killed.
    container_options : mapping, optional
        Options of the container or the protocol, as FFmpeg has them: ``{"movflags": "faststart"}``.
    metadata : mapping, optional
        Such as ``{"title": "..."}``.
    rate : float or Fraction, optional
        Frames per second by which frames get their times; left out: the times that they have.
    reorder : int, optional
        How many frames at most come before one that is shown earlier; left out: what the stream's header says.
    sync, ts_offset
        See :class:`Callback`; with ``sync=True`` frames from a file are sent at their times.

    Raises
    ------
    NegotiationError
        The container has no place for the codec; names those that it takes.
    OSError
        The place cannot be written to.
    """

    kind = "muxsink"

    def __init__(
        self,
        location: Location,
        format: str | None = None,
        *,
        fragmented: bool = False,
        container_options: Mapping[str, object] | None = None,
        metadata: Mapping[str, str] | None = None,
        rate: float | Fraction | None = None,
        reorder: int | None = None,
        sync: bool = False,
        ts_offset: int = 0,
        name: str | None = None,
    ):
        super().__init__(self._write, None, holds=2, sync=sync, ts_offset=ts_offset, name=name)
        self.location = location
        self._target = find_target(location, format, self.name)
        self.container = self._target.container
        if fragmented and self.container not in SEEKING:
            raise ValueError(f"{self.name}: only {' and '.join(SEEKING)} can be fragmented, not {self.container}")
        if reorder is not None and not 0 <= reorder <= 16:
            raise ValueError(f"reorder is 0 to 16 frames, not {reorder}")
        self.fragmented = fragmented
        self.container_options = options_of(container_options, self.name)
        self.metadata = dict(metadata or {})
        self.rate = rate_of(rate)
        self.reorder = reorder
        self.packets = 0
        self.bytes_written = 0
        self.dropped: dict[str, int] = {}
        self._caps: LinkCaps | None = None
        self._open = False
        self._output: Any = None
        self._stream: Any = None
        self._times: DecodeTimes | None = None
        self._base = 0
        self._end = 0
        self._new_run = False
        self._complete = False
        self._failed = False

    @property
    def device(self) -> str:  # type: ignore[override]
        """The file's name, or the address."""
        return name_of(self.location)

    @property
    def sdp(self) -> str:
        """For RTP: what a receiver must be told of the stream (SDP); empty before the codec is known."""
        if self.container != "rtp" or self._caps is None:
            return ""
        number = self.container_options.get("payload_type")
        codec = codec_of(self._caps.format, self.name).name
        return describe_session(codec, self._target.place, int(number) if number is not None else None)

    @property
    def is_open(self) -> bool:
        """Whether it is open."""
        return self._open

    def open(self) -> None:
        """Check that it can be written to; the file itself begins with the first frame."""
        if self._open:
            return
        library(f"{self.name}: writing containers")
        check_place(self._target, self.name)
        self._complete = self._failed = False
        self.packets = self.bytes_written = self._end = 0
        self.dropped = {}
        self._open = True

    def accepts(self) -> list[Format]:
        """List the codecs that the container has a place for."""
        taken = fitting(self.container)
        return [find(name) for name in (*taken, *(["JPEG"] if "MJPEG" in taken else []))]

    def why_not(self, formats: Sequence[Format]) -> str:
        """Say what helps where none of the formats that come has a place in the container."""
        coded = [fmt for fmt in formats if fmt.coded]
        if not coded:
            return "containers hold coded frames: put Encode or SoftwareEncode before it"
        try:
            check_fits(coded[0], self._target, self.name)
        except NegotiationError as error:
            return str(error)
        return ""

    def set_input(self, caps: LinkCaps) -> LinkCaps:
        """Take a codec that the container has a place for."""
        check_fits(caps.format, self._target, self.name)
        before = self._caps
        if self._output is not None and before is not None and (caps.format, caps.size) != (before.format, before.size):
            raise NegotiationError(
                f"{self.name}: {self.device} has begun with {before}, and cannot go on with {caps}; begin another"
            )
        self._caps = caps
        return caps

    def run_begins(self) -> None:
        """Learn that a run begins."""
        self._new_run = True

    def start(self) -> None:
        """Refuse to write over what an earlier run has written."""
        if self._new_run and self._complete and not self._target.address:
            raise ChainError(
                f"{self.name}: {self.device} is complete, and another run would replace it; close the chain before,"
                " or give each run a MuxSink of its own"
            )
        self._new_run = False

    def run_ends(self) -> None:
        """Complete the file."""
        self._finish()

    def close(self) -> None:
        """Complete the file, and let go of the buffers."""
        try:
            self._finish()
        finally:
            super().close()
            self._open = False
            self._caps = None

    def _finish(self) -> None:
        output, self._output, self._stream, self._times = self._output, None, None, None
        if output is None:
            return
        av = library(self.name)
        self._complete = True
        try:
            output.close()
        except (av.FFmpegError, OSError, ValueError) as error:
            if not self._failed:  # the first failure has been told already
                self._failed = True
                raise named(error, self.device, f"its end could not be written after {self._so_far()}") from None

    def _so_far(self) -> str:
        return f"{self.packets} frames, {self.bytes_written} bytes"

    def _write(self, frame: Frame) -> None:
        payload = frame.array().data
        if not payload.nbytes:
            return
        caps = self._caps
        assert caps is not None
        flags = frame.flags
        key = is_key(caps.format, flags, payload)
        if self._output is None:
            if not key:
                self._drop("before the first key frame")
                return
            self._begin(caps, payload)
            self._base = frame.timestamp_ns
        shown = self._shown(frame.timestamp_ns, flags)
        if shown < 0:  # it refers to what came before the first key frame
            self._drop("before the first key frame")
            return
        self._mux(payload, shown, key)

    def _drop(self, why: str) -> None:
        self.dropped[why] = self.dropped.get(why, 0) + 1

    def _begin(self, caps: LinkCaps, payload: memoryview) -> None:
        """Open the container; its header is written with the first frame, out of which FFmpeg takes what it needs."""
        if problem := looks_wrong(caps.format, payload):
            raise ChainError(
                f"{self.name}: the first frame {problem}; give whole frames: from an encoder, or from a file by"
                " DemuxSource"
            )
        av = library(self.name)
        target = self._target
        rate = self.rate or caps.rate
        depth = self.reorder if self.reorder is not None else reorder_depth(caps.format, bytes(payload))
        options = dict(LIVE.get(self.container, {}))
        if self.fragmented:
            options["movflags"] = FRAGMENTS
        if self.fragmented or self.container not in SEEKING:
            options["flush_packets"] = "1"
        if self.container in ("matroska", "webm"):
            options["avoid_negative_ts"] = "disabled"  # they have no times of decoding, which alone are negative
        if self.container in ("rtp", "rtsp") and caps.format.name in ("VP9", "AV1"):
            options["strict"] = "experimental"
        if self.fragmented and "movflags" in self.container_options:
            raise ChainError(f"{self.name}: movflags are set by fragmented=True; leave one of them out")
        try:
            output = av.open(target.file, "w", format=target.container,
                             container_options={**options, **self.container_options})  # fmt: skip
            output.metadata.update(self.metadata)
            self._stream = output.add_mux_stream(
                codec_of(caps.format, self.name).name, rate, width=caps.width, height=caps.height,
                time_base=Fraction(1, UNIT),
            )  # fmt: skip
            if caps.format.name == "VP9" and self.container == "mp4":
                self._tell_pixels(payload, caps)
        except (av.FFmpegError, OSError, ValueError) as error:
            self._failed = True
            raise named(error, self.device, "it could not be opened") from None
        step = int(UNIT / rate) if rate else UNIT // 1000
        self._output, self._times = output, DecodeTimes(depth, step)
        self._step = int(UNIT / rate) if rate else 0

    def _tell_pixels(self, payload: memoryview, caps: LinkCaps) -> None:
        """Say what pixels VP9 has, for a box of mp4; FFmpeg finds it out as it reads a file of one frame."""
        av = library(self.name)
        file = io.BytesIO()
        with av.open(file, "w", format="matroska") as one:
            stream = one.add_mux_stream("vp9", width=caps.width, height=caps.height)
            packet = av.Packet(bytes(payload))
            packet.stream, packet.pts, packet.dts, packet.is_keyframe = stream, 0, 0, True
            one.mux_one(packet)
        file.seek(0)
        with av.open(file) as one:
            av.bitstream.BitStreamFilterContext("null", one.streams.video[0], self._stream)

    def _shown(self, timestamp_ns: int, flags: int) -> int:
        if self.rate is None:
            return round((timestamp_ns - self._base) * UNIT / 1_000_000_000)
        if flags & BFRAME:
            raise ChainError(f"{self.name}: rate= makes times in the order of frames, and this stream has B frames")
        return int(self.packets * UNIT / self.rate)

    def _mux(self, payload: memoryview, shown: int, key: bool) -> None:
        av = library(self.name)
        assert self._times is not None
        try:
            decoded = self._times.next(shown)
        except ValueError:
            raise ChainError(
                f"{self.name}: frame {self.packets} has the time {shown / UNIT:.3f} s, which is not after those before"
                f" it ({self._times.depth} frames may be reordered); give rate= where frames have no times, reorder="
                " where the stream has more B frames than its header says"
            ) from None
        packet = av.Packet(payload)
        packet.stream = self._stream
        packet.time_base = Fraction(1, UNIT)
        packet.pts, packet.dts = shown, decoded
        packet.duration = self._step
        packet.is_keyframe = key
        try:
            self._output.mux_one(packet)
        except (av.FFmpegError, OSError, ValueError) as error:
            self._failed = True
            raise named(error, self.device, f"{self._so_far()} were handed over") from None
        self.packets += 1
        self.bytes_written += payload.nbytes
        self._end = max(self._end, shown + self._step)

    def drops(self) -> dict[str, int]:
        """Count frames that no decoder could use."""
        return dict(self.dropped)

    def facts(self) -> dict[str, Any]:
        """Give the container, and how much went into it."""
        return {
            "container": self.container,
            "packets": self.packets,
            "bytes_written": self.bytes_written,
            "seconds": round(self._end / UNIT, 6),
        }
