"""Plan a whole chain: search, ask the devices, learn from their answers, search again."""

from __future__ import annotations

import importlib.util
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NoReturn

from zcore.caps.video import features_of
from zcore.errors import DeviceError, NegotiationError, ZeroCopyError
from zcore.formats import Format, find
from zcore.graph import Branch, Domain, Graph
from zcore.negotiate.alternatives import alternatives
from zcore.negotiate.candidates import Needs, State, key_of, sizes_to_try
from zcore.negotiate.looks import Looks
from zcore.negotiate.memory import Sharing, raise_if_final
from zcore.negotiate.plan import LinkPlan, Plan
from zcore.negotiate.rates import Rates
from zcore.negotiate.refusal import Refusal, names_of
from zcore.negotiate.rows import check_fields, misaligned, mismatch, other_planes, wanted_stride
from zcore.negotiate.search import COPY, NEVER, SCALE, Choice, Learned, Search
from zcore.stages.base import LinkCaps, SinkMixin, SourceMixin, Stage
from zcore.stages.flow import CapsFilter, MayConvert, Tee

MOST_PLANS = 200  # tried on the devices
SAME_ANSWER = 3  # formats that fail alike until the rest is believed to fail too


@dataclass
class Joint:
    """A domain as it will be: inserted conversions split those of the graph."""

    domain: Domain
    number: int  # of the graph's domain
    state: State
    format: Format
    branch: int | None = None  # set where the source is an inserted conversion
    reason: str = ""  # why it was inserted


