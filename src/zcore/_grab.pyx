"""What a plane scans out, as DMA-BUFs: GETFB2, with each handle closed once."""

from libc.errno cimport EACCES
from libc.stdint cimport uint32_t
from libc.string cimport memset

from zcore._dmabuf cimport dmabuf_take
from zcore._drm cimport Card
from zcore._errors cimport check
from zcore._sys cimport sys_ioctl_restart
from zcore.uapi.drm cimport (
    ZC_DRM_IOCTL_GEM_CLOSE,
    ZC_DRM_IOCTL_MODE_GETFB2,
    ZC_DRM_IOCTL_PRIME_HANDLE_TO_FD,
    ZC_DRM_MODE_FB_MODIFIERS,
    zc_drm_gem_close,
    zc_drm_mode_fb_cmd2,
    zc_drm_prime_handle,
)

from zcore._errors import make_error


cdef extern from "<fcntl.h>" nogil:
    enum:
        O_CLOEXEC


def read_framebuffer(Card card not None, uint32_t id):
    """Take a framebuffer, whoever made it, as DMA-BUFs.

    The kernel makes a new handle for each distinct buffer of it, which several colour planes may share. It is closed
    as soon as there is a descriptor.

    Returns
    -------
    (int, int, int, int or None, list of (DmaBuf, int, int))
        Width, height, DRM fourcc, modifier (``None`` = not told), and buffer, stride and offset of each colour plane.

    Raises
    ------
    DevicePermissionError
        Neither DRM master nor CAP_SYS_ADMIN: the kernel hides the handles then.
    """
    cdef zc_drm_mode_fb_cmd2 command
    cdef zc_drm_prime_handle prime
    cdef zc_drm_gem_close closing
    cdef int result, i, failure = 0
    memset(&command, 0, sizeof(command))
    command.fb_id = id
    with card.lock:  # PRIME imports of the same file must not see the handles of a moment
        check(sys_ioctl_restart(card.fd.number, ZC_DRM_IOCTL_MODE_GETFB2, &command), "DRM_IOCTL_MODE_GETFB2",
              card.path)
        if not command.handles[0]:
            raise make_error(
                EACCES, "DRM_IOCTL_MODE_GETFB2", card.path,
                "the kernel shows what is on the screen to the DRM master and to CAP_SYS_ADMIN only",
                "run as root, or with CAP_SYS_ADMIN",
            )
        buffers = {}
        for i in range(4):
            if not command.handles[i] or command.handles[i] in buffers:
                continue
            memset(&prime, 0, sizeof(prime))
            prime.handle = command.handles[i]
            prime.flags = O_CLOEXEC
            result = sys_ioctl_restart(card.fd.number, ZC_DRM_IOCTL_PRIME_HANDLE_TO_FD, &prime)
            buffers[command.handles[i]] = result if result < 0 else prime.fd
            failure = min(failure, result)
            memset(&closing, 0, sizeof(closing))
            closing.handle = command.handles[i]
            sys_ioctl_restart(card.fd.number, ZC_DRM_IOCTL_GEM_CLOSE, &closing)
    taken = {handle: dmabuf_take(fd, f"screen:{card.path}") for handle, fd in buffers.items() if fd >= 0}
    check(failure, "DRM_IOCTL_PRIME_HANDLE_TO_FD", card.path)
    planes = [(taken[command.handles[i]], command.pitches[i], command.offsets[i]) for i in range(4)
              if command.handles[i]]
    modifier = command.modifier[0] if command.flags & ZC_DRM_MODE_FB_MODIFIERS else None
    return command.width, command.height, command.pixel_format, modifier, planes
