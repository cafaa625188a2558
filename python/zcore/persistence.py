"""When a chain gives up, what it was told to refuse, whose its stages are, and in which order it starts."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable
from operator import index

from zcore.errors import ChainError
from zcore.graph import Graph
from zcore.negotiate import Plan
from zcore.report import Report
from zcore.stages.base import Stage

MOST_FRAMES = (1 << 63) - 1
_claiming = threading.Lock()
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


def check_frames(frames: int | None) -> int | None:
    """Refuse what is no number of frames."""
    if frames is None:
        return None
    try:
        count = index(frames)
    except TypeError:
        raise TypeError(f"frames is a whole number, or None for no limit, not {frames!r}") from None
    if not 0 <= count <= MOST_FRAMES:
        raise ValueError(f"frames is 0 or more, or None for no limit, not {frames}")
    return count


def check_stall(seconds: float | None) -> float | None:
    """Refuse what is no time to wait."""
    if seconds is not None and (not isinstance(seconds, int | float) or not seconds > 0):
        raise ValueError(f"stall_timeout is seconds above 0, or None to wait for ever, not {seconds!r}")
    return seconds


def claim(stages: Iterable[Stage], chain: object) -> None:
    """Have stages for one run: two loops that drive one device would take each other's buffers."""
    with _claiming:
        check_free(stages, chain)
        for stage in stages:
            stage.runs_in = chain


def release(stages: Iterable[Stage], chain: object) -> None:
    """Let go of stages after the run."""
    for stage in stages:
        if stage.runs_in is chain:
            stage.runs_in = None


def check_free(stages: Iterable[Stage], chain: object) -> None:
    """Refuse stages that run in another chain just now."""
    for stage in stages:
        if stage.runs_in not in (None, chain):
            raise ChainError(
                f"{stage.name} runs in another chain; a stage may stand in several, and runs in one at a time: stop "
                "that one first, or make a stage of its own"
            )


def refuse_from_within(done: str, threads: Iterable[threading.Thread | None]) -> None:
    """Refuse what one of a chain's own threads would wait for itself with."""
    if threading.current_thread() in threads:
        raise ChainError(f"a chain cannot be {done} by one of its own stages while it runs; call stop() there")
