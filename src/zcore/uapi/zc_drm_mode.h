/* The KMS half of zc_drm.h: mode objects, framebuffers, planes, properties, atomic. Include zc_drm.h, not this. */
#ifndef ZCORE_UAPI_ZC_DRM_MODE_H
#define ZCORE_UAPI_ZC_DRM_MODE_H

#ifndef ZCORE_UAPI_ZC_DRM_H
#error "include zc_drm.h instead"
#endif

#define ZC_DRM_DISPLAY_MODE_LEN 32
#define ZC_DRM_PROP_NAME_LEN 32
#define ZC_DRM_CONNECTOR_NAME_LEN 32

struct zc_drm_mode_modeinfo {
    uint32_t clock; /* kHz */
    uint16_t hdisplay, hsync_start, hsync_end, htotal, hskew;
    uint16_t vdisplay, vsync_start, vsync_end, vtotal, vscan;
    uint32_t vrefresh; /* rounded; compute the rate from clock, htotal and vtotal */
    uint32_t flags, type;
    char name[ZC_DRM_DISPLAY_MODE_LEN];
};
ZC_ASSERT_SIZE(struct zc_drm_mode_modeinfo, 68);

struct zc_drm_mode_card_res {
    uint64_t fb_id_ptr, crtc_id_ptr, connector_id_ptr, encoder_id_ptr;
    uint32_t count_fbs, count_crtcs, count_connectors, count_encoders;
    uint32_t min_width, max_width, min_height, max_height;
};
ZC_ASSERT_SIZE(struct zc_drm_mode_card_res, 64);

struct zc_drm_mode_crtc {
    uint64_t set_connectors_ptr;
    uint32_t count_connectors, crtc_id, fb_id, x, y, gamma_size, mode_valid;
    struct zc_drm_mode_modeinfo mode;
};
ZC_ASSERT_SIZE(struct zc_drm_mode_crtc, 104);

/* Three tables of gamma_size numbers of 16 bits each. */
struct zc_drm_mode_crtc_lut {
    uint32_t crtc_id, gamma_size;
    uint64_t red, green, blue;
};
ZC_ASSERT_SIZE(struct zc_drm_mode_crtc_lut, 32);

struct zc_drm_mode_get_encoder {
    uint32_t encoder_id, encoder_type, crtc_id, possible_crtcs, possible_clones;
};
ZC_ASSERT_SIZE(struct zc_drm_mode_get_encoder, 20);

struct zc_drm_mode_get_connector {
    uint64_t encoders_ptr, modes_ptr, props_ptr, prop_values_ptr;
    uint32_t count_modes, count_props, count_encoders, encoder_id;
    uint32_t connector_id, connector_type, connector_type_id, connection;
    uint32_t mm_width, mm_height, subpixel, pad;
};
ZC_ASSERT_SIZE(struct zc_drm_mode_get_connector, 80);

struct zc_drm_mode_get_plane_res {
    uint64_t plane_id_ptr;
    uint32_t count_planes;
};
ZC_ASSERT_SIZE(struct zc_drm_mode_get_plane_res, 16);

struct zc_drm_mode_get_plane {
    uint32_t plane_id, crtc_id, fb_id, possible_crtcs, gamma_size, count_format_types;
    uint64_t format_type_ptr;
};
ZC_ASSERT_SIZE(struct zc_drm_mode_get_plane, 32);

struct zc_drm_mode_set_plane {
    uint32_t plane_id, crtc_id, fb_id, flags;
    int32_t crtc_x, crtc_y;
    uint32_t crtc_w, crtc_h;
    uint32_t src_x, src_y, src_h, src_w; /* 16.16; height before width */
};
ZC_ASSERT_SIZE(struct zc_drm_mode_set_plane, 48);

struct zc_drm_mode_property_enum {
    uint64_t value;
    char name[ZC_DRM_PROP_NAME_LEN];
};
ZC_ASSERT_SIZE(struct zc_drm_mode_property_enum, 40);

struct zc_drm_mode_get_property {
    uint64_t values_ptr, enum_blob_ptr;
    uint32_t prop_id, flags;
    char name[ZC_DRM_PROP_NAME_LEN];
    uint32_t count_values, count_enum_blobs;
};
ZC_ASSERT_SIZE(struct zc_drm_mode_get_property, 64);

