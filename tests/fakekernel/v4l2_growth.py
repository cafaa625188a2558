"""CREATE_BUFS, REMOVE_BUFS and memory that is not coherent, after videobuf2; stricter: hints need a reason."""

import errno

from .kernel import Refusal

NON_COHERENT, NO_CACHE_INVALIDATE, NO_CACHE_CLEAN = 1, 0x800, 0x1000
CAP_ORPHANS, CAP_CACHE_HINTS, CAP_MAX_NUM, CAP_REMOVE = 0x10, 0x40, 0x80, 0x100
MMAP = 1


class GrowingQueue:
    """What a fake queue does to become larger and smaller."""

    creates = removes = tells_most = True  # which of the calls there are, and max_num_buffers
    cache_hints = False  # V4L2_BUF_CAP_SUPPORTS_MMAP_CACHE_HINTS
    non_coherent = False
    keeps = ()  # errnos with which it refuses to free its buffers, one after the other

    def check_freeing(self, argument):
        """Refuse VIDIOC_REQBUFS with count 0 as a test asked for; the buffers stay."""
        if self.keeps and self.buffers and not argument.count:
            code, *self.keeps = self.keeps
            raise Refusal(code, "refuses to free its buffers")

    def abilities(self):
        bits = ((1, MMAP), (2, 2), (4, 4))
        return (
            sum(bit for bit, memory in bits if memory in self.memories)
            | CAP_ORPHANS * self.orphans
            | CAP_CACHE_HINTS * self.cache_hints
            | CAP_REMOVE * self.removes
        )

    def granted_flags(self, flags, memory):
        return flags & NON_COHERENT if self.cache_hints and memory == MMAP else 0

    def create_bufs(self, file, argument):
        """Add buffers; with count 0 only tell what could be."""
        if not self.creates:
            raise Refusal(errno.ENOTTY, "no VIDIOC_CREATE_BUFS")
        if argument.memory not in self.memories:
            raise Refusal(errno.EINVAL, f"no memory type {argument.memory}")
        if any(argument.reserved):
            raise Refusal(errno.EINVAL, "reserved")
        argument.capabilities = self.abilities() | CAP_MAX_NUM * self.tells_most
        argument.max_num_buffers = self.most if self.tells_most else 0
        argument.index = len(self.buffers)
        argument.flags = self.granted_flags(argument.flags, argument.memory)
        if not argument.count:
            return
        if len(self.buffers) >= self.most:
            raise Refusal(errno.ENOBUFS, f"{self.most} buffers already")
        if self.buffers and (argument.memory, bool(argument.flags)) != (self.memory, self.non_coherent):
            raise Refusal(errno.EINVAL, "other memory than that of the buffers that are there")
        fmt = argument.format.fmt
        sizes = [p.sizeimage for p in fmt.pix_mp.plane_fmt[: fmt.pix_mp.num_planes]]
        sizes = sizes if self.multiplanar else [fmt.pix.sizeimage]
        if len(sizes) != len(self.sizes) or any(size < least for size, least in zip(sizes, self.sizes, strict=True)):
            raise Refusal(errno.EINVAL, f"buffers of {sizes}, the format needs {self.sizes}")
        self.memory = argument.memory
        argument.count = min(argument.count, self.most - len(self.buffers))
        for _ in range(argument.count):
            self.add_buffer(len(self.buffers), sizes)

    def remove_bufs(self, file, argument):
        """Remove buffers that are dequeued, whoever has mapped or exported them."""
        if not self.removes:
            raise Refusal(errno.ENOTTY, "no VIDIOC_REMOVE_BUFS")
        if any(argument.reserved):
            raise Refusal(errno.EINVAL, "reserved")
        chosen = self.buffers[argument.index : argument.index + argument.count]
        if len(chosen) < argument.count:
            raise Refusal(errno.EINVAL, f"buffers {argument.index} and {argument.count - 1} more")
        if any(buffer.state != "dequeued" for buffer in chosen):
            raise Refusal(errno.EBUSY, "a buffer is with the driver")
        assert argument.index + argument.count == len(self.buffers) or not chosen, "a hole: nobody here wants that"
        del self.buffers[argument.index : argument.index + argument.count]
        for plane in (plane for buffer in chosen for plane in buffer.planes if self.memory == MMAP):
            self.device.offsets.pop(plane.offset, None)
            plane.memory.owner = None
        if not self.buffers:
            self.memory = 0

    def check_hints(self, b):
        """Complain about hints that the driver would not heed, or that nothing makes up for."""
        hints = b.flags & (NO_CACHE_INVALIDATE | NO_CACHE_CLEAN)
        if hints and not (self.cache_hints and self.memory == MMAP and self.non_coherent):
            self.kernel.complain("cache hints for memory that has none")
        return hints


class GrowingDevice:
    """The calls."""

    def vidioc_create_bufs(self, file, argument):
        queue = self.queue(argument.format.type)
        if argument.count and queue.buffers and queue.file is not file:
            raise Refusal(errno.EBUSY, "another open file owns the queue")
        queue.create_bufs(file, argument)

    def vidioc_remove_bufs(self, file, argument):
        queue = self.queue(argument.type)
        if argument.count and queue.file is not file:
            raise Refusal(errno.EBUSY, "another open file owns the queue")
        queue.remove_bufs(file, argument)
