from os import PathLike
from typing import NamedTuple, Self, final

from zcore._fd import Fd
from zcore._v4l2_events import EventHub

class PixFormat(NamedTuple):
    width: int
    height: int
    fourcc: int
    planes: tuple[tuple[int, int], ...]
    field: int
    colorspace: int
    ycbcr_enc: int
    quantization: int
    xfer_func: int
    flags: int = 0

class SizeRange(NamedTuple):
    width: tuple[int, int, int]
    height: tuple[int, int, int]

class ControlInfo(NamedTuple):
    id: int
    name: str
    type: int
    minimum: int
    maximum: int
    step: int
    default: int
    flags: int

@final
class V4l2Device:
    def __init__(self, path: str | PathLike[str]) -> None: ...
    @property
    def fd(self) -> Fd: ...
    @property
    def path(self) -> str: ...
    @property
    def driver(self) -> str: ...
    @property
    def card(self) -> str: ...
    @property
    def bus(self) -> str: ...
    @property
    def capabilities(self) -> int: ...
    events: EventHub | None
    switchboard: object
    def formats(self, type: int) -> list[tuple[int, int, str]]: ...
    def sizes(self, fourcc: int) -> list[SizeRange]: ...
    def intervals(self, fourcc: int, width: int, height: int) -> list[tuple[tuple[int, int], tuple[int, int]]]: ...
    def get_format(self, type: int) -> PixFormat: ...
    def set_format(
        self,
        type: int,
        width: int,
        height: int,
        fourcc: int,
        *,
        test: bool = False,
        bytesperline: int = 0,
        sizeimage: int = 0,
        field: int = 0,
        colours: tuple[int, int, int, int] | None = None,
        convert_colours: bool = False,
    ) -> PixFormat: ...
    def frame_interval(self, type: int, interval: tuple[int, int] | None = None) -> tuple[int, int] | None: ...
    def memories(self, type: int) -> set[str]: ...
    def controls(self) -> list[ControlInfo]: ...
    def get_control(self, id: int) -> int: ...
    def set_control(self, id: int, value: int) -> int: ...
    def control_id(self, name: str) -> int: ...
    def close(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, *_: object) -> None: ...