struct zc_drm_mode_obj_get_properties {
    uint64_t props_ptr, prop_values_ptr;
    uint32_t count_props, obj_id, obj_type;
};
ZC_ASSERT_SIZE(struct zc_drm_mode_obj_get_properties, 32);

struct zc_drm_mode_obj_set_property {
    uint64_t value;
    uint32_t prop_id, obj_id, obj_type;
};
ZC_ASSERT_SIZE(struct zc_drm_mode_obj_set_property, 24);

struct zc_drm_mode_get_blob {
    uint32_t blob_id, length;
    uint64_t data;
};
ZC_ASSERT_SIZE(struct zc_drm_mode_get_blob, 16);

struct zc_drm_mode_create_blob {
    uint64_t data;
    uint32_t length, blob_id;
};
ZC_ASSERT_SIZE(struct zc_drm_mode_create_blob, 16);

struct zc_drm_mode_destroy_blob {
    uint32_t blob_id;
};
ZC_ASSERT_SIZE(struct zc_drm_mode_destroy_blob, 4);

struct zc_drm_mode_fb_cmd {
    uint32_t fb_id, width, height, pitch, bpp, depth, handle;
};
ZC_ASSERT_SIZE(struct zc_drm_mode_fb_cmd, 28);

struct zc_drm_mode_fb_cmd2 {
    uint32_t fb_id, width, height, pixel_format, flags;
    uint32_t handles[4];
    uint32_t pitches[4];
    uint32_t offsets[4];
    uint64_t modifier[4];
};
ZC_ASSERT_SIZE(struct zc_drm_mode_fb_cmd2, 104);

struct zc_drm_mode_closefb {
    uint32_t fb_id, pad;
};
ZC_ASSERT_SIZE(struct zc_drm_mode_closefb, 8);

struct zc_drm_clip_rect {
    unsigned short x1, y1, x2, y2;
};
ZC_ASSERT_SIZE(struct zc_drm_clip_rect, 8);

struct zc_drm_mode_fb_dirty_cmd {
    uint32_t fb_id, flags, color, num_clips;
    uint64_t clips_ptr;
};
ZC_ASSERT_SIZE(struct zc_drm_mode_fb_dirty_cmd, 24);

struct zc_drm_mode_crtc_page_flip {
    uint32_t crtc_id, fb_id, flags, reserved;
    uint64_t user_data;
};
ZC_ASSERT_SIZE(struct zc_drm_mode_crtc_page_flip, 24);

struct zc_drm_mode_create_dumb {
    uint32_t height, width, bpp, flags; /* height before width */
    uint32_t handle, pitch;
    uint64_t size;
};
ZC_ASSERT_SIZE(struct zc_drm_mode_create_dumb, 32);

struct zc_drm_mode_map_dumb {
    uint32_t handle, pad;
    uint64_t offset;
};
ZC_ASSERT_SIZE(struct zc_drm_mode_map_dumb, 16);

struct zc_drm_mode_destroy_dumb {
    uint32_t handle;
};
ZC_ASSERT_SIZE(struct zc_drm_mode_destroy_dumb, 4);

struct zc_drm_mode_atomic {
    uint32_t flags, count_objs;
    uint64_t objs_ptr, count_props_ptr, props_ptr, prop_values_ptr, reserved, user_data;
};
ZC_ASSERT_SIZE(struct zc_drm_mode_atomic, 56);

/* The IN_FORMATS blob: this header, then __u32 formats[], then struct zc_drm_format_modifier modifiers[]. */
struct zc_drm_format_modifier_blob {
    uint32_t version, flags, count_formats, formats_offset, count_modifiers, modifiers_offset;
};
ZC_ASSERT_SIZE(struct zc_drm_format_modifier_blob, 24);

struct zc_drm_format_modifier {
    uint64_t formats; /* bit n stands for the format number offset + n */
    uint32_t offset, pad;
    uint64_t modifier;
};
ZC_ASSERT_SIZE(struct zc_drm_format_modifier, 24);

struct zc_drm_mode_rect {
    int32_t x1, y1, x2, y2;
};
ZC_ASSERT_SIZE(struct zc_drm_mode_rect, 16);

