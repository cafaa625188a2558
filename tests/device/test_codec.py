"""Encode and decode with the kernel's vicodec, bit for bit against a plain decoder; vivid as an output device."""

import gc
import os

import numpy as np
import pytest
from plain_codec import plain_decode

import zcore
from testbed import debugfs, drivers
from zcore import devices
from zcore.stages.codec import Decode
from zcore.stages.encode import Encode
from zcore.stages.output import Output

SIZE = (640, 480)
KEYFRAME, PFRAME = 0x8, 0x10
MAGIC = b"OOOO\xff\xff\xff\xff"
STILL = {"osd_text_mode": 2}  # nothing that changes from frame to frame, nor from run to run
RAW = ["NV12", "YU12", "YUYV", "XR24"]


@pytest.fixture(params=[0, 1], ids=["single-planar", "multi-planar"])
def codecs(request):
    with drivers.vicodec(multiplanar=request.param) as nodes:
        yield nodes.one("m2m", "stateful-encoder").path, nodes.one("m2m", "stateful-decoder").path


@pytest.fixture
def plain():
    """Encoder and decoder with the single-planar API, which the plain decoder speaks."""
    with drivers.vicodec(multiplanar=0) as nodes:
        yield nodes.one("m2m", "stateful-encoder").path, nodes.one("m2m", "stateful-decoder").path


class Kept:
    """A callback that keeps what it sees."""

    def __init__(self):
        self.payloads, self.times, self.flags = [], [], []
        self.stage = zcore.Callback(self.take)

    def take(self, frame):
        self.payloads.append(b"".join(np.ascontiguousarray(plane).tobytes() for plane in frame.planes()))
        self.times.append(frame.timestamp_ns)
        self.flags.append(frame.flags)


def assert_no_copy(report, frames):
    assert report.frames == frames
    for link in report.links:
        assert link.zero_copy
        assert link.frames == frames
        assert link.copied_frames == link.copied_bytes == 0
        assert link.reattaches == 0
        assert link.memory.startswith("dma")


def moving(raw):
    return zcore.TestSource(raw, SIZE)


def still(vivid, raw):
    return zcore.Capture(vivid, raw, SIZE, rate=60, extra_controls=STILL)


@pytest.mark.parametrize("raw", RAW)
def test_camera_to_encoder(vivid, codecs, raw):
    kept = Kept()
    chain = zcore.Chain(zcore.Capture(vivid, raw, SIZE, rate=60), Encode(codecs[0]), kept.stage)
    assert_no_copy(chain.run(frames=8, require_zero_copy=True), 8)
    assert len(kept.payloads) == 8
    assert all(payload.startswith(MAGIC) for payload in kept.payloads)
    assert kept.times == sorted(set(kept.times))


def test_every_direction_of_import(vivid, codecs):
    for options in (
        {"output_io_mode": "dmabuf"}, {"output_io_mode": "dmabuf-import"}, {"capture_io_mode": "dmabuf"},
        {"capture_io_mode": "mmap"}, {"output_io_mode": "userptr"},
    ):  # fmt: skip
        kept = Kept()
        chain = zcore.Chain(still(vivid, "NV12"), Encode(codecs[0], **options), kept.stage)
        report = chain.run(frames=4, require_zero_copy=True)
        assert (report.frames, len(kept.payloads)) == (4, 4), options


@pytest.mark.proves("dev-decoder:decoding", "dev-encoder:encoding")
@pytest.mark.parametrize("raw", RAW)
def test_moving_pictures_decode_as_a_plain_decoder_does(plain, raw):
    frames = 12
    coded, seen = Kept(), Kept()
    zcore.Chain(moving(raw), Encode(plain[0]), coded.stage).run(frames=frames)
    chain = zcore.Chain(moving(raw), Encode(plain[0]), Decode(plain[1], format=raw), seen.stage)
    assert_no_copy(chain.run(frames=frames, require_zero_copy=True), frames)
    assert len(set(coded.payloads)) > frames // 2
    assert [flags & (KEYFRAME | PFRAME) for flags in seen.flags] == [
        PFRAME if n % 10 else KEYFRAME for n in range(frames)
    ]
    assert seen.payloads == plain_decode(plain[1], SIZE, raw, coded.payloads)


