"""Pipelines become chains, and the chains run."""

import numpy as np
import pytest

import zcore
from fakekernel import FakeCard
from fakekernel.quirky_v4l2 import QuirkyCamera
from zcore.pipeline import LaunchError, draw, launch, parse
from zcore.pipeline.blueprint import MOST_ELEMENTS
from zcore.stages.flow import CapsFilter


def links(text):
    return [(source.name, sink.name) for source, sink in launch(text).graph.links]


def pads(text):
    return [(j.source.name, j.source_pad, j.sink.name, j.sink_pad) for j in draw(parse(text)).joints]


def refused(text):
    with pytest.raises(LaunchError) as caught:
        launch(text)
    return caught.value


# Links


def test_elements_in_a_row():
    assert links("fakesrc ! queue ! fakesink") == [("fakesrc0", "queue0"), ("queue0", "fakesink0")]


def test_elements_are_found_by_their_names():
    chain = launch("fakesrc name=a ! queue ! fakesink name=b")
    assert isinstance(chain["a"], zcore.stages.fakes.FakeSource)
    assert [stage.name for stage in chain.stages] == ["a", "queue0", "b"]
    with pytest.raises(KeyError):
        chain["c"]


def test_numbers_of_names_pass_over_those_that_are_taken():
    assert links("fakesrc ! fakesink name=fakesink0 fakesrc ! fakesink") == [
        ("fakesrc0", "fakesink0"),
        ("fakesrc1", "fakesink1"),
    ]


def test_branches_of_a_tee():
    text = "fakesrc ! tee name=t ! queue ! fakesink  t. ! fakesink  t.src_7 ! fakesink  t. ! fakesink"
    assert pads(text)[1:] == [
        ("t", "src_0", "queue0", "sink"), ("queue0", "src", "fakesink0", "sink"), ("t", "src_1", "fakesink1", "sink"),
        ("t", "src_7", "fakesink2", "sink"), ("t", "src_8", "fakesink3", "sink"),
    ]  # fmt: skip


def test_references_may_come_first():
    assert links("a. ! b. fakesink name=b fakesrc name=a") == [("a", "b")]


def test_bins_are_taken_apart():
    text = "fakesrc ! ( identity name=a ! bin.( identity name=b ) ) ! ( queue ! fakesink )"
    assert links(text) == [("fakesrc0", "a"), ("a", "b"), ("b", "queue0"), ("queue0", "fakesink0")]


def test_caps_filters_become_stages():
    chain = launch("fakesrc ! video/x-raw,width=5 ! 'video/x-raw,height=6' ! capsfilter caps=ANY name=c ! fakesink")
    filters = [stage for stage in chain.stages if isinstance(stage, CapsFilter)]
    assert [(stage.name, str(stage.caps)) for stage in filters] == [
        ("capsfilter0", "video/x-raw, width=(int)5"), ("capsfilter1", "video/x-raw, height=(int)6"), ("c", "ANY"),
    ]  # fmt: skip


def test_names_of_filters_pass_over_those_that_are_taken():
    chain = launch("fakesrc ! a/b ! queue name=capsfilter0 ! fakesink")
    assert [stage.name for stage in chain.stages if isinstance(stage, CapsFilter)] == ["capsfilter1"]


def test_pipelines_beside_one_another():
    assert len(launch("fakesrc ! fakesink fakesrc ! fakesink").graph.sources) == 2


@pytest.mark.parametrize(
    ("text", "message", "part"),
    [
        ("fakesrc ! kmssink ! fakesink", "'kmssink' has no source pad, so nothing can follow it", "kmssink"),
        ("fakesrc ! v4l2src ! fakesink", "'v4l2src' has no sink pad, so nothing can come before it", "v4l2src"),
        ("fakesrc ! fakesink name=a a. ! fakesink", "'fakesink' has no source pad", "a."),
        ("fakesrc ! fakesink queue", "queue0 (queue) is not linked; write '... ! queue ! ...'", "queue"),
        ("fakesrc name=queue", "queue (fakesrc) is not linked; write 'fakesrc ! ...'", "fakesrc"),
        ("fakesrc ! queue", "nothing follows queue0 (queue); write '... ! queue ! ...'", "queue"),
        ("queue name=queue ! fakesink", "nothing comes before queue; write '... ! queue ! ...'", "queue"),
        ("fakesrc ! tee", "nothing follows tee0 (tee)", "tee"),
        ("tee ! fakesink", "nothing comes before tee0 (tee)", "tee"),
        ("fakesrc name=a ! fakesink name=a", "two elements have the name 'a'", "name=a"),
        ("( name=a fakesrc name=a ! fakesink )", "two elements have the name 'a'", "name=a"),
        ("fakesrc name=a name=b ! fakesink", "the name is set twice", "name=b"),
        ("fakesrc name=\"\" ! fakesink", "at least one character", 'name=""'),
        ("fakesrc ! t. tee name=tt ! fakesink", "no element has the name 't'; did you mean 'tt'?; there are", "t."),
        ("fakesrc ! fakesink.sink", "to make one write fakesink without the dot", "fakesink.sink"),
        ("( name=b fakesrc ) b. ! fakesink", "b is a bin; link an element in it", "b."),
        ("foo.( fakesrc ! fakesink )", "no bin 'foo'; zcore has bin and pipeline", "foo.( fakesrc ! fakesink )"),
        ("( x=1 fakesrc ! fakesink )", "its one property is name, not x", "x=1"),
        ("fakesrc ! a. fakesrc ! a. fakesink name=a", "a (fakesink) takes frames from fakesrc0 already", "a."),
        ("fakesrc name=a ! fakesink a. ! fakesink", "gives frames to fakesink0 already; put a tee behind it", "a."),
        ("fakesrc ! tee name=t t.src_1 ! fakesink t.src_1 ! fakesink", "take another pad", "src_1"),
        ("fakesrc .src_0 ! fakesink", "(fakesrc) has no source pad 'src_0'; on this side it has src", ".src_0"),
        ("fakesrc ! .sink_0 fakesink", "has no sink pad 'sink_0'; on this side it has sink", ".sink_0"),
        ("fakesrc ! mux.sink_0 fakesink name=mux", "mux (fakesink) has no sink pad 'sink_0'", "sink_0"),
        ("fakesrc ! .src queue ! fakesink", "stands on the wrong side of the '!'", ".src"),
        ("fakesrc ! tee name=t t.src_x ! fakesink", "has no source pad 'src_x'; on this side it has src_%u", "src_x"),
        ("fakesrc ! identity name=a ! identity name=b ! a.", "takes frames from fakesrc0 already", "a."),
        ("identity name=a ! identity name=b ! a.", "the links form a ring: a ! b ! a", "!"),
        ("fakesrc ! fakesink identity name=a ! tee name=t t. ! a. t. ! fakesink", "form a ring: a ! t ! a", "!"),
        ("identity name=a a. ! a.", "a cannot give frames to itself", "!"),
        ("fakesrc ! http://x/y", "it takes file:///", "http://x/y"),
        ("http://x/y ! fakesink", "it takes file:///... or v4l2:///...", "http://x/y"),
        ("fakesrc ! file:///a ! fakesink", "an address stands at the beginning or at the end", "file:///a"),
        ("fakesrc ! video/x-raw,width=[5 ! fakesink", "caps 'video/x-raw,width=[5'", None),
    ],
)  # fmt: skip
def test_error_of_a_link(text, message, part):
    error = refused(text)
    assert message in str(error)
    if part:
        assert error.text[error.position : error.end] == part


