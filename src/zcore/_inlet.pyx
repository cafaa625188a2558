"""The way of frames from Python threads into a chain: who waits sleeps on a descriptor, and the loop takes no GIL."""

cimport cython
from cpython.exc cimport PyErr_CheckSignals
from libc.errno cimport EINTR
from libc.stdint cimport int64_t, uint64_t

from zcore._dmabuf cimport (
    memory_map, pthread_mutex_destroy, pthread_mutex_init, pthread_mutex_lock, pthread_mutex_unlock,
)
from zcore._errors cimport check
from zcore._flow cimport FrameQueue
from zcore._frame cimport Frame, frame_from_slot
from zcore._holders cimport holder_id
from zcore._pool cimport HOLDER_PYTHON, SLOT_FREE, SLOT_LEASED, Core, Pool, Slot, core_take, slot_drop, slot_hold
from zcore._sys cimport atomic_load, sys_close, sys_dup, sys_notify, sys_read, sys_wait


cdef extern from "<sys/eventfd.h>" nogil:
    int eventfd(unsigned int initial, int flags)
    enum:
        EFD_CLOEXEC
        EFD_NONBLOCK

cdef extern from "<poll.h>" nogil:
    enum: POLLIN


cdef int sleep_on(int bell, double seconds) except -1:
    """Sleep until a bell rings; 1 = it did. Ctrl-C works."""
    cdef int result
    cdef int milliseconds = <int>(min(max(seconds, 0.0), 1e6) * 1000 + 0.999)
    cdef uint64_t ignored
    with nogil:
        result = sys_wait(bell, POLLIN, milliseconds)
        if result > 0:
            sys_read(bell, &ignored, sizeof(ignored))
    if result == -EINTR:
        PyErr_CheckSignals()
    return result > 0


