"""Encoding and decoding in software: pictures, times, flags, and what is said of mistakes."""

import sys

import numpy as np
import pytest

av = pytest.importorskip("av")

import zcore  # noqa: E402
from mux_rig import SIZE, Seen, coded_source, pictures, psnr  # noqa: E402
from zcore.errors import ChainError, NegotiationError  # noqa: E402
from zcore.formats import find  # noqa: E402
from zcore.stages import ffmpeg  # noqa: E402
from zcore.stages.software_codec import whole_picture  # noqa: E402

CODECS = ["H264", "HEVC", "VP8", "VP9", "AV1", "MPEG1", "MPEG2", "MPEG4", "MJPEG"]
BEST = {"H264": {"crf": 5, "preset": "ultrafast"}, "HEVC": {"crf": 5, "preset": "ultrafast"},
        "VP8": {"crf": 4, "b": 2_000_000, "cpu-used": 8}, "VP9": {"crf": 5, "b": 0, "cpu-used": 8},
        "AV1": {"crf": 10, "preset": 12}}  # fmt: skip
NAMES = {"NV12": "nv12", "YUV420": "yuv420p", "RGB": "rgb24", "GREY": "gray"}
N = 12


class Luma:
    """Keeps the first plane of each picture."""

    def __init__(self):
        self.arrays, self.sequences = [], []
        self.stage = zcore.Callback(self.take)

    def take(self, frame):
        self.arrays.append(frame.planes()[0].copy())
        self.sequences.append(frame.sequence)


def through(codec, source=None, frames=N, decode=None, **options):
    """Encode and decode; gives luma before and after, what was coded, and the report."""
    before, coded, after = Luma(), Seen(), Luma()
    tee, keep = zcore.Tee(), zcore.Queue()
    source = source or pictures()
    encoder = zcore.SoftwareEncode(codec, **options)
    decoder = zcore.SoftwareDecode(format="YUV420", **(decode or {}))
    chain = zcore.Chain(links=[(source, tee), (tee, keep), (keep, before.stage), (tee, encoder), (encoder, coded.stage),
                               (coded.stage, decoder), (decoder, after.stage)])  # fmt: skip
    return before, coded, after, chain.run(frames=frames)


@pytest.mark.parametrize("codec", CODECS)
def test_pictures_come_back(codec):
    options = BEST.get(codec, {"qmin": 1, "qmax": 2})
    before, coded, after, report = through(codec, options=options, gop_size=6)
    assert len(after.arrays) == len(before.arrays) == len(coded.payloads) == N
    assert min(map(psnr, before.arrays, after.arrays)) > 33
    assert after.sequences == before.sequences == list(range(N))
    assert coded.keys[0]
    assert sum(coded.keys) >= 2
    assert report.zero_copy


@pytest.mark.parametrize(("codec", "b_frames"), [("H264", 3), ("HEVC", 2), ("MPEG4", 2), ("MPEG2", 2)])
def test_times_survive_b_frames(codec, b_frames):
    fixed = {"H264": {"b_strategy": 0}, "HEVC": {"x265-params": "b-adapt=0:log-level=none"}}.get(codec, {})
    seen, after, source_times = Seen(), Seen(), Seen()
    odd = zcore.Passthrough(shift_times)
    zcore.Chain(
        pictures(), odd, source_times.stage, zcore.SoftwareEncode(codec, b_frames=b_frames, options=fixed), seen.stage,
        zcore.SoftwareDecode(), after.stage, zcore.FakeSink(),
    ).run(frames=N)  # fmt: skip
    assert seen.sequences != sorted(seen.sequences)
    assert [bool(flags & 0x20) for flags in seen.flags] == [
        number < max(seen.sequences[: at + 1]) for at, number in enumerate(seen.sequences)
    ]
    assert dict(zip(seen.sequences, seen.times, strict=True)) == dict(enumerate(source_times.times))
    assert after.sequences == list(range(N))
    assert after.times == source_times.times  # to the nanosecond


def shift_times(frame):
    """Give times that no clock of video has."""
    frame.timestamp_ns = 1_000_000_007 + frame.sequence * 40_000_000 + frame.sequence**2 * 1_003


@pytest.mark.parametrize("fmt", ["NV12", "YUV420"])
@pytest.mark.parametrize("size", [(64, 48), (62, 44), (66, 36)])
def test_encoder_reads_pictures_in_place(fmt, size):
    before, _, after, report = through("H264", pictures(fmt, size), options=BEST["H264"])
    (encoder,) = [stage for stage in report.stages if stage.kind == "software-encode"]
    assert encoder.facts == {"software": "libx264 of FFmpeg"}  # no pictures_copied
    assert after.arrays[-1].shape == size[::-1]
    assert psnr(before.arrays[-1], after.arrays[-1]) > 33


