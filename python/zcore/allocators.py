"""Where buffers of no device come from: which allocators there are, what they are good for, and choosing one."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from weakref import WeakSet

from zcore import _alloc
from zcore._pool import Pool

ORDER = ("linux,cma", "reserved", "default_cma_region", "vidbuf_cached", "system")
WAYS = ("auto", "dmabuf", "dmabuf-import", "udmabuf", "dma-heap")
POOLS: WeakSet[Pool] = WeakSet()  # all that are alive, for whoever asks where memory went


@dataclass(frozen=True)
class Heap:
    """A dma-heap, by its name: the kernel tells nothing else of it.

    Attributes
    ----------
    name : str
        As in ``/dev/dma_heap``.
    contiguous : bool
        Whether a device without an IOMMU reaches its buffers.
    cached : bool
        Whether the CPU reads them at full speed; uncached (write-combined) memory reads ten to thirty times slower.
    secure : bool
        Whether the CPU is kept out.
    """

    name: str
    contiguous: bool
    cached: bool
    secure: bool

    @classmethod
    def of(cls, name: str) -> Heap:
        """Read a name by the rules that kernels and vendors keep to.

        ``system`` is scattered pages; ``linux,cma``, ``reserved``, ``default_cma_region``, and whatever has ``cma`` or
        ``vidbuf`` in its name, is contiguous. ``uncached`` in a name says so; ``restricted``, ``secure`` and
        ``protected`` are memory that only devices see.
        """
        words = re.split(r"[^a-z0-9]+", name.lower())
        return cls(
            name,
            contiguous=name in ORDER[:-1] or any(word in ("cma", "contig", "contiguous", "vidbuf") for word in words),
            cached="uncached" not in words,
            secure=any(word in ("secure", "restricted", "protected") for word in words),
        )

    def __str__(self) -> str:
        told = "contiguous" if self.contiguous else "scattered"
        return f"{self.name} ({told}{'' if self.cached else ', uncached'}{', not for the CPU' if self.secure else ''})"


def ranked_heaps() -> list[Heap]:
    """List the heaps of this machine: what the pickiest device reaches first, uncached ones last, secure ones never."""
    heaps = [Heap.of(name) for name in _alloc.heaps()]
    known = {name: number for number, name in enumerate(ORDER)}

    def rank(heap: Heap) -> tuple[bool, bool, int, str]:
        return not heap.cached, not heap.contiguous, known.get(heap.name, len(known)), heap.name

    return sorted((heap for heap in heaps if not heap.secure), key=rank)


def third_parties() -> list[str]:
    """List the allocators that belong to no device, in the order in which they are tried."""
    return [f"dma-heap:{heap.name}" for heap in ranked_heaps()] + ["udmabuf"]


def check_allocator(kind: str) -> str:
    """Refuse an allocator that this machine has not, before any device is opened.

    Raises
    ------
    ValueError
        Names what there is, and the nearest name.
    """
    heaps = [f"dma-heap:{name}" for name in _alloc.heaps()]
    if kind in WAYS[:-1] or kind in heaps or (kind == "dma-heap" and heaps):
        return kind
    there = [*WAYS[:-1], *heaps]
    near = difflib.get_close_matches(kind, there, 1)
    raise ValueError(
        f"this machine has no allocator {kind!r}{f' (did you mean {near[0]!r}?)' if near else ''}; it has "
        f"{', '.join(there)}"
    )


def name_buffers(pool: Pool) -> Pool:
    """Name the buffers of a pool in the kernel's lists, such as ``zcore:camera:3``; a name is a courtesy."""
    for number, buffers in enumerate(pool.slot_buffers):
        for buffer in buffers:
            if buffer.fd < 0 or buffer.allocator == "memfd":
                continue
            try:
                buffer.set_name(f"zcore:{pool.name[:20]}:{number}")
            except OSError:
                return pool
    return pool


def cma() -> tuple[int, int]:
    """Tell how much contiguous memory there is and how much of it is free, in bytes; zeros where nothing tells."""
    found = {"CmaTotal": 0, "CmaFree": 0}
    try:
        with open("/proc/meminfo") as lines:
            for line in lines:
                key, _, value = line.partition(":")
                if key in found:
                    found[key] = int(value.split()[0]) * 1024
    except (OSError, ValueError, IndexError):
        pass
    return found["CmaTotal"], found["CmaFree"]
