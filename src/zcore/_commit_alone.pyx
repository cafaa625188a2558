"""A commit beside frames that are shown: a mode, a plane that goes off, properties that change."""

from libc.errno cimport EAGAIN, ETIMEDOUT
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memset

from zcore._alarm cimport monotonic_ns
from zcore._commits cimport Commits
from zcore._errors cimport check
from zcore._sys cimport sys_wait
from zcore.uapi.drm cimport zc_drm_mode_atomic


cdef extern from "<poll.h>" nogil:
    enum:
        POLLIN


def commit_alone(Commits commits not None, uint32_t crtc, settings, uint32_t flags=0, double timeout=1.0, *,
                 bint read=False):
    """Commit properties and wait until they are there; frames of this CRTC in other threads wait that long.

    Parameters
    ----------
    commits : Commits
        Of the card.
    crtc : int
        Whose pending flip is waited for before.
    settings : dict of int to dict of int to int
        Object id to property id to value.
    flags : int
        DRM_MODE_ATOMIC_*; not NONBLOCK.
    timeout : float
        Seconds to wait for that flip.
    read : bool
        What is on the screen is written back by this commit: its frames stay until :func:`written_back`.

    Raises
    ------
    DeviceTimeoutError
        The flip before did not come.
    DeviceError
        The driver refuses these settings.
    """
    cdef zc_drm_mode_atomic atomic
    cdef uint32_t objects[64]
    cdef uint32_t counts[64]
    cdef uint32_t properties[512]
    cdef uint64_t values[512]
    cdef int object_count = 0, total = 0, result
    cdef int64_t deadline = monotonic_ns() + <int64_t>(timeout * 1e9)
    if len(settings) > 64 or sum(map(len, settings.values())) > 512:
        raise ValueError("a commit takes 64 objects and 512 properties at most")
    for id in sorted(settings):
        objects[object_count] = id
        counts[object_count] = len(settings[id])
        object_count += 1
        for property_id, value in sorted(settings[id].items()):
            properties[total] = property_id
            values[total] = value & 0xFFFFFFFFFFFFFFFF
            total += 1
    memset(&atomic, 0, sizeof(atomic))
    atomic.flags = flags
    atomic.count_objs = object_count
    atomic.objs_ptr = <uint64_t>objects
    atomic.count_props_ptr = <uint64_t>counts
    atomic.props_ptr = <uint64_t>properties
    atomic.prop_values_ptr = <uint64_t>values
    with nogil:
        while True:
            result = commits.alone(crtc, &atomic, read)
            if result != -EAGAIN:
                break
            if monotonic_ns() > deadline:
                result = -ETIMEDOUT
                break
            result = commits.collect(NULL)
            if result == -EAGAIN:
                sys_wait(commits.card.fd.number, POLLIN, 20)  # short: another thread may read the event
            elif result < 0:
                break
    check(result, "DRM_IOCTL_MODE_ATOMIC" if result != -ETIMEDOUT else "flip event", commits.card.path)


def written_back(Commits commits not None, uint32_t crtc):
    """Give back the frames that a picture was written back from; it is there now, or will never be."""
    with nogil:
        commits.written_back(crtc)
