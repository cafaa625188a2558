"""DRM leases: parts of a card for somebody else."""

from libc.errno cimport ENOENT
from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memset

from zcore._drm cimport Card
from zcore._errors cimport check
from zcore._sys cimport sys_ioctl_restart
from zcore.uapi.drm cimport (
    ZC_DRM_IOCTL_MODE_CREATE_LEASE,
    ZC_DRM_IOCTL_MODE_GET_LEASE,
    ZC_DRM_IOCTL_MODE_LIST_LESSEES,
    ZC_DRM_IOCTL_MODE_REVOKE_LEASE,
    zc_drm_mode_create_lease,
    zc_drm_mode_get_lease,
    zc_drm_mode_list_lessees,
    zc_drm_mode_revoke_lease,
)

cdef extern from "<fcntl.h>" nogil:
    enum:
        O_CLOEXEC
        O_NONBLOCK


def create_lease(Card card not None, tuple objects):
    """Lend objects; gives ``(descriptor, lessee)``. The descriptor is the caller's to close."""
    cdef zc_drm_mode_create_lease argument
    cdef uint32_t ids[64]
    if len(objects) > 64:
        raise ValueError(f"a lease has 64 objects at most, not {len(objects)}")
    for i, id in enumerate(objects):
        ids[i] = id
    memset(&argument, 0, sizeof(argument))
    argument.object_ids = <uint64_t>ids
    argument.object_count = len(objects)
    argument.flags = O_CLOEXEC | O_NONBLOCK
    check(sys_ioctl_restart(card.fd.number, ZC_DRM_IOCTL_MODE_CREATE_LEASE, &argument),
          "DRM_IOCTL_MODE_CREATE_LEASE", card.path)
    return <int>argument.fd, argument.lessee_id


def lessees(Card card not None):
    """List the numbers of those who hold leases of this card."""
    cdef zc_drm_mode_list_lessees argument
    cdef uint32_t ids[256]
    memset(&argument, 0, sizeof(argument))
    argument.count_lessees = 256
    argument.lessees_ptr = <uint64_t>ids
    check(sys_ioctl_restart(card.fd.number, ZC_DRM_IOCTL_MODE_LIST_LESSEES, &argument),
          "DRM_IOCTL_MODE_LIST_LESSEES", card.path)
    return [ids[i] for i in range(min(<int>argument.count_lessees, 256))]


def lease_objects(int fd, str name):
    """List what the holder of a lease may use; of a card that is no lease, everything."""
    cdef zc_drm_mode_get_lease argument
    cdef uint32_t ids[256]
    memset(&argument, 0, sizeof(argument))
    argument.count_objects = 256
    argument.objects_ptr = <uint64_t>ids
    check(sys_ioctl_restart(fd, ZC_DRM_IOCTL_MODE_GET_LEASE, &argument), "DRM_IOCTL_MODE_GET_LEASE", name)
    return [ids[i] for i in range(min(<int>argument.count_objects, 256))]


def revoke_lease(Card card not None, uint32_t lessee):
    """Take a lease back; nothing happens where its last descriptor is closed already."""
    cdef zc_drm_mode_revoke_lease argument
    cdef int result
    argument.lessee_id = lessee
    result = sys_ioctl_restart(card.fd.number, ZC_DRM_IOCTL_MODE_REVOKE_LEASE, &argument)
    if result != -ENOENT:
        check(result, "DRM_IOCTL_MODE_REVOKE_LEASE", card.path)
