"""Stages without a device: a test source and a converter."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from zcore import _alloc
from zcore._chain import Link, Node
from zcore._cpu_nodes import PythonNode
from zcore._frame import Frame
from zcore._pool import Pool
from zcore.errors import NegotiationError
from zcore.formats import Format, find
from zcore.stages.base import LinkCaps, Pad, SinkMixin, SourceMixin, Stage, make_pool
from zcore.stages.patterns import PATTERNS, paint

# What the library that converts can name; zcore's formats by GStreamer name to FFmpeg's.
FFMPEG_NAMES = {
    "BGRx": "bgr0", "BGRA": "bgra", "RGBx": "rgb0", "RGBA": "rgba", "xRGB": "0rgb", "ARGB": "argb", "xBGR": "0bgr",
    "ABGR": "abgr", "RGB": "rgb24", "BGR": "bgr24", "RGB16": "rgb565le", "BGR16": "bgr565le", "RGB15": "rgb555le",
    "GRAY8": "gray", "NV12": "nv12", "NV21": "nv21", "I420": "yuv420p", "Y42B": "yuv422p", "Y444": "yuv444p",
    "YUY2": "yuyv422", "UYVY": "uyvy422", "YVYU": "yvyu422", "P010_10LE": "p010le",
}  # fmt: skip


class MemoryPad(Pad):
    """The end of a link at a software stage: memory that the CPU reads or writes.

    Its own buffers are udmabufs, else from the system dma-heap, else memfds, which no device can import. It can use
    any buffer that can be mapped.
    """

    def __init__(self, name: str, kind: str = "auto", holds: int = 1):
        self.name = name
        self.kind = kind
        self.holds = holds
        self.pool: Pool | None = None

    def roles(self) -> set[str]:
        """Tell that it allocates, and maps whatever it is given, shared as DMA-BUF or not."""
        return {"export", "import", "map"}

    def allocate(self, caps: LinkCaps, count: int, *, export: bool) -> Pool:
        """Allocate shared memory."""
        pool: Pool | None = None
        for _ in range(count):
            buffers = [_alloc.allocate(size, self.kind, f"zcore {self.name}") for size, _ in caps.memory_planes]
            if pool is None:
                pool = make_pool(self.name, buffers[0].allocator, caps)
            pool.add(buffers, [(0, size) for size, _ in caps.memory_planes])
        assert pool is not None
        self.pool = pool
        return pool

    def use(self, pool: Pool, caps: LinkCaps, memory: str) -> None:
        """Work in the other side's buffers."""
        if not pool.writable:
            raise NegotiationError(f"buffers of {pool.name} are filled by a device; {self.name} cannot write them")
        self.pool = pool

    def reset(self) -> None:
        """Let go of the buffers."""
        self.pool = None

    @property
    def allocator(self) -> str:
        """Where its own buffers come from."""
        return self.kind


class ReadPad(MemoryPad):
    """The end of a link at a software stage that only reads."""

    def use(self, pool: Pool, caps: LinkCaps, memory: str) -> None:
        """Read from the other side's buffers."""
        self.pool = pool


