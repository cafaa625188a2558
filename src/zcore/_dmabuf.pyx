"""One object per kernel buffer: identity, one mapping, one CPU-access bracket, fences."""

cimport cython
from cpython.exc cimport PyErr_CheckSignals
from libc.errno cimport EACCES, EBUSY, EINTR, EINVAL, ENOTTY, EPERM, ETIMEDOUT
from libc.stdint cimport intptr_t

from zcore._errors cimport check, device_error
from zcore._fd cimport Fd
from zcore._ioctl cimport (
    ACCESS_READ,
    ACCESS_RW,
    ACCESS_WRITE,
    dmabuf_export_fence,
    dmabuf_import_fence,
    dmabuf_set_name,
    dmabuf_sync_end,
    dmabuf_sync_start,
)
from zcore._sys cimport sys_close, sys_dup, sys_identity, sys_mmap, sys_munmap, sys_size, sys_wait

import os
import threading
import weakref


cdef extern from "<sys/mman.h>" nogil:
    enum:
        PROT_READ
        PROT_WRITE

cdef extern from "<poll.h>" nogil:
    enum:
        POLLIN
        POLLOUT


# (st_dev, st_ino) -> DmaBuf. The entry lives as long as its DmaBuf, whose descriptor keeps the inode from being reused.
_registry = weakref.WeakValueDictionary()
_registry_lock = threading.Lock()


def _identity_is_unique():
    """Whether each DMA-BUF has an inode of its own: since Linux 5.3; before, all of them shared one."""
    release = os.uname().release.split("-")[0].split(".")
    try:
        return (int(release[0]), int(release[1])) >= (5, 3)
    except (ValueError, IndexError):
        return False


_UNIQUE = _identity_is_unique()


cdef int memory_map(Memory *memory) noexcept nogil:
    """Map the whole buffer once: offsets of planes are rarely page-aligned, so planes are slices of this map."""
    cdef intptr_t address
    cdef int result = 0
    pthread_mutex_lock(&memory.lock)
    if memory.address == NULL:
        address = sys_mmap(memory.fd, memory.size, PROT_READ | PROT_WRITE, 0)
        memory.writable = address > 0 or address < -4095
        if address == -EACCES or address == -EPERM:  # exported read-only
            address = sys_mmap(memory.fd, memory.size, PROT_READ, 0)
        if -4095 <= address < 0:
            result = <int>address
        else:
            memory.address = <void *>address
            memory.maps += 1
    pthread_mutex_unlock(&memory.lock)
    return result


cdef int wait_for_fences(Memory *memory, uint64_t access, int timeout_ms) noexcept nogil:
    # Readers wait for writers (POLLIN); writers wait for every user (POLLOUT).
    cdef short events = POLLOUT if access & ACCESS_WRITE else POLLIN
    cdef int ready = sys_wait(memory.fd, events, 0)
    if ready == 0:
        ready = sys_wait(memory.fd, events, timeout_ms)
        if ready == 0:
            return -ETIMEDOUT
    return 0 if ready > 0 else ready


cdef int memory_begin(Memory *memory, uint64_t access, int timeout_ms) noexcept nogil:
    """Open CPU access; nested calls make one bracket whose direction is the union of theirs."""
    cdef int result = 0
    memory.accesses += 1  # a count for reports: a lost one under contention harms nobody
    if memory.coherent:
        return 0
    result = wait_for_fences(memory, access, timeout_ms)
    if result < 0:
        return result
    pthread_mutex_lock(&memory.lock)
    if memory.users == 0 or (access & ~memory.access):
        result = dmabuf_sync_start(memory.fd, access | memory.access)
        memory.sync_calls += 1
        if result == -ENOTTY:  # not a DMA-BUF after all: plain shared memory needs no bracket
            memory.coherent = True
            result = 0
    if result >= 0:  # committed only after the kernel agreed
        memory.users += 1
        memory.access |= access
        result = 0
    pthread_mutex_unlock(&memory.lock)
    return result


cdef int memory_end(Memory *memory) noexcept nogil:
    """Close CPU access; the last one flushes what was written."""
    cdef int result = 0
    pthread_mutex_lock(&memory.lock)
    if memory.users == 0:
        result = 0 if memory.coherent else -EINVAL
    else:
        memory.users -= 1
        if memory.users == 0:
            if not memory.coherent:
                result = dmabuf_sync_end(memory.fd, memory.access)
                memory.sync_calls += 1
            memory.access = 0
    pthread_mutex_unlock(&memory.lock)
    return result


