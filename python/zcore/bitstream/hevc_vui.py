"""What parameter sets of HEVC tell of profiles and use (ITU-T H.265, section 7.3.3 and annex E): mostly skipped."""

from __future__ import annotations

from zcore.bitstream.bits import Bits


def skip_profile(bits: Bits, sub_layers: int) -> None:
    """Skip ``profile_tier_level(1, sub_layers)``."""
    bits.u(96)
    present = [(bits.flag(), bits.flag()) for _ in range(sub_layers)]
    if sub_layers:
        bits.u(2 * (8 - sub_layers))
    for profile, level in present:
        bits.u(88 * profile + 8 * level)


def read_vui(bits: Bits, sub_layers: int) -> bool:
    """Read ``vui_parameters()``; gives frame_field_info_present_flag."""
    if bits.flag() and bits.u(8) == 255:  # aspect ratio
        bits.u(32)
    if bits.flag():  # overscan
        bits.u(1)
    if bits.flag():  # video signal
        bits.u(4)
        if bits.flag():
            bits.u(24)
    if bits.flag():  # chroma location
        bits.ue(5)
        bits.ue(5)
    bits.u(2)
    field_info = bits.flag()
    if bits.flag():  # default display window
        for _ in range(4):
            bits.ue()
    if bits.flag():  # timing
        bits.u(64)
        if bits.flag():
            bits.ue()
        if bits.flag():
            _skip_hrd(bits, sub_layers)
    if bits.flag():  # bitstream restriction
        bits.u(3)
        for _ in range(5):
            bits.ue()
    return field_info


def _skip_hrd(bits: Bits, sub_layers: int) -> None:
    """Skip ``hrd_parameters(1, sub_layers)`` (E.2.2)."""
    kinds = bits.flag() + bits.flag()  # NAL, VCL
    sub_pictures = False
    if kinds:
        sub_pictures = bits.flag()
        if sub_pictures:
            bits.u(19)
        bits.u(8)
        if sub_pictures:
            bits.u(4)
        bits.u(15)
    for _ in range(sub_layers + 1):
        fixed = bits.flag() or bits.flag()  # general; within the sequence
        low_delay = False
        if fixed:
            bits.ue(2047)
        else:
            low_delay = bits.flag()
        count = 1 if low_delay else bits.ue(31) + 1
        for _ in range(kinds * count):
            for _ in range(4 if sub_pictures else 2):
                bits.ue()
            bits.u(1)
