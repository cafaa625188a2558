"""Devices that come and go: told by the kernel's own messages, without polling and without libudev."""

from __future__ import annotations

import asyncio
import errno
import os
import select
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from zcore._uevent import KERNEL, UDEV, UeventSocket
from zcore.errors import DeviceError, make_error

KINDS = ("video4linux", "drm", "media")
_SYS = "/sys/class"
_FOLDERS = {"media": "/sys/bus/media/devices"}  # a bus, and no class


@dataclass(frozen=True)
class DeviceEvent:
    """A device came, went or changed.

    Attributes
    ----------
    action : str
        ``add``, ``remove`` or ``change``; others as the kernel says them.
    kind : str
        ``video4linux``, ``drm`` or ``media``.
    path : str
        Its node, such as ``/dev/video0``; empty for what has none, such as a connector.
    devpath : str
        Its place in sysfs, below ``/sys``.
    number : (int, int) or None
        Major and minor number of the node.
    relisted : bool
        Messages were lost, and this was found by looking at what is there.
    properties : dict
        All that was told, by its names.
    """

    action: str
    kind: str
    path: str
    devpath: str
    number: tuple[int, int] | None = None
    relisted: bool = False
    properties: dict[str, str] = field(default_factory=dict, compare=False)

    @property
    def hotplug(self) -> bool:
        """Whether something was plugged into a display card, or pulled out: look at its connectors again."""
        return self.properties.get("HOTPLUG") == "1"

    @property
    def connector(self) -> int | None:
        """Id of the connector that changed; ``None`` where the driver does not tell which."""
        return _number(self.properties.get("CONNECTOR"))

    @property
    def changed_property(self) -> int | None:
        """Id of the property of the connector that changed; ``None`` where it was not told."""
        return _number(self.properties.get("PROPERTY"))

    def __str__(self) -> str:
        more = f", connector {self.connector}" if self.connector is not None else ", hotplug" if self.hotplug else ""
        return f"{self.action} {self.path or self.devpath} ({self.kind}{more}{', relisted' if self.relisted else ''})"


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdigit() else None


def event_of(properties: dict[str, str]) -> DeviceEvent:
    """Make an event of what a message of the kernel or of udev says."""
    name = properties.get("DEVNAME", "")
    path = name if not name or name.startswith("/") else f"/dev/{name}"
    major, minor = _number(properties.get("MAJOR")), _number(properties.get("MINOR"))
    return DeviceEvent(
        properties["ACTION"],
        properties.get("SUBSYSTEM", ""),
        path,
        properties["DEVPATH"],
        (major, minor) if major is not None and minor is not None else None,
        properties=dict(properties),
    )


def list_nodes(kinds: Iterable[str] = KINDS) -> dict[str, DeviceEvent]:
    """List the devices that are there, as ``add`` events by their place in sysfs."""
    found = {}
    for kind in kinds:
        try:
            entries = sorted(Path(_FOLDERS.get(kind, f"{_SYS}/{kind}")).iterdir())
        except OSError:
            continue
        for entry in entries:
            try:
                lines = (entry / "uevent").read_text().splitlines()
                place = entry.resolve(strict=True)
            except OSError:
                continue  # it went while we looked
            told = dict(line.split("=", 1) for line in lines if "=" in line)
            if "DEVNAME" not in told:
                continue  # a connector, or a version number
            told |= {"ACTION": "add", "SUBSYSTEM": kind, "DEVPATH": str(place).removeprefix("/sys")}
            # A device that went and came again has the same place, and another inode.
            told["ZCORE_INODE"] = str(place.stat().st_ino) if place.exists() else ""
            found[told["DEVPATH"]] = event_of(told)
    return found


def udev_runs() -> bool:
    """Whether udev runs here, which gives nodes their owners and then tells on its own channel."""
    return os.path.exists("/run/udev/control")


