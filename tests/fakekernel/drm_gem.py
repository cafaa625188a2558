"""The memory half of the fake card: GEM handles, PRIME, dumb buffers and framebuffers of one open file."""

import errno
import os

from .dmabuf import FakeDmaBuf
from .kernel import Refusal, identity_of
from .structs import fourcc

# DRM fourcc -> per colour plane: (bytes per sample, horizontal and vertical subsampling)
FORMATS = {
    fourcc("XR24"): [(4, 1, 1)], fourcc("AR24"): [(4, 1, 1)], fourcc("RG16"): [(2, 1, 1)], fourcc("YUYV"): [(2, 1, 1)],
    fourcc("NV12"): [(1, 1, 1), (2, 2, 2)], fourcc("YU12"): [(1, 1, 1), (1, 2, 2), (1, 2, 2)],
}  # fmt: skip
LINEAR = 0
FB_MODIFIERS = 2


class Framebuffer:
    def __init__(self, id, width, height, format, objects, pitches, offsets, modifier):
        self.id, self.width, self.height, self.format = id, width, height, format
        self.objects = objects  # FakeDmaBuf per colour plane
        self.pitches, self.offsets = pitches, offsets
        self.modifier = modifier  # None: made without the flag


class GemFile:
    """What one open DRM file owns."""

    def __init__(self, card):
        self.card = card
        self.kernel = card.kernel
        self.handles = {}  # handle -> FakeDmaBuf
        self.dumb = set()  # handles that were made by CREATE_DUMB
        self.framebuffers = {}
        self.blobs = {}
        self.imports = 0
        self.next_handle = 1

    def new_handle(self, memory):
        handle = self.next_handle
        self.next_handle += 1
        self.handles[handle] = memory
        return handle

    def fd_to_handle(self, argument):
        """Import; the same buffer gives the same handle, and the handle counts no references."""
        try:
            memory = self.kernel.buffers[identity_of(argument.fd)]
        except OSError as error:
            raise Refusal(errno.EBADF, f"descriptor {argument.fd}") from error
        except KeyError as error:
            raise Refusal(errno.EINVAL, "no DMA-BUF") from error
        self.imports += 1
        for handle, known in self.handles.items():
            if known is memory:
                argument.handle = handle
                return
        argument.handle = self.new_handle(memory)

    def handle_to_fd(self, argument):
        if argument.handle not in self.handles:
            raise Refusal(errno.ENOENT, f"handle {argument.handle}")
        if argument.flags & ~(os.O_CLOEXEC | os.O_RDWR):
            raise Refusal(errno.EINVAL, "flags")
        if not argument.flags & os.O_CLOEXEC:
            self.kernel.complain("PRIME_HANDLE_TO_FD without O_CLOEXEC leaks into children")
        argument.fd = self.handles[argument.handle].export(readonly=not argument.flags & os.O_RDWR)

    def gem_close(self, handle):
        if handle not in self.handles:
            self.kernel.complain(f"GEM_CLOSE of handle {handle}, which is not open: closed twice, or never made")
            raise Refusal(errno.EINVAL, f"handle {handle}")
        if handle in self.dumb:
            self.kernel.complain("GEM_CLOSE of a dumb buffer: DESTROY_DUMB is its end")
        del self.handles[handle]

    def create_dumb(self, argument):
        if not argument.width or not argument.height or argument.bpp not in (8, 16, 24, 32) or argument.flags:
            raise Refusal(errno.EINVAL, "size or flags")
        argument.pitch = -(-argument.width * argument.bpp // 8 // 64) * 64
        memory = FakeDmaBuf(self.kernel, argument.pitch * argument.height, "dumb")
        argument.size = memory.size
        argument.handle = self.new_handle(memory)
        self.dumb.add(argument.handle)

    def destroy_dumb(self, handle):
        if handle not in self.dumb:
            self.kernel.complain(f"DESTROY_DUMB of handle {handle}, which CREATE_DUMB did not make")
            raise Refusal(errno.EINVAL, f"handle {handle}")
        self.dumb.remove(handle)
        del self.handles[handle]

    def add_framebuffer(self, id, command):
        layout = FORMATS.get(command.pixel_format)
        if layout is None or command.pixel_format not in self.card.formats:
            raise Refusal(errno.EINVAL, f"format {command.pixel_format:#x}")
        if command.flags & ~FB_MODIFIERS:
            raise Refusal(errno.EINVAL, "flags")
        if not 1 <= command.width <= 4096 or not 1 <= command.height <= 4096:
            raise Refusal(errno.EINVAL, "size")
        objects = []
        for i in range(4):
            handle, pitch, offset = command.handles[i], command.pitches[i], command.offsets[i]
            if i >= len(layout):
                if handle or pitch or offset or command.modifier[i]:
                    raise Refusal(errno.EINVAL, f"colour plane {i} is not used and not zero")
                continue
            if handle not in self.handles:
                raise Refusal(errno.ENOENT if handle else errno.EINVAL, f"handle {handle}")
            if command.flags & FB_MODIFIERS and command.modifier[i] not in self.card.modifiers:
                raise Refusal(errno.EINVAL, f"modifier {command.modifier[i]:#x}")
            if not command.flags & FB_MODIFIERS and command.modifier[i]:
                raise Refusal(errno.EINVAL, "modifier without the flag")
            sample, across, down = layout[i]
            width, height = -(-command.width // across), -(-command.height // down)
            if pitch < width * sample or pitch % self.card.pitch_alignment:
                raise Refusal(errno.EINVAL, f"pitch {pitch} of colour plane {i}")
            memory = self.handles[handle]
            if offset + pitch * (height - 1) + width * sample > memory.size:
                raise Refusal(errno.EINVAL, f"colour plane {i} ends behind its buffer")
            objects.append(memory)
        self.framebuffers[id] = Framebuffer(
            id, command.width, command.height, command.pixel_format, objects, list(command.pitches)[: len(layout)],
            list(command.offsets)[: len(layout)], command.modifier[0] if command.flags & FB_MODIFIERS else None,
        )  # fmt: skip
        command.fb_id = id

    def remove_framebuffer(self, id):
        if id not in self.framebuffers:
            self.kernel.complain(f"RMFB of framebuffer {id}, which is not there: removed twice, or never made")
            raise Refusal(errno.ENOENT, f"framebuffer {id}")
        del self.framebuffers[id]

    def verify(self, path):
        left = {
            "handles": sorted(self.handles), "framebuffers": sorted(self.framebuffers), "blobs": sorted(self.blobs),
        }  # fmt: skip
        assert not any(left.values()), f"{path}: left behind {left}"
