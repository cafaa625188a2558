"""What a DRM device tells about its objects, as Python values."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.string cimport memcpy

from typing import NamedTuple


class Mode(NamedTuple):
    """A display mode; ``raw`` is the kernel's ``drm_mode_modeinfo``."""

    name: str
    width: int
    height: int
    refresh: float  # Hz
    preferred: bool
    raw: bytes


class Connector(NamedTuple):
    """A connector, as GETCONNECTOR tells it."""

    id: int
    type: int
    number: int
    connected: bool
    encoder: int  # current, 0 = none
    possible_crtcs: int  # bit mask over the card's list of CRTCs
    modes: tuple


class Plane(NamedTuple):
    """A plane, as GETPLANE tells it."""

    id: int
    crtc: int
    framebuffer: int
    possible_crtcs: int
    formats: tuple  # DRM fourccs


class Property(NamedTuple):
    """A property of a KMS object."""

    id: int
    value: int
    flags: int


cdef tuple ids_of(uint32_t *values, int count):
    return tuple([values[i] for i in range(count)])


cdef str text(char *raw):
    cdef bytes whole = raw[:32]
    return whole.split(b"\0", 1)[0].decode(errors="replace")


cdef object read_mode(zc_drm_mode_modeinfo *mode):
    refresh = mode.clock * 1000.0 / (mode.htotal * mode.vtotal) if mode.htotal and mode.vtotal else float(mode.vrefresh)
    return Mode(text(mode.name), mode.hdisplay, mode.vdisplay, refresh, bool(mode.type & 8),
                PyBytes_FromStringAndSize(<char *>mode, sizeof(zc_drm_mode_modeinfo)))


cdef int copy_mode(zc_drm_mode_modeinfo *mode, bytes raw) except -1:
    if len(raw) != sizeof(zc_drm_mode_modeinfo):
        raise ValueError(f"a mode has {sizeof(zc_drm_mode_modeinfo)} bytes, not {len(raw)}")
    memcpy(mode, PyBytes_AS_STRING(raw), sizeof(zc_drm_mode_modeinfo))
    return 0
