"""Stateful encoders and decoders: the order of things, the drain, and what a stream may turn out to be."""

import errno
import threading

import pytest

import zcore
from codec_rig import Camera, CodedSource, Kept, coded, decoder, encoder, picture, planar420
from fakekernel.v4l2_codec import HEADER, KEYFRAME, PFRAME
from fakekernel.v4l2_queue import CAPTURE, DMABUF, OUTPUT
from zcore import devices
from zcore.formats import UnknownFormatError, find
from zcore.stages.codec import Decode
from zcore.stages.encode import Encode

PIXELS = 64 * 16 * 3 // 2
ENCODER, DECODER = "/dev/video1", "/dev/video2"


def assert_no_copy(report):
    assert all(link.zero_copy and link.copied_bytes == 0 for link in report.links)


def pictures(count, raw="YU12"):
    return [coded(picture(n, PIXELS), raw) for n in range(count)]


# Encoding


@pytest.mark.parametrize("mplane", [False, True], ids=["single", "mplane"])
@pytest.mark.parametrize("frames", [1, 2, 7, 40])
def test_encoder_gives_every_frame(fake_kernel, frames, mplane):
    camera = Camera(fake_kernel)
    encoder(fake_kernel, multiplanar=mplane)
    kept = Kept()
    report = zcore.Chain(camera.stage(), Encode(ENCODER), kept.stage).run(frames=frames)
    assert_no_copy(report)
    assert [payload[HEADER.size :] for payload in kept.payloads] == [planar420(p) for p in camera.pictures[:frames]]
    assert kept.times == [1_000_000_000 + 1_000_000 * (n + 1) for n in range(frames)]
    assert [flags & (KEYFRAME | PFRAME) for flags in kept.flags] == [
        PFRAME if n % 10 else KEYFRAME for n in range(frames)
    ]


@pytest.mark.proves("VIDIOC_ENCODER_CMD", "dev-encoder:drain")
@pytest.mark.parametrize("delay", [1, 2, 3])
@pytest.mark.parametrize("frames", [1, 2, 3, 5, 11])
def test_drain_gives_what_the_encoder_kept_back(fake_kernel, delay, frames):
    camera = Camera(fake_kernel)
    encoder(fake_kernel).delay = delay
    kept = Kept()
    zcore.Chain(camera.stage(), Encode(ENCODER), kept.stage).run(frames=frames)
    assert len(kept.payloads) == frames
    assert fake_kernel.count("VIDIOC_ENCODER_CMD") == 1


@pytest.mark.proves("T23", "dev-encoder:drain-no-command")
def test_encoder_without_a_drain_is_waited_for(fake_kernel):
    camera = Camera(fake_kernel)
    encoder(fake_kernel).commands = False
    kept = Kept()
    zcore.Chain(camera.stage(), Encode(ENCODER), kept.stage).run(frames=5)
    assert len(kept.payloads) == 5


@pytest.mark.proves("dev-encoder:drain-empty")
def test_nothing_in_is_nothing_out(fake_kernel):
    camera = Camera(fake_kernel)
    encoder(fake_kernel)
    decoder(fake_kernel)
    kept = Kept()
    report = zcore.Chain(camera.stage(), Encode(ENCODER), Decode(DECODER), kept.stage).run(frames=0)
    assert report.frames == 0
    assert kept.payloads == []


@pytest.mark.proves("T22", "dev-encoder:initialization", "dev-encoder:commit-points", "VIDIOC_S_SELECTION")
def test_order_is_that_of_the_kernels_document(fake_kernel):
    """Coded format, raw format, visible size, rate, buffers; the drain before anything stops."""
    camera = Camera(fake_kernel, code="YUYV", size=(64, 20))
    coder = encoder(fake_kernel)
    grant, kinds = coder.vidioc_s_fmt, []

    def granted(file, fmt):
        kinds.append(fmt.type)
        assert not any(queue.buffers for queue in coder.queues.values())
        grant(file, fmt)

    coder.vidioc_s_fmt = granted
    zcore.Chain(camera.stage(), Encode(ENCODER), Kept().stage).run(frames=3, require_zero_copy=True)
    assert kinds.index(CAPTURE) < kinds.index(OUTPUT)
    calls = [call.name for call in fake_kernel.calls if call.path == ENCODER]
    places = [calls.index(name) for name in ("VIDIOC_S_FMT", "VIDIOC_S_SELECTION", "VIDIOC_STREAMON")]
    assert places == sorted(places)
    assert calls.index("VIDIOC_ENCODER_CMD") < len(calls) - 1 - calls[::-1].index("VIDIOC_STREAMOFF")
    last_format = len(calls) - 1 - calls[::-1].index("VIDIOC_S_FMT")
    asked = [n for n, name in enumerate(calls) if name == "VIDIOC_QBUF"]
    assert last_format < asked[0]


