# A frame on loan and the views that pin it.
from zcore._pool cimport Memory, Pool, Slot


cdef class Frame:
    cdef readonly Pool pool
    cdef Slot *slot

    cdef Slot *_slot(self) except NULL


cdef class View:
    cdef Pool pool  # whose memory the view shows
    cdef Slot *slot
    cdef Memory *memory


cdef object frame_from_slot(Pool pool, Slot *slot)
