# <linux/media.h> and <linux/v4l2-subdev.h> through zc_media.h. Reserved fields are left out: zero the whole struct.
from libc.stdint cimport uint16_t, uint32_t, uint64_t

from zcore.uapi.videodev2 cimport v4l2_fract, v4l2_rect


cdef extern from "uapi/zc_media.h" nogil:
    struct media_device_info:
        char driver[16]
        char model[32]
        char serial[40]
        char bus_info[32]
        uint32_t media_version, hw_revision, driver_version

    struct media_v2_entity:
        uint32_t id
        char name[64]
        uint32_t function, flags

    struct media_v2_intf_devnode:
        uint32_t major, minor

    struct media_v2_interface:
        uint32_t id, intf_type, flags
        media_v2_intf_devnode devnode

    struct media_v2_pad:
        uint32_t id, entity_id, flags, index

    struct media_v2_link:
        uint32_t id, source_id, sink_id, flags

    struct media_v2_topology:
        uint64_t topology_version
        uint32_t num_entities, num_interfaces, num_pads, num_links
        uint64_t ptr_entities, ptr_interfaces, ptr_pads, ptr_links

    struct media_pad_desc:
        uint32_t entity
        uint16_t index
        uint32_t flags

    struct media_link_desc:
        media_pad_desc source, sink
        uint32_t flags

    struct v4l2_mbus_framefmt:
        uint32_t width, height, code, field, colorspace
        uint16_t ycbcr_enc, quantization, xfer_func

    struct zc_v4l2_subdev_capability:
        uint32_t version, capabilities

    struct zc_v4l2_subdev_format:
        uint32_t which, pad
        v4l2_mbus_framefmt format
        uint32_t stream

    struct zc_v4l2_subdev_mbus_code_enum:
        uint32_t pad, index, code, which, flags, stream

    struct zc_v4l2_subdev_frame_size_enum:
        uint32_t index, pad, code, min_width, max_width, min_height, max_height, which, stream

    struct zc_v4l2_subdev_frame_interval:
        uint32_t pad
        v4l2_fract interval
        uint32_t stream, which

    struct zc_v4l2_subdev_frame_interval_enum:
        uint32_t index, pad, code, width, height
        v4l2_fract interval
        uint32_t which, stream

    struct zc_v4l2_subdev_selection:
        uint32_t which, pad, target, flags
        v4l2_rect r
        uint32_t stream

    struct zc_v4l2_subdev_route:
        uint32_t sink_pad, sink_stream, source_pad, source_stream, flags

    struct zc_v4l2_subdev_routing:
        uint32_t which, len_routes
        uint64_t routes
        uint32_t num_routes

    struct zc_v4l2_subdev_client_capability:
        uint64_t capabilities

    unsigned long MEDIA_IOC_DEVICE_INFO, MEDIA_IOC_G_TOPOLOGY, MEDIA_IOC_SETUP_LINK

    enum:
        MEDIA_PAD_FL_SINK
        MEDIA_PAD_FL_SOURCE
        V4L2_SUBDEV_FORMAT_TRY
        V4L2_SUBDEV_FORMAT_ACTIVE
        ZC_V4L2_SUBDEV_CAP_RO_SUBDEV
        ZC_V4L2_SUBDEV_CAP_STREAMS
        ZC_V4L2_SUBDEV_ROUTE_FL_ACTIVE
        ZC_V4L2_SUBDEV_CLIENT_CAP_STREAMS
        ZC_V4L2_SUBDEV_CLIENT_CAP_INTERVAL_USES_WHICH

    unsigned long ZC_VIDIOC_SUBDEV_QUERYCAP, ZC_VIDIOC_SUBDEV_ENUM_MBUS_CODE, ZC_VIDIOC_SUBDEV_G_FMT
    unsigned long ZC_VIDIOC_SUBDEV_S_FMT, ZC_VIDIOC_SUBDEV_G_FRAME_INTERVAL, ZC_VIDIOC_SUBDEV_S_FRAME_INTERVAL
    unsigned long ZC_VIDIOC_SUBDEV_G_ROUTING, ZC_VIDIOC_SUBDEV_S_ROUTING, ZC_VIDIOC_SUBDEV_G_SELECTION
    unsigned long ZC_VIDIOC_SUBDEV_S_SELECTION, ZC_VIDIOC_SUBDEV_ENUM_FRAME_SIZE
    unsigned long ZC_VIDIOC_SUBDEV_ENUM_FRAME_INTERVAL, ZC_VIDIOC_SUBDEV_S_CLIENT_CAP