class DeviceMonitor:
    """Tells of devices that come and go.

    How am I supposed to use this? ``for event in DeviceMonitor(): print(event)`` waits for ever; ``async for`` does it
    in asyncio; :meth:`next` has a timeout; or put it into your own ``select`` or ``epoll`` by :meth:`fileno` and call
    :meth:`read` when it is readable. Close it, or use it in ``with``.

    Parameters
    ----------
    *kinds : str
        Of ``video4linux``, ``drm`` and ``media``; none = all three.
    source : str
        ``udev``: told when udev is done, so that the node has its owner and its links; ``kernel``: told at once, when
        opening the node may still be refused; ``auto``: udev where it runs.
    filter : callable, optional
        Takes an event; false = leave it out.
    existing : bool
        Begin with an ``add`` event for each device that is there already. None is lost and none comes twice.

    Attributes
    ----------
    overflows : int
        How often messages came faster than they were read, so that some were lost. The devices are listed anew then:
        what differs from what was known comes as events with ``relisted`` set, and each display card as ``change``,
        because its connectors may have changed.

    Raises
    ------
    DeviceError
        This machine or container has no such socket.
    """

    def __init__(
        self,
        *kinds: str,
        source: str = "auto",
        filter: Callable[[DeviceEvent], bool] | None = None,
        existing: bool = False,
        _socket: UeventSocket | None = None,
    ):
        for kind in kinds:
            if kind not in KINDS:
                raise ValueError(f"kinds are {', '.join(KINDS)}; there is no {kind!r}")
        if source not in ("auto", "udev", "kernel"):
            raise ValueError(f"source is 'auto', 'udev' or 'kernel', not {source!r}")
        self.kinds = kinds or KINDS
        self.source = ("udev" if udev_runs() else "kernel") if source == "auto" else source
        self.overflows = 0
        self._filter = filter
        # First the socket, then the list: what comes in between is told twice, and the second time is recognised.
        self._socket = _socket or UeventSocket(UDEV if self.source == "udev" else KERNEL)
        self._known = list_nodes(self.kinds)
        self._ready: deque[DeviceEvent] = deque()
        self._announced = dict(self._known)
        if existing:
            self._put(self._known.values())

    def fileno(self) -> int:
        """Give the number of the descriptor: readable when there may be an event."""
        return self._socket.fileno()

    def read(self) -> list[DeviceEvent]:
        """Read what has been told since, without waiting."""
        while True:
            try:
                told = self._socket.read()
            except DeviceError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                self.overflows += 1
                self._skip()
                self._relist()
                continue
            if told is None:
                break
            event = event_of(told)
            if event.kind in self.kinds and self._is_news(event):
                self._put([event])
        found = list(self._ready)
        self._ready.clear()
        return found

    def _put(self, events: Iterable[DeviceEvent]) -> None:
        self._ready += [event for event in events if self._filter is None or self._filter(event)]

    def _is_news(self, event: DeviceEvent) -> bool:
        if event.action == "add" and event.path:
            if self._announced.pop(event.devpath, None) is not None and os.path.exists(f"/sys{event.devpath}"):
                return False  # it was in the list with which we began
            self._known[event.devpath] = event
        elif event.action == "remove":
            self._known.pop(event.devpath, None)
            self._announced.pop(event.devpath, None)
        return True

    def _skip(self) -> None:
        """Drop what is left of the messages: the list that comes now is newer than they are."""
        while True:
            try:
                if self._socket.read() is None:
                    return
            except DeviceError as error:
                if error.errno != errno.ENOBUFS:
                    raise

    def _relist(self) -> None:
        before, self._known = self._known, list_nodes(self.kinds)
        self._announced = {}
        found = []
        for place, old in before.items():
            new = self._known.get(place)
            inodes = [one.properties.get("ZCORE_INODE") for one in (old, new) if one is not None]
            if new is None or (len(set(inodes)) > 1 and None not in inodes) or new.number != old.number:
                found.append(_relisted(old, "remove"))
            elif new.kind == "drm":
                found.append(_relisted(new, "change", HOTPLUG="1"))
        gone = {event.devpath for event in found if event.action == "remove"}
        found += [_relisted(new, "add") for place, new in self._known.items() if place not in before or place in gone]
        self._put(found)

    def next(self, timeout: float | None = None) -> DeviceEvent | None:
        """Wait for the next event.

        Parameters
        ----------
        timeout : float, optional
            Seconds; left out: for ever.

        Returns
        -------
        DeviceEvent or None
            ``None`` after the timeout.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while not self._ready:
            self._ready += self.read()
            if self._ready:
                break
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and not left > 0:
                return None
            wait_for([self.fileno()], left)
        return self._ready.popleft()

    def __iter__(self) -> Iterator[DeviceEvent]:
        """Wait for one event after the other, for ever."""
        while True:
            event = self.next()
            assert event is not None
            yield event

    async def __aiter__(self) -> AsyncIterator[DeviceEvent]:
        """Wait for one event after the other in asyncio."""
        loop = asyncio.get_running_loop()
        while True:
            for event in self.read():
                yield event
            came = loop.create_future()

            def ring(came: asyncio.Future[None] = came) -> None:
                if not came.done():
                    came.set_result(None)

            loop.add_reader(self.fileno(), ring)
            try:
                await came
            finally:
                loop.remove_reader(self.fileno())

    def close(self) -> None:
        """Close the socket; a second call does nothing."""
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<DeviceMonitor {' '.join(self.kinds)} from {self.source}>"


def _relisted(event: DeviceEvent, action: str, **more: str) -> DeviceEvent:
    told = {**event.properties, "ACTION": action, **more}
    return DeviceEvent(action, event.kind, event.path, event.devpath, event.number, True, told)


def wait_for(descriptors: Iterable[int], seconds: float | None) -> bool:
    """Sleep until one of the descriptors is readable; False after the time."""
    poll = select.poll()
    for number in descriptors:
        poll.register(number, select.POLLIN)
    return bool(poll.poll(None if seconds is None else max(0, seconds) * 1000))


def timed_out(what: str, device: str, seconds: float) -> DeviceError:
    """Make the error of a wait that has ended without its device."""
    return make_error(errno.ETIMEDOUT, what, device, f"the device did not come within {seconds:g} s")
