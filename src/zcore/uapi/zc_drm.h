/* The DRM ioctl ABI that zcore uses: devices, capabilities, GEM, PRIME, sync objects, vblank, events.
 *
 * Declared here so that zcore builds without libdrm. Every name is the kernel's with zc_ or ZC_ before it, so this
 * header and <drm.h> may meet in one file. tests/test_uapi.py compares both wherever <drm.h> is installed; it reads
 * this file line by line, so keep one type per line, and a #define on one line.
 */
#ifndef ZCORE_UAPI_ZC_DRM_H
#define ZCORE_UAPI_ZC_DRM_H

#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>

/* i386 aligns 64-bit fields to 4 bytes, so a few sizes differ there; its kernel expects exactly that. */
#if defined(__i386__)
#define ZC_ASSERT_SIZE(type, size) _Static_assert(sizeof(type) <= (size), #type " has grown")
#else
#define ZC_ASSERT_SIZE(type, size) _Static_assert(sizeof(type) == (size), #type " must have " #size " bytes")
#endif

struct zc_drm_version {
    int version_major, version_minor, version_patchlevel;
    size_t name_len;
    char *name;
    size_t date_len;
    char *date;
    size_t desc_len;
    char *desc;
};
ZC_ASSERT_SIZE(struct zc_drm_version, sizeof(void *) == 8 ? 64 : 36);

struct zc_drm_unique {
    size_t unique_len;
    char *unique;
};
ZC_ASSERT_SIZE(struct zc_drm_unique, 2 * sizeof(void *));

struct zc_drm_set_version {
    int drm_di_major, drm_di_minor, drm_dd_major, drm_dd_minor;
};
ZC_ASSERT_SIZE(struct zc_drm_set_version, 16);

struct zc_drm_auth {
    unsigned int magic;
};
ZC_ASSERT_SIZE(struct zc_drm_auth, 4);

struct zc_drm_get_cap {
    uint64_t capability, value;
};
ZC_ASSERT_SIZE(struct zc_drm_get_cap, 16);

struct zc_drm_set_client_cap {
    uint64_t capability, value;
};
ZC_ASSERT_SIZE(struct zc_drm_set_client_cap, 16);

struct zc_drm_gem_close {
    uint32_t handle, pad;
};
ZC_ASSERT_SIZE(struct zc_drm_gem_close, 8);

struct zc_drm_prime_handle {
    uint32_t handle, flags; /* flags: O_CLOEXEC and O_RDWR, read by HANDLE_TO_FD only */
    int32_t fd;
};
ZC_ASSERT_SIZE(struct zc_drm_prime_handle, 12);

/* Vertical blanking. */

struct zc_drm_wait_vblank_request {
    int type; /* an enum in the kernel's header */
    unsigned int sequence;
    unsigned long signal; /* comes back as user_data of the event */
};
ZC_ASSERT_SIZE(struct zc_drm_wait_vblank_request, 8 + sizeof(long));

struct zc_drm_wait_vblank_reply {
    int type;
    unsigned int sequence;
    long tval_sec, tval_usec;
};
ZC_ASSERT_SIZE(struct zc_drm_wait_vblank_reply, 8 + 2 * sizeof(long));

union zc_drm_wait_vblank {
    struct zc_drm_wait_vblank_request request;
    struct zc_drm_wait_vblank_reply reply;
};
ZC_ASSERT_SIZE(union zc_drm_wait_vblank, 8 + 2 * sizeof(long));

struct zc_drm_crtc_get_sequence {
    uint32_t crtc_id, active;
    uint64_t sequence;
    int64_t sequence_ns;
};
ZC_ASSERT_SIZE(struct zc_drm_crtc_get_sequence, 24);

struct zc_drm_crtc_queue_sequence {
    uint32_t crtc_id, flags;
    uint64_t sequence, user_data;
};
ZC_ASSERT_SIZE(struct zc_drm_crtc_queue_sequence, 24);

/* Events, as read() returns them. Skip an unknown type by its length. */

struct zc_drm_event {
    uint32_t type, length;
};
ZC_ASSERT_SIZE(struct zc_drm_event, 8);

