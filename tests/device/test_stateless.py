"""Stateless decoding of FWHT with the kernel's vicodec, bit for bit against its stateful decoder and a plain one."""

import gc
import os
import struct

import numpy as np
import pytest
from plain_codec import plain_decode

import zcore
from testbed import debugfs, drivers

SIZE = (640, 480)
RAW = ["NV12", "XR24"]
HEADER = 44
I_FRAME = 1 << 10


@pytest.fixture(params=[0, 1], ids=["single-planar", "multi-planar"])
def codecs(request):
    with drivers.vicodec(multiplanar=request.param) as nodes:
        yield tuple(nodes.one("m2m", f"state{kind}").path for kind in ("ful-encoder", "ful-decoder", "less-decoder"))


@pytest.fixture
def plain():
    with drivers.vicodec(multiplanar=0) as nodes:
        yield tuple(nodes.one("m2m", f"state{kind}").path for kind in ("ful-encoder", "ful-decoder", "less-decoder"))


class Kept:
    """A callback that keeps what it sees."""

    def __init__(self):
        self.payloads, self.times, self.flags = [], [], []
        self.stage = zcore.Callback(self.take)

    def take(self, frame):
        self.payloads.append(b"".join(np.ascontiguousarray(plane).tobytes() for plane in frame.planes()))
        self.times.append(frame.timestamp_ns)
        self.flags.append(frame.corrupted)


def encoded(path, raw, frames, size=SIZE):
    kept = Kept()
    encode = zcore.Encode(path, gop_size=4)
    zcore.Chain(zcore.TestSource(raw, size), encode, kept.stage).run(frames=frames)
    return kept.payloads


def keys(payloads):
    return [n for n, one in enumerate(payloads) if struct.unpack_from(">I", one, 20)[0] & I_FRAME]


def played(tmp_path, payloads, *stages, **options):
    """Decode coded frames from a file; gives what came out, and the report."""
    path = tmp_path / "stream.fwht"
    path.write_bytes(b"".join(payloads))
    kept = Kept()
    source = zcore.FileSource(str(path), "FWHT", rate=25)
    report = zcore.Chain(source, *stages, kept.stage).run(**options)
    return kept, report


@pytest.mark.proves(
    "MEDIA_IOC_REQUEST_ALLOC", "MEDIA_REQUEST_IOC_QUEUE", "MEDIA_REQUEST_IOC_REINIT", "VIDIOC_S_EXT_CTRLS",
    "dev-stateless-decoder:decoding", "dev-stateless-decoder:references", "request-api:queue-and-complete",
)  # fmt: skip
@pytest.mark.parametrize("raw", RAW)
def test_is_what_the_stateful_decoder_gives(codecs, raw):
    frames = 5
    whole, kept = Kept(), Kept()
    source = zcore.TestSource(raw, SIZE)
    decode = zcore.Decode(codecs[1], format=raw)
    zcore.Chain(source, zcore.Encode(codecs[0], gop_size=4), decode, whole.stage).run(frames=frames)
    decode = zcore.StatelessDecode(codecs[2], format=raw)
    source = zcore.TestSource(raw, SIZE)
    report = zcore.Chain(source, zcore.Encode(codecs[0], gop_size=4), decode, kept.stage).run(
        frames=frames, require_zero_copy=True
    )
    assert kept.payloads == whole.payloads
    assert len(set(kept.payloads)) > frames // 2
    assert kept.times == whole.times
    assert report.zero_copy
    assert report.frames == frames
    assert not any(kept.flags)


def test_file_to_plain_reference(plain, tmp_path):
    payloads = encoded(plain[0], "NV12", 9)
    kept, report = played(tmp_path, payloads, zcore.StatelessDecode(format="NV12"), require_zero_copy=True)
    assert kept.payloads == plain_decode(plain[1], SIZE, "NV12", payloads)
    assert kept.times == sorted(set(kept.times))
    assert report.zero_copy


@pytest.mark.proves("dev-stateless-decoder:seek")
def test_flush_in_mid_stream(plain, tmp_path):
    """What was taken is dropped, and decoding goes on with a key frame, and every picture is right."""
    payloads = encoded(plain[0], "NV12", 20)
    path = tmp_path / "stream.fwht"
    path.write_bytes(b"".join(payloads))
    decode, kept = zcore.StatelessDecode(plain[2], format="NV12"), Kept()

    def look(frame):
        kept.take(frame)
        if len(kept.payloads) == 3:
            decode.flush()

    report = zcore.Chain(zcore.FileSource(str(path), "FWHT", rate=25), decode, zcore.Callback(look)).run()
    drops = report.stages[1].drops
    assert drops["flushed"] > 0
    assert len(kept.payloads) + sum(drops.values()) == 20
    numbers = [round(time_ns * 25 / 1e9) for time_ns in kept.times]
    first = numbers[0]
    shown = [number - first for number in numbers]
    assert shown[:3] == [0, 1, 2]
    assert shown[3] in keys(payloads)
    assert shown[3:] == list(range(shown[3], 20))
    whole = plain_decode(plain[1], SIZE, "NV12", payloads)
    assert kept.payloads == [whole[number] for number in shown]
    assert not any(kept.flags)


