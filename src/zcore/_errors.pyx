"""The one place where ``-errno`` becomes an exception."""

from libc.errno cimport errno as libc_errno

import errno
import os

# The C library's own calls: they answer -1 whatever the error, and none of them can fail with EPERM, which is 1.
_LIBC_CALLS = ("eventfd", "timerfd_create")


class DeviceError(OSError):
    """A call to a device failed.

    It is an :class:`OSError` with the usual ``errno``; the usual subclasses (``PermissionError``, ``FileNotFoundError``
    and so on) catch it as well.

    Attributes
    ----------
    operation : str
        Name of the ioctl or call, spelled as in the kernel's headers.
    device : str
        Path or name of the device.
    cause : str
        Which rule was broken, or an empty string where only the errno is known.
    cure : str
        What most likely helps, or an empty string.
    """

    operation = ""
    device = ""
    cause = ""
    cure = ""

    def __str__(self):
        name = errno.errorcode.get(self.errno, self.errno)
        text = f"{self.device or 'device'}: {self.operation}: [{name}] {self.strerror}"
        if self.cause:
            text += f"; {self.cause}"
        if self.cure:
            text += f" ({self.cure})"
        return text


class DeviceNotFoundError(DeviceError, FileNotFoundError):
    """There is no such device node."""


class DevicePermissionError(DeviceError, PermissionError):
    """The device may not be used that way by this process."""


class DeviceBusyError(DeviceError):
    """Somebody else uses the device, or buffers of it are still in use."""


class DeviceGoneError(DeviceError):
    """The device was unplugged or its driver was unbound."""


class NotReadyError(DeviceError, BlockingIOError):
    """Nothing is ready and waiting was not asked for."""


class DeviceTimeoutError(DeviceError, TimeoutError):
    """Nothing happened within the time that was given."""


class UnsupportedError(DeviceError):
    """The device does not have this call, format or mode."""


class PoolClosedError(RuntimeError):
    """The pool was deactivated; it gives no more frames."""


_CLASSES = {
    errno.ENOENT: DeviceNotFoundError,
    errno.EACCES: DevicePermissionError,
    errno.EPERM: DevicePermissionError,
    errno.EBUSY: DeviceBusyError,
    errno.ENODEV: DeviceGoneError,
    errno.ENXIO: DeviceGoneError,
    errno.EAGAIN: NotReadyError,
    errno.ETIMEDOUT: DeviceTimeoutError,
    errno.ENOTTY: UnsupportedError,
    errno.EOPNOTSUPP: UnsupportedError,
}
_explain = None


def set_explainer(explain):
    """Name the function ``(operation, errno) -> (cause, cure)`` that finds words for an error."""
    global _explain
    _explain = explain


def make_error(code, operation, device="", detail="", cure=""):
    """Build the exception for an errno.

    Parameters
    ----------
    code : int
        Positive errno.
    operation : str
        Name of the ioctl or call.
    device : str
        Path or name of the device.
    detail, cure : str
        What was wrong and what helps; looked up by operation and errno where empty.

    Returns
    -------
    DeviceError
        To be raised by the caller.
    """
    # "Connection timed out" is the C library's word for it, and no camera has a connection.
    words = "Timed out" if code == errno.ETIMEDOUT else os.strerror(code)
    error = _CLASSES.get(code, DeviceError)(code, words)
    error.operation = operation
    error.device = device or ""
    cause = ""
    hint = ""
    if _explain is not None:
        cause, hint = _explain(operation, code)
    error.cause = detail or cause
    error.cure = cure or hint
    return error


cdef object device_error(int code, str operation, str device, str detail=""):
    return make_error(code, operation, device, detail)


cdef int check(int result, str operation, str device) except -1:
    cdef int code = -result
    if result >= 0:
        return result
    if code == 1 and operation in _LIBC_CALLS:
        code = libc_errno
    raise make_error(code, operation, device)
