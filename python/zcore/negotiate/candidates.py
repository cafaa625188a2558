"""What the domains of a chain may carry: formats and sizes, before any device is asked to change anything."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cache, cached_property, lru_cache
from typing import NamedTuple

from zcore.caps import FractionRange, IntRange, ValueList
from zcore.caps.video import features_of, formats_of, sizes_of
from zcore.errors import NegotiationError
from zcore.formats import FORMATS, Family, Format, find
from zcore.graph import Branch, Domain
from zcore.stages.base import SinkMixin, Sizes, SourceMixin, Stage
from zcore.stages.flow import CapsFilter, MayConvert, Tee

Size = tuple[int, int]

# What nobody says anything about: as much as a file or a program gives at once.
BYTES = replace(find("FWHT"), name="octet-stream", v4l2=None, v4l2_mplane=None, gst="application/octet-stream")
Key = tuple[object, ...]


class State(NamedTuple):
    """One possibility for a domain."""

    key: Key  # formats that mean the same to DRM have the same key
    size: Size


@lru_cache(maxsize=4096)
def key_of(fmt: Format) -> Key:
    """Tell formats apart by what they mean: V4L2 has two fourccs for some."""
    return (fmt.drm, fmt.modifier) if fmt.drm is not None else (fmt.name,)


def by_key(formats: Iterable[Format]) -> dict[Key, Format]:
    """Index formats by what they mean; of those that mean the same the first stays."""
    found: dict[Key, Format] = {}
    for fmt in formats:
        found.setdefault(key_of(fmt), fmt)
    return found


@lru_cache(maxsize=4096)
def quality(fmt: Format) -> tuple[int, int]:
    """Bits of a colour sample, and bits that each pixel has of its own; what a conversion can lose."""
    colours = [c for c in fmt.components if c.name not in "AX"]
    if not colours:
        return 8, int(8 * sum(plane.density / plane.vsub for plane in fmt.planes)) if not fmt.coded else 0
    bits = sum(Fraction(c.bits, fmt.planes[c.plane].hsub * fmt.planes[c.plane].vsub * c.step) for c in colours)
    return min(c.bits for c in colours), int(bits)


def _is_good(fmt: Format) -> bool:
    """Whether a format has colours, of 8 bits at least."""
    return quality(fmt)[0] >= 8 and fmt.family is not Family.GREY


@lru_cache(maxsize=4096)
def loss(before: Format | None, after: Format) -> int:
    """How much worse a picture gets: 0 = not at all."""
    if before is None or before.coded or after.coded:
        return 0
    (depth, bits), (new_depth, new_bits) = quality(before), quality(after)
    colourless = before.family is not Family.GREY and after.family is Family.GREY
    return 64 * max(0, depth - new_depth) + max(0, bits - new_bits) + 32 * colourless


@lru_cache(maxsize=4096)
def frame_kib(fmt: Format, size: Size) -> int:
    """Memory of one frame."""
    pixels = size[0] * size[1]
    return int(pixels * sum(plane.density / plane.vsub for plane in fmt.planes)) >> 10


@dataclass
class BranchNeeds:
    """What one stage at the end of a branch takes."""

    branch: Branch
    accepts: dict[Key, Format] | None  # None = any
    filters: list[CapsFilter]  # what a conversion in front of the stage must make
    own: list[CapsFilter] = field(default_factory=list)  # those that do not hold for the source's frames as such

    @property
    def stage(self) -> Stage:
        """The stage."""
        return self.branch.sink


class Needs:
    """What the stages of one domain can give and take.

    Parameters
    ----------
    domain : Domain
        Whose stages are open.
    """

    def __init__(self, domain: Domain):
        self.domain = domain
        source = domain.source
        assert isinstance(source, SourceMixin)
        self.source: Stage = source
        self.common = _common_filters(domain)
        self.branches = [self._branch(branch) for branch in domain.branches]
        self.rejected: list[tuple[str, str]] = []
        self.relaxed = False
        offered = source.offers()
        self.anything = offered is None
        self.offers: list[Format] = list(offered) if offered is not None else self._whatever_is_taken()
        self.present = self._present()
        self.stream: Format | None = None  # behind a decoder: what its stream holds

    @cached_property
    def formats(self) -> dict[Key, Format]:
        """Formats that the source gives and the filters before the first tee let through, best first."""
        allowed = _filtered(self.offers, self.common)
        return by_key(allowed)

    def _present(self) -> tuple[Format, Size] | None:
        """What the source is set to; with the first good format of its list where somebody left it at a poor one.

        A camera that another program used with 5 bits a colour, or in grey, shall not go on so for that reason alone.
        """
        assert isinstance(self.source, SourceMixin)
        present = self.source.present()
        if present is None or present[0].coded or _is_good(present[0]):
            return present
        return next((fmt for fmt in self.offers if not fmt.coded and _is_good(fmt)), present[0]), present[1]

    @cached_property
    def order(self) -> dict[Key, int]:
        """The place of each format in the source's list."""
        places: dict[Key, int] = {}
        for number, fmt in enumerate(self.offers):
            places.setdefault(key_of(fmt), number)
        return places

    def _branch(self, branch: Branch) -> BranchNeeds:
        sink = branch.sink
        assert isinstance(sink, SinkMixin)
        accepted = sink.accepts()
        known = None if accepted is None else by_key(accepted)
        marks = [n for n, stage in enumerate(branch.passing) if isinstance(stage, MayConvert)]
        behind = branch.passing[marks[0] :] if marks else branch.passing
        filters = [stage for stage in behind if isinstance(stage, CapsFilter)]
        own = [stage for stage in branch.filters if stage not in self.common]
        return BranchNeeds(branch, known, filters, own)

    def _whatever_is_taken(self) -> list[Format]:
        lists = [list(b.accepts.values()) for b in self.branches if b.accepts is not None]
        if lists:
            return lists[0]
        filters = self._filters()
        if not filters:
            return [BYTES]
        return _filtered(list(FORMATS), filters)

    def _filters(self) -> list[CapsFilter]:
        return list(dict.fromkeys(f for branch in self.branches for f in branch.branch.filters))

    def sink_sizes(self) -> list[Sizes]:
        """What the stages behind take, as far as they say."""
        found = []
        for branch in self.branches:
            assert isinstance(branch.stage, SinkMixin)
            for fmt in list((branch.accepts or {}).values())[:1]:
                sizes = branch.stage.input_sizes(fmt)
                if sizes is not None:
                    found.append(sizes)
        return found

    def relax(self) -> bool:
        """Let a conversion on the CPU do what the filters ask for; gives whether there was anything to relax."""
        if not self.common:
            return False
        self.common, self.relaxed = [], True
        for branch in self.branches:
            branch.own = branch.filters = branch.branch.filters
        self._own.clear()
        self.__dict__.pop("formats", None)
        return True

    def takes(self, number: int, key: Key, fmt: Format) -> bool:
        """Tell whether a branch takes a format as it is."""
        branch = self.branches[number]
        if branch.accepts is not None and key not in branch.accepts:
            return False
        return not branch.own or key in self._own_keys(number)

    def _own_keys(self, number: int) -> set[Key]:
        if number not in self._own:
            branch = self.branches[number]
            self._own[number] = {key_of(fmt) for fmt in _filtered(list(self.offers), branch.own)}
        return self._own[number]

    @cached_property
    def _own(self) -> dict[int, set[Key]]:
        return {}

    def targets(self, number: int) -> list[Format]:
        """Formats that a conversion in front of a branch's stage could make."""
        branch = self.branches[number]
        everything = list(branch.accepts.values()) if branch.accepts is not None else [*self.offers, *_drawn()]
        return _filtered(everything, branch.filters)

    def size_limits(self, number: int | None, fmt: Format, *, direct: bool = False) -> list[tuple[object, object]]:
        """List the widths and heights that filters ask for: of the source (None), or behind a conversion for a branch.

        With `direct` for a branch that takes the source's own frames.
        """
        filters = self.common if number is None else self.branches[number].filters
        if number is not None and direct:
            filters = self.branches[number].branch.filters
        return [sizes_of(one.caps, fmt) for one in filters]

    def features(self, fmt: Format) -> set[str]:
        """Caps features that the filters ask for."""
        return {feature for f in self._filters() for feature in features_of(f.caps, fmt)}


