from collections.abc import Callable

from typing_extensions import disjoint_base

from zcore._chain import Link
from zcore._coded_nodes import CodedNode
from zcore._request import RequestPool
from zcore._v4l2 import Queue
from zcore.bitstream.picture import Picture

@disjoint_base
class StatelessNode(CodedNode):
    def __init__(
        self,
        name: str,
        output: Queue,
        capture: Queue,
        source: Link,
        sink: Link,
        requests: RequestPool,
        *,
        changed: Callable[[int, int, Picture | None], str],
        size: tuple[int, int],
        last_number: int = 0,
        drop_corrupted: bool = False,
    ) -> None: ...
    def resume(self, sink: Link, size: tuple[int, int]) -> None: ...
    def release(self) -> None: ...
    @property
    def pending(self) -> int: ...
    @property
    def holds(self) -> int: ...
    @property
    def last_number(self) -> int: ...
    @property
    def submitted(self) -> int: ...
    @property
    def bitstream_bytes(self) -> int: ...
    @property
    def bell(self) -> int: ...
