"""Fake V4L2 devices with the habits of real drivers: what they list, grant, export and import can be chosen."""

import errno
import os
from dataclasses import dataclass, field

from .dmabuf import FakeHeap
from .kernel import Refusal
from .structs import fourcc
from .v4l2 import FakeCamera, FakeM2m
from .v4l2_queue import DMABUF, FLAG_LAST, FLAG_MONOTONIC, MMAP, USERPTR, FakeQueue

MEMORIES = {"mmap": MMAP, "userptr": USERPTR, "dmabuf": DMABUF}
MIN_BUFFERS_FOR_CAPTURE, MIN_BUFFERS_FOR_OUTPUT = 0x00980927, 0x00980928
ANY_FIELD, PROGRESSIVE = 0, 1

# fourcc -> colour planes as (bytes per sample, horizontal, vertical subsampling), as the kernel documents them
PACKED = {"YUYV": 2, "UYVY": 2, "RGBP": 2, "BGR3": 3, "RGB3": 3, "XR24": 4, "AR24": 4, "GREY": 1}
NV12, NV16 = [(1, 1, 1), (2, 2, 2)], [(1, 1, 1), (2, 2, 1)]
YU12 = [(1, 1, 1), (1, 2, 2), (1, 2, 2)]
PLANES = {
    **{code: [(size, 1, 1)] for code, size in PACKED.items()}, "NV12": NV12, "NV16": NV16, "YU12": YU12,
    "HM12": NV12, "VT12": NV12, "ST12": NV12,
}  # fmt: skip
SEPARATE = {"NM12": NV12, "YM12": YU12, "VM12": NV12, "MM21": NV12, "MT21": NV12}  # one memory for each colour plane
CODED = ("MJPG", "H264", "FWHT")


