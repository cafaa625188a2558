from collections.abc import Callable
from typing import final

from zcore._chain import Link
from zcore._coded_nodes import CodedNode
from zcore._v4l2 import Queue

@final
class CodecNode(CodedNode):
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
    def empty(self) -> None: ...
    @property
    def doubtful(self) -> bool: ...
