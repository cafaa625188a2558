"""What drivers without atomic commits need beside page flips."""

from libc.stdint cimport uint32_t
from libc.string cimport memset

from zcore._drm cimport Card
from zcore._errors cimport check
from zcore._sys cimport sys_ioctl_restart
from zcore.uapi.drm cimport ZC_DRM_IOCTL_MODE_SETPLANE, zc_drm_mode_set_plane


def set_plane(Card card not None, uint32_t plane, uint32_t crtc, uint32_t framebuffer, target, source):
    """Show a framebuffer on a plane at once; framebuffer 0 switches the plane off.

    Parameters
    ----------
    target, source : (int, int, int, int)
        Left, top, width and height in pixels, on the screen and in the framebuffer.
    """
    cdef zc_drm_mode_set_plane argument
    cdef int fd = card.fd.number
    cdef int result
    memset(&argument, 0, sizeof(argument))
    argument.plane_id = plane
    argument.crtc_id = crtc
    argument.fb_id = framebuffer
    argument.crtc_x, argument.crtc_y, argument.crtc_w, argument.crtc_h = target
    argument.src_x = source[0] << 16
    argument.src_y = source[1] << 16
    argument.src_w = source[2] << 16
    argument.src_h = source[3] << 16
    with nogil:
        result = sys_ioctl_restart(fd, ZC_DRM_IOCTL_MODE_SETPLANE, &argument)
    check(result, "DRM_IOCTL_MODE_SETPLANE", card.path)
