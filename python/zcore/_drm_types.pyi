from typing import NamedTuple

class Mode(NamedTuple):
    name: str
    width: int
    height: int
    refresh: float
    preferred: bool
    raw: bytes

class Connector(NamedTuple):
    id: int
    type: int
    number: int
    connected: bool
    encoder: int
    possible_crtcs: int
    modes: tuple[Mode, ...]

class Plane(NamedTuple):
    id: int
    crtc: int
    framebuffer: int
    possible_crtcs: int
    formats: tuple[int, ...]

class Property(NamedTuple):
    id: int
    value: int
    flags: int
