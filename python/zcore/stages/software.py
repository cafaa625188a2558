"""Converting pixel format and size on the CPU."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from zcore._chain import Link, Node
from zcore._cpu_nodes import PythonNode
from zcore._frame import Frame
from zcore.errors import NegotiationError
from zcore.formats import Format, find
from zcore.stages.arguments import size_of
from zcore.stages.base import LinkCaps, SinkMixin, SourceMixin, Stage
from zcore.stages.cpu_pads import MemoryPad, ReadPad, software_caps

Array = np.ndarray[Any, Any]

# What the library that converts can name: zcore's formats to FFmpeg's.
FFMPEG_NAMES = {
    "BGRx": "bgr0", "BGRA": "bgra", "RGBx": "rgb0", "RGBA": "rgba", "xRGB": "0rgb", "ARGB": "argb", "xBGR": "0bgr",
    "ABGR": "abgr", "RGB": "rgb24", "BGR": "bgr24", "BGR32": "bgr0", "RGB32": "0rgb",
    "RGB565": "rgb565le", "BGR565": "bgr565le", "XRGB1555": "rgb555le",
    "XBGR1555": "bgr555le", "RGB555": "rgb555le",
    "XRGB2101010": "x2rgb10le", "XBGR2101010": "x2bgr10le", "BGR48": "bgr48le", "RGB48": "rgb48le",
    "BGRA64": "bgra64le", "RGBA64": "rgba64le",
    "GREY": "gray", "Y10": "gray10le", "Y12": "gray12le", "Y14": "gray14le", "Y16": "gray16le", "Y16_BE": "gray16be",
    "YUYV": "yuyv422", "UYVY": "uyvy422", "YVYU": "yvyu422", "Y210": "y210le", "Y212": "y212le", "Y216": "y216le",
    "AYUV": "ayuv", "VUYA": "vuya", "VUYX": "vuyx", "XV30": "xv30le", "XV36": "xv36le", "XV48": "xv48le",
    "NV12": "nv12", "NV21": "nv21", "NV16": "nv16", "NV24": "nv24", "NV42": "nv42",
    "P010": "p010le", "P012": "p012le", "P016": "p016le", "P210": "p210le",
    "YUV420": "yuv420p", "YVU420": "yuv420p", "YUV422": "yuv422p", "YVU422": "yuv422p", "YUV444": "yuv444p",
    "YVU444": "yuv444p", "YUV411": "yuv411p", "YVU411": "yuv411p", "YUV410": "yuv410p", "YVU410": "yuv410p",
}  # fmt: skip

# GStreamer's scaling methods, in the order of their numbers, and FFmpeg's that have no counterpart there.
METHODS = {
    "nearest-neighbour": "POINT", "bilinear": "BILINEAR", "4-tap": "BICUBIC", "lanczos": "LANCZOS",
    "bilinear2": "BILINEAR", "sinc": "SINC", "hermite": "", "spline": "SPLINE", "catrom": "BICUBIC", "mitchell": "",
    "nearest": "POINT", "bicubic": "BICUBIC", "area": "AREA", "gauss": "GAUSS",
}  # fmt: skip


class SoftwareConvert(Stage, SourceMixin, SinkMixin):
    """Convert pixel format and size on the CPU, with FFmpeg's scaler through PyAV (zcore's extra ``software``).

    Parameters
    ----------
    format : str, optional
        Pixel format to give; left out: one that the next stage takes.
    size : (int, int), optional
        Size to give; left out: what the next stage takes, best that of the frames that come in.
    convert, scale : bool
        What it may change. ``scale=False`` is GStreamer's ``videoconvert``, ``convert=False`` its ``videoscale``.
    method : str or int
        How to scale, by GStreamer's name or number: ``nearest-neighbour``, ``bilinear``, ``4-tap``, ``lanczos``,
        ``bilinear2``, ``sinc``, ``spline``, ``catrom``; also ``bicubic``, ``area``, ``gauss``.
    n_threads : int
        Threads that share the work; 0 = one for each processor.
    memory : str
        Where buffers come from: see :func:`zcore.allocate`.
    """

    kind = "software-convert"

    def __init__(
        self,
        format: str | Format | None = None,
        size: tuple[int, int] | None = None,
        *,
        convert: bool = True,
        scale: bool = True,
        method: str | int = "bilinear",
        n_threads: int = 1,
        memory: str = "auto",
        name: str | None = None,
    ):
        super().__init__(name)
        if not convert and format is not None:
            raise ValueError("with convert=False the format is that of the frames that come in")
        if not scale and size is not None:
            raise ValueError("with scale=False the size is that of the frames that come in")
        if n_threads < 0:
            raise ValueError(f"n_threads is 0 or more, not {n_threads}")
        self.format = find(format) if format is not None else None
        self.size = size_of(size)
        self.converts = convert
        self.scales = scale
        self.method = _method_name(method)
        self.n_threads = n_threads
        self._input = ReadPad(f"{self.name} in")
        self._output = MemoryPad(f"{self.name} out", memory)
        self._taken: LinkCaps | None = None
        self._given: LinkCaps | None = None
        self._scaler: Any = None
        self._picture: Any = None

    @property
    def input(self) -> ReadPad:  # type: ignore[override]
        """Memory that it reads."""
        return self._input

    @property
    def output(self) -> MemoryPad:  # type: ignore[override]
        """Memory that it writes."""
        return self._output

    def open(self) -> None:
        """Check that the scaler is there."""
        _library()

    def close(self) -> None:
        """Free the buffers."""
        self._input.reset()
        self._output.reset()
        self._taken = self._given = self._scaler = self._picture = None

    def accepts(self) -> Sequence[Format]:
        """List the formats that the scaler reads."""
        return _formats()

    def set_input(self, caps: LinkCaps) -> LinkCaps:
        """Take what comes."""
        _ffmpeg_name(caps.format)
        self._taken = caps
        self._scaler = self._picture = None
        return caps

    def offers(self) -> Sequence[Format]:
        """List the formats that the scaler writes."""
        if self.format is not None:
            return [self.format]
        if not self.converts and self._taken is not None:
            return [self._taken.format]
        return self.accepts()

    def set_output(self, fmt: Format, size: tuple[int, int] | None, bytesperline: int = 0) -> LinkCaps:
        """Choose what to give."""
        _ffmpeg_name(fmt)
        taken = self._taken
        if taken is None:
            raise NegotiationError(f"{self.name} can be told what to give after what it takes")
        wanted = self.size or size or taken.size
        if not self.converts and fmt != taken.format:
            raise NegotiationError(f"{self.name} keeps the format ({taken.format}) and cannot give {fmt}")
        if not self.scales and wanted != taken.size:
            raise NegotiationError(
                f"{self.name} keeps the size ({taken.width}x{taken.height}) and cannot give {wanted[0]}x{wanted[1]}"
            )
        separate = self._output.separate
        self._given = software_caps(fmt, wanted, bytesperline, separate=separate, rate=taken.rate)
        return self._given

    def process(self, given: Frame, room: Frame) -> None:
        """Convert one frame into another's memory."""
        taken, wanted = self._taken, self._given
        assert taken is not None
        assert wanted is not None
        if self._scaler is None:
            self._scaler, self._picture = _library().video.reformatter.VideoReformatter(), _picture(taken)
        _copy_in(self._picture, taken.format, given.planes())
        done = _reformat(self._scaler, self._picture, taken.format, wanted, METHODS[self.method], self.n_threads)
        _copy_out(done, wanted.format, room.planes(write=True))
        room.set_meta(sequence=given.sequence, timestamp_ns=given.timestamp_ns)

    def node(self, source: Link | None, sink: Link | None, frames: int) -> Node:
        """Make what the loop drives."""
        return PythonNode(self.name, self.process, source, sink, pool=self._output.pool, input_pool=self._input.pool)

    def facts(self) -> dict[str, Any]:
        """Say who converts."""
        return {"software": f"FFmpeg's scaler through PyAV {_library().__version__}"}


