"""Throw texts at the reader of caps, guided by what code they reach. Run by hand; see README.md."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["zcore.caps"]):
    from zcore.caps import Caps, CapsError
    from zcore.caps.video import caps_of, features_of, formats_of, rates_of, sizes_of

from zcore.formats import FORMATS

SAMPLES = Path(__file__).parent.parent / "data/caps.txt"
LONGEST = 400  # of what is also compared with itself; long lists make that slow, not wrong


def parsed(text: str) -> Caps | None:
    """Read a text; no other error than CapsError may come out, and it must know its place."""
    try:
        return Caps.parse(text)
    except CapsError as caught:
        error = caught
    assert error.text == text
    assert 0 <= error.position <= len(text)
    assert str(error)
    return None


def one_text(data: bytes) -> None:
    """Read two caps out of some bytes, write them, and let them meet."""
    first, _, second = data.decode("utf-8", "surrogateescape").partition("\n\n")
    one, two = parsed(first), parsed(second)
    for caps in (one, two):
        if caps is not None:
            assert Caps.parse(str(caps), strict=False) == caps
    if one is None or two is None or len(data) > LONGEST:
        return
    common = one & two
    assert common.is_empty == (not one.can_intersect(two))
    assert one.is_subset(one | two)
    assert one.simplify().is_equal(one)
    assert one.is_any or (one.fixate() & one).is_equal(one.fixate())
    try:
        formats = formats_of(one, FORMATS[:40])
    except CapsError:
        return
    for fmt in formats[:3]:
        sizes_of(one, fmt), rates_of(one, fmt), features_of(one, fmt)
        assert caps_of(fmt).is_fixed


def main() -> None:
    """Put the samples into the corpus, if one is named that is empty, and start."""
    folders = [Path(argument) for argument in sys.argv[1:] if not argument.startswith("-")]
    if folders:
        folders[0].mkdir(exist_ok=True, parents=True)
        if not any(folders[0].iterdir()):
            texts = [json.loads(line) for line in SAMPLES.read_text().splitlines()]
            for number, text in enumerate(texts):
                folders[0].joinpath(f"{number:03}").write_text(f"{text}\n\n{texts[number * 7 % len(texts)]}")
    atheris.Setup(sys.argv, one_text)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
