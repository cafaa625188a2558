"""Stateless decoding with a parser in Python, against a fake device: pictures that are shown late, and headers."""

from dataclasses import replace

import pytest

import zcore
from codec_rig import SIZE, CodedSource, Kept, picture
from fakekernel.requests import FWHT_PARAMS, HEADER, I_FRAME, PARAMS, FakeStatelessDecoder, coded_frame
from zcore.bitstream.picture import NS_PER_PICTURE, Parser, Picture
from zcore.stages import stateless_codecs

SMALL, LARGE = (32, 16), (96, 32)


class Late(Parser):
    """Shows each picture when the next one is decoded, or at the end."""

    references = 2

    def __init__(self, last_number=0):
        super().__init__(last_number)
        self.waiting = []

    def feed(self, data):
        _, version, width, height, flags, *colours, length = HEADER.unpack(data[: HEADER.size])
        before = 0 if flags & I_FRAME else self.last_number * NS_PER_PICTURE
        number = self.next_number()
        params = PARAMS.pack(before, version, width, height, flags, *colours)
        due, self.waiting = self.waiting, [number]
        assert len(data) == HEADER.size + length
        return [Picture(number, data[HEADER.size :], [(FWHT_PARAMS, params)], due, [number], (width, height))]

    def flush(self):
        return [Picture(0, due=self.waiting)]


class Early(Late):
    """Shows each picture when the next one is decoded, and at that one's time, as VP9 and AV1 have it."""

    def feed(self, data):
        (coded,) = super().feed(data)
        shows = [Picture(0, due=coded.due, keep=coded.keep, shown_now=True)] if coded.due else []
        return [coded._replace(due=(), keep=[*coded.due, *coded.keep]), *shows]


@pytest.fixture
def decoder(fake_kernel):
    return FakeStatelessDecoder(fake_kernel)


