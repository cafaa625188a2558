"""Convert with a V4L2 mem-to-mem device."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from zcore._chain import Link, Node
from zcore._nodes import ConvertNode
from zcore.errors import DeviceError, NegotiationError
from zcore.formats import Format, find
from zcore.stages.arguments import size_of
from zcore.stages.base import LinkCaps
from zcore.stages.controls import Value
from zcore.stages.m2m import MemToMem
from zcore.stages.v4l2_pad import asked_code, check_same_layout


class Convert(MemToMem):
    """A V4L2 mem-to-mem converter: pixel format, and size where the device scales.

    Parameters
    ----------
    device : str, optional
        Device node, or the driver's name, such as ``vim2m``; left out: the first converter of this machine.
    format : str, optional
        Pixel format to give. Left out: the first one that the next stage takes.
    size : (int, int), optional
        Size to give. Left out: that of the frames that come in.
    output_io_mode, capture_io_mode : str
        For the side that takes frames and the side that gives them (V4L2's words): see :class:`zcore.Capture`.
    buffers : int, optional
        How many buffers to ask for on each side.
    extra_controls : mapping or str, optional
        Controls to set when the device is opened: see :class:`zcore.Capture`.
    """

    kind = "convert"

    def __init__(
        self,
        device: str | None = None,
        format: str | Format | None = None,
        size: tuple[int, int] | None = None,
        *,
        output_io_mode: str = "auto",
        capture_io_mode: str = "auto",
        buffers: int | None = None,
        extra_controls: Mapping[str, Value] | str | None = None,
        name: str | None = None,
    ):
        super().__init__(
            device,
            output_io_mode=output_io_mode,
            capture_io_mode=capture_io_mode,
            extra_controls=extra_controls,
            buffers=buffers,
            name=name,
        )
        self.format = find(format) if format is not None else None
        self._code = asked_code(format)
        self.size = size_of(size)

    def find(self) -> str:
        """Find the device by its driver, or the first that converts."""
        from zcore.devices import find_converter, find_m2m

        return find_m2m(self.device) if self.device else find_converter()

    @property
    def scales(self) -> bool:
        """Whether it can give another size than it takes; True where only setting the formats would tell.

        The driver is asked with VIDIOC_TRY_FMT, which changes nothing, about half and twice the present size.
        """
        taking, giving = self.input, self.output
        try:
            now = taking.device.get_format(taking.type)
            out = giving.device.get_format(giving.type)
            size = now.width, now.height
            for wanted in ((size[0] // 2, size[1] // 2), (size[0] * 2, size[1] * 2)):
                granted = giving.device.set_format(giving.type, *wanted, out.fourcc, test=True)
                if (granted.width, granted.height) != size:
                    return True
        except DeviceError:
            return True
        return False

    def set_input(self, caps: LinkCaps) -> LinkCaps:
        """Set the format of the frames that come in."""
        granted = self.input.set_format(
            caps.format, caps.width, caps.height, caps.memory_planes[0][1], caps.fourcc or None, given=caps
        )
        if granted.size == caps.size:
            check_same_layout(caps, granted, f"{self.name} ({self.device})")
        self._input = replace(granted, rate=caps.rate)
        return self._input

    def offers(self) -> Sequence[Format]:
        """List the formats that it gives."""
        return [self.format] if self.format is not None else self.output.formats()

    def set_output(self, fmt: Format, size: tuple[int, int] | None, bytesperline: int = 0) -> LinkCaps:
        """Set the format of the frames that go out, after that of those that come in."""
        assert self._input is not None
        width, height = self.size or size or self._input.size
        caps = self.output.set_format(fmt, width, height, bytesperline, self._code)
        if caps.size != (width, height):
            raise NegotiationError(
                f"{self.name} ({self.device}) was asked for {width}x{height} and answered with "
                f"{caps.width}x{caps.height}; it takes {self._input.width}x{self._input.height} and may not scale"
            )
        return replace(caps, rate=self._input.rate)

    def node(self, source: Link | None, sink: Link | None, frames: int) -> Node:
        """Make what the loop drives."""
        assert source is not None
        assert sink is not None
        return ConvertNode(self.name, self.input.queue, self.output.queue, source, sink)
