"""Several displays on one screen, over the fake kernel: who has which plane, and commits that take turns."""

import errno
import os

import numpy as np
import pytest

import zcore
from codec_rig import Camera
from fakekernel import FakeCard
from fakekernel.drm import CONNECTOR, CRTC, OVERLAY, PRIMARY
from fakekernel.structs import U32, read_array
from helpers import make_pool
from kms_rig import Rig
from zcore._commit_alone import commit_alone
from zcore._commits import Commits
from zcore._drm import Card
from zcore._fd import Fd
from zcore._kms import Scanout
from zcore.edid import parse_edid
from zcore.formats import find
from zcore.stages.kms_place import cropped

CARD = "/dev/dri/card0"


@pytest.fixture
def card(fake_kernel):
    return FakeCard(fake_kernel, auto=True)


class Two:
    """Two planes of one card whose vertical blank is the test."""

    def __init__(self, kernel, shared=True):
        self.fake = FakeCard(kernel)
        self.fake.active = 1
        self.card = Card(CARD)
        self.commits = Commits(self.card) if shared else None
        self.planes = []
        for plane in (PRIMARY, OVERLAY):
            one = Scanout(
                self.card, f"plane {plane}", CRTC, plane, self.fake.property_id(plane, "FB_ID"), commits=self.commits
            )
            pool, _ = make_pool(kernel, 4)
            one.attach(pool)
            self.planes.append((one, pool))

    def close(self):
        for one, _ in self.planes:
            one.release()
        self.card.close()


@pytest.fixture
def two(fake_kernel):
    made = Two(fake_kernel)
    yield made
    made.close()


@pytest.mark.proves("DRM_IOCTL_MODE_ATOMIC", "T58", "T59", "drm-kms:several-planes")
def test_one_commit_at_a_time(two):
    (first, pool), (second, other) = two.planes
    first.show(pool.acquire(0))
    second.show(other.acquire(0))  # no EBUSY: it waits for the flip
    assert len(two.fake.commits) == 1
    assert second.holds == 1
    two.fake.flip()
    first.wait()
    assert len(two.fake.commits) == 2  # the one that waited was committed when the event was read
    first.show(pool.acquire(0))
    two.fake.flip()
    second.wait()
    assert list(two.fake.commits[2][1]) == [PRIMARY]
    two.fake.flip()
    first.wait()
    assert (first.flips, second.flips) == (2, 1)


@pytest.mark.proves("T59", "T63")
def test_frames_that_wait_go_into_one_commit(two):
    (first, pool), (second, other) = two.planes
    commit = two.fake.commits
    first.show(pool.acquire(0))
    two.fake.flip()
    # The event has not been read yet: both frames find the CRTC taken.
    second.show(other.acquire(0))
    assert len(commit) == 1
    first.show(pool.acquire(0))  # reads the event; what waited goes, and this one waits
    two.fake.flip()
    second.wait()
    assert [sorted(settings) for _, settings in commit] == [[PRIMARY], [OVERLAY], [PRIMARY]]
    second.show(other.acquire(0))
    two.fake.flip()
    first.wait()
    two.fake.flip()
    second.wait()


def test_refused_together_is_tried_alone(two):
    (first, pool), (second, other) = two.planes
    second.show(other.acquire(0))
    two.fake.kernel.fail("DRM_IOCTL_MODE_ATOMIC", errno.EINVAL, times=1)
    two.fake.flip()
    second.wait()
    with pytest.raises(zcore.DeviceError, match="EINVAL"):
        first.show(pool.acquire(0))
    assert first.holds == 0
    first.show(pool.acquire(0))
    two.fake.flip()
    first.wait()


def test_failure_of_another_threads_commit_is_told(two):
    (first, pool), (second, other) = two.planes
    first.show(pool.acquire(0))
    second.show(other.acquire(0))
    two.fake.kernel.fail("DRM_IOCTL_MODE_ATOMIC", errno.EINVAL)
    two.fake.flip()
    first.wait()
    with pytest.raises(zcore.DeviceError, match=r"plane 32.*EINVAL"):
        second.wait()
    assert second.holds == 0
    second.show(other.acquire(0))
    two.fake.flip()
    second.wait()


