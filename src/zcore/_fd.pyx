"""An owned file descriptor."""

cimport cython
from libc.stdint cimport uint64_t
from posix.unistd cimport getpid

from zcore._errors cimport check
from zcore._sys cimport sys_close, sys_dup, sys_identity, sys_open

import os


cdef extern from "<fcntl.h>" nogil:
    enum:
        O_RDWR
        O_RDONLY
        O_NONBLOCK


@cython.final
cdef class Fd:
    """An owned descriptor that is closed exactly once.

    The verb that makes one says who owns what: :meth:`open` opens, :meth:`adopt` takes over a number and closes it,
    :meth:`dup` leaves the number with its owner. Every descriptor is close-on-exec.
    """

    def __cinit__(self):
        self.number = -1  # 0 is somebody's standard input, and __dealloc__ closes

    def __init__(self):
        raise TypeError("use Fd.open(), Fd.adopt() or Fd.dup()")

    @staticmethod
    cdef Fd take(int number, str name):
        cdef Fd self = Fd.__new__(Fd)
        self.number = number
        self.name = name
        self.owner = getpid()
        return self

    @staticmethod
    def open(path, nonblocking=True, writable=True):
        """Open a device node, close-on-exec."""
        name = os.fspath(path)
        cdef bytes c_path = os.fsencode(name)
        cdef int flags = (O_RDWR if writable else O_RDONLY) | (O_NONBLOCK if nonblocking else 0)
        cdef const char *raw = c_path
        cdef int number
        with nogil:
            number = sys_open(raw, flags)
        return Fd.take(check(number, "open", name), name)

    @staticmethod
    def adopt(int number, str name=""):
        """Take over a descriptor; it is closed with this object."""
        if number < 0:
            raise ValueError(f"a descriptor is not negative: {number}")
        return Fd.take(number, name or f"fd {number}")

    @staticmethod
    def dup(int number, str name=""):
        """Duplicate a descriptor and leave the given one with its owner."""
        return Fd.take(check(sys_dup(number), "dup", name or f"fd {number}"), name or f"fd {number}")

    cdef bint ours(self) noexcept nogil:
        return self.number >= 0 and self.owner == getpid()

    @property
    def identity(self):
        """``(st_dev, st_ino)`` of the open file."""
        cdef unsigned long long device = 0, inode = 0
        check(sys_identity(self.number, <uint64_t *>&device, <uint64_t *>&inode), "fstat", self.name)
        return device, inode

    @property
    def closed(self):
        """Whether it was closed."""
        return self.number < 0

    @property
    def owned_here(self):
        """Whether this process opened it: a forked child must not undo what its parent set up."""
        return self.ours()

    def fileno(self):
        """Descriptor number, for select and the like; this object still owns it."""
        if self.number < 0:
            raise ValueError(f"{self.name}: is closed")
        return self.number

    def close(self):
        """Close it; a second call does nothing."""
        cdef int number = self.number
        self.number = -1
        if number >= 0:
            with nogil:
                sys_close(number)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def __repr__(self):
        return f"<Fd {self.number} {self.name}>"

    def __dealloc__(self):
        if self.number >= 0:
            sys_close(self.number)
            self.number = -1
