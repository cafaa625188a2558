"""A frame on loan, and numpy views that pin it."""

cimport cython
cimport numpy as cnp
from cpython.buffer cimport PyBuffer_FillInfo
from cpython.ref cimport Py_INCREF
from libc.stdint cimport int64_t, uint64_t

from zcore._dmabuf cimport memory_begin, memory_end, memory_map
from zcore._errors cimport device_error
from zcore._ioctl cimport ACCESS_READ, ACCESS_RW
from zcore._pool cimport Memory, Plane, Pool, Slot, set_frame_factory, slot_drop, slot_hold
from zcore._sys cimport atomic_add, atomic_load


cdef extern from "numpy/arrayobject.h":
    # Steals a reference to the descriptor.
    object PyArray_NewFromDescr(
        void *subtype, void *descr, int nd, const cnp.npy_intp *dims, const cnp.npy_intp *strides, void *data,
        int flags, void *obj,
    )
    void *PyArray_Type_address "&PyArray_Type"


cnp.import_array()


@cython.final
@cython.no_gc_clear  # __dealloc__ needs `pool`: the slot lives in it
@cython.freelist(32)
cdef class Frame:
    """One picture or access unit, on loan.

    A frame is a lease: while it or any numpy view, memoryview or DLPack tensor of it lives, in any thread, its buffers
    are not given back to the device. Dropping the last of them gives it back; :meth:`release` does so by hand.
    """

    def __init__(self):
        raise TypeError("frames come from a capture stage, a pool or a chain")

    @property
    def index(self):
        """Number of its slot in the pool; the V4L2 buffer index for frames of a capture device."""
        return self._slot().index

    @property
    def sequence(self):
        """Frame number as the driver counts; gaps are dropped frames."""
        return self._slot().meta.sequence

    @property
    def dropped(self):
        """How many frames the driver dropped right before this one."""
        return self._slot().meta.dropped

    @property
    def timestamp_ns(self):
        """Time in nanoseconds on the clock named by :attr:`clock`."""
        return self._slot().meta.timestamp_ns

    @timestamp_ns.setter
    def timestamp_ns(self, int64_t value):
        self._slot().meta.timestamp_ns = value

    @property
    def clock(self):
        """``"monotonic"``, ``"copy"`` (copied through by a mem-to-mem device) or ``"unknown"``."""
        kind = (self._slot().meta.flags >> 13) & 7  # V4L2_BUF_FLAG_TIMESTAMP_MASK
        return {1: "monotonic", 2: "copy"}.get(kind, "unknown")

    @property
    def timestamp_at(self):
        """``"start"`` where the time is that of the exposure's start (V4L2_BUF_FLAG_TSTAMP_SRC_SOE), else ``"end"``."""
        return "start" if (self._slot().meta.flags >> 16) & 7 == 1 else "end"

    @property
    def flags(self):
        """``V4L2_BUF_FLAG_*`` as the driver set them."""
        return self._slot().meta.flags

    @property
    def field(self):
        """``V4L2_FIELD_*``; 1 = progressive."""
        return self._slot().meta.field

    @property
    def corrupted(self):
        """Whether the driver says that the picture has errors (V4L2_BUF_FLAG_ERROR)."""
        return bool(self._slot().meta.flags & 0x40)

    @property
    def bytes_used(self):
        """Per memory plane: payload in bytes, without its data offset."""
        cdef Slot *slot = self._slot()
        return tuple([plane.used - plane.data_offset for plane in slot.planes[:slot.plane_count]])

    @property
    def data_offsets(self):
        """Per memory plane: bytes before the payload."""
        cdef Slot *slot = self._slot()
        return tuple([plane.data_offset for plane in slot.planes[:slot.plane_count]])

    @property
    def buffers(self):
        """Per memory plane: its :class:`DmaBuf`."""
        return self.pool.buffers[self._slot().index]

    @property
    def fds(self):
        """Per memory plane: its DMA-BUF descriptor, owned by the buffer."""
        return tuple([buffer.fd for buffer in self.buffers])

    @property
    def format(self):
        """Pixel format."""
        return self.pool.format

    @property
    def size(self):
        """``(width, height)`` in pixels."""
        return self.pool.core.width, self.pool.core.height

    @property
    def modifier(self):
        """DRM format modifier; 0 = linear."""
        return self.pool.core.modifier

    @property
    def components(self):
        """Colour planes as ``(memory plane, offset, stride, rows)``, in bytes: what an importer of the fds needs."""
        return self.pool.components

    @property
    def released(self):
        """Whether it was given back by hand."""
        return self.slot == NULL

    @property
    def exports(self):
        """How many views of it are alive."""
        return atomic_load(&self._slot().exports)

    cdef Slot *_slot(self) except NULL:
        if self.slot == NULL:
            raise ValueError("the frame was released")
        return self.slot

    def set_used(self, *sizes):
        """Say how many bytes of each memory plane are payload; for stages that write frames."""
        cdef Slot *slot = self._slot()
        if len(sizes) != slot.plane_count:
            raise ValueError(f"the frame has {slot.plane_count} memory planes, got {len(sizes)} sizes")
        for i, used in enumerate(sizes):
            if not 0 <= used <= slot.planes[i].length:
                raise ValueError(f"plane {i} holds {slot.planes[i].length} bytes, not {used}")
        for i, used in enumerate(sizes):
            slot.planes[i].used = used
            slot.planes[i].data_offset = 0

    def set_meta(self, *, sequence=None, timestamp_ns=None):
        """Set number and time; for stages that make frames."""
        cdef Slot *slot = self._slot()
        if sequence is not None:
            slot.meta.sequence = sequence
        if timestamp_ns is not None:
            slot.meta.timestamp_ns = timestamp_ns

    def array(self, bint write=False):
        """See the picture as one numpy array, without a copy.

        Parameters
        ----------
        write : bool
            Whether it may be written; refused for buffers that a device fills.

        Returns
        -------
        numpy.ndarray
            RGB formats: ``(height, width, channels)``; planar YUV: the luma plane (see :meth:`planes`); coded formats:
            the payload as bytes. It pins the frame.
        """
        return view_component(self, 0, write)

    def planes(self, bint write=False):
        """See each colour plane as a numpy array, without a copy: NV12 gives Y ``(h, w)`` and UV ``(h/2, w/2, 2)``."""
        return tuple([view_component(self, i, write) for i in range(len(self.pool.array_specs))])

    def __dlpack__(self, **options):
        return self.array().__dlpack__(**options)

    def __dlpack_device__(self):
        return 1, 0  # kDLCPU

    def __array__(self, dtype=None, copy=None):
        array = self.array()
        if dtype is not None and array.dtype != dtype:
            if copy is False:
                raise ValueError(f"frame is {array.dtype}; {dtype} would need a copy")
            return array.astype(dtype)
        return array.copy() if copy else array

    def release(self):
        """Give the frame back now; a second call does nothing.

        Raises
        ------
        BufferError
            A view of it is alive.
        """
        cdef Slot *slot = self.slot
        if slot == NULL:
            return
        count = atomic_load(&slot.exports)
        if count:
            raise BufferError(f"{count} view(s) of frame {slot.meta.sequence} are alive; drop them first")
        self.slot = NULL
        slot_drop(slot)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.release()

    def __repr__(self):
        if self.slot == NULL:
            return "<Frame, released>"
        return f"<Frame {self.slot.meta.sequence} of {self.pool.name}, slot {self.slot.index}>"

    def __dealloc__(self):
        # C state only. Views hold a reference of their own, so this is right whatever order they die in.
        if self.slot != NULL:
            slot_drop(self.slot)
            self.slot = NULL



