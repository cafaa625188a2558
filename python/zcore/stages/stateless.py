"""Decode with stateless V4L2 decoders: the headers are read here, the device gets them with each picture."""

from __future__ import annotations

import errno
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from zcore._chain import Link, Node
from zcore._coded_nodes import CodedNode
from zcore._fwht_node import FwhtNode
from zcore._parsed_node import ParsedNode
from zcore._request import RequestPool, set_payloads
from zcore._stateless_nodes import StatelessNode
from zcore._v4l2_device import V4l2Device
from zcore.bitstream.picture import Parser, Picture
from zcore.errors import DeviceError
from zcore.formats import Format, find
from zcore.requests import explained, media_device_of
from zcore.stages.base import LinkCaps, Sizes, make_pool
from zcore.stages.codec_base import Codec
from zcore.stages.controls import Value
from zcore.stages.cpu_pads import ReadPad
from zcore.stages.decoder_base import Decoder
from zcore.stages.stateless_codecs import CODECS, StatelessCodec, without
from zcore.stages.v4l2_pad import V4l2Pad, caps_of

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


class StatelessDecode(Decoder):
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
            format,
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
        self.media = media
        self._kind: StatelessCodec = CODECS[self.codec.name]
        self._reader = ReadPad(self.name)
        self._requests: RequestPool | None = None
        self._coded: LinkCaps | None = None
        self._stream: StatelessStream | None = None
        self._header: tuple[tuple[int, bytes], ...] = ()  # controls that the formats of pictures depend on
        self._absent: set[int] = set()  # optional controls that the device does not have
        self._parser: Parser | None = None
        self._last_number = 0
        self._lost: Counter[str] = Counter()  # of what parsers before this one made nothing

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

    @property
    def coded_format(self) -> Format:
        """What stateless drivers call the codec."""
        return find(self._kind.stateless)

    def prepare(self, device: V4l2Device) -> None:
        """Set the codec and the way to decode; make sure that there are requests."""
        super().prepare(device)
        self._kind.prepare(device, self.name)
        self._absent = self._kind.absent(device)
        try:
            self._requests = RequestPool(self.media or media_device_of(device.path), CODED_BUFFERS + 2)
        except DeviceError as error:
            raise explained(error) from None

    def input_sizes(self, fmt: Format) -> Sizes | None:
        """List the sizes of streams: any within the driver's limits."""
        return self.coded_pad.sizes(self.coded_format, cropped=True)

    def set_input(self, caps: LinkCaps) -> LinkCaps:
        """Set codec and size."""
        width, height = caps.size if all(caps.size) else self.present_size()
        self._input = replace(caps, width=width, height=height)
        self._set_coded()
        return self._input

    def _set_coded(self) -> None:
        """Set codec and size anew: a queue with buffers would not let its format be set."""
        assert self._input is not None
        pad, size = self.coded_pad, self._input.size
        pad.queue.close()
        room = max(self._input.memory_planes[0][0], self._kind.room(*size))
        self._coded = pad.set_format(self.coded_format, *size, sizeimage=room)

    def agree(self, granted: LinkCaps, planned: LinkCaps) -> None:
        """Keep what was agreed, and as many buffers as there are references."""
        self.output.holds = max(self.output.holds, self._kind.references + 2)
        self._stream = StatelessStream(granted, planned)

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
        about: Any = {
            "changed": self._changed, "size": self._input.size, "last_number": self._last_number,
            "drop_corrupted": self.corrupted == "drop",
        }  # fmt: skip
        node: StatelessNode
        if self._kind.parser is None:
            node = FwhtNode(self.name, *queues, source, sink, self._requests, **about)
        else:
            self._parser = self._kind.parser(self._last_number)
            node = ParsedNode(
                self.name, *queues, source, sink, self._requests, parse=self._parse, restart=self._restart, **about
            )
        self._lost.clear()
        self._begin(node)
        return node

    def _parse(self, data: bytes | None) -> list[Picture]:
        assert self._parser is not None
        pictures = self._parser.flush() if data is None else self._parser.feed(data)
        return without(pictures, self._absent) if self._absent else pictures

    def _restart(self) -> int:
        """Begin again with parsing, behind a flush; gives how many frames parsers have made nothing of in this run."""
        assert self._kind.parser is not None
        self._end_parser()
        self._parser = self._kind.parser(self._last_number)
        return sum(self._lost.values())

    def _end_parser(self) -> None:
        """Let go of the parser; what it counted stays, and its numbers are not used again."""
        self._lost = self._losses()
        parser, self._parser = self._parser, None
        if parser is not None:
            self._last_number = max(self._last_number, parser.last_number)

    def _losses(self) -> Counter[str]:
        parser = self._parser
        counts = {} if parser is None else _lost(parser.damaged_units, parser.without_reference)
        return self._lost + Counter(counts)

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
        assert isinstance(self._node, StatelessNode)
        self.start()
        self._node.resume(sink, self.stream.planned.size)

    def stop(self) -> None:
        """Stop both queues and let go of the reference pictures."""
        super().stop()
        node = self._node
        if isinstance(node, StatelessNode):
            node.release()
            self._last_number = max(self._last_number, node.last_number)
            self._written = node.submitted, node.bitstream_bytes
        self._end_parser()
        self._begin(None)

    def _drops_of(self, node: CodedNode) -> dict[str, int]:
        """Count also coded frames that were skipped."""
        if isinstance(node, FwhtNode):
            return super()._drops_of(node) | _lost(node.damaged_headers, node.without_reference)
        return super()._drops_of(node) | self._losses()

    _written: tuple[int, int] = (0, 0)

    def close(self) -> None:
        """Free buffers and requests, and close the device."""
        super().close()
        requests, self._requests = self._requests, None
        if requests is not None:
            requests.close()
        self._reader.reset()

    def facts(self) -> dict[str, Any]:
        """Give how many pictures were submitted, and how many bytes of bitstream were written for that."""
        if isinstance(self._node, StatelessNode):
            self._written = self._node.submitted, self._node.bitstream_bytes
        return {**super().facts(), "requests": self._written[0], "bitstream_bytes": self._written[1]}


def _lost(damaged: int, without_reference: int) -> dict[str, int]:
    return {"damaged header": damaged, "no reference": without_reference}


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
