from collections.abc import Callable, Iterable
from typing import final

from zcore._chain import Link, Node
from zcore._frame import Frame
from zcore._pool import Pool

@final
class FrameQueue:
    def __init__(
        self,
        name: str,
        *,
        buffers: int = 0,
        bytes: int = 0,
        time_ns: int = 0,
        threshold_buffers: int = 0,
        threshold_bytes: int = 0,
        threshold_time_ns: int = 0,
        leaky: int = 0,
        flush_on_eos: bool = False,
        pools: tuple[Pool, ...] = (),
    ) -> None: ...
    @property
    def name(self) -> str: ...
    @property
    def frames(self) -> int: ...
    @property
    def dropped(self) -> int: ...
    @property
    def high_water(self) -> int: ...
    @property
    def levels(self) -> tuple[int, int, int]: ...
    def flush(self) -> int: ...

@final
class QueueInNode(Node):
    def __init__(self, name: str, queue: FrameQueue, source: Link) -> None: ...

@final
class QueueOutNode(Node):
    def __init__(self, name: str, queue: FrameQueue, sink: Link) -> None: ...

@final
class TeeNode(Node):
    def __init__(self, name: str, source: Link, sinks: Iterable[Link]) -> None: ...
    @property
    def sinks(self) -> tuple[Link, ...]: ...

@final
class PassNode(Node):
    def __init__(
        self, name: str, function: Callable[[Frame], object], source: Link, sink: Link, pool: Pool
    ) -> None: ...
    @property
    def dropped(self) -> int: ...
    @property
    def error(self) -> BaseException | None: ...