class TestSource(Stage, SourceMixin):
    """A source of test pictures.

    Parameters
    ----------
    format : str, optional
        Pixel format; left out: the first that the next stage takes and the source can draw.
    size : (int, int)
        Pixels.
    pattern : str
        ``smpte`` (colour bars with a block that moves), ``gradient``, ``checkers``, ``black``, ``white``.
    rate : float or Fraction, optional
        Frames per second in real time; left out: as fast as they are taken.
    memory : str
        Where buffers come from: see :func:`zcore.allocate`.
    """

    kind = "testsource"
    __test__ = False  # not a test case, whatever pytest thinks of its name

    def __init__(
        self,
        format: str | Format | None = None,
        size: tuple[int, int] = (640, 480),
        *,
        pattern: str = "smpte",
        rate: float | Fraction | None = None,
        memory: str = "auto",
        name: str | None = None,
    ):
        super().__init__(name)
        if pattern not in PATTERNS:
            raise ValueError(f"pattern is one of {', '.join(PATTERNS)}, not {pattern!r}")
        if rate is not None and rate <= 0:
            raise ValueError(f"rate is above 0, not {rate}")
        self.format = find(format) if format is not None else None
        self.size = size
        self.pattern = pattern
        self.rate = Fraction(rate).limit_denominator(1001) if rate is not None else None
        self._pad = MemoryPad(self.name, memory)
        self._count = 0
        self._pictures: list[list[np.ndarray[Any, Any]]] = []

    @property
    def output(self) -> MemoryPad:  # type: ignore[override]
        """Its memory."""
        return self._pad

    def open(self) -> None:
        """Begin with frame 0."""
        self._count = 0

    def close(self) -> None:
        """Free the buffers."""
        self._pad.reset()
        self._pictures = []

    def offers(self) -> Sequence[Format]:
        """List the formats that it can draw."""
        if self.format is not None:
            return [self.format]
        return [
            find(f"gst:{name}") for name in ("BGRx", "RGBx", "RGB16", "BGR", "RGB", "NV12", "I420", "YUY2", "GRAY8")
        ]

    def set_output(self, fmt: Format, size: tuple[int, int] | None, bytesperline: int = 0) -> LinkCaps:
        """Choose what to draw."""
        if not fmt.linear:
            raise NegotiationError(f"{self.name} cannot draw {fmt}: it is tiled or coded")
        width, height = self.size
        layout = fmt.layout(width, height, bytesperline or None)
        return LinkCaps(fmt, width, height, ((layout.size, layout.planes[0].stride),), fmt.v4l2 or 0, self.rate)

    def start(self) -> None:
        """Paint the pictures once: the loop only copies them."""
        pool = self._pad.pool
        assert pool is not None
        assert pool.format is not None
        first = pool.acquire(timeout=0)
        shapes = [(plane.shape, plane.dtype) for plane in first.planes()]
        self._pictures = paint(self.pattern, pool.format, *self.size, shapes)

    def draw(self, frame: Frame) -> None:
        """Draw the next picture."""
        pictures = self._pictures[self._count % len(self._pictures)]
        for target, picture in zip(frame.planes(write=True), pictures, strict=True):
            target[...] = picture
        frame.set_meta(sequence=self._count)
        self._count += 1

    def node(self, source: Link | None, sink: Link | None, frames: int) -> Node:
        """Make what the loop drives."""
        interval = int(1e9 / self.rate) if self.rate else 0
        return PythonNode(self.name, self.draw, None, sink, pool=self._pad.pool, frames=frames, interval_ns=interval)


class SoftwareConvert(Stage, SourceMixin, SinkMixin):
    """Convert pixel format and size on the CPU, with FFmpeg's scaler through PyAV (zcore's extra ``software``).

    Parameters
    ----------
    format : str, optional
        Pixel format to give; left out: the first that the next stage takes.
    size : (int, int), optional
        Size to give; left out: that of the frames that come in.
    """

    kind = "software-convert"

    def __init__(
        self,
        format: str | Format | None = None,
        size: tuple[int, int] | None = None,
        *,
        memory: str = "auto",
        name: str | None = None,
    ):
        super().__init__(name)
        self.format = find(format) if format is not None else None
        self.size = size
        self._input = ReadPad(f"{self.name} in")
        self._output = MemoryPad(f"{self.name} out", memory)
        self._convert: Callable[[Frame, Frame], None] | None = None
        self._caps: dict[str, LinkCaps] = {}

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
        _scaler()

    def close(self) -> None:
        """Free the buffers."""
        self._input.reset()
        self._output.reset()

    def accepts(self) -> Sequence[Format]:
        """List the formats that the scaler reads."""
        return [find(f"gst:{name}") for name in FFMPEG_NAMES]

    def set_input(self, caps: LinkCaps) -> LinkCaps:
        """Take what comes."""
        _ffmpeg_name(caps.format)
        self._caps["in"] = caps
        return caps

    def offers(self) -> Sequence[Format]:
        """List the formats that the scaler writes."""
        return [self.format] if self.format is not None else self.accepts()

    def set_output(self, fmt: Format, size: tuple[int, int] | None, bytesperline: int = 0) -> LinkCaps:
        """Choose what to give."""
        _ffmpeg_name(fmt)
        taken = self._caps["in"]
        width, height = self.size or taken.size
        layout = fmt.layout(width, height, bytesperline or None)
        caps = LinkCaps(fmt, width, height, ((layout.size, layout.planes[0].stride),), fmt.v4l2 or 0, taken.rate)
        self._caps["out"] = caps
        return caps

    def process(self, given: Frame, room: Frame) -> None:
        """Convert one frame into another's memory."""
        av = _scaler()
        taken, wanted = self._caps["in"], self._caps["out"]
        picture = av.VideoFrame(*taken.size, _ffmpeg_name(taken.format))
        _copy_in(picture, given.planes())
        done = picture.reformat(*wanted.size, _ffmpeg_name(wanted.format))
        _copy_out(done, room.planes(write=True))
        room.set_meta(sequence=given.sequence, timestamp_ns=given.timestamp_ns)

    def node(self, source: Link | None, sink: Link | None, frames: int) -> Node:
        """Make what the loop drives."""
        return PythonNode(self.name, self.process, source, sink, pool=self._output.pool, input_pool=self._input.pool)

    def facts(self) -> dict[str, Any]:
        """Say who converts."""
        return {"software": f"FFmpeg's scaler through PyAV {_scaler().__version__}"}