@cache
def _formats() -> tuple[Format, ...]:
    return tuple(find(name) for name in FFMPEG_NAMES)


def _method_name(method: str | int) -> str:
    names = list(METHODS)
    if isinstance(method, int):
        if not 0 <= method <= names.index("mitchell"):
            raise ValueError(f"scaling methods have the numbers 0 to {names.index('mitchell')}, not {method}")
        method = names[method]
    if not METHODS.get(method):
        known = ", ".join(name for name, flag in METHODS.items() if flag)
        raise ValueError(f"FFmpeg's scaler has no method {method!r}; it has {known}")
    return method


def _library() -> Any:
    try:
        import av
    except ImportError:
        raise NegotiationError(
            "converting on the CPU needs PyAV: pip install '.[software]' in the checkout"
            " (or put a Convert device in its place)"
        ) from None
    return av


def _ffmpeg_name(fmt: Format) -> str:
    name = FFMPEG_NAMES.get(fmt.name)
    if name is None:
        raise NegotiationError(f"the software converter does not know {fmt}; it knows {', '.join(FFMPEG_NAMES)}")
    return name


def _picture(caps: LinkCaps) -> Any:
    return _library().VideoFrame(*caps.size, _ffmpeg_name(caps.format))


def _reformat(scaler: Any, picture: Any, fmt: Format, wanted: LinkCaps, method: str, threads: int) -> Any:
    """Convert. Only YUV and grey have a range, and zcore's pictures have the limited one."""
    return scaler.reformat(
        picture,
        *wanted.size,
        _ffmpeg_name(wanted.format),
        interpolation=method,
        src_color_range=None if fmt.family == "rgb" else "MPEG",
        dst_color_range=None if wanted.format.family == "rgb" else "MPEG",
        threads=threads,
    )


