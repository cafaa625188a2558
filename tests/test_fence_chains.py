"""Frames that somebody still writes, on their way through a chain."""

import errno
import os
import threading

import numpy as np
import pytest

import zcore
from app_rig import running, wait_for
from codec_rig import Camera
from fakekernel import FakeFence, FakeOutput, fourcc
from helpers import YUYV, YUYV_SIZE, make_pool
from zcore._fence import Fence
from zcore.errors import DeviceError, DeviceTimeoutError
from zcore.formats import find
from zcore.stages.app import AppSource
from zcore.stages.fakes import FakeSink
from zcore.stages.output import Output

PATH = "/dev/video2"


def described(kernel, count=4):
    options = dict(YUYV, fourcc=fourcc("YUYV"))
    return make_pool(kernel, count, options, YUYV_SIZE, format=find("YUYV"), name="gpu")


@pytest.fixture
def gpu(fake_kernel):
    class Rig:
        pool, memories = described(fake_kernel)
        output = FakeOutput(fake_kernel)

        def frame(self, writer=None):
            frame = self.pool.acquire(60)
            self.memories[frame.index].writer = writer
            return frame

    rig = Rig()
    rig.output.auto = True
    return rig


@pytest.mark.proves("T42", "dma-buf:late-fence")
@pytest.mark.parametrize("explicit", [False, True])
def test_a_frame_waits_in_front_of_v4l2_until_it_is_written(fake_kernel, gpu, explicit):
    source = AppSource(pool=gpu.pool)
    fences = [FakeFence(fake_kernel, name=f"job {number}") for number in range(3)]
    with running(source, Output(PATH)) as chain:
        for fake in fences:
            frame = gpu.frame(None if explicit else fake)
            if explicit:
                with Fence.adopt(fake.export()) as fence:
                    source.push(frame, fence=fence)
            else:
                source.push(frame)
            frame.release()
        source.end_of_stream()
        wait_for(lambda: source.facts().get("fence_waits"))
        assert gpu.output.shown == []
        for number, fake in enumerate(fences):
            fake.signal()
            wait_for(lambda n=number: len(gpu.output.shown) == n + 1)
        report = chain.wait()
    assert report.frames == 3
    assert report.zero_copy
    assert report.stages[0].facts["fence_waits"] >= 1
    assert gpu.pool.stats["leased"] == 0


def test_frames_that_are_written_already_cost_one_call(fake_kernel, gpu):
    source = AppSource(pool=gpu.pool)
    with running(source, Output(PATH)) as chain:
        before = None
        for number in range(20):
            if number == 4:
                wait_for(lambda: len(gpu.output.shown) == 4)
                before = fake_kernel.count("poll")
            frame = gpu.frame()
            source.push(frame)
            frame.release()
        source.end_of_stream()
        chain.wait()
    assert fake_kernel.count("poll") - before == 16
    assert fake_kernel.count("DMA_BUF_IOCTL_EXPORT_SYNC_FILE") == 0
    assert "fence_waits" not in source.facts()


@pytest.mark.proves("T43")
def test_kernel_without_sync_files_of_buffers(fake_kernel, gpu):
    fake_kernel.fences = False
    source, fake = AppSource(pool=gpu.pool), FakeFence(fake_kernel)
    with running(source, Output(PATH)) as chain:
        source.push(gpu.frame(fake))
        source.end_of_stream()
        wait_for(lambda: source.facts().get("fence_waits"))
        assert gpu.output.shown == []
        fake.signal()
        assert chain.wait().frames == 1


@pytest.mark.proves("dma-buf:no-fence")
def test_fence_that_never_signals_ends_the_chain_and_says_whose_it_is(fake_kernel, gpu):
    source, fake = AppSource(pool=gpu.pool, fence_timeout=0.05, name="render"), FakeFence(fake_kernel, driver="vgem")
    with running(source, Output(PATH, name="out")) as chain:
        frame = gpu.frame(fake)
        source.push(frame)
        frame.release()
        with pytest.raises(DeviceTimeoutError) as caught:
            chain.wait()
    text = str(caught.value)
    for word in ("render -> out", "frame 0", "vgem ring0", "0.05 s", "fence_timeout="):
        assert word in text + "".join(caught.value.__notes__), text
    assert gpu.output.shown == []
    assert gpu.pool.stats["leased"] == 0
    assert source.fences.counts() == {"late": 1, "timeouts": 1, "errors": 0}


