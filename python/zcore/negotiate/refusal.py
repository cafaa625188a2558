"""Say which link of a chain cannot work, and why."""

from __future__ import annotations

from collections.abc import Sequence

from zcore.caps.video import formats_of
from zcore.formats import Format, fourcc_str, modifier_str
from zcore.negotiate.candidates import BranchNeeds, Needs
from zcore.negotiate.search import Search
from zcore.stages.base import SinkMixin, SourceMixin


class Refusal:
    """The reasons of a search that found nothing."""

    def __init__(self, search: Search):
        self.search = search
        self.needs = search.needs

    def explain(self) -> str:
        """Tell of the last domain that has no state left: those before it only fail with it."""
        empty = [number for number, table in enumerate(self.search.cost) if not table]
        return self.why(empty[-1:] or range(len(self.needs)))

    def why(self, numbers: Sequence[int] | range) -> str:
        """Tell what these domains lack."""
        texts = []
        for number in numbers:
            need = self.needs[number]
            names = f"{need.source.name} -> {', '.join(branch.stage.name for branch in need.branches)}"
            reasons = list(dict.fromkeys(f"{what}: {why}" for what, why in need.rejected)) or self._mismatches(number)
            texts.append(f"{names}: " + "; ".join([*reasons[:4], *self._fixed_sizes(number)]))
        return "; ".join(texts)

    def _fixed_sizes(self, number: int) -> list[str]:
        """Name the stages behind that would have to scale and cannot."""
        need, found = self.needs[number], []
        for branch, child in zip(need.branches, self.search.children[number], strict=True):
            given = {state.size for state in self.search.cost[child]} if child is not None else set()
            fixed = getattr(branch.stage, "scales", None) is False
            if fixed and given and need.present is not None and need.present[1] not in given:
                sizes = ", ".join(f"{width}x{height}" for width, height in sorted(given)[:4])
                found.append(f"{branch.stage.name} is to give {sizes} and does not scale")
        return found

    def _mismatches(self, number: int) -> list[str]:
        """Find out who has nothing in common, when no device was asked yet."""
        need = self.needs[number]
        found = []
        if need.relaxed:
            found.append(self._filtered_out(number))
        if need.offers and not need.formats:
            filters = ", ".join(f"{f.name} ({f.caps})" for f in need.common)
            found.append(
                f"no common format; {need.source.name} gives {names_of(need.offers)}, {filters} lets none through"
            )
        for index, branch in enumerate(need.branches):
            if not any(need.takes(index, key, fmt) for key, fmt in need.formats.items()):
                taken = list(branch.accepts.values()) if branch.accepts is not None else []
                found.append(
                    f"no common format; {need.source.name} gives {names_of(list(need.formats.values()))}, "
                    f"{branch.stage.name} takes {names_of(taken)}{_filters(branch)}"
                )
                found += _layouts(need, branch.stage.name, taken)
                assert isinstance(branch.stage, SinkMixin)
                found += filter(None, [branch.stage.why_not(list(need.formats.values()))])
        return found or [self._no_size(number)]

    def _filtered_out(self, number: int) -> str:
        """Tell that a source cannot do what the filters behind it ask for."""
        need = self.needs[number]
        assert isinstance(need.source, SourceMixin)
        filters = [one for branch in need.branches for one in branch.branch.filters]
        texts = " and ".join(dict.fromkeys(f"{one.name} ({one.caps})" for one in filters))
        allowed = [fmt for fmt in need.offers if all(formats_of(one.caps, [fmt]) for one in filters)]
        what = f"formats {names_of(need.offers)}"
        if allowed:
            sizes = need.source.output_sizes(allowed[0])
            what = f"{allowed[0]} in {sizes if sizes is not None else 'any size'}"
        return f"{need.source.name} cannot give what {texts} asks for; it gives {what}"

    def _no_size(self, number: int) -> str:
        need = self.needs[number]
        assert isinstance(need.source, SourceMixin)
        fmt = next(iter(need.formats.values()), None)
        given = need.source.output_sizes(fmt) if fmt is not None else None
        wanted = ", ".join(f"{f.name} ({f.caps})" for b in need.branches for f in b.filters)
        asked = [need.source.size] if need.source.size is not None else self.search.sizes
        taken = []
        for branch, child in zip(need.branches, self.search.children[number], strict=True):
            assert isinstance(branch.stage, SinkMixin)
            sizes = branch.stage.input_sizes(fmt) if fmt is not None else None
            meets = any(sizes is None or size in sizes for size in asked if given is None or size in given)
            text = f"{sizes if sizes is not None else 'any size'}{self._behind(child) if meets else ''}"
            taken.append(f"{branch.stage.name} takes {text}")
        gives = given if given is not None else ", ".join(f"{w}x{h}" for w, h in asked) or "any size"
        return f"no common size; {need.source.name} gives {gives}, {', '.join(taken)}" + (
            f", and {wanted} must hold" if wanted else ""
        )

    def _behind(self, child: int | None) -> str:
        """Say which sizes would go on behind a stage that gives the size which it takes."""
        good = sorted({state.size for state in self.search.cost[child]}) if child is not None else []
        if child is None or not good:
            return ""
        sinks = ", ".join(branch.stage.name for branch in self.needs[child].branches)
        sizes = ", ".join(f"{width}x{height}" for width, height in good[:4])
        return f", but behind it only {sizes}{' and more' if len(good) > 4 else ''} can go to {sinks}"


def _filters(branch: BranchNeeds) -> str:
    texts = [f"{one.name} lets through {one.caps}" for one in branch.branch.filters]
    return f", and {' and '.join(texts)}" if texts else ""


def _layouts(need: Needs, sink: str, taken: Sequence[Format]) -> list[str]:
    """Say of formats that both have in name what keeps them apart: how their pixels lie in memory."""
    texts = []
    for fmt in list(need.formats.values()) or need.offers:
        others = [other for other in taken if fmt.drm is not None and other.drm == fmt.drm]
        if fmt.tiled and fmt.drm is None:
            texts.append(f"{fmt} is tiled and no modifier is known for it, so {sink} would take it for linear")
        elif others and fmt.modifier not in [other.modifier for other in others]:
            known = ", ".join(map(_layout, others[:4]))
            texts.append(f"{sink} takes {fourcc_str(fmt.drm or 0)} as {known}, and {fmt} is {_layout(fmt)}")
    return texts[:3]


def _layout(fmt: Format) -> str:
    return f"{modifier_str(fmt.modifier)} ({fmt.modifier:#x})"


def names_of(formats: Sequence[Format | str]) -> str:
    """List formats for a message, not too many."""
    names = [str(fmt) for fmt in formats]
    return ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "") or "nothing"
