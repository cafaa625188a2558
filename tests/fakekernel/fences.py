"""Fake fences: sync_files that a test signals, in time, late, never, or with an error."""

import errno
import fcntl
import select
import socket
import time

from zcore._sys import PASS

from . import structs
from .kernel import Refusal, identity_of


class FakeFence:
    """One sync_file: readable once it has signalled, as its real descriptor says."""

    def __init__(self, kernel, driver="fakegpu", timeline="ring0", name="job", parts=()):
        self.kernel = kernel
        self.label = f"sync_file {name}"
        self.driver, self.timeline, self.name = driver, timeline, name
        self.parts = parts  # of a merged one
        self.own = 0  # 0 = pending, 1 = signalled, < 0 = with this -errno
        self.when = 0
        self.merged = []
        ours, self.peer = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        self.number = ours.detach()
        self.identity = identity_of(self.number)
        kernel.buffers[self.identity] = self
        kernel.everything.append(self)

    def export(self):
        """Give a new descriptor of it."""
        return fcntl.fcntl(self.number, fcntl.F_DUPFD_CLOEXEC, 3)

    @property
    def status(self):
        if not self.parts:
            return self.own
        states = [part.status for part in self.parts]
        return 0 if 0 in states else min(states)

    def signal(self, status=1):
        """Signal it; below 0 is an errno."""
        with self.kernel.lock:
            assert self.own == 0, "a fence signals once"
            self.own, self.when = status, time.monotonic_ns()
            self.tell()

    def tell(self):
        if self.status:
            self.peer.send(b"!")
        for one in self.merged:
            one.tell()

    def ioctl(self, fd, name, argument):
        method = getattr(self, name.lower(), None)
        if method is None:
            raise Refusal(errno.ENOTTY, f"a sync_file has no {name}")
        return method(argument) or 0

    def sync_ioc_file_info(self, argument):
        if argument.flags or argument.pad:
            raise Refusal(errno.EINVAL, "flags and pad are 0")
        leaves = self.parts or (self,)
        argument.status, argument.name = self.status, self.name.encode()
        if argument.num_fences:
            if argument.num_fences < len(leaves):
                raise Refusal(errno.EINVAL, "no room for all fences")
            for i, leaf in enumerate(leaves):
                info = structs.FenceInfo.from_address(argument.info + i * structs.c.sizeof(structs.FenceInfo))
                info.driver_name, info.obj_name = leaf.driver.encode(), leaf.timeline.encode()
                info.status, info.timestamp_ns = leaf.own, leaf.when
        argument.num_fences = len(leaves)

    def sync_ioc_merge(self, argument):
        if argument.flags or argument.pad:
            raise Refusal(errno.EINVAL, "flags and pad are 0")
        other = self.kernel.buffers.get(identity_of(argument.fd2))
        if not isinstance(other, FakeFence):
            raise Refusal(errno.ENOENT, "fd2 is no sync_file")
        both = FakeFence(self.kernel, name=argument.name.decode(), parts=(self, other))
        for one in both.parts:
            one.merged.append(both)
        if both.status:
            both.tell()
        argument.fence = both.export()

    def sync_ioc_set_deadline(self, argument):
        if argument.pad:
            raise Refusal(errno.EINVAL, "pad is 0")
        self.deadline = argument.deadline_ns

    def poll(self, events, timeout_ms):
        return PASS

    def verify(self):
        """A sync_file that nobody closed shows among the descriptors of the test."""

    def close(self):
        socket.socket(fileno=self.number).close()
        self.peer.close()


def pending(fence):
    """Whether a descriptor is not readable."""
    return not select.select([fence], [], [], 0)[0]