struct zc_drm_color_lut {
    uint16_t red, green, blue, reserved;
};
ZC_ASSERT_SIZE(struct zc_drm_color_lut, 8);

struct zc_drm_color_ctm {
    uint64_t matrix[9]; /* S31.32 sign and magnitude, not two's complement */
};
ZC_ASSERT_SIZE(struct zc_drm_color_ctm, 72);

/* Nameless in the kernel's header. */
struct zc_hdr_chromaticity {
    uint16_t x, y;
};
ZC_ASSERT_SIZE(struct zc_hdr_chromaticity, 4);

struct zc_hdr_metadata_infoframe {
    uint8_t eotf, metadata_type;
    struct zc_hdr_chromaticity display_primaries[3];
    struct zc_hdr_chromaticity white_point;
    uint16_t max_display_mastering_luminance, min_display_mastering_luminance, max_cll, max_fall;
};
ZC_ASSERT_SIZE(struct zc_hdr_metadata_infoframe, 26);

struct zc_hdr_output_metadata {
    uint32_t metadata_type;
    struct zc_hdr_metadata_infoframe hdmi_metadata_type1; /* the only member of a union */
};
ZC_ASSERT_SIZE(struct zc_hdr_output_metadata, 32);

struct zc_drm_mode_create_lease {
    uint64_t object_ids;
    uint32_t object_count, flags, lessee_id, fd;
};
ZC_ASSERT_SIZE(struct zc_drm_mode_create_lease, 24);

struct zc_drm_mode_list_lessees {
    uint32_t count_lessees, pad;
    uint64_t lessees_ptr;
};
ZC_ASSERT_SIZE(struct zc_drm_mode_list_lessees, 16);

struct zc_drm_mode_get_lease {
    uint32_t count_objects, pad;
    uint64_t objects_ptr;
};
ZC_ASSERT_SIZE(struct zc_drm_mode_get_lease, 16);

struct zc_drm_mode_revoke_lease {
    uint32_t lessee_id;
};
ZC_ASSERT_SIZE(struct zc_drm_mode_revoke_lease, 4);

/* Flags and numbers. */

#define ZC_DRM_MODE_TYPE_PREFERRED 0x8
#define ZC_DRM_MODE_TYPE_USERDEF 0x20
#define ZC_DRM_MODE_TYPE_DRIVER 0x40

#define ZC_DRM_MODE_FLAG_PHSYNC 0x1
#define ZC_DRM_MODE_FLAG_NHSYNC 0x2
#define ZC_DRM_MODE_FLAG_PVSYNC 0x4
#define ZC_DRM_MODE_FLAG_NVSYNC 0x8
#define ZC_DRM_MODE_FLAG_INTERLACE 0x10
#define ZC_DRM_MODE_FLAG_DBLSCAN 0x20
#define ZC_DRM_MODE_FLAG_CSYNC 0x40
#define ZC_DRM_MODE_FLAG_DBLCLK 0x1000
#define ZC_DRM_MODE_FLAG_CLKDIV2 0x2000
#define ZC_DRM_MODE_FLAG_3D_MASK 0x7c000
#define ZC_DRM_MODE_FLAG_PIC_AR_MASK 0x780000
#define ZC_DRM_MODE_FLAG_PIC_AR_4_3 0x80000
#define ZC_DRM_MODE_FLAG_PIC_AR_16_9 0x100000

#define ZC_DRM_MODE_ROTATE_0 0x1
#define ZC_DRM_MODE_ROTATE_90 0x2
#define ZC_DRM_MODE_ROTATE_180 0x4
#define ZC_DRM_MODE_ROTATE_270 0x8
#define ZC_DRM_MODE_REFLECT_X 0x10
#define ZC_DRM_MODE_REFLECT_Y 0x20

