"""Frames of other pools, passed on without a copy where the stages behind can import their buffers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from zcore._frame import Frame
from zcore._inlet import Inlet
from zcore._pool import Pool
from zcore.errors import ChainError, DeviceError
from zcore.stages.base import Pad


class Adoption:
    """What an :class:`AppSource` knows about frames of other pools.

    Parameters
    ----------
    name : str
        For messages.
    lender : Pool, optional
        Whose buffers were imported when the chain was planned: no other pool's frames are taken then.

    Attributes
    ----------
    reasons : dict of str to int
        Why frames were copied, and how often.
    """

    def __init__(self, name: str, lender: Pool | None):
        self.name = name
        self.lender = lender
        self.reasons: dict[str, int] = {}
        self._adopters: list[Callable[[Pool, int], object]] | None = None
        self._refused: dict[int, str] = {}  # pools that the stages behind cannot import

    def linked(self, pads: Sequence[Pad]) -> None:
        """Learn which pads take the frames; only where all of them can import while they run, nothing is copied."""
        adopters = [getattr(pad, "adopt", None) for pad in pads]
        able = [adopt for adopt in adopters if adopt is not None]
        self._adopters = able if able and len(able) == len(adopters) else None
        self._refused = {}

    def adopt(self, inlet: Inlet, frame: Frame) -> Frame | None:
        """Make a frame of the chain out of one of another pool; ``None`` where it has to be copied.

        Raises
        ------
        ValueError
            The chain takes only frames of another pool than this one.
        """
        if self.lender is not None:
            if frame.pool is not self.lender:
                raise ValueError(f"{self.name} passes on frames of {self.lender.name} only, not of {frame.pool.name}")
            return inlet.adopt(frame, ())
        reason = None if inlet.knows(frame) else self._refused.get(frame.pool.id)
        if reason is None and self._adopters is None:
            reason = "a stage behind cannot import buffers while it runs"
        if reason is None:
            try:
                return inlet.adopt(frame, self._adopters or ())
            except BufferError as error:  # this frame is on its way already; the next may not be
                reason = str(error)
            except (ValueError, DeviceError, ChainError) as error:
                reason = self._refused[frame.pool.id] = str(error)
        self.reasons[reason] = self.reasons.get(reason, 0) + 1
        return None
