# <linux/dma-buf.h> and <linux/sync_file.h>.
from libc.stdint cimport int32_t, uint32_t, uint64_t


cdef extern from "uapi/zc_dmabuf.h" nogil:
    struct zc_dma_buf_sync:
        uint64_t flags

    struct zc_dma_buf_export_sync_file:
        uint32_t flags
        int32_t fd

    struct zc_dma_buf_import_sync_file:
        uint32_t flags
        int32_t fd

    struct zc_sync_merge_data:
        char name[32]
        int32_t fd2, fence
        uint32_t flags, pad

    struct zc_sync_fence_info:
        char obj_name[32]
        char driver_name[32]
        int32_t status
        uint32_t flags
        uint64_t timestamp_ns

    struct zc_sync_file_info:
        char name[32]
        int32_t status
        uint32_t flags, num_fences, pad
        uint64_t sync_fence_info

    struct zc_sync_set_deadline:
        uint64_t deadline_ns, pad

    enum: ZC_DMA_BUF_NAME_LEN

    const unsigned long ZC_DMA_BUF_IOCTL_SYNC, ZC_DMA_BUF_SET_NAME, ZC_DMA_BUF_SET_NAME_A, ZC_DMA_BUF_SET_NAME_B
    const unsigned long ZC_DMA_BUF_IOCTL_EXPORT_SYNC_FILE, ZC_DMA_BUF_IOCTL_IMPORT_SYNC_FILE, ZC_SYNC_IOC_MERGE
    const unsigned long ZC_SYNC_IOC_FILE_INFO, ZC_SYNC_IOC_SET_DEADLINE

    const uint32_t ZC_DMA_BUF_SYNC_READ, ZC_DMA_BUF_SYNC_WRITE, ZC_DMA_BUF_SYNC_RW, ZC_DMA_BUF_SYNC_START
    const uint32_t ZC_DMA_BUF_SYNC_END, ZC_DMA_BUF_SYNC_VALID_FLAGS_MASK
