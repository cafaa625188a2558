from collections.abc import Sequence
from typing import NamedTuple

from zcore._v4l2_device import V4l2Device

class ControlDescription(NamedTuple):
    id: int
    name: str
    type: int
    minimum: int
    maximum: int
    step: int
    default: int
    flags: int
    elem_size: int
    elems: int
    dims: tuple[int, ...]

def describe(device: V4l2Device, id: int, next: bool = False) -> ControlDescription | None: ...
def describe_all(device: V4l2Device) -> list[ControlDescription]: ...
def get_raw(
    device: V4l2Device, controls: Sequence[tuple[int, int]], which: int = 0, request_fd: int = 0
) -> tuple[int, int, list[bytes]]: ...
def set_raw(
    device: V4l2Device,
    controls: Sequence[tuple[int, bytes | int] | tuple[int, bytes, bool]],
    which: int = 0,
    request_fd: int = 0,
    test: bool = False,
) -> tuple[int, int, list[bytes]]: ...
