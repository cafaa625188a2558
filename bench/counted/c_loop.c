/* The floor of the counted benches: a camera's frames on a display, written by hand in C, with nothing that is not needed.
 *
 * c_loop CAMERA CARD RATE BUFFERS FRAMES...
 *
 * 640x480 XR24. Once: format, buffers, export, import, framebuffers, mode. Per frame five calls: poll, DQBUF, read of the
 * flip event before, QBUF of the buffer that this flip replaced, and a nonblocking commit of the plane's FB_ID.
 * Prints the processor time of each run in ns.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include <linux/videodev2.h>

#include "zc_drm.h"

enum { WIDTH = 640, HEIGHT = 480, MAX_BUFFERS = 32 };

struct display {
    int card;
    uint32_t crtc, plane, fb_property;
};

static void die(const char *what)
{
    fprintf(stderr, "c_loop: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void call(int fd, unsigned long request, void *argument, const char *name)
{
    int value;
    do
        value = ioctl(fd, request, argument);
    while (value < 0 && errno == EINTR);
    if (value < 0)
        die(name);
}
#define CALL(fd, request, argument) call(fd, request, argument, #request)

/* Camera */

static uint32_t set_up_camera(int camera, int rate)
{
    struct v4l2_format format = {.type = V4L2_BUF_TYPE_VIDEO_CAPTURE};
    struct v4l2_streamparm parameters = {.type = V4L2_BUF_TYPE_VIDEO_CAPTURE};

    format.fmt.pix.width = WIDTH;
    format.fmt.pix.height = HEIGHT;
    format.fmt.pix.pixelformat = V4L2_PIX_FMT_XBGR32; /* "XR24" here as in DRM */
    CALL(camera, VIDIOC_S_FMT, &format);
    if (format.fmt.pix.width != WIDTH || format.fmt.pix.height != HEIGHT
        || format.fmt.pix.pixelformat != V4L2_PIX_FMT_XBGR32) {
        errno = EINVAL;
        die("the camera has no 640x480 XR24");
    }
    parameters.parm.capture.timeperframe.numerator = 1;
    parameters.parm.capture.timeperframe.denominator = rate;
    CALL(camera, VIDIOC_S_PARM, &parameters);
    return format.fmt.pix.bytesperline;
}

static int request_buffers(int camera, int count)
{
    struct v4l2_requestbuffers request = {
        .count = count, .type = V4L2_BUF_TYPE_VIDEO_CAPTURE, .memory = V4L2_MEMORY_MMAP};

    CALL(camera, VIDIOC_REQBUFS, &request);
    if (request.count < 3 || request.count > MAX_BUFFERS)
        die("number of buffers");
    return request.count;
}

static int export_buffer(int camera, int index)
{
    struct v4l2_exportbuffer export = {.type = V4L2_BUF_TYPE_VIDEO_CAPTURE, .index = index, .flags = O_RDWR | O_CLOEXEC};

    CALL(camera, VIDIOC_EXPBUF, &export);
    return export.fd;
}

static void queue(int camera, int index)
{
    struct v4l2_buffer buffer = {.type = V4L2_BUF_TYPE_VIDEO_CAPTURE, .memory = V4L2_MEMORY_MMAP, .index = index};

    CALL(camera, VIDIOC_QBUF, &buffer);
}

static int dequeue(int camera)
{
    struct v4l2_buffer buffer = {.type = V4L2_BUF_TYPE_VIDEO_CAPTURE, .memory = V4L2_MEMORY_MMAP};

    CALL(camera, VIDIOC_DQBUF, &buffer);
    return buffer.index;
}

/* Display */

static uint32_t property(int card, uint32_t object, uint32_t type, const char *name)
{
    uint32_t ids[128];
    uint64_t values[128];
    struct zc_drm_mode_obj_get_properties list = {
        .obj_id = object, .obj_type = type, .count_props = 128, .props_ptr = (uintptr_t)ids,
        .prop_values_ptr = (uintptr_t)values};

    CALL(card, ZC_DRM_IOCTL_MODE_OBJ_GETPROPERTIES, &list);
    for (uint32_t i = 0; i < list.count_props && i < 128; i++) {
        struct zc_drm_mode_get_property one = {.prop_id = ids[i]};
        CALL(card, ZC_DRM_IOCTL_MODE_GETPROPERTY, &one);
        if (strcmp(one.name, name) == 0)
            return ids[i];
    }
    errno = ENOENT;
    die(name);
    return 0;
}

