"""A V4L2 queue as the pad of a stage."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from fractions import Fraction

from zcore._pool import Pool
from zcore._v4l2 import Queue
from zcore._v4l2_device import PixFormat, V4l2Device
from zcore.allocators import name_buffers
from zcore.colorimetry import Colorimetry
from zcore.errors import DeviceError, NegotiationError
from zcore.formats import Format, UnknownFormatError, by_v4l2, find, fourcc_str
from zcore.stages.base import LinkCaps, Pad, Sizes, check_io_mode, describe, make_pool
from zcore.stages.controls import MIN_BUFFERS_FOR_CAPTURE, MIN_BUFFERS_FOR_OUTPUT, minimum_buffers
from zcore.stages.fields import check_field
from zcore.stages.sense import check_sense

CAPTURE, OUTPUT, CAPTURE_MPLANE, OUTPUT_MPLANE = 1, 2, 9, 10
MEMORY = {"mmap": 1, "userptr": 2, "dmabuf": 4}

CAP_CAPTURE, CAP_OUTPUT = 0x1, 0x2
CAP_CAPTURE_MPLANE, CAP_OUTPUT_MPLANE = 0x1000, 0x2000
CAP_M2M_MPLANE, CAP_M2M = 0x4000, 0x8000
CAP_READWRITE, CAP_STREAMING = 0x01000000, 0x04000000
COMPRESSED = 0x1  # V4L2_FMT_FLAG_COMPRESSED


def check_v4l2_mode(mode: str, *, rw: bool = False) -> str:
    """Refuse an io mode that is none, or that cannot be had, before any device is opened."""
    if mode == "rw":
        if rw:
            return mode
        raise NegotiationError(
            "io mode rw is read() and write(), which mem-to-mem devices do not have: use 'auto', or 'mmap' where the "
            "buffers shall be the driver's own"
        )
    return check_io_mode(mode)


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

    Parameters
    ----------
    holds : int
        How many frames the device keeps while it works; the driver's own minimum comes first where it is larger.
    """

    field = 0
    coherent = True  # whether the driver's own buffers shall be, for the CPU
    followers: Sequence[Pad] = ()  # pads that import the slots of its pool
    colours: Colorimetry | None = None  # what a CAPTURE queue is asked for, as `field` is

    def __init__(self, device: V4l2Device, type: int, name: str, io_mode: str = "auto", holds: int = 2):
        self.device = device
        self.type = type
        self.name = name
        self.io_mode = io_mode
        self.holds = self._least = holds
        self.queue = Queue(device.fd, name, type)
        self._memories = device.memories(type)
        self._listed: list[tuple[int, int, str]] | None = None
        self._known: list[Format] | None = None
        self._sizes: dict[tuple[str, bool], Sizes | None] = {}
        self._alignments: dict[int, int] = {}
        self._has_minimum = True
        self.read_minimum()

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

    # What the device has. Asked once: nothing of it changes as long as a stage has the device open.

    def listed(self) -> list[tuple[int, int, str]]:
        """List the driver's formats: fourcc, flags, description."""
        if self._listed is None:
            self._listed = self.device.formats(self.type)
        return self._listed

    def forget(self) -> None:
        """Ask the driver again: an encoder's raw formats depend on its coded one."""
        self._listed = self._known = None
        self._sizes = {}
        self._alignments = {}

    def formats(self) -> list[Format]:
        """List the formats that zcore knows, in the driver's order."""
        if self._known is None:
            self._known = _known(self.listed())
        return list(self._known)

    def sizes(self, fmt: Format, *, cropped: bool = False) -> Sizes | None:
        """List the sizes that the driver tells for a format; ``None`` where it tells none.

        Parameters
        ----------
        cropped : bool
            Every size within the driver's limits: of a buffer whose size is rounded up only a part may be used.
        """
        key = fmt.name, cropped
        if key not in self._sizes:
            code = self.code_of(fmt)
            ranges = [(*size.width, *size.height) for size in self.device.sizes(code)] if code is not None else []
            if cropped:
                ranges = [(w, x, 1, h, y, 1) for w, x, _, h, y, _ in ranges]
            self._sizes[key] = Sizes(tuple(ranges)) if ranges else None
        return self._sizes[key]

    def present(self) -> tuple[Format, tuple[int, int]] | None:
        """Tell what the queue is set to; ``None`` for a format that zcore does not know."""
        try:
            now = self.device.get_format(self.type)
            return by_v4l2(now.fourcc), (now.width, now.height)
        except (DeviceError, UnknownFormatError):
            return None

    @property
    def alignment(self) -> int:  # type: ignore[override]
        """What the length of a row must be a multiple of, in bytes, for the format that is set now.

        Found with VIDIOC_TRY_FMT: a row that is longer by one byte is rounded up, or refused to be longer.
        """
        try:
            now = self.device.get_format(self.type)
            if now.fourcc not in self._alignments:
                self._alignments[now.fourcc] = self._try_alignment(now)
            return self._alignments[now.fourcc]
        except DeviceError:
            return 1

    def _try_alignment(self, now: PixFormat) -> int:
        if not now.planes or not now.planes[0][1]:  # coded formats have no rows
            return 1
        line = self.device.set_format(self.type, now.width, now.height, now.fourcc, test=True).planes[0][1]
        longer = self.device.set_format(
            self.type, now.width, now.height, now.fourcc, test=True, bytesperline=line + 1
        ).planes[0][1]
        step = longer - line
        return step if step > 0 and line % step == 0 else 1

    def read_minimum(self, again: bool = False) -> None:
        """Read how many buffers the driver needs.

        Parameters
        ----------
        again : bool
            Ask a driver that did not know before, too: a decoder knows when it has seen its stream.
        """
        if not (self._has_minimum or again):
            return
        found = minimum_buffers(self.device, MIN_BUFFERS_FOR_OUTPUT if self.is_output else MIN_BUFFERS_FOR_CAPTURE)
        self._has_minimum = found is not None
        self.holds = max(self._least, found or 0)

    def code_of(self, fmt: Format, code: int | None = None) -> int | None:
        """Find the driver's fourcc for a format, `code` first; else one memory plane before several."""
        listed = {code for code, _, _ in self.listed()}
        both = (fmt.v4l2_mplane, fmt.v4l2) if self.separate else (fmt.v4l2, fmt.v4l2_mplane)
        return next((c for c in (code, *both) if c is not None and c in listed), None)

    def set_format(
        self,
        fmt: Format,
        width: int,
        height: int,
        bytesperline: int = 0,
        code: int | None = None,
        *,
        sizeimage: int = 0,
        given: LinkCaps | None = None,
    ) -> LinkCaps:
        """Set the format; what the driver granted comes back.

        An OUTPUT queue is told the field order and the colours of the frames that are `given`; a CAPTURE queue is asked
        for :attr:`field` and :attr:`colours`.

        A format with two V4L2 fourccs (``NV12`` in one memory plane, ``NM12`` in two) is set as `code` where that is
        given, else as whatever the driver lists, one memory plane first.

        Raises
        ------
        NegotiationError
            The driver answered with another format, or with something that makes no sense.
        """
        wanted = self.code_of(fmt, code)
        if wanted is None:
            names = ", ".join(fourcc_str(c) for c in sorted({c for c, _, _ in self.listed()})) or "nothing"
            raise NegotiationError(f"{self.name} has no format {fmt}; it has {names}")
        if self.queue.state == "empty":
            self.queue.settle()
        field, colours = self.field, self.colours
        if given is not None:
            field = field or given.field
            colours = given.colorimetry if given.colorspace or not given.format.coded else None
        granted = self.device.set_format(
            self.type,
            width,
            height,
            wanted,
            bytesperline=bytesperline,
            sizeimage=sizeimage,
            field=field,
            colours=colours[:4] if colours is not None else None,
            convert_colours=not self.is_output,
        )
        check_field(field if given is None else 0, granted.field, self.name)
        if granted.fourcc != wanted:
            raise NegotiationError(f"{self.name} was asked for {fmt} and answered with {fourcc_str(granted.fourcc)}")
        self.read_minimum()
        return self.checked(caps_of(granted))

    def checked(self, caps: LinkCaps) -> LinkCaps:
        """Refuse what a driver granted where it makes no sense."""
        check_sense(caps, self.name)
        return caps

    def hint_rate(self, rate: Fraction | None) -> None:
        """Tell how many frames a second will come; a device that has no use for it is left alone."""
        if rate:
            with suppress(DeviceError):
                self.device.frame_interval(self.type, (rate.denominator, rate.numerator))

    # Buffers
    def allocate(self, caps: LinkCaps, count: int, *, export: bool) -> Pool:
        """Let the driver allocate."""
        pool = make_pool(self.name, f"v4l2:{self.device.path}", caps, owner=self.device.fd, writable=self.is_output)
        self.queue.allocate(pool, count, export=export, minimum=min(2, count), coherent=self.coherent)
        try:
            self._check_own(pool, caps, exported=export)
        except BaseException:
            self.reset()
            raise
        return name_buffers(pool) if export else pool

    def _check_format(self, caps: LinkCaps) -> None:
        """Refuse to fill or read buffers in another format than was agreed on."""
        if caps.format.coded or not caps.fourcc:
            return
        now = self.device.get_format(self.type)
        lines = [(line, there) for (_, line), (_, there) in zip(caps.memory_planes, now.planes, strict=False)]
        if now.fourcc != caps.fourcc or any(line and there and line != there for line, there in lines):
            raise NegotiationError(
                f"{self.name} ({self.device.path}) was set to {caps.format} {caps.width}x{caps.height} and is at "
                f"{fourcc_str(now.fourcc)} {now.width}x{now.height} now, set by the driver, a control or somebody else"
            )

    def _check_own(self, pool: Pool, caps: LinkCaps, *, exported: bool) -> None:
        """Refuse buffers that do not hold what was agreed on, and buffers that are the same memory."""
        self._check_format(caps)
        buffers = [buffer for slot in pool.slot_buffers for buffer in slot]
        if exported and len({buffer.identity for buffer in buffers}) < len(buffers):
            raise NegotiationError(
                f"{self.name} ({self.device.path}) exports the same buffer under several indices: frames would "
                "overwrite one another"
            )
        try:
            self.queue.check_pool(pool, [size for size, _ in caps.memory_planes], MEMORY["mmap"])
        except DeviceError as error:
            raise NegotiationError(
                f"{self.name} ({self.device.path}) allocates too little for {caps.format} {caps.width}x{caps.height}: "
                f"{error}"
            ) from error

    def use(self, pool: Pool, caps: LinkCaps, memory: str) -> None:
        """Import buffers; one is queued on trial, because only then does the kernel tell if the device reaches it."""
        sizes = [size for size, _ in caps.memory_planes]
        self.queue.use_foreign(
            MEMORY[memory], len(pool), sizes, None if self.is_output else pool, minimum=1 if self.is_output else 2
        )
        try:
            self._check_format(caps)
            self.queue.check_pool(pool, sizes, MEMORY[memory])
            self.queue.probe(pool)
        except BaseException:
            self.reset()
            raise

    def tell_followers(self, pool: Pool, index: int) -> None:
        """Let those who import slots once import one more; to the others it comes as a buffer that is new to them."""
        for pad in self.followers:
            if hasattr(pad, "adopt"):
                pad.adopt(pool, index)

    def reset(self) -> None:
        """Free the queue's buffers."""
        self.followers = ()
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


