"""Fake DMA-BUFs: memfds that know DMA_BUF_IOCTL_SYNC and watch the rules of CPU access."""

import errno
import fcntl
import mmap
import os
import select

from zcore._sys import PASS

from . import structs
from .fences import FakeFence
from .kernel import Device, Refusal, identity_of

SYNC_END = 4
READ, WRITE = 1, 2


class FakeDmaBuf:
    """One kernel buffer. Its memory, size and identity are those of a real memfd."""

    def __init__(self, kernel, size, label="dmabuf"):
        self.kernel = kernel
        self.label = label
        self.size = -(-size // mmap.PAGESIZE) * mmap.PAGESIZE
        self.number = os.memfd_create(label, os.MFD_CLOEXEC)
        os.ftruncate(self.number, self.size)
        self.identity = identity_of(self.number)
        self.open_access = 0  # directions of the open bracket, 0 = none
        self.starts = []  # the flags of each START and END
        self.ends = []
        self.name = ""
        self.pending = 0  # fences: READ = somebody still reads, WRITE = somebody still writes
        self.imported = []  # directions of fences that were put in
        self.writer = None  # a FakeFence of who writes it
        self.owner = None  # the queue that has it in hand
        kernel.buffers[self.identity] = self
        kernel.everything.append(self)

    def export(self, readonly=False):
        """Give a new descriptor of it, as an exporter does."""
        if readonly:
            return os.open(f"/proc/self/fd/{self.number}", os.O_RDONLY | os.O_CLOEXEC)
        return fcntl.fcntl(self.number, fcntl.F_DUPFD_CLOEXEC, 3)

    def read(self, length, offset=0):
        return os.pread(self.number, length, offset)

    def write(self, data, offset=0):
        os.pwrite(self.number, data, offset)

    @property
    def users(self):
        """How many descriptors and maps this process has of it, besides the fake's own."""
        inode = f" {self.identity[1]} "
        count = -1
        for number in os.listdir("/proc/self/fd"):
            try:
                count += identity_of(int(number)) == self.identity
            except OSError:
                continue
        with open("/proc/self/maps") as maps:
            return count + sum(inode in line and "memfd:" in line for line in maps)

    def ioctl(self, fd, name, argument):
        method = getattr(self, name.lower(), None)
        if method is None:
            raise Refusal(errno.ENOTTY, f"a DMA-BUF has no {name}")
        return method(fd, argument) or 0

    def dma_buf_ioctl_sync(self, fd, sync):
        access = sync.flags & 3
        if sync.flags & ~7 or not access:
            raise Refusal(errno.EINVAL, f"flags {sync.flags:#x}")
        if not sync.flags & SYNC_END:
            self.starts.append(access)
            if self.open_access and self.open_access | access == self.open_access:
                self.kernel.complain(f"{self.label}: START inside a bracket that covers it: the kernel does not nest")
            self.open_access |= access
            return
        self.ends.append(access)
        if access != self.open_access:
            self.kernel.complain(f"{self.label}: END for {access}, the open bracket is for {self.open_access}")
        self.open_access = 0

    def dma_buf_set_name(self, fd, argument):
        if argument is None:
            raise Refusal(errno.EFAULT, "no name")
        raw = b""
        address = structs.c.addressof(argument)
        while len(raw) < 32 and (byte := structs.c.c_char.from_address(address + len(raw)).value) != b"\0":
            raw += byte
        if len(raw) == 32:
            raise Refusal(errno.EINVAL, "the name has more than 31 bytes")
        self.name = raw.decode()

    def dma_buf_ioctl_export_sync_file(self, fd, argument):
        if not self.kernel.fences:
            raise Refusal(errno.ENOTTY, "before Linux 6.0")
        if not argument.flags or argument.flags & ~3:
            raise Refusal(errno.EINVAL, "no direction")
        if self.writer is not None and not self.writer.status:
            argument.fd = self.writer.export()
            return
        fence = FakeFence(self.kernel, name="stub")  # of fences that have signalled already nothing is left
        if not self.pending:
            fence.signal()
        argument.fd = fence.export()

    def dma_buf_ioctl_import_sync_file(self, fd, argument):
        if not self.kernel.fences:
            raise Refusal(errno.ENOTTY, "before Linux 6.0")
        identity_of(argument.fd)
        self.imported.append(argument.flags)

    def poll(self, events, timeout_ms):
        """POLLIN waits for writers, POLLOUT for every user; nobody sleeps here, a pending fence is a timeout."""
        if self.writer is not None and not self.writer.status:
            return 0
        if not self.pending:
            return PASS
        return events & select.POLLIN if not self.pending & WRITE else 0

    def check_idle(self, who, *, reads=False):
        """Complain where the CPU is inside while a device gets it; two that only read, behind a tee, may do so."""
        if self.open_access & WRITE or (self.open_access and not reads):
            self.kernel.complain(f"{who} gets {self.label} while the CPU has access {self.open_access} open")

    def verify(self):
        assert not self.open_access, f"{self.label}: START without END"

    def close(self):
        os.close(self.number)


class FakeHeap(Device):
    """A dma-heap."""

    def dma_heap_ioctl_alloc(self, file, argument):
        if argument.len == 0 or argument.heap_flags or argument.fd_flags & ~(os.O_CLOEXEC | os.O_ACCMODE):
            raise Refusal(errno.EINVAL, "length or flags")
        if not argument.fd_flags & os.O_CLOEXEC:
            self.kernel.complain("a heap's descriptor without O_CLOEXEC leaks into children")
        if argument.fd:
            raise Refusal(errno.EINVAL, "fd must be 0")
        argument.fd = FakeDmaBuf(self.kernel, argument.len, "heap").export()


class FakeUdmabuf(Device):
    """/dev/udmabuf."""

    def udmabuf_create(self, file, argument):
        seals = fcntl.fcntl(argument.memfd, fcntl.F_GET_SEALS)
        if not seals & fcntl.F_SEAL_SHRINK or seals & fcntl.F_SEAL_WRITE:
            raise Refusal(errno.EINVAL, "the memfd may shrink")
        size = os.fstat(argument.memfd).st_size
        if argument.size % mmap.PAGESIZE or not argument.size or argument.offset + argument.size > size:
            raise Refusal(errno.EINVAL, "size")
        if not argument.flags & 1:
            self.kernel.complain("a udmabuf without UDMABUF_FLAGS_CLOEXEC leaks into children")
        return FakeDmaBuf(self.kernel, argument.size, "udmabuf").export()
