"""Codecs that work in software where the machine has no device: planned, told, counted, and refused where asked."""

import pytest

pytest.importorskip("av")

import zcore
from fakekernel import FakeDecoder, FakeEncoder
from mux_rig import Seen, pictures
from zcore import devices
from zcore.errors import DeviceNotFoundError, NegotiationError, ZeroCopyError


@pytest.fixture
def none(monkeypatch):
    """A machine without video devices."""
    monkeypatch.setattr(devices, "video_paths", list)


def row(**options):
    return [pictures(), zcore.Encode(codec="MPEG4", fallback="software", **options), zcore.FakeSink()]


def test_encoder_works_in_software_and_says_so(none):
    stages = row()
    with zcore.Chain(*stages) as chain:
        plan = chain.plan()
        text = str(plan)
        assert f"{stages[1].name} works in software: fallback='software', and" in text
        assert "no encoder to MPEG4" in text
        assert "COPIES EVERY FRAME" in text
        assert not plan.zero_copy
        assert plan.copies == 1
        assert "color=red" in plan.to_dot()
        report = chain.run(frames=5)
        assert report.frames == 5
        assert [link.copied_frames for link in report.links] == [5, 0]
        assert report.links[0].copied_bytes == 5 * 64 * 48 * 3 // 2
        assert "no encoder to MPEG4" in report.links[0].reason
        assert report.stages[1].kind == "software-encode"
        assert chain.run(frames=3).frames == 3
    assert chain.stages[1] is stages[1]  # the next time there may be a device


def test_decoder_works_in_software(none):
    sink = zcore.ArraySink()
    decoder = zcore.Decode(codec="MPEG4", format="YUV420", fallback="software")
    report = zcore.Chain(pictures(), zcore.SoftwareEncode("MPEG4"), decoder, sink).run(frames=4)
    assert len(sink.arrays) == 4
    assert [link.copied_frames for link in report.links] == [0, 0, 4]


@pytest.mark.parametrize("strict", [True, False])
def test_zero_copy_is_refused_before_the_start(none, strict, monkeypatch):
    if not strict:
        monkeypatch.setenv("ZCORE_REQUIRE_ZERO_COPY", "1")
    chain = zcore.Chain(*row(), require_zero_copy=True if strict else None)
    with pytest.raises(ZeroCopyError, match=r"would work on the CPU, and require_zero_copy forbids it: .*no encoder"):
        chain.run(frames=1)


def test_without_leave_it_is_an_error(none):
    with pytest.raises(DeviceNotFoundError, match="no encoder to MPEG4"):
        zcore.Chain(pictures("NV12"), zcore.Encode(codec="MPEG4"), zcore.FakeSink()).run(frames=1)


def test_device_is_taken_where_there_is_one(fake_kernel, monkeypatch):
    FakeEncoder(fake_kernel, "/dev/video1")
    FakeDecoder(fake_kernel, "/dev/video2")
    monkeypatch.setattr(devices, "video_paths", lambda: ["/dev/video1", "/dev/video2"])
    with pytest.raises(NegotiationError, match="FFmpeg has no codec FWHT"):
        zcore.Encode(codec="FWHT", fallback="software")
    assert zcore.Encode(codec="FWHT").stand_in(NegotiationError("")) is None
    seen = Seen()
    stage = zcore.Encode("/dev/video1", "H264", fallback="software")  # this one has FWHT only
    with zcore.Chain(pictures("NV12"), stage, seen.stage, zcore.FakeSink()) as chain:
        assert "encodes to FWHT, not H264" in str(chain.plan())
        assert chain.run(frames=2).frames == 2


def test_controls_go_over_where_they_can(none):
    stage = zcore.Encode(codec="MPEG4", bitrate=100_000, gop_size=3, fallback="software")
    made = stage.stand_in(NegotiationError("gone"))
    assert (made.bitrate, made.gop_size, made.name) == (100_000, 3, stage.name)
    with pytest.raises(NegotiationError, match="h264_profile cannot be carried out in software"):
        zcore.Chain(*row(extra_controls={"h264_profile": 1})).run(frames=1)


def test_only_software_is_a_fallback():
    with pytest.raises(ValueError, match="'software' or None"):
        zcore.Encode(codec="H264", fallback="gpu")
    with pytest.raises(ValueError, match="'software' or None"):
        zcore.Decode(codec="H264", fallback=True)


def test_permission_is_no_reason(none):
    stage = zcore.Encode(codec="MPEG4", fallback="software")
    assert stage.stand_in(zcore.DevicePermissionError(13, "no")) is None


def test_library_is_missing(none, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(NegotiationError, match="needs PyAV"):
        zcore.Chain(*row()).run(frames=1)
