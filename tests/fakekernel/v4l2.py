"""Fake V4L2 devices: a camera and a mem-to-mem converter. The test is the hardware: it fills and converts."""

import ctypes
import errno

from . import structs
from .kernel import Device, Refusal
from .structs import fourcc
from .v4l2_growth import GrowingDevice
from .v4l2_queue import (
    CAPTURE,
    CAPTURE_MPLANE,
    FLAG_COPY,
    FLAG_LAST,
    FLAG_MONOTONIC,
    OUTPUT,
    OUTPUT_MPLANE,
    FakeQueue,
    libc,
)  # fmt: skip

CAP_CAPTURE, CAP_CAPTURE_MPLANE, CAP_M2M, CAP_M2M_MPLANE = 0x1, 0x1000, 0x8000, 0x4000
CAP_STREAMING, CAP_DEVICE_CAPS = 0x04000000, 0x80000000
NEXT_CTRL, NEXT_COMPOUND = 0x80000000, 0x40000000


class FakeV4l2(GrowingDevice, Device):
    """What camera and converter share: formats, controls, and the way to the queues."""

    def __init__(self, kernel, path, types, width, height, code, planes, capabilities):
        super().__init__(kernel, path)
        self.capabilities = capabilities | CAP_STREAMING
        self.offsets = {}  # for mmap: offset -> (FakeDmaBuf, length)
        self.formats = [(fourcc(code), 0, b"first"), (fourcc("YUYV"), 0, b"second"), (fourcc("MJPG"), 1, b"coded")]
        self.queues = {}
        self.current = {}  # type -> [width, height, fourcc]
        self.strides = {}
        for type in types:
            self.queues[type] = FakeQueue(self, type, planes or [width * height * 2])
            self.current[type] = [width, height, fourcc(code)]
            self.strides[type] = [size // height for size in self.queues[type].sizes]
        self.interval = [1, 30]
        self.frame_sizes = [(640, 480), (320, 240)]  # or (min w, max w, step, min h, max h, step)
        self.frame_intervals = [(1, 30), (1, 15)]
        # id -> [name, type, minimum, maximum, step, default, value, flags]
        self.controls = {
            0x00980001: ["User Controls", 6, 0, 0, 0, 0, 0, 0x44],
            0x00980900: ["Brightness", 1, 0, 255, 1, 128, 128, 0],
            0x00980901: ["Contrast", 1, -10, 10, 1, 0, 0, 0],
        }
        self.menus = {}  # id -> {index: text or number}
        self.hardware_refuses = None  # id of a control that fails when it is set

    def closed(self, file):
        for queue in self.queues.values():
            if queue.file is file:
                queue.streamoff(file)
                queue.free_all()

    def queue(self, type):
        if type not in self.queues:
            raise Refusal(errno.EINVAL, f"no queue of type {type}")
        return self.queues[type]

    def vidioc_querycap(self, file, cap):
        cap.driver, cap.card, cap.bus_info = b"fake", b"Fake device", b"platform:fake"
        cap.capabilities, cap.device_caps = self.capabilities | CAP_DEVICE_CAPS, self.capabilities

    def formats_of(self, type):
        """Formats of a queue: (fourcc, flags, description)."""
        return self.formats

    def vidioc_enum_fmt(self, file, desc):
        self.queue(desc.type)
        listed = self.formats_of(desc.type)
        if desc.index >= len(listed):
            raise Refusal(errno.EINVAL, "the end of the list")
        desc.pixelformat, desc.flags, desc.description = listed[desc.index]

    def vidioc_g_fmt(self, file, fmt):
        queue = self.queue(fmt.type)
        self.describe(fmt, queue, *self.current[fmt.type], queue.sizes, self.strides[fmt.type])

    def describe(self, fmt, queue, width, height, code, sizes, strides):
        if queue.multiplanar:
            pix = fmt.fmt.pix_mp
            pix.num_planes = len(sizes)
            for plane, size, stride in zip(pix.plane_fmt, sizes, strides, strict=False):
                plane.sizeimage, plane.bytesperline = size, stride
        else:
            pix = fmt.fmt.pix
            pix.sizeimage, pix.bytesperline = sizes[0], strides[0]
        pix.width, pix.height, pix.pixelformat, pix.field, pix.colorspace = width, height, code, 1, 8

    def grant(self, fmt):
        """What a driver makes of a wish: even sizes, strides of whole cache lines, a format that it has."""
        queue = self.queue(fmt.type)
        pix = fmt.fmt.pix_mp if queue.multiplanar else fmt.fmt.pix
        width, height = max(16, min(pix.width, 1920)) & ~1, max(16, min(pix.height, 1080)) & ~1
        known = [code for code, _, _ in self.formats_of(fmt.type)]
        code = pix.pixelformat if pix.pixelformat in known else known[0]
        strides = [-(-width * 2 // 64) * 64] * len(queue.sizes)
        return queue, width, height, code, [stride * height for stride in strides], strides

    def vidioc_try_fmt(self, file, fmt):
        self.describe(fmt, *self.grant(fmt))

    def vidioc_s_fmt(self, file, fmt):
        queue, width, height, code, sizes, strides = self.grant(fmt)
        if queue.buffers:  # most drivers look at nothing else, though what is asked for be what is set
            raise Refusal(errno.EBUSY, "buffers are allocated")
        self.current[fmt.type] = [width, height, code]
        queue.sizes, self.strides[fmt.type] = sizes, strides
        self.describe(fmt, queue, width, height, code, sizes, strides)

    def vidioc_g_parm(self, file, parm):
        self.queue(parm.type)
        parm.timeperframe.numerator, parm.timeperframe.denominator = self.interval

    def vidioc_s_parm(self, file, parm):
        self.queue(parm.type)
        wish = parm.timeperframe
        if not wish.denominator or wish.numerator / wish.denominator < 1 / 60:
            wish.numerator, wish.denominator = 1, 60
        self.interval = [wish.numerator, wish.denominator]

    def vidioc_enum_framesizes(self, file, size):
        if size.pixel_format not in [code for type in self.queues for code, _, _ in self.formats_of(type)]:
            raise Refusal(errno.EINVAL, "no such format")
        if size.index >= len(self.frame_sizes):
            raise Refusal(errno.EINVAL, "the end of the list")
        self.enumerate(size, self.frame_sizes[size.index], 2)

    def vidioc_enum_frameintervals(self, file, interval):
        if interval.index >= len(self.frame_intervals):
            raise Refusal(errno.EINVAL, "the end of the list")
        self.enumerate(interval, self.frame_intervals[interval.index], 2)

    def enumerate(self, argument, values, discrete):
        argument.type = 1 if len(values) == discrete else 3
        for i, value in enumerate(values):
            argument.values[i] = value

    def vidioc_query_ext_ctrl(self, file, query):
        wanted = query.id & ~(NEXT_CTRL | NEXT_COMPOUND)
        if query.id & NEXT_CTRL:
            later = [id for id in sorted(self.controls) if id > wanted]
            if not later:
                raise Refusal(errno.EINVAL, "the end of the list")
            wanted = later[0]
        elif wanted not in self.controls:
            raise Refusal(errno.EINVAL, "no such control")
        name, query.type, query.minimum, query.maximum, query.step, query.default_value, _, query.flags = self.controls[
            wanted
        ]
        query.id, query.name = wanted, name.encode()

    def vidioc_querymenu(self, file, entry):
        if entry.id not in self.menus or not self.menus[entry.id].get(entry.index):
            raise Refusal(errno.EINVAL, "no menu, or no such entry")
        text = self.menus[entry.id][entry.index]
        raw = text.encode() if isinstance(text, str) else text.to_bytes(8, "little", signed=True)
        entry.name = (structs.U8 * 32)(*raw)

    def vidioc_g_ext_ctrls(self, file, controls):
        for control in self.each(controls):
            control.value = self.controls[control.id][6]

    def vidioc_try_ext_ctrls(self, file, controls):
        for control in self.each(controls):
            self.check_control(control, False)

    def vidioc_s_ext_ctrls(self, file, controls):
        """As the control framework: all are checked before any is set, and then no index is told."""
        try:
            for control in self.each(controls):
                self.check_control(control, True)
        except Refusal:
            controls.error_idx = controls.count
            raise
        for control in self.each(controls):
            if control.id == self.hardware_refuses:
                raise Refusal(errno.EIO, "the hardware does not answer")
            _, type, minimum, maximum, _, _, _, _ = self.controls[control.id]
            if type == 7:
                self.controls[control.id][6] = (
                    ctypes.string_at(self.pointer(control), control.size).rstrip(b"\0").decode()
                )
                continue
            value = self.pointer(control, signed=True) if type == 5 else control.value
            if type in (1, 2, 5):
                value = max(minimum, min(value, maximum))
            control.value = value if type != 5 else control.value
            self.controls[control.id][6] = value

    def pointer(self, control, signed=False):
        raw = bytes(control)[12:20]
        return int.from_bytes(raw, "little", signed=signed)

    def check_control(self, control, set):
        _, type, minimum, maximum, _, _, _, flags = self.controls[control.id]
        if flags & 4:
            raise Refusal(errno.EACCES, "read-only")
        if set and flags & 2:
            raise Refusal(errno.EBUSY, "grabbed")
        if type in (3, 9):
            if not minimum <= control.value <= maximum:
                raise Refusal(errno.ERANGE, "index of a menu")
            if not self.menus[control.id].get(control.value):
                raise Refusal(errno.EINVAL, "a hole in the menu")

    def each(self, controls):
        for i in range(controls.count):
            controls.error_idx = i
            control = structs.ExtControl.from_address(controls.controls + i * 20)
            if control.id not in self.controls:
                raise Refusal(errno.EINVAL, f"no control {control.id:#x}")
            yield control

    def vidioc_reqbufs(self, file, argument):
        queue = self.queue(argument.type)
        if queue.buffers and queue.file is not file:
            raise Refusal(errno.EBUSY, "another open file owns the queue")
        queue.reqbufs(file, argument)
        queue.file = file

    def vidioc_querybuf(self, file, b):
        self.queue(b.type).querybuf(file, b)

    def vidioc_expbuf(self, file, argument):
        self.queue(argument.type).expbuf(file, argument)

    def vidioc_qbuf(self, file, b):
        self.queue(b.type).qbuf(file, b)
        self.work()

    def vidioc_dqbuf(self, file, b):
        self.queue(b.type).dqbuf(file, b)
        self.work()

    def vidioc_streamon(self, file, argument):
        self.queue(argument.value).streamon(file)
        self.work()

    def vidioc_streamoff(self, file, argument):
        self.queue(argument.value).streamoff(file)
        self.work()

    def mmap(self, file, length, protection, offset):
        memory, size = self.offsets.get(offset, (None, 0))
        if memory is None or length > size:
            raise Refusal(errno.EINVAL, f"offset {offset:#x} length {length}")
        address = libc.mmap(None, length, protection, 1, memory.number, 0)
        if address == ctypes.c_void_p(-1).value:
            raise Refusal(ctypes.get_errno(), "mmap")
        return address

    def work(self):
        """Do what the hardware does by itself, and let poll() know."""

    def break_queue(self, type=None):
        """Let a queue fail with EIO, as vb2_queue_error() does."""
        with self.kernel.lock:
            for queue in self.queues.values():
                if type in (None, queue.type):
                    queue.error = True
            self.work()


class FakeCamera(FakeV4l2):
    """A capture device. ``fill()`` makes a frame; with ``auto`` frames make themselves as buffers come.

    Parameters
    ----------
    planes : list of int, optional
        ``sizeimage`` per memory plane.
    multiplanar : bool
        Which API the device has.
    """

    def __init__(self, kernel, path="/dev/video0", width=64, height=16, code="YUYV", planes=None, multiplanar=False):
        self.auto = 0
        self.last_at_end = False
        type = CAPTURE_MPLANE if multiplanar else CAPTURE
        super().__init__(
            kernel, path, [type], width, height, code, planes, CAP_CAPTURE_MPLANE if multiplanar else CAP_CAPTURE
        )
        self.capture = self.queues[type]

    def fill(self, index=None, data=None, **values):
        """Fill the oldest queued buffer, or the one named; see :meth:`FakeQueue.finish` for the values."""
        with self.kernel.lock:
            buffer = self.capture.take(index)
            if data is not None:
                self.capture.write(buffer, data)
            values.setdefault("flags", FLAG_MONOTONIC)
            self.capture.finish(buffer, **values)
            self.work()
            return buffer

    def work(self):
        queue = self.capture
        while self.auto and queue.streaming and queue.queued:
            self.auto -= 1
            last = FLAG_LAST if self.last_at_end and not self.auto else 0
            queue.finish(queue.take(), flags=FLAG_MONOTONIC | last)
        for file in self.files:
            file.set_readable(queue.answers_poll)


class FakeM2m(FakeV4l2):
    """A mem-to-mem device. ``convert()`` turns one OUTPUT buffer into one CAPTURE buffer; with ``auto`` by itself."""

    def __init__(
        self, kernel, path="/dev/video1", width=64, height=16, code="YUYV", planes=None, multiplanar=False, auto=False
    ):
        self.auto = auto
        self.transform = lambda planes: planes
        self.converted = 0
        types = [OUTPUT_MPLANE, CAPTURE_MPLANE] if multiplanar else [OUTPUT, CAPTURE]
        super().__init__(kernel, path, types, width, height, code, planes, CAP_M2M_MPLANE if multiplanar else CAP_M2M)
        self.output, self.capture = self.queues[types[0]], self.queues[types[1]]

    def convert(self, **values):
        """Convert one frame; ``flags`` and the like are for the CAPTURE buffer."""
        with self.kernel.lock:
            self.finish_capture(self.finish_output(), **values)

    def finish_output(self):
        """Be done with the input alone; gives what :meth:`finish_capture` needs."""
        with self.kernel.lock:
            source = self.output.take()
            content, stamp = self.output.read(source), source.timestamp_ns
            self.output.finish(source, bytesused=[p.bytesused for p in source.planes], timestamp_ns=stamp)
            self.work(automatic=False)
            return content, stamp

    def finish_capture(self, taken, **values):
        content, stamp = taken
        with self.kernel.lock:
            target = self.capture.take()
            self.capture.write(target, self.transform(content))
            values.setdefault("flags", FLAG_COPY)
            self.capture.finish(target, timestamp_ns=stamp, **values)
            self.converted += 1
            self.work(automatic=False)

    def work(self, automatic=True):
        while automatic and self.auto and all(q.streaming and q.queued for q in self.queues.values()):
            self.convert()
        # v4l2_m2m_poll: POLLERR, that is both, where neither queue has anything to wait for
        idle = all(not q.streaming or (not q.queued and not q.done) for q in self.queues.values())
        for file in self.files:
            file.set_readable(bool(self.capture.done or self.capture.error or self.capture.ended or idle))
            file.set_writable(bool(self.output.done or self.output.error or idle))
