"""The screen as a source, on the fake card: jobs that go along with commits, fences, collisions, and handles."""

import errno

import numpy as np
import pytest

import zcore
from app_rig import running, wait_for
from fakekernel import FakeFence, FakeHeap
from fakekernel.drm_writeback import WRITEBACK, FakeWritebackCard
from zcore._fence import Fence
from zcore.stages.fakes import FakeSink

SIZE = (64, 16)


@pytest.fixture
def card(fake_kernel):
    FakeHeap(fake_kernel, "/dev/dma_heap/system")
    return FakeWritebackCard(fake_kernel, auto=True)


class Seen(FakeSink):
    def __init__(self):
        super().__init__(on_frame=self.note)
        self.values, self.corrupted = [], []

    def note(self, frame):
        self.values.append(int(frame.array()[0, 0, 0]))
        self.corrupted.append(frame.corrupted)


def playing():
    screen = zcore.Display("/dev/dri/card0")
    return zcore.AppSource(format="XR24", size=SIZE, memory="dma-heap:system"), screen


@pytest.mark.proves("drm-kms:writeback")
@pytest.mark.parametrize("clones", [True, False])
def test_jobs_go_along_with_the_commits_of_a_display(card, clones):
    card.clones = clones
    source, screen = playing()
    sink, capture = Seen(), zcore.ScreenCapture(screen)
    with running(source, screen):
        source.push(np.full((16, 64, 4), 1, np.uint8))
        wait_for(lambda: card.flips)
        with running(capture, sink, frames=3) as second:
            wait_for(lambda: capture.idle)
            before = card.flips
            for number in range(3):
                source.push(np.full((16, 64, 4), 2, np.uint8))
                wait_for(lambda: card.jobs)
                assert len(sink.values) == number
                card.write_back(50 + number)
                wait_for(lambda n=number: len(sink.values) == n + 1)
            report = second.wait()
        assert card.flips == before + 3  # no commit of its own but to join and to leave
        assert sink.values == [50, 51, 52]
        assert report.zero_copy
        assert report.stages[0].facts["screen_off_meanwhile"] is not clones
        source.end_of_stream()
    assert not card.joined
    assert card.value(WRITEBACK, "CRTC_ID") == 0


@pytest.mark.proves("drm-kms:writeback", "T58")
def test_frames_stay_until_they_are_read(card):
    """The flip after a job may come before the card has read all of what it writes back."""
    source, screen = playing()
    capture = zcore.ScreenCapture(screen)
    with running(source, screen):
        first = source.acquire(60)
        pool = first.pool
        source.push(first)
        wait_for(lambda: card.flips == 1)
        with running(capture, FakeSink(), frames=1) as second:
            wait_for(lambda: capture.idle)
            for number in (2, 3, 4):
                source.push(source.acquire(60))
                wait_for(lambda n=number: card.flips == n)
            assert pool.stats["leased"] == 3  # those on the screen and on the way there, and the one that is read
            card.write_back(7)
            second.wait()
            wait_for(lambda: pool.stats["leased"] == 1)
        source.end_of_stream()


def test_capture_of_a_display_that_nobody_drives_any_more_is_given_up(card):
    source, screen = playing()
    with zcore.Chain(source, screen) as chain:
        chain.start()
        source.push(np.full((16, 64, 4), 1, np.uint8))
        wait_for(lambda: card.flips)
        source.end_of_stream()
        chain.wait()
        with pytest.raises(zcore.StallError):
            zcore.Chain(zcore.ScreenCapture(screen), FakeSink()).run(stall_timeout=0.2)


def test_capture_ends_while_it_waits_for_a_picture(card):
    source, screen = playing()
    capture = zcore.ScreenCapture(screen)
    with running(source, screen):
        source.push(np.full((16, 64, 4), 1, np.uint8))
        wait_for(lambda: card.flips)
        with running(capture, FakeSink()) as second:
            wait_for(lambda: capture.idle)
            second.end_of_stream()
            assert second.wait(60).frames == 0
        source.end_of_stream()


def test_a_job_that_is_refused_does_not_keep_the_picture_from_the_screen(card, fake_kernel):
    source, screen = playing()
    capture = zcore.ScreenCapture(screen)
    with running(source, screen):
        source.push(np.full((16, 64, 4), 1, np.uint8))
        wait_for(lambda: card.flips == 1)
        with running(capture, FakeSink()) as second:
            wait_for(lambda: capture.idle)
            fake_kernel.fail("DRM_IOCTL_MODE_ATOMIC", errno.EINVAL)
            source.push(np.full((16, 64, 4), 2, np.uint8))
            wait_for(lambda: card.flips == 2)
            with pytest.raises(zcore.DeviceError, match="screencapture"):
                second.wait()
        source.end_of_stream()


