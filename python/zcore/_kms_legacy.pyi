from collections.abc import Sequence

from zcore._drm import Card

def set_plane(
    card: Card, plane: int, crtc: int, framebuffer: int, target: Sequence[int], source: Sequence[int]
) -> None: ...
