/* The system-call layer in C: what Cython cannot say. Everything returns a value >= 0 or -errno. */
#ifndef ZC_SYS_H
#define ZC_SYS_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* A test's fake kernel. Each function may answer ZC_PASS: "not mine, ask the real kernel". */
#define ZC_PASS (-100000)
typedef struct zc_hook {
    int (*open)(void *context, const char *path, int flags);
    int (*ioctl)(void *context, int fd, unsigned long request, void *argument);
    intptr_t (*mmap)(void *context, int fd, size_t length, int protection, int64_t offset);
    int (*wait)(void *context, int fd, short events, int timeout_ms);
    void *context;
} zc_hook;

static inline int zc_result(int value) { return value < 0 ? -errno : value; }

static inline int zc_real_open(const char *path, int flags)
{
    int fd;
    do
        fd = open(path, flags | O_CLOEXEC);
    while (fd < 0 && errno == EINTR);
    return zc_result(fd);
}

/* Linux releases the descriptor even when close() answers EINTR, so it is never repeated. */
static inline int zc_real_close(int fd) { return zc_result(close(fd)); }

static inline int zc_real_ioctl(int fd, unsigned long request, void *argument)
{
    int value;
    do
        value = ioctl(fd, request, argument);
    while (value < 0 && errno == EINTR);
    return zc_result(value);
}

static inline intptr_t zc_real_mmap(int fd, size_t length, int protection, int64_t offset)
{
    void *address = mmap(NULL, length, protection, MAP_SHARED, fd, offset);
    return address == MAP_FAILED ? -errno : (intptr_t)address;
}

static inline int zc_identity(int fd, uint64_t *device, uint64_t *inode)
{
    struct stat status;
    if (fstat(fd, &status) < 0)
        return -errno;
    *device = status.st_dev;
    *inode = status.st_ino;
    return 0;
}

static inline int64_t zc_size(int fd)
{
    off_t size = lseek(fd, 0, SEEK_END);
    return size < 0 ? -errno : size;
}

static inline int zc_dup(int fd) { return zc_result(fcntl(fd, F_DUPFD_CLOEXEC, 3)); }

/* Waits for one descriptor; 0 = timeout, else the events. -EINTR comes back: the caller may hold signals to look at. */
static inline int zc_wait(int fd, short events, int timeout_ms)
{
    struct pollfd one = {.fd = fd, .events = events, .revents = 0};
    int ready = poll(&one, 1, timeout_ms);
    return ready < 0 ? -errno : ready == 0 ? 0 : one.revents;
}

/* Waits for two descriptors (-1 = leave out): events of the first, those of the second shifted by 16. */
static inline int zc_wait_two(int first, short first_events, int second, short second_events, int timeout_ms)
{
    struct pollfd two[2] = {{.fd = first, .events = first_events}, {.fd = second, .events = second_events}};
    int ready = poll(two, 2, timeout_ms);
    return ready < 0 ? -errno : (two[0].revents & 0xffff) | (two[1].revents & 0x7fff) << 16;
}

static inline int zc_notify(int fd)
{
    uint64_t one = 1;
    return write(fd, &one, sizeof one) < 0 ? -errno : 0;
}

static inline int zc_write(int fd, const void *source, size_t size)
{
    ssize_t count;
    do
        count = write(fd, source, size);
    while (count < 0 && errno == EINTR);
    return count < 0 ? -errno : (int)count;
}

static inline int zc_read(int fd, void *target, size_t size)
{
    ssize_t count;
    do
        count = read(fd, target, size);
    while (count < 0 && errno == EINTR);
    return count < 0 ? -errno : (int)count;
}

static inline int zc_atomic_add(int *value, int delta) { return __atomic_add_fetch(value, delta, __ATOMIC_ACQ_REL); }
static inline int zc_atomic_load(int *value) { return __atomic_load_n(value, __ATOMIC_SEQ_CST); }
static inline void zc_atomic_store(int *value, int next) { __atomic_store_n(value, next, __ATOMIC_SEQ_CST); }
static inline void zc_atomic_fence(void) { __atomic_thread_fence(__ATOMIC_SEQ_CST); }

#endif
