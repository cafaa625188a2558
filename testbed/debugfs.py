"""What the kernel itself counts: DMA-BUFs, framebuffers, GEM handles. For tests that look for leaks."""

from __future__ import annotations

import errno
import fcntl
import os
import re
import struct
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

DEBUGFS = Path("/sys/kernel/debug")

_DRM_IOCTL_MODE_MAP_DUMB = 0xC01064B3
_MAP_DUMB = struct.Struct("<IIQ")
_BUFFER = re.compile(
    r"^(?P<size>\d{8,})\s+\S+\s+\S+\s+(?P<count>\d+)\s+(?P<exporter>\S+)\s+(?P<inode>\d+)\s+(?P<name>.*)$"
)
_FRAMEBUFFER = re.compile(r"^framebuffer\[(\d+)\]:", re.MULTILINE)


@dataclass(frozen=True)
class Buffer:
    """One DMA-BUF: ``inode`` is what fstat tells of its descriptor, ``devices`` are those attached to it."""

    size: int
    count: int
    exporter: str
    inode: int
    name: str
    devices: tuple[str, ...] = ()


@dataclass(frozen=True)
class DmaBufs:
    """All DMA-BUFs of the machine."""

    buffers: tuple[Buffer, ...] = field(default=())

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.buffers)

    @property
    def bytes(self) -> int:
        """How much memory they hold."""
        return sum(buffer.size for buffer in self.buffers)


def mount_debugfs() -> Path:
    """Have debugfs mounted; return its root. Raises PermissionError when that is not ours to do."""
    if not os.path.ismount(DEBUGFS):
        done = subprocess.run(
            ["mount", "-t", "debugfs", "debugfs", str(DEBUGFS)], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise PermissionError(errno.EPERM, f"cannot mount debugfs: {done.stderr.strip()}", str(DEBUGFS))
    return DEBUGFS


def dmabufs() -> DmaBufs:
    """DMA-BUFs that exist now."""
    return parse_bufinfo((mount_debugfs() / "dma_buf/bufinfo").read_text())


def parse_bufinfo(text: str) -> DmaBufs:
    """Read ``dma_buf/bufinfo``."""
    found: list[Buffer] = []
    devices: list[str] = []
    attached = False
    for line in text.splitlines():
        match = _BUFFER.match(line)
        if match:
            devices, attached = [], False
            found.append(
                Buffer(int(match["size"]), int(match["count"]), match["exporter"], int(match["inode"]), match["name"])
            )
        elif line.strip() == "Attached Devices:":
            attached = True
        elif line.startswith("Total "):
            if found and devices and line.endswith("attached"):
                last = found[-1]
                found[-1] = Buffer(last.size, last.count, last.exporter, last.inode, last.name, tuple(devices))
            attached = False
        elif attached and line.strip():
            devices.append(line.strip())
    return DmaBufs(tuple(found))


def framebuffers(card: str) -> list[int]:
    """Ids of the framebuffers of a card (``/dev/dri/card0``), the console's own included."""
    minor = re.sub(r"\D", "", os.path.basename(card))
    return parse_framebuffers((mount_debugfs() / "dri" / minor / "framebuffer").read_text())


def parse_framebuffers(text: str) -> list[int]:
    """Read ``dri/N/framebuffer``."""
    return [int(number) for number in _FRAMEBUFFER.findall(text)]


def gem_handles(fd: int, limit: int = 1024) -> list[int]:
    """GEM handles that are open in ``fd``, a descriptor of a DRM card, up to ``limit``.

    Handles belong to one open file and debugfs does not show them. Asking for a dumb buffer's map offset answers ENOENT
    for a handle that does not exist and anything else for one that does.
    """
    return [handle for handle in range(1, limit + 1) if _is_open(fd, handle)]


def _is_open(fd: int, handle: int) -> bool:
    try:
        fcntl.ioctl(fd, _DRM_IOCTL_MODE_MAP_DUMB, _MAP_DUMB.pack(handle, 0, 0))
    except OSError as error:
        return error.errno != errno.ENOENT
    return True
