"""Connectors of a V4L2 device, and the television standard or the timings of their signal."""

from libc.errno cimport EINVAL, ENODATA, ENOTTY
from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memcpy, memset

from zcore._errors cimport check
from zcore._sys cimport sys_ioctl
from zcore._v4l2_device cimport V4l2Device
from zcore.uapi.videodev2 cimport (
    VIDIOC_ENUMINPUT,
    VIDIOC_ENUMOUTPUT,
    VIDIOC_G_INPUT,
    VIDIOC_G_OUTPUT,
    VIDIOC_G_PRIORITY,
    VIDIOC_S_INPUT,
    VIDIOC_S_OUTPUT,
    VIDIOC_S_PRIORITY,
    v4l2_input,
    v4l2_output,
    v4l2_std_id,
)
from zcore.uapi.videodev2_state cimport (
    VIDIOC_DV_TIMINGS_CAP,
    VIDIOC_ENUM_DV_TIMINGS,
    VIDIOC_ENUMSTD,
    VIDIOC_G_DV_TIMINGS,
    VIDIOC_G_EDID,
    VIDIOC_G_STD,
    VIDIOC_QUERY_DV_TIMINGS,
    VIDIOC_QUERYSTD,
    VIDIOC_S_DV_TIMINGS,
    VIDIOC_S_STD,
    v4l2_dv_timings,
    v4l2_dv_timings_cap,
    v4l2_edid,
    v4l2_enum_dv_timings,
    v4l2_standard,
)

from typing import NamedTuple


class Connector(NamedTuple):
    """An input or an output of a device."""

    number: int
    name: str
    type: int  # V4L2_INPUT_TYPE_* or V4L2_OUTPUT_TYPE_*
    standards: int  # a set of v4l2_std_id bits
    status: int  # V4L2_IN_ST_*; known for the present input only
    capabilities: int  # V4L2_IN_CAP_* or V4L2_OUT_CAP_*


class Standard(NamedTuple):
    """A television standard."""

    number: int
    id: int
    name: str
    period: tuple  # seconds per frame as (num, den)
    lines: int


class TimingsCap(NamedTuple):
    """What timings a device can have (VIDIOC_DV_TIMINGS_CAP); the clock in Hz."""

    width: tuple  # (min, max)
    height: tuple
    pixelclock: tuple
    standards: int
    capabilities: int


class DvTimings(NamedTuple):
    """Timings of a digital video signal: lengths in pixels and lines, the clock in Hz.

    ``raw`` is the kernel's structure, which goes back as it came.
    """

    width: int
    height: int
    interlaced: bool
    pixelclock: int
    blanking: tuple  # pixels of a row, lines of a frame
    standards: int
    flags: int
    raw: bytes

    @property
    def rate(self):
        """Frames per second."""
        total = (self.width + self.blanking[0]) * (self.height + self.blanking[1])
        return self.pixelclock / total if total else 0.0

    @property
    def name(self):
        """Such as ``1920x1080p60``; of interlaced signals with the rate of the fields, ``1920x1080i50``."""
        rate = self.rate * (2 if self.interlaced else 1)
        text = f"{rate:.2f}".rstrip("0").rstrip(".")
        return f"{self.width}x{self.height}{'i' if self.interlaced else 'p'}{text}"


cdef str _text(const uint8_t *raw, int size):
    return (<const char *>raw)[:size].split(b"\0", 1)[0].decode(errors="replace")


cdef bint _ends(int result) noexcept:
    return result == -EINVAL or result == -ENOTTY or result == -ENODATA


