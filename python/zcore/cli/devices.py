"""``zcore devices``: what this machine has."""

from __future__ import annotations

import argparse
import json
from typing import Any

from zcore import devices as found
from zcore.cli.output import console


def add_parser(commands: Any) -> None:
    """Add the command's options."""
    parser = commands.add_parser(
        "devices", help="list capture, mem-to-mem and display devices",
        description="List capture, mem-to-mem and display devices with formats, sizes, rates, memory types, planes and"
        " modifiers.",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="as JSON, on standard output")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """List the devices."""
    everything = found.to_dict()
    if options.json:
        print(json.dumps(everything, indent=2))
        return 0
    out = console()
    for device in everything["video"]:
        _print_video(out, device)
    for card in everything["displays"]:
        _print_card(out, card)
    if not everything["video"] and not everything["displays"]:
        out.print("This machine has no V4L2 device and no display card. 'zcore demo' runs on software stages.")
    out.print(f"[bold]Allocators[/]: {', '.join(everything['allocators']) or 'none; memfd only'}")
    return 0


def _print_video(out: Any, device: dict[str, Any]) -> None:
    if device["problem"]:
        out.print(f"[bold]{device['path']}[/]: {device['problem']}")
        return
    planar = "multi-planar" if device["multiplanar"] else "single-planar"
    streaming = "" if device["streaming"] else ", no streaming"
    out.print(
        f"[bold]{device['path']}[/]  {device['name']}  ({device['driver']}, {device['kind']}, {planar}{streaming})"
    )
    for one in device["connectors"]:
        about = f": {one['status']}" if one["status"] else ""
        side = "output" if device["kind"] == "output" else "input"
        out.print(f"  {side} {one['name']}{' (chosen)' * one['chosen']}{about}", markup=False)
        if one["signals"]:
            more = f" and {len(one['signals']) - 8} more" if len(one["signals"]) > 8 else ""
            out.print(f"    {', '.join(one['signals'][:8])}{more}", markup=False)
    for side in ("output", "capture"):
        formats = device[f"{side}_formats"]
        if not formats:
            continue
        word = {"output": "takes", "capture": "gives"}[side]
        memory = ", ".join(device["memory"].get(side, [])) or "not known: somebody streams from it"
        out.print(f"  {word}, memory {memory}:")
        by_sizes: dict[tuple[str, ...], list[str]] = {}
        for fmt in formats:
            by_sizes.setdefault(tuple(_sizes(fmt)), []).append(fmt["fourcc"])
        for sizes, names in by_sizes.items():
            out.print(f"    {' '.join(names)}", markup=False)
            out.print(f"      {', '.join(sizes)}", markup=False)


def _sizes(fmt: dict[str, Any]) -> list[str]:
    rates = f" at {', '.join(fmt['rates'])} fps" if fmt["rates"] else ""
    return [", ".join(fmt["sizes"]) + rates] if fmt["sizes"] else ["any size that it grants"]


def _print_card(out: Any, card: dict[str, Any]) -> None:
    if card["problem"]:
        out.print(f"[bold]{card['path']}[/]: {card['problem']}")
        return
    out.print(f"[bold]{card['path']}[/]  ({card['driver']}, display, {'atomic' if card['atomic'] else 'legacy'})")
    for connector in card["connectors"]:
        state = "connected" if connector["connected"] else "disconnected"
        monitor = connector.get("monitor")
        if monitor is not None:
            state += f" ({monitor['maker']} {monitor['name'] or monitor['product']}, {monitor['year']})"
        modes = list(dict.fromkeys(connector["modes"]))
        more = f" and {len(modes) - 8} more" if len(modes) > 8 else ""
        out.print(
            f"  {connector['name']} {state}: {', '.join(modes[:8])}{more}"
            if modes
            else f"  {connector['name']} {state}",
            markup=False,
        )
    for plane in card["planes"]:
        texts = []
        for name, modifiers in plane["formats"].items():
            beyond = [m for m in modifiers if m != "LINEAR"]
            texts.append(f"{name}({' '.join(beyond)})" if beyond else name)
        out.print(f"  plane {plane['id']} {plane['type']}: {' '.join(texts)}", markup=False)
