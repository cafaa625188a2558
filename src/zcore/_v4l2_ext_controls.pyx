"""Controls of every type, as bytes: what there are, and several read, tried or set in one call."""

from cpython.bytearray cimport PyByteArray_AS_STRING
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from libc.errno cimport EINVAL, ENOTTY
from libc.stdint cimport int32_t, uint32_t
from libc.string cimport memcpy, memset

from zcore._errors cimport check
from zcore._sys cimport sys_ioctl
from zcore._v4l2_device cimport V4l2Device
from zcore.uapi.videodev2 cimport (
    V4L2_CTRL_FLAG_NEXT_COMPOUND,
    V4L2_CTRL_FLAG_NEXT_CTRL,
    V4L2_CTRL_WHICH_CUR_VAL,
    VIDIOC_G_CTRL,
    VIDIOC_G_EXT_CTRLS,
    VIDIOC_QUERY_EXT_CTRL,
    VIDIOC_QUERYCTRL,
    VIDIOC_S_CTRL,
    VIDIOC_S_EXT_CTRLS,
    VIDIOC_TRY_EXT_CTRLS,
    v4l2_control,
    v4l2_ext_control,
    v4l2_ext_controls,
    v4l2_query_ext_ctrl,
    v4l2_queryctrl,
)

from typing import NamedTuple


cdef enum:
    MAX_CONTROLS = 1024  # V4L2_CID_MAX_CTRLS
    USER_BASE = 0x00980900
    USER_END = 0x0098092C  # V4L2_CID_LASTP1 of Linux 2.6, whose drivers have no V4L2_CTRL_FLAG_NEXT_CTRL
    PRIVATE_BASE = 0x08000000
    DISABLED = 1


class ControlDescription(NamedTuple):
    """A control, as VIDIOC_QUERY_EXT_CTRL tells it, or VIDIOC_QUERYCTRL where the driver is an old one."""

    id: int
    name: str
    type: int
    minimum: int
    maximum: int
    step: int
    default: int
    flags: int
    elem_size: int  # bytes of one element
    elems: int
    dims: tuple  # empty: no array


def describe(V4l2Device device not None, uint32_t id, bint next=False):
    """Ask for one control.

    Parameters
    ----------
    device : V4l2Device
        Whose it is.
    id : int
        Its number.
    next : bool
        Ask for the first one with a larger number instead.

    Returns
    -------
    ControlDescription or None
        ``None``: there is none.
    """
    cdef v4l2_query_ext_ctrl query
    cdef int result
    memset(&query, 0, sizeof(query))
    query.id = id | (V4L2_CTRL_FLAG_NEXT_CTRL | V4L2_CTRL_FLAG_NEXT_COMPOUND if next else 0)
    result = sys_ioctl(device.fd.number, VIDIOC_QUERY_EXT_CTRL, &query)
    if result == -ENOTTY:
        return _describe_old(device, id, next)
    if result == -EINVAL:
        return None
    check(result, "VIDIOC_QUERY_EXT_CTRL", device.path)
    dims = tuple([query.dims[i] for i in range(min(<int>query.nr_of_dims, 4))])
    return ControlDescription(query.id, (<char *>query.name)[:32].split(b"\0", 1)[0].decode(errors="replace"),
                              query.type, query.minimum, query.maximum, query.step, query.default_value, query.flags,
                              query.elem_size, query.elems, dims)


cdef _describe_old(V4l2Device device, uint32_t id, bint next):
    cdef v4l2_queryctrl query
    cdef int result
    memset(&query, 0, sizeof(query))
    query.id = id | (V4L2_CTRL_FLAG_NEXT_CTRL if next else 0)
    result = sys_ioctl(device.fd.number, VIDIOC_QUERYCTRL, &query)
    if result == -EINVAL or result == -ENOTTY:
        return None
    check(result, "VIDIOC_QUERYCTRL", device.path)
    return ControlDescription(query.id, (<char *>query.name)[:32].split(b"\0", 1)[0].decode(errors="replace"),
                              query.type, query.minimum, query.maximum, query.step, query.default_value, query.flags,
                              4, 1, ())


def describe_all(V4l2Device device not None):
    """List every control and every class (type 6), in the driver's order, those that are disabled too."""
    found = []
    one = describe(device, 0, True)
    while one is not None and (not found or one.id > found[len(found) - 1].id):
        found.append(one)
        one = describe(device, one.id, True)
    if found:
        return found
    # Drivers of old know only to be asked for each.
    for id in range(USER_BASE, USER_END):
        one = describe(device, id)
        if one is not None and not one.flags & DISABLED:
            found.append(one)
    id = PRIVATE_BASE
    while (one := describe(device, id)) is not None:
        if not one.flags & DISABLED:
            found.append(one)
        id += 1
    return found


def get_raw(V4l2Device device not None, controls, uint32_t which=V4L2_CTRL_WHICH_CUR_VAL, int request_fd=0):
    """Read controls in one VIDIOC_G_EXT_CTRLS.

    Parameters
    ----------
    device : V4l2Device
        Whose controls they are.
    controls : sequence of (id, size)
        The size in bytes of the memory behind a pointer (strings, arrays, structures); 0 for a plain number.
    which : int
        V4L2_CTRL_WHICH_CUR_VAL, V4L2_CTRL_WHICH_DEF_VAL, V4L2_CTRL_WHICH_REQUEST_VAL and so on.
    request_fd : int
        Of the request, for V4L2_CTRL_WHICH_REQUEST_VAL.

    Returns
    -------
    (int, int, list of bytes)
        0 or the errno; the index of the control that failed, -1 where the kernel does not tell; the values: 8 bytes
        of a plain number (of 32 bits, in the first four), else what the driver filled in.
    """
    return _transfer(device, VIDIOC_G_EXT_CTRLS, [(id, size, bytes(size or 8)) for id, size in controls], which,
                     request_fd)


