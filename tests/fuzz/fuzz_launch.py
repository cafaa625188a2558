"""Throw texts at the reader of pipelines, guided by what code they reach. Run by hand; see README.md."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["zcore.pipeline"]):
    from zcore.pipeline import LaunchError, build, draw, parse
    from zcore.pipeline.tokens import join

from zcore import devices

SAMPLES = Path(__file__).parent.parent / "data/launch.txt"
WORDS = "\n\n"  # between the words of a shell


def one_text(data: bytes) -> None:
    """Make a chain of some bytes; no other error than LaunchError may come out, and it must know its place."""
    text = data.decode("utf-8", "surrogateescape")
    pipeline = text.split(WORDS) if WORDS in text else text
    whole = join(pipeline) if isinstance(pipeline, list) else pipeline
    try:
        tree = parse(pipeline)
        assert tree.text == whole
        drawn = draw(tree)
        chain = build(drawn)
    except LaunchError as caught:
        error = caught
    else:
        assert {element.name for element in drawn.elements} <= {stage.name for stage in chain.stages}
        assert all(element.linked for element in drawn.elements)
        return
    assert error.text == whole
    assert 0 <= error.position <= error.end <= len(whole)
    assert str(error).startswith(error.message)
    line, carets = error.picture.splitlines()
    assert set(carets.strip()) == {"^"}
    assert line.isprintable()


def main() -> None:
    """Put the samples into the corpus, if one is named that is empty, and start."""
    devices.video_paths = list  # the same on every machine
    folders = [Path(argument) for argument in sys.argv[1:] if not argument.startswith("-")]
    if folders:
        folders[0].mkdir(exist_ok=True, parents=True)
        if not any(folders[0].iterdir()):
            for number, line in enumerate(SAMPLES.read_text().splitlines()):
                pipeline = json.loads(line)["pipeline"]
                text = pipeline if isinstance(pipeline, str) else WORDS.join(pipeline)
                folders[0].joinpath(f"{number:03}").write_text(text)
    atheris.Setup(sys.argv, one_text)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
