"""Drivers that do not free buffers when they are asked to: it is tried again, and the error is that of the call."""

import errno

import pytest

import zcore
from codec_rig import OTHER, SIZE, CodedSource, decoder, stream
from fakekernel import FakeCamera
from zcore.stages.codec import Decode

CODES = pytest.mark.parametrize("code", [errno.EBUSY, errno.EIO, errno.ENOMEM, errno.EINVAL], ids=errno.errorcode.get)
pytestmark = pytest.mark.proves("VIDIOC_REQBUFS", "T8")


def set_up_anew(stage):
    """Close the queue, and ask for another size and for new buffers."""
    stage.output.queue.close()
    stage.caps, stage.size = None, (320, 240)
    return [frame.size for frame in stage.frames(3, timeout=5)]


@CODES
@pytest.mark.parametrize("mode", ["dmabuf", "mmap"])
def test_refused_once_is_tried_again(fake_kernel, code, mode):
    camera = FakeCamera(fake_kernel)
    camera.auto = 100
    with zcore.Capture("/dev/video0", io_mode=mode) as stage:
        kept = next(iter(stage.frames(1, timeout=5)))
        camera.capture.keeps = [code]
        assert set_up_anew(stage) == [(320, 240)] * 3
        assert not camera.capture.keeps
        assert kept.array().size  # orphaned, and valid


@CODES
def test_refused_for_good_names_the_call(fake_kernel, code):
    camera = FakeCamera(fake_kernel)
    camera.auto = 100
    with zcore.Capture("/dev/video0", name="camera") as stage:
        list(stage.frames(1, timeout=5))
        camera.capture.keeps = [code] * 2
        with pytest.raises(zcore.DeviceError, match=r"camera: VIDIOC_REQBUFS: .*does not free") as caught:
            set_up_anew(stage)
        assert caught.value.errno == code
        del caught
        assert set_up_anew(stage) == [(320, 240)] * 3  # the driver has thought better of it


@CODES
@pytest.mark.parametrize("which", ["output", "capture"])
@pytest.mark.parametrize("times", [1, 99])
def test_decoder_whose_stream_changes(fake_kernel, code, which, times):
    fake = decoder(fake_kernel)
    payloads, _, sizes = stream((4, SIZE), (4, OTHER), (4, SIZE))
    seen = []

    def look(frame):
        seen.append(frame.size)
        if len(seen) == 4:
            getattr(fake, which).keeps = [code] * times

    source = CodedSource(payloads)
    source.size = SIZE
    chain = zcore.Chain(source, Decode("/dev/video2"), zcore.Callback(look))
    if times == 1 or which == "output":  # OUTPUT is freed at the end only, when nobody needs it any more
        assert chain.run(stall_timeout=5).frames == 12
        assert seen == sizes
    else:
        says = rf"CAPTURE: VIDIOC_REQBUFS: \[{errno.errorcode[code]}\].*does not free"
        with pytest.raises((zcore.DeviceError, zcore.NegotiationError), match=says):
            chain.run(stall_timeout=5)
        assert len(seen) == 4
