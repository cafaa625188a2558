"""Counters that outlive a plan, and those that begin anew with it: a report tells of its own run, and of all of it."""

import pytest

import zcore
from chain_rig import Monitor
from codec_rig import SIZE, Camera
from fakekernel import FakeCard
from fakekernel.v4l2_queue import FLAG_ERROR, FLAG_MONOTONIC

CARD = "/dev/dri/card0"


class Gappy(Camera):
    """Leaves out one number before each frame, and damages every fourth frame."""

    def __init__(self, kernel):
        super().__init__(kernel, code="XR24")
        self.made = 0

    def work(self):
        device, queue = self.device, self.device.capture
        while device.auto and queue.streaming and queue.queued:
            device.auto -= 1
            self.made += 1
            bad = FLAG_ERROR if self.made % 4 == 0 else 0
            queue.finish(queue.take(), flags=FLAG_MONOTONIC | bad, sequence=2 * self.made)
        for file in device.files:
            file.set_readable(queue.answers_poll)


class Refuses:
    """Refuses every third frame."""

    def __init__(self):
        self.seen = self.refused = 0

    def __call__(self, frame):
        self.seen += 1
        refuse = self.seen % 3 == 0
        self.refused += refuse
        return not refuse


@pytest.mark.parametrize("replan", [False, True], ids=["one-plan", "replanned"])
def test_drops_are_counted_once(fake_kernel, replan):
    card = FakeCard(fake_kernel, auto=True)
    if replan:
        Monitor(card, 5, (800, 600))
    Gappy(fake_kernel)
    refuses = Refuses()
    chain = zcore.Chain(
        zcore.Capture("/dev/video0", corrupted="drop", name="camera"),
        zcore.Passthrough(refuses, name="choosy"),
        zcore.Display(CARD),
    )
    report = chain.run(frames=20)
    assert len(report.replanned) == replan
    camera, choosy, _ = report.stages
    assert choosy.drops == {"refused": refuses.refused}
    dequeued = camera.frames_out + camera.drops["corrupted"]
    # One number is left out before each frame, but for the first of a stream, of which nobody knows where it begins.
    # A buffer that was filled and then came back with the end of a stream is one more.
    assert camera.drops["driver"] == dequeued - 1 - replan
    assert dequeued / 4 - 1 - replan <= camera.drops["corrupted"] <= dequeued / 4 + 1 + replan


def test_each_report_tells_of_its_own_run(fake_kernel):
    """Within one `with`: nodes are new, devices and buffers are not."""
    Gappy(fake_kernel)
    refuses = Refuses()
    chain = zcore.Chain(
        zcore.Capture("/dev/video0", corrupted="drop", name="camera"),
        zcore.Passthrough(refuses, name="choosy"),
        zcore.Callback(lambda frame: frame.array().sum()),
    )
    with chain:
        for frames in (24, 9, 12):
            before = refuses.refused
            report = chain.run(frames=frames)
            camera, choosy, _ = report.stages
            assert choosy.drops == {"refused": refuses.refused - before}
            assert camera.drops["driver"] == camera.frames_out + camera.drops["corrupted"] - 1
            assert report.links[0].cpu_maps == frames - choosy.drops["refused"]


def test_imports_are_counted_once(fake_kernel):
    """The camera's queue goes on with its count when the display's mode changes; the display begins anew."""
    card = FakeCard(fake_kernel, auto=True)
    Monitor(card, 5, (800, 600))
    camera = Camera(fake_kernel, code="XR24")
    report = zcore.Chain(zcore.Capture("/dev/video0", io_mode="dmabuf-import"), zcore.Display(CARD)).run(frames=20)
    assert len(report.replanned) == 1
    (link,) = report.links
    assert link.attaches == camera.device.capture.attaches + 2 * link.buffers
    assert link.reattaches == 0


def test_sink_that_drops_counts_from_run_to_run(fake_kernel):
    """AppSink counts from the day that it was made; a chain that was closed in between does not forget that."""
    sink = zcore.AppSink(max_buffers=2, drop=True, name="sink")
    chain = zcore.Chain(zcore.TestSource("GREY", SIZE), sink)
    for frames in (10, 20, 5):
        report = chain.run(frames=frames)
        assert report.stages[-1].drops == {"drop": frames - 2}
