from typing import final

from zcore._chain import Link, Node
from zcore._fill_nodes import FillNode
from zcore._pool import Pool

@final
class ReadNode(FillNode):
    def __init__(self, name: str, fd: int, pool: Pool, sink: Link, *, frames: int = -1, field: int = 1) -> None: ...
    @property
    def frames(self) -> int: ...

@final
class WriteNode(Node):
    def __init__(self, name: str, fd: int, source: Link) -> None: ...
    @property
    def frames(self) -> int: ...

def read_into(fd: int, pool: Pool, index: int, sequence: int = 0, field: int = 1) -> int: ...
