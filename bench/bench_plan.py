"""What a plan costs: chains of growing length with 80 formats a side."""

import gc
import sys
from pathlib import Path

import pytest

import zcore
from zcore import _sys
from zcore.formats import FORMATS, fourcc_str
from zcore.graph import Graph
from zcore.negotiate import Planner

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from fakekernel import FakeKernel, quirky_v4l2
from fakekernel.quirky_v4l2 import QuirkyCamera, QuirkyM2m, Side
from planner_rig import RigConvert, RigSink, RigSource

NAMES = " ".join([fmt.name for fmt in FORMATS if fmt.linear and fmt.drm is not None][:80])


def rig(stages):
    middle = [RigConvert(NAMES, NAMES) for _ in range(stages - 2)]
    return Graph.of_row([RigSource(NAMES), *middle, RigSink(NAMES)])


@pytest.mark.benchmark(group="plan, 80 formats a side, stages that answer at once")
@pytest.mark.parametrize("stages", [2, 5, 10, 20])
def test_plan(benchmark, stages):
    graph = rig(stages)
    plan = benchmark(lambda: Planner(graph).plan())
    assert len(plan) == stages - 1
    assert plan.zero_copy


def listed():
    """80 fourccs of one memory plane that the fake devices can lay out."""
    codes = {}
    for fmt in FORMATS:
        if fmt.v4l2 is None or not fmt.linear:
            continue
        planes = [(plane.block_bytes // plane.block_width, plane.hsub, plane.vsub) for plane in fmt.planes]
        exact = all(plane.block_bytes % plane.block_width == 0 for plane in fmt.planes)
        if exact and len(planes) == 1:
            codes[fourcc_str(fmt.v4l2)] = planes
    return dict(list(codes.items())[:80])


@pytest.fixture
def devices(monkeypatch):
    """A camera and 18 converters on the fake kernel."""
    codes = listed()
    monkeypatch.setattr(quirky_v4l2, "PLANES", {**quirky_v4l2.PLANES, **codes})
    kernel = FakeKernel()
    _sys.install_fake_kernel(kernel)
    names = " ".join(codes)
    keep = [QuirkyCamera(kernel, "/dev/video0", formats=names)]
    keep += [
        QuirkyM2m(kernel, f"/dev/video{n}", taking=Side(names), giving=Side(names), auto=False) for n in range(1, 19)
    ]
    yield len(codes)
    keep.clear()
    gc.collect()
    _sys.install_fake_kernel(None)
    kernel.close()


@pytest.mark.benchmark(group="plan, 80 formats a side, on the fake kernel")
@pytest.mark.parametrize("stages", [2, 5, 10, 20])
def test_plan_on_the_fake_kernel(benchmark, devices, stages):
    assert devices == 80
    middle = [zcore.Convert(f"/dev/video{n}") for n in range(1, stages - 1)]
    graph = Graph.of_row([zcore.Capture("/dev/video0"), *middle, zcore.Callback(lambda frame: None)])
    for stage in graph.stages:
        stage.open()

    def forget():
        for stage in graph.stages:
            for pad in {getattr(stage, "input", None), getattr(stage, "output", None)} - {None}:
                pad.reset()

    plan = benchmark.pedantic(lambda: Planner(graph).plan(), setup=forget, rounds=10, warmup_rounds=1)
    assert len(plan) == stages - 1
    assert plan.zero_copy
    plan.close()
    forget()
    for stage in graph.stages:
        stage.close()
