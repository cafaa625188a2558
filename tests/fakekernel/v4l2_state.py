"""A fake V4L2 device with connectors, signals and rectangles. The test is the cable: it says what signal comes."""

import ctypes as c
import errno

from .kernel import Refusal
from .state_structs import Timings
from .v4l2 import FakeCamera
from .v4l2_output import FakeOutput

PAL, NTSC = 0xFF, 0xB000
STANDARDS = [(NTSC, b"NTSC", (1001, 30000), 525), (PAL, b"PAL", (1, 25), 625)]


def timings(width, height, rate, interlaced=0, standards=1):
    """Make timings with blanking of 160 by 30."""
    lines = height + 30
    clock = (width + 160) * lines * rate // (2 if interlaced else 1)
    return bytes(Timings(0, width, height, interlaced, 0, clock, 40, 60, 60, 10, 10, 10, 0, 0, 0, standards, 0))


class StateMixin:
    """What camera and output share.

    Attributes
    ----------
    connectors : list of [name, capabilities, status]
        2 = DV timings, 4 = standards.
    signal : bytes, int or None
        Timings, or standards, of what comes in; an errno as ("errno", number).
    """

    old_selection = False  # only CROPCAP, G_CROP and S_CROP
    can_crop = can_compose = True
    scales = True
    keep_multiple = 2  # rectangles have even sides

    def set_up_state(self):
        self.connectors = [["Webcam 0", 0, 0], ["S-Video 0", 4, 0], ["HDMI 0", 2, 0]]
        self.chosen = 0
        self.std = NTSC
        self.known_timings = [timings(640, 480, 60), timings(1280, 720, 50), timings(1920, 1080, 50, 1)]
        self.timings = self.known_timings[0]
        self.signal = None
        self.bounds = [0, 0, 640, 480]
        self.crop, self.composition = list(self.bounds), None
        self.priorities = {}

    @property
    def queue_of_state(self):
        return next(iter(self.queues.values()))

    def busy(self, what):
        if self.queue_of_state.buffers:
            raise Refusal(errno.EBUSY, f"{what} while buffers are allocated")

    def has(self, bit):
        return self.connectors[self.chosen][1] & bit

    def resize(self, width, height):
        queue = self.queue_of_state
        code = self.current[queue.type][2]
        self.current[queue.type] = [width, height, code]
        self.strides[queue.type] = [width * 2] * len(queue.sizes)
        queue.sizes = [width * 2 * height] * len(queue.sizes)

    def source_is(self, width, height):
        self.bounds = [0, 0, width, height]
        self.crop, self.composition = list(self.bounds), None
        self.resize(width, height)

    # connectors

    def enumerate_connector(self, argument):
        if argument.index >= len(self.connectors):
            raise Refusal(errno.EINVAL, "the end of the list")
        name, argument.capabilities, status = self.connectors[argument.index]
        argument.name = name.encode()
        argument.std = PAL | NTSC if argument.capabilities & 4 else 0
        return status if argument.index == self.chosen else 0

    def choose(self, argument):
        if argument.value >= len(self.connectors):
            raise Refusal(errno.EINVAL, f"connector {argument.value}")
        if argument.value == self.chosen:
            return
        self.busy("another connector")
        self.chosen = argument.value
        self.source_is(720, 480) if self.has(4) else self.source_is(640, 480)

    def read_chosen(self, argument):
        argument.value = self.chosen

    # standards

    def need(self, bit):
        if not self.has(bit):
            raise Refusal(errno.ENODATA, "not at this connector")

    def vidioc_enumstd(self, file, argument):
        self.need(4)
        if argument.index >= len(STANDARDS):
            raise Refusal(errno.EINVAL, "the end of the list")
        argument.id, argument.name, period, argument.lines = STANDARDS[argument.index]
        argument.period.numerator, argument.period.denominator = period

    def vidioc_g_std(self, file, argument):
        self.need(4)
        argument.value = self.std

    def vidioc_s_std(self, file, argument):
        self.need(4)
        if not argument.value & (PAL | NTSC):
            raise Refusal(errno.EINVAL, f"standard {argument.value:#x}")
        if argument.value != self.std:
            self.busy("another standard")
            self.std = argument.value
            self.source_is(720, 576 if self.std & PAL else 480)

    def vidioc_querystd(self, file, argument):
        self.need(4)
        argument.value = self.signal or 0

    # timings

    def vidioc_enum_dv_timings(self, file, argument):
        self.need(2)
        if argument.index >= len(self.known_timings):
            raise Refusal(errno.EINVAL, "the end of the list")
        c.memmove(c.addressof(argument.timings), self.known_timings[argument.index], 132)

    def vidioc_g_dv_timings(self, file, argument):
        self.need(2)
        c.memmove(c.addressof(argument), self.timings, 132)

    def vidioc_s_dv_timings(self, file, argument):
        self.need(2)
        wanted = bytes(argument)
        if not 16 <= argument.width <= 4096:
            raise Refusal(errno.EINVAL, f"width {argument.width}")
        if wanted != self.timings:
            self.busy("other timings")
            self.timings = wanted
            self.source_is(argument.width, argument.height)

    def vidioc_query_dv_timings(self, file, argument):
        self.need(2)
        if self.signal is None:
            raise Refusal(errno.ENOLINK, "no signal")
        if isinstance(self.signal, tuple):
            raise Refusal(self.signal[1], "a bad signal")
        c.memmove(c.addressof(argument), self.signal, 132)

    def vidioc_dv_timings_cap(self, file, argument):
        self.need(2)
        argument.min_width, argument.max_width, argument.min_height, argument.max_height = 16, 4096, 16, 2160
        argument.min_clock, argument.max_clock, argument.standards = 14_000_000, 600_000_000, 1

    def vidioc_g_edid(self, file, argument):
        if argument.pad >= len(self.connectors):
            raise Refusal(errno.EINVAL, "no such pad")
        if not self.connectors[argument.pad][1] & 2:
            raise Refusal(errno.ENODATA, "no EDID")
        argument.blocks = min(argument.blocks, 2)
        c.memmove(argument.edid, bytes(range(128)) * argument.blocks, 128 * argument.blocks)

    # priority

    def vidioc_g_priority(self, file, argument):
        argument.value = max(self.priorities.values(), default=2)

    def vidioc_s_priority(self, file, argument):
        if not 1 <= argument.value <= 3:
            raise Refusal(errno.EINVAL, f"priority {argument.value}")
        others = [value for other, value in self.priorities.items() if other is not file and other.open]
        if max(others, default=0) == 3:
            raise Refusal(errno.EBUSY, "somebody records")
        self.priorities[file] = argument.value

    # rectangles

    def rectangles(self):
        """Name the targets as the selection API numbers them."""
        width, height = self.current[self.queue_of_state.type][:2]
        found = {0x3: self.bounds}
        if self.can_crop:
            found |= {0x0: self.crop, 0x1: self.bounds, 0x2: self.bounds}
        if self.can_compose:
            whole = [0, 0, width, height]
            found |= {0x100: self.composition or whole, 0x101: whole, 0x102: whole, 0x103: self.composition or whole}
        return found

    def check_target(self, argument):
        if self.old_selection:
            raise Refusal(errno.ENOTTY, "an old driver")
        if argument.type not in (1, 2):
            raise Refusal(errno.EINVAL, "the single-planar type, please")
        if not self.can_crop and not self.can_compose:
            raise Refusal(errno.ENOTTY, "no rectangles")
        if argument.target not in self.rectangles():
            raise Refusal(errno.EINVAL, f"target {argument.target:#x}")

    def vidioc_g_selection(self, file, argument):
        self.check_target(argument)
        argument.left, argument.top, argument.width, argument.height = self.rectangles()[argument.target]

    def vidioc_s_selection(self, file, argument):
        self.check_target(argument)
        if argument.target not in (0, 0x100):
            raise Refusal(errno.EINVAL, "cannot be set")
        wish = [argument.left, argument.top, argument.width, argument.height]
        granted = self.fit(wish, self.rectangles()[argument.target | 2])
        smaller, larger = granted[2] < wish[2] or granted[3] < wish[3], granted[2] > wish[2] or granted[3] > wish[3]
        if (argument.flags & 1 and smaller) or (argument.flags & 2 and larger) or argument.flags & ~7:
            raise Refusal(errno.ERANGE, "the flags")
        if argument.target == 0:
            self.set_crop(granted)
        else:
            self.composition = granted
        argument.left, argument.top, argument.width, argument.height = granted

    def fit(self, wish, bounds):
        """Even sides within the bounds, as near as can be."""
        step = self.keep_multiple
        left, top, width, height = wish
        width, height = (max(step, min(a, b)) // step * step for a, b in ((width, bounds[2]), (height, bounds[3])))
        left = max(bounds[0], min(left, bounds[0] + bounds[2] - width))
        return [left, max(bounds[1], min(top, bounds[1] + bounds[3] - height)), width, height]

    def set_crop(self, granted):
        if not self.scales and granted[2:] != self.current[self.queue_of_state.type][:2]:
            self.busy("another size")
            self.resize(*granted[2:])
        self.crop = granted

    def check_old(self, argument):
        if not self.old_selection:
            raise Refusal(errno.ENOTTY, "the selection API, please")
        self.queue(argument.type)

    def vidioc_cropcap(self, file, argument):
        self.check_old(argument)
        for rect in (argument.bounds, argument.defrect):
            rect.left, rect.top, rect.width, rect.height = self.bounds
        argument.aspect.numerator = argument.aspect.denominator = 1

    def vidioc_g_crop(self, file, argument):
        self.check_old(argument)
        argument.c.left, argument.c.top, argument.c.width, argument.c.height = self.crop

    def vidioc_s_crop(self, file, argument):
        self.check_old(argument)
        rect = argument.c
        self.set_crop(self.fit([rect.left, rect.top, rect.width, rect.height], self.bounds))


class FakeTuner(StateMixin, FakeCamera):
    """A capture device with a webcam, an S-Video and an HDMI input.

    Attributes
    ----------
    fields : set of int
        Field orders that it has; the first one where it has not what is asked for.
    csc : bool
        Whether it converts colours (V4L2_PIX_FMT_FLAG_SET_CSC).
    """

    def __init__(self, kernel, path="/dev/video0", width=640, height=480, **options):
        super().__init__(kernel, path, width=width, height=height, **options)
        self.set_up_state()
        self.frame_sizes = [(16, 1920, 2, 16, 1080, 2)]
        self.fields = [1, 4, 7]
        self.order = 1
        self.csc = True
        self.colours = [3, 2, 2, 1]

    def vidioc_enuminput(self, file, argument):
        argument.status = self.enumerate_connector(argument)

    def vidioc_g_input(self, file, argument):
        self.read_chosen(argument)

    def vidioc_s_input(self, file, argument):
        self.choose(argument)

    def describe(self, fmt, *rest):
        wish = fmt.fmt.pix if rest[0].multiplanar is False else fmt.fmt.pix_mp
        asked = wish.field if wish.field in self.fields else self.fields[0] if wish.field else self.order
        wants = self.csc and wish.flags & 2 and (rest[0].multiplanar or wish.priv == 0xFEEDCAFE)
        colours = [wish.colorspace, wish.ycbcr_enc, wish.quantization, wish.xfer_func] if wants else self.colours
        super().describe(fmt, *rest)
        wish.field = asked
        wish.colorspace, wish.ycbcr_enc, wish.quantization, wish.xfer_func = [
            new or old for new, old in zip(colours, self.colours, strict=True)
        ]
        wish.flags = 0
        if not rest[0].multiplanar:
            wish.priv = 0xFEEDCAFE
        return asked, [wish.colorspace, wish.ycbcr_enc, wish.quantization, wish.xfer_func]

    def vidioc_g_fmt(self, file, fmt):
        pix = fmt.fmt.pix_mp if self.capture.multiplanar else fmt.fmt.pix
        pix.field, pix.flags = 0, 0
        super().vidioc_g_fmt(file, fmt)

    def vidioc_s_fmt(self, file, fmt):
        super().vidioc_s_fmt(file, fmt)
        pix = fmt.fmt.pix_mp if self.capture.multiplanar else fmt.fmt.pix
        self.order = pix.field
        self.colours = [pix.colorspace, pix.ycbcr_enc, pix.quantization, pix.xfer_func]
        if not self.scales:
            self.crop = self.fit([*self.crop[:2], pix.width, pix.height], self.bounds)

    def grant(self, fmt):
        """A device that does not scale gives no more than it takes."""
        if not self.scales:
            pix = fmt.fmt.pix_mp if self.capture.multiplanar else fmt.fmt.pix
            pix.width, pix.height = min(pix.width, self.bounds[2]), min(pix.height, self.bounds[3])
        return super().grant(fmt)


class FakeTransmitter(StateMixin, FakeOutput):
    """An output device with an S-Video and an HDMI output; it remembers the colours that it was told."""

    def __init__(self, kernel, path="/dev/video2", width=640, height=480, **options):
        super().__init__(kernel, path, width=width, height=height, **options)
        self.set_up_state()
        self.connectors = self.connectors[1:]
        self.told = None

    def vidioc_enumoutput(self, file, argument):
        self.enumerate_connector(argument)

    def vidioc_g_output(self, file, argument):
        self.read_chosen(argument)

    def vidioc_s_output(self, file, argument):
        self.choose(argument)

    def vidioc_s_fmt(self, file, fmt):
        pix = fmt.fmt.pix_mp if self.output.multiplanar else fmt.fmt.pix
        assert not pix.flags & 2, "V4L2_PIX_FMT_FLAG_SET_CSC is for capture queues"
        self.told = (pix.colorspace, pix.ycbcr_enc, pix.quantization, pix.xfer_func, pix.field)
        super().vidioc_s_fmt(file, fmt)

    def vidioc_querystd(self, file, argument):
        raise Refusal(errno.ENOTTY, "an output hears nothing")

    vidioc_query_dv_timings = vidioc_querystd
