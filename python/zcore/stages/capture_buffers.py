"""How many buffers a capture device has, of what kind, and the frames that come in them without a chain."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zcore._frame import Frame
from zcore.errors import DeviceGoneError, NegotiationError
from zcore.stages.arguments import count_of
from zcore.stages.rw import RwPad, read_frames
from zcore.stages.v4l2_pad import V4l2Pad

if TYPE_CHECKING:
    from zcore.stages.base import LinkCaps

MOST = 64  # slots of a pool; a driver that tells no number has 32


@dataclass(frozen=True)
class BufferWishes:
    """What the user wants of the buffers."""

    count: int | None = None
    most: int | None = None
    coherent: bool = True


def check_buffers(count: int | None, most: int | None, coherent: bool) -> BufferWishes:
    """Refuse numbers that cannot be, before any device is opened."""
    for name, number, least in (("buffers", count, 2), ("max_buffers", most, count or 2)):
        if number is not None and (isinstance(number, bool) or not isinstance(number, int)):
            raise TypeError(f"{name} is a number of buffers, not {number!r}")
        if number is not None and not least <= number <= MOST:
            raise ValueError(f"{least} to {MOST} {'buffers' if name == 'buffers' else name}, not {number}")
    if not isinstance(coherent, bool):
        raise TypeError(f"coherent is True or False, not {coherent!r}")
    return BufferWishes(count, most, coherent)


class CaptureBuffers:
    """The buffers of a capture stage."""

    name: str
    io_mode: str
    buffers: int | None
    corrupted: str
    limit: int | None
    caps: LinkCaps | None
    buffer_wishes: BufferWishes
    _pad: V4l2Pad | None

    def configure(self) -> LinkCaps:
        """Set format and buffers for use without a chain; done by :meth:`frames` where it was not."""
        pad = self._opened_pad()
        if self.caps is None:
            self.set_output(self.offers()[0], self.size)  # type: ignore[attr-defined]
        assert self.caps is not None
        if pad.queue.state == "empty":
            # Alone there is nobody to import from: export where the driver can, so that frames can be handed on.
            roles = pad.roles()
            if not roles & {"export", "mmap"}:
                raise NegotiationError(f"{self.name}: io mode {self.io_mode} needs another stage that allocates")
            pad.allocate(self.caps, self.buffers or 4, export="export" in roles)
        self.let_grow()
        return self.caps

    def _opened_pad(self) -> V4l2Pad:
        self.open()  # type: ignore[attr-defined]
        assert self._pad is not None
        return self._pad

    def let_grow(self) -> None:
        """Let the queue grow as far as `max_buffers` says, when the device has fewer buffers than it needs."""
        pad = self._pad
        if pad is None or self.buffer_wishes.most is None or pad.queue.growth_error:
            return
        if pad.queue.memory == 1:  # its own buffers
            pad.queue.limit = self.buffer_wishes.most
            pad.queue.reserve = pad.holds
            pad.queue.on_grow = pad.tell_followers

    def buffer_facts(self) -> dict[str, Any]:
        """Tell how many buffers came later, why no more came, and whether memory is as it was asked for."""
        queue = self._pad.queue if self._pad is not None else None
        if queue is None:
            return {}
        found: dict[str, Any] = {}
        if queue.grown:
            found["grown"] = queue.grown
        if queue.growth_error:
            found["growth_refused"] = queue.growth_error
        if not self.buffer_wishes.coherent:
            found["non_coherent"] = queue.non_coherent
            if queue.hinted:
                found["cache_hints"] = queue.hinted
        return found

    def frames(self, count: int | None = None, timeout: float | None = 10.0) -> Iterator[Frame]:
        """Iterate over frames.

        Parameters
        ----------
        count : int, optional
            How many; left out: until the device ends or the loop is left.
        timeout : float, optional
            Seconds to wait for each before :class:`zcore.DeviceTimeoutError`; ``None`` = for ever.

        Yields
        ------
        Frame, given back to the device when it and every view of it is dropped.
        """
        count = count_of(count, "count")
        if isinstance(self._opened_pad(), RwPad):
            yield from read_frames(self, count, timeout)  # type: ignore[arg-type]
            return
        self.configure()
        queue = self._opened_pad().queue
        if queue.state != "streaming":
            self._stream_on()
        given = 0
        limits = [limit for limit in (count, self.limit) if limit is not None]
        count = min(limits, default=None)
        while count is None or given < count:
            try:
                frame = queue.next_frame(timeout)
            except DeviceGoneError:
                if not self.recover():  # type: ignore[attr-defined]
                    raise
                self.revive()  # type: ignore[attr-defined]
                self.configure()
                self._stream_on()
                queue = self._opened_pad().queue
                continue
            if frame is None:
                return
            if frame.corrupted and self.corrupted == "drop":
                continue
            given += 1
            yield frame
            del frame  # else this generator would hold the frame while it waits for the next

    def _stream_on(self) -> None:
        raise NotImplementedError
