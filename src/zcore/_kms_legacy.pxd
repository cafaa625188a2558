# What drivers without atomic commits need: -errno or 0.
from libc.stdint cimport int32_t, uint32_t, uint64_t


cdef int page_flip(int fd, uint32_t crtc, uint32_t framebuffer, uint64_t number, bint asynchronous) noexcept nogil
# `place`: left, top, width and height in pixels on the screen, then in the framebuffer in 16.16
cdef int legacy_plane(int fd, uint32_t plane, uint32_t crtc, uint32_t framebuffer, int32_t *place) noexcept nogil
