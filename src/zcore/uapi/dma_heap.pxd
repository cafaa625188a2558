# <linux/dma-heap.h>.
from libc.stdint cimport uint32_t, uint64_t


cdef extern from "uapi/zc_dmabuf.h" nogil:
    struct zc_dma_heap_allocation_data:
        uint64_t len
        uint32_t fd, fd_flags
        uint64_t heap_flags

    const unsigned long ZC_DMA_HEAP_IOCTL_ALLOC
