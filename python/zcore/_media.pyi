from typing import NamedTuple, Self

from zcore._fd import Fd

class Topology(NamedTuple):
    version: int
    entities: list[tuple[int, str, int, int]]
    interfaces: list[tuple[int, int, int, int]]
    pads: list[tuple[int, int, int, int]]
    links: list[tuple[int, int, int, int]]

class MediaFile:
    fd: Fd
    path: str
    driver: str
    model: str
    serial: str
    bus: str
    media_version: int
    driver_version: int
    hw_revision: int
    def __init__(self, path: str) -> None: ...
    def topology(self) -> Topology: ...
    def setup_link(self, source: tuple[int, int, int], sink: tuple[int, int, int], flags: int) -> int: ...
    def close(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, *_: object) -> None: ...