@cython.final
@cython.no_gc_clear  # __dealloc__ gives back a slot that lives in `pool`
cdef class Inlet:
    """The way of frames from Python threads into a chain. One thread at a time may call it, but for `wake` and `end`.

    Parameters
    ----------
    name : str
        For messages.
    pool : Pool
        Whose slots the threads fill.
    queue : FrameQueue
        Where filled ones wait for the loop.
    """

    def __cinit__(self):
        pthread_mutex_init(&self.lock, NULL)
        self.grant_bell = -1
        self.imported = {}

    def __init__(self, str name, Pool pool not None, FrameQueue queue not None):
        self.name = name
        self.pool = pool
        self.queue = queue
        self.holder = holder_id(name)
        self.queue.pools = (pool,)
        self.grant_bell = check(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "eventfd", name)

    def __dealloc__(self):
        self.give_back()
        if self.grant_bell >= 0:
            sys_close(self.grant_bell)
        pthread_mutex_destroy(&self.lock)

    # Slots to fill

    def take(self):
        """Lease a free slot; ``None`` where there is none."""
        cdef Slot *slot = core_take(&self.pool.core, HOLDER_PYTHON)
        return frame_from_slot(self.pool, slot) if slot != NULL else None

    def wait_for_slot(self, double seconds):
        """Wait for a free slot, which the loop hands over, and lease it; ``None`` where none came or :meth:`wake`."""
        cdef Slot *slot
        cdef uint64_t ignored
        sys_read(self.grant_bell, &ignored, sizeof(ignored))
        pthread_mutex_lock(&self.lock)
        self.wanting = True
        pthread_mutex_unlock(&self.lock)
        sys_notify(self.queue.data_bell)
        try:
            sleep_on(self.grant_bell, seconds)
        finally:
            pthread_mutex_lock(&self.lock)
            self.wanting = False
            slot = self.granted
            self.granted = NULL
            pthread_mutex_unlock(&self.lock)
            frame = frame_from_slot(self.pool, slot) if slot != NULL else None
        return frame if frame is not None else self.take()

    cdef int grant(self) noexcept nogil:
        """Give a slot to a thread that waits: 1 = done, 0 = nobody waits, -1 = there is none."""
        cdef Slot *slot = NULL
        cdef int result = 0
        pthread_mutex_lock(&self.lock)
        if self.wanting and self.granted == NULL:
            slot = core_take(&self.pool.core, HOLDER_PYTHON)
            self.granted = slot
            self.wanting = slot == NULL
            result = 1 if slot != NULL else -1
        pthread_mutex_unlock(&self.lock)
        if slot != NULL:
            sys_notify(self.grant_bell)
        return result

    cdef void give_back(self) noexcept nogil:
        cdef Slot *slot
        pthread_mutex_lock(&self.lock)
        slot = self.granted
        self.granted = NULL
        pthread_mutex_unlock(&self.lock)
        if slot != NULL:
            slot_drop(slot)

    # Filled ones

    def put(self, Frame frame not None, int64_t copied=0):
        """Queue a frame of the pool, and take it from the caller.

        Parameters
        ----------
        frame : Frame
            Leased from this inlet, or the outcome of :meth:`adopt`.
        copied : int
            Bytes that were copied to fill it.

        Returns
        -------
        bool
            Whether the queue dealt with it; ``False`` where it is full.

        Raises
        ------
        BufferError
            A view of the frame is alive.
        """
        cdef Slot *slot = frame._slot()
        cdef int result
        if frame.pool is not self.pool:
            raise ValueError(f"{self.name}: the frame is of {frame.pool.name}, not of {self.pool.name}")
        views = atomic_load(&slot.exports)
        if views:
            raise BufferError(f"{self.name}: {views} view(s) of the frame are alive; drop them before it is pushed")
        slot.holder = self.holder
        slot_hold(slot)
        self.copied_frames += copied > 0  # before the loop can see the frame
        self.copied_bytes += copied
        with nogil:
            result = self.queue.offer(slot)
        if result == 0:
            slot_drop(slot)
            self.copied_frames -= copied > 0
            self.copied_bytes -= copied
            return False
        frame.release()
        return True

    @property
    def full(self):
        """Whether a limit of the queue is reached."""
        cdef bint full
        pthread_mutex_lock(&self.queue.lock)
        full = self.queue.full()
        pthread_mutex_unlock(&self.queue.lock)
        return full

    def wait_for_room(self, double seconds):
        """Wait until the queue may have room, or :meth:`wake`."""
        cdef uint64_t ignored
        cdef bint full
        sys_read(self.queue.room_bell, &ignored, sizeof(ignored))
        pthread_mutex_lock(&self.queue.lock)
        full = self.queue.full() and not self.queue.refused
        self.queue.writer_waits = full
        pthread_mutex_unlock(&self.queue.lock)
        if full:
            sleep_on(self.queue.room_bell, seconds)

    def drop_oldest(self):
        """Drop the frame that waits the longest; whether there was one."""
        cdef Slot *slot = NULL
        pthread_mutex_lock(&self.queue.lock)
        if self.queue.count:
            slot = self.queue.take()
            self.queue.dropped += 1
        pthread_mutex_unlock(&self.queue.lock)
        if slot != NULL:
            slot_drop(slot)
        return slot != NULL

    def wake(self):
        """Let a thread that waits look around."""
        sys_notify(self.grant_bell)
        sys_notify(self.queue.room_bell)

    def end(self):
        """Say that no more frames come."""
        self.queue.end()

    @property
    def ended(self):
        """Whether :meth:`end` was called."""
        return self.queue.ended

    @property
    def refused(self):
        """Whether the chain takes no more."""
        return self.queue.refused

    def renew(self):
        """Make ready for another run: what waits stays."""
        self.queue.ended = self.queue.refused = False

    # Buffers of other pools

    def adopt(self, Frame frame not None, adopters):
        """Make a frame of this pool out of one of another, sharing its memory; that one is held as long.

        Parameters
        ----------
        frame : Frame
            Of another pool, with the same layout.
        adopters : sequence of callable
            Called with the pool and the number of a slot that is new: whoever uses the pool imports its buffers.

        Raises
        ------
        ValueError
            The layout is another one.
        Exception
            What an adopter raised; the slot is not used then.
        """
        cdef Slot *theirs = frame._slot()
        cdef Slot *ours
        key = frame.pool.core.id, theirs.index
        index = self.imported.get(key)
        if index is None:
            index = self.import_slot(frame)
            for adopt in adopters:
                adopt(self.pool, index)
            self.imported[key] = index
        ours = &self.pool.core.slots[<int>index]
        slot_hold(theirs)
        pthread_mutex_lock(&self.pool.core.lock)
        taken = ours.state != SLOT_FREE
        if not taken:
            ours.state = SLOT_LEASED
            ours.references = 1
            ours.holder = HOLDER_PYTHON
            ours.parent = theirs
            ours.meta = theirs.meta
            ours.fence = sys_dup(theirs.fence) if theirs.fence >= 0 else -1
            for i in range(ours.plane_count):
                ours.planes[i].used = theirs.planes[i].used
                ours.planes[i].data_offset = theirs.planes[i].data_offset
            self.pool.core.acquired += 1
            self.pool.core.leased += 1
        pthread_mutex_unlock(&self.pool.core.lock)
        if taken:
            slot_drop(theirs)
            raise BufferError(f"frame {theirs.meta.sequence} of {frame.pool.name} is on its way in {self.name} already")
        return frame_from_slot(self.pool, ours)

    def knows(self, Frame frame not None):
        """Whether the buffers of a frame were imported before."""
        return (frame.pool.core.id, frame._slot().index) in self.imported

    cdef int import_slot(self, Frame frame) except -1:
        cdef Slot *theirs = frame._slot()
        cdef Slot *example = &self.pool.core.slots[0]
        check_layout(self.pool, frame.pool, theirs, example)
        index = self.pool.core.count
        planes = [(plane.offset, plane.length) for plane in theirs.planes[:theirs.plane_count]]
        self.pool.add_slot(frame.pool.buffers[theirs.index], planes, True)
        self.pool.owner = (self.pool.owner, frame.pool)
        for i in range(theirs.plane_count):  # a device that is told addresses asks for none
            check(memory_map(theirs.planes[i].memory) if theirs.planes[i].memory.fd < 0 else 0, "mmap", self.name)
        return index


