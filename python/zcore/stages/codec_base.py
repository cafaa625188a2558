"""What encoders and decoders share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from difflib import get_close_matches
from typing import Any

from zcore._codec_nodes import CodecNode
from zcore._coded_nodes import CodedNode
from zcore._v4l2_device import V4l2Device
from zcore.errors import ChainError, DeviceBusyError, DeviceNotFoundError, NegotiationError
from zcore.formats import FORMATS, Format, UnknownFormatError, find
from zcore.stages.base import LinkCaps, Stage
from zcore.stages.controls import Value, apply_controls, find_control
from zcore.stages.ffmpeg import codec_of
from zcore.stages.m2m import MemToMem
from zcore.stages.structures import plain_name
from zcore.stages.v4l2_pad import V4l2Pad

ALIASES = {
    "h265": "HEVC", "hvc1": "HEVC", "hev1": "HEVC", "avc": "H264", "h264_no_start_codes": "H264_NO_SC",
    "h264_avc": "H264_NO_SC", "mvc": "H264_MVC", "mjpg": "MJPEG", "jpg": "JPEG", "mpeg_1": "MPEG1", "mpeg_2": "MPEG2",
    "mpeg_4": "MPEG4", "h262": "MPEG2", "vc1": "VC1_ANNEX_G", "wvc1": "VC1_ANNEX_G", "wmv3": "VC1_ANNEX_L",
    "rv8": "RV30", "rv9": "RV40", "sorenson": "SPK", "av01": "AV1", "vp80": "VP8", "vp90": "VP9",
}  # fmt: skip
"""Names of codecs that are in use elsewhere; ``h.264`` and ``H-264`` are read as ``h264``."""


def find_codec(codec: str | Format) -> Format:
    """Find a coded format by its name, such as ``FWHT`` or ``h264``.

    Raises
    ------
    UnknownFormatError
        No such codec; names the nearest.
    """
    if not isinstance(codec, (Format, str)):
        raise TypeError(f"codec is a name such as 'H264', not {codec!r}")
    found = codec if isinstance(codec, Format) else _named(codec)
    if not found.coded:
        raise UnknownFormatError(f"{found} is a format of pixels and no codec")
    return found


def _named(name: str) -> Format:
    plain = plain_name(name).removeprefix("video_")
    name = ALIASES.get(plain, ALIASES.get(plain.replace("_", ""), name))
    coded = {fmt.name: fmt for fmt in FORMATS if fmt.coded}
    for spelling in (name.upper(), plain.upper(), plain.upper().replace("_", "")):
        if spelling in coded:
            return coded[spelling]
    try:
        return find(name)
    except UnknownFormatError:
        close = get_close_matches(name.upper(), coded, n=3, cutoff=0.4)
        hint = f"did you mean {' or '.join(close)}? " if close else ""
        raise UnknownFormatError(f"unknown codec {name!r}; {hint}known are {', '.join(coded)}") from None


class Codec(MemToMem):
    """A mem-to-mem device with pixels on one side and a coded stream on the other."""

    direction = ""

    def __init__(
        self,
        device: str | None,
        codec: str | Format,
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
        if fallback not in (None, "software"):
            raise ValueError(f"fallback is 'software' or None, not {fallback!r}")
        if buffer_size is not None and not 0 < buffer_size < 1 << 32:
            raise ValueError(f"buffer_size is a number of bytes, not {buffer_size!r}")
        if corrupted not in ("deliver", "drop"):
            raise ValueError(f"corrupted is 'deliver' or 'drop', not {corrupted!r}")
        super().__init__(
            device,
            output_io_mode=output_io_mode,
            capture_io_mode=capture_io_mode,
            extra_controls=extra_controls,
            buffers=buffers,
            name=name,
        )
        self.codec = find_codec(codec)
        if fallback is not None:
            codec_of(self.codec, f"fallback={fallback!r}")
        self.corrupted = corrupted
        self.fallback = fallback
        self.buffer_size = buffer_size
        self._node: CodedNode | None = None
        self._earlier: Counter[str] = Counter()

    def find(self) -> str:
        """Find the device by its codec, or by its codec and its driver."""
        from zcore.devices import find_codec_device

        return find_codec_device(self.direction, self.codec, self.device or None)

    def stand_in(self, error: Exception) -> Stage | None:
        """Give another device for the codec, or the codec in software where that is allowed."""
        if isinstance(error, DeviceNotFoundError | NegotiationError):
            other = self.in_place()
            if other is not None:
                return other
        if self.fallback is None or not isinstance(error, DeviceNotFoundError | DeviceBusyError | NegotiationError):
            return None
        stage = self.in_software()
        stage.stands_in_for = f"fallback={self.fallback!r}, and {error}"
        return stage

    def in_place(self) -> Stage | None:
        """Give a stateless decoder in place of a stateful one; ``None`` where there is none."""
        from zcore.stages.stateless import in_place_of

        return in_place_of(self)

    def in_software(self) -> Stage:
        """Make the stage that does the same on the CPU."""
        raise NotImplementedError

    @property
    def coded_pad(self) -> V4l2Pad:
        """The queue with the coded stream."""
        raise NotImplementedError

    @property
    def coded_format(self) -> Format:
        """What the driver calls the codec."""
        return self.codec

    def prepare(self, device: V4l2Device) -> None:
        """Set the codec: what else the device offers depends on it."""
        pad, wanted = self.coded_pad, self.coded_format
        coded = [fmt for fmt in pad.formats() if fmt.coded]
        if wanted not in coded:
            verb = "encodes to" if self.direction == "enc" else "decodes"
            names = ", ".join(map(str, coded)) or "nothing"
            raise NegotiationError(f"{self.name} ({device.path}, {device.card}) {verb} {names}, not {wanted}")
        now = device.get_format(pad.type)
        pad.set_format(wanted, now.width, now.height)
        for one in self._pads or ():
            one.forget()

    def raw_formats(self, pad: V4l2Pad) -> list[Format]:
        """List the formats of pixels of a queue."""
        return [fmt for fmt in pad.formats() if not fmt.coded]

    def set_coded(self, width: int, height: int, size: int = 0) -> LinkCaps:
        """Set the format of the coded side.

        Parameters
        ----------
        size : int
            Bytes that a buffer shall have; 0 lets the driver decide.
        """
        pad = self.coded_pad
        size = max(size, self.buffer_size or 0)
        granted = pad.set_format(self.codec, width, height, sizeimage=size)
        if not granted.memory_planes[0][0]:  # the driver leaves it to us
            guess = self.codec.layout(width, height).size
            granted = pad.set_format(self.codec, width, height, sizeimage=guess)
        return replace(granted, width=width, height=height)

    def control(self, name: str, value: Value | None = None) -> int | str:
        """Read a control of the codec by its name, or set it; from any thread, while the chain runs, too.

        Parameters
        ----------
        name : str
            As v4l2-ctl spells it, such as ``video_bitrate``.
        value : int or str, optional
            To set; of a menu the index or the text of an entry. A button takes any.

        Returns
        -------
        int or str
            What the driver has, or has granted.

        Raises
        ------
        ChainError
            No such control, or no such value for it; says which there are.
        DeviceError
            The driver refused it, such as now that it streams.
        """
        device = self.input.device
        if value is not None:
            granted: int | str = apply_controls(device, {name: value}, self.name)[name]
            return granted
        try:
            return int(device.get_control(find_control(device, name, self.name).id))
        except KeyError as error:
            raise ChainError(error.args[0]) from None

    def drain(self) -> None:
        """Have everything that the codec has taken come out before it takes more; from any thread, while it runs.

        Nothing is lost, and nothing stops: the driver is told to drain (V4L2_DEC_CMD_STOP, V4L2_ENC_CMD_STOP), gives
        all that it kept back, and is started again. A driver that has no such command goes on as it is. At the end of
        its input a codec is drained anyway.
        """
        if isinstance(self._node, CodecNode):
            self._node.empty()

    def close(self) -> None:
        """Free the buffers and close the device; what the loop drove goes too, because it names buffers."""
        super().close()
        self._earlier, self._node = self._dropped(), None

    def facts(self) -> dict[str, Any]:
        """Give the number of damaged frames, and of coded frames or pictures that nothing came out of."""
        facts, node = super().facts(), self._node
        if isinstance(node, CodecNode) and node.done:
            missing = node.frames_in - node.frames_out - node.settled - node.corrupted_drops
            if missing > 0:
                facts["without_result"] = missing
        return facts

    def drops(self) -> dict[str, int]:
        """Count damaged frames that were dropped, and those that a flush threw away."""
        return {reason: count for reason, count in self._dropped().items() if count}

    def _dropped(self) -> Counter[str]:
        """Count over all runs, as devices do: each run has a node of its own."""
        return self._earlier + Counter(self._drops_of(self._node) if self._node is not None else {})

    def _drops_of(self, node: CodedNode) -> dict[str, int]:
        """Count what one run has dropped."""
        return {"corrupted": node.corrupted_drops, "flushed": node.flushed}

    def _begin(self, node: CodedNode | None) -> None:
        """Begin a run with its node, or let go of the last one's; what that counted stays."""
        self._earlier = self._dropped()
        self._node = node