def test_own_card_tries_again_while_another_commit_is_on_its_way(card, fake_kernel):
    sink = Seen()
    with running(zcore.ScreenCapture("/dev/dri/card0"), sink, frames=3) as chain:
        for number in range(3):
            wait_for(lambda: card.jobs)
            if number == 1:
                fake_kernel.fail("DRM_IOCTL_MODE_ATOMIC", errno.EBUSY, times=3)
            card.write_back(number, status=1 if number < 2 else -errno.EIO)
        report = chain.wait()
    assert sink.values == [0, 1, 2]
    assert sink.corrupted == [False, False, True]
    assert report.stages[0].facts["collisions"] == 3
    assert report.stages[0].facts["failed_pictures"] == 1


@pytest.mark.proves("drm-kms:writeback")
def test_a_card_that_never_writes_the_picture(card):
    with running(zcore.ScreenCapture("/dev/dri/card0", timeout=0.05), FakeSink()) as chain:
        with pytest.raises(zcore.DeviceTimeoutError, match="writeback fence"):
            chain.wait()
    assert not card.joined


def test_rights_formats_and_sizes(card, fake_kernel):
    with pytest.raises(zcore.NegotiationError, match="writes back"):
        zcore.Chain(zcore.ScreenCapture("/dev/dri/card0", format="NV12"), FakeSink()).plan()
    with zcore.Chain(zcore.ScreenCapture("/dev/dri/card0", format="drm:RG16"), FakeSink()) as chain:
        assert chain.plan()[0].caps.size == SIZE
    for options in ({"rate": 0}, {"timeout": 0}):
        with pytest.raises(ValueError, match="above 0"):
            zcore.ScreenCapture("/dev/dri/card0", **options)


@pytest.mark.proves("drm-kms:in-fence", "drm-kms:out-fence", "T44", "T66")
def test_fences_in_and_out_of_a_commit(card, fake_kernel):
    source = zcore.AppSource(format="XR24", size=SIZE, memory="dma-heap:system")
    screen, fake = zcore.Display("/dev/dri/card0", out_fence=True), FakeFence(fake_kernel)
    with running(source, screen) as chain:
        frame = source.acquire(60)
        with Fence.adopt(fake.export()) as fence:
            source.push(frame, fence=fence)
        found = []
        wait_for(lambda: found.append(screen.take_out_fence()) or found[-1])
        with found[-1] as out:
            assert out.status == 0
            card.outs[-1].signal()
            assert out.status == 1
        assert screen.take_out_fence() is None
        source.push(source.acquire(60))  # and those that nobody takes are closed
        source.push(source.acquire(60))
        source.end_of_stream()
        chain.wait()
    assert card.waits == [fake]
    assert len(card.outs) == 3
    assert "fence_waits" not in source.facts()


def test_without_in_fence_the_program_waits(card, fake_kernel):
    source = zcore.AppSource(format="XR24", size=SIZE, memory="dma-heap:system")
    screen, fake = zcore.Display("/dev/dri/card0", in_fence=False), FakeFence(fake_kernel)
    with running(source, screen) as chain:
        with Fence.adopt(fake.export()) as fence:
            source.push(source.acquire(60), fence=fence)
        source.end_of_stream()
        wait_for(lambda: source.facts().get("fence_waits"))
        assert card.flips == 0
        fake.signal()
        chain.wait()
    assert (card.flips, card.waits) == (1, [])


@pytest.mark.proves("drm-kms:grab", "DRM_IOCTL_MODE_GETFB2", "T54", "T55")
def test_grab_gives_the_buffers_of_the_screen_and_leaves_no_handle(card):
    source, screen = playing()
    sink = Seen()
    with running(source, screen):
        source.push(np.full((16, 64, 4), 1, np.uint8))
        wait_for(lambda: card.flips == 1)
        handles = {file: set(client.handles) for file, client in card.clients.items()}
        grab = zcore.KmsGrab(card=screen.card, rate=200)
        with running(grab, sink, frames=4) as second:
            wait_for(lambda: len(sink.values) >= 2)
            source.push(np.full((16, 64, 4), 9, np.uint8))
            report = second.wait()
        assert set(sink.values) <= {1, 9}
        assert report.zero_copy, report.stages[0].facts
        assert grab.changes in (1, 2)
        assert {file: set(client.handles) for file, client in card.clients.items()} == handles
        source.end_of_stream()


def test_grab_without_the_right_says_which(card):
    source, screen = playing()
    with running(source, screen):
        source.push(np.full((16, 64, 4), 1, np.uint8))
        wait_for(lambda: card.flips == 1)
        with pytest.raises(zcore.DevicePermissionError, match="CAP_SYS_ADMIN"):
            zcore.KmsGrab("/dev/dri/card0").open()
        source.end_of_stream()
    with pytest.raises(ValueError, match="above 0"):
        zcore.KmsGrab(rate=0)
