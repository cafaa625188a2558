from typing import NamedTuple

from zcore._v4l2_device import V4l2Device

class Connector(NamedTuple):
    number: int
    name: str
    type: int
    standards: int
    status: int
    capabilities: int

class Standard(NamedTuple):
    number: int
    id: int
    name: str
    period: tuple[int, int]
    lines: int

class TimingsCap(NamedTuple):
    width: tuple[int, int]
    height: tuple[int, int]
    pixelclock: tuple[int, int]
    standards: int
    capabilities: int

class DvTimings(NamedTuple):
    width: int
    height: int
    interlaced: bool
    pixelclock: int
    blanking: tuple[int, int]
    standards: int
    flags: int
    raw: bytes
    @property
    def rate(self) -> float: ...
    @property
    def name(self) -> str: ...

def connectors(device: V4l2Device, output: bool = False) -> list[Connector]: ...
def connector(device: V4l2Device, output: bool = False, wanted: int | None = None) -> int | None: ...
def standards(device: V4l2Device) -> list[Standard]: ...
def get_standard(device: V4l2Device, query: bool = False) -> int | None: ...
def set_standard(device: V4l2Device, id: int) -> None: ...
def dv_timings(device: V4l2Device) -> list[DvTimings]: ...
def get_dv_timings(device: V4l2Device, query: bool = False) -> DvTimings | None: ...
def set_dv_timings(device: V4l2Device, wanted: DvTimings) -> DvTimings: ...
def dv_timings_cap(device: V4l2Device) -> TimingsCap | None: ...
def edid(device: V4l2Device, pad: int = 0) -> bytes: ...
def priority(device: V4l2Device, wanted: int | None = None) -> int | None: ...