@cache
def _drawn() -> list[Format]:
    """Formats that the conversion on the CPU makes."""
    from zcore.stages.software import SoftwareConvert

    return list(SoftwareConvert().offers())


def _common_filters(domain: Domain) -> list[CapsFilter]:
    """Filters before the first tee: they are on every branch. Behind a MayConvert another caps may hold."""
    common: list[CapsFilter] = []
    for stage in domain.branches[0].passing:
        if isinstance(stage, Tee | MayConvert):
            break
        if isinstance(stage, CapsFilter):
            common.append(stage)
    return common


def _filtered(formats: list[Format], filters: Iterable[CapsFilter]) -> list[Format]:
    for one in filters:
        formats = formats_of(one.caps, formats)
    return formats


def allows(limits: Iterable[tuple[object, object]], size: Size) -> bool:
    """Tell whether all limits contain a size."""
    return all(_contains(width, size[0]) and _contains(height, size[1]) for width, height in limits)


def _contains(limit: object, value: int) -> bool:
    if limit is None:
        return True
    if isinstance(limit, IntRange):
        return limit.min <= value <= limit.max and (value - limit.min) % max(limit.step, 1) == 0
    if isinstance(limit, ValueList):
        return any(_contains(one, value) for one in limit)
    return bool(limit == value)


