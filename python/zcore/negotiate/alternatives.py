"""Say why a domain does not carry something else: formats that somebody lacks, and formats that cost more."""

from __future__ import annotations

from collections.abc import Iterator

from zcore.formats import Format, drm_str
from zcore.negotiate.candidates import Key, Needs, key_of
from zcore.negotiate.search import CHANGE, CONVERT, COPY, KIB, LOSS, NEVER, SCALE, SIZE_ORDER, Choice, Search

WORTH = (
    (COPY, "a copy by the CPU more"),
    (CONVERT, "a conversion more"),
    (SCALE, "a scaling more"),
    (CHANGE, "the source is set to something else now"),
    (LOSS, "colours would be lost"),
    (KIB, "more memory"),
    (SIZE_ORDER, "the size comes later in the list"),
)


def alternatives(number: int, branch: int, search: Search, choice: Choice) -> list[tuple[str, str]]:
    """List what else one branch of a domain could have carried, and why it does not.

    Returns
    -------
    list of (str, str)
        Format, and the reason.
    """
    need = search.needs[number]
    found = [(str(fmt), why) for fmt, why in _lacking(need, branch)]
    costs: dict[Key, int] = {}
    for state, cost in search.cost[number].items():
        costs[state.key] = min(cost, costs.get(state.key, NEVER))
    mine = search.cost[number].get(choice.state, 0)
    lacking = {what for what, _ in found}
    for key, cost in costs.items():
        if key != choice.state.key and str(search.formats[number][key]) not in lacking:
            found.append((str(search.formats[number][key]), _difference(cost - mine)))
    return found


def _lacking(need: Needs, branch: int) -> Iterator[tuple[Format, str]]:
    one = need.branches[branch]
    source, sink = need.source.name, one.stage.name
    offered = {key_of(fmt) for fmt in need.offers}
    by_code: dict[object, list[Format]] = {}
    for fmt in (one.accepts or {}).values():
        by_code.setdefault(fmt.drm, []).append(fmt)
    for fmt in need.offers:
        key = key_of(fmt)
        if one.accepts is not None and key not in one.accepts:
            same = by_code.get(fmt.drm, []) if fmt.drm is not None else []
            if same and fmt.drm is not None:
                known = ", ".join(drm_str(other.drm or 0, other.modifier) for other in same[:4])
                yield fmt, f"modifier {fmt.modifier:#x} not accepted by {sink}, which takes {known}"
            elif fmt.drm is None and fmt.tiled:
                yield fmt, f"tiled, and no modifier is known for it: {sink} would take it for linear"
            else:
                yield fmt, f"not accepted by {sink}"
        elif key not in need.formats or not need.takes(branch, key, fmt):
            filters = ", ".join(f.name for f in one.branch.filters)
            yield fmt, f"not let through by {filters}"
    for key, fmt in (one.accepts or {}).items():
        if key not in offered:
            yield fmt, f"not offered by {source}"


def _difference(cost: int) -> str:
    for weight, words in WORTH:
        if cost >= weight:
            return words
    return "comes later in the list"


def grouped(found: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Put formats with the same reason together, for people."""
    by_reason: dict[str, list[str]] = {}
    for what, why in found:
        by_reason.setdefault(why, []).append(what)
    return [
        (", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else ""), why)
        for why, names in by_reason.items()
    ]