struct zc_drm_event_vblank {
    struct zc_drm_event base;
    uint64_t user_data;
    uint32_t tv_sec, tv_usec, sequence, crtc_id; /* crtc_id is 0 before Linux 4.12 */
};
ZC_ASSERT_SIZE(struct zc_drm_event_vblank, 32);

struct zc_drm_event_crtc_sequence {
    struct zc_drm_event base;
    uint64_t user_data;
    int64_t time_ns;
    uint64_t sequence;
};
ZC_ASSERT_SIZE(struct zc_drm_event_crtc_sequence, 32);

/* Sync objects. */

struct zc_drm_syncobj_create {
    uint32_t handle, flags;
};
ZC_ASSERT_SIZE(struct zc_drm_syncobj_create, 8);

struct zc_drm_syncobj_destroy {
    uint32_t handle, pad;
};
ZC_ASSERT_SIZE(struct zc_drm_syncobj_destroy, 8);

/* Newer kernels append a 64-bit timeline point; without it they mean the binary payload, as before. */
struct zc_drm_syncobj_handle {
    uint32_t handle, flags;
    int32_t fd;
    uint32_t pad;
};
ZC_ASSERT_SIZE(struct zc_drm_syncobj_handle, 16);

struct zc_drm_syncobj_transfer {
    uint32_t src_handle, dst_handle;
    uint64_t src_point, dst_point;
    uint32_t flags, pad;
};
ZC_ASSERT_SIZE(struct zc_drm_syncobj_transfer, 32);

/* deadline_nsec came with Linux 6.6. DRM cuts or zero-fills an argument to the size that the kernel knows, so the
 * longer struct serves older kernels too. */
struct zc_drm_syncobj_wait {
    uint64_t handles;
    int64_t timeout_nsec; /* absolute, CLOCK_MONOTONIC */
    uint32_t count_handles, flags, first_signaled, pad;
    uint64_t deadline_nsec;
};
ZC_ASSERT_SIZE(struct zc_drm_syncobj_wait, 40);

struct zc_drm_syncobj_timeline_wait {
    uint64_t handles, points;
    int64_t timeout_nsec;
    uint32_t count_handles, flags, first_signaled, pad;
    uint64_t deadline_nsec;
};
ZC_ASSERT_SIZE(struct zc_drm_syncobj_timeline_wait, 48);

struct zc_drm_syncobj_eventfd {
    uint32_t handle, flags;
    uint64_t point;
    int32_t fd;
    uint32_t pad;
};
ZC_ASSERT_SIZE(struct zc_drm_syncobj_eventfd, 24);

struct zc_drm_syncobj_array {
    uint64_t handles;
    uint32_t count_handles, pad;
};
ZC_ASSERT_SIZE(struct zc_drm_syncobj_array, 16);

struct zc_drm_syncobj_timeline_array {
    uint64_t handles, points;
    uint32_t count_handles, flags;
};
ZC_ASSERT_SIZE(struct zc_drm_syncobj_timeline_array, 24);

#include "zc_drm_mode.h"

/* Requests. */

#define ZC_DRM_IOWR(nr, type) _IOWR('d', nr, type)
#define ZC_DRM_IOW(nr, type) _IOW('d', nr, type)
#define ZC_DRM_IOR(nr, type) _IOR('d', nr, type)

