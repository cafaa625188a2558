"""Coded frames that are larger than a real decoder's buffers: vicodec gets larger ones while it streams."""

import numpy as np
import pytest

import zcore
from testbed import drivers

SMALL, LARGE = (640, 368), (1280, 800)


@pytest.fixture(params=[0, 1], ids=["single-planar", "multi-planar"])
def codecs(request):
    with drivers.vicodec(multiplanar=request.param) as nodes:
        yield nodes.one("m2m", "stateful-encoder").path, nodes.one("m2m", "stateful-decoder").path, request.param


def encoded(encoder, size, frames):
    """Noise, of which a coded frame is about as large as the picture."""
    units = []
    zcore.Chain(
        zcore.TestSource("NV12", size, pattern="snow"),
        zcore.Encode(encoder, gop_size=1),
        zcore.Callback(lambda frame: units.append(frame.array().tobytes())),
    ).run(frames=frames)
    return units


def play(decoder, units, mode, kept):
    source = zcore.AppSource(format="FWHT", size=SMALL, name="app")
    decode = zcore.Decode(decoder, format="NV12", output_io_mode=mode)
    with zcore.Chain(source, decode, zcore.Callback(lambda frame: kept.append(take(frame)))) as chain:
        (room,) = {buffer.size for buffers in chain.plan()[0].pool.slot_buffers for buffer in buffers}
        assert len(units[0]) < room < len(units[2])  # vicodec counts four bytes for each pixel
        chain.start()
        for unit in units:
            source.push(unit, timeout=30)
        source.end_of_stream()
        return chain.wait(60)


@pytest.mark.proves("VIDIOC_CREATE_BUFS", "dev-decoder:enospc", "T85")
def test_larger_frames_get_larger_buffers(codecs):
    encoder, decoder, multiplanar = codecs
    units = encoded(encoder, SMALL, 2) + encoded(encoder, LARGE, 3)
    units += units[:2]
    pictures = {}
    for mode in ("mmap", "dmabuf", "dmabuf-import") if multiplanar else ("mmap", "dmabuf"):
        kept = []
        report = play(decoder, units, mode, kept)
        assert report.frames == 7
        assert [size for size, _ in kept] == [SMALL] * 2 + [LARGE] * 3 + [SMALL] * 2
        assert report.stages[0].facts["enlarged_buffers"] >= 1
        pictures[mode] = [content for _, content in kept]
    assert all(found == pictures["mmap"] for found in pictures.values())
    assert pictures["mmap"][:2] == pictures["mmap"][5:]
    assert np.frombuffer(pictures["mmap"][2], np.uint8).std() > 20
    if not multiplanar:  # videobuf2 takes no larger payload into a buffer that it imports there
        kept = []
        with pytest.raises(zcore.DeviceError, match=r"EMSGSIZE.*buffer_size"):
            play(decoder, units, "dmabuf-import", kept)
        assert {size for size, _ in kept} <= {SMALL}  # how many came out before the failure is a matter of time


def take(frame):
    return frame.size, b"".join(np.ascontiguousarray(plane).tobytes() for plane in frame.planes())
