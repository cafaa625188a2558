"""Which part of the picture a V4L2 device takes, and where in the buffer it puts it."""

from libc.errno cimport EINVAL, ENODATA, ENOTTY
from libc.string cimport memset

from zcore._errors cimport check
from zcore._sys cimport sys_ioctl
from zcore._v4l2_device cimport V4l2Device
from zcore.uapi.videodev2 cimport (
    V4L2_BUF_TYPE_VIDEO_CAPTURE,
    V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE,
    V4L2_BUF_TYPE_VIDEO_OUTPUT,
    V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE,
    V4L2_SEL_TGT_COMPOSE,
    V4L2_SEL_TGT_COMPOSE_BOUNDS,
    V4L2_SEL_TGT_COMPOSE_DEFAULT,
    V4L2_SEL_TGT_CROP,
    V4L2_SEL_TGT_CROP_BOUNDS,
    V4L2_SEL_TGT_CROP_DEFAULT,
    VIDIOC_G_SELECTION,
    VIDIOC_S_SELECTION,
    v4l2_rect,
    v4l2_selection,
)
from zcore.uapi.videodev2_state cimport (
    VIDIOC_CROPCAP,
    VIDIOC_G_CROP,
    VIDIOC_S_CROP,
    v4l2_crop,
    v4l2_cropcap,
)

from typing import NamedTuple


class Rect(NamedTuple):
    """A rectangle in pixels."""

    left: int
    top: int
    width: int
    height: int


def get_selection(V4l2Device device not None, unsigned int type, unsigned int target):
    """Read a rectangle (VIDIOC_G_SELECTION), on old drivers by VIDIOC_CROPCAP and VIDIOC_G_CROP.

    Parameters
    ----------
    device : V4l2Device
        Whose queue it is.
    type : int
        ``V4L2_BUF_TYPE_*`` of the queue.
    target : int
        ``V4L2_SEL_TGT_*``.

    Returns
    -------
    Rect or None
        ``None`` where the device, its present input or this kind of queue has no such rectangle.
    """
    cdef v4l2_selection selection
    cdef v4l2_crop crop
    cdef v4l2_cropcap cap
    cdef int result = select(device.fd.number, VIDIOC_G_SELECTION, type, target, 0, NULL, &selection)
    if result >= 0:
        return rect(&selection.r)
    if result == -ENOTTY and target in old_targets(type):
        memset(&cap, 0, sizeof(cap))
        memset(&crop, 0, sizeof(crop))
        cap.type = crop.type = type
        if target == old_targets(type)[0]:
            result = sys_ioctl(device.fd.number, VIDIOC_G_CROP, &crop)
            if result >= 0:
                return rect(&crop.c)
        else:
            result = sys_ioctl(device.fd.number, VIDIOC_CROPCAP, &cap)
            if result >= 0:
                return rect(&cap.bounds if target == old_targets(type)[1] else &cap.defrect)
    if result in (-EINVAL, -ENOTTY, -ENODATA):
        return None
    check(result, "VIDIOC_G_SELECTION", device.path)


def set_selection(V4l2Device device not None, unsigned int type, unsigned int target, wanted, unsigned int flags=0):
    """Set a rectangle (VIDIOC_S_SELECTION), on old drivers by VIDIOC_S_CROP; what was granted comes back and wins.

    Parameters
    ----------
    device : V4l2Device
        Whose queue it is.
    type : int
        ``V4L2_BUF_TYPE_*`` of the queue.
    target : int
        ``V4L2_SEL_TGT_CROP`` or ``V4L2_SEL_TGT_COMPOSE``.
    wanted : (int, int, int, int)
        Left, top, width, height.
    flags : int
        ``V4L2_SEL_FLAG_*``. Old drivers have none: what they grant is not checked here.

    Raises
    ------
    DeviceError
        EBUSY while buffers are allocated and the format would change, ERANGE where the flags cannot be kept, EINVAL,
        ENOTTY or ENODATA where there is no such rectangle.
    """
    cdef v4l2_selection selection
    cdef v4l2_crop crop
    cdef v4l2_rect area
    area.left, area.top, area.width, area.height = wanted
    cdef int result = select(device.fd.number, VIDIOC_S_SELECTION, type, target, flags, &area, &selection)
    if result == -ENOTTY and target == old_targets(type)[0]:
        memset(&crop, 0, sizeof(crop))
        crop.type = type
        crop.c = area
        result = sys_ioctl(device.fd.number, VIDIOC_S_CROP, &crop)
        if result >= 0:  # a write-only ioctl: what was granted must be asked for
            return get_selection(device, type, target) or rect(&area)
    check(result, "VIDIOC_S_SELECTION", device.path)
    return rect(&selection.r)


cdef int select(int fd, unsigned long request, unsigned int type, unsigned int target, unsigned int flags,
                const v4l2_rect *area, v4l2_selection *selection) noexcept nogil:
    """Make the call under the single-planar type, and where an old driver refuses that, under the other.

    Up to Linux 4.12 some drivers of multi-planar queues took one of the two, some the other.
    """
    cdef int result = -EINVAL
    cdef int turn
    cdef unsigned int single = type
    if type == V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE:
        single = V4L2_BUF_TYPE_VIDEO_CAPTURE
    elif type == V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE:
        single = V4L2_BUF_TYPE_VIDEO_OUTPUT
    for turn in range(2):
        memset(selection, 0, sizeof(selection[0]))
        selection.type = single if turn == 0 else type
        selection.target = target
        selection.flags = flags
        if area != NULL:
            selection.r = area[0]
        result = sys_ioctl(fd, request, selection)
        if result != -EINVAL or single == type:
            break
    return result


cdef tuple old_targets(unsigned int type):
    """What G_CROP, and the bounds and the default of CROPCAP, are called today: of an output it is the composition."""
    if type in (V4L2_BUF_TYPE_VIDEO_OUTPUT, V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE):
        return V4L2_SEL_TGT_COMPOSE, V4L2_SEL_TGT_COMPOSE_BOUNDS, V4L2_SEL_TGT_COMPOSE_DEFAULT
    return V4L2_SEL_TGT_CROP, V4L2_SEL_TGT_CROP_BOUNDS, V4L2_SEL_TGT_CROP_DEFAULT


cdef object rect(const v4l2_rect *area):
    return Rect(area.left, area.top, area.width, area.height)
