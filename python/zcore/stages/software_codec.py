"""Encode in software, with FFmpeg's encoders."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from fractions import Fraction
from typing import Any

import numpy as np

from zcore._chain import Link, Node
from zcore._delay_nodes import DelayNode
from zcore._frame import Frame
from zcore.errors import ChainError, NegotiationError
from zcore.formats import Format, find
from zcore.stages.base import LinkCaps, SinkMixin, Sizes, SourceMixin, Stage
from zcore.stages.codec_base import find_codec
from zcore.stages.cpu_pads import MemoryPad, ReadPad, software_caps
from zcore.stages.ffmpeg import codec_of, encoder_name, library, options_of, pixel_formats, reason_of
from zcore.stages.software import FFMPEG_NAMES, _copy_in

KEYFRAME, PFRAME, BFRAME = 0x8, 0x10, 0x20  # V4L2_BUF_FLAG_*
COMMON = ("YUV420", "NV12")
FULL_RANGE = ("mjpeg",)  # encoders whose pictures have no other range
COPYING = ("libx264", "libx265", "libvpx", "libvpx-vp9", "libsvtav1", "libopenh264")  # keep none of our buffers
QUIET = {"libx265": {"x265-params": "log-level=error"}}  # it writes past the log of FFmpeg
MPEG_RANGE, JPEG_RANGE = 1, 2  # AVCOL_RANGE_*
DEFAULT_RATE = Fraction(30)


class Transcoder(Stage, SourceMixin, SinkMixin):
    """What encoders and decoders in software share: two pads, and a codec that keeps frames back."""

    def __init__(self, memory: str, name: str | None):
        super().__init__(name)
        self._input = ReadPad(f"{self.name} in")
        self._output = MemoryPad(f"{self.name} out", memory)
        self._open = False
        self._taken: LinkCaps | None = None
        self._context: Any = None
        self._ready: deque[Any] = deque()
        self._known: dict[int, tuple[int, int]] = {}  # number in the codec -> sequence and time
        self._count = 0

    @property
    def input(self) -> ReadPad:  # type: ignore[override]
        """Memory that it reads."""
        return self._input

    @property
    def output(self) -> MemoryPad:  # type: ignore[override]
        """Memory that it writes."""
        return self._output

    @property
    def is_open(self) -> bool:
        """Whether it is open."""
        return self._open

    def close(self) -> None:
        """Free the codec and the buffers."""
        self._open = False
        self._drop_codec()
        self._input.reset()
        self._output.reset()
        self._taken = None

    def _drop_codec(self) -> None:
        self._context = None
        self._ready.clear()
        self._known.clear()
        self._count = 0

    def stop(self) -> None:
        """Forget the stream; the next one begins anew."""
        self._drop_codec()

    def note(self, frame: Frame) -> int:
        """Number a frame for the codec, whose times are these numbers."""
        number = self._count
        self._count += 1
        self._known[number] = frame.sequence, frame.timestamp_ns
        return number

    def recall(self, number: int | None) -> tuple[int, int]:
        """Give sequence number and time of the frame that went in with this number."""
        if number is None or number not in self._known:
            number = min(self._known, default=None)
        return self._known.pop(number) if number is not None else (0, 0)

    def feed(self, frame: Frame | None) -> int:
        """Take a frame, or the end; gives how many frames are ready."""
        raise NotImplementedError

    def give(self, room: Frame) -> None:
        """Fill an empty frame with the next that is ready."""
        raise NotImplementedError

    def node(self, source: Link | None, sink: Link | None, frames: int) -> Node:
        """Make what the loop drives."""
        assert source is not None
        assert sink is not None
        assert self._output.pool is not None
        assert self._input.pool is not None
        return DelayNode(
            self.name, self.feed, self.give, source, sink, pool=self._output.pool, input_pool=self._input.pool
        )


class SoftwareEncode(Transcoder):
    """Encode on the CPU, with FFmpeg's encoders through PyAV (zcore's extra ``software``).

    How am I supposed to use this? In the place of :class:`zcore.Encode`, where there is no device for the codec:
    ``Chain(Capture(...), SoftwareEncode("H264", bitrate=2_000_000), MuxSink("out.mp4"))``. It gives one access unit
    per frame, with the headers in the stream as V4L2 encoders have them, and the times of the frames that went in. At
    the end of its input it is drained.

    Parameters
    ----------
    codec : str
        ``H264``, ``HEVC``, ``VP8``, ``VP9``, ``AV1``, ``MPEG1``, ``MPEG2``, ``MPEG4``, ``MJPEG``.
    bitrate : int, optional
        Bits per second; left out: what the encoder likes.
    gop_size : int, optional
        Most frames from key frame to key frame.
    input_format : str, optional
        Pixel format to take; left out: NV12 or YUV420, which all decoders know. Others may have better colours, and
        fewer players.
    encoder : str, optional
        FFmpeg's name of the encoder, such as ``libx264``; left out: the first of this codec that is there.
    options : mapping, optional
        Options of the encoder, as FFmpeg has them: ``{"preset": "veryfast", "crf": 23}``.
    b_frames : int, optional
        Most B frames in a row; left out: what the encoder likes.
    n_threads : int
        Threads that share the work; 0 = one for each processor.
    memory : str
        Where buffers come from: see :func:`zcore.allocate`.

    Raises
    ------
    NegotiationError
        When it is opened: PyAV is missing, or has no such encoder.
    """

    kind = "software-encode"

    def __init__(
        self,
        codec: str | Format = "H264",
        *,
        bitrate: int | None = None,
        gop_size: int | None = None,
        input_format: str | Format | None = None,
        encoder: str | None = None,
        options: Mapping[str, object] | None = None,
        b_frames: int | None = None,
        n_threads: int = 0,
        memory: str = "auto",
        name: str | None = None,
    ):
        super().__init__(memory, name)
        self.codec = find_codec(codec)
        codec_of(self.codec, self.name)
        for what, value, least in (("bitrate", bitrate, 1), ("gop_size", gop_size, 1), ("b_frames", b_frames, 0),
                                   ("n_threads", n_threads, 0)):  # fmt: skip
            if value is not None and value < least:
                raise ValueError(f"{what} is {least} or more, not {value}")
        self.bitrate = bitrate
        self.gop_size = gop_size
        self.input_format = find(input_format) if input_format is not None else None
        self.encoder = encoder
        self.options = options_of(options, self.name)
        self.b_frames = b_frames
        self.n_threads = n_threads
        self.copied_frames = 0
        self._codec: Any = None
        self._scaler: Any = None
        self._latest = -1  # number of the latest picture that came out

    def open(self) -> None:
        """Find the encoder."""
        if self._open:
            return
        av = library(f"{self.name}: encoding on the CPU")
        wanted = self.encoder or encoder_name(self.codec)
        try:
            if wanted is None:
                raise ValueError
            self._codec = av.codec.Codec(wanted, "w")
        except ValueError:
            names = ", ".join(codec_of(self.codec, self.name).encoders)
            raise NegotiationError(
                f"{self.name}: this FFmpeg has no encoder {wanted or f'of {self.codec}'}; of {self.codec} zcore knows"
                f" {names}"
            ) from None
        if self._codec.canonical_name != codec_of(self.codec, self.name).name:
            raise NegotiationError(
                f"{self.name}: {wanted} encodes {self._codec.canonical_name}, not {self.codec}; give codec= to match"
            )
        check_options(self._codec, self.options, self.name)
        self._input.holds = 1 if wanted in COPYING else 2 + (self.b_frames or 0)
        self._open = True

    @property
    def _full_range(self) -> bool:
        return self._codec.name in FULL_RANGE

    def accepts(self) -> Sequence[Format]:
        """List the formats of pixels that it takes."""
        known = pixel_formats(self._codec)
        if self.input_format is None:
            return [fmt for fmt in known if fmt.name in COMMON]
        if self.input_format not in known:
            raise NegotiationError(
                f"{self.name} ({self._codec.name}) takes {', '.join(map(str, known))}, not {self.input_format}"
            )
        return [self.input_format]

    def input_sizes(self, fmt: Format) -> Sizes | None:
        """List the sizes that it takes: even ones, where chroma has half of the pixels."""
        shared_x, shared_y = (max(getattr(p, axis) for p in fmt.planes) for axis in ("hsub", "vsub"))
        return Sizes(((2, 16384, max(2, shared_x), 2, 16384, max(2, shared_y)),))

    def set_input(self, caps: LinkCaps) -> LinkCaps:
        """Take what comes."""
        if caps.format not in self.accepts():
            names = ", ".join(map(str, self.accepts()))
            raise NegotiationError(f"{self.name} ({self._codec.name}) takes {names}, not {caps.format}")
        self._taken = caps
        return caps

    def offers(self) -> Sequence[Format]:
        """Give the codec."""
        return [self.codec]

    def set_output(self, fmt: Format, size: tuple[int, int] | None, bytesperline: int = 0) -> LinkCaps:
        """Give what the codec makes of the pictures that come in."""
        taken = self._taken
        assert taken is not None
        if size is not None and tuple(size) != taken.size:
            raise NegotiationError(
                f"{self.name} encodes {taken.width}x{taken.height} as it comes, and does not scale to"
                f" {size[0]}x{size[1]}"
            )
        payload = taken.width * taken.height * 3 + (1 << 16)  # noise at the best quality is larger than its pixels
        return software_caps(self.codec, taken.size, payload=payload, rate=taken.rate)

    def start(self) -> None:
        """Set the encoder up, so that it says before the first frame what it does not like."""
        self._drop_codec()
        self._latest = -1
        self._context = self._make_context()

    def _make_context(self) -> Any:
        taken = self._taken
        assert taken is not None
        av = library(self.name)
        rate = taken.rate or DEFAULT_RATE
        context = self._codec.create()
        context.width, context.height = taken.size
        context.pix_fmt = self._pixels(taken.format)
        context.time_base, context.framerate = 1 / rate, rate
        context.color_range = JPEG_RANGE if self._full_range else MPEG_RANGE
        if self.bitrate is not None:
            context.bit_rate = self.bitrate
        if self.gop_size is not None:
            context.gop_size = self.gop_size
        if self.b_frames is not None:
            context.max_b_frames = self.b_frames
        if self._codec.name not in COPYING:
            context.thread_type = "SLICE"  # with a picture for each thread it would keep as many of our buffers
        context.thread_count = self.n_threads
        context.options = {**QUIET.get(self._codec.name, {}), **self.options}
        if self._codec.name == "libsvtav1":
            os.environ.setdefault("SVT_LOG", "1")  # it knows no other way not to write to the standard error output
        try:
            context.open()
        except (av.FFmpegError, ValueError) as error:
            raise ChainError(
                f"{self.name}: {self._codec.name} refuses {taken.width}x{taken.height} {taken.format} at {rate} frames"
                f" per second with {self.options or 'no options'}: {reason_of(error)}"
            ) from None
        return context

    def _pixels(self, fmt: Format) -> str:
        name = FFMPEG_NAMES[fmt.name]
        return name.replace("yuv", "yuvj") if self._full_range and name.startswith("yuv4") else name

    def feed(self, frame: Frame | None) -> int:
        """Encode a frame, or at the end what the encoder has kept."""
        av = library(self.name)
        picture = None
        if frame is not None:
            picture = self._picture(frame)
            picture.pts, picture.time_base = self.note(frame), self._context.time_base
        try:
            self._ready.extend(self._context.encode(picture))
        except (av.FFmpegError, ValueError) as error:
            raise ChainError(f"{self.name}: {self._codec.name} failed: {reason_of(error)}") from None
        return len(self._ready)

    def _picture(self, frame: Frame) -> Any:
        av = library(self.name)
        taken = self._taken
        assert taken is not None
        name = FFMPEG_NAMES[taken.format.name]
        whole = whole_picture(frame)
        if whole is not None:
            picture = av.VideoFrame.from_numpy_buffer(whole, name, taken.width)
        else:
            picture = av.VideoFrame(*taken.size, name)
            _copy_in(picture, taken.format, frame.planes())
            self.copied_frames += 1
        if self._full_range and name.startswith("yuv"):
            self._scaler = self._scaler or av.video.reformatter.VideoReformatter()
            return self._scaler.reformat(
                picture, format=self._pixels(taken.format), src_color_range="MPEG", dst_color_range="JPEG"
            )
        picture.color_range = MPEG_RANGE
        return picture

    def give(self, room: Frame) -> None:
        """Put the next coded frame into its buffer."""
        packet = self._ready.popleft()
        target = room.array(write=True)
        if packet.size > target.size:
            raise ChainError(f"{self.name}: a coded frame of {packet.size} bytes does not fit into {target.size}")
        target[: packet.size] = np.frombuffer(packet, np.uint8)
        room.set_used(packet.size)
        sequence, timestamp_ns = self.recall(packet.pts)
        room.set_meta(sequence=sequence, timestamp_ns=timestamp_ns, flags=self._kind(packet))

    def _kind(self, packet: Any) -> int:
        """Tell V4L2's kinds of pictures apart: a B frame is one that is shown before another that came earlier."""
        late = packet.pts is not None and packet.pts < self._latest
        self._latest = max(self._latest, packet.pts or 0)
        return KEYFRAME if packet.is_keyframe else BFRAME if late else PFRAME

    def facts(self) -> dict[str, Any]:
        """Say who encodes, and how many pictures had to be copied for it."""
        facts: dict[str, Any] = {"software": f"{self._codec.name if self._codec else self.encoder} of FFmpeg"}
        if self.copied_frames:
            facts["pictures_copied"] = self.copied_frames
        return facts


