from collections.abc import Callable
from typing import final

from zcore._chain import Link
from zcore._request import RequestPool
from zcore._stateless_nodes import StatelessNode
from zcore._v4l2 import Queue
from zcore.bitstream.picture import Picture

@final
class ParsedNode(StatelessNode):
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
        parse: Callable[[bytes | None], list[Picture]],
        restart: Callable[[], int],
        last_number: int = 0,
        drop_corrupted: bool = False,
    ) -> None: ...
