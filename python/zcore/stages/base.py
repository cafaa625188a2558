"""What every stage and every pad has.

A stage is one device or one piece of software; a pad is the end of a link at a stage. The planner talks to pads only:
it agrees on caps, then asks one of the two pads of a link to allocate and the other to use what was allocated.
"""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from dataclasses import field as dataclass_field
from fractions import Fraction
from typing import Any, Self

from zcore._chain import Link, Node
from zcore._pool import Pool
from zcore.allocators import POOLS
from zcore.caps.video import media_type
from zcore.colorimetry import Colorimetry, resolve
from zcore.formats import Family, Format
from zcore.stages.fences import FencePolicy

IO_MODES = ("auto", "mmap", "userptr", "dmabuf", "dmabuf-import")


def check_io_mode(mode: str) -> str:
    """Refuse a word that is no io mode, before any device is opened."""
    if mode not in IO_MODES:
        raise ValueError(f"io mode {mode!r} is none of {', '.join(IO_MODES)}")
    return mode


_numbers: dict[str, itertools.count[int]] = {}


@dataclass(frozen=True)
class Sizes:
    """Sizes in pixels that a pad can carry.

    Attributes
    ----------
    ranges : tuple of (int, int, int, int, int, int)
        Smallest width, largest, step, smallest height, largest, step; V4L2's frame sizes have the same shape.
    """

    ranges: tuple[tuple[int, int, int, int, int, int], ...]

    @classmethod
    def of(cls, *sizes: tuple[int, int]) -> Sizes:
        """Make a set of single sizes."""
        return cls(tuple((w, w, 1, h, h, 1) for w, h in sizes))

    def __contains__(self, size: tuple[int, int]) -> bool:
        return self.nearest(size) == tuple(size)

    @property
    def points(self) -> list[tuple[int, int]]:
        """The single sizes; ranges are left out."""
        return [(r[0], r[3]) for r in self.ranges if r[0] == r[1] and r[3] == r[4]]

    def nearest(self, size: tuple[int, int]) -> tuple[int, int] | None:
        """Find the size that is closest; ``None`` where there is none at all."""
        found = [(_snap(size[0], *r[:3]), _snap(size[1], *r[3:])) for r in self.ranges]
        return min(found, key=lambda s: abs(s[0] - size[0]) + abs(s[1] - size[1]), default=None)

    def __str__(self) -> str:
        return ", ".join(map(_range_text, self.ranges)) or "none"


def _range_text(limits: tuple[int, int, int, int, int, int]) -> str:
    least_width, width, step, least_height, height, height_step = limits
    if (least_width, least_height) == (width, height):
        return f"{width}x{height}"
    steps = ""
    if max(step, height_step) > 1:
        steps = f" in steps of {step}" if step == height_step else f" in steps of {step}x{height_step}"
    return f"{least_width}x{least_height} to {width}x{height}{steps}"


def _snap(value: int, low: int, high: int, step: int) -> int:
    inside = min(max(value, low), high)
    step = max(step, 1)
    below = low + (inside - low) // step * step
    return below + step if inside - below > step // 2 and below + step <= high else below


@dataclass(frozen=True)
class LinkCaps:
    """What a link carries, as the source granted it.

    ``memory_planes`` is ``(sizeimage, bytesperline)`` of each memory plane, in bytes; ``fourcc`` the V4L2 code under
    which the source gives it, because it tells single- from multi-planar layouts. ``field`` is V4L2's field order,
    0 where there is none to tell. ``colorspace``, ``ycbcr_enc`` (or ``hsv_enc``), ``quantization`` and ``xfer_func``
    are V4L2's numbers as the source tells them, 0 for "default"; :attr:`colorimetry` has what they stand for.
    """

    format: Format
    width: int
    height: int
    memory_planes: tuple[tuple[int, int], ...]
    fourcc: int = 0
    rate: Fraction | None = None
    features: tuple[str, ...] = dataclass_field(default=(), compare=False)
    field: int = dataclass_field(default=0, compare=False)
    colorspace: int = dataclass_field(default=0, compare=False)
    ycbcr_enc: int = dataclass_field(default=0, compare=False)
    quantization: int = dataclass_field(default=0, compare=False)
    xfer_func: int = dataclass_field(default=0, compare=False)

    def __str__(self) -> str:
        media = media_type(self.format)
        feature = f"({','.join(self.features)})" if self.features else ""
        text = f"{media}{feature}"
        if media.startswith("application/"):
            return text
        if not self.format.coded:
            text += f",format={self.format.gst or self.format.name}"
        text += f",width={self.width},height={self.height}"
        return text + (f",framerate={self.rate.numerator}/{self.rate.denominator}" if self.rate else "")

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.width, self.height

    @property
    def colorimetry(self) -> Colorimetry:
        """Colours, with every "default" replaced by what it stands for."""
        rgb = self.format.family in (Family.RGB, Family.HSV)
        return resolve(self.colorspace, self.ycbcr_enc, self.quantization, self.xfer_func, rgb, self.size)

    def with_features(self, *features: str) -> LinkCaps:
        """Give the same caps with other caps features, such as ``memory:DMABuf``."""
        return replace(self, features=features)


