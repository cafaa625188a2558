"""What a plan costs: chains of growing length with 80 formats a side, without devices and on the fake kernel."""

import sys
from pathlib import Path

import pytest

from zcore.formats import FORMATS
from zcore.graph import Graph
from zcore.negotiate import Planner

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from planner_rig import RigConvert, RigSink, RigSource

NAMES = " ".join([fmt.name for fmt in FORMATS if fmt.linear and fmt.drm is not None][:80])


def build(stages):
    middle = [RigConvert(NAMES, NAMES) for _ in range(stages - 2)]
    return Graph.of_row([RigSource(NAMES), *middle, RigSink(NAMES)])


@pytest.mark.benchmark(group="plan, 80 formats a side")
@pytest.mark.parametrize("stages", [2, 5, 10, 20])
def test_plan(benchmark, stages):
    graph = build(stages)
    plan = benchmark(lambda: Planner(graph).plan())
    assert len(plan) == stages - 1
    assert plan.zero_copy
