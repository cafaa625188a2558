"""Who may hand a frame to a running chain, and how long they wait for that."""

from __future__ import annotations

import errno
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from zcore._flow import FrameQueue
from zcore._frame import Frame
from zcore._inlet import Inlet, mirror, reserve
from zcore._pool import Pool
from zcore.errors import NegotiationError, make_error
from zcore.stages.base import LinkCaps, make_pool
from zcore.stages.cpu_pads import MemoryPad

T = TypeVar("T")

START_PATIENCE = 5.0  # seconds to wait for somebody to run the chain


class Over(Exception):
    """The chain takes no more."""


class Leaked(Exception):
    """The new frame is dropped."""


class Replanned(Exception):
    """The chain has other buffers now."""


@dataclass
class Attempt:
    """What a thread waits for, and how long."""

    operation: str
    deadline: float | None
    stops: int  # runs that had ended when it began
    patience: float | None = None  # when it stops waiting for somebody to run the chain


class AppPad(MemoryPad):
    """The end of a link at an :class:`AppSource`.

    Parameters
    ----------
    lender : Pool, optional
        Whose frames will be pushed: its buffers are offered in the place of own ones.
    """

    def __init__(self, name: str, memory: str, holds: int, lender: Pool | None):
        super().__init__(name, memory, holds)
        self.lender = lender
        self.on_reset: Callable[[], None] | None = None

    def roles(self) -> set[str]:
        """Tell what it can do; buffers of a lender can only be offered."""
        return {"export"} if self.lender is not None else super().roles()

    def allocate(self, caps: LinkCaps, count: int, *, export: bool) -> Pool:
        """Allocate buffers, or offer the lender's."""
        if self.lender is None:
            return super().allocate(caps, count, export=export)
        pool = make_pool(self.name, self.lender.allocator, caps, owner=self.lender, writable=False)
        if pool.components != self.lender.components:
            raise NegotiationError(
                f"{self.name}: planes of {self.lender.name} lie at {self.lender.components}, not at {pool.components}"
            )
        mirror(self.lender, pool)
        self.pool = pool
        return pool

    def reset(self) -> None:
        """Let go of the buffers."""
        super().reset()
        if self.on_reset is not None:
            self.on_reset()


