"""Agree on formats along a chain, and find for each link the memory that both sides reach."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from zcore import _alloc
from zcore._pool import Pool
from zcore.errors import (
    DeviceBusyError,
    DeviceError,
    DeviceGoneError,
    DevicePermissionError,
    NegotiationError,
    ZeroCopyError,
)
from zcore.formats import Format
from zcore.stages.base import LinkCaps, Pad, SinkMixin, SourceMixin, Stage, make_pool

LINK_FRAMES = 2  # frames that may wait in a link


@dataclass
class LinkPlan:
    """What was agreed for one link.

    Attributes
    ----------
    memory : str
        ``dmabuf`` (the source's buffers, exported), ``dmabuf-import`` (the sink's), ``dma-heap:NAME`` or ``udmabuf``
        (a third party's), ``userptr``, ``map`` (one side's device memory, read or written by the CPU in place),
        ``memfd`` (between software stages where the kernel has no DMA-BUF allocator),
        ``mmap`` (two sets of buffers and a copy).
    rejected : list of (str, str)
        Ways that were tried before, and why each failed.
    """

    source: Stage
    sink: Stage
    caps: LinkCaps
    sink_caps: LinkCaps
    memory: str = ""
    allocator: str = ""
    pool: Pool | None = None  # the frames that the source gives
    copy_pool: Pool | None = None  # the buffers that they are copied into
    reason: str = ""
    rejected: list[tuple[str, str]] = field(default_factory=list)

    @property
    def zero_copy(self) -> bool:
        """Whether no frame is copied."""
        return self.copy_pool is None

    def __str__(self) -> str:
        how = "zero-copy" if self.zero_copy else f"copies every frame because {self.reason}"
        return f"{self.name}: {self.caps} {self.memory or 'not allocated'} [{self.allocator}], {how}"

    @property
    def name(self) -> str:
        """Both stages' names."""
        return f"{self.source.name} -> {self.sink.name}"


def agree(stages: Sequence[Stage]) -> list[LinkPlan]:
    """Agree on the caps of every link, from source to sink.

    Raises
    ------
    NegotiationError
        Two neighbours have nothing in common; says what each has.
    """
    return [_agree_link(source, sink) for source, sink in pairwise(stages)]


def _agree_link(source: Stage, sink: Stage) -> LinkPlan:
    assert isinstance(source, SourceMixin)
    assert isinstance(sink, SinkMixin)
    offered = source.offers()
    accepted = sink.accepts()
    common = [fmt for fmt in offered if accepted is None or any(_same(fmt, other) for other in accepted)]
    if not common:
        raise NegotiationError(
            f"{source.name} -> {sink.name}: no common format; {source.name} gives {_names(offered)}, "
            f"{sink.name} takes {_names(accepted or [])}"
        )
    reasons = []
    for fmt in common:
        try:
            return _try_format(source, sink, fmt)
        except (NegotiationError, DeviceError, ValueError) as error:
            _raise_if_final(error)
            reasons.append(f"{fmt}: {error}")
    raise NegotiationError(f"{source.name} -> {sink.name}: " + "; ".join(reasons[:4]))


def _try_format(source: Stage, sink: Stage, fmt: Format) -> LinkPlan:
    assert isinstance(source, SourceMixin)
    assert isinstance(sink, SinkMixin)
    given = source.set_output(fmt, None)
    taken = sink.set_input(given)
    if taken.size == given.size and _strides(taken) != _strides(given):
        # The sink wants other rows: the source is asked for them before anything is called impossible.
        given = source.set_output(fmt, None, _strides(taken)[0])
        taken = sink.set_input(given)
    if taken.size != given.size:
        raise NegotiationError(
            f"{sink.name} takes {taken.width}x{taken.height} where {source.name} gives {given.width}x{given.height}"
        )
    if _strides(taken) != _strides(given):
        raise NegotiationError(
            f"{source.name} gives rows of {_strides(given)} bytes, {sink.name} wants {_strides(taken)}"
        )
    return LinkPlan(source, sink, given, taken)


def _raise_if_final(error: Exception) -> None:
    """Give up where another format or memory cannot help: somebody else has the device, or it is gone."""
    if isinstance(error, (DeviceBusyError, DeviceGoneError, DevicePermissionError)):
        raise error


def _same(one: Format, other: Format) -> bool:
    if one.drm is not None and other.drm is not None:
        return (one.drm, one.modifier) == (other.drm, other.modifier)
    return one == other


def _strides(caps: LinkCaps) -> tuple[int, ...]:
    return tuple(line for _, line in caps.memory_planes)


def _names(formats: Sequence[Format]) -> str:
    names = [str(fmt) for fmt in formats]
    return ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "") or "nothing"


