"""More of test_dmabuf.py."""

import errno
import gc
import os

import pytest

from dmabuf_rig import READ, RW, WRITE
from fakekernel import FakeDmaBuf
from helpers import SIZE, new_buffer, run_threads
from zcore import _dmabuf
from zcore._alloc import allocate_memfd
from zcore._dmabuf import DmaBuf
from zcore._errors import DeviceError, DevicePermissionError, DeviceTimeoutError


@pytest.mark.proves("T36")
def test_one_object_for_one_buffer_under_any_number(fake_kernel):
    memory = FakeDmaBuf(fake_kernel, SIZE)
    numbers = [memory.export() for _ in range(3)]
    buffers = [DmaBuf.adopt(number) for number in numbers]
    assert buffers[0] is buffers[1] is buffers[2]
    assert buffers[0].identity == memory.identity
    assert buffers[0].fd == numbers[0]
    for number in numbers[1:]:  # the ones that were not needed are closed
        with pytest.raises(OSError):
            os.fstat(number)


def test_dup_leaves_the_number_with_its_owner(fake_kernel):
    memory = FakeDmaBuf(fake_kernel, SIZE)
    number = memory.export()
    buffer = DmaBuf.dup(number)
    assert buffer.fd != number
    assert DmaBuf.dup(buffer) is buffer  # anything with fileno()
    del buffer
    os.fstat(number)
    os.close(number)


def test_its_own_number_given_again_stays_open(fake_kernel):
    _, buffer = new_buffer(fake_kernel)
    assert DmaBuf.adopt(buffer.fd) is buffer
    os.fstat(buffer.fd)


def test_different_buffers_are_different(fake_kernel):
    (_, first), (_, second) = new_buffer(fake_kernel), new_buffer(fake_kernel)
    assert first is not second
    assert first.identity != second.identity


@pytest.mark.proves("T37")
def test_a_number_that_is_used_again_is_another_buffer(fake_kernel):
    _, first = new_buffer(fake_kernel)
    identity, number = first.identity, first.fd
    memory = FakeDmaBuf(fake_kernel, SIZE)
    del first
    gc.collect()
    second = DmaBuf.adopt(os.dup2(memory.number, number, inheritable=False))
    assert second.fd == number
    assert second.identity == memory.identity != identity


@pytest.mark.proves("T36")
def test_each_import_is_a_buffer_where_inodes_are_shared(fake_kernel, monkeypatch):
    monkeypatch.setattr(_dmabuf, "_UNIQUE", False)  # before Linux 5.3
    memory = FakeDmaBuf(fake_kernel, SIZE)
    first, second = DmaBuf.adopt(memory.export()), DmaBuf.adopt(memory.export())
    assert first is not second


@pytest.mark.proves("T50")
def test_dropping_closes_and_unmaps(fake_kernel):
    memory, buffer = new_buffer(fake_kernel)
    with buffer.access():
        assert memory.users == 2  # descriptor and map
    assert (buffer.mapped, buffer.maps) == (True, 1)
    del buffer
    assert memory.users == 0


def test_imports_from_many_threads_give_one_object(fake_kernel):
    memory = FakeDmaBuf(fake_kernel, SIZE)
    found = []
    run_threads(8, lambda _: found.extend(DmaBuf.adopt(memory.export()) for _ in range(50)))
    assert len(found) == 400
    assert len({id(buffer) for buffer in found}) == 1
    assert memory.users == 1


def test_what_is_no_buffer_is_refused():
    reader, writer = os.pipe()
    with pytest.raises(DeviceError, match="size"):
        DmaBuf.adopt(reader)
    with pytest.raises(DeviceError) as caught:
        DmaBuf.adopt(reader)  # it was closed: the caller had given it away
    assert caught.value.errno == errno.EBADF
    os.close(writer)
    empty = os.memfd_create("empty")
    with pytest.raises(DeviceError, match="size"):
        DmaBuf.adopt(empty)


def test_no_object_without_a_buffer():
    with pytest.raises(TypeError, match="adopt"):
        DmaBuf()


@pytest.mark.proves("T39")
def test_size_is_the_kernels(fake_kernel):
    memory, buffer = new_buffer(fake_kernel, 5000)
    assert buffer.size == memory.size == 8192


