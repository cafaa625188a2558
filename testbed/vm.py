"""Run one command in a virtual machine that has the test kernel and the host's own files.

How am I supposed to use this? ``run(["pytest", "tests/device"], timeout=600)`` boots the kernel, runs the command in
the caller's working directory, streams what it prints, and returns its exit status. The guest sees the host's root
read-only. It may write in the working directory, which is shared, and in ``/tmp``, which the host does not see.

Output and exit status travel through files in a directory that host and guest share: on the console they would be
mixed with the kernel's own words, and cut when the machine powers off.
"""

from __future__ import annotations

import codecs
import contextlib
import fcntl
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from testbed import guest, kernel, kvm

_POWEROFF_GRACE = 30.0  # the command is done, the machine is only switching itself off
_REPORT_GRACE = 15.0  # a hung guest is asked where its tasks are stuck, then killed whether it answered or not
_TAIL_LINES = 30
_SAFE_PATH = re.compile(r"[\w@%+./-]+", re.ASCII)


class VmError(RuntimeError):
    """The machine did not come up, died, or never gave back the command's status."""


class VmTimeoutError(VmError):
    """The command ran longer than it was allowed to and was killed, the whole machine with it."""


@dataclass(frozen=True)
class Result:
    """What came back: the command's status and output, and what the kernel had to say.

    ``oopses`` are kernel failures after which nothing in the guest can be trusted, ``warnings`` are failed ``WARN_ON``.
    """

    returncode: int
    output: str
    dmesg: str = ""
    oopses: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    console: str = ""


def run(
    command: str | Sequence[str],
    *,
    timeout: float,
    modules: Sequence[str] = (),
    icount: bool = False,
    cpus: int = 2,
    memory: str = "2G",
    series: str = kernel.DEFAULT_SERIES,
    env: Mapping[str, str] | None = None,
    dmesg_path: Path | None = None,
    stream: IO[str] | None = None,
) -> Result:
    """Boot, run a command, power off.

    Parameters
    ----------
    command
        Shell text, or a list of arguments that is quoted for the shell.
    timeout
        Seconds for everything, boot included; then the machine is killed and `VmTimeoutError` says where it hung.
    modules
        Drivers to load first, each as modprobe's arguments: ``"vivid n_devs=1"``.
    icount
        Let the guest's clock count instructions: one nanosecond is one instruction, idle time is skipped, one CPU.
    env
        Variables for the command, on top of the few that are handed over anyway (see `guest.PASSED`).
    dmesg_path
        Where to keep the kernel's log; without it the log is only in the result.
    stream
        Where the output goes while the command runs; ``sys.stdout`` unless told otherwise.
    """
    text = command if isinstance(command, str) else shlex.join(command)
    out = kernel.build(series)
    vng = find_vng()
    cwd = Path.cwd()
    _prepare_modules(out, vng)
    with tempfile.TemporaryDirectory(prefix="zcore-vm-", dir="/tmp", ignore_cleanup_errors=True) as name:
        job = Path(name)
        script = guest.write_job(job, text, cwd=cwd, modules=modules, env=env or {}, timeout=timeout, watch=not icount)
        argv = vng_command(vng, out, script, cwd=cwd, job=job, icount=icount, cpus=cpus, memory=memory)
        machine = _Machine(argv, text, job, timeout, stream if stream is not None else sys.stdout)
        result = machine.run()
        if dmesg_path is not None:
            dmesg_path.write_text(result.dmesg)
    return result


def find_vng() -> Path:
    """Find virtme-ng's ``vng``: beside this interpreter first, because there it has the version that was asked for."""
    beside = Path(sys.executable).with_name("vng")
    found = str(beside) if beside.exists() else shutil.which("vng")
    if not found:
        raise VmError("vng not found: install the extra 'testbed' (pip install -e '.[testbed]') or run 'make test'")
    return Path(found)


def vng_command(
    vng: Path, out: Path, script: Path, *, cwd: Path, job: Path, icount: bool, cpus: int, memory: str
) -> list[str]:
    """Command line that boots the kernel in ``out`` and runs ``script``."""
    for path in (out, cwd, job):
        if not _SAFE_PATH.fullmatch(str(path)):  # vng pastes these paths into a shell line without quotes
            raise VmError(f"virtme-ng cannot share {str(path)!r}: only letters, digits and @%+_./- may be in the path")
    argv = [str(vng), "--run", str(out), "--force-9p", "--memory", memory, "--cwd", str(cwd)]
    # The console tells warnings and worse. Without --verbose virtme-ng sends it to /dev/null, a panic included.
    argv += ["--verbose", "--append", "loglevel=5"]
    # Caching halves the time that a Python program needs to start. What the host changes below the root while the guest
    # runs may go unseen; the shared directories are not cached.
    argv += ["--append", "rootflags=version=9p2000.L,trans=virtio,access=any,msize=524288,cache=loose"]
    argv += [f"--rwdir={path}" for path in dict.fromkeys((cwd, job)) if path != Path("/")]
    if icount or not kvm.works():
        argv.append("--disable-kvm")
    if icount:
        argv += ["--cpus", "1", "--qemu-opts=-icount shift=0,sleep=off"]
    else:
        # A card with two screens, which vkms is not. Its driver is loaded by those who want it: a card that is there
        # from the beginning would be the first one for everybody.
        argv += ["--cpus", str(cpus), "--append", "modprobe.blacklist=virtio_gpu"]
        argv += ["--qemu-opts=-device virtio-gpu-pci,max_outputs=2"]
    return [*argv, "--exec", f"bash {script}"]


