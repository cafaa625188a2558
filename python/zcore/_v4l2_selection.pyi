from collections.abc import Sequence
from typing import NamedTuple

from zcore._v4l2_device import V4l2Device

class Rect(NamedTuple):
    left: int
    top: int
    width: int
    height: int

def get_selection(device: V4l2Device, type: int, target: int) -> Rect | None: ...
def set_selection(device: V4l2Device, type: int, target: int, wanted: Sequence[int], flags: int = 0) -> Rect: ...
