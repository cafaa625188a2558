"""What the numbers of pixels mean as colours: colorspace, encoding, range and transfer function.

A driver may leave parts of it at "default". What that stands for follows from the rest by the rules of the kernel
(``V4L2_MAP_COLORSPACE_DEFAULT`` and its kin in ``linux/videodev2.h``); :func:`resolve` applies them. GStreamer's
``colorimetry`` strings are ``bt709`` and the like, or ``range:matrix:transfer:primaries`` as numbers.
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import NamedTuple

# enum v4l2_colorspace, v4l2_ycbcr_encoding and v4l2_hsv_encoding, v4l2_quantization, v4l2_xfer_func
COLORSPACES = {
    "default": 0, "smpte170m": 1, "smpte240m": 2, "rec709": 3, "470m": 5, "470bg": 6, "jpeg": 7, "srgb": 8,
    "oprgb": 9, "bt2020": 10, "raw": 11, "dcip3": 12,
}  # fmt: skip
ENCODINGS = {
    "default": 0, "601": 1, "709": 2, "xv601": 3, "xv709": 4, "sycc": 5, "bt2020": 6, "bt2020c": 7, "smpte240m": 8,
    "hsv180": 128, "hsv256": 129,
}  # fmt: skip
QUANTIZATIONS = {"default": 0, "full": 1, "limited": 2}
TRANSFERS = {"default": 0, "709": 1, "srgb": 2, "oprgb": 3, "smpte240m": 4, "none": 5, "dcip3": 6, "smpte2084": 7}

SMPTE170M, SMPTE240M, REC709, SYSTEM_M, SYSTEM_BG, JPEG = 1, 2, 3, 5, 6, 7
SRGB, OPRGB, BT2020, RAW, DCI_P3 = 8, 9, 10, 11, 12
FULL, LIMITED = 1, 2
HDTV_LINES = 577  # GStreamer takes pictures with more than 576 lines for HDTV where nobody tells

# GStreamer's names (GstVideoColorimetry) as range, matrix, transfer, primaries.
GST_NAMES = {
    "bt601": (2, 4, 16, 4), "bt709": (2, 3, 5, 1), "smpte240m": (2, 5, 6, 5), "sRGB": (1, 1, 7, 1),
    "bt2020": (2, 6, 11, 7), "bt2020-10": (2, 6, 13, 7), "bt2100-pq": (2, 6, 14, 7), "bt2100-hlg": (2, 6, 15, 7),
}  # fmt: skip
_GST_OF = {numbers: name for name, numbers in GST_NAMES.items()}
GST_RGB_MATRIX = 1
_MATRIX = {1: 4, 2: 3, 3: 4, 4: 3, 5: 4, 6: 6, 7: 6, 8: 5}
_PRIMARIES = {1: 4, 2: 5, 3: 1, 5: 2, 6: 3, 7: 1, 8: 1, 9: 8, 10: 7, 11: 0, 12: 10}
_TRANSFER = {1: 5, 2: 7, 3: 12, 4: 6, 5: 1, 6: 0, 7: 14}
_OF_MATRIX = {0: 0, 1: 0, 3: 2, 4: 1, 5: 8, 6: 6}
_OF_PRIMARIES = {0: 0, 1: REC709, 2: SYSTEM_M, 3: SYSTEM_BG, 4: SMPTE170M, 5: SMPTE240M, 7: BT2020, 8: OPRGB,
                 10: DCI_P3, 11: DCI_P3}  # fmt: skip
_OF_TRANSFER = {0: 0, 1: 5, 5: 1, 6: 4, 7: 2, 11: 1, 12: 3, 13: 1, 14: 7, 16: 1}


class Colorimetry(NamedTuple):
    """Colours of a frame, with V4L2's numbers.

    What :func:`resolve` gives has no part at "default" any more. ``str()`` of it is GStreamer's string.

    Attributes
    ----------
    colorspace : int
        ``V4L2_COLORSPACE_*``: the primaries.
    ycbcr_enc : int
        ``V4L2_YCBCR_ENC_*``, or ``V4L2_HSV_ENC_*``: how Y'CbCr was made of R'G'B'. Without meaning for RGB.
    quantization : int
        ``V4L2_QUANTIZATION_*``: full range or limited (16 to 235 of 8 bits).
    xfer_func : int
        ``V4L2_XFER_FUNC_*``: from light to numbers.
    rgb : bool
        Whether the pixels are RGB or HSV, not Y'CbCr.
    """

    colorspace: int = 0
    ycbcr_enc: int = 0
    quantization: int = 0
    xfer_func: int = 0
    rgb: bool = False

    @property
    def gst(self) -> str:
        """GStreamer's string: a name such as ``bt709``, else ``range:matrix:transfer:primaries``."""
        transfer = _TRANSFER.get(self.xfer_func, 0)
        if self.xfer_func == 1 and self.colorspace in (SMPTE170M, SYSTEM_M, SYSTEM_BG):
            transfer = 16  # the same curve, under its older name
        elif self.xfer_func == 1 and self.colorspace == BT2020:
            transfer = 11
        matrix = GST_RGB_MATRIX if self.rgb else _MATRIX.get(self.ycbcr_enc, 0)
        numbers = (self.quantization, matrix, transfer, _PRIMARIES.get(self.colorspace, 0))
        return _GST_OF.get(numbers) or ":".join(map(str, numbers))

    @property
    def words(self) -> str:
        """V4L2's words, such as ``rec709, 709, limited, 709``: primaries, encoding, range, transfer function."""
        encoding = "rgb" if self.rgb and self.ycbcr_enc < ENCODINGS["hsv180"] else _word(ENCODINGS, self.ycbcr_enc)
        return ", ".join((
            _word(COLORSPACES, self.colorspace), encoding,
            _word(QUANTIZATIONS, self.quantization), _word(TRANSFERS, self.xfer_func),
        ))  # fmt: skip

    @property
    def full_range(self) -> bool:
        """Whether numbers use the full range."""
        return self.quantization == FULL

    def __str__(self) -> str:
        return self.gst


