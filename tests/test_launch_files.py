"""Elements for containers, the network and codecs in software, in pipeline strings."""

import pytest

pytest.importorskip("av")

import zcore
from mux_rig import decoded, packets_of
from zcore import LaunchError, launch
from zcore.pipeline import Registry, codec_elements, mux_elements
from zcore.stages.flow import Passthrough

SMALL = "videotestsrc num-buffers=6 ! video/x-raw,format=I420,width=64,height=48,framerate=25/1"


@pytest.mark.parametrize(
    ("encoder", "decoder"),
    [
        ("x264enc speed-preset=ultrafast bframes=2", "avdec_h264"),
        ("x264enc pass=qual quantizer=18 tune=zerolatency key-int-max=3", "avdec_h264"),
        ("x265enc speed-preset=ultrafast bitrate=300", "avdec_h265"),
        ("vp8enc deadline=1 cpu-used=8", "vp8dec"),
        ("vp9enc deadline=1 cpu-used=8 target-bitrate=100000", "vp9dec"),
        ("svtav1enc preset=12", "dav1ddec"),
        ("avenc_mpeg4 bitrate=300000 max-bframes=1", "avdec_mpeg4 max-threads=1"),
        ("avenc_mpeg2video gop-size=3", "avdec_mpeg2video output-corrupt=false"),
        ("jpegenc quality=60", "jpegdec"),
    ],
)
def test_codecs(encoder, decoder):
    chain = launch(f"{SMALL} ! {encoder} ! {decoder} ! video/x-raw,format=NV12 ! appsink name=out sync=false")
    with chain:
        chain.start()
        sequences = [frame.sequence for frame in chain["out"]]
        assert chain.wait().frames == 6
    assert len(sequences) == 6


@pytest.mark.parametrize(
    ("encoder", "muxer", "demuxer", "ending"),
    [
        ("x264enc ! h264parse", "mp4mux", "qtdemux", "mp4"),
        ("x264enc bframes=0", "mp4mux fragment-duration=80", "qtdemux ! h264parse", "mp4"),
        ("avenc_mpeg4 ! mpeg4videoparse", "qtmux faststart=true", "qtdemux", "mov"),
        ("vp8enc cpu-used=8", "webmmux", "matroskademux", "webm"),
        ("jpegenc ! jpegparse", "matroskamux streamable=true", "matroskademux", "mkv"),
        ("x265enc speed-preset=ultrafast ! h265parse", "mpegtsmux", "tsdemux", "ts"),
    ],
)
def test_files(tmp_path, encoder, muxer, demuxer, ending):
    place = tmp_path / f"a.{ending}"
    report = launch(f"{SMALL} ! {encoder} ! {muxer} ! filesink location={place}").run()
    assert report.frames == 6
    assert report.stages[-1].facts["packets"] == 6
    assert len(packets_of(place)) == len(decoded(place)) == 6
    again = launch(f"filesrc location={place} ! {demuxer} ! matroskamux ! filesink location={tmp_path / 'b.mkv'}")
    assert again.run().frames == 6
    if "fragment" in muxer:
        assert place.read_bytes().count(b"moof") >= 2


def test_branches_record_and_look(tmp_path):
    text = f"""{SMALL} ! tee name=t
        t. ! queue ! avenc_mpeg4 ! mux.video_0 matroskamux name=mux ! filesink location={tmp_path / "a.mkv"}
        t. ! queue ! jpegenc ! matroskamux ! filesink location={tmp_path / "b.mkv"}"""
    launch(text).run()
    assert len(packets_of(tmp_path / "a.mkv")) == len(packets_of(tmp_path / "b.mkv")) == 6


@pytest.mark.parametrize(("encoder", "parser"), [("x264enc", "h264parse"), ("svtav1enc", "av1parse")])
def test_raw_stream_is_parsed(tmp_path, encoder, parser):
    raw = tmp_path / "a.raw"
    launch(f"{SMALL} ! {encoder} ! filesink location={raw}").run()
    place = tmp_path / "a.mp4"
    chain = launch(f"filesrc location={raw} num-buffers=5 ! {parser} name=cut ! mp4mux ! filesink location={place}")
    assert isinstance(chain["cut"], zcore.DemuxSource)
    assert chain.run().frames == 5
    assert [one[0] for one in packets_of(place)] == [0, 40, 80, 120, 160]


