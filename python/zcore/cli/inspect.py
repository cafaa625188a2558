"""``zcore inspect``: which elements there are, and what one can."""

from __future__ import annotations

import argparse
import json
from typing import Any

from zcore.cli.output import console
from zcore.errors import ChainError
from zcore.pipeline import Registry
from zcore.pipeline.factory import Factory, Grant
from zcore.pipeline.properties import Property
from zcore.pipeline.registry import UnknownElementError


def add_parser(commands: Any) -> None:
    """Add the command's options."""
    parser = commands.add_parser(
        "inspect", help="list the elements of pipelines, or tell all about one",
        description="List the elements that a pipeline can be made of; with a name: its pads, the caps that this"
        " machine's devices grant at them, and its properties.",
    )  # fmt: skip
    parser.add_argument("element", nargs="?", metavar="ELEMENT", help="name of one, such as v4l2src")
    parser.add_argument("--json", action="store_true", help="as JSON, on standard output")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the list, or one element."""
    registry = Registry()
    if options.element is None:
        return _list(registry, options.json)
    try:
        factory = registry.find(options.element)
    except UnknownElementError as error:
        raise UsageError(str(error)) from None
    granted = factory.granted() if factory.granted is not None else []
    if options.json:
        print(json.dumps(to_dict(factory, granted), indent=2))
    else:
        _print(console(), factory, granted)
    return 0


class UsageError(ChainError):
    """What was asked for is not there."""


def _list(registry: Registry, as_json: bool) -> int:
    factories = registry.all()
    if as_json:
        fields = ("name", "long_name", "klass", "description", "device")
        print(json.dumps({"elements": [{key: getattr(one, key) for key in fields} for one in factories]}, indent=2))
        return 0
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, show_header=False)
    for one in factories:
        table.add_row(f"[bold]{one.name}[/]", escape(one.description) + (f" ({one.device})" if one.device else ""))
    out = console()
    out.print(table)
    out.print(f"{len(factories)} elements; 'zcore inspect ELEMENT' tells all about one.")
    return 0


def to_dict(factory: Factory, granted: list[Grant]) -> dict[str, Any]:
    """Give an element as plain data, ready for JSON."""
    return {
        "name": factory.name,
        "long_name": factory.long_name,
        "klass": factory.klass,
        "description": factory.description,
        "device": factory.device,
        "pads": [
            {
                "name": pad.name,
                "direction": pad.direction,
                "presence": "request" if pad.on_request else "always",
                "caps": pad.caps,
                "granted": [{"device": one.device, "caps": list(one.caps)} for one in granted if one.pad == pad.name],
            }
            for pad in factory.pads
        ],
        "properties": [one.to_dict() for one in factory.properties.values()],
    }


def _print(out: Any, factory: Factory, granted: list[Grant]) -> None:
    out.print(f"[bold]{factory.name}[/]  {factory.long_name}  ({factory.klass})")
    out.print(f"  {factory.description}", markup=False)
    for pad in factory.pads:
        words = {"src": "source pad", "sink": "sink pad"}[pad.direction]
        presence = "any number, by name or as they are linked" if pad.on_request else "always there"
        out.print(f"\n[bold]{pad.name}[/]  {words}, {presence}")
        for text in pad.caps.split("; "):
            out.print(f"  {text}", markup=False)
        mine = [one for one in granted if one.pad == pad.name]
        for one in mine:
            out.print(f"  granted by {one.device}:", markup=False)
            for text in one.caps:
                out.print(f"    {text}", markup=False, soft_wrap=True)
        if factory.granted is not None and not mine:
            out.print("  no device of this machine grants anything here")
    out.print("\n[bold]Properties[/]")
    for prop in factory.properties.values():
        _print_property(out, prop)


def _print_property(out: Any, prop: Property) -> None:
    from rich.markup import escape

    out.print(f"  [bold]{prop.name}[/]: {escape(prop.meaning)}", soft_wrap=True)
    facts = [f"{prop.type.name}{f' in {prop.unit}' if prop.unit else ''}"]
    if prop.writable:
        facts += [prop.type.accepted(), f"default {prop.type.show(prop.default) or 'none'}"]
    if not prop.writable or not prop.readable:
        facts.append("can only be set" if prop.writable else "can only be read")
    out.print("      " + "; ".join(facts), markup=False, soft_wrap=True)
    for what, why in (("without effect", prop.without_effect), ("only the default can be had", prop.only_default)):
        if why:
            out.print(f"      {what}: {why}", markup=False, soft_wrap=True)
