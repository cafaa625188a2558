from typing_extensions import disjoint_base

from zcore._chain import Link, Node
from zcore._pool import Pool

@disjoint_base
class FillNode(Node):
    def __init__(self, name: str, source: Link | None, sink: Link, pool: Pool, *, frames: int = -1) -> None: ...