@pytest.mark.parametrize(("name", "step"), [("NV12", 96), ("YUV420", 128), ("GREY", 80), ("RGB", 64 * 3 + 6)])
def test_padded_rows_are_read_in_place(name, step):
    from zcore.stages.cpu_pads import MemoryPad, software_caps

    frame = MemoryPad("frames", "memfd").allocate(software_caps(find(name), SIZE, step), 1, export=True).acquire(0)
    for number, plane in enumerate(frame.planes(write=True)):
        plane[...] = 10 + number
    whole = whole_picture(frame)
    assert whole.strides[0] == step
    assert np.shares_memory(whole, frame.planes()[0])
    picture = av.VideoFrame.from_numpy_buffer(whole, NAMES[name], 64)
    assert [bytes(plane)[0] for plane in picture.planes] == [10 + n for n in range(len(frame.planes()))]
    assert frame.exports
    del picture, whole, plane
    assert not frame.exports


def test_planes_that_lie_apart_are_copied():
    from zcore.stages.cpu_pads import MemoryPad, software_caps

    caps = software_caps(find("YUV420"), (62, 46), separate=True)
    assert len(caps.memory_planes) == 3
    assert whole_picture(MemoryPad("frames", "memfd").allocate(caps, 1, export=True).acquire(0)) is None


@pytest.mark.parametrize("fmt", ["NV12", "YUV420"])
def test_heights_that_the_library_cannot_see_are_copied(fmt):
    before, _, after, report = through("H264", pictures(fmt, (62, 46)), options=BEST["H264"])
    (encoder,) = [stage for stage in report.stages if stage.kind == "software-encode"]
    assert encoder.facts["pictures_copied"] == N
    assert min(map(psnr, before.arrays, after.arrays)) > 33


def test_jpeg_has_the_full_range():
    """Pictures of zcore have the limited one, and those of JPEG files have not."""
    for fmt in ("NV12", "YUV420"):
        _, coded, after, _ = through("MJPEG", pictures(fmt, pattern="white"), frames=1, options={"qmin": 1, "qmax": 1})
        assert abs(int(after.arrays[0][10, 10]) - 235) <= 2
        picture = av.CodecContext.create("mjpeg", "r").decode(av.Packet(coded.payloads[0]))[0]
        assert bytes(picture.planes[0])[0] >= 253


def test_encoder_for_pixels_with_more_colours():
    coded = Seen()
    encoder = zcore.SoftwareEncode("H264", input_format="YUV444", options=BEST["H264"])
    sink = zcore.ArraySink()
    report = zcore.Chain(pictures(None), encoder, coded.stage, zcore.SoftwareDecode(format="YUV444"), sink).run(
        frames=2
    )
    assert "Y444" in report.links[0].caps
    with pytest.raises(NegotiationError, match="takes YUV420, not YUV444"):
        zcore.Chain(pictures(None), zcore.SoftwareEncode("MPEG4", input_format="YUV444"), zcore.FakeSink()).run(
            frames=1
        )


def test_bitrate_and_gop_size_count():
    sizes = []
    for bitrate in (15_000, 2_000_000):
        _, coded, _, _ = through("MPEG4", pictures(size=(160, 128)), frames=50, bitrate=bitrate, gop_size=10)
        sizes.append(sum(map(len, coded.payloads)))
        assert [at for at, key in enumerate(coded.keys) if key] == [0, 10, 20, 30, 40]
    assert sizes[1] > 2 * sizes[0]


def test_decoder_takes_its_codec_from_the_stream_and_converts_for_the_next_stage():
    _, coded, _, _ = through("MPEG4")
    sink = zcore.ArraySink(format="RGB3")
    report = zcore.Chain(coded_source(coded.payloads, "MPEG4"), zcore.SoftwareDecode(), sink).run()
    assert sink.arrays[-1].shape == (48, 64, 3)
    assert report.zero_copy  # of links; what the stage does is its job, and said by itself
    assert report.stages[1].facts["converts"] == "YUV420 to RGB"


def test_damaged_frames_are_counted():
    _, coded, _, _ = through("MPEG4", gop_size=4)
    payloads = [b"\xff" * 40 if number == 6 else one for number, one in enumerate(coded.payloads)]
    report = zcore.Chain(coded_source(payloads, "MPEG4"), zcore.SoftwareDecode(), zcore.FakeSink()).run()
    assert report.frames == N - 1
    assert report.stages[1].drops == {"corrupted": 1}


@pytest.mark.parametrize("corrupted", ["deliver", "drop"])
def test_stream_of_rubbish_is_an_error(corrupted):
    source = coded_source([b"\1\2\3" * 20] * 3, "MPEG4")
    with pytest.raises(ChainError, match=r"mpeg4 found no picture in 3 frames"):
        zcore.Chain(source, zcore.SoftwareDecode(corrupted=corrupted), zcore.FakeSink()).run()