def parts(*sizes, count=3):
    """Pictures and coded frames: `count` of each size, the first of them a key frame."""
    pictures, payloads = [], []
    for part, (width, height) in enumerate(sizes):
        own = [picture(part * count + n, width * height * 3 // 2) for n in range(count)]
        pictures += own
        payloads += [coded_frame(one, (width, height), own[n - 1] if n else None) for n, one in enumerate(own)]
    return pictures, payloads


def play(monkeypatch, payloads, header=(), parser=Late):
    codec = replace(stateless_codecs.CODECS["FWHT"], parser=parser, references=parser.references, header=header)
    monkeypatch.setitem(stateless_codecs.CODECS, "FWHT", codec)
    kept = Kept()
    stage = zcore.StatelessDecode("/dev/video2", format="NV12", media="/dev/media0")
    with zcore.Chain(CodedSource(payloads), stage, kept.stage) as chain:
        report = chain.run(require_zero_copy=True)
    return kept, report


@pytest.mark.proves("dev-stateless-decoder:resolution-change", "dev-stateless-decoder:drain")
def test_pictures_that_wait_come_before_a_change(decoder, monkeypatch):
    pictures, payloads = parts(SIZE, SMALL, LARGE, SIZE)
    kept, report = play(monkeypatch, payloads)
    assert kept.payloads == pictures
    assert kept.sizes == [size for size in (SIZE, SMALL, LARGE, SIZE) for _ in range(3)]
    assert len(report.replanned) == 3
    assert report.frames == 12


def test_pictures_have_the_time_of_what_shows_them(decoder, monkeypatch):
    pictures, payloads = parts(SIZE, count=5)
    kept, _ = play(monkeypatch, payloads)
    assert kept.payloads == pictures
    assert kept.times == [5_000_000 * n for n in (1, 2, 3, 4, 5)]
    kept, _ = play(monkeypatch, payloads, parser=Early)
    assert kept.payloads == pictures
    assert kept.times == [5_000_000 * n for n in (2, 3, 4, 5, 5)]  # the last one at the end, with its own


@pytest.mark.proves("dev-stateless-decoder:initialization")
def test_header_is_set_before_there_are_buffers(decoder, fake_kernel, monkeypatch):
    """The device refuses a header that its pictures' format depends on while it has buffers: they are made anew."""
    pictures, payloads = parts(SIZE, SMALL)
    kept, report = play(monkeypatch, payloads, header=(FWHT_PARAMS,))
    assert kept.payloads == pictures
    assert [PARAMS.unpack(header)[2:4] for header in dict.fromkeys(decoder.headers)] == [SIZE, SMALL]
    assert [text.split()[-2] for text in report.replanned] == ["x".join(map(str, size)) for size in (SIZE, SMALL)]


def test_controls_that_the_device_has_not_got_are_left_out(decoder, monkeypatch):
    """A request with a control that the driver does not know would be refused as a whole."""

    class More(Late):
        def feed(self, data):
            return [one._replace(controls=[*one.controls, (0xA40AFF, b"1234")]) for one in super().feed(data)]

    optional = (FWHT_PARAMS, 0xA40AFF)
    codec = replace(stateless_codecs.CODECS["FWHT"], parser=More, references=Late.references, optional=optional)
    monkeypatch.setitem(stateless_codecs.CODECS, "FWHT", codec)
    pictures, payloads = parts(SIZE)
    kept = Kept()
    stage = zcore.StatelessDecode("/dev/video2", format="NV12", media="/dev/media0")
    zcore.Chain(CodedSource(payloads), stage, kept.stage).run()
    assert kept.payloads == pictures


def test_pictures_have_the_time_of_the_data_that_they_began_with(decoder, monkeypatch):
    """Where a picture ends is seen some pieces later, or at the end of the stream."""

    class Behind(Late):
        def __init__(self, last_number=0):
            super().__init__(last_number)
            self.pieces, self.complete = 0, []

        def feed(self, data):
            self.pieces += 1
            (found,) = super().feed(data)
            self.complete.append(found._replace(due=[found.number], piece=self.pieces))
            return [self.complete.pop(0)] if len(self.complete) > 2 else []

        def flush(self):
            return self.complete

    codec = replace(stateless_codecs.CODECS["FWHT"], parser=Behind, references=Behind.references)
    monkeypatch.setitem(stateless_codecs.CODECS, "FWHT", codec)
    pictures, payloads = parts(SIZE, count=70)
    kept = Kept()
    stage = zcore.StatelessDecode("/dev/video2", format="NV12", media="/dev/media0")
    zcore.Chain(CodedSource(payloads), stage, kept.stage).run()
    assert kept.payloads == pictures
    assert kept.times == [5_000_000 * n for n in range(1, 71)]


def test_header_that_is_refused_for_good_fails_with_its_picture(decoder, fake_kernel, monkeypatch):
    fake_kernel.fail("VIDIOC_S_EXT_CTRLS", 22, times=2)
    with pytest.raises(zcore.DeviceError, match="refuses the headers"):
        play(monkeypatch, parts(SIZE)[1], header=(FWHT_PARAMS,))


@pytest.mark.parametrize("call", ["VIDIOC_S_FMT", "VIDIOC_QUERYBUF", "VIDIOC_STREAMON", "VIDIOC_EXPBUF",
                                  "VIDIOC_REQBUFS"])  # fmt: skip
def test_every_call_of_a_change_may_fail(fake_kernel, monkeypatch, call):
    made, after = 0, 0
    while True:
        device = FakeStatelessDecoder(fake_kernel, f"/dev/video{after + 10}", f"/dev/media{after + 10}")
        monkeypatch.setattr(zcore.StatelessDecode, "find", lambda stage, path=device.path: path)
        codec = replace(stateless_codecs.CODECS["FWHT"], parser=Late, references=Late.references)
        monkeypatch.setitem(stateless_codecs.CODECS, "FWHT", codec)
        stage = zcore.StatelessDecode(format="NV12", media=f"/dev/media{after + 10}")
        pictures, payloads = parts(SIZE, SMALL)
        kept = Kept()
        before = fake_kernel.count(call)
        fake_kernel.fail(call, 5, after=after)
        why = ""
        try:
            zcore.Chain(CodedSource(payloads), stage, kept.stage).run()
        except (zcore.DeviceError, zcore.NegotiationError) as error:
            why = str(error)
        assert "EIO" in why or not why
        made = 0 if why else fake_kernel.count(call) - before
        fake_kernel.rules.clear()
        assert not stage.is_open
        assert kept.payloads == pictures[: len(kept.payloads)]
        after += 1
        if made and after >= made:
            return
