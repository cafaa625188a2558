import fcntl
import os
import pickle
import subprocess
import sys

import pytest

from zcore._errors import DeviceError, DeviceNotFoundError
from zcore._fd import Fd


@pytest.mark.proves("T6")
def test_open_is_close_on_exec_and_nonblocking():
    with Fd.open("/dev/null") as fd:
        assert fcntl.fcntl(fd.fileno(), fcntl.F_GETFD) & fcntl.FD_CLOEXEC
        assert fcntl.fcntl(fd.fileno(), fcntl.F_GETFL) & (os.O_NONBLOCK | os.O_ACCMODE) == os.O_NONBLOCK | os.O_RDWR
        assert fd.name == "/dev/null"
    with Fd.open("/dev/null", nonblocking=False, writable=False) as fd:
        assert fcntl.fcntl(fd.fileno(), fcntl.F_GETFL) & (os.O_NONBLOCK | os.O_ACCMODE) == os.O_RDONLY


def test_open_names_the_path_that_is_not_there(tmp_path):
    with pytest.raises(DeviceNotFoundError, match="nothing") as caught:
        Fd.open(tmp_path / "nothing")
    assert caught.value.operation == "open"


def test_dup_leaves_the_number_with_its_owner():
    reader, writer = os.pipe()
    fd = Fd.dup(reader)
    assert fd.number != reader
    assert fd.identity == (os.fstat(reader).st_dev, os.fstat(reader).st_ino)
    assert fcntl.fcntl(fd.number, fcntl.F_GETFD) & fcntl.FD_CLOEXEC
    fd.close()
    os.fstat(reader)
    os.close(reader)
    os.close(writer)


def test_adopt_takes_over_the_number():
    reader, writer = os.pipe()
    for number in (reader, writer):
        Fd.adopt(number).close()
        with pytest.raises(OSError):
            os.fstat(number)


def test_close_is_done_once():
    number = os.open("/dev/null", os.O_RDONLY)
    fd = Fd.adopt(number)
    assert not fd.closed
    fd.close()
    again = os.open("/dev/null", os.O_RDONLY)
    assert again == number  # the number is somebody else's now
    fd.close()
    del fd
    os.fstat(again)
    os.close(again)


def test_dropping_closes():
    number = os.open("/dev/null", os.O_RDONLY)
    fd = Fd.adopt(number)
    del fd
    with pytest.raises(OSError):
        os.fstat(number)


def test_closed_has_no_number():
    fd = Fd.open("/dev/null")
    fd.close()
    assert fd.closed
    assert fd.number == -1
    assert not fd.owned_here
    with pytest.raises(ValueError, match="closed"):
        fd.fileno()
    with pytest.raises(DeviceError):
        _ = fd.identity


def test_wrong_numbers_are_refused():
    with pytest.raises(ValueError, match="negative"):
        Fd.adopt(-1)
    with pytest.raises(DeviceError):
        Fd.dup(999999)


@pytest.mark.parametrize("make", [lambda: Fd(), lambda: Fd.__new__(Fd)])
def test_an_fd_that_was_never_made_closes_nothing(make):
    # A child, because the descriptor in danger is 0.
    code = "import os\nfrom zcore._fd import Fd\n"
    code += "try:\n    Fd()\nexcept TypeError:\n    pass\nFd.__new__(Fd)\nos.fstat(0)\n"
    done = subprocess.run([sys.executable, "-c", code], stdin=subprocess.DEVNULL, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    try:
        made = make()
    except TypeError:
        return
    assert made.closed


def test_no_pickle():
    with Fd.open("/dev/null") as fd, pytest.raises(TypeError):
        pickle.dumps(fd)


def test_a_forked_child_does_not_own_it():
    with Fd.open("/dev/null") as fd:
        assert fd.owned_here
        child = os.fork()
        if child == 0:
            os._exit(7 if fd.owned_here else 0)
        assert os.waitpid(child, 0)[1] == 0
