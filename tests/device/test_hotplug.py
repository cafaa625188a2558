"""Devices that go and come on the kernel's own drivers, while somebody listens or streams."""

import os
import subprocess
import threading
import time
from pathlib import Path

import pytest

import zcore
from testbed import debugfs, drivers

DRIVER = Path("/sys/bus/platform/drivers/vivid")
SIZE = (320, 180)


def unbind():
    (DRIVER / "unbind").write_text("vivid.0")


def bind():
    (DRIVER / "bind").write_text("vivid.0")
    subprocess.run(["udevadm", "settle"], check=False)


@pytest.fixture
def camera_path():
    with drivers.vivid(n_devs=1) as nodes:
        yield nodes.one("capture").path
    if not (DRIVER / "vivid.0").exists():
        bind()


def camera(device, **options):
    return zcore.Capture(device, "XR24", SIZE, rate=60, **options)


def holds(path):
    """Whether this process has a node open, also when it is not there any more."""
    for number in os.listdir("/proc/self/fd"):
        try:
            if os.readlink(f"/proc/self/fd/{number}").removesuffix(" (deleted)") == path:
                return True
        except OSError:
            continue
    return False


def when(reached, act):
    """Do something in a thread of its own as soon as it is time."""

    def work():
        until = time.monotonic() + 60
        while not reached() and time.monotonic() < until:
            time.sleep(0.02)
        act()

    thread = threading.Thread(target=work)
    thread.start()
    return thread


@pytest.mark.parametrize("source", ["kernel", "udev"])
def test_monitor_sees_a_driver_go_and_come(camera_path, source):
    with zcore.DeviceMonitor("video4linux", "media", source=source, filter=lambda e: e.path == camera_path) as monitor:
        unbind()
        gone = monitor.next(30)
        assert (gone.action, gone.kind, gone.path) == ("remove", "video4linux", camera_path)
        (DRIVER / "bind").write_text("vivid.0")
        came = monitor.next(30)
        assert (came.action, came.path, came.number) == ("add", camera_path, gone.number)
        assert os.path.exists(camera_path)
        assert monitor.next(0) is None
    subprocess.run(["udevadm", "settle"], check=False)


def test_monitor_begins_with_what_is_there(camera_path):
    with zcore.DeviceMonitor("video4linux", existing=True) as monitor:
        assert camera_path in [event.path for event in monitor.read() if event.action == "add"]


def test_messages_that_nobody_read_are_made_up_for(camera_path):
    from zcore._uevent import UeventSocket

    with zcore.DeviceMonitor("video4linux", _socket=UeventSocket(1, 2304)) as monitor:  # the kernel rounds that up
        unbind()
        for _ in range(64):  # many messages, and nobody reads
            Path("/sys/class/mem/null/uevent").write_text("change")
        found = monitor.read()
    bind()
    assert monitor.overflows == 1
    assert [(e.action, e.path, e.relisted) for e in found if e.path == camera_path] == [("remove", camera_path, True)]


def test_display_that_comes_tells_its_connector():
    drivers.unload("vkms")
    with zcore.DeviceMonitor("drm") as monitor, drivers.vkms() as nodes:
        until = time.monotonic() + 30
        found = []
        while time.monotonic() < until and not any(event.hotplug for event in found):
            event = monitor.next(1)
            found += [event] if event is not None else []
        assert any(event.action == "add" and event.path == nodes.one("display").path for event in found)
        changed = [event for event in found if event.hotplug]
        assert changed
        with zcore.Display("vkms") as display:
            assert changed[0].connector in display.card.resources()[1]


@pytest.mark.proves("T29")
def test_chain_ends_when_its_camera_goes(camera_path):
    before = len(os.listdir("/proc/self/fd")), debugfs.dmabufs().count
    kept = []

    def keep(frame):
        if not kept:
            kept.append(frame.array())

    chain = zcore.Chain(camera(camera_path), zcore.Callback(keep))
    thread = when(lambda: chain.frames_done >= 3, unbind)
    with pytest.raises(zcore.DeviceGoneError, match=r"ENODEV.*is gone") as caught:
        chain.run()
    thread.join()
    assert caught.value.report.frames >= 3
    assert kept[0].sum() > 0  # the memory outlives its device
    del caught
    kept.clear()
    assert (len(os.listdir("/proc/self/fd")), debugfs.dmabufs().count) == before


