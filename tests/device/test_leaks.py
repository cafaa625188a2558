"""Nothing is left behind: descriptors, maps, GEM handles, framebuffers, DMA-BUFs, whatever ended the run."""

import gc
import os
import subprocess
import sys
import threading

import pytest

import zcore
from testbed import debugfs
from zcore._gem import handle_count

CYCLES = int(os.environ.get("ZCORE_LEAK_CYCLES", "300"))


def maps():
    with open("/proc/self/maps") as file:
        return sum("dmabuf" in line or "/dev/" in line or "memfd" in line for line in file)


def standing(card):
    gc.collect()
    return {
        "fds": len(os.listdir("/proc/self/fd")),
        "maps": maps(),
        "framebuffers": debugfs.framebuffers(card),
        "dmabufs": debugfs.dmabufs().count,
        "threads": threading.active_count(),
    }


@pytest.mark.proves("T50")
def test_hundreds_of_open_run_close_cycles_leave_nothing(vivid, vkms):
    def cycle():
        display = zcore.Display("vkms", mode=(640, 480))
        with zcore.Chain(zcore.Capture(vivid, "XR24", (640, 480), rate=60), display) as chain:
            report = chain.run(frames=1, require_zero_copy=True)
            assert report.frames == 1
            return handle_count(display.card)

    assert cycle() == 8  # seven buffers and the black picture
    before = standing(vkms)
    for _ in range(CYCLES):
        cycle()
    assert standing(vkms) == before


@pytest.mark.proves("drm-kms:handles")
def test_handles_of_the_card_are_closed_once(vivid, vkms):
    """The kernel's own view of one open file, while it is open and after the frames are gone."""
    display = zcore.Display("vkms", mode=(640, 480))
    with display:
        number = display.card.fd.fileno()
        assert debugfs.gem_handles(number) == []
        with zcore.Capture(vivid, "XR24", (640, 480), rate=60) as camera:
            for _ in range(3):
                with zcore.Chain(camera, display) as chain:
                    chain.run(frames=8)
                    assert len(debugfs.gem_handles(number)) == handle_count(display.card) > 0


@pytest.mark.proves("T29")
def test_frames_that_outlive_their_device_keep_their_memory(vivid):
    with zcore.Capture(vivid, "XR24", (640, 480), rate=60) as camera:
        kept = [frame.array() for frame in camera.frames(3)]
    before = [picture.copy() for picture in kept]
    with zcore.Capture(vivid, "XR24", (640, 480), rate=60) as camera:
        for _ in camera.frames(8):
            pass
        del _
    assert all((now == then).all() for now, then in zip(kept, before, strict=True))
    del kept


def test_error_in_a_python_stage_leaves_nothing(vivid, vkms):
    before = standing(vkms)

    def fail(frame):
        raise LookupError("the user's own")

    with pytest.raises(LookupError, match="the user's own") as caught:
        zcore.Chain(zcore.Capture(vivid, "XR24", (640, 480)), zcore.Callback(fail)).run(frames=3)
    assert caught.value.report.links[0].frames >= 1
    del caught
    assert standing(vkms) == before


@pytest.mark.parametrize("how", ["normal", "sigint", "exception"])
def test_interpreter_exit_prints_nothing(vivid, vkms, how):
    program = f"""
import os, signal, threading, zcore
chain = zcore.Chain(zcore.Capture({vivid!r}, "XR24", (640, 480), rate=60), zcore.Display("vkms", mode=(640, 480)))
how = {how!r}
if how == "sigint":
    threading.Timer(1.0, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
    try:
        chain.run()
    except KeyboardInterrupt:
        pass
elif how == "normal":
    camera = zcore.Capture({vivid!r}, "XR24", (640, 480), rate=60)
    camera.open()
    frames = camera.frames()
    kept = [next(frames).array() for _ in range(2)]
else:
    try:
        with chain:
            chain.run(frames=3)
            1 / 0
    except ZeroDivisionError:
        pass
"""
    done = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_forked_child_leaves_the_stream_of_its_parent_alone(vivid, vkms):
    display = zcore.Display("vkms", mode=(640, 480))
    with zcore.Capture(vivid, "XR24", (640, 480), rate=60) as camera, display:
        frames = camera.frames(12)
        display.show(next(frames))
        child = os.fork()
        if child == 0:
            try:
                display.close()
                camera.close()
                gc.collect()
                os._exit(0)
            except BaseException:
                os._exit(1)
        assert os.waitpid(child, 0)[1] == 0
        for frame in frames:
            display.show(frame)
        display.scanout.wait()
        assert display.scanout.flips == 12
        del frame
