"""Make a chain of a blueprint."""

from __future__ import annotations

from zcore.caps import CapsError
from zcore.chain import Chain
from zcore.errors import ChainError
from zcore.pipeline.blueprint import Blueprint, Element
from zcore.pipeline.errors import LaunchError
from zcore.pipeline.fusing import fuse
from zcore.stages.base import Stage
from zcore.stages.flow import CapsFilter


def build(blueprint: Blueprint, *, require_zero_copy: bool | None = None) -> Chain:
    """Make the stages and link them; no device is opened.

    Raises
    ------
    LaunchError
        A stage refuses its values.
    """
    stages, joints = fuse(blueprint)
    stages |= {one: _stage(one, blueprint.text) for one in blueprint.elements if one not in stages}
    names = {element.name for element in blueprint.elements}
    links: list[tuple[Stage, Stage]] = []
    number = 0
    for joint in joints:
        before = stages[joint.source]
        for caps in joint.caps:
            while (name := f"capsfilter{number}") in names:
                number += 1
            names.add(name)
            try:
                between = CapsFilter(caps, name=name)
            except CapsError as error:
                raise LaunchError(f"{name}: {error.reason} in {error.text}", blueprint.text, joint.position) from error
            links.append((before, between))
            before = between
        links.append((before, stages[joint.sink]))
    return Chain(links=links, require_zero_copy=require_zero_copy)


def _stage(element: Element, text: str) -> Stage:
    try:
        return element.factory.make(element.name, element.values)
    except (ValueError, ChainError) as error:
        raise LaunchError(f"{element}: {error}", text, element.position, element.end) from error
