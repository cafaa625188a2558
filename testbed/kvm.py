"""Whether hardware virtualisation really works here.

``/dev/kvm`` can be there, can be opened, and QEMU still aborts on the first register it sets (nested machines, some
containers). So the answer is found by running something: a boot sector that leaves QEMU with a status of its own.
"""

from __future__ import annotations

import functools
import os
import subprocess
import tempfile

# mov al, 0x10; out 0xf4, al; hlt; jmp: QEMU's debug-exit device makes (0x10 << 1) | 1 of it
_BOOT_SECTOR = bytes.fromhex("b010e6f4f4ebfd").ljust(510, b"\0") + b"\x55\xaa"
_EXPECTED = 0x21
_PROBE_SECONDS = 10


@functools.cache
def works() -> bool:
    """Tell whether QEMU can run code under KVM; ``ZCORE_TESTBED_KVM=0`` or ``=1`` answers instead."""
    override = os.environ.get("ZCORE_TESTBED_KVM")
    if override:
        return override != "0"
    return os.access("/dev/kvm", os.R_OK | os.W_OK) and _has_virtualisation() and _runs_code()


def _has_virtualisation() -> bool:
    with open("/proc/cpuinfo") as lines:
        flags = next((line.split() for line in lines if line.startswith("flags")), [])
    return "vmx" in flags or "svm" in flags


def _runs_code() -> bool:
    with tempfile.NamedTemporaryFile(prefix="zcore-kvm-") as disk:
        disk.write(_BOOT_SECTOR)
        disk.flush()
        argv = ["qemu-system-x86_64", "-machine", "accel=kvm", "-cpu", "host", "-m", "16", "-nodefaults"]
        argv += ["-display", "none", "-no-reboot", "-device", "isa-debug-exit,iobase=0xf4,iosize=4"]
        argv += ["-drive", f"file={disk.name},format=raw,if=floppy,readonly=on", "-boot", "a"]
        try:
            probe = subprocess.run(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=_PROBE_SECONDS,
                check=False,
            )
        except (subprocess.TimeoutExpired, FileNotFoundError):
            return False
        return probe.returncode == _EXPECTED
