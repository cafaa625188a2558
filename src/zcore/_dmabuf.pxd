# One kernel buffer, known by its identity.
from libc.stdint cimport int64_t, uint64_t


cdef extern from "<pthread.h>" nogil:
    ctypedef struct pthread_mutex_t:
        pass
    int pthread_mutex_init(pthread_mutex_t *mutex, void *attributes)
    int pthread_mutex_destroy(pthread_mutex_t *mutex)
    int pthread_mutex_lock(pthread_mutex_t *mutex)
    int pthread_mutex_unlock(pthread_mutex_t *mutex)


# What the frame path needs of a buffer, reachable without the GIL. Owned by one DmaBuf.
cdef struct Memory:
    int fd  # -1: memory of a device that cannot export, reachable through `address` only
    bint coherent  # no bracket needed or possible (memfd, device memory map)
    bint borrowed_map  # `address` was not mapped by us from `fd`
    uint64_t device
    uint64_t inode
    size_t size
    void *address  # the one mapping, NULL until somebody looks
    bint writable
    pthread_mutex_t lock
    int users  # open CPU accesses
    uint64_t access  # union of their directions: what START was called with
    uint64_t sync_calls
    uint64_t maps
    uint64_t accesses


cdef class DmaBuf:
    cdef Memory memory
    cdef readonly str allocator
    cdef object owner  # keeps the device open whose memory this is
    cdef object __weakref__


cdef DmaBuf dmabuf_take(int fd, str allocator)
cdef DmaBuf dmabuf_from_map(int fd, size_t length, int64_t offset, object owner, str allocator)

# All give 0 or -errno.
cdef int memory_map(Memory *memory) noexcept nogil
cdef int memory_begin(Memory *memory, uint64_t access, int timeout_ms) noexcept nogil
cdef int memory_end(Memory *memory) noexcept nogil
