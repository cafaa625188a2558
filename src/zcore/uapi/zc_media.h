/* <linux/media.h> and <linux/v4l2-subdev.h>, and what headers older than Linux 6.10 lack: streams and routes.
   The structures of sub-devices are copies: streams took a reserved word of each, and its size stayed. */
#ifndef ZCORE_UAPI_ZC_MEDIA_H
#define ZCORE_UAPI_ZC_MEDIA_H

#include <stdint.h>
#include <sys/ioctl.h>

#include <linux/media-bus-format.h>
#include <linux/media.h>
#include <linux/v4l2-subdev.h>
#include <linux/videodev2.h>

#define ZC_ASSERT_BYTES(type, bytes) _Static_assert(sizeof(struct type) == (bytes), #type " must have " #bytes " bytes")
#define ZC_ASSERT_SAME(name) _Static_assert(ZC_##name == name, #name " is not the kernel's number")

ZC_ASSERT_BYTES(media_device_info, 256);
ZC_ASSERT_BYTES(media_v2_topology, 72);
ZC_ASSERT_BYTES(media_v2_entity, 96);
ZC_ASSERT_BYTES(media_v2_interface, 112);
ZC_ASSERT_BYTES(media_v2_pad, 32);
ZC_ASSERT_BYTES(media_v2_link, 40);
ZC_ASSERT_BYTES(media_link_desc, 52);
ZC_ASSERT_BYTES(v4l2_mbus_framefmt, 48);

struct zc_v4l2_subdev_capability {
    uint32_t version, capabilities;
    uint32_t reserved[14];
};
ZC_ASSERT_BYTES(zc_v4l2_subdev_capability, 64);

struct zc_v4l2_subdev_format {
    uint32_t which, pad;
    struct v4l2_mbus_framefmt format;
    uint32_t stream;
    uint32_t reserved[7];
};
ZC_ASSERT_BYTES(zc_v4l2_subdev_format, 88);

struct zc_v4l2_subdev_mbus_code_enum {
    uint32_t pad, index, code, which, flags, stream;
    uint32_t reserved[6];
};
ZC_ASSERT_BYTES(zc_v4l2_subdev_mbus_code_enum, 48);

struct zc_v4l2_subdev_frame_size_enum {
    uint32_t index, pad, code, min_width, max_width, min_height, max_height, which, stream;
    uint32_t reserved[7];
};
ZC_ASSERT_BYTES(zc_v4l2_subdev_frame_size_enum, 64);

struct zc_v4l2_subdev_frame_interval {
    uint32_t pad;
    struct v4l2_fract interval;
    uint32_t stream, which;
    uint32_t reserved[7];
};
ZC_ASSERT_BYTES(zc_v4l2_subdev_frame_interval, 48);

struct zc_v4l2_subdev_frame_interval_enum {
    uint32_t index, pad, code, width, height;
    struct v4l2_fract interval;
    uint32_t which, stream;
    uint32_t reserved[7];
};
ZC_ASSERT_BYTES(zc_v4l2_subdev_frame_interval_enum, 64);

struct zc_v4l2_subdev_selection {
    uint32_t which, pad, target, flags;
    struct v4l2_rect r;
    uint32_t stream;
    uint32_t reserved[7];
};
ZC_ASSERT_BYTES(zc_v4l2_subdev_selection, 64);

struct zc_v4l2_subdev_route {
    uint32_t sink_pad, sink_stream, source_pad, source_stream, flags;
    uint32_t reserved[5];
};
ZC_ASSERT_BYTES(zc_v4l2_subdev_route, 40);

/* As of Linux 6.10; no kernel before had the call switched on. */
struct zc_v4l2_subdev_routing {
    uint32_t which, len_routes;
    uint64_t routes;
    uint32_t num_routes;
    uint32_t reserved[11];
};
ZC_ASSERT_BYTES(zc_v4l2_subdev_routing, 64);

struct zc_v4l2_subdev_client_capability {
    uint64_t capabilities;
};
ZC_ASSERT_BYTES(zc_v4l2_subdev_client_capability, 8);

#define ZC_VIDIOC_SUBDEV_QUERYCAP _IOR('V', 0, struct zc_v4l2_subdev_capability)
#define ZC_VIDIOC_SUBDEV_ENUM_MBUS_CODE _IOWR('V', 2, struct zc_v4l2_subdev_mbus_code_enum)
#define ZC_VIDIOC_SUBDEV_G_FMT _IOWR('V', 4, struct zc_v4l2_subdev_format)
#define ZC_VIDIOC_SUBDEV_S_FMT _IOWR('V', 5, struct zc_v4l2_subdev_format)
#define ZC_VIDIOC_SUBDEV_G_FRAME_INTERVAL _IOWR('V', 21, struct zc_v4l2_subdev_frame_interval)
#define ZC_VIDIOC_SUBDEV_S_FRAME_INTERVAL _IOWR('V', 22, struct zc_v4l2_subdev_frame_interval)
#define ZC_VIDIOC_SUBDEV_G_ROUTING _IOWR('V', 38, struct zc_v4l2_subdev_routing)
#define ZC_VIDIOC_SUBDEV_S_ROUTING _IOWR('V', 39, struct zc_v4l2_subdev_routing)
#define ZC_VIDIOC_SUBDEV_G_SELECTION _IOWR('V', 61, struct zc_v4l2_subdev_selection)
#define ZC_VIDIOC_SUBDEV_S_SELECTION _IOWR('V', 62, struct zc_v4l2_subdev_selection)
#define ZC_VIDIOC_SUBDEV_ENUM_FRAME_SIZE _IOWR('V', 74, struct zc_v4l2_subdev_frame_size_enum)
#define ZC_VIDIOC_SUBDEV_ENUM_FRAME_INTERVAL _IOWR('V', 75, struct zc_v4l2_subdev_frame_interval_enum)
#define ZC_VIDIOC_SUBDEV_S_CLIENT_CAP _IOWR('V', 102, struct zc_v4l2_subdev_client_capability)

ZC_ASSERT_SAME(VIDIOC_SUBDEV_QUERYCAP);
ZC_ASSERT_SAME(VIDIOC_SUBDEV_ENUM_MBUS_CODE);
ZC_ASSERT_SAME(VIDIOC_SUBDEV_G_FMT);
ZC_ASSERT_SAME(VIDIOC_SUBDEV_S_FMT);
ZC_ASSERT_SAME(VIDIOC_SUBDEV_G_FRAME_INTERVAL);
ZC_ASSERT_SAME(VIDIOC_SUBDEV_S_FRAME_INTERVAL);
ZC_ASSERT_SAME(VIDIOC_SUBDEV_G_SELECTION);
ZC_ASSERT_SAME(VIDIOC_SUBDEV_S_SELECTION);
ZC_ASSERT_SAME(VIDIOC_SUBDEV_ENUM_FRAME_SIZE);
ZC_ASSERT_SAME(VIDIOC_SUBDEV_ENUM_FRAME_INTERVAL);

#define ZC_V4L2_SUBDEV_CAP_RO_SUBDEV 0x00000001
#define ZC_V4L2_SUBDEV_CAP_STREAMS 0x00000002
#define ZC_V4L2_SUBDEV_ROUTE_FL_ACTIVE (1U << 0)
#define ZC_V4L2_SUBDEV_CLIENT_CAP_STREAMS (1ULL << 0)
#define ZC_V4L2_SUBDEV_CLIENT_CAP_INTERVAL_USES_WHICH (1ULL << 1)

#endif
