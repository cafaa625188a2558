"""Coded frames into containers: every packet as it came, at its time."""

import io
import os
import signal
import subprocess
import sys
import textwrap

import pytest

av = pytest.importorskip("av")

import zcore  # noqa: E402
from mux_rig import SIZE, Seen, coded_source, decoded, encoded, packets_of, pictures, units  # noqa: E402
from zcore.errors import ChainError, NegotiationError  # noqa: E402
from zcore.stages.coded_stream import DecodeTimes  # noqa: E402

CONTAINERS = {
    "H264": ["mp4", "mov", "mkv", "ts", "avi"],
    "HEVC": ["mp4", "mkv", "ts"],
    "VP8": ["mkv", "webm"],
    "VP9": ["mp4", "mkv", "webm"],
    "AV1": ["mp4", "mkv", "webm"],
    "MPEG1": ["mkv", "ts"],
    "MPEG2": ["mp4", "mkv", "ts"],
    "MPEG4": ["mp4", "mkv", "ts", "avi"],
    "MJPEG": ["mp4", "mkv", "avi"],
}
NAMES = {"MPEG1": "mpeg1video", "MPEG2": "mpeg2video", "AV1": "av1"}
FAST = {"H264": {"options": {"preset": "ultrafast"}}, "HEVC": {"options": {"preset": "ultrafast"}},
        "AV1": {"options": {"preset": 12}}, "VP9": {"options": {"cpu-used": 8}}}  # fmt: skip


@pytest.mark.parametrize(
    ("codec", "ending"), [(codec, ending) for codec, endings in CONTAINERS.items() for ending in endings]
)
def test_every_packet_is_in_the_file_as_it_came(tmp_path, codec, ending):
    place = tmp_path / f"out.{ending}"
    seen, report = encoded(str(place), codec, **FAST.get(codec, {}))
    assert report.frames == 12
    found = packets_of(place)
    assert len(found) == len(seen.payloads) == 12
    shown = [one[0] - found[0][0] for one in found]
    if ending != "avi":  # which has no times, only an order
        assert shown == seen.since_first
    assert [one[2] for one in found] == seen.keys
    with av.open(str(place)) as file:
        stream = file.streams.video[0]
        assert stream.codec_context.codec.canonical_name == NAMES.get(codec, codec.lower())
        assert (stream.codec_context.width, stream.codec_context.height) == SIZE
    assert len(decoded(place)) == 12
    if codec in ("VP8", "VP9", "MPEG1", "MPEG2", "MPEG4", "MJPEG"):  # the others are cut in another way within files
        assert [one[3] for one in found] == seen.payloads


@pytest.mark.parametrize("ending", ["mp4", "mkv", "ts", "avi"])
@pytest.mark.parametrize("codec", ["H264", "HEVC"])
def test_units_of_annex_b_are_kept(tmp_path, codec, ending):
    if (codec, ending) == ("HEVC", "avi"):
        with pytest.raises(NegotiationError, match="avi has no place for HEVC"):
            zcore.MuxSink(str(tmp_path / "out.avi")).set_input(caps("HEVC"))
        return
    place = tmp_path / f"out.{ending}"
    seen, _ = encoded(str(place), codec, **FAST[codec])
    again = Seen()
    zcore.Chain(zcore.DemuxSource(str(place)), again.stage, zcore.FakeSink()).run()
    assert [units(one, codec) for one in again.payloads] == [units(one, codec) for one in seen.payloads]


def caps(codec):
    from zcore.formats import find
    from zcore.stages.cpu_pads import software_caps

    return software_caps(find(codec), SIZE)


@pytest.mark.parametrize("ending", ["mp4", "mkv", "ts"])
def test_b_frames_are_decoded_before_they_are_shown(tmp_path, ending):
    place = tmp_path / f"out.{ending}"
    seen, _ = encoded(str(place), "H264", b_frames=3, gop_size=8, options={"b_strategy": 0})
    assert seen.since_first != sorted(seen.since_first)
    found = packets_of(place)
    assert [one[0] - found[0][0] for one in found] == seen.since_first
    dates = [one[1] for one in found if one[1] is not None]  # Matroska has none; its reader makes some up
    assert dates == sorted(set(dates))
    assert all(one[1] is None or one[1] <= one[0] for one in found)
    if ending != "ts":
        assert found[0][0] == 0


