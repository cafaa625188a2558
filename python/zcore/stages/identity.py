"""A stage that changes no frame, but may lose, delay, count or report them."""

from __future__ import annotations

import secrets
from typing import Any

from zcore._chain import Link, Node
from zcore._end_nodes import IdentityNode
from zcore._frame import Frame
from zcore._pool import Pool
from zcore.errors import ChainError
from zcore.stages.fakes import Handoff, describe_frame, dump_frame
from zcore.stages.flow import Passthrough


class Identity(Passthrough):
    """Hand on the frames that come. For tests, and to look at what passes.

    As long as nothing is to be told, no Python is run for a frame, and its memory is not touched.

    Parameters
    ----------
    drop_probability : float
        0 to 1.
    eos_after, error_after : int
        End, or fail, in the place of the frame with this number, counted from 1; -1 = never.
    sleep_time : int
        Microseconds to sleep before each frame. Everything that the same thread drives sleeps, too; a queue before it
        makes that its own.
    datarate : int
        Bytes per second by which frames are stamped anew; 0 = not.
    sync : bool
        Whether frames wait for their time: see :class:`zcore.Callback`.
    ts_offset : int
        With `sync`: nanoseconds by which frames are handed on later.
    check_imperfect_timestamp, check_imperfect_offset : bool
        Whether to count, for the report, frames that are not later than the one before, and gaps in their numbers.
    silent : bool
        Whether :attr:`last_message` stays empty.
    dump : bool
        Whether frames are printed in hexadecimal, for which the CPU reads them.
    on_frame : callable, optional
        Called with each frame; where it gives False, the frame is dropped. GStreamer's signal ``handoff``.
    seed : int, optional
        Of the random numbers for `drop_probability`; left out: others in each run.
    """

    kind = "identity"

    def __init__(
        self,
        *,
        drop_probability: float = 0.0,
        eos_after: int = -1,
        error_after: int = -1,
        sleep_time: int = 0,
        datarate: int = 0,
        sync: bool = False,
        ts_offset: int = 0,
        check_imperfect_timestamp: bool = False,
        check_imperfect_offset: bool = False,
        silent: bool = True,
        dump: bool = False,
        on_frame: Handoff | None = None,
        seed: int | None = None,
        name: str | None = None,
    ):
        super().__init__(self._look, name)
        if not 0 <= drop_probability <= 1:
            raise ValueError(f"drop_probability is 0 to 1, not {drop_probability}")
        for what, value in (("sleep_time", sleep_time), ("datarate", datarate)):
            if value < 0:
                raise ValueError(f"{what} is 0 or more, not {value}")
        self.drop_probability = drop_probability
        self.eos_after = eos_after
        self.error_after = error_after
        self.sleep_time = sleep_time
        self.datarate = datarate
        self.sync = sync
        self.ts_offset = ts_offset
        self.check_imperfect_timestamp = check_imperfect_timestamp
        self.check_imperfect_offset = check_imperfect_offset
        self.silent = silent
        self.dump = dump
        self.on_frame = on_frame
        self.seed = seed
        self.last_message: str | None = None
        self._identity: IdentityNode | None = None
        self._counted: tuple[dict[str, int], dict[str, Any]] = {}, {}

    def _look(self, frame: Frame) -> Any:
        if not self.silent:
            self.last_message = describe_frame("chain", self.name, frame)
        if self.dump:
            dump_frame(frame)
        return self.on_frame(frame) if self.on_frame is not None else True

    def make_node(self, source: Link, sink: Link, pool: Pool) -> Node:
        """Make what the loop drives."""
        quiet = self.silent and not self.dump and self.on_frame is None
        self._identity = IdentityNode(
            self.name,
            source,
            sink,
            pool,
            function=None if quiet else self._look,
            failure=ChainError(f"{self.name} fails in the place of frame {self.error_after}, as error_after asks"),
            eos_after=self.eos_after,
            error_after=self.error_after,
            drop_probability=self.drop_probability,
            seed=secrets.randbits(63) if self.seed is None else self.seed,
            sleep_us=self.sleep_time,
            datarate=self.datarate,
            sync=self.sync,
            offset_ns=self.ts_offset,
        )
        return self._identity

    def close(self) -> None:
        """Let go of the buffers; the counts stay."""
        self._counted, self._identity = (self.drops(), self.facts()), None
        super().close()

    def drops(self) -> dict[str, int]:
        """Count the frames that were dropped by chance, and those that the function refused."""
        node = self._identity
        if node is None:
            return dict(self._counted[0])
        counts = {"drop_probability": node.dropped, "refused": node.refused}
        return {reason: count for reason, count in counts.items() if count}

    def facts(self) -> dict[str, Any]:
        """Give the number of frames seen, and what was odd about them."""
        node = self._identity
        if node is None:
            return dict(self._counted[1])
        facts: dict[str, Any] = {"frames_seen": node.frames}
        if self.check_imperfect_timestamp:
            facts["imperfect_timestamps"] = node.imperfect_timestamps
        if self.check_imperfect_offset:
            facts["imperfect_offsets"] = node.imperfect_sequence
        return facts
