"""Where new buffers come from when no device makes them: dma-heaps, udmabuf, and memfd where the kernel has neither."""

from libc.errno cimport ENOENT
from libc.stdint cimport uint64_t

from zcore._dmabuf cimport DmaBuf, dmabuf_take
from zcore._errors cimport check, device_error
from zcore._fd cimport Fd
from zcore._ioctl cimport heap_alloc, udmabuf_from_memfd

import fcntl
import mmap
import os

HEAP_DIRECTORY = "/dev/dma_heap"
UDMABUF = "/dev/udmabuf"


def _rounded(size):
    if size <= 0:
        raise ValueError(f"a buffer has a positive size, not {size}")
    return -(-size // mmap.PAGESIZE) * mmap.PAGESIZE


def heaps():
    """List the names of the dma-heaps that this machine has, sorted."""
    try:
        return sorted(os.listdir(HEAP_DIRECTORY))
    except OSError:
        return []


def allocate_heap(uint64_t size, str heap="system", str name="zcore"):
    """Allocate from a dma-heap.

    Parameters
    ----------
    size : int
        Bytes; rounded up to pages.
    heap : str
        ``"system"``, ``"reserved"`` or ``"linux,cma"`` (contiguous), ...: see :func:`heaps`.
    name : str
        Shown in the kernel's list of buffers.

    Returns
    -------
    DmaBuf
    """
    cdef int result
    cdef int number
    path = f"{HEAP_DIRECTORY}/{heap}"
    # Read-only is enough for a heap, and what an unprivileged process gets.
    cdef Fd device = Fd.open(path, nonblocking=False, writable=False)
    number = device.number
    size = _rounded(size)
    with nogil:
        result = heap_alloc(number, size)
    device.close()
    buffer = dmabuf_take(check(result, "DMA_HEAP_IOCTL_ALLOC", path), f"dma-heap:{heap}")
    buffer.set_name(name)
    return buffer


cdef Fd sealed_memfd(uint64_t size, str name):
    cdef Fd memfd
    call = "memfd_create"
    try:
        memfd = Fd.adopt(os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING), "memfd")
        call = "ftruncate"
        os.ftruncate(memfd.number, size)
    except OSError as error:
        raise device_error(error.errno, call, name) from None
    # udmabuf takes only memory that cannot shrink under it.
    fcntl.fcntl(memfd.number, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK)
    return memfd


def allocate_udmabuf(uint64_t size, str name="zcore"):
    """Allocate ordinary pages as a DMA-BUF through ``/dev/udmabuf``.

    Returns
    -------
    DmaBuf
    """
    cdef int result
    size = _rounded(size)
    cdef Fd device = Fd.open(UDMABUF)
    cdef Fd memfd = sealed_memfd(size, name)
    cdef int number = device.number
    cdef int pages = memfd.number
    with nogil:
        result = udmabuf_from_memfd(number, pages, size)
    device.close()
    memfd.close()  # the DMA-BUF keeps the pages
    buffer = dmabuf_take(check(result, "UDMABUF_CREATE", UDMABUF), "udmabuf")
    buffer.set_name(name)
    return buffer


def allocate_memfd(uint64_t size, str name="zcore"):
    """Allocate shared memory that is no DMA-BUF: for machines whose kernel has no allocator. Devices cannot import it.

    Returns
    -------
    DmaBuf
    """
    cdef Fd memfd = sealed_memfd(_rounded(size), name)
    cdef int number = memfd.number
    memfd.number = -1
    cdef DmaBuf buffer = dmabuf_take(number, "memfd")
    buffer.memory.coherent = True
    return buffer


def allocate(uint64_t size, str kind="auto", str name="zcore"):
    """Allocate a buffer.

    Parameters
    ----------
    size : int
        Bytes; rounded up to pages.
    kind : str
        ``"udmabuf"``, ``"memfd"``, ``"dma-heap"`` or ``"dma-heap:NAME"``; ``"auto"`` takes the first of udmabuf, the
        system heap and memfd that this machine offers to this process.
    name : str
        Shown in the kernel's list of buffers.

    Returns
    -------
    DmaBuf
        Its ``allocator`` says where it came from.
    """
    if kind == "udmabuf":
        return allocate_udmabuf(size, name)
    if kind == "memfd":
        return allocate_memfd(size, name)
    if kind == "dma-heap" or kind.startswith("dma-heap:"):
        return allocate_heap(size, kind.partition(":")[2] or "system", name)
    if kind != "auto":
        raise device_error(ENOENT, "allocate", kind, "known are auto, udmabuf, memfd, dma-heap and dma-heap:NAME")
    for attempt in (allocate_udmabuf, allocate_heap):
        try:
            return attempt(size, name=name)
        except OSError:  # not there, or not for us: the next one; memfd always works
            continue
    return allocate_memfd(size, name)
