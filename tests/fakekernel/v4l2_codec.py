"""Fake codecs after the kernel's vicodec: a lossless "FWHT" whose coded frame is a header and the pixels."""

import errno
import struct

from .kernel import Refusal
from .structs import fourcc
from .v4l2 import CAP_M2M, CAP_M2M_MPLANE, FakeV4l2
from .v4l2_queue import CAPTURE, CAPTURE_MPLANE, FLAG_COPY, FLAG_ERROR, FLAG_LAST, OUTPUT, OUTPUT_MPLANE

MAGIC = b"OOOO\xff\xff\xff\xff"
HEADER = struct.Struct("<8sIII")  # magic, visible width and height, kind of samples
KEYFRAME, PFRAME = 0x8, 0x10
SOURCE_CHANGE, RESOLUTION = 5, 1
CROP, COMPOSE = 0, 0x100
STOP, START = 1, 0
# fourcc -> kind of samples, subsampling, bytes a row for each pixel, bytes for each pixel (twice)
RAW = {
    "YU12": ("420", (2, 2), 1, 3), "NV12": ("420", (2, 2), 1, 3), "YUYV": ("422", (2, 1), 2, 4),
    "RGB3": ("rgb", (1, 1), 3, 6), "XR24": ("rgb", (1, 1), 4, 8), "AR24": ("argb", (1, 1), 4, 8),
}  # fmt: skip
KINDS = list(dict.fromkeys(kind for kind, *_ in RAW.values()))


def raw_of(code):
    return RAW[code.to_bytes(4, "little").decode()]


