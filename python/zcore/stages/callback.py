"""A sink in Python."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from zcore._chain import Link, Node
from zcore._end_nodes import SinkNode
from zcore._frame import Frame
from zcore.formats import Format, find
from zcore.stages.arguments import function_of
from zcore.stages.base import LinkCaps, SinkMixin, Stage
from zcore.stages.cpu_pads import ReadPad


class Callback(Stage, SinkMixin):
    """A sink that calls Python with each frame. The frame goes back when nobody holds it any more.

    Parameters
    ----------
    function : callable
        Called with each :class:`zcore.Frame`.
    format : str, optional
        Pixel format to ask for; left out: any that numpy can see.
    holds : int
        How many frames the function keeps at once.
    num_buffers : int
        How many frames to take until the chain ends; -1 = all.
    sync : bool
        Whether frames wait for their time. Frames that are dated by the clock of the machine (CLOCK_MONOTONIC) have
        happened and are taken at once; of others the first one is taken at once, and the rest as much later as their
        times say.
    ts_offset : int
        With `sync`: nanoseconds by which frames are taken later.
    """

    kind = "callback"

    def __init__(
        self,
        function: Callable[[Frame], Any],
        format: str | Format | None = None,
        *,
        holds: int = 1,
        num_buffers: int = -1,
        sync: bool = False,
        ts_offset: int = 0,
        name: str | None = None,
    ):
        super().__init__(name)
        self._function = function_of(function, "function")
        self.format = find(format) if format is not None else None
        self.num_buffers = num_buffers
        self.sync = sync
        self.ts_offset = ts_offset
        self._pad = ReadPad(self.name, holds=holds)

    @property
    def input(self) -> ReadPad:  # type: ignore[override]
        """Memory that it reads."""
        return self._pad

    def open(self) -> None:
        """Nothing to open."""

    def close(self) -> None:
        """Let go of the buffers."""
        self._pad.reset()

    def accepts(self) -> Sequence[Format] | None:
        """List the format that was asked for; ``None`` = any."""
        return [self.format] if self.format is not None else None

    def set_input(self, caps: LinkCaps) -> LinkCaps:
        """Take what comes."""
        return caps

    def take(self, frame: Frame) -> None:
        """Take one frame."""
        self._function(frame)

    def node(self, source: Link | None, sink: Link | None, frames: int) -> Node:
        """Make what the loop drives."""
        assert source is not None
        return SinkNode(
            self.name,
            source,
            process=self.take,
            pool=self._pad.pool,
            frames=self.num_buffers,
            sync=self.sync,
            offset_ns=self.ts_offset,
        )
