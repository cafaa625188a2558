from collections.abc import Iterable
from typing import Never, final

from zcore._dmabuf import DmaBuf
from zcore._drm import Card

@final
class Framebuffer:
    def __init__(self, _: Never, /) -> None: ...
    @property
    def card(self) -> Card: ...
    @property
    def id(self) -> int: ...
    def close(self, *, keep_shown: bool = False) -> None: ...

def handle_count(card: Card) -> int: ...
def add_framebuffer(
    card: Card,
    buffers: Iterable[DmaBuf],
    components: Iterable[tuple[int, int, int, int]],
    size: tuple[int, int],
    fourcc: int,
    modifier: int | None = None,
) -> Framebuffer: ...
def allocate_dumb(card: Card, width: int, height: int, bits_per_pixel: int) -> tuple[DmaBuf, int]: ...