#define ZC_DRM_IOCTL_VERSION ZC_DRM_IOWR(0x00, struct zc_drm_version)
#define ZC_DRM_IOCTL_GET_UNIQUE ZC_DRM_IOWR(0x01, struct zc_drm_unique)
#define ZC_DRM_IOCTL_GET_MAGIC ZC_DRM_IOR(0x02, struct zc_drm_auth)
#define ZC_DRM_IOCTL_SET_VERSION ZC_DRM_IOWR(0x07, struct zc_drm_set_version)
#define ZC_DRM_IOCTL_GEM_CLOSE ZC_DRM_IOW(0x09, struct zc_drm_gem_close)
#define ZC_DRM_IOCTL_GET_CAP ZC_DRM_IOWR(0x0c, struct zc_drm_get_cap)
#define ZC_DRM_IOCTL_SET_CLIENT_CAP ZC_DRM_IOW(0x0d, struct zc_drm_set_client_cap)
#define ZC_DRM_IOCTL_AUTH_MAGIC ZC_DRM_IOW(0x11, struct zc_drm_auth)
#define ZC_DRM_IOCTL_SET_MASTER _IO('d', 0x1e)
#define ZC_DRM_IOCTL_DROP_MASTER _IO('d', 0x1f)
#define ZC_DRM_IOCTL_PRIME_HANDLE_TO_FD ZC_DRM_IOWR(0x2d, struct zc_drm_prime_handle)
#define ZC_DRM_IOCTL_PRIME_FD_TO_HANDLE ZC_DRM_IOWR(0x2e, struct zc_drm_prime_handle)
#define ZC_DRM_IOCTL_WAIT_VBLANK ZC_DRM_IOWR(0x3a, union zc_drm_wait_vblank)
#define ZC_DRM_IOCTL_CRTC_GET_SEQUENCE ZC_DRM_IOWR(0x3b, struct zc_drm_crtc_get_sequence)
#define ZC_DRM_IOCTL_CRTC_QUEUE_SEQUENCE ZC_DRM_IOWR(0x3c, struct zc_drm_crtc_queue_sequence)
#define ZC_DRM_IOCTL_MODE_GETRESOURCES ZC_DRM_IOWR(0xA0, struct zc_drm_mode_card_res)
#define ZC_DRM_IOCTL_MODE_GETCRTC ZC_DRM_IOWR(0xA1, struct zc_drm_mode_crtc)
#define ZC_DRM_IOCTL_MODE_SETCRTC ZC_DRM_IOWR(0xA2, struct zc_drm_mode_crtc)
#define ZC_DRM_IOCTL_MODE_GETGAMMA ZC_DRM_IOWR(0xA4, struct zc_drm_mode_crtc_lut)
#define ZC_DRM_IOCTL_MODE_SETGAMMA ZC_DRM_IOWR(0xA5, struct zc_drm_mode_crtc_lut)
#define ZC_DRM_IOCTL_MODE_GETENCODER ZC_DRM_IOWR(0xA6, struct zc_drm_mode_get_encoder)
#define ZC_DRM_IOCTL_MODE_GETCONNECTOR ZC_DRM_IOWR(0xA7, struct zc_drm_mode_get_connector)
#define ZC_DRM_IOCTL_MODE_GETPROPERTY ZC_DRM_IOWR(0xAA, struct zc_drm_mode_get_property)
#define ZC_DRM_IOCTL_MODE_GETPROPBLOB ZC_DRM_IOWR(0xAC, struct zc_drm_mode_get_blob)
#define ZC_DRM_IOCTL_MODE_GETFB ZC_DRM_IOWR(0xAD, struct zc_drm_mode_fb_cmd)
#define ZC_DRM_IOCTL_MODE_RMFB ZC_DRM_IOWR(0xAF, unsigned int)
#define ZC_DRM_IOCTL_MODE_PAGE_FLIP ZC_DRM_IOWR(0xB0, struct zc_drm_mode_crtc_page_flip)
#define ZC_DRM_IOCTL_MODE_DIRTYFB ZC_DRM_IOWR(0xB1, struct zc_drm_mode_fb_dirty_cmd)
#define ZC_DRM_IOCTL_MODE_CREATE_DUMB ZC_DRM_IOWR(0xB2, struct zc_drm_mode_create_dumb)
#define ZC_DRM_IOCTL_MODE_MAP_DUMB ZC_DRM_IOWR(0xB3, struct zc_drm_mode_map_dumb)
#define ZC_DRM_IOCTL_MODE_DESTROY_DUMB ZC_DRM_IOWR(0xB4, struct zc_drm_mode_destroy_dumb)
#define ZC_DRM_IOCTL_MODE_GETPLANERESOURCES ZC_DRM_IOWR(0xB5, struct zc_drm_mode_get_plane_res)
#define ZC_DRM_IOCTL_MODE_GETPLANE ZC_DRM_IOWR(0xB6, struct zc_drm_mode_get_plane)
#define ZC_DRM_IOCTL_MODE_SETPLANE ZC_DRM_IOWR(0xB7, struct zc_drm_mode_set_plane)
#define ZC_DRM_IOCTL_MODE_ADDFB2 ZC_DRM_IOWR(0xB8, struct zc_drm_mode_fb_cmd2)
#define ZC_DRM_IOCTL_MODE_OBJ_GETPROPERTIES ZC_DRM_IOWR(0xB9, struct zc_drm_mode_obj_get_properties)
#define ZC_DRM_IOCTL_MODE_OBJ_SETPROPERTY ZC_DRM_IOWR(0xBA, struct zc_drm_mode_obj_set_property)
#define ZC_DRM_IOCTL_MODE_ATOMIC ZC_DRM_IOWR(0xBC, struct zc_drm_mode_atomic)
#define ZC_DRM_IOCTL_MODE_CREATEPROPBLOB ZC_DRM_IOWR(0xBD, struct zc_drm_mode_create_blob)
#define ZC_DRM_IOCTL_MODE_DESTROYPROPBLOB ZC_DRM_IOWR(0xBE, struct zc_drm_mode_destroy_blob)
#define ZC_DRM_IOCTL_SYNCOBJ_CREATE ZC_DRM_IOWR(0xBF, struct zc_drm_syncobj_create)
#define ZC_DRM_IOCTL_SYNCOBJ_DESTROY ZC_DRM_IOWR(0xC0, struct zc_drm_syncobj_destroy)
#define ZC_DRM_IOCTL_SYNCOBJ_HANDLE_TO_FD ZC_DRM_IOWR(0xC1, struct zc_drm_syncobj_handle)
#define ZC_DRM_IOCTL_SYNCOBJ_FD_TO_HANDLE ZC_DRM_IOWR(0xC2, struct zc_drm_syncobj_handle)
#define ZC_DRM_IOCTL_SYNCOBJ_WAIT ZC_DRM_IOWR(0xC3, struct zc_drm_syncobj_wait)
#define ZC_DRM_IOCTL_SYNCOBJ_RESET ZC_DRM_IOWR(0xC4, struct zc_drm_syncobj_array)
#define ZC_DRM_IOCTL_SYNCOBJ_SIGNAL ZC_DRM_IOWR(0xC5, struct zc_drm_syncobj_array)
#define ZC_DRM_IOCTL_MODE_CREATE_LEASE ZC_DRM_IOWR(0xC6, struct zc_drm_mode_create_lease)
#define ZC_DRM_IOCTL_MODE_LIST_LESSEES ZC_DRM_IOWR(0xC7, struct zc_drm_mode_list_lessees)
#define ZC_DRM_IOCTL_MODE_GET_LEASE ZC_DRM_IOWR(0xC8, struct zc_drm_mode_get_lease)
#define ZC_DRM_IOCTL_MODE_REVOKE_LEASE ZC_DRM_IOWR(0xC9, struct zc_drm_mode_revoke_lease)
#define ZC_DRM_IOCTL_SYNCOBJ_TIMELINE_WAIT ZC_DRM_IOWR(0xCA, struct zc_drm_syncobj_timeline_wait)
#define ZC_DRM_IOCTL_SYNCOBJ_QUERY ZC_DRM_IOWR(0xCB, struct zc_drm_syncobj_timeline_array)
#define ZC_DRM_IOCTL_SYNCOBJ_TRANSFER ZC_DRM_IOWR(0xCC, struct zc_drm_syncobj_transfer)
#define ZC_DRM_IOCTL_SYNCOBJ_TIMELINE_SIGNAL ZC_DRM_IOWR(0xCD, struct zc_drm_syncobj_timeline_array)
#define ZC_DRM_IOCTL_MODE_GETFB2 ZC_DRM_IOWR(0xCE, struct zc_drm_mode_fb_cmd2)
#define ZC_DRM_IOCTL_SYNCOBJ_EVENTFD ZC_DRM_IOWR(0xCF, struct zc_drm_syncobj_eventfd)
#define ZC_DRM_IOCTL_MODE_CLOSEFB ZC_DRM_IOWR(0xD0, struct zc_drm_mode_closefb)

