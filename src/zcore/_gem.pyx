"""GEM handles and framebuffers: each is closed exactly once."""

cimport cython
from libc.errno cimport EINVAL, ENODEV, EOPNOTSUPP
from libc.string cimport memset

from zcore._dmabuf cimport DmaBuf, dmabuf_take
from zcore._drm cimport Card
from zcore._errors cimport check, device_error
from zcore._sys cimport sys_ioctl_restart
from zcore.uapi.drm cimport (
    ZC_DRM_CAP_PRIME,
    ZC_DRM_IOCTL_GEM_CLOSE,
    ZC_DRM_IOCTL_MODE_ADDFB2,
    ZC_DRM_IOCTL_MODE_CLOSEFB,
    ZC_DRM_IOCTL_MODE_CREATE_DUMB,
    ZC_DRM_IOCTL_MODE_DESTROY_DUMB,
    ZC_DRM_IOCTL_MODE_RMFB,
    ZC_DRM_IOCTL_PRIME_FD_TO_HANDLE,
    ZC_DRM_IOCTL_PRIME_HANDLE_TO_FD,
    ZC_DRM_MODE_FB_MODIFIERS,
    zc_drm_gem_close,
    zc_drm_mode_closefb,
    zc_drm_mode_create_dumb,
    zc_drm_mode_destroy_dumb,
    zc_drm_mode_fb_cmd2,
    zc_drm_prime_handle,
)


cdef extern from "<fcntl.h>" nogil:
    enum:
        O_RDWR
        O_CLOEXEC


cdef uint32_t hold_handle(Card card, DmaBuf buffer) except 0:
    """Import a buffer; the handle is shared by all who import it through this card."""
    cdef zc_drm_prime_handle prime
    cdef int result
    with card.lock:
        entry = card.handles.get(buffer.identity)
        if entry is None:
            memset(&prime, 0, sizeof(prime))
            prime.fd = buffer.memory.fd
            result = sys_ioctl_restart(card.fd.number, ZC_DRM_IOCTL_PRIME_FD_TO_HANDLE, &prime)
            if result == -ENODEV and card.get_cap(ZC_DRM_CAP_PRIME):
                result = -EOPNOTSUPP  # a card that is gone answers nothing; this one (virtio-gpu) takes no such buffers
            if result < 0:
                raise device_error(-result, "DRM_IOCTL_PRIME_FD_TO_HANDLE", card.path,
                                   f"the driver refuses to import a buffer of {buffer.allocator}")
            entry = card.handles[buffer.identity] = [prime.handle, 0]
        entry[1] += 1
        return entry[0]


cdef void drop_handle(Card card, identity):
    cdef zc_drm_gem_close argument
    with card.lock:
        entry = card.handles[identity]
        entry[1] -= 1
        if entry[1] == 0:
            del card.handles[identity]
            memset(&argument, 0, sizeof(argument))
            argument.handle = entry[0]
            if card.fd.ours():
                sys_ioctl_restart(card.fd.number, ZC_DRM_IOCTL_GEM_CLOSE, &argument)


def handle_count(Card card not None):
    """How many GEM handles the card holds for us."""
    return len(card.handles)


@cython.final
@cython.no_gc_clear  # __dealloc__ needs the card and the identities
cdef class Framebuffer:
    """A framebuffer over DMA-BUFs. Closing it while it is on the screen would blank the plane: replace it first."""

    def __init__(self):
        raise TypeError("use add_framebuffer()")

    def close(self, *, bint keep_shown=False):
        """Remove it and close the handles that nobody else uses; a second call does nothing.

        Parameters
        ----------
        keep_shown : bool
            A plane that shows it goes on doing so, with DRM_IOCTL_MODE_CLOSEFB; kernels without it blank the plane.
        """
        remove(self, keep_shown)

    def __dealloc__(self):
        if self.card is not None:
            remove(self, False)  # its buffer is free for others from now on: better blank than garbage

    def __repr__(self):
        return f"<Framebuffer {self.id}>"


cdef void remove(Framebuffer self, bint keep_shown):
    cdef uint32_t id = self.id
    cdef int fd = self.card.fd.number
    cdef zc_drm_mode_closefb closing
    self.id = 0
    if id and self.card.fd.ours():
        memset(&closing, 0, sizeof(closing))
        closing.fb_id = id
        with nogil:  # may wait for a frame where it is still shown
            if not keep_shown or sys_ioctl_restart(fd, ZC_DRM_IOCTL_MODE_CLOSEFB, &closing) < 0:
                sys_ioctl_restart(fd, ZC_DRM_IOCTL_MODE_RMFB, &id)
    imported, self.imported = self.imported, ()
    for identity in imported:
        drop_handle(self.card, identity)
    self.buffers = ()


