"""Where coded frames can be written to: containers, addresses, and what fits into them."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any
from urllib.parse import urlsplit

from zcore.errors import NegotiationError
from zcore.formats import Format
from zcore.stages.ffmpeg import CODECS, ZCORE_NAMES, library, listing
from zcore.stages.file_layout import Location, check_location, name_of

BY_SCHEME = {"rtp": "rtp", "rtsp": "rtsp", "rtsps": "rtsp", "srt": "mpegts", "udp": "mpegts", "tcp": "mpegts",
             "rtmp": "flv", "rtmps": "flv"}  # fmt: skip
BY_ENDING = {"mp4": "mp4", "m4v": "mp4", "mov": "mov", "mkv": "matroska", "webm": "webm", "ts": "mpegts",
             "m2ts": "mpegts", "mts": "mpegts", "avi": "avi", "flv": "flv", "ivf": "ivf"}  # fmt: skip
# What these take, where FFmpeg does not tell, or tells more than it can do.
STREAMED = {
    "mov": ("H264", "HEVC", "MPEG1", "MPEG2", "MPEG4", "MJPEG"),
    "mpegts": ("H264", "HEVC", "MPEG1", "MPEG2", "MPEG4"),
    "rtp": ("H264", "HEVC", "VP8", "VP9", "AV1", "MPEG1", "MPEG2", "MPEG4", "MJPEG"),
    "rtsp": ("H264", "HEVC", "VP8", "VP9", "AV1", "MPEG1", "MPEG2", "MPEG4", "MJPEG"),
}
SUGGESTED = ("mp4", "matroska", "webm", "mpegts", "rtp")
SEEKING = ("mp4", "mov")  # write their index at the end
RTP_TYPES = {  # static payload type, name
    "h264": (96, "H264"), "hevc": (96, "H265"), "vp8": (96, "VP8"), "vp9": (96, "VP9"), "av1": (96, "AV1"),
    "mpeg4": (96, "MP4V-ES"), "mpeg1video": (32, "MPV"), "mpeg2video": (32, "MPV"), "mjpeg": (26, "JPEG"),
}  # fmt: skip


@dataclass(frozen=True)
class Target:
    """Where to write.

    Attributes
    ----------
    place : str
        Path or address, for messages.
    container : str
        FFmpeg's name of the container or protocol.
    address : bool
        Whether it is an address of the network.
    file : object
        What PyAV opens.
    """

    place: str
    container: str
    address: bool
    file: Any


def find_target(location: Location, format: str | None, who: str) -> Target:
    """Find out what a location stands for; nothing is opened.

    Raises
    ------
    ValueError
        The container cannot be told, or is unknown.
    """
    if not isinstance(location, (str, os.PathLike)):
        if not hasattr(location, "write"):
            raise TypeError(f"{who}: location is a path, an address or a file object, not {location!r}")
        if format is None:
            raise ValueError(f"{who}: a file object has no name that tells the container; give format=, such as mp4")
        return Target(name_of(location), format, False, location)
    place = os.fspath(location)
    scheme = urlsplit(place).scheme if "://" in place else ""
    if scheme and scheme != "file":
        found = format or BY_SCHEME.get(scheme)
        if found is None:
            raise ValueError(f"{who}: {scheme}:// is no address that zcore knows; it has {', '.join(BY_SCHEME)}")
        return Target(place, found, True, place)
    check_location(location)
    path = place.removeprefix("file://")
    ending = os.path.splitext(path)[1].removeprefix(".").lower()
    found = format or BY_ENDING.get(ending)
    if found is None:
        close = get_close_matches(ending, BY_ENDING, n=1) if ending else []
        hint = f"; did you mean .{close[0]}?" if close else ""
        what = f"the ending .{ending} tells no container" if ending else "it has no ending that tells the container"
        raise ValueError(f"{who}: {place}: {what}{hint}; give format=, or one of .{', .'.join(BY_ENDING)}")
    return Target(path, found, False, path)


def fitting(container: str) -> tuple[str, ...]:
    """List the codecs that a container takes."""
    if container in STREAMED:
        return STREAMED[container]
    av = library("a container")
    try:
        with av.open(io.BytesIO(), "w", format=container) as probe:
            known = probe.supported_codecs
    except ValueError:
        close = get_close_matches(container, [*BY_ENDING.values(), *BY_SCHEME.values()], n=1)
        hint = f"; did you mean {close[0]}?" if close else ""
        known = ", ".join(dict.fromkeys(BY_ENDING.values()))
        raise NegotiationError(f"FFmpeg writes no container {container!r}{hint}; zcore knows {known}") from None
    return tuple(name for ffmpeg, name in ZCORE_NAMES.items() if ffmpeg in known)


def check_fits(fmt: Format, target: Target, who: str) -> None:
    """Refuse a codec that a container has no place for.

    Raises
    ------
    NegotiationError
        Names the codecs that fit, and the containers for this one.
    """
    taken = fitting(target.container)
    name = "MJPEG" if fmt.name == "JPEG" else fmt.name
    if name in taken:
        return
    if name not in CODECS:
        raise NegotiationError(
            f"{who}: there is no container for {fmt}; {target.container} takes {listing(taken)}. FileSink writes {fmt}"
            " as it is"
        )
    others = [container for container in SUGGESTED if name in fitting(container)]
    raise NegotiationError(
        f"{who}: {target.container} has no place for {fmt}; it takes {listing(taken)}. {fmt} fits into"
        f" {listing(others)}"
    )


def check_place(target: Target, who: str) -> None:
    """Refuse a path that cannot be written, before anything runs.

    Raises
    ------
    OSError
        As opening it would.
    NegotiationError
        This FFmpeg cannot speak the protocol.
    """
    if target.address:
        _check_protocol(urlsplit(target.place).scheme, who)
    if target.address or not isinstance(target.file, str):
        return
    if os.path.exists(target.file):
        os.close(os.open(target.file, os.O_WRONLY))  # a file that is there stays as it is until the first frame
        return
    parent = os.path.dirname(target.file) or "."
    os.close(os.open(parent, os.O_RDONLY | os.O_DIRECTORY))
    if not os.access(parent, os.W_OK):
        raise PermissionError(13, os.strerror(13), target.file)


def _check_protocol(scheme: str, who: str) -> None:
    """Try a protocol that FFmpeg may have been built without: it refuses an address without a host for another reason.

    PyAV's own wheels have no ``srt``.
    """
    if scheme != "srt":
        return
    av = library("a protocol")
    try:
        av.open(f"{scheme}://", timeout=1)
    except av.error.ProtocolNotFoundError:
        raise NegotiationError(
            f"{who}: this FFmpeg was built without the protocol {scheme}; send by udp://, tcp:// or rtp://, or build"
            " PyAV against an FFmpeg that has it: pip install --no-binary av av"
        ) from None
    except (av.FFmpegError, OSError):
        return


def describe_session(codec: str, address: str, payload_type: int | None = None) -> str:
    """Write the description (SDP, RFC 8866) that a receiver of RTP needs."""
    parts = urlsplit(address)
    number, name = RTP_TYPES[codec]
    number = number if payload_type is None else payload_type
    host = parts.hostname or "127.0.0.1"
    version = "IP6" if ":" in host else "IP4"
    lines = [
        "v=0",
        f"o=- 0 0 IN {version} {host}",
        "s=zcore",
        f"c=IN {version} {host}",
        "t=0 0",
        f"m=video {parts.port} RTP/AVP {number}",
    ]
    if number >= 96:
        lines.append(f"a=rtpmap:{number} {name}/90000")
    if codec == "h264":
        lines.append(f"a=fmtp:{number} packetization-mode=1")
    return "\r\n".join(lines) + "\r\n"