def test_commit_alone_waits_for_its_turn(two):
    (first, pool), _ = two.planes
    first.show(pool.acquire(0))
    alpha = {PRIMARY: {two.fake.property_id(PRIMARY, "alpha"): 7}}
    with pytest.raises(zcore.DeviceTimeoutError, match="flip event"):
        commit_alone(two.commits, CRTC, alpha, timeout=0.05)
    two.fake.flip()
    commit_alone(two.commits, CRTC, alpha)
    assert two.fake.value(PRIMARY, "alpha") == 7


def test_commits_of_another_card(two, fake_kernel):
    FakeCard(fake_kernel, "/dev/dri/card1")
    other = Card("/dev/dri/card1")
    with pytest.raises(ValueError, match="those of another card"):
        Scanout(other, "x", CRTC, PRIMARY, 1, commits=two.commits)
    other.close()


@pytest.mark.proves("T64")
def test_properties_go_with_the_next_frame(fake_kernel):
    rig = Rig(fake_kernel)
    alpha = rig.fake.property_id(PRIMARY, "alpha")
    rig.scanout.change({PRIMARY: {alpha: 1}})
    rig.scanout.change({PRIMARY: {alpha: 2}})
    assert rig.scanout.waiting_settings == 1
    rig.scanout.show(rig.frame())
    assert rig.fake.commits[-1][1][PRIMARY][alpha] == 2
    rig.fake.flip()
    rig.scanout.wait()
    rig.scanout.show(rig.frame())
    assert alpha not in rig.fake.commits[-1][1][PRIMARY]
    rig.fake.flip()
    rig.scanout.wait()
    with pytest.raises(ValueError, match="48 properties at most"):
        rig.scanout.change({PRIMARY: dict.fromkeys(range(60), 0)})
    rig.close()


@pytest.mark.proves("T65")
def test_asynchronous_flips_change_nothing_else(fake_kernel):
    fake = FakeCard(fake_kernel)
    fake.active = 1
    seen = []
    atomic = fake.drm_ioctl_mode_atomic

    def watch(file, argument):
        properties = sum(read_array(argument.counts, U32, argument.count_objs))
        seen.append((argument.flags & 2, properties))
        if argument.flags & 2:
            assert properties == 1, "an asynchronous flip changes FB_ID alone"
            argument.flags &= ~2
        atomic(file, argument)

    fake.drm_ioctl_mode_atomic = watch
    card = Card(CARD)
    scanout = Scanout(card, "x", CRTC, PRIMARY, fake.property_id(PRIMARY, "FB_ID"), asynchronous=True)
    pool, _ = make_pool(fake_kernel, 4)
    for alpha in (None, 5, None):
        if alpha is not None:
            scanout.change({PRIMARY: {fake.property_id(PRIMARY, "alpha"): alpha}})
        scanout.show(pool.acquire(0))
        fake.flip()
        scanout.wait()
    assert seen == [(2, 1), (0, 2), (2, 1)]
    assert scanout.async_commits == 2
    fake_kernel.fail("DRM_IOCTL_MODE_ATOMIC", errno.EINVAL)
    scanout.show(pool.acquire(0))
    assert seen[-1] == (0, 1)
    assert scanout.async_refused == 1
    fake.flip()
    scanout.wait()
    scanout.release()
    card.close()


# Displays


