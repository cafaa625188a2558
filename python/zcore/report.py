"""What a run did: the ledger of every link, the counters of every stage."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass
class LinkReport:
    """The ledger of one link.

    ``copied_bytes`` are bytes that the CPU moved; ``cpu_maps`` counts how often the CPU opened a buffer to read or
    write it, ``sync_calls`` the DMA_BUF_IOCTL_SYNC calls that this took; ``attaches`` counts imports of a buffer by a
    device that had not seen it at that place, ``reattaches`` those of them that pushed another buffer out;
    ``buffer_bytes`` is the memory of all buffers.
    """

    source: str
    sink: str
    caps: str
    memory: str
    allocator: str
    buffers: int
    zero_copy: bool
    frames: int
    copied_frames: int
    copied_bytes: int
    cpu_maps: int
    sync_calls: int
    attaches: int
    reattaches: int
    reason: str
    rejected: list[tuple[str, str]] = field(default_factory=list)
    buffer_bytes: int = 0

    def __str__(self) -> str:
        how = (
            "zero-copy"
            if self.zero_copy and not self.copied_frames
            else f"{self.copied_frames} copied, {self.copied_bytes} bytes"
        )
        why = f" because {self.reason}" if self.reason else ""
        return (
            f"{self.source} -> {self.sink}: {self.caps} {self.memory} [{self.allocator}] "
            f"{self.frames} frames, {how}{why}"
        )


@dataclass
class StageReport:
    """The counters of one stage."""

    name: str
    kind: str
    device: str
    frames_in: int
    frames_out: int
    drops: dict[str, int]
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass
class Report:
    """What :meth:`zcore.Chain.run` gives: frames that reached the last stage, seconds, stages, links.

    ``replanned`` says after how many frames, and why, the chain was planned anew while it ran.
    """

    frames: int
    seconds: float
    stages: list[StageReport]
    links: list[LinkReport]
    replanned: list[str] = field(default_factory=list)

    @property
    def zero_copy(self) -> bool:
        """Whether no frame was copied on any link."""
        return all(link.zero_copy and not link.copied_frames for link in self.links)

    @property
    def fps(self) -> float:
        """Frames per second over the whole run."""
        return self.frames / self.seconds if self.seconds else 0.0

    def to_dict(self) -> dict[str, Any]:
        """Give plain data, ready for JSON."""
        return asdict(self)

    def to_json(self, indent: int | None = 2) -> str:
        """Give JSON text."""
        return json.dumps(self.to_dict(), indent=indent)

    def __str__(self) -> str:
        lines = [f"{self.frames} frames in {self.seconds:.2f} s ({self.fps:.1f} per second)"]
        lines += [f"  {link}" for link in self.links]
        lines += [f"  planned again {why}" for why in self.replanned]
        for stage in self.stages:
            if stage.drops:
                lines.append(f"  {stage.name} dropped " + ", ".join(f"{n} ({why})" for why, n in stage.drops.items()))
        return "\n".join(lines)


def joined(reports: list[Report], replanned: list[str]) -> Report:
    """Make one report of a run that was planned anew on its way."""
    whole = reports[-1]
    for before in reversed(reports[:-1]):
        whole.frames += before.frames
        whole.seconds += before.seconds
        for stage, old in _pairs(whole.stages, before.stages, lambda one: one.name):
            stage.frames_in += old.frames_in
            stage.frames_out += old.frames_out
            stage.drops = {why: stage.drops.get(why, 0) + old.drops.get(why, 0) for why in {**old.drops, **stage.drops}}
        for link, earlier in _pairs(whole.links, before.links, lambda one: (one.source, one.sink)):
            for name in ("frames", "copied_frames", "copied_bytes", "cpu_maps", "sync_calls", "attaches", "reattaches"):
                setattr(link, name, getattr(link, name) + getattr(earlier, name))
            link.zero_copy = link.zero_copy and earlier.zero_copy
    whole.replanned = replanned
    return whole


def _pairs(now: list[Any], before: list[Any], key: Any) -> list[tuple[Any, Any]]:
    """Match what has the same name; what was only there before goes on being reported."""
    known = {key(one): one for one in now}
    now += [one for one in before if key(one) not in known]
    return [(known[key(one)], one) for one in before if key(one) in known]
