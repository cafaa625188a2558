"""``python -m testbed``: build the test kernel, run a command under it, or look around in it."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

from testbed import kernel, kvm, vm

EXIT_OOPS, EXIT_TIMEOUT, EXIT_DIED = 123, 124, 125


def main(argv: list[str] | None = None) -> int:
    """Run the command line; the status is the command's, or 123 oops, 124 timeout, 125 the machine died."""
    options = _parser().parse_args(argv)
    # A polite kill must take the machine along, and only an exception runs the code that does so.
    signal.signal(signal.SIGTERM, _stop)
    try:
        return int(options.action(options))
    except vm.VmTimeoutError as error:
        print(f"testbed: {error}", file=sys.stderr)
        return EXIT_TIMEOUT
    except (vm.VmError, kernel.KernelError) as error:
        print(f"testbed: {error}", file=sys.stderr)
        return EXIT_DIED
    except KeyboardInterrupt:
        return 128 + signal.SIGINT


def _build(options: argparse.Namespace) -> int:
    print(kernel.build(options.series))
    return 0


def _run(options: argparse.Namespace) -> int:
    command = options.command[1:] if options.command[:1] == ["--"] else options.command
    if not command:
        print("testbed: no command given", file=sys.stderr)
        return 2
    result = vm.run(
        command[0] if len(command) == 1 else command,
        timeout=options.timeout,
        modules=options.module,
        icount=options.icount,
        cpus=options.cpus,
        memory=options.memory,
        series=options.series,
        dmesg_path=options.dmesg,
    )
    for line in (*result.oopses, *result.warnings):
        print(f"testbed: guest kernel: {line}", file=sys.stderr)
    if result.oopses and not result.returncode:
        print("testbed: the command succeeded on a kernel that is broken: this counts as a failure", file=sys.stderr)
        return EXIT_OOPS
    return result.returncode


def _shell(options: argparse.Namespace) -> int:
    out, vng = kernel.build(options.series), vm.find_vng()
    path = os.pathsep.join([str(vng.parent), os.environ.get("PATH", ""), "/usr/sbin:/sbin"])
    cwd = Path.cwd()
    argv = [str(vng), "--run", str(out), "--force-9p", "--memory", "2G", "--cwd", str(cwd), f"--rwdir={cwd}"]
    return subprocess.run(
        argv if kvm.works() else [*argv, "--disable-kvm"], env={**os.environ, "PATH": path}, check=False
    ).returncode


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m testbed", description=__doc__)
    actions = parser.add_subparsers(required=True, metavar="build|run|shell")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--series", default=kernel.DEFAULT_SERIES, help="kernel series (default: %(default)s)")

    build = actions.add_parser("build", parents=[common], help="build the kernel unless it is there; print where")
    build.set_defaults(action=_build)

    run = actions.add_parser("run", parents=[common], help="run a command in the guest; its status is ours")
    run.add_argument("--timeout", type=float, default=600, metavar="S", help="kill all after S seconds (600)")
    run.add_argument("--icount", action="store_true", help="count instructions: 1 ns of guest time is one instruction")
    run.add_argument("--cpus", type=int, default=2, metavar="N")
    run.add_argument("--memory", default="2G", metavar="SIZE")
    run.add_argument("--module", action="append", default=[], metavar="'NAME P=V'", help="load this driver first")
    run.add_argument("--dmesg", type=Path, metavar="FILE", help="keep the guest's kernel log here")
    run.add_argument("command", nargs=argparse.REMAINDER, metavar="-- COMMAND", help="one word is shell text")
    run.set_defaults(action=_run)

    shell = actions.add_parser("shell", parents=[common], help="an interactive shell in the guest")
    shell.set_defaults(action=_shell)
    return parser


def _stop(signum: int, _frame: object) -> NoReturn:
    raise SystemExit(128 + signum)


if __name__ == "__main__":
    sys.exit(main())
