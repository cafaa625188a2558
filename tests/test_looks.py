"""Colours and interlacing in caps filters: the source is asked, and what it cannot give is an error."""

import pytest

import zcore
from fakekernel.v4l2_state import FakeTuner
from zcore.errors import NegotiationError
from zcore.pipeline.errors import LaunchError


@pytest.fixture
def tuner(fake_kernel):
    device = FakeTuner(fake_kernel)
    device.auto = -1
    return device


def plan(text):
    chain = zcore.launch(text)
    with chain:
        return next(iter(chain.plan())).caps


def camera(caps):
    return plan(f"v4l2src name=in ! video/x-raw,{caps} ! fakesink")


@pytest.mark.proves("VIDIOC_S_FMT")
@pytest.mark.parametrize(
    ("text", "gives"),
    [("bt2020", "bt2020"), ("2:4:5:1", "2:4:5:1"), ("{bt601,bt709}", "bt601"), ("bt709", "bt709")],
)
def test_camera_is_asked_for_colours(tuner, text, gives):
    caps = camera(f"format=YUY2,colorimetry={text}")
    assert str(caps.colorimetry) == gives


def test_camera_that_keeps_its_colours(tuner):
    tuner.csc = False
    with pytest.raises(NegotiationError, match="colorimetry=bt2020, in gives bt709 in YUYV and does not conv"):
        camera("format=YUY2,colorimetry=bt2020")


def test_list_with_what_the_camera_has(tuner):
    tuner.csc = False
    caps = camera("format=YUY2,colorimetry={bt2020,bt709}")
    assert str(caps.colorimetry) == "bt709"


def test_what_the_user_told_the_camera_stands(tuner):
    source = zcore.Capture("/dev/video0", format="YUYV", colorimetry="bt709")
    chain = zcore.Chain(source, zcore.CapsFilter("video/x-raw,colorimetry=bt2020"), zcore.ArraySink())
    with chain, pytest.raises(NegotiationError, match="asks for colorimetry=bt2020"):
        chain.plan()


@pytest.mark.parametrize(("mode", "field"), [("progressive", 1), ("interleaved", 4), ("{interleaved,progressive}", 4)])
def test_camera_is_asked_for_an_interlacing(tuner, mode, field):
    caps = camera(f"format=YUY2,interlace-mode={mode}")
    assert caps.field == field == tuner.order


def test_interlacing_that_the_camera_has_not(tuner):
    tuner.fields = [1]
    with pytest.raises(NegotiationError, match="'interlaced' and answered with 'progressive'"):
        camera("format=YUY2,interlace-mode=interleaved")


def test_interlacing_without_a_word_in_v4l2(tuner):
    with pytest.raises(
        NegotiationError, match="interlace-mode=mixed, in gives frames with the field order 'progressive'"
    ):
        camera("format=YUY2,interlace-mode=mixed")


@pytest.mark.parametrize(
    ("field", "says"),
    [
        ("colorimetry=5", "a colorimetry is a text"),
        ("interlace-mode=interlaced", "no interlace-mode 'interlaced'; there are progressive, interleaved"),
    ],
)
def test_fields_that_are_none(tuner, field, says):
    with pytest.raises(LaunchError, match=says):
        camera(field)


def test_colours_that_nobody_has(tuner):
    with pytest.raises(NegotiationError, match="did you mean 'bt709'"):
        camera("colorimetry=bt709x")


def test_software_gives_what_it_has():
    text = "videotestsrc name=in ! video/x-raw,format=NV12,width=320,height=240,colorimetry={} ! fakesink"
    assert str(plan(text.format("{bt709,bt601}")).colorimetry) == "bt601"
    with pytest.raises(NegotiationError, match="asks for colorimetry=bt2020, in gives bt601"):
        plan(text.format("bt2020"))


def test_program_tells_the_colours_of_its_frames():
    source = zcore.AppSource("video/x-raw,format=NV12,width=64,height=48,colorimetry=bt2020,interlace-mode=interleaved")
    sink = zcore.AppSink()
    with zcore.Chain(source, sink) as chain:
        chain.start(frames=1)
        source.push(bytes(64 * 48 * 3 // 2))
        frame = sink.pull()
        assert str(frame.colorimetry) == "bt2020"
        del frame
        chain.wait()


def test_program_wants_colours():
    chain = zcore.Chain(
        zcore.AppSource("video/x-raw,format=NV12,width=64,height=48,colorimetry=bt2020"),
        zcore.AppSink("video/x-raw,format=NV12,colorimetry=bt709"),
    )
    with (
        chain,
        pytest.raises(NegotiationError, match=r"appsink.* asks for colorimetry=bt709, appsource.* gives bt2020"),
    ):
        chain.plan()