def test_names_and_values_reach_the_stage():
    chain = launch(
        f"{SMALL} ! x264enc name=e bitrate=100 key-int-max=7 threads=1 option-string=ref=2 tune=fastdecode"
        " ! rtph264pay pt=97 mtu=1200 ! udpsink name=out host=10.1.2.3 port=7000 ttl=2 sync=false"
    )
    encoder, sink = chain["e"], chain["out"]
    assert (encoder.bitrate, encoder.gop_size, encoder.b_frames, encoder.n_threads) == (100_000, 7, 0, 1)
    assert encoder.options == {"preset": "medium", "tune": "fastdecode", "x264-params": "ref=2"}
    assert sink.device == "rtp://10.1.2.3:7000?ttl=2&pkt_size=1200"
    assert sink.container_options == {"payload_type": "97"}
    assert not sink.sync
    live = launch(f"{SMALL} ! x264enc ! rtspclientsink location=rtsp://10.1.2.3/live protocols=udp")
    assert live.stages[-1].container_options == {"rtsp_transport": "udp"}
    sent = launch(f"{SMALL} ! x264enc ! mpegtsmux ! udpsink port=1234").stages[-1]
    assert (sent.device, sent.container, sent.sync) == ("udp://localhost:1234?ttl=64&pkt_size=1316", "mpegts", True)
    srt = launch(f"{SMALL} ! x264enc ! mpegtsmux ! srtsink uri=srt://10.1.2.3:9 latency=50 passphrase=0123456789")
    assert srt.stages[-1].container_options == {"latency": "50000", "passphrase": "0123456789"}
    tcp = launch(f"{SMALL} ! vp8enc ! matroskamux ! tcpclientsink host=10.1.2.3").stages[-1]
    assert (tcp.device, tcp.container) == ("tcp://10.1.2.3:4953", "matroska")


def test_parser_behind_an_encoder_does_nothing():
    stage = launch(f"{SMALL} ! x264enc ! h264parse name=p config-interval=-1 ! fakesink")["p"]
    assert isinstance(stage, Passthrough)
    assert stage.function is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x264enc ! mp4mux ! fakesink", "behind mp4mux stands filesink, with which it is one stage"),
        ("x264enc ! mp4mux ! udpsink", "behind mp4mux stands filesink"),
        ("x264enc ! udpsink", "before udpsink stands mpegtsmux or rtph264pay"),
        ("x264enc ! rtph264pay ! filesink location=a", "behind rtph264pay stands udpsink"),
        ("x264enc ! srtsink", "before srtsink stands mpegtsmux"),
        ("x264enc ! qtdemux ! fakesink", "before qtdemux stands filesrc"),
        ("x264enc ! mp4mux ! video/quicktime ! filesink location=a.mp4", "no caps filter can stand between"),
        ("x264enc ! mp4mux ! filesink location=a.mp4 append=true", "append cannot be had"),
        ("x264enc ! mp4mux", "nothing follows mp4mux"),
        ("x264enc bitrat=1 ! fakesink", "did you mean 'bitrate'"),
        ("x264enc speed-preset=fastest ! fakesink", "it takes one of ultrafast (1)"),
        ("x264enc ! rtspclientsink", "rtspclientsink needs location=..."),
        ("x264enc ! mp4mux ! filesink location=a%d.mp4", "number for each frame"),
        ("openh264enc ! fakesink", "x264enc on the CPU"),
    ],
)
def test_mistakes(text, message):
    with pytest.raises(LaunchError) as mistake:
        launch(f"{SMALL} ! {text}")
    assert message in str(mistake.value)


def test_encoder_that_does_not_fit_its_muxer(tmp_path):
    with pytest.raises(zcore.NegotiationError, match="mp4 has no place for VP8"):
        launch(f"{SMALL} ! vp8enc ! mp4mux ! filesink location={tmp_path / 'a.mp4'}").run()


@pytest.mark.parametrize("factory", [*codec_elements.FACTORIES, *mux_elements.FACTORIES], ids=lambda one: one.name)
def test_elements_are_declared_well(factory):
    assert Registry().find(factory.name) is factory
    assert issubclass(factory.stage_class(), zcore.stages.base.Stage)
    if factory in codec_elements.FACTORIES:
        factory.make("one", {name: one.default for name, one in factory.properties.items() if one.passed})
