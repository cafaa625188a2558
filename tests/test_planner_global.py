"""Chains in which looking at all links at once costs less than agreeing link by link; see docs/negotiation.md."""

import pytest

from planner_rig import RigConvert, RigSink, RigSource, hop_by_hop
from zcore.graph import Graph
from zcore.negotiate import Planner
from zcore.stages.base import Sizes
from zcore.stages.flow import Tee


def row(*stages):
    return Graph.of_row(stages)


def encoder_behind_a_scaler():
    """The scaler keeps the format, the encoder takes only the camera's second one."""
    camera = RigSource("YUYV NV12")
    scaler = RigConvert("YUYV NV12", "YUYV NV12", couples=True)
    return row(camera, scaler, RigSink("NV12"))


def display_on_the_second_branch():
    """The file takes anything, the display beside it only the camera's third format."""
    camera, tee = RigSource("YUYV NV12 XR24"), Tee()
    return Graph([], [(camera, tee), (tee, RigSink("YUYV NV12 XR24")), (tee, RigSink("XR24"))])


def converter_with_a_limit():
    """The camera stands at 1080p, the converter takes no more than VGA and does not scale."""
    limit = Sizes(((16, 640, 1, 16, 480, 1),))
    camera = RigSource("BGR3", (1920, 1080), sizes=Sizes.of((1920, 1080), (640, 480)))
    converter = RigConvert("BGR3", "XR24")
    converter.input_sizes = lambda fmt: limit
    return row(camera, converter, RigSink("XR24"))


def format_that_needs_no_conversion_later():
    """Two converters in a row: the first could already make what the second must not touch."""
    camera = RigSource("BGR3")
    return row(camera, RigConvert("BGR3", "RGBP NV12 XR24"), RigConvert("RGBP NV12", "NV12 YUYV"), RigSink("NV12"))


def two_encoders():
    """Each of two encoders takes the first format of the camera or the second; only the last is common to both."""
    camera, tee = RigSource("YUYV NV12 YU12"), Tee()
    return Graph([], [(camera, tee), (tee, RigSink("YUYV YU12")), (tee, RigSink("NV12 YU12"))])


def memory_that_only_one_format_reaches():
    """The display cannot reach the memory of the format that comes first."""
    camera = RigSource("YUYV NV12", roles="export")
    display = RigSink("YUYV NV12")
    use = display.input.use

    def picky(pool, caps, memory):
        display.input.refuses = ["import"] if str(caps.format) == "YUYV" else []
        use(pool, caps, memory)

    display.input.use = picky
    display.input.refuses = ["import"]
    return row(camera, display)


CHAINS = [
    (encoder_behind_a_scaler, (1, 1, 0), (0, 0, 0)),
    (display_on_the_second_branch, (1, 1, 0), (0, 0, 0)),
    (converter_with_a_limit, (1, 1, 1), (0, 1, 0)),
    (format_that_needs_no_conversion_later, (0, 2, 0), (0, 1, 0)),
    (two_encoders, (1, 1, 0), (0, 0, 0)),
    (memory_that_only_one_format_reaches, (1, 0, 0), (0, 0, 0)),
]


def cost(plan):
    """Copies, conversions and scalings of each frame."""
    taken = {link.sink: link.caps for link in plan}
    conversions = scalings = 0
    for link in plan:
        before = taken.get(link.source)
        if before is not None:
            conversions += before.format != link.caps.format
            scalings += before.size != link.caps.size
    return plan.copies, conversions, scalings


@pytest.mark.parametrize(("build", "hop", "whole"), CHAINS, ids=lambda value: getattr(value, "__name__", ""))
def test_whole_chain_costs_less(build, hop, whole):
    assert hop_by_hop(build()) == hop
    plan = Planner(build()).plan()
    assert cost(plan) == whole
    assert whole < hop
    plan.close()
