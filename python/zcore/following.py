"""Plan what is behind a decoder anew, when its stream has changed; what is before it goes on as it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from zcore._chain import Link, Node
from zcore.errors import NegotiationError
from zcore.formats import Format
from zcore.graph import Graph
from zcore.negotiate import Plan, Planner
from zcore.stages.base import LinkCaps, Pad, SinkMixin, Sizes, SourceMixin, Stage
from zcore.stages.decoder_base import Decoder
from zcore.stages.decoder_stream import alike
from zcore.wiring import Wiring


class Behind(Stage, SourceMixin):
    """A decoder in mid-stream, as the planner of what is behind it sees it: a source of one size.

    Parameters
    ----------
    decoder : Decoder
        Has found out what its stream is now.
    """

    kind = "decode"

    def __init__(self, decoder: Decoder):
        super().__init__(decoder.name)
        self.own_samples = True  # whether formats with other samples than the stream's are left out
        self.decoder = decoder
        self.device = decoder.device
        self.size = decoder.stream.planned.size
        self.buffers = decoder.buffers

    @property
    def output(self) -> Pad:  # type: ignore[override]
        """The decoder's CAPTURE."""
        return self.decoder.output

    @property
    def is_open(self) -> bool:
        """Whether the decoder is."""
        return self.decoder.is_open

    def open(self) -> None:
        """Nothing to open."""

    def close(self) -> None:
        """Nothing to close."""

    def offers(self) -> Sequence[Format]:
        """List what the decoder gives, its own choice first: that always works."""
        own = self.decoder.stream.own.format
        offered = list(self.decoder.offers())
        if self.own_samples and self.decoder.format is None:
            offered = [fmt for fmt in offered if alike(fmt, own)]
        return sorted(offered, key=lambda fmt: fmt.v4l2 != own.v4l2)

    def output_sizes(self, fmt: Format) -> Sizes:
        """Give the stream's size."""
        assert self.size is not None
        return Sizes.of(self.size)

    def present(self) -> tuple[Format, tuple[int, int]]:
        """Tell what the stream is."""
        assert self.size is not None
        return self.decoder.stream.own.format, self.size

    def set_output(self, fmt: Format, size: tuple[int, int] | None, bytesperline: int = 0) -> LinkCaps:
        """Set the format of the decoder's pictures."""
        return self.decoder.set_output(fmt, size, bytesperline)

    def node(self, source: Link | None, sink: Link | None, frames: int) -> Node:
        """Refuse: the decoder has its node."""
        raise NotImplementedError


def follow(graph: Graph, wiring: Wiring, decoder: Decoder, strict: bool) -> list[Any]:
    """Plan and set up what is behind a decoder for what its stream is now.

    Everything that came out of it before has arrived, and what it has taken stays in it.

    Parameters
    ----------
    graph : Graph
        The whole chain.
    wiring : Wiring
        Of the run, which is not driven by any loop now. Its plan is changed in place.
    decoder : Decoder
        The stage that paused.
    strict : bool
        Refuse a plan that copies.

    Returns
    -------
    list of LinkPlan
        What was planned anew.

    Raises
    ------
    ZeroCopyError, NegotiationError
        What is behind it does not fit to the new stream.
    """
    plan, behind = wiring.plan, wiring.behind(decoder)
    for stage in [*reversed(graph.stages), *plan.inserted]:
        if stage in behind:
            stage.stop()
    wiring.cut(decoder)
    old = [link for link in plan.links if link.sink in behind]
    decoder.output.reset()
    for stage in reversed(graph.stages):
        if stage in behind and isinstance(stage, SinkMixin):
            stage.input.reset()
        if stage in behind and isinstance(stage, SourceMixin):
            stage.output.reset()
    gone = {stage: plan.inserted.pop(stage) for stage in list(plan.inserted) if stage in behind}
    Plan(old, [], gone, 0).close()
    plan.links = [link for link in plan.links if link not in old]
    plan.domains = [domain for domain in plan.domains if domain.source is not decoder and domain.source not in behind]
    decoder.renew()
    source = Behind(decoder)
    links = [(source if one is decoder else one, other) for one, other in graph.links if other in behind]
    made = _planned(source, Graph([source], links), strict)
    for link in made.links:
        if link.source is source:
            link.source = decoder
    for domain in made.domains:
        if domain.source is source:
            domain.source = decoder
    plan.links += made.links
    plan.domains += made.domains
    plan.inserted.update(made.inserted)
    plan.tried += made.tried
    for stage in [*reversed(graph.stages), *made.inserted]:
        if stage in behind or stage in made.inserted:
            stage.start()
    wiring.join_again(decoder, plan)
    decoder.go_on(wiring.out_of[decoder])
    return made.links


def _planned(source: Behind, graph: Graph, strict: bool) -> Plan:
    """Plan with the samples of the stream where that works without a copy, else with whatever the driver lists."""
    own = source.decoder.stream.own.format
    try:
        return _planner(graph, True, own).plan()
    except NegotiationError:
        source.own_samples = False
    return _planner(graph, strict, own).plan()


def _planner(graph: Graph, strict: bool, stream: Format) -> Planner:
    planner = Planner(graph, strict)
    planner.needs[0].stream = stream
    return planner