cdef int check_layout(Pool ours, Pool theirs, Slot *frame, Slot *example) except -1:
    """Refuse frames that do not lie in memory as those of a pool do."""
    if ours.format != theirs.format or (ours.size != theirs.size and not ours.format.coded):
        raise ValueError(f"the frame is {theirs.format} {theirs.size}, the chain has {ours.format} {ours.size}")
    if ours.components != theirs.components or frame.plane_count != example.plane_count:
        raise ValueError(f"the frame's planes lie at {theirs.components}, the chain's at {ours.components}")
    for i in range(frame.plane_count):
        if frame.planes[i].length < example.planes[i].length:
            raise ValueError(
                f"plane {i} of the frame has {frame.planes[i].length} bytes, the chain wants {example.planes[i].length}"
            )
    return 0


def mirror(Pool theirs not None, Pool ours not None):
    """Give a pool that has no slots yet one for each slot of another, with the same buffers.

    They are free, so that devices can import them on trial; :func:`reserve` ends that.
    """
    cdef Slot *slot
    for index in range(theirs.core.count):
        slot = &theirs.core.slots[index]
        planes = [(plane.offset, plane.length) for plane in slot.planes[:slot.plane_count]]
        ours.add_slot(theirs.buffers[index], planes)


def reserve(Inlet inlet not None, Pool theirs not None):
    """Take the slots that :func:`mirror` made out of circulation: only frames of the other pool use them."""
    cdef Core *core = &inlet.pool.core
    pthread_mutex_lock(&core.lock)
    for index in range(core.count):
        core.slots[<int>index].imported = True
    core.free_count = 0
    pthread_mutex_unlock(&core.lock)
    for index in range(core.count):
        inlet.imported[theirs.core.id, index] = index


def memory_planes(Pool pool not None):
    """Tell ``(bytes, stride)`` of each memory plane of a pool's frames."""
    cdef Slot *slot = &pool.core.slots[0]
    if not pool.core.count:
        raise ValueError(f"pool {pool.name} has no buffers")
    strides = {}
    for plane, _, stride, _ in pool.components:
        strides.setdefault(plane, stride)
    return tuple([(slot.planes[i].length, strides.get(i, 0)) for i in range(slot.plane_count)])