@pytest.mark.parametrize(
    ("depth", "shown", "decoded"),
    [
        (0, [0, 4, 8], [0, 4, 8]),
        (1, [0, 8, 4, 16, 12], [-4, 0, 4, 8, 12]),
        (2, [0, 16, 8, 4, 12, 32], [-8, -4, 0, 4, 8, 12]),
        (0, [0, 0], None),
        (0, [0, 8, 4], None),
    ],
)
def test_times_of_decoding(depth, shown, decoded):
    times = DecodeTimes(depth, 4)
    if decoded is None:
        with pytest.raises(ValueError):
            [times.next(one) for one in shown]
    else:
        assert [times.next(one) for one in shown] == decoded


@pytest.mark.parametrize("codec", ["FWHT", "VP8", "MJPEG"])
def test_codec_that_does_not_fit(tmp_path, codec):
    place = tmp_path / "out.ts"
    with pytest.raises(NegotiationError) as refusal:
        zcore.Chain(coded_source([b"12"], codec), zcore.MuxSink(str(place))).run()
    assert "takes H264, HEVC, MPEG1, MPEG2, MPEG4" in str(refusal.value)
    assert "FileSink" in str(refusal.value) if codec == "FWHT" else "matroska" in str(refusal.value)
    assert not place.exists()


@pytest.mark.parametrize(
    ("location", "options", "error", "words"),
    [
        ("out", {}, ValueError, "no ending"),
        ("out.mp5", {}, ValueError, r"did you mean \.mp4"),
        ("out%03d.mp4", {}, ValueError, "number for each frame"),
        ("gopher://there", {}, ValueError, "no address that zcore knows"),
        ("out.mkv", {"fragmented": True}, ValueError, "only mp4 and mov"),
        ("out.mkv", {"rate": 0}, ValueError, "above 0"),
        ("out.mkv", {"reorder": 17}, ValueError, "0 to 16"),
        ("out.mkv", {"container_options": "fast"}, TypeError, "mapping"),
        (5, {}, TypeError, "path, an address or a file object"),
        (io.BytesIO(), {}, ValueError, "give format="),
    ],
)
def test_wrong_arguments(location, options, error, words):
    with pytest.raises(error, match=words):
        zcore.MuxSink(location, **options)


def test_unknown_container(tmp_path):
    with pytest.raises(NegotiationError, match="did you mean matroska"):
        zcore.Chain(pictures(), zcore.SoftwareEncode("MPEG4"), zcore.MuxSink(str(tmp_path / "a.mkv"), "matrosca")).run(
            frames=1
        )


def test_raw_frames_need_an_encoder(tmp_path):
    with pytest.raises(NegotiationError, match=r"takes.*put Encode or SoftwareEncode before it"):
        zcore.Chain(pictures(), zcore.MuxSink(str(tmp_path / "a.mkv"))).run(frames=1)


@pytest.mark.parametrize(("place", "error"), [("none/out.mp4", FileNotFoundError), ("dir.mp4", IsADirectoryError)])
def test_bad_path_is_told_before_the_start(tmp_path, place, error):
    (tmp_path / "dir.mp4").mkdir()
    source = pictures()
    with pytest.raises(error, match=place.split("/")[0]):
        zcore.Chain(source, zcore.SoftwareEncode("MPEG4"), zcore.MuxSink(str(tmp_path / place))).run(frames=1)


def test_full_disk():
    with pytest.raises(OSError, match=r"No space left.*frames.*handed over.*/dev/full") as failure:
        encoded("/dev/full", "MJPEG", frames=200, mux={"format": "matroska"})
    assert failure.value.errno == 28
    assert failure.value.report.frames > 0


def test_disk_that_is_full_at_the_end():
    with pytest.raises(OSError, match="No space left"):
        encoded("/dev/full", "MJPEG", frames=1, mux={"format": "avi"})


def test_file_is_complete_after_an_error_and_after_stop(tmp_path):
    place = tmp_path / "out.mp4"

    def fail(frame):
        if frame.sequence == 7:
            raise RuntimeError("on purpose")

    row = [pictures(), zcore.Passthrough(fail), zcore.SoftwareEncode("MJPEG"), zcore.MuxSink(str(place))]
    with pytest.raises(RuntimeError, match="on purpose"):
        zcore.Chain(*row).run(frames=20)
    assert 1 <= len(decoded(place)) <= 7

    place = tmp_path / "stopped.mp4"
    sink = zcore.MuxSink(str(place))
    with zcore.Chain(pictures(), zcore.SoftwareEncode("MJPEG"), sink) as chain:
        chain.start()
        while chain.frames_done < 5:
            pass
        chain.stop()
        assert chain.wait().frames >= 5
        assert len(decoded(place)) == sink.packets  # already, though the chain is open


