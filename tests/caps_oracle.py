"""Random pairs of caps, and what GStreamer says about them.

``python3 tests/caps_oracle.py tests/data/gst-caps.json.gz < tests/data/caps.txt`` asks the GStreamer of that Python and
writes the table that ``test_caps_oracle.py`` compares with: for random pairs and for the lines of ``caps.txt``. It
needs GObject introspection for GStreamer 1.0, and nothing of zcore. ``--serve`` answers what JSON on its input asks.
"""

from __future__ import annotations

import gzip
import json
import random
import sys
from typing import Any

SEED = 2024
PLAIN, ODD = 1500, 500

FORMATS = ["NV12", "I420", "YUY2", "BGRx", "RGB", "NV21", "P010_10LE", "GRAY8"]
FEATURES = ["", "", "", "", "(memory:DMABuf)", "(memory:SystemMemory)", "(ANY)", "(memory:DMABuf, meta:Foo)"]
TEXTS = ["progressive", "mixed", '"with space"', '"bt601"', "bt709", "2:3:5:1", '"a\\"b"', '"\\303\\244"']
TEXTS += ['"NULL"', '""']
RATES = ["30/1", "25/1", "15/2", "60/1", "0/1", "30000/1001"]


def _some(rng: random.Random, pool: list[str], most: int = 4) -> list[str]:
    return rng.sample(pool, rng.randint(1, min(most, len(pool))))


def _choice(rng: random.Random, pool: list[str], kind: str) -> str:
    """Make one value, or a list of several."""
    return f"({kind}){rng.choice(pool)}" if rng.random() < 0.5 else f"({kind}){{ {', '.join(_some(rng, pool))} }}"


def _whole(rng: random.Random, step: int) -> str:
    low = rng.randint(1, 8) * step
    high = low + rng.randint(1, 8) * step
    shape = rng.random()
    if shape < 0.35:
        return f"(int)[ {low}, {high}{f', {step}' if step > 1 else ''} ]"
    if shape < 0.65 and step == 1:
        return f"(int)[ {rng.choice([1, 2, 16])}, {rng.choice([640, 1920, 2147483647])} ]"
    if shape < 0.65:
        return f"(int){low}"
    return _choice(rng, [str(number) for number in {low: 0, high: 0, 640: 0, 320: 0, 48: 0}], "int")


def _rate(rng: random.Random) -> str:
    if rng.random() < 0.3:
        return "(fraction)[ 0/1, 2147483647/1 ]"
    if rng.random() < 0.3:
        return f"(fraction)[ {rng.choice(['0/1', '15/2', '24/1'])}, {rng.choice(['25/1', '30/1', '60/1'])} ]"
    return _choice(rng, RATES, "fraction")


def _level(rng: random.Random) -> str:
    if rng.random() < 0.4:
        low = rng.choice([0.5, 1.0, 1.5])
        return f"(double)[ {low}, {low + rng.choice([0.25, 1.0, 7.5])} ]"
    return _choice(rng, ["0.75", "1.25", "3", "1.1"], "double")


def _field(rng: random.Random, name: str, step: int, odd: str) -> str:
    if name == "format":
        return _choice(rng, FORMATS, "string")
    if name in ("width", "height"):
        if odd == "list" and rng.random() < 0.3:
            return "(int){ [ 1, 100 ], 640, [ 300, 400 ] }"
        return _whole(rng, step)
    if name == "framerate":
        return _rate(rng)
    if name == "interlace-mode":
        return _choice(rng, TEXTS, "string")
    if name == "level":
        return _level(rng)
    if name == "parsed":
        return f"(boolean){rng.choice(['true', 'false', '{ true, false }'])}"
    if name == "mask":
        return f"(bitmask)0x{rng.choice([0, 3, 0xFF, 0xFFFF_FFFF_FFFF_FFFF]):x}"
    if name == "data":
        return f"(buffer){rng.choice(['00', '0164', 'ff'])}"
    if name == "flags":
        return f"(flagset){rng.choice(['0:1', '1:1', '3:7', '5:ffffffff', '0:0'])}"
    return f"(int)< {', '.join(rng.choice(['1', '2', '[ 1, 3 ]', '3']) for _ in range(rng.randint(0, 3)))} >"


NAMES = ["format", "width", "height", "framerate", "interlace-mode", "level", "parsed", "mask", "data"]


def _structure(rng: random.Random, odd: str) -> list[str]:
    media = rng.choice(["video/x-raw", "video/x-raw", "video/x-raw", "image/jpeg"])
    names = rng.sample(NAMES, rng.randint(0, 4)) + [odd] * (odd in ("flags", "array") and rng.random() < 0.8)
    step = rng.choice([1, 1, 2, 16]) if odd == "step" else 1
    return [media + rng.choice(FEATURES), *(f"{name}={_field(rng, name, step, odd)}" for name in names)]


