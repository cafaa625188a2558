import errno
import gc
import os

import pytest

from fakekernel import FakeCard, FakeDmaBuf, fourcc
from fakekernel.drm import PRIMARY
from helpers import SIZE, XR24, make_pool, new_buffer, run_threads
from zcore._dmabuf import DmaBuf
from zcore._drm import Card
from zcore._errors import DeviceError
from zcore._gem import Framebuffer, add_framebuffer, allocate_dumb, handle_count
from zcore._pool import Pool

XRGB, NV12 = fourcc("XR24"), fourcc("NV12")


@pytest.fixture
def fake(fake_kernel):
    return FakeCard(fake_kernel)


@pytest.fixture
def card(fake):
    made = Card("/dev/dri/card0")
    yield made
    made.close()


@pytest.fixture
def client(fake, card):
    """What the fake knows of the open file."""
    return next(iter(fake.clients.values()))


def add(card, buffer, **options):
    return add_framebuffer(card, [buffer], [(0, 0, 256, 16)], (64, 16), XRGB, **options)


@pytest.mark.proves("DRM_IOCTL_MODE_RMFB", "DRM_IOCTL_MODE_ADDFB2")
def test_framebuffer_and_its_end(fake_kernel, card, client):
    memory, buffer = new_buffer(fake_kernel)
    framebuffer = add(card, buffer)
    made = client.framebuffers[framebuffer.id]
    assert (made.width, made.height, made.pitches, made.offsets, made.modifier) == (64, 16, [256], [0], None)
    assert made.objects == [memory]
    assert handle_count(card) == len(client.handles) == 1
    assert repr(framebuffer) == f"<Framebuffer {framebuffer.id}>"
    framebuffer.close()
    framebuffer.close()
    assert (handle_count(card), client.handles, client.framebuffers) == (0, {}, {})


@pytest.mark.proves("T69")
def test_none_is_not_linear(fake_kernel, card, client):
    _, buffer = new_buffer(fake_kernel)
    driver, linear = add(card, buffer), add(card, buffer, modifier=0)
    assert client.framebuffers[driver.id].modifier is None
    assert client.framebuffers[linear.id].modifier == 0
    with pytest.raises(DeviceError, match="modifier 0x123"):
        add(card, buffer, modifier=0x123)
    driver.close()
    linear.close()


def test_dropping_a_framebuffer_closes_it(fake_kernel, card, client):
    _, buffer = new_buffer(fake_kernel)
    framebuffer = add(card, buffer)
    del framebuffer
    assert (handle_count(card), client.handles, client.framebuffers) == (0, {}, {})


def test_framebuffer_dies_in_a_cycle_with_its_card(fake_kernel):
    fake = FakeCard(fake_kernel)

    class Stage:
        pass

    for _ in range(20):
        stage = Stage()
        stage.card = Card("/dev/dri/card0")
        stage.framebuffers = [add(stage.card, new_buffer(fake_kernel)[1]) for _ in range(3)]
        stage.me = stage
        del stage
        gc.collect()
        fake.reap()
        assert fake.clients == {}


@pytest.mark.proves("T51", "drm-kms:handles", "T56", "DRM_IOCTL_GEM_CLOSE", "DRM_IOCTL_PRIME_FD_TO_HANDLE")
def test_one_handle_for_all_users_of_a_buffer(fake_kernel, card, client):
    """The kernel gives the same handle again without counting: the first GEM_CLOSE would end it for all."""
    _, buffer = new_buffer(fake_kernel)
    framebuffers = [add(card, buffer) for _ in range(3)]
    assert (client.imports, len(client.handles)) == (1, 1)
    for framebuffer in framebuffers[:2]:
        framebuffer.close()
        assert len(client.handles) == 1
    framebuffers[2].close()
    assert client.handles == {}
    add(card, buffer).close()
    assert client.imports == 2


def test_other_numbers_of_a_buffer_are_the_same_import(fake_kernel, card, client):
    memory = FakeDmaBuf(fake_kernel, SIZE)
    first, second = DmaBuf.adopt(memory.export()), DmaBuf.adopt(memory.export())
    framebuffers = [add(card, first), add(card, second)]
    assert client.imports == 1
    for framebuffer in framebuffers:
        framebuffer.close()


@pytest.mark.proves("T54")
def test_two_colour_planes_in_one_buffer_are_one_handle(fake_kernel, card, client):
    _, buffer = new_buffer(fake_kernel)
    framebuffer = add_framebuffer(card, [buffer], [(0, 0, 64, 16), (0, 1024, 64, 8)], (64, 16), NV12)
    assert client.imports == 1
    assert client.framebuffers[framebuffer.id].offsets == [0, 1024]
    framebuffer.close()
    assert client.handles == {}


def test_two_buffers_of_one_frame(fake_kernel, card, client):
    buffers = [new_buffer(fake_kernel)[1] for _ in range(2)]
    framebuffer = add_framebuffer(card, buffers, [(0, 0, 64, 16), (1, 0, 64, 8)], (64, 16), NV12)
    assert len(client.handles) == handle_count(card) == 2
    framebuffer.close()
    assert client.handles == {}


