"""Fixtures of all tests, and a guard: no test leaves a descriptor or a map behind."""

import gc
import os

import hypothesis
import pytest

from zcore import _sys

hypothesis.settings.register_profile("zcore", deadline=None)  # machines are busy: no test is about time
hypothesis.settings.load_profile("zcore")


def open_descriptors():
    """Give {number: what it is} of this process."""
    found = {}
    for number in os.listdir("/proc/self/fd"):
        try:
            found[int(number)] = os.readlink(f"/proc/self/fd/{number}")
        except OSError:  # the directory's own descriptor
            continue
    return found


def buffer_maps():
    """Give the maps of buffers (memfd, DMA-BUF, device memory) of this process, address by address."""
    with open("/proc/self/maps") as maps:
        lines = [line.split(maxsplit=5) for line in maps]
    return {
        (line[0], line[5].strip()) for line in lines
        if len(line) == 6 and line[5].startswith(("/memfd:", "/dmabuf", "anon_inode:dmabuf", "/dev/video", "/dev/dri"))
    }  # fmt: skip


def pytest_collection_finish():
    """Take what the test run itself consists of out of the collector's sight: the guard collects twice per test."""
    gc.collect()
    gc.freeze()


FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.failed:
        item.stash[FAILED] = True
    return report


@pytest.fixture(autouse=True)
def nothing_left_behind(request):
    """Fail a test that leaves descriptors or buffer maps behind."""
    gc.collect()
    descriptors, maps = open_descriptors(), buffer_maps()
    yield
    if request.node.stash.get(FAILED, False):  # its traceback holds what it had, and one message is enough
        return
    request.node.funcargs.clear()  # what fixtures gave; pytest would hold it a moment longer
    gc.collect()
    new = {number: what for number, what in open_descriptors().items() if descriptors.get(number) != what}
    assert not new, f"left open: {new}"
    assert not buffer_maps() - maps, f"left mapped: {buffer_maps() - maps}"


@pytest.fixture
def fake_kernel(request, nothing_left_behind):
    """A fake kernel below zcore; what broke its rules, or was left behind, fails the test."""
    from fakekernel import FakeKernel

    kernel = FakeKernel()
    _sys.install_fake_kernel(kernel)
    yield kernel
    failed = request.node.stash.get(FAILED, False)
    if not failed:
        request.node.funcargs.clear()
        gc.collect()
    _sys.install_fake_kernel(None)
    try:
        kernel.verify(leftovers=not failed)
    finally:
        kernel.close()
