"""Streams that change on their way: other sizes, the same size again, a seek; what is behind the decoder follows."""

import errno
import threading

import numpy as np
import pytest

import zcore
from codec_rig import OTHER, SIZE, Camera, CodedSource, Kept, coded, decoder, encoder, stream
from fakekernel import FakeCard
from fakekernel.kernel import Refusal
from zcore.stages.codec import Decode
from zcore.stages.encode import Encode

DECODER = "/dev/video2"


@pytest.mark.proves("dev-decoder:resolution-change", "T22")
@pytest.mark.parametrize("raw", [None, "NV12"])
@pytest.mark.parametrize("delay", [0, 2])
@pytest.mark.parametrize("at", [0, 1, 3, 20])
def test_other_size_is_followed(fake_kernel, at, delay, raw):
    """What was decoded before arrives first, no coded frame is lost, and OUTPUT is never stopped."""
    decoder(fake_kernel).delay = delay
    payloads, pictures, sizes = stream((at, SIZE), (25 - at, OTHER))
    kept = Kept()
    report = zcore.Chain(CodedSource(payloads), Decode(DECODER, format=raw), kept.stage).run()
    assert kept.sizes == sizes
    assert kept.times == [5_000_000 * (n + 1) for n in range(25)]
    if raw is None:
        assert kept.payloads == pictures
    assert report.frames == 25
    assert report.zero_copy
    assert len(report.replanned) == 1
    assert "32x32" in report.replanned[0]
    assert [link.frames for link in report.links] == [25, 25]
    assert [(stage.frames_in, stage.frames_out) for stage in report.stages] == [(0, 25), (25, 25), (25, 0)]
    calls = [call for call in fake_kernel.calls if call.path == DECODER and call.name == "VIDIOC_STREAMOFF"]
    assert len(calls) >= 2


@pytest.mark.proves("dev-decoder:resolution-change")
def test_there_and_back_again(fake_kernel):
    decoder(fake_kernel)
    payloads, pictures, sizes = stream((5, SIZE), (7, OTHER), (1, SIZE), (9, (64, 64)), (3, SIZE))
    kept = Kept()
    chain = zcore.Chain(CodedSource(payloads), zcore.Queue(), Decode(DECODER), zcore.Queue(), kept.stage)
    with chain:
        for _ in range(2):
            report = chain.run()
            chain.stages[0].given = 0
            assert len(report.replanned) >= 4
            assert report.frames == 25
    assert kept.sizes[-25:] == sizes
    assert kept.payloads[-25:] == pictures


def test_other_branches_go_on(fake_kernel):
    """A tee before the decoder: the other branch sees nothing of it. A tee behind it: both follow."""
    decoder(fake_kernel)
    payloads, pictures, sizes = stream((6, SIZE), (6, OTHER))
    source, decode = CodedSource(payloads), Decode(DECODER)
    first, second, raw = zcore.Tee(), zcore.Tee(), Kept()
    one, other = Kept(), Kept()
    links = [
        (source, first), (first, raw.stage), (first, decode), (decode, second), (second, one.stage),
        (second, other.stage),
    ]  # fmt: skip
    report = zcore.Chain(links=links).run()
    assert raw.payloads == payloads
    assert one.payloads == other.payloads == pictures
    assert one.sizes == sizes
    assert {link.frames for link in report.links} == {12}


def test_encoder_behind_the_decoder_follows(fake_kernel):
    """It is drained, and set up for the new size."""
    decoder(fake_kernel)
    encoder(fake_kernel, "/dev/video3").delay = 2
    decoder(fake_kernel, "/dev/video4")
    payloads, pictures, sizes = stream((6, SIZE), (6, OTHER))
    kept = Kept()
    chain = zcore.Chain(
        CodedSource(payloads), Decode(DECODER), Encode("/dev/video3"), Decode("/dev/video4", name="second"), kept.stage
    )
    report = chain.run()
    assert kept.sizes == sizes
    assert kept.payloads == pictures
    assert report.frames == 12


def test_display_follows(fake_kernel):
    decoder(fake_kernel)
    FakeCard(fake_kernel, auto=True)
    payloads = [coded(bytes(64 * 16 * 3), "RGB3")] * 6 + [coded(bytes(32 * 32 * 3), "RGB3", OTHER)] * 6
    payloads = [coded(bytes(SIZE[0] * SIZE[1] * 3), "RGB3")] * 6 + payloads[6:]
    fake_format = zcore.CapsFilter("video/x-raw,format=RGB")
    kept = Kept()
    report = zcore.Chain(CodedSource(payloads), Decode(DECODER), fake_format, kept.stage).run()
    assert report.frames == 12
    assert set(kept.sizes) == {SIZE, OTHER}


