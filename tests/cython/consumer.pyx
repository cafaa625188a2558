# cython: language_level=3
"""A stranger's module: it knows zcore only by what is installed, and touches slots and frames without the GIL."""

from libc.stdint cimport uint8_t, uint64_t, uintptr_t

from zcore cimport (
    ACCESS_READ,
    HOLDER_PYTHON,
    Core,
    DmaBuf,
    Frame,
    Memory,
    Plane,
    Pool,
    Slot,
    core_take,
    frame_from_slot,
    memory_begin,
    memory_end,
    memory_map,
    slot_drop,
    slot_hold,
)


cdef int take_all(Core *core, Slot **taken, int room) noexcept nogil:
    cdef int count = 0
    while count < room:
        taken[count] = core_take(core, HOLDER_PYTHON)
        if taken[count] == NULL:
            break
        count += 1
    return count


def drain(Pool pool not None):
    """Take every free slot without the GIL and give them back; how many there were."""
    cdef Slot *taken[64]
    cdef int count, i
    with nogil:
        count = take_all(&pool.core, taken, 64)
        for i in range(count):
            slot_drop(taken[i])
    return count


def acquire(Pool pool not None):
    """Take a slot without the GIL, and make a frame of it."""
    cdef Slot *slot
    with nogil:
        slot = core_take(&pool.core, HOLDER_PYTHON)
    return None if slot == NULL else frame_from_slot(pool, slot)


cdef int sum_bytes(const Plane *plane, uint64_t *total) noexcept nogil:
    cdef Memory *memory = plane.memory
    cdef const uint8_t *address
    cdef size_t i
    cdef int result = memory_map(memory)
    if result >= 0:
        result = memory_begin(memory, ACCESS_READ, 1000)
    if result < 0:
        return result
    address = <const uint8_t *>memory.address + plane.offset
    for i in range(plane.data_offset, plane.used):
        total[0] += address[i]
    return memory_end(memory)


def checksum(Frame frame not None):
    """Add up the payload of each memory plane without the GIL."""
    cdef Slot *slot = frame._slot()
    cdef uint64_t total
    cdef int i, result
    sums = []
    slot_hold(slot)  # whoever drops the frame meanwhile does not take its memory away
    try:
        for i in range(slot.plane_count):
            total = 0
            with nogil:
                result = sum_bytes(&slot.planes[i], &total)
            if result < 0:
                raise OSError(-result, "the plane cannot be read")
            sums.append(total)
    finally:
        slot_drop(slot)
    return sums


def address(Frame frame not None, int plane):
    """Where a memory plane is mapped."""
    cdef Slot *slot = frame._slot()
    if not 0 <= plane < slot.plane_count:
        raise IndexError(plane)
    return <uintptr_t>slot.planes[plane].memory.address + slot.planes[plane].offset


def descriptor(DmaBuf buffer not None):
    """Read a C field of an extension type."""
    return buffer.memory.fd
