"""The ``zcore`` command."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence

from zcore import __version__
from zcore.cli import controls, demo, devices, explain, inspect, launch, media, memory
from zcore.errors import ChainError, DeviceError
from zcore.pipeline import LaunchError


def parser() -> argparse.ArgumentParser:
    """Build the command line's grammar."""
    top = argparse.ArgumentParser(prog="zcore", description="Zero-copy video frames between V4L2 and DRM/KMS devices.")
    top.add_argument("--version", action="version", version=f"zcore {__version__}")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    demo.add_parser(commands)
    for command in (launch, explain, inspect, devices, memory, controls, media):
        command.add_parser(commands)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Returns
    -------
    int
        Exit status: 0, 1 for a failure that was explained, 2 for a mistake in the command or its pipeline, 130 for
        Ctrl-C where nothing could be reported.
    """
    options = parser().parse_args(argv)
    run: Callable[[argparse.Namespace], int] = options.run
    try:
        status = run(options)
        sys.stdout.flush()  # here, where what fails is told, and not at Python's end
        return status
    except (LaunchError, inspect.UsageError) as error:
        print(f"zcore {options.command}: {error}", file=sys.stderr)
        return 2
    except (ChainError, DeviceError, OSError) as error:
        if isinstance(error, BrokenPipeError) and error.filename is None:  # who reads has seen enough, as head does
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # or Python would complain at its end
            return 1
        print(f"zcore {options.command}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"zcore {options.command}: interrupted", file=sys.stderr)
        return 130
