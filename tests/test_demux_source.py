"""Coded frames out of containers: as they were put in, and as decoders of V4L2 take them."""

import numpy as np
import pytest

av = pytest.importorskip("av")

import zcore  # noqa: E402
from mux_rig import SIZE, Seen, encoded, packets_of, units  # noqa: E402
from zcore.errors import ChainError, NegotiationError  # noqa: E402

FAST = {"preset": "ultrafast"}


def read(place, **options):
    seen = Seen()
    report = zcore.Chain(zcore.DemuxSource(place, **options), seen.stage, zcore.FakeSink()).run()
    return seen, report


@pytest.mark.parametrize("ending", ["mp4", "mkv", "ts"])
def test_remuxing_changes_no_byte(tmp_path, ending):
    first, second, third = (str(tmp_path / f"{name}.{ending}") for name in "abc")
    encoded(first, "H264", b_frames=2, gop_size=5, options={"b_strategy": 0, **FAST})
    for one, other in ((first, second), (second, third)):
        zcore.Chain(zcore.DemuxSource(one), zcore.MuxSink(other)).run()
    if ending != "ts":  # there each file adds delimiters to the first
        assert packets_of(first) == packets_of(second)
    assert packets_of(second) == packets_of(third)


@pytest.mark.parametrize("codec", ["H264", "HEVC"])
@pytest.mark.parametrize("ending", ["mp4", "mkv"])
def test_streams_have_start_codes_and_headers(tmp_path, codec, ending):
    """Files keep units by their length and headers apart; this is a stream that begins by itself."""
    place = str(tmp_path / f"a.{ending}")
    written, _ = encoded(place, codec, gop_size=4, options=FAST)
    seen, _ = read(place)
    assert all(payload.startswith(b"\0\0\0\1") for payload in seen.payloads)
    assert [units(one, codec) for one in seen.payloads] == [units(one, codec) for one in written.payloads]
    decoder = av.CodecContext.create(codec.lower(), "r")  # nobody tells it headers
    found = [picture for payload in seen.payloads for picture in decoder.decode(av.Packet(payload))]
    assert len(found) + len(decoder.decode(None)) == 12


def test_files_of_other_programs_get_their_headers(tmp_path):
    """What FFmpeg's own program writes has headers in the file's header only."""
    place = tmp_path / "a.mp4"
    for codec in ("libx264", "mpeg4"):
        with av.open(str(place), "w") as file:
            stream = file.add_stream(codec, rate=25)
            stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
            stream.gop_size = 4
            for number in range(12):
                picture = av.VideoFrame.from_ndarray(np.full((72, 64), 10 * number, np.uint8), "yuv420p")
                picture.pts = number
                file.mux(stream.encode(picture))
            file.mux(stream.encode(None))
        luma = []
        look = zcore.Callback(lambda frame, luma=luma: luma.append(int(frame.planes()[0][20, 20])))
        zcore.Chain(zcore.DemuxSource(str(place)), zcore.SoftwareDecode(), look).run()
        assert np.abs(np.array(luma) - 10 * np.arange(12)).max() <= 6
        seen, _ = read(str(place))
        key = [payload for payload, key in zip(seen.payloads, seen.keys, strict=True) if key]
        assert len(key) >= 3
        assert all((b"\0\0\1\x67" if codec == "libx264" else b"\0\0\1\x20") in payload for payload in key)


def test_planner_learns_what_the_file_has(tmp_path):
    place = str(tmp_path / "a.mkv")
    encoded(place, "MPEG4", frames=25)
    with zcore.Chain(zcore.DemuxSource(place), zcore.SoftwareDecode(), zcore.FakeSink()) as chain:
        plan = chain.plan()
        assert str(plan[0].caps) == "video/mpeg,width=64,height=48,framerate=25/1"
        assert "format=I420" in str(plan[1].caps)
        assert chain.stages[0].duration == pytest.approx(1.0)
    assert chain.stages[0].duration is None


