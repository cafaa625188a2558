from libc.stdint cimport uint32_t, uint64_t

from zcore._drm cimport Card


cdef class Framebuffer:
    cdef readonly Card card
    cdef readonly uint32_t id
    cdef tuple imported  # identities whose handles it holds; a tuple, because the cycle collector empties lists
    cdef tuple buffers  # kept alive: their inodes must not be reused while a handle is registered under them


cdef Framebuffer import_framebuffer(
    Card card, tuple buffers, list components, uint32_t width, uint32_t height, uint32_t fourcc, modifier,
)
