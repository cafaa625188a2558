"""A strict fake of the kernel at the seam of ``zcore._sys``.

Every descriptor is real: a device is one end of a socket pair (so poll, epoll, read and close work on it), a buffer is
a memfd (so mmap, lseek and identity work on it). Rules that the kernel answers with an errno are answered with that
errno; rules that it lets one break in silence are kept in ``FakeKernel.failures`` and fail the test.
"""

from .dmabuf import FakeDmaBuf, FakeHeap, FakeUdmabuf
from .drm import FakeCard
from .drm_heads import FakeHeads
from .fences import FakeFence
from .kernel import FakeKernel, Refusal
from .structs import fourcc
from .v4l2 import FakeCamera, FakeM2m
from .v4l2_codec import FakeDecoder, FakeEncoder
from .v4l2_controls import ControlCamera
from .v4l2_output import FakeOutput

__all__ = [
    "ControlCamera", "FakeCamera", "FakeCard", "FakeDecoder", "FakeDmaBuf", "FakeEncoder", "FakeFence", "FakeHeads",
    "FakeHeap", "FakeKernel",
    "FakeM2m", "FakeOutput", "FakeUdmabuf", "Refusal", "fourcc",
]  # fmt: skip