@cython.final
cdef class DmaBuf:
    """One kernel buffer, known by ``(st_dev, st_ino)`` and never by descriptor number.

    :meth:`adopt` and :meth:`dup` give the same object for the same buffer under whatever number it comes. The buffer is
    mapped at most once, on the first look, and unmapped when the object goes. CPU access is bracketed by
    ``with buffer.access(...)``: nested brackets make one, in the union of their directions.

    Notes
    -----
    ``DMA_BUF_IOCTL_SYNC`` promises cache coherency only; it is not a lock. Fences are waited for before it.
    """

    def __cinit__(self):
        self.memory.fd = -1
        pthread_mutex_init(&self.memory.lock, NULL)

    def __init__(self):
        raise TypeError("use DmaBuf.adopt(), DmaBuf.dup() or an allocator")

    @staticmethod
    def adopt(int fd, str allocator="imported"):
        """Take over a descriptor; it is closed now where the buffer is known already, else with this object."""
        return dmabuf_take(fd, allocator)

    @staticmethod
    def dup(fd, str allocator="imported"):
        """Take a duplicate of a descriptor (a number or an object with ``fileno()``)."""
        number = fd if isinstance(fd, int) else fd.fileno()
        return dmabuf_take(check(sys_dup(number), "dup", f"fd {number}"), allocator)

    @property
    def fd(self):
        """Descriptor number, still owned by this object; ``-1`` where the memory cannot be exported."""
        return self.memory.fd

    @property
    def identity(self):
        """``(st_dev, st_ino)``."""
        return self.memory.device, self.memory.inode

    @property
    def size(self):
        """Bytes, as the kernel says (a whole number of pages)."""
        return self.memory.size

    @property
    def mapped(self):
        """Whether the CPU has looked at it yet."""
        return self.memory.address != NULL

    @property
    def sync_calls(self):
        """How often ``DMA_BUF_IOCTL_SYNC`` was called."""
        return self.memory.sync_calls

    @property
    def maps(self):
        """How often it was mapped for the CPU: 0 or 1."""
        return self.memory.maps

    @property
    def accesses(self):
        """How often the CPU looked at it or wrote it: brackets that were opened, nested ones too."""
        return self.memory.accesses

    @property
    def cpu_users(self):
        """CPU accesses that are open now."""
        return self.memory.users

    def fileno(self):
        """Descriptor number, for poll: readable = no writer pending, writable = no user pending."""
        if self.memory.fd < 0:
            raise ValueError(f"memory of {self.allocator} has no descriptor")
        return self.memory.fd

    def begin_access(self, int access=ACCESS_READ, double timeout=5.0):
        """Open CPU access after the fences that are in its way.

        Parameters
        ----------
        access : int
            ``ACCESS_READ``, ``ACCESS_WRITE`` or both.
        timeout : float
            Seconds to wait for fences.

        Raises
        ------
        DeviceTimeoutError
            A fence did not signal in time.
        """
        if access & ~ACCESS_RW or not access:
            raise ValueError(f"access is READ (1), WRITE (2) or both (3), not {access}")
        cdef int result = -EINTR
        cdef int timeout_ms = <int>(timeout * 1000)
        while result == -EINTR:
            with nogil:
                result = memory_map(&self.memory)
                if result >= 0:
                    if access & ACCESS_WRITE and not self.memory.writable:
                        result = -EACCES
                    else:
                        result = memory_begin(&self.memory, access, timeout_ms)
            if result == -EINTR:
                PyErr_CheckSignals()
        if result == -EACCES and self.memory.address != NULL and not self.memory.writable:
            raise device_error(EACCES, "mmap", self.allocator, "the buffer was exported read-only")
        if result < 0:
            raise device_error(
                -result, "mmap" if self.memory.address == NULL else "DMA_BUF_IOCTL_SYNC", self.allocator
            )

    def end_access(self):
        """Close CPU access; what was written is visible to devices from here on."""
        cdef int result
        with nogil:
            result = memory_end(&self.memory)
        if result == -EINVAL and self.memory.users == 0:
            raise ValueError("end_access() without begin_access()")
        check(result, "DMA_BUF_IOCTL_SYNC", self.allocator)

    def access(self, int access=ACCESS_READ, double timeout=5.0):
        """Bracket for ``with``: START on entry, END on exit."""
        return _Bracket(self, access, timeout)

    def export_sync_file(self, int access=ACCESS_READ):
        """Take the pending fences out as a sync_file.

        Parameters
        ----------
        access : int
            What you want to do: READ gives the writers' fences, WRITE those of every user.

        Returns
        -------
        Fd or None
            ``None`` where the kernel lacks the call (before Linux 6.0): poll the buffer itself instead.
        """
        cdef int result
        with nogil:
            result = dmabuf_export_fence(self.memory.fd, access)
        if result == -ENOTTY:
            return None
        return Fd.take(check(result, "DMA_BUF_IOCTL_EXPORT_SYNC_FILE", self.allocator), "sync_file")

    def import_sync_file(self, fence, int access=ACCESS_WRITE):
        """Add a sync_file to the buffer's fences, so that users that wait implicitly wait for it.

        Returns
        -------
        bool
            False where the kernel lacks the call: the caller must wait for the fence itself.
        """
        cdef int number = fence if isinstance(fence, int) else fence.fileno()
        cdef int result
        with nogil:
            result = dmabuf_import_fence(self.memory.fd, access, number)
        if result == -ENOTTY:
            return False
        check(result, "DMA_BUF_IOCTL_IMPORT_SYNC_FILE", self.allocator)
        return True

    def wait(self, int access=ACCESS_READ, double timeout=5.0):
        """Wait until the fences that stand against this access have signalled; False on timeout."""
        cdef int result = -EINTR
        cdef int timeout_ms = <int>(timeout * 1000)
        while result == -EINTR:
            with nogil:
                result = wait_for_fences(&self.memory, access, timeout_ms)
            if result == -EINTR:
                PyErr_CheckSignals()
        if result == -ETIMEDOUT:
            return False
        check(result, "poll", self.allocator)
        return True

    def set_name(self, str name):
        """Name the buffer in the kernel's own lists (debugfs ``dma_buf/bufinfo``); at most 31 bytes."""
        cdef bytes text = name.encode()[:31]
        cdef const char *raw = text
        cdef int result = dmabuf_set_name(self.memory.fd, raw)
        if result == -ENOTTY or result == -EBUSY:  # old kernel, or attached already: a name is a courtesy
            return False
        check(result, "DMA_BUF_SET_NAME", self.allocator)
        return True

    def __getbuffer__(self, Py_buffer *view, int flags):
        raise BufferError("look at a DmaBuf through a frame")

    def __repr__(self):
        return f"<DmaBuf {self.allocator} {self.memory.size} bytes inode {self.memory.inode}>"

    def __dealloc__(self):
        if self.memory.address != NULL:
            sys_munmap(self.memory.address, self.memory.size)
            self.memory.address = NULL
        if self.memory.fd >= 0:
            sys_close(self.memory.fd)
            self.memory.fd = -1
        pthread_mutex_destroy(&self.memory.lock)


