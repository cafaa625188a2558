"""What the kernel tells of devices that come and go: its netlink socket, and a look at a directory of nodes."""

cimport cython
from libc.errno cimport EAGAIN
from libc.stdint cimport uint32_t

from zcore._errors cimport check
from zcore._fd cimport Fd
from zcore._sys cimport sys_read

import os

cdef extern from *:
    """
    #ifndef _GNU_SOURCE
    #define _GNU_SOURCE
    #endif
    #include <errno.h>
    #include <linux/netlink.h>
    #include <string.h>
    #include <sys/inotify.h>
    #include <sys/socket.h>
    #include <unistd.h>

    static int zc_uevent_open(unsigned int groups, int room)
    {
        struct sockaddr_nl address;
        int on = 1, code, fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT);

        if (fd < 0)
            return -errno;
        memset(&address, 0, sizeof address);
        address.nl_family = AF_NETLINK;
        address.nl_groups = groups;
        /* Beyond the limit of the system only with CAP_NET_ADMIN; without it the plain limit has to do. */
        if (room > 0 && setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room) < 0)
            setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
        if (setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof on) < 0 ||
            bind(fd, (struct sockaddr *)&address, sizeof address) < 0) {
            code = errno;
            close(fd);
            return -code;
        }
        return fd;
    }

    /* One message; 0 for one that did not come from the kernel or from root, and is to be ignored. */
    static int zc_uevent_receive(int fd, void *target, size_t size, int *is_kernel)
    {
        union { struct sockaddr any; struct sockaddr_nl netlink; char room[128]; } from;
        union { struct cmsghdr header; char room[CMSG_SPACE(sizeof(struct ucred))]; } control;
        struct iovec part = {target, size};
        struct msghdr message;
        struct cmsghdr *one;
        ssize_t count;

        memset(&message, 0, sizeof message);
        memset(&from, 0, sizeof from);
        message.msg_name = &from;
        message.msg_namelen = sizeof from;
        message.msg_iov = &part;
        message.msg_iovlen = 1;
        message.msg_control = &control;
        message.msg_controllen = sizeof control;
        do
            count = recvmsg(fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        while (count < 0 && errno == EINTR);
        if (count < 0)
            return -errno;
        if (message.msg_flags & MSG_TRUNC)
            return -ENOBUFS;
        *is_kernel = 1;
        if (from.any.sa_family == AF_NETLINK) {
            /* Group 1 is the kernel's: nobody else may speak there. Elsewhere the speaker must be root. */
            *is_kernel = from.netlink.nl_groups == 1;
            if (*is_kernel)
                return from.netlink.nl_pid == 0 ? (int)count : 0;
            for (one = CMSG_FIRSTHDR(&message); one; one = CMSG_NXTHDR(&message, one))
                if (one->cmsg_level == SOL_SOCKET && one->cmsg_type == SCM_CREDENTIALS) {
                    struct ucred who;
                    memcpy(&who, CMSG_DATA(one), sizeof who);
                    if (who.uid == 0)
                        return (int)count;
                }
            return 0;
        }
        return (int)count;
    }

    static int zc_inotify_open(const char *directory, uint32_t mask)
    {
        int code, fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);

        if (fd < 0)
            return -errno;
        if (inotify_add_watch(fd, directory, mask) < 0) {
            code = errno;
            close(fd);
            return -code;
        }
        return fd;
    }
    """
    int zc_uevent_open(unsigned int groups, int room) nogil
    int zc_uevent_receive(int fd, void *target, size_t size, int *is_kernel) nogil
    int zc_inotify_open(const char *directory, uint32_t mask) nogil
    enum:
        IN_CREATE
        IN_ATTRIB
        IN_DELETE
        IN_MOVED_TO

KERNEL = 1  # multicast group: at once, before udev has given the node its owner and its links
UDEV = 2  # multicast group: when udev is done with it


@cython.final
cdef class UeventSocket:
    """The socket on which the kernel, or udev after it, tells of devices.

    Parameters
    ----------
    group : int
        ``KERNEL`` or ``UDEV``.
    room : int
        Bytes for messages that nobody has read yet.
    """

    cdef readonly Fd fd

    def __init__(self, unsigned int group=1, int room=1 << 20):
        name = "netlink:kobject-uevent"
        self.fd = Fd.take(check(zc_uevent_open(group, room), "bind", name), name)

    @staticmethod
    def adopt(int number):
        """Take over another datagram socket that gives such messages; for tests, and for who gets it handed in."""
        cdef UeventSocket self = UeventSocket.__new__(UeventSocket)
        self.fd = Fd.adopt(number, "uevents")
        return self

    def fileno(self):
        """Give the number of the descriptor, which is readable when there is something to read."""
        return self.fd.fileno()

    def read(self):
        """Read one message, without waiting.

        Returns
        -------
        dict or None
            Its properties (ACTION, DEVPATH, SUBSYSTEM and so on); ``None`` when there is no more.

        Raises
        ------
        DeviceError
            ENOBUFS: messages were lost.
        """
        cdef char room[16384]
        cdef int result
        cdef int is_kernel = 0
        while True:
            result = zc_uevent_receive(self.fd.fileno(), room, sizeof(room), &is_kernel)
            if result == -EAGAIN:
                return None
            check(result, "recvmsg", self.fd.name)
            found = parse(room[:result])
            if found is not None:
                return found

    def close(self):
        """Close the socket."""
        self.fd.close()


def parse(bytes message):
    """Read a message of the kernel or of udev.

    Returns
    -------
    dict or None
        ``None`` where it is neither.
    """
    cdef uint32_t start, length
    if message.startswith(b"libudev\0"):
        # Prefix, magic number (big endian), then in the machine's order: size of the header, where the properties
        # begin, how long they are.
        if len(message) < 40 or message[8:12] != b"\xfe\xed\xca\xfe":
            return None
        start = (<const uint32_t *>(<const char *>message + 16))[0]
        length = (<const uint32_t *>(<const char *>message + 20))[0]
        if start > <uint32_t>len(message) or length > len(message) - start:
            return None
        lines = message[start:start + length].split(b"\0")
    else:
        head, *lines = message.split(b"\0")
        if b"@" not in head:
            return None
    found = {}
    for line in lines:
        key, equals, value = line.partition(b"=")
        if equals:
            found[key.decode(errors="replace")] = value.decode(errors="replace")
    return found if "ACTION" in found and "DEVPATH" in found else None


@cython.final
cdef class NodeWatch:
    """Tells that nodes of a directory came, went or got other permissions (inotify).

    Parameters
    ----------
    directory : str
        Such as ``/dev``.
    """

    cdef readonly Fd fd

    def __init__(self, directory="/dev"):
        cdef bytes path = os.fsencode(directory)
        cdef int result = zc_inotify_open(path, IN_CREATE | IN_ATTRIB | IN_DELETE | IN_MOVED_TO)
        self.fd = Fd.take(check(result, "inotify_add_watch", os.fspath(directory)), f"inotify:{directory}")

    def fileno(self):
        """Give the number of the descriptor, which is readable when something has changed."""
        return self.fd.fileno()

    def drain(self):
        """Forget what was told so far; True where there was something."""
        cdef char room[4096]
        cdef int result
        cdef bint any = False
        while True:
            result = sys_read(self.fd.fileno(), room, sizeof(room))
            if result == -EAGAIN:
                return any
            check(result, "read", self.fd.name)
            any = True

    def close(self):
        """Close it."""
        self.fd.close()
