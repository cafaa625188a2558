"""Layouts that a display takes: modifiers, rows, and where a picture begins in its buffer."""

import errno

import pytest

import zcore
from codec_rig import Camera
from fakekernel import FakeCamera, FakeCard, FakeOutput, Refusal, fourcc
from fakekernel.kernel import identity_of
from fakekernel.v4l2_queue import FLAG_MONOTONIC
from helpers import make_pool
from zcore.formats import INVALID, LINEAR, by_drm, find
from zcore.stages.base import LinkCaps
from zcore.stages.kms_setup import takes_modifier
from zcore.stages.output import Output

CARD = "/dev/dri/card0"
TILED = 0x0100000000000002
SAND = find("NC12").modifier


@pytest.fixture
def card(fake_kernel):
    return FakeCard(fake_kernel, auto=True)


@pytest.mark.proves("drm-kms:modifiers")
def test_formats_come_with_their_layouts(fake_kernel, card):
    card.modifiers = [TILED, LINEAR]
    with zcore.Display(CARD) as display:
        found = [(fmt.drm, fmt.modifier) for fmt in display.accepts()]
        assert len(set(found)) == len(found) == 2 * len(card.formats)
        assert found[:2] == [(fourcc("XR24"), LINEAR), (fourcc("XR24"), TILED)]
        calls = len(fake_kernel.calls)
        display.accepts()
        assert not {"DRM_IOCTL_MODE_ATOMIC", "DRM_IOCTL_MODE_ADDFB2"} & {c.name for c in fake_kernel.calls[calls:]}


def test_plane_that_takes_no_linear_frames(fake_kernel, card):
    card.modifiers = [TILED]
    with zcore.Display(CARD) as display:
        assert {fmt.modifier for fmt in display.accepts()} == {TILED}
        linear = LinkCaps(find("XR24"), 64, 16, ((4096, 256),), fourcc("XR24"))
        with pytest.raises(zcore.NegotiationError, match=r"does not take XR24 with modifier LINEAR \(0x0\); it takes"):
            display.set_input(linear)
        tiled = LinkCaps(by_drm(fourcc("XR24"), TILED), 64, 16, ((4096, 256),))
        assert display.set_input(tiled) is tiled
        with pytest.raises(zcore.NegotiationError, match="dumb buffers, which are linear"):
            display.input.allocate(tiled, 2, export=True)


def test_card_without_modifiers(fake_kernel, card):
    card.modifiers = [TILED, LINEAR]
    del card.capabilities[0x10]
    with zcore.Display(CARD) as display:
        assert {fmt.modifier for fmt in display.accepts()} == {LINEAR}
        with pytest.raises(zcore.NegotiationError, match="knows no modifiers"):
            display.set_input(LinkCaps(by_drm(fourcc("XR24"), TILED), 64, 16, ((4096, 256),)))


@pytest.mark.parametrize(
    ("known", "modifier", "takes"),
    [
        (None, LINEAR, True), (None, TILED, False), (None, INVALID, True), ({1: {TILED}}, LINEAR, False),
        ({1: {TILED}}, TILED, True), ({1: {TILED}}, INVALID, True), ({1: {SAND}}, SAND | 1080 << 8, True),
        ({1: {SAND}}, TILED, False), ({}, LINEAR, False),
    ],
)  # fmt: skip
@pytest.mark.proves("T69")
def test_linear_implicit_and_tiled_are_three_things(known, modifier, takes):
    assert takes_modifier(known, 1, modifier) == takes


def test_rows_that_the_display_refuses(fake_kernel, card):
    card.pitch_alignment = 64
    pool, _ = make_pool(
        fake_kernel, 2, {"drm_fourcc": fourcc("XR24"), "size": (52, 16), "components": [(0, 0, 208, 16)]}
    )
    caps = LinkCaps(find("XR24"), 52, 16, ((208 * 16, 208),), fourcc("XR24"))
    with zcore.Display(CARD) as display:
        display.set_input(caps)
        assert display.input.alignment == 1
        with pytest.raises(zcore.NegotiationError, match=r"refuses rows of 208 bytes; .* multiples of 64 bytes"):
            display.input.use(pool, caps, "dmabuf")
        assert display.input.alignment == 64
        display.input.reset()
    pool.close()