def test_into_a_display(plain, vkms):
    size = (640, 480)
    payloads = encoded(plain[0], "XR24", 6, size)
    display = zcore.Display("vkms", mode=size)
    source = zcore.TestSource("XR24", size)
    chain = zcore.Chain(
        source, zcore.Encode(plain[0], gop_size=4), zcore.StatelessDecode(plain[2], format="XR24"), display
    )
    with chain:
        report = chain.run(frames=6, require_zero_copy=True)
        shown = display.screenshot()
    assert report.frames == 6
    last = np.frombuffer(plain_decode(plain[1], size, "XR24", payloads)[-1], np.uint8)
    assert np.array_equal(shown[..., :3], last.reshape(size[1], size[0], 4)[..., :3])


@pytest.mark.proves("dev-stateless-decoder:drain", "request-api:reuse")
def test_runs_again_and_leaves_nothing(plain):
    def standing():
        gc.collect()
        return len(os.listdir("/proc/self/fd")), debugfs.dmabufs().count

    kept = Kept()
    source = zcore.TestSource("NV12", SIZE)
    chain = zcore.Chain(source, zcore.Encode(plain[0]), zcore.StatelessDecode(plain[2], format="NV12"), kept.stage)
    with chain:
        for _ in range(3):
            assert chain.run(frames=4, require_zero_copy=True).frames == 4
    assert len(kept.payloads) == 12
    before = standing()
    for _ in range(5):
        assert chain.run(frames=2).frames == 2
    assert standing() == before


@pytest.mark.proves("dev-stateless-decoder:seek")
def test_stream_that_begins_without_a_key_frame(plain, tmp_path):
    payloads = encoded(plain[0], "NV12", 8)
    key = keys(payloads)[1]
    kept, report = played(tmp_path, payloads[2:], zcore.StatelessDecode(plain[2], format="NV12"))
    assert kept.payloads == plain_decode(plain[1], SIZE, "NV12", payloads)[key:]
    assert {reason: n for stage in report.stages for reason, n in stage.drops.items()} == {"no reference": key - 2}


@pytest.mark.proves("dev-stateless-decoder:error")
@pytest.mark.parametrize(("corrupted", "came"), [("deliver", 7), ("drop", 5)])
def test_damaged_header(plain, corrupted, came):
    """The frame is lost; those that build on it are flagged, or dropped until the next key frame."""
    payloads = encoded(plain[0], "NV12", 8)
    assert keys(payloads) == [0, 4]
    payloads[1] = b"XXXX" + payloads[1][4:]
    kept = Kept()
    source = zcore.AppSource("video/x-fwht,width=640,height=480")
    decode = zcore.StatelessDecode(plain[2], format="NV12", corrupted=corrupted)
    chain = zcore.Chain(source, decode, kept.stage)
    with chain:
        chain.start()
        for payload in payloads:
            source.push(payload)
        source.end_of_stream()
        report = chain.wait()
    assert len(kept.payloads) == came
    assert sum(kept.flags) == (2 if corrupted == "deliver" else 0)
    drops = {reason: n for stage in report.stages for reason, n in stage.drops.items()}
    assert drops["damaged header"] == 1
    assert drops.get("no reference", 0) == (0 if corrupted == "deliver" else 2)


def test_format_that_the_stream_cannot_give(plain, tmp_path):
    payloads = encoded(plain[0], "NV12", 2)
    with pytest.raises(zcore.DeviceError, match="format that the stream was made from"):
        played(tmp_path, payloads, zcore.StatelessDecode(plain[2], format="XR24"))


@pytest.mark.proves("dev-stateless-decoder:resolution-change", "dev-stateless-decoder:initialization")
def test_another_size_in_mid_stream(plain, tmp_path):
    sizes = [SIZE, (656, 496), SIZE]
    parts = [encoded(plain[0], "NV12", 3, size) for size in sizes]
    kept, report = played(
        tmp_path, [payload for part in parts for payload in part], zcore.StatelessDecode(plain[2], format="NV12")
    )
    expected = [plain_decode(plain[1], size, "NV12", part) for size, part in zip(sizes, parts, strict=True)]
    assert kept.payloads == [picture for part in expected for picture in part]
    assert report.zero_copy
    assert len(report.replanned) == 2
    assert "656x496 now" in report.replanned[0]


def test_header_is_the_kernels(plain):
    payload = encoded(plain[0], "NV12", 1)[0]
    magic, *numbers = struct.unpack(">8s9I", payload[:HEADER])
    assert magic == b"OOOO\xff\xff\xff\xff"
    assert numbers[:3] == [3, *SIZE]
    assert numbers[3] & I_FRAME
    assert numbers[8] == len(payload) - HEADER


@pytest.mark.proves("dev-stateless-decoder:capabilities")
def test_decode_takes_a_stateless_device(plain, tmp_path):
    payloads = encoded(plain[0], "NV12", 2)
    kept, report = played(tmp_path, payloads, zcore.Decode(plain[2], format="NV12"), require_zero_copy=True)
    assert kept.payloads == plain_decode(plain[1], SIZE, "NV12", payloads)
    assert report.zero_copy


def test_device_without_requests(vim2m, plain):
    with pytest.raises(zcore.NegotiationError, match="decodes nothing, not FWHT_STATELESS"):
        zcore.StatelessDecode(vim2m).open()
    with pytest.raises(zcore.NegotiationError, match="decodes FWHT, not FWHT_STATELESS"):
        zcore.StatelessDecode(plain[1]).open()