@cython.final
@cython.no_gc  # View -> Pool only; a pool never points at its views
@cython.freelist(32)
cdef class View:
    """What a numpy array over a frame has as its base: one reference on the slot and one open CPU access.

    numpy gives every derived array the same base, so this object dies with the last of them, in whatever thread.
    It has no buffer protocol on purpose: numpy then refuses to make a read-only view writable.
    """

    def __init__(self):
        raise TypeError("views come from Frame.array() and Frame.planes()")

    def __dealloc__(self):
        cdef Slot *slot = self.slot
        cdef Memory *memory = self.memory
        if slot == NULL:
            return
        self.slot = NULL
        with nogil:  # END may clean caches for a while; it comes before the slot can go to a device
            memory_end(memory)
            atomic_add(&slot.exports, -1)
            slot_drop(slot)


cdef View open_view(Frame frame, int plane, bint write):
    cdef Slot *slot = frame._slot()
    cdef Memory *memory = slot.planes[plane].memory
    cdef uint64_t access = ACCESS_RW if write else ACCESS_READ
    cdef int result = 0
    cdef View view
    if write and not frame.pool.writable:
        raise ValueError(f"frames of {frame.pool.name} are filled by a device and are read-only; copy what you change")
    if memory.coherent and memory.address != NULL:
        result = memory_begin(memory, access, 0)
    else:
        with nogil:
            result = memory_map(memory)
            if result >= 0:
                result = memory_begin(memory, access, 5000)
    if result < 0:
        raise device_error(-result, "DMA_BUF_IOCTL_SYNC" if memory.address != NULL else "mmap", frame.pool.name)
    view = View.__new__(View)
    if write and not memory.writable:
        memory_end(memory)
        raise ValueError(f"buffers of {frame.pool.name} were exported read-only")
    slot_hold(slot)
    atomic_add(&slot.exports, 1)
    view.pool = frame.pool
    view.slot = slot
    view.memory = memory
    return view


