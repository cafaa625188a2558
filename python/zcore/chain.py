"""A chain: stages joined, planned, and run by the native loop."""

from __future__ import annotations

import errno
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

from zcore._chain import Link, Loop, Node
from zcore._cpu_nodes import CopyNode
from zcore.errors import ChainError, StallError, make_error
from zcore.negotiate import LINK_FRAMES, LinkPlan, agree, allocate
from zcore.report import LinkReport, Report, StageReport
from zcore.stages.base import SinkMixin, SourceMixin, Stage
from zcore.stages.display import Display


class Chain:
    """Stages in a row, from a source to a sink.

    How am I supposed to use this? ``Chain(Capture(...), Convert(...), Display(...)).run(frames=300)``. A chain opens
    the stages that are not open yet, agrees on formats and memory, runs without the GIL, and closes what it opened. In
    a ``with`` block it stays open, and may be run again.

    Parameters
    ----------
    *stages : Stage
        At least a source and a sink.
    require_zero_copy : bool, optional
        Refuse to run where a link would copy; left out: ``ZCORE_REQUIRE_ZERO_COPY`` in the environment.
    """

    def __init__(self, *stages: Stage, require_zero_copy: bool | None = None):
        if len(stages) < 2:
            raise ChainError("a chain needs a source and a sink at least")
        for stage in stages:
            if not isinstance(stage, Stage):
                raise TypeError(f"{stage!r} is not a stage; give Capture, Convert, Display, TestSource, ... objects")
        for stage in stages[:-1]:
            if not isinstance(stage, SourceMixin):
                raise ChainError(f"{stage.name} gives no frames; it can only be the last stage")
        for stage in stages[1:]:
            if not isinstance(stage, SinkMixin):
                raise ChainError(f"{stage.name} takes no frames; it can only be the first stage")
        if len(set(map(id, stages))) != len(stages):
            raise ChainError("a stage stands in a chain once")
        self.stages = stages
        self.require_zero_copy = require_zero_copy
        self._plans: list[LinkPlan] = []
        self._opened: list[Stage] = []
        self._loop: Loop | None = None
        self._kept_open = False
        self._stop_asked = False
        self._thread: threading.Thread | None = None
        self._outcome: Report | BaseException | None = None
        self._counted: dict[str, dict[str, int]] = {}

    # Setting up

    def plan(self, require_zero_copy: bool | None = None) -> list[LinkPlan]:
        """Open the stages, agree on formats and memory, and set up the buffers; done by :meth:`run` where it was not.

        Returns
        -------
        list of LinkPlan
            One for each link.
        """
        if self._plans:
            return self._plans
        strict = self._strict(require_zero_copy)
        try:
            for stage in self.stages:
                if not stage.is_open:
                    self._opened.append(stage)
                    stage.open()
            plans = agree(self.stages)
            for plan in plans:
                wanted = [n for n in (getattr(plan.source, "buffers", None), getattr(plan.sink, "buffers", None)) if n]
                allocate(plan, count=max(wanted, default=None), require_zero_copy=strict)
        except BaseException:
            self.close()
            raise
        self._plans = plans
        return plans

    def _strict(self, asked: bool | None) -> bool:
        for answer in (asked, self.require_zero_copy):
            if answer is not None:
                return answer
        return os.environ.get("ZCORE_REQUIRE_ZERO_COPY", "0") not in ("", "0")

    def _build(self, frames: int) -> tuple[list[Node], list[Link], list[tuple[Node, Any]]]:
        """Make links and nodes; also which pools a sleeping node waits for."""
        nodes: list[Node] = []
        links: list[Link] = []
        pools: list[Any] = []
        incoming: Link | None = None
        for index, stage in enumerate(self.stages):
            plan = self._plans[index] if index < len(self._plans) else None
            outgoing = Link(stage.name, plan.sink.name, LINK_FRAMES) if plan is not None else None
            nodes.append(stage.node(incoming, outgoing, frames if index == 0 else -1))
            pools.append(plan.pool if plan is not None else None)
            if outgoing is not None:
                links.append(outgoing)
            incoming = outgoing
            if plan is not None and plan.copy_pool is not None:
                assert outgoing is not None
                incoming = Link(f"{plan.name} copy", plan.sink.name, LINK_FRAMES)
                nodes.append(CopyNode(f"{plan.name} copy", plan.copy_pool, outgoing, incoming))
                pools.append(plan.copy_pool)
                self._copies.append(incoming)
        return nodes, links, list(zip(nodes, pools, strict=True))

    # Running

    def run(
        self,
        frames: int | None = None,
        *,
        require_zero_copy: bool | None = None,
        stall_timeout: float | None = 10.0,
    ) -> Report:
        """Run until the source has given `frames` frames and all of them have arrived, or until it ends.

        Parameters
        ----------
        frames : int, optional
            How many the source gives; left out: until its end, or :meth:`stop`.
        require_zero_copy : bool, optional
            Refuse to run where a link would copy.
        stall_timeout : float, optional
            Seconds without any event after which the run is given up; ``None`` waits for ever, as for a camera that
            waits for a trigger.

        Returns
        -------
        Report

        Raises
        ------
        ZeroCopyError, NegotiationError
            Before the first frame, where the stages do not fit together.
        StallError
            Nothing happened for too long; says who holds the buffers.
        DeviceError
            A device failed. The exception's ``report`` tells how far the run came.
        """
        if frames is not None and frames < 0:
            raise ValueError(f"frames is 0 or more, not {frames}")
        self._stop_asked = False
        self.plan(require_zero_copy)
        self._copies: list[Link] = []
        started = time.monotonic()
        links: list[Link] = []
        nodes: list[Node] = []
        try:
            # Sinks first: a source that streams already would fill up while a display sets its mode.
            for stage in reversed(self.stages):
                stage.start()
            nodes, links, pools = self._build(-1 if frames is None else frames)
            self._last_link = links[-1]
            loop = self._loop = Loop(nodes)
            for index, (_, pool) in enumerate(pools):
                if pool is not None:
                    loop.watch_pool(index, pool.bell)
            if self._stop_asked:
                loop.stop()
            started = time.monotonic()
            with _signals() as signal_fd:
                status, failed = loop.run(1e6 if stall_timeout is None else stall_timeout, signal_fd)
            seconds = time.monotonic() - started
            if status < 0:
                raise self._failure(-status, failed, links, stall_timeout)
            for stage in self.stages:
                stage.stop()
            return self._report(seconds, nodes, links)
        except BaseException as error:
            if nodes:
                error.report = self._report(time.monotonic() - started, nodes, links)  # type: ignore[attr-defined]
            raise
        finally:
            self._finish(links)

    def _finish(self, links: list[Link]) -> None:
        """Leave nothing streaming and nothing on its way."""
        loop, self._loop = self._loop, None
        if loop is not None:
            loop.close()
        for stage in self.stages:
            if stage.is_open or stage in self._opened:
                try:
                    stage.stop()
                except OSError:  # a device that is gone cannot be stopped; close() frees what is left
                    self._kept_open = False
        for link in [*links, *self._copies]:
            link.flush()
        if not self._kept_open:
            self.close()

    def _failure(self, code: int, failed: Node | None, links: list[Link], seconds: float | None) -> BaseException:
        if failed is None and code == errno.ETIMEDOUT:
            return StallError(f"nothing happened for {seconds or 0:g} s: {self._holders(links)}")
        if failed is None:
            return make_error(code, "epoll_wait", "chain")
        raised = getattr(failed, "error", None)
        if raised is not None:
            raised.add_note(f"in stage {failed.name} of the chain")
            return raised  # type: ignore[no-any-return]
        device = next((stage.device for stage in self.stages if stage.name == failed.name), "")
        return make_error(code, failed.failed_operation, f"{failed.name} ({device})" if device else failed.name)

    def _holders(self, links: list[Link]) -> str:
        texts = []
        for plan, link in zip(self._plans, links, strict=False):
            assert plan.pool is not None
            held = ", ".join(f"{n} with {who}" for who, n in plan.pool.holders().items()) or "none in use"
            texts.append(
                f"{plan.name}: {link.frames} frames passed, {link.count} wait; of {len(plan.pool)} buffers {held}"
            )
        return "; ".join(texts)

    def start(self, frames: int | None = None, **options: Any) -> None:
        """Run in a thread of its own; :meth:`wait` gives the report."""
        if self._thread is not None:
            raise ChainError("the chain runs already")
        self.plan(options.get("require_zero_copy"))
        self._outcome = None

        def work() -> None:
            try:
                self._outcome = self.run(frames, **options)
            except BaseException as error:
                self._outcome = error

        self._thread = threading.Thread(target=work, name="zcore chain")
        self._thread.start()

    def wait(self, timeout: float | None = None) -> Report | None:
        """Wait for a chain that was started; ``None`` when it still runs after `timeout` seconds."""
        if self._thread is None:
            raise ChainError("the chain was not started")
        self._thread.join(timeout)
        if self._thread.is_alive():
            return None
        self._thread = None
        outcome = self._outcome
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    @property
    def frames_done(self) -> int:
        """How many frames the last stage has taken so far, for progress."""
        return self._last_link.frames - self._last_link.count if self._last_link is not None else 0

    _last_link: Link | None = None

    def stop(self) -> None:
        """End the run soon, from any thread or signal handler; the report is given as usual."""
        self._stop_asked = True
        loop = self._loop
        if loop is not None:
            loop.stop()

    def close(self) -> None:
        """Close the stages that the chain opened, sinks first; a second call does nothing."""
        opened, self._opened = self._opened, []
        plans, self._plans = self._plans, []
        self._counted = {}
        for stage in reversed(self.stages):
            if stage in opened:
                stage.close()
            elif stage.is_open:  # the caller's own: only what this chain set up in it goes
                for pad in {getattr(stage, "input", None), getattr(stage, "output", None)}:
                    if pad is not None:
                        pad.reset()
        for plan in plans:
            for pool in (plan.pool, plan.copy_pool):
                if pool is not None:
                    pool.close()

    def __enter__(self) -> Self:
        self._kept_open = True
        return self

    def __exit__(self, *_: object) -> None:
        self._kept_open = False
        self.close()

    # Reporting

    def _report(self, seconds: float, nodes: list[Node], links: list[Link]) -> Report:
        """Tell of this run alone: devices and buffers count for as long as they are open."""
        reports = []
        for plan, link in zip(self._plans, links, strict=False):
            reports.append(_link_report(plan, link, self._since(plan.name, _totals(plan))))
        stages = []
        for index, stage in enumerate(self.stages):
            drops = self._since(stage.name, stage.drops())
            stages.append(
                StageReport(
                    stage.name,
                    stage.kind,
                    stage.device,
                    links[index - 1].frames - links[index - 1].count if index else 0,
                    links[index].frames if index < len(links) else 0,
                    {reason: count for reason, count in drops.items() if count},
                    stage.facts(),
                )
            )
        return Report(stages[-1].frames_in, seconds, stages, reports)

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
    for pad in (getattr(plan.source, "output", None), getattr(plan.sink, "input", None)):
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


def _link_report(plan: LinkPlan, link: Link, counts: dict[str, int]) -> LinkReport:
    assert plan.pool is not None
    return LinkReport(
        source=plan.source.name,
        sink=plan.sink.name,
        caps=str(plan.caps),
        memory=plan.memory,
        allocator=plan.allocator,
        buffers=len(plan.pool),
        zero_copy=plan.zero_copy,
        frames=link.frames,
        copied_frames=link.copied_frames,
        copied_bytes=link.copied_bytes,
        reason=plan.reason,
        rejected=list(plan.rejected),
        **counts,
    )


@contextmanager
def _signals() -> Iterator[int]:
    """Make every signal wake the loop at once; -1 outside of the main thread, where Python takes no signals."""
    if threading.current_thread() is not threading.main_thread():
        yield -1
        return
    reader, writer = socket.socketpair()
    reader.setblocking(False)
    writer.setblocking(False)
    before = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
    try:
        yield reader.fileno()
    finally:
        signal.set_wakeup_fd(before)
        reader.close()
        writer.close()
