"""Faults amid camera, converter, codecs and display: the chain goes on or ends with words, and leaves nothing.

After each the same devices run again, and descriptors, maps, DMA-BUFs, threads, framebuffers and GEM handles are what
they were. The display stays open meanwhile, as its handles would go with its descriptor else.
"""

import gc
import os
import threading
import time
from contextlib import nullcontext

import pytest

import zcore
from testbed import debugfs, drivers
from zcore._gem import handle_count
from zcore.stages.timings import follow_signal

SIZE, MODE = (640, 360), (640, 480)
DEADLINE = 60


def standing(screen):
    gc.collect()
    with open("/proc/self/maps") as file:
        maps = sum("dmabuf" in line or "/dev/" in line or "memfd" in line for line in file)
    return {
        "fds": len(os.listdir("/proc/self/fd")),
        "maps": maps,
        "dmabufs": debugfs.dmabufs().count,
        "threads": threading.active_count(),
        "framebuffers": len(debugfs.framebuffers(screen.device)),
        "handles": len(debugfs.gem_handles(screen.card.fd.fileno(), 64)),
    }


def converter(path):
    return zcore.Convert(path, extra_controls={"transaction_time_msec": 1})


class Run:
    """A chain of six devices, with a hand on the camera's controls.

    What vim2m gives and vicodec takes, vkms does not show: a second converter stands behind the decoder.
    """

    def __init__(self, nodes, screen, **camera):
        self.camera = zcore.Capture(nodes[0], rate=60, **{"format": "BGR3", "size": SIZE, **camera})
        self.encode, self.decode, self.screen = zcore.Encode(nodes[2]), zcore.Decode(nodes[3]), screen
        self.chain = zcore.Chain(
            self.camera, converter(nodes[1]), self.encode, self.decode, converter(nodes[1]), screen,
        )  # fmt: skip

    def until(self, frames):
        end = time.monotonic() + DEADLINE
        while self.chain.frames_done < frames and time.monotonic() < end:
            time.sleep(0.01)
        assert self.chain.frames_done >= frames


def healthy(nodes, screen):
    run = Run(nodes, screen)
    report = run.chain.run(frames=3, require_zero_copy=True)
    assert report.frames == 3
    assert [link.frames for link in report.links] == [3] * 5


@pytest.fixture(scope="module")
def bench():
    """The devices, one display that is open all the time, and what stands before all of these tests."""
    with drivers.vivid(n_devs=1) as vivid, drivers.vim2m() as vim2m, drivers.vkms() as vkms, drivers.vicodec() as codec:
        encoder, decoder = (codec.one("m2m", f"stateful-{kind}coder").path for kind in ("en", "de"))
        nodes = vivid.one("capture").path, vim2m.one("m2m").path, encoder, decoder
        with zcore.Display(vkms.one("display").path, mode=MODE) as screen:
            healthy(nodes, screen)
            before = standing(screen)
            assert before["handles"] == handle_count(screen.card) == 1  # of the black picture
            yield nodes, screen, before


@pytest.fixture
def nodes(bench):
    return bench[0]


@pytest.fixture
def screen(bench):
    """What stands before is what stands after, and the devices work still."""
    nodes, screen, before = bench
    yield screen
    healthy(nodes, screen)
    assert standing(screen) == before


FAULTS = {
    "Inject V4L2_BUF_FLAG_ERROR": None,
    "Inject VIDIOC_QBUF Error": r"VIDIOC_QBUF: \[EINVAL\]",
    "Inject Fatal Streaming Error": r"VIDIOC_D?QBUF: \[EIO\]",
    "Inject VIDIOC_REQBUFS Error": None,  # only looked at when buffers are asked for
    "Inject VIDIOC_STREAMON Error": None,  # only looked at when streaming starts
    "Disconnect": r"\[ENODEV\]",
}


