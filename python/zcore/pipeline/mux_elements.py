"""Elements for containers and the network.

A muxer and the sink behind it are one stage, and so are a source and the demuxer behind it: between them there would
be bytes, not frames. :mod:`zcore.pipeline.fusing` puts them together.
"""

from __future__ import annotations

from typing import Any

from zcore.pipeline.common import sink_properties
from zcore.pipeline.factory import Factory, PadTemplate, filters, sinks
from zcore.pipeline.present import coded_media
from zcore.pipeline.properties import Property
from zcore.pipeline.property_types import BOOL, STRING, UINT, Enum, Int

SINK = "zcore.stages.mux_sink:MuxSink"
SOURCE = "zcore.stages.demux_source:DemuxSource"
MP4 = "video/x-h264; video/x-h265; video/x-vp9; video/x-av1; video/mpeg; image/jpeg"
PORT = Int(0, 65535)
AS_IT_IS = "headers are sent as the stream has them"

MUXERS = {
    "mp4mux": ("MP4", "mp4", "video/quicktime", "video_%u"),
    "qtmux": ("QuickTime", "mov", "video/quicktime", "video_%u"),
    "matroskamux": ("Matroska", "matroska", "video/x-matroska", "video_%u"),
    "webmmux": ("WebM", "webm", "video/webm", "video_%u"),
    "mpegtsmux": ("MPEG transport stream", "mpegts", "video/mpegts", "sink_%u"),
}
"""Name for people, FFmpeg's name, media type, pad."""

DEMUXERS = {
    "qtdemux": ("QuickTime and MP4", "mov", "video/quicktime"),
    "matroskademux": ("Matroska and WebM", "matroska", "video/x-matroska; video/webm"),
    "tsdemux": ("MPEG transport stream", "mpegts", "video/mpegts"),
}

PARSERS = {
    "h264parse": ("H.264", "h264", "video/x-h264"),
    "h265parse": ("H.265", "hevc", "video/x-h265"),
    "av1parse": ("AV1", "obu", "video/x-av1"),
    "mpegvideoparse": ("MPEG-1 and MPEG-2", "mpegvideo", "video/mpeg"),
    "mpeg4videoparse": ("MPEG-4", "m4v", "video/mpeg, mpegversion=4"),
    "jpegparse": ("JPEG", "mjpeg", "image/jpeg"),
}
"""Name for people, FFmpeg's name of a raw stream, media type."""

PAYLOADERS = {
    "rtph264pay": ("H.264", "video/x-h264", 96),
    "rtph265pay": ("H.265", "video/x-h265", 96),
    "rtpvp8pay": ("VP8", "video/x-vp8", 96),
    "rtpmp4vpay": ("MPEG-4", "video/mpeg, mpegversion=4", 96),
    "rtpjpegpay": ("JPEG", "image/jpeg", 26),
}

_OF_MUXERS = {
    "mp4mux": (
        Property("fragment-duration", UINT, 0, "write the index in pieces of this length; 0: at the end", "ms"),
        Property("faststart", BOOL, False, "move the index to the beginning at the end"),
    ),
    "qtmux": (
        Property("fragment-duration", UINT, 0, "write the index in pieces of this length; 0: at the end", "ms"),
        Property("faststart", BOOL, False, "move the index to the beginning at the end"),
    ),
    "matroskamux": (Property("streamable", BOOL, False, "write what needs no going back"),),
    "webmmux": (Property("streamable", BOOL, False, "write what needs no going back"),),
    "mpegtsmux": (
        Property("alignment", Int(-1, 2**31 - 1), -1, "packets that are written at once",
                 without_effect="over UDP they are seven, as receivers expect"),
    ),
}  # fmt: skip


def _muxer(name: str) -> Factory:
    title, container, media, pad = MUXERS[name]
    taken = MP4 if name in ("mp4mux", "qtmux") else "; ".join(coded_media())
    return Factory(
        name,
        f"{title} muxer",
        "Codec/Muxer",
        f"Writes coded frames into {title}, with the filesink, udpsink, tcpclientsink or srtsink that follows",
        SINK,
        (PadTemplate(pad, "sink", taken, on_request=True), PadTemplate("src", "src", media)),
        _OF_MUXERS[name],
        lambda given: {"format": container, **given},
    )


