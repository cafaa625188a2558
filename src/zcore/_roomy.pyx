"""Slots with larger buffers, for coded frames that turn out to be larger than the buffers for them."""

from libc.stdint cimport uint32_t
from libc.string cimport memset

from zcore._dmabuf cimport DmaBuf, Memory, pthread_mutex_lock, pthread_mutex_unlock
from zcore._frame cimport Frame, frame_from_slot
from zcore._holders cimport holder_id
from zcore._pool cimport SLOT_DEVICE, Core, Pool, Slot, slot_lease
from zcore._sys cimport atomic_load


cdef Slot *_slot_of_one_plane(Frame frame) except NULL:
    cdef Slot *slot = frame._slot()
    if slot.plane_count != 1 or slot.imported or slot.fence >= 0:
        raise ValueError(f"a frame of {frame.pool.name} is no empty one of a single memory plane of its own")
    if atomic_load(&slot.exports):
        raise BufferError(f"a view of the frame of {frame.pool.name} is alive; drop it before its buffer is replaced")
    return slot


def replace_buffer(Frame frame not None, DmaBuf buffer not None):
    """Put a larger buffer into the slot of an empty frame, in place of the one that it has.

    Whoever imported the old one attaches the new one when it comes, as it does with any buffer that is new to it.

    Parameters
    ----------
    frame : Frame
        One that nobody else has.
    buffer : DmaBuf
        Mapped where the old one is.
    """
    cdef Slot *slot = _slot_of_one_plane(frame)
    cdef Memory *old = slot.planes[0].memory
    if buffer.memory.size < slot.planes[0].length:
        raise ValueError(f"{frame.pool.name}: a buffer of {buffer.memory.size} bytes is no larger one")
    if old.address != NULL:  # whoever takes it by its address counts on one
        buffer.begin_access()
        buffer.end_access()
    buffer.memory.accesses = old.accesses  # a report tells of all the looks at this slot
    buffer.memory.sync_calls = old.sync_calls
    slot.planes[0].memory = &buffer.memory
    slot.planes[0].offset = slot.planes[0].data_offset = 0
    slot.planes[0].length = slot.planes[0].used = <uint32_t>buffer.memory.size
    frame.pool.enlarged += 1
    frame.pool.buffers[slot.index] = (buffer,)


def retire(Frame frame not None):
    """Never give the slot of an empty frame out again: a larger one has taken its place."""
    cdef Slot *slot = _slot_of_one_plane(frame)
    slot.retired = True
    frame.pool.enlarged += 1


def take_roomy(Pool pool not None, uint32_t size, str holder not None):
    """Lease a free slot whose first plane has so many bytes.

    Returns
    -------
    Frame or None
        ``None`` where none is free.
    """
    cdef Core *core = &pool.core
    cdef Slot *slot = NULL
    cdef Slot *one
    cdef int place
    pthread_mutex_lock(&core.lock)
    if core.active:
        for place in range(core.free_count):
            one = &core.slots[core.free[place]]
            if one.plane_count and one.planes[0].length >= size:
                slot = one
                core.free_count -= 1
                core.free[place] = core.free[core.free_count]
                slot.references = 1
                slot.state = SLOT_DEVICE
                break
    pthread_mutex_unlock(&core.lock)
    if slot == NULL:
        return None
    memset(&slot.meta, 0, sizeof(slot.meta))
    for place in range(slot.plane_count):
        slot.planes[place].used = slot.planes[place].length
        slot.planes[place].data_offset = 0
    slot_lease(slot, holder_id(holder))
    return frame_from_slot(pool, slot)
