"""How many buffers the stages of a domain need, and who keeps them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from zcore.errors import NegotiationError
from zcore.negotiate.plan import LinkPlan
from zcore.stages.base import Pad, SinkMixin, SourceMixin
from zcore.stages.flow import Queue

LINK_FRAMES = 2  # frames that may wait in a link
MOST_BUFFERS = 32  # VIDEO_MAX_FRAME: V4L2 queues have no more


@dataclass
class Budget:
    """How many buffers a domain needs, and who keeps them."""

    keeps: list[tuple[str, int]]
    floor: int  # with fewer the chain would stand still
    asked: int | None = None  # what the user wrote
    waits: dict[Queue, int] = field(default_factory=dict)  # frames that a queue wants to have before it gives any
    shares: dict[Queue, int] = field(default_factory=dict)  # frames that a queue may hold with all buffers granted

    @property
    def count(self) -> int:
        """How many to ask for."""
        return self.asked or min(MOST_BUFFERS, max(self.floor, sum(number for _, number in self.keeps)))

    def fit(self, granted: int) -> list[tuple[str, int]]:
        """Let queues hold as much less as fewer buffers were granted; gives who keeps how many then.

        Raises
        ------
        NegotiationError
            A queue would never have what it waits for.
        """
        missing = sum(number for _, number in self.keeps) - granted
        for queue, share in self.shares.items():
            queue.share = max(1, share - max(0, missing))
            missing -= share - queue.share
            if queue.share < self.waits[queue]:
                raise NegotiationError(
                    f"too few buffers: {queue.name} gives nothing before {self.waits[queue]} frames wait in it, and of "
                    f"{granted} buffers it can have {queue.share}"
                )
        held = {queue.name: queue.share or 1 for queue in self.shares}
        return [(name, held.get(name, number)) for name, number in self.keeps]


def make_budget(links: Sequence[LinkPlan]) -> Budget:
    """Count for a domain: what its source and every sink keep, what waits in queues, and what is on its way."""
    source = source_pad(links[0])
    sinks = [sink_pad(link) for link in links]
    keeps = [(links[0].source.name, source.holds)]
    keeps += [(link.sink.name, pad.holds) for link, pad in zip(links, sinks, strict=True)]
    keeps.append(("on the way", (LINK_FRAMES + 1) * len(links) if len(links) == 1 else LINK_FRAMES + len(links)))
    floor = 1 + sum(pad.holds for pad in sinks)
    asked = [
        n for link in links for n in (getattr(link.source, "buffers", None), getattr(link.sink, "buffers", None)) if n
    ]
    fixed = sum(number for _, number in keeps)
    queues = list(dict.fromkeys(stage for link in links for stage in link.branch.passing if isinstance(stage, Queue)))
    size = sum(size for size, _ in links[0].caps.memory_planes)
    rate = links[0].caps.rate
    room = max(asked, default=MOST_BUFFERS) - fixed
    waits, shares = {}, {}
    for queue in queues:
        most = queue.wanted_share(size, float(rate) if rate else None)
        waits[queue] = min(queue.min_threshold_buffers, most)
        shares[queue] = max(1, min(waits[queue], room), min(most, room // len(queues)))
        keeps.append((queue.name, shares[queue]))
    return Budget(keeps, floor, max(asked, default=None), waits, shares)


def source_pad(link: LinkPlan) -> Pad:
    """The pad that gives the frames of a link."""
    assert isinstance(link.source, SourceMixin)
    return link.source.output


def sink_pad(link: LinkPlan) -> Pad:
    """The pad that takes the frames of a link."""
    assert isinstance(link.sink, SinkMixin)
    return link.sink.input
