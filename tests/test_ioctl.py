import array
import errno
import termios

import pytest

from fakekernel import FakeCamera
from fakekernel.structs import NUMBERS
from zcore._errors import DeviceError, UnsupportedError
from zcore._fd import Fd
from zcore._ioctl import Access, ioctl


@pytest.fixture
def camera(fake_kernel):
    FakeCamera(fake_kernel)
    with Fd.open("/dev/video0") as fd:
        yield fd.fileno()


@pytest.mark.parametrize("nonblocking", [False, True])
def test_argument_is_changed_in_place(camera, nonblocking):
    argument = bytearray(104)
    assert ioctl(camera, NUMBERS["VIDIOC_QUERYCAP"], argument, nonblocking=nonblocking) == 0
    assert argument.startswith(b"fake\0")


def test_any_writable_buffer_will_do(camera):
    argument = array.array("I", [0] * 26)
    ioctl(camera, NUMBERS["VIDIOC_QUERYCAP"], argument)
    assert argument.tobytes().startswith(b"fake\0")
    ioctl(camera, NUMBERS["VIDIOC_QUERYCAP"], memoryview(bytearray(200)))


def test_argument_that_is_too_small_is_refused(fake_kernel, camera):
    with pytest.raises(ValueError, match="104 bytes, got 103"):
        ioctl(camera, NUMBERS["VIDIOC_QUERYCAP"], bytearray(103))
    with pytest.raises(ValueError, match="104 bytes"):
        ioctl(camera, NUMBERS["VIDIOC_QUERYCAP"])
    assert fake_kernel.count("VIDIOC_QUERYCAP") == 0


def test_argument_that_cannot_be_written_is_refused(camera):
    with pytest.raises(BufferError):
        ioctl(camera, NUMBERS["VIDIOC_QUERYCAP"], bytes(104))
    with pytest.raises(BufferError):
        ioctl(camera, NUMBERS["VIDIOC_QUERYCAP"], memoryview(bytearray(208))[::2])
    with pytest.raises(TypeError):
        ioctl(camera, NUMBERS["VIDIOC_QUERYCAP"], 104)


@pytest.mark.parametrize("nonblocking", [False, True])
def test_errno_is_raised(fake_kernel, camera, nonblocking):
    fake_kernel.fail("VIDIOC_QUERYCAP", errno.EIO)
    with pytest.raises(DeviceError) as caught:
        ioctl(camera, NUMBERS["VIDIOC_QUERYCAP"], bytearray(104), nonblocking=nonblocking)
    assert caught.value.errno == errno.EIO
    assert f"{NUMBERS['VIDIOC_QUERYCAP']:#x}" in caught.value.operation


def test_the_buffer_is_let_go_after_an_error(camera):
    argument = bytearray(8)
    with pytest.raises(UnsupportedError):
        ioctl(camera, 0xC0085601, argument)
    argument.extend(b"x")  # raises BufferError where a view is still open


def test_without_an_argument():
    with Fd.open("/dev/null") as null, pytest.raises(UnsupportedError):
        ioctl(null.fileno(), termios.TIOCEXCL)  # a request of no size


def test_bad_descriptor():
    with pytest.raises(DeviceError) as caught:
        ioctl(-1, NUMBERS["VIDIOC_STREAMON"], bytearray(4))
    assert caught.value.errno == errno.EBADF


def test_access_numbers_are_those_of_the_kernel():
    assert (Access.ACCESS_READ, Access.ACCESS_WRITE, Access.ACCESS_RW) == (1, 2, 3)
