"""What a plan says: for each link what was chosen, and what was rejected for which reason."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Any, overload

from zcore._pool import Pool
from zcore.graph import Branch, Domain
from zcore.negotiate.alternatives import grouped
from zcore.stages.base import LinkCaps, Stage
from zcore.stages.flow import CapsFilter, MayConvert


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
    keeps : list of (str, int)
        Who keeps how many buffers at once; their sum was asked for.
    rejected : list of (str, str)
        Formats, sizes and ways to share memory that were tried on the devices, and why they failed.
    """

    source: Stage
    sink: Stage
    caps: LinkCaps
    sink_caps: LinkCaps
    branch: Branch
    inserted: str = ""  # why one of the two stages was put here by the plan
    converted: bool = False  # one of the two is a conversion on the CPU, or a codec, in the place of a device
    kernel_copies: str = ""  # why the kernel copies each frame, where a device has only read() or write()
    memory: str = ""
    allocator: str = ""
    pool: Pool | None = None  # the frames that the source gives
    copy_pool: Pool | None = None  # the buffers that they are copied into
    reason: str = ""
    keeps: list[tuple[str, int]] = field(default_factory=list)
    rejected: list[tuple[str, str]] = field(default_factory=list)
    look_for_alternatives: Callable[[], list[tuple[str, str]]] = field(default=list, repr=False)

    @cached_property
    def alternatives(self) -> list[tuple[str, str]]:
        """Formats that were not taken without asking a device, each with its reason."""
        return self.look_for_alternatives()

    @property
    def zero_copy(self) -> bool:
        """Whether no frame is copied."""
        return self.copy_pool is None and not self.converted and not self.kernel_copies

    def count_stand_ins(self) -> None:
        """Count pixels as copied that a codec on the CPU reads or writes, where a device was asked for."""
        reason = self.source.stands_in_for or self.sink.stands_in_for
        if reason and not self.caps.format.coded:
            self.converted, self.inserted = True, self.inserted or reason

    @property
    def name(self) -> str:
        """Both stages' names."""
        return f"{self.source.name} -> {self.sink.name}"

    @property
    def buffers(self) -> int:
        """How many buffers were granted."""
        return len(self.pool) if self.pool is not None else 0

    def __str__(self) -> str:
        how = "zero-copy" if self.zero_copy else f"copies every frame because {self.reason}"
        return f"{self.name}: {self.caps} {self.memory or 'not allocated'} [{self.allocator}], {how}"

    def to_dict(self) -> dict[str, Any]:
        """Give plain data, ready for JSON."""
        return {
            "source": self.source.name,
            "sink": self.sink.name,
            "through": [stage.name for stage in self.branch.passing],
            "caps": str(self.caps),
            "modifier": self.caps.format.modifier,
            "strides": [line for _, line in self.caps.memory_planes],
            "memory": self.memory,
            "allocator": self.allocator,
            "buffers": self.buffers,
            "keeps": [{"who": who, "buffers": count} for who, count in self.keeps],
            "zero_copy": self.zero_copy,
            "reason": self.reason or self.inserted,
            "inserted": bool(self.inserted),
            "rejected": [{"what": what, "why": why} for what, why in [*self.rejected, *self.alternatives]],
        }


