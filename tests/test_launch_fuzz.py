"""Any text gives a chain or a clear error."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zcore import devices
from zcore.pipeline import LaunchError, build, draw, parse

LINES = (Path(__file__).parent / "data" / "launch.txt").read_text().splitlines()
SAMPLES = [one for one in (json.loads(line)["pipeline"] for line in LINES) if isinstance(one, str)]
PIECES = [
    "!", " ! ", " ", "=", ".", ":", ",", ";", "(", " )", "bin.( ", '"', "'", "\\", "\\ ", "\n", "\0",
    "\udc80", "ä", "日", "fakesrc", "fakesink ", "queue ", "tee name=t ", "t.", "t.src_0", ".sink", "identity name=a ",
    "a. ", "name=",
    "num-buffers=", "5", "-1", "leaky=", "downstream", "caps=", "video/x-raw", ",width=5", "(memory:DMABuf)",
    "[ 1, 5 ]", "v4l2src ", "v4l2h264enc ", "v4l2convert ", "kmssink ", "io-mode=", "dmabuf", "extra-controls=c,a=1",
    "location=", "render-rectangle=<0,0,1,1>", "(int)", "(string)", "file:///a%00", "v4l2:///dev/video0",
    "@preset=", "#", "/", "::",
]  # fmt: skip

texts = st.one_of(
    st.text(max_size=80),
    st.lists(st.sampled_from(PIECES), max_size=25).map("".join),
    st.lists(st.sampled_from(PIECES), max_size=25).map(" ".join),
)


@st.composite
def mutants(draw_one):
    """A pipeline of the table with some of it cut out, doubled, or replaced."""
    text = draw_one(st.sampled_from(SAMPLES))
    for _ in range(draw_one(st.integers(1, 4))):
        at = draw_one(st.integers(0, len(text)))
        end = draw_one(st.integers(at, min(len(text), at + 12)))
        text = text[:at] + draw_one(st.sampled_from(["", text[at:end] * 2, *PIECES])) + text[end:]
    return text


@pytest.fixture(autouse=True, scope="module")
def no_devices():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(devices, "video_paths", list)
        yield


def error_of(pipeline):
    try:
        build(draw(parse(pipeline)))
    except LaunchError as error:
        return error
    return None


def check(pipeline):
    error = error_of(pipeline)
    if error is not None:
        assert 0 <= error.position <= error.end <= len(error.text)
        line, carets = error.picture.splitlines()
        assert line.isprintable()
        assert set(carets.strip()) == {"^"}
        assert str(error) == f"{error.message}\n{error.picture}"


@settings(max_examples=600, deadline=None)
@given(texts)
def test_any_text_gives_a_chain_or_an_error(text):
    check(text)


@settings(max_examples=400, deadline=None)
@given(mutants())
def test_any_mutant_gives_a_chain_or_an_error(text):
    check(text)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from([*PIECES, "fakesrc", "!", "!", "fakesink"]), max_size=12))
def test_any_words_give_a_chain_or_an_error(words):
    check(words)


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet=st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40))
def test_any_value_survives_its_quotes(value):
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    if value.startswith("(string)") or (len(value) > 1 and value[0] == value[-1] == '"'):
        return  # GStreamer reads these once more
    (assignment,) = parse(f'a x="{escaped}" ! b').chains[0].items[0].assignments
    assert assignment.value.text == value
