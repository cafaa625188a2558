"""Caps: GStreamer's way to say which media formats something can give or take.

``Caps.parse("video/x-raw,format={NV12,I420},width=[16,4096]")`` reads its text form and ``str(caps)`` writes it.
`zcore.caps.video` knows what caps mean for zcore's formats.
"""

from zcore.caps.caps import Caps
from zcore.caps.errors import CapsError
from zcore.caps.structure import Features, Structure
from zcore.caps.values import (
    Bitmask,
    DoubleRange,
    FlagSet,
    Float,
    FractionRange,
    Int64,
    IntRange,
    Other,
    UInt,
    UInt64,
    Value,
    ValueArray,
    ValueList,
)

__all__ = [
    "Bitmask",
    "Caps",
    "CapsError",
    "DoubleRange",
    "Features",
    "FlagSet",
    "Float",
    "FractionRange",
    "Int64",
    "IntRange",
    "Other",
    "Structure",
    "UInt",
    "UInt64",
    "Value",
    "ValueArray",
    "ValueList",
]
