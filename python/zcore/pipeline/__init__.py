"""Pipeline strings in GStreamer's launch grammar, and the chains that they mean.

>>> from zcore.pipeline import parse
>>> parse("videotestsrc num-buffers=3 ! fakesink").chains[0].items[1].factory
'fakesink'
"""

from __future__ import annotations

from collections.abc import Sequence

from zcore.chain import Chain
from zcore.pipeline.blueprint import Blueprint, draw
from zcore.pipeline.build import build
from zcore.pipeline.errors import LaunchError
from zcore.pipeline.grammar import PipelineNode, parse
from zcore.pipeline.registry import Registry

__all__ = ["Blueprint", "LaunchError", "PipelineNode", "Registry", "build", "draw", "launch", "parse"]


def launch(pipeline: str | Sequence[str], *, require_zero_copy: bool | None = None) -> Chain:
    """Make the chain that a pipeline string means; it is not started.

    Parameters
    ----------
    pipeline : str or sequence of str
        In the grammar of ``gst-launch-1.0``: ``"v4l2src ! video/x-raw,width=640 ! kmssink"``, as one text or as the
        words that a shell left over.
    require_zero_copy : bool, optional
        Refuse to run where a link would copy.

    Returns
    -------
    Chain
        Its stages have the names of the elements: ``launch("fakesrc ! fakesink name=end")["end"]``.

    Raises
    ------
    LaunchError
        Where the pipeline is wrong, with the place and what would be right.
    """
    return build(draw(parse(pipeline)), require_zero_copy=require_zero_copy)
