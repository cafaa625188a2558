"""Frame rates: what caps filters ask for, and what the source of the frames grants."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction

from zcore.caps import FractionRange, ValueList
from zcore.caps.algebra import NOTHING
from zcore.caps.structure import text_of
from zcore.caps.video import rates_of
from zcore.errors import NegotiationError
from zcore.formats import Format
from zcore.negotiate.candidates import Needs, pick_rate
from zcore.stages.base import LinkCaps, SinkMixin, Stage


class Rates:
    """Sees to it that frames come at a rate that every filter behind a source allows.

    No stage changes the rate, so a filter behind a converter holds for the camera before it.

    Parameters
    ----------
    needs : sequence of Needs
        Of all domains.
    """

    def __init__(self, needs: Sequence[Needs]):
        self.needs = needs
        self._by_source = {need.source: number for number, need in enumerate(needs)}
        self._chosen: set[Stage] = set()  # whose rate was chosen here, not by the user

    def grant(self, number: int, fmt: Format, set_output: Callable[[], LinkCaps]) -> LinkCaps:
        """Set the output of a domain's source, at a rate that the filters allow.

        Raises
        ------
        NegotiationError
            It grants another rate.
        """
        stage = self.needs[number].source
        limits = self._limits(number, fmt)
        if not limits:
            return set_output()
        free = not isinstance(stage, SinkMixin) and (stage in self._chosen or getattr(stage, "rate", False) is None)
        if free:
            self._chosen.add(stage)
            stage.rate = _pick(limits, None)  # type: ignore[attr-defined]
        given = set_output()
        if free and given.rate is not None and _refusing(limits, given.rate):
            stage.rate = _pick(limits, given.rate)  # type: ignore[attr-defined]
            given = set_output()
        if given.rate is not None and (bad := _refusing(limits, given.rate)):
            raise NegotiationError(f"{bad[0]} asks for framerate={_text(bad[1])}, {stage.name} grants {given.rate}")
        return given

    def _limits(self, number: int, fmt: Format) -> list[tuple[str, object]]:
        """List the filters that say something about rates, and what: here, and behind the stages that follow."""
        need = self.needs[number]
        found = []
        for branch in need.domain.branches:
            for one in branch.filters:
                for known in (fmt, *need.formats.values()):  # a conversion may have made another format
                    limit = rates_of(one.caps, known)
                    if limit is not None and limit != NOTHING:
                        found.append((one.name, limit))
                    if limit != NOTHING:
                        break
            after = self._by_source.get(branch.sink)
            if after is not None:
                formats = list(self.needs[after].formats.values())
                found += self._limits(after, formats[0] if formats else fmt)
        return list(dict.fromkeys(found))


def _pick(limits: Sequence[tuple[str, object]], present: Fraction | None) -> Fraction | None:
    for _, limit in limits:
        present = pick_rate(limit, present) or present
    return present


def _refusing(limits: Sequence[tuple[str, object]], rate: Fraction) -> tuple[str, object] | None:
    return next((one for one in limits if not allows_rate(one[1], rate)), None)


def allows_rate(limit: object, rate: Fraction) -> bool:
    """Tell whether a caps value contains a rate; 0/1 stands for any, as the rate of frames that come when they come."""
    if isinstance(limit, FractionRange | ValueList):
        return rate in limit
    return limit in (None, 0, rate)


def _text(limit: object) -> str:
    return f"{limit.numerator}/{limit.denominator}" if isinstance(limit, Fraction) else text_of(limit)