def caps_of(granted: PixFormat, rate: Fraction | None = None) -> LinkCaps:
    """Turn what a driver granted into caps. Coded formats have no rows, whatever a driver says."""
    fmt = by_v4l2(granted.fourcc)
    if granted.planes and granted.planes[0][1]:
        fmt = fmt.with_stride(granted.planes[0][1])
    planes = tuple((size, 0 if fmt.coded else line) for size, line in granted.planes)
    if fmt.linear and not all(line for _, line in planes):  # a driver that does not tell its rows has no padding
        lines = fmt.layout(granted.width, granted.height).strides
        planes = tuple((size, line or plain) for (size, line), plain in zip(planes, lines, strict=False))
    return LinkCaps(
        fmt,
        granted.width,
        granted.height,
        planes,
        granted.fourcc,
        rate,
        field=granted.field,
        colorspace=granted.colorspace,
        ycbcr_enc=granted.ycbcr_enc,
        quantization=granted.quantization,
        xfer_func=granted.xfer_func,
    )


def check_same_layout(given: LinkCaps, taken: LinkCaps, who: str) -> None:
    """Refuse frames whose colour planes lie elsewhere than the device looks for them.

    V4L2 says no offsets: chroma follows luma at the height that a driver rounds up to. Where two drivers round
    differently every size and stride may agree, and the colours be garbage.

    Raises
    ------
    NegotiationError
        Says where the planes are.
    """
    if given.format.coded or len(given.memory_planes) != len(taken.memory_planes):
        return
    if [line for _, line in given.memory_planes] != [line for _, line in taken.memory_planes]:
        return  # the planner asks for other rows first
    here, there = ([offset for _, offset, _, _ in describe(caps)[0]] for caps in (given, taken))
    if here != there:
        raise NegotiationError(
            f"{who} looks for the planes of {taken.format} {taken.width}x{taken.height} at {there}, the frames have "
            f"them at {here}: the two drivers round the height differently; choose a height that is a multiple of 16, "
            "or a format of one plane"
        )


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
