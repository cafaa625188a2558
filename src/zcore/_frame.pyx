"""A frame on loan, and numpy views that pin it."""

cimport cython
cimport numpy as cnp
from cpython.exc cimport PyErr_CheckSignals
from cpython.ref cimport Py_INCREF, PyObject
from libc.errno cimport EINTR, ETIMEDOUT
from libc.stdint cimport int64_t

from zcore._dmabuf cimport memory_begin, memory_end, memory_map
from zcore._errors cimport check, device_error
from zcore._fence cimport Fence, fence_take
from zcore._ioctl cimport ACCESS_READ, ACCESS_RW
from zcore._pool cimport MAX_PLANES, ArraySpec, Memory, Plane, Pool, Slot, set_frame_factory, slot_drop
from zcore._sys cimport atomic_add, atomic_load, sys_close, sys_dup

import numpy as np


cdef extern from "numpy/arrayobject.h":
    ctypedef struct PyArray_Descr:
        pass
    # Steals a reference to the descriptor.
    object PyArray_NewFromDescr(
        void *subtype, PyArray_Descr *descr, int nd, const cnp.npy_intp *dims, const cnp.npy_intp *strides, void *data,
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
    def fence(self):
        """A :class:`Fence` that stands for who still writes the frame, to be closed by you; ``None`` = nobody told."""
        cdef Slot *slot = self._slot()
        return fence_take(check(sys_dup(slot.fence), "dup", "sync_file")) if slot.fence >= 0 else None

    def set_fence(self, fence):
        """Say that somebody still writes the frame, such as a GPU: who reads it waits for this fence.

        Parameters
        ----------
        fence : Fence or int, optional
            Duplicated here: it stays yours. ``None`` takes away what was said before.

        Raises
        ------
        ValueError
            The descriptor is no sync_file.
        """
        cdef Slot *slot = self._slot()
        cdef Fence ours = Fence.dup(fence) if fence is not None else None
        if slot.fence >= 0:
            sys_close(slot.fence)
        slot.fence = -1
        if ours is not None:
            slot.fence, ours.fd.number = ours.fd.number, -1

    @property
    def format(self):
        """Pixel format."""
        return self.pool.format

    @property
    def size(self):
        """``(width, height)`` in pixels."""
        return self.pool.core.width, self.pool.core.height

    @property
    def colorimetry(self):
        """Colours: a :class:`zcore.colorimetry.Colorimetry`; ``None`` where nobody knows them."""
        return self.pool.colorimetry

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

    def set_meta(self, *, sequence=None, timestamp_ns=None, flags=None):
        """Set number, time and ``V4L2_BUF_FLAG_*``; for stages that make frames."""
        cdef Slot *slot = self._slot()
        if sequence is not None:
            slot.meta.sequence = sequence
        if timestamp_ns is not None:
            slot.meta.timestamp_ns = timestamp_ns
        if flags is not None:
            slot.meta.flags = flags

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
        cdef int count = self.pool.array_count
        if count == 2:  # NV12 and its kin: most of what asks for planes
            return view_component(self, 0, write), view_component(self, 1, write)
        return tuple([view_component(self, i, write) for i in range(count)])

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

    def __exit__(self, kind, error, traceback):  # spelled out: *_ would make a tuple per frame
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
@cython.no_gc  # View -> Frame only; a frame never points at its views
@cython.freelist(32)
cdef class View:
    """What a numpy array over a frame has as its base: it keeps the frame's lease, and has one CPU access open.

    numpy gives every derived array the same base, so this object dies with the last of them, in whatever thread.
    It has no buffer protocol on purpose: numpy then refuses to make a read-only view writable.
    """

    def __init__(self):
        raise TypeError("views come from Frame.array() and Frame.planes()")

    def __dealloc__(self):
        cdef Memory *memory = self.bracketed
        if self.frame is None:
            return
        if memory != NULL:
            with nogil:  # END may clean caches for a while; it comes before the slot can go to a device
                memory_end(memory)
        atomic_add(&self.frame.slot.exports, -1)


cdef View open_view(Frame frame, Memory *memory, bint write):
    cdef View view
    cdef int result = 0
    if write and not frame.pool.writable:
        raise ValueError(f"frames of {frame.pool.name} are filled by a device and are read-only; copy what you change")
    view = View.__new__(View)
    # Pinned before the GIL goes: another thread may call release() meanwhile. A view that fails unpins as it dies.
    atomic_add(&frame.slot.exports, 1)
    view.frame = frame
    if frame.slot.fence >= 0 and not frame.fence.wait(5.0):
        raise device_error(ETIMEDOUT, "poll (fence)", frame.pool.name, f"{frame.fence!r} of {frame!r}")
    if memory.address == NULL or not memory.coherent:
        result = -EINTR
        while result == -EINTR:
            with nogil:
                result = memory_map(memory)
                if result >= 0:
                    result = memory_begin(memory, ACCESS_RW if write else ACCESS_READ, 5000)
            if result == -EINTR:  # from the wait for fences
                PyErr_CheckSignals()
        if result < 0:
            raise device_error(-result, "DMA_BUF_IOCTL_SYNC" if memory.address != NULL else "mmap", frame.pool.name)
        view.bracketed = memory
    else:
        memory.accesses += 1  # no bracket to open, but the report counts every look
    if write and not memory.writable:
        raise ValueError(f"buffers of {frame.pool.name} were exported read-only")
    return view


cdef object view_component(Frame frame, int component, bint write):
    """One colour plane as an array whose base is a View."""
    cdef Slot *slot = frame._slot()
    cdef ArraySpec *spec = &frame.pool.arrays[component]
    cdef Plane *plane
    cdef View view
    cdef Py_ssize_t payload
    cdef const Py_ssize_t *shape
    cdef size_t start, end
    if component >= frame.pool.array_count:
        raise ValueError(f"frames of {frame.pool.name} ({frame.pool.format}) cannot be seen as arrays")
    plane = &slot.planes[spec.memory_plane]
    start = spec.offset + plane.data_offset
    end = start + spec.extent
    shape = spec.shape
    if spec.payload:  # coded: as long as it is
        payload = plane.used - plane.data_offset
        shape = &payload
        end = start + payload * spec.strides[0]
    if end > plane.length or plane.memory == NULL:
        raise ValueError(
            f"colour plane {component} ends at byte {end}, frames of {frame.pool.name} have {plane.length} there"
        )
    view = open_view(frame, plane.memory, write)
    Py_INCREF(<object>spec.dtype)  # PyArray_NewFromDescr takes over one reference
    array = PyArray_NewFromDescr(
        PyArray_Type_address, <PyArray_Descr *>spec.dtype, spec.dimensions, <const cnp.npy_intp *>shape,
        <const cnp.npy_intp *>spec.strides, <char *>plane.memory.address + plane.offset + start,
        cnp.NPY_ARRAY_WRITEABLE if write else 0, NULL,
    )
    cnp.set_array_base(array, view)
    return array


cdef int describe_arrays(Pool pool, arrays) except -1:
    """Spell out in C how numpy sees the colour planes: they are read once, views are made per frame."""
    cdef ArraySpec *c_spec
    for memory_plane, offset, dtype, shape, strides in arrays:
        c_spec = &pool.arrays[pool.array_count]
        dtype = np.dtype(dtype)
        payload = len(shape) == 1 and shape[0] < 0
        if not (0 < len(shape) == len(strides) <= 4 and min(strides) >= 0 and (payload or min(shape) >= 0)
                and memory_plane < MAX_PLANES and not dtype.hasobject and max(shape) * max(strides) < 1 << 60):
            raise ValueError(f"{pool.name}: shape {shape} with strides {strides} in plane {memory_plane} is no picture")
        c_spec.memory_plane = memory_plane
        c_spec.offset = offset
        c_spec.dimensions = len(shape)
        c_spec.payload = payload
        c_spec.extent = dtype.itemsize
        for i, (count, stride) in enumerate(zip(shape, strides, strict=True)):
            c_spec.shape[i] = count
            c_spec.strides[i] = stride
            c_spec.extent += max(count - 1, 0) * stride
        Py_INCREF(dtype)  # given back by the pool
        c_spec.dtype = <PyObject *>dtype
        pool.array_count += 1
    return 0


cdef object frame_from_slot(Pool pool, Slot *slot):
    """Wrap a reference that the caller owns."""
    cdef Frame self = Frame.__new__(Frame)
    self.pool = pool
    self.slot = slot
    return self


set_frame_factory(frame_from_slot, describe_arrays)
