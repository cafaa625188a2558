"""Decode in software, with FFmpeg's decoders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from zcore._frame import Frame
from zcore.errors import ChainError, NegotiationError
from zcore.formats import Format, find
from zcore.stages.base import LinkCaps, Sizes
from zcore.stages.codec_base import find_codec
from zcore.stages.cpu_pads import software_caps
from zcore.stages.ffmpeg import CODECS, PIXELS, codec_of, decoder_name, library, options_of, reason_of
from zcore.stages.software import FFMPEG_NAMES, _copy_out, _reformat
from zcore.stages.software_codec import Transcoder, check_options

COMMON = ("YUV420", "NV12")  # what most streams hold, and what most devices take
FULL_RANGE = ("yuvj420p", "yuvj422p", "yuvj444p")


class SoftwareDecode(Transcoder):
    """Decode on the CPU, with FFmpeg's decoders through PyAV (zcore's extra ``software``).

    How am I supposed to use this? In the place of :class:`zcore.Decode`: ``Chain(DemuxSource("in.mp4"),
    SoftwareDecode(), Display())``. Each picture is copied once, from the decoder's memory into a buffer that devices
    can import; where the next stage takes another format than the stream holds, that copy is the conversion.

    Parameters
    ----------
    codec : str, optional
        Left out: that of the stream.
    format : str, optional
        Pixel format to give; left out: that of the stream where the next stage takes it, else what it takes.
    decoder : str, optional
        FFmpeg's name of the decoder, such as ``libdav1d``; left out: the first of this codec that is there.
    options : mapping, optional
        Options of the decoder, as FFmpeg has them.
    corrupted : str
        ``drop`` or ``deliver`` pictures that the decoder says are damaged (with :attr:`Frame.corrupted` set).
    n_threads : int
        Threads that share the work; 0 = one for each processor.
    memory : str
        Where buffers come from: see :func:`zcore.allocate`.
    """

    kind = "software-decode"

    def __init__(
        self,
        codec: str | Format | None = None,
        format: str | Format | None = None,
        *,
        decoder: str | None = None,
        options: Mapping[str, object] | None = None,
        corrupted: str = "deliver",
        n_threads: int = 0,
        memory: str = "auto",
        name: str | None = None,
    ):
        super().__init__(memory, name)
        if corrupted not in ("deliver", "drop"):
            raise ValueError(f"corrupted is 'deliver' or 'drop', not {corrupted!r}")
        if n_threads < 0:
            raise ValueError(f"n_threads is 0 or more, not {n_threads}")
        self.codec = find_codec(codec) if codec is not None else None
        if self.codec is not None:
            codec_of(self.codec, self.name)
        self.format = find(format) if format is not None else None
        self.decoder = decoder
        self.options = options_of(options, self.name)
        self.corrupted = corrupted
        self.n_threads = n_threads
        self.refused: dict[str, int] = {}
        self._given: LinkCaps | None = None
        self._codec: Any = None
        self._scaler: Any = None
        self._broken = ""
        self._done = 0
        self._holds = ""  # what the stream turned out to hold

    def open(self) -> None:
        """Check that the decoder is there."""
        if self._open:
            return
        library(f"{self.name}: decoding on the CPU")
        if self.codec is not None:
            self._find(self.codec)
        self._open = True

    def close(self) -> None:
        """Free the codec and the buffers."""
        super().close()
        self._given = self._scaler = None

    def _find(self, fmt: Format) -> None:
        av = library(self.name)
        wanted = self.decoder or decoder_name(fmt)
        try:
            if wanted is None:
                raise ValueError
            codec = av.codec.Codec(wanted, "r")
        except ValueError:
            raise NegotiationError(
                f"{self.name}: this FFmpeg has no decoder {wanted or f'of {fmt}'}; of {fmt} zcore knows"
                f" {', '.join(codec_of(fmt, self.name).decoders)}"
            ) from None
        if codec.canonical_name != codec_of(fmt, self.name).name:
            raise NegotiationError(f"{self.name}: {wanted} decodes {codec.canonical_name}, not {fmt}")
        check_options(codec, self.options, self.name)
        self._codec = codec

    def accepts(self) -> Sequence[Format]:
        """List the codecs that it decodes."""
        if self.codec is not None:
            return [self.codec]
        return [find(name) for name in CODECS if decoder_name(find(name)) is not None]

    def set_input(self, caps: LinkCaps) -> LinkCaps:
        """Find the decoder for what comes."""
        self._find(caps.format)
        self._taken = caps
        return caps

    def offers(self) -> Sequence[Format]:
        """List the formats that it can write."""
        if self.format is not None:
            return [self.format]
        return list(dict.fromkeys(map(find, (*COMMON, *FFMPEG_NAMES))))

    def output_sizes(self, fmt: Format) -> Sizes | None:
        """Give no limits of its own: pictures have the size of their stream."""
        return None

    def set_output(self, fmt: Format, size: tuple[int, int] | None, bytesperline: int = 0) -> LinkCaps:
        """Choose what to give; the size is the stream's."""
        taken = self._taken
        if taken is None:
            raise NegotiationError(f"{self.name} can be told what to give after what it takes")
        if fmt.name not in FFMPEG_NAMES:
            raise NegotiationError(f"{self.name} does not know {fmt}; it knows {', '.join(FFMPEG_NAMES)}")
        if size is not None and tuple(size) != taken.size:
            raise NegotiationError(
                f"{self.name} gives the {taken.width}x{taken.height} of its stream, not {size[0]}x{size[1]}"
            )
        separate = self._output.separate
        self._given = software_caps(fmt, taken.size, bytesperline, separate=separate, rate=taken.rate)
        return self._given

    def start(self) -> None:
        """Set the decoder up."""
        self._drop_codec()
        context = self._codec.create()
        if self._taken is not None:
            context.width, context.height = self._taken.size
        context.thread_type = "SLICE"  # with a picture for each thread each would come that much later
        context.thread_count = self.n_threads
        context.options = dict(self.options)
        self._context = context
        self._done, self._broken, self._holds = 0, "", ""

    def feed(self, frame: Frame | None) -> int:
        """Decode an access unit, or at the end give what the decoder has kept."""
        av = library(self.name)
        packet = None
        if frame is not None:
            payload = frame.array()
            if not payload.size:
                return len(self._ready)
            packet = av.Packet(payload.tobytes())  # FFmpeg reads some bytes behind the end, which must be its own
            packet.pts = packet.dts = self.note(frame)
        try:
            self._ready.extend(self._context.decode(packet))
        except av.error.InvalidDataError as error:
            self._refuse("corrupted")
            self._broken = reason_of(error)
        except (av.FFmpegError, ValueError) as error:
            raise ChainError(f"{self.name}: {self._codec.name} failed: {reason_of(error)}") from None
        if self.corrupted == "drop":
            for damaged in [one for one in self._ready if one.is_corrupt]:
                self._ready.remove(damaged)
                self.recall(damaged.pts)
                self._refuse("corrupted")
        if frame is None and not self._done and not self._ready and self._count:
            raise ChainError(
                f"{self.name}: {self._codec.name} found no picture in {self._count} frames"
                + (f": {self._broken}" if self._broken else "")
                + "; is the stream of this codec, and does it begin with its headers?"
            )
        return len(self._ready)

    def _refuse(self, why: str) -> None:
        self.refused[why] = self.refused.get(why, 0) + 1

    def give(self, room: Frame) -> None:
        """Copy the next picture into its buffer."""
        picture = self._ready.popleft()
        given = self._given
        assert given is not None
        if (picture.width, picture.height) != given.size:
            raise ChainError(
                f"{self.name}: the stream has pictures of {picture.width}x{picture.height} where it was said to have"
                f" {given.width}x{given.height}; give the size of the stream, or begin a chain anew where it changes"
            )
        self._holds = PIXELS.get(picture.format.name, picture.format.name)
        wanted = FFMPEG_NAMES[given.format.name]
        if picture.format.name != wanted:
            picture = self._converted(picture, given)
        _copy_out(picture, given.format, room.planes(write=True))
        self._done += 1
        sequence, timestamp_ns = self.recall(picture.pts)
        damaged = 0x40 if picture.is_corrupt else 0  # V4L2_BUF_FLAG_ERROR
        room.set_meta(sequence=sequence, timestamp_ns=timestamp_ns, flags=damaged)

    def _converted(self, picture: Any, given: LinkCaps) -> Any:
        if self._scaler is None:
            self._scaler = library(self.name).video.reformatter.VideoReformatter()
        if picture.format.name in FULL_RANGE or picture.color_range == 2:
            return self._scaler.reformat(
                picture, format=FFMPEG_NAMES[given.format.name], src_color_range="JPEG",
                dst_color_range=None if given.format.family == "rgb" else "MPEG",
            )  # fmt: skip
        return _reformat(self._scaler, picture, given.format, given, "BILINEAR", 1)

    def drops(self) -> dict[str, int]:
        """Count what could not be decoded."""
        return dict(self.refused)

    def facts(self) -> dict[str, Any]:
        """Say who decodes, and whether pictures are converted on their way into the buffers."""
        facts: dict[str, Any] = {"software": f"{self._codec.name if self._codec else self.decoder} of FFmpeg"}
        if self._given is not None and self._holds and self._holds != self._given.format.name:
            facts["converts"] = f"{self._holds} to {self._given.format.name}"
        return facts
