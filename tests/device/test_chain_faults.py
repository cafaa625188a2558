"""Faults amid camera, converter, encoder and decoder: the chain goes on or ends with words, and leaves nothing.

After each the same devices run again, and descriptors, maps and DMA-BUFs are what they were.
"""

import gc
import os
import threading
import time

import pytest

import zcore
from testbed import debugfs, drivers

SIZE = (640, 360)
DEADLINE = 60


@pytest.fixture
def nodes(vivid, vim2m):
    with drivers.vicodec(multiplanar=0) as codec:
        yield vivid, vim2m, codec.one("m2m", "stateful-encoder").path, codec.one("m2m", "stateful-decoder").path


def standing():
    gc.collect()
    with open("/proc/self/maps") as file:
        maps = sum("dmabuf" in line or "/dev/video" in line or "memfd" in line for line in file)
    return len(os.listdir("/proc/self/fd")), maps, debugfs.dmabufs().count, threading.active_count()


class Run:
    """A chain of four devices and a counter, with a hand on the camera's controls."""

    def __init__(self, nodes):
        self.sizes = []
        self.camera = zcore.Capture(nodes[0], "BGR3", SIZE, rate=60)
        self.encode, self.decode = zcore.Encode(nodes[2]), zcore.Decode(nodes[3])
        self.chain = zcore.Chain(
            self.camera, zcore.Convert(nodes[1], extra_controls={"transaction_time_msec": 1}),
            self.encode, self.decode, zcore.Callback(lambda frame: self.sizes.append(frame.size)),
        )  # fmt: skip

    def until(self, frames):
        end = time.monotonic() + DEADLINE
        while len(self.sizes) < frames and time.monotonic() < end:
            time.sleep(0.01)
        assert len(self.sizes) >= frames


def healthy(nodes):
    run = Run(nodes)
    report = run.chain.run(frames=3, require_zero_copy=True)
    assert (report.frames, run.sizes) == (3, [SIZE] * 3)


@pytest.fixture
def account(nodes):
    """What stands before is what stands after, and the devices work still."""
    healthy(nodes)
    before = standing()
    yield
    healthy(nodes)
    assert standing() == before


FAULTS = {
    "Inject V4L2_BUF_FLAG_ERROR": None,
    "Inject VIDIOC_QBUF Error": r"VIDIOC_QBUF: \[EINVAL\]",
    "Inject Fatal Streaming Error": r"VIDIOC_D?QBUF: \[EIO\]",
    "Inject VIDIOC_REQBUFS Error": None,  # only looked at when buffers are asked for
    "Inject VIDIOC_STREAMON Error": None,  # only looked at when streaming starts
    "Disconnect": r"\[ENODEV\]",
}


@pytest.mark.proves("dev-decoder:decode-error", "T2", "T29")
@pytest.mark.parametrize(("control", "message"), FAULTS.items(), ids=[name.split()[-2:][0] for name in FAULTS])
def test_fault_while_the_chain_runs(nodes, account, control, message):
    run = Run(nodes)
    with run.chain:
        run.chain.start(frames=None if message else 20)
        run.until(4)
        run.camera.control(control, 1)
        if message is None:
            report = run.chain.wait(DEADLINE)
            assert report.frames == len(run.sizes) == 20
            if control.startswith(("Inject VIDIOC_REQBUFS", "Inject VIDIOC_STREAMON")):
                with pytest.raises(zcore.DeviceError) if "STREAMON" in control else _nothing():
                    run.chain.run(frames=1)  # the injected error is used up
        else:
            with pytest.raises(zcore.DeviceError, match=message) as caught:
                run.chain.wait(DEADLINE)
            assert caught.value.report.frames >= 4
            del caught
    del run


def _nothing():
    from contextlib import nullcontext

    return nullcontext()


def test_dropped_buffers_are_counted_and_the_rest_arrives(nodes, account):
    run = Run(nodes)
    with run.camera:
        run.camera.control("Percentage of Dropped Buffers", 40)
        try:
            report = run.chain.run(frames=15)
        finally:
            run.camera.control("Percentage of Dropped Buffers", 0)
    assert report.frames == 15
    assert report.stages[0].drops["driver"] > 0
    del run


@pytest.mark.proves("dev-decoder:seek-flush", "dev-encoder:parameters")
def test_seek_and_bitrate_in_the_middle(nodes, account):
    run = Run(nodes)
    with run.chain:
        run.chain.start(frames=20)
        run.until(5)
        run.decode.flush()
        run.encode.control("video_gop_size", 1)  # from here on key frames only: what follows a seek is whole
        assert run.encode.control("video_gop_size") == 1
        report = run.chain.wait(DEADLINE)
    assert len(run.sizes) + report.stages[3].drops.get("flushed", 0) == 20
    del run


@pytest.mark.proves("dev-decoder:drain-restart", "dev-encoder:drain-restart")
@pytest.mark.proves("dev-encoder:drain", "dev-decoder:drain-last")
def test_drained_again_and_again(nodes, account):
    run = Run(nodes)
    with run.chain:
        for count in (1, 5, 2):
            before = len(run.sizes)
            assert run.chain.run(frames=count).frames == count
            assert len(run.sizes) == before + count
    del run


def test_stopped_in_the_middle(nodes, account):
    run = Run(nodes)
    with run.chain:
        run.chain.start()
        run.until(3)
        run.chain.stop()
        assert run.chain.wait(DEADLINE).frames >= 3
    del run


@pytest.mark.proves("dev-decoder:drain-restart", "dev-encoder:drain-restart", "dev-decoder:drain-epipe")
@pytest.mark.proves("dev-encoder:drain", "dev-decoder:drain-last", "T23")
def test_drained_while_it_runs(nodes, account):
    """vicodec of Linux 6.12 says EPIPE after V4L2_ENC_CMD_START: CAPTURE is restarted then."""
    run = Run(nodes)
    with run.chain:
        run.chain.start(frames=20)
        run.until(4)
        run.encode.drain()
        run.until(8)
        run.decode.drain()
        assert run.chain.wait(DEADLINE).frames == 20
    assert len(run.sizes) == 20
    del run
