"""The ends of links at stages in software: memory that the CPU reads or writes."""

from __future__ import annotations

from zcore import _alloc
from zcore._pool import Pool
from zcore.allocators import name_buffers
from zcore.errors import NegotiationError
from zcore.formats import Format
from zcore.stages.base import LinkCaps, Pad, make_pool


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
            buffers = [_alloc.allocate(size, self.kind, f"zcore {self.name}"[:31]) for size, _ in caps.memory_planes]
            if pool is None:
                pool = make_pool(self.name, buffers[0].allocator, caps)
            pool.add(buffers, [(0, size) for size, _ in caps.memory_planes])
        assert pool is not None
        self.pool = name_buffers(pool)
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

    def adopt(self, pool: Pool, index: int) -> None:
        """Take one more slot of the pool, while the chain runs: the CPU reads any memory."""


def software_caps(
    fmt: Format,
    size: tuple[int, int],
    bytesperline: int = 0,
    *,
    payload: int | None = None,
    separate: bool | None = None,
    **more: object,
) -> LinkCaps:
    """Describe frames that software makes, at the strides that were asked for.

    Parameters
    ----------
    fmt : Format
        Raw or coded.
    size : (int, int)
        Pixels.
    bytesperline : int
        Of the first plane; 0 = rows without padding.
    payload : int, optional
        Coded formats: the most bytes that a frame may have.
    separate : bool, optional
        Whether each plane has a memory of its own; else all are in one.
    **more
        Further fields of :class:`LinkCaps`.
    """
    layout = fmt.layout(*size, bytesperline or None, size=payload)
    if layout.size >= 1 << 31:
        raise NegotiationError(
            f"a frame of {size[0]}x{size[1]} in {fmt} has {layout.size} bytes, and a buffer has less than 2 GiB"
        )
    memories: tuple[tuple[int, int], ...] = ((layout.size, layout.planes[0].stride),)
    code = fmt.v4l2
    if separate and len(layout.planes) > 1:
        memories, code = tuple((plane.size, plane.stride) for plane in layout.planes), fmt.v4l2_mplane or fmt.v4l2
    return LinkCaps(fmt, *size, memories, code or 0, **more)  # type: ignore[arg-type]
