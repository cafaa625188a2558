"""A chain: stages joined, planned, and run by the native loops."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from typing import Self

from zcore.allocators import check_allocator
from zcore.background import Background
from zcore.errors import ChainError, DeviceError, NegotiationError, ZeroCopyError
from zcore.following import follow
from zcore.graph import Graph
from zcore.ledger import Ledger
from zcore.negotiate import Plan, Planner
from zcore.persistence import (
    check_frames,
    check_free,
    check_fruit,
    check_stall,
    claim,
    is_strict,
    refuse_from_within,
    release,
    sinks_first,
)
from zcore.reappear import WaitEndedError
from zcore.report import Report, joined
from zcore.running import Runner
from zcore.stages.base import SinkMixin, SourceMixin, Stage
from zcore.stages.decoder_base import Decoder
from zcore.stages.flow import Passing
from zcore.wiring import Wiring


class Chain(Background):
    """Stages joined from sources to sinks.

    How am I supposed to use this? ``Chain(Capture(...), Convert(...), Display(...)).run(frames=300)``. A chain opens
    the stages that are not open yet, plans formats and memory for all of them together, runs without the GIL, and
    closes what it opened. In a ``with`` block it stays open, and may be run again.

    Parameters
    ----------
    *stages : Stage
        In a row, from a source to a sink.
    links : iterable of (Stage, Stage), optional
        Instead of a row: who gives frames to whom. A :class:`zcore.Tee` may give to several.
    require_zero_copy : bool, optional
        Refuse to run where a link would copy; left out: ``ZCORE_REQUIRE_ZERO_COPY`` in the environment.
    allocator : str or dict of str to str, optional
        Where buffers come from, instead of the first that all who see them can use: ``dmabuf`` (who gives the frames),
        ``dmabuf-import`` (who takes them), ``udmabuf``, ``dma-heap`` or ``dma-heap:NAME``. A dictionary says it for
        single stages that give frames, by their names.
    """

    def __init__(
        self,
        *stages: Stage,
        links: Iterable[tuple[Stage, Stage]] | None = None,
        require_zero_copy: bool | None = None,
        allocator: str | Mapping[str, str] | None = None,
    ):
        super().__init__()
        self.graph = Graph.of_row(stages) if links is None else Graph(stages, links)
        self._as_written = self.graph  # without stages that stand in for others
        self.require_zero_copy = require_zero_copy
        chosen = {"": allocator} if isinstance(allocator, str) else dict(allocator or {})
        self.allocators = {name: check_allocator(kind) for name, kind in chosen.items()}
        if unknown := chosen.keys() - {"", *(stage.name for stage in self.graph.stages)}:
            raise ValueError(f"allocator names stages that the chain has not: {', '.join(sorted(unknown))}")
        self._plan: Plan | None = None
        self._opened: list[Stage] = []
        self._runner: Runner | None = None
        self._wiring: Wiring | None = None
        self._taken = 0
        self._owner = 0  # the process that opened the devices
        self._kept_open = False
        self._idle = threading.Event()
        self._idle.set()
        self._run_thread: threading.Thread | None = None
        self._ledger = Ledger()
        self._recovered: Stage | None = None

    @property
    def stages(self) -> tuple[Stage, ...]:
        """All stages, in the order in which they were written."""
        return tuple(self.graph.stages)

    def __getitem__(self, name: str) -> Stage:
        """Find a stage by its name."""
        for stage in self.graph.stages:
            if stage.name == name:
                return stage
        raise KeyError(f"no stage {name!r}; there are {', '.join(stage.name for stage in self.graph.stages)}")

    # Setting up

    def plan(self, require_zero_copy: bool | None = None) -> Plan:
        """Open the stages, plan formats and memory, and set up the buffers; done by :meth:`run` where it was not.

        Returns
        -------
        Plan
            What was chosen for each link, and what was rejected and why; print it to read it.

        Raises
        ------
        ZeroCopyError, NegotiationError
            The stages do not fit together; says which link cannot and why.
        """
        check_free(self.graph.stages, self)
        strict = is_strict(require_zero_copy, self.require_zero_copy)
        if self._plan is not None:
            if self._plan.zero_copy or not strict:
                return self._plan
            self._drop_plan()  # it was made when copies were allowed
        self._owner = os.getpid()
        try:
            for stage in self.graph.stages:
                if not stage.is_open:
                    self._open(stage, strict)
            self._plan = Planner(self.graph, strict, self.allocators).plan()
        except BaseException:
            self._close()
            raise
        return self._plan

    def _open(self, stage: Stage, strict: bool) -> None:
        """Open a stage, or what may do its work where its device cannot be had."""
        self._opened.append(stage)
        try:
            stage.open()
        except (DeviceError, NegotiationError) as error:
            other = stage.stand_in(error)
            if other is None:
                raise
            if strict and other.stands_in_for:
                raise ZeroCopyError(
                    f"{stage.name} would work on the CPU, and require_zero_copy forbids it: {error}"
                ) from error
            self._opened.append(other)
            self.graph = self.graph.with_stand_in(stage, other)
            other.open()

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
        frames, stall_timeout = check_frames(frames), check_stall(stall_timeout)
        if not self._idle.is_set():
            raise ChainError("the chain runs already")
        claimed = self.graph.stages
        claim(claimed, self)
        self._idle.clear()
        self._run_thread = threading.current_thread()
        if self._run_thread is not self._thread:  # start() has done it: a stop() in between counts
            self._stop_asked = self._end_asked = False
        reports: list[Report] = []
        replanned: list[str] = []
        given: dict[Stage, int] = {}
        try:
            for stage in self.graph.stages:
                stage.run_begins()
            while True:
                wiring, why = self._stretch(reports, replanned, frames, given, require_zero_copy, stall_timeout)
                if not why or self._stop_asked:
                    return joined(reports, replanned)
                replanned.append(f"after {sum(report.frames for report in reports)} frames: {why}")
                check_fruit(reports, why)
                for source in self.graph.sources:
                    given[source] = given.get(source, 0) + wiring.given(source)
                self._drop_plan()
                recovered, self._recovered = self._recovered, None
                if recovered is not None and (news := recovered.revive()):
                    replanned[-1] += f"; {news}"
                for stage in wiring.changed():
                    if not stage.renew():
                        raise ChainError(f"{stage.name} has changed and cannot be followed")
        except WaitEndedError:
            if not ((self._stop_asked or self._end_asked) and reports):
                raise
            return joined(reports, replanned)
        except BaseException as error:
            if reports:
                error.report = joined(reports, replanned)  # type: ignore[attr-defined]
            raise
        finally:
            with ExitStack() as ending:  # backwards, and all of it, whatever fails on the way
                ending.callback(self._idle.set)
                ending.callback(release, claimed, self)
                ending.callback(setattr, self, "_run_thread", None)
                ending.callback(lambda: None if self._kept_open else self._close())
                for stage in reversed(self.graph.stages):
                    ending.callback(stage.run_ends)

    def _stretch(
        self,
        reports: list[Report],
        replanned: list[str],
        frames: int | None,
        given: dict[Stage, int],
        strict: bool | None,
        stall_timeout: float | None,
    ) -> tuple[Wiring, str]:
        """Run one plan; gives also why another one is needed, or nothing. Its report is added to the others."""
        plan = self.plan(strict)
        wiring: Wiring | None = None
        why = ""
        try:
            # Sinks first: a source that streams already would fill up while a display sets its mode.
            for stage in sinks_first(self.graph, plan):
                stage.start()
            started = time.monotonic()
            wiring = self._wiring = Wiring(plan, -1 if frames is None else frames, given)
            self._ledger.begin(sinks_first(self.graph, plan))
            try:
                self._drive(wiring, stall_timeout)
                while wiring.paused() and not self._stop_asked:
                    reports.append(self._ledger.report(time.monotonic() - started, self.graph, wiring))
                    self._follow(wiring, reports, replanned, is_strict(strict, self.require_zero_copy))
                    started = time.monotonic()
                    self._drive(wiring, stall_timeout)
            except DeviceError as error:
                failed = wiring.owner.get(self._runner.failed if self._runner is not None else "")
                if failed is None or not failed.recover():
                    raise
                self._recovered = failed
                why = f"{failed.name} failed and has changed: {error}"
            seconds = time.monotonic() - started
            for stage in sinks_first(self.graph, plan):
                stage.stop()
            if wiring.changed():
                why = f"{', '.join(stage.name for stage in wiring.changed())} has another resolution"
            reports.append(self._ledger.report(seconds, self.graph, wiring))
        except BaseException:
            if wiring is not None:
                reports.append(self._ledger.report(time.monotonic() - started, self.graph, wiring))
            raise
        finally:
            self._finish(plan, wiring)
        return wiring, why

    def _drive(self, wiring: Wiring, stall_timeout: float | None) -> None:
        runner = self._runner = Runner(wiring)
        try:
            if self._end_asked:
                runner.end()
            if self._stop_asked:
                runner.stop()
            runner.run(stall_timeout)
        finally:
            runner.close()

    def _follow(self, wiring: Wiring, reports: list[Report], replanned: list[str], strict: bool) -> None:
        """Plan anew what is behind decoders whose streams have changed."""
        for stage in wiring.paused():
            assert isinstance(stage, Decoder)
            behind = wiring.behind(stage)
            links = follow(self.graph, wiring, stage, strict)
            self._ledger.follow(links, [one for one in self.graph.stages if one in behind])
            why = f"the stream of {stage.name} is {'x'.join(map(str, stage.stream.planned.size))} now"
            replanned.append(f"after {sum(report.frames for report in reports)} frames: {why}")
            check_fruit(reports, why, stage.name)

    def _finish(self, plan: Plan, wiring: Wiring | None) -> None:
        """Leave nothing streaming and nothing on its way."""
        self._runner = None
        for stage in reversed(sinks_first(self.graph, plan)):
            if stage.is_open or stage in self._opened:
                try:
                    stage.stop()
                except OSError:  # a device that is gone cannot be stopped; close() frees what is left
                    self._kept_open = False
        if wiring is not None:
            wiring.flush()

    def _drop_plan(self) -> None:
        """Free the buffers; the stages stay open."""
        plan, self._plan = self._plan, None
        for stage in reversed(self.graph.stages):
            if isinstance(stage, SinkMixin):
                stage.input.reset()
            if isinstance(stage, SourceMixin):
                stage.output.reset()
        if plan is not None:
            plan.close()
        self._ledger.forget_buffers()

    @property
    def frames_done(self) -> int:
        """How many frames the last stage has taken so far, for progress."""
        wiring = self._wiring
        return wiring.taken(self.graph.sinks[-1]) if wiring is not None else self._taken

    def stop(self) -> None:
        """End the run soon, from any thread or signal handler; the report is given as usual."""
        self._stop_asked = True
        runner = self._runner
        if runner is not None:
            runner.stop()
        for stage in self.graph.stages:
            stage.interrupt()

    def end_of_stream(self) -> None:
        """Let the sources give no more, from any thread or signal handler; what is on its way, and in codecs, arrives.

        Nothing is lost as with :meth:`stop`, which may still be called where a stage takes too long.
        """
        self._end_asked = True
        runner = self._runner
        if runner is not None:
            runner.end()
        for stage in self.graph.stages:
            stage.interrupt()

    def close(self) -> None:
        """Close the stages that the chain opened, sinks first; a chain that runs is stopped. Twice does no harm.

        In a process that was forked meanwhile it does nothing: the devices go on for the one that opened them.

        Raises
        ------
        ChainError
            It was called from within the run; call :meth:`stop` there.
        """
        if self._owner not in (0, os.getpid()):
            return
        while not self._idle.is_set():
            refuse_from_within("closed", self._own_threads())
            self.stop()
            self._idle.wait(0.1)
        self._close()

    def _own_threads(self) -> set[threading.Thread | None]:
        runner = self._runner
        return {self._run_thread, *(runner.threads if runner is not None else ())}

    def _close(self) -> None:
        opened, self._opened = self._opened, []
        plan, self._plan = self._plan, None
        self._taken, self._wiring = self.frames_done, None  # its nodes hold buffers
        self._ledger.forget_devices()
        for stage in reversed(self.graph.stages):
            if stage in opened or isinstance(stage, Passing):
                stage.close()
            elif stage.is_open:  # the caller's own: only what this chain set up in it goes
                if isinstance(stage, SinkMixin):
                    stage.input.reset()
                if isinstance(stage, SourceMixin):
                    stage.output.reset()
        if plan is not None:
            plan.close()
        self.graph = self._as_written  # the next time there may be a device

    def __enter__(self) -> Self:
        self._kept_open = True
        return self

    def __exit__(self, *_: object) -> None:
        self._kept_open = False
        self.close()
