"""Typed ioctl dispatch: inputs are arguments, outputs are return values."""

from cpython.buffer cimport PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from libc.string cimport memset

from zcore._errors cimport check
from zcore._sys cimport sys_ioctl, sys_ioctl_restart
from zcore.uapi.dma_buf cimport (
    ZC_DMA_BUF_IOCTL_EXPORT_SYNC_FILE,
    ZC_DMA_BUF_IOCTL_IMPORT_SYNC_FILE,
    ZC_DMA_BUF_IOCTL_SYNC,
    ZC_DMA_BUF_SET_NAME,
    ZC_DMA_BUF_SYNC_END,
    ZC_DMA_BUF_SYNC_START,
    zc_dma_buf_export_sync_file,
    zc_dma_buf_import_sync_file,
    zc_dma_buf_sync,
)
from zcore.uapi.dma_heap cimport ZC_DMA_HEAP_IOCTL_ALLOC, zc_dma_heap_allocation_data
from zcore.uapi.udmabuf cimport ZC_UDMABUF_CREATE, ZC_UDMABUF_FLAGS_CLOEXEC, zc_udmabuf_create
from zcore.uapi.videodev2 cimport (
    V4L2_BUF_CAP_SUPPORTS_MAX_NUM_BUFFERS,
    VIDIOC_CREATE_BUFS,
    VIDIOC_DQBUF,
    VIDIOC_EXPBUF,
    VIDIOC_QBUF,
    VIDIOC_QUERYBUF,
    VIDIOC_REMOVE_BUFS,
    VIDIOC_REQBUFS,
    VIDIOC_STREAMOFF,
    VIDIOC_STREAMON,
    v4l2_exportbuffer,
    v4l2_requestbuffers,
    zc_v4l2_max_num_buffers,
    zc_v4l2_remove_buffers,
)


cdef extern from "<fcntl.h>" nogil:
    enum:
        O_RDWR
        O_CLOEXEC

cdef enum:
    VIDEO_MAX_FRAME = 32  # buffers of a queue whose driver tells no other number

cdef extern from "_sys.h" nogil:
    int _IOC_SIZE(unsigned long request)


def ioctl(int fd, unsigned long request, argument=None, bint nonblocking=False):
    """Make one ioctl, restarted on EINTR.

    Parameters
    ----------
    fd : int
        Open descriptor.
    request : int
        Request number as in the kernel's header; it encodes the size of its argument.
    argument : writable bytes-like, optional
        The structure, changed in place; at least as large as the request says.
    nonblocking : bool
        Keep the GIL during the call: right for calls that are known not to wait.

    Returns
    -------
    int
        What the kernel answered, >= 0.

    Raises
    ------
    DeviceError
        With the errno of the call.
    ValueError
        Where the argument is smaller than the kernel would read or write.
    """
    cdef Py_buffer view
    cdef int result
    cdef void *address = NULL
    cdef int size = _IOC_SIZE(request)
    if argument is None:
        if size:
            raise ValueError(f"request {request:#x} needs an argument of {size} bytes")
        with nogil:
            result = sys_ioctl(fd, request, NULL)
    else:
        PyObject_GetBuffer(argument, &view, PyBUF_SIMPLE | PyBUF_WRITABLE)
        try:
            if view.len < size:
                raise ValueError(f"request {request:#x} needs an argument of {size} bytes, got {view.len}")
            address = view.buf
            if nonblocking:
                result = sys_ioctl(fd, request, address)
            else:
                with nogil:
                    result = sys_ioctl(fd, request, address)
        finally:
            PyBuffer_Release(&view)
    if result < 0:
        check(result, f"ioctl {request:#x}", f"fd {fd}")
    return result


cdef int dmabuf_sync_start(int fd, uint64_t access) noexcept nogil:
    cdef zc_dma_buf_sync sync
    sync.flags = ZC_DMA_BUF_SYNC_START | access
    return sys_ioctl_restart(fd, ZC_DMA_BUF_IOCTL_SYNC, &sync)


cdef int dmabuf_sync_end(int fd, uint64_t access) noexcept nogil:
    cdef zc_dma_buf_sync sync
    sync.flags = ZC_DMA_BUF_SYNC_END | access
    return sys_ioctl_restart(fd, ZC_DMA_BUF_IOCTL_SYNC, &sync)


cdef int dmabuf_export_fence(int fd, uint32_t access) noexcept nogil:
    cdef zc_dma_buf_export_sync_file argument
    argument.flags = access
    argument.fd = -1
    cdef int result = sys_ioctl_restart(fd, ZC_DMA_BUF_IOCTL_EXPORT_SYNC_FILE, &argument)
    return argument.fd if result >= 0 else result


