"""Decode with stateless V4L2 decoders: the headers are read here, the device gets them with each picture."""

from __future__ import annotations

import errno
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from zcore._chain import Link, Node
from zcore._fwht_node import FwhtNode
from zcore._request import RequestPool, set_payloads
from zcore._stateless_nodes import StatelessNode
from zcore._v4l2_device import V4l2Device
from zcore.bitstream.picture import Parser, Picture
from zcore.errors import DeviceError, NegotiationError
from zcore.formats import Format, find
from zcore.requests import explained, media_device_of
from zcore.stages.base import LinkCaps, Sizes, make_pool
from zcore.stages.codec_base import Codec
from zcore.stages.controls import Value
from zcore.stages.cpu_pads import ReadPad
from zcore.stages.stateless_codecs import CODECS, StatelessCodec, without
from zcore.stages.v4l2_pad import V4l2Pad, asked_code, caps_of

CODED_BUFFERS = 4


@dataclass
class StatelessStream:
    """What was agreed for a stream.

    Attributes
    ----------
    own : LinkCaps
        What the driver has for its pictures, with the size of its buffers.
    planned : LinkCaps
        With the size that is to be seen.
    """

    own: LinkCaps
    planned: LinkCaps


class StatelessDecode(Codec):
    """A stateless V4L2 decoder: it takes a coded stream and gives pixels, in the order to show them.

    How am I supposed to use this? As :class:`zcore.Decode`: ``Chain(FileSource("in.fwht"), StatelessDecode(),
    Display())``. Codecs: see ``docs/stateless.md``. The coded frames are read by the CPU and their payload is written
    into the device's buffers; pictures are handed on without a copy. A stream of another size than was told before, or
    that changes it on its way, is followed as :class:`zcore.Decode` follows it.

    Parameters
    ----------
    device : str, optional
        Device node, or the driver's name; left out: the first device that has the codec.
    codec : str
        ``FWHT``, ``H264``, ``VP8`` and so on: what the device has.
    format : str, optional
        Pixel format to give; left out: the first that the next stage takes. Not every decoder converts: the format
        that the stream was made from always works.
    media : str, optional
        The device's media device, such as ``/dev/media0``; found where left out.
    extra_controls : mapping or str, optional
        Controls of the device: see :class:`zcore.Encode`.
    capture_io_mode : str
        For the side that gives pixels: see :class:`zcore.Capture`.
    corrupted : str
        ``deliver`` (with :attr:`Frame.corrupted` set) or ``drop`` pictures that are damaged, or build on damaged ones.
    buffers : int, optional
        How many pictures to ask for.

    Raises
    ------
    DeviceError
        When it is opened: no such device, or it has no requests.
    """

    kind = "statelessdecode"
    direction = "dec"

    def __init__(
        self,
        device: str | None = None,
        codec: str | Format = "FWHT",
        format: str | Format | None = None,
        *,
        media: str | None = None,
        extra_controls: Mapping[str, Value] | str | None = None,
        capture_io_mode: str = "auto",
        corrupted: str = "deliver",
        buffers: int | None = None,
        name: str | None = None,
    ):
        super().__init__(
            device,
            codec,
            extra_controls=extra_controls,
            output_io_mode="mmap",
            capture_io_mode=capture_io_mode,
            buffers=buffers,
            corrupted=corrupted,
            fallback=None,
            name=name,
        )
        if self.codec.name not in CODECS:
            raise ValueError(f"stateless decoders of {self.codec} are not supported; of {', '.join(CODECS)} they are")
        self.format = find(format) if format is not None else None
        self.media = media
        self._code = asked_code(format)
        self._kind: StatelessCodec = CODECS[self.codec.name]
        self._reader = ReadPad(self.name)
        self._requests: RequestPool | None = None
        self._coded: LinkCaps | None = None
        self._stream: StatelessStream | None = None
        self._header: tuple[tuple[int, bytes], ...] = ()  # controls that the formats of pictures depend on
        self._absent: set[int] = set()  # optional controls that the device does not have
        self._node_now: StatelessNode | None = None
        self._parser: Parser | None = None
        self._last_number = 0
        self._counts: dict[str, int] = {}

    def find(self) -> str:
        """Find the device by its codec, or by its codec and its driver."""
        from zcore.stages.stateless_codecs import find_stateless_device

        return find_stateless_device(self.codec, self.device or None)

    @property
    def input(self) -> ReadPad:  # type: ignore[override]
        """Memory that the CPU reads the coded stream from."""
        return self._reader

    @property
    def coded_pad(self) -> V4l2Pad:
        """The device's OUTPUT queue, with buffers of its own."""
        return self._pad(0)

    def prepare(self, device: V4l2Device) -> None:
        """Set the codec and the way to decode; make sure that there are requests."""
        pad = self.coded_pad
        coded = [fmt for fmt in pad.formats() if fmt.coded]
        wanted = find(self._kind.stateless)
        if wanted not in coded:
            names = ", ".join(map(str, coded)) or "nothing"
            raise NegotiationError(f"{self.name} ({device.path}, {device.card}) decodes {names}, not {wanted}")
        now = device.get_format(pad.type)
        pad.set_format(wanted, now.width, now.height)
        for one in (pad, self.output):
            one.forget()
        self._kind.prepare(device, self.name)
        self._absent = self._kind.absent(device)
        try:
            self._requests = RequestPool(self.media or media_device_of(device.path), CODED_BUFFERS + 2)
        except DeviceError as error:
            raise explained(error) from None

    def accepts(self) -> Sequence[Format]:
        """Give the codec."""
        return [self.codec]

    def input_sizes(self, fmt: Format) -> Sizes | None:
        """List the sizes of streams: any within the driver's limits."""
        return self.coded_pad.sizes(find(self._kind.stateless), cropped=True)

    def set_input(self, caps: LinkCaps) -> LinkCaps:
        """Set codec and size."""
        pad = self.coded_pad
        width, height = caps.size
        if not width or not height:
            now = pad.device.get_format(pad.type)
            width, height = now.width, now.height
        self._input = replace(caps, width=width, height=height)
        self._set_coded()
        return self._input

    def _set_coded(self) -> None:
        """Set codec and size anew: a queue with buffers would not let its format be set."""
        assert self._input is not None
        pad, size = self.coded_pad, self._input.size
        pad.queue.close()
        room = max(self._input.memory_planes[0][0], self._kind.room(*size))
        self._coded = pad.set_format(find(self._kind.stateless), *size, sizeimage=room)

    def offers(self) -> Sequence[Format]:
        """List the formats of pixels that it gives."""
        return [self.format] if self.format is not None else self.raw_formats(self.output)

    def output_sizes(self, fmt: Format) -> Sizes | None:
        """Give no limits of its own: pictures have the size of their stream."""
        return None

    def set_output(self, fmt: Format, size: tuple[int, int] | None, bytesperline: int = 0) -> LinkCaps:
        """Set the format of the pixels; the size is the stream's."""
        assert self._input is not None
        width, height = self._input.size
        if size is not None and tuple(size) != (width, height):
            raise NegotiationError(
                f"{self.name} ({self.device}) gives the {width}x{height} of its stream, not {size[0]}x{size[1]}"
            )
        granted = self.output.set_format(fmt, width, height, bytesperline, self._code)
        if granted.width < width or granted.height < height:
            raise NegotiationError(
                f"{self.name} ({self.device}) gives {granted.width}x{granted.height} {fmt} for a stream of "
                f"{width}x{height}"
            )
        self.output.holds = max(self.output.holds, self._kind.references + 2)
        planned = replace(granted, width=width, height=height, rate=self._input.rate)
        self._stream = StatelessStream(granted, planned)
        return planned

    def start(self) -> None:
        """Start both queues; the device's buffers for the bitstream are made with the first start."""
        pad = self.coded_pad
        assert self._coded is not None
        if pad.queue.state == "empty":
            pool = make_pool(pad.name, f"v4l2:{self.device}", self._coded, owner=pad.device.fd, writable=True)
            pad.queue.allocate(pool, CODED_BUFFERS, export=False, minimum=1)
        self.output.queue.start()
        pad.queue.start()

    def node(self, source: Link | None, sink: Link | None, frames: int) -> Node:
        """Make what the loop drives."""
        assert source is not None
        assert sink is not None
        assert self._input is not None
        assert self._requests is not None
        queues = self.coded_pad.queue, self.output.queue
        drop = self.corrupted == "drop"
        parse = None
        if self._kind.parser is not None:
            self._parser = self._kind.parser(self._last_number)
            parse = self._parse
        self._node_now = (FwhtNode if parse is None else StatelessNode)(
            self.name, *queues, source, sink, self._requests, changed=self._changed, size=self._input.size,
            parse=parse, last_number=self._last_number, drop_corrupted=drop,
        )  # fmt: skip
        return self._node_now

    def _parse(self, data: bytes | None) -> list[Picture]:
        assert self._parser is not None
        pictures = self._parser.flush() if data is None else self._parser.feed(data)
        return without(pictures, self._absent) if self._absent else pictures

    def _changed(self, width: int, height: int, picture: Picture | None) -> str:
        """Look at a picture that may need other buffers: ``pause`` where it does."""
        assert self._input is not None
        controls = picture.controls if picture is not None else ()
        self._header = tuple((id, content) for id, content in controls if id in self._kind.header)
        if (width, height) != self._input.size:
            self._input = replace(self._input, width=width, height=height)
            return "pause"
        # EBUSY: these pictures need another format than the buffers have.
        return "pause" if self._set_header() == errno.EBUSY else ""

    def _set_header(self) -> int:
        """Tell the device what the stream's header says; gives 0 or why not. Each picture is told it once more."""
        device = self.coded_pad.device
        return set_payloads(device, self._header) if self._header else 0

    @property
    def stream(self) -> StatelessStream:
        """What was agreed for the stream."""
        assert self._stream is not None
        return self._stream

    def renew(self) -> bool:
        """Set up the side of the stream anew, in the order of the kernel's interface: its format, then its header."""
        self.output.forget()
        self._set_coded()
        self._set_header()
        assert self._input is not None
        own = caps_of(self.output.device.get_format(self.output.type))
        self._stream = StatelessStream(own, replace(own, width=self._input.width, height=self._input.height))
        return True

    def go_on(self, sink: Link) -> None:
        """Start both queues for the rest of the stream."""
        assert self._node_now is not None
        self.start()
        self._node_now.resume(sink, self.stream.planned.size)

    def stop(self) -> None:
        """Stop both queues and let go of the reference pictures."""
        super().stop()
        pads = self._pads
        if pads is not None:
            pads[0].queue.stop()
        node, self._node_now = self._node_now, None
        if node is not None:
            node.release()
            self._last_number = max(self._last_number, node.last_number)
            self._count(node)
        parser, self._parser = self._parser, None
        if parser is not None:
            self._last_number = max(self._last_number, parser.last_number)

    def _count(self, node: StatelessNode) -> None:
        counts = {"corrupted": node.corrupted_drops}
        if isinstance(node, FwhtNode):
            counts |= {"damaged header": node.damaged_headers, "no reference": node.without_reference}
        elif self._parser is not None:
            counts |= {"damaged header": self._parser.damaged_units, "no reference": self._parser.without_reference}
        self._counts = {reason: count for reason, count in counts.items() if count}
        self._written = node.submitted, node.bitstream_bytes

    _written: tuple[int, int] = (0, 0)

    def close(self) -> None:
        """Free buffers and requests, and close the device."""
        super().close()
        requests, self._requests = self._requests, None
        if requests is not None:
            requests.close()
        self._reader.reset()

    def drops(self) -> dict[str, int]:
        """Count coded frames that were skipped, and damaged pictures that were dropped."""
        if self._node_now is not None:
            self._count(self._node_now)
        return dict(self._counts)

    def facts(self) -> dict[str, Any]:
        """Give how many pictures were submitted, and how many bytes of bitstream were written for that."""
        if self._node_now is not None:
            self._count(self._node_now)
        return {**super().facts(), "requests": self._written[0], "bitstream_bytes": self._written[1]}


def in_place_of(decoder: Codec) -> StatelessDecode | None:
    """Give a stateless decoder for what was asked of a stateful one; ``None`` where this machine has none that fits."""
    from zcore.stages.codec import Decode
    from zcore.stages.stateless_codecs import stateless_devices

    if not isinstance(decoder, Decode):
        return None
    for path, driver, card, codec in stateless_devices():
        if codec == decoder.codec and decoder.device in ("", path, driver, card):
            return StatelessDecode(
                path,
                codec,
                decoder.format,
                extra_controls=decoder.extra_controls,
                capture_io_mode=decoder.io_modes[1],
                corrupted=decoder.corrupted,
                buffers=decoder.buffers,
                name=decoder.name,
            )
    return None