def test_size_that_a_filter_fixed_is_refused(fake_kernel):
    decoder(fake_kernel)
    payloads, _, _ = stream((4, SIZE), (4, OTHER))
    caps = zcore.CapsFilter(f"video/x-raw,width={SIZE[0]},height={SIZE[1]}")
    kept = Kept()
    with pytest.raises((zcore.NegotiationError, zcore.ZeroCopyError), match="32x32") as caught:
        zcore.Chain(CodedSource(payloads), Decode(DECODER), caps, kept.stage).run(require_zero_copy=True)
    assert len(kept.sizes) == 4
    assert caught.value.report.links[1].frames == 4


def test_old_frames_that_are_kept_stay_valid(fake_kernel):
    decoder(fake_kernel)
    payloads, pictures, _ = stream((4, SIZE), (4, OTHER))
    kept = []
    zcore.Chain(CodedSource(payloads), Decode(DECODER, buffers=12), zcore.Callback(kept.append)).run()
    found = [b"".join(np.ascontiguousarray(p).tobytes() for p in frame.planes()) for frame in kept]
    assert found == pictures


def test_stop_in_the_middle_of_a_change(fake_kernel):
    decoder(fake_kernel)
    payloads, _, _ = stream((4, SIZE), (4, OTHER))
    seen = []

    def look(frame):
        seen.append(frame.size)
        if len(seen) == 4:
            chain.stop()

    chain = zcore.Chain(CodedSource(payloads), Decode(DECODER), zcore.Callback(look))
    assert chain.run().frames in (4, 5)


def test_decoder_that_is_unplugged_at_the_change(fake_kernel):
    fake = decoder(fake_kernel)
    payloads, _, _ = stream((4, SIZE), (4, OTHER))
    change = fake.change

    def unplug(head):
        change(head)
        if head[:2] == OTHER:
            fake.unplug()

    fake.change = unplug
    with pytest.raises(zcore.DeviceGoneError, match="video2"):
        zcore.Chain(CodedSource(payloads), Decode(DECODER), Kept().stage).run()


def test_device_that_refuses_the_new_buffers(fake_kernel):
    decoder(fake_kernel)
    payloads, _, _ = stream((4, SIZE), (4, OTHER))
    kept = Kept()

    def look(frame):
        kept.take(frame)
        if len(kept.sizes) == 4:
            for _ in range(200):
                fake_kernel.fail("VIDIOC_REQBUFS", errno.ENOMEM)

    with pytest.raises((zcore.NegotiationError, zcore.DeviceError)):
        zcore.Chain(CodedSource(payloads), Decode(DECODER), zcore.Callback(look)).run()
    assert len(kept.sizes) == 4


# A seek


@pytest.mark.proves("dev-decoder:seek-flush")
@pytest.mark.parametrize("delay", [0, 2])
def test_flush_throws_away_and_counts(fake_kernel, delay):
    fake = decoder(fake_kernel)
    fake.delay = delay
    payloads, pictures, _ = stream((30, SIZE))
    kept = Kept()
    decode = Decode(DECODER)

    def look(frame):
        kept.take(frame)
        if len(kept.sizes) == 5:
            decode.flush()

    report = zcore.Chain(CodedSource(payloads), decode, zcore.Callback(look)).run()
    flushed = report.stages[1].drops.get("flushed", 0)
    assert flushed > 0
    assert len(kept.payloads) + flushed == 30
    assert kept.payloads == [p for p in pictures if p in kept.payloads]  # in order
    assert kept.payloads[-1] == pictures[-1]


def test_flush_of_a_decoder_that_does_not_run():
    Decode(DECODER).flush()


def test_flush_from_another_thread_while_the_size_changes(fake_kernel):
    decoder(fake_kernel)
    payloads, _, _ = stream(*[(5, size) for _ in range(6) for size in (SIZE, OTHER)])
    decode, kept = Decode(DECODER), Kept()
    done = threading.Event()

    def seek():
        while not done.is_set():
            decode.flush()
            done.wait(0.002)

    thread = threading.Thread(target=seek)
    thread.start()
    try:
        report = zcore.Chain(CodedSource(payloads), decode, kept.stage).run()
    finally:
        done.set()
        thread.join()
    assert len(kept.sizes) + report.stages[1].drops.get("flushed", 0) == 60


