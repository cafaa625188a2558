"""A frame seen as numpy arrays, beside other ways to see mapped memory.

The frames lie in shared memory that needs no bracket for CPU access; what a DMA-BUF's bracket adds is in bench_sync.
"""

import mmap

import numpy as np
import pytest
from turns import ways

import zcore
from zcore._alloc import allocate_memfd

WIDTH, HEIGHT = 1920, 1080
U8 = np.dtype(np.uint8)
RGB_SHAPE, RGB_STRIDES, RGB_SIZE = (HEIGHT, WIDTH, 4), (WIDTH * 4, 4, 1), WIDTH * HEIGHT * 4
Y_SHAPE, Y_STRIDES, Y_SIZE = (HEIGHT, WIDTH), (WIDTH, 1), WIDTH * HEIGHT
UV_SHAPE, UV_STRIDES = (HEIGHT // 2, WIDTH // 2, 2), (WIDTH, 2, 1)
NV12_SIZE = Y_SIZE * 3 // 2

RGB = ways("one 1080p XRGB picture as an array")
COPY = ways("one 1080p XRGB picture as an array, copied", turns=10)
NV12 = ways("one 1080p NV12 picture as two arrays")


def lease(size, arrays):
    pool = zcore.Pool("bench", "memfd")
    pool.describe(size=(WIDTH, HEIGHT), arrays=arrays)
    pool.add([allocate_memfd(size)])
    frame = pool.acquire()
    frame.array(write=True)[0, 0] = 7
    return frame


@pytest.fixture
def rgb():
    return lease(RGB_SIZE, [(0, 0, U8, RGB_SHAPE, RGB_STRIDES)])


@pytest.fixture
def nv12():
    return lease(NV12_SIZE, [(0, 0, U8, Y_SHAPE, Y_STRIDES), (0, Y_SIZE, U8, UV_SHAPE, UV_STRIDES)])


@pytest.fixture
def memory():
    with mmap.mmap(-1, RGB_SIZE) as mapped:
        mapped[:4] = b"\7\7\7\7"
        yield mapped


@RGB
def bench_array_c_loop(turns, floor, memory):
    array = turns(floor.view_loop, object(), np.frombuffer(memory, U8), U8, RGB_SHAPE, RGB_STRIDES)
    assert array.shape == RGB_SHAPE
    assert array[0, 0, 0] == 7


@RGB
def bench_array_zcore(turns, rgb):
    def way(count, array=rgb.array):
        for _ in range(count):
            seen = array()
        return seen

    seen = turns(way)
    assert seen.shape == RGB_SHAPE
    assert seen[0, 0, 0] == 7
    assert rgb.exports == 1


@RGB
def bench_array_numpy_frombuffer_reshape(turns, memory):
    def way(count, frombuffer=np.frombuffer, shape=RGB_SHAPE):
        for _ in range(count):
            seen = frombuffer(memory, U8).reshape(shape)
        return seen

    assert turns(way)[0, 0, 0] == 7


@RGB
def bench_array_numpy_ndarray(turns, memory):
    def way(count, ndarray=np.ndarray, shape=RGB_SHAPE):
        for _ in range(count):
            seen = ndarray(shape, U8, memory)
        return seen

    assert turns(way)[0, 0, 0] == 7


@COPY
def bench_array_copied_from_mmap(turns, memory):
    def way(count, frombuffer=np.frombuffer, shape=RGB_SHAPE):
        for _ in range(count):
            seen = frombuffer(memory[:RGB_SIZE], U8).reshape(shape)
        return seen

    assert turns(way)[0, 0, 0] == 7


@COPY
def bench_array_copied_from_zcore(turns, rgb):
    def way(count, array=rgb.array):
        for _ in range(count):
            seen = array().copy()
        return seen

    assert turns(way)[0, 0, 0] == 7


@NV12
def bench_planes_c_loop(turns, floor, memory):
    # Two turns' worth of work in one: Y, then UV.
    def way(count, loop=floor.view_loop, owner=object(), flat=np.frombuffer(memory, U8)):  # noqa: B008
        y = loop(count, owner, flat, U8, Y_SHAPE, Y_STRIDES)
        return y, loop(count, owner, flat, U8, UV_SHAPE, UV_STRIDES, Y_SIZE)

    y, uv = turns(way)
    assert (y.shape, uv.shape) == (Y_SHAPE, UV_SHAPE)


@NV12
def bench_planes_zcore(turns, nv12):
    def way(count, planes=nv12.planes):
        for _ in range(count):
            seen = planes()
        return seen

    y, uv = turns(way)
    assert (y.shape, uv.shape) == (Y_SHAPE, UV_SHAPE)
    assert nv12.exports == 2


@NV12
def bench_planes_numpy_ndarray(turns, memory):
    def way(count, ndarray=np.ndarray):
        for _ in range(count):
            seen = ndarray(Y_SHAPE, U8, memory), ndarray(UV_SHAPE, U8, memory, Y_SIZE)
        return seen

    y, uv = turns(way)
    assert (y.shape, uv.shape) == (Y_SHAPE, UV_SHAPE)


@NV12
def bench_planes_numpy_frombuffer_slices(turns, memory):
    def way(count, frombuffer=np.frombuffer):
        for _ in range(count):
            flat = frombuffer(memory, U8)
            seen = flat[:Y_SIZE].reshape(Y_SHAPE), flat[Y_SIZE:NV12_SIZE].reshape(UV_SHAPE)
        return seen

    y, uv = turns(way)
    assert (y.shape, uv.shape) == (Y_SHAPE, UV_SHAPE)
