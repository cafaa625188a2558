"""A fence as a descriptor: the kernel's sync_file, what it waits for, and how it ended."""

cimport cython
from cpython.exc cimport PyErr_CheckSignals
from libc.errno cimport EINTR, EINVAL, ENOTTY
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memcpy, memset

from zcore._errors cimport check, device_error
from zcore._fd cimport Fd
from zcore._sys cimport sys_dup, sys_ioctl_restart, sys_wait
from zcore.uapi.dma_buf cimport (
    ZC_SYNC_IOC_FILE_INFO,
    ZC_SYNC_IOC_MERGE,
    ZC_SYNC_IOC_SET_DEADLINE,
    zc_sync_fence_info,
    zc_sync_file_info,
    zc_sync_merge_data,
    zc_sync_set_deadline,
)

import os
import time
from dataclasses import dataclass


cdef extern from "<poll.h>" nogil:
    enum:
        POLLIN

cdef enum:
    MAX_FENCES = 64  # whose details are read


@dataclass(frozen=True)
class FencePart:
    """One of the fences that a :class:`Fence` is made of.

    Attributes
    ----------
    driver : str
        Who signals it, as ``vgem`` or ``sw_sync``.
    timeline : str
        In what order: fences of one timeline signal one after another.
    status : int
        1 = signalled, 0 = not yet, below 0 = signalled with this ``-errno``.
    timestamp_ns : int
        When it signalled, in nanoseconds of CLOCK_MONOTONIC; 0 = not yet.
    """

    driver: str
    timeline: str
    status: int
    timestamp_ns: int


@dataclass(frozen=True)
class FenceInfo:
    """What the kernel tells about a :class:`Fence` (SYNC_IOC_FILE_INFO).

    Attributes
    ----------
    name : str
        Name of the sync_file.
    status : int
        1 = signalled, 0 = not yet, below 0 = signalled with this ``-errno``.
    parts : tuple of FencePart
        What it was made of.
    """

    name: str
    status: int
    parts: tuple[FencePart, ...]


cdef str words(const char *raw, size_t room):
    cdef bytes text = raw[:room]
    return text.partition(b"\0")[0].decode(errors="replace")


