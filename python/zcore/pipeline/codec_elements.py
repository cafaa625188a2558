"""Encoders and decoders in software, under the names of GStreamer's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from zcore.pipeline.factory import Factory, filters
from zcore.pipeline.properties import Property
from zcore.pipeline.property_types import BOOL, STRING, Enum, Int

RAW = "video/x-raw"
PRESETS = ("ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow", "placebo")
UNSIGNED = Int(0, 2**31 - 1, "uint")

Arguments = Callable[[dict[str, Any]], dict[str, Any]]


def _encoder(
    name: str, title: str, codec: str, media: str, encoder: str, properties: tuple[Property, ...], arguments: Arguments
) -> Factory:
    def made(given: dict[str, Any]) -> dict[str, Any]:
        return {"codec": codec, "encoder": encoder, **arguments(given)}

    return Factory(
        name,
        f"{title} encoder",
        "Codec/Encoder/Video",
        f"Encodes {title} on the CPU, with FFmpeg's {encoder}",
        "zcore.stages.software_codec:SoftwareEncode",
        filters((RAW,), (media,)),
        properties,
        made,
    )


def _decoder(name: str, title: str, codec: str, media: str, decoder: str) -> Factory:
    def made(given: dict[str, Any]) -> dict[str, Any]:
        shown = given.get("output_corrupt", True)
        return {
            "codec": codec,
            "decoder": decoder,
            "n_threads": given.get("max_threads", 0),
            "corrupted": "deliver" if shown else "drop",
        }

    return Factory(
        name,
        f"{title} decoder",
        "Codec/Decoder/Video",
        f"Decodes {title} on the CPU, with FFmpeg's {decoder}",
        "zcore.stages.software_decode:SoftwareDecode",
        filters((media,), (RAW,)),
        (
            Property("max-threads", UNSIGNED, 0, "threads that share the work; 0: one for each processor"),
            Property("output-corrupt", BOOL, True, "give pictures that are damaged, too"),
        ),
        made,
    )


def _kilobits(default: int) -> Property:
    return Property("bitrate", UNSIGNED, default, "bits that it may use", "kbit/s")


def _mpeg_family(params: str, bframes: bool) -> Arguments:
    """Turn the properties of x264enc and x265enc into options of FFmpeg."""

    def made(given: dict[str, Any]) -> dict[str, Any]:
        options: dict[str, Any] = {"preset": given.get("speed_preset", "medium")}
        if given.get("tune", "none") != "none":
            options["tune"] = given["tune"]
        if given.get("option_string"):
            options[params] = given["option_string"]
        made: dict[str, Any] = {"options": options, "n_threads": given.get("threads", 0)}
        if given.get("pass") in ("quant", "qual"):
            options["qp" if given.get("pass") == "quant" else "crf"] = given.get("quantizer", 21)
        else:
            made["bitrate"] = max(1, given.get("bitrate", 2048)) * 1000
        if given.get("key_int_max"):
            made["gop_size"] = given["key_int_max"]
        if bframes:
            made["b_frames"] = given.get("bframes", 0)
        return made

    return made


PRESET = Property("speed-preset", Enum.of(*PRESETS, first=1), "medium", "how much time it takes for good pictures")
KEYS = Property("key-int-max", UNSIGNED, 0, "most frames from key frame to key frame; 0: the encoder's own")
MORE = Property("option-string", STRING, None, "more options of the encoder, as key=value:key=value")

X264ENC = _encoder(
    "x264enc", "H.264", "H264", "video/x-h264", "libx264",
    (
        _kilobits(2048),
        PRESET,
        KEYS,
        MORE,
        Property("bframes", Int(0, 16, "uint"), 0, "most B frames in a row"),
        Property("threads", UNSIGNED, 0, "threads that share the work; 0: one for each processor"),
        Property(
            "tune", Enum.of("none", "stillimage", "fastdecode", "zerolatency"), "none", "what to make the best of"
        ),
        Property("pass", Enum.of("cbr", "quant", "qual"), "cbr", "keep to the bitrate, a quantizer, or a quality"),
        Property("quantizer", Int(0, 50, "uint"), 21, "with pass=quant or qual: quantizer, or constant rate factor"),
        Property("byte-stream", BOOL, False, "start codes between units", without_effect="streams always have them"),
    ),
    _mpeg_family("x264-params", True),
)  # fmt: skip

X265ENC = _encoder(
    "x265enc", "H.265", "HEVC", "video/x-h265", "libx265",
    (
        _kilobits(2048),
        PRESET,
        KEYS,
        MORE,
        Property("tune", Enum.of("none", "psnr", "ssim", "grain", "zerolatency", "fastdecode"), "none",
                 "what to make the best of"),
    ),
    _mpeg_family("x265-params", False),
)  # fmt: skip


def _vpx(given: dict[str, Any]) -> dict[str, Any]:
    deadline = given.get("deadline", 1_000_000)
    options = {
        "cpu-used": given.get("cpu_used", 0),
        "deadline": "best" if not deadline else "realtime" if deadline == 1 else "good",
    }
    return {
        "options": options,
        "n_threads": given.get("threads", 0),
        "gop_size": max(1, given.get("keyframe_max_dist", 128)),
        "bitrate": given.get("target_bitrate") or 256_000,
    }


VPX = (
    Property("target-bitrate", UNSIGNED, 256_000, "bits that it may use", "bit/s"),
    Property("keyframe-max-dist", UNSIGNED, 128, "most frames from key frame to key frame"),
    Property("threads", UNSIGNED, 0, "threads that share the work; 0: one for each processor"),
    Property("cpu-used", Int(-16, 16), 0, "how much faster, and worse, it works"),
    Property("deadline", Int(0, 2**31 - 1, "int64"), 1_000_000, "0: the best, 1: in real time, else good", "µs"),
)
VP8ENC = _encoder("vp8enc", "VP8", "VP8", "video/x-vp8", "libvpx", VPX, _vpx)
VP9ENC = _encoder("vp9enc", "VP9", "VP9", "video/x-vp9", "libvpx-vp9", VPX, _vpx)


def _svt(given: dict[str, Any]) -> dict[str, Any]:
    options: dict[str, Any] = {"preset": given.get("preset", 10)}
    made: dict[str, Any] = {"options": options}
    if given.get("target_bitrate"):
        made["bitrate"] = given["target_bitrate"] * 1000
    else:
        options["crf"] = given.get("crf", 35)
    if given.get("intra_period_length", -2) > 0:
        made["gop_size"] = given["intra_period_length"]
    return made


SVTAV1ENC = _encoder(
    "svtav1enc", "AV1", "AV1", "video/x-av1", "libsvtav1",
    (
        Property("preset", Int(-1, 13, "uint"), 10, "how much faster, and worse, it works"),
        Property("target-bitrate", UNSIGNED, 0, "bits that it may use; 0: by crf", "kbit/s"),
        Property("crf", Int(-1, 63, "int"), 35, "constant rate factor"),
        Property("intra-period-length", Int(-2, 2**31 - 1), -2, "frames from key frame to key frame; -2: its own"),
    ),
    _svt,
)  # fmt: skip


def _libav(given: dict[str, Any]) -> dict[str, Any]:
    return {
        "bitrate": max(1, given.get("bitrate", 200_000)),
        "gop_size": max(1, given.get("gop_size", 12)),
        "b_frames": given.get("max_bframes", 0),
    }


LIBAV = (
    Property("bitrate", UNSIGNED, 200_000, "bits that it may use", "bit/s"),
    Property("gop-size", UNSIGNED, 12, "most frames from key frame to key frame"),
    Property("max-bframes", Int(0, 16), 0, "most B frames in a row"),
)
AVENC_MPEG4 = _encoder(
    "avenc_mpeg4", "MPEG-4 part 2", "MPEG4", "video/mpeg, mpegversion=4", "mpeg4", LIBAV, _libav
)  # fmt: skip
AVENC_MPEG2 = _encoder(
    "avenc_mpeg2video", "MPEG-2 video", "MPEG2", "video/mpeg, mpegversion=2", "mpeg2video", LIBAV, _libav
)  # fmt: skip


def _jpeg(given: dict[str, Any]) -> dict[str, Any]:
    scale = max(1, round((100 - given.get("quality", 85)) * 30 / 100))  # FFmpeg's from 1, the best, to 31
    return {"options": {"qmin": scale, "qmax": scale}}


JPEGENC = _encoder(
    "jpegenc", "JPEG", "MJPEG", "image/jpeg", "mjpeg",
    (
        Property("quality", Int(0, 100), 85, "quality; the same number gives about the same size as in GStreamer"),
        Property("smoothing", Int(0, 100), 0, "smoothing", only_default="the encoder does not smooth"),
        Property("snapshot", BOOL, False, "end after the first picture", only_default="use num-buffers of the source"),
    ),
    _jpeg,
)  # fmt: skip

DECODERS = (
    _decoder("avdec_h264", "H.264", "H264", "video/x-h264", "h264"),
    _decoder("avdec_h265", "H.265", "HEVC", "video/x-h265", "hevc"),
    _decoder("avdec_mpeg4", "MPEG-4 part 2", "MPEG4", "video/mpeg, mpegversion=4", "mpeg4"),
    _decoder("avdec_mpeg2video", "MPEG-2 video", "MPEG2", "video/mpeg, mpegversion=2", "mpeg2video"),
    _decoder("jpegdec", "JPEG", "MJPEG", "image/jpeg", "mjpeg"),
    _decoder("vp8dec", "VP8", "VP8", "video/x-vp8", "vp8"),
    _decoder("vp9dec", "VP9", "VP9", "video/x-vp9", "vp9"),
    _decoder("dav1ddec", "AV1", "AV1", "video/x-av1", "libdav1d"),
)

FACTORIES = (X264ENC, X265ENC, VP8ENC, VP9ENC, SVTAV1ENC, AVENC_MPEG4, AVENC_MPEG2, JPEGENC, *DECODERS)
