"""What stateful and stateless decoders share."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from zcore._chain import Link
from zcore.errors import NegotiationError
from zcore.formats import Format, find
from zcore.stages.base import LinkCaps, Sizes
from zcore.stages.codec_base import Codec
from zcore.stages.controls import Value
from zcore.stages.v4l2_pad import asked_code


class DecoderStream(Protocol):
    """What is known of a stream: what the driver has for its pictures, and the same with the size to be seen."""

    planned: LinkCaps

    @property
    def own(self) -> LinkCaps:
        """With the size of its buffers."""


class Decoder(Codec):
    """A V4L2 decoder: it takes a coded stream and gives pixels, of the size that the stream has."""

    direction = "dec"

    def __init__(
        self,
        device: str | None,
        codec: str | Format,
        format: str | Format | None,
        *,
        extra_controls: Mapping[str, Value] | str | None,
        output_io_mode: str,
        capture_io_mode: str,
        buffers: int | None,
        corrupted: str,
        fallback: str | None,
        name: str | None,
        buffer_size: int | None = None,
    ):
        super().__init__(
            device,
            codec,
            extra_controls=extra_controls,
            output_io_mode=output_io_mode,
            capture_io_mode=capture_io_mode,
            buffers=buffers,
            corrupted=corrupted,
            fallback=fallback,
            name=name,
            buffer_size=buffer_size,
        )
        self.format = find(format) if format is not None else None
        self._code = asked_code(format)

    @property
    @abstractmethod
    def stream(self) -> DecoderStream:
        """What the stream is now."""

    @abstractmethod
    def go_on(self, sink: Link) -> None:
        """Go on in mid-stream, with what is behind the decoder set up anew."""

    def accepts(self) -> Sequence[Format]:
        """Give the codec."""
        return [self.codec]

    def offers(self) -> Sequence[Format]:
        """List the formats of pixels that it gives."""
        return [self.format] if self.format is not None else self.raw_formats(self.output)

    def output_sizes(self, fmt: Format) -> Sizes | None:
        """Give no limits of its own: pictures have the size of their stream."""
        return None

    def present_size(self) -> tuple[int, int]:
        """Give the size that the decoder is set to now."""
        now = self.coded_pad.device.get_format(self.coded_pad.type)
        return now.width, now.height

    def set_output(self, fmt: Format, size: tuple[int, int] | None, bytesperline: int = 0) -> LinkCaps:
        """Set the format of the pixels; the size is the stream's."""
        assert self._input is not None
        width, height = self._input.size
        who = f"{self.name} ({self.device})"
        if size is not None and tuple(size) != (width, height):
            raise NegotiationError(f"{who} gives the {width}x{height} of its stream, not {size[0]}x{size[1]}")
        granted = self.output.set_format(fmt, *self.coded_size(), bytesperline, self._code)
        if granted.width < width or granted.height < height:
            raise NegotiationError(
                f"{who} gives {granted.width}x{granted.height} {fmt} for a stream of {width}x{height}"
            )
        planned = replace(granted, width=width, height=height, rate=self._input.rate)
        self.agree(granted, planned)
        return planned

    def coded_size(self) -> tuple[int, int]:
        """Give the size to ask for on the side of the pixels."""
        assert self._input is not None
        return self._input.size

    @abstractmethod
    def agree(self, granted: LinkCaps, planned: LinkCaps) -> None:
        """Keep what was agreed: what the driver has, and with the size that is to be seen."""

    def flush(self) -> None:
        """Throw away what the decoder has taken and not given yet, as before a jump to another place of the stream.

        From any thread, while the chain runs: coded frames that wait in front of the decoder, those in it, and pictures
        that it has decoded and not given out are dropped, and counted as ``flushed``. It goes on with the next coded
        frame that comes, best a key frame. As the kernel's interfaces have it for a seek, a stateful decoder's queues
        are restarted; a stateless one's go on, and what it was at work on is ignored. Between two runs there is nothing
        to throw away.
        """
        if self._node is not None:
            self._node.flush()
