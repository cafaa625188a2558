"""Commits that block, beside frames: those of the same CRTC wait, and those of another CRTC do not."""

import errno
import threading
import time

import pytest

import zcore
from fakekernel import FakeHeads
from fakekernel.drm import CRTC, PRIMARY
from fakekernel.drm_heads import CRTC_2, PRIMARY_2
from helpers import make_pool
from zcore._commit_alone import commit_alone
from zcore._commits import Commits
from zcore._drm import Card
from zcore._kms import Scanout

CARD = "/dev/dri/card0"


class Heads:
    """A plane on each of two screens of one card."""

    def __init__(self, kernel):
        self.fake = FakeHeads(kernel)
        self.fake.actives = {CRTC: 1, CRTC_2: 1}
        self.card = Card(CARD)
        self.commits = Commits(self.card)
        self.planes, self.threads = [], []
        for crtc, plane in ((CRTC, PRIMARY), (CRTC_2, PRIMARY_2)):
            one = Scanout(
                self.card, f"plane {plane}", crtc, plane, self.fake.property_id(plane, "FB_ID"), commits=self.commits
            )
            pool, _ = make_pool(kernel, 4)
            one.attach(pool)
            self.planes.append((one, pool))

    def block(self, crtc=CRTC, plane=PRIMARY, value=7):
        """Begin a commit in another thread that blocks until `let_go`."""
        self.fake.hold = True
        alpha = {plane: {self.fake.property_id(plane, "alpha"): value}}
        thread = threading.Thread(target=commit_alone, args=(self.commits, crtc, alpha), kwargs={"timeout": 20})
        self.threads.append(thread)
        thread.start()
        assert self.fake.blocked.wait(20)

    def let_go(self):
        self.fake.let_go()
        for thread in self.threads:
            thread.join()

    def close(self):
        self.let_go()
        for one, _ in self.planes:
            one.release()
        self.card.close()


@pytest.fixture
def heads(fake_kernel):
    made = Heads(fake_kernel)
    yield made
    made.close()


@pytest.mark.proves("T59", "drm-kms:nonblocking", "drm-kms:two-screens")
def test_another_screen_goes_on_while_a_commit_blocks(heads):
    (first, pool), (second, other) = heads.planes
    heads.block()
    for _ in range(3):
        second.show(other.acquire(0))
        heads.fake.flip(CRTC_2)
        second.wait()
    assert second.flips == 3
    first.show(pool.acquire(0))  # taken, and waits
    assert (first.commits, first.holds, len(heads.fake.commits)) == (0, 1, 3)
    heads.let_go()
    assert first.commits == 1
    assert heads.fake.value(PRIMARY, "alpha") == 7
    heads.fake.flip(CRTC)
    first.wait()
    assert [sorted(settings) for _, settings in heads.fake.commits[-2:]] == [[PRIMARY], [PRIMARY]]


@pytest.mark.proves("T59", "T60")
def test_a_mode_that_takes_another_screen_along(heads):
    """The kernel says EBUSY to the other screen's frames: they wait for the end of that commit, and are shown then."""
    (_, _), (second, other) = heads.planes
    heads.fake.takes_along = True
    heads.block()
    second.show(other.acquire(0))
    assert (second.commits, second.holds) == (0, 1)
    with pytest.raises(zcore.DeviceTimeoutError, match="flip event"):
        second.wait(0.02)
    heads.let_go()
    assert second.commits == 1
    heads.fake.flip(CRTC_2)
    second.wait()
    assert second.flips == 1


def test_ebusy_without_such_a_commit_is_told(heads):
    (_, _), (second, other) = heads.planes
    heads.fake.kernel.fail("DRM_IOCTL_MODE_ATOMIC", errno.EBUSY)
    with pytest.raises(zcore.DeviceBusyError):
        second.show(other.acquire(0))
    assert second.holds == 0


def test_two_commits_that_block_take_turns(heads):
    heads.block()
    heads.fake.blocked.clear()
    alpha = {PRIMARY: {heads.fake.property_id(PRIMARY, "alpha"): 9}}
    with pytest.raises(zcore.DeviceTimeoutError):
        commit_alone(heads.commits, CRTC, alpha, timeout=0.05)
    waiting = threading.Thread(target=commit_alone, args=(heads.commits, CRTC, alpha), kwargs={"timeout": 20})
    waiting.start()
    heads.let_go()
    waiting.join()
    assert heads.fake.value(PRIMARY, "alpha") == 9
    (first, pool), _ = heads.planes
    first.show(pool.acquire(0))  # nobody's claim is left
    assert first.commits == 1
    heads.fake.flip(CRTC)
    first.wait()


def test_frames_do_not_overtake_a_commit_that_waits_for_its_turn(heads):
    """A loop that shows one frame after the other would never leave the CRTC free."""
    (first, pool), _ = heads.planes
    first.show(pool.acquire(0))
    alpha = {PRIMARY: {heads.fake.property_id(PRIMARY, "alpha"): 9}}
    done = threading.Thread(target=commit_alone, args=(heads.commits, CRTC, alpha), kwargs={"timeout": 20})
    done.start()
    while not heads.commits.claims_made:
        time.sleep(0.001)
    heads.fake.flip(CRTC)
    first.show(pool.acquire(0))  # whoever reads the event: the commit goes first
    done.join()
    assert heads.commits.claims_made == 0
    assert [settings for _, settings in heads.fake.commits][1] == alpha
    heads.fake.flip(CRTC)
    first.wait()
    assert first.flips == 2


def test_refused_commit_leaves_the_screen_free(heads):
    (first, pool), _ = heads.planes
    with pytest.raises(zcore.DeviceError):
        commit_alone(heads.commits, CRTC, {PRIMARY: {9999: 1}})
    first.show(pool.acquire(0))
    assert first.commits == 1
    heads.fake.flip(CRTC)
    first.wait()


def test_plane_that_leaves_while_a_commit_blocks(heads):
    (first, pool), _ = heads.planes
    heads.block()
    first.show(pool.acquire(0))
    first.release()
    assert pool.stats["free"] == 4
    first.attach(pool)
    first.show(pool.acquire(0))  # still waits for the commit that blocks
    assert first.commits == 0
    heads.let_go()
    assert first.commits == 1
    heads.fake.flip(CRTC)
    first.wait()