def test_visible_part_of_rounded_sizes(fake_kernel):
    """20 rows, which the codec rounds to 24: it is told to encode 20, and the decoder gives 20."""
    camera = Camera(fake_kernel, code="YUYV", size=(64, 20))
    coder = encoder(fake_kernel)
    decoder(fake_kernel)
    kept = Kept()
    report = zcore.Chain(camera.stage(), Encode(ENCODER), Decode(DECODER, format="YUYV"), kept.stage).run(frames=4)
    assert_no_copy(report)
    assert coder.visible == (64, 20)
    assert kept.sizes == [(64, 20)] * 4
    assert kept.payloads == camera.pictures[:4]


@pytest.mark.proves("T14")
def test_planes_that_the_encoder_looks_for_elsewhere_are_refused(fake_kernel):
    camera = Camera(fake_kernel, code="NV12", size=(64, 20))
    encoder(fake_kernel)
    chain = zcore.Chain(camera.stage(), Encode(ENCODER), Kept().stage)
    with pytest.raises(zcore.NegotiationError, match="round the height differently"):
        chain.run(frames=1, require_zero_copy=True)


def test_controls_of_the_codec(fake_kernel):
    camera = Camera(fake_kernel)
    coder = encoder(fake_kernel)
    stage = Encode(ENCODER, bitrate=7000, gop_size=4, extra_controls="c,video_bitrate_mode=(string)constant_bitrate")
    kept = Kept()
    zcore.Chain(camera.stage(), stage, kept.stage).run(frames=9)
    assert [coder.controls[id][6] for id in (0x009909CF, 0x009909CB, 0x009909CE)] == [7000, 4, 1]
    assert [bool(flags & KEYFRAME) for flags in kept.flags] == [n % 4 == 0 for n in range(9)]
    with pytest.raises(ValueError, match="video_bitrate is 1, and 2 in extra_controls"):
        Encode(ENCODER, bitrate=1, extra_controls={"Video Bitrate": 2})


def test_encoder_that_breaks_is_named(fake_kernel):
    camera = Camera(fake_kernel)
    coder = encoder(fake_kernel)
    chain = zcore.Chain(camera.stage(), Encode(ENCODER), zcore.Callback(lambda frame: coder.break_queue()))
    with pytest.raises(zcore.DeviceError, match=r"encode\d+ .*video1.*EIO"):
        chain.run(frames=20)


def test_frames_that_no_encoder_takes(fake_kernel):
    camera = Camera(fake_kernel, code="RGBP", size=(64, 16))
    encoder(fake_kernel)
    chain = zcore.Chain(camera.stage(), Encode(ENCODER), Kept().stage)
    with pytest.raises(zcore.NegotiationError, match=r"RGB565|RGBP|RGB16"):
        chain.run(frames=1, require_zero_copy=True)


# Decoding


@pytest.mark.proves("dev-encoder:encoding", "dev-encoder:drain-restart")
@pytest.mark.proves("dev-decoder:decoding", "dev-decoder:drain-restart")
@pytest.mark.parametrize("raw", ["YU12", "NV12"])
@pytest.mark.parametrize("mode", ["auto", "dmabuf"])
def test_decoder_gives_back_what_was_encoded(fake_kernel, raw, mode):
    camera = Camera(fake_kernel)
    encoder(fake_kernel)
    fake = decoder(fake_kernel)
    kept = Kept()
    chain = zcore.Chain(camera.stage(), Encode(ENCODER), Decode(DECODER, format=raw, capture_io_mode=mode), kept.stage)
    with chain:
        for run in range(2):
            report = chain.run(frames=9)
            assert_no_copy(report)
            expected = camera.pictures[-9:] if run else camera.pictures[:9]
            assert len(kept.payloads) == 9 * (run + 1)
            if not run:
                assert kept.payloads == (expected if raw == "NV12" else [planar420(p) for p in expected])
        # NV12 is not what the driver chooses by itself: its own buffers came back as foreign ones.
        assert fake.capture.memory == (DMABUF if raw == "NV12" else 1)


def test_decoder_times_flags_and_damage(fake_kernel):
    decoder(fake_kernel)
    kept = Kept()
    zcore.Chain(CodedSource(pictures(5)), Decode(DECODER), kept.stage).run()
    assert kept.payloads == [picture(n, PIXELS) for n in range(5)]
    assert kept.times == [5_000_000 * (n + 1) for n in range(5)]


