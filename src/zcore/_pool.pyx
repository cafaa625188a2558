"""Pools of buffers: a fixed set of slots, leased to one user at a time and recycled by dropping the lease.

Lock order: the GIL is the outermost lock. ``Core.lock`` is held for a few instructions and never while the GIL is
taken, an exception is raised or a system call is made.
"""

cimport cython
from cpython.exc cimport PyErr_CheckSignals
from cpython.ref cimport Py_CLEAR
from libc.errno cimport ETIMEDOUT
from libc.stdlib cimport calloc, free
from libc.string cimport memset

from zcore._dmabuf cimport pthread_mutex_destroy, pthread_mutex_init, pthread_mutex_lock, pthread_mutex_unlock
from zcore._errors cimport check, device_error
from zcore._holders cimport holder_id, holder_name
from zcore._sys cimport atomic_add, atomic_load, sys_close, sys_notify, sys_read, sys_wait

import itertools
import time

from zcore._errors import PoolClosedError


cdef extern from "<sys/eventfd.h>" nogil:
    int eventfd(unsigned int initial, int flags)
    const int EFD_CLOEXEC, EFD_NONBLOCK, EFD_SEMAPHORE

cdef extern from "<poll.h>" nogil:
    enum: POLLIN

_ids = itertools.count(1)
cdef FrameFactory frame_factory = NULL
cdef ArrayReader describe_arrays = NULL

cdef void set_frame_factory(FrameFactory factory, ArrayReader reader) noexcept:
    """Called by the module of :class:`Frame`, which knows this one and not the other way round."""
    global frame_factory, describe_arrays
    frame_factory = factory
    describe_arrays = reader


