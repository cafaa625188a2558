"""Capture from a V4L2 device."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Any

from zcore._chain import Link, Node
from zcore._frame import Frame
from zcore._nodes import CaptureNode
from zcore._v4l2_device import V4l2Device
from zcore.errors import DeviceError, NegotiationError, make_error
from zcore.formats import Format, find
from zcore.stages.base import LinkCaps, SourceMixin, Stage, check_io_mode
from zcore.stages.v4l2_pad import CAP_M2M, CAP_M2M_MPLANE, CAP_STREAMING, V4l2Pad, asked_code, caps_of, capture_type


class Capture(Stage, SourceMixin):
    """A V4L2 capture device.

    How am I supposed to use this? Alone, ``with Capture(...) as camera: for frame in camera.frames(100)``; or as the
    first stage of a :class:`zcore.Chain`. The device is opened on entry, or by the chain.

    Parameters
    ----------
    device : str
        Device node, such as ``/dev/video0``.
    format : str, optional
        Pixel format by its V4L2 fourcc (``XR24``, ``NV12``), its GStreamer or its DRM name. Left out: what the device
        has now, or in a chain the first one that the next stage takes.
    size : (int, int), optional
        Width and height in pixels. Left out: what the device has now. A device that grants another size is an error.
    rate : float or Fraction, optional
        Frames per second; the nearest that the device has is taken.
    io_mode : str
        ``auto``, ``mmap``, ``userptr``, ``dmabuf`` or ``dmabuf-import``, as in GStreamer.
    buffers : int, optional
        How many buffers to ask for. Left out: computed from what the stages hold.
    corrupted : str
        ``deliver`` (with :attr:`Frame.corrupted` set) or ``drop`` frames that the driver flags as damaged.
    """

    kind = "capture"

    def __init__(
        self,
        device: str,
        format: str | Format | None = None,
        size: tuple[int, int] | None = None,
        *,
        rate: float | Fraction | None = None,
        io_mode: str = "auto",
        buffers: int | None = None,
        corrupted: str = "deliver",
        name: str | None = None,
    ):
        super().__init__(name)
        if corrupted not in ("deliver", "drop"):
            raise ValueError(f"corrupted is 'deliver' or 'drop', not {corrupted!r}")
        if buffers is not None and not 2 <= buffers <= 32:
            raise ValueError(f"2 to 32 buffers, not {buffers}")
        self.device = str(device)
        self.format = find(format) if format is not None else None
        self._code = asked_code(format)
        self.size = size
        self.rate = rate
        self.io_mode = check_io_mode(io_mode)
        self.buffers = buffers
        self.corrupted = corrupted
        self.caps: LinkCaps | None = None
        self._device: V4l2Device | None = None
        self._pad: V4l2Pad | None = None
        self._node: CaptureNode | None = None

    def open(self) -> None:
        """Open the device and check that it can capture."""
        if self._device is not None:
            return
        device = V4l2Device(self.device)
        try:
            type = capture_type(device.capabilities)
            if type is None or device.capabilities & (CAP_M2M | CAP_M2M_MPLANE):
                kind = "a mem-to-mem device" if type is not None else "no video capture device"
                raise make_error(
                    22,
                    "VIDIOC_QUERYCAP",
                    self.device,
                    f"{device.card} ({device.driver}) is {kind}",
                    "see 'zcore devices' for the capture devices",
                )
            if not device.capabilities & CAP_STREAMING:
                raise make_error(
                    25,
                    "VIDIOC_QUERYCAP",
                    self.device,
                    f"{device.card} ({device.driver}) cannot stream buffers, it only has read()",
                )
            self._pad = V4l2Pad(device, type, self.name, self.io_mode)
        except BaseException:
            device.close()
            raise
        self._device = device

    @property
    def is_open(self) -> bool:
        """Whether the device is open."""
        return self._device is not None

    @property
    def output(self) -> V4l2Pad:  # type: ignore[override]
        """The capture queue."""
        if self._pad is None:
            raise ValueError(f"{self.name} ({self.device}) is not open; use it in 'with' or in a chain")
        return self._pad

    def offers(self) -> Sequence[Format]:
        """List the formats of the device, the present one first; only the chosen one where one was chosen."""
        if self.format is not None:
            return [self.format]
        known = self.output.formats()
        try:
            now = caps_of(self.output.device.get_format(self.output.type)).format
        except (DeviceError, ValueError):
            return known
        return [now] + [fmt for fmt in known if fmt != now] if now in known else known

    def set_output(self, fmt: Format, size: tuple[int, int] | None, bytesperline: int = 0) -> LinkCaps:
        """Set format, size and rate."""
        pad = self.output
        wanted = self.size or size
        now = pad.device.get_format(pad.type)
        width, height = wanted or (now.width, now.height)
        caps = pad.set_format(fmt, width, height, bytesperline, self._code)
        if wanted is not None and caps.size != tuple(wanted):
            raise NegotiationError(
                f"{self.name} ({self.device}) has no {width}x{height} in {fmt}; "
                f"it answered with {caps.width}x{caps.height}{self._sizes_text(caps)}"
            )
        interval = None
        if self.rate is not None:
            rate = Fraction(self.rate).limit_denominator(1001)
            interval = (rate.denominator, rate.numerator)
        granted = pad.device.frame_interval(pad.type, interval)
        rate_now = Fraction(granted[1], granted[0]) if granted and granted[0] and granted[1] else None
        self.caps = LinkCaps(caps.format, caps.width, caps.height, caps.memory_planes, caps.fourcc, rate_now)
        return self.caps

    def _sizes_text(self, caps: LinkCaps) -> str:
        sizes = self.output.device.sizes(caps.fourcc)
        if not sizes:
            return ""
        texts = [
            f"{s.width[0]}x{s.height[0]}"
            if s.width[0] == s.width[1]
            else f"{s.width[0]}x{s.height[0]} to {s.width[1]}x{s.height[1]}"
            for s in sizes
        ]
        return f" (it has {', '.join(texts)})"

    def configure(self) -> LinkCaps:
        """Set format and buffers for use without a chain; done by :meth:`frames` where it was not."""
        self.open()
        if self.caps is None:
            self.set_output(self.offers()[0], self.size)
        assert self.caps is not None
        if self.output.queue.state == "empty":
            # Alone there is nobody to import from: export where the driver can, so that frames can be handed on.
            roles = self.output.roles()
            if not roles & {"export", "mmap"}:
                raise NegotiationError(f"{self.name}: io mode {self.io_mode} needs another stage that allocates")
            self.output.allocate(self.caps, self.buffers or 4, export="export" in roles)
        return self.caps

    def frames(self, count: int | None = None, timeout: float | None = 10.0) -> Iterator[Frame]:
        """Iterate over frames.

        Parameters
        ----------
        count : int, optional
            How many; left out: until the device ends or the loop is left.
        timeout : float, optional
            Seconds to wait for each before :class:`zcore.DeviceTimeoutError`; ``None`` = for ever.

        Yields
        ------
        Frame
            Given back to the device when it and every view of it is dropped.
        """
        self.configure()
        queue = self.output.queue
        if queue.state != "streaming":
            queue.start()
        given = 0
        while count is None or given < count:
            frame = queue.next_frame(timeout)
            if frame is None:
                return
            if frame.corrupted and self.corrupted == "drop":
                continue
            given += 1
            yield frame
            del frame  # else this generator would hold the frame while it waits for the next

    def start(self) -> None:
        """Start streaming."""
        self.output.queue.start()

    def stop(self) -> None:
        """Stop streaming."""
        if self._pad is not None:
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

    def control(self, name: str, value: int | None = None) -> int:
        """Read a control by its name, or set it.

        Parameters
        ----------
        name : str
            As the driver spells it, such as ``Brightness``; case does not matter.
        value : int, optional
            To set; a button takes any.
        """
        self.open()
        device = self.output.device
        id = device.control_id(name)
        return int(device.get_control(id) if value is None else device.set_control(id, value))

    def node(self, source: Link | None, sink: Link | None, frames: int) -> Node:
        """Make what the loop drives."""
        assert sink is not None
        self._node = CaptureNode(
            self.name, self.output.queue, sink, frames=frames, drop_corrupted=self.corrupted == "drop"
        )
        return self._node

    def drops(self) -> dict[str, int]:
        """Count drops: by the driver (gaps in the sequence numbers) and of damaged frames."""
        found = {}
        if self._pad is not None and self._pad.queue.gaps:
            found["driver"] = self._pad.queue.gaps
        if self._node is not None and self._node.corrupted_drops:
            found["corrupted"] = self._node.corrupted_drops
        return found

    def facts(self) -> dict[str, Any]:
        """Give the number of damaged frames."""
        return {"error_frames": self._pad.queue.errors} if self._pad is not None and self._pad.queue.errors else {}
