# The seam to the kernel. Every function gives a value >= 0 or -errno and never raises.
from libc.stdint cimport int64_t, intptr_t, uint32_t, uint64_t


cdef extern from "_sys.h" nogil:
    enum: ZC_PASS

    ctypedef struct Hook "zc_hook":
        int (*open)(void *context, const char *path, int flags) noexcept nogil
        int (*ioctl)(void *context, int fd, unsigned long request, void *argument) noexcept nogil
        intptr_t (*mmap)(void *context, int fd, size_t length, int protection, int64_t offset) noexcept nogil
        int (*wait)(void *context, int fd, short events, int timeout_ms) noexcept nogil
        void *context

    int sys_identity "zc_identity"(int fd, uint64_t *device, uint64_t *inode)
    int64_t sys_size "zc_size"(int fd)
    int sys_dup "zc_dup"(int fd)
    int sys_wait_two "zc_wait_two"(int first, short first_events, int second, short second_events, int timeout_ms)
    int sys_notify "zc_notify"(int fd)
    int sys_read "zc_read"(int fd, void *target, size_t size)
    int sys_write "zc_write"(int fd, const void *source, size_t size)
    int sys_close "zc_real_close"(int fd)
    int atomic_add "zc_atomic_add"(int *value, int delta)
    int atomic_load "zc_atomic_load"(int *value)
    void atomic_store "zc_atomic_store"(int *value, int next)
    void atomic_fence "zc_atomic_fence"()


cdef int sys_open(const char *path, int flags) noexcept nogil
cdef int sys_ioctl(int fd, unsigned long request, void *argument) noexcept nogil
# Restarted on EAGAIN too: what the kernel asks of users of DMA_BUF_IOCTL_SYNC and of every DRM ioctl.
cdef int sys_ioctl_restart(int fd, unsigned long request, void *argument) noexcept nogil
cdef intptr_t sys_mmap(int fd, size_t length, int protection, int64_t offset) noexcept nogil
cdef int sys_munmap(void *address, size_t length) noexcept nogil
# Waits for one descriptor; 0 = timeout, else the events. -EINTR comes back: the caller may hold signals to look at.
cdef int sys_wait(int fd, short events, int timeout_ms) noexcept nogil
