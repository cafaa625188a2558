"""What the tests of frame share."""

import numpy as np
import pytest

from helpers import make_pool


@pytest.fixture
def pool(fake_kernel):
    return make_pool(fake_kernel)[0]


@pytest.fixture
def memories(fake_kernel, pool):
    return [fake_kernel.buffers[buffers[0].identity] for buffers in pool.slot_buffers]


def derived_slice(frame):
    return frame.array()[2:4, ::2]


def derived_transpose(frame):
    return frame.array().T


def derived_reshape(frame):
    return frame.array().reshape(-1)


def derived_asarray(frame):
    return np.asarray(frame)


def derived_dtype(frame):
    return frame.array().view("u4")


def derived_memoryview(frame):
    return memoryview(frame.array())


def derived_memoryview_slice(frame):
    return memoryview(frame.array())[3:]


def derived_dlpack(frame):
    return np.from_dlpack(frame)


def derived_planes(frame):
    return frame.planes()


def derived_row(frame):
    return next(iter(frame.array()))


def derived_strided(frame):
    return np.lib.stride_tricks.sliding_window_view(frame.array(), (2, 2, 4))


def derived_cycle(frame):
    cycle = [frame.array()]
    cycle.append(cycle)
    return cycle


DERIVED = [value for name, value in sorted(globals().items()) if name.startswith("derived_")]
