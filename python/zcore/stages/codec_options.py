"""Options of encoders by readable names, as the controls that the kernel has for each codec."""

from __future__ import annotations

from difflib import get_close_matches

from zcore.formats import Format
from zcore.stages.structures import Value, plain_name

# Which family of controls a codec has: they are named after it.
FAMILIES = {
    "H264": "h264", "H264_NO_SC": "h264", "H264_MVC": "h264", "HEVC": "hevc", "VP8": "vp8", "VP9": "vp9", "AV1": "av1",
    "MPEG1": "mpeg2", "MPEG2": "mpeg2", "MPEG4": "mpeg4", "XVID": "mpeg4", "H263": "h263", "FWHT": "fwht",
    "JPEG": "jpeg", "MJPEG": "jpeg",
}  # fmt: skip
PROFILES = {"h264", "hevc", "vp8", "vp9", "av1", "mpeg2", "mpeg4"}
LEVELS = PROFILES - {"vp8"}
LIMITS = {"h264": "h264", "hevc": "hevc", "mpeg4": "mpeg4", "h263": "h263", "vp8": "vpx", "vp9": "vpx"}
"""Codecs with limits of the quantiser, and how these controls begin."""
NO_MOTION = {"jpeg"}

WORDS = {
    "bitrate_mode": {"vbr": "variable_bitrate", "cbr": "constant_bitrate", "cq": "constant_quality"},
    "header_mode": {"separate": "separate_buffer", "joined": "joined_with_1st_frame"},
}
"""Short words for entries of menus; the menu's own words do as well."""


def _control(option: str, family: str) -> str:
    """Name the control of an option; empty where the codec has none."""
    prefix = LIMITS.get(family, "")
    every = {
        "profile": f"{family}_profile" if family in PROFILES else "",
        "level": f"{family}_level" if family in LEVELS else "",
        "tier": "hevc_tier" if family == "hevc" else "",
        "entropy_mode": "h264_entropy_mode" if family == "h264" else "",
        "min_qp": f"{prefix}_minimum_qp_value" if prefix else "",
        "max_qp": f"{prefix}_maximum_qp_value" if prefix else "",
        "quality": "compression_quality" if family == "jpeg" else "constant_quality",
    }
    if option in every:
        return every[option]
    moving = {
        "bitrate": "video_bitrate",
        "peak_bitrate": "video_peak_bitrate",
        "bitrate_mode": "video_bitrate_mode",
        "gop_size": "video_gop_size",
        "b_frames": "video_b_frames",
        "header_mode": "sequence_header_mode",
        "repeat_headers": "repeat_sequence_header",
    }
    return "" if family in NO_MOTION else moving[option]


OPTIONS = (
    "profile", "level", "tier", "entropy_mode", "min_qp", "max_qp", "quality", "bitrate", "peak_bitrate",
    "bitrate_mode", "gop_size", "b_frames", "header_mode", "repeat_headers",
)  # fmt: skip


def option_controls(codec: Format, options: dict[str, Value | None]) -> dict[str, Value]:
    """Turn an encoder's options into controls.

    Parameters
    ----------
    codec : Format
        Coded format.
    options : dict
        Of :data:`OPTIONS`; those that are ``None`` are left out.

    Returns
    -------
    dict
        Names of controls as ``extra_controls`` takes them, to values. Whether the device has them, and these entries of
        its menus, is found out when it is opened.

    Raises
    ------
    ValueError
        The codec has no such thing.
    TypeError
        There is no such option; names the nearest.
    """
    family = FAMILIES.get(codec.name, "")
    controls: dict[str, Value] = {}
    for option, value in options.items():
        if option not in OPTIONS:
            close = get_close_matches(option, OPTIONS, n=1)
            hint = f"did you mean {close[0]}? " if close else ""
            raise TypeError(f"an encoder has no option {option!r}; {hint}it has {', '.join(OPTIONS)}")
        if value is None:
            continue
        name = _control(option, family)
        if not name:
            have = [one for one in OPTIONS if _control(one, family)]
            raise ValueError(f"{codec.name} has no {option}; its options are {', '.join(have)}")
        if option in ("level", "profile", "tier") and not isinstance(value, str):
            value = str(value)  # 4.1 is the level "4.1", not the 4th entry of the menu
        if isinstance(value, str):
            value = WORDS.get(option, {}).get(plain_name(value), value)
        controls[name] = value
    return controls
