"""Name a device by what it is instead of by its number, and wait until it is there."""

from __future__ import annotations

import difflib
import errno
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from zcore._uevent import NodeWatch
from zcore._v4l2_device import V4l2Device
from zcore.devices import video_paths
from zcore.errors import ChainError, DeviceError, make_error
from zcore.hotplug import DeviceMonitor, timed_out, wait_for
from zcore.stages.v4l2_pad import CAP_M2M, CAP_M2M_MPLANE, capture_type

Opened = TypeVar("Opened")
# What a node answers while it comes or goes: not there, there without its driver, not yet this user's.
COMING = (errno.ENOENT, errno.ENXIO, errno.ENODEV, errno.EACCES, errno.EPERM)


class WaitEndedError(ChainError):
    """The chain was stopped while it waited for a device."""


def is_path(device: str) -> bool:
    """Whether a text names a node, and not what the device is."""
    return "/" in device


def find_capture(device: str) -> str:
    """Find the capture node that a text names.

    Parameters
    ----------
    device : str
        A path, which is given back; ``bus:`` with what VIDIOC_QUERYCAP gives as bus_info, such as
        ``bus:usb-0000:00:14.0-1``; or the name of the card, with or without ``card:`` before it.

    Returns
    -------
    str
        Path of the first such node that captures.

    Raises
    ------
    DeviceNotFoundError
        There is none; names the nearest and all that are there.
    """
    if is_path(device):
        return device
    kind, colon, name = device.partition(":")
    if not colon or kind not in ("bus", "card"):
        kind, name = "card", device
    have = {}
    for path, bus, card in _captures():
        found = bus if kind == "bus" else card
        if found == name:
            return path
        have[path] = found
    near = difflib.get_close_matches(name, have.values(), 1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    there = ", ".join(f"{path} ({what!r})" for path, what in have.items()) or "none"
    word = "on the bus" if kind == "bus" else "named"
    raise make_error(2, "open", device, f"no capture device {word} {name!r}; {hint}this machine's: {there}")


def _captures() -> list[tuple[str, str, str]]:
    found = []
    for path in video_paths():
        with suppress(OSError), V4l2Device(path) as device:
            caps = device.capabilities
            if capture_type(caps) is not None and not caps & (CAP_M2M | CAP_M2M_MPLANE):
                found.append((path, device.bus, device.card))
    return found


class Waiter:
    """Wakes when devices come: by the kernel's messages where they reach us, and by changes in ``/dev``.

    In a container often only the second works. :meth:`wake`, from any thread or signal handler, ends a wait.

    Parameters
    ----------
    kind : str
        Of the messages. Of monitors, ``drm``, no change in ``/dev`` tells, and not every driver sends messages: these
        are looked for each second besides.
    """

    def __init__(self, kind: str = "video4linux") -> None:
        self._pulse = 1.0 if kind == "drm" else None
        self._bell = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._lock = threading.RLock()  # wake() writes to a number that close() must not give away meanwhile
        self._closed = False
        self._monitor: DeviceMonitor | None = None
        self._watch: NodeWatch | None = None
        first: DeviceError | None = None
        try:
            self._monitor = DeviceMonitor(kind)
        except DeviceError as error:
            first = error
        try:
            self._watch = NodeWatch("/dev")
        except DeviceError as error:
            if first is not None:
                self.close()
                raise error from first

    def wait_until(self, attempt: Callable[[], Opened], device: str, timeout: float | None) -> Opened:
        """Try until it works, each time when something has changed.

        Parameters
        ----------
        attempt : callable
            Raises a DeviceError with ENOENT, ENXIO, ENODEV, EACCES or EPERM as long as the device is not there.
        device : str
            For messages.
        timeout : float, optional
            Seconds; ``None`` = for ever.

        Raises
        ------
        DeviceTimeoutError
            It did not come in time; the last refusal is its cause.
        WaitEndedError
            Somebody called :meth:`wake`.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            left = None if deadline is None else deadline - time.monotonic()
            try:
                return attempt()
            except DeviceError as error:
                if error.errno not in COMING or error.operation == "DRM_IOCTL_SET_MASTER":  # it is there, but taken
                    raise
                if left is not None and not left > 0:
                    assert timeout is not None
                    raise timed_out("open", device, timeout) from error
            self._sleep(left, device)

    def _sleep(self, seconds: float | None, device: str) -> None:
        descriptors = [self._bell]
        descriptors += [one.fileno() for one in (self._monitor, self._watch) if one is not None]
        if self._pulse is not None:
            seconds = self._pulse if seconds is None else min(seconds, self._pulse)
        wait_for(descriptors, seconds)
        with suppress(BlockingIOError):
            os.eventfd_read(self._bell)
            raise WaitEndedError(f"stopped while it waited for {device}")
        if self._monitor is not None:
            self._monitor.read()
        if self._watch is not None:
            self._watch.drain()

    def wake(self) -> None:
        """End the wait that is on, or the next one."""
        with self._lock:
            if not self._closed:
                os.eventfd_write(self._bell, 1)

    def close(self) -> None:
        """Close what it listens to; a second call does nothing."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            os.close(self._bell)
        for one in (self._monitor, self._watch):
            if one is not None:
                one.close()