@cython.final
cdef class Pool:
    """A fixed set of slots, each holding one set of buffers for one frame.

    How am I supposed to use this? ``frame = pool.acquire(timeout=1)`` leases a free slot; dropping the frame (and every
    numpy view of it) gives the slot back. Nothing else is to be called. Pools of capture devices work the same way, but
    the device fills the slots and the capture stage hands them out. All methods may be called from any thread.

    Parameters
    ----------
    name, allocator : str
        For messages and reports: whose pool it is, and where its memory comes from.
    format : Format, optional
        What the frames are.
    owner : object, optional
        Kept alive as long as the pool: the device whose memory this is.
    writable : bool
        Whether Python may write into the frames.
    grow : callable, optional
        Gives ``(buffers, planes)`` for one more slot when all are taken and there are fewer than `maximum`.
    on_close : callable, optional
        Called once by :meth:`close`.
    """

    def __cinit__(self):
        pthread_mutex_init(&self.core.lock, NULL)
        self.core.slots = <Slot *>calloc(MAX_SLOTS, sizeof(Slot))
        if self.core.slots == NULL:
            raise MemoryError()
        # One count per slot that came back: each ring wakes one sleeper.
        self.core.bell = check(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK | EFD_SEMAPHORE), "eventfd", "pool")
        self.core.active = True
        self.buffers = []

    def __init__(
        self, str name, str allocator, format=None, *, owner=None, bint writable=True, on_close=None, grow=None,
        int maximum=MAX_SLOTS,
    ):
        if frame_factory == NULL:
            import zcore._frame  # no-cython-lint: it registers itself; without it there are no frames
        if not 0 < maximum <= MAX_SLOTS:
            raise ValueError(f"a pool has 1 to {MAX_SLOTS} slots, not {maximum}")
        self.name = name
        self.allocator = allocator
        self.format = format
        self.owner = owner
        self.writable = writable
        self.on_close = on_close
        self.grow = grow
        self.maximum = maximum
        self.core.id = next(_ids)

    def describe(self, *, fourcc=0, drm_fourcc=0, modifier=0, size=(0, 0), components=(), arrays=()):
        """Say what the frames are; once, before any is used.

        Parameters
        ----------
        fourcc, drm_fourcc, modifier : int
            Pixel format as V4L2 and as DRM name it; 0 where there is none.
        size : (int, int)
            Width and height in pixels.
        components : sequence of (memory plane, offset, stride, rows)
            Colour planes as they lie in the memory planes, in bytes; four at most.
        arrays : sequence of (memory plane, offset, dtype, shape, strides)
            How numpy sees each colour plane.
        """
        if any(not 0 <= component[0] < MAX_PLANES for component in components):
            raise ValueError(f"a frame has {MAX_PLANES} memory planes at most")
        if max(len(components), len(arrays)) > MAX_COMPONENTS or self.array_count:
            raise ValueError(f"a frame has {MAX_COMPONENTS} colour planes at most, and is described once")
        self.core.v4l2_fourcc = fourcc
        self.core.drm_fourcc = drm_fourcc
        self.core.modifier = modifier
        self.core.width, self.core.height = size
        self.core.component_count = len(components)
        for i, (plane, offset, stride, rows) in enumerate(components):
            self.core.components[i] = Component(plane, offset, stride, rows)
        describe_arrays(self, arrays)

    def add(self, buffers, planes=None):
        """Add a slot.

        Parameters
        ----------
        buffers : sequence of DmaBuf
            One per memory plane; the same object may come twice.
        planes : sequence of (offset, length), optional
            Where in its buffer each memory plane lies; the whole buffer where left out.
        """
        buffers = tuple(buffers)
        if planes is None:
            planes = [(0, (<DmaBuf?>buffer).memory.size) for buffer in buffers]
        self.add_slot(buffers, list(planes))

    cdef int add_slot(self, tuple buffers, list planes, bint imported=False) except -1:
        cdef Slot *slot
        cdef int index = self.core.count
        cdef DmaBuf buffer
        if index == MAX_SLOTS:
            raise ValueError(f"a pool has {MAX_SLOTS} slots at most")
        if not 0 < len(buffers) <= MAX_PLANES or len(planes) != len(buffers):
            raise ValueError(f"a frame has 1 to {MAX_PLANES} memory planes, not {len(buffers)}")
        slot = &self.core.slots[index]
        slot.core = &self.core
        slot.index = index
        slot.plane_count = len(buffers)
        slot.imported, slot.retired = imported, False
        slot.fence = -1
        for i in range(slot.plane_count):
            if not isinstance(buffers[i], DmaBuf):  # None would pass as one
                raise TypeError(f"plane {i} is no DmaBuf: {buffers[i]!r}")
            buffer = buffers[i]
            offset, length = planes[i]
            if offset < 0 or length < 0 or offset + length > buffer.memory.size:
                raise ValueError(f"plane {i} ends at {offset + length}, its buffer has {buffer.memory.size} bytes")
            slot.planes[i].memory = &buffer.memory
            slot.planes[i].offset = offset
            slot.planes[i].length = length
            slot.planes[i].used = length
        self.buffers.append(buffers)
        pthread_mutex_lock(&self.core.lock)
        self.core.count = index + 1
        if not imported:
            self.core.free[self.core.free_count] = index
            self.core.free_count += 1
        pthread_mutex_unlock(&self.core.lock)
        return 0

    def acquire(self, timeout=None, *, str holder="python"):
        """Lease a free slot.

        Parameters
        ----------
        timeout : float, optional
            Seconds to wait; 0 = do not wait, ``None`` = as long as it takes. Ctrl-C works.
        holder : str
            Who will hold it, for :meth:`holders`.

        Returns
        -------
        Frame

        Raises
        ------
        DeviceTimeoutError
            None became free in time; the message says who holds them.
        PoolClosedError
            The pool was deactivated.
        """
        cdef int c_holder = HOLDER_PYTHON if holder == "python" else holder_id(holder)
        cdef Slot *slot = core_take(&self.core, c_holder)
        if slot == NULL:
            slot = self.wait_for_slot(timeout, c_holder)
        return frame_factory(self, slot)

    cdef Slot *wait_for_slot(self, timeout, int holder) except NULL:
        cdef Slot *slot = NULL
        cdef int slice_ms
        cdef uint64_t ignored
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            if not self.core.active:
                raise PoolClosedError(f"pool {self.name} is {'flushing' if self.flushing else 'closed'}")
            if self.grow is not None and self.core.count + self.growing < self.maximum:
                self.growing += 1  # other threads may come here while grow() allocates
                try:
                    self.add(*self.grow())
                finally:
                    self.growing -= 1
            slice_ms = 1000 if deadline is None else <int>min(1e3, max(0.0, deadline - time.monotonic()) * 1e3 + 0.999)
            # Announce first, look again, then sleep: a slot that comes back in between rings the bell.
            atomic_add(&self.core.waiters, 1)
            with nogil:
                slot = core_take(&self.core, holder)
                if slot == NULL and slice_ms > 0 and self.core.active:
                    if sys_wait(self.core.bell, POLLIN, slice_ms) > 0:
                        sys_read(self.core.bell, &ignored, sizeof(ignored))
                    slot = core_take(&self.core, holder)
            atomic_add(&self.core.waiters, -1)
            if slot != NULL:
                return slot
            PyErr_CheckSignals()
            self.core.starved += 1
            if deadline is not None and time.monotonic() >= deadline and self.core.active:
                raise device_error(ETIMEDOUT, "acquire", self.name, self.starvation())

    def starvation(self):
        """Say who holds the slots, for error messages."""
        held = ", ".join(f"{count} by {name}" for name, count in self.holders().items()) or "none"
        return f"all {self.core.count} buffers of pool {self.name} are in use: {held}"

    def holders(self):
        """How many slots each holder has.

        Returns
        -------
        dict of str to int
            Free slots are not listed.
        """
        found = {}
        for i in range(self.core.count):
            if self.core.slots[i].state != SLOT_FREE:
                slot = &self.core.slots[i]
                name = "device" if slot.state == SLOT_DEVICE else holder_name(slot.holder)
                found[name] = found.get(name, 0) + 1
        return found

    @property
    def stats(self):
        """Counters since the pool was made: acquired, recycled, starved, high_water; and size, free, leased now."""
        cdef Core *core = &self.core
        return {"size": core.count, "free": core.free_count, "leased": core.leased, "acquired": core.acquired,
                "recycled": core.recycled, "starved": core.starved, "high_water": core.high_water}

    @property
    def slot_buffers(self):
        """Per slot, its buffers."""
        return list(self.buffers)

    @property
    def size(self):
        """``(width, height)`` of the frames."""
        return self.core.width, self.core.height

    @property
    def bell(self):
        """Descriptor that is readable when a slot comes back while somebody waits for one; the pool's own."""
        return self.core.bell

    @property
    def id(self):
        """Number of this pool, never used twice in a process."""
        return self.core.id

    @property
    def components(self):
        """Colour planes as ``(memory plane, offset, stride, rows)``."""
        return [(c.memory_plane, c.offset, c.stride, c.rows) for c in self.core.components[:self.core.component_count]]

    @property
    def fourccs(self):
        """``(V4L2 fourcc, DRM fourcc, modifier)`` as numbers."""
        return self.core.v4l2_fourcc, self.core.drm_fourcc, self.core.modifier

    def __len__(self):
        return self.core.count

    def set_flushing(self, bint flushing):
        """Refuse (True) or allow (False) new leases; threads that wait in :meth:`acquire` stop waiting at once."""
        if not self.core.active and not self.flushing:
            raise PoolClosedError(f"pool {self.name} is closed")
        self.flushing = flushing
        self.set_active(not flushing)

    def close(self):
        """Give no more frames; frames that are out stay valid, and their memory goes with the last of them."""
        self.flushing = False
        self.set_active(False)
        on_close, self.on_close = self.on_close, None
        if on_close is not None:
            on_close()

    cdef void set_active(self, bint active) noexcept:
        pthread_mutex_lock(&self.core.lock)
        self.core.active = active
        pthread_mutex_unlock(&self.core.lock)
        for _ in range(atomic_load(&self.core.waiters)):
            sys_notify(self.core.bell)

    @property
    def closed(self):
        """Whether :meth:`close` was called."""
        return not self.core.active and not self.flushing

    def __repr__(self):
        return f"<Pool {self.name} of {self.core.count} by {self.allocator}>"

    def __dealloc__(self):
        # Every frame holds its pool, so no slot is out when this runs.
        for i in range(self.array_count):
            Py_CLEAR(self.arrays[i].dtype)
        if self.core.bell > 0:
            sys_close(self.core.bell)
        free(self.core.slots)
        pthread_mutex_destroy(&self.core.lock)