def _demuxer(name: str) -> Factory:
    title, container, media = DEMUXERS[name]
    return Factory(
        name,
        f"{title} demuxer",
        "Codec/Demuxer",
        f"Gives the coded frames of the first video stream in {title}, with the filesrc before it",
        SOURCE,
        (PadTemplate("sink", "sink", media), PadTemplate("video_%u", "src", "; ".join(coded_media()), on_request=True)),
        (),
        lambda given: {"format": container, **given},
    )


def _parser(name: str) -> Factory:
    title, _, media = PARSERS[name]
    headers = (
        Property("config-interval", Int(-1, 3600), 0, "send headers again after this time", "s",
                 without_effect=AS_IT_IS),
    )  # fmt: skip
    return Factory(
        name,
        f"{title} parser",
        "Codec/Parser/Converter/Video",
        "Cuts a raw stream from a filesrc into frames; nothing is to be done behind other elements, which give frames",
        "zcore.stages.flow:Passthrough",
        filters((media,), (media,)),
        headers if name in ("h264parse", "h265parse", "mpeg4videoparse") else (),
        lambda given: {},
    )


def _payloader(name: str) -> Factory:
    title, media, number = PAYLOADERS[name]
    return Factory(
        name,
        f"RTP {title} payloader",
        "Codec/Payloader/Network/RTP",
        f"Puts {title} into RTP packets, with the udpsink that follows",
        SINK,
        filters((media,), ("application/x-rtp",)),
        (
            Property("pt", Int(0, 127, "uint"), number, "payload type, a number that both sides agree on"),
            Property("mtu", Int(28, 65507, "uint"), 1400, "most bytes of a packet", "bytes"),
            Property("config-interval", Int(-1, 3600), 0, "send headers again after this time", "s",
                     without_effect=AS_IT_IS),
        ),
    )  # fmt: skip


BEHIND_MUXER = "writes what the mpegtsmux before it makes"

UDPSINK = Factory(
    "udpsink", "UDP packet sender", "Sink/Network", f"Sends RTP packets of a payloader, or {BEHIND_MUXER}", SINK,
    sinks("application/x-rtp", "video/mpegts"),
    (
        Property("host", STRING, "localhost", "to whom"),
        Property("port", PORT, 5004, "to which port"),
        Property("ttl", Int(0, 255), 64, "how far packets go"),
        *sink_properties(sync=True),
    ),
)  # fmt: skip

TCPCLIENTSINK = Factory(
    "tcpclientsink", "TCP client sink", "Sink/Network", f"Connects, and {BEHIND_MUXER}", SINK, sinks(),
    (
        Property("host", STRING, "localhost", "to whom"),
        Property("port", PORT, 4953, "to which port"),
        *sink_properties(sync=False),
    ),
)  # fmt: skip

SRTSINK = Factory(
    "srtsink", "SRT sink", "Sink/Network", f"Sends by SRT: {BEHIND_MUXER}", SINK, sinks("video/mpegts"),
    (
        Property("uri", STRING, "srt://127.0.0.1:7001", "the address, srt://host:port"),
        Property("mode", Enum.of("none", "caller", "listener", "rendezvous"), "caller", "who connects"),
        Property("latency", Int(0, 2**31 - 1), 125, "time in which lost packets are sent again", "ms"),
        Property("passphrase", STRING, None, "secret of both sides", readable=False),
        *sink_properties(sync=True),
    ),
)  # fmt: skip


def _rtsp(given: dict[str, Any]) -> dict[str, Any]:
    options = {"rtsp_transport": "tcp"} if given.pop("protocols", "tcp") == "tcp" else {"rtsp_transport": "udp"}
    return {"container_options": options, **given}


RTSPCLIENTSINK = Factory(
    "rtspclientsink", "RTSP RECORD client", "Sink/Network", "Announces a stream to an RTSP server, which records it",
    SINK,
    (PadTemplate("sink_%u", "sink", "; ".join(coded_media()), on_request=True),),
    (
        Property("location", STRING, None, "the address, rtsp://host:port/name"),
        Property("protocols", Enum.of("udp", "tcp"), "tcp", "what carries the packets"),
    ),
    _rtsp,
    required={"location": "the address to announce to"},
)  # fmt: skip

FACTORIES = (
    *map(_muxer, MUXERS),
    *map(_demuxer, DEMUXERS),
    *map(_parser, PARSERS),
    *map(_payloader, PAYLOADERS),
    UDPSINK,
    TCPCLIENTSINK,
    SRTSINK,
    RTSPCLIENTSINK,
)
