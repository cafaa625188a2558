# <linux/videodev2.h>, continued: what describes a connector and its signal. See videodev2.pxd.
from libc.stdint cimport uint8_t, uint32_t, uint64_t

from zcore.uapi.videodev2 cimport v4l2_fract, v4l2_rect, v4l2_std_id


cdef extern from "uapi/zc_videodev2.h" nogil:
    struct v4l2_cropcap:
        uint32_t type
        v4l2_rect bounds, defrect
        v4l2_fract pixelaspect

    struct v4l2_crop:
        uint32_t type
        v4l2_rect c

    struct v4l2_standard:
        uint32_t index
        v4l2_std_id id
        uint8_t name[24]
        v4l2_fract frameperiod  # of frames, not of fields
        uint32_t framelines

    # Packed, as v4l2_dv_timings is: copy a field, do not take its address.
    struct v4l2_bt_timings:
        uint32_t width, height, interlaced, polarities
        uint64_t pixelclock
        uint32_t hfrontporch, hsync, hbackporch, vfrontporch, vsync, vbackporch
        uint32_t il_vfrontporch, il_vsync, il_vbackporch, standards, flags

    struct v4l2_dv_timings:
        uint32_t type
        v4l2_bt_timings bt

    struct v4l2_enum_dv_timings:
        uint32_t index, pad
        v4l2_dv_timings timings

    struct v4l2_bt_timings_cap:
        uint32_t min_width, max_width, min_height, max_height
        uint64_t min_pixelclock, max_pixelclock
        uint32_t standards, capabilities

    struct v4l2_dv_timings_cap:
        uint32_t type, pad
        v4l2_bt_timings_cap bt

    struct v4l2_edid:
        uint32_t pad, start_block, blocks
        uint8_t *edid

    const unsigned long VIDIOC_CROPCAP, VIDIOC_G_CROP, VIDIOC_S_CROP, VIDIOC_ENUMSTD, VIDIOC_G_STD, VIDIOC_S_STD
    const unsigned long VIDIOC_QUERYSTD, VIDIOC_ENUM_DV_TIMINGS, VIDIOC_G_DV_TIMINGS, VIDIOC_S_DV_TIMINGS
    const unsigned long VIDIOC_QUERY_DV_TIMINGS, VIDIOC_DV_TIMINGS_CAP, VIDIOC_G_EDID
