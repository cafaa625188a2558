"""Run a chain for a command: progress, Ctrl-C, the report."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from zcore.chain import Chain
from zcore.cli.output import ledger, stages
from zcore.report import Report

PATIENCE = 3  # how often Ctrl-C asks for a clean end


def positive(text: str) -> int:
    """Read a number of frames."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"1 or more, not {value}")
    return value


def run_with_progress(
    chain: Chain, out: Any, frames: int | None = None, require_zero_copy: bool | None = None
) -> Report:
    """Run in a thread and show how far it is; Ctrl-C and SIGTERM end the stream, the second time at once.

    The report is given in either case.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    told = 0
    chain.plan(require_zero_copy)  # Ctrl-C still means what it always does
    with _stopped_by_signals(chain) as asked, Progress(*columns, console=out) as progress:
        chain.start(frames, require_zero_copy=require_zero_copy)
        task = progress.add_task("frames", total=frames)
        while True:
            report = chain.wait(0.1)
            if len(asked) > told:
                told = len(asked)
                print("stopping" if told > 1 else "ending; once more stops at once", file=sys.stderr)
            if report is not None:
                progress.update(task, completed=report.frames)
                return report
            progress.update(task, completed=chain.frames_done)


@contextmanager
def _stopped_by_signals(chain: Chain) -> Iterator[list[int]]:
    """Let Ctrl-C and SIGTERM end the chain, the second time without its last frames; gives the list of those that came.

    They raise nothing: an exception within :meth:`threading.Thread.join` makes Python up to 3.12 forget the thread.
    """
    asked: list[int] = []

    def stop(number: int, _: object) -> None:
        asked.append(number)
        if len(asked) > PATIENCE:
            raise KeyboardInterrupt
        (chain.end_of_stream if len(asked) == 1 else chain.stop)()

    numbers = (signal.SIGINT, signal.SIGTERM)
    try:
        before = [signal.signal(number, stop) for number in numbers]
    except ValueError:  # not the main thread, which gets no signals
        yield asked
        return
    try:
        yield asked
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def print_report(report: Report, out: Any) -> None:
    """Print the tables of a run and its sum."""
    out.print(ledger(report))
    out.print(stages(report))
    for why in report.replanned:
        out.print(f"Planned again {why}", markup=False, soft_wrap=True)
    verdict = "no link copied a frame" if report.zero_copy else "frames were copied, see the ledger"
    out.print(f"{report.frames} frames in {report.seconds:.2f} s, {report.fps:.1f} per second; {verdict}.")


def write_json(text: str, path: Path) -> None:
    """Write JSON to a file, or to standard output for ``-``."""
    if str(path) == "-":
        print(text)
    else:
        path.write_text(text + "\n")
