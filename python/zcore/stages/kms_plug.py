"""What a display stage does when its monitor is pulled out, or is not there yet."""

from __future__ import annotations

import errno
from contextlib import suppress
from typing import TYPE_CHECKING, cast

from zcore._drm import Card
from zcore._uevent import UeventSocket
from zcore.errors import ChainError, DeviceError, DeviceGoneError, make_error
from zcore.stages.kms_routes import routes_for
from zcore.stages.kms_setup import choose_connector, connector_name
from zcore.stages.unplug import Patience

if TYPE_CHECKING:
    from zcore.stages.display import Display

POLICIES = ("ignore",)  # beside those of cameras


class Plug:
    """Tells whether a monitor is plugged into a connector, while frames are shown there.

    The kernel's messages reach the loop itself, and a look costs one call that probes nothing.
    """

    def __init__(self, card: Card, connector: int, name: str):
        self.card, self.connector, self.name = card, connector, name
        self._socket = UeventSocket()

    def fileno(self) -> int:
        """Give the descriptor of the kernel's messages."""
        return self._socket.fileno()

    def look(self) -> None:
        """Look at the connector, when something was told; raises when the monitor is gone."""
        more = True
        while more:
            with suppress(DeviceError):  # messages that were lost: all the more reason to look
                more = self._socket.read() is not None
        if not self.card.is_plugged(self.connector):
            raise unplugged(self.card, self.name)

    def close(self) -> None:
        """Listen no more; a second call does nothing."""
        self._socket.close()


def unplugged(card: Card, connector: str) -> DeviceError:
    """Make the error of a connector without a monitor."""
    return make_error(
        errno.ENODEV,
        "uevent",
        f"{connector} of {card.path}",
        "nothing is plugged in there any more",
        "plug the monitor in again; on_unplug='reopen' waits for it and goes on, 'ignore' shows to nobody meanwhile",
    )


class Plugged:
    """The part of a display stage that knows of monitors that come and go."""

    _patience: Patience
    _plug: Plug | None = None
    _lost = ""  # name of the connector that is waited for

    def open(self) -> None:
        """Open the card, or share it with another display, and check that this process may change the display.

        With ``on_unplug`` it waits for card and monitor.
        """
        display = self._as_display
        if display.is_open:
            return
        try:
            self._patience.wait(self._look, display.device or display.driver_name or "a display")
        except BaseException:
            display.close()
            raise

    def _look(self) -> None:
        """Open the card; where a monitor is waited for, raise ENODEV as long as there is none."""
        display = self._as_display
        waits = self._patience.policy in ("wait", "reopen")
        try:
            display.open_card()
            if waits:
                card = display.card
                found = choose_connector(card, [card.connector(id) for id in card.resources()[1]], display.connector)
                if not found.connected or not found.modes:
                    raise unplugged(card, connector_name(found))
        except ChainError as error:
            if not waits or (display.is_open and not display.card.resources()[0]):
                raise
            raise make_error(errno.ENODEV, "open", display.device or "a display", str(error)) from error
        except DeviceGoneError:
            if display.is_open and self._is_gone():
                display.close()
            raise

    def _is_gone(self) -> bool:
        """Whether the card itself has gone."""
        try:
            self._as_display.card.resources()
        except DeviceError:
            return True
        return False

    def wait_for_monitor(self) -> None:
        """Wait for a monitor, where the policy says so."""
        if self._patience.policy in ("wait", "reopen"):
            self._patience.wait(self._look, f"a monitor on {self._as_display.device}")

    def watch(self) -> Plug | None:
        """Begin to listen for a monitor that is pulled out; ``None`` where nobody wants to know."""
        display = self._as_display
        self.unwatch()
        if self._patience.policy != "ignore" and display._route is not None:
            self._plug = Plug(display.card, display._route.connector.id, display._route.name)
        return self._plug

    def unwatch(self) -> None:
        """Listen no more."""
        plug, self._plug = self._plug, None
        if plug is not None:
            plug.close()

    def recover(self) -> bool:
        """Look again after a failure; True where display, or the plane that is tried next, is another, or comes back.

        With ``on_unplug="reopen"`` a monitor that is gone is waited for by :meth:`revive`.
        """
        display = self._as_display
        before = display._route
        if before is None:
            return False
        if self._patience.policy != "ignore" and not self._is_plugged(before.connector.id):
            display._mode_is_gone = True
            self._lost = before.name if self._patience.policy == "reopen" else ""
            return bool(self._lost)
        try:
            if not display.card.is_master:
                return False
            now = routes_for(display, *display._caps.format.require_drm(), display._caps.size)
        except (ChainError, DeviceError):  # nothing is connected: the failure of the commit is the reason to tell
            return False
        display._mode_is_gone = (now[0].connector.id, now[0].mode.raw) != (before.connector.id, before.mode.raw)
        if not display._mode_is_gone and len(now) > 1:  # what passed the trial was refused when it was meant
            display._refused.add(before.plane.id)
            return True
        return display._mode_is_gone

    def _is_plugged(self, connector: int) -> bool:
        try:
            return self._as_display.card.is_plugged(connector)
        except DeviceError:
            return False

    def revive(self) -> str:
        """Wait until a monitor is plugged in again; says where."""
        lost, self._lost = self._lost, ""
        if not lost:
            return ""
        display = self._as_display
        if self._is_gone():
            display.forget_screen()
            display.close()
            display.open()
        else:
            self.wait_for_monitor()
        return f"{display.name} came back on {display.device}"

    def interrupt(self) -> None:
        """End a wait for the monitor."""
        self._patience.interrupt()

    @property
    def _as_display(self) -> Display:
        return cast("Display", self)
