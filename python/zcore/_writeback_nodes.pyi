from collections.abc import Sequence
from typing import final

from zcore._chain import Link, Node
from zcore._commits import Commits
from zcore._drm import Card
from zcore._gem import Framebuffer
from zcore._kms_extras import CommitExtras
from zcore._pool import Pool

@final
class WritebackNode(Node):
    def __init__(
        self,
        name: str,
        card: Card,
        pool: Pool,
        framebuffers: Sequence[Framebuffer],
        connector: int,
        fb_property: int,
        fence_property: int,
        sink: Link,
        *,
        extras: CommitExtras | None = None,
        commits: Commits | None = None,
        crtc: int = 0,
        frames: int = -1,
        interval_ns: int = 0,
        timeout_ns: int = 5_000_000_000,
    ) -> None: ...
    @property
    def collisions(self) -> int: ...
    @property
    def failed_pictures(self) -> int: ...
    @property
    def idle(self) -> bool: ...
    def finish(self, timeout: float = 1.0) -> None: ...
