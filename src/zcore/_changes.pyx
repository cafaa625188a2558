"""What an atomic commit changes, and the call."""

from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memset

from zcore._sys cimport sys_ioctl_restart
from zcore.uapi.drm cimport ZC_DRM_IOCTL_MODE_ATOMIC, zc_drm_mode_atomic


cdef void changes_begin(Changes *changes) noexcept nogil:
    changes.object_count = changes.total = 0


cdef void begin_object(Changes *changes, uint32_t object) noexcept nogil:
    changes.objects[changes.object_count] = object
    changes.counts[changes.object_count] = 0
    changes.object_count += 1


cdef void changes_add(Changes *changes, uint32_t object, uint32_t property, uint64_t value) noexcept nogil:
    cdef int last = changes.object_count - 1
    if last < 0 or changes.objects[last] != object:  # the kernel takes an object more than once
        begin_object(changes, object)
    changes.counts[changes.object_count - 1] += 1
    changes.properties[changes.total] = property
    changes.values[changes.total] = value
    changes.total += 1


cdef int changes_read(Changes *changes, settings) except -1:
    if len(settings) > 64 or sum(map(len, settings.values())) > 512:
        raise ValueError("a commit takes 64 objects and 512 properties at most")
    changes_begin(changes)
    for id in sorted(settings):
        begin_object(changes, id)
        for property_id, value in sorted(settings[id].items()):
            changes_add(changes, id, property_id, value & 0xFFFFFFFFFFFFFFFF)
    return 0


cdef int changes_commit(Changes *changes, int card, uint32_t flags, uint64_t number) noexcept nogil:
    cdef zc_drm_mode_atomic atomic
    memset(&atomic, 0, sizeof(atomic))
    atomic.flags = flags
    atomic.count_objs = changes.object_count
    atomic.objs_ptr = <uint64_t>changes.objects
    atomic.count_props_ptr = <uint64_t>changes.counts
    atomic.props_ptr = <uint64_t>changes.properties
    atomic.prop_values_ptr = <uint64_t>changes.values
    atomic.user_data = number
    return sys_ioctl_restart(card, ZC_DRM_IOCTL_MODE_ATOMIC, &atomic)
