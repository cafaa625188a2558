"""Streams of vicodec that change on their way, and a seek: nothing is lost, pictures are those of a plain decoder."""

import gc
import os

import numpy as np
import pytest
from plain_codec import plain_decode

import zcore
from testbed import debugfs, drivers

SMALL, LARGE, ODD = (640, 368), (800, 448), (712, 400)  # vicodec has nothing smaller


@pytest.fixture
def codecs(request):
    """Single-planar, where a test does not ask for both."""
    with drivers.vicodec(multiplanar=getattr(request, "param", 0)) as nodes:
        yield nodes.one("m2m", "stateful-encoder").path, nodes.one("m2m", "stateful-decoder").path


class Kept:
    """A callback that keeps what it sees."""

    def __init__(self, look=None):
        self.payloads, self.sizes, self.times = [], [], []
        self.stage = zcore.Callback(self.take)
        self.look = look

    def take(self, frame):
        self.payloads.append(b"".join(np.ascontiguousarray(plane).tobytes() for plane in frame.planes()))
        self.sizes.append(frame.size)
        self.times.append(frame.timestamp_ns)
        if self.look is not None:
            self.look(self)


def encoded(encoder, size, frames, raw="NV12"):
    kept = Kept()
    zcore.Chain(zcore.TestSource(raw, size), zcore.Encode(encoder), kept.stage).run(
        frames=frames, require_zero_copy=True
    )
    assert len(kept.payloads) == frames
    return kept.payloads


@pytest.fixture
def file(codecs, tmp_path):
    """Three sizes, one after the other; the last one twice, which begins with a key frame again."""
    parts = [(SMALL, 4), (LARGE, 5), (ODD, 3), (SMALL, 2), (SMALL, 2)]
    units = {size: encoded(codecs[0], size, 5) for size in (SMALL, LARGE, ODD)}
    chosen = [(size, units[size][:count]) for size, count in parts]
    path = tmp_path / "changing.fwht"
    path.write_bytes(b"".join(unit for _, part in chosen for unit in part))
    return path, chosen


@pytest.mark.proves("dev-decoder:resolution-change", "T22", "T3")
@pytest.mark.parametrize("codecs", [0, 1], ids=["single-planar", "multi-planar"], indirect=True)
def test_every_size_is_followed(codecs, file):
    path, parts = file
    kept = Kept()
    chain = zcore.Chain(zcore.FileSource(path), zcore.Decode(codecs[1], format="NV12"), kept.stage)
    report = chain.run(require_zero_copy=True)
    total = sum(len(units) for _, units in parts)
    assert kept.sizes == [size for size, units in parts for _ in units]
    assert report.frames == total
    assert len(report.replanned) == 3
    assert [link.frames for link in report.links] == [total, total]
    with drivers.vicodec(multiplanar=0) as nodes:
        decoder = nodes.one("m2m", "stateful-decoder").path
        expected = [picture for size, units in parts[:2] for picture in plain_decode(decoder, size, "NV12", units)]
    assert kept.payloads[: len(expected)] == expected


@pytest.mark.proves("dev-decoder:resolution-change")
def test_display_follows(codecs, vkms, tmp_path):
    """It is set up for each size, behind a queue, and shows the last picture."""
    sizes = [(800, 600), (640, 480)]
    path = tmp_path / "changing.fwht"
    path.write_bytes(b"".join(unit for size in sizes for unit in encoded(codecs[0], size, 3, "XR24")))
    display = zcore.Display("vkms")
    chain = zcore.Chain(zcore.FileSource(path), zcore.Decode(codecs[1]), zcore.Queue(), display)
    with chain:
        report = chain.run(require_zero_copy=True)
        assert report.frames == 6
        assert len(report.replanned) == 1
        shown = display.screenshot()
    assert shown.shape[:2] == (480, 640)
    assert shown.any()
    assert report.zero_copy


@pytest.mark.proves("dev-decoder:seek-flush")
def test_seek_in_mid_stream(codecs, file):
    path, parts = file

    def look(kept):
        if len(kept.sizes) in (2, 6):
            decode.flush()

    decode, kept = zcore.Decode(codecs[1], format="NV12"), Kept(look)
    report = zcore.Chain(zcore.FileSource(path), decode, kept.stage).run()
    flushed = report.stages[1].drops["flushed"]
    assert flushed > 0
    assert len(kept.sizes) + flushed == sum(len(units) for _, units in parts)


def test_changes_leave_nothing_behind(codecs, file):
    def standing():
        gc.collect()
        return len(os.listdir("/proc/self/fd")), debugfs.dmabufs().count

    def cycle():
        kept = Kept()
        zcore.Chain(zcore.FileSource(file[0]), zcore.Decode(codecs[1], format="NV12"), kept.stage).run()
        assert len(kept.sizes) == 16

    cycle()
    before = standing()
    for _ in range(3):
        cycle()
    assert standing() == before