def _scaler() -> Any:
    try:
        import av
    except ImportError:
        raise NegotiationError(
            "converting on the CPU needs PyAV: pip install '.[software]' in the checkout"
            " (or put a Convert device in its place)"
        ) from None
    return av


def _ffmpeg_name(fmt: Format) -> str:
    name = FFMPEG_NAMES.get(fmt.gst or "")
    if name is None:
        raise NegotiationError(f"the software converter does not know {fmt}; it knows {', '.join(FFMPEG_NAMES)}")
    return name


def _rows(plane: Any, array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """See a plane of the scaler's picture with the shape of ours; its rows are padded."""
    lines = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
    width = array[0].nbytes
    return lines[: array.shape[0], :width]


def _bytes(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """See rows of samples as rows of bytes, without a copy; rows themselves are always dense."""
    width = array[0].nbytes
    return np.lib.stride_tricks.as_strided(
        array.reshape(-1)[:0].view(np.uint8) if array.size == 0 else array.view(np.uint8),
        (array.shape[0], width),
        (array.strides[0], 1),
        writeable=array.flags.writeable,
    )


def _copy_in(picture: Any, planes: Sequence[np.ndarray[Any, Any]]) -> None:
    for plane, array in zip(picture.planes, planes, strict=True):
        _rows(plane, array)[...] = _bytes(array)


def _copy_out(picture: Any, planes: Sequence[np.ndarray[Any, Any]]) -> None:
    for plane, array in zip(picture.planes, planes, strict=True):
        _bytes(array)[...] = _rows(plane, array)


class Callback(Stage, SinkMixin):
    """A sink that calls Python with each frame. The frame goes back when nobody holds it any more.

    Parameters
    ----------
    function : callable
        Called with each :class:`zcore.Frame`.
    format : str, optional
        Pixel format to ask for; left out: any that numpy can see.
    holds : int
        How many frames the function keeps at once.
    """

    kind = "callback"

    def __init__(
        self,
        function: Callable[[Frame], Any],
        format: str | Format | None = None,
        *,
        holds: int = 1,
        name: str | None = None,
    ):
        super().__init__(name)
        self._function = function
        self.format = find(format) if format is not None else None
        self._pad = ReadPad(self.name, holds=holds)

    @property
    def input(self) -> ReadPad:  # type: ignore[override]
        """Memory that it reads."""
        return self._pad

    def open(self) -> None:
        """Nothing to open."""

    def close(self) -> None:
        """Let go of the buffers."""
        self._pad.reset()

    def accepts(self) -> Sequence[Format] | None:
        """List the format that was asked for; ``None`` = any."""
        return [self.format] if self.format is not None else None

    def set_input(self, caps: LinkCaps) -> LinkCaps:
        """Take what comes."""
        return caps

    def take(self, frame: Frame) -> None:
        """Take one frame."""
        self._function(frame)

    def node(self, source: Link | None, sink: Link | None, frames: int) -> Node:
        """Make what the loop drives."""
        return PythonNode(self.name, self.take, source, None, input_pool=self._pad.pool)


def to_rgb(frame: Frame) -> np.ndarray[Any, Any]:
    """Turn a frame of any format that the scaler knows into ``(height, width, 3)`` uint8, R, G, B; a copy."""
    av = _scaler()
    picture = av.VideoFrame(*frame.size, _ffmpeg_name(frame.format))
    _copy_in(picture, frame.planes())
    return np.asarray(picture.reformat(format="rgb24").to_ndarray())
