from collections.abc import Callable
from typing import final

from zcore._chain import Link, Node
from zcore._fill_nodes import FillNode
from zcore._frame import Frame
from zcore._pool import Pool

@final
class SinkNode(Node):
    def __init__(
        self,
        name: str,
        source: Link,
        *,
        process: Callable[[Frame], object] | None = None,
        pool: Pool | None = None,
        frames: int = -1,
        sync: bool = False,
        offset_ns: int = 0,
    ) -> None: ...
    @property
    def frames_in(self) -> int: ...
    @property
    def error(self) -> BaseException | None: ...

@final
class BlankNode(FillNode):
    def __init__(
        self,
        name: str,
        pool: Pool,
        sink: Link,
        *,
        frames: int = -1,
        used: int = -1,
        step_ns: int = 0,
        paced: bool = False,
        dated: bool = False,
    ) -> None: ...

@final
class IdentityNode(Node):
    def __init__(
        self,
        name: str,
        source: Link,
        sink: Link,
        pool: Pool,
        *,
        function: Callable[[Frame], object] | None = None,
        failure: BaseException | None = None,
        eos_after: int = -1,
        error_after: int = -1,
        drop_probability: float = 0,
        seed: int = 1,
        sleep_us: int = 0,
        datarate: int = 0,
        sync: bool = False,
        offset_ns: int = 0,
    ) -> None: ...
    @property
    def frames(self) -> int: ...
    @property
    def dropped(self) -> int: ...
    @property
    def refused(self) -> int: ...
    @property
    def imperfect_timestamps(self) -> int: ...
    @property
    def imperfect_sequence(self) -> int: ...
    @property
    def error(self) -> BaseException | None: ...
