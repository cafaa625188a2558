"""What all stages on V4L2 mem-to-mem devices share: one open device with a queue that takes and one that gives."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from zcore._v4l2_device import V4l2Device
from zcore.controls.mixin import ControlsMixin
from zcore.errors import make_error
from zcore.formats import Format
from zcore.stages.base import LinkCaps, SinkMixin, Sizes, SourceMixin, Stage
from zcore.stages.controls import Value, apply_controls, as_controls
from zcore.stages.v4l2_pad import (
    CAP_M2M,
    CAP_M2M_MPLANE,
    V4l2Pad,
    capture_type,
    check_v4l2_mode,
    output_type,
)


class MemToMem(ControlsMixin, Stage, SourceMixin, SinkMixin):
    """A mem-to-mem device. V4L2's words: OUTPUT takes frames, CAPTURE gives them."""

    def __init__(
        self,
        device: str | None,
        *,
        output_io_mode: str,
        capture_io_mode: str,
        extra_controls: Mapping[str, Value] | str | None,
        buffers: int | None,
        name: str | None,
    ):
        super().__init__(name)
        self.device = str(device or "")
        self.io_modes = (check_v4l2_mode(output_io_mode), check_v4l2_mode(capture_io_mode))
        self.extra_controls = as_controls(extra_controls)
        self.buffers = buffers
        self._device: V4l2Device | None = None
        self._pads: tuple[V4l2Pad, V4l2Pad] | None = None
        self._input: LinkCaps | None = None

    @abstractmethod
    def find(self) -> str:
        """Find the device where no node was named."""

    def prepare(self, device: V4l2Device) -> None:
        """Set what must be set before the formats can be listed."""

    def open(self) -> None:
        """Open the device and check that it is one for this stage."""
        if self._device is not None:
            return
        if "/" not in self.device:
            self.device = self.find()
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
            self.prepare(device)
            apply_controls(device, self.extra_controls, self.name)
        except BaseException:
            self._pads = None
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

    def input_sizes(self, fmt: Format) -> Sizes | None:
        """List the sizes that it takes in a format (VIDIOC_ENUM_FRAMESIZES)."""
        return self.input.sizes(fmt)

    def output_sizes(self, fmt: Format) -> Sizes | None:
        """List the sizes that it gives in a format (VIDIOC_ENUM_FRAMESIZES)."""
        return self.output.sizes(fmt)

    def present(self) -> tuple[Format, tuple[int, int]] | None:
        """Tell what it gives now."""
        return self.output.present()

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
        self._input = None
        for pad in pads or ():
            pad.queue.close()
        if device is not None:
            device.close()

    def facts(self) -> dict[str, Any]:
        """Give the number of damaged frames."""
        return {"error_frames": self._pads[1].queue.errors} if self._pads and self._pads[1].queue.errors else {}
