"""The fake kernel itself: which descriptor is whose, what was called, and which call is to fail."""

import ctypes
import errno
import os
import select
import socket
import threading
from typing import NamedTuple

from zcore._sys import PASS

from . import structs


class Refusal(Exception):
    """What a fake answers with ``-errno``; the reason is kept for the reader of a failing test."""

    def __init__(self, code, reason=""):
        super().__init__(f"{errno.errorcode[code]}: {reason}")
        self.code = code


class Call(NamedTuple):
    """One call that reached the fake."""

    name: str
    path: str
    answer: int


class _Rule:
    def __init__(self, name, code, times, after):
        self.name, self.code, self.times, self.after = name, code, times, after


class File:
    """An open device: a real descriptor whose readiness its peer decides."""

    def __init__(self, device, flags):
        ours, self.peer = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4608)
        self.device = device
        self.nonblocking = bool(flags & os.O_NONBLOCK)
        ours.setblocking(not self.nonblocking)
        self.number = ours.detach()
        self.identity = identity_of(self.number)
        self.readable = False
        self.writable = True
        self.urgent = False

    @property
    def open(self):
        """Whether anybody has it open still: the peer of a closed socket hangs up."""
        poll = select.poll()
        poll.register(self.peer, 0)
        return not any(events & select.POLLHUP for _, events in poll.poll(0))

    def set_readable(self, wanted):
        if not self.open or wanted == self.readable:
            return
        urgent = self.urgent
        self.set_urgent(False)  # a read of what is behind it would lose it
        if wanted:
            self.peer.send(b"!")
        else:
            os.read(self.number, 1)
        self.readable = wanted
        self.set_urgent(urgent)

    def set_urgent(self, wanted):
        """Say EPOLLPRI: a byte out of band, which AF_UNIX sockets have since Linux 5.15."""
        if not self.open or wanted == self.urgent:
            return
        if wanted:
            self.peer.send(b"?", socket.MSG_OOB)
        else:
            with socket.socket(fileno=os.dup(self.number)) as ours:
                ours.recv(1, socket.MSG_OOB)
        self.urgent = wanted

    def set_writable(self, wanted):
        if not self.open:
            return
        if self.writable and not wanted:
            try:
                while True:
                    os.write(self.number, bytes(512))
            except BlockingIOError:
                pass
        elif wanted and not self.writable:
            try:
                while self.peer.recv(65536):
                    pass
            except BlockingIOError:
                pass
        self.writable = wanted

    def hang_up(self):
        self.peer.shutdown(socket.SHUT_RDWR)


class Device:
    """What a path leads to. Its ioctls are methods with the request's name in lower case."""

    def __init__(self, kernel, path):
        self.kernel = kernel
        self.path = path
        self.files = []
        self.gone = False
        kernel.devices[path] = self  # a new one takes the path over
        kernel.everything.append(self)

    def open_file(self, flags):
        if self.gone:
            raise Refusal(errno.ENODEV, "unplugged")
        self.reap()
        file = File(self, flags)
        self.files.append(file)
        self.kernel.files[file.identity] = file
        self.opened(file)
        return file.number

    def opened(self, file):
        """Set up what belongs to an open file."""

    def closed(self, file):
        """Undo what belonged to a file that is closed now."""

    def reap(self):
        """Notice which files were closed: nobody tells the fake."""
        for file in self.files:
            if not file.open:
                self.closed(file)
                file.peer.close()
                del self.kernel.files[file.identity]
        self.files = [file for file in self.files if file.identity in self.kernel.files]

    def ioctl(self, file, name, argument):
        if self.gone:
            raise Refusal(errno.ENODEV, "unplugged")
        method = getattr(self, name.lower(), None)
        if method is None:
            raise Refusal(errno.ENOTTY, f"{self.path} has no {name}")
        return method(file, argument) or 0

    def mmap(self, file, length, protection, offset):
        raise Refusal(errno.ENODEV, "cannot be mapped")

    def unplug(self):
        """Take the device away: ENODEV from every call, and a hang-up for whoever polls."""
        with self.kernel.lock:
            self.gone = True
            for file in self.files:
                if file.open:
                    file.hang_up()

    def verify(self):
        """Raise where a test left something behind."""

    def close(self):
        for file in self.files:
            file.peer.close()