def test_late_frames_can_be_dropped(fake_kernel, gpu):
    source = AppSource(pool=gpu.pool, fence_timeout=0.02, fence_late="drop")
    never = FakeFence(fake_kernel)
    with running(source, Output(PATH)) as chain:
        for writer in (None, never, None):
            frame = gpu.frame(writer)
            source.push(frame)
            frame.release()
        source.end_of_stream()
        report = chain.wait()
    assert len(gpu.output.shown) == 2
    assert report.stages[0].drops == {"fence did not signal in time": 1}
    assert gpu.pool.stats["leased"] == 0


@pytest.mark.proves("dma-buf:failed-fence")
@pytest.mark.parametrize("explicit", [False, True])
@pytest.mark.parametrize("policy", ["flag", "drop", "raise"])
def test_fence_that_signals_an_error(fake_kernel, gpu, policy, explicit):
    seen = []
    source, fake = AppSource(pool=gpu.pool, fence_error=policy), FakeFence(fake_kernel, driver="hung")
    sink = FakeSink(on_frame=lambda frame: seen.append(frame.corrupted))
    with running(source, sink) as chain:
        frame = gpu.frame(None if explicit else fake)
        number = fake.export()
        source.push(frame, fence=number if explicit else None)
        os.close(number)
        frame.release()
        good = gpu.frame()
        source.push(good)
        good.release()
        source.end_of_stream()
        wait_for(lambda: source.facts().get("fence_waits"))
        fake.signal(-errno.EIO)
        if policy == "raise":
            with pytest.raises(DeviceError, match="hung ring0"):
                chain.wait()
        else:
            report = chain.wait()
            assert seen == ([True, False] if policy == "flag" else [False])
            assert report.stages[0].facts["fence_errors"] == 1
            assert report.stages[0].drops == ({"fence signalled an error": 1} if policy == "drop" else {})
    assert gpu.pool.stats["leased"] == 0


def test_other_stages_of_the_loop_go_on_meanwhile(fake_kernel, gpu):
    """Another source in the same loop is not held up by a fence that nobody signals."""
    source, fake = AppSource(pool=gpu.pool), FakeFence(fake_kernel)
    seen = []
    other, sink = AppSource(format="GREY", size=(16, 8), memory="memfd"), FakeSink(on_frame=seen.append)
    output = Output(PATH)
    chain = zcore.Chain(source, output, other, sink, links=[(source, output), (other, sink)])
    chain.start()
    try:
        frame = gpu.frame(fake)
        source.push(frame)
        frame.release()
        source.end_of_stream()
        for _ in range(30):
            other.push(bytes(128))
            wait_for(lambda: seen)
            seen.clear()
        other.end_of_stream()
        assert gpu.output.shown == []
        fake.signal()
        chain.wait()
        assert len(gpu.output.shown) == 1
    finally:
        chain.stop()


def test_stopping_while_a_frame_waits_gives_everything_back(fake_kernel, gpu):
    source, fake = AppSource(pool=gpu.pool), FakeFence(fake_kernel)
    with running(source, Output(PATH)) as chain:
        frame = gpu.frame(fake)
        source.push(frame)
        frame.release()
        wait_for(lambda: source.facts().get("fence_waits"))
        threading.Timer(0.01, chain.stop).start()
        chain.wait()
    assert gpu.pool.stats["leased"] == 0


def test_v4l2_to_v4l2_has_no_node_for_fences(fake_kernel):
    FakeOutput(fake_kernel).auto = True
    chain = zcore.Chain(Camera(fake_kernel, code="YUYV").stage(), Output(PATH))
    with chain:
        chain.run(frames=3)
        assert not any("fences" in node.name for node in chain._wiring.segments[0].nodes)
    assert fake_kernel.count("poll") == 0
    assert fake_kernel.count("DMA_BUF_IOCTL_EXPORT_SYNC_FILE") == 0


def test_a_fence_is_for_frames_only(fake_kernel):
    fake = FakeFence(fake_kernel)
    source = AppSource(format="GREY", size=(16, 8), memory="memfd")
    number = fake.export()
    with zcore.Chain(source, FakeSink()) as chain:
        chain.plan()
        with pytest.raises(ValueError, match="wait for it before"):
            source.push(np.zeros((8, 16), np.uint8), fence=number)
    os.close(number)


@pytest.mark.parametrize("options", [{"fence_late": "flag"}, {"fence_error": "x"}, {"fence_timeout": 0}])
def test_policies_have_names(options):
    with pytest.raises(ValueError, match="fence_"):
        AppSource(**options)
