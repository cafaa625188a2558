"""Decode with stateful V4L2 decoders."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from zcore._chain import Link, Node
from zcore._codec_nodes import CodecNode
from zcore._v4l2_codec import forget_events, subscribe_source_change
from zcore._v4l2_device import V4l2Device
from zcore.formats import Format
from zcore.stages.base import LinkCaps, Sizes, Stage
from zcore.stages.controls import Value
from zcore.stages.decoder_base import Decoder
from zcore.stages.decoder_stream import Stream
from zcore.stages.v4l2_pad import V4l2Pad


class Decode(Decoder):
    """A V4L2 decoder: it takes a coded stream and gives pixels.

    The size comes with the stream. Where the link before tells it beforehand (a caps filter, a file's header, the
    encoder) the chain is planned for it at once. A stream that turns out to be of another size, or that changes it on
    its way, is followed: what was decoded before arrives, then what is behind the decoder is planned anew, and no coded
    frame is lost. :attr:`Report.replanned` tells of it.

    Parameters
    ----------
    device : str, optional
        Device node, or the driver's name; left out: the first that has the codec, a stateful one before a
        stateless one, which :class:`zcore.StatelessDecode` drives then.
    codec : str
        ``FWHT``, ``H264``, ``HEVC``, ``VP8``, ``VP9``, ``JPEG`` and so on: what the device has.
    format : str, optional
        Pixel format to give; left out: the first that the next stage takes. Not every decoder converts: the format
        that the stream was made from always works.
    extra_controls : mapping or str, optional
        Controls of the codec: see :class:`Encode`.
    output_io_mode, capture_io_mode : str
        For the side that takes the stream and the side that gives pixels: see :class:`zcore.Capture`.
    corrupted : str
        ``deliver`` (with :attr:`Frame.corrupted` set) or ``drop`` frames that the driver flags as damaged.
    buffers : int, optional
        How many buffers to ask for on each side.
    fallback : str, optional
        ``software``: work on the CPU (:class:`zcore.SoftwareDecode`), as with :class:`Encode`.
    buffer_size : int, optional
        Bytes that a coded frame may have, where neither the stage before nor the driver guesses enough.
    """

    kind = "decode"

    def __init__(
        self,
        device: str | None = None,
        codec: str | Format = "FWHT",
        format: str | Format | None = None,
        *,
        extra_controls: Mapping[str, Value] | str | None = None,
        output_io_mode: str = "auto",
        capture_io_mode: str = "auto",
        corrupted: str = "deliver",
        buffers: int | None = None,
        fallback: str | None = None,
        buffer_size: int | None = None,
        name: str | None = None,
    ):
        super().__init__(
            device,
            codec,
            format,
            extra_controls=extra_controls,
            output_io_mode=output_io_mode,
            capture_io_mode=capture_io_mode,
            buffers=buffers,
            corrupted=corrupted,
            fallback=fallback,
            name=name,
            buffer_size=buffer_size,
        )
        self._tells_changes = False
        self._stream: Stream | None = None
        self._in_mid_stream = False
        self._planned: LinkCaps | None = None  # in mid-stream: what was agreed for the rest of it

    def in_software(self) -> Stage:
        """Make the decoder on the CPU."""
        from zcore.stages.software_decode import SoftwareDecode

        return SoftwareDecode(self.codec, self.format, corrupted=self.corrupted, name=self.name)

    @property
    def coded_pad(self) -> V4l2Pad:
        """OUTPUT."""
        return self.input

    def prepare(self, device: V4l2Device) -> None:
        """Set the codec, and ask to be told what the stream turns out to be."""
        super().prepare(device)
        self._tells_changes = subscribe_source_change(device)

    def input_sizes(self, fmt: Format) -> Sizes | None:
        """List the sizes of streams: any within the driver's limits."""
        return self.input.sizes(fmt, cropped=True)

    def set_input(self, caps: LinkCaps) -> LinkCaps:
        """Set codec and size; buffers are as large as those of the stage before."""
        width, height = caps.size if all(caps.size) else self.present_size()
        granted = self._roomy(width, height, max(caps.memory_planes[0][0], self.buffer_size or 0))
        self._input = replace(granted, rate=caps.rate)
        return self._input

    def _roomy(self, width: int, height: int, size: int) -> LinkCaps:
        """Set the coded format with buffers of so many bytes.

        Some drivers take no wish for ``sizeimage`` and compute it from the size of the pictures, which is only a hint
        until the header of the stream is read: so a larger one is told to them, as far as they go.
        """
        granted = self.set_coded(width, height, size)
        room, wide, high = granted.memory_planes[0][0], width, height
        while granted.memory_planes[0][0] < size:
            wide, high = (wide * 2, high) if wide <= high else (wide, high * 2)
            larger = self.set_coded(wide, high, size)
            if larger.memory_planes[0][0] <= room:
                break
            granted, room = larger, larger.memory_planes[0][0]
        return replace(granted, width=width, height=height)

    def coded_size(self) -> tuple[int, int]:
        """Give the size to ask for: in mid-stream the driver's own, with what it rounded up."""
        assert self._input is not None
        return self._stream.own.size if self._in_mid_stream and self._stream is not None else self._input.size

    def agree(self, granted: LinkCaps, planned: LinkCaps) -> None:
        """Keep what was agreed: for the whole stream, or in mid-stream for the rest of it."""
        if self._in_mid_stream:
            self._planned = planned
        else:
            self._stream = Stream(self.output, planned, f"{self.name} ({self.device})", fixed=self.format is not None)

    def start(self) -> None:
        """Start the side that takes the stream; the other one starts when the decoder has read its header."""
        forget_events(self.input.device)
        if not self._tells_changes:
            self.output.queue.start()
        self.input.queue.start()

    def node(self, source: Link | None, sink: Link | None, frames: int) -> Node:
        """Make what the loop drives."""
        assert source is not None
        assert sink is not None
        assert self._stream is not None
        node = CodecNode(
            self.name, self.input.queue, self.output.queue, source, sink,
            changed=self._stream.changed, drop_corrupted=self.corrupted == "drop",
        )  # fmt: skip
        self._stream.begin(node)
        self._begin(node)
        return node

    @property
    def stream(self) -> Stream:
        """What the decoder has found in its stream."""
        assert self._stream is not None
        return self._stream

    def renew(self) -> bool:
        """Read what the stream is now: CAPTURE has no buffers, and OUTPUT goes on."""
        self.output.forget()
        self.output.read_minimum(again=True)
        self._stream = Stream.found(self.output, f"{self.name} ({self.device})", fixed=self.format is not None)
        self._in_mid_stream = True
        assert self._input is not None
        self._input = replace(self._input, width=self._stream.planned.width, height=self._stream.planned.height)
        return True

    def go_on(self, sink: Link) -> None:
        """Start CAPTURE for the rest of the stream."""
        assert isinstance(self._node, CodecNode)
        assert self._planned is not None
        self.stream.go_on(self._node, self._planned, sink)
        self.output.queue.start()

    def stop(self) -> None:
        """Stop both queues."""
        super().stop()
        self._in_mid_stream = False
        if self._stream is not None:
            self._stream.end()