def resolve(
    colorspace: int,
    ycbcr_enc: int = 0,
    quantization: int = 0,
    xfer_func: int = 0,
    is_rgb_or_hsv: bool = False,
    size: tuple[int, int] | None = None,
) -> Colorimetry:
    """Replace every "default" by what it stands for.

    Parameters
    ----------
    colorspace, ycbcr_enc, quantization, xfer_func : int
        As ``struct v4l2_pix_format`` has them; 0 = default. A number that the kernel does not know counts as default.
    is_rgb_or_hsv : bool
        Whether the pixels are RGB or HSV.
    size : (int, int), optional
        Width and height in pixels, by which pixels of Y'CbCr whose colorspace nobody tells are taken for television:
        up to 576 lines SMPTE 170M, above that Rec. 709, as in GStreamer. Without it sRGB, as for computers.
    """
    if colorspace not in _PRIMARIES:
        colorspace = SRGB
        if size is not None and not is_rgb_or_hsv:
            colorspace = REC709 if size[1] >= HDTV_LINES else SMPTE170M
    known = ycbcr_enc in _MATRIX or (is_rgb_or_hsv and ycbcr_enc in (128, 129))
    return Colorimetry(
        colorspace,
        ycbcr_enc if known else default_ycbcr_enc(colorspace),
        quantization if quantization in (FULL, LIMITED) else default_quantization(is_rgb_or_hsv, colorspace),
        xfer_func if xfer_func in _TRANSFER else default_xfer_func(colorspace),
        bool(is_rgb_or_hsv),
    )


def default_colorspace(is_sdtv: bool, is_hdtv: bool) -> int:
    """Give the default colorspace (V4L2_MAP_COLORSPACE_DEFAULT)."""
    return SMPTE170M if is_sdtv else REC709 if is_hdtv else SRGB


def default_xfer_func(colorspace: int) -> int:
    """Give the default transfer function (V4L2_MAP_XFER_FUNC_DEFAULT)."""
    return {OPRGB: 3, SMPTE240M: 4, DCI_P3: 6, RAW: 5, SRGB: 2, JPEG: 2}.get(colorspace, 1)


def default_ycbcr_enc(colorspace: int) -> int:
    """Give the default encoding of Y'CbCr (V4L2_MAP_YCBCR_ENC_DEFAULT)."""
    return {REC709: 2, DCI_P3: 2, BT2020: 6, SMPTE240M: 8}.get(colorspace, 1)


def default_quantization(is_rgb_or_hsv: bool, colorspace: int) -> int:
    """Give the default range (V4L2_MAP_QUANTIZATION_DEFAULT)."""
    return FULL if is_rgb_or_hsv or colorspace == JPEG else LIMITED


def parse(text: str | Colorimetry) -> Colorimetry:
    """Read a colorimetry: GStreamer's string, or V4L2's words for a colorspace such as ``rec709`` or ``jpeg``.

    Parts that the text leaves open stay 0, "default": a driver chooses them.

    Raises
    ------
    ValueError
        It is none, or one that V4L2 cannot say.
    """
    if isinstance(text, Colorimetry):
        return text
    if not isinstance(text, str):
        raise TypeError(f"a colorimetry is a text such as 'bt709', not {text!r}")
    if text.lower() in COLORSPACES and text.lower() not in GST_NAMES and text != "sRGB":
        return Colorimetry(COLORSPACES[text.lower()])
    numbers = GST_NAMES.get(text)
    if numbers is None and re.fullmatch(r"\d{1,3}(:\d{1,3}){3}", text):
        numbers = tuple(map(int, text.split(":")))  # type: ignore[assignment]
    if numbers is None:
        known = [*GST_NAMES, *(name for name in COLORSPACES if name not in GST_NAMES)]
        near = get_close_matches(text, known, n=1, cutoff=0.5)
        raise ValueError(
            f"no colorimetry {text!r}{f'; did you mean {near[0]!r}?' if near else ''}; zcore knows "
            f"{', '.join(known)} and range:matrix:transfer:primaries in GStreamer's numbers"
        )
    span, matrix, transfer, primaries = numbers
    if span > LIMITED or matrix not in _OF_MATRIX or transfer not in _OF_TRANSFER or primaries not in _OF_PRIMARIES:
        raise ValueError(f"V4L2 has no words for the colorimetry {text!r} ({':'.join(map(str, numbers))})")
    colorspace = SRGB if (primaries, transfer) == (1, 7) else _OF_PRIMARIES[primaries]
    return Colorimetry(colorspace, _OF_MATRIX[matrix], span, _OF_TRANSFER[transfer], matrix == GST_RGB_MATRIX)


def _word(names: dict[str, int], number: int) -> str:
    return next((name for name, known in names.items() if known == number), str(number))
