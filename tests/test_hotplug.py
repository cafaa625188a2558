"""Devices that come and go: messages that real kernels and udev have sent, and stages that wait for their device."""

import asyncio
import errno
import os
import select
import socket
import threading
import time

import pytest

import zcore
from fakekernel import FakeCamera
from zcore import hotplug, reappear
from zcore._uevent import NodeWatch, UeventSocket, parse
from zcore.hotplug import DeviceEvent, DeviceMonitor, event_of

# As they came from Linux 6.12 and udev 252.
ADD = (
    b"add@/devices/platform/vimc.0/video4linux/video0\0ACTION=add\0DEVPATH=/devices/platform/vimc.0/video4linux/video0\0"
    b"SUBSYSTEM=video4linux\0MAJOR=81\0MINOR=0\0DEVNAME=video0\0SEQNUM=1955\0"
)
REMOVE = (
    b"remove@/devices/platform/vimc.0/video4linux/video0\0ACTION=remove\0"
    b"DEVPATH=/devices/platform/vimc.0/video4linux/video0\0SUBSYSTEM=video4linux\0MAJOR=81\0MINOR=0\0DEVNAME=video0\0"
    b"SEQNUM=1977\0"
)
MODULE = b"add@/module/vimc\0ACTION=add\0DEVPATH=/module/vimc\0SUBSYSTEM=module\0SEQNUM=1969\0"
CONNECTOR = (
    b"change@/devices/platform/vkms/drm/card0\0ACTION=change\0DEVPATH=/devices/platform/vkms/drm/card0\0SUBSYSTEM=drm\0"
    b"HOTPLUG=1\0CONNECTOR=39\0MAJOR=226\0MINOR=0\0DEVNAME=dri/card0\0DEVTYPE=drm_minor\0SEQNUM=2007\0"
)
OF_UDEV = (
    b"libudev\0\xfe\xed\xca\xfe(\0\0\0(\0\0\0\x2d\x01\0\0\x32\x97\x0f\n\0\0\0\0\x02\x08 \x08\0@\x10\t"
    b"UDEV_DATABASE_VERSION=1\0ACTION=add\0DEVPATH=/devices/platform/vimc.0/media0\0SUBSYSTEM=media\0"
    b"DEVNAME=/dev/media0\0SEQNUM=1958\0MAJOR=252\0MINOR=0\0USEC_INITIALIZED=10431073\0TAGS=:uaccess:seat:\0"
    b"CURRENT_TAGS=:uaccess:seat:\0ID_PATH=platform-vimc.0\0ID_PATH_TAG=platform-vimc_0\0"
    b"ID_FOR_SEAT=media-platform-vimc_0\0"
)


