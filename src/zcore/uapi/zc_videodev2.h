/* <linux/videodev2.h>, and what headers older than Linux 6.10 lack. */
#ifndef ZCORE_UAPI_ZC_VIDEODEV2_H
#define ZCORE_UAPI_ZC_VIDEODEV2_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/time.h>
#include <time.h>

#include <linux/videodev2.h>

#ifndef V4L2_CAP_IO_MC
#define V4L2_CAP_IO_MC 0x20000000
#endif
#ifndef V4L2_BUF_CAP_SUPPORTS_MMAP
#define V4L2_BUF_CAP_SUPPORTS_MMAP (1 << 0)
#define V4L2_BUF_CAP_SUPPORTS_USERPTR (1 << 1)
#define V4L2_BUF_CAP_SUPPORTS_DMABUF (1 << 2)
#define V4L2_BUF_CAP_SUPPORTS_REQUESTS (1 << 3)
#endif
#ifndef V4L2_BUF_CAP_SUPPORTS_ORPHANED_BUFS
#define V4L2_BUF_CAP_SUPPORTS_ORPHANED_BUFS (1 << 4)
#endif
#ifndef V4L2_BUF_CAP_SUPPORTS_M2M_HOLD_CAPTURE_BUF
#define V4L2_BUF_CAP_SUPPORTS_M2M_HOLD_CAPTURE_BUF (1 << 5)
#endif
#ifndef V4L2_BUF_CAP_SUPPORTS_MMAP_CACHE_HINTS
#define V4L2_BUF_CAP_SUPPORTS_MMAP_CACHE_HINTS (1 << 6)
#endif
#ifndef V4L2_BUF_CAP_SUPPORTS_MAX_NUM_BUFFERS
#define V4L2_BUF_CAP_SUPPORTS_MAX_NUM_BUFFERS (1 << 7)
#endif
#ifndef V4L2_BUF_CAP_SUPPORTS_REMOVE_BUFS
#define V4L2_BUF_CAP_SUPPORTS_REMOVE_BUFS (1 << 8)
#endif
#ifndef V4L2_BUF_FLAG_LAST
#define V4L2_BUF_FLAG_LAST 0x00100000
#endif
#ifndef V4L2_BUF_FLAG_IN_REQUEST
#define V4L2_BUF_FLAG_IN_REQUEST 0x00000080
#define V4L2_BUF_FLAG_REQUEST_FD 0x00800000
#endif
#ifndef V4L2_BUF_FLAG_M2M_HOLD_CAPTURE_BUF
#define V4L2_BUF_FLAG_M2M_HOLD_CAPTURE_BUF 0x00000200
#endif
#ifndef V4L2_MEMORY_FLAG_NON_COHERENT
#define V4L2_MEMORY_FLAG_NON_COHERENT (1 << 0)
#endif
#ifndef V4L2_FMT_FLAG_CONTINUOUS_BYTESTREAM
#define V4L2_FMT_FLAG_CONTINUOUS_BYTESTREAM 0x0004
#define V4L2_FMT_FLAG_DYN_RESOLUTION 0x0008
#endif
#ifndef V4L2_FMT_FLAG_ENC_CAP_FRAME_INTERVAL
#define V4L2_FMT_FLAG_ENC_CAP_FRAME_INTERVAL 0x0010
#endif
#ifndef V4L2_FMT_FLAG_CSC_COLORSPACE
#define V4L2_FMT_FLAG_CSC_COLORSPACE 0x0020
#define V4L2_FMT_FLAG_CSC_XFER_FUNC 0x0040
#define V4L2_FMT_FLAG_CSC_YCBCR_ENC 0x0080
#define V4L2_FMT_FLAG_CSC_QUANTIZATION 0x0100
#define V4L2_PIX_FMT_FLAG_SET_CSC 0x00000002
#endif
#ifndef V4L2_DEC_CMD_FLUSH
#define V4L2_DEC_CMD_FLUSH (4)
#endif
#ifndef V4L2_CTRL_FLAG_DYNAMIC_ARRAY
#define V4L2_CTRL_FLAG_DYNAMIC_ARRAY 0x0800
#endif

/* The kernel's struct v4l2_remove_buffers (Linux 6.10). */
struct zc_v4l2_remove_buffers {
    uint32_t index, count, type;
    uint32_t reserved[13];
};
_Static_assert(sizeof(struct zc_v4l2_remove_buffers) == 64, "struct zc_v4l2_remove_buffers must have 64 bytes");

#define ZC_VIDIOC_REMOVE_BUFS _IOWR('V', 104, struct zc_v4l2_remove_buffers)
#ifndef VIDIOC_REMOVE_BUFS
#define VIDIOC_REMOVE_BUFS ZC_VIDIOC_REMOVE_BUFS
#endif

/* Byte offset of v4l2_create_buffers.max_num_buffers (Linux 6.8), which is reserved[0] in older headers. */
#define ZC_V4L2_MAX_NUM_BUFFERS_OFFSET (offsetof(struct v4l2_create_buffers, flags) + sizeof(uint32_t))

/* Valid only with V4L2_BUF_CAP_SUPPORTS_MAX_NUM_BUFFERS in capabilities; else a queue holds at most 32 buffers. */
static inline uint32_t zc_v4l2_max_num_buffers(const struct v4l2_create_buffers *create)
{
    uint32_t count;

    memcpy(&count, (const char *)create + ZC_V4L2_MAX_NUM_BUFFERS_OFFSET, sizeof(count));
    return count;
}

#endif