def _in_order(planes: Sequence[Array], fmt: Format) -> Sequence[Array]:
    """Put V behind U, as FFmpeg has them."""
    return (planes[0], planes[2], planes[1]) if len(planes) == 3 and fmt.name.startswith("YVU") else planes


def _rows(plane: Any, array: Array) -> Array:
    """See a plane of the scaler's picture with the shape of ours; its rows are padded."""
    lines = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
    return lines[: array.shape[0], : array[0].nbytes]


def _bytes(array: Array) -> Array:
    """See rows of samples as rows of bytes, without a copy; rows themselves are always dense."""
    return np.lib.stride_tricks.as_strided(
        array.view(np.uint8), (array.shape[0], array[0].nbytes), (array.strides[0], 1), writeable=array.flags.writeable
    )


def _copy_in(picture: Any, fmt: Format, planes: Sequence[Array]) -> None:
    for plane, array in zip(picture.planes, _in_order(planes, fmt), strict=True):
        _rows(plane, array)[...] = _bytes(array)


def _copy_out(picture: Any, fmt: Format, planes: Sequence[Array]) -> None:
    for plane, array in zip(picture.planes, _in_order(planes, fmt), strict=True):
        _bytes(array)[...] = _rows(plane, array)


def to_rgb(frame: Frame) -> Array:
    """Turn a frame of any format that the scaler knows into ``(height, width, 3)`` uint8, R, G, B; a copy."""
    taken = software_caps(frame.format, frame.size)
    picture = _picture(taken)
    _copy_in(picture, frame.format, frame.planes())
    scaler = _library().video.reformatter.VideoReformatter()
    wanted = software_caps(find("RGB"), frame.size)
    return np.asarray(_reformat(scaler, picture, frame.format, wanted, "BILINEAR", 1).to_ndarray())
