"""A display whose mode goes away, and a source that changes, while a chain runs on the fake kernel."""

import gc
import os
import threading
import weakref

import pytest

import zcore
from chain_rig import Monitor
from fakekernel import FakeCamera, FakeCard

CARD = "/dev/dri/card0"


def test_chain_goes_on_with_another_mode(fake_kernel):
    card = FakeCard(fake_kernel, auto=True)
    Monitor(card, 5, (800, 600))
    source, display = zcore.TestSource("XR24", (64, 16)), zcore.Display(CARD)
    report = zcore.Chain(source, display).run(frames=20)
    assert len(report.replanned) == 1
    assert "display" in report.replanned[0]
    assert "EINVAL" in report.replanned[0]
    assert report.links[0].frames >= 18  # those that were on their way to the old mode are lost


def test_failure_without_another_mode_is_told(fake_kernel):
    card = FakeCard(fake_kernel, auto=True)
    Monitor(card, 5, (card.width, card.height))
    with pytest.raises(zcore.DeviceError, match="EINVAL") as caught:
        zcore.Chain(zcore.TestSource("XR24", (64, 16)), zcore.Display(CARD, plane="primary")).run(frames=20)
    assert caught.value.report.frames <= 5
    del caught


@pytest.mark.parametrize("background", [False, True])
def test_error_ends_with_who_looks_at_it(fake_kernel, background):
    """And with it the buffers that its traceback names; nobody has to wait for the garbage collector."""
    camera = FakeCamera(fake_kernel)
    camera.auto = 5
    chain = zcore.Chain(zcore.Capture("/dev/video0"), zcore.FakeSink())
    seen = None
    gc.disable()
    try:
        try:
            if background:
                chain.start()
                threading.Timer(0.05, camera.unplug).start()
                chain.wait(30)
            else:
                threading.Timer(0.05, camera.unplug).start()
                chain.run()
        except zcore.DeviceGoneError as error:
            seen = weakref.ref(error)
        assert seen is not None
        assert seen() is None
    finally:
        gc.enable()


@pytest.mark.parametrize("fails", [False, True])
def test_chain_that_has_ended_keeps_no_buffers(fake_kernel, fails):
    camera = FakeCamera(fake_kernel)
    camera.auto = 5
    chain = zcore.Chain(zcore.Capture("/dev/video0"), zcore.FakeSink())
    if fails:
        threading.Timer(0.05, camera.unplug).start()
        with pytest.raises(zcore.DeviceGoneError):
            chain.run()
    else:
        chain.run(frames=5)
    gc.collect()
    assert chain.frames_done == 5
    kept = len(os.listdir("/proc/self/fd"))
    del chain
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) == kept
