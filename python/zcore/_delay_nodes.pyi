from collections.abc import Callable
from typing import Any, final

from zcore._chain import Link
from zcore._fill_nodes import FillNode
from zcore._frame import Frame
from zcore._pool import Pool

@final
class DelayNode(FillNode):
    def __init__(
        self,
        name: str,
        feed: Callable[[Frame | None], int],
        give: Callable[[Frame], object],
        source: Link,
        sink: Link,
        *,
        pool: Pool,
        input_pool: Pool,
    ) -> None: ...
    @property
    def frames_in(self) -> int: ...
    @property
    def frames_out(self) -> int: ...
    @property
    def error(self) -> Any: ...
