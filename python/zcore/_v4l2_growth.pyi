from collections.abc import Callable

from typing_extensions import disjoint_base

from zcore._pool import Pool
from zcore._v4l2_buffers import QueueBuffers

@disjoint_base
class GrowingBuffers(QueueBuffers):
    limit: int
    reserve: int
    on_grow: Callable[[Pool, int], object] | None
    @property
    def growth_error(self) -> str: ...
    @property
    def grown(self) -> int: ...
    def most_buffers(self) -> int: ...
    def grow(self, count: int = 1, *, size: int = 0) -> int: ...
    def shrink(self, count: int = -1) -> int: ...