cdef inline void mark_leased(Core *core, Slot *slot, int holder) noexcept nogil:  # under the lock
    slot.state = SLOT_LEASED
    slot.holder = holder
    core.acquired += 1
    core.leased += 1
    core.high_water = max(core.high_water, core.leased)


cdef Slot *core_take(Core *core, int holder) noexcept nogil:
    """Take a free slot for a holder, or for the device that will fill it; the caller owns the only reference."""
    cdef Slot *slot = NULL
    cdef int i
    pthread_mutex_lock(&core.lock)
    if core.active and core.free_count:
        core.free_count -= 1
        slot = &core.slots[core.free[core.free_count]]
        slot.references = 1
        slot.state = SLOT_DEVICE
        if holder != HOLDER_DEVICE:
            mark_leased(core, slot, holder)
            memset(&slot.meta, 0, sizeof(slot.meta))  # nothing of the slot's last user
            for i in range(slot.plane_count):
                slot.planes[i].used = slot.planes[i].length
                slot.planes[i].data_offset = 0
    pthread_mutex_unlock(&core.lock)
    return slot


cdef void slot_lease(Slot *slot, int holder) noexcept nogil:
    """A slot that its device has filled goes to its first holder."""
    pthread_mutex_lock(&slot.core.lock)
    mark_leased(slot.core, slot, holder)
    pthread_mutex_unlock(&slot.core.lock)


cdef void slot_hold(Slot *slot) noexcept nogil:
    atomic_add(&slot.references, 1)


cdef void slot_drop(Slot *slot) noexcept nogil:
    """Drop a reference; the last one gives the slot back and wakes whoever waits for it."""
    cdef Core *core = slot.core
    cdef Slot *parent = slot.parent
    cdef int fence = slot.fence
    # Whoever has the only reference is alone with it: the atomic subtraction is for those who share.
    if atomic_load(&slot.references) != 1 and atomic_add(&slot.references, -1) != 0:
        return
    pthread_mutex_lock(&core.lock)
    slot.references = 0
    if slot.state == SLOT_LEASED:
        core.recycled += 1
        core.leased -= 1
    slot.state = SLOT_FREE
    slot.parent = NULL
    slot.fence = -1
    if not (slot.imported or slot.retired):
        core.free[core.free_count] = slot.index
        core.free_count += 1
    pthread_mutex_unlock(&core.lock)
    if atomic_load(&core.waiters):
        sys_notify(core.bell)
    if fence >= 0:
        sys_close(fence)
    if parent != NULL:
        slot_drop(parent)


cdef void core_drain_bell(Core *core) noexcept nogil:
    cdef uint64_t ignored
    while sys_read(core.bell, &ignored, sizeof(ignored)) > 0:
        pass
