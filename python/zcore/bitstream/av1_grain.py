"""AV1 film grain parameters (5.9.30) as ``struct v4l2_ctrl_av1_film_grain``."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from itertools import pairwise

from zcore.bitstream.av1_sequence import Av1Bits, Sequence
from zcore.bitstream.picture import BitstreamError

FILM_GRAIN = struct.Struct("<BBHBB16s16sB16s16sB16s16sBB25s25s25sBBBBBHH4x")


@dataclass(frozen=True)
class FilmGrain:
    """Parameters of one frame, by the names of the specification."""

    apply_grain: bool = False
    grain_seed: int = 0
    update_grain: bool = False
    film_grain_params_ref_idx: int = 0
    y_points: tuple[tuple[int, int], ...] = ()
    chroma_scaling_from_luma: bool = False
    cb_points: tuple[tuple[int, int], ...] = ()
    cr_points: tuple[tuple[int, int], ...] = ()
    grain_scaling_minus_8: int = 0
    ar_coeff_lag: int = 0
    ar_coeffs_y_plus_128: bytes = b""
    ar_coeffs_cb_plus_128: bytes = b""
    ar_coeffs_cr_plus_128: bytes = b""
    ar_coeff_shift_minus_6: int = 0
    grain_scale_shift: int = 0
    cb: tuple[int, int, int] = (0, 0, 0)  # multiplier, multiplier of luma, offset
    cr: tuple[int, int, int] = (0, 0, 0)
    overlap_flag: bool = False
    clip_to_restricted_range: bool = False

    def pack(self) -> bytes:
        """Give the kernel's structure."""
        flags = (
            self.apply_grain, self.update_grain, self.chroma_scaling_from_luma, self.overlap_flag,
            self.clip_to_restricted_range,
        )  # fmt: skip
        points: list[int | bytes] = []
        for one in (self.y_points, self.cb_points, self.cr_points):
            points += [len(one), bytes(value for value, _ in one), bytes(scaling for _, scaling in one)]
        return FILM_GRAIN.pack(
            sum(1 << bit for bit, isset in enumerate(flags) if isset), self.cr[0], self.grain_seed,
            self.film_grain_params_ref_idx, *points, self.grain_scaling_minus_8, self.ar_coeff_lag,
            self.ar_coeffs_y_plus_128, self.ar_coeffs_cb_plus_128, self.ar_coeffs_cr_plus_128,
            self.ar_coeff_shift_minus_6, self.grain_scale_shift, self.cb[0], self.cb[1], self.cr[1], self.cb[2],
            self.cr[2],
        )  # fmt: skip


def read_grain_head(bits: Av1Bits, inter: bool) -> FilmGrain:
    """Read whether there is grain, and where its parameters are: they follow where `update_grain` is set."""
    if not bits.flag():
        return FilmGrain()
    seed = bits.u(16)
    update = not inter or bits.flag()
    return FilmGrain(True, seed, update, 0 if update else bits.u(3))


def read_grain(bits: Av1Bits, sequence: Sequence, seed: int) -> FilmGrain:
    """Read the parameters."""
    y = _read_points(bits, 14)
    from_luma = not sequence.mono_chrome and bits.flag()
    cb: tuple[tuple[int, int], ...] = ()
    cr: tuple[tuple[int, int], ...] = ()
    halved = sequence.subsampling_x and sequence.subsampling_y
    if not sequence.mono_chrome and not from_luma and (y or not halved):
        cb, cr = _read_points(bits, 10), _read_points(bits, 10)
        if halved and bool(cb) != bool(cr):
            raise BitstreamError("film grain on one of two planes of colour", bits.position)
    scaling, lag = bits.u(2), bits.u(2)
    count = 2 * lag * (lag + 1)
    luma = bytes(bits.u(8) for _ in range(count)) if y else b""
    count += bool(y)
    blue = bytes(bits.u(8) for _ in range(count)) if from_luma or cb else b""
    red = bytes(bits.u(8) for _ in range(count)) if from_luma or cr else b""
    shift, scale = bits.u(2), bits.u(2)
    blues = (bits.u(8), bits.u(8), bits.u(9)) if cb else (0, 0, 0)
    reds = (bits.u(8), bits.u(8), bits.u(9)) if cr else (0, 0, 0)
    return FilmGrain(
        True, seed, True, 0, y, from_luma, cb, cr, scaling, lag, luma, blue, red, shift, scale, blues, reds,
        bits.flag(), bits.flag(),
    )  # fmt: skip


def _read_points(bits: Av1Bits, most: int) -> tuple[tuple[int, int], ...]:
    count = bits.u(4)
    if count > most:
        raise BitstreamError(f"{count} points of film grain; {most} are allowed", bits.position)
    points = tuple((bits.u(8), bits.u(8)) for _ in range(count))
    if any(second[0] <= first[0] for first, second in pairwise(points)):
        raise BitstreamError("points of film grain are not in their order", bits.position)
    return points