def check_options(codec: Any, options: Mapping[str, str], who: str) -> None:
    """Refuse options that a codec has not; FFmpeg would pass over them in silence."""
    known = codec.create().supported_options
    names = {one.name for one in (*known.generic, *known.private)}
    for key in options:
        if key not in names:
            close = get_close_matches(key, names, n=3)
            hint = f"; did you mean {' or '.join(close)}?" if close else ""
            raise NegotiationError(f"{who}: {codec.name} has no option {key!r}{hint}")


def whole_picture(frame: Frame) -> np.ndarray[Any, Any] | None:
    """See a frame as the one array that FFmpeg reads in place; ``None`` where its planes lie in another way.

    The array keeps the frame.
    """
    planes = frame.planes()
    name = FFMPEG_NAMES[frame.format.name]
    first = planes[0]
    stride = first.strides[0]
    height, width = first.shape[:2]
    if name in ("rgb24", "bgr24", "rgba", "bgra", "argb", "abgr", "gray"):
        return first
    if name not in ("nv12", "yuv420p") or frame.format.name == "YVU420" or width % 2 or stride % 2:
        return None
    if height % 4:  # PyAV counts the rows of chroma in fours, and would see a picture that is two rows less high
        return None
    places = [(memory, offset, step) for memory, offset, step, _ in frame.components]
    luma = stride * height
    memory, start, _ = places[0]
    wanted = [(memory, start, stride), (memory, start + luma, stride)]
    if name == "yuv420p":
        half = stride // 2
        wanted = [wanted[0], (memory, start + luma, half), (memory, start + luma + half * (height // 2), half)]
    if places != wanted:
        return None
    return np.lib.stride_tricks.as_strided(first, (height * 3 // 2, stride), (stride, 1), writeable=False)