@dataclass
class Planner:
    """Plans one chain.

    Parameters
    ----------
    graph : Graph
        Whose stages are open.
    require_zero_copy : bool
        Refuse a plan that copies.
    allocators : dict of str to str
        Name of a stage that gives frames, or an empty one for all others, to where their buffers come from.
    """

    graph: Graph
    require_zero_copy: bool = False
    allocators: dict[str, str] = field(default_factory=dict)
    learned: Learned = field(default_factory=Learned)
    alike: Counter[tuple[int, str]] = field(default_factory=Counter)
    tried: int = 0

    def __post_init__(self) -> None:
        self.domains = self.graph.domains
        self.needs = [Needs(domain) for domain in self.domains]
        by_source = {need.source: need for need in self.needs}
        for need in self.needs:
            for branch in need.branches:
                behind = by_source.get(branch.stage)
                if behind is not None and need.offers and need.offers[0].coded:
                    assert isinstance(need.source, SourceMixin)
                    behind.stream = need.source.stream_format() or find("YUV420")
        self.rates, self.looks = Rates(self.needs), Looks()
        self.convert = not self.require_zero_copy and _can_convert()
        self.sizes = sizes_to_try(self.needs)
        self.all_sizes = False

    def plan(self) -> Plan:
        """Find the cheapest plan that works, and leave its formats and buffers set up.

        Raises
        ------
        ZeroCopyError
            Only a copy would work, and that is forbidden.
        NegotiationError
            Nothing works; says which link cannot and why.
        """
        in_place: list[Choice] | None = None
        plan: Plan | None = None
        while self.tried < MOST_PLANS:
            chosen, cost = self._search()
            if (None in chosen or cost >= SCALE) and not self.all_sizes:
                self.sizes, self.all_sizes = sizes_to_try(self.needs, more=True), True
                chosen, _ = self._search()
            choices = [choice for choice in chosen if choice is not None]
            if len(choices) < len(chosen):
                self._fail()
            if choices == in_place:
                break
            self._reset()
            self.tried += 1
            plan = self._try(choices)
            in_place = choices if plan is not None else None
            if plan is not None and not any(not link.zero_copy for link in plan):
                break
        if plan is None:
            why = Refusal(self.last).why(range(len(self.needs)))
            raise NegotiationError(f"{self.tried} plans were tried and none works: {why}")
        if self.require_zero_copy and not plan.zero_copy:
            worst = next(link for link in plan if not link.zero_copy)
            raise ZeroCopyError(f"{worst.name} would copy every frame: {worst.reason}")
        for link in plan:
            link.count_stand_ins()
        assert in_place is not None
        for link, number in self._numbered(plan):
            known = self.needs[number].rejected
            link.rejected = [*(one for one in known if one not in link.rejected), *link.rejected]
            branch = [one.sink for one in self.domains[number].branches].index(link.sink)
            link.look_for_alternatives = partial(alternatives, number, branch, self.last, in_place[number])
        return plan

    def _search(self) -> tuple[list[Choice | None], int]:
        self.last = Search(self.domains, self.needs, self.sizes, self.learned, self.convert)
        return self.last.choose(), self.last.total

    def _fail(self) -> NoReturn:
        why = Refusal(self.last).explain()
        if self.require_zero_copy and self._converting_helps():
            raise ZeroCopyError(f"only a conversion on the CPU would work, and require_zero_copy forbids it: {why}")
        if not self.convert and not self.require_zero_copy and self._converting_helps():
            why += " (converting on the CPU would work: pip install 'zcore[software]')"
        raise NegotiationError(why)

    def _converting_helps(self) -> bool:
        needs = [Needs(domain) for domain in self.domains]
        learned = Learned(direct=self.learned.direct, steps=self.learned.steps, fixed_size=self.learned.fixed_size)
        return None not in Search(self.domains, needs, self.sizes, learned, True).choose()

    def _numbered(self, plan: Plan) -> list[tuple[LinkPlan, int]]:
        by_sink = {branch.sink: number for number, domain in enumerate(self.domains) for branch in domain.branches}
        return [(link, by_sink[link.sink]) for link in plan if link.sink in by_sink]

    def _reset(self) -> None:
        for stage in self.graph.stages:
            if isinstance(stage, SinkMixin):
                stage.input.reset()
            if isinstance(stage, SourceMixin):
                stage.output.reset()

    # Trying one plan

    def _try(self, choices: Sequence[Choice]) -> Plan | None:
        """Set up a plan on the devices; ``None`` where one refuses, which is then known."""
        joints = self._joints(choices)
        links: list[list[LinkPlan]] = []
        for joint in joints:
            made = self._agree(joint)
            if made is None:
                return None
            links.append(made)
        for joint, domain_links in zip(joints, links, strict=True):
            if not self._share(joint, domain_links):
                return None
        inserted = {joint.domain.source: joint.reason for joint in joints if joint.branch is not None}
        everything = [link for domain_links in links for link in domain_links]
        for link in everything:
            link.inserted = inserted.get(link.source, "") or inserted.get(link.sink, "")
            link.converted = link.source in inserted
        return Plan(everything, [joint.domain for joint in joints], inserted, self.tried)

    def _joints(self, choices: Sequence[Choice]) -> list[Joint]:
        """Put in the conversions that were chosen."""
        joints = []
        for number, choice in enumerate(choices):
            domain = self.domains[number]
            branches, behind = [], []
            for index, (branch, conversion) in enumerate(zip(domain.branches, choice.conversions, strict=True)):
                if conversion is None:
                    branches.append(branch)
                    continue
                state, fmt = conversion
                place, mark = _place(branch, self.needs[number].relaxed)
                stage = self._conversion(branch.sink, mark, fmt, state)
                branches.append(Branch(stage, branch.passing[:place]))
                reason = self._conversion_reason(number, index, choice)
                after = Branch(branch.sink, branch.passing[place + (mark is not None) :])
                behind.append(Joint(Domain(stage, [after]), number, state, fmt, index, reason))
            joints.append(Joint(Domain(domain.source, branches), number, choice.state, choice.format))
            joints += behind
        return joints

    def _conversion(self, sink: Stage, mark: Stage | None, fmt: Format, state: State) -> Stage:
        from zcore.stages.software import SoftwareConvert

        if isinstance(mark, MayConvert):
            stage = SoftwareConvert(fmt, state.size, name=mark.name, **mark.options)
        else:
            stage = SoftwareConvert(fmt, state.size, name=f"convert-for-{sink.name}")
        stage.open()
        return stage

    def _conversion_reason(self, number: int, branch: int, choice: Choice) -> str:
        need = self.needs[number]
        sink = need.branches[branch].stage
        known = self.learned.direct.get((number, branch, choice.state))
        if known:
            return known
        if not need.takes(branch, choice.state.key, choice.format):
            filters = need.branches[branch].filters
            who = " and ".join([sink.name, *(f.name for f in filters)])
            both = [str(fmt) for fmt in need.offers if need.takes(branch, key_of(fmt), fmt)]
            tried = next((why for what, why in need.rejected if what.split()[0] in both), "")
            if tried:
                return f"{who} takes no {choice.format}, and {names_of(both)} cannot be had: {tried}"
            given = names_of(list(need.formats.values()))
            behind = " behind " + ", ".join(f.name for f in need.common) if need.common else ""
            verb = "take" if filters else "takes"
            return f"{need.source.name}{behind} gives {given}, {who} {verb} {names_of(need.targets(branch))}"
        width, height = choice.state.size
        who = " and ".join([sink.name, *(f"{f.name} ({f.caps})" for f in need.branches[branch].filters)])
        return f"{need.source.name} gives {width}x{height}, which {who} will not have"

    def _agree(self, joint: Joint) -> list[LinkPlan] | None:
        """Set the formats of one domain on its devices."""
        source, sinks = joint.domain.source, [branch.sink for branch in joint.domain.branches]
        assert isinstance(source, SourceMixin)
        source.output.separate = None
        try:
            given = self._give(joint, 0)
        except (NegotiationError, DeviceError, ValueError) as error:
            raise_if_final(error)
            self._refused_output(joint, str(error))
            return None
        taken: list[LinkCaps | str] = [self._take(sink, given) for sink in sinks]
        if other_planes(source, given, taken):
            given = self._give(joint, 0)
            taken = [self._take(sink, given) for sink in sinks]
        wanted = wanted_stride(sinks, given, taken)
        if wanted:
            # A sink wants other rows: the source is asked for them before anything is called impossible.
            try:
                given = self._give(joint, wanted)
                taken = [self._take(sink, given) for sink in sinks]
            except (NegotiationError, DeviceError, ValueError) as error:
                raise_if_final(error)
                given = self._give(joint, 0)
                taken = [self._take(sink, given) for sink in sinks]
        links = []
        for index, (branch, answer) in enumerate(zip(joint.domain.branches, taken, strict=True)):
            why = answer if isinstance(answer, str) else mismatch(joint.domain.source, branch.sink, given, answer)
            if why:
                self._refused_input(joint, index, why)
                return None
            assert isinstance(answer, LinkCaps)
            links.append(LinkPlan(joint.domain.source, branch.sink, given, answer, branch))
        return links

    def _give(self, joint: Joint, stride: int) -> LinkCaps:
        source = joint.domain.source
        assert isinstance(source, SourceMixin)
        set_output = partial(source.set_output, joint.format, joint.state.size, stride)
        if joint.branch is None:
            set_output = partial(self.rates.grant, joint.number, joint.format, set_output)
        given = self.looks.grant(source, joint.format, joint.domain.branches, set_output)
        if key_of(given.format) != joint.state.key:
            raise NegotiationError(f"{source.name} was asked for {joint.format} and granted {given.format}")
        if given.size != joint.state.size:
            width, height = joint.state.size
            raise NegotiationError(
                f"{source.name} was asked for {width}x{height} in {joint.format} "
                f"and granted {given.width}x{given.height}"
            )
        if joint.branch is None:
            check_fields(given, source, [branch.sink for branch in self.domains[joint.number].branches])
        return given

    def _take(self, sink: Stage, given: LinkCaps) -> LinkCaps | str:
        assert isinstance(sink, SinkMixin)
        try:
            return sink.set_input(given)
        except (NegotiationError, DeviceError, ValueError) as error:
            raise_if_final(error)
            return str(error)

    # Learning

    def _refused_output(self, joint: Joint, why: str) -> None:
        number, source = joint.number, joint.domain.source
        text = f"{joint.format} {joint.state.size[0]}x{joint.state.size[1]}"
        self.needs[number].rejected.append((text, why))
        if joint.branch is not None:
            self.learned.made[number, joint.branch, joint.state] = why
        else:
            self.learned.states[number, joint.state] = NEVER
            self._believe(number, joint.state.key, why, NEVER)
            if isinstance(source, SinkMixin) and getattr(source, "scales", False):
                self.learned.fixed_size.setdefault(source, why) if self._scaled(joint) else None

    def _scaled(self, joint: Joint) -> bool:
        """Whether a stage was asked to give another size than it takes; then other states deserve a try again."""
        number = next(
            (n for n, d in enumerate(self.domains) if joint.domain.source in [b.sink for b in d.branches]), None
        )
        if number is None:
            return False
        stage: Any = joint.domain.source
        taken = getattr(stage, "input_size", None)
        return taken is not None and taken != joint.state.size

    def _refused_input(self, joint: Joint, index: int, why: str) -> None:
        text = f"{joint.format} {joint.state.size[0]}x{joint.state.size[1]}"
        self.needs[joint.number].rejected.append((text, why))
        if joint.branch is not None:
            self.learned.made[joint.number, joint.branch, joint.state] = why
            return
        if joint.domain.branches[index].sink is not self.domains[joint.number].branches[index].sink:
            self.learned.states[joint.number, joint.state] = NEVER  # not even the converter takes it
            return
        self.learned.direct[joint.number, index, joint.state] = why

    def _share(self, joint: Joint, links: list[LinkPlan]) -> bool:
        need = self.needs[joint.number]
        filters = [one for one in joint.domain.passing if isinstance(one, CapsFilter)]
        dmabuf_only = any("memory:DMABuf" in features_of(one.caps, joint.format) for one in filters)
        chosen = self.allocators.get(joint.domain.source.name, self.allocators.get("", "auto"))
        sharing = Sharing(links, dmabuf_only, chosen)
        suited = [misaligned(link.caps, link.sink) for link in links]
        try:
            copies = sharing.allocate()
        except (NegotiationError, DeviceError, ValueError) as error:
            raise_if_final(error)
            if self._other_rows(need, links, suited):
                return False  # now it is known what rows would do: the next try asks for them
            need.rejected.append((str(joint.format), str(error)))
            if joint.branch is not None:
                self.learned.made[joint.number, joint.branch, joint.state] = str(error)
            else:
                self.learned.formats[joint.number, joint.state.key] = NEVER
                self._believe(joint.number, joint.state.key, "memory", NEVER)
            return False
        if copies and self._other_rows(need, links, suited):
            return False
        if copies and joint.branch is None:
            self.learned.formats[joint.number, joint.state.key] = copies * COPY
            self._believe(joint.number, joint.state.key, f"{copies} copies", copies * COPY)
        return True

    def _other_rows(self, need: Needs, links: list[LinkPlan], suited: list[bool]) -> bool:
        """Whether a sink has told of an alignment that it did not know of before."""
        for link, before in zip(links, suited, strict=True):
            if misaligned(link.caps, link.sink) != before:
                why = mismatch(link.source, link.sink, link.caps, link.sink_caps)
                need.rejected.append((f"{link.caps.format} in these rows", why))
                return True
        return False

    def _believe(self, number: int, key: Any, why: str, cost: int) -> None:
        """Where several formats fail alike the others are not asked: a machine has hundreds."""
        kind = why if why == "memory" or "copies" in why else ""
        if not kind:
            return
        self.alike[number, kind] += 1
        if self.alike[number, kind] < SAME_ANSWER:
            return
        for other in self.needs[number].formats:
            if (number, other) not in self.learned.formats:
                self.learned.formats[number, other] = cost


def _place(branch: Branch, relaxed: bool) -> tuple[int, MayConvert | None]:
    """Find where on its way a branch is converted: at the user's mark, else in front of its stage.

    What stands before a tee is on other branches too, so there it cannot be. A conversion that does what a filter asks
    for, because the source cannot, goes as far to the front as may be.
    """
    first = max((n + 1 for n, stage in enumerate(branch.passing) if isinstance(stage, Tee)), default=0)
    if relaxed:
        return first, None
    for place, stage in enumerate(branch.passing[first:], first):
        if isinstance(stage, MayConvert):
            return place, stage
    return len(branch.passing), None


def _can_convert() -> bool:
    """Whether the library is there that converts on the CPU."""
    try:
        return importlib.util.find_spec("av") is not None
    except ImportError:
        return False
