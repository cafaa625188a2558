"""``zcore controls``: list, read, set and watch the controls of a V4L2 device."""

from __future__ import annotations

import argparse
import json
from typing import Any

from zcore._v4l2_device import V4l2Device
from zcore.cli.inspect import UsageError
from zcore.cli.output import console
from zcore.controls import Control, Controls, UnknownControlError
from zcore.controls.control import plain
from zcore.controls.values import INTEGERS, WORDS
from zcore.errors import DeviceError
from zcore.stages.structures import Value

NUMBERS = ("boolean", "menu", "integer_menu", "bitmask", *(kind.name.lower() for kind in INTEGERS))


def add_parser(commands: Any) -> None:
    """Add the command's options."""
    parser = commands.add_parser(
        "controls", help="list, read, set and watch the controls of a V4L2 device",
        description="Without more, list all controls of a device. With a name, tell all about one. With name=value, set"
        " these in one call, all or none. Names are those of v4l2-ctl; a menu takes an entry's number or text, an array"
        " numbers with commas, a button anything.",
    )  # fmt: skip
    parser.add_argument("device", metavar="DEVICE", help="device node, such as /dev/video0")
    parser.add_argument("controls", nargs="*", metavar="NAME[=VALUE]", help="what to show, or to set")
    parser.add_argument("--json", action="store_true", help="as JSON, on standard output")
    parser.add_argument("--reset", nargs="*", metavar="NAME", help="set these controls, or all, to their defaults")
    parser.add_argument("--watch", nargs="*", metavar="NAME", help="print changes of these, or of all, until Ctrl-C")
    parser.add_argument("--timeout", type=float, metavar="SECONDS", help="end --watch when so long nothing changed")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Do it."""
    wishes = dict(split(word) for word in options.controls if "=" in word)
    names = [word for word in options.controls if "=" not in word]
    if len(wishes) < len([word for word in options.controls if "=" in word]):
        raise UsageError("a control stands twice")
    resets, watches = options.reset is not None, options.watch is not None
    if any("=" in word for word in [*(options.reset or ()), *(options.watch or ())]) or (wishes and resets):
        raise UsageError("--reset and --watch take names without a value")
    names += [*(options.reset or ()), *(options.watch or ())]
    with V4l2Device(options.device) as device:
        controls = Controls(device)
        try:
            chosen = [controls[name] for name in names]
            wanted = {name: read(controls[name], text) for name, text in wishes.items()}
        except UnknownControlError as error:
            raise UsageError(str(error)) from None
        if wanted:
            _set(controls, wanted, options.json)
        if resets:
            granted = [(one, one.reset()) for one in chosen] if chosen else list(controls.reset().items())
            if not options.json:
                for one, value in granted:
                    print(f"{one.name if isinstance(one, Control) else one} = {show(value)}")
        if watches:
            return _watch(controls, [one.name for one in chosen] + list(wanted), options)
        if options.json and not wanted and not resets:
            print(json.dumps({"device": options.device, "controls": [one.to_dict() for one in chosen or controls]}))
        elif chosen and not resets:
            for one in chosen:
                _print(one)
        elif not wanted and not resets:
            _list(controls)
    return 0


def split(word: str) -> tuple[str, str]:
    """Cut ``name=value``."""
    name, _, value = word.partition("=")
    if not name.strip():
        raise UsageError(f"{word!r} has no name before '='")
    return name.strip(), value


def read(control: Control, text: str) -> Value:
    """Turn a text into a value where the type says that it is a number; else it stays a text."""
    if control.type not in NUMBERS or control.shape:
        return text
    if control.type == "boolean" and text.lower() in WORDS:
        return WORDS[text.lower()]
    try:
        return int(text, 0)
    except ValueError:
        return text


def show(value: Any) -> str:
    """Give a value on one line."""
    if hasattr(value, "text"):
        return repr(value)
    text = str(plain(value)) if not isinstance(value, (str, int)) else repr(value)
    return text if len(text) <= 72 else text[:69] + "..."


def _set(controls: Controls, wanted: dict[str, Value], as_json: bool) -> None:
    granted = controls.set(wanted)
    if as_json:
        values = {name: plain(value) for name, value in granted.items()}
        print(json.dumps({"granted": values, "notes": granted.notes}))
        return
    for name, value in granted.items():
        print(f"{name} = {show(value)}")
    for note in granted.notes:
        print(f"note: {note}")


def _watch(controls: Controls, names: list[str], options: argparse.Namespace) -> int:
    try:
        with controls.watch(*names, timeout=options.timeout) as watch:
            for change in watch:
                if options.json:
                    fields = change._asdict() | {"value": plain(change.value), "what": sorted(change.what)}
                    print(json.dumps(fields | {"flags": int(change.flags)}), flush=True)
                    continue
                missed = f"  ({change.missed} changes before it were merged)" if change.missed else ""
                what = "" if change.what == {"value"} else f"  [{', '.join(sorted(change.what))}]"
                print(f"{change.name} = {show(change.value)}{what}{missed}", flush=True)
    except KeyboardInterrupt:
        pass
    return 0


def span(facts: dict[str, Any]) -> str:
    """Say the range of a control."""
    if "dims" in facts:
        dims = "x".join(map(str, facts["dims"]))
        bounds = f" of {facts['minimum']} to {facts['maximum']}" if "minimum" in facts else ""
        return f"{dims}{bounds}"
    if facts["type"] in ("button", "boolean", "menu", "integer_menu") or "minimum" not in facts:
        return f"{len(facts['menu'])} entries" if "menu" in facts else ""
    if facts["type"] == "bitmask":
        return f"bits {facts['maximum']:#x}"
    if facts["type"] == "string":
        return f"{facts['minimum']} to {facts['maximum']} characters"
    step = f" in steps of {facts['step']}" if facts["step"] > 1 else ""
    return f"{facts['minimum']} to {facts['maximum']}{step}"


def _list(controls: Controls) -> None:
    from rich.markup import escape
    from rich.table import Table

    device = controls.device
    out = console()
    table = Table(title=escape(f"{device.path}  {device.card} ({device.driver})"), box=None, title_justify="left")
    for heading in ("control", "type", "range", "value", "default", "flags"):
        table.add_column(heading, overflow="fold")
    last = None
    for control in controls:
        facts = control.to_dict()
        if facts["class"] != last:
            last = facts["class"]
            table.add_row(f"[bold]{escape(last or 'other')}[/]")
        entry = control.value if control.readable and not facts.get("problem") else None
        flags = ", ".join(flag.replace("_", "-") for flag in facts["flags"] if flag != "has_payload")
        cells = (
            control.name, facts["type"], span(facts), show(entry) if entry is not None else facts.get("problem", ""),
            show(control.default) if facts.get("default") is not None else "", flags,
        )  # fmt: skip
        table.add_row(*(escape(cell) for cell in cells))
    out.print(table)
    if not len(controls):
        out.print("It has no controls.")


def _print(control: Control) -> None:
    out = console()
    facts = control.to_dict()
    out.print(f"[bold]{control.name}[/]  {control.label}  ({facts['class']}, {control.type}, {control.id:#010x})")
    try:
        now = show(control.value) if control.readable else "none to read"
    except DeviceError as error:
        now = str(error)
    lines = [("value", now), ("default", show(control.default) if facts.get("default") is not None else "")]
    lines += [("range", span(facts)), ("flags", ", ".join(facts["flags"]).replace("_", "-"))]
    for heading, text in lines:
        if text:
            out.print(f"  {heading}: {text}", markup=False)
    for index, entry in control.menu.items():
        out.print(f"  {index}: {entry}", markup=False)