def connectors(V4l2Device device not None, bint output=False):
    """List the inputs (VIDIOC_ENUMINPUT) or outputs of a device; none where it does not tell."""
    cdef v4l2_input given
    cdef v4l2_output taken
    cdef int result
    found = []
    while True:
        if output:
            memset(&taken, 0, sizeof(taken))
            taken.index = len(found)
            result = sys_ioctl(device.fd.number, VIDIOC_ENUMOUTPUT, &taken)
        else:
            memset(&given, 0, sizeof(given))
            given.index = len(found)
            result = sys_ioctl(device.fd.number, VIDIOC_ENUMINPUT, &given)
        if _ends(result):
            return found
        check(result, "VIDIOC_ENUMOUTPUT" if output else "VIDIOC_ENUMINPUT", device.path)
        if output:
            found.append(Connector(taken.index, _text(taken.name, 32), taken.type, taken.std, 0, taken.capabilities))
        else:
            found.append(Connector(given.index, _text(given.name, 32), given.type, given.std, given.status,
                                   given.capabilities))


def connector(V4l2Device device not None, bint output=False, wanted=None):
    """Read which input or output is chosen, or choose one first; ``None`` where the device has no choice."""
    cdef int index = 0 if wanted is None else wanted
    cdef int result
    if wanted is not None:
        if output:
            check(sys_ioctl(device.fd.number, VIDIOC_S_OUTPUT, &index), "VIDIOC_S_OUTPUT", device.path)
        else:
            check(sys_ioctl(device.fd.number, VIDIOC_S_INPUT, &index), "VIDIOC_S_INPUT", device.path)
    result = sys_ioctl(device.fd.number, VIDIOC_G_OUTPUT if output else VIDIOC_G_INPUT, &index)
    if _ends(result):
        return None
    check(result, "VIDIOC_G_OUTPUT" if output else "VIDIOC_G_INPUT", device.path)
    return index


def standards(V4l2Device device not None):
    """List the television standards of the present input or output (VIDIOC_ENUMSTD)."""
    cdef v4l2_standard standard
    cdef int result
    found = []
    while True:
        memset(&standard, 0, sizeof(standard))
        standard.index = len(found)
        result = sys_ioctl(device.fd.number, VIDIOC_ENUMSTD, &standard)
        if _ends(result):
            return found
        check(result, "VIDIOC_ENUMSTD", device.path)
        period = (standard.frameperiod.numerator, standard.frameperiod.denominator)
        found.append(Standard(standard.index, standard.id, _text(standard.name, 24), period, standard.framelines))


def get_standard(V4l2Device device not None, bint query=False):
    """Read the standard that is set, or, with `query`, those that the signal may have; ``None`` = has none."""
    cdef v4l2_std_id id = 0
    cdef int result = sys_ioctl(device.fd.number, VIDIOC_QUERYSTD if query else VIDIOC_G_STD, &id)
    if result == -ENOTTY or result == -ENODATA or (result == -EINVAL and not query):
        return None
    check(result, "VIDIOC_QUERYSTD" if query else "VIDIOC_G_STD", device.path)
    return id


def set_standard(V4l2Device device not None, v4l2_std_id id):
    """Set the standard; the format may change with it."""
    check(sys_ioctl(device.fd.number, VIDIOC_S_STD, &id), "VIDIOC_S_STD", device.path)


def dv_timings(V4l2Device device not None):
    """List the timings that the present input or output knows (VIDIOC_ENUM_DV_TIMINGS)."""
    cdef v4l2_enum_dv_timings one
    cdef int result
    found = []
    while True:
        memset(&one, 0, sizeof(one))
        one.index = len(found)
        result = sys_ioctl(device.fd.number, VIDIOC_ENUM_DV_TIMINGS, &one)
        if _ends(result):
            return found
        check(result, "VIDIOC_ENUM_DV_TIMINGS", device.path)
        found.append(_timings(&one.timings))


