"""Changes of controls."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from zcore._v4l2_events import Event
from zcore.controls import values
from zcore.controls.events import CTRL, EventWatch
from zcore.controls.kinds import ControlFlag

if TYPE_CHECKING:
    from zcore.controls.collection import Controls
    from zcore.controls.control import Control

VALUE, FLAGS, RANGE, DIMENSIONS = 1, 2, 4, 8


class ControlChange(NamedTuple):
    """A control changed.

    Attributes
    ----------
    name : str
        Of the control.
    value : object
        The value after it; of texts, arrays and structures, which an event does not carry, the one that was read when
        the event was. ``None`` of what has none to read.
    what : frozenset of str
        Of ``value``, ``flags``, ``range``, ``dimensions``.
    flags : ControlFlag
        After it.
    minimum, maximum, step, default : int
        The range after it.
    sequence : int
        Number of the event, counted by the kernel for this open device.
    missed : int
        How many events before it did not come: the kernel keeps one for each control, and puts a newer one into its
        place; the value is always the newest.
    timestamp_ns : int
        When, on the monotonic clock.
    """

    name: str
    value: Any
    what: frozenset[str]
    flags: ControlFlag
    minimum: int
    maximum: int
    step: int
    default: int
    sequence: int
    missed: int
    timestamp_ns: int


class ControlWatch(EventWatch):
    """Iterate over changes of controls: :meth:`Controls.watch` makes it."""

    def __init__(self, owner: Controls, chosen: list[Control], timeout: float | None, initial: bool):
        self.timeout = timeout
        self._owner = owner
        self._controls = {control.id: control for control in chosen}
        self._open(owner.device, {(CTRL, id) for id in self._controls}, initial=initial)

    def _decode(self, event: Event, lost: int) -> ControlChange:
        control = self._controls[event.id]
        payload: Any = event.payload
        changes, _, value, flags, minimum, maximum, step, default = payload
        what = {"value": VALUE, "flags": FLAGS, "range": RANGE, "dimensions": DIMENSIONS}
        info = control.describe()
        if info.flags & ControlFlag.WRITE_ONLY or control.type == "button":
            now = None
        elif values.has_payload(info):
            now = control.value
        else:
            now = values.number(info, value, control.menu)
        return ControlChange(
            control.name, now, frozenset(name for name, bit in what.items() if changes & bit), ControlFlag(flags),
            minimum, maximum, step, default, event.sequence, event.missed + lost, event.timestamp_ns,
        )  # fmt: skip

    def __iter__(self) -> Iterator[ControlChange]:
        return self


class Notifier:
    """Call a function with each change: :meth:`Controls.on_change` makes it. ``close()`` ends it."""

    def __init__(self, watch: ControlWatch, callback: Callable[[Any], object]):
        self._watch = watch
        self._callback = callback
        self._thread = threading.Thread(target=self._run, name="zcore controls", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._watch.closed:
            try:
                change = self._watch.next(None)
            except OSError:  # unplugged: nothing comes any more
                return
            if change is None:
                continue
            try:
                self._callback(change)
            except (
                Exception
            ):  # what a callback does wrong is its own: told, and the next change comes to it all the same
                kind, error, trace = sys.exc_info()
                arguments = (kind or Exception, error, trace, self._thread)
                threading.excepthook(threading.ExceptHookArgs(arguments))

    def close(self) -> None:
        """End it, and wait until a call that runs is over."""
        self._watch.close()
        if threading.current_thread() is not self._thread:
            self._thread.join(10)

    def __enter__(self) -> Notifier:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
