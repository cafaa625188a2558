"""A commit beside frames that are shown: a mode, a plane that goes off, properties that change."""

from libc.errno cimport EAGAIN, ETIMEDOUT
from libc.stdint cimport int64_t, uint32_t

from zcore._alarm cimport monotonic_ns
from zcore._changes cimport Changes, changes_commit, changes_read
from zcore._commits cimport Commits
from zcore._errors cimport check
from zcore._sys cimport sys_wait


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
    cdef Changes changes
    cdef int fd = commits.card.fd.number
    cdef int result
    cdef bint claimed
    cdef int64_t deadline = monotonic_ns() + <int64_t>(timeout * 1e9)
    changes_read(&changes, settings)
    with nogil:
        result = commits.claim(crtc, True)
        while result == -EAGAIN:
            if monotonic_ns() > deadline:
                result = -ETIMEDOUT
                break
            result = commits.collect(NULL)
            if result == -EAGAIN:
                sys_wait(fd, POLLIN, 20)  # short: another thread may read the event
            elif result < 0:
                break
            result = commits.claim(crtc, False)
        claimed = result >= 0
        if claimed:
            result = changes_commit(&changes, fd, flags, 0)
        commits.settle(crtc, claimed, read and result >= 0)
    check(result, "DRM_IOCTL_MODE_ATOMIC" if result != -ETIMEDOUT else "flip event", commits.card.path)


def written_back(Commits commits not None, uint32_t crtc):
    """Give back the frames that a picture was written back from; it is there now, or will never be."""
    with nogil:
        commits.written_back(crtc)