@pytest.fixture
def wire():
    """A socket that stands for the kernel's, and the end that speaks."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    ours.setblocking(False)
    uevents = UeventSocket.adopt(ours.detach())
    yield uevents, theirs
    uevents.close()
    theirs.close()


@pytest.fixture
def listed(monkeypatch):
    """What sysfs is made to list."""
    found = {}
    monkeypatch.setattr(hotplug, "list_nodes", lambda kinds=(): dict(found))
    return found


def node(place, path, inode="1", kind="video4linux", number=(81, 0)):
    told = {"ACTION": "add", "SUBSYSTEM": kind, "DEVPATH": place, "DEVNAME": path, "ZCORE_INODE": inode,
            "MAJOR": str(number[0]), "MINOR": str(number[1])}  # fmt: skip
    return event_of(told)


def texts(events):
    return [str(event) for event in events]


def test_messages_are_read():
    assert event_of(parse(ADD)) == DeviceEvent(
        "add", "video4linux", "/dev/video0", "/devices/platform/vimc.0/video4linux/video0", (81, 0)
    )
    plugged = event_of(parse(CONNECTOR))
    assert (plugged.action, plugged.path, plugged.hotplug, plugged.connector) == ("change", "/dev/dri/card0", True, 39)
    assert plugged.changed_property is None
    assert str(plugged) == "change /dev/dri/card0 (drm, connector 39)"
    media = event_of(parse(OF_UDEV))
    assert (media.kind, media.path, media.number) == ("media", "/dev/media0", (252, 0))
    assert media.properties["ID_PATH"] == "platform-vimc.0"


@pytest.mark.parametrize(
    "message",
    [b"", b"\0", b"libudev\0", b"libudev\0\0\0\0\0" + OF_UDEV[12:], b"no such thing\0ACTION=add\0", ADD[:20],
     OF_UDEV[:16] + b"\xff\xff\xff\xff" + OF_UDEV[20:], OF_UDEV[:20] + b"\xff\xff\xff\xff" + OF_UDEV[24:]],
)  # fmt: skip
def test_what_is_no_message_is_passed_over(wire, message):
    assert parse(message) is None
    uevents, theirs = wire
    if message:
        theirs.send(message)
    theirs.send(ADD)
    assert uevents.read()["DEVNAME"] == "video0"
    assert uevents.read() is None


def test_monitor_gives_its_kinds_only(wire, listed):
    uevents, theirs = wire
    with DeviceMonitor("video4linux", "drm", _socket=uevents) as monitor:
        assert monitor.next(0) is None
        for message in (MODULE, ADD, OF_UDEV, CONNECTOR, REMOVE):
            theirs.send(message)
        assert select.select([monitor], [], [], 0)[0] == [monitor]
        assert [event.action for event in monitor.read()] == ["add", "change", "remove"]
        assert monitor.read() == []
        theirs.send(ADD)
        assert next(iter(monitor)).path == "/dev/video0"


def test_filter_and_what_is_there_already(wire, listed):
    uevents, theirs = wire
    listed["/devices/a"] = node("/devices/a", "/dev/video0")
    listed["/devices/b"] = node("/devices/b", "/dev/video1")
    with DeviceMonitor(existing=True, filter=lambda e: e.path.endswith("0"), _socket=uevents) as monitor:
        theirs.send(REMOVE)
        assert texts(monitor.read()) == ["add /dev/video0 (video4linux)", "remove /dev/video0 (video4linux)"]


def test_lost_messages_are_made_up_for(listed):
    listed.update({
        "/devices/stays": node("/devices/stays", "/dev/video0"), "/devices/goes": node("/devices/goes", "/dev/video1"),
        "/devices/again": node("/devices/again", "/dev/video2"),
        "/devices/card": node("/devices/card", "dri/card0", kind="drm"),
    })  # fmt: skip

    class Overflowing:
        answers = ["ENOBUFS", parse(REMOVE), None, None]

        def read(self):
            answer = self.answers.pop(0)
            if answer == "ENOBUFS":
                raise zcore.errors.make_error(errno.ENOBUFS, "recvmsg", "netlink")
            return answer

        def fileno(self):
            return -1

        def close(self):
            pass

    monitor = DeviceMonitor(_socket=Overflowing())
    del listed["/devices/goes"]
    listed["/devices/again"] = node("/devices/again", "/dev/video2", inode="7")
    listed["/devices/new"] = node("/devices/new", "/dev/video9")
    assert texts(monitor.read()) == [
        "remove /dev/video1 (video4linux, relisted)", "remove /dev/video2 (video4linux, relisted)",
        "change /dev/dri/card0 (drm, hotplug, relisted)", "add /dev/video2 (video4linux, relisted)",
        "add /dev/video9 (video4linux, relisted)",
    ]  # fmt: skip
    assert monitor.overflows == 1


def test_async(wire, listed):
    uevents, theirs = wire

    async def listen():
        found = []
        with DeviceMonitor(_socket=uevents) as monitor:
            asyncio.get_running_loop().call_later(0.01, theirs.send, ADD)
            asyncio.get_running_loop().call_later(0.02, theirs.send, REMOVE)
            async for event in monitor:
                found.append(event.action)
                if len(found) == 2:
                    break
        return found

    assert asyncio.run(asyncio.wait_for(listen(), 30)) == ["add", "remove"]


def test_wrong_words():
    with pytest.raises(ValueError, match="there is no 'usb'"):
        DeviceMonitor("usb")
    with pytest.raises(ValueError, match="'netlink'"):
        DeviceMonitor(source="netlink")
    with pytest.raises(ValueError, match="on_unplug is"):
        zcore.Capture("/dev/video0", on_unplug="hope")
    with pytest.raises(ValueError, match="unplug_timeout"):
        zcore.Capture("/dev/video0", on_unplug="wait", unplug_timeout=-1)


def test_closed_monitor(wire, listed):
    monitor = DeviceMonitor(_socket=wire[0])
    monitor.close()
    monitor.close()
    with pytest.raises(ValueError, match="closed"):
        monitor.read()


def test_directory_that_is_watched(tmp_path):
    watch = NodeWatch(tmp_path)
    try:
        assert not watch.drain()
        (tmp_path / "video0").touch()
        os.chmod(tmp_path / "video0", 0o600)
        assert select.select([watch], [], [], 10)[0]
        assert watch.drain()
        assert not watch.drain()
    finally:
        watch.close()
    with pytest.raises(zcore.DeviceNotFoundError, match="inotify_add_watch"):
        NodeWatch(tmp_path / "nowhere")


class Machine:
    """A machine whose cameras come and go, on the fake kernel; ``/dev`` is a directory that rings the waiter."""

    def __init__(self, kernel, tmp_path, monkeypatch):
        self.kernel, self.folder = kernel, tmp_path
        for module in ("zcore.reappear", "zcore.stages.unplug"):
            monkeypatch.setattr(f"{module}.video_paths", lambda: sorted(kernel.devices))
        monkeypatch.setattr(reappear, "NodeWatch", lambda _: NodeWatch(tmp_path))

    def plug(self, path, bus=b"platform:fake", card=b"Fake device", auto=1000):
        camera = FakeCamera(self.kernel, path)
        camera.auto = auto
        original = camera.vidioc_querycap

        def querycap(file, cap):
            original(file, cap)
            cap.bus_info, cap.card = bus, card

        camera.vidioc_querycap = querycap
        self.ring()
        return camera

    def unplug(self, path):
        self.kernel.devices.pop(path).unplug()

    def ring(self):
        (self.folder / "node").touch()
        (self.folder / "node").unlink()


@pytest.fixture
def machine(fake_kernel, tmp_path, monkeypatch):
    return Machine(fake_kernel, tmp_path, monkeypatch)


def later(act, seconds=0.05):
    timer = threading.Timer(seconds, act)
    timer.start()
    return timer


def test_device_by_what_it_is(machine):
    machine.plug("/dev/video0", b"usb-1", b"First")
    machine.plug("/dev/video1", b"usb-2", b"Second")
    for name, path in (("bus:usb-2", "/dev/video1"), ("Second", "/dev/video1"), ("card:First", "/dev/video0")):
        with zcore.Capture(name) as camera:
            assert camera.device == path
    with pytest.raises(zcore.DeviceNotFoundError, match=r"named 'Secnd'; did you mean 'Second'.*/dev/video0 \('First'"):
        zcore.Capture("Secnd").open()
    with pytest.raises(zcore.DeviceNotFoundError, match="on the bus 'usb-3'"):
        zcore.Capture("bus:usb-3").open()


def test_stage_waits_for_its_device(machine):
    timer = later(lambda: machine.plug("/dev/video3"))
    report = zcore.Chain(zcore.Capture("/dev/video3", on_unplug="wait", unplug_timeout=30), zcore.FakeSink()).run(3)
    timer.join()
    assert report.frames == 3


def test_node_that_is_not_this_users_yet_is_waited_for(machine):
    machine.plug("/dev/video0")
    machine.kernel.fail("open", errno.EACCES)
    timer = later(machine.ring)
    zcore.Capture("/dev/video0", on_unplug="wait", unplug_timeout=30).open()
    timer.join()
    machine.kernel.fail("open", errno.EBUSY)
    with pytest.raises(zcore.DeviceBusyError):
        zcore.Capture("/dev/video0", on_unplug="wait", unplug_timeout=30).open()


def test_stop_that_comes_without_a_run_ends_no_later_wait(machine):
    camera = zcore.Capture("/dev/video0", on_unplug="wait", unplug_timeout=30)
    zcore.Chain(camera, zcore.FakeSink()).stop()
    timer = later(lambda: machine.plug("/dev/video0"))
    with camera:
        assert camera.is_open
    timer.join()
    machine.unplug("/dev/video0")
    timer = later(camera.interrupt)
    with pytest.raises(zcore.ChainError, match="stopped while it waited"):
        camera.open()
    timer.join()


def test_wait_ends_after_its_time(machine):
    with pytest.raises(zcore.DeviceTimeoutError, match=r"did not come within 0\.05 s") as caught:
        zcore.Capture("/dev/video0", on_unplug="wait", unplug_timeout=0.05).open()
    assert isinstance(caught.value.__cause__, zcore.DeviceNotFoundError)
    del caught


def run_until(chain, frames, act):
    """Run a chain, and do something when so many frames have arrived."""

    def work():
        until = time.monotonic() + 30
        while chain.frames_done < frames and time.monotonic() < until:
            time.sleep(0.002)
        act()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        return chain.run(frames=100)
    finally:
        thread.join()


@pytest.mark.parametrize("owned", [False, True], ids=["chain opens", "user opens"])
def test_chain_goes_on_under_another_number(machine, owned):
    machine.plug("/dev/video0", auto=5)
    camera = zcore.Capture("/dev/video0", on_unplug="reopen", unplug_timeout=30)
    if owned:
        camera.open()

    def replace():
        machine.unplug("/dev/video0")
        machine.plug("/dev/video1", card=b"Another")
        machine.plug("/dev/video2")

    report = run_until(zcore.Chain(camera, zcore.FakeSink()), 5, replace)
    assert report.frames == 100
    assert len(report.replanned) == 1
    assert "after 5 frames" in report.replanned[0]
    assert "came back as /dev/video2" in report.replanned[0]
    assert camera.is_open is owned
    camera.close()


def test_frames_go_on_without_a_chain(machine):
    machine.plug("/dev/video0", auto=3)
    seen = []
    with zcore.Capture("/dev/video0", on_unplug="reopen", unplug_timeout=30) as camera:
        for frame in camera.frames(6):
            seen.append((camera.device, frame.array().size))
            if len(seen) == 3:
                machine.unplug("/dev/video0")
                machine.plug("/dev/video5")
        del frame
    assert [device for device, _ in seen] == ["/dev/video0"] * 3 + ["/dev/video5"] * 3
    machine.plug("/dev/video0", card=b"Another")
    with camera:  # closed by the user: whatever is under that name now
        assert camera.device == "/dev/video0"


def test_chain_fails_where_nobody_asked_to_wait(machine):
    machine.plug("/dev/video0", auto=5)
    chain = zcore.Chain(zcore.Capture("/dev/video0", on_unplug="wait"), zcore.FakeSink())
    with pytest.raises(zcore.DeviceGoneError) as caught:
        run_until(chain, 5, lambda: machine.unplug("/dev/video0"))
    assert caught.value.report.frames == 5
    del caught


def test_chain_that_is_stopped_while_it_waits_gives_its_report(machine):
    machine.plug("/dev/video0", auto=5)
    chain = zcore.Chain(zcore.Capture("/dev/video0", on_unplug="reopen"), zcore.FakeSink())

    def away():
        machine.unplug("/dev/video0")
        later(chain.stop, 0.1)

    report = run_until(chain, 5, away)
    assert report.frames == 5
    later(chain.stop, 0.1)
    with pytest.raises(zcore.ChainError, match="stopped while it waited"):
        chain.run()


def test_device_that_does_not_come_back_in_time(machine):
    machine.plug("/dev/video0", auto=5)
    chain = zcore.Chain(zcore.Capture("/dev/video0", on_unplug="reopen", unplug_timeout=0.05), zcore.FakeSink())
    with pytest.raises(zcore.DeviceTimeoutError, match="did not come") as caught:
        run_until(chain, 5, lambda: machine.unplug("/dev/video0"))
    assert caught.value.report.frames == 5
    del caught
