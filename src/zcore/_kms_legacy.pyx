"""What drivers without atomic commits need: page flips, planes, gamma tables."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport int32_t, uint32_t, uint64_t
from libc.string cimport memset

from zcore._drm cimport Card
from zcore._errors cimport check
from zcore._sys cimport sys_ioctl_restart
from zcore.uapi.drm cimport (
    ZC_DRM_IOCTL_MODE_GETCRTC,
    ZC_DRM_IOCTL_MODE_GETGAMMA,
    ZC_DRM_IOCTL_MODE_PAGE_FLIP,
    ZC_DRM_IOCTL_MODE_SETGAMMA,
    ZC_DRM_IOCTL_MODE_SETPLANE,
    ZC_DRM_MODE_PAGE_FLIP_ASYNC,
    ZC_DRM_MODE_PAGE_FLIP_EVENT,
    zc_drm_mode_crtc,
    zc_drm_mode_crtc_lut,
    zc_drm_mode_crtc_page_flip,
    zc_drm_mode_set_plane,
)


cdef int page_flip(int fd, uint32_t crtc, uint32_t framebuffer, uint64_t number, bint asynchronous) noexcept nogil:
    cdef zc_drm_mode_crtc_page_flip flip
    memset(&flip, 0, sizeof(flip))
    flip.crtc_id = crtc
    flip.fb_id = framebuffer
    flip.flags = ZC_DRM_MODE_PAGE_FLIP_EVENT | (ZC_DRM_MODE_PAGE_FLIP_ASYNC if asynchronous else 0)
    flip.user_data = number
    return sys_ioctl_restart(fd, ZC_DRM_IOCTL_MODE_PAGE_FLIP, &flip)


cdef int legacy_plane(int fd, uint32_t plane, uint32_t crtc, uint32_t framebuffer, int32_t *place) noexcept nogil:
    cdef zc_drm_mode_set_plane argument
    memset(&argument, 0, sizeof(argument))
    argument.plane_id = plane
    argument.crtc_id = crtc
    argument.fb_id = framebuffer
    argument.crtc_x = place[0]
    argument.crtc_y = place[1]
    argument.crtc_w = place[2]
    argument.crtc_h = place[3]
    argument.src_x = place[4]
    argument.src_y = place[5]
    argument.src_w = place[6]
    argument.src_h = place[7]
    return sys_ioctl_restart(fd, ZC_DRM_IOCTL_MODE_SETPLANE, &argument)


def set_plane(Card card not None, uint32_t plane, uint32_t crtc, uint32_t framebuffer, target, source):
    """Show a framebuffer on a plane at once; framebuffer 0 switches the plane off.

    Parameters
    ----------
    target, source : (int, int, int, int)
        Left, top, width and height in pixels, on the screen and in the framebuffer.
    """
    cdef int32_t place[8]
    cdef int fd = card.fd.number
    cdef int result
    for i in range(4):
        place[i] = target[i]
        place[4 + i] = source[i] << 16
    with nogil:
        result = legacy_plane(fd, plane, crtc, framebuffer, place)
    check(result, "DRM_IOCTL_MODE_SETPLANE", card.path)


def gamma_size(Card card not None, uint32_t crtc):
    """Tell how many entries the gamma table of a CRTC has; 0 = it has none."""
    cdef zc_drm_mode_crtc argument
    memset(&argument, 0, sizeof(argument))
    argument.crtc_id = crtc
    check(sys_ioctl_restart(card.fd.number, ZC_DRM_IOCTL_MODE_GETCRTC, &argument), "DRM_IOCTL_MODE_GETCRTC", card.path)
    return argument.gamma_size


def get_gamma(Card card not None, uint32_t crtc, uint32_t size):
    """Read the gamma table of a CRTC: `size` numbers of 16 bits for red, then as many for green, and for blue."""
    content = PyBytes_FromStringAndSize(NULL, 6 * <Py_ssize_t>size)
    check(call_gamma(card, ZC_DRM_IOCTL_MODE_GETGAMMA, crtc, size, content), "DRM_IOCTL_MODE_GETGAMMA", card.path)
    return content


def set_gamma(Card card not None, uint32_t crtc, bytes content not None):
    """Set the gamma table of a CRTC at once; in the order of :func:`get_gamma`."""
    check(call_gamma(card, ZC_DRM_IOCTL_MODE_SETGAMMA, crtc, len(content) // 6, content), "DRM_IOCTL_MODE_SETGAMMA",
          card.path)


cdef int call_gamma(Card card, unsigned long request, uint32_t crtc, uint32_t size, bytes content) noexcept:
    cdef zc_drm_mode_crtc_lut argument
    cdef uint64_t start = <uint64_t>PyBytes_AS_STRING(content)
    cdef int fd = card.fd.number
    cdef int result
    memset(&argument, 0, sizeof(argument))
    argument.crtc_id = crtc
    argument.gamma_size = size
    argument.red, argument.green, argument.blue = start, start + 2 * size, start + 4 * size
    with nogil:  # a commit, in drivers that are atomic within
        result = sys_ioctl_restart(fd, request, &argument)
    return result
