"""An open V4L2 node: what it is, what it can, its formats and controls."""

cimport cython
from libc.errno cimport EINVAL, ENODATA, ENOTTY
from libc.string cimport memset

from zcore._errors cimport check, device_error
from zcore._fd cimport Fd
from zcore._ioctl cimport v4l2_expbuf, v4l2_reqbufs
from zcore._sys cimport sys_ioctl
from zcore.uapi.videodev2 cimport (
    V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE,
    V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE,
    V4L2_CAP_DEVICE_CAPS,
    V4L2_CTRL_FLAG_NEXT_COMPOUND,
    V4L2_CTRL_FLAG_NEXT_CTRL,
    V4L2_CTRL_TYPE_CTRL_CLASS,
    V4L2_CTRL_WHICH_CUR_VAL,
    V4L2_FRMIVAL_TYPE_DISCRETE,
    V4L2_FRMSIZE_TYPE_DISCRETE,
    V4L2_MEMORY_DMABUF,
    V4L2_MEMORY_MMAP,
    V4L2_MEMORY_USERPTR,
    V4L2_PIX_FMT_FLAG_SET_CSC,
    V4L2_PIX_FMT_PRIV_MAGIC,
    VIDIOC_ENUM_FMT,
    VIDIOC_ENUM_FRAMEINTERVALS,
    VIDIOC_ENUM_FRAMESIZES,
    VIDIOC_G_EXT_CTRLS,
    VIDIOC_G_FMT,
    VIDIOC_G_PARM,
    VIDIOC_QUERY_EXT_CTRL,
    VIDIOC_QUERYCAP,
    VIDIOC_S_EXT_CTRLS,
    VIDIOC_S_FMT,
    VIDIOC_S_PARM,
    VIDIOC_TRY_FMT,
    v4l2_capability,
    v4l2_ext_control,
    v4l2_ext_controls,
    v4l2_fmtdesc,
    v4l2_format,
    v4l2_frmivalenum,
    v4l2_frmsizeenum,
    v4l2_query_ext_ctrl,
    v4l2_streamparm,
)

from typing import NamedTuple


class PixFormat(NamedTuple):
    """What a queue carries, as the driver granted it."""

    width: int
    height: int
    fourcc: int
    planes: tuple  # per memory plane: (sizeimage, bytesperline), bytes
    field: int
    colorspace: int
    ycbcr_enc: int
    quantization: int
    xfer_func: int
    flags: int = 0  # V4L2_PIX_FMT_FLAG_*


class SizeRange(NamedTuple):
    """Frame sizes in steps; a single size where both ends are equal."""

    width: tuple  # (min, max, step)
    height: tuple


class ControlInfo(NamedTuple):
    """A control, as VIDIOC_QUERY_EXT_CTRL tells it."""

    id: int
    name: str
    type: int
    minimum: int
    maximum: int
    step: int
    default: int
    flags: int


def _text(bytes raw):
    return raw.split(b"\0", 1)[0].decode(errors="replace")


