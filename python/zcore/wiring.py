"""Turn a plan into what the native loops drive: nodes and links, one loop for each side of a queue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from zcore._chain import Link, Loop, Node
from zcore._cpu_nodes import CopyNode
from zcore._nodes import DisplayNode
from zcore._pool import Pool
from zcore._stateless_nodes import StatelessNode
from zcore._v4l2_events import loop_bell
from zcore.graph import Branch
from zcore.negotiate import LINK_FRAMES, LinkPlan, Plan
from zcore.stages.base import SinkMixin, SourceMixin, Stage
from zcore.stages.flow import CapsFilter, MayConvert, Passthrough, Queue, Tee
from zcore.stages.roomier import roomier


@dataclass
class Segment:
    """What one thread drives."""

    nodes: list[Node] = field(default_factory=list)
    pools: list[Pool | None] = field(default_factory=list)  # what each node may starve of
    stages: list[Stage] = field(default_factory=list)  # for whose sake each node is there

    def add(self, stage: Stage, node: Node, pool: Pool | None = None) -> None:
        """Put a node behind the others."""
        self.nodes.append(node)
        self.pools.append(pool)
        self.stages.append(stage)

    def remove(self, stages: set[Stage]) -> None:
        """Take out what is there for the sake of these stages."""
        kept = [n for n, stage in enumerate(self.stages) if stage not in stages]
        self.nodes = [self.nodes[n] for n in kept]
        self.pools = [self.pools[n] for n in kept]
        self.stages = [self.stages[n] for n in kept]

    def followers(self, stages: set[Stage]) -> int:
        """Give the places of these stages' nodes as bits."""
        return sum(1 << n for n, stage in enumerate(self.stages) if stage in stages)

    def make_loop(self) -> Loop:
        """Make the loop, which wakes up for buffers that come back."""
        loop = Loop(self.nodes)
        for index, pool in enumerate(self.pools):
            if pool is not None:
                loop.watch_pool(index, pool.bell)
        for index, node in enumerate(self.nodes):
            bell = node.bell if isinstance(node, StatelessNode) else loop_bell(node.device_fd)
            if bell >= 0:
                loop.watch_events(index, bell)
            if isinstance(node, DisplayNode):  # another thread may read the event that it waits for
                loop.watch_pool(index, node.bell)
                if node.news >= 0:
                    loop.watch_events(index, node.news)
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
        self._link_of: dict[int, Stage] = {}  # for whose sake each link is there, by its id()
        self._plans = {link.sink: (number, link) for number, link in enumerate(plan)}
        for domain in plan.domains:
            self._domain(domain.source, domain.branches)
        self._sinks()

    def _sinks(self) -> None:
        for stage, link in self.into.items():
            if stage not in self.out_of and stage not in self.nodes:  # a sink: its node comes last
                self._segment_of[stage].add(stage, self._made(stage, stage.node(link, None, -1)))

    def _link(self, source: str, sink: Stage) -> Link:
        link = Link(source, sink.name, LINK_FRAMES)
        self.links.append(link)
        self._link_of[id(link)] = sink
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
        out = self._link(source.name, branches[0].passing[0] if branches[0].passing else branches[0].sink)
        self.out_of[source] = out
        before = self.given_before.get(source, 0)
        limits = [max(0, n - before) for n in (self.frames, source.limit) if n is not None and n >= 0]
        root = not isinstance(source, SinkMixin)
        node = source.node(self.into.get(source), out, min(limits, default=-1) if root else -1)
        segment.add(source, self._made(source, node), first.pool)
        self._give_out(source, out, segment, branches)

    def _give_out(self, source: Stage, out: Link, segment: Segment, branches: Sequence[Branch]) -> None:
        pool = self._plans[branches[0].sink][1].pool
        assert isinstance(source, SourceMixin)
        source.linked([branch.sink.input for branch in branches if isinstance(branch.sink, SinkMixin)])
        assert pool is not None
        self._spread(out, segment, [(branch, 0) for branch in branches], pool)

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
            sinks = [self._link(stage.name, after) for after in groups]
            self.out_of[stage] = sinks[0]
            segment.add(stage, self._made(stage, stage.make_node(link, sinks)))
            for after_link, group in zip(sinks, groups.values(), strict=True):
                self._spread(after_link, segment, group, pool)
            return
        out = self.out_of[stage] = self._link(stage.name, branch.sink)
        if isinstance(stage, Queue):
            inner, outer = stage.make_nodes(link, out, (pool,))
            segment.add(stage, self._made(stage, inner))
            segment = Segment()
            self.segments.append(segment)
            segment.add(stage, outer)
        else:
            assert isinstance(stage, Passthrough)
            segment.add(stage, self._made(stage, stage.make_node(link, out, pool)))
        self._spread(out, segment, onward, pool)

    def _arrive(self, link: Link, segment: Segment, sink: Stage) -> None:
        number, plan = self._plans[sink]
        assert isinstance(plan.source, SourceMixin)
        assert isinstance(sink, SinkMixin)
        if plan.source.fences is not None and (plan.copy_pool is not None or not sink.input.takes_fences):
            waited = self._link(f"{plan.name} fences", sink)
            segment.add(sink, plan.source.fences.make_node(f"{plan.name} fences", link, waited))
            link = waited
        self.joint[number] = link
        if plan.copy_pool is not None:
            copied = self._link(f"{plan.name} copy", sink)
            enlarge = partial(roomier, who=plan.name)
            node = CopyNode(f"{plan.name} copy", plan.copy_pool, link, copied, enlarge=enlarge)
            segment.add(sink, node, plan.copy_pool)
            link = copied
        self.into[sink] = link
        self._segment_of[sink] = segment

    # A stage whose output changes while the run goes on

    def behind(self, stage: Stage) -> set[Stage]:
        """Find all stages that frames of a stage come to, those that the plan put in too."""
        found: set[Stage] = set()
        for domain in self.plan.domains:  # from sources to sinks
            if domain.source is stage or domain.source in found:
                found.update(domain.passing)
                found.update(branch.sink for branch in domain.branches)
        return found

    def paused(self) -> list[Stage]:
        """Stages that wait for another plan of what is behind them, where all frames have arrived."""
        found = []
        for stage, node in self.nodes.items():
            if node.paused:
                behind = self.behind(stage)
                if all(
                    node.done
                    for segment in self.segments
                    for one, node in zip(segment.stages, segment.nodes, strict=True)
                    if one in behind
                ):
                    found.append(stage)
        return found

    def make_loops(self) -> list[Loop]:
        """Make a loop for each segment."""
        loops: list[Loop] = []
        try:
            for segment in self.segments:
                loops.append(segment.make_loop())
                for stage, node in self.nodes.items():
                    if stage in segment.stages and hasattr(node, "resume"):
                        index = segment.nodes.index(node)
                        loops[-1].set_followers(index, segment.followers(self.behind(stage)))
        except BaseException:
            for loop in loops:
                loop.close()
            raise
        return loops

    def cut(self, stage: Stage) -> None:
        """Take out everything behind a stage, whose frames have all arrived; and count the rest anew."""
        behind = self.behind(stage)
        for link in [link for link in self.links if self._link_of[id(link)] in behind]:
            link.flush()
            self.links.remove(link)
            del self._link_of[id(link)]
        for segment in self.segments:
            segment.remove(behind)
        self.segments = [segment for segment in self.segments if segment.nodes]
        for one in behind:
            for known in (self.nodes, self.into, self.out_of, self._segment_of):
                known.pop(one, None)
        self.owner = {node.name: one for one, node in self.nodes.items()}
        for link in self.links:
            link.count_anew()

    def join_again(self, stage: Stage, plan: Plan) -> None:
        """Put together what the plan has behind a stage now."""
        # By the numbers of the plan before: the plan itself may have been changed in place since.
        joint = {sink: self.joint[number] for sink, (number, _) in self._plans.items() if number in self.joint}
        self.plan = plan
        self._plans = {link.sink: (number, link) for number, link in enumerate(plan)}
        self.joint = {number: joint[sink] for sink, (number, _) in self._plans.items() if sink in joint}
        behind = self.behind(stage)
        for domain in plan.domains:
            if domain.source is stage:
                branches = domain.branches
                out = self._link(stage.name, branches[0].passing[0] if branches[0].passing else branches[0].sink)
                self.out_of[stage] = out
                segment = self._segment_of[stage]
                segment.pools[segment.stages.index(stage)] = self._plans[branches[0].sink][1].pool
                self._give_out(stage, out, segment, branches)
            elif domain.source in behind:
                self._domain(domain.source, domain.branches)
        self._sinks()

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
        return link.frames + link.carried - link.count if link is not None else 0

    def given(self, stage: Stage) -> int:
        """How many frames a stage has given."""
        link = self.out_of.get(stage)
        return link.frames if link is not None else 0
