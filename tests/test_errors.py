import errno
import os

import pytest

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
)  # fmt: skip


@pytest.fixture(autouse=True)
def no_explainer():
    """The Python half has words of its own; here only the native ones count."""
    before = _errors._explain
    _errors.set_explainer(None)
    yield
    _errors.set_explainer(before)


@pytest.mark.parametrize(
    ("code", "kind", "builtin"),
    [
        (errno.ENOENT, DeviceNotFoundError, FileNotFoundError),
        (errno.EACCES, DevicePermissionError, PermissionError),
        (errno.EPERM, DevicePermissionError, PermissionError),
        (errno.EBUSY, DeviceBusyError, OSError),
        (errno.ENODEV, DeviceGoneError, OSError),
        (errno.ENXIO, DeviceGoneError, OSError),
        (errno.EAGAIN, NotReadyError, BlockingIOError),
        (errno.ETIMEDOUT, DeviceTimeoutError, TimeoutError),
        (errno.ENOTTY, UnsupportedError, OSError),
        (errno.EOPNOTSUPP, UnsupportedError, OSError),
        (errno.EINVAL, DeviceError, OSError),
        (errno.EIO, DeviceError, OSError),
    ],
)
def test_errno_chooses_the_class(code, kind, builtin):
    error = make_error(code, "VIDIOC_QBUF", "/dev/video0")
    assert type(error) is kind
    assert isinstance(error, builtin)
    assert isinstance(error, DeviceError)
    assert error.errno == code
    assert error.strerror == ("Timed out" if code == errno.ETIMEDOUT else os.strerror(code))
    assert (error.operation, error.device) == ("VIDIOC_QBUF", "/dev/video0")


def test_text_names_device_operation_errno_rule_and_cure():
    error = make_error(errno.EINVAL, "VIDIOC_QBUF", "/dev/video0", "the rule", "the cure")
    assert str(error) == "/dev/video0: VIDIOC_QBUF: [EINVAL] Invalid argument; the rule (the cure)"
    assert str(make_error(errno.EIO, "VIDIOC_DQBUF")) == "device: VIDIOC_DQBUF: [EIO] Input/output error"


def test_unknown_errno_is_shown_as_a_number():
    assert "[5000]" in str(make_error(5000, "open", "x"))


def test_explainer_fills_only_what_is_empty():
    asked = []

    def explain(operation, code):
        asked.append((operation, code))
        return "cause", "cure"

    _errors.set_explainer(explain)
    assert (make_error(errno.EIO, "X").cause, make_error(errno.EIO, "X").cure) == ("cause", "cure")
    error = make_error(errno.EIO, "X", "", "mine", "my cure")
    assert (error.cause, error.cure) == ("mine", "my cure")
    assert asked[0] == ("X", errno.EIO)