class FakeKernel:
    """Strict stand-in for the kernel below ``zcore._sys``.

    Paths below ``/dev`` that nobody made are ENOENT, whatever the machine has. Everything that is no device or buffer
    of the fake goes to the real kernel.
    """

    def __init__(self):
        self.lock = threading.RLock()
        self.failures = []  # raised by the fixture: a broken rule is no errno
        self.calls = []
        self.refusals = []
        self.devices = {}
        self.everything = []  # devices and buffers that were ever made
        self.files = {}  # identity -> File
        self.buffers = {}  # identity -> FakeDmaBuf
        self.rules = []
        self.fences = True  # whether there are EXPORT_SYNC_FILE and IMPORT_SYNC_FILE (Linux 6.0)

    # What tests use

    def fail(self, name, code, times=1, after=0):
        """Let the next calls of a name ("VIDIOC_QBUF", "open", "mmap", ...) fail, the first `after` excepted."""
        assert name in structs.NUMBERS or name in ("open", "mmap", "poll"), f"no such call: {name}"
        self.rules.append(_Rule(name, code, times, after))

    def count(self, name):
        """How often a call was made."""
        return sum(call.name == name for call in self.calls)

    def complain(self, text):
        """Record a broken rule."""
        self.failures.append(AssertionError(text))

    # The seam

    def open(self, path, flags):
        with self.lock:
            if not path.startswith("/dev/"):
                return PASS
            return self.answer("open", path, lambda: self._device(path).open_file(flags))

    def _device(self, path):
        if path not in self.devices:
            raise Refusal(errno.ENOENT, path)
        return self.devices[path]

    def ioctl(self, fd, request, address, size):
        with self.lock:
            target, path = self.target(fd)
            if target is None:
                return PASS if path is None else -errno.EBADF
            name, struct = structs.REQUESTS.get(request, (f"{request:#x}", None))
            if struct is None and size:
                return self.answer(name, path, _no_such_call)
            if struct is not None:
                assert ctypes.sizeof(struct) == size
            argument = struct.from_address(address) if struct is not None else None
            if isinstance(target, File):
                return self.answer(name, path, lambda: target.device.ioctl(target, name, argument))
            return self.answer(name, path, lambda: target.ioctl(fd, name, argument))

    def mmap(self, fd, length, protection, offset):
        with self.lock:
            target, path = self.target(fd)
            if target is None:
                return PASS
            if isinstance(target, File):
                return self.answer("mmap", path, lambda: target.device.mmap(target, length, protection, offset))
            return self.answer("mmap", path, lambda: PASS)

    def wait(self, fd, events, timeout_ms):
        """Answer poll() for a buffer with fences; everything else has a real descriptor to poll."""
        with self.lock:
            target, path = self.target(fd)
            if target is None or isinstance(target, File):
                return PASS
            return self.answer("poll", path, lambda: target.poll(events, timeout_ms))

    def target(self, fd):
        """Find what a descriptor is: (File or FakeDmaBuf or None, path); the path is "" for a bad descriptor."""
        try:
            identity = identity_of(fd)
        except OSError:
            return None, ""
        if identity in self.files:
            file = self.files[identity]
            file.number = fd
            return file, file.device.path
        if identity in self.buffers:
            return self.buffers[identity], self.buffers[identity].label
        return None, None

    def answer(self, name, path, call):
        result = self.scripted(name)
        if result == 0:
            try:
                result = call()
            except Refusal as refusal:
                self.refusals.append(f"{path} {name}: {refusal}")
                result = -refusal.code
        self.calls.append(Call(name, path, result))
        return result

    def scripted(self, name):
        for rule in self.rules:
            if rule.name == name and rule.times > 0:
                if rule.after > 0:
                    rule.after -= 1
                    continue
                rule.times -= 1
                return -rule.code
        return 0

    # The end of a test

    def verify(self, leftovers=True):
        """Raise what broke a rule, or what was left behind."""
        for holder in self.everything if leftovers else ():
            try:
                holder.verify()
            except AssertionError as error:
                self.failures.append(error)
        if self.failures:
            raise ExceptionGroup("rules of the kernel were broken", self.failures)

    def close(self):
        for holder in self.everything:
            holder.close()


def _no_such_call():
    raise Refusal(errno.ENOTTY, "unknown request, or the wrong size of its structure")


def identity_of(fd):
    status = os.fstat(fd)
    return status.st_dev, status.st_ino
