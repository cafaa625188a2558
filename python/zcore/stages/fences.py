"""What a chain does with frames that somebody still writes."""

from __future__ import annotations

from typing import Any

from zcore._chain import Link
from zcore._fence_nodes import FenceNode

LATE = ("raise", "drop")
ERROR = ("raise", "drop", "flag")


class FencePolicy:
    """What a source's frames do about fences: how long they may wait, and what comes of those that fail.

    Parameters
    ----------
    timeout : float
        Seconds that a frame may wait for its writers.
    late : str
        What happens to one that has waited so long: ``raise`` ends the chain, ``drop`` goes on without it.
    error : str
        What happens to one whose fence signalled an error: ``raise``, ``drop``, or ``flag``, which passes it on and
        says so in ``frame.corrupted``.

    Raises
    ------
    ValueError
        A word that is none of these.
    """

    def __init__(self, timeout: float = 5.0, late: str = "raise", error: str = "flag"):
        if late not in LATE:
            raise ValueError(f"fence_late is one of {', '.join(LATE)}, not {late!r}")
        if error not in ERROR:
            raise ValueError(f"fence_error is one of {', '.join(ERROR)}, not {error!r}")
        if not 0 < timeout <= 1e6:
            raise ValueError(f"fence_timeout is a number of seconds above 0, not {timeout!r}")
        self.timeout, self.late, self.error = timeout, late, error
        self._nodes: list[FenceNode] = []

    def make_node(self, name: str, source: Link, sink: Link) -> FenceNode:
        """Make the node that keeps frames back in front of one stage."""
        node = FenceNode(
            name,
            source,
            sink,
            timeout_ns=int(self.timeout * 1e9),
            on_timeout=LATE.index(self.late),
            on_error=ERROR.index(self.error),
        )
        self._nodes.append(node)
        return node

    def counts(self) -> dict[str, int]:
        """Count frames that had to wait, that waited too long, and whose fence signalled an error."""
        return {
            "late": sum(node.frames_late for node in self._nodes),
            "timeouts": sum(node.timeouts for node in self._nodes),
            "errors": sum(node.errors for node in self._nodes),
        }

    def drops(self) -> dict[str, int]:
        """Count what was dropped, by reason."""
        counts = self.counts()
        found = {}
        if self.late == "drop" and counts["timeouts"]:
            found["fence did not signal in time"] = counts["timeouts"]
        if self.error == "drop" and counts["errors"]:
            found["fence signalled an error"] = counts["errors"]
        return found

    def facts(self) -> dict[str, Any]:
        """Tell of frames that waited, for the report; nothing where none did."""
        counts = self.counts()
        if not any(counts.values()):
            return {}
        waited = sum(node.waited_ns for node in self._nodes)
        return {
            "fence_waits": counts["late"],
            "fence_wait_ms_mean": waited / max(1, counts["late"]) / 1e6,
            "fence_wait_ms_max": max(node.waited_max_ns for node in self._nodes) / 1e6,
            "fence_timeouts": counts["timeouts"],
            "fence_errors": counts["errors"],
        }
