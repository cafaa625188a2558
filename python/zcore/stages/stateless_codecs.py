"""What differs between the codecs of stateless decoders, and where such decoders are."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from zcore._v4l2_controls import set_controls
from zcore._v4l2_device import V4l2Device
from zcore._v4l2_ext_controls import describe
from zcore.bitstream import av1, h264, hevc, vp9
from zcore.bitstream.mpeg2 import Mpeg2Parser
from zcore.bitstream.picture import Parser, Picture
from zcore.bitstream.vp8 import Vp8Parser
from zcore.errors import NegotiationError, make_error
from zcore.formats import Format, find

CTRL_TYPE_MENU = 3


@dataclass(frozen=True)
class StatelessCodec:
    """One codec.

    Attributes
    ----------
    stateless : str
        Format of the device's OUTPUT queue, such as ``FWHT_STATELESS``.
    parser : callable, optional
        Makes a parser, from the number of the last picture before; ``None`` where the native half reads the headers.
    references : int
        How many pictures it may keep.
    modes : sequence of (int, int, str)
        Menu controls to set, each with its value and the words for it.
    header : sequence of int
        Controls of the stream's header, which the device may need to know before its pictures' format is set.
    optional : sequence of int
        Controls that not every device has: those that read a part of the headers themselves do without.
    """

    stateless: str
    parser: Callable[[int], Parser] | None
    references: int
    modes: tuple[tuple[int, int, str], ...] = ()
    header: tuple[int, ...] = ()
    optional: tuple[int, ...] = ()

    def room(self, width: int, height: int) -> int:
        """Give how many bytes a coded picture may have: as many as its pixels."""
        return max(width * height * 3 // 2, 1 << 16)

    def prepare(self, device: V4l2Device, who: str) -> None:
        """Choose how pictures are handed over: whole, with start codes where the codec has them."""
        for id, value, words in self.modes:
            code, _, _ = set_controls(device, [(id, CTRL_TYPE_MENU, value)])
            if code:
                raise NegotiationError(f"{who} ({device.path}, {device.card}) cannot decode {words}")

    def absent(self, device: V4l2Device) -> set[int]:
        """Give the optional controls that a device does not have."""
        return {id for id in self.optional if describe(device, id) is None}


CODECS: dict[str, StatelessCodec] = {
    "FWHT": StatelessCodec("FWHT_STATELESS", None, 1),
    "H264": StatelessCodec(
        "H264_SLICE",
        h264.H264Parser,
        h264.H264Parser.references,
        (
            (h264.CID_DECODE_MODE, h264.FRAME_BASED, "whole pictures; it wants slices one by one"),
            (h264.CID_START_CODE, h264.ANNEX_B, "slices with start codes"),
        ),
        (h264.CID_SPS,),
    ),
    "HEVC": StatelessCodec(
        "HEVC_SLICE",
        hevc.HevcParser,
        hevc.HevcParser.references,
        (
            (hevc.CID_DECODE_MODE, hevc.FRAME_BASED, "whole pictures; it wants slices one by one"),
            (hevc.CID_START_CODE, hevc.ANNEX_B, "slices with start codes"),
        ),
        (hevc.CID_SPS,),
        (hevc.CID_SLICE_PARAMS, hevc.CID_SCALING, hevc.CID_ENTRY_POINTS),
    ),
    "MPEG2": StatelessCodec("MPEG2_SLICE", Mpeg2Parser, Mpeg2Parser.references),
    "VP8": StatelessCodec("VP8_FRAME", Vp8Parser, Vp8Parser.references),
    "VP9": StatelessCodec(
        "VP9_FRAME",
        vp9.Vp9Parser,
        vp9.Vp9Parser.references,
        header=(vp9.CID_VP9_FRAME,),
        optional=(vp9.CID_VP9_COMPRESSED_HDR,),
    ),
    "AV1": StatelessCodec(
        "AV1_FRAME", av1.Av1Parser, av1.Av1Parser.references, header=(av1.CID_SEQUENCE,), optional=(av1.CID_FILM_GRAIN,)
    ),
}


def without(pictures: Sequence[Picture], absent: Collection[int]) -> list[Picture]:
    """Take out controls that the device does not have."""
    return [
        picture._replace(controls=[one for one in picture.controls if one[0] not in absent]) for picture in pictures
    ]


def stateless_devices() -> list[tuple[str, str, str, Format]]:
    """List the stateless decoders: path, driver, card, and the codec by its usual name, one entry for each codec."""
    from zcore.devices import video_paths
    from zcore.formats import UnknownFormatError, by_v4l2
    from zcore.stages.v4l2_pad import CAP_M2M, CAP_M2M_MPLANE, output_type

    usual = {codec.stateless: name for name, codec in CODECS.items()}
    found = []
    for path in video_paths():
        try:
            with V4l2Device(path) as device:
                takes = output_type(device.capabilities)
                if not device.capabilities & (CAP_M2M | CAP_M2M_MPLANE) or takes is None:
                    continue
                for code, _, _ in device.formats(takes):
                    try:
                        name = usual.get(by_v4l2(code).name)
                    except UnknownFormatError:
                        continue
                    if name is not None:
                        found.append((path, device.driver, device.card, find(name)))
        except OSError:
            continue
    return found


def find_stateless_device(codec: Format, driver: str | None = None) -> str:
    """Find the first stateless decoder of a codec.

    Raises
    ------
    DeviceError
        ENOENT; tells which there are.
    """
    known = stateless_devices()
    for path, named, card, fmt in known:
        if fmt == codec and driver in (None, named, card):
            return path
    have = ", ".join(f"{path} ({named}, {fmt})" for path, named, _, fmt in known) or "none"
    by = f" by {driver!r}" if driver else ""
    raise make_error(
        2, "open", str(codec), f"no stateless decoder of {codec}{by}; this machine's stateless decoders: {have}"
    )