/* Capabilities and flags. */

#define ZC_DRM_CAP_DUMB_BUFFER 0x1
#define ZC_DRM_CAP_VBLANK_HIGH_CRTC 0x2
#define ZC_DRM_CAP_DUMB_PREFERRED_DEPTH 0x3
#define ZC_DRM_CAP_DUMB_PREFER_SHADOW 0x4
#define ZC_DRM_CAP_PRIME 0x5
#define ZC_DRM_CAP_TIMESTAMP_MONOTONIC 0x6
#define ZC_DRM_CAP_ASYNC_PAGE_FLIP 0x7
#define ZC_DRM_CAP_CURSOR_WIDTH 0x8
#define ZC_DRM_CAP_CURSOR_HEIGHT 0x9
#define ZC_DRM_CAP_ADDFB2_MODIFIERS 0x10
#define ZC_DRM_CAP_PAGE_FLIP_TARGET 0x11
#define ZC_DRM_CAP_CRTC_IN_VBLANK_EVENT 0x12
#define ZC_DRM_CAP_SYNCOBJ 0x13
#define ZC_DRM_CAP_SYNCOBJ_TIMELINE 0x14
#define ZC_DRM_CAP_ATOMIC_ASYNC_PAGE_FLIP 0x15
#define ZC_DRM_PRIME_CAP_IMPORT 0x1
#define ZC_DRM_PRIME_CAP_EXPORT 0x2