@pytest.mark.parametrize("where", ["chain", "show"])
def test_frames_that_begin_behind_their_buffers_start(fake_kernel, card, where):
    camera = FakeCamera(fake_kernel, code="XR24", planes=[64 * 16 * 4 + 128], multiplanar=True)
    camera.formats = [(fourcc("XR24"), 0, b"only")]
    camera.strides[9] = [256]
    camera.grant = lambda fmt: (camera.capture, 64, 16, fourcc("XR24"), [64 * 16 * 4 + 128], [256])
    camera.frame_sizes = [(64, 16)]

    def fill():
        while camera.capture.streaming and camera.capture.queued:
            camera.capture.finish(camera.capture.take(), flags=FLAG_MONOTONIC, data_offset=128)
        for file in camera.files:
            file.set_readable(camera.capture.answers_poll)

    camera.work = fill
    told = r"memory plane 0 of the frame begins 128 bytes into its buffer \(V4L2's data_offset\)"
    stage, display = zcore.Capture("/dev/video0"), zcore.Display(CARD)
    if where == "chain":
        with pytest.raises(zcore.DeviceError, match=told):
            zcore.Chain(stage, display).run(frames=3)
        return
    with stage, display:
        (frame,) = stage.frames(1)
        with pytest.raises(zcore.DeviceError, match=told):
            display.show(frame)
        del frame


def test_output_devices_with_one_plane_take_no_offset(fake_kernel):
    """A multi-planar camera can say an offset that a single-planar output cannot."""
    fake = FakeOutput(fake_kernel)
    fake.auto = True
    camera = FakeCamera(fake_kernel, planes=[64 * 16 * 2], multiplanar=True)
    camera.frame_sizes = [(64, 16)]

    def fill():
        while camera.capture.streaming and camera.capture.queued:
            camera.capture.finish(camera.capture.take(), flags=FLAG_MONOTONIC, data_offset=128)
        for file in camera.files:
            file.set_readable(camera.capture.answers_poll)

    camera.work = fill
    chain = zcore.Chain(zcore.Capture("/dev/video0"), Output("/dev/video2"))
    with pytest.raises(zcore.DeviceError, match="VIDIOC_QBUF"):
        chain.run(frames=3)
    assert fake.shown == []


def test_a_card_that_imports_nothing_is_not_gone(fake_kernel, card):
    """virtio-gpu answers ENODEV to buffers of others; its own are taken instead, and the camera imports those."""
    camera = Camera(fake_kernel, code="XR24", size=(64, 16)).stage()
    imports, creates = card.drm_ioctl_prime_fd_to_handle, card.drm_ioctl_mode_create_dumb
    own, refused = [], []

    def create(file, argument):
        creates(file, argument)
        own.append(card.clients[file].handles[argument.handle])

    def import_own(file, argument):
        if fake_kernel.buffers[identity_of(argument.fd)] not in own:
            refused.append(argument.fd)
            raise Refusal(errno.ENODEV, "no buffers of others")
        imports(file, argument)

    card.drm_ioctl_prime_fd_to_handle, card.drm_ioctl_mode_create_dumb = import_own, create
    report = zcore.Chain(camera, zcore.Display(CARD)).run(frames=3, require_zero_copy=True)
    assert report.frames == 3
    assert refused
    assert report.links[0].memory == "dmabuf-import"


def test_a_card_that_is_gone_says_so(fake_kernel, card):
    camera = Camera(fake_kernel, code="XR24", size=(64, 16)).stage()

    def unplug(file, argument):
        card.unplug()
        raise Refusal(errno.ENODEV, "unplugged")

    card.drm_ioctl_prime_fd_to_handle = unplug
    with pytest.raises(zcore.DeviceGoneError, match="PRIME_FD_TO_HANDLE"):
        zcore.Chain(camera, zcore.Display(CARD)).run(frames=3)