@pytest.mark.proves("VIDIOC_DECODER_CMD", "dev-decoder:drain-last")
@pytest.mark.parametrize("delay", [1, 3])
def test_drain_gives_what_the_decoder_kept_back(fake_kernel, delay):
    decoder(fake_kernel).delay = delay
    kept = Kept()
    zcore.Chain(CodedSource(pictures(7)), Decode(DECODER), kept.stage).run()
    assert len(kept.payloads) == 7
    assert fake_kernel.count("VIDIOC_DECODER_CMD") == 1


def test_decoder_without_events_starts_at_once(fake_kernel):
    decoder(fake_kernel).events_known = False
    kept = Kept()
    zcore.Chain(CodedSource(pictures(4)), Decode(DECODER, format="YU12"), kept.stage).run()
    assert len(kept.payloads) == 4


@pytest.mark.proves("T23", "dev-decoder:drain-no-command")
def test_decoder_without_a_drain_is_waited_for(fake_kernel):
    decoder(fake_kernel).commands = False
    kept = Kept()
    zcore.Chain(CodedSource(pictures(4)), Decode(DECODER, format="YU12"), kept.stage).run()
    assert len(kept.payloads) == 4


@pytest.mark.proves("dev-decoder:initialization", "VIDIOC_DQEVENT")
def test_header_that_takes_its_time_wakes_the_loop(fake_kernel):
    fake = decoder(fake_kernel)
    fake.late = True

    def read_later():
        while not fake.output.queued:
            threading.Event().wait(0.001)
        threading.Event().wait(0.01)  # the loop sleeps by now, or the test proves less
        fake.read_header()

    kept = Kept()
    thread = threading.Thread(target=read_later)
    thread.start()
    zcore.Chain(CodedSource(pictures(3)), Decode(DECODER), kept.stage).run()
    thread.join()
    assert len(kept.payloads) == 3


@pytest.mark.proves("T13")
def test_empty_frames_are_no_frames(fake_kernel):
    decoder(fake_kernel)
    kept = Kept()
    payloads = pictures(4)
    zcore.Chain(CodedSource([b"", payloads[0], b"", b"", *payloads[1:], b""]), Decode(DECODER), kept.stage).run()
    assert len(kept.payloads) == 4


def test_scraps_before_the_header_are_skipped(fake_kernel):
    decoder(fake_kernel)
    kept = Kept()
    zcore.Chain(CodedSource([b"scrap", *pictures(2)]), Decode(DECODER), kept.stage).run()
    assert len(kept.payloads) == 2


def test_no_stream_at_all(fake_kernel):
    decoder(fake_kernel)
    with pytest.raises(zcore.NegotiationError, match=r"decode\d+ \(/dev/video2\) found no stream"):
        zcore.Chain(CodedSource([b"scrap", b"more"]), Decode(DECODER), Kept().stage).run()


@pytest.mark.proves("dev-decoder:same-resolution", "T22")
def test_same_stream_announced_again_goes_on(fake_kernel):
    fake = decoder(fake_kernel)
    fake.announce_again = {2, 5}
    kept = Kept()
    zcore.Chain(CodedSource(pictures(9)), Decode(DECODER), kept.stage).run()
    assert kept.payloads == [picture(n, PIXELS) for n in range(9)]


def test_same_stream_announced_while_it_drains(fake_kernel):
    fake = decoder(fake_kernel)
    fake.announce_again, fake.delay = {4}, 2
    kept = Kept()
    zcore.Chain(CodedSource(pictures(5)), Decode(DECODER), kept.stage).run()
    assert len(kept.payloads) == 5
    assert fake_kernel.count("VIDIOC_DECODER_CMD") == 2  # restarting CAPTURE made the driver forget the first


@pytest.mark.parametrize(("stream", "asked", "own"), [("YU12", "YUYV", "YUV420"), ("RGB3", "AR24", "RGB")])
def test_format_that_the_stream_cannot_give(fake_kernel, stream, asked, own):
    """The driver lists every format, and finds out only while it decodes."""
    decoder(fake_kernel)
    payloads = [coded(bytes(64 * 16 * 3), stream)] * 3
    with pytest.raises(zcore.NegotiationError, match=rf"cannot give .* from this stream; its own choice is {own}"):
        zcore.Chain(CodedSource(payloads), Decode(DECODER, format=asked), Kept().stage).run()


def test_mapped_buffers_cannot_come_back(fake_kernel):
    decoder(fake_kernel)
    kept = Kept()
    zcore.Chain(CodedSource(pictures(3)), Decode(DECODER, format="YU12", capture_io_mode="mmap"), kept.stage).run()
    assert len(kept.payloads) == 3
    with pytest.raises(zcore.NegotiationError, match="give format='YUV420', or capture_io_mode='dmabuf'"):
        zcore.Chain(CodedSource(pictures(3)), Decode(DECODER, format="NV12", capture_io_mode="mmap"), kept.stage).run()