@pytest.mark.proves("T52")
def test_cards_have_handles_of_their_own(fake_kernel, card):
    other_fake = FakeCard(fake_kernel, "/dev/dri/card1")
    other = Card("/dev/dri/card1")
    _, buffer = new_buffer(fake_kernel)
    framebuffers = [add(card, buffer), add(other, buffer)]
    assert handle_count(card) == handle_count(other) == 1
    framebuffers[0].close()
    assert (handle_count(card), handle_count(other)) == (0, 1)
    framebuffers[1].close()
    other.close()
    assert other_fake.clients


@pytest.mark.proves("T52")
def test_two_open_files_of_one_card_have_handles_of_their_own(fake_kernel, fake, card):
    other = Card("/dev/dri/card0")
    _, buffer = new_buffer(fake_kernel)
    framebuffers = [add(card, buffer), add(other, buffer)]
    assert [client.imports for client in fake.clients.values()] == [1, 1]
    for framebuffer in framebuffers:
        framebuffer.close()
    other.close()


@pytest.mark.proves("T37")
def test_framebuffer_keeps_its_buffer(fake_kernel, card):
    memory, buffer = new_buffer(fake_kernel)
    framebuffer = add(card, buffer)
    del buffer
    gc.collect()
    assert memory.users == 1  # or its inode could be another buffer's while the handle is registered under it
    framebuffer.close()
    assert memory.users == 0


@pytest.mark.parametrize("call", ["DRM_IOCTL_PRIME_FD_TO_HANDLE", "DRM_IOCTL_MODE_ADDFB2"])
@pytest.mark.parametrize("code", [errno.EINVAL, errno.ENOMEM])
def test_refusal_leaves_nothing(fake_kernel, card, client, call, code):
    _, buffer = new_buffer(fake_kernel)
    fake_kernel.fail(call, code)
    with pytest.raises(DeviceError, match=call) as caught:
        add(card, buffer)
    assert caught.value.errno == code
    assert (handle_count(card), client.handles, client.framebuffers) == (0, {}, {})


def test_refusal_of_the_second_buffer_gives_the_first_back(fake_kernel, card, client):
    buffers = [new_buffer(fake_kernel)[1] for _ in range(2)]
    fake_kernel.fail("DRM_IOCTL_PRIME_FD_TO_HANDLE", errno.EINVAL, after=1)
    with pytest.raises(DeviceError):
        add_framebuffer(card, buffers, [(0, 0, 64, 16), (1, 0, 64, 8)], (64, 16), NV12)
    assert (handle_count(card), client.handles) == (0, {})


@pytest.mark.proves("T56")
def test_refusal_keeps_what_others_use(fake_kernel, card, client):
    _, buffer = new_buffer(fake_kernel)
    kept = add(card, buffer)
    fake_kernel.fail("DRM_IOCTL_MODE_ADDFB2", errno.EINVAL)
    with pytest.raises(DeviceError):
        add(card, buffer)
    assert handle_count(card) == len(client.handles) == 1
    kept.close()


@pytest.mark.proves("T71", "DRM_IOCTL_MODE_ADDFB2")
def test_refusal_says_what_was_asked(fake_kernel, card):
    _, buffer = new_buffer(fake_kernel)
    with pytest.raises(DeviceError, match=r"64x16 XR24 modifier none strides \[200\] offsets \[0\]"):
        add_framebuffer(card, [buffer], [(0, 0, 200, 16)], (64, 16), XRGB)


@pytest.mark.proves("T39")
def test_picture_that_ends_behind_its_buffer(fake_kernel, card, client):
    _, buffer = new_buffer(fake_kernel, 4096)
    with pytest.raises(DeviceError, match="ends at 8192"):
        add_framebuffer(card, [buffer], [(0, 0, 256, 32)], (64, 32), XRGB)
    assert client.handles == {}


@pytest.mark.parametrize(
    ("buffers", "components", "error"),
    [
        (1, [], ValueError), (1, [(0, 0, 256, 1)] * 5, ValueError), (1, [(1, 0, 256, 16)], IndexError),
        (0, [(0, 0, 256, 16)], IndexError), (None, [(0, 0, 256, 16)], TypeError),
    ],
)  # fmt: skip
@pytest.mark.proves("T71")
def test_nonsense_is_refused_before_the_kernel_is_asked(fake_kernel, card, buffers, components, error):
    given = [None] if buffers is None else [new_buffer(fake_kernel)[1] for _ in range(buffers)]
    with pytest.raises(error):
        add_framebuffer(card, given, components, (64, 16), XRGB)
    assert fake_kernel.count("DRM_IOCTL_MODE_ADDFB2") == 0
    assert handle_count(card) == 0


def test_no_framebuffer_without_a_card():
    with pytest.raises(TypeError, match="add_framebuffer"):
        Framebuffer()


