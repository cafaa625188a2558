"""``zcore launch``: run a pipeline string."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path
from typing import Any

from zcore.cli.output import console
from zcore.cli.running import positive, print_report, run_with_progress, write_json
from zcore.pipeline import Blueprint, LaunchError, build, draw, parse

NEEDS_PROGRAM = {
    "appsrc": "appsrc gets its frames from a program, which 'zcore launch' is not; use videotestsrc or filesrc,"
    " or zcore.launch() in a program",
    "appsink": "appsink gives its frames to a program, which 'zcore launch' is not; use fakesink or filesink,"
    " or zcore.launch() in a program",
}


def add_parser(commands: Any) -> None:
    """Add the command's options."""
    parser = commands.add_parser(
        "launch", help="run a pipeline string, as gst-launch-1.0 does",
        description="Run a pipeline in the grammar of gst-launch-1.0 until its source ends, or Ctrl-C; then tell what"
        " went over each link. 'zcore inspect' lists the elements.",
        epilog="example: zcore launch --frames 300 v4l2src device=/dev/video0 io-mode=dmabuf !"
        " 'video/x-raw,width=1280,height=720' ! kmssink",
    )  # fmt: skip
    add_pipeline(parser)
    parser.add_argument("--frames", type=positive, metavar="N", help="stop after this many frames of each source")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the report as JSON; - is standard output")
    parser.add_argument("-v", "--verbose", action="store_true", help="print the plan first, and what had no effect")
    parser.set_defaults(run=run)


def add_pipeline(parser: argparse.ArgumentParser) -> None:
    """Add what ``launch`` and ``explain`` have in common."""
    parser.add_argument("pipeline", nargs="+", metavar="PIPELINE", help="one argument, or its words as the shell gives")
    parser.add_argument("--require-zero-copy", action="store_true", help="fail rather than copy a frame")


def blueprint(words: list[str], *, alone: bool) -> Blueprint:
    """Look up what a pipeline names; `alone` refuses elements that need a program around them."""
    drawn = draw(parse(words))
    for element in drawn.elements:
        if alone and element.factory.name in NEEDS_PROGRAM:
            raise LaunchError(NEEDS_PROGRAM[element.factory.name], drawn.text, element.position, element.end)
    return drawn


def talk() -> None:
    """Print what zcore logs to standard error."""
    log = logging.getLogger("zcore")
    log.setLevel(logging.INFO)
    log.addHandler(logging.StreamHandler())


def run(options: argparse.Namespace) -> int:
    """Run the pipeline."""
    to_stdout = str(options.json) == "-"
    out = console(stderr=to_stdout)
    if options.verbose:
        talk()
    require = options.require_zero_copy or None
    chain = build(blueprint(options.pipeline, alone=True), require_zero_copy=require)
    with chain:
        if options.verbose:
            out.print(str(chain.plan()), markup=False, soft_wrap=True)
        try:
            report = run_with_progress(chain, out, options.frames, require)
        except BaseException as error:
            partly = getattr(error, "report", None)
            if partly is not None:
                print_report(partly, out)
            raise
    print_report(report, out)
    if options.json is not None:
        write_json(report.to_json(), options.json)
    return 0