class _Bracket:
    """What :meth:`DmaBuf.access` gives."""

    __slots__ = ("_buffer", "_arguments")

    def __init__(self, buffer, access, timeout):
        self._buffer = buffer
        self._arguments = access, timeout

    def __enter__(self):
        self._buffer.begin_access(*self._arguments)
        return self._buffer

    def __exit__(self, *_):
        self._buffer.end_access()


cdef DmaBuf dmabuf_take(int fd, str allocator):
    """Find or make the object for a descriptor that is ours now."""
    cdef DmaBuf self, known
    cdef uint64_t device = 0, inode = 0
    cdef int64_t size
    cdef int result = sys_identity(fd, &device, &inode)
    if result < 0:
        raise device_error(-result, "fstat", f"fd {fd}")
    size = sys_size(fd)
    if size <= 0:
        sys_close(fd)
        raise device_error(
            EINVAL if size == 0 else -<int>size, "lseek", allocator, "a buffer has a size; this has none"
        )
    with _registry_lock:
        if _UNIQUE:
            known = _registry.get((device, inode))
            if known is not None:
                if fd != known.memory.fd:  # its own number, given once more: closing it would leave a stale one
                    sys_close(fd)
                return known
        self = DmaBuf.__new__(DmaBuf)
        self.allocator = allocator
        self.memory.fd = fd
        self.memory.device = device
        self.memory.inode = inode
        self.memory.size = size
        _registry[device, inode] = self
    return self


cdef DmaBuf dmabuf_from_map(int fd, size_t length, int64_t offset, object owner, str allocator):
    """Memory of a device that cannot export it: mapped through the device's own descriptor."""
    cdef DmaBuf self = DmaBuf.__new__(DmaBuf)
    cdef intptr_t address
    with nogil:
        address = sys_mmap(fd, length, PROT_READ | PROT_WRITE, offset)
    if -4095 <= address < 0:
        raise device_error(<int>-address, "mmap", allocator)
    self.allocator = allocator
    self.owner = owner
    self.memory.address = <void *>address
    self.memory.size = length
    self.memory.coherent = True  # vb2 syncs such memory itself, at QBUF and DQBUF
    self.memory.writable = True
    self.memory.maps = 1
    return self