def _caps(rng: random.Random, odd: str) -> list[list[str]]:
    return [_structure(rng, odd) for _ in range(rng.choice([1, 1, 1, 2, 2, 3, 4]))]


def _mutated(rng: random.Random, caps: list[list[str]], odd: str) -> list[list[str]]:
    """Change a little, so that the two have something to do with one another."""
    copy = [list(structure) for structure in caps]
    for _ in range(rng.randint(1, 3)):
        structure = rng.choice(copy)
        if len(structure) > 1 and rng.random() < 0.7:
            index = rng.randrange(1, len(structure))
            name = structure[index].partition("=")[0]
            structure[index] = f"{name}={_field(rng, name, rng.choice([1, 2]) if odd == 'step' else 1, odd)}"
        elif len(structure) > 1 and rng.random() < 0.5:
            del structure[rng.randrange(1, len(structure))]
        else:
            copy.append(_structure(rng, odd))
    rng.shuffle(copy)
    return copy


def _text(caps: list[list[str]]) -> str:
    return "; ".join(", ".join(structure) for structure in caps)


def pairs(seed: int = SEED, plain: int = PLAIN, odd: int = ODD) -> list[tuple[str, str, str]]:
    """Make pairs of caps, and the oddity that a pair has: ranges with steps or within lists, flag sets, arrays."""
    rng = random.Random(seed)
    found = [("ANY", "EMPTY", ""), ("ANY", "video/x-raw", ""), ("video/x-raw", "EMPTY", "")]
    for number in range(plain + odd):
        kind = "" if number < plain else rng.choice(["step", "list", "flags", "array"])
        one = _caps(rng, kind)
        two = _mutated(rng, one, kind) if rng.random() < 0.7 else _caps(rng, kind)
        found.append((_text(one), _text(two), kind))
    return found


def answer(gst: Any, one: str, two: str, kind: str) -> list[Any]:
    """Ask GStreamer about a pair; `KEYS` names what is given.

    It aborts the process where one range is to be taken from another of a different step, and takes nothing from ANY.
    """
    a, b = gst.Caps.from_string(one), gst.Caps.from_string(two)
    safe = kind != "step" and not any(c.is_any() or "(ANY)" in c.to_string() for c in (a, b))
    mode = gst.CapsIntersectMode
    return [
        a.to_string(),
        b.to_string(),
        a.intersect_full(b, mode.ZIG_ZAG).to_string(),
        a.intersect_full(b, mode.FIRST).to_string(),
        a.can_intersect(b),
        a.is_subset(b),
        b.is_subset(a),
        a.is_equal(b),
        a.copy().merge(b.copy()).to_string(),
        a.subtract(b).to_string() if safe else None,
        a.copy().simplify().to_string() if safe else None,
        a.copy().normalize().to_string(),
        None if a.is_any() else a.copy().fixate().to_string(),
    ]


KEYS = ("a", "b", "and", "first", "meets", "in", "holds", "equal", "or", "minus", "simple", "normal", "fixed")


def reading(gst: Any, text: str) -> str | None:
    """Give the text of caps as GStreamer writes it, or None where it does not read them."""
    caps = gst.Caps.from_string(text)
    return None if caps is None else caps.to_string()


def gstreamer() -> Any:
    """Give the introspected module."""
    import gi  # type: ignore[import-not-found]

    gi.require_version("Gst", "1.0")
    from gi.repository import Gst  # type: ignore[import-not-found]

    Gst.init(None)
    return Gst


def main() -> None:
    """Write the table, or answer what is asked."""
    gst = gstreamer()
    version = ".".join(str(number) for number in gst.version()[:3])
    if sys.argv[1:] == ["--serve"]:
        asked = json.load(sys.stdin)
        answers = [answer(gst, *pair) for pair in asked["pairs"]]
        equal = [gst.Caps.from_string(a).is_equal(gst.Caps.from_string(b)) for a, b in asked["equal"]]
        texts = [reading(gst, text) for text in asked["texts"]]
        json.dump({"version": version, "answers": answers, "equal": equal, "texts": texts}, sys.stdout)
        return
    table = {
        "gstreamer": version,
        "keys": KEYS,
        "pairs": [[*pair, answer(gst, *pair)] for pair in pairs()],
        "texts": [[text, reading(gst, text)] for text in map(json.loads, sys.stdin)],
    }
    with open(sys.argv[1], "wb") as file, gzip.GzipFile("", "wb", 9, file, 0) as packed:
        packed.write(json.dumps(table, separators=(",", ":")).encode())


if __name__ == "__main__":
    main()
