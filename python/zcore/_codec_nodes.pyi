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
        changed: Callable[[str], bool] | None = None,
        drop_corrupted: bool = False,
    ) -> None: ...
    @property
    def error(self) -> BaseException | None: ...
    @property
    def doubtful(self) -> bool: ...
    @property
    def corrupted_drops(self) -> int: ...