class Door:
    """The threads' side of an inlet: one of them at a time pushes, and the others wait for their turn.

    Parameters
    ----------
    name : str
        For messages.
    pad : AppPad
        Whose buffers are filled.
    make_queue : callable
        Makes the queue in which filled ones wait.
    leaky_type : str
        ``none``, ``upstream`` or ``downstream``.
    """

    def __init__(self, name: str, pad: AppPad, make_queue: Callable[[], FrameQueue], leaky_type: str):
        self.name = name
        self.pad = pad
        self.leaky_type = leaky_type
        self.inlet: Inlet | None = None
        self.dropped = 0
        self.loop_thread = 0  # the one that is in on_need_data now
        self._make_queue = make_queue
        self._turn = threading.Lock()
        self._making = threading.Lock()
        self._planned = threading.Event()
        self._managed = False  # somebody tells when a run begins and ends
        self._running = False
        self._stops = 0
        pad.on_reset = self.wake

    # What the chain does

    def run_begins(self) -> None:
        """Learn that a run begins; between this and its end the chain may be planned anew."""
        self._managed = self._running = True

    def run_ends(self) -> None:
        """Learn that the run is over: threads that wait go on."""
        self._running = False
        self._stops += 1
        if self.inlet is not None:
            self.inlet.renew()
        self.wake()

    def start(self) -> None:
        """Let frames through."""
        if not self._managed:
            self.run_begins()
            self._managed = False
        self.current()
        self.wake()

    def stop(self) -> None:
        """End the run, where nobody tells when it ends."""
        if not self._managed and self._running:
            self.run_ends()

    @property
    def levels(self) -> tuple[int, int, int]:
        """Give the frames, the bytes and the nanoseconds that wait."""
        return self.inlet.queue.levels if self.inlet is not None else (0, 0, 0)

    @property
    def idle(self) -> bool:
        """Whether the chain waits for the program."""
        inlet = self.inlet
        return self._running and inlet is not None and not inlet.ended and not inlet.queue.levels[0]

    def close(self) -> None:
        """Drop what waits."""
        inlet, self.inlet = self.inlet, None
        if inlet is not None:
            inlet.queue.flush()
            self.dropped += inlet.queue.dropped

    def wake(self) -> None:
        """Let threads that wait look around."""
        self._planned.set()
        if self.inlet is not None:
            self.inlet.wake()

    def current(self) -> Inlet | None:
        """Give the way into the chain, a new one where that was planned anew; ``None`` where there is no plan."""
        with self._making:
            pool, old = self.pad.pool, self.inlet
            if pool is None or (old is not None and old.pool is pool):
                return old if pool is not None else None
            inlet = Inlet(self.name, pool, self._make_queue())
            if self.pad.lender is not None:
                reserve(inlet, self.pad.lender)
            if old is not None:
                self.dropped += old.queue.flush() + old.queue.dropped
                if old.ended:
                    inlet.end()
            self.inlet = inlet
            return inlet

    # What the threads do

    def attempt(self, operation: str, timeout: float | None) -> Attempt:
        """Begin something that may have to wait."""
        return Attempt(operation, None if timeout is None else time.monotonic() + timeout, self._stops)

    @contextmanager
    def my_turn(self, attempt: Attempt) -> Iterator[None]:
        """Keep other threads out."""
        if self.loop_thread == threading.get_ident():
            taken = self._turn.acquire(blocking=False)
        else:
            left = -1.0 if attempt.deadline is None else max(0.0, attempt.deadline - time.monotonic())
            taken = self._turn.acquire(timeout=left)
        if not taken:
            raise make_error(errno.ETIMEDOUT, attempt.operation, self.name, "another thread pushes, and waits")
        try:
            yield
        finally:
            self._turn.release()

    def retried(self, attempt: Attempt, work: Callable[[Inlet], T]) -> T:
        """Do something with the inlet, and again where the chain was planned anew meanwhile."""
        while True:
            try:
                return work(self.open(attempt))
            except Replanned:
                continue

    def open(self, attempt: Attempt) -> Inlet:
        """Give the inlet.

        Raises
        ------
        Over
            The chain takes no more.
        NotReadyError
            There is no plan.
        """
        while True:
            self._planned.clear()
            inlet = self.current()
            if self._stops != attempt.stops or (inlet is not None and inlet.refused):
                raise Over
            if inlet is not None:
                return inlet
            if not self._running:
                if self._stops:
                    raise Over
                raise make_error(
                    errno.EAGAIN, attempt.operation, self.name, "nobody knows yet what the frames are",
                    "plan or start the chain first: chain.plan(), chain.start()",
                )  # fmt: skip
            left = None if attempt.deadline is None else attempt.deadline - time.monotonic()
            if left is not None and left <= 0:
                raise make_error(errno.ETIMEDOUT, attempt.operation, self.name, "the chain is being planned anew")
            self._planned.wait(left)

    def slot(self, inlet: Inlet, attempt: Attempt, *, leaky: bool = True) -> Frame:
        """Lease a free buffer."""
        frame = inlet.take()
        while frame is None:
            if leaky and self.leaky_type == "upstream":
                raise Leaked
            if leaky and self.leaky_type == "downstream" and inlet.drop_oldest():
                frame = inlet.take()
            else:
                frame = self._wait(inlet, inlet.wait_for_slot, attempt)
        return frame

    def room(self, inlet: Inlet, attempt: Attempt) -> None:
        """Wait with `block` until no limit is reached."""
        if self.leaky_type == "upstream" and inlet.full:
            raise Leaked
        while self.leaky_type == "none" and inlet.full:
            self._wait(inlet, inlet.wait_for_room, attempt)

    def put(self, inlet: Inlet, frame: Frame, copied: int, attempt: Attempt) -> None:
        """Queue a frame; where no limit is set, the queue still has one."""
        while not inlet.put(frame, copied):
            self._wait(inlet, inlet.wait_for_room, attempt)

    def _wait(self, inlet: Inlet, wait: Callable[[float], T | None], attempt: Attempt) -> T | None:
        """Wait once: for what is asked for, the start, the end, or the deadline."""
        if self.loop_thread == threading.get_ident():
            raise make_error(
                errno.EAGAIN, attempt.operation, self.name, "on_need_data cannot wait, because the loop waits for it"
            )
        now = time.monotonic()
        if attempt.deadline is not None and now >= attempt.deadline:
            raise make_error(errno.ETIMEDOUT, attempt.operation, self.name, inlet.pool.starvation())
        until = [] if attempt.deadline is None else [attempt.deadline]
        if not self._running:
            attempt.patience = attempt.patience or now + START_PATIENCE
            until.append(attempt.patience)
            if now >= attempt.patience and self._stops:
                raise Over
            if now >= attempt.patience:
                raise make_error(
                    errno.EAGAIN, attempt.operation, self.name, f"nobody runs the chain, and {inlet.pool.starvation()}",
                    "start the chain before more is pushed than it has buffers for",
                )  # fmt: skip
        got = wait(min(until, default=now + 1e5) - now)
        if got is None:
            if self._stops != attempt.stops or inlet.refused:
                raise Over
            if self.pad.pool is not inlet.pool:
                raise Replanned
        return got