def allocate(plan: LinkPlan, *, count: int | None = None, require_zero_copy: bool = False) -> None:
    """Find the first way that works for a link, and set up its buffers.

    Each way is tried for real: buffers are requested, exported, imported, and one is queued, because only then does the
    kernel tell whether a device reaches the other's memory.

    Raises
    ------
    ZeroCopyError
        Only a copy would work, and that is forbidden.
    NegotiationError
        Nothing works.
    """
    source, sink = _pads(plan)
    wanted = count or buffer_count(source, sink)
    for way, attempt in _ways(plan, source, sink, wanted):
        if way == "mmap":
            plan.reason = "; ".join(f"{name}: {why}" for name, why in plan.rejected) or _asked_for(source, sink)
            if require_zero_copy:
                raise ZeroCopyError(f"{plan.name} would copy every frame: {plan.reason}")
        try:
            attempt()
        except (DeviceError, NegotiationError, ValueError) as error:
            source.reset()
            sink.reset()
            plan.pool = plan.copy_pool = None
            _raise_if_final(error)
            plan.rejected.append((way, str(error)))
            continue
        assert plan.pool is not None
        plan.allocator = plan.pool.allocator
        plan.memory = "memfd" if plan.allocator == "memfd" and way.startswith("dmabuf") else way
        if plan.memory not in ("mmap", "map", "userptr", "memfd"):
            plan.caps = plan.caps.with_features("memory:DMABuf")
        return
    raise NegotiationError(
        f"{plan.name}: no memory that both sides can use; "
        + ("; ".join(f"{name}: {why}" for name, why in plan.rejected) or _asked_for(source, sink))
    )


def buffer_count(source: Pad, sink: Pad) -> int:
    """How many buffers a link needs: what the source keeps, what the sink keeps, what waits, and one on its way."""
    return source.holds + sink.holds + LINK_FRAMES + 1


def _pads(plan: LinkPlan) -> tuple[Pad, Pad]:
    assert isinstance(plan.source, SourceMixin)
    assert isinstance(plan.sink, SinkMixin)
    return plan.source.output, plan.sink.input


def _asked_for(source: Pad, sink: Pad) -> str:
    texts = []
    for pad in (source, sink):
        mode, roles = getattr(pad, "io_mode", ""), ", ".join(sorted(pad.roles())) or "nothing"
        texts.append(f"{pad.name}{f' has io mode {mode} and' if mode else ''} can do {roles}")
    return "; ".join(texts)


def _ways(plan: LinkPlan, source: Pad, sink: Pad, count: int) -> Iterator[tuple[str, Callable[[], None]]]:
    """List the ways to share memory, best first."""
    gives, takes = source.roles(), sink.roles()

    def source_exports() -> None:
        plan.pool = source.allocate(plan.caps, count, export=True)
        sink.use(plan.pool, plan.sink_caps, "dmabuf")

    def sink_exports() -> None:
        plan.pool = sink.allocate(plan.sink_caps, count, export=True)
        source.use(plan.pool, plan.caps, "dmabuf")

    def third_party(kind: str) -> Callable[[], None]:
        def attempt() -> None:
            pool = foreign_pool(plan, kind, count)
            source.use(pool, plan.caps, "dmabuf")
            sink.use(pool, plan.sink_caps, "dmabuf")
            plan.pool = pool

        return attempt

    def cpu_reads_in_place() -> None:
        plan.pool = source.allocate(plan.caps, count, export=False)
        sink.use(plan.pool, plan.sink_caps, "map")

    def cpu_writes_in_place() -> None:
        plan.pool = sink.allocate(plan.sink_caps, count, export=False)
        source.use(plan.pool, plan.caps, "map")

    def source_maps() -> None:
        plan.pool = source.allocate(plan.caps, count, export=False)
        sink.use(plan.pool, plan.sink_caps, "userptr")

    def sink_maps() -> None:
        plan.pool = sink.allocate(plan.sink_caps, count, export=False)
        source.use(plan.pool, plan.caps, "userptr")

    def both_point() -> None:
        pool = foreign_pool(plan, "memfd", count)
        source.use(pool, plan.caps, "userptr")
        sink.use(pool, plan.sink_caps, "userptr")
        plan.pool = pool

    def copy() -> None:
        plan.pool = source.allocate(plan.caps, count, export="export" in gives and "mmap" not in gives)
        plan.copy_pool = sink.allocate(plan.sink_caps, count, export="export" in takes and "mmap" not in takes)

    if "export" in gives and "import" in takes:
        yield "dmabuf", source_exports
    if "import" in gives and "export" in takes:
        yield "dmabuf-import", sink_exports
    if "import" in gives and "import" in takes:
        for kind in third_parties():
            yield kind, third_party(kind)
    if "mmap" in gives and "map" in takes:
        yield "map", cpu_reads_in_place
    if "map" in gives and "mmap" in takes:
        yield "map", cpu_writes_in_place
    if "mmap" in gives and "userptr" in takes:
        yield "userptr", source_maps
    if "userptr" in gives and "mmap" in takes:
        yield "userptr", sink_maps
    if "userptr" in gives and "userptr" in takes:
        yield "userptr", both_point
    if gives & {"mmap", "export"} and takes & {"mmap", "export"}:
        yield "mmap", copy


def third_parties() -> list[str]:
    """List the allocators of this machine, contiguous ones first: what the pickier device of a link can reach."""
    heaps = _alloc.heaps()
    order = ["linux,cma", "reserved", "default_cma_region", "system"]
    known = [name for name in order if name in heaps]
    return [f"dma-heap:{name}" for name in known] + ["udmabuf"]


def foreign_pool(plan: LinkPlan, kind: str, count: int) -> Pool:
    """Allocate buffers that neither side owns."""
    sizes = [
        max(ours, theirs)
        for (ours, _), (theirs, _) in zip(plan.caps.memory_planes, plan.sink_caps.memory_planes, strict=True)
    ]
    pool = make_pool(plan.name, kind, plan.caps, writable=False)
    for _ in range(count):
        buffers = [_alloc.allocate(size, kind, f"zcore {plan.name}"[:31]) for size in sizes]
        pool.add(buffers, [(0, size) for size in sizes])
    return pool
