"""Controls of a V4L2 device: menus, and several set in one call."""

from libc.errno cimport EINVAL
from libc.stdint cimport int32_t, int64_t
from libc.string cimport memset

from zcore._errors cimport check
from zcore._sys cimport sys_ioctl
from zcore._v4l2_device cimport V4l2Device
from zcore.uapi.videodev2 cimport (
    V4L2_CTRL_TYPE_INTEGER64,
    V4L2_CTRL_TYPE_INTEGER_MENU,
    V4L2_CTRL_TYPE_STRING,
    V4L2_CTRL_WHICH_CUR_VAL,
    VIDIOC_QUERYMENU,
    VIDIOC_S_EXT_CTRLS,
    VIDIOC_TRY_EXT_CTRLS,
    v4l2_ext_control,
    v4l2_ext_controls,
    v4l2_querymenu,
)


cdef enum:
    MAX_CONTROLS = 64


def menu(V4l2Device device not None, control):
    """Give the entries of a menu control: index to text, or to number for an integer menu.

    Parameters
    ----------
    device : V4l2Device
        Whose control it is.
    control : ControlInfo
        As :meth:`V4l2Device.controls` gives it; its range is the range of the indexes, and may have holes.
    """
    cdef v4l2_querymenu entry
    cdef int result
    found = {}
    for index in range(control.minimum, control.maximum + 1):
        memset(&entry, 0, sizeof(entry))
        entry.id = control.id
        entry.index = index
        result = sys_ioctl(device.fd.number, VIDIOC_QUERYMENU, &entry)
        if result == -EINVAL:
            continue
        check(result, "VIDIOC_QUERYMENU", device.path)
        if control.type == V4L2_CTRL_TYPE_INTEGER_MENU:
            found[index] = entry.value
        else:
            found[index] = (<char *>entry.name)[:32].split(b"\0", 1)[0].decode(errors="replace")
    return found


def set_controls(V4l2Device device not None, wanted):
    """Set controls in one VIDIOC_S_EXT_CTRLS: all of them, or as few as the driver manages.

    Parameters
    ----------
    device : V4l2Device
        Whose controls they are.
    wanted : sequence of (id, type, value)
        The value is an int, for a control of type string a str.

    Returns
    -------
    (int, int, list)
        0 or the errno; the index of the control that failed, -1 where the kernel does not tell; what was granted.
    """
    cdef v4l2_ext_control controls[MAX_CONTROLS]
    cdef v4l2_ext_controls batch
    cdef int result
    cdef bytes text
    if not 0 < len(wanted) <= MAX_CONTROLS:
        raise ValueError(f"1 to {MAX_CONTROLS} controls at once, not {len(wanted)}")
    memset(controls, 0, sizeof(controls))
    texts = []  # keeps what the kernel reads
    for i, (id, type, value) in enumerate(wanted):
        controls[i].id = id
        if type == V4L2_CTRL_TYPE_STRING:
            text = value.encode() + b"\0"
            texts.append(text)
            controls[i].size = len(text)
            controls[i].string = text
        elif type == V4L2_CTRL_TYPE_INTEGER64:
            controls[i].value64 = <int64_t>value
        else:
            controls[i].value = <int32_t><int64_t>value  # a bit mask may have bit 31
    memset(&batch, 0, sizeof(batch))
    batch.which = V4L2_CTRL_WHICH_CUR_VAL
    batch.count = len(wanted)
    batch.controls = controls
    result = sys_ioctl(device.fd.number, VIDIOC_S_EXT_CTRLS, &batch)
    if result < 0 and batch.error_idx >= batch.count:
        # Refused before anything was set, and S_EXT_CTRLS does not say which: only TRY_EXT_CTRLS does.
        if sys_ioctl(device.fd.number, VIDIOC_TRY_EXT_CTRLS, &batch) >= 0:
            batch.error_idx = batch.count
    if result < 0:
        return -result, batch.error_idx if batch.error_idx < batch.count else -1, []
    granted = []
    for i, (id, type, value) in enumerate(wanted):
        if type == V4L2_CTRL_TYPE_STRING:
            granted.append(value)
        else:
            granted.append(controls[i].value64 if type == V4L2_CTRL_TYPE_INTEGER64 else controls[i].value)
    return 0, -1, granted
