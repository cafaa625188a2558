from zcore._dmabuf import DmaBuf
from zcore._drm import Card

def read_framebuffer(card: Card, id: int) -> tuple[int, int, int, int | None, list[tuple[DmaBuf, int, int]]]: ...
