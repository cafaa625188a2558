# Typed dispatch: inputs are arguments, outputs come back. Every function gives a value >= 0 or -errno, needs no GIL.
from libc.stdint cimport uint32_t, uint64_t

from zcore.uapi.videodev2 cimport v4l2_buffer, v4l2_create_buffers

# Constants of <linux/dma-buf.h> under names that Cython modules may share.
cpdef enum Access:
    ACCESS_READ = 1
    ACCESS_WRITE = 2
    ACCESS_RW = 3

# DMA-BUF and its allocators
cdef int dmabuf_sync_start(int fd, uint64_t access) noexcept nogil
cdef int dmabuf_sync_end(int fd, uint64_t access) noexcept nogil
cdef int dmabuf_export_fence(int fd, uint32_t access) noexcept nogil  # new sync_file descriptor
cdef int dmabuf_import_fence(int fd, uint32_t access, int fence) noexcept nogil
cdef int dmabuf_set_name(int fd, const char *name) noexcept nogil
cdef int heap_alloc(int heap, uint64_t size) noexcept nogil  # new DMA-BUF descriptor
cdef int udmabuf_from_memfd(int udmabuf, int memfd, uint64_t size) noexcept nogil  # new DMA-BUF descriptor

# V4L2, what happens per frame or per buffer
cdef int v4l2_reqbufs(int fd, uint32_t type, uint32_t memory, uint32_t count, uint32_t *capabilities) noexcept nogil
cdef int v4l2_reqbufs_with(
    int fd, uint32_t type, uint32_t memory, uint32_t count, uint32_t *flags, uint32_t *capabilities
) noexcept nogil  # flags: wished in, granted out
cdef int v4l2_create_bufs(int fd, v4l2_create_buffers *argument, uint32_t *most) noexcept nogil  # most: of the queue
cdef int v4l2_remove_bufs(int fd, uint32_t type, uint32_t index, uint32_t count) noexcept nogil
cdef int v4l2_querybuf(int fd, v4l2_buffer *buffer) noexcept nogil
cdef int v4l2_qbuf(int fd, v4l2_buffer *buffer) noexcept nogil
cdef int v4l2_dqbuf(int fd, v4l2_buffer *buffer) noexcept nogil
cdef int v4l2_expbuf(int fd, uint32_t type, uint32_t index, uint32_t plane) noexcept nogil  # new DMA-BUF descriptor
cdef int v4l2_streamon(int fd, uint32_t type) noexcept nogil
cdef int v4l2_streamoff(int fd, uint32_t type) noexcept nogil
