# The sw_sync file of debugfs: fences that a test signals by hand.
from libc.stdint cimport int32_t, uint32_t, uint64_t


cdef extern from "uapi/zc_dmabuf.h" nogil:
    struct zc_sw_sync_create_fence_data:
        uint32_t value
        char name[32]
        int32_t fence

    struct zc_sw_sync_get_deadline:
        uint64_t deadline_ns
        uint32_t pad
        int32_t fence_fd

    const unsigned long ZC_SW_SYNC_IOC_CREATE_FENCE, ZC_SW_SYNC_IOC_INC, ZC_SW_SYNC_GET_DEADLINE
