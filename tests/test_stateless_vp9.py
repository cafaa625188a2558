"""What VP9 asks of stateless decoding, against a fake device: pictures that are shown later, controls that lack."""

from dataclasses import replace

import pytest
from test_stateless_parsed import Late, parts

import zcore
from codec_rig import SIZE, CodedSource, Kept
from fakekernel.requests import FWHT_PARAMS, FakeStatelessDecoder
from zcore.bitstream.picture import Picture
from zcore.bitstream.vp9 import CID_VP9_COMPRESSED_HDR, CID_VP9_FRAME, Vp9Parser
from zcore.pipeline import codecs
from zcore.stages import stateless_codecs


class Hidden(Late):
    """Shows the first picture of each three behind the other two, as ``show_existing_frame`` does."""

    extra = ()

    def feed(self, data):
        ((number, payload, controls, _, _, size, *_),) = super().feed(data)
        first = number - (number - 1) % 3
        hidden = number == first
        picture = Picture(
            number, payload, [*controls, *self.extra], [] if hidden else [number], sorted({first, number}), size
        )
        later = Picture(0, due=[first], keep=[first, number], shown_now=True)
        return [picture] if number % 3 else [picture, later]

    def flush(self):
        return []


def play(monkeypatch, payloads, **options):
    codec = replace(stateless_codecs.CODECS["FWHT"], **{"parser": Hidden, "references": 2, **options})
    monkeypatch.setitem(stateless_codecs.CODECS, "FWHT", codec)
    kept = Kept()
    stage = zcore.StatelessDecode("/dev/video2", format="NV12", media="/dev/media0")
    with zcore.Chain(CodedSource(payloads), stage, kept.stage) as chain:
        chain.run(require_zero_copy=True)
    return kept


@pytest.fixture
def decoder(fake_kernel):
    return FakeStatelessDecoder(fake_kernel)


@pytest.mark.proves("dev-stateless-decoder:decoding", "dev-stateless-decoder:references")
def test_pictures_that_are_shown_later_have_the_time_of_what_shows_them(decoder, monkeypatch):
    pictures, payloads = parts(SIZE, count=6)
    plain = play(monkeypatch, payloads, parser=Late)
    kept = play(monkeypatch, payloads)
    assert kept.payloads == [pictures[n] for n in (1, 2, 0, 4, 5, 3)]
    assert plain.times == sorted(set(plain.times))
    assert kept.times == [plain.times[n] for n in (1, 2, 2, 4, 5, 5)]


def test_controls_that_a_device_does_not_have_are_left_out(decoder, fake_kernel, monkeypatch):
    pictures, payloads = parts(SIZE)
    monkeypatch.setattr(Hidden, "extra", [(FWHT_PARAMS + 1, b"more")])
    with pytest.raises(zcore.DeviceError, match="refuses the headers"):
        play(monkeypatch, payloads)
    assert play(monkeypatch, payloads, optional=(FWHT_PARAMS, FWHT_PARAMS + 1)).payloads == [
        pictures[n] for n in (1, 2, 0)
    ]


def test_codec_and_element():
    codec = stateless_codecs.CODECS["VP9"]
    assert (codec.stateless, codec.parser, codec.references) == ("VP9_FRAME", Vp9Parser, 8)
    assert (codec.header, codec.optional) == ((CID_VP9_FRAME,), (CID_VP9_COMPRESSED_HDR,))
    element = codecs.on_any_device("v4l2slvp9dec")
    assert element.stage == "zcore.stages.stateless:StatelessDecode"
    assert "VP9" in element.description
