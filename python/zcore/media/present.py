"""Show a media graph: as text, as plain data, as a graph for Graphviz."""

from __future__ import annotations

import json
from typing import Any

from zcore.errors import DeviceError
from zcore.media.graph import Entity, Link, MediaDevice, Pad
from zcore.media.text import format_text


def pad_format(pad: Pad) -> str:
    """Tell the format of a pad in media-ctl's words; empty where it has none that can be read."""
    if pad.entity.subdev_path is None:
        return ""
    try:
        return format_text(pad)
    except DeviceError:
        return ""


def _flags(link: Link) -> list[str]:
    return [word for word in ("enabled", "immutable", "dynamic") if getattr(link, word)]


def to_text(media: MediaDevice) -> str:
    """Give the graph as text: entities with their nodes, pads with formats, links."""
    lines = [f"{media.path}  {media.model}  ({media.driver}, {media.bus or 'no bus'})"]
    for entity in media.entities:
        nodes = " ".join(str(one) for one in entity.interfaces)
        lines.append(f"  {entity}  {entity.function}" + (f"  {nodes}" if nodes else ""))
        for pad in entity.pads:
            lines.append(f"    {pad} {'sink' if pad.is_sink else 'source'} {pad_format(pad)}".rstrip())
            for link in pad.links:
                arrow = f"-> {link.sink}" if link.source is pad else f"<- {link.source}"
                lines.append(f"      {arrow} [{','.join(_flags(link))}]")
    return "\n".join(lines)


def to_dict(media: MediaDevice) -> dict[str, Any]:
    """Give the graph as plain data."""
    return {
        "path": media.path, "driver": media.driver, "model": media.model, "serial": media.serial, "bus": media.bus,
        "entities": [_entity(entity) for entity in media.entities],
        "links": [
            {"source": str(link.source), "sink": str(link.sink), "flags": _flags(link)} for link in media.links
        ],
    }  # fmt: skip


def _entity(entity: Entity) -> dict[str, Any]:
    return {
        "id": entity.id, "name": entity.name, "function": entity.function,
        "nodes": [{"kind": one.kind, "path": one.path} for one in entity.interfaces],
        "pads": [
            {"index": pad.index, "direction": "sink" if pad.is_sink else "source", "format": pad_format(pad)}
            for pad in entity.pads
        ],
    }  # fmt: skip


def to_dot(media: MediaDevice) -> str:
    """Give the graph in the language of Graphviz."""
    lines = ["digraph media {", "  rankdir=LR;", '  node [shape=box, style=rounded, fontname="sans-serif"];']
    for entity in media.entities:
        label = "\n".join([entity.name, entity.function, *(str(one) for one in entity.interfaces)])
        colour = ", color=blue" if entity.video_path else ""
        lines.append(f"  n{entity.id} [label={json.dumps(label, ensure_ascii=False)}{colour}];")
    for link in media.links:
        style = "bold" if link.immutable else "solid" if link.enabled else "dashed"
        lines.append(
            f"  n{link.source.entity.id} -> n{link.sink.entity.id} [style={style}, "
            f'taillabel="{link.source.index}", headlabel="{link.sink.index}"];'
        )
    return "\n".join([*lines, "}"])