def test_no_bytes_without_a_frame(fake_kernel):
    _, buffer = new_buffer(fake_kernel)
    with pytest.raises(BufferError):
        memoryview(buffer)


@pytest.mark.proves("dma-buf:cpu-access", "T35")
@pytest.mark.parametrize("access", [READ, WRITE, RW])
def test_bracket_has_the_same_direction_at_both_ends(fake_kernel, access):
    memory, buffer = new_buffer(fake_kernel)
    with buffer.access(access) as given:
        assert given is buffer
        assert (memory.starts, memory.ends) == ([access], [])
        assert buffer.cpu_users == 1
    assert (memory.starts, memory.ends) == ([access], [access])
    assert (buffer.cpu_users, buffer.sync_calls) == (0, 2)


@pytest.mark.proves("T34")
def test_nested_brackets_of_one_direction_make_one(fake_kernel):
    memory, buffer = new_buffer(fake_kernel)
    with buffer.access(RW), buffer.access(READ), buffer.access(WRITE):
        assert buffer.cpu_users == 3
    assert (memory.starts, memory.ends) == ([RW], [RW])


@pytest.mark.proves("T34")
@pytest.mark.parametrize(("outer", "inner", "union"), [(READ, WRITE, RW), (WRITE, READ, RW), (READ, RW, RW)])
def test_nested_brackets_end_with_the_union_of_directions(fake_kernel, outer, inner, union):
    memory, buffer = new_buffer(fake_kernel)
    with buffer.access(outer), buffer.access(inner):
        assert memory.starts == [outer, union]
        assert memory.ends == []
    assert memory.ends == [union]


def test_the_wider_bracket_may_end_first(fake_kernel):
    memory, buffer = new_buffer(fake_kernel)
    buffer.begin_access(READ)
    buffer.begin_access(WRITE)
    buffer.end_access()
    assert memory.ends == []
    buffer.end_access()
    assert memory.ends == [RW]
    with buffer.access(READ):  # the next one starts from nothing
        pass
    assert memory.starts[-1] == memory.ends[-1] == READ


def test_brackets_of_many_threads_are_one_at_a_time(fake_kernel):
    memory, buffer = new_buffer(fake_kernel)

    def work(number):
        for i in range(100):
            with buffer.access(1 + (number + i) % 3):
                assert buffer.cpu_users > 0

    run_threads(8, work)
    assert buffer.cpu_users == 0
    assert memory.open_access == 0  # and the fake has seen no START inside of a bracket that covers it


@pytest.mark.proves("T31", "dma-buf:restart", "DMA_BUF_IOCTL_SYNC")
@pytest.mark.parametrize("code", [errno.EAGAIN, errno.EINTR])
def test_sync_is_restarted(fake_kernel, code):
    memory, buffer = new_buffer(fake_kernel)
    fake_kernel.fail("DMA_BUF_IOCTL_SYNC", code, times=3)
    buffer.begin_access(WRITE)
    fake_kernel.fail("DMA_BUF_IOCTL_SYNC", code, times=3)
    buffer.end_access()
    assert (memory.starts, memory.ends) == ([WRITE], [WRITE])
    assert fake_kernel.count("DMA_BUF_IOCTL_SYNC") == 8


def test_failing_start_opens_nothing(fake_kernel):
    memory, buffer = new_buffer(fake_kernel)
    fake_kernel.fail("DMA_BUF_IOCTL_SYNC", errno.EIO)
    with pytest.raises(DeviceError, match="DMA_BUF_IOCTL_SYNC"), buffer.access():
        pass
    assert buffer.cpu_users == 0
    with buffer.access():
        assert memory.starts == [READ]


def test_failing_upgrade_keeps_the_outer_bracket(fake_kernel):
    memory, buffer = new_buffer(fake_kernel)
    with buffer.access(READ):
        fake_kernel.fail("DMA_BUF_IOCTL_SYNC", errno.EIO)
        with pytest.raises(DeviceError):
            buffer.begin_access(WRITE)
        assert buffer.cpu_users == 1
    assert memory.ends == [READ]


@pytest.mark.proves("T31")
def test_failing_end_is_told(fake_kernel):
    memory, buffer = new_buffer(fake_kernel)
    buffer.begin_access(WRITE)
    fake_kernel.fail("DMA_BUF_IOCTL_SYNC", errno.EIO)
    with pytest.raises(DeviceError) as caught:
        buffer.end_access()
    assert caught.value.errno == errno.EIO
    memory.open_access = 0  # the kernel failed, not zcore


