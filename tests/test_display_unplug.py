"""Monitors that are pulled out and plugged in again while a display shows frames, over the fake kernel."""

import errno
import socket
import threading
import time

import pytest

import zcore
from fakekernel import FakeCard
from fakekernel.drm import CONNECTOR, CRTC, PRIMARY, UNPLUGGED
from zcore import reappear
from zcore._drm import Card
from zcore._uevent import UeventSocket
from zcore.hotplug import DeviceMonitor
from zcore.stages import kms_plug
from zcore.stages.unplug import Patience

CARD = "/dev/dri/card0"
ON_THE_WAY = 3  # frames between source and screen when the screen went
MESSAGE = (
    b"change@/devices/platform/fake/drm/card0\0ACTION=change\0DEVPATH=/devices/platform/fake/drm/card0\0SUBSYSTEM=drm\0"
    b"HOTPLUG=1\0MAJOR=226\0MINOR=0\0DEVNAME=dri/card0\0DEVTYPE=drm_minor\0SEQNUM=7\0"
)
OTHER = b"add@/module/x\0ACTION=add\0DEVPATH=/module/x\0SUBSYSTEM=module\0SEQNUM=1\0"


class Desk:
    """A card with a monitor, and what the kernel says when that changes."""

    def __init__(self, kernel, monkeypatch):
        self.kernel = kernel
        self.card = FakeCard(kernel, auto=True)
        self.ends = []
        monkeypatch.setattr(kms_plug, "UeventSocket", self.listen)
        monkeypatch.setattr(reappear, "DeviceMonitor", lambda kind: DeviceMonitor(kind, _socket=self.listen()))

    def listen(self):
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        ours.setblocking(False)
        theirs.setblocking(False)
        self.ends.append(theirs)
        return UeventSocket.adopt(ours.detach())

    def tell(self, message=MESSAGE):
        for end in list(self.ends):
            try:
                end.send(message)
            except OSError:  # nobody listens there any more
                end.close()
                self.ends.remove(end)

    def pull(self):
        self.card.plugged = set()
        self.tell()

    def plug(self, connector=CONNECTOR):
        self.card.plugged = {connector}
        self.tell()

    def close(self):
        for end in self.ends:
            end.close()


@pytest.fixture
def desk(fake_kernel, monkeypatch):
    made = Desk(fake_kernel, monkeypatch)
    yield made
    made.close()


def chain_of(**options):
    source = zcore.TestSource("XR24", (64, 16), is_live=True, rate=500)
    display = zcore.Display(CARD, **options)
    return zcore.Chain(source, display), display


def when(reached, *acts):
    """Do things one after the other, in a thread of its own, each as soon as it is time."""

    def work():
        until = time.monotonic() + 30
        for ready, act in zip(reached, acts, strict=True):
            while not ready() and time.monotonic() < until:
                time.sleep(0.002)
            act()

    thread = threading.Thread(target=work)
    thread.start()
    return thread


@pytest.mark.proves("drm-kms:unplug")
@pytest.mark.parametrize("policy", ["fail", "wait"])
def test_chain_ends_when_its_monitor_is_pulled_out(desk, policy):
    chain, display = chain_of(on_unplug=policy)
    thread = when([lambda: chain.frames_done >= 3], desk.pull)
    told = r"HDMI-A-1 of /dev/dri/card0: uevent: \[ENODEV\].*plug the monitor in again"
    with pytest.raises(zcore.DeviceGoneError, match=told) as caught:
        chain.run()
    thread.join()
    assert caught.value.report.frames >= 3
    assert not display.is_open
    del caught


@pytest.mark.proves("drm-kms:unplug", "drm-kms:replug")
def test_chain_goes_on_when_its_monitor_is_back(desk):
    chain, display = chain_of(on_unplug="reopen", unplug_timeout=30)
    waits = display._patience

    def narrower():
        desk.card.width = 32  # another monitor, another mode
        desk.plug()

    thread = when([lambda: chain.frames_done >= 3, lambda: waits._waiter is not None], desk.pull, narrower)
    with chain:
        report = chain.run(frames=200)
        thread.join()
        assert 200 - ON_THE_WAY <= report.frames <= 200
        assert len(report.replanned) == 1
        assert "nothing is plugged in there any more" in report.replanned[0]
        assert report.replanned[0].endswith("came back on /dev/dri/card0")
        assert desk.card.value(CRTC, "ACTIVE") == 1
        assert desk.card.shown[PRIMARY]
    assert desk.card.shown[PRIMARY] == 0


