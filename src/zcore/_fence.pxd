# Fences as descriptors (sync_file).
from libc.stdint cimport int64_t

from zcore._fd cimport Fd


cdef class Fence:
    cdef readonly Fd fd
    cdef object __weakref__


cdef Fence fence_take(int fd)

# 0 or -errno. `status`: 1 = signalled, 0 = not yet, < 0 = signalled with this error.
cdef int fence_status(int fd, int *status, int64_t *signalled_ns) noexcept nogil