@cython.final
cdef class Fence:
    """A promise that somebody will be done with a buffer: the kernel's sync_file, owned by this object.

    How am I supposed to use this? ``fence = Fence.dup(fd)`` of a descriptor that a GPU library gave you (it stays
    yours), or :meth:`adopt` to hand it over. Give it to :meth:`zcore.AppSource.push` together with the frame, or
    :meth:`wait` yourself. Readable in poll and select as soon as it has signalled.
    """

    def __init__(self):
        raise TypeError("use Fence.adopt(), Fence.dup() or DmaBuf.export_sync_file()")

    @staticmethod
    def adopt(int fd):
        """Take over a descriptor; it is closed with this object.

        Raises
        ------
        ValueError
            It is no sync_file; it stays the caller's then.
        """
        refuse_others(fd)
        return fence_take(fd)

    @staticmethod
    def dup(fd):
        """Take a duplicate of a descriptor: a number, or an object with ``fileno()``.

        Raises
        ------
        ValueError
            It is no sync_file.
        """
        if not isinstance(fd, int) and not hasattr(fd, "fileno"):
            raise TypeError(f"a fence is a descriptor, or an object with fileno(), not {type(fd).__name__}")
        number = fd if isinstance(fd, int) else fd.fileno()
        refuse_others(number)
        return fence_take(check(sys_dup(number), "dup", f"fd {number}"))

    def fileno(self):
        """Descriptor number, owned by this object."""
        if self.fd.closed:
            raise ValueError("the fence was closed")
        return self.fd.number

    def wait(self, timeout=None):
        """Wait until it has signalled, with or without an error.

        Parameters
        ----------
        timeout : float, optional
            Seconds; 0 = only look, ``None`` = as long as it takes. Ctrl-C works.

        Returns
        -------
        bool
            ``False`` where the time is over.
        """
        cdef int number = self.fileno()
        cdef int result, slice_ms
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            left = 1.0 if deadline is None else max(0.0, deadline - time.monotonic())
            slice_ms = <int>(min(left, 1.0) * 1000 + 0.999)
            with nogil:
                result = sys_wait(number, POLLIN, slice_ms)
            if result > 0:
                return True
            if result == -EINTR:
                PyErr_CheckSignals()
            elif result < 0:
                raise device_error(-result, "poll", "sync_file")
            if deadline is not None and time.monotonic() >= deadline:
                return False

    @property
    def status(self):
        """1 = signalled, 0 = not yet, below 0 = signalled with this ``-errno``."""
        cdef int status = 0
        cdef int64_t when = 0
        check(fence_status(self.fileno(), &status, &when), "SYNC_IOC_FILE_INFO", "sync_file")
        return status

    @property
    def signalled(self):
        """Whether it has signalled, with or without an error."""
        return self.status != 0

    @property
    def timestamp_ns(self):
        """When it signalled, in nanoseconds of CLOCK_MONOTONIC; 0 = not yet."""
        cdef int status = 0
        cdef int64_t when = 0
        check(fence_status(self.fileno(), &status, &when), "SYNC_IOC_FILE_INFO", "sync_file")
        return when

    def info(self):
        """Ask the kernel who will signal it; gives a :class:`FenceInfo`."""
        cdef zc_sync_file_info argument
        cdef zc_sync_fence_info parts[MAX_FENCES]
        cdef int result
        memset(&argument, 0, sizeof(argument))
        memset(parts, 0, sizeof(parts))
        argument.num_fences = MAX_FENCES
        argument.sync_fence_info = <uint64_t>parts
        result = sys_ioctl_restart(self.fileno(), ZC_SYNC_IOC_FILE_INFO, &argument)
        if result == -EINVAL:  # more than there is room for: without the details
            memset(&argument, 0, sizeof(argument))
            result = sys_ioctl_restart(self.fileno(), ZC_SYNC_IOC_FILE_INFO, &argument)
            argument.num_fences = 0
        check(result, "SYNC_IOC_FILE_INFO", "sync_file")
        return FenceInfo(words(argument.name, 32), argument.status, tuple([
            FencePart(words(parts[i].driver_name, 32), words(parts[i].obj_name, 32), parts[i].status,
                      parts[i].timestamp_ns)
            for i in range(min(<int>argument.num_fences, MAX_FENCES))
        ]))

    def merge(self, other, str name="zcore"):
        """Make a fence that signals when both have (SYNC_IOC_MERGE).

        Parameters
        ----------
        other : Fence or int
            It stays the caller's, as this one does.
        name : str
            For the kernel's lists; at most 31 bytes.

        Returns
        -------
        Fence
        """
        cdef zc_sync_merge_data argument
        cdef bytes text = name.encode()[:31]
        cdef const char *raw = text
        memset(&argument, 0, sizeof(argument))
        memcpy(argument.name, raw, len(text))
        argument.fd2 = other if isinstance(other, int) else other.fileno()
        check(sys_ioctl_restart(self.fileno(), ZC_SYNC_IOC_MERGE, &argument), "SYNC_IOC_MERGE", "sync_file")
        return fence_take(argument.fence)

    def set_deadline(self, uint64_t when_ns):
        """Tell the one who signals it by when that is wanted (SYNC_IOC_SET_DEADLINE, Linux 6.6); a hint.

        Returns
        -------
        bool
            Whether the kernel has the call.
        """
        cdef zc_sync_set_deadline argument
        memset(&argument, 0, sizeof(argument))
        argument.deadline_ns = when_ns
        cdef int result = sys_ioctl_restart(self.fileno(), ZC_SYNC_IOC_SET_DEADLINE, &argument)
        if result == -ENOTTY:
            return False
        check(result, "SYNC_IOC_SET_DEADLINE", "sync_file")
        return True

    def close(self):
        """Close the descriptor; a second call does nothing."""
        self.fd.close()

    @property
    def closed(self):
        """Whether it was closed."""
        return self.fd.closed

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def __repr__(self):
        if self.fd.closed:
            return "<Fence, closed>"
        try:
            info = self.info()
        except OSError:
            return f"<Fence fd {self.fd.number}>"
        told = {0: "pending", 1: "signalled"}.get(info.status) or f"failed: {os.strerror(-info.status)}"
        who = ", ".join(dict.fromkeys(f"{part.driver} {part.timeline}" for part in info.parts))
        return f"<Fence {info.name} of {who or 'nobody'}, {told}>"


cdef Fence fence_take(int fd):
    cdef Fence self = Fence.__new__(Fence)
    self.fd = Fd.take(fd, "sync_file")
    return self


cdef int refuse_others(int fd) except -1:
    cdef int status = 0
    cdef int64_t when = 0
    cdef int result = fence_status(fd, &status, &when)
    if result == -ENOTTY or result == -EINVAL:
        raise ValueError(f"descriptor {fd} is no sync_file")
    check(result, "SYNC_IOC_FILE_INFO", f"fd {fd}")
    return 0


cdef int fence_status(int fd, int *status, int64_t *signalled_ns) noexcept nogil:
    cdef zc_sync_file_info argument
    cdef zc_sync_fence_info parts[MAX_FENCES]
    cdef int result, i
    memset(&argument, 0, sizeof(argument))
    argument.num_fences = MAX_FENCES
    argument.sync_fence_info = <uint64_t>parts
    result = sys_ioctl_restart(fd, ZC_SYNC_IOC_FILE_INFO, &argument)
    if result == -EINVAL:
        memset(&argument, 0, sizeof(argument))
        result = sys_ioctl_restart(fd, ZC_SYNC_IOC_FILE_INFO, &argument)
        argument.num_fences = 0
    if result < 0:
        return result
    status[0] = argument.status
    signalled_ns[0] = 0
    if argument.status:
        for i in range(min(<int>argument.num_fences, MAX_FENCES)):
            signalled_ns[0] = max(signalled_ns[0], <int64_t>parts[i].timestamp_ns)
    return 0
