"""The one seam between zcore and the kernel; tests put a fake kernel here."""

from cpython.mem cimport PyMem_Free, PyMem_Malloc
from libc.errno cimport EAGAIN, EINTR, EINVAL
from libc.stdint cimport int64_t, intptr_t


cdef extern from "_sys.h" nogil:
    int zc_real_open(const char *path, int flags)
    int zc_real_ioctl(int fd, unsigned long request, void *argument)
    intptr_t zc_real_mmap(int fd, size_t length, int protection, int64_t offset)
    int zc_wait(int fd, short events, int timeout_ms)
    int munmap(void *address, size_t length)
    int _IOC_SIZE(unsigned long request)


cdef Hook *hook = NULL


cdef int sys_open(const char *path, int flags) noexcept nogil:
    cdef int result = -EINTR
    while result == -EINTR:
        result = ZC_PASS
        if hook != NULL:
            result = hook.open(hook.context, path, flags)
        if result == ZC_PASS:
            result = zc_real_open(path, flags)
    return result


cdef int sys_ioctl(int fd, unsigned long request, void *argument) noexcept nogil:
    cdef int result = -EINTR
    while result == -EINTR:
        result = ZC_PASS
        if hook != NULL:
            result = hook.ioctl(hook.context, fd, request, argument)
        if result == ZC_PASS:
            result = zc_real_ioctl(fd, request, argument)
    return result


cdef int sys_ioctl_restart(int fd, unsigned long request, void *argument) noexcept nogil:
    cdef int result = -EAGAIN
    while result == -EAGAIN:
        result = sys_ioctl(fd, request, argument)
    return result


cdef intptr_t sys_mmap(int fd, size_t length, int protection, int64_t offset) noexcept nogil:
    cdef intptr_t result = ZC_PASS
    if hook != NULL:
        result = hook.mmap(hook.context, fd, length, protection, offset)
    return zc_real_mmap(fd, length, protection, offset) if result == ZC_PASS else result


cdef int sys_munmap(void *address, size_t length) noexcept nogil:
    return -EINVAL if munmap(address, length) else 0


cdef int sys_wait(int fd, short events, int timeout_ms) noexcept nogil:
    cdef int result = ZC_PASS
    if hook != NULL:
        result = hook.wait(hook.context, fd, events, timeout_ms)
    return zc_wait(fd, events, timeout_ms) if result == ZC_PASS else result


cdef int hook_open(void *context, const char *path, int flags) noexcept with gil:
    try:
        return (<object>context).open(path.decode(), flags)
    except BaseException as error:
        return hook_failed(context, error)


cdef int hook_ioctl(void *context, int fd, unsigned long request, void *argument) noexcept with gil:
    # The fake gets the address: an argument is often a structure that points to more structures.
    try:
        return (<object>context).ioctl(fd, request, <size_t>argument, _IOC_SIZE(request))
    except BaseException as error:
        return hook_failed(context, error)


cdef intptr_t hook_mmap(void *context, int fd, size_t length, int protection, int64_t offset) noexcept with gil:
    try:
        return (<object>context).mmap(fd, length, protection, offset)
    except BaseException as error:
        return hook_failed(context, error)


cdef int hook_wait(void *context, int fd, short events, int timeout_ms) noexcept with gil:
    try:
        return (<object>context).wait(fd, events, timeout_ms)
    except BaseException as error:
        return hook_failed(context, error)


cdef int hook_failed(void *context, object error) noexcept:
    # A fake's own assertion must fail the test, not look like an errno: it is kept for the fixture to raise.
    try:
        (<object>context).failures.append(error)
    except BaseException:
        pass
    return -EINVAL


PASS = ZC_PASS
_installed = []


def install_fake_kernel(fake):
    """Send open, ioctl, mmap and poll to a fake kernel; ``None`` restores the real one. For tests only.

    Parameters
    ----------
    fake : object or None
        Has ``open(path, flags)``, ``ioctl(fd, request, address, size)``, ``mmap(fd, length, protection, offset)`` and
        ``wait(fd, events, timeout_ms)``, each answering a value, ``-errno`` or :data:`PASS`, and a list ``failures``
        that takes its exceptions.
    """
    global hook
    cdef Hook *old = hook
    cdef Hook *new = NULL
    if fake is not None:
        new = <Hook *>PyMem_Malloc(sizeof(Hook))
        if new == NULL:
            raise MemoryError()
        new.open = &hook_open
        new.ioctl = &hook_ioctl
        new.mmap = &hook_mmap
        new.wait = &hook_wait
        new.context = <void *>fake
    hook = new
    PyMem_Free(old)
    _installed[:] = [] if fake is None else [fake]
