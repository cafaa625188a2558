"""Sizes, rates, counts and functions that are none: refused when a stage is made, with words."""

from fractions import Fraction

import numpy as np
import pytest

import zcore
from zcore import _alloc, devices
from zcore._pool import Pool
from zcore.stages.arguments import rate_of, size_of

MAKERS = [
    lambda size: zcore.Capture("/dev/video0", size=size),
    lambda size: zcore.Convert("/dev/video1", size=size),
    lambda size: zcore.SoftwareConvert(size=size),
    lambda size: zcore.TestSource("GREY", size),
    lambda size: zcore.FakeSource("GREY", size),
    lambda size: zcore.FileSource("frames.raw", "GREY", size),
    lambda size: zcore.AppSource(format="GREY", size=size),
]


@pytest.mark.parametrize("make", MAKERS)
def test_sizes_that_are_none(make):
    for size in ("64x48", 64, (64,), (64, 48, 1), (64.5, 48), (float("nan"), 48), ("64", "48"), b"ab"):
        with pytest.raises(TypeError, match=r"size is \(width, height\) in pixels, not "):
            make(size)
    for size in ((0, 0), (-1, 48), (64, 1 << 31)):
        with pytest.raises(ValueError, match=r"size is \(width, height\) in pixels, both above 0, not "):
            make(size)
    make([64, 48])
    make(None)


def test_sizes_are_plain_numbers():
    size = size_of(np.array([64, 48]))
    assert size == (64, 48)
    assert type(size[0]) is int


@pytest.mark.parametrize(
    "make",
    [
        lambda rate: zcore.Capture("/dev/video0", rate=rate),
        lambda rate: zcore.TestSource(rate=rate),
        lambda rate: zcore.FileSource("frames.raw", rate=rate),
        lambda rate: zcore.AppSource(format="GREY", rate=rate),
        lambda rate: zcore.ScreenCapture("/dev/dri/card0", rate=rate),
    ],
)
def test_rates_that_are_none(make):
    for rate in ("fast", float("nan"), float("inf"), (30, 0), [30], "1/0"):
        with pytest.raises(
            (ValueError, TypeError), match=r"rate is frames per second, such as 30, 29\.97 or '30000/1001'"
        ):
            make(rate)
    for rate in (0, -3, 1e-12, 10**12):
        with pytest.raises(ValueError, match="rate is frames per second above 0"):
            make(rate)


def test_rates_as_they_are_written():
    film = Fraction(24000, 1001)
    assert rate_of((24000, 1001)) == rate_of("24000/1001") == rate_of(film) == film
    assert zcore.Capture("/dev/video0", rate="30/1").rate == 30


def test_functions_and_counts():
    for function in (None, 5, "print"):
        with pytest.raises(TypeError, match="function is a function, not "):
            zcore.Callback(function)


def test_arrays_that_no_memory_holds():
    for dtype, shape, strides in (("O", (48,), (8,)), ("u1", (1 << 33, 2), (1 << 31, 1)), ("u1", (1 << 62, 4), (4, 1))):
        buffer = _alloc.allocate_memfd(4096)
        pool = Pool("mine", buffer.allocator)
        with pytest.raises(ValueError, match="is no picture"):
            pool.describe(size=(64, 48), arrays=[(0, 0, np.dtype(dtype), shape, strides)])


def test_nodes_that_may_not_be_opened_are_told(monkeypatch, tmp_path):
    monkeypatch.setattr(devices, "video_paths", lambda: ["/dev/video7", "/dev/video8"])
    monkeypatch.setattr(devices.os, "access", lambda path, mode: False)
    told = r"; this user may not open /dev/video7, /dev/video8 \(join the group 'video', or run as root\)"
    with pytest.raises(zcore.DeviceNotFoundError, match=told):
        devices.find_converter()
    with pytest.raises(zcore.DeviceNotFoundError, match=told):
        devices.find_codec_device("enc", zcore.formats.find("H264"))


@pytest.mark.timeout(30)
def test_a_wait_for_no_number_ends():
    with zcore.DeviceMonitor() as monitor:
        assert monitor.next(timeout=float("nan")) is None
    with pytest.raises(ValueError, match="unplug_timeout is 0 or more seconds, not nan"):
        zcore.Capture("/dev/video0", on_unplug="wait", unplug_timeout=float("nan"))


WRONG = [
    (
        lambda: zcore.Chain(links=[(1, 2)]),
        TypeError,
        r"links are pairs of stages, who gives and who takes, not \(1, 2\)",
    ),
    (lambda: zcore.Chain(links=[(zcore.FakeSource(),)]), TypeError, "links are pairs of stages"),
    (lambda: zcore.Chain(links=[]), zcore.ChainError, "a chain needs a source and a sink at least"),
    (lambda: zcore.FileSink(None), TypeError, "location is the name of a file or an open file, not None"),
    (lambda: zcore.FileSource(5), TypeError, "location is the name of a file or an open file, not 5"),
    (lambda: zcore.ArraySink(keep="x"), TypeError, "keep is a whole number, or None, not 'x'"),
    (lambda: zcore.ArraySink(keep=-3), ValueError, "keep is 0 or more frames, or None for all, not -3"),
    (lambda: zcore.Encode(codec=5), TypeError, "codec is a name such as 'H264', not 5"),
    (lambda: zcore.AppSource(5), TypeError, "caps are Caps or their text, not 5"),
]


@pytest.mark.parametrize(("make", "error", "words"), WRONG)
def test_what_is_of_another_kind(make, error, words):
    with pytest.raises(error, match=words):
        make()


@pytest.mark.parametrize("zpos", ["x", -1, 1.5, True])
def test_places_in_a_stack(zpos):
    with pytest.raises(ValueError, match="zpos is a whole number, 0 or more"):
        zcore.Display(zpos=zpos)
