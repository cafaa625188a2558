from enum import IntEnum

from _typeshed import WriteableBuffer

class Access(IntEnum):
    ACCESS_READ = 1
    ACCESS_WRITE = 2
    ACCESS_RW = 3

def ioctl(fd: int, request: int, argument: WriteableBuffer | None = None, nonblocking: bool = False) -> int: ...
