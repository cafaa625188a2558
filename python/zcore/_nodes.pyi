from typing import Protocol, final

from typing_extensions import disjoint_base

from zcore._chain import Link, Node
from zcore._kms import Scanout
from zcore._v4l2 import Queue

class _Plug(Protocol):
    def fileno(self) -> int: ...
    def look(self) -> None: ...

@final
class CaptureNode(Node):
    def __init__(
        self,
        name: str,
        queue: Queue,
        sink: Link,
        *,
        frames: int = -1,
        drop_corrupted: bool = False,
        watch_changes: bool = False,
    ) -> None: ...
    @property
    def changed(self) -> bool: ...
    @property
    def corrupted_drops(self) -> int: ...

@disjoint_base
class ConvertNode(Node):
    def __init__(self, name: str, output: Queue, capture: Queue, source: Link, sink: Link) -> None: ...
    @property
    def frames_in(self) -> int: ...
    @property
    def frames_out(self) -> int: ...

@final
class DisplayNode(Node):
    def __init__(
        self, name: str, scanout: Scanout, source: Link, *, sync: bool = False, plug: _Plug | None = None
    ) -> None: ...
    @property
    def bell(self) -> int: ...
    @property
    def news(self) -> int: ...
    @property
    def frames_in(self) -> int: ...
    @property
    def error(self) -> BaseException | None: ...
