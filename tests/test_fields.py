"""Field orders and colours that are asked for, what is granted, and what is refused with its reason."""

import pytest

import zcore
from fakekernel import FakeM2m
from fakekernel.v4l2_state import FakeTransmitter, FakeTuner
from zcore.colorimetry import parse
from zcore.errors import NegotiationError
from zcore.stages.fields import FIELDS, as_field, field_word
from zcore.stages.output import Output
from zcore.stages.selection import Margins


@pytest.fixture
def tuner(fake_kernel):
    return FakeTuner(fake_kernel)


@pytest.mark.proves("VIDIOC_S_FMT")
@pytest.mark.parametrize(("word", "field"), [("interlaced", 4), ("progressive", 1), ("alternate", 7), (4, 4)])
def test_field_order_is_asked_for(tuner, word, field):
    with zcore.Capture("/dev/video0", field=word) as camera:
        assert camera.configure().field == field == tuner.order


@pytest.mark.proves("field-order:interlaced")
def test_field_order_that_is_not_granted(tuner):
    with (
        zcore.Capture("/dev/video0", field="seq-tb") as camera,
        pytest.raises(NegotiationError, match="'seq-tb' and answered with 'progressive'"),
    ):
        camera.configure()


@pytest.mark.parametrize(
    ("wrong", "error", "says"),
    [("interlaced-bt2", ValueError, "did you mean 'interlaced-bt'"), (10, ValueError, "0 to 9"),
     (1.5, TypeError, "word"), (True, TypeError, "word")],
)  # fmt: skip
def test_what_is_no_field_order(wrong, error, says):
    with pytest.raises(error, match=says):
        as_field(wrong)


def test_words_of_fields():
    assert as_field("V4L2_FIELD_SEQ_TB") == FIELDS["seq-tb"]
    assert field_word(7) == "alternate"
    assert field_word(1) == "progressive"
    assert field_word(77) == "77"
    assert as_field(None) == 0


@pytest.mark.parametrize(
    ("order", "says"),
    [("alternate", "picture would jump"), ("seq-tb", "top field above"), ("seq-bt", "bottom field above")],
)
def test_devices_are_not_given_halves(tuner, fake_kernel, order, says):
    tuner.fields = [as_field(order)]
    FakeM2m(fake_kernel)
    chain = zcore.Chain(zcore.Capture("/dev/video0", field=order), zcore.Convert("/dev/video1"), zcore.ArraySink())
    with chain, pytest.raises(NegotiationError, match=says):
        chain.plan()


def test_two_fields_of_one_number_are_no_gap(tuner):
    tuner.fields = [7]
    with zcore.Capture("/dev/video0", field="alternate") as camera:
        camera.configure()
        camera.output.queue.start()
        for sequence, field in ((5, 2), (5, 3), (6, 2), (6, 3)):
            tuner.fill(sequence=sequence, field=field)
        seen = [(frame.sequence, frame.field, frame.dropped) for frame in camera.frames(4)]
    assert seen == [(5, 2, 0), (5, 3, 0), (6, 2, 0), (6, 3, 0)]


@pytest.mark.proves("VIDIOC_S_FMT", "T86")
@pytest.mark.parametrize("multiplanar", [False, True])
def test_colours_are_asked_for(fake_kernel, multiplanar):
    tuner = FakeTuner(fake_kernel, multiplanar=multiplanar)
    tuner.auto = 1
    with zcore.Capture("/dev/video0", colorimetry="bt2020") as camera:
        assert camera.colorimetry is None
        assert str(camera.configure().colorimetry) == str(camera.colorimetry) == "bt2020"
        frame = next(camera.frames(1))
        assert str(frame.colorimetry) == "bt2020"
        del frame


def test_colours_that_the_driver_keeps(tuner):
    tuner.csc = False
    with zcore.Capture("/dev/video0", colorimetry="bt2020") as camera:
        assert str(camera.configure().colorimetry) == "bt709"  # granted wins, and is told


@pytest.mark.proves("VIDIOC_S_FMT")
def test_output_is_told_the_colours_and_the_field(fake_kernel):
    sender = FakeTransmitter(fake_kernel)
    sender.auto = True
    tuner = FakeTuner(fake_kernel)
    tuner.auto = -1
    tuner.colours = [10, 6, 2, 1]
    zcore.Chain(zcore.Capture("/dev/video0", field="interlaced"), Output("/dev/video2")).run(frames=2)
    assert sender.told == (*parse("bt2020")[:4], 4)


def test_old_drivers_have_no_colours_behind_the_colorspace(tuner):
    describe = tuner.describe

    def old(fmt, *rest):
        describe(fmt, *rest)
        fmt.fmt.pix.priv = 0
        fmt.fmt.pix.ycbcr_enc = 99

    tuner.describe = old
    with zcore.Capture("/dev/video0") as camera:
        assert camera.configure().ycbcr_enc == 0
        assert str(camera.caps.colorimetry) == "bt709"


def test_properties_of_the_elements(tuner, fake_kernel):
    chain = zcore.launch("v4l2src name=in crop-left=8 crop-bottom=16 norm=PAL ! fakesink")
    assert chain["in"].wishes.crop == Margins(8, 0, 0, 16)
    assert chain["in"].wishes.standard == "PAL"
    chain = zcore.launch("videotestsrc ! v4l2sink name=out crop-left=4 crop-width=32")
    assert chain["out"].wishes.compose == (4, None, 32, None)
    chain = zcore.launch("v4l2src name=in ! fakesink")
    assert chain["in"].wishes.crop is chain["in"].wishes.standard is None
