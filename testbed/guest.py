"""The guest's side of one run: the script it executes, and how to read the kernel log it leaves behind."""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

OUTPUT, STATUS, DMESG = "output", "status", "dmesg"
STARTED, EXPIRED, HANG = "started", "expired", "hang"

#: Variables of the caller that the command sees; a name ending in ``*`` is a prefix.
PASSED = (
    "PATH",
    "VIRTUAL_ENV",
    "CI",
    "LANG",
    "LC_*",
    "COLUMNS",
    "NO_COLOR",
    "FORCE_COLOR",
    "PYTHON*",
    "PYTEST_*",
    "HYPOTHESIS_*",
    "ZCORE_*",
    "ASAN_OPTIONS",
    "UBSAN_OPTIONS",
    "LD_PRELOAD",
)

# The status is renamed into place: the host must never read half of it.
_SCRIPT = """\
#!/bin/bash
job={job}
{exports}
: > $job/{started}
finish() {{
    dmesg > $job/{dmesg} 2>/dev/null
    echo "$1" > $job/{status}.new
    mv $job/{status}.new $job/{status}
    exit "$1"
}}
exec >> $job/{output} 2>&1 < /dev/null
cd {cwd} || finish 126
{cached}
{modprobes}
{watch}
bash $job/command
finish $?
"""

# A shared directory is not cached, and Python opens thousands of files: an environment in it is looked at through the
# guest's root, which is cached. That halves the start of pytest.
_CACHED = """\
if grep -q virtme_ /proc/cmdline; then  # never anything but a guest
    mkdir /run/zcore-root && mount --bind / /run/zcore-root && mount --bind /run/zcore-root{prefix} {prefix}
fi"""

# One bash that forks nothing while it waits, and little when it tells: a fork costs the emulator 10 ms and more. It
# answers a host that lost patience, and switches the machine off when the host is gone (killed so hard that it could
# not kill us).
_WATCH = """\
(
    exec {{tick}}<> <(:) || exit  # a pipe that nobody writes to
    for ((seconds = 0; seconds < {seconds}; seconds++)); do
        read -r -t 1 -u "$tick"
        (($? > 128)) || exit  # not a timeout: then this is no clock, and what follows would come too early
        if [[ -e $job/{expired} ]]; then
            {{
                for task in /proc/[0-9]*/task/[0-9]*; do
                    mapfile -d '' words < ${{task%/task/*}}/cmdline
                    ((${{#words[@]}})) || continue
                    wchan=; read -r wchan < $task/wchan
                    echo "${{task##*/}} in ${{wchan}}: ${{words[*]}}"
                    sed 's/^/    /' $task/stack
                done
            }} > $job/{hang}.new 2>/dev/null
            mv $job/{hang}.new $job/{hang}
            exit
        fi
    done
    grep -q virtme_ /proc/cmdline && poweroff -f  # never anything but a guest
) > /dev/null 2>&1 &"""

_WATCH_SLACK = 120  # seconds after the timeout in which the host kills us if it still lives

_STAMP = re.compile(r"^\[\s*\d+\.\d+\]\s*")
_OOPS = re.compile(
    r"kernel BUG at|\bBUG: |\bOops\b|KASAN: |UBSAN: |KCSAN: |general protection fault|Kernel panic|"
    r"unable to handle|blocked for more than|self-detected stall|double free|refcount_t: "
)
_WARNING = re.compile(r"\bWARNING: ")


def write_job(
    job: Path,
    command: str,
    *,
    cwd: Path,
    modules: Sequence[str] = (),
    env: Mapping[str, str] | None = None,
    timeout: float = 600,
    watch: bool = True,
) -> Path:
    """Fill the directory that host and guest share; return the script that the guest runs."""
    (job / OUTPUT).touch()
    (job / "command").write_text(command + "\n")
    variables = {**passed_environment(os.environ), "PYTHONUNBUFFERED": "1", **(env or {}), "ZCORE_TESTBED": "1"}
    names = {"job": shlex.quote(str(job)), "started": STARTED, "status": STATUS, "output": OUTPUT, "dmesg": DMESG}
    script = job / "run"
    script.write_text(
        _SCRIPT.format(
            **names,
            cwd=shlex.quote(str(cwd)),
            exports="\n".join(f"export {name}={shlex.quote(value)}" for name, value in variables.items()),
            cached=_CACHED.format(prefix=shlex.quote(sys.prefix)) if Path(sys.prefix).is_relative_to(cwd) else "",
            modprobes="\n".join(f"modprobe {shlex.join(shlex.split(one))} || finish 125" for one in modules),
            # Guest time races ahead when it counts instructions, so that a guest's own deadline means nothing there.
            watch=_WATCH.format(expired=EXPIRED, hang=HANG, seconds=int(timeout) + _WATCH_SLACK) if watch else "",
        )
    )
    return script


def passed_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Variables of ``environ`` that go along; PATH gains the system directories that hold modprobe and friends."""
    exact = {name for name in PASSED if not name.endswith("*")}
    prefixes = tuple(name[:-1] for name in PASSED if name.endswith("*"))
    kept = {name: value for name, value in environ.items() if name in exact or name.startswith(prefixes)}
    kept["PATH"] = os.pathsep.join(filter(None, [kept.get("PATH"), "/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin"]))
    return kept


def kernel_complaints(dmesg: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Lines of a kernel log that tell of oopses, and lines that tell of failed ``WARN_ON``."""
    oopses, warnings = [], []
    for line in dmesg.splitlines():
        text = _STAMP.sub("", line)
        if _OOPS.search(text):
            oopses.append(text)
        elif _WARNING.search(text):
            warnings.append(text)
    return tuple(oopses), tuple(warnings)
