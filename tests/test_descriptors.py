"""When descriptors run out: told as what it is, and nothing is left."""

import os
import resource
from contextlib import suppress

import pytest

import zcore


@pytest.fixture
def few():
    """Fill the process's descriptors, but for so many."""
    filled = []
    before = resource.getrlimit(resource.RLIMIT_NOFILE)

    def leave(free):
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(map(int, os.listdir("/proc/self/fd"))) + 40, before[1]))
        with suppress(OSError):
            while True:
                filled.append(os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC))
        for _ in range(free):
            os.close(filled.pop())

    yield leave
    for fd in filled:
        os.close(fd)
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.parametrize("free", range(6))
def test_no_descriptor_is_left(few, free):
    def run():
        return zcore.Chain(zcore.TestSource("GREY", (64, 48), rate=1000), zcore.Queue(), zcore.FakeSink()).run(frames=3)

    run()
    few(free)
    with pytest.raises(zcore.DeviceError, match=r"EMFILE.* this process has no descriptor left \(raise 'ulimit -n'"):
        run()
