"""Coded frames that are larger than a real decoder's buffers: vicodec gets larger ones while it streams."""

import numpy as np
import pytest

import zcore
from testbed import drivers

SMALL, LARGE = (640, 368), (1280, 800)


@pytest.fixture(params=[0, 1], ids=["single-planar", "multi-planar"])
def codecs(request):
    with drivers.vicodec(multiplanar=request.param) as nodes:
        yield nodes.one("m2m", "stateful-encoder").path, nodes.one("m2m", "stateful-decoder").path


def encoded(encoder, size, frames):
    """Noise, of which a coded frame is about as large as the picture."""
    units = []
    zcore.Chain(
        zcore.TestSource("NV12", size, pattern="snow"),
        zcore.Encode(encoder, gop_size=1),
        zcore.Callback(lambda frame: units.append(frame.array().tobytes())),
    ).run(frames=frames)
    return units


@pytest.mark.proves("VIDIOC_CREATE_BUFS", "dev-decoder:enospc", "T85")
def test_larger_frames_get_larger_buffers(codecs):
    units = encoded(codecs[0], SMALL, 2) + encoded(codecs[0], LARGE, 3)
    pictures = {}
    for mode in ("mmap", "dmabuf", "dmabuf-import"):
        kept = []
        source = zcore.AppSource(format="FWHT", size=SMALL, name="app")
        decode = zcore.Decode(codecs[1], format="NV12", output_io_mode=mode)
        with zcore.Chain(source, decode, zcore.Callback(lambda frame, kept=kept: kept.append(take(frame)))) as chain:
            (room,) = {buffer.size for buffers in chain.plan()[0].pool.slot_buffers for buffer in buffers}
            assert len(units[0]) < room < len(units[2])  # vicodec counts four bytes for each pixel
            chain.start()
            for unit in [*units, *units[:2]]:
                source.push(unit, timeout=30)
            source.end_of_stream()
            report = chain.wait(60)
        assert report.frames == 7
        assert [size for size, _ in kept] == [SMALL] * 2 + [LARGE] * 3 + [SMALL] * 2
        assert report.stages[0].facts["enlarged_buffers"] >= 1
        pictures[mode] = [content for _, content in kept]
    assert pictures["mmap"] == pictures["dmabuf"] == pictures["dmabuf-import"]
    assert pictures["mmap"][:2] == pictures["mmap"][5:]
    assert np.frombuffer(pictures["mmap"][2], np.uint8).std() > 20


def take(frame):
    return frame.size, b"".join(np.ascontiguousarray(plane).tobytes() for plane in frame.planes())