def sizes_to_try(needs: Sequence[Needs], *, more: bool = False) -> list[Size]:
    """Collect the sizes that anybody in the chain has a reason for, in the order of their likelihood.

    Parameters
    ----------
    more : bool
        Also those that devices merely have: worth a search only where the likely ones are costly.
    """
    found: dict[Size, None] = {}
    for need in needs:
        if need.source.size is not None:
            found[need.source.size] = None
        present = need.present[1] if need.present is not None else None
        for fmt in list(need.formats.values())[:1] or need.offers[:1]:
            limits = need.size_limits(None, fmt)
            for number in range(len(need.branches)):
                limits += need.size_limits(number, fmt, direct=True)
                for one in (fmt, *need.targets(number)[:1]):
                    limits += need.size_limits(number, one)
            found.update(dict.fromkeys(point for limit in limits for point in _points(limit, present)))
        if present is not None:
            found[present] = None
    if more or not found:
        taken = [sizes for need in needs for sizes in need.sink_sizes()]
        found.update(dict.fromkeys(size for sizes in taken for size in sizes.points[:8]))
        largest = [(r[1], r[4]) for sizes in taken for r in sizes.ranges]
        for need in needs:
            assert isinstance(need.source, SourceMixin)
            sizes = need.source.output_sizes(need.offers[0]) if need.offers else None
            found.update(dict.fromkeys(_spread(sizes, [*found, *largest])))
    return list(found)[:24] or [(640, 480)]


def _spread(sizes: Sizes | None, wanted: list[Size]) -> list[Size]:
    """Sizes of a device that matter: its own single ones, and the nearest to those that others want."""
    if sizes is None or not sizes.ranges:
        return []
    near = [sizes.nearest(size) for size in wanted]
    return sizes.points[:8] + [size for size in near if size is not None] or [(sizes.ranges[0][1], sizes.ranges[0][4])]


def _points(limits: tuple[object, object], present: Size | None) -> list[Size]:
    widths, heights = (_values(limit, p) for limit, p in zip(limits, present or (None, None), strict=True))
    if not widths and not heights:
        return []
    if not widths or not heights:
        if present is None:
            return []
        widths, heights = widths or [present[0]], heights or [present[1]]
    return [(w, h) for w in widths for h in heights][:8]


def _values(limit: object, present: int | None) -> list[int]:
    if isinstance(limit, ValueList):
        return [value for one in limit for value in _values(one, present)]
    if isinstance(limit, IntRange):
        inside = min(max(present if present is not None else limit.max, limit.min), limit.max)
        return [inside - (inside - limit.min) % max(limit.step, 1)]
    return [limit] if isinstance(limit, int) else []


def pick_rate(limit: object, present: Fraction | None) -> Fraction | None:
    """Choose one rate out of what a filter allows: the nearest to the present one."""
    if limit is None:
        return None
    if isinstance(limit, FractionRange):
        if present is None:
            return None
        return min(max(present, Fraction(limit.min)), Fraction(limit.max))
    if isinstance(limit, ValueList):
        choices = [Fraction(one) for one in limit if isinstance(one, Fraction | int)]
        return min(choices, key=lambda one: abs(one - (present or choices[0])), default=None)
    if isinstance(limit, Fraction | int):
        return Fraction(limit)
    raise NegotiationError(f"framerate={limit} is no rate")
