from collections.abc import Callable
from typing import final

from zcore._chain import Link
from zcore._request import RequestPool
from zcore._stateless_nodes import StatelessNode
from zcore._v4l2 import Queue

@final
class FwhtNode(StatelessNode):
    def __init__(
        self,
        name: str,
        output: Queue,
        capture: Queue,
        source: Link,
        sink: Link,
        requests: RequestPool,
        *,
        changed: Callable[[int, int], object],
        size: tuple[int, int],
        last_number: int = 0,
        drop_corrupted: bool = False,
    ) -> None: ...
    @property
    def damaged_headers(self) -> int: ...
    @property
    def without_reference(self) -> int: ...