@pytest.mark.proves("dev-decoder:decode-error", "T2", "T29", "drm-kms:handles")
@pytest.mark.parametrize(("control", "message"), FAULTS.items(), ids=[name.split()[-2:][0] for name in FAULTS])
def test_fault_while_the_chain_runs(nodes, screen, control, message):
    run = Run(nodes, screen)
    with run.chain:
        run.chain.start(frames=None if message else 20)
        run.until(4)
        run.camera.control(control, 1)
        if message is None:
            report = run.chain.wait(DEADLINE)
            assert report.frames == 20
            if control.startswith(("Inject VIDIOC_REQBUFS", "Inject VIDIOC_STREAMON")):
                with pytest.raises(zcore.DeviceError) if "STREAMON" in control else nullcontext():
                    run.chain.run(frames=1)  # the injected error is used up
        else:
            with pytest.raises(zcore.DeviceError, match=message) as caught:
                run.chain.wait(DEADLINE)
            assert caught.value.report.frames >= 4
            del caught


def test_dropped_buffers_are_counted_and_the_rest_arrives(nodes, screen):
    run = Run(nodes, screen)
    with run.camera:
        run.camera.control("Percentage of Dropped Buffers", 40)
        try:
            report = run.chain.run(frames=15)
        finally:
            run.camera.control("Percentage of Dropped Buffers", 0)
    assert report.frames == 15
    assert report.stages[0].drops["driver"] > 0


@pytest.mark.proves("dev-decoder:seek-flush", "dev-encoder:parameters")
def test_seek_and_bitrate_in_the_middle(nodes, screen):
    run = Run(nodes, screen)
    with run.chain:
        run.chain.start(frames=20)
        run.until(5)
        run.decode.flush()
        run.encode.control("video_gop_size", 1)  # from here on key frames only: what follows a seek is whole
        assert run.encode.control("video_gop_size") == 1
        report = run.chain.wait(DEADLINE)
    assert report.frames + report.stages[3].drops.get("flushed", 0) == 20


@pytest.mark.proves("dev-decoder:drain-restart", "dev-encoder:drain-restart")
@pytest.mark.proves("dev-encoder:drain", "dev-decoder:drain-last")
def test_drained_again_and_again(nodes, screen):
    run = Run(nodes, screen)
    with run.chain:
        for count in (1, 5, 2):
            assert run.chain.run(frames=count).frames == count
        assert screen.scanout.flips == 8


def test_stopped_in_the_middle(nodes, screen):
    run = Run(nodes, screen)
    with run.chain:
        run.chain.start()
        run.until(3)
        run.chain.stop()
        assert run.chain.wait(DEADLINE).frames >= 3


@pytest.mark.proves("dev-decoder:drain-restart", "dev-encoder:drain-restart", "dev-decoder:drain-epipe")
@pytest.mark.proves("dev-encoder:drain", "dev-decoder:drain-last", "T23")
def test_drained_while_it_runs(nodes, screen):
    """vicodec of Linux 6.12 says EPIPE after V4L2_ENC_CMD_START: CAPTURE is restarted then."""
    run = Run(nodes, screen)
    with run.chain:
        run.chain.start(frames=20)
        run.until(4)
        run.encode.drain()
        run.until(8)
        run.decode.drain()
        assert run.chain.wait(DEADLINE).frames == 20


@pytest.fixture
def hdmi(nodes, screen):
    """A camera whose signal has one of two resolutions that all the other devices take, instead of the webcam."""
    with drivers.vivid(n_devs=1, node_types=0x1, num_inputs=1, input_types=3) as vivid:
        yield vivid.one("capture").path, *nodes[1:]
    with drivers.vivid(n_devs=1):  # as the others expect it
        pass


def signal(camera, width, height):
    """Send a signal of a resolution."""
    timings = camera.controls["DV Timings"]
    camera.controls["DV Timings Signal Mode"] = "Selected DV Timings"
    camera.controls["DV Timings"] = next(n for n, text in timings.menu.items() if text.startswith(f"{width}x{height}p"))


@pytest.mark.proves("T84", "vidioc-dqevent:source-change", "drm-kms:handles", "dev-encoder:drain")
def test_camera_with_another_resolution(hdmi, screen):
    run = Run(hdmi, screen, size=None)
    with run.camera:
        signal(run.camera, 640, 480)
        follow_signal(run.camera.output.device)
        with run.chain:
            run.chain.start(frames=30)
            run.until(4)
            signal(run.camera, 640, 400)
            report = run.chain.wait(DEADLINE)
            sizes = [link.caps.size for link in run.chain.plan().links]
    assert report.frames == 30
    assert len(report.replanned) == 1
    assert "another resolution" in report.replanned[0]
    assert sizes == [(640, 400)] * 5
    assert report.zero_copy
