"""Read the counters of a chain's devices, buffers and links, and tell what belongs to one run."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from zcore.graph import Graph
from zcore.negotiate import LinkPlan
from zcore.report import LinkReport, Report, StageReport
from zcore.stages.base import SinkMixin, SourceMixin, Stage
from zcore.stages.display import Display
from zcore.stages.flow import CapsFilter, MayConvert
from zcore.wiring import Wiring

IMPORTS = ("attaches", "reattaches")


class Ledger:
    """Devices and buffers count for as long as they are open; a report tells of one run.

    Some stages count from the day that they were made, some in nodes that each run has of its own: see :meth:`begin`.
    """

    def __init__(self) -> None:
        self._drops: dict[str, dict[str, int]] = {}  # by stage
        self._accesses: dict[str, dict[str, int]] = {}  # by link, of its buffers
        self._imports: dict[object, dict[str, int]] = {}  # by V4L2 queue, or by the name of a display

    def begin(self, stages: Iterable[Stage]) -> None:
        """Notice counters that began anew; to be called when the nodes of a run are made, before it moves anything."""
        for stage in stages:
            before, now = self._drops.get(stage.name, {}), stage.drops()
            self._drops[stage.name] = {reason: min(before.get(reason, 0), count) for reason, count in now.items()}

    def forget_buffers(self) -> None:
        """Count the buffers of the next plan from their beginning. What stages have counted is known still."""
        self._accesses = {}
        self._imports = {who: counts for who, counts in self._imports.items() if not isinstance(who, str)}

    def forget_devices(self) -> None:
        """Let go of devices that are closed."""
        self.forget_buffers()
        self._imports = {}

    def report(self, seconds: float, graph: Graph, wiring: Wiring) -> Report:
        """Make the report of the run that has just ended."""
        imports = self._imports_since(wiring.plan)
        links = [self._link(wiring, number, imports) for number in range(len(wiring.plan))]
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
            self._accesses.pop(link.name, None)
            self._imports.pop(link.sink.name, None)  # a display imports anew for each plan
        self.begin(stages)

    def _stage(self, stage: Stage, wiring: Wiring) -> StageReport:
        drops = _since(self._drops, stage.name, stage.drops())
        return StageReport(
            stage.name,
            stage.kind,
            stage.device,
            wiring.taken(stage),
            wiring.given(stage),
            {reason: count for reason, count in drops.items() if count},
            stage.facts(),
        )

    def _link(self, wiring: Wiring, number: int, imports: dict[object, dict[str, int]]) -> LinkReport:
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
            **_since(self._accesses, plan.name, _accesses(plan)),
            **{what: sum(imports[who][what] for who, _ in _importers(plan)) for what in IMPORTS},
        )

    def _imports_since(self, plan: Iterable[LinkPlan]) -> dict[object, dict[str, int]]:
        """Give what each device has imported since the last report; several links may share one."""
        before = self._imports
        devices = dict(one for link in plan for one in _importers(link))
        self._imports = {who: {what: getattr(one, what, 0) for what in IMPORTS} for who, one in devices.items()}
        return {
            who: {what: count - before.get(who, {}).get(what, 0) for what, count in counts.items()}
            for who, counts in self._imports.items()
        }


def _since(counted: dict[str, dict[str, int]], name: str, now: dict[str, int]) -> dict[str, int]:
    """Give what was counted since the last report under this name."""
    before = counted.get(name, {})
    counted[name] = now
    return {key: count - before.get(key, 0) for key, count in now.items()}


def _accesses(plan: LinkPlan) -> dict[str, int]:
    """Read the counters of a link's buffers."""
    pools = [pool for pool in (plan.pool, plan.copy_pool) if pool is not None]
    buffers = {id(buffer): buffer for pool in pools for slot in pool.slot_buffers for buffer in slot}.values()
    return {
        "cpu_maps": sum(buffer.accesses for buffer in buffers),
        "sync_calls": sum(buffer.sync_calls for buffer in buffers),
    }


def _importers(plan: LinkPlan) -> list[tuple[object, Any]]:
    """List what imports buffers at both ends of a link, and what it is known by."""
    assert isinstance(plan.source, SourceMixin)
    assert isinstance(plan.sink, SinkMixin)
    queues = [getattr(pad, "queue", None) for pad in (plan.source.output, plan.sink.input)]
    found: list[tuple[object, Any]] = [(queue, queue) for queue in queues if queue is not None]
    if isinstance(plan.sink, Display):
        found.append((plan.sink.name, plan.sink.scanout))
    return found