class FakeCodec(FakeV4l2):
    """What encoder and decoder share: formats, the drain, and the way from queue to queue.

    Attributes
    ----------
    delay : int
        Frames that it keeps back until more come, or the drain.
    commands : bool
        Whether it knows VIDIOC_ENCODER_CMD or VIDIOC_DECODER_CMD.
    """

    encodes = False

    def __init__(self, kernel, path, width=64, height=16, raw="NV12", multiplanar=False, block=8):
        types = [OUTPUT_MPLANE, CAPTURE_MPLANE] if multiplanar else [OUTPUT, CAPTURE]
        self.block = block
        self.delay = 0
        self.commands = True
        self.raw_names = list(RAW)
        self.visible = (width, height)
        super().__init__(kernel, path, types, width, height, raw, None, CAP_M2M_MPLANE if multiplanar else CAP_M2M)
        self.output, self.capture = self.queues[types[0]], self.queues[types[1]]
        self.raw_queue, self.coded_queue = (self.output, self.capture) if self.encodes else (self.capture, self.output)
        self.draining = self.stopped = False
        self.coded_count = 0
        for queue, code in ((self.raw_queue, fourcc(raw)), (self.coded_queue, fourcc("FWHT"))):
            self.store(queue.type, *self.layout(code, width, height))
        self.frame_sizes = [(16, 1920, 8, 16, 1088, 8)]
        if self.encodes:
            self.controls[0x00980928] = ["Min Number of Output Buffers", 1, 1, 1, 1, 1, 1, 0x84]
            self.controls[0x009909CB] = ["Video GOP Size", 1, 1, 16, 1, 10, 10, 0]
            self.controls[0x009909CF] = ["Video Bitrate", 1, 1000, 9000, 1, 5000, 5000, 0]
            self.controls[0x009909CE] = ["Video Bitrate Mode", 3, 0, 1, 1, 0, 0, 0]
            self.controls[0x009909E5] = ["Force Key Frame", 4, 0, 0, 0, 0, 0, 0x40]
            self.menus[0x009909CE] = {0: "Variable Bitrate", 1: "Constant Bitrate"}

    def formats_of(self, type):
        if self.queues[type] is self.raw_queue:
            return [(fourcc(name), 0, b"raw") for name in self.raw_names]
        return [(fourcc("FWHT"), 1 if self.encodes else 9, b"coded")]

    def layout(self, code, width, height):
        """Give what a driver makes of a size: blocks of samples, rows of whole blocks."""
        if code == fourcc("FWHT"):
            across, down, line, size = 1, 1, 0, 8
        else:
            _, (across, down), line, size = raw_of(code)
        step_w, step_h = self.block * across, self.block * down
        width = -(-max(16, min(width, 1920)) // step_w) * step_w
        height = -(-max(16, min(height, 1088)) // step_h) * step_h
        return width, height, code, [width * height * size // 2 + (HEADER.size if line == 0 else 0)], [width * line]

    def grant(self, fmt):
        queue = self.queue(fmt.type)
        pix = fmt.fmt.pix_mp if queue.multiplanar else fmt.fmt.pix
        known = [code for code, _, _ in self.formats_of(fmt.type)]
        code = pix.pixelformat if pix.pixelformat in known else known[0]
        width, height = pix.width, pix.height
        if self.encodes and queue is self.coded_queue:
            width, height = self.current[self.raw_queue.type][:2]
        return queue, *self.layout(code, width, height)

    def vidioc_s_fmt(self, file, fmt):
        queue, width, height, code, sizes, strides = self.grant(fmt)
        changed = [width, height, code] != self.current[fmt.type]
        if queue.buffers and (changed or not self.encodes):  # vicodec's decoder does not look whether it changed
            raise Refusal(errno.EBUSY, "buffers are allocated")
        self.store(fmt.type, width, height, code, sizes, strides)
        self.describe(fmt, queue, width, height, code, sizes, strides)
        if self.encodes and queue is self.raw_queue:
            self.visible = (width, height)
            self.store(self.coded_queue.type, *self.layout(fourcc("FWHT"), width, height))

    def store(self, type, width, height, code, sizes, strides):
        self.current[type] = [width, height, code]
        self.queues[type].sizes, self.strides[type] = sizes, strides

    # Selection

    def vidioc_g_selection(self, file, selection):
        if selection.type != (OUTPUT if self.encodes else CAPTURE) or selection.target != (
            CROP if self.encodes else COMPOSE
        ):
            raise Refusal(errno.EINVAL, "target")
        selection.left = selection.top = 0
        selection.width, selection.height = self.visible

    def vidioc_s_selection(self, file, selection):
        if not self.encodes:
            raise Refusal(errno.EINVAL, "a decoder's picture is its stream's")
        self.vidioc_g_selection(file, self.kernel_copy(selection))
        width, height = self.current[self.raw_queue.type][:2]
        self.visible = (max(16, min(selection.width, width)), max(16, min(selection.height, height)))
        selection.left = selection.top = 0
        selection.width, selection.height = self.visible

    def kernel_copy(self, argument):
        return type(argument).from_buffer_copy(argument)

    # The drain, as v4l2-mem2mem's helpers do it

    def command(self, cmd):
        if not self.commands:
            raise Refusal(errno.ENOTTY, "no such command")
        if cmd not in (STOP, START):
            raise Refusal(errno.EINVAL, "no such command")
        if not self.output.streaming:
            return
        if cmd == START:
            self.stopped = self.capture.ended = False
            return
        if self.draining:
            raise Refusal(errno.EBUSY, "it drains already")
        if not self.stopped:
            self.draining = True
            self.work()

    def finish_last(self):
        """Mark the end with an empty buffer, as soon as there is one."""
        if self.capture.streaming and self.capture.queued:
            self.capture.finish(self.capture.take(), flags=FLAG_LAST, bytesused=0)
            self.draining, self.stopped = False, True

    def vidioc_streamoff(self, file, argument):
        super().vidioc_streamoff(file, argument)
        if argument.value == self.capture.type:
            self.draining = self.stopped = False

    def vidioc_streamon(self, file, argument):
        self.stopped = False
        super().vidioc_streamon(file, argument)

    def ready(self):
        """Whether a frame can go through now."""
        queued = len(self.output.queued)
        return (
            all(q.streaming and q.queued for q in self.queues.values())
            and not self.stopped
            and (queued > self.delay or self.draining)
        )

    def work(self):
        while self.ready():
            self.step()
        if self.draining and self.output.streaming and not self.output.queued:
            self.finish_last()
        # v4l2_m2m_poll: POLLERR, that is both, where neither queue has anything to wait for
        idle = all(not q.streaming or q.error or not (q.queued or q.done or q.ended) for q in self.queues.values())
        for file in self.files:
            file.set_readable(bool(self.capture.done or self.capture.error or self.capture.ended or idle))
            file.set_writable(bool(self.output.done or self.output.error or idle))

    def last_flag(self):
        """LAST for the frame that is about to be finished, where nothing is behind it."""
        if self.draining and not self.output.queued:
            self.draining, self.stopped = False, True
            return FLAG_LAST
        return 0


class FakeEncoder(FakeCodec):
    """An encoder."""

    encodes = True

    def vidioc_encoder_cmd(self, file, command):
        self.command(command.cmd)

    def step(self):
        source = self.output.take()
        pixels = b"".join(self.output.read(source))
        width, height, code = self.current[self.raw_queue.type]
        kind = KINDS.index(raw_of(code)[0])
        target = self.capture.take()
        content = HEADER.pack(MAGIC, *self.visible, kind) + planar(pixels, code, width, height)
        self.capture.write(target, content)
        button = self.controls.get(0x009909E5, [0] * 7)
        forced, button[6] = button[6], 0
        flags = KEYFRAME if forced or self.coded_count % self.controls[0x009909CB][6] == 0 else PFRAME
        self.coded_count += 1
        self.capture.finish(
            target, bytesused=len(content), timestamp_ns=source.timestamp_ns,
            flags=FLAG_COPY | flags | self.last_flag(),
        )  # fmt: skip
        self.output.finish(source, bytesused=[p.bytesused for p in source.planes], timestamp_ns=source.timestamp_ns)


class FakeDecoder(FakeCodec):
    """A decoder.

    Attributes
    ----------
    events_known : bool
        Whether it knows V4L2_EVENT_SOURCE_CHANGE.
    late : bool
        Whether it reads the first header by itself (:meth:`read_header`) and not within VIDIOC_QBUF.
    """

    def __init__(self, kernel, path, *arguments, **options):
        super().__init__(kernel, path, *arguments, **options)
        self.events_known, self.late = True, False
        self.pending = []
        self.subscribed = set()
        self.header_seen = self.source_changed = False
        self.minimum_of_stream = None  # MIN_BUFFERS_FOR_CAPTURE, once the header is read
        self.announce_again = set()  # frames in front of which it tells of a new stream that is like the old one
        self.decoded = 0

    def opened(self, file):
        self.pending.clear()
        self.subscribed.clear()

    def vidioc_decoder_cmd(self, file, command):
        self.command(command.cmd)

    def vidioc_subscribe_event(self, file, subscription):
        if not self.events_known or subscription.type != SOURCE_CHANGE:
            raise Refusal(errno.EINVAL, "no such event")
        self.subscribed.add(subscription.type)

    def vidioc_dqevent(self, file, event):
        if not self.pending:
            assert file.nonblocking
            raise Refusal(errno.ENOENT, "no event")
        event.type, event.u[0] = SOURCE_CHANGE, self.pending.pop(0)
        event.pending = len(self.pending)
        self.tell_events()

    def tell_events(self):
        for file in self.files:
            file.set_urgent(bool(self.pending))

    def vidioc_qbuf(self, file, b):
        super().vidioc_qbuf(file, b)
        if not self.late:
            self.look_for_header()

    def vidioc_streamon(self, file, argument):
        super().vidioc_streamon(file, argument)
        if not self.late:
            self.look_for_header()

    def vidioc_streamoff(self, file, argument):
        super().vidioc_streamoff(file, argument)
        if argument.value == self.output.type:
            self.header_seen = False
        else:
            self.source_changed = False

    def read_header(self):
        """Read the header at last, as slow hardware does."""
        with self.kernel.lock:
            self.late = False
            self.look_for_header()

    def look_for_header(self):
        """As vicodec_buf_queue: before CAPTURE streams, the first header sets its format."""
        while self.output.streaming and not self.capture.streaming and not self.header_seen and self.output.queued:
            head = self.header_of(self.output.queued[0])
            if head is None:
                scrap = self.output.take()
                self.output.finish(scrap, flags=FLAG_ERROR, timestamp_ns=scrap.timestamp_ns)
                self.work()
                continue
            self.header_seen = True
            self.change(head)

    def header_of(self, buffer):
        content = b"".join(self.output.read(buffer))
        if len(content) < HEADER.size or not content.startswith(MAGIC):
            return None
        return HEADER.unpack_from(content)[1:]

    def change(self, head):
        width, height, kind = head
        code = next(fourcc(name) for name, (own, *_) in RAW.items() if own == KINDS[kind])
        self.visible = (width, height)
        self.store(self.capture.type, *self.layout(code, width, height))
        if self.minimum_of_stream is not None:
            self.controls[0x00980927] = ["Min Number of Capture Buffers", 1, 1, 32, 1, 1, self.minimum_of_stream, 0x84]
        if SOURCE_CHANGE in self.subscribed:
            self.pending.append(RESOLUTION)
            self.tell_events()

    def ready(self):
        return super().ready() and not self.source_changed

    def step(self):
        width, height, code = self.current[self.capture.type]
        kind, subsampling, *_ = raw_of(code)
        head = self.header_of(self.output.queued[0])
        assert head is not None, "a decoder in mid-stream was given no coded frame"
        found = next(raw for raw in RAW.values() if raw[0] == KINDS[head[2]])
        if self.visible != head[:2] or found[1] != subsampling or self.decoded in self.announce_again:
            self.announce_again.discard(self.decoded)
            target = self.capture.take()
            self.capture.finish(target, flags=FLAG_LAST, bytesused=0)
            self.change(head)
            self.source_changed = True
            return
        self.decoded += 1
        source = self.output.take()
        content = b"".join(self.output.read(source))[HEADER.size :]
        target = self.capture.take()
        flags = FLAG_COPY | (KEYFRAME if source.flags & KEYFRAME else PFRAME) | self.last_flag()
        if kind == found[0]:
            self.capture.write(target, packed(content, code, width, height))
            self.capture.finish(target, timestamp_ns=source.timestamp_ns, flags=flags)
        else:
            self.capture.finish(target, timestamp_ns=source.timestamp_ns, flags=flags | FLAG_ERROR, bytesused=0)
        self.output.finish(source, bytesused=[p.bytesused for p in source.planes], timestamp_ns=source.timestamp_ns)


def planar(pixels, code, width, height):
    """Give the samples of a picture in the order of their kind's first format."""
    if code == fourcc("NV12"):
        luma, chroma = pixels[: width * height], pixels[width * height :]
        return luma + chroma[::2] + chroma[1::2]
    if code == fourcc("XR24"):
        return bytes(value for at in range(0, len(pixels), 4) for value in pixels[at : at + 3][::-1])
    return pixels


def packed(content, code, width, height):
    """Turn :func:`planar` around."""
    if code == fourcc("NV12"):
        luma, chroma = content[: width * height], content[width * height :]
        mixed = bytearray(len(chroma))
        mixed[::2], mixed[1::2] = chroma[: len(chroma) // 2], chroma[len(chroma) // 2 :]
        return luma + bytes(mixed)
    if code == fourcc("XR24"):
        return b"".join(content[at : at + 3][::-1] + b"\xff" for at in range(0, len(content), 3))
    return content
