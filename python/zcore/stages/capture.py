"""Capture from a V4L2 device."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

from zcore._chain import Link, Node
from zcore._nodes import CaptureNode
from zcore._v4l2_codec import forget_events, subscribe_source_change
from zcore._v4l2_device import V4l2Device
from zcore._v4l2_inputs import DvTimings
from zcore.colorimetry import Colorimetry
from zcore.controls.mixin import ControlsMixin
from zcore.errors import DeviceError, NegotiationError, make_error
from zcore.formats import Format, find
from zcore.media.wish import MediaWish, check_wish, explained, set_up
from zcore.stages.arguments import rate_of, size_of
from zcore.stages.base import LinkCaps, Sizes, SourceMixin, Stage
from zcore.stages.capture_buffers import CaptureBuffers, check_buffers
from zcore.stages.controls import Value, apply_controls, as_controls, find_control
from zcore.stages.device_state import DeviceState, make_wishes
from zcore.stages.rw import RwPad, make_pad
from zcore.stages.selection import Area
from zcore.stages.timings import follow_signal
from zcore.stages.unplug import Presence
from zcore.stages.v4l2_pad import (
    CAP_M2M,
    CAP_M2M_MPLANE,
    V4l2Pad,
    asked_code,
    capture_type,
    check_v4l2_mode,
)


class Capture(CaptureBuffers, DeviceState, ControlsMixin, Stage, SourceMixin):
    """A V4L2 capture device.

    How am I supposed to use this? Alone, ``with Capture(...) as camera: for frame in camera.frames(100)``; or as the
    first stage of a :class:`zcore.Chain`. The device is opened on entry, or by the chain.

    Parameters
    ----------
    device : str
        Device node, such as ``/dev/video0``; or ``bus:`` and its bus, such as ``bus:usb-0000:00:14.0-1``; or the name
        of its card.
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
    max_buffers : int, optional
        Up to how many buffers the queue may grow (``VIDIOC_CREATE_BUFS``) when frames that are kept back leave the
        device fewer than it needs; left out: it does not grow. Facts of the report say by how many it did.
    coherent : bool
        False: ask for memory that the CPU reads through its caches (``V4L2_MEMORY_FLAG_NON_COHERENT``), which is faster
        to read where the device does not see those caches. Drivers that have none give what they have.
    corrupted : str
        ``deliver`` (with :attr:`Frame.corrupted` set) or ``drop`` frames that the driver flags as damaged.
    extra_controls : mapping or str, optional
        Controls to set when the device is opened, by their names as ``v4l2-ctl --list-ctrls`` spells them:
        ``{"brightness": 10}``, or as GStreamer's structure string ``"c,brightness=10"``.
    num_buffers : int
        After how many frames to end; -1 = never.
    do_timestamp : bool
        Date frames when they come, instead of by the driver.
    input : str or int, optional
        Input of the device, by its name, a part of it, or its number.
    standard : str, optional
        Television standard, such as ``PAL``, or ``auto`` for the one that the device detects.
    dv_timings : str or DvTimings, optional
        Timings of an HDMI input or the like, such as ``1920x1080p60``, or ``auto`` for those of the signal.
    crop : (int, int, int, int) or Margins, optional
        The part of the picture to take: left, top, width, height in pixels. What is granted wins: see :attr:`crop`.
    compose : (int, int, int, int), optional
        Where in the frame to put it.
    field : str, optional
        Field order of interlaced signals: ``progressive``, ``top``, ``bottom``, ``interlaced``, ``seq-tb``, ``seq-bt``,
        ``alternate``. Another one that the driver grants is an error.
    colorimetry : str, optional
        Colours to give, such as ``bt709``, where the driver can convert them.
    priority : str, optional
        ``background``, ``interactive`` or ``record``: then nobody else can change the device meanwhile.
    media : str, mapping or bool, optional
        Set up the media graph behind the device first, from the sensor on: ``True``, ``"SRGGB8_1X8/640x480"`` for what
        the sensor sends, texts as ``media-ctl`` takes them, or a mapping with arguments of
        :func:`zcore.configure_camera`.
    on_unplug : str
        ``fail``: the device must be there, and its end is a :class:`zcore.DeviceGoneError`. ``wait``: it need not be
        there at the beginning. ``reopen``: that, and a chain goes on with it when it comes back after it went, under
        whatever number; it is known by its bus and card.
    unplug_timeout : float, optional
        Seconds of each of these waits; left out: for ever.
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
        max_buffers: int | None = None,
        coherent: bool = True,
        corrupted: str = "deliver",
        extra_controls: Mapping[str, Value] | str | None = None,
        num_buffers: int = -1,
        do_timestamp: bool = False,
        input: str | int | None = None,
        standard: str | int | None = None,
        dv_timings: str | DvTimings | None = None,
        crop: Area | None = None,
        compose: Area | None = None,
        field: str | int | None = None,
        colorimetry: str | Colorimetry | None = None,
        priority: str | None = None,
        media: MediaWish = None,
        on_unplug: str = "fail",
        unplug_timeout: float | None = None,
        name: str | None = None,
    ):
        super().__init__(name)
        self.wishes = make_wishes(input, standard, dv_timings, crop, compose, field, colorimetry, priority)
        if corrupted not in ("deliver", "drop"):
            raise ValueError(f"corrupted is 'deliver' or 'drop', not {corrupted!r}")
        self.buffer_wishes = check_buffers(buffers, max_buffers, coherent)
        self.device = str(device)
        self._presence = Presence(self.device, on_unplug, unplug_timeout)
        self._media = check_wish(media)
        self.format = find(format) if format is not None else None
        self._code = asked_code(format)
        self.size = size_of(size)
        self.rate = rate_of(rate)
        self.io_mode = check_v4l2_mode(io_mode, rw=True)
        self.buffers = buffers
        self.corrupted = corrupted
        self.extra_controls = as_controls(extra_controls)
        self.limit = num_buffers if num_buffers >= 0 else None
        self.do_timestamp = do_timestamp
        self.caps: LinkCaps | None = None
        self._device: V4l2Device | None = None
        self._pad: V4l2Pad | None = None
        self._node: CaptureNode | None = None
        self._tells_changes = False

    def open(self) -> None:
        """Open the device and check that it can capture; waits for it where `on_unplug` says so."""
        if self._device is None:
            self._device = self._presence.open(self._open_node)

    def _open_node(self, path: str) -> V4l2Device:
        if self._media is not None:
            setup = set_up(path, self._media, self.size, self.format)
            if setup is not None:
                self.format, self.size = find(setup.format), setup.size
                self._code = asked_code(setup.format)
        device = V4l2Device(path)
        self.device = path
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
            self._pad = make_pad(device, type, self.name, self.io_mode)
            self._pad.queue.stamp = self.do_timestamp
            self._pad.coherent = self.buffer_wishes.coherent
            apply_controls(device, self.extra_controls, self.name)
            self.apply_state(self._pad)
            self._tells_changes = subscribe_source_change(device)
        except BaseException:
            self._pad = None
            device.close()
            raise
        return device

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
        present = self.present()
        now = present[0] if present is not None else None
        return [now] + [fmt for fmt in known if fmt != now] if now in known else known

    def output_sizes(self, fmt: Format) -> Sizes | None:
        """List the sizes of a format (VIDIOC_ENUM_FRAMESIZES); ``None`` where the driver tells none."""
        return self.output.sizes(fmt)

    def present(self) -> tuple[Format, tuple[int, int]] | None:
        """Tell what the device is set to now."""
        return self.output.present()

    def set_output(self, fmt: Format, size: tuple[int, int] | None, bytesperline: int = 0) -> LinkCaps:
        """Set format, size and rate."""
        pad = self.output
        wanted = self.size or size
        now = pad.device.get_format(pad.type)
        width, height = wanted or (now.width, now.height)
        caps = self.apply_areas(pad.set_format(fmt, width, height, bytesperline, self._code))
        if wanted is not None and caps.size != tuple(wanted):
            raise NegotiationError(
                f"{self.name} ({self.device}) has no {width}x{height} in {fmt}; "
                f"it answered with {caps.width}x{caps.height}"
                f"{f' (it has {sizes})' if (sizes := pad.sizes(fmt)) is not None else ''}"
            )
        interval = None
        if self.rate is not None:
            interval = (self.rate.denominator, self.rate.numerator)
        granted = pad.device.frame_interval(pad.type, interval)
        rate_now = Fraction(granted[1], granted[0]) if granted and granted[0] and granted[1] else None
        self.caps = replace(caps, rate=rate_now)
        return self.caps

    def start(self) -> None:
        """Start streaming."""
        forget_events(self.output.device)
        if not isinstance(self.output, RwPad):
            self._stream_on()

    def _stream_on(self) -> None:
        try:
            self.output.queue.start()
        except DeviceError as error:
            raise explained(error, self.device) from None

    def run_begins(self) -> None:
        """Be ready to wait."""
        self._presence.run(True)

    def run_ends(self) -> None:
        """Forget that the run was stopped."""
        self._presence.run(False)

    def interrupt(self) -> None:
        """End a wait for the device."""
        self._presence.interrupt()

    def recover(self) -> bool:
        """Tell whether the device went and is to be waited for."""
        return self._device is not None and self._presence.is_lost(self._device, self.output.type)

    def revive(self) -> str:
        """Wait until the device is back, and open it; says where it is."""
        self._shut()
        self.open()
        return f"{self.name} came back as {self.device}"

    def renew(self) -> bool:
        """Follow a source that has another resolution now; True, as the rest is the plan's business."""
        follow_signal(self.output.device)
        return True

    def stop(self) -> None:
        """Stop streaming."""
        if isinstance(self._pad, RwPad):
            self._device = self._pad.restart()  # only closing it ends what read() began
        elif self._pad is not None:
            self._pad.queue.stop()

    def close(self) -> None:
        """Free the buffers and close the device."""
        self._presence.forget()
        self._shut()

    def _shut(self) -> None:
        device, self._device = self._device, None
        pad, self._pad = self._pad, None
        self.caps = self._node = None
        if pad is not None:
            pad.queue.close()
        if device is not None:
            device.close()

    def control(self, name: str, value: int | None = None) -> int:
        """Read a control by its name, or set it.

        Parameters
        ----------
        name : str
            As the driver or v4l2-ctl spells it, such as ``Brightness`` or ``power_line_frequency``.
        value : int, optional
            To set; a button takes any.
        """
        self.open()
        device = self.output.device
        id = find_control(device, name, self.name).id
        return int(device.get_control(id) if value is None else device.set_control(id, value))

    def node(self, source: Link | None, sink: Link | None, frames: int) -> Node:
        """Make what the loop drives."""
        assert sink is not None
        if isinstance(self.output, RwPad):
            return self.output.read_node(sink, frames)
        self.let_grow()
        self._node = CaptureNode(
            self.name,
            self.output.queue,
            sink,
            frames=frames,
            drop_corrupted=self.corrupted == "drop",
            watch_changes=self._tells_changes,
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
        """Give the number of damaged frames, and rectangles that are other ones than was asked for."""
        errors = self._pad.queue.errors if self._pad is not None else 0
        return self.state_facts() | self.buffer_facts() | ({"error_frames": errors} if errors else {})
