"""Turn a plan into what the native loops drive: nodes and links, one loop for each side of a queue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from zcore._chain import Link, Loop, Node
from zcore._cpu_nodes import CopyNode
from zcore._nodes import DisplayNode
from zcore._pool import Pool
from zcore.graph import Branch
from zcore.negotiate import LINK_FRAMES, LinkPlan, Plan
from zcore.stages.base import SinkMixin, SourceMixin, Stage
from zcore.stages.flow import CapsFilter, MayConvert, Passthrough, Queue, Tee


@dataclass
class Segment:
    """What one thread drives."""

    nodes: list[Node] = field(default_factory=list)
    pools: list[Pool | None] = field(default_factory=list)  # what each node may starve of

    def add(self, node: Node, pool: Pool | None = None) -> None:
        """Put a node behind the others."""
        self.nodes.append(node)
        self.pools.append(pool)

    def make_loop(self) -> Loop:
        """Make the loop, which wakes up for buffers that come back."""
        loop = Loop(self.nodes)
        for index, pool in enumerate(self.pools):
            if pool is not None:
                loop.watch_pool(index, pool.bell)
        for index, node in enumerate(self.nodes):
            if isinstance(node, DisplayNode):  # another thread may read the event that it waits for
                loop.watch_pool(index, node.bell)
        return loop


class Wiring:
    """Nodes and links of one run.

    Parameters
    ----------
    plan : Plan
        With its buffers in place.
    frames : int
        After how many the sources end; -1 = never.
    given : dict, optional
        What sources have given already, under an earlier plan.

    Attributes
    ----------
    segments : list of Segment
        The first one has the first source.
    into : dict
        Stage -> the link that it takes from.
    out_of : dict
        Stage -> the link that it gives to, or the first of them.
    joint : list of Link
        For each link of the plan, the one that its sink, or the copy in front of it, takes from.
    """

    def __init__(self, plan: Plan, frames: int, given: dict[Stage, int] | None = None):
        self.plan = plan
        self.frames = frames
        self.given_before = given or {}
        self.nodes: dict[Stage, Node] = {}
        self.segments: list[Segment] = []
        self.links: list[Link] = []
        self.into: dict[Stage, Link] = {}
        self.out_of: dict[Stage, Link] = {}
        self.joint: dict[int, Link] = {}
        self.owner: dict[str, Stage] = {}
        self._segment_of: dict[Stage, Segment] = {}
        self._plans = {link.sink: (number, link) for number, link in enumerate(plan)}
        for domain in plan.domains:
            self._domain(domain.source, domain.branches)
        for stage, link in self.into.items():
            if stage not in self.out_of:  # a sink: its node comes last
                self._segment_of[stage].add(self._made(stage, stage.node(link, None, -1)))

    def _link(self, source: str, sink: str) -> Link:
        link = Link(source, sink, LINK_FRAMES)
        self.links.append(link)
        return link

    def _made(self, stage: Stage, node: Node) -> Node:
        self.owner[node.name] = stage
        self.nodes[stage] = node
        return node

    def _domain(self, source: Stage, branches: Sequence[Branch]) -> None:
        if not isinstance(source, SinkMixin):
            self._segment_of[source] = Segment()
            self.segments.append(self._segment_of[source])
        segment = self._segment_of[source]
        first = self._plans[branches[0].sink][1]
        out = self._link(source.name, branches[0].sink.name)
        self.out_of[source] = out
        before = self.given_before.get(source, 0)
        limits = [max(0, n - before) for n in (self.frames, source.limit) if n is not None and n >= 0]
        root = not isinstance(source, SinkMixin)
        node = source.node(self.into.get(source), out, min(limits, default=-1) if root else -1)
        segment.add(self._made(source, node), first.pool)
        assert isinstance(source, SourceMixin)
        source.linked([branch.sink.input for branch in branches if isinstance(branch.sink, SinkMixin)])
        assert first.pool is not None
        self._spread(out, segment, [(branch, 0) for branch in branches], first.pool)

    def _spread(self, link: Link, segment: Segment, ways: list[tuple[Branch, int]], pool: Pool) -> None:
        """Go on from a link over the stages that pass frames on, to the stages that use them."""
        branch, depth = ways[0]
        if depth == len(branch.passing):
            self._arrive(link, segment, branch.sink)
            return
        stage = branch.passing[depth]
        onward = [(one, position + 1) for one, position in ways]
        if isinstance(stage, CapsFilter | MayConvert) or (isinstance(stage, Passthrough) and stage.function is None):
            self._spread(link, segment, onward, pool)
            return
        self.into[stage] = link
        if isinstance(stage, Tee):
            groups: dict[Stage, list[tuple[Branch, int]]] = {}
            for one, position in onward:
                after = one.passing[position] if position < len(one.passing) else one.sink
                groups.setdefault(after, []).append((one, position))
            sinks = [self._link(stage.name, after.name) for after in groups]
            self.out_of[stage] = sinks[0]
            segment.add(self._made(stage, stage.make_node(link, sinks)))
            for after_link, group in zip(sinks, groups.values(), strict=True):
                self._spread(after_link, segment, group, pool)
            return
        out = self.out_of[stage] = self._link(stage.name, branch.sink.name)
        if isinstance(stage, Queue):
            inner, outer = stage.make_nodes(link, out, (pool,))
            segment.add(self._made(stage, inner))
            segment = Segment()
            self.segments.append(segment)
            segment.add(outer)
        else:
            assert isinstance(stage, Passthrough)
            segment.add(self._made(stage, stage.make_node(link, out, pool)))
        self._spread(out, segment, onward, pool)

    def _arrive(self, link: Link, segment: Segment, sink: Stage) -> None:
        number, plan = self._plans[sink]
        self.joint[number] = link
        if plan.copy_pool is not None:
            copied = self._link(f"{plan.name} copy", sink.name)
            segment.add(CopyNode(f"{plan.name} copy", plan.copy_pool, link, copied), plan.copy_pool)
            link = copied
        self.into[sink] = link
        self._segment_of[sink] = segment

    def changed(self) -> list[Stage]:
        """Stages that ended because their device gives something else now."""
        return [stage for stage, node in self.nodes.items() if getattr(node, "changed", False)]

    def flush(self) -> None:
        """Give back what is on its way."""
        for link in self.links:
            link.flush()
        for stage in self.into:
            if isinstance(stage, Queue):
                stage.flush()

    def movement(self) -> int:
        """Count something that grows whenever any frame moves."""
        return sum(link.frames - link.count + link.frames for link in self.links)

    @property
    def idle(self) -> bool:
        """Whether the chain waits for the program."""
        return any(stage.idle for stage in self.nodes)

    def holders(self) -> str:
        """Tell where frames are, for a chain that stands still."""
        texts = []
        for number, plan in enumerate(self.plan):
            link = self.joint[number]
            assert plan.pool is not None
            held = ", ".join(f"{n} with {who}" for who, n in plan.pool.holders().items()) or "none in use"
            texts.append(
                f"{plan.name}: {link.frames} frames passed, {link.count} wait; of {len(plan.pool)} buffers {held}"
            )
        return "; ".join(texts)

    def counters(self, number: int) -> tuple[LinkPlan, Link]:
        """Give a link of the plan with the native link that counts for it."""
        return self.plan[number], self.joint[number]

    def taken(self, stage: Stage) -> int:
        """How many frames a stage has taken."""
        link: Any = self.into.get(stage)
        return link.frames - link.count if link is not None else 0

    def given(self, stage: Stage) -> int:
        """How many frames a stage has given."""
        link = self.out_of.get(stage)
        return link.frames if link is not None else 0
