"""Frames that wait for their time."""

import time

import pytest

import zcore
from fakekernel import FakeCard, fourcc
from helpers import make_pool
from zcore._chain import Link, Loop
from zcore._cpu_nodes import PythonNode
from zcore._nodes import DisplayNode
from zcore.formats import find
from zcore.stages.base import LinkCaps

CARD = "/dev/dri/card0"


@pytest.fixture
def card(fake_kernel):
    return FakeCard(fake_kernel, auto=True)


def timed(kernel, card, times, sync=True):
    """Show frames of certain times; gives when each was committed."""
    pool, _ = make_pool(kernel, 4)
    display = zcore.Display(CARD)
    moments = []
    begin = card.begin

    def note(*arguments):
        moments.append(time.monotonic_ns())
        begin(*arguments)

    card.begin = note
    with display:
        caps = LinkCaps(find("XR24"), 64, 16, ((4096, 256),), fourcc("XR24"))
        display.set_input(caps)
        display.input.use(pool, caps, "dmabuf")
        display.start()
        link, left = Link("source", "display"), list(times)

        def fill(frame):
            frame.set_meta(timestamp_ns=left.pop(0))
            return True

        nodes = [
            PythonNode("source", fill, None, link, pool=pool, frames=len(times)),
            DisplayNode("display", display.scanout, link, sync=sync),
        ]
        loop = Loop(nodes)
        loop.watch_pool(0, pool.bell)
        try:
            assert loop.run(20.0) == (0, None)
        finally:
            loop.close()
        assert nodes[1].frames_in == len(times)
        display.stop()
    pool.close()
    return moments


def test_no_frame_is_shown_before_its_time(fake_kernel, card):
    moments = timed(fake_kernel, card, [5_000_000 * n + 1 for n in range(6)])
    # Not how long it took, but that nobody came too early.
    assert all(later - moments[0] >= 5_000_000 * n - 5_000_000 for n, later in enumerate(moments))


def test_frames_of_this_clock_have_happened(fake_kernel, card):
    now = time.monotonic_ns()
    moments = timed(fake_kernel, card, [now - 40_000_000, now - 20_000_000, now - 10_000_000])
    assert len(moments) == 3


@pytest.mark.parametrize("times", [[1, 3_600_000_000_000, 3_600_000_000_001], [9_000_000_000, 5, 6], [0, 0, 0]])
def test_jumps_and_missing_times_hold_nothing_up(fake_kernel, card, times):
    assert len(timed(fake_kernel, card, times)) == 3


def test_events_of_others_do_not_keep_the_loop_awake(fake_kernel, card):
    """A flip event that nobody waits for: the fake complains about whoever spins."""
    begin = card.begin
    seen = []

    def stray(*arguments):
        begin(*arguments)
        if len(card.files[0].device.commits) == 2:
            card.send_event(card.flip_event(0xDEAD))
            seen.append(1)

    card.begin = stray
    moments = timed(fake_kernel, card, [5_000_000 * n + 1 for n in range(4)])
    assert len(moments) == 4
    assert seen


def test_without_sync_frames_are_shown_as_they_come(fake_kernel, card):
    assert len(timed(fake_kernel, card, [1, 3_000_000_000, 6_000_000_000], sync=False)) == 3
