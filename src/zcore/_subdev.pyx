"""An open sub-device: the formats, rectangles, intervals and routes of its pads."""

cimport cython
from libc.errno cimport EINVAL, ENOSPC, ENOTTY
from libc.stdint cimport uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

from zcore._errors cimport check, device_error
from zcore._fd cimport Fd
from zcore._sys cimport sys_ioctl
from zcore._v4l2_device cimport V4l2Device
from zcore.uapi.media cimport (
    V4L2_SUBDEV_FORMAT_ACTIVE,
    V4L2_SUBDEV_FORMAT_TRY,
    ZC_V4L2_SUBDEV_CAP_RO_SUBDEV,
    ZC_V4L2_SUBDEV_CAP_STREAMS,
    ZC_V4L2_SUBDEV_CLIENT_CAP_INTERVAL_USES_WHICH,
    ZC_V4L2_SUBDEV_CLIENT_CAP_STREAMS,
    ZC_VIDIOC_SUBDEV_ENUM_FRAME_INTERVAL,
    ZC_VIDIOC_SUBDEV_ENUM_FRAME_SIZE,
    ZC_VIDIOC_SUBDEV_ENUM_MBUS_CODE,
    ZC_VIDIOC_SUBDEV_G_FMT,
    ZC_VIDIOC_SUBDEV_G_FRAME_INTERVAL,
    ZC_VIDIOC_SUBDEV_G_ROUTING,
    ZC_VIDIOC_SUBDEV_G_SELECTION,
    ZC_VIDIOC_SUBDEV_QUERYCAP,
    ZC_VIDIOC_SUBDEV_S_CLIENT_CAP,
    ZC_VIDIOC_SUBDEV_S_FMT,
    ZC_VIDIOC_SUBDEV_S_FRAME_INTERVAL,
    ZC_VIDIOC_SUBDEV_S_ROUTING,
    ZC_VIDIOC_SUBDEV_S_SELECTION,
    zc_v4l2_subdev_capability,
    zc_v4l2_subdev_client_capability,
    zc_v4l2_subdev_format,
    zc_v4l2_subdev_frame_interval,
    zc_v4l2_subdev_frame_interval_enum,
    zc_v4l2_subdev_frame_size_enum,
    zc_v4l2_subdev_mbus_code_enum,
    zc_v4l2_subdev_route,
    zc_v4l2_subdev_routing,
    zc_v4l2_subdev_selection,
)
from zcore.uapi.videodev2 cimport VIDIOC_ENUM_FMT, v4l2_fmtdesc

from typing import NamedTuple


class MbusFormat(NamedTuple):
    """What a pad carries: size in pixels, code of the media bus, field order and colorimetry as V4L2 numbers them."""

    width: int
    height: int
    code: int
    field: int
    colorspace: int
    ycbcr_enc: int
    quantization: int
    xfer_func: int


class Route(NamedTuple):
    """A way through a sub-device: which stream of a sink pad goes to which stream of a source pad."""

    sink_pad: int
    sink_stream: int
    source_pad: int
    source_stream: int
    flags: int


cdef uint32_t _which(bint test) noexcept:
    return V4L2_SUBDEV_FORMAT_TRY if test else V4L2_SUBDEV_FORMAT_ACTIVE


