"""What every stage and every pad has.

A stage is one device or one piece of software; a pad is the end of a link at a stage. The planner talks to pads only:
it agrees on caps, then asks one of the two pads of a link to allocate and the other to use what was allocated.
"""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any, Self

from zcore._chain import Link, Node
from zcore._pool import Pool
from zcore.formats import Format

IO_MODES = ("auto", "mmap", "userptr", "dmabuf", "dmabuf-import")


def check_io_mode(mode: str) -> str:
    """Refuse a word that is no io mode, before any device is opened."""
    if mode not in IO_MODES:
        raise ValueError(f"io mode {mode!r} is none of {', '.join(IO_MODES)}")
    return mode


_numbers: dict[str, itertools.count[int]] = {}


@dataclass(frozen=True)
class LinkCaps:
    """What a link carries, as the source granted it.

    ``memory_planes`` is ``(sizeimage, bytesperline)`` of each memory plane, in bytes; ``fourcc`` the V4L2 code under
    which the source gives it, because it tells single- from multi-planar layouts.
    """

    format: Format
    width: int
    height: int
    memory_planes: tuple[tuple[int, int], ...]
    fourcc: int = 0
    rate: Fraction | None = None
    features: tuple[str, ...] = field(default=(), compare=False)

    def __str__(self) -> str:
        media = "video/x-raw" if not self.format.coded else f"video/{self.format.name.lower()}"
        feature = f"({','.join(self.features)})" if self.features else ""
        text = f"{media}{feature}"
        if not self.format.coded:
            text += f",format={self.format.gst or self.format.name}"
        text += f",width={self.width},height={self.height}"
        return text + (f",framerate={self.rate.numerator}/{self.rate.denominator}" if self.rate else "")

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.width, self.height

    def with_features(self, *features: str) -> LinkCaps:
        """Give the same caps with other caps features, such as ``memory:DMABuf``."""
        return replace(self, features=features)


def make_pool(name: str, allocator: str, caps: LinkCaps, **options: Any) -> Pool:
    """Make an empty pool that knows what its frames look like."""
    pool = Pool(name, allocator, caps.format, **options)
    components, arrays = describe(caps)
    pool.describe(
        fourcc=caps.fourcc,
        drm_fourcc=caps.format.drm or 0,
        modifier=caps.format.modifier,
        size=caps.size,
        components=components,
        arrays=arrays,
    )
    return pool


def describe(caps: LinkCaps) -> tuple[list[tuple[int, int, int, int]], list[tuple[Any, ...]]]:
    """Find where each colour plane lies in the memory planes, and how numpy sees it.

    V4L2 tells one stride per memory plane and no offsets: where several colour planes share a memory plane they follow
    one another at the strides that the format implies, with the rows that make up ``sizeimage``.
    """
    fmt = caps.format
    if fmt.coded:
        return [], [(0, 0, fmt.planes[0].dtype, (-1,), (1,))]
    if len(caps.memory_planes) > 1:
        if len(caps.memory_planes) != len(fmt.planes):
            raise ValueError(f"{fmt} has {len(fmt.planes)} planes, but the driver gave {len(caps.memory_planes)}")
        layout = fmt.layout(
            caps.width, caps.height, plane_strides=[line for _, line in caps.memory_planes], separate=True
        )
        memories = list(range(len(fmt.planes)))
    else:
        size, line = caps.memory_planes[0]
        layout = _fitting_layout(fmt, caps.width, caps.height, line or None, size)
        memories = [0] * len(fmt.planes)
    specs = fmt.array_specs(caps.width, caps.height, layout.strides)
    components = []
    arrays = []
    for memory, plane, spec in zip(memories, layout.planes, specs, strict=True):
        components.append((memory, plane.offset, plane.stride, plane.rows))
        arrays.append((memory, plane.offset, spec.dtype, spec.shape, spec.strides))
    return components, arrays


def _fitting_layout(fmt: Format, width: int, height: int, line: int | None, size: int) -> Any:
    """Layout whose size is ``sizeimage``: some drivers pad the height of the luma plane and so move the chroma."""
    plain = fmt.layout(width, height, line)
    if len(fmt.planes) > 1 and size > plain.size:
        for align in (2, 4, 8, 16, 32, 64, 128):
            padded = fmt.layout(width, height, line, height_align=align)
            if padded.size == size:
                return padded
    return plain


class Pad(ABC):
    """The end of a link at a stage.

    Attributes
    ----------
    name : str
        For messages.
    holds : int
        How many frames it keeps back at once while it works.
    """

    name: str
    holds: int = 1

    @abstractmethod
    def roles(self) -> set[str]:
        """Tell what it can do here and now: of ``export``, ``import``, ``userptr``, ``mmap``, ``map`` (by the CPU)."""

    @abstractmethod
    def allocate(self, caps: LinkCaps, count: int, *, export: bool) -> Pool:
        """Make `count` buffers of its own (or as many as its device grants)."""

    @abstractmethod
    def use(self, pool: Pool, caps: LinkCaps, memory: str) -> None:
        """Take the other side's buffers: ``memory`` is ``dmabuf``, ``userptr`` or ``map`` (CPU)."""

    @abstractmethod
    def reset(self) -> None:
        """Give all buffers back."""

    @property
    def allocator(self) -> str:
        """Where its own buffers come from."""
        return self.name


class Stage(ABC):
    """One device or one piece of software in a chain."""

    kind = "stage"
    device = ""

    def __init__(self, name: str | None = None):
        number = next(_numbers.setdefault(self.kind, itertools.count()))
        self.name = name or f"{self.kind}{number}"

    @abstractmethod
    def open(self) -> None:
        """Open the device; a second call does nothing."""

    @abstractmethod
    def close(self) -> None:
        """Give everything back; a second call does nothing."""

    @property
    def is_open(self) -> bool:
        """Whether it is open."""
        return False

    def start(self) -> None:  # noqa: B027 - software has nothing to start
        """Begin to stream; buffers are in place."""

    def stop(self) -> None:  # noqa: B027
        """Stop streaming, keep the buffers."""

    @abstractmethod
    def node(self, source: Link | None, sink: Link | None, frames: int) -> Node:
        """Make what the loop drives."""

    def drops(self) -> dict[str, int]:
        """Count the frames that were dropped here, by reason."""
        return {}

    def facts(self) -> dict[str, Any]:
        """Give more figures for the report, such as latency."""
        return {}

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name} {self.device}>"


class SourceMixin(ABC):
    """A stage that gives frames."""

    output: Pad

    @abstractmethod
    def offers(self) -> Sequence[Format]:
        """List the formats that it can give, best first."""

    @abstractmethod
    def set_output(self, fmt: Format, size: tuple[int, int] | None, bytesperline: int = 0) -> LinkCaps:
        """Choose what to give; what is granted comes back."""


class SinkMixin(ABC):
    """A stage that takes frames."""

    input: Pad

    @abstractmethod
    def accepts(self) -> Sequence[Format] | None:
        """List the formats that it can take; ``None`` = any."""

    @abstractmethod
    def set_input(self, caps: LinkCaps) -> LinkCaps:
        """Take these caps, or give the nearest that can be taken; raise where nothing near can."""
