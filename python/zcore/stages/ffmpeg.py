"""FFmpeg, which comes with PyAV (zcore's extra ``software``): its codecs by zcore's names, and its errors."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from zcore.errors import ChainError, NegotiationError
from zcore.formats import Format, find
from zcore.stages.software import FFMPEG_NAMES

LEAST_VERSION = 18  # of PyAV: the first that muxes coded frames of others and finds their headers


@dataclass(frozen=True)
class Codec:
    """One codec in FFmpeg's words.

    Attributes
    ----------
    name : str
        FFmpeg's name of the codec.
    encoders, decoders : tuple of str
        Those that do it, best first.
    reorders : bool
        Whether pictures may be coded in another order than they are shown in (B frames).
    """

    name: str
    encoders: tuple[str, ...]
    decoders: tuple[str, ...]
    reorders: bool = False


CODECS = {
    "H264": Codec("h264", ("libx264", "libopenh264"), ("h264",), True),
    "HEVC": Codec("hevc", ("libx265",), ("hevc",), True),
    "VP8": Codec("vp8", ("libvpx",), ("vp8",)),
    "VP9": Codec("vp9", ("libvpx-vp9",), ("vp9",)),
    "AV1": Codec("av1", ("libsvtav1", "libaom-av1", "librav1e"), ("libdav1d", "libaom-av1", "av1")),
    "MPEG1": Codec("mpeg1video", ("mpeg1video",), ("mpeg1video",), True),
    "MPEG2": Codec("mpeg2video", ("mpeg2video",), ("mpeg2video",), True),
    "MPEG4": Codec("mpeg4", ("mpeg4", "libxvid"), ("mpeg4",), True),
    "MJPEG": Codec("mjpeg", ("mjpeg",), ("mjpeg",)),
    "JPEG": Codec("mjpeg", ("mjpeg",), ("mjpeg",)),
}
"""By the names of zcore's formats."""

ZCORE_NAMES = {codec.name: name for name, codec in reversed(CODECS.items())}
PIXELS = {**{ffmpeg: name for name, ffmpeg in reversed(FFMPEG_NAMES.items())}, "yuvj420p": "YUV420",
          "yuvj422p": "YUV422", "yuvj444p": "YUV444"}  # fmt: skip
"""zcore's names of FFmpeg's formats of pixels."""


def library(what: str) -> Any:
    """Import PyAV.

    Parameters
    ----------
    what : str
        What it is needed for, as the beginning of a sentence.

    Raises
    ------
    NegotiationError
        It is not installed, or too old; says what to install.
    """
    try:
        import av
        import av.bitstream
    except ImportError:
        raise NegotiationError(f"{what} needs PyAV: pip install '.[software]' in the checkout") from None
    version = av.__version__.split(".")[0]
    if version.isdecimal() and int(version) < LEAST_VERSION:
        raise NegotiationError(
            f"{what} needs PyAV {LEAST_VERSION} or newer, and {av.__version__} is installed: pip install -U"
            f" 'av>={LEAST_VERSION}'"
        )
    return av


def codec_of(fmt: Format, who: str) -> Codec:
    """Find a codec in FFmpeg.

    Raises
    ------
    NegotiationError
        FFmpeg has no such codec, as it is with FWHT; names those that it has.
    """
    codec = CODECS.get(fmt.name)
    if codec is None:
        raise NegotiationError(f"{who}: FFmpeg has no codec {fmt}; it has {', '.join(CODECS)}")
    return codec


def _available(names: tuple[str, ...], mode: str) -> str | None:
    av = library("a codec in software")
    for name in names:
        try:
            av.codec.Codec(name, mode)
        except (ValueError, LookupError):
            continue
        return name
    return None


def encoder_name(fmt: Format) -> str | None:
    """Name the encoder that this machine's FFmpeg has for a codec."""
    return _available(CODECS[fmt.name].encoders, "w") if fmt.name in CODECS else None


def decoder_name(fmt: Format) -> str | None:
    """Name the decoder that this machine's FFmpeg has for a codec."""
    return _available(CODECS[fmt.name].decoders, "r") if fmt.name in CODECS else None


def pixel_formats(codec: Any) -> list[Format]:
    """List zcore's formats among those that an encoder takes, in its order."""
    found = [find(PIXELS[one.name]) for one in codec.video_formats or () if one.name in PIXELS]
    return list(dict.fromkeys(found))


def reason_of(error: BaseException) -> str:
    """Tell what FFmpeg says of a failure."""
    said = getattr(error, "log", None)
    text = getattr(error, "strerror", None) or str(error)
    return f"{text} ({said[2].strip()})" if said and said[2] else text


def named(error: BaseException, place: str, done: str) -> Exception:
    """Make an exception of one of PyAV's: an OSError for what the kernel said, a ChainError for what FFmpeg says."""
    code = getattr(error, "errno", None)
    if type(error).__name__ == "ExitError":  # how FFmpeg spells that PyAV's time-out came
        return TimeoutError(errno.ETIMEDOUT, f"Timed out: nothing came, or nobody takes it (timeout=); {done}", place)
    if isinstance(code, int) and code in errno.errorcode:
        return OSError(code, f"{os.strerror(code)}; {done}", place)
    return ChainError(f"{place}: {reason_of(error)}; {done}")


def options_of(options: object, who: str) -> dict[str, str]:
    """Take options for FFmpeg: a mapping of names to texts, numbers or truth values."""
    if options is None:
        return {}
    try:
        given = dict(options)  # type: ignore[call-overload]
    except (TypeError, ValueError):
        raise TypeError(f"{who}: options are a mapping of names to values, not {options!r}") from None
    return {str(key): str(int(value) if isinstance(value, bool) else value) for key, value in given.items()}


def listing(names: Sequence[str]) -> str:
    """List names for a message."""
    return ", ".join(names) or "nothing"