class Plan(Sequence[LinkPlan]):
    """The plan of a whole chain: one :class:`LinkPlan` for each pair of stages that share frames.

    Print it to read it; :meth:`to_dict` and :meth:`to_dot` are for programs.

    Attributes
    ----------
    tried : int
        How many plans were tried on the devices until one worked.
    """

    def __init__(self, links: list[LinkPlan], domains: list[Domain], inserted: dict[Stage, str], tried: int):
        self.links = links
        self.domains = domains
        self.inserted = inserted
        self.tried = tried

    @overload
    def __getitem__(self, index: int) -> LinkPlan: ...
    @overload
    def __getitem__(self, index: slice) -> list[LinkPlan]: ...
    def __getitem__(self, index: int | slice) -> LinkPlan | list[LinkPlan]:
        return self.links[index]

    def __len__(self) -> int:
        return len(self.links)

    def __iter__(self) -> Iterator[LinkPlan]:
        return iter(self.links)

    @property
    def zero_copy(self) -> bool:
        """Whether no frame is copied on any link."""
        return all(link.zero_copy for link in self.links)

    @property
    def copies(self) -> int:
        """How often the CPU moves each frame where the user did not ask for it."""
        return sum(not link.zero_copy for link in self.links)

    def __str__(self) -> str:
        lines = []
        for link in self.links:
            lines.append(f"{link.name}{_through(link)}")
            lines.append(f"  {link.caps}")
            count = f"{link.buffers} buffers" + (
                f" ({', '.join(f'{who} {number}' for who, number in link.keeps)})" if link.keeps else ""
            )
            lines.append(f"  memory {link.memory} from {link.allocator}, {count}")
            if link.sink in self.inserted:
                lines.append(f"  {link.sink.name} was put in by the plan: {link.inserted}")
            if link.sink.stands_in_for:
                lines.append(f"  {link.sink.name} works in software: {link.sink.stands_in_for}")
            lines.append("  zero-copy" if link.zero_copy else f"  COPIES EVERY FRAME: {link.reason or link.inserted}")
            lines += [f"  rejected {what}: {why}" for what, why in [*link.rejected, *grouped(link.alternatives)]]
        verdict = "no frame is copied" if self.zero_copy else f"each frame is copied {_times(self.copies)}"
        return "\n".join([*lines, f"{verdict}; {self.tried} plan{'s' * (self.tried != 1)} tried"])

    def close(self) -> None:
        """Free the buffers and what the plan put in."""
        for stage in self.inserted:
            stage.close()
        for link in self.links:
            for pool in (link.pool, link.copy_pool):
                if pool is not None:
                    pool.close()

    def to_dict(self) -> dict[str, Any]:
        """Give plain data, ready for JSON."""
        return {
            "zero_copy": self.zero_copy,
            "copies": self.copies,
            "tried": self.tried,
            "links": [link.to_dict() for link in self.links],
        }

    def to_json(self, indent: int | None = 2) -> str:
        """Give JSON text."""
        return json.dumps(self.to_dict(), indent=indent)

    def to_dot(self) -> str:
        """Give the graph in the language of Graphviz: red where frames are copied."""
        lines = ["digraph zcore {", "  rankdir=LR;", '  node [shape=box, style=rounded, fontname="sans-serif"];']
        lines.append('  edge [fontname="sans-serif", fontsize=10];')
        seen: set[tuple[Stage, Stage]] = set()
        for link in self.links:
            way = [
                link.source,
                *(s for s in link.branch.passing if not isinstance(s, CapsFilter | MayConvert)),
                link.sink,
            ]
            for stage in way:
                text = "\n".join(filter(None, (stage.name, stage.kind, stage.device)))
                colour = ", color=red" if stage in self.inserted or stage.stands_in_for else ""
                lines.append(f"  {_quote(stage.name)} [label={_quote(text)}{colour}];")
            for one, other in pairwise(way):
                if (one, other) in seen:
                    continue
                seen.add((one, other))
                copies = other is link.sink and not link.zero_copy
                label = ""
                if other is link.sink:
                    label = f"{str(link.caps).replace(',', chr(10))}\n{link.memory} [{link.allocator}] x{link.buffers}"
                    label += "\ncopies" * copies
                lines.append(
                    f"  {_quote(one.name)} -> {_quote(other.name)} [label={_quote(label)}"
                    f"{', color=red, fontcolor=red' if copies else ''}];"
                )
        return "\n".join([*dict.fromkeys(lines), "}"])


def _times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count} times")


def _through(link: LinkPlan) -> str:
    names = ", ".join(stage.name for stage in link.branch.passing)
    return f" through {names}" if names else ""


def _quote(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
