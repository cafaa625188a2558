"""Encode with stateful V4L2 encoders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from zcore._chain import Link, Node
from zcore._codec_nodes import CodecNode
from zcore._v4l2_codec import set_visible_size, visible_size
from zcore._v4l2_device import V4l2Device
from zcore.errors import DeviceError, NegotiationError
from zcore.formats import Format
from zcore.stages.base import LinkCaps, Sizes, Stage
from zcore.stages.codec_base import Codec
from zcore.stages.codec_options import option_controls
from zcore.stages.controls import Value
from zcore.stages.v4l2_pad import V4l2Pad, check_same_layout

IN_SOFTWARE = {"video_bitrate": "bitrate", "video_gop_size": "gop_size", "video_b_frames": "b_frames"}
"""Controls of devices that encoders in software have, too."""


class Encode(Codec):
    """A V4L2 encoder: it takes pixels and gives a coded stream, one access unit per frame.

    How am I supposed to use this? In the middle of a chain: ``Chain(Capture(...), Encode(codec="H264"),
    FileSink("out.h264"))``. At the end of its input it is drained, so that no frame is lost.

    Parameters
    ----------
    device : str, optional
        Device node, or the driver's name; left out: the first device that has the codec.
    codec : str
        ``FWHT``, ``H264`` (or ``avc``), ``HEVC`` (or ``h265``), ``VP8``, ``VP9``, ``JPEG`` and so on: what the device
        has.
    extra_controls : mapping or str, optional
        Controls of the codec, by their names as ``v4l2-ctl --list-ctrls`` spells them: ``{"video_gop_size": 30}`` or
        ``"c,video_gop_size=30"``.
    output_io_mode, capture_io_mode : str
        For the side that takes pixels and the side that gives the stream: see :class:`zcore.Capture`.
    bitrate : int, optional
        Bits per second (the control ``video_bitrate``).
    gop_size : int, optional
        Frames from key frame to key frame (the control ``video_gop_size``).
    buffers : int, optional
        How many buffers to ask for on each side.
    buffer_size : int, optional
        Bytes that a coded frame may have, where the driver's own guess is too small.
    **options
        What the codec has of ``profile`` (``"high"``), ``level`` (``"4.1"``), ``tier``, ``entropy_mode``,
        ``bitrate_mode`` (``vbr``, ``cbr``, ``cq``), ``peak_bitrate``, ``b_frames``, ``min_qp``, ``max_qp``,
        ``quality``, ``header_mode`` (``separate`` or ``joined``), ``repeat_headers``. They are set as the controls that
        the kernel has for this codec; a value that the driver does not have is refused with the list of those it has.

    fallback : str, optional
        ``software``: work on the CPU (:class:`zcore.SoftwareEncode`) where there is no such device, or it is busy. The
        plan says so, and counts it as a copy, which ``require_zero_copy`` refuses.
    """

    kind = "encode"
    direction = "enc"

    def __init__(
        self,
        device: str | None = None,
        codec: str | Format = "FWHT",
        *,
        extra_controls: Mapping[str, Value] | str | None = None,
        output_io_mode: str = "auto",
        capture_io_mode: str = "auto",
        bitrate: int | None = None,
        gop_size: int | None = None,
        buffers: int | None = None,
        fallback: str | None = None,
        buffer_size: int | None = None,
        name: str | None = None,
        **options: Value | None,
    ):
        super().__init__(
            device,
            codec,
            extra_controls=extra_controls,
            output_io_mode=output_io_mode,
            capture_io_mode=capture_io_mode,
            buffers=buffers,
            corrupted="deliver",
            fallback=fallback,
            name=name,
            buffer_size=buffer_size,
        )
        self._crops = False
        wanted = option_controls(self.codec, {"bitrate": bitrate, "gop_size": gop_size, **options})
        for control, value in wanted.items():
            if self.extra_controls.setdefault(control, value) != value:
                raise ValueError(f"{control} is {value}, and {self.extra_controls[control]} in extra_controls")

    def force_key_frame(self) -> None:
        """Make the next frame that the encoder takes a key frame (V4L2_CID_MPEG_VIDEO_FORCE_KEY_FRAME).

        From any thread, while the chain runs or before it; the device must be open.

        Raises
        ------
        ChainError
            The driver has no such control; says which it has.
        ValueError
            The encoder is not open.
        """
        self.control("force_key_frame", 1)

    def in_software(self) -> Stage:
        """Make the encoder on the CPU, with what was asked of the device."""
        from zcore.stages.software_codec import SoftwareEncode

        controls = dict(self.extra_controls)
        known = {one: controls.pop(name, None) for name, one in IN_SOFTWARE.items()}
        if controls:
            raise NegotiationError(
                f"{self.name}: the control {next(iter(controls))} cannot be carried out in software, which has"
                f" {', '.join(IN_SOFTWARE)}; use SoftwareEncode with options= for others"
            )
        return SoftwareEncode(self.codec, name=self.name, **known)  # type: ignore[arg-type]

    @property
    def coded_pad(self) -> V4l2Pad:
        """CAPTURE."""
        return self.output

    def accepts(self) -> Sequence[Format]:
        """List the formats of pixels that it takes."""
        return self.raw_formats(self.input)

    def prepare(self, device: V4l2Device) -> None:
        """Set the codec, and find out whether a part of a picture can be encoded."""
        super().prepare(device)
        self._crops = visible_size(device, True) is not None

    def input_sizes(self, fmt: Format) -> Sizes | None:
        """List the sizes that it takes: any within the driver's limits, where the driver can crop."""
        return self.input.sizes(fmt, cropped=self._crops)

    def set_input(self, caps: LinkCaps) -> LinkCaps:
        """Set codec, pixels, rate and the visible part, in the order that the kernel's encoder interface asks for."""
        pad = self.input
        self.set_coded(caps.width, caps.height)
        granted = pad.set_format(
            caps.format, caps.width, caps.height, caps.memory_planes[0][1], caps.fourcc or None, given=caps
        )
        if granted.size != caps.size:
            granted = self._crop(caps, granted)
        check_same_layout(caps, granted, f"{self.name} ({self.device})")
        pad.hint_rate(caps.rate)
        self._input = replace(granted, rate=caps.rate)
        return self._input

    def _crop(self, caps: LinkCaps, granted: LinkCaps) -> LinkCaps:
        """Encode only what is visible where the encoder rounds the size up to its blocks."""
        if granted.width >= caps.width and granted.height >= caps.height:
            try:
                if set_visible_size(self.input.device, caps.width, caps.height) == caps.size:
                    return replace(granted, width=caps.width, height=caps.height)
            except DeviceError:
                pass
        sizes = self.input.sizes(caps.format)
        raise NegotiationError(
            f"{self.name} ({self.device}) takes {granted.width}x{granted.height} {caps.format}, not "
            f"{caps.width}x{caps.height}" + (f"; it has {sizes}" if sizes is not None else "")
        )

    def offers(self) -> Sequence[Format]:
        """Give the codec."""
        return [self.codec]

    def output_sizes(self, fmt: Format) -> Sizes | None:
        """Give no limits of its own: a stream has the size of the pictures that come in."""
        return None

    def set_output(self, fmt: Format, size: tuple[int, int] | None, bytesperline: int = 0) -> LinkCaps:
        """Read how large a coded frame may be."""
        assert self._input is not None
        if size is not None and tuple(size) != self._input.size:
            raise NegotiationError(
                f"{self.name} ({self.device}) encodes {self._input.width}x{self._input.height} as it comes, and does "
                f"not scale to {size[0]}x{size[1]}"
            )
        return replace(self.set_coded(*self._input.size), rate=self._input.rate)

    def node(self, source: Link | None, sink: Link | None, frames: int) -> Node:
        """Make what the loop drives."""
        assert source is not None
        assert sink is not None
        node = CodecNode(self.name, self.input.queue, self.output.queue, source, sink)
        self._begin(node)
        return node
