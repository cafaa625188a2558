"""The monitor of vkms is pulled out and plugged in again, while a chain shows frames."""

import gc
import os
import threading
import time

import pytest

import zcore
from testbed import debugfs, drivers

SIZE = (640, 480)


@pytest.fixture
def monitor(vkms):
    """Say what the monitor does."""

    def force(status):
        drivers.force_connector(vkms, "Virtual-1", status)

    yield force
    force("detect")


def standing(card):
    gc.collect()
    return (
        len(os.listdir("/proc/self/fd")), debugfs.dmabufs().count, len(debugfs.framebuffers(card)),
        threading.active_count(),
    )  # fmt: skip


def chain_of(vivid, vkms, **options):
    return zcore.Chain(
        zcore.Capture(vivid, "XR24", SIZE, rate=60), zcore.Display(vkms, mode=SIZE, unplug_timeout=60, **options)
    )


def act_after(chain, frames, act):
    def work():
        until = time.monotonic() + 60
        while chain.frames_done < frames and time.monotonic() < until:
            time.sleep(0.01)
        act()

    thread = threading.Thread(target=work)
    thread.start()
    return thread


@pytest.mark.proves("drm-kms:unplug")
def test_chain_ends_when_its_monitor_goes(vivid, vkms, monitor):
    chain_of(vivid, vkms).run(frames=2)
    before = standing(vkms)
    chain = chain_of(vivid, vkms, on_unplug="fail")
    thread = act_after(chain, 3, lambda: monitor("off"))
    with pytest.raises(zcore.DeviceGoneError, match=r"Virtual-1 of /dev/dri/card\d+: uevent: \[ENODEV\]") as caught:
        chain.run()
    thread.join()
    assert caught.value.report.frames >= 3
    del caught
    monitor("on")
    assert standing(vkms) == before
    chain.run(frames=2)


@pytest.mark.proves("drm-kms:replug")
def test_chain_goes_on_when_its_monitor_is_back(vivid, vkms, monitor):
    chain = chain_of(vivid, vkms, on_unplug="reopen")

    def away_and_back():
        monitor("off")
        time.sleep(0.3)
        monitor("on")

    with chain:
        thread = act_after(chain, 3, away_and_back)
        report = chain.run(frames=40)
        thread.join()
        assert 37 <= report.frames <= 40  # up to three were between camera and screen
        assert len(report.replanned) == 1
        assert "nothing is plugged in there any more" in report.replanned[0]
        assert report.zero_copy


def test_chain_waits_for_its_monitor(vivid, vkms, monitor):
    monitor("off")
    with pytest.raises(zcore.ChainError, match="nothing is connected"):
        chain_of(vivid, vkms).run(frames=2)
    chain = chain_of(vivid, vkms, on_unplug="wait")
    timer = threading.Timer(0.3, monitor, ["on"])
    timer.start()
    assert chain.run(frames=3).frames == 3
    timer.join()
