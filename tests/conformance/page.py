"""Write docs/conformance.md and docs/traps.md from the lists and from what the tests prove."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from . import marks, names
from .names import Entry, Section

DOCS = names.HERE.parents[1] / "docs"
SEEN = names.HERE / "seen.json"
SHOWN = 3  # tests named for each entry; the rest is counted

CONFORMANCE = """# Conformance

Which of the kernel's video ioctls zcore uses, which of the states and transitions of the kernel's documents it goes
through, and the tests in `tests/` that prove it. Those in `device/` run on the kernel's own drivers, the others on the
fake kernel. What the real drivers answered while the device tests ran (0 is success) was written down by the tests
themselves; where that column is empty, no device test made the call. `python -m tests.conformance` makes this page from
the tests; a test checks that it is up to date.

{summary}

"""

TRAPS = """# Traps

What goes wrong with V4L2, DMA-BUF, KMS and negotiation, what zcore does about it, and the tests that prove it. Where
there is no test the line says why the trap cannot arise. `python -m tests.conformance` makes this page from the tests.

"""


def render() -> dict[Path, str]:
    """Give the text of each page."""
    proofs = marks.collect()
    ioctls, transitions = names.ioctls(), names.transitions()
    seen = json.loads(SEEN.read_text())
    everything = [entry for section in ioctls + transitions for entry in section.entries]
    proved = sum(entry.name in proofs for entry in everything)
    left_out = sum(bool(entry.reason) for entry in everything)
    summary = f"{len(everything)} ioctls and transitions: {proved} proved by tests, {left_out} left out with a reason."
    conformance = CONFORMANCE.format(summary=summary)
    for section in ioctls:
        conformance += _table(
            section, ("ioctl", "zcore", "on real drivers", "proved by"), lambda entry: _call(entry, proofs, seen)
        )
    for section in transitions:
        conformance += _table(section, ("transition", "what", "proved by"), lambda entry: _transition(entry, proofs))
    traps = TRAPS
    for section in names.traps():
        traps += _table(section, ("trap", "what zcore does", "proved by"), lambda entry: _transition(entry, proofs))
    return {DOCS / "conformance.md": conformance.rstrip() + "\n", DOCS / "traps.md": traps.rstrip() + "\n"}


def _table(section: Section, head: Sequence[str], row: Callable[[Entry], Iterable[str]]) -> str:
    lines = [f"## {section.title}", "", _line(head), _line(["---"] * len(head))]
    lines += [_line(row(entry)) for entry in section.entries]
    return "\n".join(lines) + "\n\n"


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _call(entry: Entry, proofs: Mapping[str, list[str]], seen: Mapping[str, dict[str, list[str]]]) -> tuple[str, ...]:
    if entry.reason:
        return f"`{entry.name}`", f"no: {entry.reason}", "", ""
    answers = "; ".join(f"{driver}: {', '.join(codes)}" for driver, codes in seen.get(entry.name, {}).items())
    return f"`{entry.name}`", entry.text or "yes", answers, _proof(entry.name, proofs)


def _transition(entry: Entry, proofs: Mapping[str, list[str]]) -> tuple[str, str, str]:
    text = f"{entry.text}. {entry.reason}" if entry.text and entry.reason else entry.text or entry.reason
    return entry.name.partition(":")[2] or entry.name, text, _proof(entry.name, proofs)


def _proof(name: str, proofs: Mapping[str, list[str]]) -> str:
    tests = proofs.get(name, [])
    files: dict[str, list[str]] = {}
    for test in tests[:SHOWN]:
        where, _, function = test.partition("::")
        files.setdefault(where, []).append(f"`{function}`")
    shown = "; ".join(f"{where}: {', '.join(functions)}" for where, functions in files.items())
    return shown + (f" and {len(tests) - SHOWN} more" if len(tests) > SHOWN else "")


def write() -> None:
    """Write the pages."""
    for path, text in render().items():
        path.write_text(text)
