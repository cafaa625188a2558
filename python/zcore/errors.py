"""The errors of zcore, and the words that explain an errno: which rule was broken and what most likely helps."""

import errno

from zcore import _errors
from zcore._errors import (
    DeviceBusyError,
    DeviceError,
    DeviceGoneError,
    DeviceNotFoundError,
    DevicePermissionError,
    DeviceTimeoutError,
    NotReadyError,
    UnsupportedError,
    make_error,
)
from zcore._pool import PoolClosedError
from zcore.formats import UnknownFormatError

__all__ = [
    "ChainError",
    "DeviceBusyError",
    "DeviceError",
    "DeviceGoneError",
    "DeviceNotFoundError",
    "DevicePermissionError",
    "DeviceTimeoutError",
    "NegotiationError",
    "NotReadyError",
    "PoolClosedError",
    "StallError",
    "UnknownFormatError",
    "UnsupportedError",
    "ZeroCopyError",
    "make_error",
]


class ChainError(RuntimeError):
    """A chain cannot be built or run; the message names the stage and the reason."""


class NegotiationError(ChainError):
    """Two stages have nothing in common: format, size or memory."""


class ZeroCopyError(NegotiationError):
    """A link would have to copy, and `require_zero_copy` forbids it."""


class StallError(ChainError):
    """Nothing happened for too long; the message says who holds the buffers."""


