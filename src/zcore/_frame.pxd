# A frame on loan and the views that pin it.
from zcore._pool cimport Memory, Pool, Slot


cdef class Frame:
    cdef readonly Pool pool
    cdef Slot *slot

    cdef Slot *_slot(self) except NULL


cdef class View:
    cdef Frame frame  # whose lease keeps the slot
    cdef Memory *bracketed  # NULL: this memory needs no bracket


cdef object frame_from_slot(Pool pool, Slot *slot)
