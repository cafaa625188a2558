import errno
import fcntl
import os

import pytest

from fakekernel import FakeDmaBuf, FakeHeap, FakeKernel
from fakekernel.structs import NUMBERS
from zcore import _sys
from zcore._dmabuf import DmaBuf
from zcore._errors import DeviceNotFoundError, UnsupportedError
from zcore._fd import Fd
from zcore._ioctl import ioctl


class Recorder:
    """The least that a fake kernel is."""

    def __init__(self, answer=_sys.PASS):
        self.answer = answer
        self.failures = []
        self.seen = []

    def open(self, path, flags):
        self.seen.append(("open", path))
        return self.answer

    def ioctl(self, fd, request, address, size):
        self.seen.append(("ioctl", fd, request, size))
        return self.answer

    def mmap(self, fd, length, protection, offset):
        self.seen.append(("mmap", length, offset))
        return self.answer

    def wait(self, fd, events, timeout_ms):
        self.seen.append(("wait", events))
        return self.answer


@pytest.fixture
def recorder():
    fake = Recorder()
    _sys.install_fake_kernel(fake)
    yield fake
    _sys.install_fake_kernel(None)
    if fake.failures:
        raise fake.failures[0]


def test_pass_goes_to_the_real_kernel(recorder):
    with Fd.open("/dev/null") as null, pytest.raises(UnsupportedError):
        ioctl(null.fileno(), NUMBERS["VIDIOC_QUERYCAP"], bytearray(104))
    buffer = DmaBuf.adopt(os.open("/proc/self/exe", os.O_RDONLY))
    buffer.begin_access()
    buffer.end_access()
    assert [call[0] for call in recorder.seen] == ["open", "ioctl", "mmap", "mmap", "wait", "ioctl"]
    assert recorder.seen[0] == ("open", "/dev/null")
    assert recorder.seen[1][2:] == (NUMBERS["VIDIOC_QUERYCAP"], 104)


def test_answer_is_used(recorder):
    recorder.answer = 0
    request = NUMBERS["VIDIOC_STREAMON"]
    assert ioctl(0, request, bytearray(4)) == 0
    recorder.answer = -errno.ENOENT
    with pytest.raises(DeviceNotFoundError):
        Fd.open("/dev/null")


def test_none_restores_the_real_kernel():
    fake = Recorder(-errno.ENOENT)
    _sys.install_fake_kernel(fake)
    _sys.install_fake_kernel(None)
    Fd.open("/dev/null").close()
    assert fake.seen == []


def test_exception_of_the_fake_is_kept(recorder):
    recorder.ioctl = lambda *_: 1 // 0
    with pytest.raises(OSError) as caught:
        ioctl(0, NUMBERS["VIDIOC_STREAMON"], bytearray(4))
    assert caught.value.errno == errno.EINVAL
    assert isinstance(recorder.failures.pop(), ZeroDivisionError)


def test_exception_of_the_fake_fails_the_test():
    kernel = FakeKernel()
    kernel.complain("a rule")
    with pytest.raises(ExceptionGroup, match="rules"):
        kernel.verify()


@pytest.mark.parametrize("times", [1, 5])
def test_open_and_ioctl_are_restarted_on_eintr(fake_kernel, times):
    FakeHeap(fake_kernel, "/dev/dma_heap/system")
    fake_kernel.fail("open", errno.EINTR, times)
    fake_kernel.fail("DMA_HEAP_IOCTL_ALLOC", errno.EINTR, times)
    heap = Fd.open("/dev/dma_heap/system")
    argument = bytearray((4096).to_bytes(8, "little") + bytes(4) + (0o2000002).to_bytes(4, "little") + bytes(8))
    ioctl(heap.fileno(), NUMBERS["DMA_HEAP_IOCTL_ALLOC"], argument)
    number = int.from_bytes(argument[8:12], "little")
    assert fcntl.fcntl(number, fcntl.F_GETFD) == fcntl.FD_CLOEXEC
    os.close(number)
    assert fake_kernel.count("open") == fake_kernel.count("DMA_HEAP_IOCTL_ALLOC") == times + 1


def test_unknown_request_on_a_fake_is_enotty(fake_kernel):
    memory = FakeDmaBuf(fake_kernel, 4096)
    number = memory.export()
    with pytest.raises(UnsupportedError):
        ioctl(number, 0xC0FF6200, bytearray(255))
    with pytest.raises(UnsupportedError):  # the size is a part of the number
        ioctl(number, NUMBERS["DMA_BUF_IOCTL_SYNC"] + (8 << 16), bytearray(16))
    os.close(number)


def test_device_nodes_of_the_machine_are_out_of_reach_of_a_test(fake_kernel):
    with pytest.raises(DeviceNotFoundError):
        Fd.open("/dev/null")