@pytest.mark.parametrize("raw", ["NV12", "XR24"])
def test_camera_to_encoder_to_decoder(vivid, plain, raw):
    frames = 12
    coded, seen = Kept(), Kept()
    zcore.Chain(still(vivid, raw), Encode(plain[0]), coded.stage).run(frames=frames)
    chain = zcore.Chain(still(vivid, raw), Encode(plain[0]), Decode(plain[1], format=raw), seen.stage)
    assert_no_copy(chain.run(frames=frames, require_zero_copy=True), frames)
    assert seen.payloads == plain_decode(plain[1], SIZE, raw, coded.payloads)
    assert seen.times == sorted(set(seen.times))  # vivid's own, through both


def test_encoder_and_decoder_in_front_of_a_display(vivid, plain, vkms):
    frames = 8
    coded = Kept()
    zcore.Chain(still(vivid, "XR24"), Encode(plain[0]), coded.stage).run(frames=frames)
    display = zcore.Display("vkms", mode=SIZE)
    chain = zcore.Chain(still(vivid, "XR24"), Encode(plain[0]), Decode(plain[1], format="XR24"), display)
    with chain:
        report = chain.run(frames=frames, require_zero_copy=True)
        assert_no_copy(report, frames)
        assert sum(link.cpu_maps + link.sync_calls for link in report.links) == 0
        shown = display.screenshot()
    last = plain_decode(plain[1], SIZE, "XR24", coded.payloads)[-1]
    expected = np.frombuffer(last, np.uint8).reshape(SIZE[1], SIZE[0], 4)
    assert np.array_equal(shown[..., :3], expected[..., :3])


@pytest.mark.proves("v4l2-buffers:restart", "dev-encoder:reset")
def test_runs_again(vivid, codecs):
    kept = Kept()
    chain = zcore.Chain(still(vivid, "NV12"), Encode(codecs[0]), Decode(codecs[1], format="NV12"), kept.stage)
    with chain:
        for _ in range(3):
            assert_no_copy(chain.run(frames=7, require_zero_copy=True), 7)
    assert len(kept.payloads) == 21
    assert kept.payloads[:7] == kept.payloads[7:14] == kept.payloads[14:]


@pytest.mark.proves("T77")
def test_nothing_is_left_behind(plain):
    def standing():
        gc.collect()
        return len(os.listdir("/proc/self/fd")), debugfs.dmabufs().count

    def cycle():
        kept = Kept()
        chain = zcore.Chain(moving("NV12"), Encode(plain[0]), Decode(plain[1], format="NV12"), kept.stage)
        assert chain.run(frames=3).frames == 3
        chain = zcore.Chain(moving("NV12"), Encode(plain[0]), Decode(plain[1], format="YUYV"), kept.stage)
        with pytest.raises(zcore.NegotiationError):
            chain.run(frames=3)

    cycle()
    before = standing()
    for _ in range(4):
        cycle()
    assert standing() == before


def test_visible_part_of_1080_rows(vivid, plain):
    """NV12 has 1088 rows in this codec, YUYV 1080: the planes of NV12 would lie elsewhere."""
    size, kept = (1920, 1080), Kept()
    camera = zcore.Capture(vivid, "YUYV", size, rate=60)
    chain = zcore.Chain(camera, Encode(plain[0]), Decode(plain[1], format="YUYV"), kept.stage)
    assert_no_copy(chain.run(frames=3, require_zero_copy=True), 3)
    assert {len(payload) for payload in kept.payloads} == {1920 * 1080 * 2}
    chain = zcore.Chain(zcore.Capture(vivid, "NV12", size), Encode(plain[0]), kept.stage)
    with pytest.raises(zcore.NegotiationError, match="round the height differently"):
        chain.run(frames=1, require_zero_copy=True)


