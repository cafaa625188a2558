"""The structures of connectors, signals and rectangles, written from the kernel's headers."""

import ctypes as c

from . import structs
from .structs import S32, U8, U32, U64, make, words

Rect = make("v4l2_rect", [("left", S32), ("top", S32), *words("width", "height")], 16)
CropCap = make("v4l2_cropcap", [("type", U32), ("bounds", Rect), ("defrect", Rect), ("aspect", structs.Fract)], 44)
Crop = make("v4l2_crop", [("type", U32), ("c", Rect)], 20)
Input = make(
    "v4l2_input",
    [("index", U32), ("name", c.c_char * 32), *words("type", "audioset", "tuner"), ("std", U64),
     *words("status", "capabilities"), ("reserved", U32 * 3)],
    80,
)  # fmt: skip
Output = make(
    "v4l2_output",
    [("index", U32), ("name", c.c_char * 32), *words("type", "audioset", "modulator"), ("std", U64),
     ("capabilities", U32), ("reserved", U32 * 3)],
    72,
)  # fmt: skip
Std = make("v4l2_std_id", [("value", U64)], 8)
Standard = make(
    "v4l2_standard",
    [("index", U32), ("id", U64), ("name", c.c_char * 24), ("period", structs.Fract), ("lines", U32),
     ("reserved", U32 * 4)],
    72,
)  # fmt: skip
Timings = make(
    "v4l2_dv_timings",
    [*words("type", "width", "height", "interlaced", "polarities"), ("pixelclock", U64),
     *words("hfront", "hsync", "hback", "vfront", "vsync", "vback", "il_vfront", "il_vsync", "il_vback", "standards",
            "flags"), ("rest", U8 * 60)],
    132, pack=1,
)  # fmt: skip
EnumTimings = make("v4l2_enum_dv_timings", [*words("index", "pad"), ("reserved", U32 * 2), ("timings", Timings)], 148)
TimingsCap = make(
    "v4l2_dv_timings_cap",
    [*words("type", "pad"), ("reserved", U32 * 2), *words("min_width", "max_width", "min_height", "max_height"),
     ("min_clock", U64), ("max_clock", U64), *words("standards", "capabilities"), ("rest", U32 * 22)],
    144, pack=1,
)  # fmt: skip
Edid = make("v4l2_edid", [*words("pad", "start_block", "blocks"), ("reserved", U32 * 5), ("edid", c.c_void_p)], 40)
Word = make("u32", [("value", U32)], 4)

_BOTH, _READ, _WRITE = 3, 2, 1
_TABLE = {
    "VIDIOC_ENUMSTD": (25, _BOTH, Standard), "VIDIOC_G_STD": (23, _READ, Std), "VIDIOC_S_STD": (24, _WRITE, Std),
    "VIDIOC_QUERYSTD": (63, _READ, Std), "VIDIOC_ENUMINPUT": (26, _BOTH, Input), "VIDIOC_G_INPUT": (38, _READ, Word),
    "VIDIOC_S_INPUT": (39, _BOTH, Word), "VIDIOC_ENUMOUTPUT": (48, _BOTH, Output),
    "VIDIOC_G_OUTPUT": (46, _READ, Word), "VIDIOC_S_OUTPUT": (47, _BOTH, Word),
    "VIDIOC_CROPCAP": (58, _BOTH, CropCap), "VIDIOC_G_CROP": (59, _BOTH, Crop), "VIDIOC_S_CROP": (60, _WRITE, Crop),
    "VIDIOC_G_PRIORITY": (67, _READ, Word), "VIDIOC_S_PRIORITY": (68, _WRITE, Word),
    "VIDIOC_S_DV_TIMINGS": (87, _BOTH, Timings), "VIDIOC_G_DV_TIMINGS": (88, _BOTH, Timings),
    "VIDIOC_ENUM_DV_TIMINGS": (98, _BOTH, EnumTimings), "VIDIOC_QUERY_DV_TIMINGS": (99, _READ, Timings),
    "VIDIOC_DV_TIMINGS_CAP": (100, _BOTH, TimingsCap), "VIDIOC_G_EDID": (40, _BOTH, Edid),
}  # fmt: skip
for _name, (_number, _way, _struct) in _TABLE.items():
    _code = _way << 30 | c.sizeof(_struct) << 16 | ord("V") << 8 | _number
    structs.REQUESTS.setdefault(_code, (_name, _struct))
    structs.NUMBERS.setdefault(_name, _code)