def get_dv_timings(V4l2Device device not None, bint query=False):
    """Read the timings that are set, or, with `query`, those of the signal; ``None`` = has none.

    Raises
    ------
    DeviceError
        With `query`: ENOLINK without a signal, ENOLCK for one that is unstable, ERANGE for one out of range.
    """
    cdef v4l2_dv_timings timings
    cdef int result
    memset(&timings, 0, sizeof(timings))
    result = sys_ioctl(device.fd.number, VIDIOC_QUERY_DV_TIMINGS if query else VIDIOC_G_DV_TIMINGS, &timings)
    if _ends(result):
        return None
    check(result, "VIDIOC_QUERY_DV_TIMINGS" if query else "VIDIOC_G_DV_TIMINGS", device.path)
    return _timings(&timings)


def set_dv_timings(V4l2Device device not None, wanted):
    """Set timings; what was granted comes back, and the format follows from it."""
    cdef v4l2_dv_timings timings
    cdef bytes raw = wanted.raw
    if len(raw) != sizeof(timings):
        raise ValueError(f"timings have {sizeof(timings)} bytes, not {len(raw)}")
    memcpy(&timings, <char *>raw, sizeof(timings))
    check(sys_ioctl(device.fd.number, VIDIOC_S_DV_TIMINGS, &timings), "VIDIOC_S_DV_TIMINGS", device.path)
    return _timings(&timings)


def dv_timings_cap(V4l2Device device not None):
    """Read what timings are possible; ``None`` where the device does not tell."""
    cdef v4l2_dv_timings_cap cap
    memset(&cap, 0, sizeof(cap))
    cdef int result = sys_ioctl(device.fd.number, VIDIOC_DV_TIMINGS_CAP, &cap)
    if _ends(result):
        return None
    check(result, "VIDIOC_DV_TIMINGS_CAP", device.path)
    return TimingsCap((cap.bt.min_width, cap.bt.max_width), (cap.bt.min_height, cap.bt.max_height),
                      (cap.bt.min_pixelclock, cap.bt.max_pixelclock), cap.bt.standards, cap.bt.capabilities)


cdef object _timings(const v4l2_dv_timings *timings):
    cdef uint32_t across = timings.bt.hfrontporch + timings.bt.hsync + timings.bt.hbackporch
    cdef uint32_t down = timings.bt.vfrontporch + timings.bt.vsync + timings.bt.vbackporch
    if timings.bt.interlaced:  # the other field has blanking lines of its own
        down += timings.bt.il_vfrontporch + timings.bt.il_vsync + timings.bt.il_vbackporch
    return DvTimings(timings.bt.width, timings.bt.height, bool(timings.bt.interlaced), timings.bt.pixelclock,
                     (across, down), timings.bt.standards, timings.bt.flags,
                     (<const char *>timings)[:sizeof(timings[0])])


def edid(V4l2Device device not None, unsigned int pad=0):
    """Read the EDID of an input or output; empty where there is none."""
    cdef v4l2_edid argument
    cdef uint8_t data[256 * 128]
    cdef int result
    memset(&argument, 0, sizeof(argument))
    argument.pad = pad
    argument.blocks = 256
    argument.edid = data
    result = sys_ioctl(device.fd.number, VIDIOC_G_EDID, &argument)
    if _ends(result):
        return b""
    check(result, "VIDIOC_G_EDID", device.path)
    return (<char *>data)[:128 * min(<int>argument.blocks, 256)]


def priority(V4l2Device device not None, wanted=None):
    """Read the priority of whoever has the most on this node, or set that of this open file first.

    Returns
    -------
    int or None
        ``V4L2_PRIORITY_*``; ``None`` where the device has none.

    Raises
    ------
    DeviceError
        EBUSY where another program has a higher one.
    """
    cdef uint32_t value = 0 if wanted is None else wanted
    cdef int result
    if wanted is not None:
        check(sys_ioctl(device.fd.number, VIDIOC_S_PRIORITY, &value), "VIDIOC_S_PRIORITY", device.path)
    result = sys_ioctl(device.fd.number, VIDIOC_G_PRIORITY, &value)
    if _ends(result):
        return None
    check(result, "VIDIOC_G_PRIORITY", device.path)
    return value
