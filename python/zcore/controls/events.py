"""Events of an open device, shared among all who wait for them."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, NamedTuple

from zcore._v4l2_device import V4l2Device
from zcore._v4l2_events import Event, EventHub, hub_of
from zcore.errors import ChainError, UnsupportedError, make_error

VSYNC, EOS, CTRL, FRAME_SYNC, SOURCE_CHANGE, MOTION_DET = range(1, 7)
TYPES = {
    "vsync": VSYNC,
    "eos": EOS,
    "frame_sync": FRAME_SYNC,
    "source_change": SOURCE_CHANGE,
    "motion_det": MOTION_DET,
}
NAMES = {number: name for name, number in TYPES.items()} | {CTRL: "ctrl"}
SEND_INITIAL, ALLOW_FEEDBACK = 1, 2
RESOLUTION, HAVE_FRAME_SEQUENCE = 1, 1
WAITING = 256  # events that wait for one reader before the oldest is dropped
SLICE = 0.5  # seconds; a signal is looked for at least that often

Key = tuple[int, int]  # type and id


class DeviceEvent(NamedTuple):
    """An event of a device.

    Attributes
    ----------
    type : str
        ``vsync``, ``eos``, ``frame_sync``, ``source_change`` or ``motion_det``; a number as text for one of a driver.
    sequence : int
        Number of the event, counted by the kernel for this open device.
    missed : int
        How many events before it were lost, because nobody read them in time: here, or in the kernel.
    timestamp_ns : int
        When it happened, on the monotonic clock.
    resolution : bool
        Of ``source_change``: the resolution may be another one.
    frame_sequence : int or None
        Of ``frame_sync`` and ``motion_det``: number of the frame.
    region_mask : int
        Of ``motion_det``: the regions in which something moves; 0: nothing does any more.
    field : int or None
        Of ``vsync``: V4L2_FIELD_*.
    """

    type: str
    sequence: int
    missed: int
    timestamp_ns: int
    resolution: bool = False
    frame_sequence: int | None = None
    region_mask: int = 0
    field: int | None = None


def decode(event: Event, missed: int = 0) -> DeviceEvent:
    """Turn a raw event that is none of a control into what users see."""
    name = NAMES.get(event.type, str(event.type))
    base = DeviceEvent(name, event.sequence, event.missed + missed, event.timestamp_ns)
    payload: Any = event.payload
    if event.type == SOURCE_CHANGE:
        return base._replace(resolution=bool(payload[0] & RESOLUTION))
    if event.type == FRAME_SYNC:
        return base._replace(frame_sequence=payload[0])
    if event.type == VSYNC:
        return base._replace(field=payload[0])
    if event.type == MOTION_DET:
        frame = payload[1] if payload[0] & HAVE_FRAME_SEQUENCE else None
        return base._replace(frame_sequence=frame, region_mask=payload[2])
    return base


class Inbox:
    """Events that wait for one reader."""

    def __init__(self, keys: set[Key]):
        self.keys = keys
        self.granted: set[Key] = set()  # what the driver was asked for in its name
        self.waiting: deque[tuple[Event, int]] = deque()  # with the number lost before it
        self.lost = 0
        self.open = True

    def put(self, event: Event, lost: int) -> None:
        """Add one; the oldest goes where too many wait."""
        self.lost += lost
        if (event.type, event.id if event.type == CTRL else 0) not in self.keys:
            return
        self.waiting.append((event, self.lost))
        self.lost = 0
        if len(self.waiting) > WAITING:
            gone = 1 + self.waiting.popleft()[1]
            oldest, before = self.waiting[0]
            self.waiting[0] = oldest, before + gone


class Switchboard:
    """Hand the events of one open device to all readers: one thread dequeues at a time, and serves the others."""

    def __init__(self, hub: EventHub):
        self.hub = hub
        self.turn = threading.Condition()
        self.inboxes: list[Inbox] = []
        self.subscribed: dict[Key, int] = {}
        self.pumping = False
        self.failure = 0

    def join(self, keys: set[Key], *, initial: bool = False) -> Inbox:
        """Add a reader; UnsupportedError where the driver lacks one of these events."""
        inbox = Inbox(keys)
        self.hub.listen(1)
        with self.turn:
            self.inboxes.append(inbox)
        try:
            self._subscribe(inbox, initial)
        except BaseException:
            self.leave(inbox)
            raise
        return inbox

    def _subscribe(self, inbox: Inbox, initial: bool) -> None:
        for key in sorted(inbox.keys):
            type, id = key
            flags = (ALLOW_FEEDBACK | (SEND_INITIAL if initial else 0)) if type == CTRL else 0
            with self.turn:
                if initial and type == CTRL and self.subscribed.get(key):
                    # The kernel sends the initial value with the first subscription of an open file only.
                    self.hub.unsubscribe(type, id)
                granted = self.hub.subscribe(type, id, flags)
                if granted:
                    self.subscribed[key] = self.subscribed.get(key, 0) + 1
                    inbox.granted.add(key)
            if not granted:
                raise UnsupportedError(25, NAMES.get(type, str(type)))

    def leave(self, inbox: Inbox) -> None:
        """Take a reader out, and wake it up."""
        with self.turn:
            if inbox not in self.inboxes:
                return
            inbox.open = False
            self.inboxes.remove(inbox)
            for key in inbox.granted:
                self.subscribed[key] -= 1
                if not self.subscribed[key]:
                    del self.subscribed[key]
                    if key[0] != SOURCE_CHANGE and not self.hub.closed:  # that one is the loop's, too
                        self.hub.unsubscribe(*key)
            self.turn.notify_all()
        self.hub.listen(-1)
        self.hub.wake()

    def next(self, inbox: Inbox, timeout: float | None) -> tuple[Event, int] | None:
        """Wait for an event; ``None`` where none came in time, or the reader was taken out."""
        deadline = None if timeout is None else time.monotonic() + timeout
        looked = False
        while True:
            with self.turn:
                if inbox.waiting:
                    return inbox.waiting.popleft()
                left = None if deadline is None else deadline - time.monotonic()
                if not inbox.open or (looked and left is not None and not left > 0):
                    return None
                if self.failure:
                    raise make_error(self.failure, "VIDIOC_DQEVENT", self.hub.path)
                part = SLICE if left is None else max(0.0, min(SLICE, left))
                looked = True
                if self.pumping:
                    self.turn.wait(part)
                    continue
                self.pumping = True
            events: list[Event] = []
            code = lost = 0
            try:
                code, events, lost = self.hub.collect(int(part * 1000 + 0.999))
            finally:
                with self.turn:
                    self.pumping = False
                    for i, event in enumerate(events):
                        for one in self.inboxes:
                            one.put(event, 0 if i else lost)
                    if code == 9:  # the stage closed the device: that ends all
                        for one in self.inboxes:
                            one.open = False
                    elif code not in (0, 4):
                        self.failure = code
                    self.turn.notify_all()


_making = threading.Lock()


def board_of(device: V4l2Device) -> Switchboard:
    """Give the switchboard of an open device."""
    if device.fd.closed:
        raise ChainError(f"{device.path} is closed")
    with _making:
        if not isinstance(device.switchboard, Switchboard):
            device.switchboard = Switchboard(hub_of(device))
        return device.switchboard


class EventWatch:
    """Iterate over events of a device; close it, use it in ``with``, or leave it to the collector.

    Parameters
    ----------
    device : V4l2Device
        Open device.
    types : sequence of str
        ``eos``, ``frame_sync``, ``source_change``, ``motion_det``, ``vsync``.
    timeout : float, optional
        Seconds without an event after which the iteration ends; ``None``: it never does.
    """

    def __init__(self, device: V4l2Device, types: tuple[str, ...], timeout: float | None = None):
        unknown = [name for name in types if name not in TYPES]
        if unknown or not types:
            what = f"no event {unknown[0]!r}" if unknown else "name an event"
            raise ValueError(f"{what}; there are {', '.join(TYPES)}, and controls.watch() for controls")
        self.timeout = timeout
        self._open(device, {(TYPES[name], 0) for name in types})

    def _open(self, device: V4l2Device, keys: set[Key], *, initial: bool = False) -> None:
        self.device = device
        self._board = board_of(device)
        try:
            self._inbox = self._board.join(keys, initial=initial)
        except UnsupportedError as error:
            what = f"{device.card} ({device.driver}) has no event {error.strerror}"
            raise make_error(25, "VIDIOC_SUBSCRIBE_EVENT", device.path, what) from None

    def next(self, timeout: float | None = 0) -> Any:
        """Give the next event; ``None`` where none came within so many seconds."""
        found = self._board.next(self._inbox, timeout)
        return None if found is None else self._decode(*found)

    def _decode(self, event: Event, lost: int) -> Any:
        return decode(event, lost)

    @property
    def closed(self) -> bool:
        """Whether no more comes: it was closed, or the device was."""
        return not self._inbox.open or self._board.hub.closed

    def close(self) -> None:
        """End it; a thread that waits in it returns."""
        self._board.leave(self._inbox)

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        found = self.next(self.timeout)
        if found is None:
            raise StopIteration
        return found

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        with suppress(Exception):
            self.close()
