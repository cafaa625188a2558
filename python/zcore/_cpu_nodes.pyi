from collections.abc import Callable
from typing import final

from zcore._chain import Link, Node
from zcore._frame import Frame
from zcore._pool import Pool

@final
class CopyNode(Node):
    def __init__(
        self, name: str, pool: Pool, source: Link, sink: Link, *, enlarge: Callable[[Frame, int], Frame] | None = None
    ) -> None: ...
    @property
    def frames(self) -> int: ...
    @property
    def error(self) -> BaseException | None: ...

@final
class PythonNode(Node):
    def __init__(
        self,
        name: str,
        process: Callable[..., object],
        source: Link | None,
        sink: Link | None,
        *,
        pool: Pool | None = None,
        input_pool: Pool | None = None,
        frames: int = -1,
        interval_ns: int = 0,
    ) -> None: ...
    @property
    def frames_in(self) -> int: ...
    @property
    def frames_out(self) -> int: ...
    @property
    def error(self) -> BaseException | None: ...
