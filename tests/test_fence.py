"""Fences as objects: what they tell, how they end, and that each descriptor is closed once."""

import errno
import os
import select

import pytest

from fakekernel import FakeFence
from fakekernel.fences import pending
from helpers import make_pool, new_buffer
from zcore._fence import Fence
from zcore.errors import DeviceError, DeviceTimeoutError
from zcore.formats import find


def made(kernel, **options):
    fake = FakeFence(kernel, **options)
    return fake, Fence.adopt(fake.export())


@pytest.mark.proves("sync-file:info", "SYNC_IOC_FILE_INFO")
def test_it_tells_who_signals_it(fake_kernel):
    fake, fence = made(fake_kernel, driver="vgem", timeline="unbound", name="frame 3")
    assert (fence.status, fence.signalled, fence.timestamp_ns) == (0, False, 0)
    assert repr(fence) == "<Fence frame 3 of vgem unbound, pending>"
    assert pending(fence)
    fake.signal()
    assert (fence.status, fence.signalled, fence.timestamp_ns) == (1, True, fake.when)
    info = fence.info()
    assert (info.name, info.status, len(info.parts)) == ("frame 3", 1, 1)
    assert (info.parts[0].driver, info.parts[0].timeline, info.parts[0].status) == ("vgem", "unbound", 1)
    assert fence.wait(0)
    fence.close()
    fence.close()
    assert fence.closed
    assert repr(fence) == "<Fence, closed>"
    with pytest.raises(ValueError, match="closed"):
        fence.wait()


def test_error_of_the_one_who_signals(fake_kernel):
    fake, fence = made(fake_kernel)
    fake.signal(-errno.EIO)
    assert fence.wait(0)
    assert fence.status == -errno.EIO
    assert repr(fence).endswith(f"failed: {os.strerror(errno.EIO)}>")


def test_waiting_has_an_end(fake_kernel):
    _, fence = made(fake_kernel)
    assert fence.wait(0) is False
    assert fence.wait(0.01) is False


@pytest.mark.proves("sync-file:merge", "SYNC_IOC_MERGE")
def test_merged_fence_waits_for_both(fake_kernel):
    first, one = made(fake_kernel, driver="a")
    second, two = made(fake_kernel, driver="b")
    with one.merge(two, "both of them") as both:
        assert both.info().name == "both of them"
        assert [part.driver for part in both.info().parts] == ["a", "b"]
        first.signal()
        assert both.status == 0
        second.signal(-errno.EIO)
        assert both.status == -errno.EIO
        assert both.timestamp_ns == second.when
    assert not one.closed
    _, buffer = new_buffer(fake_kernel)
    with pytest.raises(DeviceError, match="SYNC_IOC_MERGE"):
        one.merge(buffer)


def test_deadline_is_a_hint(fake_kernel):
    fake, fence = made(fake_kernel)
    assert fence.set_deadline(12345)
    assert fake.deadline == 12345
    fake_kernel.fail("SYNC_IOC_SET_DEADLINE", errno.ENOTTY)  # before Linux 6.6
    assert not fence.set_deadline(1)


def test_only_sync_files_are_taken(fake_kernel):
    with pytest.raises(TypeError, match=r"Fence\.adopt"):
        Fence()
    with pytest.raises(TypeError, match="not str"):
        Fence.dup("3")
    reader, writer = os.pipe()
    _, buffer = new_buffer(fake_kernel)
    for number in (reader, buffer.fd):
        with pytest.raises(ValueError, match="no sync_file"):
            Fence.adopt(number)
        with pytest.raises(ValueError, match="no sync_file"):
            Fence.dup(number)
    os.close(reader)  # it stayed the caller's
    os.close(writer)
    with pytest.raises(OSError, match="Bad file"):
        Fence.dup(reader)


@pytest.mark.proves("T44")
def test_dup_leaves_the_descriptor_with_its_owner(fake_kernel):
    fake = FakeFence(fake_kernel)
    number = fake.export()
    with Fence.dup(number) as fence:
        assert fence.fileno() != number
    os.fstat(number)
    os.close(number)


def test_a_frame_keeps_its_fence_as_long_as_it_is_leased(fake_kernel):
    fake, fence = made(fake_kernel)
    pool, _ = make_pool(fake_kernel, 1, format=find("XR24"))
    frame = pool.acquire(0)
    assert frame.fence is None
    frame.set_fence(fence)
    fence.close()  # it was duplicated
    with frame.fence as told:
        assert told.status == 0
    frame.set_fence(None)
    assert frame.fence is None
    with Fence.adopt(fake.export()) as again:
        frame.set_fence(again)
    frame.release()
    assert pool.acquire(0).fence is None  # and its descriptor is closed: the fixture looks
    with pytest.raises(ValueError, match="no sync_file"):
        frame_of(fake_kernel).set_fence(new_buffer(fake_kernel)[1])


def frame_of(kernel):
    return make_pool(kernel, 1, format=find("XR24"))[0].acquire(0)


@pytest.mark.proves("dma-buf:late-fence", "T32")
def test_cpu_waits_for_the_fence_of_a_frame(fake_kernel):
    fake, fence = made(fake_kernel)
    frame = frame_of(fake_kernel)
    frame.set_fence(fence)
    fake.signal()
    assert frame.array().shape == (16, 64, 4)


@pytest.mark.proves("dma-buf:no-fence")
def test_cpu_access_to_a_buffer_whose_writer_never_ends(fake_kernel):
    memory, buffer = new_buffer(fake_kernel)
    memory.writer = FakeFence(fake_kernel)
    assert buffer.wait(timeout=0.01) is False
    with pytest.raises(DeviceTimeoutError):
        buffer.begin_access(timeout=0.01)
    assert (buffer.cpu_users, memory.starts) == (0, [])
    with buffer.export_sync_file() as fence:
        assert select.select([fence], [], [], 0) == ([], [], [])
    memory.writer.signal()
    with buffer.access():
        assert memory.starts == [1]
