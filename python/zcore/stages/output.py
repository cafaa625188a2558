"""Give frames to a V4L2 output device."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from zcore._chain import Link, Node
from zcore._output_nodes import OutputNode
from zcore._v4l2_device import V4l2Device
from zcore._v4l2_inputs import DvTimings
from zcore.controls.mixin import ControlsMixin
from zcore.errors import NegotiationError, make_error
from zcore.formats import Format, find
from zcore.stages.base import LinkCaps, SinkMixin, Sizes, Stage
from zcore.stages.controls import Value, apply_controls, as_controls
from zcore.stages.device_state import DeviceState, make_wishes
from zcore.stages.rw import RwPad, make_pad
from zcore.stages.selection import Area
from zcore.stages.v4l2_pad import (
    CAP_M2M,
    CAP_M2M_MPLANE,
    V4l2Pad,
    asked_code,
    check_same_layout,
    check_v4l2_mode,
    output_type,
)


class Output(DeviceState, ControlsMixin, Stage, SinkMixin):
    """A V4L2 output device: a video output, or a loop that another program captures from.

    How am I supposed to use this? As the last stage of a :class:`zcore.Chain`. A frame is given back when the device
    is done with it; at the end the chain waits until it is done with all of them.

    Parameters
    ----------
    device : str
        Device node, such as ``/dev/video1``.
    format : str, optional
        Pixel format to take; left out: whatever the stage before gives and the device has.
    io_mode : str
        ``auto``, ``mmap``, ``userptr``, ``dmabuf`` or ``dmabuf-import``, as in GStreamer.
    buffers : int, optional
        How many buffers to ask for. Left out: computed from what the stages hold.
    extra_controls : mapping or str, optional
        Controls to set when the device is opened: see :class:`zcore.Capture`.
    min_queued_bufs : int
        How many buffers are left with the device while more frames come. Some drivers show the last one on and on.
    output : str or int, optional
        Output of the device, by its name, a part of it, or its number.
    standard, dv_timings : str, optional
        Television standard or timings to send: see :class:`zcore.Capture`. There is nothing to detect.
    crop : (int, int, int, int) or Margins, optional
        The part of the frames to send: left, top, width, height in pixels.
    compose : (int, int, int, int), optional
        Where on the screen to put it.
    field : str, optional
        Field order of the frames, where they do not tell.
    priority : str, optional
        ``background``, ``interactive`` or ``record``: then nobody else can change the device meanwhile.
    """

    kind = "output"

    def __init__(
        self,
        device: str,
        format: str | Format | None = None,
        *,
        io_mode: str = "auto",
        buffers: int | None = None,
        extra_controls: Mapping[str, Value] | str | None = None,
        min_queued_bufs: int = 1,
        output: str | int | None = None,
        standard: str | int | None = None,
        dv_timings: str | DvTimings | None = None,
        crop: Area | None = None,
        compose: Area | None = None,
        field: str | int | None = None,
        priority: str | None = None,
        name: str | None = None,
    ):
        super().__init__(name)
        if "auto" in (standard, dv_timings):
            raise ValueError("an output has no signal to detect: name the standard or the timings")
        self.wishes = make_wishes(output, standard, dv_timings, crop, compose, field, None, priority)
        if min_queued_bufs < 0:
            raise ValueError(f"min_queued_bufs is 0 or more, not {min_queued_bufs}")
        self.device = str(device)
        self.format = find(format) if format is not None else None
        self._code = asked_code(format)
        self.io_mode = check_v4l2_mode(io_mode, rw=True)
        self.buffers = buffers
        self.extra_controls = as_controls(extra_controls)
        self.min_queued_bufs = min_queued_bufs
        self._device: V4l2Device | None = None
        self.caps: LinkCaps | None = None
        self._pad: V4l2Pad | None = None

    def open(self) -> None:
        """Open the device and check that it takes frames."""
        if self._device is not None:
            return
        device = V4l2Device(self.device)
        try:
            type = output_type(device.capabilities)
            if type is None or device.capabilities & (CAP_M2M | CAP_M2M_MPLANE):
                kind = "a mem-to-mem device" if type is not None else "no video output device"
                raise make_error(
                    22,
                    "VIDIOC_QUERYCAP",
                    self.device,
                    f"{device.card} ({device.driver}) is {kind}",
                    "see 'zcore devices' for the output devices",
                )
            self._pad = make_pad(device, type, self.name, self.io_mode, holds=2 + self.min_queued_bufs)
            apply_controls(device, self.extra_controls, self.name)
            self.apply_state(self._pad)
        except BaseException:
            self._pad = None
            device.close()
            raise
        self._device = device

    @property
    def is_open(self) -> bool:
        """Whether the device is open."""
        return self._device is not None

    @property
    def input(self) -> V4l2Pad:  # type: ignore[override]
        """The output queue: V4L2 names queues as the device sees them from the machine."""
        if self._pad is None:
            raise ValueError(f"{self.name} ({self.device}) is not open; use it in a chain")
        return self._pad

    def accepts(self) -> Sequence[Format]:
        """List the formats that it takes."""
        return [self.format] if self.format is not None else self.input.formats()

    def input_sizes(self, fmt: Format) -> Sizes | None:
        """List the sizes that it takes in a format (VIDIOC_ENUM_FRAMESIZES)."""
        return self.input.sizes(fmt)

    def set_input(self, caps: LinkCaps) -> LinkCaps:
        """Set the format of the frames that come in, and the rate where they have one."""
        pad = self.input
        granted = pad.set_format(
            caps.format,
            caps.width,
            caps.height,
            caps.memory_planes[0][1],
            self._code or caps.fourcc or None,
            given=caps,
        )
        granted = self.apply_areas(granted)
        if granted.size != caps.size:
            sizes = pad.sizes(caps.format)
            raise NegotiationError(
                f"{self.name} ({self.device}) was given {caps.width}x{caps.height} {caps.format} and takes "
                f"{granted.width}x{granted.height}" + (f" (it has {sizes})" if sizes is not None else "")
            )
        check_same_layout(caps, granted, f"{self.name} ({self.device})")
        pad.hint_rate(caps.rate)
        self.caps = granted
        return granted

    def start(self) -> None:
        """Start streaming; a device that needs buffers first begins with them."""
        if not isinstance(self.input, RwPad):
            self.input.queue.start()

    def stop(self) -> None:
        """Stop streaming."""
        if isinstance(self._pad, RwPad):
            self._device = self._pad.restart()  # only closing it ends what write() began
        elif self._pad is not None:
            self._pad.queue.stop()

    def close(self) -> None:
        """Free the buffers and close the device."""
        device, self._device = self._device, None
        pad, self._pad = self._pad, None
        self.caps = None
        if pad is not None:
            pad.queue.close()
        if device is not None:
            device.close()

    def facts(self) -> dict[str, Any]:
        """Tell rectangles that are other ones than was asked for."""
        return self.state_facts()

    def node(self, source: Link | None, sink: Link | None, frames: int) -> Node:
        """Make what the loop drives."""
        assert source is not None
        if isinstance(self.input, RwPad):
            return self.input.write_node(source)
        queue = self.input.queue
        return OutputNode(self.name, queue, source, kept=min(self.min_queued_bufs, max(queue.count - 1, 0)))
