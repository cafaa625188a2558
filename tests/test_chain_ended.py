"""A chain that has ended and is still there, in a variable: its buffers are not."""

import gc

import pytest

import zcore
from codec_rig import SIZE, Camera, CodedSource, decoder, encoder, stream
from fakekernel import FakeCard
from fakekernel.requests import FakeStatelessDecoder


def grey():
    return zcore.TestSource("GREY", (64, 48))


def coded(kernel):
    decoder(kernel)
    return CodedSource(stream((4, SIZE))[0])


def encoded(kernel):
    encoder(kernel, "/dev/video3")
    return zcore.TestSource("NV12", SIZE), zcore.Encode("/dev/video3"), zcore.FakeSink()


def stateless(kernel):
    FakeStatelessDecoder(kernel)
    source = CodedSource(stream((1, SIZE))[0])
    return source, zcore.StatelessDecode("/dev/video2", format="NV12", media="/dev/media0"), zcore.FakeSink()


def shown(kernel):
    FakeCard(kernel, auto=True)
    return Camera(kernel, code="XR24").stage(), zcore.Display("/dev/dri/card0")


CHAINS = {
    "plain": lambda kernel: (grey(), zcore.FakeSink()),
    "passthrough": lambda kernel: (grey(), zcore.Passthrough(lambda frame: frame.sequence), zcore.FakeSink()),
    "identity": lambda kernel: (grey(), zcore.Identity(drop_probability=0.5), zcore.FakeSink()),
    "queue": lambda kernel: (grey(), zcore.Queue(), zcore.Tee(), zcore.Queue(leaky="downstream"), zcore.Callback(id)),
    "scaled": lambda kernel: (grey(), zcore.SoftwareConvert("GREY", (32, 24)), zcore.ArraySink(keep=1)),
    "software": lambda kernel: (
        zcore.TestSource("YUV420", (64, 48)), zcore.SoftwareEncode(codec="MPEG4"), zcore.SoftwareDecode(),
        zcore.FakeSink(),
    ),
    "encoder": encoded,
    "decoder": lambda kernel: (coded(kernel), zcore.Decode("/dev/video2"), zcore.FakeSink()),
    "stateless": stateless,
    "camera": lambda kernel: (Camera(kernel).stage(), zcore.FakeSink()),
    "display": shown,
}  # fmt: skip


@pytest.mark.parametrize("name", CHAINS)
def test_buffers_go_with_the_run(fake_kernel, name):
    if name in ("scaled", "software"):
        pytest.importorskip("av")
    chain = zcore.Chain(*CHAINS[name](fake_kernel))
    for _ in range(2):
        chain.run(frames=3)
        gc.collect()
        assert [pool.name for pool in zcore.memory().pools] == []


def test_what_was_refused_is_known_afterwards():
    even = zcore.Passthrough(lambda frame: frame.sequence % 2 == 0)
    zcore.Chain(grey(), even, zcore.FakeSink()).run(frames=6)
    assert even.drops() == {"refused": 3}