def test_end_without_begin(fake_kernel):
    memory, buffer = new_buffer(fake_kernel)
    with pytest.raises(ValueError, match="begin_access"):
        buffer.end_access()
    assert memory.ends == []


def test_memory_without_the_ioctl_is_coherent(fake_kernel):
    number = os.memfd_create("plain", os.MFD_CLOEXEC)
    os.ftruncate(number, 4096)
    buffer = DmaBuf.adopt(number)
    for _ in range(3):
        with buffer.access(RW), buffer.access(READ):
            pass
    assert buffer.sync_calls == 1  # asked once
    assert buffer.cpu_users == 0


def test_memfd_is_never_asked():
    buffer = allocate_memfd(4096)
    with buffer.access(RW):
        pass
    assert (buffer.sync_calls, buffer.maps) == (0, 1)


@pytest.mark.proves("T38")
def test_mapped_once_for_all_looks(fake_kernel):
    memory, buffer = new_buffer(fake_kernel)
    assert not buffer.mapped
    for _ in range(5):
        with buffer.access(RW):
            pass
    assert fake_kernel.count("mmap") == buffer.maps == 1
    assert memory.users == 2


def test_threads_that_look_first_at_once_map_once(fake_kernel):
    _, buffer = new_buffer(fake_kernel)

    def work(_):
        with buffer.access():
            pass

    run_threads(8, work)
    assert fake_kernel.count("mmap") == 1


def test_failing_map_names_mmap_and_opens_nothing(fake_kernel):
    memory, buffer = new_buffer(fake_kernel)
    fake_kernel.fail("mmap", errno.ENOMEM)
    with pytest.raises(DeviceError) as caught:
        buffer.begin_access()
    assert (caught.value.errno, caught.value.operation) == (errno.ENOMEM, "mmap")
    assert (memory.starts, buffer.cpu_users, buffer.mapped) == ([], 0, False)


@pytest.mark.proves("T40")
def test_read_only_export_can_be_read_and_not_written(fake_kernel):
    memory, buffer = new_buffer(fake_kernel, readonly=True)
    with buffer.access(READ):
        pass
    with pytest.raises(DevicePermissionError, match="read-only"):
        buffer.begin_access(WRITE)
    assert (memory.starts, memory.ends) == ([READ], [READ])
    assert buffer.cpu_users == 0


@pytest.mark.proves("T35")
@pytest.mark.parametrize("access", [0, 4, 7, -1])
def test_wrong_directions_are_refused(fake_kernel, access):
    _, buffer = new_buffer(fake_kernel)
    with pytest.raises(ValueError, match="READ"):
        buffer.begin_access(access)
    assert not buffer.mapped


def test_readers_wait_for_writers_only(fake_kernel):
    memory, buffer = new_buffer(fake_kernel)
    memory.pending = READ
    assert buffer.wait(READ, 0.01)
    assert not buffer.wait(WRITE, 0.01)
    memory.pending = WRITE
    assert not buffer.wait(READ, 0.01)
    assert not buffer.wait(WRITE, 0.01)
    memory.pending = 0
    assert buffer.wait(RW, 0)


@pytest.mark.proves("T32")
@pytest.mark.parametrize("access", [READ, WRITE])
def test_fence_that_does_not_signal_is_a_timeout_before_start(fake_kernel, access):
    memory, buffer = new_buffer(fake_kernel)
    memory.pending = WRITE
    with pytest.raises(DeviceTimeoutError):
        buffer.begin_access(access, 0.01)
    assert (memory.starts, buffer.cpu_users) == ([], 0)
    memory.pending = 0
    with buffer.access(access):
        pass


@pytest.mark.parametrize("what", ["wait", "begin_access"])
def test_wait_for_a_fence_goes_on_after_a_signal(fake_kernel, what):
    _, buffer = new_buffer(fake_kernel)
    fake_kernel.fail("poll", errno.EINTR, times=3)
    getattr(buffer, what)(READ, 1.0)
    if what == "begin_access":
        buffer.end_access()
    assert fake_kernel.count("poll") == 4
