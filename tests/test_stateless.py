"""Stateless decoding against a fake device: references, damage, requests."""

import gc
import os

import pytest

import zcore
from codec_rig import SIZE, CodedSource, Kept, picture
from fakekernel.requests import FWHT_PARAMS, I_FRAME, FakeStatelessDecoder, coded_frame

BYTES = SIZE[0] * SIZE[1] * 3 // 2


@pytest.fixture
def decoder(fake_kernel):
    return FakeStatelessDecoder(fake_kernel)


def pictures(count):
    return [picture(number, BYTES) for number in range(count)]


def stream(frames, keys=5):
    """A key frame, four that each build on the one before, and so on."""
    return [
        coded_frame(frame, SIZE, frames[n - 1] if n % keys else None, flags=0x40 * (n % 2))
        for n, frame in enumerate(frames)
    ]


def play(payloads, *, frames=None, **options):
    kept = Kept()
    stage = zcore.StatelessDecode("/dev/video2", format="NV12", media="/dev/media0", **options)
    report = zcore.Chain(CodedSource(payloads), stage, kept.stage).run(frames=frames, require_zero_copy=True)
    return kept, report


@pytest.mark.proves("dev-stateless-decoder:decoding", "dev-stateless-decoder:references")
def test_pictures_are_what_was_coded(decoder):
    frames = pictures(12)
    kept, report = play(stream(frames))
    assert kept.payloads == frames
    assert kept.times == [5_000_000 * (n + 1) for n in range(12)]  # and not the numbers that the device saw
    assert [params[0] for params in decoder.seen] == [0 if n % 5 == 0 else n * 1000 for n in range(12)]
    assert all(params[1:4] == (3, *SIZE) and params[5:] == (3, 1, 2, 1) for params in decoder.seen)
    assert [bool(params[4] & I_FRAME) for params in decoder.seen] == [n % 5 == 0 for n in range(12)]
    facts = next(stage.facts for stage in report.stages if "requests" in stage.facts)
    assert facts == {"requests": 12, "bitstream_bytes": 12 * BYTES}


@pytest.mark.proves("MEDIA_IOC_REQUEST_ALLOC", "MEDIA_REQUEST_IOC_REINIT", "request-api:reuse")
def test_requests_are_made_once(decoder, fake_kernel):
    play(stream(pictures(40)))
    requests = decoder.media.requests
    assert len(requests) == 6
    assert sum(request.times_queued for request in requests) == 40
    assert fake_kernel.count("MEDIA_IOC_REQUEST_ALLOC") == 6
    assert fake_kernel.count("MEDIA_REQUEST_IOC_REINIT") == 34


@pytest.mark.proves("request-api:queue-and-complete")
def test_request_that_ends_after_its_buffer(decoder):
    import threading

    decoder.late_end = True
    over = threading.Event()

    def end():
        while not over.wait(0.002):
            decoder.end_late()

    thread = threading.Thread(target=end)
    thread.start()
    try:
        kept, _ = play(stream(pictures(20)))
    finally:
        over.set()
        thread.join()
        decoder.end_late()
    assert kept.payloads == pictures(20)


def test_several_pictures_in_one_buffer(decoder):
    payloads = stream(pictures(6))
    kept, report = play([payloads[0] + payloads[1], b"", b"".join(payloads[2:])])
    assert kept.payloads == pictures(6)
    assert report.frames == 6


@pytest.mark.proves("dev-stateless-decoder:error")
@pytest.mark.parametrize(("corrupted", "numbers"), [("deliver", [0, 1, 3, 4, 5, 6]), ("drop", [0, 1, 5, 6])])
def test_damaged_header(decoder, corrupted, numbers):
    frames = pictures(7)
    payloads = stream(frames)
    payloads[2] = b"X" + payloads[2][1:]
    kept, report = play(payloads, corrupted=corrupted)
    assert len(kept.payloads) == len(numbers)
    assert [bool(flags & 0x40) for flags in kept.flags] == [n in (3, 4) for n in numbers]
    drops = {reason: n for stage in report.stages for reason, n in stage.drops.items()}
    assert drops == {"damaged header": 1} | ({"no reference": 2} if corrupted == "drop" else {})


