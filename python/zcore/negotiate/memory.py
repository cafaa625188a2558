"""Find memory that all stages of a domain reach, and set up its buffers."""

from __future__ import annotations

import errno
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from zcore import _alloc
from zcore._pool import Pool
from zcore.allocators import name_buffers, third_parties
from zcore.errors import (
    DeviceBusyError,
    DeviceError,
    DeviceGoneError,
    DevicePermissionError,
    NegotiationError,
)
from zcore.negotiate.budget import LINK_FRAMES, Budget, make_budget, sink_pad, source_pad
from zcore.negotiate.plan import LinkPlan
from zcore.stages.base import LinkCaps, describe, make_pool
from zcore.stages.cpu_pads import MemoryPad
from zcore.stages.v4l2_pad import V4l2Pad

CPU_MEMORY = ("mmap", "map", "userptr", "memfd")


def raise_if_final(error: Exception) -> None:
    """Give up where another format or memory cannot help: somebody else has the device, it is gone, no descriptors."""
    final = isinstance(error, (DeviceBusyError, DeviceGoneError, DevicePermissionError))
    if final or getattr(error, "errno", 0) in (errno.EMFILE, errno.ENFILE):
        raise error


@dataclass
class Attempt:
    """One way to share memory: what to do, and whose fault it is when it does not work."""

    name: str
    do: Callable[[], Pool]


