"""How GStreamer lays out its raw formats in memory: what ``GstVideoInfo`` tells, and the bytes of one small frame.

``python3 tests/video_info_oracle.py tests/data/gst-video-info.json`` asks the GStreamer of that Python and writes the
table that ``test_formats_oracle.py`` compares with. It needs GObject introspection for GstVideo 1.0, nothing of zcore.
"""

from __future__ import annotations

import json
import struct
import sys
from typing import Any

SIZES = ((640, 480), (641, 481), (33, 17), (4, 4), (1, 1))
FRAME = 4  # rows and columns of the small frame
ALPHA, SECOND, THIRD = 0x80, 0x58, 0xA8  # components of 8 bits, the same in every pixel: A, G or U, B or V


def first(x: int, y: int) -> int:
    """Give the component that differs in every pixel, Y or R: 8 bits, of which the last three are 0."""
    return 0x20 + 8 * (FRAME * y + x)


def frame(gst: Any, video: Any, name: str) -> str | None:
    """Convert the small frame to a format; None where GStreamer cannot."""
    info = video.VideoFormat.get_info(video.VideoFormat.from_string(name))
    rgb = bool(info.flags & video.VideoFormatFlags.RGB)
    pixels = [(ALPHA, first(x, y), SECOND, THIRD) for y in range(FRAME) for x in range(FRAME)]
    data = b"".join(struct.pack("<4H", *(component << 8 for component in pixel)) for pixel in pixels)
    rest = f"width={FRAME},height={FRAME},framerate=0/1,colorimetry={'sRGB' if rgb else 'bt601'}"
    start = gst.Caps.from_string(f"video/x-raw,format={'ARGB64' if rgb else 'AYUV64'},{rest}")
    sample = gst.Sample.new(gst.Buffer.new_wrapped(data), start, None, None)
    end = gst.Caps.from_string(f"video/x-raw,format={name},{rest}")
    try:
        made = video.video_convert_sample(sample, end, 5 * gst.SECOND)
    except Exception:
        return None
    buffer = made.get_buffer()
    return buffer.extract_dup(0, buffer.get_size()).hex()


def describe(gst: Any, video: Any, name: str) -> dict[str, Any] | None:
    """Give a format's components and its layout at every size; None for what is no raw format."""
    number = video.VideoFormat.from_string(name)
    info = video.VideoFormat.get_info(number)
    planes = info.n_planes
    if not planes or name in ("ENCODED", "DMA_DRM"):
        return None
    layouts = {}
    for width, height in SIZES:
        one = video.VideoInfo.new()
        if not one.set_format(number, width, height):
            continue
        layouts[f"{width}x{height}"] = [list(one.stride[:planes]), list(one.offset[:planes]), one.size]
    count = info.n_components
    return {
        "bits": info.bits,
        "depth": list(info.depth[:count]),
        "shift": list(info.shift[:count]),
        "plane": list(info.plane[:count]),
        "pixel": list(info.pixel_stride[:count]),
        "offset": list(info.poffset[:count]),
        "w_sub": list(info.w_sub[:count]),
        "h_sub": list(info.h_sub[:count]),
        "tiled": bool(info.flags & video.VideoFormatFlags.TILED),
        "complex": bool(info.flags & video.VideoFormatFlags.COMPLEX),
        "layouts": layouts,
        "frame": None if info.flags & video.VideoFormatFlags.TILED else frame(gst, video, name),
    }


def main() -> None:
    """Write the table."""
    import gi  # type: ignore[import-not-found]

    gi.require_version("Gst", "1.0")
    gi.require_version("GstVideo", "1.0")
    from gi.repository import Gst, GstVideo  # type: ignore[import-not-found]

    Gst.init(None)
    names = []
    for number in range(2, 1000):
        try:
            names.append(GstVideo.VideoFormat.to_string(GstVideo.VideoFormat(number)))
        except ValueError:
            break
    formats = {name: found for name in names if (found := describe(Gst, GstVideo, name)) is not None}
    table = {"gstreamer": ".".join(str(part) for part in Gst.version()[:3]), "sizes": SIZES, "formats": formats}
    with open(sys.argv[1], "w") as file:
        lines = [f"{json.dumps(name)}:{json.dumps(found, separators=(',', ':'))}" for name, found in formats.items()]
        head = json.dumps({key: table[key] for key in ("gstreamer", "sizes")})[:-1]
        file.write(head + ', "formats": {\n' + ",\n".join(lines) + "\n}}\n")


if __name__ == "__main__":
    main()