static uint32_t make_framebuffer(int card, int fd, uint32_t stride)
{
    struct zc_drm_prime_handle prime = {.fd = fd};
    struct zc_drm_mode_fb_cmd2 command = {.width = WIDTH, .height = HEIGHT, .pixel_format = V4L2_PIX_FMT_XBGR32};

    CALL(card, ZC_DRM_IOCTL_PRIME_FD_TO_HANDLE, &prime);
    command.handles[0] = prime.handle;
    command.pitches[0] = stride;
    CALL(card, ZC_DRM_IOCTL_MODE_ADDFB2, &command);
    return command.fb_id;
}

static uint32_t find_connector(int card, uint32_t *crtc, struct zc_drm_mode_modeinfo *mode)
{
    static struct zc_drm_mode_modeinfo modes[256];
    uint32_t crtcs[16], connectors[16], encoders[16];
    struct zc_drm_mode_card_res resources = {
        .crtc_id_ptr = (uintptr_t)crtcs, .count_crtcs = 16, .connector_id_ptr = (uintptr_t)connectors,
        .count_connectors = 16};

    CALL(card, ZC_DRM_IOCTL_MODE_GETRESOURCES, &resources);
    for (uint32_t i = 0; i < resources.count_connectors && i < 16; i++) {
        struct zc_drm_mode_get_connector probe = {.connector_id = connectors[i]};
        CALL(card, ZC_DRM_IOCTL_MODE_GETCONNECTOR, &probe);
        struct zc_drm_mode_get_connector connector = {
            .connector_id = connectors[i], .modes_ptr = (uintptr_t)modes, .count_modes = 256,
            .encoders_ptr = (uintptr_t)encoders, .count_encoders = 16};
        CALL(card, ZC_DRM_IOCTL_MODE_GETCONNECTOR, &connector);
        for (uint32_t m = 0; m < connector.count_modes && m < 256; m++)
            if (modes[m].hdisplay == WIDTH && modes[m].vdisplay == HEIGHT) {
                *crtc = crtcs[0];
                *mode = modes[m];
                return connectors[i];
            }
    }
    errno = ENOENT;
    die("no connector has 640x480");
    return 0;
}

static uint32_t find_primary_plane(int card)
{
    uint32_t planes[64];
    struct zc_drm_mode_get_plane_res list = {.plane_id_ptr = (uintptr_t)planes, .count_planes = 64};

    CALL(card, ZC_DRM_IOCTL_MODE_GETPLANERESOURCES, &list);
    for (uint32_t i = 0; i < list.count_planes && i < 64; i++) {
        uint32_t ids[128];
        uint64_t values[128];
        uint32_t type = property(card, planes[i], ZC_DRM_MODE_OBJECT_PLANE, "type");
        struct zc_drm_mode_obj_get_properties all = {
            .obj_id = planes[i], .obj_type = ZC_DRM_MODE_OBJECT_PLANE, .count_props = 128, .props_ptr = (uintptr_t)ids,
            .prop_values_ptr = (uintptr_t)values};
        CALL(card, ZC_DRM_IOCTL_MODE_OBJ_GETPROPERTIES, &all);
        for (uint32_t p = 0; p < all.count_props && p < 128; p++)
            if (ids[p] == type && values[p] == ZC_DRM_PLANE_TYPE_PRIMARY)
                return planes[i];
    }
    errno = ENOENT;
    die("no primary plane");
    return 0;
}

static struct display set_up_display(int card, uint32_t first_framebuffer)
{
    struct display display = {.card = card};
    struct zc_drm_mode_modeinfo mode;
    uint32_t connector = find_connector(card, &display.crtc, &mode);
    struct zc_drm_mode_create_blob blob = {.data = (uintptr_t)&mode, .length = sizeof mode};

    display.plane = find_primary_plane(card);
    display.fb_property = property(card, display.plane, ZC_DRM_MODE_OBJECT_PLANE, "FB_ID");
    CALL(card, ZC_DRM_IOCTL_MODE_CREATEPROPBLOB, &blob);

