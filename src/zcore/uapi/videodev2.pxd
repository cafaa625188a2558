# <linux/videodev2.h> through zc_videodev2.h, which fills in what older headers lack.
# Reserved fields are left out: zero the whole struct. Members of a nameless union stand here as plain fields, because
# that is how C reaches them; unions with a name (m, fmt, parm, u) keep it: b.m.fd, f.fmt.pix_mp.plane_fmt[0].
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from posix.time cimport timespec, timeval


cdef extern from "uapi/zc_videodev2.h" nogil:
    ctypedef uint64_t v4l2_std_id

    struct v4l2_rect:
        int32_t left, top
        uint32_t width, height

    struct v4l2_fract:
        uint32_t numerator, denominator

    struct v4l2_capability:
        uint8_t driver[16]
        uint8_t card[32]
        uint8_t bus_info[32]
        uint32_t version, capabilities, device_caps

    # Formats.

    struct v4l2_fmtdesc:
        uint32_t index, type, flags
        uint8_t description[32]
        uint32_t pixelformat, mbus_code

    struct v4l2_frmsize_discrete:
        uint32_t width, height

    struct v4l2_frmsize_stepwise:
        uint32_t min_width, max_width, step_width, min_height, max_height, step_height

    struct v4l2_frmsizeenum:
        uint32_t index, pixel_format, type
        v4l2_frmsize_discrete discrete  # by type, one of the two
        v4l2_frmsize_stepwise stepwise

    struct v4l2_frmival_stepwise:
        v4l2_fract min, max, step

    struct v4l2_frmivalenum:
        uint32_t index, pixel_format, width, height, type
        v4l2_fract discrete  # by type, one of the two
        v4l2_frmival_stepwise stepwise

    struct v4l2_pix_format:
        uint32_t width, height, pixelformat, field, bytesperline, sizeimage, colorspace
        uint32_t priv  # V4L2_PIX_FMT_PRIV_MAGIC says that the fields below are valid
        uint32_t flags, ycbcr_enc, hsv_enc, quantization, xfer_func

    struct v4l2_plane_pix_format:
        uint32_t sizeimage, bytesperline

    struct v4l2_pix_format_mplane:
        uint32_t width, height, pixelformat, field, colorspace
        v4l2_plane_pix_format plane_fmt[8]
        uint8_t num_planes, flags, ycbcr_enc, hsv_enc, quantization, xfer_func

    struct v4l2_meta_format:
        uint32_t dataformat, buffersize

    union v4l2_format_fmt:  # nameless in C; never declare a variable of it
        v4l2_pix_format pix
        v4l2_pix_format_mplane pix_mp
        v4l2_meta_format meta
        uint8_t raw_data[200]

    struct v4l2_format:
        uint32_t type
        v4l2_format_fmt fmt

    # Buffers.

    struct v4l2_requestbuffers:
        uint32_t count, type, memory, capabilities
        uint8_t flags

    struct v4l2_create_buffers:
        uint32_t index, count, memory
        v4l2_format format
        uint32_t capabilities, flags

    uint32_t zc_v4l2_max_num_buffers(const v4l2_create_buffers *create)

    struct zc_v4l2_remove_buffers:
        uint32_t index, count, type

    struct v4l2_timecode:
        uint32_t type, flags
        uint8_t frames, seconds, minutes, hours
        uint8_t userbits[4]

    union v4l2_plane_m:  # nameless in C
        uint32_t mem_offset
        unsigned long userptr
        int32_t fd

    struct v4l2_plane:
        uint32_t bytesused, length
        v4l2_plane_m m
        uint32_t data_offset

    union v4l2_buffer_m:  # nameless in C
        uint32_t offset
        unsigned long userptr
        v4l2_plane *planes
        int32_t fd

    struct v4l2_buffer:
        uint32_t index, type, bytesused, flags, field
        timeval timestamp
        v4l2_timecode timecode
        uint32_t sequence, memory
        v4l2_buffer_m m
        uint32_t length  # bytes; with a multi-planar type, the number of elements in m.planes
        uint32_t reserved2
        int32_t request_fd

    struct v4l2_exportbuffer:
        uint32_t type, index, plane, flags
        int32_t fd

    # Streaming parameters, selection, inputs and outputs.

    struct v4l2_captureparm:
        uint32_t capability, capturemode
        v4l2_fract timeperframe
        uint32_t extendedmode, readbuffers

    struct v4l2_outputparm:
        uint32_t capability, outputmode
        v4l2_fract timeperframe
        uint32_t extendedmode, writebuffers

    union v4l2_streamparm_parm:  # nameless in C
        v4l2_captureparm capture
        v4l2_outputparm output
        uint8_t raw_data[200]

    struct v4l2_streamparm:
        uint32_t type
        v4l2_streamparm_parm parm

    struct v4l2_selection:
        uint32_t type, target, flags
        v4l2_rect r

    struct v4l2_input:
        uint32_t index
        uint8_t name[32]
        uint32_t type, audioset, tuner
        v4l2_std_id std
        uint32_t status, capabilities

    struct v4l2_output:
        uint32_t index
        uint8_t name[32]
        uint32_t type, audioset, modulator
        v4l2_std_id std
        uint32_t capabilities

    # Controls. v4l2_ext_control, v4l2_querymenu and the pixel formats are packed:
    # copy a field, do not take its address.

    struct v4l2_control:
        uint32_t id
        int32_t value

    struct v4l2_queryctrl:
        uint32_t id, type
        uint8_t name[32]
        int32_t minimum, maximum, step, default_value
        uint32_t flags

    struct v4l2_query_ext_ctrl:
        uint32_t id, type
        char name[32]
        int64_t minimum, maximum
        uint64_t step
        int64_t default_value
        uint32_t flags, elem_size, elems, nr_of_dims
        uint32_t dims[4]

    struct v4l2_querymenu:
        uint32_t id, index
        uint8_t name[32]  # a menu's entry
        int64_t value  # an integer menu's entry

    struct v4l2_ext_control:
        uint32_t id, size
        int32_t value
        int64_t value64
        char *string
        uint8_t *p_u8
        uint16_t *p_u16
        uint32_t *p_u32
        void *ptr

    struct v4l2_ext_controls:
        uint32_t which, count, error_idx
        int32_t request_fd
        v4l2_ext_control *controls

    # Events and codec commands.

    struct v4l2_event_vsync:
        uint8_t field

    struct v4l2_event_ctrl:
        uint32_t changes, type
        int32_t value
        int64_t value64
        uint32_t flags
        int32_t minimum, maximum, step, default_value

    struct v4l2_event_frame_sync:
        uint32_t frame_sequence

    struct v4l2_event_src_change:
        uint32_t changes

    struct v4l2_event_motion_det:
        uint32_t flags, frame_sequence, region_mask

    union v4l2_event_u:  # nameless in C
        v4l2_event_vsync vsync
        v4l2_event_ctrl ctrl
        v4l2_event_frame_sync frame_sync
        v4l2_event_src_change src_change
        v4l2_event_motion_det motion_det
        uint8_t data[64]

    struct v4l2_event:
        uint32_t type
        v4l2_event_u u
        uint32_t pending, sequence
        timespec timestamp
        uint32_t id

    struct v4l2_event_subscription:
        uint32_t type, id, flags

    struct v4l2_encoder_cmd_raw:  # nameless in C
        uint32_t data[8]

    struct v4l2_encoder_cmd:
        uint32_t cmd, flags
        v4l2_encoder_cmd_raw raw

    struct v4l2_decoder_cmd_stop:  # nameless in C
        uint64_t pts

    struct v4l2_decoder_cmd_start:  # nameless in C
        int32_t speed
        uint32_t format

    struct v4l2_decoder_cmd_raw:  # nameless in C
        uint32_t data[16]

    struct v4l2_decoder_cmd:
        uint32_t cmd, flags
        v4l2_decoder_cmd_stop stop
        v4l2_decoder_cmd_start start
        v4l2_decoder_cmd_raw raw

    # Requests and constants.

    enum: VIDEO_MAX_PLANES
    enum: VIDEO_MAX_FRAME

    const unsigned long VIDIOC_QUERYCAP, VIDIOC_ENUM_FMT, VIDIOC_G_FMT, VIDIOC_S_FMT, VIDIOC_TRY_FMT, VIDIOC_REQBUFS
    const unsigned long VIDIOC_CREATE_BUFS, VIDIOC_PREPARE_BUF, VIDIOC_REMOVE_BUFS, VIDIOC_QUERYBUF, VIDIOC_QBUF
    const unsigned long VIDIOC_DQBUF, VIDIOC_EXPBUF, VIDIOC_STREAMON, VIDIOC_STREAMOFF, VIDIOC_G_PARM, VIDIOC_S_PARM
    const unsigned long VIDIOC_ENUM_FRAMESIZES, VIDIOC_ENUM_FRAMEINTERVALS, VIDIOC_G_SELECTION, VIDIOC_S_SELECTION
    const unsigned long VIDIOC_ENUMINPUT, VIDIOC_G_INPUT, VIDIOC_S_INPUT, VIDIOC_ENUMOUTPUT, VIDIOC_G_OUTPUT
    const unsigned long VIDIOC_S_OUTPUT, VIDIOC_G_CTRL, VIDIOC_S_CTRL, VIDIOC_QUERYCTRL, VIDIOC_QUERY_EXT_CTRL
    const unsigned long VIDIOC_QUERYMENU, VIDIOC_G_EXT_CTRLS, VIDIOC_S_EXT_CTRLS, VIDIOC_TRY_EXT_CTRLS, VIDIOC_DQEVENT
    const unsigned long VIDIOC_SUBSCRIBE_EVENT, VIDIOC_UNSUBSCRIBE_EVENT, VIDIOC_ENCODER_CMD, VIDIOC_TRY_ENCODER_CMD
    const unsigned long VIDIOC_DECODER_CMD, VIDIOC_TRY_DECODER_CMD, VIDIOC_G_PRIORITY, VIDIOC_S_PRIORITY
    const unsigned long VIDIOC_LOG_STATUS

    const uint32_t V4L2_CAP_VIDEO_CAPTURE, V4L2_CAP_VIDEO_OUTPUT, V4L2_CAP_VIDEO_OVERLAY
    const uint32_t V4L2_CAP_VIDEO_CAPTURE_MPLANE, V4L2_CAP_VIDEO_OUTPUT_MPLANE, V4L2_CAP_VIDEO_M2M
    const uint32_t V4L2_CAP_VIDEO_M2M_MPLANE, V4L2_CAP_META_CAPTURE, V4L2_CAP_META_OUTPUT, V4L2_CAP_EXT_PIX_FORMAT
    const uint32_t V4L2_CAP_READWRITE, V4L2_CAP_STREAMING, V4L2_CAP_TOUCH, V4L2_CAP_IO_MC, V4L2_CAP_DEVICE_CAPS
    const uint32_t V4L2_CAP_TIMEPERFRAME
    const uint32_t V4L2_BUF_TYPE_VIDEO_CAPTURE, V4L2_BUF_TYPE_VIDEO_OUTPUT, V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE
    const uint32_t V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE, V4L2_BUF_TYPE_META_CAPTURE, V4L2_BUF_TYPE_META_OUTPUT
    const uint32_t V4L2_MEMORY_MMAP, V4L2_MEMORY_USERPTR, V4L2_MEMORY_DMABUF, V4L2_MEMORY_FLAG_NON_COHERENT
    const uint32_t V4L2_BUF_CAP_SUPPORTS_MMAP, V4L2_BUF_CAP_SUPPORTS_USERPTR, V4L2_BUF_CAP_SUPPORTS_DMABUF
    const uint32_t V4L2_BUF_CAP_SUPPORTS_REQUESTS, V4L2_BUF_CAP_SUPPORTS_ORPHANED_BUFS
    const uint32_t V4L2_BUF_CAP_SUPPORTS_M2M_HOLD_CAPTURE_BUF, V4L2_BUF_CAP_SUPPORTS_MMAP_CACHE_HINTS
    const uint32_t V4L2_BUF_CAP_SUPPORTS_MAX_NUM_BUFFERS, V4L2_BUF_CAP_SUPPORTS_REMOVE_BUFS
    const uint32_t V4L2_BUF_FLAG_MAPPED, V4L2_BUF_FLAG_QUEUED, V4L2_BUF_FLAG_DONE, V4L2_BUF_FLAG_KEYFRAME
    const uint32_t V4L2_BUF_FLAG_PFRAME, V4L2_BUF_FLAG_BFRAME, V4L2_BUF_FLAG_ERROR, V4L2_BUF_FLAG_IN_REQUEST
    const uint32_t V4L2_BUF_FLAG_TIMECODE, V4L2_BUF_FLAG_M2M_HOLD_CAPTURE_BUF, V4L2_BUF_FLAG_PREPARED
    const uint32_t V4L2_BUF_FLAG_NO_CACHE_INVALIDATE, V4L2_BUF_FLAG_NO_CACHE_CLEAN, V4L2_BUF_FLAG_TIMESTAMP_MASK
    const uint32_t V4L2_BUF_FLAG_TIMESTAMP_UNKNOWN, V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC, V4L2_BUF_FLAG_TIMESTAMP_COPY
    const uint32_t V4L2_BUF_FLAG_TSTAMP_SRC_MASK, V4L2_BUF_FLAG_TSTAMP_SRC_EOF, V4L2_BUF_FLAG_TSTAMP_SRC_SOE
    const uint32_t V4L2_BUF_FLAG_LAST, V4L2_BUF_FLAG_REQUEST_FD
    const uint32_t V4L2_FIELD_ANY, V4L2_FIELD_NONE, V4L2_FIELD_TOP, V4L2_FIELD_BOTTOM, V4L2_FIELD_INTERLACED
    const uint32_t V4L2_FIELD_SEQ_TB, V4L2_FIELD_SEQ_BT, V4L2_FIELD_ALTERNATE, V4L2_FIELD_INTERLACED_TB
    const uint32_t V4L2_FIELD_INTERLACED_BT
    const uint32_t V4L2_FMT_FLAG_COMPRESSED, V4L2_FMT_FLAG_EMULATED, V4L2_FMT_FLAG_CONTINUOUS_BYTESTREAM
    const uint32_t V4L2_FMT_FLAG_DYN_RESOLUTION, V4L2_FMT_FLAG_ENC_CAP_FRAME_INTERVAL, V4L2_FMT_FLAG_CSC_COLORSPACE
    const uint32_t V4L2_FMT_FLAG_CSC_XFER_FUNC, V4L2_FMT_FLAG_CSC_YCBCR_ENC, V4L2_FMT_FLAG_CSC_QUANTIZATION
    const uint32_t V4L2_PIX_FMT_PRIV_MAGIC, V4L2_PIX_FMT_FLAG_PREMUL_ALPHA, V4L2_PIX_FMT_FLAG_SET_CSC
    const uint32_t V4L2_FRMSIZE_TYPE_DISCRETE, V4L2_FRMSIZE_TYPE_CONTINUOUS, V4L2_FRMSIZE_TYPE_STEPWISE
    const uint32_t V4L2_FRMIVAL_TYPE_DISCRETE, V4L2_FRMIVAL_TYPE_CONTINUOUS, V4L2_FRMIVAL_TYPE_STEPWISE
    const uint32_t V4L2_COLORSPACE_DEFAULT, V4L2_COLORSPACE_SMPTE170M, V4L2_COLORSPACE_SMPTE240M
    const uint32_t V4L2_COLORSPACE_REC709, V4L2_COLORSPACE_470_SYSTEM_M, V4L2_COLORSPACE_470_SYSTEM_BG
    const uint32_t V4L2_COLORSPACE_JPEG, V4L2_COLORSPACE_SRGB, V4L2_COLORSPACE_OPRGB, V4L2_COLORSPACE_BT2020
    const uint32_t V4L2_COLORSPACE_RAW, V4L2_COLORSPACE_DCI_P3
    const uint32_t V4L2_XFER_FUNC_DEFAULT, V4L2_XFER_FUNC_709, V4L2_XFER_FUNC_SRGB, V4L2_XFER_FUNC_OPRGB
    const uint32_t V4L2_XFER_FUNC_SMPTE240M, V4L2_XFER_FUNC_NONE, V4L2_XFER_FUNC_DCI_P3, V4L2_XFER_FUNC_SMPTE2084
    const uint32_t V4L2_YCBCR_ENC_DEFAULT, V4L2_YCBCR_ENC_601, V4L2_YCBCR_ENC_709, V4L2_YCBCR_ENC_XV601
    const uint32_t V4L2_YCBCR_ENC_XV709, V4L2_YCBCR_ENC_BT2020, V4L2_YCBCR_ENC_BT2020_CONST_LUM
    const uint32_t V4L2_YCBCR_ENC_SMPTE240M
    const uint32_t V4L2_HSV_ENC_180, V4L2_HSV_ENC_256
    const uint32_t V4L2_QUANTIZATION_DEFAULT, V4L2_QUANTIZATION_FULL_RANGE, V4L2_QUANTIZATION_LIM_RANGE
    const uint32_t V4L2_SEL_TGT_CROP, V4L2_SEL_TGT_CROP_DEFAULT, V4L2_SEL_TGT_CROP_BOUNDS, V4L2_SEL_TGT_NATIVE_SIZE
    const uint32_t V4L2_SEL_TGT_COMPOSE, V4L2_SEL_TGT_COMPOSE_DEFAULT, V4L2_SEL_TGT_COMPOSE_BOUNDS
    const uint32_t V4L2_SEL_TGT_COMPOSE_PADDED
    const uint32_t V4L2_SEL_FLAG_GE, V4L2_SEL_FLAG_LE, V4L2_SEL_FLAG_KEEP_CONFIG
    const uint32_t V4L2_CTRL_TYPE_INTEGER, V4L2_CTRL_TYPE_BOOLEAN, V4L2_CTRL_TYPE_MENU, V4L2_CTRL_TYPE_BUTTON
    const uint32_t V4L2_CTRL_TYPE_INTEGER64, V4L2_CTRL_TYPE_CTRL_CLASS, V4L2_CTRL_TYPE_STRING, V4L2_CTRL_TYPE_BITMASK
    const uint32_t V4L2_CTRL_TYPE_INTEGER_MENU, V4L2_CTRL_TYPE_U8, V4L2_CTRL_TYPE_U16, V4L2_CTRL_TYPE_U32
    const uint32_t V4L2_CTRL_TYPE_AREA
    const uint32_t V4L2_CTRL_FLAG_DISABLED, V4L2_CTRL_FLAG_GRABBED, V4L2_CTRL_FLAG_READ_ONLY, V4L2_CTRL_FLAG_UPDATE
    const uint32_t V4L2_CTRL_FLAG_INACTIVE, V4L2_CTRL_FLAG_SLIDER, V4L2_CTRL_FLAG_WRITE_ONLY, V4L2_CTRL_FLAG_VOLATILE
    const uint32_t V4L2_CTRL_FLAG_HAS_PAYLOAD, V4L2_CTRL_FLAG_EXECUTE_ON_WRITE, V4L2_CTRL_FLAG_MODIFY_LAYOUT
    const uint32_t V4L2_CTRL_FLAG_DYNAMIC_ARRAY, V4L2_CTRL_FLAG_NEXT_CTRL, V4L2_CTRL_FLAG_NEXT_COMPOUND
    const uint32_t V4L2_CTRL_WHICH_CUR_VAL, V4L2_CTRL_WHICH_DEF_VAL, V4L2_CTRL_WHICH_REQUEST_VAL
    const uint32_t V4L2_CID_MIN_BUFFERS_FOR_CAPTURE, V4L2_CID_MIN_BUFFERS_FOR_OUTPUT
    const uint32_t V4L2_EVENT_ALL, V4L2_EVENT_VSYNC, V4L2_EVENT_EOS, V4L2_EVENT_CTRL, V4L2_EVENT_FRAME_SYNC
    const uint32_t V4L2_EVENT_SOURCE_CHANGE, V4L2_EVENT_MOTION_DET, V4L2_EVENT_SRC_CH_RESOLUTION
    const uint32_t V4L2_EVENT_CTRL_CH_VALUE, V4L2_EVENT_CTRL_CH_FLAGS, V4L2_EVENT_CTRL_CH_RANGE
    const uint32_t V4L2_EVENT_SUB_FL_SEND_INITIAL, V4L2_EVENT_SUB_FL_ALLOW_FEEDBACK
    const uint32_t V4L2_ENC_CMD_START, V4L2_ENC_CMD_STOP, V4L2_ENC_CMD_PAUSE, V4L2_ENC_CMD_RESUME
    const uint32_t V4L2_ENC_CMD_STOP_AT_GOP_END
    const uint32_t V4L2_DEC_CMD_START, V4L2_DEC_CMD_STOP, V4L2_DEC_CMD_PAUSE, V4L2_DEC_CMD_RESUME, V4L2_DEC_CMD_FLUSH
    const uint32_t V4L2_DEC_CMD_STOP_TO_BLACK, V4L2_DEC_CMD_STOP_IMMEDIATELY
    const uint32_t V4L2_IN_ST_NO_POWER, V4L2_IN_ST_NO_SIGNAL, V4L2_IN_ST_NO_SYNC, V4L2_IN_CAP_DV_TIMINGS
    const uint32_t V4L2_IN_CAP_STD, V4L2_IN_CAP_NATIVE_SIZE
