"""Where the memory went: buffers of this program by pool and allocator, and the DMA-BUFs of the machine."""

from __future__ import annotations

import os
import re
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from zcore._pool import Pool
from zcore.allocators import POOLS, cma

BUFINFO = Path("/sys/kernel/debug/dma_buf/bufinfo")
PROC = Path("/proc")
_ROW = re.compile(r"^(\d{8,})\s+\S+\s+\S+\s+(\d+)\s+(\S+)\s+(\d+)\s*(.*)$")


@dataclass(frozen=True)
class PoolMemory:
    """The buffers of one pool of this program.

    Attributes
    ----------
    name, allocator : str
        Whose pool it is, and where its memory comes from.
    buffers, bytes : int
        How many distinct buffers, and how large they are together.
    mapped : int
        How many of them the CPU has mapped.
    holders : dict of str to int
        Who has frames of it now, and how many.
    """

    name: str
    allocator: str
    buffers: int
    bytes: int
    mapped: int
    holders: dict[str, int]


@dataclass(frozen=True)
class KernelBuffer:
    """One DMA-BUF of the machine.

    Attributes
    ----------
    size : int
        Bytes.
    exporter : str
        The kernel's name of who made it, such as ``system``, ``udmabuf`` or ``drm``.
    name : str
        What DMA_BUF_SET_NAME set; zcore's are ``zcore:STAGE:NUMBER``.
    inode : int
        What tells it from others.
    holders : tuple of str
        Processes that have it open, as ``pid name``, where they can be seen; devices that are attached to it.
    """

    size: int
    exporter: str
    name: str
    inode: int
    holders: tuple[str, ...] = ()


@dataclass(frozen=True)
class Memory:
    """What :func:`memory` gives.

    Attributes
    ----------
    pools : list of PoolMemory
        Of this program.
    machine : list of KernelBuffer
        All DMA-BUFs that can be seen: with debugfs (root) all there are, else those of processes of the same user.
    source : str
        Where `machine` is from.
    cma_total, cma_free : int
        Contiguous memory, in bytes.
    """

    pools: list[PoolMemory] = field(default_factory=list)
    machine: list[KernelBuffer] = field(default_factory=list)
    source: str = ""
    cma_total: int = 0
    cma_free: int = 0

    @property
    def by_allocator(self) -> dict[str, tuple[int, int]]:
        """Allocator to ``(buffers, bytes)``, of this program."""
        found: dict[str, tuple[int, int]] = {}
        for pool in self.pools:
            count, size = found.get(pool.allocator, (0, 0))
            found[pool.allocator] = count + pool.buffers, size + pool.bytes
        return found

    @property
    def by_exporter(self) -> dict[str, tuple[int, int]]:
        """The kernel's exporter to ``(buffers, bytes)``, of the machine."""
        found: dict[str, tuple[int, int]] = {}
        for buffer in self.machine:
            count, size = found.get(buffer.exporter, (0, 0))
            found[buffer.exporter] = count + 1, size + buffer.size
        return found

    def to_dict(self) -> dict[str, Any]:
        """Give plain values, for JSON."""
        return asdict(self) | {"by_allocator": self.by_allocator, "by_exporter": self.by_exporter}

    def __str__(self) -> str:
        lines = []
        for pool in self.pools:
            held = ", ".join(f"{count} with {who}" for who, count in pool.holders.items()) or "none in use"
            lines.append(f"{pool.name} [{pool.allocator}]: {pool.buffers} buffers, {_told(pool.bytes)}, {held}")
        for exporter, (count, size) in sorted(self.by_exporter.items()):
            lines.append(f"machine, {exporter}: {count} buffers, {_told(size)}")
        for buffer in self.machine:
            who = ", ".join(buffer.holders) or "nobody that can be seen"
            lines.append(f"  {buffer.name or 'no name'}: {_told(buffer.size)} of {buffer.exporter}, held by {who}")
        if self.cma_total:
            lines.append(f"contiguous memory (CMA): {_told(self.cma_free)} free of {_told(self.cma_total)}")
        return "\n".join(lines) or "no buffers"


def memory() -> Memory:
    """Tell where memory for frames went.

    Returns
    -------
    Memory
        Print it, or look at :attr:`Memory.pools` and :attr:`Memory.machine`.
    """
    pools: list[PoolMemory] = []
    seen: set[int] = set()
    for pool in sorted(set(POOLS), key=lambda one: one.id):
        mine = _pool(pool, seen)
        if mine.buffers:
            pools.append(mine)
    holders = _open_files()
    machine, source = _bufinfo(holders), str(BUFINFO)
    if machine is None:
        machine, source = [holders[inode] for inode in sorted(holders)], "/proc/*/fdinfo"
    total, free = cma()
    return Memory(pools, machine, source, total, free)


def _pool(pool: Pool, seen: set[int]) -> PoolMemory:
    """Count the buffers of a pool that no pool before it has: an import has those of another one."""
    buffers = {id(one): one for slot in pool.slot_buffers for one in slot if id(one) not in seen}
    seen.update(buffers)
    return PoolMemory(
        pool.name,
        pool.allocator,
        len(buffers),
        sum(one.size for one in buffers.values()),
        sum(one.mapped for one in buffers.values()),
        pool.holders(),
    )


def _open_files() -> dict[int, KernelBuffer]:
    """Look at the descriptors of all processes that let us; gives the buffers by inode."""
    found: dict[int, KernelBuffer] = {}
    users: dict[int, set[str]] = {}
    for entry in PROC.glob("[0-9]*/fd/*"):
        try:
            if not os.readlink(entry).startswith("/dmabuf"):
                continue
            process = entry.parent.parent
            inode = entry.stat().st_ino
            users.setdefault(inode, set()).add(f"{process.name} {(process / 'comm').read_text().strip()}")
            text = (process / "fdinfo" / entry.name).read_text()
        except OSError:
            continue
        told = dict(re.findall(r"^(\w+):\s*(.*)$", text, flags=re.MULTILINE))
        found[inode] = KernelBuffer(int(told.get("size", 0)), told.get("exp_name", ""), told.get("name", ""), inode)
    return {inode: replace(one, holders=tuple(sorted(users[inode]))) for inode, one in found.items()}


def _bufinfo(holders: dict[int, KernelBuffer]) -> list[KernelBuffer] | None:
    """Read the kernel's list; ``None`` where it cannot be read."""
    try:
        text = BUFINFO.read_text()
    except OSError:
        return None
    found: list[KernelBuffer] = []
    devices = False
    for line in text.splitlines():
        row = _ROW.match(line)
        if row:
            inode = int(row[4])
            known = holders[inode].holders if inode in holders else ()
            found.append(KernelBuffer(int(row[1]), row[3], "" if row[5] == "<none>" else row[5], inode, known))
            devices = False
        elif line.strip() == "Attached Devices:":
            devices = True
        elif line.startswith("Total "):
            devices = False
        elif devices and line.strip() and found:
            found[-1] = replace(found[-1], holders=(*found[-1].holders, f"device {line.strip()}"))
    return found


def _told(size: int) -> str:
    if size < 1 << 20:
        return f"{size / 1024:.0f} KiB"
    return f"{size / (1 << 20):.1f} MiB"
