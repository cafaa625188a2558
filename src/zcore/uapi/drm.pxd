# The DRM ioctl ABI. Field comments are in zc_drm.h and zc_drm_mode.h; pointers travel as uint64_t.
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t


cdef extern from "uapi/zc_drm.h" nogil:
    struct zc_drm_version:
        int version_major, version_minor, version_patchlevel
        size_t name_len
        char *name
        size_t date_len
        char *date
        size_t desc_len
        char *desc

    struct zc_drm_unique:
        size_t unique_len
        char *unique

    struct zc_drm_set_version:
        int drm_di_major, drm_di_minor, drm_dd_major, drm_dd_minor

    struct zc_drm_auth:
        unsigned int magic

    struct zc_drm_get_cap:
        uint64_t capability, value

    struct zc_drm_set_client_cap:
        uint64_t capability, value

    struct zc_drm_gem_close:
        uint32_t handle, pad

    struct zc_drm_prime_handle:
        uint32_t handle, flags
        int32_t fd

    struct zc_drm_wait_vblank_request:
        int type
        unsigned int sequence
        unsigned long signal

    struct zc_drm_wait_vblank_reply:
        int type
        unsigned int sequence
        long tval_sec, tval_usec

    union zc_drm_wait_vblank:
        zc_drm_wait_vblank_request request
        zc_drm_wait_vblank_reply reply

    struct zc_drm_crtc_get_sequence:
        uint32_t crtc_id, active
        uint64_t sequence
        int64_t sequence_ns

    struct zc_drm_crtc_queue_sequence:
        uint32_t crtc_id, flags
        uint64_t sequence, user_data

    struct zc_drm_event:
        uint32_t type, length

    struct zc_drm_event_vblank:
        zc_drm_event base
        uint64_t user_data
        uint32_t tv_sec, tv_usec, sequence, crtc_id

    struct zc_drm_event_crtc_sequence:
        zc_drm_event base
        uint64_t user_data
        int64_t time_ns
        uint64_t sequence

    struct zc_drm_syncobj_create:
        uint32_t handle, flags

    struct zc_drm_syncobj_destroy:
        uint32_t handle, pad

    struct zc_drm_syncobj_handle:
        uint32_t handle, flags
        int32_t fd
        uint32_t pad

    struct zc_drm_syncobj_transfer:
        uint32_t src_handle, dst_handle
        uint64_t src_point, dst_point
        uint32_t flags, pad

    struct zc_drm_syncobj_wait:
        uint64_t handles
        int64_t timeout_nsec
        uint32_t count_handles, flags, first_signaled, pad
        uint64_t deadline_nsec

    struct zc_drm_syncobj_timeline_wait:
        uint64_t handles, points
        int64_t timeout_nsec
        uint32_t count_handles, flags, first_signaled, pad
        uint64_t deadline_nsec

    struct zc_drm_syncobj_eventfd:
        uint32_t handle, flags
        uint64_t point
        int32_t fd
        uint32_t pad

    struct zc_drm_syncobj_array:
        uint64_t handles
        uint32_t count_handles, pad

    struct zc_drm_syncobj_timeline_array:
        uint64_t handles, points
        uint32_t count_handles, flags

    struct zc_drm_mode_modeinfo:
        uint32_t clock
        uint16_t hdisplay, hsync_start, hsync_end, htotal, hskew
        uint16_t vdisplay, vsync_start, vsync_end, vtotal, vscan
        uint32_t vrefresh
        uint32_t flags, type
        char name[32]

    struct zc_drm_mode_card_res:
        uint64_t fb_id_ptr, crtc_id_ptr, connector_id_ptr, encoder_id_ptr
        uint32_t count_fbs, count_crtcs, count_connectors, count_encoders
        uint32_t min_width, max_width, min_height, max_height

    struct zc_drm_mode_crtc:
        uint64_t set_connectors_ptr
        uint32_t count_connectors, crtc_id, fb_id, x, y, gamma_size, mode_valid
        zc_drm_mode_modeinfo mode

    struct zc_drm_mode_crtc_lut:
        uint32_t crtc_id, gamma_size
        uint64_t red, green, blue

    struct zc_drm_mode_get_encoder:
        uint32_t encoder_id, encoder_type, crtc_id, possible_crtcs, possible_clones

    struct zc_drm_mode_get_connector:
        uint64_t encoders_ptr, modes_ptr, props_ptr, prop_values_ptr
        uint32_t count_modes, count_props, count_encoders, encoder_id
        uint32_t connector_id, connector_type, connector_type_id, connection
        uint32_t mm_width, mm_height, subpixel, pad

    struct zc_drm_mode_get_plane_res:
        uint64_t plane_id_ptr
        uint32_t count_planes

    struct zc_drm_mode_get_plane:
        uint32_t plane_id, crtc_id, fb_id, possible_crtcs, gamma_size, count_format_types
        uint64_t format_type_ptr

    struct zc_drm_mode_set_plane:
        uint32_t plane_id, crtc_id, fb_id, flags
        int32_t crtc_x, crtc_y
        uint32_t crtc_w, crtc_h
        uint32_t src_x, src_y, src_h, src_w

    struct zc_drm_mode_property_enum:
        uint64_t value
        char name[32]

    struct zc_drm_mode_get_property:
        uint64_t values_ptr, enum_blob_ptr
        uint32_t prop_id, flags
        char name[32]
        uint32_t count_values, count_enum_blobs

    struct zc_drm_mode_obj_get_properties:
        uint64_t props_ptr, prop_values_ptr
        uint32_t count_props, obj_id, obj_type

    struct zc_drm_mode_obj_set_property:
        uint64_t value
        uint32_t prop_id, obj_id, obj_type

    struct zc_drm_mode_get_blob:
        uint32_t blob_id, length
        uint64_t data

    struct zc_drm_mode_create_blob:
        uint64_t data
        uint32_t length, blob_id

    struct zc_drm_mode_destroy_blob:
        uint32_t blob_id

    struct zc_drm_mode_fb_cmd:
        uint32_t fb_id, width, height, pitch, bpp, depth, handle

    struct zc_drm_mode_fb_cmd2:
        uint32_t fb_id, width, height, pixel_format, flags
        uint32_t handles[4]
        uint32_t pitches[4]
        uint32_t offsets[4]
        uint64_t modifier[4]

    struct zc_drm_mode_closefb:
        uint32_t fb_id, pad

    struct zc_drm_clip_rect:
        unsigned short x1, y1, x2, y2

    struct zc_drm_mode_fb_dirty_cmd:
        uint32_t fb_id, flags, color, num_clips
        uint64_t clips_ptr

    struct zc_drm_mode_crtc_page_flip:
        uint32_t crtc_id, fb_id, flags, reserved
        uint64_t user_data

    struct zc_drm_mode_create_dumb:
        uint32_t height, width, bpp, flags
        uint32_t handle, pitch
        uint64_t size

    struct zc_drm_mode_map_dumb:
        uint32_t handle, pad
        uint64_t offset

    struct zc_drm_mode_destroy_dumb:
        uint32_t handle

    struct zc_drm_mode_atomic:
        uint32_t flags, count_objs
        uint64_t objs_ptr, count_props_ptr, props_ptr, prop_values_ptr, reserved, user_data

    struct zc_drm_format_modifier_blob:
        uint32_t version, flags, count_formats, formats_offset, count_modifiers, modifiers_offset

    struct zc_drm_format_modifier:
        uint64_t formats
        uint32_t offset, pad
        uint64_t modifier

    struct zc_drm_mode_rect:
        int32_t x1, y1, x2, y2

    struct zc_drm_color_lut:
        uint16_t red, green, blue, reserved

    struct zc_drm_color_ctm:
        uint64_t matrix[9]

    struct zc_hdr_chromaticity:
        uint16_t x, y

    struct zc_hdr_metadata_infoframe:
        uint8_t eotf, metadata_type
        zc_hdr_chromaticity display_primaries[3]
        zc_hdr_chromaticity white_point
        uint16_t max_display_mastering_luminance, min_display_mastering_luminance, max_cll, max_fall

    struct zc_hdr_output_metadata:
        uint32_t metadata_type
        zc_hdr_metadata_infoframe hdmi_metadata_type1

    struct zc_drm_mode_create_lease:
        uint64_t object_ids
        uint32_t object_count, flags, lessee_id, fd

    struct zc_drm_mode_list_lessees:
        uint32_t count_lessees, pad
        uint64_t lessees_ptr

    struct zc_drm_mode_get_lease:
        uint32_t count_objects, pad
        uint64_t objects_ptr

    struct zc_drm_mode_revoke_lease:
        uint32_t lessee_id

    enum: ZC_DRM_DISPLAY_MODE_LEN
    enum: ZC_DRM_PROP_NAME_LEN
    enum: ZC_DRM_CONNECTOR_NAME_LEN

    const unsigned long ZC_DRM_IOCTL_VERSION, ZC_DRM_IOCTL_GET_UNIQUE, ZC_DRM_IOCTL_GET_MAGIC
    const unsigned long ZC_DRM_IOCTL_SET_VERSION, ZC_DRM_IOCTL_GEM_CLOSE, ZC_DRM_IOCTL_GET_CAP
    const unsigned long ZC_DRM_IOCTL_SET_CLIENT_CAP, ZC_DRM_IOCTL_AUTH_MAGIC, ZC_DRM_IOCTL_SET_MASTER
    const unsigned long ZC_DRM_IOCTL_DROP_MASTER, ZC_DRM_IOCTL_PRIME_HANDLE_TO_FD, ZC_DRM_IOCTL_PRIME_FD_TO_HANDLE
    const unsigned long ZC_DRM_IOCTL_WAIT_VBLANK, ZC_DRM_IOCTL_CRTC_GET_SEQUENCE, ZC_DRM_IOCTL_CRTC_QUEUE_SEQUENCE
    const unsigned long ZC_DRM_IOCTL_MODE_GETRESOURCES, ZC_DRM_IOCTL_MODE_GETCRTC, ZC_DRM_IOCTL_MODE_SETCRTC
    const unsigned long ZC_DRM_IOCTL_MODE_GETGAMMA, ZC_DRM_IOCTL_MODE_SETGAMMA
    const unsigned long ZC_DRM_IOCTL_MODE_GETENCODER, ZC_DRM_IOCTL_MODE_GETCONNECTOR, ZC_DRM_IOCTL_MODE_GETPROPERTY
    const unsigned long ZC_DRM_IOCTL_MODE_GETPROPBLOB, ZC_DRM_IOCTL_MODE_GETFB, ZC_DRM_IOCTL_MODE_RMFB
    const unsigned long ZC_DRM_IOCTL_MODE_PAGE_FLIP, ZC_DRM_IOCTL_MODE_DIRTYFB, ZC_DRM_IOCTL_MODE_CREATE_DUMB
    const unsigned long ZC_DRM_IOCTL_MODE_MAP_DUMB, ZC_DRM_IOCTL_MODE_DESTROY_DUMB
    const unsigned long ZC_DRM_IOCTL_MODE_GETPLANERESOURCES, ZC_DRM_IOCTL_MODE_GETPLANE, ZC_DRM_IOCTL_MODE_SETPLANE
    const unsigned long ZC_DRM_IOCTL_MODE_ADDFB2, ZC_DRM_IOCTL_MODE_OBJ_GETPROPERTIES
    const unsigned long ZC_DRM_IOCTL_MODE_OBJ_SETPROPERTY, ZC_DRM_IOCTL_MODE_ATOMIC, ZC_DRM_IOCTL_MODE_CREATEPROPBLOB
    const unsigned long ZC_DRM_IOCTL_MODE_DESTROYPROPBLOB, ZC_DRM_IOCTL_SYNCOBJ_CREATE, ZC_DRM_IOCTL_SYNCOBJ_DESTROY
    const unsigned long ZC_DRM_IOCTL_SYNCOBJ_HANDLE_TO_FD, ZC_DRM_IOCTL_SYNCOBJ_FD_TO_HANDLE
    const unsigned long ZC_DRM_IOCTL_SYNCOBJ_WAIT, ZC_DRM_IOCTL_SYNCOBJ_RESET, ZC_DRM_IOCTL_SYNCOBJ_SIGNAL
    const unsigned long ZC_DRM_IOCTL_MODE_CREATE_LEASE, ZC_DRM_IOCTL_MODE_LIST_LESSEES, ZC_DRM_IOCTL_MODE_GET_LEASE
    const unsigned long ZC_DRM_IOCTL_MODE_REVOKE_LEASE, ZC_DRM_IOCTL_SYNCOBJ_TIMELINE_WAIT, ZC_DRM_IOCTL_SYNCOBJ_QUERY
    const unsigned long ZC_DRM_IOCTL_SYNCOBJ_TRANSFER, ZC_DRM_IOCTL_SYNCOBJ_TIMELINE_SIGNAL, ZC_DRM_IOCTL_MODE_GETFB2
    const unsigned long ZC_DRM_IOCTL_SYNCOBJ_EVENTFD, ZC_DRM_IOCTL_MODE_CLOSEFB

    const uint32_t ZC_DRM_CAP_DUMB_BUFFER, ZC_DRM_CAP_DUMB_PREFERRED_DEPTH, ZC_DRM_CAP_DUMB_PREFER_SHADOW
    const uint32_t ZC_DRM_CAP_VBLANK_HIGH_CRTC
    const uint32_t ZC_DRM_CAP_PRIME, ZC_DRM_CAP_TIMESTAMP_MONOTONIC, ZC_DRM_CAP_ASYNC_PAGE_FLIP
    const uint32_t ZC_DRM_CAP_CURSOR_WIDTH, ZC_DRM_CAP_CURSOR_HEIGHT
    const uint32_t ZC_DRM_CAP_ADDFB2_MODIFIERS, ZC_DRM_CAP_PAGE_FLIP_TARGET, ZC_DRM_CAP_CRTC_IN_VBLANK_EVENT
    const uint32_t ZC_DRM_CAP_SYNCOBJ, ZC_DRM_CAP_SYNCOBJ_TIMELINE
    const uint32_t ZC_DRM_CAP_ATOMIC_ASYNC_PAGE_FLIP, ZC_DRM_PRIME_CAP_IMPORT, ZC_DRM_PRIME_CAP_EXPORT
    const uint32_t ZC_DRM_CLIENT_CAP_STEREO_3D, ZC_DRM_CLIENT_CAP_UNIVERSAL_PLANES, ZC_DRM_CLIENT_CAP_ATOMIC
    const uint32_t ZC_DRM_CLIENT_CAP_ASPECT_RATIO, ZC_DRM_CLIENT_CAP_WRITEBACK_CONNECTORS
    const uint32_t ZC_DRM_CLIENT_CAP_CURSOR_PLANE_HOTSPOT
    const uint32_t ZC_DRM_VBLANK_ABSOLUTE, ZC_DRM_VBLANK_RELATIVE, ZC_DRM_VBLANK_HIGH_CRTC_MASK
    const uint32_t ZC_DRM_VBLANK_HIGH_CRTC_SHIFT
    const uint32_t ZC_DRM_VBLANK_EVENT, ZC_DRM_VBLANK_NEXTONMISS, ZC_DRM_VBLANK_SECONDARY
    const uint32_t ZC_DRM_CRTC_SEQUENCE_RELATIVE, ZC_DRM_CRTC_SEQUENCE_NEXT_ON_MISS
    const uint32_t ZC_DRM_EVENT_VBLANK, ZC_DRM_EVENT_FLIP_COMPLETE, ZC_DRM_EVENT_CRTC_SEQUENCE
    const uint32_t ZC_DRM_SYNCOBJ_CREATE_SIGNALED
    const uint32_t ZC_DRM_SYNCOBJ_FD_TO_HANDLE_FLAGS_IMPORT_SYNC_FILE
    const uint32_t ZC_DRM_SYNCOBJ_HANDLE_TO_FD_FLAGS_EXPORT_SYNC_FILE
    const uint32_t ZC_DRM_SYNCOBJ_WAIT_FLAGS_WAIT_ALL, ZC_DRM_SYNCOBJ_WAIT_FLAGS_WAIT_FOR_SUBMIT
    const uint32_t ZC_DRM_SYNCOBJ_WAIT_FLAGS_WAIT_AVAILABLE, ZC_DRM_SYNCOBJ_WAIT_FLAGS_WAIT_DEADLINE
    const uint32_t ZC_DRM_SYNCOBJ_QUERY_FLAGS_LAST_SUBMITTED
    const uint32_t ZC_DRM_MODE_TYPE_PREFERRED, ZC_DRM_MODE_TYPE_USERDEF, ZC_DRM_MODE_TYPE_DRIVER
    const uint32_t ZC_DRM_MODE_FLAG_PHSYNC, ZC_DRM_MODE_FLAG_NHSYNC, ZC_DRM_MODE_FLAG_PVSYNC, ZC_DRM_MODE_FLAG_NVSYNC
    const uint32_t ZC_DRM_MODE_FLAG_INTERLACE, ZC_DRM_MODE_FLAG_DBLSCAN, ZC_DRM_MODE_FLAG_CSYNC
    const uint32_t ZC_DRM_MODE_FLAG_DBLCLK, ZC_DRM_MODE_FLAG_CLKDIV2, ZC_DRM_MODE_FLAG_3D_MASK
    const uint32_t ZC_DRM_MODE_FLAG_PIC_AR_MASK, ZC_DRM_MODE_FLAG_PIC_AR_4_3, ZC_DRM_MODE_FLAG_PIC_AR_16_9
    const uint32_t ZC_DRM_MODE_ROTATE_0, ZC_DRM_MODE_ROTATE_90, ZC_DRM_MODE_ROTATE_180, ZC_DRM_MODE_ROTATE_270
    const uint32_t ZC_DRM_MODE_REFLECT_X, ZC_DRM_MODE_REFLECT_Y
    const uint32_t ZC_DRM_MODE_CONNECTOR_Unknown, ZC_DRM_MODE_CONNECTOR_VGA, ZC_DRM_MODE_CONNECTOR_DVII
    const uint32_t ZC_DRM_MODE_CONNECTOR_DVID, ZC_DRM_MODE_CONNECTOR_DVIA, ZC_DRM_MODE_CONNECTOR_Composite
    const uint32_t ZC_DRM_MODE_CONNECTOR_SVIDEO, ZC_DRM_MODE_CONNECTOR_LVDS, ZC_DRM_MODE_CONNECTOR_Component
    const uint32_t ZC_DRM_MODE_CONNECTOR_9PinDIN, ZC_DRM_MODE_CONNECTOR_DisplayPort, ZC_DRM_MODE_CONNECTOR_HDMIA
    const uint32_t ZC_DRM_MODE_CONNECTOR_HDMIB, ZC_DRM_MODE_CONNECTOR_TV, ZC_DRM_MODE_CONNECTOR_eDP
    const uint32_t ZC_DRM_MODE_CONNECTOR_VIRTUAL, ZC_DRM_MODE_CONNECTOR_DSI, ZC_DRM_MODE_CONNECTOR_DPI
    const uint32_t ZC_DRM_MODE_CONNECTOR_WRITEBACK, ZC_DRM_MODE_CONNECTOR_SPI, ZC_DRM_MODE_CONNECTOR_USB
    const uint32_t ZC_DRM_MODE_PROP_PENDING, ZC_DRM_MODE_PROP_RANGE, ZC_DRM_MODE_PROP_IMMUTABLE, ZC_DRM_MODE_PROP_ENUM
    const uint32_t ZC_DRM_MODE_PROP_BLOB, ZC_DRM_MODE_PROP_BITMASK, ZC_DRM_MODE_PROP_LEGACY_TYPE
    const uint32_t ZC_DRM_MODE_PROP_EXTENDED_TYPE, ZC_DRM_MODE_PROP_OBJECT, ZC_DRM_MODE_PROP_SIGNED_RANGE
    const uint32_t ZC_DRM_MODE_PROP_ATOMIC
    const uint32_t ZC_DRM_MODE_OBJECT_CRTC, ZC_DRM_MODE_OBJECT_CONNECTOR, ZC_DRM_MODE_OBJECT_ENCODER
    const uint32_t ZC_DRM_MODE_OBJECT_MODE, ZC_DRM_MODE_OBJECT_PROPERTY, ZC_DRM_MODE_OBJECT_FB
    const uint32_t ZC_DRM_MODE_OBJECT_BLOB, ZC_DRM_MODE_OBJECT_PLANE, ZC_DRM_MODE_OBJECT_ANY
    const uint32_t ZC_DRM_MODE_FB_INTERLACED, ZC_DRM_MODE_FB_MODIFIERS, ZC_DRM_MODE_FB_DIRTY_MAX_CLIPS
    const uint32_t ZC_DRM_MODE_PAGE_FLIP_EVENT, ZC_DRM_MODE_PAGE_FLIP_ASYNC
    const uint32_t ZC_DRM_MODE_ATOMIC_TEST_ONLY, ZC_DRM_MODE_ATOMIC_NONBLOCK, ZC_DRM_MODE_ATOMIC_ALLOW_MODESET
    const uint32_t ZC_FORMAT_BLOB_CURRENT
    const uint32_t ZC_DRM_FORMAT_BIG_ENDIAN
    const uint32_t ZC_DRM_PLANE_TYPE_OVERLAY, ZC_DRM_PLANE_TYPE_PRIMARY, ZC_DRM_PLANE_TYPE_CURSOR
    const uint32_t ZC_DRM_MODE_CONNECTED
    const uint32_t ZC_DRM_MODE_DISCONNECTED, ZC_DRM_MODE_UNKNOWNCONNECTION

    const uint64_t ZC_DRM_FORMAT_MOD_LINEAR, ZC_DRM_FORMAT_MOD_INVALID
