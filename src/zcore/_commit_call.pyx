"""The call that shows frames: pictures, properties that go with them, fences, and a picture that is written back."""

from libc.stdint cimport uint32_t, uint64_t

from zcore._changes cimport Changes, changes_add, changes_begin, changes_commit
from zcore._commits cimport MAX_LANES, Lane
from zcore._kms_extras cimport CommitExtras, Extra
from zcore._pool cimport Slot, slot_drop, slot_hold
from zcore._sys cimport sys_dup
from zcore.uapi.drm cimport (
    ZC_DRM_MODE_ATOMIC_NONBLOCK,
    ZC_DRM_MODE_PAGE_FLIP_ASYNC,
    ZC_DRM_MODE_PAGE_FLIP_EVENT,
)


cdef int commit_lanes(
    int card, uint32_t crtc, Lane **members, int count, uint64_t number, bint asynchronous
) noexcept nogil:
    cdef Changes changes
    cdef Extra extras[MAX_LANES]
    cdef int i, j, result, teller
    cdef uint32_t flags = ZC_DRM_MODE_ATOMIC_NONBLOCK | ZC_DRM_MODE_PAGE_FLIP_EVENT
    cdef bint jobs = False
    cdef Lane *lane
    if asynchronous:
        flags |= ZC_DRM_MODE_PAGE_FLIP_ASYNC
    for i in range(count):
        if members[i].extras != NULL:
            (<CommitExtras>members[i].extras).begin(&extras[i], members[i].staged.fence)
            jobs |= extras[i].job != 0
    while True:
        teller = -1
        changes_begin(&changes)
        for i in range(count):
            lane = members[i]
            changes_add(&changes, lane.plane, lane.fb_property, lane.staged_framebuffer)
            for j in range(lane.setting_count):
                changes_add(&changes, lane.settings[j].object, lane.settings[j].property, lane.settings[j].value)
            if lane.extras != NULL:
                (<CommitExtras>lane.extras).add(&extras[i], lane.plane, crtc, teller < 0, &changes)
                if teller < 0 and (<CommitExtras>lane.extras).out_fence_property:
                    teller = i
        result = changes_commit(&changes, card, flags, number)
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


cdef void keep_for_reading(Lane **lanes, int count, uint32_t crtc) noexcept nogil:
    """Hold what a picture is written back from: the flip after it may come before all of it was read."""
    cdef int i
    cdef Slot *old
    cdef Lane *lane
    for i in range(count):
        lane = lanes[i]
        if lane.crtc != crtc:
            continue
        old = lane.read_back
        lane.read_back = lane.pending if lane.pending != NULL else lane.current
        if lane.read_back != NULL:
            slot_hold(lane.read_back)
        if old != NULL:
            slot_drop(old)


cdef void let_go_of_read(Lane **lanes, int count, uint32_t crtc) noexcept nogil:
    cdef int i
    for i in range(count):
        if lanes[i].crtc == crtc and lanes[i].read_back != NULL:
            slot_drop(lanes[i].read_back)
            lanes[i].read_back = NULL
