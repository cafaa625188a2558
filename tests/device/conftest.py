"""Tests on the kernel's own drivers, inside the testbed: ``python -m testbed run -- python -m pytest tests/device``."""

import os
from pathlib import Path

import pytest

from testbed import drivers
from zcore import _sys

RECORD = os.environ.get("ZCORE_RECORD")


def pytest_collection_modifyitems(items):
    reason = drivers.why_not()
    if reason:
        for item in items:
            item.add_marker(pytest.mark.skip(reason=f"needs the testbed: {reason}"))


@pytest.fixture
def vivid():
    with drivers.vivid(n_devs=1) as nodes:
        yield nodes.one("capture").path


@pytest.fixture
def vim2m():
    with drivers.vim2m() as nodes:
        yield nodes.one("m2m").path


@pytest.fixture
def vkms():
    with drivers.vkms(enable_writeback=1, enable_overlay=1) as nodes:
        yield nodes.one("display").path


@pytest.fixture(autouse=True, scope="session")
def record():
    """Write down the ioctls of all tests where ``ZCORE_RECORD`` names a file; see ``recorder.py``."""
    if not RECORD:
        yield
        return
    from recorder import Recorder, merge

    recorder = Recorder()
    _sys.install_fake_kernel(recorder)
    yield
    _sys.install_fake_kernel(None)
    merge(Path(RECORD), recorder)
    if recorder.failures:
        raise recorder.failures[0]
