"""When a chain gives up, what it was told to refuse, and in which order it starts."""

from __future__ import annotations

import os

from zcore.errors import ChainError
from zcore.graph import Graph
from zcore.negotiate import Plan
from zcore.report import Report
from zcore.stages.base import Stage

FRUITLESS = 4  # plans without a frame until a chain that is planned again and again is given up


def is_strict(*answers: bool | None) -> bool:
    """Tell whether copies are refused: the first answer that there is counts, else ``ZCORE_REQUIRE_ZERO_COPY``."""
    for answer in answers:
        if answer is not None:
            return answer
    return os.environ.get("ZCORE_REQUIRE_ZERO_COPY", "0") not in ("", "0")


def check_fruit(reports: list[Report], why: str, name: str = "") -> None:
    """Give up a chain that is planned again and again without a frame in between, or one into the stage of a name."""
    moved = [
        report.frames or any(stage.frames_in for stage in report.stages if stage.name == name)
        for report in reports[-FRUITLESS:]
    ]
    if len(reports) >= FRUITLESS and not any(moved):
        raise ChainError(f"planned again {FRUITLESS} times without a frame in between; {why}")


def sinks_first(graph: Graph, plan: Plan) -> list[Stage]:
    """List the stages, those that the plan put in too, from the sinks to the sources."""
    return [*graph.stages, *plan.inserted][::-1]