cdef int dmabuf_import_fence(int fd, uint32_t access, int fence) noexcept nogil:
    cdef zc_dma_buf_import_sync_file argument
    argument.flags = access
    argument.fd = fence
    return sys_ioctl_restart(fd, ZC_DMA_BUF_IOCTL_IMPORT_SYNC_FILE, &argument)


cdef int dmabuf_set_name(int fd, const char *name) noexcept nogil:
    return sys_ioctl(fd, ZC_DMA_BUF_SET_NAME, <void *>name)


cdef int heap_alloc(int heap, uint64_t size) noexcept nogil:
    cdef zc_dma_heap_allocation_data argument
    memset(&argument, 0, sizeof(argument))
    argument.len = size
    argument.fd_flags = O_RDWR | O_CLOEXEC
    cdef int result = sys_ioctl(heap, ZC_DMA_HEAP_IOCTL_ALLOC, &argument)
    return <int>argument.fd if result >= 0 else result


cdef int udmabuf_from_memfd(int udmabuf, int memfd, uint64_t size) noexcept nogil:
    cdef zc_udmabuf_create argument
    memset(&argument, 0, sizeof(argument))
    argument.memfd = memfd
    argument.flags = ZC_UDMABUF_FLAGS_CLOEXEC
    argument.size = size
    return sys_ioctl(udmabuf, ZC_UDMABUF_CREATE, &argument)


cdef int v4l2_reqbufs(int fd, uint32_t type, uint32_t memory, uint32_t count, uint32_t *capabilities) noexcept nogil:
    cdef uint32_t flags = 0
    return v4l2_reqbufs_with(fd, type, memory, count, &flags, capabilities)


cdef int v4l2_reqbufs_with(
    int fd, uint32_t type, uint32_t memory, uint32_t count, uint32_t *flags, uint32_t *capabilities
) noexcept nogil:
    cdef v4l2_requestbuffers argument
    memset(&argument, 0, sizeof(argument))
    argument.type = type
    argument.memory = memory
    argument.count = count
    argument.flags = flags[0]
    cdef int result = sys_ioctl(fd, VIDIOC_REQBUFS, &argument)
    flags[0] = argument.flags
    if capabilities != NULL:
        capabilities[0] = argument.capabilities
    return <int>argument.count if result >= 0 else result


cdef int v4l2_create_bufs(int fd, v4l2_create_buffers *argument, uint32_t *most) noexcept nogil:
    cdef int result = sys_ioctl(fd, VIDIOC_CREATE_BUFS, argument)
    if result < 0:
        return result
    most[0] = VIDEO_MAX_FRAME
    if argument.capabilities & V4L2_BUF_CAP_SUPPORTS_MAX_NUM_BUFFERS:
        most[0] = zc_v4l2_max_num_buffers(argument)
    return <int>argument.count


cdef int v4l2_remove_bufs(int fd, uint32_t type, uint32_t index, uint32_t count) noexcept nogil:
    cdef zc_v4l2_remove_buffers argument
    memset(&argument, 0, sizeof(argument))
    argument.type = type
    argument.index = index
    argument.count = count
    return sys_ioctl(fd, VIDIOC_REMOVE_BUFS, &argument)


cdef int v4l2_querybuf(int fd, v4l2_buffer *buffer) noexcept nogil:
    return sys_ioctl(fd, VIDIOC_QUERYBUF, buffer)


cdef int v4l2_qbuf(int fd, v4l2_buffer *buffer) noexcept nogil:
    return sys_ioctl(fd, VIDIOC_QBUF, buffer)


cdef int v4l2_dqbuf(int fd, v4l2_buffer *buffer) noexcept nogil:
    return sys_ioctl(fd, VIDIOC_DQBUF, buffer)


cdef int v4l2_expbuf(int fd, uint32_t type, uint32_t index, uint32_t plane) noexcept nogil:
    cdef v4l2_exportbuffer argument
    memset(&argument, 0, sizeof(argument))
    argument.type = type  # the buffer type, not the memory type
    argument.index = index
    argument.plane = plane
    argument.flags = O_RDWR | O_CLOEXEC
    cdef int result = sys_ioctl(fd, VIDIOC_EXPBUF, &argument)
    return argument.fd if result >= 0 else result


cdef int v4l2_streamon(int fd, uint32_t type) noexcept nogil:
    return sys_ioctl(fd, VIDIOC_STREAMON, &type)


cdef int v4l2_streamoff(int fd, uint32_t type) noexcept nogil:
    return sys_ioctl(fd, VIDIOC_STREAMOFF, &type)