def test_stage_that_refuses_its_values_is_pointed_at(monkeypatch):
    def refuse(*_, **__):
        raise ValueError("not on a Sunday")

    monkeypatch.setattr("zcore.stages.fakes.FakeSource.__init__", refuse)
    error = refused("fakesrc ! fakesink")
    assert "fakesrc0 (fakesrc): not on a Sunday" in str(error)
    assert error.position == 0


def test_number_of_elements_has_a_limit():
    launch("fakesrc ! " + "identity ! " * (MOST_ELEMENTS - 2) + "fakesink")
    assert f"{MOST_ELEMENTS} elements at most" in str(
        refused("fakesrc ! " + "identity ! " * (MOST_ELEMENTS - 1) + "fakesink")
    )


# Running


def test_pipeline_without_devices_runs():
    report = launch("videotestsrc num-buffers=4 ! video/x-raw,format=NV12,width=64,height=32 ! queue ! fakesink").run()
    assert report.frames == 4
    assert report.links[0].caps == "video/x-raw,format=NV12,width=64,height=32"


def test_words_of_a_shell_run():
    words = ["videotestsrc", "num-buffers=2", "!", "video/x-raw, format=GRAY8, width=64, height=32", "!", "fakesink"]
    assert launch(words).run().frames == 2


def test_branches_both_get_every_frame(tmp_path):
    one, two = tmp_path / "one", tmp_path / "the other"
    launch(
        "videotestsrc num-buffers=3 pattern=ball ! video/x-raw,format=GRAY8,width=64,height=32 ! tee name=t"
        f" ! queue ! filesink location={one}  t. ! queue ! filesink location='{two}'"
    ).run()
    assert one.read_bytes() == two.read_bytes()
    assert len(one.read_bytes()) == 3 * 64 * 32


def test_file_is_written_and_read_back(tmp_path):
    path = tmp_path / "frames"
    launch(f"videotestsrc num-buffers=3 ! video/x-raw,format=GRAY8,width=64,height=32 ! filesink location={path}").run()
    chain = launch(f"filesrc location={path} ! video/x-raw,format=GRAY8,width=64,height=32 ! appsink name=out")
    chain.start()
    frames = [np.array(frame.array()) for frame in chain["out"]]
    chain.wait()
    assert len(frames) == 3
    assert np.concatenate(frames).tobytes() == path.read_bytes()


def test_program_pushes_and_pulls():
    chain = launch("appsrc name=in caps=video/x-raw,format=GRAY8,width=8,height=4 ! queue ! appsink name=out")
    chain.start()
    for number in range(3):
        chain["in"].push(np.full((4, 8), number, np.uint8))
    chain["in"].end_of_stream()
    assert [int(frame.array()[0, 0]) for frame in chain["out"]] == [0, 1, 2]
    assert chain.wait().frames == 3


@pytest.mark.parametrize("mode", ["auto", "dmabuf", "dmabuf-import"])
def test_camera_to_display_without_a_copy(fake_kernel, mode):
    QuirkyCamera(fake_kernel).auto = 100
    FakeCard(fake_kernel, auto=True)
    chain = launch(f"v4l2src device=/dev/video0 io-mode={mode} name=cam num-buffers=5 ! queue ! kmssink name=screen")
    chain["screen"].device = "/dev/dri/card0"
    report = chain.run()
    assert report.frames == 5
    assert report.zero_copy


def test_zero_copy_can_be_required(fake_kernel):
    QuirkyCamera(fake_kernel).auto = 100
    chain = launch("v4l2src io-mode=mmap ! kmssink name=screen", require_zero_copy=True)
    FakeCard(fake_kernel, auto=True)
    chain["screen"].device = "/dev/dri/card0"
    with pytest.raises(zcore.ZeroCopyError):
        chain.plan()
    chain.close()
