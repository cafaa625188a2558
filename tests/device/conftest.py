"""Tests on the kernel's own drivers, inside the testbed: ``python -m testbed run -- python -m pytest tests/device``."""

import pytest

from testbed import drivers


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