def _prepare_modules(out: Path, vng: Path) -> None:
    """Let virtme-ng make its module list once, under a lock: two first boots at the same moment tear it apart."""
    listing, order = out / ".virtme_mods/lib/modules/0.0.0/modules.dep", out / "modules.order"
    with open(out / "modules.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if listing.exists() and listing.stat().st_mtime >= order.stat().st_mtime:
            return
        tool = vng.resolve().with_name("virtme-prep-kdir-mods")
        if tool.exists():  # elsewhere it hides; then the first boot does the same work
            subprocess.run([str(tool)], cwd=out, stdout=subprocess.DEVNULL, check=True)


class _Machine:
    """One boot: the process group, its console, and the files through which the guest talks."""

    def __init__(self, argv: list[str], command: str, job: Path, timeout: float, stream: IO[str]) -> None:
        self._argv = argv
        self._command = command
        self._job = job
        self._timeout = timeout
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._output: list[str] = []
        self._console: list[str] = []

    def run(self) -> Result:
        path = os.pathsep.join([str(Path(self._argv[0]).parent), os.environ.get("PATH", ""), "/usr/sbin:/sbin"])
        # A pipe and not a file: QEMU opens its console by name and would truncate a file behind our back.
        process = subprocess.Popen(
            self._argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PATH": path, "TMPDIR": str(self._job)},  # virtme-ng killed leaves its own files
            start_new_session=True,
        )
        assert process.stdout is not None
        reader = threading.Thread(target=self._read_console, args=(process.stdout,), daemon=True)
        reader.start()
        try:
            self._wait(process)
        finally:
            _kill_group(process)
            reader.join(timeout=5)
            if not reader.is_alive():  # else somebody left the group and holds the pipe; closing would wait for him
                process.stdout.close()
        return self._result(process.returncode)

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        """Follow the output until the machine is off; raise when it takes too long."""
        deadline = time.monotonic() + self._timeout
        off_by = None
        with open(self._job / guest.OUTPUT, "rb") as output:
            while process.poll() is None:
                self._follow(output)
                now = time.monotonic()
                if off_by is None and (self._job / guest.STATUS).exists():
                    off_by = now + _POWEROFF_GRACE
                if off_by is not None and now > off_by:
                    break  # its status is known: a machine that cannot switch itself off is no failure of the command
                if off_by is None and now > deadline:
                    raise VmTimeoutError(self._hang_report(process, output))
                time.sleep(0.05)
            self._follow(output)

    def _follow(self, output: IO[bytes]) -> None:
        data = output.read()
        if data:
            text = self._decoder.decode(data)
            self._output.append(text)
            self._stream.write(text)
            self._stream.flush()

    def _hang_report(self, process: subprocess.Popen[bytes], output: IO[bytes]) -> str:
        (self._job / guest.EXPIRED).touch()
        report = self._job / guest.HANG
        started = (self._job / guest.STARTED).exists()
        until = time.monotonic() + (_REPORT_GRACE if started else 0)
        while process.poll() is None and time.monotonic() < until and not report.exists():
            time.sleep(0.05)
        _kill_group(process)
        self._follow(output)
        parts = [f"{self._command!r} was killed after its timeout of {self._timeout:g} s"]
        if not started:
            parts.append("the guest never came as far as running it (with a broken KVM set ZCORE_TESTBED_KVM=0)")
        parts += _section("last lines of its output", "".join(self._output))
        parts += _section("where the guest's tasks are stuck", _read(report), _TAIL_LINES * 4)
        parts += _section("last lines of the console", "".join(self._console))
        return "\n".join(parts)

    def _result(self, status: int) -> Result:
        console = "".join(self._console)
        try:
            returncode = int(_read(self._job / guest.STATUS))
        except ValueError:
            what = "the guest kernel panicked" if "Kernel panic" in console else "the guest died"
            parts = [f"{what} while running {self._command!r} (virtme-ng's status: {status})"]
            parts += _section("last lines of its output", "".join(self._output))
            parts += _section("last lines of the console", console, _TAIL_LINES * 4)
            raise VmError("\n".join(parts)) from None
        dmesg = _read(self._job / guest.DMESG)
        oopses, warnings = guest.kernel_complaints(dmesg)
        return Result(returncode, "".join(self._output), dmesg, oopses, warnings, console)

    def _read_console(self, pipe: IO[bytes]) -> None:
        for line in pipe:
            self._console.append(line.decode(errors="replace").replace("\r", ""))


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kill vng and everything below it: vng alone would leave its QEMU running."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _section(title: str, text: str, lines: int = _TAIL_LINES) -> list[str]:
    tail = text.splitlines()[-lines:]
    return [f"--- {title} ---", *tail] if tail else []


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except FileNotFoundError:
        return ""
