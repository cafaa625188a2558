"""An open DRM device: its objects, properties, modes and atomic commits."""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.errno cimport EACCES, EINVAL, ENOENT, EOPNOTSUPP
from libc.stdint cimport uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

from zcore._changes cimport Changes, changes_commit, changes_read
from zcore._drm_types cimport copy_mode, ids_of, read_mode, text
from zcore._errors cimport check, device_error
from zcore._fd cimport Fd
from zcore._sys cimport sys_ioctl_restart
from zcore.uapi.drm cimport (
    ZC_DRM_CLIENT_CAP_ATOMIC,
    ZC_DRM_CLIENT_CAP_UNIVERSAL_PLANES,
    ZC_DRM_CLIENT_CAP_WRITEBACK_CONNECTORS,
    ZC_DRM_IOCTL_AUTH_MAGIC,
    ZC_DRM_IOCTL_DROP_MASTER,
    ZC_DRM_IOCTL_GET_CAP,
    ZC_DRM_IOCTL_MODE_CREATEPROPBLOB,
    ZC_DRM_IOCTL_MODE_DESTROYPROPBLOB,
    ZC_DRM_IOCTL_MODE_GETCONNECTOR,
    ZC_DRM_IOCTL_MODE_GETCRTC,
    ZC_DRM_IOCTL_MODE_GETENCODER,
    ZC_DRM_IOCTL_MODE_GETPLANE,
    ZC_DRM_IOCTL_MODE_GETPLANERESOURCES,
    ZC_DRM_IOCTL_MODE_GETPROPBLOB,
    ZC_DRM_IOCTL_MODE_GETPROPERTY,
    ZC_DRM_IOCTL_MODE_GETRESOURCES,
    ZC_DRM_IOCTL_MODE_OBJ_GETPROPERTIES,
    ZC_DRM_IOCTL_MODE_SETCRTC,
    ZC_DRM_IOCTL_SET_CLIENT_CAP,
    ZC_DRM_IOCTL_SET_MASTER,
    ZC_DRM_IOCTL_VERSION,
    zc_drm_auth,
    zc_drm_get_cap,
    zc_drm_mode_card_res,
    zc_drm_mode_create_blob,
    zc_drm_mode_crtc,
    zc_drm_mode_destroy_blob,
    zc_drm_mode_get_blob,
    zc_drm_mode_get_connector,
    zc_drm_mode_get_encoder,
    zc_drm_mode_get_plane,
    zc_drm_mode_get_plane_res,
    zc_drm_mode_get_property,
    zc_drm_mode_modeinfo,
    zc_drm_mode_obj_get_properties,
    zc_drm_mode_property_enum,
    zc_drm_set_client_cap,
    zc_drm_version,
)

import threading

from zcore._drm_types import Connector, Mode, Plane, Property  # no-cython-lint: Mode is for those who import it here


@cython.final
@cython.no_gc_clear  # framebuffers that die in the same collection still need it; it refers to nothing that refers back
cdef class Card:
    """An open DRM device.

    GEM handles belong to the open file and are counted here, because the kernel gives the same handle again, without a
    reference of its own, each time the same buffer is imported. Never wrap one open file in two of these.
    """

    def __init__(self, device, *, bint atomic=True):
        cdef zc_drm_version version
        cdef int result
        cdef char name[32]
        self.fd = device if isinstance(device, Fd) else Fd.open(device)
        self.path = self.fd.name
        self.handles = {}
        self.lock = threading.RLock()  # a framebuffer may die, and drop its handles, in a collection under the lock
        memset(&version, 0, sizeof(version))
        memset(name, 0, sizeof(name))
        version.name = name
        version.name_len = sizeof(name) - 1
        result = sys_ioctl_restart(self.fd.number, ZC_DRM_IOCTL_VERSION, &version)
        if result < 0:
            raise device_error(-result, "DRM_IOCTL_VERSION", self.path, "this is not a DRM device")
        self.driver = (<bytes>name).decode(errors="replace")
        self.set_client_cap(ZC_DRM_CLIENT_CAP_UNIVERSAL_PLANES, 1)
        self.atomic = atomic and self.set_client_cap(ZC_DRM_CLIENT_CAP_ATOMIC, 1)
        self.writeback = self.atomic and self.set_client_cap(ZC_DRM_CLIENT_CAP_WRITEBACK_CONNECTORS, 1)

    def set_client_cap(self, uint64_t capability, uint64_t value):
        """Ask for a client capability; False where the driver has it not."""
        cdef zc_drm_set_client_cap argument
        argument.capability = capability
        argument.value = value
        return sys_ioctl_restart(self.fd.number, ZC_DRM_IOCTL_SET_CLIENT_CAP, &argument) >= 0

    def get_cap(self, uint64_t capability):
        """Read a driver capability; 0 where the driver does not know it."""
        cdef zc_drm_get_cap argument
        argument.capability = capability
        argument.value = 0
        return argument.value if sys_ioctl_restart(self.fd.number, ZC_DRM_IOCTL_GET_CAP, &argument) >= 0 else 0

    @property
    def is_master(self):
        """Whether this open file may change the display."""
        cdef zc_drm_auth argument
        argument.magic = 0
        # Magic 0 is never valid: a master is told EINVAL, anybody else EACCES.
        return sys_ioctl_restart(self.fd.number, ZC_DRM_IOCTL_AUTH_MAGIC, &argument) != -EACCES

    def set_master(self):
        """Become the DRM master."""
        check(sys_ioctl_restart(self.fd.number, ZC_DRM_IOCTL_SET_MASTER, NULL), "DRM_IOCTL_SET_MASTER", self.path)

    def drop_master(self):
        """Let somebody else become the DRM master."""
        check(sys_ioctl_restart(self.fd.number, ZC_DRM_IOCTL_DROP_MASTER, NULL), "DRM_IOCTL_DROP_MASTER", self.path)

    # Objects. Counts first, then contents; asked again where something was plugged in between.

    def resources(self):
        """Give ``(crtcs, connectors)`` as tuples of ids; two empty ones where the device has no display part."""
        cdef zc_drm_mode_card_res res, counted
        cdef uint32_t *crtcs = NULL
        cdef uint32_t *connectors = NULL
        cdef int result
        while True:
            memset(&counted, 0, sizeof(counted))
            result = sys_ioctl_restart(self.fd.number, ZC_DRM_IOCTL_MODE_GETRESOURCES, &counted)
            if result == -EOPNOTSUPP or result == -EINVAL:
                return (), ()
            check(result, "DRM_IOCTL_MODE_GETRESOURCES", self.path)
            memset(&res, 0, sizeof(res))
            crtcs = <uint32_t *>calloc(counted.count_crtcs + 1, 4)
            connectors = <uint32_t *>calloc(counted.count_connectors + 1, 4)
            try:
                if crtcs == NULL or connectors == NULL:
                    raise MemoryError()
                res.count_crtcs = counted.count_crtcs
                res.count_connectors = counted.count_connectors
                res.crtc_id_ptr = <uint64_t>crtcs
                res.connector_id_ptr = <uint64_t>connectors
                check(sys_ioctl_restart(self.fd.number, ZC_DRM_IOCTL_MODE_GETRESOURCES, &res),
                      "DRM_IOCTL_MODE_GETRESOURCES", self.path)
                if res.count_crtcs <= counted.count_crtcs and res.count_connectors <= counted.count_connectors:
                    return ids_of(crtcs, res.count_crtcs), ids_of(connectors, res.count_connectors)
            finally:
                free(crtcs)
                free(connectors)

    def connector(self, uint32_t id):
        """Read a connector with its modes; probes the hardware."""
        cdef zc_drm_mode_get_connector conn, counted
        cdef zc_drm_mode_modeinfo *modes = NULL
        cdef uint32_t *encoders = NULL
        while True:
            memset(&counted, 0, sizeof(counted))
            counted.connector_id = id
            check(sys_ioctl_restart(self.fd.number, ZC_DRM_IOCTL_MODE_GETCONNECTOR, &counted),
                  "DRM_IOCTL_MODE_GETCONNECTOR", self.path)
            memset(&conn, 0, sizeof(conn))
            conn.connector_id = id
            modes = <zc_drm_mode_modeinfo *>calloc(counted.count_modes + 1, sizeof(zc_drm_mode_modeinfo))
            encoders = <uint32_t *>calloc(counted.count_encoders + 1, 4)
            try:
                if modes == NULL or encoders == NULL:
                    raise MemoryError()
                conn.count_modes = counted.count_modes or 1  # 0 would probe again
                conn.count_encoders = counted.count_encoders
                conn.modes_ptr = <uint64_t>modes
                conn.encoders_ptr = <uint64_t>encoders
                check(sys_ioctl_restart(self.fd.number, ZC_DRM_IOCTL_MODE_GETCONNECTOR, &conn),
                      "DRM_IOCTL_MODE_GETCONNECTOR", self.path)
                if conn.count_modes <= (counted.count_modes or 1) and conn.count_encoders <= counted.count_encoders:
                    possible = 0
                    for i in range(conn.count_encoders):
                        possible |= self._encoder_crtcs(encoders[i])
                    return Connector(id, conn.connector_type, conn.connector_type_id, conn.connection == 1,
                                     conn.encoder_id, possible,
                                     tuple([read_mode(&modes[i]) for i in range(conn.count_modes)]))
            finally:
                free(modes)
                free(encoders)

    def is_plugged(self, uint32_t id):
        """Tell whether a connector has a monitor, or may have one, as the driver found out last; probes nothing."""
        cdef zc_drm_mode_get_connector conn
        cdef zc_drm_mode_modeinfo mode
        cdef int result
        memset(&conn, 0, sizeof(conn))
        conn.connector_id = id
        conn.count_modes = 1  # 0 would probe; where there are more modes than room for them none is copied
        conn.modes_ptr = <uint64_t>&mode
        result = sys_ioctl_restart(self.fd.number, ZC_DRM_IOCTL_MODE_GETCONNECTOR, &conn)
        if result == -ENOENT:  # monitors behind a hub take their connector along
            return False
        check(result, "DRM_IOCTL_MODE_GETCONNECTOR", self.path)
        return conn.connection != 2

    def _encoder_crtcs(self, uint32_t id):
        cdef zc_drm_mode_get_encoder encoder
        memset(&encoder, 0, sizeof(encoder))
        encoder.encoder_id = id
        check(sys_ioctl_restart(self.fd.number, ZC_DRM_IOCTL_MODE_GETENCODER, &encoder),
              "DRM_IOCTL_MODE_GETENCODER", self.path)
        return encoder.possible_crtcs

    def planes(self):
        """List the planes."""
        cdef zc_drm_mode_get_plane_res res
        cdef uint32_t ids[256]
        memset(&res, 0, sizeof(res))
        res.count_planes = 256
        res.plane_id_ptr = <uint64_t>ids
        check(sys_ioctl_restart(self.fd.number, ZC_DRM_IOCTL_MODE_GETPLANERESOURCES, &res),
              "DRM_IOCTL_MODE_GETPLANERESOURCES", self.path)
        return [self.plane(ids[i]) for i in range(min(<int>res.count_planes, 256))]

    def plane(self, uint32_t id):
        """Read a plane."""
        cdef zc_drm_mode_get_plane plane
        cdef uint32_t formats[512]
        memset(&plane, 0, sizeof(plane))
        plane.plane_id = id
        plane.count_format_types = 512
        plane.format_type_ptr = <uint64_t>formats
        check(sys_ioctl_restart(self.fd.number, ZC_DRM_IOCTL_MODE_GETPLANE, &plane),
              "DRM_IOCTL_MODE_GETPLANE", self.path)
        return Plane(id, plane.crtc_id, plane.fb_id, plane.possible_crtcs,
                     ids_of(formats, min(<int>plane.count_format_types, 512)))

    def get_crtc(self, uint32_t id):
        """Read a CRTC the legacy way: ``(framebuffer, x, y, mode or None)``."""
        cdef zc_drm_mode_crtc crtc
        memset(&crtc, 0, sizeof(crtc))
        crtc.crtc_id = id
        check(sys_ioctl_restart(self.fd.number, ZC_DRM_IOCTL_MODE_GETCRTC, &crtc), "DRM_IOCTL_MODE_GETCRTC", self.path)
        return crtc.fb_id, crtc.x, crtc.y, read_mode(&crtc.mode) if crtc.mode_valid else None

    def set_crtc(self, uint32_t id, uint32_t framebuffer, connectors=(), bytes mode=None, uint32_t x=0, uint32_t y=0):
        """Set a CRTC the legacy way; without a mode it goes off."""
        cdef zc_drm_mode_crtc crtc
        cdef uint32_t ids[16]
        memset(&crtc, 0, sizeof(crtc))
        for i, connector in enumerate(connectors[:16]):
            ids[i] = connector
        crtc.crtc_id = id
        crtc.fb_id = framebuffer
        crtc.x = x
        crtc.y = y
        crtc.set_connectors_ptr = <uint64_t>ids
        crtc.count_connectors = len(connectors[:16])
        if mode is not None:
            copy_mode(&crtc.mode, mode)
            crtc.mode_valid = 1
        cdef int fd = self.fd.number
        cdef int result
        with nogil:
            result = sys_ioctl_restart(fd, ZC_DRM_IOCTL_MODE_SETCRTC, &crtc)
        check(result, "DRM_IOCTL_MODE_SETCRTC", self.path)

    # Properties

    def properties(self, uint32_t id, uint32_t type):
        """Read the properties of an object (CRTC, connector, plane) by name."""
        cdef zc_drm_mode_obj_get_properties props
        cdef zc_drm_mode_get_property prop
        cdef uint32_t ids[256]
        cdef uint64_t values[256]
        cdef int result
        memset(&props, 0, sizeof(props))
        props.obj_id = id
        props.obj_type = type
        props.count_props = 256
        props.props_ptr = <uint64_t>ids
        props.prop_values_ptr = <uint64_t>values
        result = sys_ioctl_restart(self.fd.number, ZC_DRM_IOCTL_MODE_OBJ_GETPROPERTIES, &props)
        if result == -EINVAL or result == -ENOENT:
            return {}
        check(result, "DRM_IOCTL_MODE_OBJ_GETPROPERTIES", self.path)
        found = {}
        for i in range(min(<int>props.count_props, 256)):
            memset(&prop, 0, sizeof(prop))
            prop.prop_id = ids[i]
            check(sys_ioctl_restart(self.fd.number, ZC_DRM_IOCTL_MODE_GETPROPERTY, &prop),
                  "DRM_IOCTL_MODE_GETPROPERTY", self.path)
            found[text(prop.name)] = Property(ids[i], values[i], prop.flags)
        return found

    def enum_values(self, uint32_t property_id):
        """Give the names of an enum or bitmask property with their values."""
        cdef zc_drm_mode_get_property prop
        cdef zc_drm_mode_property_enum entries[64]
        cdef uint64_t values[64]
        memset(&prop, 0, sizeof(prop))
        prop.prop_id = property_id
        prop.count_enum_blobs = 64
        prop.enum_blob_ptr = <uint64_t>entries
        prop.count_values = 64
        prop.values_ptr = <uint64_t>values
        check(sys_ioctl_restart(self.fd.number, ZC_DRM_IOCTL_MODE_GETPROPERTY, &prop),
              "DRM_IOCTL_MODE_GETPROPERTY", self.path)
        return {text(entries[i].name): entries[i].value for i in range(min(<int>prop.count_enum_blobs, 64))}

    def read_blob(self, uint32_t id):
        """Read a property blob."""
        cdef zc_drm_mode_get_blob blob
        cdef uint32_t length
        memset(&blob, 0, sizeof(blob))
        blob.blob_id = id
        check(sys_ioctl_restart(self.fd.number, ZC_DRM_IOCTL_MODE_GETPROPBLOB, &blob),
              "DRM_IOCTL_MODE_GETPROPBLOB", self.path)
        length = blob.length
        content = PyBytes_FromStringAndSize(NULL, length)
        blob.data = <uint64_t>PyBytes_AS_STRING(content)
        check(sys_ioctl_restart(self.fd.number, ZC_DRM_IOCTL_MODE_GETPROPBLOB, &blob),
              "DRM_IOCTL_MODE_GETPROPBLOB", self.path)
        return content

    def create_blob(self, bytes content):
        """Make a property blob; it must outlive the commit that names it."""
        cdef zc_drm_mode_create_blob blob
        memset(&blob, 0, sizeof(blob))
        blob.data = <uint64_t>PyBytes_AS_STRING(content)
        blob.length = len(content)
        check(sys_ioctl_restart(self.fd.number, ZC_DRM_IOCTL_MODE_CREATEPROPBLOB, &blob),
              "DRM_IOCTL_MODE_CREATEPROPBLOB", self.path)
        return blob.blob_id

    def destroy_blob(self, uint32_t id):
        """Give a blob back; what the display still uses stays alive in the kernel."""
        cdef zc_drm_mode_destroy_blob blob
        blob.blob_id = id
        if self.fd.ours():
            sys_ioctl_restart(self.fd.number, ZC_DRM_IOCTL_MODE_DESTROYPROPBLOB, &blob)

    def commit(self, settings, uint32_t flags, uint64_t user_data=0):
        """Commit properties atomically.

        Parameters
        ----------
        settings : dict of int to dict of int to int
            Object id to property id to value.
        flags : int
            DRM_MODE_ATOMIC_* and DRM_MODE_PAGE_FLIP_*.
        """
        cdef Changes changes
        cdef int fd = self.fd.number
        cdef int result
        changes_read(&changes, settings)
        with nogil:
            result = changes_commit(&changes, fd, flags, user_data)
        check(result, "DRM_IOCTL_MODE_ATOMIC", self.path)

    def close(self):
        """Close the device; its framebuffers and handles must be gone before."""
        self.fd.close()

    def __repr__(self):
        return f"<Card {self.path} {self.driver}>"