#define ZC_DRM_MODE_CONNECTOR_Unknown 0
#define ZC_DRM_MODE_CONNECTOR_VGA 1
#define ZC_DRM_MODE_CONNECTOR_DVII 2
#define ZC_DRM_MODE_CONNECTOR_DVID 3
#define ZC_DRM_MODE_CONNECTOR_DVIA 4
#define ZC_DRM_MODE_CONNECTOR_Composite 5
#define ZC_DRM_MODE_CONNECTOR_SVIDEO 6
#define ZC_DRM_MODE_CONNECTOR_LVDS 7
#define ZC_DRM_MODE_CONNECTOR_Component 8
#define ZC_DRM_MODE_CONNECTOR_9PinDIN 9
#define ZC_DRM_MODE_CONNECTOR_DisplayPort 10
#define ZC_DRM_MODE_CONNECTOR_HDMIA 11
#define ZC_DRM_MODE_CONNECTOR_HDMIB 12
#define ZC_DRM_MODE_CONNECTOR_TV 13
#define ZC_DRM_MODE_CONNECTOR_eDP 14
#define ZC_DRM_MODE_CONNECTOR_VIRTUAL 15
#define ZC_DRM_MODE_CONNECTOR_DSI 16
#define ZC_DRM_MODE_CONNECTOR_DPI 17
#define ZC_DRM_MODE_CONNECTOR_WRITEBACK 18
#define ZC_DRM_MODE_CONNECTOR_SPI 19
#define ZC_DRM_MODE_CONNECTOR_USB 20

#define ZC_DRM_MODE_PROP_PENDING 0x1
#define ZC_DRM_MODE_PROP_RANGE 0x2
#define ZC_DRM_MODE_PROP_IMMUTABLE 0x4
#define ZC_DRM_MODE_PROP_ENUM 0x8
#define ZC_DRM_MODE_PROP_BLOB 0x10
#define ZC_DRM_MODE_PROP_BITMASK 0x20
#define ZC_DRM_MODE_PROP_LEGACY_TYPE 0x3a
#define ZC_DRM_MODE_PROP_EXTENDED_TYPE 0xffc0
#define ZC_DRM_MODE_PROP_OBJECT 0x40
#define ZC_DRM_MODE_PROP_SIGNED_RANGE 0x80
#define ZC_DRM_MODE_PROP_ATOMIC 0x80000000u

#define ZC_DRM_MODE_OBJECT_CRTC 0xccccccccu
#define ZC_DRM_MODE_OBJECT_CONNECTOR 0xc0c0c0c0u
#define ZC_DRM_MODE_OBJECT_ENCODER 0xe0e0e0e0u
#define ZC_DRM_MODE_OBJECT_MODE 0xdedededeu
#define ZC_DRM_MODE_OBJECT_PROPERTY 0xb0b0b0b0u
#define ZC_DRM_MODE_OBJECT_FB 0xfbfbfbfbu
#define ZC_DRM_MODE_OBJECT_BLOB 0xbbbbbbbbu
#define ZC_DRM_MODE_OBJECT_PLANE 0xeeeeeeeeu
#define ZC_DRM_MODE_OBJECT_ANY 0

#define ZC_DRM_MODE_FB_INTERLACED 0x1
#define ZC_DRM_MODE_FB_MODIFIERS 0x2
#define ZC_DRM_MODE_FB_DIRTY_MAX_CLIPS 256

#define ZC_DRM_MODE_PAGE_FLIP_EVENT 0x1
#define ZC_DRM_MODE_PAGE_FLIP_ASYNC 0x2
#define ZC_DRM_MODE_ATOMIC_TEST_ONLY 0x100
#define ZC_DRM_MODE_ATOMIC_NONBLOCK 0x200
#define ZC_DRM_MODE_ATOMIC_ALLOW_MODESET 0x400

#define ZC_FORMAT_BLOB_CURRENT 1

#define ZC_DRM_FORMAT_BIG_ENDIAN 0x80000000u
#define ZC_DRM_FORMAT_MOD_LINEAR 0x0ull
#define ZC_DRM_FORMAT_MOD_INVALID 0x00ffffffffffffffull

/* Not in any uapi header: libdrm's words for the values of "type" and connection, which the kernel has internally. */
#define ZC_DRM_PLANE_TYPE_OVERLAY 0
#define ZC_DRM_PLANE_TYPE_PRIMARY 1
#define ZC_DRM_PLANE_TYPE_CURSOR 2
#define ZC_DRM_MODE_CONNECTED 1
#define ZC_DRM_MODE_DISCONNECTED 2
#define ZC_DRM_MODE_UNKNOWNCONNECTION 3

#endif
