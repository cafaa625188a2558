"""More of test_dmabuf.py."""

import errno
import os
import select
import signal

import pytest

from dmabuf_rig import READ, WRITE
from helpers import new_buffer
from zcore._errors import DeviceError


@pytest.mark.parametrize("what", ["wait", "begin_access"])
def test_exception_of_a_signal_handler_ends_the_wait(fake_kernel, what):
    _, buffer = new_buffer(fake_kernel)
    with buffer.access():  # mapped before its descriptor becomes one that really waits
        pass
    reader, writer = os.pipe()
    os.dup2(reader, buffer.fd, inheritable=False)

    def handler(*_):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    try:
        with pytest.raises(KeyboardInterrupt):
            getattr(buffer, what)(READ, 50.0)
    finally:
        signal.signal(signal.SIGALRM, before)
        os.close(reader)
        os.close(writer)
    assert buffer.cpu_users == 0


@pytest.mark.proves("T44", "dma-buf:export-sync-file", "DMA_BUF_IOCTL_EXPORT_SYNC_FILE")
def test_exported_fence_is_a_descriptor_of_its_own(fake_kernel):
    memory, buffer = new_buffer(fake_kernel)
    memory.pending = WRITE
    with buffer.export_sync_file(WRITE) as fence:
        assert not select.select([fence], [], [], 0)[0]
    memory.pending = 0
    with buffer.export_sync_file() as fence:
        assert select.select([fence], [], [], 0)[0]


@pytest.mark.proves("T44", "dma-buf:import-sync-file", "DMA_BUF_IOCTL_IMPORT_SYNC_FILE")
def test_imported_fence_stays_with_its_owner(fake_kernel):
    memory, buffer = new_buffer(fake_kernel)
    with buffer.export_sync_file() as fence:
        assert buffer.import_sync_file(fence, WRITE) is True
        assert buffer.import_sync_file(fence.fileno(), READ) is True
        os.fstat(fence.fileno())
    assert memory.imported == [WRITE, READ]


@pytest.mark.proves("T43", "dma-buf:poll")
def test_kernel_without_sync_files(fake_kernel):
    _, buffer = new_buffer(fake_kernel)
    fake_kernel.fences = False
    assert buffer.export_sync_file() is None
    assert buffer.import_sync_file(0) is False


@pytest.mark.parametrize("request_name", ["DMA_BUF_IOCTL_EXPORT_SYNC_FILE", "DMA_BUF_IOCTL_IMPORT_SYNC_FILE"])
def test_other_errors_of_fences_are_raised(fake_kernel, request_name):
    _, buffer = new_buffer(fake_kernel)
    fake_kernel.fail(request_name, errno.ENOMEM)
    with pytest.raises(DeviceError, match=request_name):
        _ = buffer.export_sync_file() if "EXPORT" in request_name else buffer.import_sync_file(buffer.fd)


@pytest.mark.proves("T49")
def test_name_is_cut_to_what_the_kernel_takes(fake_kernel):
    memory, buffer = new_buffer(fake_kernel)
    assert buffer.set_name("camera 3") is True
    assert memory.name == "camera 3"
    assert buffer.set_name("x" * 40) is True
    assert memory.name == "x" * 31


@pytest.mark.proves("T49")
@pytest.mark.parametrize("code", [errno.ENOTTY, errno.EBUSY])
def test_name_is_a_courtesy(fake_kernel, code):
    _, buffer = new_buffer(fake_kernel)
    fake_kernel.fail("DMA_BUF_SET_NAME", code)
    assert buffer.set_name("x") is False
