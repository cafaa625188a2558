"""Convert with a V4L2 mem-to-mem device."""

from __future__ import annotations

import os
from collections.abc import Sequence

from zcore._chain import Link, Node
from zcore._nodes import ConvertNode
from zcore._v4l2_device import V4l2Device
from zcore.errors import NegotiationError, make_error
from zcore.formats import Format, find
from zcore.stages.base import LinkCaps, SinkMixin, SourceMixin, Stage, check_io_mode
from zcore.stages.v4l2_pad import CAP_M2M, CAP_M2M_MPLANE, V4l2Pad, asked_code, capture_type, output_type


class Convert(Stage, SourceMixin, SinkMixin):
    """A V4L2 mem-to-mem converter: pixel format, and size where the device scales.

    Parameters
    ----------
    device : str
        Device node, or the driver's name, such as ``vim2m``.
    format : str, optional
        Pixel format to give. Left out: the first one that the next stage takes.
    size : (int, int), optional
        Size to give. Left out: that of the frames that come in.
    output_io_mode, capture_io_mode : str
        For the side that takes frames and the side that gives them (V4L2's words): see :class:`zcore.Capture`.
    buffers : int, optional
        How many buffers to ask for on each side.
    """

    kind = "convert"

    def __init__(
        self,
        device: str,
        format: str | Format | None = None,
        size: tuple[int, int] | None = None,
        *,
        output_io_mode: str = "auto",
        capture_io_mode: str = "auto",
        buffers: int | None = None,
        name: str | None = None,
    ):
        super().__init__(name)
        self.device = str(device)
        self.format = find(format) if format is not None else None
        self._code = asked_code(format)
        self.size = size
        self.io_modes = (check_io_mode(output_io_mode), check_io_mode(capture_io_mode))
        self.buffers = buffers
        self._device: V4l2Device | None = None
        self._pads: tuple[V4l2Pad, V4l2Pad] | None = None

    def open(self) -> None:
        """Open the device and check that it converts."""
        if self._device is not None:
            return
        if os.path.sep not in self.device:
            from zcore.devices import find_m2m

            self.device = find_m2m(self.device)
        device = V4l2Device(self.device)
        try:
            if not device.capabilities & (CAP_M2M | CAP_M2M_MPLANE):
                raise make_error(
                    22,
                    "VIDIOC_QUERYCAP",
                    self.device,
                    f"{device.card} ({device.driver}) is no mem-to-mem device",
                    "see 'zcore devices'",
                )
            taking, giving = output_type(device.capabilities), capture_type(device.capabilities)
            assert taking is not None
            assert giving is not None
            self._pads = (
                V4l2Pad(device, taking, f"{self.name} OUTPUT", self.io_modes[0]),
                V4l2Pad(device, giving, f"{self.name} CAPTURE", self.io_modes[1]),
            )
        except BaseException:
            device.close()
            raise
        self._device = device

    @property
    def is_open(self) -> bool:
        """Whether the device is open."""
        return self._device is not None

    def _pad(self, index: int) -> V4l2Pad:
        if self._pads is None:
            raise ValueError(f"{self.name} ({self.device}) is not open; use it in a chain")
        return self._pads[index]

    @property
    def input(self) -> V4l2Pad:  # type: ignore[override]
        """The queue that takes frames (V4L2's OUTPUT)."""
        return self._pad(0)

    @property
    def output(self) -> V4l2Pad:  # type: ignore[override]
        """The queue that gives frames (V4L2's CAPTURE)."""
        return self._pad(1)

    def accepts(self) -> Sequence[Format]:
        """List the formats that it takes."""
        return self.input.formats()

    def set_input(self, caps: LinkCaps) -> LinkCaps:
        """Set the format of the frames that come in."""
        stride = caps.memory_planes[0][1]
        granted = self.input.set_format(caps.format, caps.width, caps.height, stride)
        self._input_size = granted.size
        return granted

    def offers(self) -> Sequence[Format]:
        """List the formats that it gives."""
        return [self.format] if self.format is not None else self.output.formats()

    def set_output(self, fmt: Format, size: tuple[int, int] | None, bytesperline: int = 0) -> LinkCaps:
        """Set the format of the frames that go out, after that of those that come in."""
        width, height = self.size or self._input_size
        caps = self.output.set_format(fmt, width, height, bytesperline, self._code)
        if caps.size != (width, height):
            raise NegotiationError(
                f"{self.name} ({self.device}) was asked for {width}x{height} and answered with "
                f"{caps.width}x{caps.height}; it takes {self._input_size[0]}x{self._input_size[1]} and may not scale"
            )
        return caps

    def start(self) -> None:
        """Start both queues."""
        self.output.queue.start()
        self.input.queue.start()

    def stop(self) -> None:
        """Stop both queues."""
        for pad in self._pads or ():
            pad.queue.stop()

    def close(self) -> None:
        """Free the buffers and close the device."""
        device, self._device = self._device, None
        pads, self._pads = self._pads, None
        for pad in pads or ():
            pad.queue.close()
        if device is not None:
            device.close()

    def node(self, source: Link | None, sink: Link | None, frames: int) -> Node:
        """Make what the loop drives."""
        assert source is not None
        assert sink is not None
        return ConvertNode(self.name, self.input.queue, self.output.queue, source, sink)
