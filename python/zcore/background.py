"""Run a chain in a thread of its own, and wait for it."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from typing import Any

from zcore.errors import ChainError
from zcore.graph import Graph
from zcore.persistence import check_frames, refuse_from_within
from zcore.report import Report


class Background(ABC):
    """The half of a chain that is about its thread."""

    graph: Graph

    def __init__(self) -> None:
        self._stop_asked = self._end_asked = False
        self._thread: threading.Thread | None = None
        self._ended = threading.Event()
        self._outcome: Report | BaseException | None = None

    @abstractmethod
    def plan(self, require_zero_copy: bool | None = None) -> Any:
        """Open and plan."""

    @abstractmethod
    def run(
        self,
        frames: int | None = None,
        *,
        require_zero_copy: bool | None = None,
        stall_timeout: float | None = 10.0,
    ) -> Report:
        """Run to the end."""

    @abstractmethod
    def _own_threads(self) -> set[threading.Thread | None]:
        """Give the threads that drive the chain."""

    def start(self, frames: int | None = None, **options: Any) -> None:
        """Run in a thread of its own; :meth:`wait` gives the report.

        A program does not end before its chain: stop it, or use ``with``, which does so after an exception too.
        """
        if self._thread is not None:
            raise ChainError("the chain runs already")
        check_frames(frames)
        self._stop_asked = self._end_asked = False
        self.plan(options.get("require_zero_copy"))
        for stage in self.graph.stages:
            stage.run_begins()
        self._outcome = None

        def work() -> None:
            try:
                self._outcome = self.run(frames, **options)
            except BaseException as error:
                self._outcome = error
            finally:
                ended.set()

        ended = self._ended = threading.Event()
        self._thread = threading.Thread(target=work, name="zcore chain")
        self._thread.start()

    def wait(self, timeout: float | None = None) -> Report | None:
        """Wait for a chain that was started; ``None`` when it still runs after `timeout` seconds."""
        thread = self._thread
        if thread is None:
            raise ChainError("the chain was not started")
        refuse_from_within("waited for", self._own_threads())
        if not self._ended.wait(timeout):  # unlike join() it can be interrupted and called again
            return None
        thread.join()
        if self._thread is not thread:
            raise ChainError("another thread has waited for this run, and has its report")
        self._thread = None
        outcome, self._outcome = self._outcome, None
        if isinstance(outcome, BaseException):
            try:
                raise outcome
            finally:
                del outcome  # or it would hold itself; see Runner.run()
        return outcome
