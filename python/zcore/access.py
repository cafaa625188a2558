"""What the CPU wants to do with a buffer."""

from enum import IntFlag


class Access(IntFlag):
    """What the CPU wants to do with a buffer, for :meth:`zcore.DmaBuf.access`; the bits of ``linux/dma-buf.h``."""

    READ = 1
    WRITE = 2
    RW = 3
