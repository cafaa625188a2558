# What an atomic commit changes: objects, their properties and values, as the kernel wants them.
from libc.stdint cimport uint32_t, uint64_t


cdef enum:
    MAX_CHANGES = 1024  # more than the settings, fences and jobs of all lanes of a card; see _commits.pxd


# Lies on the stack of who makes the commit, and is filled by the functions here alone.
cdef struct Changes:
    int object_count
    int total
    uint32_t objects[MAX_CHANGES]
    uint32_t counts[MAX_CHANGES]
    uint32_t properties[MAX_CHANGES]
    uint64_t values[MAX_CHANGES]


cdef void changes_begin(Changes *changes) noexcept nogil
cdef void changes_add(Changes *changes, uint32_t object, uint32_t property, uint64_t value) noexcept nogil
cdef int changes_read(Changes *changes, settings) except -1  # object id -> property id -> value; begins with nothing
cdef int changes_commit(Changes *changes, int card, uint32_t flags, uint64_t number) noexcept nogil  # 0 or -errno
