"""Colours and interlacing: what caps filters ask for, and what the source of the frames grants."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from zcore.caps import Caps
from zcore.caps.video import strings_of
from zcore.colorimetry import Colorimetry, parse, resolve
from zcore.errors import NegotiationError
from zcore.formats import Format
from zcore.graph import Branch
from zcore.stages.base import LinkCaps, Stage
from zcore.stages.fields import GST_MODES, field_word


class Wish(NamedTuple):
    """What one filter says of one domain."""

    name: str
    values: list[str]


class Looks:
    """Sees to it that frames have colours and an interlacing that every filter behind a source allows.

    A source on a V4L2 device is asked for them, unless the user has told it something else; any other has what it has.
    """

    def __init__(self) -> None:
        self._asked: set[tuple[Stage, str]] = set()  # what was chosen here, not by the user

    def grant(
        self, source: Stage, fmt: Format, branches: Iterable[Branch], set_output: Callable[[], LinkCaps]
    ) -> LinkCaps:
        """Set the output of a domain's source, with colours and an interlacing that the filters allow.

        Raises
        ------
        NegotiationError
            It grants others; says who asks for what.
        """
        said = [one for branch in branches for one in _said(branch)]
        colours = _wishes(said, fmt, "colorimetry")
        modes = _wishes(said, fmt, "interlace-mode")
        if not colours and not modes:
            return set_output()
        self._ask(source, "colours", None, [one for wish in colours for one in _known(wish)])
        self._ask(source, "field", 0, [GST_MODES[mode][0] for wish in modes for mode in wish.values if GST_MODES[mode]])
        given = set_output()
        for wish in colours:
            if not any(_same(one, given) for one in _known(wish)):
                raise NegotiationError(
                    f"{wish.name} asks for colorimetry={_text(wish.values)}, {source.name} gives {given.colorimetry} "
                    f"in {given.format} and does not convert colours; leave it out, or ask for what it gives"
                )
        for wish in modes:
            if not any((given.field or 1) in GST_MODES[mode] for mode in wish.values):
                raise NegotiationError(
                    f"{wish.name} asks for interlace-mode={_text(wish.values)}, {source.name} gives frames with the "
                    f"field order {field_word(given.field)!r}"
                )
        return given

    def _ask(self, source: Stage, what: str, unset: object, values: list[object]) -> None:
        pad = getattr(source, "output", None)
        present = getattr(pad, what, self)  # what a pad lacks nobody can choose
        if values and (present == unset or ((source, what) in self._asked and present is not self)):
            self._asked.add((source, what))
            setattr(pad, what, values[0])


def _said(branch: Branch) -> list[tuple[str, Caps]]:
    """Caps of all filters of a branch, and those that its sink was made with."""
    caps = getattr(getattr(branch.sink, "wishes", None), "caps", None)
    return [(one.name, one.caps) for one in branch.filters] + ([(branch.sink.name, caps)] if caps is not None else [])


def _wishes(said: Iterable[tuple[str, Caps]], fmt: Format, field: str) -> list[Wish]:
    found = [Wish(name, values) for name, caps in said if (values := strings_of(caps, fmt, field))]
    return [wish for number, wish in enumerate(found) if wish not in found[:number]]


def _known(wish: Wish) -> list[object]:
    """Those of some colorimetries that V4L2 has words for."""
    found: list[object] = []
    for text in wish.values:
        try:
            found.append(parse(text))
        except ValueError as error:
            if len(wish.values) == 1:
                raise NegotiationError(f"{wish.name}: {error}") from error
    return found


def _same(wanted: object, given: LinkCaps) -> bool:
    """Whether frames have some colours; what a wish leaves open may be anything."""
    assert isinstance(wanted, Colorimetry)
    got = given.colorimetry
    named = wanted.quantization != 0  # GStreamer's strings say everything, V4L2's words for a colorspace only that
    if named and wanted.rgb != got.rgb:
        return False
    full = resolve(*wanted[:4], got.rgb) if not named else wanted
    pairs = zip(full[:4], got[:4], ("colorspace", "ycbcr_enc", "quantization", "xfer_func"), strict=True)
    return all(a in (0, b) for a, b, part in pairs if not (got.rgb and part == "ycbcr_enc"))


def _text(values: list[str]) -> str:
    return values[0] if len(values) == 1 else "{" + ", ".join(values) + "}"