def test_stream_of_another_size_is_an_error():
    _, coded, _, _ = through("MPEG4")
    source = coded_source(coded.payloads, "MPEG4", (32, 24))
    with pytest.raises(ChainError, match=r"pictures of 64x48 where it was said to have 32x24"):
        zcore.Chain(source, zcore.SoftwareDecode(), zcore.FakeSink()).run()


def test_frames_without_payload_are_passed_over():
    _, coded, _, _ = through("MPEG4")
    payloads = [coded.payloads[0], b"", *coded.payloads[1:]]
    assert zcore.Chain(coded_source(payloads, "MPEG4"), zcore.SoftwareDecode(), zcore.FakeSink()).run().frames == N


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: zcore.SoftwareEncode("H264", bitrate=0), ValueError, "bitrate is 1 or more"),
        (lambda: zcore.SoftwareEncode("H264", gop_size=0), ValueError, "gop_size is 1 or more"),
        (lambda: zcore.SoftwareEncode("H264", b_frames=-1), ValueError, "b_frames is 0 or more"),
        (lambda: zcore.SoftwareEncode("H246"), zcore.UnknownFormatError, "did you mean H264"),
        (lambda: zcore.SoftwareEncode("NV12"), zcore.UnknownFormatError, "no codec"),
        (lambda: zcore.SoftwareEncode("FWHT"), NegotiationError, "FFmpeg has no codec FWHT; it has H264"),
        (lambda: zcore.SoftwareEncode("H264", options=5), TypeError, "mapping"),
        (lambda: zcore.SoftwareDecode("H264", corrupted="show"), ValueError, "deliver"),
        (lambda: zcore.SoftwareDecode(n_threads=-1), ValueError, "n_threads"),
    ],
)
def test_wrong_arguments(make, error, words):
    with pytest.raises(error, match=words):
        make()


@pytest.mark.parametrize(
    ("stage", "words"),
    [
        (lambda: zcore.SoftwareEncode("H264", encoder="libx246"), "no encoder libx246; of H264 zcore knows libx264"),
        (lambda: zcore.SoftwareEncode("H264", encoder="mpeg4"), "mpeg4 encodes mpeg4, not H264"),
        (lambda: zcore.SoftwareEncode("H264", options={"prest": 1}), "did you mean preset"),
        (lambda: zcore.SoftwareDecode("H264", decoder="mpeg4"), "mpeg4 decodes mpeg4, not H264"),
        (lambda: zcore.SoftwareDecode("H264", decoder="h246"), "no decoder h246"),
    ],
)
def test_mistakes_are_told_when_it_is_opened(stage, words):
    with pytest.raises(NegotiationError, match=words):
        stage().open()


def test_encoder_that_refuses():
    with pytest.raises(ChainError, match=r"libx264 refuses 64x48 .* at 25 frames per second with .*fastest"):
        through("H264", options={"preset": "fastest"})
    with pytest.raises(ChainError, match=r"mpeg1video refuses .* at 7 frames per second"):
        zcore.Chain(pictures(rate=7), zcore.SoftwareEncode("MPEG1"), zcore.FakeSink()).run(frames=1)


def test_odd_sizes_are_refused_before_the_start():
    with pytest.raises(NegotiationError):
        zcore.Chain(pictures("NV12", (63, 47)), zcore.SoftwareEncode("H264"), zcore.FakeSink()).run(frames=1)


def test_chain_runs_again():
    encoder, sink = zcore.SoftwareEncode("H264", b_frames=2), zcore.ArraySink()
    with zcore.Chain(pictures(), encoder, zcore.SoftwareDecode(format="GREY"), sink) as chain:
        assert chain.run(frames=5).frames == 5
        assert chain.run(frames=7).frames == 7


def test_buffers_come_back():
    encoder = zcore.SoftwareEncode("MPEG4", b_frames=3)
    with zcore.Chain(pictures(), encoder, zcore.FakeSink()) as chain:
        chain.run(frames=40)
        pool = chain.plan()[0].pool
        assert pool.holders() == {}
    encoder.close()
    encoder.close()


def test_without_the_library(monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    for stage in (zcore.SoftwareEncode(), zcore.SoftwareDecode(), zcore.MuxSink("out.mp4"), zcore.DemuxSource("a.mp4")):
        with pytest.raises(NegotiationError, match=r"needs PyAV: pip install '.\[software\]'"):
            stage.open()


def test_with_an_old_library(monkeypatch):
    monkeypatch.setattr(av, "__version__", "12.3.0")
    with pytest.raises(NegotiationError, match=r"needs PyAV 18 or newer, and 12\.3\.0 is installed"):
        ffmpeg.library("muxing")