@dataclass
class Side:
    """What one queue of a device is like.

    Attributes
    ----------
    formats : str
        Fourccs that it lists.
    answers : dict
        What it grants instead of a format that it lists.
    sizes : list, or dict of lists
        Frame sizes, ``(w, h)`` or ``(min w, max w, step, min h, max h, step)``; by fourcc as a dict. Empty: not told.
    grants_size : callable, optional
        What it makes of a size that it is asked for; left out: even sizes of 16x16 to 1920x1080.
    align, rows : int
        Bytes and lines that rows and planes are padded to.
    follows : bool
        Whether longer rows that are asked for are granted.
    stride : callable, optional
        What it says for the length of a row, from the true one.
    extra : int
        Bytes that the last memory plane has more than pixels (less, if negative).
    memories : str
        Memory types of VIDIOC_REQBUFS.
    exports : bool
        False: there is no VIDIOC_EXPBUF.
    contiguous : bool
        Whether its own memory is contiguous.
    reaches : str or callable
        Which memory of others it can use: ``"anything"``, ``"contiguous"``, or a function that tells.
    refusal : int
        What it answers to memory out of its reach.
    least, most : int
        How many buffers are granted.
    minimum : int, optional
        What V4L2_CID_MIN_BUFFERS_FOR_* says.
    field : int
        The field order that it grants.
    offset : int
        Bytes before the pixels of each memory plane.
    readonly : bool
        Exported buffers can only be read, whatever was asked for.
    shares : bool
        A broken exporter: index 1 is the memory of index 0 again.
    shrinks : int
        Bytes that its buffers have less than the format says.
    """

    formats: str = "YUYV"
    answers: dict = field(default_factory=dict)
    sizes: list | dict = field(default_factory=list)
    grants_size: object = None
    align: int = 1
    rows: int = 1
    follows: bool = True
    stride: object = None
    extra: int = 0
    memories: str = "mmap userptr dmabuf"
    exports: bool = True
    contiguous: bool = False
    reaches: object = "anything"
    refusal: int = errno.EINVAL
    least: int = 1
    most: int = 32
    minimum: int | None = None
    field: int = PROGRESSIVE
    offset: int = 0
    readonly: bool = False
    shares: bool = False
    shrinks: int = 0

    def layout(self, code, width, height, wanted=0):
        """Give (sizeimage, bytesperline) of each memory plane."""
        if code in CODED:
            return [(width * height * 2 + self.extra, 0)]
        planes = PLANES.get(code) or SEPARATE[code]
        lines, sizes = [], []
        for sample, across, down in planes:
            line = -(-width // across) * sample
            if not lines:
                line = max(line, wanted if self.follows else 0)
                line = -(-line // self.align) * self.align
            else:
                line = lines[0] * sample // across
            lines.append(line)
            sizes.append(self.offset + line * -(-(-(-height // self.rows) * self.rows) // down))
        if code in SEPARATE:
            sizes[-1] += self.extra
        else:
            lines, sizes = lines[:1], [sum(sizes) + self.extra]
        return [(size, self.stride(line) if self.stride else line) for size, line in zip(sizes, lines, strict=True)]


def within_reach(reaches, memory):
    """Tell whether a device can use some memory; None is that of a process, in scattered pages."""
    if callable(reaches):
        return reaches(memory)
    return reaches == "anything" or getattr(memory, "contiguous", False)


class QuirkyQueue(FakeQueue):
    """A queue that has a :class:`Side`."""

    def __init__(self, device, type, side):
        super().__init__(device, type, [0])
        self.side = side
        self.memories = {MEMORIES[name] for name in side.memories.split()}
        self.exports = side.exports
        self.least, self.most = side.least, side.most

    def reqbufs(self, file, argument):
        wanted, sizes = self.sizes, self.sizes
        self.sizes = [size - self.side.shrinks for size in sizes]
        try:
            super().reqbufs(file, argument)
        finally:
            self.sizes = wanted
        for plane in self.own_planes():
            plane.memory.contiguous = self.side.contiguous

    def expbuf(self, file, e):
        if not self.exports:
            raise Refusal(errno.ENOTTY, "no VIDIOC_EXPBUF")
        if self.side.shares and e.index == 1:
            e.index = 0
        if self.side.readonly:
            e.flags &= ~os.O_ACCMODE
        super().expbuf(file, e)

    def check_plane(self, buffer, number, b):
        found = super().check_plane(buffer, number, b)
        if self.memory != MMAP and not within_reach(self.side.reaches, found[0]):
            raise Refusal(self.side.refusal, "out of the device's reach")
        return found


class Quirky:
    """What the cameras and converters here share."""

    def dress(self, sides, width, height):
        """Give each queue its side, and set its first format."""
        self.interval = [1, 30]
        for type, side in sides.items():
            code = side.formats.split()[0]
            queue = self.queues[type] = QuirkyQueue(self, type, side)
            self.current[type] = [width, height, fourcc(code)]
            layout = side.layout(code, width, height)
            queue.sizes, self.strides[type] = [size for size, _ in layout], [line for _, line in layout]
            if side.minimum is not None:
                id = MIN_BUFFERS_FOR_OUTPUT if queue.output else MIN_BUFFERS_FOR_CAPTURE
                self.controls[id] = ["Min Number of Buffers", 1, 1, 32, 1, 1, side.minimum, 0x84]
        self.after_format = lambda type: None  # what happens behind the back of who set a format

    def formats_of(self, type):
        side = self.queues[type].side
        return [(fourcc(code), int(code in CODED), code.encode()) for code in side.formats.split()]

    def describe(self, fmt, queue, width, height, code, sizes, strides):
        super().describe(fmt, queue, width, height, code, sizes, strides)
        pix = fmt.fmt.pix_mp if queue.multiplanar else fmt.fmt.pix
        pix.field = queue.side.field

    def grant(self, fmt):
        queue = self.queue(fmt.type)
        side = queue.side
        pix = fmt.fmt.pix_mp if queue.multiplanar else fmt.fmt.pix
        known = side.formats.split()
        name = next((code for code in known if fourcc(code) == pix.pixelformat), known[0])
        name = side.answers.get(name, name)
        width, height = self.granted_size(queue, pix.width, pix.height)
        line = pix.plane_fmt[0].bytesperline if queue.multiplanar else pix.bytesperline
        layout = side.layout(name, width, height, line)
        return queue, width, height, fourcc(name), [size for size, _ in layout], [line for _, line in layout]

    def granted_size(self, queue, width, height):
        if queue.side.grants_size is not None:
            return queue.side.grants_size(width, height)
        return max(16, min(width, 1920)) & ~1, max(16, min(height, 1080)) & ~1

    def vidioc_s_fmt(self, file, fmt):
        super().vidioc_s_fmt(file, fmt)
        self.after_format(fmt.type)

    def vidioc_enum_framesizes(self, file, size):
        name = size.pixel_format.to_bytes(4, "little").decode()
        listed = []
        for queue in self.queues.values():
            sizes = queue.side.sizes
            listed += [one for one in (sizes.get(name, []) if isinstance(sizes, dict) else sizes) if one not in listed]
        if size.index >= len(listed):
            raise Refusal(errno.EINVAL, "the end of the list")
        self.enumerate(size, listed[size.index], 2)

    def change(self, type, code):
        """Set another format behind everybody's back."""
        queue = self.queues[type]
        width, height, _ = self.current[type]
        layout = queue.side.layout(code, width, height)
        self.current[type] = [width, height, fourcc(code)]
        queue.sizes, self.strides[type] = [size for size, _ in layout], [line for _, line in layout]


class QuirkyCamera(Quirky, FakeCamera):
    """A camera with habits; the options are those of :class:`Side`.

    Parameters
    ----------
    rates : list of int
        Frames per second that it has; the nearest one is granted.
    """

    def __init__(
        self, kernel, path="/dev/video0", width=64, height=16, *, multiplanar=False, auto=0, rates=(30,),
        **side,
    ):  # fmt: skip
        super().__init__(kernel, path, width, height, multiplanar=multiplanar)
        self.rates = list(rates)
        self.fills = []  # what it writes into the memory planes of each frame
        self.dress({self.capture.type: Side(**side)}, width, height)
        self.capture = self.queues[self.capture.type]
        self.auto = auto

    @property
    def side(self):
        """What it is like."""
        return self.capture.side

    def vidioc_s_parm(self, file, parm):
        wish = parm.timeperframe
        asked = wish.denominator / wish.numerator if wish.numerator else self.rates[0]
        self.interval = [1, min(self.rates, key=lambda rate: abs(rate - asked))]
        wish.numerator, wish.denominator = self.interval

    def work(self):
        queue = self.capture
        while self.auto and queue.streaming and queue.queued:
            self.auto -= 1
            buffer = queue.take()
            if self.fills:
                queue.write(buffer, self.fills)
            last = FLAG_LAST if self.last_at_end and not self.auto else 0
            queue.finish(buffer, flags=FLAG_MONOTONIC | last, data_offset=self.side.offset)
        super().work()


class QuirkyM2m(Quirky, FakeM2m):
    """A converter with habits.

    Parameters
    ----------
    taking, giving : Side
        Its OUTPUT and its CAPTURE queue.
    scales : bool
        Whether it gives another size than it takes.
    """

    def __init__(
        self, kernel, path="/dev/video1", width=64, height=16, *, taking=None, giving=None, multiplanar=False,
        scales=False, auto=True,
    ):  # fmt: skip
        super().__init__(kernel, path, width, height, multiplanar=multiplanar, auto=auto)
        self.scales = scales
        self.dress({self.output.type: taking or Side("YUYV"), self.capture.type: giving or Side("XR24")}, width, height)
        self.output, self.capture = self.queues[self.output.type], self.queues[self.capture.type]
        self.transform = lambda planes: []

    def granted_size(self, queue, width, height):
        if not queue.output and not self.scales:
            return tuple(self.current[self.output.type][:2])
        return super().granted_size(queue, width, height)


class ContiguousHeap(FakeHeap):
    """A dma-heap of contiguous memory."""

    def dma_heap_ioctl_alloc(self, file, argument):
        before = len(self.kernel.everything)
        super().dma_heap_ioctl_alloc(file, argument)
        for memory in self.kernel.everything[before:]:
            memory.contiguous = True
            memory.label = "cma-heap"
