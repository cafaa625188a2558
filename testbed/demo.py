"""Run ``zcore demo`` on the guest's own drivers: a camera (vivid), a converter (vim2m) and a display (vkms)."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from testbed import drivers


def main(argv: list[str] | None = None) -> int:
    """Load the drivers, then hand over to the command line that users have."""
    parser = argparse.ArgumentParser(prog="python -m testbed.demo", description=__doc__)
    parser.add_argument("--out", default="demo-out", metavar="DIR", help="where the demo writes (default: %(default)s)")
    options = parser.parse_args(argv)
    if reason := drivers.why_not():
        print(f"testbed.demo: {reason}", file=sys.stderr)
        return 2
    zcore = Path(sys.executable).with_name("zcore")
    if not zcore.exists():
        print(f"testbed.demo: no {zcore}: install the package into this environment ('make demo-vm')", file=sys.stderr)
        return 2
    with drivers.vivid() as camera, drivers.vim2m() as converter, drivers.vkms() as display:
        for node in (*camera, *converter, *display):
            print(f"{node.path}: {node.driver} {node.name!r} ({node.kind})", flush=True)
        return subprocess.run([zcore, "demo", "--out", options.out], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
