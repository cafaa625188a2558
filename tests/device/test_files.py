"""Frames of real drivers into containers: by an encoder in software, and the codec of vicodec that has no container."""

import pytest

import zcore
from testbed import drivers

av = pytest.importorskip("av")

SIZE, CODEC_SIZE = (320, 180), (640, 360)  # the smallest of vivid's webcam, and of vicodec
STILL = {"osd_text_mode": 2}


def test_camera_to_software_encoder_to_file(vivid, tmp_path):
    place = tmp_path / "out.mkv"
    times = []
    look = zcore.Passthrough(lambda frame: times.append(frame.timestamp_ns))
    camera = zcore.Capture(vivid, "NV12", SIZE, rate=30, extra_controls=STILL)
    encoder = zcore.SoftwareEncode("H264", options={"preset": "ultrafast", "crf": 10}, n_threads=1)
    report = zcore.Chain(camera, look, encoder, zcore.MuxSink(str(place))).run(frames=10, require_zero_copy=True)
    assert report.frames == 10
    assert all(link.zero_copy and not link.copied_frames for link in report.links)
    assert "pictures_copied" not in report.stages[2].facts  # read in the driver's own memory
    with av.open(str(place)) as file:
        found = [(float(picture.time), picture.width, picture.height) for picture in file.decode(video=0)]
    assert len(found) == 10
    assert found[0][1:] == SIZE
    wanted = [(time - times[0]) / 1e9 for time in times]
    assert max(abs(one[0] - time) for one, time in zip(found, wanted, strict=True)) < 0.002  # Matroska counts in ms


def test_decoder_in_software_gives_buffers_that_devices_import(tmp_path):
    """vicodec's encoder reads what the decoder on the CPU has written, without a copy in between."""
    place = tmp_path / "in.mkv"
    pictures = zcore.TestSource("YUV420", CODEC_SIZE, rate=25, is_live=False)
    zcore.Chain(pictures, zcore.SoftwareEncode("MPEG4", n_threads=1), zcore.MuxSink(str(place))).run(frames=5)
    with drivers.vicodec(multiplanar=0) as nodes:
        encoder = zcore.Encode(nodes.one("m2m", "stateful-encoder").path)
        sink = zcore.FakeSink()
        row = [zcore.DemuxSource(str(place)), zcore.SoftwareDecode(), encoder, sink]
        report = zcore.Chain(*row).run(require_zero_copy=True)
    assert report.frames == 5
    assert (
        report.links[1].memory in ("dmabuf", "dmabuf-import", "udmabuf", "userptr") or "heap" in report.links[1].memory
    )


def test_fwht_has_no_container(vivid, tmp_path):
    with drivers.vicodec(multiplanar=0) as nodes:
        path = nodes.one("m2m", "stateful-encoder").path
        place = tmp_path / "out.mkv"
        row = [zcore.Capture(vivid, "NV12", CODEC_SIZE), zcore.Encode(path), zcore.MuxSink(str(place))]
        with pytest.raises(zcore.NegotiationError, match=r"no container for FWHT; matroska takes .*H264.*FileSink"):
            zcore.Chain(*row).run(frames=1)
        assert not place.exists()


def test_device_is_taken_before_software(vivid, tmp_path):
    """vicodec has no H.264: the fallback takes its place, is told, and refused where nothing may be copied."""
    with drivers.vicodec(multiplanar=0):
        row = [
            zcore.Capture(vivid, "NV12", SIZE, rate=30),
            zcore.Encode(codec="H264", fallback="software"),
            zcore.MuxSink(str(tmp_path / "out.mp4")),
        ]
        with pytest.raises(zcore.ZeroCopyError, match="no encoder to H264"):
            zcore.Chain(*row).run(frames=1, require_zero_copy=True)
        report = zcore.Chain(*row).run(frames=3)
        assert [link.copied_frames for link in report.links] == [3, 0]
        assert "no encoder to H264" in report.links[0].reason