@cython.final
cdef class Subdev:
    """An open ``/dev/v4l-subdevN``.

    ``test`` of its methods means the try state, which belongs to this open file and changes no hardware.
    """

    cdef readonly Fd fd
    cdef readonly str path
    cdef readonly bint read_only, has_streams

    def __init__(self, path):
        cdef zc_v4l2_subdev_capability cap
        cdef zc_v4l2_subdev_client_capability client
        cdef int result
        self.fd = Fd.open(path)
        self.path = self.fd.name
        memset(&cap, 0, sizeof(cap))
        result = sys_ioctl(self.fd.number, ZC_VIDIOC_SUBDEV_QUERYCAP, &cap)
        if result < 0 and result != -ENOTTY:  # Linux 5.8 has brought it
            self.fd.close()
            raise device_error(-result, "VIDIOC_SUBDEV_QUERYCAP", self.path,
                               "this is no sub-device" if result == -EINVAL else "")
        self.read_only = result >= 0 and cap.capabilities & ZC_V4L2_SUBDEV_CAP_RO_SUBDEV
        self.has_streams = result >= 0 and cap.capabilities & ZC_V4L2_SUBDEV_CAP_STREAMS
        # Without it the kernel ignores the field 'stream', and 'which' of intervals; older ones do not know the call.
        client.capabilities = (ZC_V4L2_SUBDEV_CLIENT_CAP_INTERVAL_USES_WHICH
                               | (ZC_V4L2_SUBDEV_CLIENT_CAP_STREAMS if self.has_streams else 0))
        sys_ioctl(self.fd.number, ZC_VIDIOC_SUBDEV_S_CLIENT_CAP, &client)

    def codes(self, uint32_t pad, *, bint test=False, uint32_t stream=0):
        """List the codes of the media bus that a pad can carry, in the driver's order; empty where it does not tell."""
        cdef zc_v4l2_subdev_mbus_code_enum code
        cdef int result
        found = []
        while True:
            memset(&code, 0, sizeof(code))
            code.pad, code.index, code.which, code.stream = pad, len(found), _which(test), stream
            result = sys_ioctl(self.fd.number, ZC_VIDIOC_SUBDEV_ENUM_MBUS_CODE, &code)
            if result == -EINVAL or result == -ENOTTY:
                return found
            check(result, "VIDIOC_SUBDEV_ENUM_MBUS_CODE", self.path)
            found.append(code.code)

    def sizes(self, uint32_t pad, uint32_t code, *, bint test=False, uint32_t stream=0):
        """List the sizes of a code as ``(min width, max width, min height, max height)``, pixels."""
        cdef zc_v4l2_subdev_frame_size_enum size
        cdef int result
        found = []
        while True:
            memset(&size, 0, sizeof(size))
            size.pad, size.index, size.code, size.which, size.stream = pad, len(found), code, _which(test), stream
            result = sys_ioctl(self.fd.number, ZC_VIDIOC_SUBDEV_ENUM_FRAME_SIZE, &size)
            if result == -EINVAL or result == -ENOTTY:
                return found
            check(result, "VIDIOC_SUBDEV_ENUM_FRAME_SIZE", self.path)
            found.append((size.min_width, size.max_width, size.min_height, size.max_height))

    def intervals(self, uint32_t pad, uint32_t code, uint32_t width, uint32_t height, *, bint test=False,
                  uint32_t stream=0):
        """List the frame intervals of a code and size as ``(numerator, denominator)``, seconds."""
        cdef zc_v4l2_subdev_frame_interval_enum ival
        cdef int result
        found = []
        while True:
            memset(&ival, 0, sizeof(ival))
            ival.pad, ival.index, ival.code, ival.which, ival.stream = pad, len(found), code, _which(test), stream
            ival.width, ival.height = width, height
            result = sys_ioctl(self.fd.number, ZC_VIDIOC_SUBDEV_ENUM_FRAME_INTERVAL, &ival)
            if result == -EINVAL or result == -ENOTTY:
                return found
            check(result, "VIDIOC_SUBDEV_ENUM_FRAME_INTERVAL", self.path)
            found.append((ival.interval.numerator, ival.interval.denominator))

    def get_format(self, uint32_t pad, *, bint test=False, uint32_t stream=0):
        """Read the format of a pad as :class:`MbusFormat`."""
        cdef zc_v4l2_subdev_format fmt
        self._read_format(&fmt, pad, test, stream)
        return _unpack(&fmt)

    cdef int _read_format(self, zc_v4l2_subdev_format *fmt, uint32_t pad, bint test, uint32_t stream) except -1:
        memset(fmt, 0, sizeof(fmt[0]))
        fmt.which, fmt.pad, fmt.stream = _which(test), pad, stream
        cdef int result = sys_ioctl(self.fd.number, ZC_VIDIOC_SUBDEV_G_FMT, fmt)
        return check(result, f"VIDIOC_SUBDEV_G_FMT pad {pad}", self.path)

    def set_format(self, uint32_t pad, uint32_t width, uint32_t height, uint32_t code, *, field=None, colorspace=None,
                   ycbcr_enc=None, quantization=None, xfer_func=None, bint test=False, uint32_t stream=0):
        """Set the format of a pad; what the driver granted comes back and wins. What is left out stays as it is."""
        cdef zc_v4l2_subdev_format fmt
        self._read_format(&fmt, pad, test, stream)
        fmt.format.width, fmt.format.height, fmt.format.code = width, height, code
        if field is not None:
            fmt.format.field = field
        if colorspace is not None:
            fmt.format.colorspace = colorspace
        if ycbcr_enc is not None:
            fmt.format.ycbcr_enc = ycbcr_enc
        if quantization is not None:
            fmt.format.quantization = quantization
        if xfer_func is not None:
            fmt.format.xfer_func = xfer_func
        check(sys_ioctl(self.fd.number, ZC_VIDIOC_SUBDEV_S_FMT, &fmt), f"VIDIOC_SUBDEV_S_FMT pad {pad}", self.path)
        return _unpack(&fmt)

    def frame_interval(self, uint32_t pad, interval=None, *, bint test=False, uint32_t stream=0):
        """Read the seconds per frame as ``(num, den)``, or set them first; ``None`` where the pad has none."""
        cdef zc_v4l2_subdev_frame_interval ival
        cdef int result
        memset(&ival, 0, sizeof(ival))
        ival.pad, ival.which, ival.stream = pad, _which(test), stream
        result = sys_ioctl(self.fd.number, ZC_VIDIOC_SUBDEV_G_FRAME_INTERVAL, &ival)
        if interval is None and (result == -ENOTTY or result == -EINVAL):
            return None
        check(result, "VIDIOC_SUBDEV_G_FRAME_INTERVAL", self.path)
        if interval is not None:
            ival.interval.numerator, ival.interval.denominator = interval
            check(sys_ioctl(self.fd.number, ZC_VIDIOC_SUBDEV_S_FRAME_INTERVAL, &ival),
                  "VIDIOC_SUBDEV_S_FRAME_INTERVAL", self.path)
        return ival.interval.numerator, ival.interval.denominator

    def selection(self, uint32_t pad, uint32_t target, rectangle=None, *, uint32_t flags=0, bint test=False,
                  uint32_t stream=0):
        """Read a rectangle of a pad as ``(left, top, width, height)``, or set it first; ``None`` where it has none."""
        cdef zc_v4l2_subdev_selection one
        cdef int result
        memset(&one, 0, sizeof(one))
        one.pad, one.which, one.target, one.flags, one.stream = pad, _which(test), target, flags, stream
        if rectangle is None:
            result = sys_ioctl(self.fd.number, ZC_VIDIOC_SUBDEV_G_SELECTION, &one)
            if result == -ENOTTY or result == -EINVAL:
                return None
            check(result, "VIDIOC_SUBDEV_G_SELECTION", self.path)
        else:
            one.r.left, one.r.top, one.r.width, one.r.height = rectangle
            check(sys_ioctl(self.fd.number, ZC_VIDIOC_SUBDEV_S_SELECTION, &one), "VIDIOC_SUBDEV_S_SELECTION", self.path)
        return one.r.left, one.r.top, <int>one.r.width, <int>one.r.height

    def routes(self, *, bint test=False):
        """List the routes as :class:`Route`; ``None`` where the sub-device, or the kernel, has no such thing."""
        cdef zc_v4l2_subdev_routing routing
        cdef zc_v4l2_subdev_route *room = NULL
        cdef uint32_t count = 0
        cdef int result
        if not self.has_streams:
            return None
        while True:
            room = <zc_v4l2_subdev_route *>calloc(count + 1, sizeof(zc_v4l2_subdev_route))
            if room == NULL:
                raise MemoryError()
            try:
                memset(&routing, 0, sizeof(routing))
                routing.which, routing.len_routes, routing.routes = _which(test), count, <uint64_t>room
                result = sys_ioctl(self.fd.number, ZC_VIDIOC_SUBDEV_G_ROUTING, &routing)
                if result == -ENOTTY:
                    return None
                if result != -ENOSPC:
                    check(result, "VIDIOC_SUBDEV_G_ROUTING", self.path)
                if routing.num_routes <= count:
                    return [Route(room[i].sink_pad, room[i].sink_stream, room[i].source_pad, room[i].source_stream,
                                  room[i].flags) for i in range(routing.num_routes)]
                count = routing.num_routes
            finally:
                free(room)

    def set_routes(self, routes, *, bint test=False):
        """Set all routes, each five numbers as :class:`Route` has them; formats of the pads start anew."""
        cdef zc_v4l2_subdev_routing routing
        cdef zc_v4l2_subdev_route *room
        routes = [tuple(route) for route in routes]
        room = <zc_v4l2_subdev_route *>calloc(len(routes) + 1, sizeof(zc_v4l2_subdev_route))
        if room == NULL:
            raise MemoryError()
        try:
            for i, route in enumerate(routes):
                (room[i].sink_pad, room[i].sink_stream, room[i].source_pad, room[i].source_stream,
                 room[i].flags) = route
            memset(&routing, 0, sizeof(routing))
            routing.which, routing.routes = _which(test), <uint64_t>room
            routing.len_routes = routing.num_routes = len(routes)
            check(sys_ioctl(self.fd.number, ZC_VIDIOC_SUBDEV_S_ROUTING, &routing), "VIDIOC_SUBDEV_S_ROUTING", self.path)
        finally:
            free(room)

    def close(self):
        """Close the node; active formats stay."""
        self.fd.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def __repr__(self):
        return f"<Subdev {self.path}>"


cdef object _unpack(zc_v4l2_subdev_format *fmt):
    one = &fmt.format
    return MbusFormat(one.width, one.height, one.code, one.field, one.colorspace, one.ycbcr_enc, one.quantization,
                      one.xfer_func)


def formats_of_code(V4l2Device device not None, uint32_t type, uint32_t code):
    """List the fourccs with which a video node can write what comes over the media bus as `code`.

    Drivers that set V4L2_CAP_IO_MC list only those (Linux 5.8); others list all of their formats.
    """
    cdef v4l2_fmtdesc desc
    cdef int result
    found = []
    while True:
        memset(&desc, 0, sizeof(desc))
        desc.type, desc.index, desc.mbus_code = type, len(found), code
        result = sys_ioctl(device.fd.number, VIDIOC_ENUM_FMT, &desc)
        if result == -EINVAL or result == -ENOTTY:
            return found
        check(result, "VIDIOC_ENUM_FMT", device.path)
        found.append(desc.pixelformat)