def test_another_message_is_no_reason_to_stop(desk):
    chain, _ = chain_of(on_unplug="fail")

    def tell():
        for message in (MESSAGE, OTHER, MESSAGE):
            desk.tell(message)

    thread = when([lambda: chain.frames_done >= 3], tell)
    assert chain.run(frames=60).frames == 60
    thread.join()


def test_whoever_does_not_ask_shows_on(desk):
    chain, _ = chain_of()
    thread = when([lambda: chain.frames_done >= 3], desk.pull)
    assert chain.run(frames=60).frames == 60
    thread.join()
    assert desk.ends == []


def test_pulled_out_between_plan_and_run(desk):
    chain, _ = chain_of(on_unplug="fail")
    with chain:
        chain.plan()
        desk.pull()
        with pytest.raises(zcore.ChainError, match="nothing is connected"):
            chain.run(frames=5)
    desk.plug()
    chain, display = chain_of(on_unplug="reopen", unplug_timeout=30)
    with chain:
        chain.plan()
        desk.pull()
        thread = when([lambda: display._patience._waiter is not None], desk.plug)
        assert chain.run(frames=5).frames == 5
        thread.join()


def test_monitor_that_is_waited_for(desk):
    desk.card.plugged = set()
    chain, display = chain_of(on_unplug="wait", unplug_timeout=30)
    thread = when([lambda: display._patience._waiter is not None], desk.plug)
    assert chain.run(frames=5).frames == 5
    thread.join()


def test_connector_with_a_name_is_waited_for_and_no_other(desk):
    """Another monitor is there all the time."""
    chain, display = chain_of(on_unplug="wait", unplug_timeout=30, connector="HDMI-A-2")
    thread = when([lambda: display._patience._waiter is not None], lambda: desk.plug(UNPLUGGED))
    with chain:
        chain.plan()
        assert display.route().name == "HDMI-A-2"
    thread.join()


def test_wait_that_ends_without_a_monitor(desk):
    desk.card.plugged = set()
    chain, _ = chain_of(on_unplug="wait", unplug_timeout=0.05)
    with pytest.raises(zcore.DeviceTimeoutError, match=r"did not come within 0\.05 s") as caught:
        chain.run(frames=5)
    del caught
    chain, display = chain_of(on_unplug="reopen")
    thread = when([lambda: display._patience._waiter is not None], chain.stop)
    with pytest.raises(zcore.ChainError, match="stopped while it waited"):
        chain.run(frames=5)
    thread.join()


def test_stopped_while_the_monitor_is_gone(desk):
    chain, display = chain_of(on_unplug="reopen")
    conditions = [lambda: chain.frames_done >= 3, lambda: display._patience._waiter is not None]
    thread = when(conditions, desk.pull, chain.stop)
    report = chain.run()
    thread.join()
    assert report.frames >= 3
    assert len(report.replanned) == 1


def test_card_that_goes_and_comes_back(desk, fake_kernel):
    """As a display on USB does."""
    chain, display = chain_of(on_unplug="reopen", unplug_timeout=30)

    def pull():
        desk.kernel.devices.pop(CARD).unplug()
        desk.tell()

    def plug():
        desk.card = FakeCard(fake_kernel, auto=True)
        desk.tell()

    thread = when([lambda: chain.frames_done >= 3, lambda: display._patience._waiter is not None], pull, plug)
    report = chain.run(frames=200)
    thread.join()
    assert 200 - ON_THE_WAY <= report.frames <= 200
    assert len(report.replanned) == 1


def test_another_program_has_the_card(desk, fake_kernel):
    """That is no monitor that comes some day."""
    other = Card(CARD)
    desk.card.plugged = set()
    with pytest.raises(zcore.DevicePermissionError, match="not the DRM master"):
        zcore.Display(CARD, on_unplug="wait").open()
    other.close()


def test_plugged_or_not(desk):
    card = Card(CARD)
    assert (card.is_plugged(CONNECTOR), card.is_plugged(UNPLUGGED), card.is_plugged(999)) == (True, False, False)
    desk.kernel.fail("DRM_IOCTL_MODE_GETCONNECTOR", errno.ENODEV)
    with pytest.raises(zcore.DeviceGoneError):
        card.is_plugged(CONNECTOR)
    card.close()


def test_policies_that_are_none():
    with pytest.raises(ValueError, match="on_unplug is 'ignore', 'fail', 'wait', 'reopen', not 'hope'"):
        zcore.Display(on_unplug="hope")
    with pytest.raises(ValueError, match="on_unplug is 'fail', 'wait', 'reopen', not 'ignore'"):
        Patience("ignore", None)
