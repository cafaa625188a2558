"""Read the counters of a chain's devices, buffers and links, and tell what belongs to one run."""

from __future__ import annotations

from zcore.graph import Graph
from zcore.negotiate import LinkPlan
from zcore.report import LinkReport, Report, StageReport
from zcore.stages.base import SinkMixin, SourceMixin, Stage
from zcore.stages.display import Display
from zcore.stages.flow import CapsFilter, MayConvert
from zcore.wiring import Wiring


class Ledger:
    """Devices and buffers count for as long as they are open; a report tells of one run."""

    def __init__(self) -> None:
        self._counted: dict[str, dict[str, int]] = {}

    def report(self, seconds: float, graph: Graph, wiring: Wiring) -> Report:
        """Make the report of the run that has just ended."""
        links = [self._link(wiring, number) for number in range(len(wiring.plan))]
        order = [stage for stage in graph.stages if not isinstance(stage, MayConvert | CapsFilter)]
        for stage in wiring.plan.inserted:
            follower = next(link.sink for link in wiring.plan if link.source is stage)
            order.insert(order.index(follower), stage)
        stages = [self._stage(stage, wiring) for stage in order]
        arrived = max((wiring.taken(stage) for stage in graph.sinks), default=0)
        return Report(arrived, seconds, stages, links)

    def follow(self, plan: list[LinkPlan], stages: list[Stage]) -> None:
        """Begin anew for links and stages that were set up again: their buffers are new, their devices go on counting.

        Parameters
        ----------
        plan : list of LinkPlan
            The links.
        stages : list of Stage
            The stages behind them.
        """
        for link in plan:
            before, now = self._counted.get(link.name, {}), _totals(link)
            fresh = {"cpu_maps": 0, "sync_calls": 0}
            self._counted[link.name] = {
                name: fresh.get(name, min(before.get(name, 0), count)) for name, count in now.items()
            }
        for stage in stages:
            self._counted[stage.name] = stage.drops()

    def _stage(self, stage: Stage, wiring: Wiring) -> StageReport:
        drops = self._since(stage.name, stage.drops())
        return StageReport(
            stage.name,
            stage.kind,
            stage.device,
            wiring.taken(stage),
            wiring.given(stage),
            {reason: count for reason, count in drops.items() if count},
            stage.facts(),
        )

    def _link(self, wiring: Wiring, number: int) -> LinkReport:
        plan, link = wiring.plan[number], wiring.joint[number]
        assert plan.pool is not None
        frames = link.frames
        size = sum(size for size, _ in plan.caps.memory_planes)
        elsewhere = frames * (plan.converted or bool(plan.kernel_copies))
        return LinkReport(
            source=plan.source.name,
            sink=plan.sink.name,
            caps=str(plan.caps),
            memory=plan.memory,
            allocator=plan.allocator,
            buffers=len(plan.pool),
            zero_copy=plan.zero_copy,
            frames=frames,
            copied_frames=link.copied_frames + elsewhere,
            copied_bytes=link.copied_bytes + elsewhere * size,
            reason=plan.reason or (plan.inserted if plan.converted else ""),
            rejected=list(plan.rejected),
            buffer_bytes=sum({id(one): one.size for slot in plan.pool.slot_buffers for one in slot}.values()),
            **self._since(plan.name, _totals(plan)),
        )

    def _since(self, name: str, now: dict[str, int]) -> dict[str, int]:
        """Give what was counted since the last report under this name."""
        before = self._counted.get(name, {})
        self._counted[name] = now
        return {key: count - before.get(key, 0) for key, count in now.items()}


def _totals(plan: LinkPlan) -> dict[str, int]:
    """Read the counters of a link's buffers and devices."""
    pools = [pool for pool in (plan.pool, plan.copy_pool) if pool is not None]
    buffers = {id(buffer): buffer for pool in pools for slot in pool.slot_buffers for buffer in slot}.values()
    attaches = reattaches = 0
    assert isinstance(plan.source, SourceMixin)
    assert isinstance(plan.sink, SinkMixin)
    for pad in (plan.source.output, plan.sink.input):
        queue = getattr(pad, "queue", None)
        attaches += queue.attaches if queue is not None else 0
        reattaches += queue.reattaches if queue is not None else 0
    if isinstance(plan.sink, Display):
        attaches += plan.sink.scanout.attaches
    return {
        "cpu_maps": sum(buffer.accesses for buffer in buffers),
        "sync_calls": sum(buffer.sync_calls for buffer in buffers),
        "attaches": attaches,
        "reattaches": reattaches,
    }