@dataclass
class Sharing:
    """The search for memory of one domain.

    Parameters
    ----------
    links : sequence of LinkPlan
        All links of the domain; filled in.
    dmabuf_only : bool
        Whether a filter asks for ``memory:DMABuf``.
    allocator : str
        The user's choice: ``auto``, ``dmabuf`` (the source's own), ``dmabuf-import`` (the sink's), ``udmabuf``,
        ``dma-heap`` (any heap) or ``dma-heap:NAME``. Nothing else is tried then.
    """

    links: Sequence[LinkPlan]
    dmabuf_only: bool = False
    allocator: str = "auto"
    budget: Budget = field(init=False)
    blame: Counter[int] = field(default_factory=Counter)
    rejected: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.budget = make_budget(self.links)
        self.source = source_pad(self.links[0])
        self.caps = self.links[0].caps
        self.keeps = self.budget.keeps

    def allocate(self) -> int:
        """Set up buffers by the first way that works; gives how many links copy.

        Each way is tried for real: buffers are requested, exported, imported, and queued on trial, because only then
        does the kernel tell whether a device reaches the other's memory.

        Raises
        ------
        NegotiationError
            Nothing works.
        """
        sharing = list(range(len(self.links)))
        copying: list[int] = []
        while True:
            self.blame.clear()
            done = self._share(sharing, copying)
            if done:
                break
            if not sharing or self.dmabuf_only or self.allocator != "auto":
                asked = " as memory:DMABuf asks" if self.dmabuf_only else ""
                asked += f" from {self.allocator}, which was asked for" if self.allocator != "auto" else ""
                raise NegotiationError(f"{self.links[0].name}: no memory that both sides can use{asked}; {self._why()}")
            # Whoever made most ways fail gets its frames copied; the others go on sharing.
            culprit = max(sharing, key=lambda number: (self.blame[number], number))
            sharing.remove(culprit)
            copying.append(culprit)
        return len(copying)

    def _share(self, sharing: list[int], copying: list[int]) -> bool:
        for attempt in self._ways(sharing):
            if not self._asked(attempt.name):
                continue
            made: list[Pool] = []
            try:
                pool = attempt.do()
                made.append(pool)
                self._check_count(pool, copying)
                copies = {number: self._copy_pool(number) for number in copying}
            except (DeviceError, NegotiationError, ValueError) as error:
                self.source.reset()
                for link in self.links:
                    sink_pad(link).reset()
                raise_if_final(error)
                self.rejected.append((attempt.name, str(error)))
                continue
            self._fill_in(attempt.name, pool, copies)
            return True
        return False

    def _asked(self, way: str) -> bool:
        """Whether the user left this way open."""
        return self.allocator in ("auto", way) or (self.allocator == "dma-heap" and way.startswith("dma-heap:"))

    def _check_count(self, pool: Pool, copying: Sequence[int]) -> None:
        """Refuse a pool with which the chain would stand still: frames that are copied go back at once."""
        if self.dmabuf_only and pool.allocator == "memfd":
            raise NegotiationError("this machine has no DMA-BUF allocator (dma-heap, udmabuf), and memfd is none")
        held = sum(sink_pad(link).holds for number, link in enumerate(self.links) if number not in copying)
        if self.budget.asked is None and len(pool) < 1 + held + bool(copying):
            raise NegotiationError(
                f"too few buffers: {pool.allocator} granted {len(pool)} of {self.budget.count}, "
                f"and the stages behind keep {held} at once"
            )
        self.keeps = self.budget.fit(len(pool))

    def _fill_in(self, way: str, pool: Pool, copies: dict[int, Pool]) -> None:
        why = self._why()
        if isinstance(self.source, V4l2Pad):
            self.source.followers = [sink_pad(link) for number, link in enumerate(self.links) if number not in copies]
        memory = "memfd" if pool.allocator == "memfd" and way.startswith("dmabuf") else way
        for number, link in enumerate(self.links):
            link.pool, link.copy_pool = pool, copies.get(number)
            link.allocator = pool.allocator
            link.memory = "mmap" if number in copies else memory
            link.kernel_copies = self.source.copies or sink_pad(link).copies
            link.reason = why if number in copies else link.kernel_copies
            link.keeps = self.keeps
            link.rejected += [one for one in self.rejected if one not in link.rejected]
            if link.memory not in CPU_MEMORY:
                link.caps = link.caps.with_features("memory:DMABuf")

    def _why(self) -> str:
        return "; ".join(dict.fromkeys(f"{name}: {why}" for name, why in self.rejected)) or self._asked_for()

    def _asked_for(self) -> str:
        texts = []
        for pad in (self.source, *(sink_pad(link) for link in self.links)):
            mode, roles = getattr(pad, "io_mode", ""), ", ".join(sorted(pad.roles())) or "nothing"
            texts.append(f"{pad.name}{f' has io mode {mode} and' if mode else ''} can do {roles}")
        return "; ".join(texts)

    # The ways

    def _use(self, number: int, pool: Pool, memory: str) -> None:
        link = self.links[number]
        try:
            sink_pad(link).use(pool, link.sink_caps, memory)
        except (DeviceError, NegotiationError, ValueError):
            self.blame[number] += 1
            raise

    def _own(self, export: bool) -> Pool:
        return self.source.allocate(self.caps, self.budget.count, export=export)

    def _copy_pool(self, number: int) -> Pool:
        pad = sink_pad(self.links[number])
        takes = pad.roles()
        count = pad.holds + LINK_FRAMES + 1
        if takes & {"mmap", "export"}:
            return self._of_sink(number, count, export="export" in takes and "mmap" not in takes)
        kinds = third_parties() * ("import" in takes) + ["memfd"] * ("userptr" in takes)
        why = self._asked_for()
        for kind in kinds:
            try:
                pool = foreign_pool([self.links[number]], kind, count)
                pad.use(pool, self.links[number].sink_caps, "userptr" if kind == "memfd" else "dmabuf")
            except (DeviceError, NegotiationError, ValueError) as error:
                raise_if_final(error)
                pad.reset()
                why = str(error)
                continue
            return pool
        raise NegotiationError(f"there is no memory that frames could be copied into for {pad.name}: {why}")

    def _of_sink(self, number: int, count: int, *, export: bool) -> Pool:
        """Let a sink allocate, and see to it that its rows lie where the source puts them."""
        link = self.links[number]
        pool = sink_pad(link).allocate(link.sink_caps, count, export=export)
        made, wanted = ([one[1:3] for one in planes] for planes in (pool.components, describe(self.caps)[0]))
        if made != wanted:
            places = [", ".join(f"{stride} bytes from {at} on" for at, stride in one) for one in (made, wanted)]
            raise NegotiationError(
                f"{link.sink.name} allocates rows of {places[0]}, {link.source.name} gives rows of {places[1]}"
            )
        return pool

    def _ways(self, sharing: list[int]) -> Iterator[Attempt]:
        """List the ways to share memory, best first."""
        gives = self.source.roles()
        takes = {number: sink_pad(self.links[number]).roles() for number in sharing}
        if not sharing:
            if gives & {"mmap", "export"}:
                yield Attempt("mmap", lambda: self._own("export" in gives and "mmap" not in gives))
            if "userptr" in gives:
                yield Attempt("userptr", lambda: self._foreign("memfd", "userptr", sharing))
            if "import" in gives:
                for kind in third_parties():
                    yield Attempt(kind, lambda kind=kind: self._foreign(kind, "dmabuf", sharing))  # type: ignore[misc]
            return
        for number in sharing:
            if "import" not in takes[number]:
                self.blame[number] += 1
        everyone_imports = all("import" in roles for roles in takes.values())
        if everyone_imports and "export" in gives:
            yield Attempt("dmabuf", lambda: self._together(sharing, self._own(True), "dmabuf"))
        if "import" in gives:
            for number in sharing:
                others = [other for other in sharing if other != number]
                if "export" in takes[number] and all("import" in takes[other] for other in others):
                    yield Attempt("dmabuf-import", lambda n=number, o=others: self._sink_exports(n, o))  # type: ignore[misc]
            if everyone_imports:
                kinds = third_parties()
                if self.allocator.startswith("dma-heap:") and self.allocator not in kinds:
                    kinds.append(self.allocator)  # one that is not tried unless it is asked for
                for kind in kinds:
                    yield Attempt(kind, lambda kind=kind: self._foreign(kind, "dmabuf", sharing))  # type: ignore[misc]
        if not self.dmabuf_only:
            yield from self._cpu_ways(gives, takes, sharing)

    def _cpu_ways(self, gives: set[str], takes: dict[int, set[str]], sharing: list[int]) -> Iterator[Attempt]:
        if "mmap" in gives and all("map" in roles for roles in takes.values()):
            yield Attempt("map", lambda: self._together(sharing, self._own(False), "map"))
        if len(sharing) == 1:
            number, roles = sharing[0], takes[sharing[0]]
            if "map" in gives and "mmap" in roles:
                yield Attempt("map", lambda: self._sink_maps(number, "map"))
            if "mmap" in gives and "userptr" in roles:
                yield Attempt("userptr", lambda: self._together(sharing, self._own(False), "userptr"))
            if "userptr" in gives and "mmap" in roles:
                yield Attempt("userptr", lambda: self._sink_maps(number, "userptr"))
        if "userptr" in gives and all("userptr" in roles for roles in takes.values()):
            yield Attempt("userptr", lambda: self._foreign("memfd", "userptr", sharing))

    def _together(self, sharing: list[int], pool: Pool, memory: str) -> Pool:
        for number in sharing:
            self._use(number, pool, memory)
        return pool

    def _sink_exports(self, number: int, others: list[int]) -> Pool:
        pool = self._of_sink(number, self.budget.count, export=True)
        self.source.use(pool, self.caps, "dmabuf")
        return self._together(others, pool, "dmabuf")

    def _sink_maps(self, number: int, memory: str) -> Pool:
        pool = self._of_sink(number, self.budget.count, export=False)
        self.source.use(pool, self.caps, memory)
        return pool

    def _foreign(self, kind: str, memory: str, sharing: list[int]) -> Pool:
        pool = foreign_pool(self.links, kind, self.budget.count)
        self.source.use(pool, self.caps, memory)
        return self._together(sharing, pool, memory)


def foreign_pool(links: Sequence[LinkPlan], kind: str, count: int) -> Pool:
    """Allocate buffers that no stage of the domain owns, large enough for all of them."""
    caps: list[LinkCaps] = [links[0].caps, *(link.sink_caps for link in links)]
    planes: list[Any] = [one.memory_planes for one in caps]
    if len({len(one) for one in planes}) != 1:
        raise NegotiationError(
            f"{links[0].name}: the stages want different numbers of memory planes: {[len(one) for one in planes]}"
        )
    sizes = [max(size for size, _ in plane) for plane in zip(*planes, strict=True)]
    software = isinstance(source_pad(links[0]), MemoryPad)
    pool = make_pool(links[0].name, kind, links[0].caps, writable=software)
    for _ in range(count):
        buffers = [_alloc.allocate(size, kind) for size in sizes]
        pool.add(buffers, [(0, size) for size in sizes])
    return name_buffers(pool)
