"""What the tests of traps share: machines with one nasty device each, and a look at what they are left with."""

import gc
import re
from contextlib import contextmanager

import pytest

import zcore
from fakekernel import FakeHeap, FakeUdmabuf
from fakekernel.quirky_drm import QuirkyCard
from fakekernel.quirky_v4l2 import ContiguousHeap, QuirkyCamera, QuirkyM2m, Side
from zcore import _alloc
from zcore.formats import find


class Machine:
    """A fake machine. Its methods make devices, and stages on them."""

    def __init__(self, kernel, monkeypatch):
        self.kernel = kernel
        self.monkeypatch = monkeypatch
        self.heaps = []
        self.monkeypatch.setattr(_alloc, "heaps", lambda: sorted(self.heaps))
        self.device = None

    def camera(self, format=None, size=None, stage=None, **quirks):
        """Make a camera and the stage on it; :attr:`fake` is the camera."""
        self.fake = QuirkyCamera(self.kernel, **quirks)
        return zcore.Capture("/dev/video0", format, size, name="camera", **(stage or {}))

    def converter(self, format=None, size=None, *, taking=None, giving=None, stage=None, **quirks):
        """Make a converter; `taking` and `giving` are options of :class:`Side`."""
        giving = {"formats": "XR24"} | (giving or {})
        self.m2m = QuirkyM2m(self.kernel, taking=Side(**(taking or {})), giving=Side(**giving), **quirks)
        return zcore.Convert("/dev/video1", format, size, name="converter", **(stage or {}))

    def display(self, *, stage=None, **quirks):
        """Make a display."""
        self.card = QuirkyCard(self.kernel, **quirks)
        return zcore.Display("/dev/dri/card0", name="display", **(stage or {}))

    def heap(self, name, *, contiguous=False):
        """Make a dma-heap."""
        (ContiguousHeap if contiguous else FakeHeap)(self.kernel, f"/dev/dma_heap/{name}")
        self.heaps.append(name)

    def udmabuf(self):
        """Make /dev/udmabuf."""
        FakeUdmabuf(self.kernel, "/dev/udmabuf")

    def check_given_back(self):
        """Fail where a device is open, has buffers or shows something, or where a buffer has a user."""
        gc.collect()
        for device in self.kernel.devices.values():
            device.reap()
            assert not device.files, f"{device.path} is still open"
            for queue in getattr(device, "queues", {}).values():
                assert not queue.buffers, f"queue {queue.type} of {device.path} still has buffers"
                assert not queue.streaming, f"queue {queue.type} of {device.path} still streams"
        used = {memory.label: memory.users for memory in self.kernel.buffers.values() if memory.users}
        assert not used, f"still in use: {used}"


@pytest.fixture
def machine(request, fake_kernel, monkeypatch):
    made = Machine(fake_kernel, monkeypatch)
    failed = request.session.testsfailed
    yield made
    if request.session.testsfailed == failed:  # a failed test's traceback holds what it had
        made.check_given_back()


def chain_of(*stages, **options):
    """Join stages in a row, or links where the first is a pair."""
    if isinstance(stages[0], tuple):
        return zcore.Chain(links=stages, **options)
    return zcore.Chain(*stages, **options)


@contextmanager
def planned(*stages, **options):
    """Plan a chain; its buffers are there within the block and given back after it."""
    with chain_of(*stages) as chain:
        yield chain.plan(**options)


def refused(*stages, error=zcore.NegotiationError, says=(), **options):
    """Plan a chain that must be refused with all of these words; gives the message."""
    with pytest.raises(error) as caught, planned(*stages, **options):
        pass
    text = str(caught.value)
    missing = [word for word in says if not re.search(word, text)]
    assert not missing, f"{missing} not said by: {text}"
    caught.value.__traceback__ = None
    return text


def carried(plan):
    """Names of the formats on the links."""
    return [str(link.caps.format) for link in plan]


def reasons(link):
    """Everything that a link says about what was tried on the devices."""
    return "; ".join(f"{what}: {why}" for what, why in link.rejected)


def bytes_of_row(link):
    """Length of a row of the first plane, in bytes."""
    return link.caps.memory_planes[0][1]


__all__ = [
    "Machine", "Side", "bytes_of_row", "carried", "chain_of", "find", "machine", "planned", "reasons", "refused",
]  # fmt: skip
