"""The way out of a chain to a program."""

from __future__ import annotations

import errno
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from zcore._app_nodes import AppSinkNode, Outlet
from zcore._chain import Link, Node
from zcore._end_nodes import SinkNode
from zcore._flow import FrameQueue
from zcore._frame import Frame
from zcore.caps import Caps
from zcore.errors import make_error
from zcore.formats import Format
from zcore.stages.base import LinkCaps, SinkMixin, Sizes, Stage
from zcore.stages.cpu_pads import ReadPad
from zcore.stages.wishes import read_wishes

QUEUE_FRAMES = 64  # what the native queue can hold
DROPPING_FRAMES = 16  # that wait at most in a sink that drops: a device must have buffers left to fill
WAITING_FRAMES = 4  # for which buffers are made in one that does not
START_PATIENCE = 5.0  # seconds to wait for somebody to run the chain


class AppSink(Stage, SinkMixin):
    """A sink whose frames a program pulls.

    How am I supposed to use this? Start the chain with :meth:`zcore.Chain.start`, then ``for frame in sink: ...`` in
    any thread, or :meth:`pull`. A frame is the chain's own buffer, on loan: it goes back when nobody holds it, nor
    any array over it, any more. As long as frames are held the chain can be short of buffers; tell it by `holds` how
    many are held at once.

    Parameters
    ----------
    caps : Caps or str, optional
        What to ask for, such as ``"video/x-raw,format=NV12"``.
    format, size : optional
        The same one by one, instead of `caps`. What is left out may be anything.
    max_buffers : int
        How many frames wait to be pulled until the chain waits, or drops; 0 = as many as it has buffers. With `drop`
        16 is the most.
    drop : bool
        Whether a frame that finds the sink full takes the place of the oldest one that waits. Otherwise the chain
        waits, and a camera in it drops the frames for which it has no buffer.
    holds : int
        How many frames the program holds at once.
    sync : bool
        Whether frames wait for their time: see :class:`zcore.Callback`.
    ts_offset : int
        With `sync`: nanoseconds by which frames are given later.
    on_frame : callable, optional
        Called with each frame in the chain's thread, instead of letting it wait to be pulled; GStreamer's signal
        ``new-sample``.
    """

    kind = "appsink"

    def __init__(
        self,
        caps: Caps | str | None = None,
        *,
        format: str | Format | None = None,
        size: tuple[int, int] | None = None,
        max_buffers: int = 0,
        drop: bool = False,
        holds: int = 1,
        sync: bool = False,
        ts_offset: int = 0,
        on_frame: Callable[[Frame], Any] | None = None,
        name: str | None = None,
    ):
        super().__init__(name)
        if max_buffers < 0:
            raise ValueError(f"max_buffers is 0 (as many as there are) or more, not {max_buffers}")
        if holds < 1:
            raise ValueError(f"holds is 1 or more, not {holds}")
        self.wishes = read_wishes(caps, format, size)
        self.format, self.size = self.wishes.format, self.wishes.size
        self.max_buffers = max_buffers
        self.drop = drop
        self.sync = sync
        self.ts_offset = ts_offset
        self.on_frame = on_frame
        most = DROPPING_FRAMES if drop and max_buffers else QUEUE_FRAMES
        waiting = min(max_buffers or 2, most if drop else WAITING_FRAMES)
        self._pad = ReadPad(self.name, holds=holds + (0 if on_frame is not None else waiting))
        self._capacity = min(max_buffers or most, most)
        self._queue = FrameQueue(self.name, buffers=self._capacity, leaky=2 if drop else 0)
        self._outlet = Outlet(self.name, self._queue)
        self._turn = threading.Lock()  # one thread waits for the next frame
        self._managed = False  # somebody tells when a run begins and ends
        self._running = False

    @property
    def input(self) -> ReadPad:  # type: ignore[override]
        """Memory that it hands out."""
        return self._pad

    # What the chain calls

    def open(self) -> None:
        """Drop what nobody has pulled of the run before: its buffers would be in the way of new ones."""
        if self._outlet.ended:
            self._queue.flush()

    def close(self) -> None:
        """Let go of the buffers; frames that wait can still be pulled."""
        self._pad.reset()

    def accepts(self) -> Sequence[Format] | None:
        """List the formats that were asked for; ``None`` = any."""
        return self.wishes.formats

    def input_sizes(self, fmt: Format) -> Sizes | None:
        """List the size that was asked for; ``None`` = any."""
        return self.wishes.sizes

    def set_input(self, caps: LinkCaps) -> LinkCaps:
        """Take what comes."""
        return caps

    def run_begins(self) -> None:
        """Learn that a run begins; between this and its end the chain may be planned anew."""
        self._managed = self._running = True
        if self._outlet.ended:
            self._queue.flush()
            self._outlet.renew()

    def run_ends(self) -> None:
        """Learn that the run is over: no more frames come."""
        self._running = False
        self._outlet.end()

    def start(self) -> None:
        """Let frames in."""
        if not self._managed:
            self.run_begins()
            self._managed = False

    def stop(self) -> None:
        """Let threads that wait go on."""
        if not self._managed and self._running:
            self.run_ends()

    def node(self, source: Link | None, sink: Link | None, frames: int) -> Node:
        """Make what the loop drives."""
        assert source is not None
        if self.on_frame is not None:
            return SinkNode(
                self.name, source, process=self.on_frame, pool=self._pad.pool, sync=self.sync, offset_ns=self.ts_offset
            )
        return AppSinkNode(self.name, self._outlet, source, sync=self.sync, offset_ns=self.ts_offset)

    # What the program calls

    def pull(self, timeout: float | None = None) -> Frame | None:
        """Wait for the next frame.

        Parameters
        ----------
        timeout : float, optional
            Seconds; ``None`` = as long as the chain runs, though not longer than 5 s for somebody to run it.

        Returns
        -------
        Frame or None
            ``None`` when the chain has ended and all its frames were pulled.

        Raises
        ------
        DeviceTimeoutError
            The time is over.
        NotReadyError
            Nobody runs the chain.
        """
        if self.on_frame is not None:
            raise ValueError(f"{self.name} gives its frames to on_frame; there are none to pull")
        deadline = None if timeout is None else time.monotonic() + timeout
        if not self._turn.acquire(timeout=-1 if timeout is None else max(0.0, timeout)):
            raise make_error(errno.ETIMEDOUT, "pull", self.name, "another thread waits for the next frame")
        try:
            patience = time.monotonic() + START_PATIENCE
            while True:
                frame = self._outlet.take()
                if frame is None and self._outlet.ended:
                    return self._outlet.take()  # what came just before the end
                if frame is not None:
                    return frame
                now = time.monotonic()
                if deadline is not None and now >= deadline:
                    raise make_error(errno.ETIMEDOUT, "pull", self.name, "no frame came")
                until = [] if deadline is None else [deadline]
                if not self._running:
                    if now >= patience:
                        raise make_error(errno.EAGAIN, "pull", self.name, "nobody runs the chain", "chain.start()")
                    until.append(patience)
                self._outlet.wait(min(until, default=now + 1e5) - now)
        finally:
            self._turn.release()

    def try_pull(self, timeout: float = 0.0) -> Frame | None:
        """Give the next frame, or ``None`` where none came in time or the chain has ended."""
        try:
            return self.pull(timeout)
        except (TimeoutError, BlockingIOError):
            return None

    def __iter__(self) -> Iterator[Frame]:
        """Go over the frames until the chain ends."""
        return self

    def __next__(self) -> Frame:
        """Wait for the next frame."""
        frame = self.pull()
        if frame is None:
            raise StopIteration
        return frame

    def flush(self) -> int:
        """Drop the frames that wait; gives their number."""
        return self._queue.flush()

    @property
    def is_eos(self) -> bool:
        """Whether the chain has ended and all its frames were pulled."""
        return self._outlet.ended and not self.current_level_buffers

    @property
    def idle(self) -> bool:
        """Whether the chain waits for the program to pull: that is no failure, however long it takes."""
        return self._running and self.current_level_buffers >= self._capacity

    @property
    def current_level_buffers(self) -> int:
        """Frames that wait to be pulled now."""
        return self._queue.levels[0]

    @property
    def current_level_bytes(self) -> int:
        """Bytes of payload that wait to be pulled now."""
        return self._queue.levels[1]

    @property
    def current_level_time(self) -> int:
        """Nanoseconds from the first to the last frame that wait to be pulled now."""
        return self._queue.levels[2]

    def drops(self) -> dict[str, int]:
        """Count the frames that gave way to newer ones."""
        return {"drop": self._queue.dropped} if self._queue.dropped else {}

    def facts(self) -> dict[str, Any]:
        """Give the most frames that ever waited."""
        return {"high_water": self._queue.high_water}