@pytest.mark.proves("T29")
def test_every_call_says_that_the_device_is_gone(camera_path):
    import select

    with camera(camera_path) as source:
        frames = source.frames()
        kept = next(frames).array()
        unbind()
        with pytest.raises(zcore.DeviceGoneError):
            for _ in frames:
                pass
        assert source.output.queue.state == "gone"
        poll = select.poll()
        poll.register(source.output.device.fd.fileno(), select.POLLIN)
        assert poll.poll(1000)[0][1] & (select.POLLERR | select.POLLHUP)
        for call in (source.present, source.output.device.controls, lambda: source.control("Brightness")):
            try:
                assert call() is None
            except zcore.DeviceGoneError:
                continue
    source.close()
    assert kept.sum() > 0
    del frames, kept


@pytest.mark.proves("T29")
def test_disconnect_control():
    drivers.unload("vivid")
    with drivers.vivid(n_devs=1) as nodes:
        path = nodes.one("capture").path
        try:
            source = camera(path)
            chain = zcore.Chain(source, zcore.FakeSink())
            with zcore.Capture(path) as other:
                thread = when(lambda: chain.frames_done >= 3, lambda: other.control("Disconnect", 1))
                with pytest.raises(zcore.DeviceGoneError):
                    chain.run()
                thread.join()
        finally:
            drivers.unload("vivid")


def test_driver_is_not_unloaded_while_a_chain_runs(camera_path):
    with camera(camera_path) as source:
        next(source.frames(1))
        done = subprocess.run(["modprobe", "-r", "vivid"], capture_output=True, text=True, check=False)
        assert done.returncode != 0
        assert "in use" in done.stderr


def test_chain_goes_on_when_its_camera_comes_back(camera_path):
    drivers.unload("vim2m")
    chain = zcore.Chain(camera(camera_path, on_unplug="reopen", unplug_timeout=60), zcore.FakeSink())
    before = len(os.listdir("/proc/self/fd"))

    def away_and_back():
        unbind()
        until = time.monotonic() + 30
        while holds(camera_path) and time.monotonic() < until:  # the number is free when nobody has the node open
            time.sleep(0.02)
        drivers.load("vim2m")  # takes it
        (DRIVER / "bind").write_text("vivid.0")

    thread = when(lambda: chain.frames_done >= 3, away_and_back)
    report = chain.run(frames=30)
    thread.join()
    now = drivers.nodes("vivid").one("capture").path
    assert report.frames == 30
    assert len(report.replanned) == 1
    assert f"came back as {now}" in report.replanned[0]
    assert now != camera_path
    assert len(os.listdir("/proc/self/fd")) == before
    drivers.unload("vim2m")
    unbind()
    bind()


def test_chain_waits_for_its_camera(camera_path):
    unbind()
    thread = when(lambda: True, lambda: (time.sleep(0.2), bind()))
    report = zcore.Chain(camera("bus:platform:vivid-000", on_unplug="wait", unplug_timeout=60), zcore.FakeSink()).run(
        frames=3
    )
    thread.join()
    assert report.frames == 3
    assert zcore.Chain(camera("vivid"), zcore.FakeSink()).run(frames=2).frames == 2
    with pytest.raises(zcore.DeviceNotFoundError, match="did you mean 'vivid'"):
        camera("vived").open()


def test_wait_that_ends(camera_path):
    unbind()
    with pytest.raises(zcore.DeviceTimeoutError, match="did not come within"):
        camera(camera_path, on_unplug="wait", unplug_timeout=0.1).open()
    bind()
    chain = zcore.Chain(camera(camera_path, on_unplug="reopen"), zcore.FakeSink())
    thread = when(lambda: chain.frames_done >= 3, lambda: (unbind(), time.sleep(0.5), chain.stop()))
    report = chain.run()
    thread.join()
    assert report.frames >= 3
    assert "failed and has changed" in report.replanned[0]