#define ZC_DRM_CLIENT_CAP_STEREO_3D 1
#define ZC_DRM_CLIENT_CAP_UNIVERSAL_PLANES 2
#define ZC_DRM_CLIENT_CAP_ATOMIC 3
#define ZC_DRM_CLIENT_CAP_ASPECT_RATIO 4
#define ZC_DRM_CLIENT_CAP_WRITEBACK_CONNECTORS 5
#define ZC_DRM_CLIENT_CAP_CURSOR_PLANE_HOTSPOT 6

#define ZC_DRM_VBLANK_ABSOLUTE 0x0
#define ZC_DRM_VBLANK_RELATIVE 0x1
#define ZC_DRM_VBLANK_HIGH_CRTC_MASK 0x3e
#define ZC_DRM_VBLANK_HIGH_CRTC_SHIFT 1
#define ZC_DRM_VBLANK_EVENT 0x4000000
#define ZC_DRM_VBLANK_NEXTONMISS 0x10000000
#define ZC_DRM_VBLANK_SECONDARY 0x20000000
#define ZC_DRM_CRTC_SEQUENCE_RELATIVE 0x1
#define ZC_DRM_CRTC_SEQUENCE_NEXT_ON_MISS 0x2

#define ZC_DRM_EVENT_VBLANK 0x01
#define ZC_DRM_EVENT_FLIP_COMPLETE 0x02
#define ZC_DRM_EVENT_CRTC_SEQUENCE 0x03

#define ZC_DRM_SYNCOBJ_CREATE_SIGNALED 0x1
#define ZC_DRM_SYNCOBJ_FD_TO_HANDLE_FLAGS_IMPORT_SYNC_FILE 0x1
#define ZC_DRM_SYNCOBJ_HANDLE_TO_FD_FLAGS_EXPORT_SYNC_FILE 0x1
#define ZC_DRM_SYNCOBJ_WAIT_FLAGS_WAIT_ALL 0x1
#define ZC_DRM_SYNCOBJ_WAIT_FLAGS_WAIT_FOR_SUBMIT 0x2
#define ZC_DRM_SYNCOBJ_WAIT_FLAGS_WAIT_AVAILABLE 0x4
#define ZC_DRM_SYNCOBJ_WAIT_FLAGS_WAIT_DEADLINE 0x8
#define ZC_DRM_SYNCOBJ_QUERY_FLAGS_LAST_SUBMITTED 0x1

#endif