    const struct {
        uint32_t object, type;
        const char *name;
        uint64_t value;
    } settings[] = {
        {connector, ZC_DRM_MODE_OBJECT_CONNECTOR, "CRTC_ID", display.crtc},
        {display.crtc, ZC_DRM_MODE_OBJECT_CRTC, "MODE_ID", blob.blob_id},
        {display.crtc, ZC_DRM_MODE_OBJECT_CRTC, "ACTIVE", 1},
        {display.plane, ZC_DRM_MODE_OBJECT_PLANE, "FB_ID", first_framebuffer},
        {display.plane, ZC_DRM_MODE_OBJECT_PLANE, "CRTC_ID", display.crtc},
        {display.plane, ZC_DRM_MODE_OBJECT_PLANE, "SRC_W", (uint64_t)WIDTH << 16},
        {display.plane, ZC_DRM_MODE_OBJECT_PLANE, "SRC_H", (uint64_t)HEIGHT << 16},
        {display.plane, ZC_DRM_MODE_OBJECT_PLANE, "CRTC_W", WIDTH},
        {display.plane, ZC_DRM_MODE_OBJECT_PLANE, "CRTC_H", HEIGHT},
    };
    enum { COUNT = sizeof settings / sizeof *settings };
    uint32_t objects[COUNT], counts[COUNT], properties[COUNT];
    uint64_t values[COUNT];
    for (int i = 0; i < COUNT; i++) {
        objects[i] = settings[i].object;
        counts[i] = 1;
        properties[i] = property(card, settings[i].object, settings[i].type, settings[i].name);
        values[i] = settings[i].value;
    }
    struct zc_drm_mode_atomic atomic = {
        .flags = ZC_DRM_MODE_ATOMIC_ALLOW_MODESET, .count_objs = COUNT, .objs_ptr = (uintptr_t)objects,
        .count_props_ptr = (uintptr_t)counts, .props_ptr = (uintptr_t)properties,
        .prop_values_ptr = (uintptr_t)values};
    CALL(card, ZC_DRM_IOCTL_MODE_ATOMIC, &atomic);
    return display;
}

static void flip(struct display *display, uint64_t framebuffer)
{
    uint32_t count = 1;
    struct zc_drm_mode_atomic atomic = {
        .flags = ZC_DRM_MODE_ATOMIC_NONBLOCK | ZC_DRM_MODE_PAGE_FLIP_EVENT, .count_objs = 1,
        .objs_ptr = (uintptr_t)&display->plane, .count_props_ptr = (uintptr_t)&count,
        .props_ptr = (uintptr_t)&display->fb_property, .prop_values_ptr = (uintptr_t)&framebuffer};

    CALL(display->card, ZC_DRM_IOCTL_MODE_ATOMIC, &atomic);
}

static void read_flip_event(int card)
{
    char events[1024];
    ssize_t size = read(card, events, sizeof events); /* waits where the flip has not happened yet */

    if (size < (ssize_t)sizeof(struct zc_drm_event_vblank)
        || ((struct zc_drm_event *)events)->type != ZC_DRM_EVENT_FLIP_COMPLETE)
        die("flip event");
}

static int show_frames(int camera, struct display *display, const uint32_t *framebuffers, int on_screen, long frames)
{
    struct pollfd one = {.fd = camera, .events = POLLIN};
    int on_its_way = -1;

    for (long i = 0; i < frames; i++) {
        if (poll(&one, 1, 10000) != 1)
            die("no frame");
        int filled = dequeue(camera);
        if (on_its_way >= 0) {
            read_flip_event(display->card);
            queue(camera, on_screen);
            on_screen = on_its_way;
        }
        flip(display, framebuffers[filled]);
        on_its_way = filled;
    }
    if (on_its_way < 0)
        return on_screen;
    read_flip_event(display->card);
    return on_its_way;
}

static int64_t processor_time(void)
{
    struct timespec now;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

int main(int argc, char **argv)
{
    if (argc < 6) {
        fprintf(stderr, "usage: c_loop CAMERA CARD RATE BUFFERS FRAMES...\n");
        return 2;
    }
    uint32_t framebuffers[MAX_BUFFERS];
    struct zc_drm_set_client_cap atomic = {.capability = ZC_DRM_CLIENT_CAP_ATOMIC, .value = 1};
    int type = V4L2_BUF_TYPE_VIDEO_CAPTURE, on_screen = 0;
    int camera = open(argv[1], O_RDWR | O_NONBLOCK | O_CLOEXEC);
    int card = open(argv[2], O_RDWR | O_CLOEXEC);
    if (camera < 0 || card < 0)
        die("open");
    CALL(card, ZC_DRM_IOCTL_SET_CLIENT_CAP, &atomic); /* universal planes come with it */

    uint32_t stride = set_up_camera(camera, atoi(argv[3]));
    int count = request_buffers(camera, atoi(argv[4]));
    for (int i = 0; i < count; i++)
        framebuffers[i] = make_framebuffer(card, export_buffer(camera, i), stride);
    struct display display = set_up_display(card, framebuffers[on_screen]);
    for (int run = 5; run < argc; run++) {
        int64_t start = processor_time();
        for (int i = 0; i < count; i++)
            if (i != on_screen)
                queue(camera, i);
        CALL(camera, VIDIOC_STREAMON, &type);
        on_screen = show_frames(camera, &display, framebuffers, on_screen, atol(argv[run]));
        CALL(camera, VIDIOC_STREAMOFF, &type);
        printf("%lld\n", (long long)(processor_time() - start));
    }
    return 0;
}
