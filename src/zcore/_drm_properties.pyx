"""What values a KMS property takes, and setting one without an atomic commit."""

from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memset

from zcore._drm cimport Card
from zcore._drm_types cimport text
from zcore._errors cimport check
from zcore._sys cimport sys_ioctl_restart
from zcore.uapi.drm cimport (
    ZC_DRM_IOCTL_MODE_GETPROPERTY,
    ZC_DRM_IOCTL_MODE_OBJ_SETPROPERTY,
    ZC_DRM_MODE_PROP_BITMASK,
    ZC_DRM_MODE_PROP_BLOB,
    ZC_DRM_MODE_PROP_ENUM,
    ZC_DRM_MODE_PROP_EXTENDED_TYPE,
    ZC_DRM_MODE_PROP_IMMUTABLE,
    ZC_DRM_MODE_PROP_OBJECT,
    ZC_DRM_MODE_PROP_RANGE,
    ZC_DRM_MODE_PROP_SIGNED_RANGE,
    zc_drm_mode_get_property,
    zc_drm_mode_obj_set_property,
    zc_drm_mode_property_enum,
)

from typing import NamedTuple


class PropertyInfo(NamedTuple):
    """What a property takes: ``kind`` is ``range``, ``signed``, ``enum``, ``bitmask``, ``blob``, ``object`` or empty.

    ``values`` are the names of an enum with their values, or of a bit mask with the numbers of their bits.
    """

    name: str
    kind: str
    immutable: bool
    minimum: int
    maximum: int
    values: dict


def describe_property(Card card not None, uint32_t id):
    """Tell what a property takes."""
    cdef zc_drm_mode_get_property prop
    cdef zc_drm_mode_property_enum entries[64]
    cdef uint64_t limits[64]
    memset(&prop, 0, sizeof(prop))
    memset(limits, 0, sizeof(limits))
    prop.prop_id = id
    prop.count_enum_blobs = 64
    prop.enum_blob_ptr = <uint64_t>entries
    prop.count_values = 64
    prop.values_ptr = <uint64_t>limits
    check(sys_ioctl_restart(card.fd.number, ZC_DRM_IOCTL_MODE_GETPROPERTY, &prop), "DRM_IOCTL_MODE_GETPROPERTY",
          card.path)
    cdef object low = 0, high = 0  # signed or not, as the kind says
    named = {}
    kind = kind_of(prop.flags)
    if kind in ("enum", "bitmask"):
        named = {text(entries[i].name): entries[i].value for i in range(min(<int>prop.count_enum_blobs, 64))}
    elif kind == "signed":
        low, high = <int64_t>limits[0], <int64_t>limits[1]
    elif kind == "range":
        low, high = limits[0], limits[1]
    return PropertyInfo(text(prop.name), kind, bool(prop.flags & ZC_DRM_MODE_PROP_IMMUTABLE), low, high, named)


cdef str kind_of(uint32_t flags):
    extended = flags & ZC_DRM_MODE_PROP_EXTENDED_TYPE
    if extended == ZC_DRM_MODE_PROP_OBJECT:
        return "object"
    if extended == ZC_DRM_MODE_PROP_SIGNED_RANGE:
        return "signed"
    for bit, kind in (
        (ZC_DRM_MODE_PROP_ENUM, "enum"), (ZC_DRM_MODE_PROP_BITMASK, "bitmask"), (ZC_DRM_MODE_PROP_BLOB, "blob"),
        (ZC_DRM_MODE_PROP_RANGE, "range"),
    ):
        if flags & bit:
            return kind
    return ""


def set_property(Card card not None, uint32_t id, uint32_t type, uint32_t property_id, value):
    """Set a property of an object at once, as drivers without atomic commits need it."""
    cdef zc_drm_mode_obj_set_property argument
    memset(&argument, 0, sizeof(argument))
    argument.obj_id = id
    argument.obj_type = type
    argument.prop_id = property_id
    argument.value = value & 0xFFFFFFFFFFFFFFFF
    cdef int fd = card.fd.number
    cdef int result
    with nogil:
        result = sys_ioctl_restart(fd, ZC_DRM_IOCTL_MODE_OBJ_SETPROPERTY, &argument)
    check(result, "DRM_IOCTL_MODE_OBJ_SETPROPERTY", card.path)
