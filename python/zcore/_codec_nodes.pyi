from collections.abc import Callable
from typing import final

from zcore._chain import Link
from zcore._nodes import ConvertNode
from zcore._v4l2 import Queue

@final
class CodecNode(ConvertNode):
    def __init__(
        self,
        name: str,
        output: Queue,
        capture: Queue,
        source: Link,
        sink: Link,
        *,
        changed: Callable[[str], str] | None = None,
        drop_corrupted: bool = False,
    ) -> None: ...
    def resume(self, sink: Link, changed: Callable[[str], str]) -> None: ...
    def doubt(self) -> None: ...
    def flush(self) -> None: ...
    @property
    def flushed(self) -> int: ...
    @property
    def flushes(self) -> int: ...
    @property
    def settled(self) -> int: ...
    @property
    def error(self) -> BaseException | None: ...
    @property
    def doubtful(self) -> bool: ...
    @property
    def corrupted_drops(self) -> int: ...
