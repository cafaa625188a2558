"""Find the cheapest way through a whole chain.

Every domain has states, a format and a size. The cheapest state of a domain is that for which the sum of its own cost
and of all that follows is least, so tables are filled from the sinks to the sources, once over each stage. Costs are
optimistic: what a device refuses is learned only by asking it, and then the search is run again with what was learned.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from zcore.formats import Family, Format
from zcore.graph import Domain
from zcore.negotiate.candidates import Key, Needs, Size, State, allows, frame_kib, key_of, loss, quality
from zcore.stages.base import SinkMixin, SourceMixin, Stage

# What counts more stands higher; sums of the lower ones never reach the next. Copies come first, then conversions,
# scaling, a camera that is set to something else, lost colours, memory, and the order in which devices list formats.
ORDER = 1
SIZE_ORDER = 1 << 12
KIB = 1 << 16
LOSS = 1 << 44
CHANGE = 1 << 60
SCALE = 1 << 66
CONVERT = 1 << 72
COPY = 1 << 78
NEVER = 1 << 90


class Group(NamedTuple):
    """Formats that lose the same by a conversion."""

    quality: tuple[int, int]
    grey: bool
    size: Size


@dataclass
class Learned:
    """What devices have answered so far.

    Attributes
    ----------
    states : dict
        (domain number, state) -> more that this state costs.
    formats : dict
        (domain number, format key) -> the same, for all sizes.
    direct : dict
        (domain number, branch number, state) -> why this branch cannot take these frames as they are.
    made : dict
        (domain number, branch number, state) -> why a conversion to this in front of that branch's stage is of no use.
    steps : dict
        (stage, state in, state out) -> why the stage does not do that.
    fixed_size : dict
        Stage -> why it gives no other size than it takes.
    """

    states: dict[tuple[int, State], int] = field(default_factory=dict)
    formats: dict[tuple[int, Key], int] = field(default_factory=dict)
    direct: dict[tuple[int, int, State], str] = field(default_factory=dict)
    made: dict[tuple[int, int, State], str] = field(default_factory=dict)
    steps: dict[tuple[Stage, State, State], str] = field(default_factory=dict)
    fixed_size: dict[Stage, str] = field(default_factory=dict)


@dataclass
class Choice:
    """What one domain shall carry; for each branch, what must be made of it on the CPU first (None = nothing)."""

    state: State
    format: Format
    conversions: list[tuple[State, Format] | None]


class Search:
    """The tables for one state of knowledge.

    Parameters
    ----------
    domains : sequence of Domain
        From sources to sinks.
    needs : sequence of Needs
        One for each.
    sizes : sequence of (int, int)
        Sizes to consider, the likeliest first.
    convert : bool
        Whether frames may be converted on the CPU where nothing else helps.
    """

    def __init__(
        self, domains: Sequence[Domain], needs: Sequence[Needs], sizes: Sequence[Size], learned: Learned, convert: bool
    ):
        self.needs = needs
        self.sizes = list(sizes)
        self.size_order = {size: number for number, size in enumerate(sizes)}
        self.learned = learned
        self.convert = convert
        by_source = {domain.source: number for number, domain in enumerate(domains)}
        self.children = [[by_source.get(branch.sink) for branch in domain.branches] for domain in domains]
        self.roots = [number for number, domain in enumerate(domains) if not isinstance(domain.source, SinkMixin)]
        self.formats: list[dict[Key, Format]] = [need.formats for need in needs]
        self.cost: list[dict[State, int]] = [{} for _ in needs]
        self.groups: list[dict[Group, State]] = [{} for _ in needs]
        self.least = [NEVER] * len(needs)
        self._targets: dict[tuple[int, int], dict[Group, tuple[int, State, Format]]] = {}
        self.total = 0  # of all that was chosen
        for number in range(len(needs) - 1, -1, -1):
            self._fill(number)

    def choose(self) -> list[Choice | None]:
        """Give the cheapest choice for every domain; ``None`` for those that have none."""
        choices: list[Choice | None] = [None] * len(self.needs)
        for root in self.roots:
            best = min(self.cost[root].items(), key=lambda item: item[1], default=None)
            if best is not None and best[1] < NEVER:
                self.total += best[1]
                self._decide(root, best[0], choices)
        return choices

    # Filling the tables

    def _fill(self, number: int) -> None:
        need, learned, table = self.needs[number], self.learned, self.cost[number]
        groups = self.groups[number]
        states = list(self._states(number))
        if not states and self.convert and need.relax():
            self.formats[number] = need.formats
            states = list(self._states(number))
        for state, fmt, own in states:
            cost = own + learned.states.get((number, state), 0) + learned.formats.get((number, state.key), 0)
            for branch in range(len(need.branches)):
                if cost >= NEVER:
                    break
                cost += self._branch(number, branch, state, fmt)[0]
            if cost >= NEVER:
                continue
            table[state] = cost
            self.least[number] = min(self.least[number], cost)
            group = _group(fmt, state.size)
            known = groups.get(group)
            if known is None or cost < table[known]:
                groups[group] = state

    def _states(self, number: int) -> Iterator[tuple[State, Format, int]]:
        """List the states of a domain, with what each costs by itself."""
        need = self.needs[number]
        source = need.source
        assert isinstance(source, SourceMixin)
        root = not isinstance(source, SinkMixin)
        present = need.present if root else None
        limits_of: dict[bool, list[tuple[object, object]]] = {}
        for key, fmt in need.formats.items():
            sizes = source.output_sizes(fmt) if source.size is None else None
            if fmt.coded not in limits_of:
                limits_of[fmt.coded] = need.size_limits(None, fmt)
            limits = limits_of[fmt.coded]
            own = need.order[key] * ORDER
            if present is not None and fmt != present[0] and key != key_of(present[0]):
                own += CHANGE + loss(present[0], fmt) * LOSS
            stream = need.stream
            if stream is not None and (fmt.family is not stream.family or quality(fmt) != quality(stream)):
                own += CHANGE + loss(stream, fmt) * LOSS
            for size in self.sizes if source.size is None else [source.size]:
                if (sizes is not None and size not in sizes) or not allows(limits, size):
                    continue
                cost = own + frame_kib(fmt, size) * KIB + self.size_order.get(size, 0) * SIZE_ORDER
                if present is not None and size != present[1]:
                    cost += CHANGE
                yield State(key, size), fmt, cost

    def _branch(self, number: int, branch: int, state: State, fmt: Format) -> tuple[int, State | None, Format | None]:
        """Cost from a state on over one branch, and what must be made of the frames on the CPU for it."""
        direct = self._direct(number, branch, state, fmt)
        if direct < COPY or not self.convert or not fmt.linear:
            return direct, None, None
        best: tuple[int, State | None, Format | None] = (direct, None, None)
        for group, (after, target, made) in self._conversions(number, branch).items():
            cost = COPY + CONVERT + after + _loss(fmt, group) * LOSS + (group.size != state.size) * SCALE
            if cost < best[0]:
                best = cost, target, made
        return best

    def _direct(self, number: int, branch: int, state: State, fmt: Format) -> int:
        need = self.needs[number]
        if (number, branch, state) in self.learned.direct or not need.takes(branch, state.key, fmt):
            return NEVER
        if not self._size_fits(number, branch, fmt, state.size, direct=True):
            return NEVER
        return self._after(number, branch, state, fmt)

    def _size_fits(self, number: int, branch: int, fmt: Format, size: Size, *, direct: bool = False) -> bool:
        one = self.needs[number].branches[branch]
        assert isinstance(one.stage, SinkMixin)
        sizes = one.stage.input_sizes(fmt)
        if sizes is not None and size not in sizes:
            return False
        if not one.branch.filters:
            return True
        return allows(self.needs[number].size_limits(branch, fmt, direct=direct), size)

    def _conversions(self, number: int, branch: int) -> dict[Group, tuple[int, State, Format]]:
        """List what a conversion on the CPU in front of a branch's stage could make, the cheapest of each group."""
        found = self._targets.get((number, branch))
        if found is not None:
            return found
        found = self._targets[number, branch] = {}
        for place, fmt in enumerate(self.needs[number].targets(branch)):
            if not fmt.linear:
                continue
            for size in self.sizes:
                if not self._size_fits(number, branch, fmt, size):
                    continue
                state = State(key_of(fmt), size)
                if (number, branch, state) in self.learned.made:
                    continue
                cost = self._after(number, branch, state, fmt) + frame_kib(fmt, size) * KIB + place
                group = _group(fmt, size)
                if cost < NEVER and (group not in found or cost < found[group][0]):
                    found[group] = cost, state, fmt
        return found

    def _after(self, number: int, branch: int, state: State, fmt: Format) -> int:
        child = self.children[number][branch]
        return 0 if child is None else self._step(child, state, fmt)[0]

    def _step(self, child: int, state: State, fmt: Format) -> tuple[int, State | None]:
        """Cost of a stage that takes `state` and of all behind it, and the state that it then gives."""
        best: tuple[int, State | None] = (NEVER, None)
        for out, cost in self._outputs(child, state, fmt):
            if cost < best[0]:
                best = cost, out
        return best

    def _outputs(self, child: int, state: State, fmt: Format) -> Iterator[tuple[State, int]]:
        """List what a stage could make of a state; at least the best of it."""
        stage, table = self.needs[child].source, self.cost[child]
        same = table.get(state, NEVER)
        if same < NEVER and (stage, state, state) not in self.learned.steps:
            yield state, same
            if same < self.least[child] + SCALE and not fmt.coded:
                return  # nothing else can be cheaper
        scales = getattr(stage, "scales", False) and stage not in self.learned.fixed_size
        banned = {(before, after) for who, before, after in self.learned.steps if who is stage}
        depth, bits = quality(fmt)
        coloured = fmt.family is not Family.GREY
        if banned:
            candidates = [(_group(self.formats[child][out.key], out.size), out) for out in table]
        else:
            candidates = list(self.groups[child].items())
        for group, out in candidates:
            if (out.size != state.size and not scales) or (state, out) in banned:
                continue
            cost = table[out] + (out.size != state.size) * SCALE
            if not fmt.coded and group.quality[1]:
                lost = 64 * max(0, depth - group.quality[0]) + max(0, bits - group.quality[1])
                cost += (lost + 32 * (coloured and group.grey)) * LOSS + (out.key != state.key) * CONVERT
            yield out, cost

    # Reading them

    def _decide(self, number: int, state: State, choices: list[Choice | None]) -> None:
        fmt = self.formats[number][state.key]
        conversions: list[tuple[State, Format] | None] = []
        for branch, child in enumerate(self.children[number]):
            _, target, made = self._branch(number, branch, state, fmt)
            conversions.append((target, made) if target is not None and made is not None else None)
            if child is not None:
                given, given_format = conversions[-1] or (state, fmt)
                out = self._step(child, given, given_format)[1]
                assert out is not None
                self._decide(child, out, choices)
        choices[number] = Choice(state, fmt, conversions)


def _group(fmt: Format, size: Size) -> Group:
    return Group(quality(fmt), fmt.family is Family.GREY, size)


def _loss(before: Format, group: Group) -> int:
    depth, bits = quality(before)
    lost = 64 * max(0, depth - group.quality[0]) + max(0, bits - group.quality[1])
    return lost + 32 * (before.family is not Family.GREY and group.grey)