cdef Framebuffer import_framebuffer(
    Card card, tuple buffers, list components, uint32_t width, uint32_t height, uint32_t fourcc, modifier,
):
    cdef zc_drm_mode_fb_cmd2 command
    cdef Framebuffer self = Framebuffer.__new__(Framebuffer)
    cdef DmaBuf buffer
    cdef int result
    self.card = card
    self.imported = ()
    self.buffers = buffers
    memset(&command, 0, sizeof(command))
    command.width = width
    command.height = height
    command.pixel_format = fourcc
    if modifier is not None:
        command.flags = ZC_DRM_MODE_FB_MODIFIERS
    handles = {}
    if not 0 < len(components) <= 4:
        raise ValueError(f"a framebuffer has 1 to 4 colour planes, not {len(components)}")
    try:
        for i, (plane, offset, stride, rows) in enumerate(components):
            if not isinstance(buffers[plane], DmaBuf):  # None would pass as one
                raise TypeError(f"memory plane {plane} is no DmaBuf: {buffers[plane]!r}")
            buffer = buffers[plane]
            if offset + stride * rows > buffer.memory.size + stride:  # the last row may be shorter than the stride
                raise device_error(
                    EINVAL, "DRM_IOCTL_MODE_ADDFB2", card.path,
                    f"colour plane {i} ends at {offset + stride * rows}, its buffer has {buffer.memory.size} bytes",
                )
            if buffer.identity not in handles:  # one handle for all colour planes of one buffer
                handles[buffer.identity] = hold_handle(card, buffer)
                self.imported += (buffer.identity,)
            command.handles[i] = handles[buffer.identity]
            command.pitches[i] = stride
            command.offsets[i] = offset
            if modifier is not None:
                command.modifier[i] = modifier
        result = sys_ioctl_restart(card.fd.number, ZC_DRM_IOCTL_MODE_ADDFB2, &command)
        if result < 0:
            raise device_error(
                -result, "DRM_IOCTL_MODE_ADDFB2", card.path,
                f"refused {width}x{height} {fourcc_text(fourcc)}"
                f" modifier {'none' if modifier is None else hex(modifier)}"
                f" strides {[c[2] for c in components]} offsets {[c[1] for c in components]}",
            )
    except BaseException:
        self.close()
        raise
    self.id = command.fb_id
    return self


cdef str fourcc_text(uint32_t fourcc):
    return bytes([(fourcc >> shift) & 0x7F for shift in (0, 8, 16, 24)]).decode("ascii", "replace")


def add_framebuffer(Card card not None, buffers, components, size, uint32_t fourcc, modifier=None):
    """Make a framebuffer over DMA-BUFs (PRIME import and ADDFB2).

    Parameters
    ----------
    card : Card
        Where it is to be shown.
    buffers : sequence of DmaBuf
        Per memory plane.
    components : sequence of (memory plane, offset, stride, rows)
        Colour planes, in bytes.
    size : (int, int)
        Pixels.
    fourcc : int
        DRM fourcc.
    modifier : int, optional
        ``None`` leaves the layout to the driver, which is not the same as linear (0).

    Returns
    -------
    Framebuffer
    """
    return import_framebuffer(card, tuple(buffers), list(components), size[0], size[1], fourcc, modifier)


def allocate_dumb(Card card not None, uint32_t width, uint32_t height, uint32_t bits_per_pixel):
    """Allocate a dumb buffer as a DMA-BUF.

    Returns
    -------
    (DmaBuf, int)
        The buffer and its stride in bytes. The GEM handle is closed at once: the DMA-BUF holds the memory, and a
        handle that nobody keeps cannot be closed twice.
    """
    cdef zc_drm_mode_create_dumb dumb
    cdef zc_drm_mode_destroy_dumb destroy
    cdef zc_drm_prime_handle prime
    cdef int result
    memset(&dumb, 0, sizeof(dumb))
    dumb.width = width
    dumb.height = height
    dumb.bpp = bits_per_pixel
    check(sys_ioctl_restart(card.fd.number, ZC_DRM_IOCTL_MODE_CREATE_DUMB, &dumb),
          "DRM_IOCTL_MODE_CREATE_DUMB", card.path)
    memset(&prime, 0, sizeof(prime))
    prime.handle = dumb.handle
    prime.flags = O_RDWR | O_CLOEXEC
    result = sys_ioctl_restart(card.fd.number, ZC_DRM_IOCTL_PRIME_HANDLE_TO_FD, &prime)
    destroy.handle = dumb.handle
    sys_ioctl_restart(card.fd.number, ZC_DRM_IOCTL_MODE_DESTROY_DUMB, &destroy)
    check(result, "DRM_IOCTL_PRIME_HANDLE_TO_FD", card.path)
    return dmabuf_take(prime.fd, f"dumb:{card.path}"), dumb.pitch