@pytest.mark.proves("drm-kms:several-planes")
def test_two_displays_of_one_chain(fake_kernel, card):
    camera, tee = Camera(fake_kernel, code="XR24", size=(64, 16)).stage(), zcore.Tee()
    video = zcore.Display(CARD, zpos=0)
    overlay = zcore.Display(CARD, zpos=2, alpha=0.5, source_crop=(8, 4, 32, 8), render_rectangle=(0, 0, 32, 8))
    with zcore.Chain(links=[(camera, tee), (tee, video), (tee, overlay)]) as chain:
        assert chain.run(frames=6, require_zero_copy=True).zero_copy
        assert overlay.scanout.shared_commits >= 3  # both frames of a picture in one commit
        assert (video.scanout.plane, overlay.scanout.plane) == (PRIMARY, OVERLAY)
        assert video.card is overlay.card
        assert card.value(OVERLAY, "alpha") == 32768
        assert card.value(OVERLAY, "zpos") == 2
        assert card.value(OVERLAY, "SRC_X") == 8 << 16
        assert card.value(OVERLAY, "CRTC_W") == 32
        assert card.shown[PRIMARY]
        assert card.shown[OVERLAY]
    assert card.shown == {PRIMARY: 0, OVERLAY: 0}
    assert card.value(OVERLAY, "alpha") == 0xFFFF
    assert card.blanked == 0


@pytest.mark.proves("drm-kms:several-planes", "T61")
def test_two_chains_of_one_screen(fake_kernel, card):
    video = zcore.Display(CARD, plane="primary")
    overlay = zcore.Display(CARD, plane="overlay", render_rectangle=(0, 0, 32, 8))
    main = zcore.Chain(zcore.TestSource("XR24", (64, 16)), video)
    side = zcore.Chain(zcore.TestSource("XR24", (32, 8)), overlay)
    with main, side:
        main.start(frames=60)
        side.start(frames=40)
        assert side.wait(30).frames == 40
        assert main.wait(30).frames == 60
        assert (video.scanout.flips, overlay.scanout.flips) == (60, 40)
    assert card.shown == {PRIMARY: 0, OVERLAY: 0}
    assert card.blanked == 0


def test_descriptors_are_shared_by_their_file(fake_kernel, card):
    FakeCard(fake_kernel, "/dev/dri/card1", auto=True)
    with Fd.open(CARD) as one, Fd.open("/dev/dri/card1") as other:
        number = os.dup(one.fileno())
        with zcore.Display(fd=number) as first:
            with zcore.Display(fd=number) as second:
                assert second.card is first.card
            os.dup2(other.fileno(), number)
            with zcore.Display(fd=number) as third:
                assert third.card is not first.card
        os.close(number)


def test_plane_of_another_display(fake_kernel, card):
    with zcore.Display(CARD, plane=OVERLAY) as first, zcore.Display(CARD, plane=OVERLAY) as second:
        with zcore.Chain(Camera(fake_kernel, code="XR24").stage(), first) as chain:
            chain.run(frames=2)
            with pytest.raises(zcore.ChainError, match=r"plane 32 .* is used by another display"):
                second.accepts()


@pytest.mark.proves("drm-kms:test-only", "T67")
def test_next_plane_where_the_driver_refuses_the_first(fake_kernel, card):
    atomic = card.drm_ioctl_mode_atomic

    def no_primary(file, argument):
        if argument.flags & 0x100 and PRIMARY in card.settings(argument):
            return atomic(file, argument)  # the trial passes
        from fakekernel.kernel import Refusal

        settings = card.settings(argument)
        if settings.get(PRIMARY, {}).get(card.property_id(PRIMARY, "FB_ID")):
            raise Refusal(errno.ENOSPC, "no bandwidth after all")
        return atomic(file, argument)

    card.drm_ioctl_mode_atomic = no_primary
    display = zcore.Display(CARD)
    with zcore.Chain(Camera(fake_kernel, code="XR24", size=(64, 16)).stage(), display) as chain:
        assert chain.run(frames=3).frames == 3
        assert display.scanout.plane == OVERLAY


def test_change_while_stopped(fake_kernel, card):
    display = zcore.Display(CARD, plane="primary")
    with zcore.Chain(Camera(fake_kernel, code="XR24", size=(64, 16)).stage(), display) as chain:
        chain.run(frames=3)
        display.set(alpha=0.0, render_rectangle=(8, 4, 32, 8), rotation="rotate-180", hue=-7)
        assert card.value(PRIMARY, "alpha") == 0
        assert card.value(PRIMARY, "CRTC_X") == 8
        assert card.value(PRIMARY, "rotation") == 4
        card.kernel.fail("DRM_IOCTL_MODE_ATOMIC", errno.EINVAL, times=2)
        with pytest.raises(zcore.DeviceError):
            display.set(alpha=1.0)
        card.kernel.rules.clear()
        display.set(zpos=1)
        assert card.value(PRIMARY, "alpha") == 0  # what was refused is forgotten
    assert card.value(PRIMARY, "alpha") == 0xFFFF


