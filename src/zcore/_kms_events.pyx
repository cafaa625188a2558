"""Vertical blanks of a CRTC: their numbers and times."""

from libc.stdint cimport uint32_t
from libc.string cimport memset

from zcore._drm cimport Card
from zcore._errors cimport check
from zcore._sys cimport sys_ioctl_restart
from zcore.uapi.drm cimport (
    ZC_DRM_IOCTL_CRTC_GET_SEQUENCE,
    ZC_DRM_IOCTL_WAIT_VBLANK,
    ZC_DRM_VBLANK_HIGH_CRTC_SHIFT,
    ZC_DRM_VBLANK_RELATIVE,
    ZC_DRM_VBLANK_SECONDARY,
    zc_drm_crtc_get_sequence,
    zc_drm_wait_vblank,
)


def crtc_sequence(Card card not None, uint32_t crtc):
    """Give the number of a CRTC's last vertical blank and its time, CLOCK_MONOTONIC in ns."""
    cdef zc_drm_crtc_get_sequence argument
    memset(&argument, 0, sizeof(argument))
    argument.crtc_id = crtc
    check(sys_ioctl_restart(card.fd.number, ZC_DRM_IOCTL_CRTC_GET_SEQUENCE, &argument),
          "DRM_IOCTL_CRTC_GET_SEQUENCE", card.path)
    return argument.sequence, argument.sequence_ns


def wait_vblank(Card card not None, uint32_t crtc_index, uint32_t count=1):
    """Wait for the vertical blank after `count`; gives its number (32 bits) and its time in ns."""
    cdef zc_drm_wait_vblank argument
    cdef int fd = card.fd.number
    cdef int result
    memset(&argument, 0, sizeof(argument))
    # The second CRTC has a flag of its own, from before there were more than two.
    argument.request.type = ZC_DRM_VBLANK_RELATIVE | (
        ZC_DRM_VBLANK_SECONDARY if crtc_index == 1 else crtc_index << ZC_DRM_VBLANK_HIGH_CRTC_SHIFT)
    argument.request.sequence = count
    with nogil:
        result = sys_ioctl_restart(fd, ZC_DRM_IOCTL_WAIT_VBLANK, &argument)
    check(result, "DRM_IOCTL_WAIT_VBLANK", card.path)
    return argument.reply.sequence, argument.reply.tval_sec * 1000000000 + argument.reply.tval_usec * 1000