@pytest.mark.proves("dev-stateless-decoder:seek")
def test_begins_with_a_key_frame(decoder):
    frames = pictures(12)
    kept, report = play(stream(frames)[3:])
    assert kept.payloads == frames[5:]
    assert {reason: n for stage in report.stages for reason, n in stage.drops.items()} == {"no reference": 2}


def test_noise_is_counted(decoder):
    with pytest.raises(zcore.DeviceError, match="refuses the headers"):
        play([coded_frame(pictures(1)[0], SIZE).replace(b"\0\0\0\3", b"\0\0\0\2", 1)])
    kept, report = play([b"noise" * 20, b"O", b"OOOO\xff\xff\xff\xff", *stream(pictures(1))])
    assert kept.payloads == pictures(1)
    assert {reason: n for stage in report.stages for reason, n in stage.drops.items()} == {"damaged header": 3}


@pytest.mark.proves("dev-stateless-decoder:resolution-change")
def test_another_size_is_followed(decoder, fake_kernel):
    small, large = (32, 16), (96, 32)
    others = [[picture(n, w * h * 3 // 2) for n in range(3)] for w, h in (small, large)]
    payloads = [*stream(pictures(3))]
    for size, frames in zip((small, large), others, strict=True):
        payloads += [coded_frame(one, size, frames[n - 1] if n else None) for n, one in enumerate(frames)]
    payloads += stream(pictures(2))
    kept, report = play(payloads)
    assert kept.payloads == pictures(3) + others[0] + others[1] + pictures(2)
    assert report.zero_copy
    assert [text.split()[-2] for text in report.replanned] == ["32x16", "96x32", "x".join(map(str, SIZE))]
    assert report.frames == 11


def test_another_size_without_a_key_frame_is_skipped(decoder):
    frames = pictures(3)
    payloads = stream(frames)
    payloads.insert(1, coded_frame(bytes(64), (128, 128), bytes(64)))
    kept, report = play(payloads)
    assert kept.payloads == frames[:1]
    assert {reason: n for stage in report.stages for reason, n in stage.drops.items()} == {"no reference": 3}
    assert not report.replanned


def test_runs_again_with_other_numbers(decoder):
    frames = pictures(4)
    kept = Kept()
    stage = zcore.StatelessDecode("/dev/video2", format="NV12", media="/dev/media0")
    for _ in range(3):
        source = CodedSource(stream(frames))
        with zcore.Chain(source, stage, kept.stage) as chain:
            chain.run()
            source.given = 0
            chain.run()
    assert kept.payloads == frames * 6
    seen = [params[0] for params in decoder.seen if params[0]]
    assert len(set(seen)) == len(seen)


@pytest.mark.parametrize("call", ["MEDIA_IOC_REQUEST_ALLOC", "MEDIA_REQUEST_IOC_QUEUE", "VIDIOC_S_EXT_CTRLS",
                                  "VIDIOC_QBUF", "MEDIA_REQUEST_IOC_REINIT"])  # fmt: skip
@pytest.mark.parametrize("after", [0, 1, 3])
def test_every_call_may_fail(decoder, fake_kernel, call, after):
    fake_kernel.fail(call, 5, after=after)
    with pytest.raises(zcore.DeviceError, match=call) as caught:
        play(stream(pictures(12)))
    assert caught.value.errno == 5
    fake_kernel.rules.clear()


def test_nothing_is_left_open(decoder):
    def standing():
        gc.collect()
        return len(os.listdir("/proc/self/fd"))

    before = standing()
    for _ in range(100):
        zcore.StatelessDecode("/dev/video2", media="/dev/media0").open()
    for _ in range(10):
        stage = zcore.StatelessDecode("/dev/video2", media="/dev/media0")
        stage.open()
        stage.close()
        stage.close()
    decoder.reap()
    decoder.media.reap()
    for request in decoder.media.requests:
        request.reap()
    gc.collect()
    assert standing() == before


@pytest.mark.proves("dev-stateless-decoder:capabilities")
def test_wrong_devices_are_named(decoder, fake_kernel):
    from fakekernel import FakeDecoder, FakeM2m

    FakeDecoder(fake_kernel, "/dev/video3")
    FakeM2m(fake_kernel, "/dev/video4")
    with pytest.raises(zcore.NegotiationError, match="decodes FWHT, not FWHT_STATELESS"):
        zcore.StatelessDecode("/dev/video3").open()
    with pytest.raises(zcore.NegotiationError, match="not FWHT_STATELESS"):
        zcore.StatelessDecode("/dev/video4").open()
    with pytest.raises(ValueError, match="stateless decoders of MJPEG are not supported; of FWHT, H264"):
        zcore.StatelessDecode(codec="MJPEG")
    with pytest.raises(zcore.DeviceError, match="ENOENT"):
        zcore.StatelessDecode("/dev/video2", media="/dev/media7").open()
    assert FWHT_PARAMS in decoder.controls


def test_element_by_gstreamers_name(decoder, tmp_path, monkeypatch):
    from zcore import devices, requests
    from zcore.pipeline import codecs
    from zcore.stages import stateless

    monkeypatch.setattr(devices, "video_paths", lambda: ["/dev/video2"])
    monkeypatch.setattr(stateless, "media_device_of", lambda path: "/dev/media0")
    assert [one.name for one in codecs.factories()] == ["v4l2slfwhtdec"]
    assert codecs.on_any_device("v4l2slh264dec").stage == "zcore.stages.stateless:StatelessDecode"
    assert codecs.on_any_device("v4l2slav1dec").stage == "zcore.stages.stateless:StatelessDecode"
    assert codecs.on_any_device("v4l2slh263dec") is None
    path = tmp_path / "in.fwht"
    frames = pictures(4)
    path.write_bytes(b"".join(stream(frames)))
    text = f"filesrc location={path} ! v4l2slfwhtdec device=/dev/video2 ! video/x-raw,format=NV12 ! appsink name=out"
    with zcore.launch(text) as chain:
        chain.start()
        got = [b"".join(plane.tobytes() for plane in frame.planes()) for frame in chain["out"]]
        chain.wait()
    assert got == frames
    assert requests.media_device_of


def test_decode_takes_a_stateless_device_where_there_is_no_other(decoder, monkeypatch):
    from zcore import devices
    from zcore.stages import stateless

    monkeypatch.setattr(devices, "video_paths", lambda: ["/dev/video2"])
    monkeypatch.setattr(stateless, "media_device_of", lambda path: "/dev/media0")
    for device in (None, "/dev/video2"):
        kept = Kept()
        chain = zcore.Chain(CodedSource(stream(pictures(4))), zcore.Decode(device, format="NV12"), kept.stage)
        with chain:
            plan = str(chain.plan(require_zero_copy=True))
            report = chain.run(require_zero_copy=True)
        assert kept.payloads == pictures(4)
        assert "statelessdecode" in str([stage.kind for stage in report.stages])
        assert "software" not in plan
    with pytest.raises(zcore.DeviceError, match="no decoder of H264"):
        zcore.Chain(CodedSource([]), zcore.Decode(codec="H264"), Kept().stage).plan()


def test_device_is_found_by_its_codec(decoder, monkeypatch):
    from zcore import devices

    monkeypatch.setattr(devices, "video_paths", lambda: ["/dev/video2"])
    stage = zcore.StatelessDecode(media="/dev/media0")
    with stage:
        assert stage.device == "/dev/video2"
    with pytest.raises(zcore.DeviceError, match=r"no stateless decoder of H264; this machine's .* /dev/video2 \(fake"):
        zcore.StatelessDecode(codec="H264").open()