@cython.final
cdef class V4l2Device:
    """An open V4L2 node."""

    def __init__(self, path):
        cdef v4l2_capability cap
        cdef int result
        self.fd = Fd.open(path)
        self.path = self.fd.name
        memset(&cap, 0, sizeof(cap))
        result = sys_ioctl(self.fd.number, VIDIOC_QUERYCAP, &cap)
        if result < 0:
            self.fd.close()
            raise device_error(
                -result, "VIDIOC_QUERYCAP", self.path,
                "this is not a V4L2 device" if result in (-ENOTTY, -EINVAL) else "",
            )
        self.driver = _text((<char *>cap.driver)[:16])
        self.card = _text((<char *>cap.card)[:32])
        self.bus = _text((<char *>cap.bus_info)[:32])
        self.capabilities = cap.device_caps if cap.capabilities & V4L2_CAP_DEVICE_CAPS else cap.capabilities

    def formats(self, unsigned int type):
        """List ``(fourcc, flags, description)`` of a queue."""
        cdef v4l2_fmtdesc desc
        cdef int result
        found = []
        while True:
            memset(&desc, 0, sizeof(desc))
            desc.type = type
            desc.index = len(found)
            result = sys_ioctl(self.fd.number, VIDIOC_ENUM_FMT, &desc)
            if result == -EINVAL or result == -ENOTTY:
                return found
            check(result, "VIDIOC_ENUM_FMT", self.path)
            found.append((desc.pixelformat, desc.flags, _text((<char *>desc.description)[:32])))

    def sizes(self, unsigned int fourcc):
        """List the frame sizes of a format as :class:`SizeRange`; empty where the driver does not tell."""
        cdef v4l2_frmsizeenum size
        cdef int result
        found = []
        while True:
            memset(&size, 0, sizeof(size))
            size.pixel_format = fourcc
            size.index = len(found)
            result = sys_ioctl(self.fd.number, VIDIOC_ENUM_FRAMESIZES, &size)
            if result < 0:
                if result in (-EINVAL, -ENOTTY, -ENODATA):
                    return found
                check(result, "VIDIOC_ENUM_FRAMESIZES", self.path)
            if size.type == V4L2_FRMSIZE_TYPE_DISCRETE:
                w, h = size.discrete.width, size.discrete.height
                found.append(SizeRange((w, w, 1), (h, h, 1)))
            else:
                s = size.stepwise
                found.append(SizeRange((s.min_width, s.max_width, s.step_width),
                                       (s.min_height, s.max_height, s.step_height)))
                return found

    def intervals(self, unsigned int fourcc, unsigned int width, unsigned int height):
        """List the frame intervals in seconds as ``((num, den), (num, den))``: shortest and longest."""
        cdef v4l2_frmivalenum ival
        cdef int result
        found = []
        while True:
            memset(&ival, 0, sizeof(ival))
            ival.pixel_format = fourcc
            ival.width = width
            ival.height = height
            ival.index = len(found)
            result = sys_ioctl(self.fd.number, VIDIOC_ENUM_FRAMEINTERVALS, &ival)
            if result < 0:
                if result in (-EINVAL, -ENOTTY, -ENODATA):
                    return found
                check(result, "VIDIOC_ENUM_FRAMEINTERVALS", self.path)
            if ival.type == V4L2_FRMIVAL_TYPE_DISCRETE:
                one = (ival.discrete.numerator, ival.discrete.denominator)
                found.append((one, one))
            else:
                found.append(((ival.stepwise.min.numerator, ival.stepwise.min.denominator),
                              (ival.stepwise.max.numerator, ival.stepwise.max.denominator)))
                return found

    def get_format(self, unsigned int type):
        """Read the format of a queue."""
        cdef v4l2_format fmt
        memset(&fmt, 0, sizeof(fmt))
        fmt.type = type
        check(sys_ioctl(self.fd.number, VIDIOC_G_FMT, &fmt), "VIDIOC_G_FMT", self.path)
        return unpack_format(&fmt)

    def set_format(
        self, unsigned int type, unsigned int width, unsigned int height, unsigned int fourcc, *, bint test=False,
        int bytesperline=0, int sizeimage=0, unsigned int field=0, colours=None, bint convert_colours=False,
    ):
        """Set (or, with ``test``, only try) the format of a queue; what the driver granted comes back and wins.

        ``colours`` is (colorspace, ycbcr_enc, quantization, xfer_func): what frames of an OUTPUT queue have, or with
        ``convert_colours`` (V4L2_PIX_FMT_FLAG_SET_CSC) what a CAPTURE queue shall give.
        """
        cdef v4l2_format fmt
        memset(&fmt, 0, sizeof(fmt))
        fmt.type = type
        check(sys_ioctl(self.fd.number, VIDIOC_G_FMT, &fmt), "VIDIOC_G_FMT", self.path)
        if is_multiplanar(type):
            fmt.fmt.pix_mp.width = width
            fmt.fmt.pix_mp.height = height
            fmt.fmt.pix_mp.pixelformat = fourcc
            fmt.fmt.pix_mp.field = field
            for i in range(8):
                fmt.fmt.pix_mp.plane_fmt[i].bytesperline = bytesperline
                fmt.fmt.pix_mp.plane_fmt[i].sizeimage = sizeimage
        else:
            fmt.fmt.pix.width = width
            fmt.fmt.pix.height = height
            fmt.fmt.pix.pixelformat = fourcc
            fmt.fmt.pix.field = field
            fmt.fmt.pix.bytesperline = bytesperline
            fmt.fmt.pix.sizeimage = sizeimage
        if colours is not None:
            set_colours(&fmt, colours, convert_colours)
        check(
            sys_ioctl(self.fd.number, VIDIOC_TRY_FMT if test else VIDIOC_S_FMT, &fmt),
            "VIDIOC_TRY_FMT" if test else "VIDIOC_S_FMT", self.path,
        )
        return unpack_format(&fmt)

    def frame_interval(self, unsigned int type, interval=None):
        """Read the seconds per frame as ``(num, den)``, or set them first; ``None`` where the device has none."""
        cdef v4l2_streamparm parm
        cdef int result
        memset(&parm, 0, sizeof(parm))
        parm.type = type
        result = sys_ioctl(self.fd.number, VIDIOC_G_PARM, &parm)
        if result == -ENOTTY or (result == -EINVAL and interval is None):
            return None
        check(result, "VIDIOC_G_PARM", self.path)
        if interval is not None:
            parm.parm.capture.timeperframe.numerator, parm.parm.capture.timeperframe.denominator = interval
            check(sys_ioctl(self.fd.number, VIDIOC_S_PARM, &parm), "VIDIOC_S_PARM", self.path)
        return parm.parm.capture.timeperframe.numerator, parm.parm.capture.timeperframe.denominator

    def memories(self, unsigned int type):
        """Tell which memory types a queue takes. Frees the queue's buffers: call it before there are any.

        Returns
        -------
        set of str
            Of ``mmap``, ``userptr``, ``dmabuf`` (import) and ``export`` (VIDIOC_EXPBUF).
        """
        found = set()
        for memory, name in (
            (V4L2_MEMORY_MMAP, "mmap"), (V4L2_MEMORY_USERPTR, "userptr"), (V4L2_MEMORY_DMABUF, "dmabuf"),
        ):
            if v4l2_reqbufs(self.fd.number, type, memory, 0, NULL) >= 0:
                found.add(name)
        # An index that no queue has: only a driver without the ioctl says ENOTTY.
        if "mmap" in found and v4l2_expbuf(self.fd.number, type, 0xFFFFFFFF, 0) != -ENOTTY:
            found.add("export")
        return found

    def controls(self):
        """List every control as :class:`ControlInfo`."""
        cdef v4l2_query_ext_ctrl query
        cdef unsigned int last = 0
        cdef int result
        found = []
        while True:
            memset(&query, 0, sizeof(query))
            query.id = last | V4L2_CTRL_FLAG_NEXT_CTRL | V4L2_CTRL_FLAG_NEXT_COMPOUND
            result = sys_ioctl(self.fd.number, VIDIOC_QUERY_EXT_CTRL, &query)
            if result == -EINVAL or result == -ENOTTY:
                return found
            check(result, "VIDIOC_QUERY_EXT_CTRL", self.path)
            last = query.id
            if query.type != V4L2_CTRL_TYPE_CTRL_CLASS:
                found.append(ControlInfo(query.id, _text((<char *>query.name)[:32]), query.type, query.minimum,
                                         query.maximum, query.step, query.default_value, query.flags))

    def get_control(self, unsigned int id):
        """Read an integer control."""
        return self._control(VIDIOC_G_EXT_CTRLS, "VIDIOC_G_EXT_CTRLS", id, 0)

    def set_control(self, unsigned int id, int value):
        """Set an integer, boolean, menu or button control; gives the value that was granted."""
        return self._control(VIDIOC_S_EXT_CTRLS, "VIDIOC_S_EXT_CTRLS", id, value)

    def _control(self, unsigned long request, str name, unsigned int id, int value):
        cdef v4l2_ext_control control
        cdef v4l2_ext_controls controls
        memset(&control, 0, sizeof(control))
        memset(&controls, 0, sizeof(controls))
        control.id = id
        control.value = value
        controls.which = V4L2_CTRL_WHICH_CUR_VAL
        controls.count = 1
        controls.controls = &control
        check(sys_ioctl(self.fd.number, request, &controls), f"{name} {id:#x}", self.path)
        return control.value

    def control_id(self, str name):
        """Find a control by its name, without regard to case."""
        known = self.controls()
        for control in known:
            if control.name.lower() == name.lower():
                return control.id
        raise KeyError(f"{self.path} ({self.card}) has no control {name!r}; it has {[c.name for c in known]}")

    def close(self):
        """Close the node."""
        if self.events is not None:
            self.events.close()
        self.fd.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def __repr__(self):
        return f"<V4l2Device {self.path} {self.driver} {self.card!r}>"


