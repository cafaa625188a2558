"""The call that shows frames: pictures, properties that go with them, fences, and a picture that is written back."""

from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memset

from zcore._commits cimport MAX_LANES, MAX_SETTINGS, Lane
from zcore._kms_extras cimport CommitExtras, Extra
from zcore._sys cimport sys_dup, sys_ioctl_restart
from zcore.uapi.drm cimport (
    ZC_DRM_IOCTL_MODE_ATOMIC,
    ZC_DRM_MODE_ATOMIC_NONBLOCK,
    ZC_DRM_MODE_PAGE_FLIP_ASYNC,
    ZC_DRM_MODE_PAGE_FLIP_EVENT,
    zc_drm_mode_atomic,
)


cdef int commit_lanes(
    int card, uint32_t crtc, Lane **members, int count, uint64_t number, bint asynchronous
) noexcept nogil:
    cdef zc_drm_mode_atomic atomic
    cdef uint32_t objects[MAX_LANES * (MAX_SETTINGS + 5)]
    cdef uint32_t counts[MAX_LANES * (MAX_SETTINGS + 5)]
    cdef uint32_t properties[MAX_LANES * (MAX_SETTINGS + 5)]
    cdef uint64_t values[MAX_LANES * (MAX_SETTINGS + 5)]
    cdef Extra extras[MAX_LANES]
    cdef int i, j, total, result, teller
    cdef bint jobs = False
    cdef Lane *lane
    for i in range(count):
        if members[i].extras != NULL:
            (<CommitExtras>members[i].extras).begin(&extras[i], members[i].staged.fence)
            jobs |= extras[i].job != 0
    while True:
        total, teller = 0, -1
        for i in range(count):
            lane = members[i]
            objects[total] = lane.plane
            counts[total] = 1
            properties[total] = lane.fb_property
            values[total] = lane.staged_framebuffer
            total += 1
            for j in range(lane.setting_count):
                objects[total] = lane.settings[j].object  # the kernel takes an object more than once
                counts[total] = 1
                properties[total] = lane.settings[j].property
                values[total] = lane.settings[j].value
                total += 1
            if lane.extras != NULL:
                total += (<CommitExtras>lane.extras).add(
                    &extras[i], lane.plane, crtc, teller < 0, &objects[total], &counts[total], &properties[total],
                    &values[total])
                if teller < 0 and (<CommitExtras>lane.extras).out_fence_property:
                    teller = i
        memset(&atomic, 0, sizeof(atomic))
        atomic.flags = ZC_DRM_MODE_ATOMIC_NONBLOCK | ZC_DRM_MODE_PAGE_FLIP_EVENT
        if asynchronous:
            atomic.flags |= ZC_DRM_MODE_PAGE_FLIP_ASYNC
        atomic.count_objs = total
        atomic.objs_ptr = <uint64_t>objects
        atomic.count_props_ptr = <uint64_t>counts
        atomic.props_ptr = <uint64_t>properties
        atomic.prop_values_ptr = <uint64_t>values
        atomic.user_data = number
        result = sys_ioctl_restart(card, ZC_DRM_IOCTL_MODE_ATOMIC, &atomic)
        if result >= 0 or not jobs:
            break
        for i in range(count):  # pictures go onto the screen, whatever is wrong with those that are written back
            if members[i].extras != NULL and extras[i].job:
                extras[i].refused = result
                extras[i].withheld, extras[i].job = extras[i].job, 0
        jobs = False
    for i in range(count):
        if members[i].extras == NULL:
            continue
        if result >= 0 and i != teller and (<CommitExtras>members[i].extras).out_fence_property:
            extras[i].out_fence = sys_dup(extras[teller].out_fence)
        if extras[i].refused:
            extras[i].job = extras[i].withheld
    for i in range(count):
        if members[i].extras != NULL:
            (<CommitExtras>members[i].extras).settle(&extras[i], result)
    return result


cdef uint64_t jobs_of(Lane **lanes, int count) noexcept nogil:
    cdef int i
    cdef uint64_t jobs = 0
    for i in range(count):
        if lanes[i].extras != NULL:
            jobs += (<CommitExtras>lanes[i].extras).jobs
    return jobs
