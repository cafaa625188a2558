"""Rows and memory planes of frames: what two stages must have alike, and what suits all stages of a domain."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import lcm
from typing import Any

from zcore.errors import NegotiationError
from zcore.formats import fourcc_str
from zcore.stages.base import LinkCaps, SinkMixin, SourceMixin, Stage
from zcore.stages.fields import NO_PICTURE


def wanted_stride(sinks: Iterable[Stage], given: LinkCaps, taken: Sequence[LinkCaps | str]) -> int:
    """Bytes of a row that would suit everybody; 0 where the present ones do."""
    if given.format.coded:
        return 0
    now = _strides(given)[0]
    alignment = lcm(*(max(1, sink_pad_of(sink).alignment) for sink in sinks))
    rows = [_strides(caps)[0] for caps in taken if isinstance(caps, LinkCaps) and caps.size == given.size]
    wanted = max([now, *rows])
    wanted = -(-wanted // alignment) * alignment
    return wanted if wanted != now or any(row != now for row in rows) else 0


def other_planes(source: Stage, given: LinkCaps, taken: Sequence[LinkCaps | str]) -> bool:
    """Let a source that has a format in one memory plane and in several give it as a sink takes it.

    Returns
    -------
    bool
        Whether there is something else to ask the source for.
    """
    assert isinstance(source, SourceMixin)
    others = [len(caps.memory_planes) for caps in taken if isinstance(caps, LinkCaps) and caps.size == given.size]
    if all(count == len(given.memory_planes) for count in others) or source.output.separate is not None:
        return False
    source.output.separate = len(given.memory_planes) == 1
    return True


def check_fields(given: LinkCaps, source: Stage, sinks: Iterable[Stage]) -> None:
    """Refuse frames that are half pictures, or two of them, for whoever would take them for one picture.

    Raises
    ------
    NegotiationError
        A device is to have them; a function in Python may know better.
    """
    order = NO_PICTURE.get(given.field)
    devices = [sink.name for sink in sinks if isinstance(sink, SourceMixin) or "map" not in sink_pad_of(sink).roles()]
    if order and devices:
        raise NegotiationError(
            f"{source.name} gives interlaced frames with {order}, which {' and '.join(devices)} would take for one "
            "picture; set a progressive standard or timings, or deinterlace them first"
        )


def sink_pad_of(stage: Stage) -> Any:
    """The pad of a stage that takes frames."""
    assert isinstance(stage, SinkMixin)
    return stage.input


def mismatch(source: Stage, sink: Stage, given: LinkCaps, taken: LinkCaps) -> str:
    """Say what keeps a sink from taking frames as the source gives them; nothing where nothing does."""
    if taken.size != given.size:
        return f"{sink.name} takes {taken.width}x{taken.height} where {source.name} gives {given.width}x{given.height}"
    if len(taken.memory_planes) != len(given.memory_planes):
        here, there = (len(caps.memory_planes) for caps in (given, taken))
        codes = [f" ({fourcc_str(caps.fourcc)})" if caps.fourcc else "" for caps in (given, taken)]
        return (
            f"{source.name} gives {given.format} in {here} memory plane{'s' * (here != 1)}{codes[0]}, {sink.name} "
            f"takes it in {there}{codes[1]}"
        )
    if not given.format.coded and _strides(taken) != _strides(given):
        return f"{source.name} gives rows of {_strides(given)} bytes, {sink.name} wants {_strides(taken)}"
    if misaligned(given, sink):
        return (
            f"{source.name} gives rows of {_strides(given)} bytes, {sink.name} needs multiples of "
            f"{sink_pad_of(sink).alignment}"
        )
    return ""


def misaligned(given: LinkCaps, sink: Stage) -> bool:
    """Whether rows are no multiple of what a sink needs, as far as it is known."""
    alignment = max(1, sink_pad_of(sink).alignment)
    return not given.format.coded and any(stride % alignment for stride in _strides(given))


def _strides(caps: LinkCaps) -> tuple[int, ...]:
    return tuple(line for _, line in caps.memory_planes)
