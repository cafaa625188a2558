"""A V4L2 queue as the pad of a stage."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from zcore._pool import Pool
from zcore._v4l2 import Queue
from zcore._v4l2_device import PixFormat, V4l2Device
from zcore.errors import NegotiationError
from zcore.formats import Format, UnknownFormatError, by_v4l2, find, fourcc_str
from zcore.stages.base import LinkCaps, Pad, make_pool

CAPTURE, OUTPUT, CAPTURE_MPLANE, OUTPUT_MPLANE = 1, 2, 9, 10
MEMORY = {"mmap": 1, "userptr": 2, "dmabuf": 4}

CAP_CAPTURE, CAP_OUTPUT = 0x1, 0x2
CAP_CAPTURE_MPLANE, CAP_OUTPUT_MPLANE = 0x1000, 0x2000
CAP_M2M_MPLANE, CAP_M2M = 0x4000, 0x8000
CAP_STREAMING = 0x04000000


def capture_type(capabilities: int) -> int | None:
    """Buffer type of the queue that gives frames; ``None`` where the node has none."""
    if capabilities & (CAP_CAPTURE_MPLANE | CAP_M2M_MPLANE):
        return CAPTURE_MPLANE
    return CAPTURE if capabilities & (CAP_CAPTURE | CAP_M2M) else None


def output_type(capabilities: int) -> int | None:
    """Buffer type of the queue that takes frames; ``None`` where the node has none."""
    if capabilities & (CAP_OUTPUT_MPLANE | CAP_M2M_MPLANE):
        return OUTPUT_MPLANE
    return OUTPUT if capabilities & (CAP_OUTPUT | CAP_M2M) else None


class V4l2Pad(Pad):
    """One queue of an open V4L2 device.

    ``io_mode`` has GStreamer's words: ``dmabuf`` shares DMA-BUFs, its own ones where possible; ``dmabuf-import`` only
    takes DMA-BUFs of the other side; ``mmap`` and ``userptr`` as in V4L2; ``auto`` takes whatever works without a copy.
    """

    def __init__(self, device: V4l2Device, type: int, name: str, io_mode: str = "auto", holds: int = 2):
        self.device = device
        self.type = type
        self.name = name
        self.io_mode = io_mode
        self.holds = holds
        self.queue = Queue(device.fd, name, type)
        self._memories = device.memories(type)

    @property
    def is_output(self) -> bool:
        """Whether it takes frames."""
        return self.type in (OUTPUT, OUTPUT_MPLANE)

    @property
    def memories(self) -> set[str]:
        """Memory types that the driver has for this queue: mmap, userptr, dmabuf (import), export."""
        return set(self._memories)

    def roles(self) -> set[str]:
        """Tell what the driver can and the io mode allows."""
        able = set()
        if "export" in self._memories and self.io_mode in ("auto", "dmabuf"):
            able.add("export")
        if "dmabuf" in self._memories and self.io_mode in ("auto", "dmabuf", "dmabuf-import"):
            able.add("import")
        if "userptr" in self._memories and self.io_mode in ("auto", "userptr"):
            able.add("userptr")
        if "mmap" in self._memories and self.io_mode in ("auto", "mmap", "dmabuf"):
            able.add("mmap")
        return able

    def formats(self) -> list[Format]:
        """List the formats that zcore knows, in the driver's order."""
        return _known(self.device.formats(self.type))

    def set_format(
        self, fmt: Format, width: int, height: int, bytesperline: int = 0, code: int | None = None
    ) -> LinkCaps:
        """Set the format; what the driver granted comes back.

        A format with two V4L2 fourccs (``NV12`` in one memory plane, ``NM12`` in two) is set as `code` where that is
        given, else as whatever the driver lists, one memory plane first.

        Raises
        ------
        NegotiationError
            The driver answered with another format.
        """
        listed = {code for code, _, _ in self.device.formats(self.type)}
        code = next((c for c in (code, fmt.v4l2, fmt.v4l2_mplane) if c in listed), None)
        if code is None:
            names = ", ".join(fourcc_str(c) for c in sorted(listed)) or "nothing"
            raise NegotiationError(f"{self.name} has no format {fmt}; it has {names}")
        granted = self.device.set_format(self.type, width, height, code, bytesperline=bytesperline)
        if granted.fourcc != code:
            raise NegotiationError(f"{self.name} was asked for {fmt} and answered with {fourcc_str(granted.fourcc)}")
        return caps_of(granted)

    def allocate(self, caps: LinkCaps, count: int, *, export: bool) -> Pool:
        """Let the driver allocate."""
        pool = make_pool(self.name, f"v4l2:{self.device.path}", caps, owner=self.device.fd, writable=self.is_output)
        self.queue.allocate(pool, count, export=export, minimum=min(2, count))
        return pool

    def use(self, pool: Pool, caps: LinkCaps, memory: str) -> None:
        """Import buffers; one is queued on trial, because only then does the kernel tell if the device reaches it."""
        sizes = [size for size, _ in caps.memory_planes]
        self.queue.use_foreign(
            MEMORY[memory], len(pool), sizes, None if self.is_output else pool, minimum=1 if self.is_output else 2
        )
        try:
            self.queue.check_pool(pool, sizes, MEMORY[memory])
            self.queue.probe(pool)
        except BaseException:
            self.reset()
            raise

    def reset(self) -> None:
        """Free the queue's buffers."""
        self.queue.close()

    @property
    def allocator(self) -> str:
        """The driver's own allocator."""
        return f"v4l2:{self.device.path}"


def asked_code(name: str | Format | None) -> int | None:
    """V4L2 fourcc that the user wrote out, where it decides between one and several memory planes."""
    if not isinstance(name, str) or len(name) != 4:
        return None
    fmt = find(name)
    return next((code for code in (fmt.v4l2, fmt.v4l2_mplane) if code is not None and fourcc_str(code) == name), None)


def caps_of(granted: PixFormat, interval: tuple[int, int] | None = None) -> LinkCaps:
    """Turn what a driver granted into caps."""
    fmt = by_v4l2(granted.fourcc)
    if granted.planes and granted.planes[0][1]:
        fmt = fmt.with_stride(granted.planes[0][1])
    rate = Fraction(interval[1], interval[0]) if interval and interval[0] else None
    return LinkCaps(fmt, granted.width, granted.height, tuple(granted.planes), granted.fourcc, rate)


def _known(listed: Sequence[tuple[int, int, str]]) -> list[Format]:
    found: list[Format] = []
    for code, _, _ in listed:
        try:
            fmt = by_v4l2(code)
        except UnknownFormatError:  # a vendor's own: cannot be described, so cannot be linked
            continue
        if fmt not in found:
            found.append(fmt)
    return found