def test_hdr_metadata_reaches_the_connector(fake_kernel, card):
    display = zcore.Display(CARD, hdr_metadata=zcore.HdrMetadata(max_cll=1000, max_fall=400))
    with zcore.Chain(Camera(fake_kernel, code="XR24", size=(64, 16)).stage(), display) as chain:
        chain.run(frames=2)
        blob = card.value(CONNECTOR, "HDR_OUTPUT_METADATA")
        content = next(iter(card.clients.values())).blobs[blob]
        assert len(content) == 32
        assert content[4] == 2  # PQ
        assert np.frombuffer(content[6:30], "<u2").tolist() == [
            35400, 14600, 8500, 39850, 6550, 2300, 15635, 16450, 1000, 1, 1000, 400,
        ]  # fmt: skip
    assert card.value(CONNECTOR, "HDR_OUTPUT_METADATA") == 0


@pytest.mark.proves("T72")
@pytest.mark.parametrize(
    ("code", "crop", "found"),
    [
        ("XR24", (3, 5, 7, 9), (3, 5, 7, 9)), ("NV12", (3, 5, 7, 9), (2, 4, 6, 8)),
        ("YUYV", (3, 5, 7, 9), (2, 5, 6, 9)),
    ],
)  # fmt: skip
def test_crops_keep_to_chroma(code, crop, found):
    assert cropped(crop, (64, 48), find(code)) == found


@pytest.mark.parametrize(("crop", "told"), [((60, 0, 8, 8), "reaches out"), ((0, 0, 1, 1), "smaller than a chroma")])
def test_crops_that_cannot_be(crop, told):
    with pytest.raises(zcore.NegotiationError, match=told):
        cropped(crop, (64, 48), find("NV12"))


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"alpha": 1.5}, "alpha is 0.0"), ({"source_crop": (-1, 0, 2, 2)}, "begins inside"),
        ({"source_crop": (1, 2)}, "source_crop is"), ({"zpos": 1, "plane_properties": {"ZPOS": 2}}, "given twice"),
    ],
)  # fmt: skip
def test_options_that_are_none(options, told):
    with pytest.raises(ValueError, match=told):
        zcore.Display(CARD, **options)


def test_monitors_by_name(fake_kernel, card):
    edid = edid_of("Wide 27", "DEL")
    card.properties[CONNECTOR][card.property_id(CONNECTOR, "EDID")][2] = 901
    blob = card.drm_ioctl_mode_getpropblob

    def read(file, argument):
        card.clients[file].blobs[901] = edid
        blob(file, argument)
        del card.clients[file].blobs[901]

    card.drm_ioctl_mode_getpropblob = read
    for name in ("wide 27", "DEL Wide 27"):
        with zcore.Display(CARD, connector=name) as display:
            assert display.accepts()
    monitor = parse_edid(edid)
    assert (str(monitor), monitor.year, monitor.size_mm) == ("DEL Wide 27", 2020, (600, 340))
    assert parse_edid(edid[:-1] + b"\1") is None
    assert parse_edid(b"") is None


def edid_of(name, maker):
    letters = sum((ord(letter) - 64) << shift for letter, shift in zip(maker, (10, 5, 0), strict=True))
    block = bytearray(128)
    block[:8] = b"\0\xff\xff\xff\xff\xff\xff\0"
    block[8:10] = letters.to_bytes(2, "big")
    block[17:23] = bytes([30, 1, 4, 0, 60, 34])
    block[54:72] = b"\0\0\0\xfc\0" + name.encode().ljust(13, b"\n")
    block[127] = -sum(block) & 0xFF
    return bytes(block)
