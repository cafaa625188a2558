"""Which device node has which number: the media controller speaks of numbers, users of paths."""

from __future__ import annotations

import os
import re
import stat


def number_of(path: str) -> tuple[int, int] | None:
    """Give major and minor number of a device node; ``None`` where it is none, or not there."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    if not stat.S_ISCHR(status.st_mode):
        return None
    return os.major(status.st_rdev), os.minor(status.st_rdev)


def path_of(major: int, minor: int) -> str | None:
    """Give the node of a number, as the kernel names it in sysfs; ``None`` where the kernel knows no such device."""
    try:
        with open(f"/sys/dev/char/{major}:{minor}/uevent") as file:
            found = re.search(r"^DEVNAME=(.+)$", file.read(), flags=re.MULTILINE)
    except OSError:
        return None
    return f"/dev/{found[1]}" if found else None


def media_paths() -> list[str]:
    """List the media nodes."""
    try:
        names = [name for name in os.listdir("/dev") if re.fullmatch(r"media\d+", name)]
    except OSError:
        return []
    return [f"/dev/{name}" for name in sorted(names, key=lambda name: int(name[5:]))]
