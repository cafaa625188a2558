"""Changes while a chain runs: the source has another resolution."""

import pytest

import zcore
from app_rig import wait_for
from testbed import drivers
from zcore.stages.timings import follow_signal

SELECTED = 4  # of "DV Timings Signal Mode": what the control "DV Timings" says


@pytest.fixture
def hdmi():
    with drivers.vivid(n_devs=1, node_types=0x1, num_inputs=1, input_types=3) as nodes:
        yield nodes.one("capture").path


def switch(camera, timings):
    camera.control("DV Timings Signal Mode", SELECTED)
    camera.control("DV Timings", timings)


def run_and_switch(camera, seen, timings):
    """Run until the chain was planned anew and has gone on for some frames, however long the machine takes for it."""
    buffers = []

    def look(frame):
        buffers.append(frame.buffers[0].identity)
        seen.append(frame.size)

    chain = zcore.Chain(camera, zcore.Callback(look))
    with chain:
        chain.start()
        wait_for(lambda: len(seen) >= 40)  # by then every buffer has come
        before = set(buffers)
        switch(camera, timings)
        wait_for(lambda: not before.issuperset(buffers))
        after = len(seen)
        wait_for(lambda: len(seen) >= after + 20)
        chain.stop()
        return chain.wait(120)


@pytest.mark.proves("T84", "vidioc-dqevent:source-change")
def test_chain_goes_on_with_the_new_resolution(hdmi):
    seen = []
    with zcore.Capture(hdmi) as camera:
        switch(camera, 0)
        follow_signal(camera.output.device)
        report = run_and_switch(camera, seen, 7)
    sizes = list(dict.fromkeys(seen))
    assert len(sizes) == 2, sizes
    assert len(seen) == report.frames
    assert len(report.replanned) == 1
    assert "another resolution" in report.replanned[0]
    assert report.zero_copy
    assert report.links[0].frames == report.frames


def test_size_that_the_user_fixed_stays(hdmi):
    with zcore.Capture(hdmi) as camera:
        switch(camera, 0)
        follow_signal(camera.output.device)
    seen = []
    with zcore.Capture(hdmi, size=(640, 480)) as camera:
        report = run_and_switch(camera, seen, 7)
    assert len(report.replanned) == 1  # vivid scales the new picture to it
    assert set(seen) == {(640, 480)}