@pytest.mark.proves("T22", "dev-decoder:capture-setup", "T24")
def test_decoder_that_needs_more_buffers(fake_kernel):
    decoder(fake_kernel).minimum_of_stream = 20
    with pytest.raises(zcore.NegotiationError, match=r"needs 20 buffers .* give buffers=23"):
        zcore.Chain(CodedSource(pictures(3)), Decode(DECODER), Kept().stage).run()
    kept = Kept()
    decoder(fake_kernel).minimum_of_stream = 20
    zcore.Chain(CodedSource(pictures(3)), Decode(DECODER, buffers=23), kept.stage).run()
    assert len(kept.payloads) == 3


def test_damaged_frames_are_dropped_where_asked(fake_kernel):
    fake = decoder(fake_kernel)
    finish = fake.capture.finish

    def damage(buffer, **values):
        finish(buffer, **values | {"flags": values["flags"] | (0x40 if fake.decoded in (2, 3) else 0)})

    fake.capture.finish = damage
    kept = Kept()
    decode = Decode(DECODER, corrupted="drop")
    report = zcore.Chain(CodedSource(pictures(6)), decode, kept.stage).run()
    assert len(kept.payloads) == 4
    assert report.stages[1].drops == {"corrupted": 2}


def test_decoder_that_is_unplugged(fake_kernel):
    fake = decoder(fake_kernel)
    with pytest.raises(zcore.DeviceGoneError, match="video2"):
        zcore.Chain(CodedSource(pictures(50)), Decode(DECODER), zcore.Callback(lambda frame: fake.unplug())).run()


# Finding


@pytest.mark.proves("dev-encoder:capabilities", "dev-decoder:capabilities")
def test_formats_of_either_side_are_listed(fake_kernel):
    encoder(fake_kernel)
    decoder(fake_kernel)
    with Encode(ENCODER) as encode, Decode(DECODER) as decode:
        assert [fmt.name for fmt in encode.offers()] == [fmt.name for fmt in decode.accepts()] == ["FWHT"]
        raw = {fmt.name for fmt in encode.accepts()}
        assert raw == {fmt.name for fmt in decode.offers()}
        assert {"NV12", "YUV420", "YUYV", "RGB"} <= raw
    with Decode(DECODER, format="NV12") as decode:
        assert [fmt.name for fmt in decode.offers()] == ["NV12"]


@pytest.fixture
def machine(fake_kernel, monkeypatch):
    Camera(fake_kernel)
    encoder(fake_kernel)
    decoder(fake_kernel)
    monkeypatch.setattr(devices, "video_paths", lambda: ["/dev/video0", ENCODER, DECODER, "/dev/video9"])


def test_codecs_of_the_machine(machine):
    found = [(device.path, device.kind, device.format.name) for device in devices.codec_devices()]
    assert found == [(ENCODER, "enc", "FWHT"), (DECODER, "dec", "FWHT")]


def test_devices_are_found_by_their_codec(machine):
    kept = Kept()
    zcore.Chain(zcore.Capture("/dev/video0"), Encode(), Decode("fake", "fwht", format="NV12"), kept.stage).run(frames=3)
    assert len(kept.payloads) == 3
    with pytest.raises(zcore.DeviceNotFoundError, match=r"no encoder to H264; .* /dev/video1 \(fake, enc FWHT\)"):
        Encode(codec="h264").open()
    with pytest.raises(zcore.DeviceNotFoundError, match="no decoder of FWHT by 'other'"):
        Decode("other").open()


def test_codec_names():
    assert Encode(codec="h265").codec is find("HEVC")
    assert Encode(codec="JPEG").codec.name == "JPEG"
    with pytest.raises(UnknownFormatError, match=r"did you mean .*H264"):
        Encode(codec="h246")
    with pytest.raises(UnknownFormatError, match="NV12 is a format of pixels"):
        Encode(codec="NV12")


def test_device_without_the_codec(fake_kernel):
    encoder(fake_kernel)
    decoder(fake_kernel)
    Camera(fake_kernel)
    with pytest.raises(zcore.NegotiationError, match="encodes to FWHT, not H264"):
        Encode(ENCODER, "H264").open()
    with pytest.raises(zcore.NegotiationError, match="decodes nothing, not FWHT"):
        Decode(ENCODER).open()
    with pytest.raises(zcore.DeviceError, match="is no mem-to-mem device"):
        Encode("/dev/video0").open()


def test_busy_codec_is_said(fake_kernel):
    encoder(fake_kernel)
    fake_kernel.fail("open", errno.EBUSY)
    with pytest.raises(zcore.DeviceBusyError):
        Encode(ENCODER).open()
