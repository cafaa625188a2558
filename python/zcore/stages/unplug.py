"""What a stage does when its device is not there, or goes away."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

from zcore._v4l2_device import V4l2Device
from zcore.devices import video_paths
from zcore.errors import DeviceError, DeviceGoneError, make_error
from zcore.reappear import WaitEndedError, Waiter, find_capture

POLICIES = ("fail", "wait", "reopen")
Opened = TypeVar("Opened")


class Patience:
    """Waits for a device where a policy says so, until it is there or somebody ends the wait.

    Parameters
    ----------
    policy : str
        ``fail``: it must be there. ``wait``: wait for it when it is opened. ``reopen``: that, and go on with it when
        it comes back after it went.
    timeout : float, optional
        Seconds of each wait; ``None`` = for ever.
    kind : str
        Of the kernel's messages to listen to.
    also : tuple of str
        More policies.
    """

    def __init__(self, policy: str, timeout: float | None, kind: str = "video4linux", also: tuple[str, ...] = ()):
        policies = (*also, *POLICIES)
        if policy not in policies:
            raise ValueError(f"on_unplug is {', '.join(map(repr, policies))}, not {policy!r}")
        if timeout is not None and not timeout >= 0:
            raise ValueError(f"unplug_timeout is 0 or more seconds, not {timeout}")
        self.policy = policy
        self.timeout = timeout
        self._kind = kind
        self._waiter: Waiter | None = None
        self._lock = threading.RLock()  # a signal handler may come in while its own thread holds it
        self._in_run = self._interrupted = False

    def wait(self, look: Callable[[], Opened], device: str) -> Opened:
        """Give what `look` gives, once it raises no error that says that the device is not there."""
        if self.policy not in ("wait", "reopen"):
            return look()
        try:
            with self._lock:
                waiter = self._waiter = Waiter(self._kind)
                if self._interrupted:
                    raise WaitEndedError(f"stopped while it waited for {device}")
            return waiter.wait_until(look, device, self.timeout)
        finally:
            with self._lock:
                if self._waiter is not None:
                    self._waiter.close()
                self._waiter = None

    def interrupt(self) -> None:
        """End the wait that is on; in a run that goes for all that follow, as it may come just before them."""
        with self._lock:
            self._interrupted = self._in_run
            if self._waiter is not None:
                self._waiter.wake()

    def run(self, on: bool) -> None:
        """Learn that a run begins or ends."""
        self._in_run, self._interrupted = on, False


class Presence(Patience):
    """Opens a device by its name, waits for it, and finds it again.

    Parameters
    ----------
    device : str
        Path, ``bus:...``, or name of the card.
    policy, timeout
        As of :class:`Patience`.
    """

    def __init__(self, device: str, policy: str, timeout: float | None):
        super().__init__(policy, timeout)
        self.device = device
        self._identity: tuple[str, str, int] | None = None
        self._last = ""

    def open(self, attempt: Callable[[str], V4l2Device]) -> V4l2Device:
        """Open the device with `attempt`, which takes a path; waits where the policy says so."""

        def look() -> V4l2Device:
            path = self._find()
            device = attempt(path)
            self._identity, self._last = (device.bus, device.card, device.capabilities), path
            return device

        return self.wait(look, self.device)

    def _find(self) -> str:
        if self._identity is None or self.policy != "reopen":
            return find_capture(self.device)
        for path in dict.fromkeys([self._last, *video_paths()]):
            try:
                with V4l2Device(path) as device:
                    if (device.bus, device.card, device.capabilities) == self._identity:
                        return path
            except DeviceError:
                continue
        bus, card, _ = self._identity
        raise make_error(2, "open", self.device, f"{card!r} on the bus {bus!r} is not there")

    def forget(self) -> None:
        """Look for the device by the user's words again, and not for the very same one."""
        self._identity = None

    def is_lost(self, device: V4l2Device, type: int) -> bool:
        """Whether the device has gone, and is to be waited for."""
        if self.policy != "reopen":
            return False
        try:
            device.get_format(type)
        except DeviceGoneError:
            return True
        except DeviceError:
            return False
        return False
