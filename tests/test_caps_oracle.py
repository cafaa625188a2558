"""zcore's caps against GStreamer's: a table that one of its versions made, and the GStreamer of this machine if any.

Where both differ, `caps_model` decides: zcore has to be right there, point by point. GStreamer is known to be wrong in:

- touching ranges of doubles: ``[ 0.5, 1.5 ]`` and ``[ 1.5, 2 ]`` meet at 1.5, it says 0
- subsets: it looks for one structure, and for one item of a list, that holds everything; several can do it together
- ranges with steps: ``[ 0, 10 ]`` is a subset of ``[ 0, 10, 2 ]`` to it
- lists of ranges: it does not intersect ``{ 1, 2 }`` with ``{ [ 1, 5 ] }``, and drops one of two that overlap
- flag sets: what is the subset of what is turned round, and the union of two is their intersection
- arrays: since 1.28 ``< >`` is a subset of every array, and so is a part of one
- joining structures that differ in two fields: it sometimes loses one of them

zcore drops repetitions from lists and keeps the order of structures when it simplifies them; there the meaning counts.
"""

from __future__ import annotations

import gzip
import json
import os
import random
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from caps_model import allows, points
from caps_oracle import KEYS, pairs
from zcore.caps import Caps

TESTS = Path(__file__).parent
with gzip.open(TESTS / "data/gst-caps.json.gz") as file:
    TABLE = json.load(file)

SETS = ("and", "first", "or", "minus", "simple")
POINTS = 400


def ours(one: str, two: str) -> dict[str, object]:
    """Give zcore's answers, as `caps_oracle.answer` gives GStreamer's."""
    a, b = Caps.parse(one), Caps.parse(two)
    taken = None if a.is_any or any(s.features.is_any for s in a) else a - b
    return {
        "a": str(a),
        "b": str(b),
        "and": a & b,
        "first": a.intersect(b, "first"),
        "meets": a.can_intersect(b),
        "in": a.is_subset(b),
        "holds": b.is_subset(a),
        "equal": a.is_equal(b),
        "or": a | b,
        "minus": taken,
        "simple": a.simplify(),
        "normal": a.normalize(),
        "fixed": None if a.is_any else a.fixate(),
    }


def same(key: str, mine: object, theirs: object) -> bool:
    """Tell whether an answer is GStreamer's: to the letter, but for what may be written in several ways."""
    if theirs is None or not isinstance(mine, Caps):
        return theirs is None or mine == theirs
    other = Caps.parse(str(theirs))
    if key in ("minus", "simple"):
        return mine.is_equal(other) and len(mine) <= len(other)
    return mine == other


def right(key: str, a: Caps, b: Caps, result: Caps) -> bool:
    """Tell whether a set is what it should be."""
    rng = random.Random(1)
    for point in points(rng, POINTS, a, b, result):
        in_a, in_b, found = allows(a, point), allows(b, point), allows(result, point)
        if key == "minus":  # the end of a range may stay, ranges are closed
            if (found and not in_a) or (in_a and not in_b and not found):
                return False
        elif found != {"and": in_a and in_b, "first": in_a and in_b, "or": in_a or in_b, "simple": in_a}[key]:
            return False
    return True


def holds(key: str, a: Caps, b: Caps) -> bool:
    """Answer a yes-or-no question by looking at points."""
    seen = [(allows(a, point), allows(b, point)) for point in points(random.Random(1), POINTS, a, b)]
    return {
        "meets": any(x and y for x, y in seen),
        "in": all(y for x, y in seen if x),
        "holds": all(x for x, y in seen if y),
        "equal": all(x == y for x, y in seen),
    }[key]


def compare(one: str, two: str, kind: str, theirs: dict[str, object]) -> list[str]:
    """Compare all answers for a pair; give the keys in which GStreamer is wrong or takes another form."""
    mine = ours(one, two)
    a, b = Caps.parse(one), Caps.parse(two)
    differing = [key for key in KEYS if not same(key, mine[key], theirs[key])]
    for key in differing:
        result = mine[key]
        where = f"{key} of {one!r} and {two!r}: zcore says {result}, GStreamer {theirs[key]}"
        if key in SETS:
            assert isinstance(result, Caps)
            assert right(key, a, b, result), where
            assert kind or not right(key, a, b, Caps.parse(str(theirs[key]))), where
        else:
            assert key in ("meets", "in", "holds", "equal"), where
            assert holds(key, a, b) == result, where
    return differing


@pytest.mark.parametrize("part", range(8))
def test_operations_as_in_the_table(part):
    differing: Counter[tuple[str, str]] = Counter()
    for one, two, kind, answers in TABLE["pairs"][part::8]:
        differing.update((kind, key) for key in compare(one, two, kind, dict(zip(TABLE["keys"], answers, strict=True))))
    assert sum(count for (kind, _), count in differing.items() if not kind) <= 4, differing
    assert sum(differing.values()) <= 24, differing


def test_the_table_is_of_these_pairs():
    assert [tuple(pair[:3]) for pair in TABLE["pairs"]] == pairs()
    assert tuple(TABLE["keys"]) == KEYS
    assert tuple(map(int, TABLE["gstreamer"].split("."))) >= (1, 24)


def introspecting() -> str:
    """Find a Python on this machine that has GStreamer."""
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        python = Path(folder, "python3")
        check = "import gi; gi.require_version('Gst', '1.0'); from gi.repository import Gst; Gst.init(None)"
        if not python.exists():
            continue
        if subprocess.run([python, "-c", check], capture_output=True, check=False).returncode == 0:
            return str(python)
    pytest.skip("no python3 on the PATH has GObject introspection for GStreamer 1.0")


def ask(python: str, **question: object) -> dict[str, list]:
    whole = {"pairs": [], "equal": [], "texts": [], **question}
    command = [python, str(TESTS / "caps_oracle.py"), "--serve"]
    done = subprocess.run(command, input=json.dumps(whole), capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_operations_as_on_this_machine():
    python = introspecting()
    asked = pairs(seed=11, plain=150, odd=50)
    answers = ask(python, pairs=asked)["answers"]
    results = []
    for (one, two, kind), answer in zip(asked, answers, strict=True):
        theirs = dict(zip(KEYS, answer, strict=True))
        differing = compare(one, two, kind, theirs)
        if kind in ("", "flags"):
            mine = ours(one, two)
            keys = [key for key in SETS if theirs[key] is not None and mine[key] is not None and key not in differing]
            results += [(str(mine[key]), theirs[key]) for key in keys]
    assert len(results) > 500
    equal = ask(python, equal=results)["equal"]
    wrong = [pair for pair, is_equal in zip(results, equal, strict=True) if not is_equal]
    assert all(Caps.parse(mine).is_equal(Caps.parse(theirs)) for mine, theirs in wrong)
    assert len(wrong) <= 5, wrong
