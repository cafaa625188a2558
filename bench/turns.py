"""How the benches time: each way of an operation makes many turns in one call, so that a C loop may compare.

``@ways("name of the operation")`` puts benches into one group; ``turns(way, *arguments)`` runs
``way(count, *arguments)`` and the table shows the time of one turn.
"""

import time

import pytest

TURNS = 1000


class Timer:
    """A clock that runs so slowly that a call with that many turns seems to take the time of one."""

    def __init__(self, turns):
        self.turns = turns
        self.__name__ = f"perf_counter over {turns} turns"

    def __call__(self):
        return time.perf_counter() / self.turns


def ways(group, turns=TURNS):
    """Mark benches that do the same in different ways."""
    return pytest.mark.benchmark(group=group, timer=Timer(turns))
