from typing import final

from zcore._chain import Link, Node
from zcore._v4l2 import Queue

@final
class OutputNode(Node):
    def __init__(self, name: str, queue: Queue, source: Link, *, kept: int = 0) -> None: ...
    @property
    def frames_in(self) -> int: ...
    @property
    def frames_done(self) -> int: ...