# What the stream is made of


def test_samples_of_the_stream_are_found_out(fake_kernel):
    """Nobody said what the stream holds, and the sink takes anything: it gets the stream's own samples."""
    decoder(fake_kernel)
    pixels = bytes(range(256)) * (SIZE[0] * SIZE[1] * 3 // 256)
    kept = Kept()
    report = zcore.Chain(CodedSource([coded(pixels, "RGB3")] * 4), Decode(DECODER), kept.stage).run()
    assert report.frames == 4
    assert kept.payloads == [pixels] * 4
    assert len(report.replanned) == 1
    assert report.zero_copy


def test_samples_that_change_on_the_way(fake_kernel):
    decoder(fake_kernel)
    pixels = bytes(range(256)) * (SIZE[0] * SIZE[1] * 3 // 256)
    payloads, pictures, _ = stream((3, SIZE))
    kept = Kept()
    report = zcore.Chain(CodedSource([*payloads, *[coded(pixels, "RGB3")] * 4]), Decode(DECODER), kept.stage).run()
    assert kept.payloads == [*pictures, *[pixels] * 4]
    assert len(report.replanned) == 1


# A drain in mid-stream


@pytest.mark.proves("dev-decoder:drain-restart", "dev-decoder:drain-epipe", "dev-decoder:drain-no-command")
@pytest.mark.proves("dev-encoder:drain-restart", "dev-encoder:drain-no-command")
@pytest.mark.proves("dev-decoder:drain-last", "dev-encoder:drain", "T23")
@pytest.mark.parametrize("broken", ["", "no commands", "EPIPE after START", "no START"])
def test_drain_in_mid_stream_loses_nothing(fake_kernel, broken):
    camera = Camera(fake_kernel)
    coder, fake = encoder(fake_kernel), decoder(fake_kernel)
    for device in (coder, fake):
        device.delay = 2
        command = device.command

        def answer(cmd, command=command, device=device):
            if broken == "EPIPE after START" and cmd == 0:
                return  # vicodec of Linux 6.12: it goes on, and DQBUF says EPIPE all the same
            if broken == "no START" and cmd == 0:
                raise Refusal(errno.EINVAL, "no START")
            command(cmd)

        device.command = answer
        device.commands = broken != "no commands"
    encode, decode, kept = Encode("/dev/video1"), Decode(DECODER), Kept()
    if broken == "no commands":
        coder.delay = fake.delay = 0

    def look(frame):
        kept.take(frame)
        if len(kept.sizes) in (3, 9):
            encode.drain()
        if len(kept.sizes) in (6, 9):
            decode.drain()

    zcore.Chain(camera.stage(), encode, decode, zcore.Callback(look)).run(frames=20)
    assert len(kept.sizes) == 20
    assert kept.times == sorted(set(kept.times))
    if not broken:
        assert fake_kernel.count("VIDIOC_ENCODER_CMD") >= 3
        assert fake_kernel.count("VIDIOC_DECODER_CMD") >= 3


def test_drain_of_a_codec_that_does_not_run():
    Decode(DECODER).drain()
    Encode("/dev/video1").drain()


# Large and missing frames


@pytest.mark.proves("T85", "dev-decoder:enospc")
def test_buffers_of_the_size_that_the_user_says(fake_kernel):
    decoder(fake_kernel)
    payloads, pictures, _ = stream((2, SIZE), (3, (64, 64)))
    kept = Kept()
    zcore.Chain(CodedSource(payloads, room=2000), Decode(DECODER, buffer_size=7000), kept.stage).run()
    assert kept.payloads == pictures
    assert fake_kernel.count("VIDIOC_CREATE_BUFS") == 0
    with pytest.raises(ValueError, match="buffer_size is a number of bytes"):
        Decode(DECODER, buffer_size=0)


def test_frames_that_the_driver_swallows_are_told(fake_kernel):
    fake = decoder(fake_kernel)
    step = fake.step

    def swallow():
        if fake.decoded == 3:
            fake.decoded += 1
            source = fake.output.take()
            fake.output.finish(source, bytesused=[p.bytesused for p in source.planes], timestamp_ns=source.timestamp_ns)
            return
        step()

    fake.step = swallow
    payloads, _, _ = stream((8, SIZE))
    kept = Kept()
    report = zcore.Chain(CodedSource(payloads), Decode(DECODER), kept.stage).run()
    assert len(kept.sizes) == 7
    assert report.stages[1].facts["without_result"] == 1
