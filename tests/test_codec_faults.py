"""Every call that a decoder's change takes is refused once: the run ends with words or goes on, and nothing is left."""

import errno

import pytest

import zcore
from codec_rig import OTHER, SIZE, CodedSource, decoder, stream
from zcore.stages.codec import Decode

CALLS = ("STREAMOFF", "STREAMON", "REQBUFS", "QBUF", "DQBUF", "G_FMT", "S_FMT", "G_SELECTION", "DQEVENT", "DECODER_CMD")


@pytest.mark.proves("dev-decoder:resolution-change", "dev-decoder:decode-error")
@pytest.mark.parametrize("queued", [False, True])
@pytest.mark.parametrize("code", [errno.EIO, errno.ENOMEM])
@pytest.mark.parametrize("call", CALLS)
def test_call_that_fails_at_the_change(fake_kernel, call, code, queued):
    """The fixture checks descriptors, maps and buffers at the end; the devices run again."""
    decoder(fake_kernel)
    payloads, _, sizes = stream((4, SIZE), (4, OTHER))
    seen = []

    def look(frame):
        seen.append(frame.size)
        if len(seen) == 4:
            fake_kernel.fail(f"VIDIOC_{call}", code)

    def chain():
        source = CodedSource(payloads)
        source.size = SIZE
        middle = [zcore.Queue(), Decode("/dev/video2"), zcore.Queue()] if queued else [Decode("/dev/video2")]
        return zcore.Chain(source, *middle, zcore.Callback(look))

    words = ""
    try:
        assert chain().run(stall_timeout=5).frames == len(seen) == 8
    except (zcore.DeviceError, zcore.NegotiationError) as error:
        words = str(error)
    assert not words or "decode" in words or "video2" in words
    seen.clear()
    seen.extend([None] * 4)  # no fault any more
    assert chain().run(stall_timeout=5).frames == 8
    assert seen[4:] == sizes
