"""The way into a chain for frames that a program has."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

from zcore._app_nodes import AppSourceNode
from zcore._chain import Link, Node
from zcore._fence import Fence
from zcore._flow import FrameQueue
from zcore._frame import Frame
from zcore._inlet import Inlet, memory_planes
from zcore._pool import Pool
from zcore.caps import Caps
from zcore.errors import ChainError, NegotiationError
from zcore.formats import Format
from zcore.stages.app_adoption import Adoption
from zcore.stages.app_content import Content, check_content, check_frame, fill
from zcore.stages.app_door import AppPad, Attempt, Door, Leaked, Over
from zcore.stages.base import LinkCaps, Pad, Sizes, SourceMixin, Stage
from zcore.stages.cpu_pads import software_caps
from zcore.stages.fences import FencePolicy
from zcore.stages.roomier import enlarged
from zcore.stages.wishes import read_wishes

LEAKY_TYPES = ("none", "upstream", "downstream")
DEFAULT_SIZE = (640, 480)
WAITING_FRAMES = 16  # for which buffers are made, whatever the limits say


class AppSource(Stage, SourceMixin):
    """A source of the frames that a program pushes.

    How am I supposed to use this? Start the chain with :meth:`zcore.Chain.start`, :meth:`push` frames from any thread,
    and call :meth:`end_of_stream`. An array or bytes are copied into a buffer of the chain. To save that copy, take an
    empty one by :meth:`acquire`, write into it, and push it. A frame of another pool is passed on without a copy where
    the stages behind can import its buffers, and is copied where they cannot; the report tells.

    Parameters
    ----------
    caps : Caps or str, optional
        What the frames are, such as ``"video/x-raw,format=NV12,width=640,height=480,framerate=30/1"``.
    format, size, rate : optional
        The same one by one, instead of `caps`. What is left out, the next stage decides.
    max_buffers, max_bytes, max_time : int
        Limits of what waits in the source, in frames, bytes and nanoseconds; 0 = none. They matter with `block` or
        `leaky_type`, and for `on_enough_data`. More than the chain has buffers can never wait.
    block : bool
        Whether :meth:`push` waits as long as a limit is reached.
    leaky_type : str
        What :meth:`push` does, instead of waiting, where a limit is reached or no buffer is free: ``none``,
        ``upstream`` (drop the new frame) or ``downstream`` (drop the oldest one that waits).
    num_buffers : int
        After how many frames to end; -1 = by :meth:`end_of_stream`.
    do_timestamp, is_live : bool
        Stamp frames that are pushed without a time with the monotonic clock.
    on_need_data : callable, optional
        Called with the source, in the chain's thread, whenever nothing waits any more; it may push what it has without
        waiting, as long as no other thread pushes.
    on_enough_data : callable, optional
        Called with the source, in the thread that pushes, when a limit is reached.
    pool : Pool, optional
        Of another chain, or made of a program's own DMA-BUFs: the only one whose frames will be pushed. The stages
        behind import its buffers when the chain is planned, so that none is copied.
    holds : int
        How many frames from :meth:`acquire` the program keeps at once.
    memory : str
        Where buffers come from: see :func:`zcore.allocate`.
    fence_timeout, fence_late, fence_error : float, str, str
        For frames that somebody else still writes: seconds they may wait; ``raise`` or ``drop`` what waited so long;
        ``flag`` (as ``corrupted``), ``drop`` or ``raise`` what the writer failed to write.
    """

    kind = "appsource"

    def __init__(
        self,
        caps: Caps | str | None = None,
        *,
        format: str | Format | None = None,
        size: tuple[int, int] | None = None,
        rate: float | Fraction | None = None,
        max_buffers: int = 0,
        max_bytes: int = 200_000,
        max_time: int = 0,
        block: bool = False,
        leaky_type: str = "none",
        num_buffers: int = -1,
        do_timestamp: bool = False,
        is_live: bool = False,
        on_need_data: Callable[[AppSource], Any] | None = None,
        on_enough_data: Callable[[AppSource], Any] | None = None,
        pool: Pool | None = None,
        holds: int = 1,
        memory: str = "auto",
        fence_timeout: float = 5.0,
        fence_late: str = "raise",
        fence_error: str = "flag",
        name: str | None = None,
    ):
        super().__init__(name)
        self.fences = self._policy = FencePolicy(fence_timeout, fence_late, fence_error)
        if leaky_type not in LEAKY_TYPES:
            raise ValueError(f"leaky_type is one of {', '.join(LEAKY_TYPES)}, not {leaky_type!r}")
        if min(max_buffers, max_bytes, max_time) < 0:
            raise ValueError("max_buffers, max_bytes and max_time are 0 (no limit) or more")
        if pool is not None:
            if caps is not None or format is not None or size is not None:
                raise ValueError("with pool its frames say what format and size are")
            format, size = pool.format, pool.size if len(pool) else None
        self.wishes = read_wishes(caps, format, size, rate)
        self.format, self.size, self.rate = self.wishes.format, self.wishes.size, self.wishes.rate
        self.max_buffers = max_buffers
        self.max_bytes = max_bytes
        self.max_time = max_time
        self.block = block
        self.leaky_type = leaky_type
        self.limit = num_buffers if num_buffers >= 0 else None
        self.do_timestamp = do_timestamp or is_live
        self.on_need_data = on_need_data
        self.on_enough_data = on_enough_data
        self._pad = AppPad(self.name, memory, 1 + holds + min(max_buffers or 2, WAITING_FRAMES), pool)
        self._door = Door(self.name, self._pad, self._make_queue, leaky_type)
        self._adoption = Adoption(self.name, pool)
        self._count = 0

    @property
    def output(self) -> AppPad:  # type: ignore[override]
        """The chain's buffers."""
        return self._pad

    def open(self) -> None:
        """Begin with frame 0."""
        self._count = 0

    def close(self) -> None:
        """Drop what waits, and let go of the buffers."""
        self._pad.reset()
        self._door.close()

    def offers(self) -> Sequence[Format] | None:
        """List the formats that were told; ``None`` = whatever the next stage takes."""
        return self.wishes.formats

    def output_sizes(self, fmt: Format) -> Sizes | None:
        """List the size that was told; ``None`` = any."""
        return self.wishes.sizes

    def present(self) -> tuple[Format, tuple[int, int]] | None:
        """Tell what was told."""
        return (self.format, self.size or DEFAULT_SIZE) if self.format is not None else None

    def set_output(self, fmt: Format, size: tuple[int, int] | None, bytesperline: int = 0) -> LinkCaps:
        """Take frames of this format and size."""
        lender = self._pad.lender
        if lender is None:
            size = self.size or size or DEFAULT_SIZE
            return self.wishes.dress(software_caps(fmt, size, bytesperline, rate=self.rate))
        planes = memory_planes(lender)
        if bytesperline not in (0, planes[0][1]):
            raise NegotiationError(f"{self.name}: rows of {lender.name} have {planes[0][1]} bytes, not {bytesperline}")
        return self.wishes.dress(LinkCaps(fmt, *lender.size, planes, lender.fourccs[0] or fmt.v4l2 or 0, self.rate))

    def linked(self, pads: Sequence[Pad]) -> None:
        """Learn which pads take the frames: they may import buffers of other pools while the chain runs.

        A pad can do that where it has a method ``adopt(pool, index)``, which imports one more slot of a pool that it
        uses already, or raises.
        """
        self._adoption.linked(pads)

    def run_begins(self) -> None:
        """Learn that a run begins; between this and its end the chain may be planned anew."""
        self._door.run_begins()

    def run_ends(self) -> None:
        """Learn that the run is over: threads that wait go on."""
        self._door.run_ends()

    def start(self) -> None:
        """Let frames through."""
        self._door.start()

    def stop(self) -> None:
        """Let threads that wait go on."""
        self._door.stop()

    def node(self, source: Link | None, sink: Link | None, frames: int) -> Node:
        """Make what the loop drives."""
        inlet = self._door.current()
        assert inlet is not None
        assert sink is not None
        return AppSourceNode(self.name, inlet, sink, frames=frames, need=self._need if self.on_need_data else None)

    def _make_queue(self) -> FrameQueue:
        if not self.block and self.leaky_type == "none":
            return FrameQueue(self.name)
        return FrameQueue(
            self.name,
            buffers=self.max_buffers,
            bytes=self.max_bytes,
            time_ns=self.max_time,
            leaky=LEAKY_TYPES.index(self.leaky_type),
        )

    def _need(self) -> None:
        self._door.loop_thread = threading.get_ident()
        try:
            assert self.on_need_data is not None
            self.on_need_data(self)
        finally:
            self._door.loop_thread = 0

    # What the program calls

    def push(
        self,
        content: Content | Frame,
        timestamp_ns: int | None = None,
        timeout: float | None = None,
        *,
        fence: Fence | int | None = None,
    ) -> bool:
        """Give the chain a frame.

        Parameters
        ----------
        content : array, sequence of arrays, bytes or Frame
            An array for each plane, of the shapes that :meth:`zcore.Frame.planes` has; or all bytes of a picture
            without padding between rows; or a coded frame's payload; or a frame: one from :meth:`acquire` is the
            chain's from then on, one of another pool stays the caller's too, and may be looked at but not written.
        timestamp_ns : int, optional
            Time of the frame; left out: a frame keeps its own, others get their place in a stream of `rate`, or the
            monotonic clock with `do_timestamp`.
        timeout : float, optional
            Seconds to wait for a free buffer, and with `block` for room; 0 = do not wait, ``None`` = as long as it
            takes, though not longer than 5 s for somebody to run the chain.
        fence : Fence or int, optional
            For a frame that somebody still writes: a sync_file that signals when it is done. It stays yours.

        Returns
        -------
        bool
            ``False`` where the chain takes no more: it was stopped, or its sinks have enough. ``True`` also for a
            frame that `leaky_type` dropped.

        Raises
        ------
        NotReadyError
            The chain is not planned, or nobody runs it and all buffers are filled.
        DeviceTimeoutError
            The time is over.
        ValueError
            The content does not fit; says what would.
        BufferError
            A view of the frame is alive.
        ChainError
            After :meth:`end_of_stream`; or a coded frame is too large, and no larger buffers are to be had.
        """
        if fence is not None:
            if not isinstance(content, Frame):
                raise ValueError(f"{self.name}: a fence is for frames, which are not copied; wait for it before")
            content.set_fence(fence)
        attempt = self._door.attempt("push", timeout)
        with self._door.my_turn(attempt):
            try:
                self._door.retried(attempt, lambda inlet: self._push(inlet, content, timestamp_ns, attempt))
            except Over:
                return False
            except Leaked:
                self._door.dropped += 1
                return True
        if self.on_enough_data is not None and self._enough():
            self.on_enough_data(self)
        return True

    def end_of_stream(self) -> None:
        """Say that no more frames come: the chain ends when those that wait have gone through.

        Raises
        ------
        NotReadyError
            The chain is not planned.
        """
        try:
            self._door.open(self._door.attempt("end_of_stream", 0)).end()
        except Over:
            return

    def acquire(self, timeout: float | None = None) -> Frame:
        """Lease an empty frame of the chain, to be filled in place and pushed; dropping it gives it back.

        Parameters
        ----------
        timeout : float, optional
            Seconds to wait for one; as for :meth:`push`.

        Raises
        ------
        NotReadyError, DeviceTimeoutError
            As for :meth:`push`.
        ChainError
            The chain takes no more, or it has only the buffers of another pool.
        """
        if self._pad.lender is not None:
            raise ChainError(f"{self.name} has no buffers of its own: it passes on those of {self._pad.lender.name}")
        attempt = self._door.attempt("acquire", timeout)
        with self._door.my_turn(attempt):
            try:
                return self._door.retried(attempt, lambda inlet: self._door.slot(inlet, attempt, leaky=False))
            except Over:
                raise ChainError(f"{self.name}: the chain takes no more frames") from None

    lease = acquire

    @property
    def current_level_buffers(self) -> int:
        """Frames that wait in the source now."""
        return self._door.levels[0]

    @property
    def current_level_bytes(self) -> int:
        """Bytes of payload that wait in the source now."""
        return self._door.levels[1]

    @property
    def current_level_time(self) -> int:
        """Nanoseconds from the first to the last frame that wait in the source now."""
        return self._door.levels[2]

    @property
    def copy_reasons(self) -> dict[str, int]:
        """Why frames of other pools were copied, and how often."""
        return dict(self._adoption.reasons)

    @property
    def idle(self) -> bool:
        """Whether the chain waits for a frame from the program: that is no failure, however long it takes."""
        return self._door.idle

    def drops(self) -> dict[str, int]:
        """Count the frames that were dropped because a limit was reached or no buffer was free."""
        inlet = self._door.inlet
        dropped = self._door.dropped + (inlet.queue.dropped if inlet is not None else 0)
        return ({f"leaky={self.leaky_type}": dropped} if dropped else {}) | self._policy.drops()

    def facts(self) -> dict[str, Any]:
        """Tell what was copied on the way in, and why frames of other pools were."""
        if (inlet := self._door.inlet) is None:
            return {}
        facts: dict[str, Any] = {"copied_frames": inlet.copied_frames, "copied_bytes": inlet.copied_bytes}
        reasons = {"copy_reasons": self.copy_reasons} if self.copy_reasons else {}
        return facts | self._policy.facts() | enlarged(inlet.pool) | reasons

    # How

    def _push(self, inlet: Inlet, content: Content | Frame, timestamp_ns: int | None, attempt: Attempt) -> None:
        if inlet.ended:
            raise ChainError(f"{self.name}: a frame was pushed after end_of_stream()")
        lender = self._pad.lender
        if not isinstance(content, Frame):
            if lender is not None:
                raise ValueError(f"{self.name} passes on frames of {lender.name} only")
            check_content(self.name, content, inlet.pool)
        elif content.pool is not inlet.pool:
            check_frame(self.name, content, inlet.pool)
        self._door.room(inlet, attempt)
        copied = 0
        if not isinstance(content, Frame):
            frame = self._door.slot(inlet, attempt)
            frame, copied = fill(frame, content, self.name)
            frame.set_meta(sequence=self._count, timestamp_ns=self._stamp())
        elif content.pool is inlet.pool:
            frame = content
            frame.set_meta(sequence=self._count)
        else:
            adopted = self._adoption.adopt(inlet, content)
            if adopted is None:
                frame = self._door.slot(inlet, attempt)
                frame, copied = fill(frame, content, self.name)
                frame.set_meta(sequence=content.sequence, timestamp_ns=content.timestamp_ns)
            else:
                frame = adopted
        frame.set_meta(timestamp_ns=timestamp_ns)
        self._door.put(inlet, frame, copied, attempt)
        self._count += 1

    def _stamp(self) -> int:
        if self.do_timestamp:
            return time.monotonic_ns()
        return int(self._count * 1_000_000_000 / self.rate) if self.rate else 0

    def _enough(self) -> bool:
        limits = self.max_buffers, self.max_bytes, self.max_time
        return any(limit and level >= limit for level, limit in zip(self._door.levels, limits, strict=True))