def set_raw(
    V4l2Device device not None, controls, uint32_t which=V4L2_CTRL_WHICH_CUR_VAL, int request_fd=0, bint test=False,
):
    """Set controls in one VIDIOC_S_EXT_CTRLS: all of them, or as few as the driver manages.

    Parameters
    ----------
    device : V4l2Device
        Whose controls they are.
    controls : sequence of (id, bytes) or (id, int)
        What is behind a pointer as bytes (strings with their zero, arrays, structures); a plain number of 32 bits as
        an int. One of 64 bits is ``(id, bytes, True)``: 8 bytes that are the value themselves.
    which, request_fd : int
        As for :func:`get_raw`; with V4L2_CTRL_WHICH_REQUEST_VAL they are set when the request runs.
    test : bool
        Only try them (VIDIOC_TRY_EXT_CTRLS).

    Returns
    -------
    (int, int, list of bytes)
        0 or the errno; the index of the control that failed, -1 where the kernel does not tell; what was granted.
    """
    wanted = []
    for id, value, *plain in controls:
        if isinstance(value, int):
            wanted.append((id, 0, (value & 0xFFFFFFFF).to_bytes(4, "little" if little_endian() else "big") + bytes(4)))
        else:
            wanted.append((id, 0 if plain and plain[0] else len(value), bytes(value)))
    code, index, granted = _transfer(device, VIDIOC_TRY_EXT_CTRLS if test else VIDIOC_S_EXT_CTRLS, wanted, which,
                                     request_fd)
    if code and index < 0 and not test:
        # Refused before anything was set, and then S_EXT_CTRLS does not say which one: only TRY_EXT_CTRLS does.
        tried, index, _ = _transfer(device, VIDIOC_TRY_EXT_CTRLS, wanted, which, request_fd)
        if not tried:
            index = -1
    return code, index, granted


cdef bint little_endian() noexcept:
    cdef uint32_t one = 1
    return (<unsigned char *>&one)[0] == 1


cdef _transfer(V4l2Device device, unsigned long request, list wanted, uint32_t which, int request_fd):
    """Make one of the three calls; `wanted` is (id, size, bytes), where a size of 0 says that the bytes are the value.
    """
    cdef v4l2_ext_controls batch
    cdef v4l2_ext_control *controls
    cdef Py_ssize_t count = len(wanted), i
    cdef int result, fd = device.fd.number
    cdef bytearray memory
    if not 0 < count <= MAX_CONTROLS:
        raise ValueError(f"1 to {MAX_CONTROLS} controls at once, not {count}")
    memories = [bytearray(content) for _, _, content in wanted]  # what the kernel reads and writes
    controls = <v4l2_ext_control *>PyMem_Malloc(count * sizeof(v4l2_ext_control))
    if controls == NULL:
        raise MemoryError()
    try:
        memset(controls, 0, count * sizeof(v4l2_ext_control))
        for i in range(count):
            memory = memories[i]
            controls[i].id = wanted[i][0]
            controls[i].size = wanted[i][1]
            if controls[i].size:
                controls[i].ptr = PyByteArray_AS_STRING(memory)
            elif len(memory) != 8:
                raise ValueError(f"control {wanted[i][0]:#x}: a plain value has 8 bytes, not {len(memory)}")
            else:
                memcpy(&controls[i].value64, PyByteArray_AS_STRING(memory), 8)
        memset(&batch, 0, sizeof(batch))
        batch.which = which
        batch.count = <uint32_t>count
        batch.error_idx = <uint32_t>count
        batch.request_fd = request_fd
        batch.controls = controls
        with nogil:  # the hardware may sit behind a slow bus
            result = sys_ioctl(fd, request, &batch)
        if result == -ENOTTY and which == V4L2_CTRL_WHICH_CUR_VAL and request != VIDIOC_TRY_EXT_CTRLS:
            result = _one_by_one(fd, request == VIDIOC_S_EXT_CTRLS, controls, count, &batch.error_idx)
        if result < 0:
            return -result, <int>batch.error_idx if batch.error_idx < batch.count else -1, []
        granted = []
        for i in range(count):
            memory = memories[i]
            if wanted[i][1]:
                granted.append(bytes(memory[:min(<uint32_t>len(memory), controls[i].size)]))
            else:
                memcpy(PyByteArray_AS_STRING(memory), &controls[i].value64, 8)
                granted.append(bytes(memory))
        return 0, -1, granted
    finally:
        PyMem_Free(controls)


cdef int _one_by_one(int fd, bint set, v4l2_ext_control *controls, Py_ssize_t count, uint32_t *failed) noexcept:
    """Do with VIDIOC_G_CTRL and VIDIOC_S_CTRL what a driver without the calls for several can do."""
    cdef v4l2_control one
    cdef Py_ssize_t i
    cdef int result
    for i in range(count):
        if controls[i].size:
            return -ENOTTY
    for i in range(count):
        memset(&one, 0, sizeof(one))
        one.id = controls[i].id
        one.value = controls[i].value
        result = sys_ioctl(fd, VIDIOC_S_CTRL if set else VIDIOC_G_CTRL, &one)
        if result < 0:
            failed[0] = <uint32_t>i
            return result
        controls[i].value64 = 0
        controls[i].value = <int32_t>one.value
    return 0
