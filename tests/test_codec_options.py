"""Names of codecs, and an encoder's options as the controls of its codec."""

import pytest

import zcore
from codec_rig import Camera, CodedSource, Kept, decoder, encoder
from fakekernel.v4l2_codec import KEYFRAME
from zcore.formats import FORMATS, UnknownFormatError
from zcore.stages.base import Sizes
from zcore.stages.codec import Decode
from zcore.stages.codec_base import find_codec
from zcore.stages.codec_options import FAMILIES, OPTIONS, option_controls
from zcore.stages.encode import Encode

ENCODER = "/dev/video1"


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("h264", "H264"), ("H.264", "H264"), ("avc", "H264"), ("AVC1", "H264_NO_SC"), ("h.265", "HEVC"),
        ("hevc", "HEVC"), ("mvc", "H264_MVC"), ("vp8", "VP8"), ("VP90", "VP9"), ("av1", "AV1"), ("MPEG-2", "MPEG2"),
        ("mpeg4", "MPEG4"), ("MPEG-1", "MPEG1"), ("H.263", "H263"), ("xvid", "XVID"), ("vc1", "VC1_ANNEX_G"),
        ("WMV3", "VC1_ANNEX_L"), ("VC1L", "VC1_ANNEX_L"), ("jpeg", "JPEG"), ("mjpg", "MJPEG"), ("fwht", "FWHT"),
        ("video/x-vp8", "VP8"), ("rv40", "RV40"), ("spk", "SPK"),
    ],
)  # fmt: skip
def test_codec_names(given, name):
    assert find_codec(given).name == name


def test_every_stateful_codec_of_the_kernel_is_known():
    known = {fmt.name for fmt in FORMATS if fmt.coded}
    assert set(FAMILIES) <= known
    assert {"VC1_ANNEX_G", "VC1_ANNEX_L", "SPK", "RV30", "RV40", "DV", "MPEG"} <= known
    with pytest.raises(UnknownFormatError, match="did you mean HEVC"):
        find_codec("hevec")


@pytest.mark.parametrize(
    ("codec", "options", "controls"),
    [
        ("H264", {"profile": "high", "level": "4.1", "bitrate_mode": "cbr", "b_frames": 2, "gop_size": 30},
         {"h264_profile": "high", "h264_level": "4.1", "video_bitrate_mode": "constant_bitrate", "video_b_frames": 2,
          "video_gop_size": 30}),
        ("HEVC", {"profile": "main_10", "level": 4.1, "tier": "high", "min_qp": 3},
         {"hevc_profile": "main_10", "hevc_level": "4.1", "hevc_tier": "high", "hevc_minimum_qp_value": 3}),
        ("VP8", {"profile": 2, "max_qp": 60}, {"vp8_profile": "2", "vpx_maximum_qp_value": 60}),
        ("JPEG", {"quality": 90}, {"compression_quality": 90}),
        ("H264", {"quality": 90, "header_mode": "joined", "repeat_headers": True, "entropy_mode": "CABAC"},
         {"constant_quality": 90, "sequence_header_mode": "joined_with_1st_frame", "repeat_sequence_header": True,
          "h264_entropy_mode": "CABAC"}),
        ("FWHT", {"gop_size": 5, "bitrate": None}, {"video_gop_size": 5}),
    ],
)  # fmt: skip
def test_options_are_the_codecs_controls(codec, options, controls):
    assert option_controls(find_codec(codec), options) == controls


def test_options_that_a_codec_has_not():
    with pytest.raises(ValueError, match=r"FWHT has no profile; its options are .*gop_size"):
        Encode(codec="FWHT", profile="high")
    with pytest.raises(ValueError, match=r"MJPEG has no gop_size; its options are quality"):
        Encode(codec="MJPEG", gop_size=3)
    with pytest.raises(TypeError, match=r"no option 'profil'; did you mean profile\?"):
        Encode(codec="H264", profil="high")
    assert len(set(OPTIONS)) == len(OPTIONS)


def test_value_that_the_driver_has_not_is_refused_with_those_it_has(fake_kernel):
    encoder(fake_kernel)
    with pytest.raises(zcore.ChainError, match=r"no entry 'constant_quality'.* it has 0 \(Variable Bitrate\), 1"):
        Encode(ENCODER, bitrate_mode="cq").open()
    with Encode(ENCODER, bitrate_mode="cbr", bitrate=6000) as stage:
        assert stage.control("video_bitrate_mode") == 1
        assert stage.control("video_bitrate") == 6000
        with pytest.raises(zcore.ChainError, match=r"no control 'h264_profile'; .*video_gop_size"):
            stage.control("h264_profile", "high")
        with pytest.raises(zcore.ChainError, match="no control 'nothing'"):
            stage.control("nothing")


@pytest.mark.proves("VIDIOC_S_EXT_CTRLS", "dev-encoder:parameters", "dev-encoder:force-key-frame")
def test_controls_change_while_it_runs(fake_kernel):
    camera = Camera(fake_kernel)
    coder = encoder(fake_kernel)
    stage, kept = Encode(ENCODER, gop_size=16), Kept()

    def look(frame):
        kept.take(frame)
        if len(kept.flags) == 4:
            assert stage.control("video_bitrate", 9000) == 9000
            stage.force_key_frame()

    zcore.Chain(camera.stage(), stage, zcore.Callback(look)).run(frames=14)
    assert coder.controls[0x009909CF][6] == 9000
    keys = [n for n, flags in enumerate(kept.flags) if flags & KEYFRAME]
    assert len(keys) == 2
    assert keys[0] == 0
    assert 4 <= keys[1] < 14


def test_key_frame_that_cannot_be_forced(fake_kernel):
    coder = encoder(fake_kernel)
    del coder.controls[0x009909E5]
    with pytest.raises(ValueError, match="not open"):
        Encode(ENCODER).force_key_frame()
    with Encode(ENCODER) as stage, pytest.raises(zcore.ChainError, match="no control 'force_key_frame'"):
        stage.force_key_frame()


def test_size_that_the_codec_at_the_end_has_not(fake_kernel):
    """The stages between can do any size: so the one that cannot is told."""

    class File(CodedSource):
        def output_sizes(self, fmt):
            return Sizes.of(self.caps_size)

    decoder(fake_kernel)
    encoder(fake_kernel).frame_sizes = [(128, 64)]
    row = [File([]), Decode("/dev/video2"), Encode(ENCODER), zcore.FakeSink()]
    with pytest.raises(zcore.ZeroCopyError, match=r"gives 64x16, .*, but behind it only 128x64 can go to encode\d+"):
        zcore.Chain(*row).run(require_zero_copy=True)
