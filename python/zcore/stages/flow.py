"""Stages that leave frames as they are: branches, queues between threads, filters, and a look at what passes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from zcore._chain import Link, Node
from zcore._flow import FrameQueue, PassNode, QueueInNode, QueueOutNode, TeeNode
from zcore._frame import Frame
from zcore._pool import Pool
from zcore.caps import Caps
from zcore.caps.video import check
from zcore.stages.base import Stage

LEAKY = ("no", "upstream", "downstream")
QUEUE_FRAMES = 64  # what the native queue can hold at most


class Passing(Stage):
    """A stage that hands on the very frames that come: it agrees on nothing and has no buffers of its own."""

    def open(self) -> None:
        """Nothing to open."""

    def close(self) -> None:
        """Nothing to close."""

    @property
    def is_open(self) -> bool:
        """Whether it is open; it always is."""
        return True

    def node(self, source: Link | None, sink: Link | None, frames: int) -> Node:
        """Make what the loop drives; only some have anything to drive."""
        raise NotImplementedError(f"{self.kind} is no node of its own")


class CapsFilter(Passing):
    """Let only frames of these caps pass: it decides what the stages before and behind it agree on.

    Parameters
    ----------
    caps : Caps or str
        Such as ``"video/x-raw(memory:DMABuf),format=NV12,width=1280,height=720"``.
    """

    kind = "capsfilter"

    def __init__(self, caps: Caps | str, name: str | None = None):
        super().__init__(name)
        self.caps = Caps.parse(caps) if isinstance(caps, str) else caps
        check(self.caps)

    def __repr__(self) -> str:
        return f"<CapsFilter {self.name} {self.caps}>"


class MayConvert(Passing):
    """Say where frames may be converted on the CPU: it happens here if it must happen, and costs nothing if not.

    Filters before it hold for what comes in, filters behind it for what goes out.

    Parameters
    ----------
    **options
        For the :class:`zcore.SoftwareConvert` that takes its place.
    """

    kind = "mayconvert"

    def __init__(self, name: str | None = None, **options: Any):
        super().__init__(name)
        self.options = options


class Tee(Passing):
    """Give every frame to several stages. No pixel is copied; the slowest branch without a queue sets the pace."""

    kind = "tee"

    def make_node(self, source: Link, sinks: list[Link]) -> Node:
        """Make what the loop drives."""
        return TeeNode(self.name, source, sinks)


class Passthrough(Passing):
    """Show each frame to a function, and hand it on.

    Parameters
    ----------
    function : callable, optional
        Called with each :class:`zcore.Frame`; where it gives False, the frame is dropped.
    """

    kind = "passthrough"

    def __init__(self, function: Callable[[Frame], Any] | None = None, name: str | None = None):
        super().__init__(name)
        self.function = function
        self._node: PassNode | None = None
        self._refused = 0

    def make_node(self, source: Link, sink: Link, pool: Pool) -> Node:
        """Make what the loop drives."""
        assert self.function is not None
        self._node = PassNode(self.name, self.function, source, sink, pool)
        return self._node

    def close(self) -> None:
        """Let go of the buffers."""
        if self._node is not None:
            self._refused, self._node = self._node.dropped, None

    def drops(self) -> dict[str, int]:
        """Count the frames that the function refused."""
        count = self._node.dropped if self._node is not None else self._refused
        return {"refused": count} if count else {}


class Queue(Passing):
    """A bounded queue; what comes behind it runs in a thread of its own.

    It is full as soon as one of its limits is reached. Frames that wait keep buffers of the stage that gave them, so
    the plan makes room for them: see :attr:`share`.

    Parameters
    ----------
    max_size_buffers, max_size_bytes, max_size_time : int
        Limits in frames, bytes and nanoseconds; 0 = none. The names and defaults are GStreamer's.
    min_threshold_buffers, min_threshold_bytes, min_threshold_time : int
        It gives nothing as long as it holds less than this, until the end.
    leaky : str
        What happens to a frame that finds it full: ``no``, it waits; ``upstream``, it is dropped; ``downstream``, the
        oldest one is dropped for it.
    silent : bool
        Of no effect: there are no signals to silence.
    flush_on_eos : bool
        Whether the end drops what still waits.
    """

    kind = "queue"

    def __init__(
        self,
        max_size_buffers: int = 200,
        max_size_bytes: int = 10 * 1024 * 1024,
        max_size_time: int = 1_000_000_000,
        *,
        min_threshold_buffers: int = 0,
        min_threshold_bytes: int = 0,
        min_threshold_time: int = 0,
        leaky: str = "no",
        silent: bool = False,
        flush_on_eos: bool = False,
        name: str | None = None,
    ):
        super().__init__(name)
        if leaky not in LEAKY:
            raise ValueError(f"leaky is one of {', '.join(LEAKY)}, not {leaky!r}")
        for limit in (max_size_buffers, max_size_bytes, max_size_time):
            if limit < 0:
                raise ValueError(f"the limits of a queue are 0 (none) or more, not {limit}")
        self.max_size_buffers = max_size_buffers
        self.max_size_bytes = max_size_bytes
        self.max_size_time = max_size_time
        self.min_threshold_buffers = min_threshold_buffers
        self.min_threshold_bytes = min_threshold_bytes
        self.min_threshold_time = min_threshold_time
        self.leaky = leaky
        self.silent = silent
        self.flush_on_eos = flush_on_eos
        self.share: int | None = None
        """Frames that the plan lets it hold; ``None`` before there is a plan."""
        self._queue: FrameQueue | None = None

    def wanted_share(self, frame_bytes: int, rate: float | None) -> int:
        """Tell how many frames its limits amount to."""
        limits = [QUEUE_FRAMES]
        if self.max_size_buffers:
            limits.append(self.max_size_buffers)
        if self.max_size_bytes and frame_bytes:
            limits.append(-(-self.max_size_bytes // frame_bytes))
        if self.max_size_time and rate:
            limits.append(int(self.max_size_time * rate / 1e9) + 1)
        return max(1, min(limits))

    def make_nodes(self, source: Link, sink: Link, pools: tuple[Pool, ...]) -> tuple[Node, Node]:
        """Make what the loops on both sides of it drive."""
        limit = min(self.max_size_buffers or QUEUE_FRAMES, self.share or QUEUE_FRAMES)
        self._queue = FrameQueue(
            self.name,
            buffers=limit,
            bytes=self.max_size_bytes,
            time_ns=self.max_size_time,
            threshold_buffers=self.min_threshold_buffers,
            threshold_bytes=self.min_threshold_bytes,
            threshold_time_ns=self.min_threshold_time,
            leaky=LEAKY.index(self.leaky),
            flush_on_eos=self.flush_on_eos,
            pools=pools,
        )
        return QueueInNode(self.name, self._queue, source), QueueOutNode(self.name, self._queue, sink)

    def close(self) -> None:
        """Let go of the buffers."""
        self._queue = None

    def flush(self) -> int:
        """Drop what waits in it; gives the number of frames."""
        return self._queue.flush() if self._queue is not None else 0

    @property
    def current_level_buffers(self) -> int:
        """Frames that wait in it now."""
        return self._queue.levels[0] if self._queue is not None else 0

    @property
    def current_level_bytes(self) -> int:
        """Bytes of payload that wait in it now."""
        return self._queue.levels[1] if self._queue is not None else 0

    @property
    def current_level_time(self) -> int:
        """Nanoseconds from the first to the last frame that wait in it now."""
        return self._queue.levels[2] if self._queue is not None else 0

    def drops(self) -> dict[str, int]:
        """Count the frames that it dropped because it was full."""
        return {f"leaky={self.leaky}": self._queue.dropped} if self._queue is not None and self._queue.dropped else {}

    def facts(self) -> dict[str, Any]:
        """Give the most frames that it ever held."""
        return {"high_water": self._queue.high_water} if self._queue is not None else {}