cdef bint is_multiplanar(unsigned int type) noexcept:
    return type == V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE or type == V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE


cdef int set_colours(v4l2_format *fmt, colours, bint convert) except -1:
    cdef unsigned int space, encoding, span, transfer
    space, encoding, span, transfer = colours
    if is_multiplanar(fmt.type):
        mp = &fmt.fmt.pix_mp
        mp.colorspace, mp.ycbcr_enc, mp.quantization, mp.xfer_func = space, encoding, span, transfer
        mp.flags = V4L2_PIX_FMT_FLAG_SET_CSC if convert else 0
        return 0
    pix = &fmt.fmt.pix
    pix.priv = V4L2_PIX_FMT_PRIV_MAGIC  # or the kernel takes the fields behind it for rubbish
    pix.colorspace, pix.ycbcr_enc, pix.quantization, pix.xfer_func = space, encoding, span, transfer
    pix.flags = V4L2_PIX_FMT_FLAG_SET_CSC if convert else 0
    return 0


cdef object unpack_format(v4l2_format *fmt):
    if is_multiplanar(fmt.type):
        mp = &fmt.fmt.pix_mp
        planes = tuple([(p.sizeimage, p.bytesperline) for p in mp.plane_fmt[:min(<int>mp.num_planes, 8)]])
        return PixFormat(mp.width, mp.height, mp.pixelformat, planes, mp.field, mp.colorspace, mp.ycbcr_enc,
                         mp.quantization, mp.xfer_func, mp.flags)
    pix = &fmt.fmt.pix
    planes = ((pix.sizeimage, pix.bytesperline),)
    if pix.priv != V4L2_PIX_FMT_PRIV_MAGIC:  # an old driver: what follows is rubbish
        return PixFormat(pix.width, pix.height, pix.pixelformat, planes, pix.field, pix.colorspace, 0, 0, 0)
    return PixFormat(pix.width, pix.height, pix.pixelformat, planes, pix.field, pix.colorspace, pix.ycbcr_enc,
                     pix.quantization, pix.xfer_func, pix.flags)