def test_format_that_the_stream_cannot_give(plain):
    chain = zcore.Chain(moving("NV12"), Encode(plain[0]), Decode(plain[1], format="YUYV"), Kept().stage)
    with pytest.raises(zcore.NegotiationError, match="cannot give YUYV from this stream; its own choice is YUV420"):
        chain.run(frames=5)


def test_controls_reach_the_codec(plain):
    kept = Kept()
    encode = Encode(plain[0], gop_size=3, extra_controls="c,fwht_i_frame_qp_value=31,fwht_p_frame_qp_value=31")
    fine = Kept()
    zcore.Chain(moving("NV12"), encode, kept.stage).run(frames=6)
    zcore.Chain(moving("NV12"), Encode(plain[0], extra_controls={"fwht_i_frame_qp_value": 1}), fine.stage).run(frames=1)
    assert len(fine.payloads[0]) > len(kept.payloads[0])
    with pytest.raises(zcore.ChainError, match=r"no control 'video_bitrate'; .*video_gop_size"):
        Encode(plain[0], bitrate=1000).open()


@pytest.mark.proves("dev-encoder:capabilities", "dev-decoder:capabilities")
def test_codecs_are_found(plain):
    found = {(device.kind, device.format.name): device.path for device in devices.codec_devices()}
    assert found == {("enc", "FWHT"): plain[0], ("dec", "FWHT"): plain[1]}  # and not the stateless one
    with Encode(plain[0]) as encode, Decode(plain[1]) as decode:
        taken, given = ({fmt.name for fmt in listed} for listed in (encode.accepts(), decode.offers()))
    assert {"NV12", "YUV420", "YUYV", "BGRx"} <= taken & given
    kept = Kept()
    zcore.Chain(moving("NV12"), Encode(), Decode(format="NV12"), kept.stage).run(frames=2)
    assert len(kept.payloads) == 2


@pytest.mark.parametrize("multiplanar", [1, 2], ids=["single-planar", "multi-planar"])
@pytest.mark.parametrize(("capture", "output"), [("auto", "auto"), ("dmabuf", "dmabuf-import"), ("auto", "dmabuf")])
def test_camera_to_output_device(multiplanar, capture, output):
    with drivers.vivid(n_devs=1, node_types=0x101, multiplanar=multiplanar) as nodes:
        camera = zcore.Capture(nodes.one("capture").path, "YUYV", (1280, 720), rate=60, io_mode=capture)
        sink = Output(nodes.one("output").path, io_mode=output, extra_controls={"integer_32_bits": 5})
        report = zcore.Chain(camera, sink).run(frames=12, require_zero_copy=True)
        assert_no_copy(report, 12)


def test_output_device_says_what_it_takes():
    with drivers.vivid(n_devs=1, node_types=0x101) as nodes:
        with Output(nodes.one("output").path) as sink:
            names = {fmt.name for fmt in sink.accepts()}
            assert {"YUYV", "NV12", "BGRX"} & names
        with pytest.raises(zcore.DeviceError, match="no video output device"):
            Output(nodes.one("capture").path).open()


def test_converter_is_found_and_scales(vim2m):
    sink = zcore.ArraySink(keep=1)
    converter = zcore.Convert(format="RGBP", size=(320, 240))  # found without a name: codecs are no converters
    report = zcore.Chain(moving("BGR3"), converter, sink).run(frames=3, require_zero_copy=True)
    assert report.frames == 3
    assert converter.device == vim2m
    assert sink.arrays[0].shape == (240, 320)
    with zcore.Convert(vim2m) as again:
        assert again.scales
        assert SIZE in again.input_sizes(again.accepts()[0])
        assert again.output.alignment == 1
