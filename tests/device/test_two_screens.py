"""Two displays at the same time: two screens of one card, and two cards, on real drivers."""

import gc
import os
import threading
from pathlib import Path

import pytest

import zcore
from testbed import debugfs, drivers

SIZE = (640, 480)
FRAMES = 8


@pytest.fixture
def heads():
    """A card of the virtual machine and the names of its two connectors, a monitor on each."""
    with drivers.virtio_gpu() as nodes:
        path = nodes.one("display").path
        entries = Path("/sys/class/drm").glob(f"{Path(path).name}-*")
        names = sorted(entry.name.partition("-")[2] for entry in entries)  # numbered through all cards
        assert len(names) == 2
        drivers.force_connector(path, names[1], "on")
        yield path, names
        drivers.force_connector(path, names[1], "detect")


def standing(*cards):
    gc.collect()
    return (
        len(os.listdir("/proc/self/fd")), debugfs.dmabufs().count, threading.active_count(),
        [len(debugfs.framebuffers(card)) for card in cards],
    )  # fmt: skip


def branched(vivid, *displays):
    camera, tee = zcore.Capture(vivid, "XR24", SIZE, rate=60), zcore.Tee()
    return zcore.Chain(links=[(camera, tee), *((tee, display) for display in displays)])


@pytest.mark.proves("drm-kms:two-screens", "drm-kms:nonblocking", "T59")
def test_one_chain_on_two_screens_of_a_card(vivid, heads):
    card, names = heads
    screens = [zcore.Display(card, connector=name, mode=SIZE) for name in names]
    before = standing(card)
    with branched(vivid, *screens) as chain:
        report = chain.run(frames=FRAMES, require_zero_copy=True)
        assert report.zero_copy
        assert screens[0].card is screens[1].card
        assert screens[0].scanout.crtc != screens[1].scanout.crtc
        assert [screen.scanout.flips for screen in screens] == [FRAMES, FRAMES]
        assert [screen.scanout.shared_commits for screen in screens] == [0, 0]
        on_screen = [screen.scanout.frame_on_screen().sequence for screen in screens]
        assert on_screen[0] == on_screen[1]
    assert standing(card) == before


@pytest.mark.proves("drm-kms:two-screens")
def test_a_screen_is_set_up_while_the_other_one_runs(vivid, heads):
    card, names = heads
    one, two = (zcore.Display(card, connector=name, mode=SIZE) for name in names)
    main = zcore.Chain(zcore.Capture(vivid, "XR24", SIZE, rate=60), one)
    with main:
        main.start(frames=30)
        while main.frames_done < 3:
            threading.Event().wait(0.01)
        for _ in range(2):
            assert zcore.Chain(zcore.TestSource("XR24", SIZE), two).run(frames=3).frames == 3
        assert main.wait(60).frames == 30


@pytest.mark.proves("drm-kms:two-screens")
def test_one_chain_on_two_cards(vivid, heads, vkms):
    card, names = heads
    before = standing(card, vkms)
    screens = zcore.Display(card, connector=names[0], mode=SIZE), zcore.Display(vkms, mode=SIZE)
    with branched(vivid, *screens) as chain:
        assert chain.run(frames=FRAMES, require_zero_copy=True).zero_copy
        assert [screen.scanout.flips for screen in screens] == [FRAMES, FRAMES]
        seen = screens[1].screenshot()
        assert (seen[..., :3] == screens[1].scanout.frame_on_screen().array()[..., :3]).all()
    assert standing(card, vkms) == before