# (operation, errno) -> (cause, cure). An empty operation stands for every one that has no entry of its own.
_WORDS: dict[tuple[str, int], tuple[str, str]] = {
    ("open", errno.ENOENT): ("there is no such device", "see 'zcore devices' for what this machine has"),
    ("open", errno.EACCES): ("this user may not open it", "join the group 'video' (or 'render'), or run as root"),
    ("open", errno.EBUSY): ("it lets only one program in, and one is there", "find it with 'fuser -v' on the device"),
    ("open", errno.ENXIO): ("the node is there, its hardware is not", "is it plugged in, is its driver loaded?"),
    ("open", errno.ENODEV): ("the node is there, its driver is not", "is it plugged in, is its driver loaded?"),
    ("VIDIOC_S_FMT", errno.EBUSY): (
        "the format cannot change while anybody, in whatever process, has buffers of this device",
        "close the other program, or this stage's buffers first",
    ),
    ("VIDIOC_S_FMT", errno.EINVAL): ("the device has no such format on this queue", "see 'zcore devices'"),
    ("VIDIOC_REQBUFS", errno.EBUSY): (
        "another open file owns the buffers, or exported ones are still in use",
        "stop the other program that streams from this device",
    ),
    ("VIDIOC_REQBUFS", errno.ENOMEM): (
        "no memory for the buffers; contiguous memory can be used up while RAM is free",
        "fewer or smaller buffers, or more CMA memory (kernel option cma=); see CmaFree in /proc/meminfo",
    ),
    ("VIDIOC_EXPBUF", errno.ENOTTY): (
        "the driver cannot export its buffers as DMA-BUF",
        "use io_mode='dmabuf-import' with buffers of another device or of a dma-heap",
    ),
    ("VIDIOC_QBUF", errno.EINVAL): (
        "the driver refuses this buffer: too small, of the wrong memory type, or not in memory that it can reach",
        "devices without an IOMMU need contiguous memory: let the other side import, or use a CMA dma-heap",
    ),
    ("VIDIOC_QBUF", errno.EMSGSIZE): (
        "a coded frame is larger than the buffers that were agreed on, and single-planar drivers import no larger ones",
        "give the decoder buffer_size=, or output_io_mode='mmap', with which its buffers get larger",
    ),
    ("VIDIOC_QBUF", errno.EFAULT): (
        "the device cannot use this memory; a device without an IOMMU needs it contiguous",
        "let the other side import, or use a CMA dma-heap",
    ),
    ("VIDIOC_STREAMON", errno.EPIPE): (
        "the media graph behind the device is not set up",
        "configure its links and pads",
    ),
    ("VIDIOC_STREAMON", errno.ENOLINK): ("no signal at the input", "check the cable and the standard or timings"),
    ("VIDIOC_STREAMON", errno.EBUSY): ("the hardware is in use by another program", "close it"),
    ("VIDIOC_STREAMON", errno.ENOSPC): ("no USB bandwidth left", "a smaller size, a compressed format or another port"),
    ("VIDIOC_DQBUF", errno.EIO): (
        "the driver reports a failure of the device's queue",
        "stop and start the stream; look at the kernel's log",
    ),
    ("VIDIOC_DQBUF", errno.EBADMSG): ("the driver returned a buffer that it was never given", "this is a driver bug"),
    ("DRM_IOCTL_MODE_ATOMIC", errno.EACCES): (
        "this process is not the DRM master: a compositor or another program owns the display",
        "stop the display server, switch to a free console, or pass the fd of a lease",
    ),
    ("DRM_IOCTL_MODE_ATOMIC", errno.EBUSY): ("a commit is still on its way on this CRTC", "wait for its flip event"),
    ("DRM_IOCTL_MODE_ATOMIC", errno.EINVAL): (
        "the driver refuses this combination of mode, plane and framebuffer",
        "try without scaling, another plane, or another format",
    ),
    ("DRM_IOCTL_MODE_ATOMIC", errno.ERANGE): (
        "the driver cannot scale that far",
        "convert to the display's size first",
    ),
    ("DRM_IOCTL_MODE_ATOMIC", errno.ENOSPC): (
        "the picture lies outside of its framebuffer",
        "check the crop rectangle",
    ),
    ("DRM_IOCTL_MODE_ADDFB2", errno.EINVAL): (
        "the display refuses this format, modifier, stride or size",
        "see 'zcore devices' for its formats; convert first",
    ),
    ("DRM_IOCTL_PRIME_FD_TO_HANDLE", errno.EINVAL): (
        "the display cannot import this buffer",
        "a display without an IOMMU needs contiguous memory: allocate from a CMA dma-heap or use dumb buffers",
    ),
    ("DRM_IOCTL_MODE_CREATE_DUMB", errno.EACCES): (
        "this open file may not allocate on the display",
        "open the primary node (card*) as its master",
    ),
    ("DMA_HEAP_IOCTL_ALLOC", errno.ENOMEM): (
        "the heap has no memory of this size left",
        "see CmaFree in /proc/meminfo",
    ),
    ("", errno.ENODEV): ("the device is gone: unplugged, or its driver was unbound", "plug it in and open it again"),
    ("", errno.EACCES): ("this process may not do that", "check the device's permissions"),
    ("", errno.EPERM): ("this process may not do that", "check the device's permissions"),
    ("", errno.ENOTTY): ("the device does not know this call", ""),
    ("", errno.EMFILE): ("this process has no descriptor left", "raise 'ulimit -n', or close what is not used"),
    ("", errno.ENOMEM): ("no memory left", ""),
}
_WORDS["VIDIOC_QBUF", errno.EIO] = _WORDS["VIDIOC_DQBUF", errno.EIO]
_WORDS["DRM_IOCTL_MODE_SETCRTC", errno.EACCES] = _WORDS["DRM_IOCTL_MODE_ATOMIC", errno.EACCES]
_WORDS["DRM_IOCTL_SET_MASTER", errno.EACCES] = _WORDS["DRM_IOCTL_MODE_ATOMIC", errno.EACCES]
_WORDS["DRM_IOCTL_SET_MASTER", errno.EBUSY] = _WORDS["DRM_IOCTL_MODE_ATOMIC", errno.EACCES]


def explain(operation: str, code: int) -> tuple[str, str]:
    """Find the cause and the likely cure of a failed call."""
    cause, cure = _WORDS.get((operation, code)) or _WORDS.get(("", code)) or ("", "")
    if code == errno.ENOMEM:
        from zcore.allocators import cma

        total, free = cma()
        if total:  # contiguous memory is used up while RAM is free
            cause += f"; of {total >> 20} MiB contiguous memory (CmaTotal) {free >> 20} MiB are free (CmaFree)"
    return cause, cure


_errors.set_explainer(explain)