cdef object view_component(Frame frame, int component, bint write):
    """One colour plane as an array whose base is a View."""
    cdef Slot *slot = frame._slot()
    cdef tuple spec
    cdef Plane *plane
    cdef View view
    cdef cnp.npy_intp c_shape[4]
    cdef cnp.npy_intp c_strides[4]
    cdef int dimensions, i
    cdef char *data
    cdef size_t start
    if not 0 <= component < len(frame.pool.array_specs):
        raise ValueError(f"frames of {frame.pool.name} ({frame.pool.format}) cannot be seen as arrays")
    spec = <tuple>frame.pool.array_specs[component]
    memory_plane, offset, dtype, shape, strides = spec
    plane = &slot.planes[<int>memory_plane]
    dimensions = len(shape)
    for i in range(dimensions):
        c_shape[i] = shape[i]
        c_strides[i] = strides[i]
    start = <size_t>offset + plane.data_offset
    if dimensions == 1 and c_shape[0] < 0:  # coded: the payload
        c_shape[0] = plane.used - plane.data_offset
        if c_shape[0] * c_strides[0] + start > plane.length:
            raise ValueError(f"the driver says {plane.used} bytes in a plane of {plane.length}")
    view = open_view(frame, memory_plane, write)
    data = <char *>plane.memory.address + plane.offset + start
    Py_INCREF(dtype)  # PyArray_NewFromDescr takes over one reference
    array = PyArray_NewFromDescr(
        PyArray_Type_address, <void *>dtype, dimensions, c_shape, c_strides, data,
        cnp.NPY_ARRAY_WRITEABLE if write else 0, NULL,
    )
    cnp.PyArray_UpdateFlags(array, cnp.NPY_ARRAY_C_CONTIGUOUS | cnp.NPY_ARRAY_F_CONTIGUOUS | cnp.NPY_ARRAY_ALIGNED)
    cnp.set_array_base(array, view)
    return array


cdef object frame_from_slot(Pool pool, Slot *slot):
    """Wrap a reference that the caller owns."""
    cdef Frame self = Frame.__new__(Frame)
    self.pool = pool
    self.slot = slot
    return self


set_frame_factory(frame_from_slot)
