from collections.abc import Callable

from typing_extensions import disjoint_base

from zcore._chain import Link
from zcore._nodes import ConvertNode
from zcore._v4l2 import Queue

@disjoint_base
class CodedNode(ConvertNode):
    def __init__(
        self,
        name: str,
        output: Queue,
        capture: Queue,
        source: Link,
        sink: Link,
        *,
        changed: Callable[..., str] | None = None,
        drop_corrupted: bool = False,
    ) -> None: ...
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
    def corrupted_drops(self) -> int: ...