@pytest.mark.parametrize(("ending", "options"), [("mkv", {}), ("ts", {}), ("mp4", {"fragmented": True})])
def test_killed_program_leaves_a_file_that_plays(tmp_path, ending, options):
    place = tmp_path / f"out.{ending}"
    code = f"""
        import os, signal, zcore
        def die(frame):
            if frame.sequence == 90:
                os.kill(os.getpid(), signal.SIGKILL)
        source = zcore.TestSource("YUV420", {SIZE}, rate=25, is_live=False)
        encoder = zcore.SoftwareEncode("MPEG4", gop_size=10)
        sink = zcore.MuxSink({str(place)!r}, **{options!r})
        zcore.Chain(source, encoder, zcore.Passthrough(die), sink).run(frames=99)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], env=os.environ, timeout=60)
    assert done.returncode == -signal.SIGKILL
    assert len(decoded(place)) >= 60


def test_fragments_begin_with_key_frames(tmp_path):
    place = tmp_path / "out.mp4"
    encoded(str(place), "H264", gop_size=4, mux={"fragmented": True}, options={"preset": "ultrafast"})
    content = place.read_bytes()
    assert content.count(b"moof") == 3
    assert packets_of(place)[0][0] == 0


def test_options_of_the_container_and_metadata(tmp_path):
    place = tmp_path / "out.mp4"
    encoded(str(place), "MPEG4", mux={"metadata": {"title": "Ball"}}, container_options={"movflags": "faststart"})
    content = place.read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")
    with av.open(str(place)) as file:
        assert file.metadata["title"] == "Ball"
        assert file.streams.video[0].average_rate == 25


def test_file_object_is_written_to():
    file = io.BytesIO()
    seen, _ = encoded(file, "VP8", mux={"format": "webm"})
    file.seek(0)
    with av.open(file) as opened:
        assert [bytes(packet) for packet in opened.demux(video=0) if packet.size] == seen.payloads


def test_times_by_rate_where_frames_have_none(tmp_path):
    place = tmp_path / "a.mkv"
    jpegs, _ = encoded(str(place), "MJPEG")
    raw = tmp_path / "a.mjpeg"
    raw.write_bytes(b"".join(jpegs.payloads))
    with pytest.raises(ChainError, match="give rate="):
        zcore.Chain(zcore.FileSource(str(raw)), zcore.MuxSink(str(place))).run()
    zcore.Chain(zcore.FileSource(str(raw)), zcore.MuxSink(str(place), rate=50)).run()
    assert [one[0] for one in packets_of(place)] == [20 * number for number in range(12)]


def test_blocks_of_a_stream_are_no_frames(tmp_path):
    seen, _ = encoded(str(tmp_path / "a.mkv"), "H264", options={"preset": "ultrafast"})
    raw = tmp_path / "a.h264"
    raw.write_bytes(b"xx" + b"".join(seen.payloads))
    with pytest.raises(ChainError, match=r"start code.*DemuxSource"):
        zcore.Chain(zcore.FileSource(str(raw), "H264", SIZE), zcore.MuxSink(str(tmp_path / "b.mkv"))).run()


def test_frames_before_the_first_key_frame_are_dropped(tmp_path):
    seen, _ = encoded(str(tmp_path / "a.mkv"), "H264", gop_size=5, b_frames=0)
    source = coded_source(seen.payloads[3:], "H264")
    place = tmp_path / "b.mkv"
    report = zcore.Chain(source, zcore.MuxSink(str(place))).run()
    assert report.stages[-1].drops == {"before the first key frame": 2}
    assert len(packets_of(place)) == 7


def test_second_run_does_not_replace_the_first(tmp_path):
    place = tmp_path / "out.mkv"
    row = [pictures(), zcore.SoftwareEncode("MPEG4"), zcore.MuxSink(str(place))]
    with zcore.Chain(*row) as chain:
        chain.run(frames=3)
        with pytest.raises(ChainError, match="is complete"):
            chain.run(frames=3)
        with pytest.raises(ChainError, match="is complete"):  # and the chain is still usable
            chain.run(frames=3)
    assert len(packets_of(place)) == 3


def test_key_frames_are_found_without_flags(tmp_path):
    from zcore.formats import find
    from zcore.stages.coded_stream import is_key

    for codec in CONTAINERS:
        seen, _ = encoded(str(tmp_path / "a.mkv"), codec, gop_size=4, **FAST.get(codec, {}))
        found = [is_key(find(codec), 0, memoryview(payload)) for payload in seen.payloads]
        assert found == seen.keys, codec
