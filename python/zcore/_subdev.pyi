from collections.abc import Iterable, Sequence
from typing import NamedTuple, Self, final

from zcore._fd import Fd
from zcore._v4l2_device import V4l2Device

class MbusFormat(NamedTuple):
    width: int
    height: int
    code: int
    field: int
    colorspace: int
    ycbcr_enc: int
    quantization: int
    xfer_func: int

class Route(NamedTuple):
    sink_pad: int
    sink_stream: int
    source_pad: int
    source_stream: int
    flags: int

@final
class Subdev:
    @property
    def fd(self) -> Fd: ...
    @property
    def path(self) -> str: ...
    @property
    def read_only(self) -> bool: ...
    @property
    def has_streams(self) -> bool: ...
    def __init__(self, path: str) -> None: ...
    def codes(self, pad: int, *, test: bool = False, stream: int = 0) -> list[int]: ...
    def sizes(self, pad: int, code: int, *, test: bool = False, stream: int = 0) -> list[tuple[int, int, int, int]]: ...
    def intervals(
        self, pad: int, code: int, width: int, height: int, *, test: bool = False, stream: int = 0
    ) -> list[tuple[int, int]]: ...
    def get_format(self, pad: int, *, test: bool = False, stream: int = 0) -> MbusFormat: ...
    def set_format(
        self,
        pad: int,
        width: int,
        height: int,
        code: int,
        *,
        field: int | None = None,
        colorspace: int | None = None,
        ycbcr_enc: int | None = None,
        quantization: int | None = None,
        xfer_func: int | None = None,
        test: bool = False,
        stream: int = 0,
    ) -> MbusFormat: ...
    def frame_interval(
        self, pad: int, interval: tuple[int, int] | None = None, *, test: bool = False, stream: int = 0
    ) -> tuple[int, int] | None: ...
    def selection(
        self,
        pad: int,
        target: int,
        rectangle: tuple[int, int, int, int] | None = None,
        *,
        flags: int = 0,
        test: bool = False,
        stream: int = 0,
    ) -> tuple[int, int, int, int] | None: ...
    def routes(self, *, test: bool = False) -> list[Route] | None: ...
    def set_routes(self, routes: Iterable[Sequence[int]], *, test: bool = False) -> None: ...
    def close(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, *_: object) -> None: ...

def formats_of_code(device: V4l2Device, type: int, code: int) -> list[int]: ...
