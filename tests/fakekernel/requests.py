"""Fake requests after the kernel's media-request.c, and a stateless decoder that wants them, after its vicodec."""

import ctypes
import errno
import struct

from . import structs
from .kernel import Device, Refusal
from .structs import Int, fourcc
from .v4l2_codec import KEYFRAME, PFRAME, FakeCodec
from .v4l2_queue import FLAG_COPY, FLAG_ERROR, QUEUED, FakeQueue

REQUEST_FD = 0x00800000
REQUEST_VALUES = 0x0F010000
FWHT_PARAMS = 0x00A40900 + 100
PARAMS = struct.Struct("<Q8I")
HEADER = struct.Struct(">8s9I")  # of a stream; the device is not shown it
MAGIC = b"OOOO\xff\xff\xff\xff"
I_FRAME = 1 << 10
IDLE, UNDER_WAY, COMPLETE = "idle", "under way", "complete"

for _number, _name, _struct in (
    (2 << 30 | 4 << 16 | ord("|") << 8 | 5, "MEDIA_IOC_REQUEST_ALLOC", Int),
    (ord("|") << 8 | 0x80, "MEDIA_REQUEST_IOC_QUEUE", None),
    (ord("|") << 8 | 0x81, "MEDIA_REQUEST_IOC_REINIT", None),
):
    structs.REQUESTS[_number] = (_name, _struct)
    structs.NUMBERS[_name] = _number


class FakeMedia(Device):
    """A media device whose requests go to one V4L2 device."""

    def __init__(self, kernel, device, path="/dev/media0"):
        super().__init__(kernel, path)
        self.device = device
        device.media = self
        self.requests = []

    def media_ioc_request_alloc(self, file, argument):
        request = FakeRequest(self.kernel, f"{self.path}:request{len(self.requests)}", self.device)
        self.requests.append(request)
        argument.value = request.open_file(0)

    def by_descriptor(self, number):
        """Find a request."""
        target, _ = self.kernel.target(number)
        if target is None or not isinstance(target.device, FakeRequest):
            raise Refusal(errno.EINVAL, f"descriptor {number} is no request")
        return target.device


class FakeRequest(Device):
    """One request: controls and buffers that the device gets together."""

    def __init__(self, kernel, path, device):
        super().__init__(kernel, path)
        self.device = device
        self.state = IDLE
        self.controls = {}
        self.buffers = []
        self.times_queued = 0

    def tell(self):
        for file in self.files:
            file.set_urgent(self.state == COMPLETE)

    def media_request_ioc_queue(self, file, argument):
        if self.state != IDLE:
            raise Refusal(errno.EBUSY, f"the request is {self.state}")
        if not self.buffers:
            raise Refusal(errno.ENOENT, "no buffer")
        self.device.validate(self)
        self.state = UNDER_WAY
        self.times_queued += 1
        for queue, buffer in self.buffers:
            queue.queued.append(buffer)
        self.device.work()

    def media_request_ioc_reinit(self, file, argument):
        if self.state == UNDER_WAY:
            raise Refusal(errno.EBUSY, "the request is under way")
        for queue, buffer in self.buffers:
            if buffer.request is self:
                queue.release(buffer)
        self.state, self.controls, self.buffers = IDLE, {}, []
        self.tell()

    def complete(self):
        """Be done, as the driver says."""
        assert self.state == UNDER_WAY
        self.state = COMPLETE
        self.tell()


class RequestQueue(FakeQueue):
    """A queue that takes buffers within requests."""

    supports = True
    requires = False

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.uses = ""

    def reqbufs(self, file, argument):
        super().reqbufs(file, argument)
        self.uses = ""
        if self.supports:
            argument.capabilities |= 8
        for buffer in self.buffers:
            buffer.request = None

    def qbuf(self, file, b):
        """Check as vb2_queue_or_prepare_buf() does."""
        if not b.flags & REQUEST_FD:
            if self.requires:
                raise Refusal(errno.EBADR, "this queue takes buffers within requests only")
            if self.uses == "requests":
                raise Refusal(errno.EBUSY, "the queue got buffers within requests")
            self.uses = "direct"
            super().qbuf(file, b)
            return
        if not self.supports:
            raise Refusal(errno.EBADR, "the queue has no requests")
        if self.uses == "direct":
            raise Refusal(errno.EBUSY, "the queue got buffers directly")
        request = self.device.media.by_descriptor(b.request_fd)
        if request.state != IDLE:
            raise Refusal(errno.EBUSY, f"the request is {request.state}")
        self.uses = "requests"
        super().qbuf(file, b)
        buffer = self.queued.pop()  # it goes to the driver with the request
        buffer.request = request
        request.buffers.append((self, buffer))

    def streamoff(self, file):
        requests = {id(b.request): b.request for b in self.buffers if b.request is not None}
        super().streamoff(file)
        for buffer in self.buffers:
            buffer.request = None
        for request in requests.values():
            if request.state == UNDER_WAY:
                request.complete()


