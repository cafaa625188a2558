"""Tables and progress on a terminal, with rich (zcore's extra ``cli``)."""

from __future__ import annotations

from typing import Any

from zcore.errors import ChainError
from zcore.report import Report


def console(*, stderr: bool = False) -> Any:
    """Make the console, on standard output or standard error; says what to install where rich is missing."""
    try:
        from rich.console import Console
    except ImportError:
        raise ChainError("the command's tables need rich: pip install '.[cli]' in the checkout") from None
    wide = Console(highlight=False, stderr=stderr)
    if not wide.is_terminal:  # a pipe has no width: a table cut to 80 columns would lose its figures
        wide = Console(highlight=False, width=200, stderr=stderr)
    return wide


def ledger(report: Report) -> Any:
    """Show the ledger of a run as a table: one row for each link."""
    from rich.table import Table

    table = Table(title="Ledger: what went over each link")
    for heading in ("link", "caps", "memory", "allocator"):
        table.add_column(heading, overflow="fold")
    for heading in ("frames", "copied", "bytes copied", "CPU maps", "syncs", "attaches"):
        table.add_column(heading, justify="right")
    for link in report.links:
        table.add_row(
            f"{link.source} → {link.sink}", link.caps, link.memory, link.allocator, str(link.frames),
            str(link.copied_frames), str(link.copied_bytes), str(link.cpu_maps), str(link.sync_calls),
            str(link.attaches),
        )  # fmt: skip
    return table


def stages(report: Report) -> Any:
    """Show the stages of a run as a table."""
    from rich.table import Table

    table = Table(title="Stages")
    for heading in ("stage", "device"):
        table.add_column(heading, overflow="fold")
    for heading in ("frames in", "frames out"):
        table.add_column(heading, justify="right")
    table.add_column("drops", overflow="fold")
    table.add_column("facts", overflow="fold")
    for stage in report.stages:
        facts = ", ".join(f"{k.replace('_', ' ')} {_short(v)}" for k, v in stage.facts.items())
        drops = ", ".join(f"{count} by the {reason}" for reason, count in stage.drops.items())
        table.add_row(stage.name, stage.device, str(stage.frames_in), str(stage.frames_out), drops or "none", facts)
    return table


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.1f}"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
