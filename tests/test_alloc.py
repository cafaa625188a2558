import errno
import mmap

import pytest

from fakekernel import FakeHeap, FakeUdmabuf
from zcore import _alloc
from zcore._alloc import allocate, allocate_heap, allocate_memfd, allocate_udmabuf, heaps
from zcore._errors import DeviceBusyError, DeviceError, DeviceNotFoundError


@pytest.fixture
def machine(fake_kernel):
    """A machine with both allocators."""
    FakeUdmabuf(fake_kernel, "/dev/udmabuf")
    FakeHeap(fake_kernel, "/dev/dma_heap/system")
    FakeHeap(fake_kernel, "/dev/dma_heap/linux,cma")
    return fake_kernel


@pytest.mark.parametrize("make", [allocate_memfd, allocate_udmabuf, allocate_heap])
@pytest.mark.parametrize(("asked", "granted"), [(1, 1), (4096, 1), (4097, 2), (mmap.PAGESIZE * 10, 10)])
def test_size_is_rounded_up_to_pages(machine, make, asked, granted):
    buffer = make(asked)
    assert buffer.size == granted * mmap.PAGESIZE
    with buffer.access(3):
        pass


@pytest.mark.parametrize("make", [allocate_memfd, allocate_udmabuf, allocate_heap])
def test_size_nothing_is_refused(machine, make):
    with pytest.raises(ValueError, match="positive"):
        make(0)
    with pytest.raises(OverflowError):
        make(-1)


@pytest.mark.parametrize(
    ("kind", "allocator"),
    [("memfd", "memfd"), ("udmabuf", "udmabuf"), ("dma-heap", "dma-heap:system"),
     ("dma-heap:linux,cma", "dma-heap:linux,cma"), ("auto", "udmabuf")],
)  # fmt: skip
def test_kind_says_where_it_comes_from(machine, kind, allocator):
    assert allocate(4096, kind).allocator == allocator


@pytest.mark.proves("DMA_BUF_SET_NAME")
def test_name_reaches_the_kernel(machine):
    buffers = [allocate_udmabuf(4096, "one"), allocate_heap(4096, name="two")]
    assert [machine.buffers[buffer.identity].name for buffer in buffers] == ["one", "two"]


def test_auto_takes_the_next_allocator(machine):
    machine.fail("UDMABUF_CREATE", errno.ENOMEM)
    assert allocate(4096).allocator == "dma-heap:system"
    machine.fail("open", errno.EACCES, times=2)
    assert allocate(4096).allocator == "memfd"


def test_auto_on_a_machine_without_allocators(fake_kernel):
    buffer = allocate(4096)
    assert buffer.allocator == "memfd"
    assert buffer.sync_calls == 0


@pytest.mark.proves("T48")
def test_unknown_kind_and_unknown_heap(machine):
    with pytest.raises(DeviceNotFoundError, match="known are"):
        allocate(4096, "cma")
    with pytest.raises(DeviceNotFoundError, match="nothing"):
        allocate(4096, "dma-heap:nothing")


@pytest.mark.parametrize(
    ("make", "request_name", "code", "kind"),
    [(allocate_udmabuf, "UDMABUF_CREATE", errno.EINVAL, DeviceError),
     (allocate_heap, "DMA_HEAP_IOCTL_ALLOC", errno.EBUSY, DeviceBusyError)],
)  # fmt: skip
def test_refusal_leaves_no_descriptor(machine, make, request_name, code, kind):
    machine.fail(request_name, code)
    with pytest.raises(kind, match=request_name):
        make(4096)


def test_buffers_are_separate(machine):
    assert len({allocate(4096, kind).identity for kind in ("memfd", "udmabuf", "dma-heap") for _ in range(4)}) >= 3
    kept = [allocate(4096, kind) for kind in ("memfd", "udmabuf", "dma-heap") for _ in range(4)]
    assert len({buffer.identity for buffer in kept}) == 12


@pytest.mark.proves("T48")
def test_heaps_lists_the_directory(tmp_path, monkeypatch):
    monkeypatch.setattr(_alloc, "HEAP_DIRECTORY", str(tmp_path))
    for name in ("system", "linux,cma"):
        (tmp_path / name).touch()
    assert heaps() == ["linux,cma", "system"]
    monkeypatch.setattr(_alloc, "HEAP_DIRECTORY", str(tmp_path / "nothing"))
    assert heaps() == []