def make_pool(name: str, allocator: str, caps: LinkCaps, **options: Any) -> Pool:
    """Make an empty pool that knows what its frames look like."""
    pool = Pool(name, allocator, caps.format, **options)
    POOLS.add(pool)
    components, arrays = describe(caps)
    pool.describe(
        fourcc=caps.fourcc,
        drm_fourcc=caps.format.drm or 0,
        modifier=caps.format.modifier,
        size=caps.size,
        components=components,
        arrays=arrays,
    )
    pool.colorimetry = caps.colorimetry
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
    alignment : int
        Bytes that the length of a row must be a multiple of.
    takes_fences : bool
        Whether frames that somebody still writes may be given to it: the kernel waits for their fences then.
    separate : bool, optional
        Whether each colour plane shall have a memory of its own, where the device has a format in both ways; ``None``
        leaves it to the device.
    """

    name: str
    holds: int = 1
    alignment: int = 1
    takes_fences: bool = False
    separate: bool | None = None
    copies: str = ""  # why the kernel copies each frame here, where it does

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
    limit: int | None = None  # a source ends by itself after that many frames
    format: Format | None = None  # what the user fixed, as far as it goes out of this stage
    size: tuple[int, int] | None = None
    runs_in: object = None  # the chain that drives it just now
    stands_in_for = ""  # why it does in software what was asked of a device

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

    def run_begins(self) -> None:  # noqa: B027
        """Learn that a run begins; until its end the stage may be stopped and started again for a new plan."""

    def run_ends(self) -> None:  # noqa: B027
        """Learn that the run is over."""

    @property
    def idle(self) -> bool:
        """Whether the chain waits for the program here, which is no failure, however long it takes."""
        return False

    @abstractmethod
    def node(self, source: Link | None, sink: Link | None, frames: int) -> Node:
        """Make what the loop drives."""

    def stand_in(self, error: Exception) -> Stage | None:
        """Give a stage that does the same work in software, where the device could not be opened and that is allowed.

        The reason for which it is there is its ``stands_in_for``; plans and reports count what it does as a copy.
        """
        return None

    def recover(self) -> bool:
        """Look at the device again after it failed; True where it is another now, and a new plan may go on with it."""
        return False

    def revive(self) -> str:
        """Do what :meth:`recover` has promised, when the old plan is gone; may wait. Says what has changed."""
        return ""

    def interrupt(self) -> None:  # noqa: B027
        """End a wait of :meth:`open` or :meth:`revive`; from any thread or signal handler."""

    def renew(self) -> bool:
        """Follow a device that told of a change; True where a new plan may go on with it.

        Raises
        ------
        NegotiationError, DeviceError
            It changed into something that the user has ruled out.
        """
        return False

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
    """A stage that gives frames.

    Attributes
    ----------
    fences : FencePolicy, optional
        Set where others than the chain's devices may still write its frames.
    """

    output: Pad
    fences: FencePolicy | None = None

    @abstractmethod
    def offers(self) -> Sequence[Format] | None:
        """List the formats that it can give, best first; ``None`` = whatever the next stage takes."""

    def output_sizes(self, fmt: Format) -> Sizes | None:
        """List the sizes that it can give in a format; ``None`` = any."""
        return None

    def stream_format(self) -> Format | None:
        """Tell which raw format a coded stream holds, so that a decoder is asked for it; ``None`` = unknown."""
        return None

    def present(self) -> tuple[Format, tuple[int, int]] | None:
        """Tell what it is set to now, without changing it."""
        return None

    def linked(self, pads: Sequence[Pad]) -> None:  # noqa: B027
        """Learn which pads take the frames."""

    @abstractmethod
    def set_output(self, fmt: Format, size: tuple[int, int] | None, bytesperline: int = 0) -> LinkCaps:
        """Choose what to give; what is granted comes back."""


class SinkMixin(ABC):
    """A stage that takes frames."""

    def why_not(self, formats: Sequence[Format]) -> str:
        """Say what helps where it takes none of the formats that come; empty where there is nothing to add."""
        return ""

    input: Pad

    @abstractmethod
    def accepts(self) -> Sequence[Format] | None:
        """List the formats that it can take; ``None`` = any."""

    def input_sizes(self, fmt: Format) -> Sizes | None:
        """List the sizes that it can take in a format; ``None`` = any."""
        return None

    @abstractmethod
    def set_input(self, caps: LinkCaps) -> LinkCaps:
        """Take these caps, or give the nearest that can be taken; raise where nothing near can."""
