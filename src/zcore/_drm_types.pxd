# What the kernel's structures become in Python.
from libc.stdint cimport uint32_t

from zcore.uapi.drm cimport zc_drm_mode_modeinfo


cdef tuple ids_of(uint32_t *values, int count)
cdef str text(char *raw)  # at most 32 bytes
cdef object read_mode(zc_drm_mode_modeinfo *mode)
cdef int copy_mode(zc_drm_mode_modeinfo *mode, bytes raw) except -1