@pytest.mark.parametrize("code", [errno.EAGAIN, errno.EINTR])
def test_calls_are_restarted(fake_kernel, card, code):
    _, buffer = new_buffer(fake_kernel)
    names = ["DRM_IOCTL_PRIME_FD_TO_HANDLE", "DRM_IOCTL_MODE_ADDFB2", "DRM_IOCTL_MODE_RMFB", "DRM_IOCTL_GEM_CLOSE"]
    for name in names:
        fake_kernel.fail(name, code, times=2)
    add(card, buffer).close()
    assert [fake_kernel.count(name) for name in names] == [3, 3, 3, 3]


@pytest.mark.proves("T51")
def test_framebuffers_from_many_threads_count_right(fake_kernel, card, client):
    memory = FakeDmaBuf(fake_kernel, SIZE)
    buffer = DmaBuf.adopt(memory.export())

    def work(_):
        for _ in range(50):
            add(card, buffer).close()

    run_threads(8, work)
    assert (handle_count(card), client.handles) == (0, {})


@pytest.mark.proves("T57")
def test_removing_what_is_shown_blanks(fake_kernel, fake, card):
    """The fake's own rule, after the kernel's."""
    _, buffer = new_buffer(fake_kernel)
    framebuffer = add(card, buffer)
    fake.shown[PRIMARY] = framebuffer.id
    framebuffer.close()
    assert (fake.shown[PRIMARY], fake.blanked) == (0, 1)


@pytest.mark.proves("T57", "DRM_IOCTL_MODE_CLOSEFB")
@pytest.mark.parametrize("known", [True, False])
def test_what_is_shown_may_stay(fake_kernel, fake, card, client, known):
    """CLOSEFB takes the framebuffer from the program and leaves the plane alone; older kernels blank it."""
    _, buffer = new_buffer(fake_kernel)
    fake.closefb = known
    framebuffer = add(card, buffer)
    fake.shown[PRIMARY] = framebuffer.id
    framebuffer.close(keep_shown=True)
    framebuffer.close()
    assert fake.blanked == (not known)
    assert (client.handles, client.framebuffers) == ({}, {})


def test_slots_of_a_pool_can_be_imported(fake_kernel, card):
    pool, memories = make_pool(fake_kernel, 2)
    framebuffers = [
        add_framebuffer(card, buffers, pool.components, pool.size, pool.fourccs[1]) for buffers in pool.slot_buffers
    ]
    assert handle_count(card) == len(memories)
    for framebuffer in framebuffers:
        framebuffer.close()


# Dumb buffers


@pytest.mark.proves(
    "T53",
    "T55",
    "DRM_IOCTL_PRIME_HANDLE_TO_FD",
    "DRM_IOCTL_MODE_CREATE_DUMB",
    "DRM_IOCTL_MODE_DESTROY_DUMB",
)
def test_dumb_buffer_is_a_dmabuf_and_leaves_no_handle(fake_kernel, card, client):
    buffer, stride = allocate_dumb(card, 60, 16, 32)
    assert (stride, buffer.size, buffer.allocator) == (256, 4096, "dumb:/dev/dri/card0")
    assert (client.handles, client.dumb) == ({}, set())
    pool = Pool("p", "dumb")
    pool.add([buffer])
    pool.describe(**XR24)
    pool.acquire(0).array(write=True)[...] = 3
    framebuffer = add(card, buffer)  # the card's own buffer, back to the card
    assert client.framebuffers[framebuffer.id].objects[0].read(1) == b"\x03"
    framebuffer.close()


@pytest.mark.parametrize("call", ["DRM_IOCTL_MODE_CREATE_DUMB", "DRM_IOCTL_PRIME_HANDLE_TO_FD"])
def test_refused_dumb_buffer_leaves_nothing(fake_kernel, card, client, call):
    fake_kernel.fail(call, errno.ENOMEM)
    with pytest.raises(DeviceError, match=call):
        allocate_dumb(card, 64, 16, 32)
    assert client.handles == {}


def test_framebuffer_after_its_card_was_closed(fake_kernel, fake):
    card = Card("/dev/dri/card0")
    _, buffer = new_buffer(fake_kernel)
    framebuffer = add(card, buffer)
    client = next(iter(fake.clients.values()))
    card.close()
    framebuffer.close()  # the kernel has freed all with the file; there is nobody to tell
    assert (fake_kernel.count("DRM_IOCTL_MODE_RMFB"), handle_count(card)) == (0, 0)
    client.handles.clear()
    client.framebuffers.clear()


@pytest.mark.proves("T77")
def test_forked_child_removes_nothing(fake_kernel, card, client):
    _, buffer = new_buffer(fake_kernel)
    framebuffer = add(card, buffer)
    child = os.fork()
    if child == 0:
        framebuffer.close()
        os._exit(fake_kernel.count("DRM_IOCTL_MODE_RMFB") + fake_kernel.count("DRM_IOCTL_GEM_CLOSE"))
    assert os.waitpid(child, 0)[1] == 0
    assert len(client.handles) == 1
    framebuffer.close()
