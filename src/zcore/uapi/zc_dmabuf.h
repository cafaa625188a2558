/* The DMA-BUF ioctl ABI that zcore uses: CPU access, fences, dma-heaps, udmabuf, and sw_sync for tests.
 *
 * Every name is the kernel's with zc_ or ZC_ before it: the kernel's own headers may be older than the running kernel
 * or absent, and sw_sync has no header at all. tests/test_uapi.py compares them where they are installed.
 */
#ifndef ZCORE_UAPI_ZC_DMABUF_H
#define ZCORE_UAPI_ZC_DMABUF_H

#include <stdint.h>
#include <sys/ioctl.h>

#define ZC_ASSERT_DMABUF_SIZE(type, size) _Static_assert(sizeof(type) == (size), #type " must have " #size " bytes")

/* <linux/dma-buf.h> */

struct zc_dma_buf_sync {
    uint64_t flags;
};
ZC_ASSERT_DMABUF_SIZE(struct zc_dma_buf_sync, 8);

struct zc_dma_buf_export_sync_file {
    uint32_t flags;
    int32_t fd;
};
ZC_ASSERT_DMABUF_SIZE(struct zc_dma_buf_export_sync_file, 8);

struct zc_dma_buf_import_sync_file {
    uint32_t flags;
    int32_t fd;
};
ZC_ASSERT_DMABUF_SIZE(struct zc_dma_buf_import_sync_file, 8);

#define ZC_DMA_BUF_SYNC_READ 0x1
#define ZC_DMA_BUF_SYNC_WRITE 0x2
#define ZC_DMA_BUF_SYNC_RW 0x3
#define ZC_DMA_BUF_SYNC_START 0x0
#define ZC_DMA_BUF_SYNC_END 0x4
#define ZC_DMA_BUF_SYNC_VALID_FLAGS_MASK 0x7
#define ZC_DMA_BUF_NAME_LEN 32

#define ZC_DMA_BUF_IOCTL_SYNC _IOW('b', 0, struct zc_dma_buf_sync)
/* The argument is the string itself, so its "size" is a pointer's. A 64-bit kernel takes A and B alike. */
#define ZC_DMA_BUF_SET_NAME _IOW('b', 1, const char *)
#define ZC_DMA_BUF_SET_NAME_A _IOW('b', 1, uint32_t)
#define ZC_DMA_BUF_SET_NAME_B _IOW('b', 1, uint64_t)
#define ZC_DMA_BUF_IOCTL_EXPORT_SYNC_FILE _IOWR('b', 2, struct zc_dma_buf_export_sync_file)
#define ZC_DMA_BUF_IOCTL_IMPORT_SYNC_FILE _IOW('b', 3, struct zc_dma_buf_import_sync_file)

/* <linux/sync_file.h> */

struct zc_sync_merge_data {
    char name[32];
    int32_t fd2, fence;
    uint32_t flags, pad;
};
ZC_ASSERT_DMABUF_SIZE(struct zc_sync_merge_data, 48);

struct zc_sync_fence_info {
    char obj_name[32];
    char driver_name[32];
    int32_t status;
    uint32_t flags;
    uint64_t timestamp_ns;
};
ZC_ASSERT_DMABUF_SIZE(struct zc_sync_fence_info, 80);

struct zc_sync_file_info {
    char name[32];
    int32_t status; /* 1 signalled, 0 pending, < 0 an error */
    uint32_t flags, num_fences, pad;
    uint64_t sync_fence_info;
};
ZC_ASSERT_DMABUF_SIZE(struct zc_sync_file_info, 56);

struct zc_sync_set_deadline {
    uint64_t deadline_ns, pad;
};
ZC_ASSERT_DMABUF_SIZE(struct zc_sync_set_deadline, 16);

#define ZC_SYNC_IOC_MERGE _IOWR('>', 3, struct zc_sync_merge_data)
#define ZC_SYNC_IOC_FILE_INFO _IOWR('>', 4, struct zc_sync_file_info)
#define ZC_SYNC_IOC_SET_DEADLINE _IOW('>', 5, struct zc_sync_set_deadline)

/* <linux/dma-heap.h> */

struct zc_dma_heap_allocation_data {
    uint64_t len;
    uint32_t fd, fd_flags;
    uint64_t heap_flags;
};
ZC_ASSERT_DMABUF_SIZE(struct zc_dma_heap_allocation_data, 24);

#define ZC_DMA_HEAP_IOCTL_ALLOC _IOWR('H', 0x0, struct zc_dma_heap_allocation_data)

/* <linux/udmabuf.h> */

struct zc_udmabuf_create {
    uint32_t memfd, flags;
    uint64_t offset, size;
};
ZC_ASSERT_DMABUF_SIZE(struct zc_udmabuf_create, 24);

struct zc_udmabuf_create_item {
    uint32_t memfd, __pad;
    uint64_t offset, size;
};
ZC_ASSERT_DMABUF_SIZE(struct zc_udmabuf_create_item, 24);

struct zc_udmabuf_create_list {
    uint32_t flags, count;
    struct zc_udmabuf_create_item list[];
};
ZC_ASSERT_DMABUF_SIZE(struct zc_udmabuf_create_list, 8);

#define ZC_UDMABUF_FLAGS_CLOEXEC 0x1
#define ZC_UDMABUF_CREATE _IOW('u', 0x42, struct zc_udmabuf_create)
#define ZC_UDMABUF_CREATE_LIST _IOW('u', 0x43, struct zc_udmabuf_create_list)

/* debugfs sync/sw_sync: a timeline whose fences a test signals by hand. No header: drivers/dma-buf/sw_sync.c. */

struct zc_sw_sync_create_fence_data {
    uint32_t value;
    char name[32];
    int32_t fence;
};
ZC_ASSERT_DMABUF_SIZE(struct zc_sw_sync_create_fence_data, 40);

struct zc_sw_sync_get_deadline {
    uint64_t deadline_ns;
    uint32_t pad;
    int32_t fence_fd;
};
ZC_ASSERT_DMABUF_SIZE(struct zc_sw_sync_get_deadline, 16);

#define ZC_SW_SYNC_IOC_CREATE_FENCE _IOWR('W', 0, struct zc_sw_sync_create_fence_data)
#define ZC_SW_SYNC_IOC_INC _IOW('W', 1, uint32_t)
#define ZC_SW_SYNC_GET_DEADLINE _IOWR('W', 2, struct zc_sw_sync_get_deadline)

#endif
