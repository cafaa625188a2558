"""Build the test kernel once and keep it outside the checkout.

The result is keyed by the kernel release, its Debian revision and the hash of ``kernel.config``, so that a second run
costs nothing and a changed fragment can never meet an old kernel.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

FRAGMENT = Path(__file__).with_name("kernel.config")
DEFAULT_SERIES = "6.12"


class KernelError(RuntimeError):
    """The kernel could not be built; the message names the step and the log that tells why."""


def cache_root() -> Path:
    """Directory that holds built kernels: ``$ZCORE_TESTBED_CACHE``, else below the user's cache directory."""
    named = os.environ.get("ZCORE_TESTBED_CACHE")
    if named:
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "zcore-testbed"


def source_package(series: str) -> tuple[Path, str]:
    """Tarball and package version of ``linux-source-SERIES``."""
    tarball = Path(f"/usr/src/linux-source-{series}.tar.xz")
    query = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Version}", f"linux-source-{series}"], capture_output=True, text=True, check=False
    )
    if query.returncode or not tarball.exists():
        raise KernelError(f"package linux-source-{series} is not installed: run testbed/setup.sh (or 'make testbed')")
    return tarball, query.stdout.strip()


def kernel_directory(series: str = DEFAULT_SERIES) -> Path:
    """Where the built kernel of this series and this fragment is, built or not."""
    _, version = source_package(series)
    digest = hashlib.sha256(FRAGMENT.read_bytes()).hexdigest()[:12]
    return cache_root() / f"linux-{version.replace('~', '-')}-{digest}"


def build(series: str = DEFAULT_SERIES) -> Path:
    """Build the kernel unless it is there already; return its output directory."""
    tarball, _ = source_package(series)
    out = kernel_directory(series)
    out.parent.mkdir(parents=True, exist_ok=True)
    with open(out.with_name(out.name + ".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two runs at once build it once
        if not (out / "complete").exists():
            _build_fresh(tarball, out)
    return out


def _build_fresh(tarball: Path, out: Path) -> None:
    print(f"testbed: building {out.name}, once; this takes 5 to 15 minutes on two cores", file=sys.stderr, flush=True)
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    # The source stays beside the build: virtme-ng follows the build's link to it for the module list.
    source = out / "source-tree"
    source.mkdir()
    log = out / "build.log"
    make = ["make", "-C", str(source), f"O={out}"]
    jobs = f"-j{os.cpu_count() or 1}"
    steps = (
        ["tar", "-xf", str(tarball), "-C", str(source), "--strip-components=1"],
        [*make, "tinyconfig"],
        [str(source / "scripts/kconfig/merge_config.sh"), "-m", "-O", str(out), str(out / ".config"), str(FRAGMENT)],
        [*make, "olddefconfig"],
        [*make, jobs, "bzImage", "modules"],
    )
    with open(log, "w") as stream:
        for step in steps:
            done = subprocess.run(step, stdout=stream, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, check=False)
            if done.returncode:
                raise KernelError(f"{' '.join(step)!r} failed with status {done.returncode}; see {log}")
    _check_fragment(out)
    (out / "complete").touch()


def _check_fragment(out: Path) -> None:
    """Refuse a kernel that silently dropped an option: its driver would only be missed much later, inside a test."""
    granted = set((out / ".config").read_text().splitlines())
    wanted = [line for line in FRAGMENT.read_text().splitlines() if line.startswith("CONFIG_")]
    lost = [line for line in wanted if line not in granted and line.replace("=m", "=y") not in granted]
    if lost:
        raise KernelError(f"the kernel's configuration dropped {', '.join(lost)}")
