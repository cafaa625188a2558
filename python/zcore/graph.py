"""How the stages of a chain hang together: who follows whom, and which stages share the same buffers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from zcore.errors import ChainError
from zcore.stages.base import SinkMixin, SourceMixin, Stage
from zcore.stages.flow import CapsFilter, Passing, Tee

MOST_BRANCHES = 16  # of the native tee


@dataclass(eq=False)
class Branch:
    """The way from a source of buffers to one stage that uses them.

    Attributes
    ----------
    passing : list of Stage
        The stages in between that hand on the same frames.
    """

    sink: Stage
    passing: list[Stage] = field(default_factory=list)

    @property
    def filters(self) -> list[CapsFilter]:
        """The caps filters on the way."""
        return [stage for stage in self.passing if isinstance(stage, CapsFilter)]


@dataclass(eq=False)
class Domain:
    """All stages that see the same buffers: one gives them, the others take them.

    Formats, modifiers, strides and memory are agreed on for a domain as a whole.
    """

    source: Stage
    branches: list[Branch]

    @property
    def passing(self) -> list[Stage]:
        """The stages within, each once."""
        return list(dict.fromkeys(stage for branch in self.branches for stage in branch.passing))


class Graph:
    """Stages and links, checked.

    Parameters
    ----------
    stages : iterable of Stage
        All of them, in the order in which they were written.
    links : iterable of (Stage, Stage)
        Who gives to whom.

    Raises
    ------
    ChainError
        A stage is linked in a way that it cannot work.
    """

    def __init__(self, stages: Iterable[Stage], links: Iterable[tuple[Stage, Stage]]):
        self.links = [self._pair(link) for link in links]
        self.stages: list[Stage] = list(dict.fromkeys([*stages, *(stage for link in self.links for stage in link)]))
        self.following: dict[Stage, list[Stage]] = {stage: [] for stage in self.stages}
        self.before: dict[Stage, Stage] = {}
        for source, sink in self.links:
            self._check_link(source, sink)
            self.following[source].append(sink)
            self.before[sink] = source
        if not self.links:
            raise ChainError("a chain needs a source and a sink at least")
        self._check_names()
        self._check_ends()
        self.domains = [
            self._domain(stage) for stage in self._ordered() if isinstance(stage, SourceMixin) and self.following[stage]
        ]

    @classmethod
    def of_row(cls, stages: Sequence[Stage]) -> Graph:
        """Link stages one after the other."""
        if len(stages) < 2:
            raise ChainError("a chain needs a source and a sink at least")
        for stage in stages:
            if not isinstance(stage, Stage):
                raise TypeError(f"{stage!r} is not a stage; give Capture, Convert, Display, TestSource, ... objects")
        if len(set(map(id, stages))) != len(stages):
            raise ChainError("a stage stands in a chain once")
        return cls(stages, pairwise(stages))

    def with_stand_in(self, stage: Stage, other: Stage) -> Graph:
        """Make the same graph with another stage in the place of one."""
        places = {stage: other}
        links = [(places.get(one, one), places.get(two, two)) for one, two in self.links]
        return Graph([places.get(one, one) for one in self.stages], links)

    @property
    def sources(self) -> list[Stage]:
        """Stages that nothing gives to."""
        return [stage for stage in self.stages if stage not in self.before]

    @property
    def sinks(self) -> list[Stage]:
        """Stages that give to nobody."""
        return [stage for stage in self.stages if not self.following[stage]]

    @staticmethod
    def _pair(link: object) -> tuple[Stage, Stage]:
        if isinstance(link, (tuple, list)) and len(link) == 2 and all(isinstance(stage, Stage) for stage in link):
            return link[0], link[1]
        raise TypeError(f"links are pairs of stages, who gives and who takes, not {link!r}")

    def _check_link(self, source: Stage, sink: Stage) -> None:
        if not isinstance(source, SourceMixin | Passing):
            raise ChainError(f"{source.name} gives no frames; it can only be the last stage")
        if not isinstance(sink, SinkMixin | Passing):
            raise ChainError(f"{sink.name} takes no frames; it can only be the first stage")
        if sink in self.before:
            raise ChainError(
                f"{sink.name} takes frames from {self.before[sink].name} already; it cannot take {source.name}'s too"
            )
        if self.following[source] and not isinstance(source, Tee):
            raise ChainError(
                f"{source.name} gives frames to {self.following[source][0].name} already; put a tee behind it to give"
                f" them to {sink.name} too"
            )

    def _check_names(self) -> None:
        names: dict[str, Stage] = {}
        for stage in self.stages:
            if names.setdefault(stage.name, stage) is not stage:
                raise ChainError(f"two stages have the name {stage.name}")

    def _check_ends(self) -> None:
        for stage in self.stages:
            if len(self.following[stage]) > MOST_BRANCHES:
                raise ChainError(
                    f"{stage.name} has {len(self.following[stage])} branches and {MOST_BRANCHES} are possible; put a "
                    "tee behind one of them"
                )
            linked = bool(self.following[stage]), stage in self.before
            if isinstance(stage, Passing) and linked != (True, True):
                raise ChainError(f"nothing {'follows' if linked[1] else 'comes before'} {stage.name}; link it")
            if isinstance(stage, SinkMixin) and stage not in self.before:
                raise ChainError(f"nothing gives frames to {stage.name}; link a source to it")
            if isinstance(stage, SourceMixin) and not self.following[stage]:
                raise ChainError(f"nothing takes the frames of {stage.name}; link a sink to it")

    def _ordered(self) -> Iterator[Stage]:
        """Go from sources to sinks, every stage after the one that gives to it."""
        seen = 0
        waiting = list(self.sources)
        while waiting:
            stage = waiting.pop(0)
            seen += 1
            yield stage
            waiting[:0] = self.following[stage]
        if seen != len(self.stages):
            raise ChainError("the stages form a ring: " + ", ".join(stage.name for stage in self.stages))

    def _domain(self, source: Stage) -> Domain:
        return Domain(source, list(self._branches(source, [])))

    def _branches(self, stage: Stage, passing: list[Stage]) -> Iterator[Branch]:
        for after in self.following[stage]:
            if isinstance(after, Passing):
                yield from self._branches(after, [*passing, after])
            else:
                yield Branch(after, passing)
