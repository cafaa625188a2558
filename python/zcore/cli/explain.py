"""``zcore explain``: plan a pipeline string without running it."""

from __future__ import annotations

import argparse
import shutil
import subprocess
from pathlib import Path
from typing import Any

from zcore.cli.launch import add_pipeline, blueprint
from zcore.cli.output import console
from zcore.cli.running import write_json
from zcore.errors import ChainError
from zcore.pipeline import build


def add_parser(commands: Any) -> None:
    """Add the command's options."""
    parser = commands.add_parser(
        "explain", help="say how a pipeline would share its frames, and why, without running it",
        description="Plan a pipeline on this machine's devices without streaming: for each link the format, the memory"
        " and the number of buffers that were chosen, and each alternative with the reason why it was not.",
    )  # fmt: skip
    add_pipeline(parser)
    parser.add_argument("--json", action="store_true", help="as JSON, on standard output")
    parser.add_argument("--dot", type=Path, metavar="FILE", help="write the graph for Graphviz")
    parser.add_argument("--svg", type=Path, metavar="FILE", help="write the graph as a picture, with Graphviz")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Plan the pipeline and print the plan."""
    if options.svg is not None:
        _graphviz()
    out = console()
    chain = build(blueprint(options.pipeline, alone=False), require_zero_copy=options.require_zero_copy or None)
    with chain:
        plan = chain.plan()
        text, data, dot = str(plan), plan.to_json(), plan.to_dot()
    if options.json:
        write_json(data, Path("-"))
    else:
        out.print(text, markup=False, soft_wrap=True)
    if options.dot is not None:
        options.dot.write_text(dot + "\n")
    if options.svg is not None:
        options.svg.write_bytes(_svg(dot))
    return 0


def _graphviz() -> str:
    program = shutil.which("dot")
    if program is None:
        raise ChainError(
            "an SVG needs Graphviz, whose program 'dot' is not here: install the package graphviz, or write --dot FILE"
        )
    return program


def _svg(dot: str) -> bytes:
    done = subprocess.run([_graphviz(), "-Tsvg"], input=dot.encode(), capture_output=True, check=False)
    if done.returncode:
        raise ChainError(f"Graphviz refuses the graph: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout
