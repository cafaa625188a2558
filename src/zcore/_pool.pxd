# Slots, leases and reference counts.
from cpython.ref cimport PyObject
from libc.stdint cimport int64_t, uint32_t, uint64_t

from zcore._dmabuf cimport DmaBuf, Memory, pthread_mutex_t


cdef enum:
    MAX_PLANES = 8  # VIDEO_MAX_PLANES; DRM has 4
    MAX_SLOTS = 64
    MAX_COMPONENTS = 4  # colour planes; DRM has no more


cdef enum SlotState:
    SLOT_FREE  # in the pool
    SLOT_LEASED  # somebody holds it: a stage, a link, a Python frame
    SLOT_DEVICE  # with the device that fills it


# One memory plane of a frame.
cdef struct Plane:
    Memory *memory
    uint32_t offset  # where this plane's memory starts in the buffer
    uint32_t length  # bytes that belong to it
    uint32_t used  # payload, including data_offset
    uint32_t data_offset


cdef struct Meta:
    int64_t timestamp_ns
    uint32_t sequence
    uint32_t flags  # V4L2_BUF_FLAG_*
    uint32_t field
    uint32_t dropped  # frames that the driver dropped right before this one


cdef struct Slot:
    Core *core
    uint32_t index
    int state
    int references
    int exports  # numpy views and memoryviews of it
    int holder  # index into the table of holder names
    int plane_count
    Plane planes[MAX_PLANES]
    Meta meta
    bint retired  # too small: it has given way to a larger one, and is never free again
    bint imported  # the buffers are another pool's: never free, only its importer takes it
    Slot *parent  # the slot there, which is held as long as this one
    int fence  # sync_file of who still writes it, -1 = none; closed with the last reference


# Colour planes (Y, UV, ...) as they lie in the memory planes: what a framebuffer or an array needs.
cdef struct Component:
    uint32_t memory_plane
    uint32_t offset
    uint32_t stride
    uint32_t rows


# How numpy sees one colour plane.
cdef struct ArraySpec:
    PyObject *dtype  # owned
    uint32_t memory_plane
    size_t offset
    size_t extent  # bytes from its first to behind its last element
    bint payload  # one-dimensional, and as long as the payload is
    int dimensions
    Py_ssize_t shape[4]
    Py_ssize_t strides[4]


cdef struct Core:
    pthread_mutex_t lock
    uint64_t id  # never used twice, unlike an address
    Slot *slots
    int count
    int free[MAX_SLOTS]  # stack of free slots
    int free_count
    int leased
    int bell  # eventfd that rings for every slot that comes back while somebody sleeps
    int waiters  # sleepers: threads in acquire(), loops
    bint active
    uint32_t v4l2_fourcc
    uint32_t drm_fourcc
    uint64_t modifier
    uint32_t width
    uint32_t height
    int component_count
    Component components[MAX_COMPONENTS]
    uint64_t acquired
    uint64_t recycled
    uint64_t starved
    int high_water


ctypedef object (*FrameFactory)(Pool pool, Slot *slot)
ctypedef int (*ArrayReader)(Pool pool, arrays) except -1


cdef class Pool:
    cdef Core core
    cdef readonly str name
    cdef readonly str allocator
    cdef readonly object format  # zcore.formats.Format
    cdef public object colorimetry  # zcore.colorimetry.Colorimetry, or None
    cdef readonly object owner  # keeps the device alive
    cdef readonly bint writable
    cdef readonly int maximum
    cdef bint flushing
    cdef int growing  # slots that are being made
    cdef object grow
    cdef object on_close
    cdef public object maker  # weak reference to the V4L2 queue whose own buffers it has
    cdef readonly int enlarged  # slots that got a larger buffer, or gave way to one that has
    cdef list buffers  # per slot: tuple of DmaBuf
    cdef int array_count
    cdef ArraySpec arrays[MAX_COMPONENTS]
    cdef object __weakref__

    cdef int add_slot(self, tuple buffers, list planes, bint imported=*) except -1
    cdef Slot *wait_for_slot(self, timeout, int holder) except NULL
    cdef void set_active(self, bint active) noexcept


cdef enum:
    HOLDER_DEVICE = -1
    HOLDER_PYTHON = 0

# A slot's reference count; dropping the last one is giving it back.
cdef Slot *core_take(Core *core, int holder) noexcept nogil  # NULL = none is free
cdef void slot_lease(Slot *slot, int holder) noexcept nogil
cdef void slot_hold(Slot *slot) noexcept nogil
cdef void slot_drop(Slot *slot) noexcept nogil
cdef void core_drain_bell(Core *core) noexcept nogil

cdef void set_frame_factory(FrameFactory factory, ArrayReader reader) noexcept