class WithRequests:
    """A device whose OUTPUT (or only) queue takes requests; mixed into one of the fakes."""

    def give_requests(self, type, requires=False):
        """Replace a queue by one that takes requests."""
        old = self.queues[type]
        new = RequestQueue(self, type, old.sizes)
        new.requires = requires
        self.queues[type] = new
        return new

    def vidioc_s_ext_ctrls(self, file, controls):
        if controls.which != REQUEST_VALUES:
            super().vidioc_s_ext_ctrls(file, controls)
            return
        request = self.media.by_descriptor(controls.request_fd)
        if request.state != IDLE:
            raise Refusal(errno.EBUSY, f"the request is {request.state}")
        for control in self.each(controls):
            if control.size:
                self.check_payload(control.id, ctypes.string_at(self.pointer(control), control.size))
                request.controls[control.id] = ctypes.string_at(self.pointer(control), control.size)
            else:
                self.check_control(control, True)
                request.controls[control.id] = control.value

    def vidioc_g_ext_ctrls(self, file, controls):
        if controls.which != REQUEST_VALUES:
            super().vidioc_g_ext_ctrls(file, controls)
            return
        request = self.media.by_descriptor(controls.request_fd)
        if request.state != COMPLETE:
            raise Refusal(errno.EACCES, f"the request is {request.state}")
        for control in self.each(controls):
            control.value = request.controls.get(control.id, self.controls[control.id][6])

    def check_payload(self, id, content):
        """Refuse a structure that makes no sense."""

    def validate(self, request):
        """Refuse a request that lacks something."""


class FakeStatelessDecoder(WithRequests, FakeCodec):
    """A stateless decoder of "FWHT": a picture's payload is its pixels, xor those of the picture that it builds on.

    Attributes
    ----------
    late_end : bool
        Whether a request is complete some time after its buffer, by :meth:`end_late`.
    """

    def __init__(self, kernel, path="/dev/video2", media="/dev/media0", **options):
        super().__init__(kernel, path, **options)
        self.output = self.coded_queue = self.give_requests(self.output.type, requires=True)
        self.store(self.output.type, *self.layout(fourcc("SFWH"), *self.visible))
        self.controls[FWHT_PARAMS] = ["FWHT Stateless Parameters", 0x220, 0, 0, 0, 0, 0, 0x100]
        self.seen = []  # the parameters of each picture
        self.headers = []  # what was set outside of requests
        self.late_end = False
        self._unfinished = []
        FakeMedia(kernel, self, media)

    def formats_of(self, type):
        if self.queues[type] is self.raw_queue:
            return [(fourcc(name), 0, b"raw") for name in self.raw_names]
        return [(fourcc("SFWH"), 1, b"coded")]

    def layout(self, code, width, height):
        width, height, _, *rest = super().layout(fourcc("FWHT") if code == fourcc("SFWH") else code, width, height)
        return width, height, code, *rest

    def vidioc_s_ext_ctrls(self, file, controls):
        """Take a header as drivers do whose pictures' format depends on it: while there are no buffers for them."""
        if controls.which == REQUEST_VALUES or not any(control.id == FWHT_PARAMS for control in self.each(controls)):
            super().vidioc_s_ext_ctrls(file, controls)
            return
        for control in self.each(controls):
            content = ctypes.string_at(self.pointer(control), control.size)
            if content not in self.headers[-1:] and self.capture.buffers:
                raise Refusal(errno.EBUSY, "there are buffers of the format that depends on it")
            self.headers.append(content)

    def check_payload(self, id, content):
        if id != FWHT_PARAMS or len(content) != PARAMS.size:
            raise Refusal(errno.EINVAL, "another structure is wanted")
        _, version, width, height, *_ = PARAMS.unpack(content)
        coded_width, coded_height, _ = self.current[self.capture.type]
        if version != 3 or width > coded_width or height > coded_height:
            raise Refusal(errno.EINVAL, "the picture does not fit the format")

    def validate(self, request):
        if FWHT_PARAMS not in request.controls:
            raise Refusal(errno.ENOENT, "the control is missing")
        if len(request.buffers) != 1:
            raise Refusal(errno.EINVAL, "one buffer is wanted")

    def step(self):
        source, target = self.output.take(), self.capture.take()
        request, source.request = source.request, None
        params = PARAMS.unpack(request.controls[FWHT_PARAMS])
        self.seen.append(params)
        content = b"".join(self.output.read(source))
        flags = KEYFRAME if params[4] & I_FRAME else PFRAME
        if not params[4] & I_FRAME:
            content = self.against(params[0], content)
        if content is None:
            flags |= FLAG_ERROR
        else:
            self.capture.write(target, content)
        stamp = source.timestamp_ns
        self.capture.finish(target, timestamp_ns=stamp, flags=FLAG_COPY | flags)
        self.output.finish(source, bytesused=[p.bytesused for p in source.planes], timestamp_ns=stamp)
        if self.late_end:
            self._unfinished.append(request)
        else:
            request.complete()

    def end_late(self):
        """Complete what is not complete."""
        with self.kernel.lock:
            while self._unfinished:
                self._unfinished.pop(0).complete()

    def against(self, stamp, content):
        """Look for the reference as vb2_find_buffer() does; one that was queued again is lost."""
        for buffer in self.capture.buffers:
            if buffer.timestamp_ns == stamp and stamp:
                if buffer.state == QUEUED:
                    self.kernel.complain(f"picture {stamp} is a reference and was queued to be filled")
                pixels = b"".join(self.capture.read(buffer))[: len(content)]
                return bytes(a ^ b for a, b in zip(content, pixels, strict=True))
        return None


def coded_frame(pixels, size, before=None, *, flags=0):
    """Make a frame of a stream for the fake decoder."""
    payload = pixels if before is None else bytes(a ^ b for a, b in zip(pixels, before, strict=True))
    kind = 2 << 16 | 1 << 19 | flags | (I_FRAME if before is None else 0)
    return HEADER.pack(MAGIC, 3, *size, kind, 3, 1, 2, 1, len(payload)) + payload