def test_seeking_goes_to_the_key_frame_before(tmp_path):
    place = str(tmp_path / "a.mkv")
    written, _ = encoded(place, "MPEG4", frames=50, gop_size=10)
    seen, _ = read(place, start=0.9)
    assert seen.payloads == written.payloads[20:]
    assert seen.times[0] == 800_000_000
    assert seen.keys[0]
    source, again = zcore.DemuxSource(place), Seen()
    with zcore.Chain(source, again.stage, zcore.FakeSink()) as chain:
        chain.run(frames=3)
        source.seek(1.6)
        chain.run()
        source.seek(0)
        chain.run(frames=2)
    assert again.payloads == written.payloads[:3] + written.payloads[40:] + written.payloads[:2]
    with pytest.raises(ChainError, match="is not open"):
        source.seek(0)


def test_raw_stream_is_cut_into_frames(tmp_path):
    written, _ = encoded(str(tmp_path / "a.mkv"), "H264", b_frames=0, gop_size=5, options=FAST)
    raw = tmp_path / "a.h264"
    raw.write_bytes(b"".join(written.payloads))
    seen, _ = read(str(raw))
    assert [units(one) for one in seen.payloads] == [units(one) for one in written.payloads]
    assert seen.keys == written.keys
    place = tmp_path / "b.mp4"
    zcore.Chain(zcore.DemuxSource(str(raw), "h264"), zcore.MuxSink(str(place))).run()
    assert [one[0] for one in packets_of(place)] == [40 * number for number in range(12)]


def test_num_buffers_and_frames(tmp_path):
    place = str(tmp_path / "a.mkv")
    written, _ = encoded(place, "MPEG4")
    assert read(place, num_buffers=4)[0].payloads == written.payloads[:4]
    seen, _ = read(place, do_timestamp=True)
    assert seen.times == sorted(set(seen.times))
    assert seen.times[0] > 10**9


def test_file_object_is_read(tmp_path):
    place = tmp_path / "a.mkv"
    written, _ = encoded(str(place), "MPEG4")
    with place.open("rb") as file:
        assert read(file)[0].payloads == written.payloads


def test_what_cannot_be_read(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.mp4"):
        zcore.DemuxSource(str(tmp_path / "none.mp4")).open()
    rubbish = tmp_path / "rubbish.mp4"
    rubbish.write_bytes(bytes(range(256)) * 20)
    with pytest.raises(ChainError, match=r"rubbish\.mp4.*Invalid data"):
        zcore.DemuxSource(str(rubbish)).open()
    place = str(tmp_path / "a.mkv")
    encoded(place, "MPEG4")
    with pytest.raises(ChainError, match="no video stream 3; it has video mpeg4"):
        zcore.DemuxSource(place, stream=3).open()
    with pytest.raises(ValueError, match="number for each frame"):
        zcore.DemuxSource("a%03d.mp4")
    with pytest.raises(ValueError, match="0 or more"):
        zcore.DemuxSource("a.mp4", start=-1)


def test_codec_without_a_name_in_v4l2(tmp_path):
    place = tmp_path / "a.avi"
    with av.open(str(place), "w") as file:
        stream = file.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        file.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((72, 64), np.uint8), "yuv420p")))
        file.mux(stream.encode(None))
    with pytest.raises(NegotiationError, match="has ffv1, which V4L2 has no name for"):
        zcore.DemuxSource(str(place)).open()


def test_file_that_ends_too_early(tmp_path):
    place = tmp_path / "a.ts"
    encoded(str(place), "MPEG4", frames=50)
    place.write_bytes(place.read_bytes()[:-2000])
    assert 20 < read(str(place))[1].frames < 50


def test_another_decoder_than_that_of_the_file(tmp_path):
    place = str(tmp_path / "a.mkv")
    encoded(place, "MPEG4")
    with pytest.raises(NegotiationError, match=r"gives MPEG4.*takes H264"):
        zcore.Chain(zcore.DemuxSource(place), zcore.SoftwareDecode("H264"), zcore.FakeSink()).run()
