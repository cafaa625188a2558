"""Write down which ioctls zcore makes on the real drivers, and what they answer.

For the column "on real drivers" of docs/conformance.md: with ``ZCORE_RECORD=FILE`` in the environment the device tests
put this below zcore, and merge what they saw into FILE (tests/conformance/seen.json in the repository). It takes the
GIL for each call, so the tests are slower with it, and it is not there otherwise.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import re
from functools import cache
from pathlib import Path

from fakekernel.structs import NUMBERS
from testbed import drivers
from zcore._sys import PASS

NAMES = {number: name for name, number in NUMBERS.items()}
OWN = Path(__file__).resolve().parents[2] / "src/zcore/uapi"
SYSTEM = ("linux/videodev2.h", "linux/media.h", "linux/v4l2-subdev.h", "linux/sync_file.h")
DEFINED = re.compile(
    r"#define\s+(?:ZC_)?([A-Z0-9_]+)\s+((?:ZC_)?DRM_IO|_IO)[WR]*\s*\(\s*(?:'(.)'|SYNC_IOC_MAGIC)?\s*,?\s*(\w+)"
)
LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.ioctl.argtypes = [ctypes.c_int, ctypes.c_ulong, ctypes.c_void_p]


class Recorder:
    """What a fake kernel is, with the real kernel behind it."""

    def __init__(self):
        self.failures = []
        self.seen: dict[str, dict[str, set[str]]] = {}
        self.known: set[tuple[int, int, int]] = set()  # descriptor, request, answer: written down already

    def open(self, path, flags):
        self.known.clear()  # descriptors come back as others
        return PASS

    def mmap(self, fd, length, protection, offset):
        return PASS

    def wait(self, fd, events, timeout_ms):
        return PASS

    def ioctl(self, fd, request, address, size):
        result = LIBC.ioctl(fd, request, address)
        code = ctypes.get_errno() if result < 0 else 0
        if (fd, request, code) not in self.known:
            self.known.add((fd, request, code))
            answers = self.seen.setdefault(name_of(request), {}).setdefault(driver_of(fd), set())
            answers.add(errno.errorcode.get(code, str(code)) if code else "0")
        return -code if result < 0 else result


@cache
def names_by_letter() -> dict[tuple[int, int], str]:
    """Names of the ioctls of the headers of this machine, by letter and number; the fake kernel lacks some."""
    found = {}
    for path in (*(Path("/usr/include") / header for header in SYSTEM), *OWN.glob("zc_*.h")):
        for name, macro, letter, number in DEFINED.findall(path.read_text() if path.exists() else ""):
            letter = "d" if macro.endswith("DRM_IO") else letter or ">"
            if re.fullmatch(r"0x[0-9a-fA-F]+|\d+", number):
                found.setdefault((ord(letter), int(number, 0)), name)
    return found


def name_of(request: int) -> str:
    """Give the name of an ioctl, or its number."""
    return NAMES.get(request) or names_by_letter().get((request >> 8 & 0xFF, request & 0xFF)) or hex(request)


def driver_of(fd: int) -> str:
    """Name the driver behind a descriptor; anything that is no device node goes by what it is."""
    target = os.readlink(f"/proc/self/fd/{fd}")
    if not target.startswith("/dev/"):
        return "dma-buf" if "dmabuf" in target else target.partition(":")[2].strip("[]") or "other"
    name = target.removeprefix("/dev/")
    for kind in ("video4linux", "drm"):
        entry = Path("/sys/class", kind, name.rpartition("/")[2])
        if entry.exists():
            return drivers.driver_of(entry)
    return "media" if name.startswith("media") else name


def merge(path: Path, recorder: Recorder) -> None:
    """Add what was seen to a file."""
    known = json.loads(path.read_text()) if path.exists() else {}
    for name, by_driver in recorder.seen.items():
        for driver, answers in by_driver.items():
            before = known.setdefault(name, {}).get(driver, [])
            known[name][driver] = sorted(answers.union(before))
    path.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n")
