"""A fake DRM card with the habits of real drivers: layouts per plane, rows, reach, scaling."""

import errno
import mmap
import os
import struct

from . import structs
from .drm import IN_FORMATS_BLOB, OVERLAY, PRIMARY, FakeCard
from .drm_gem import LINEAR, GemFile
from .kernel import Refusal, identity_of
from .quirky_v4l2 import within_reach
from .structs import fourcc

ADDFB2_MODIFIERS = 0x10


class QuirkyGemFile(GemFile):
    """Handles and framebuffers of a card with habits."""

    def fd_to_handle(self, argument):
        memory = self.kernel.buffers.get(identity_of(argument.fd))
        if memory is not None and not self.card.can_reach(memory):
            raise Refusal(errno.EINVAL, "out of the display's reach")
        super().fd_to_handle(argument)

    def create_dumb(self, argument):
        super().create_dumb(argument)
        memory = self.handles[argument.handle]
        memory.contiguous = True
        padded = -(-argument.pitch // self.card.dumb_alignment) * self.card.dumb_alignment
        if padded != argument.pitch:
            memory.size = -(-padded * argument.height // mmap.PAGESIZE) * mmap.PAGESIZE
            os.ftruncate(memory.number, memory.size)
            argument.pitch, argument.size = padded, memory.size

    def add_framebuffer(self, id, command):
        if command.flags & 2:
            code, modifier = command.pixel_format, command.modifier[0]
            if not any(modifier in layouts.get(code, ()) for layouts in self.card.layouts.values()):
                raise Refusal(errno.EINVAL, f"modifier {modifier:#x} for this format")
        super().add_framebuffer(id, command)


class QuirkyCard(FakeCard):
    """A card with habits.

    Parameters
    ----------
    formats, overlay : str or dict
        Fourccs of the primary and the overlay plane, with their modifiers as a dict; left out for the overlay: the
        same.
    in_formats : bool
        Whether planes have the property IN_FORMATS.
    addfb_modifiers : bool
        Whether framebuffers can be given a modifier.
    pitch_alignment, dumb_alignment : int
        What AddFB2 needs, and what CREATE_DUMB gives.
    reaches : str or callable
        Which memory it can use: ``"anything"``, ``"contiguous"``, or a function that tells.
    scales : bool
        Whether its planes scale.
    """

    def __init__(
        self, kernel, path="/dev/dri/card0", width=64, height=16, *, formats="XR24 YUYV NV12", overlay=None,
        in_formats=True, addfb_modifiers=True, pitch_alignment=4, dumb_alignment=64, reaches="anything",
        scales=True, auto=True,
    ):  # fmt: skip
        super().__init__(kernel, path, width, height, auto=auto)
        self.layouts = {PRIMARY: _layouts(formats), OVERLAY: _layouts(formats if overlay is None else overlay)}
        self.formats = list(dict.fromkeys(code for layouts in self.layouts.values() for code in layouts))
        self.modifiers = sorted({one for layouts in self.layouts.values() for many in layouts.values() for one in many})
        self.addfb_modifiers, self.reaches, self.scales = addfb_modifiers, reaches, scales
        self.pitch_alignment, self.dumb_alignment = pitch_alignment, dumb_alignment
        for number, plane in enumerate((PRIMARY, OVERLAY)):
            entry = self.properties[plane][self.property_id(plane, "IN_FORMATS")]
            entry[2] = IN_FORMATS_BLOB + number if in_formats else 0

    def opened(self, file):
        super().opened(file)
        self.clients[file] = QuirkyGemFile(self)

    def can_reach(self, memory):
        """Tell whether the display can use a buffer."""
        return within_reach(self.reaches, memory)

    def drm_ioctl_get_cap(self, file, cap):
        super().drm_ioctl_get_cap(file, cap)
        if cap.capability == ADDFB2_MODIFIERS:
            cap.value = int(self.addfb_modifiers)

    def drm_ioctl_mode_addfb2(self, file, command):
        if command.flags & 2 and not self.addfb_modifiers:
            raise Refusal(errno.EINVAL, "no modifiers")
        super().drm_ioctl_mode_addfb2(file, command)

    def drm_ioctl_mode_getplane(self, file, plane):
        if plane.plane_id not in self.layouts:
            raise Refusal(errno.ENOENT, f"plane {plane.plane_id}")
        plane.possible_crtcs, plane.fb_id = 1, self.shown[plane.plane_id]
        plane.crtc_id = 40 if plane.fb_id else 0
        self.counted(plane, "count_format_types", "formats", list(self.layouts[plane.plane_id]))

    def drm_ioctl_mode_getpropblob(self, file, argument):
        plane = {IN_FORMATS_BLOB: PRIMARY, IN_FORMATS_BLOB + 1: OVERLAY}.get(argument.blob_id)
        if plane is None:
            super().drm_ioctl_mode_getpropblob(file, argument)
            return
        content = blob_of(self.layouts[plane])
        if argument.length == len(content):
            structs.c.memmove(argument.data, content, len(content))
        argument.length = len(content)

    def drm_ioctl_mode_atomic(self, file, argument):
        for plane, values in self.settings(argument).items():
            if plane not in self.shown:
                continue
            named = {self.properties[plane][id][0]: value for id, value in values.items()}
            if named.get("FB_ID"):
                code = self.framebuffer(named["FB_ID"]).format
                if code not in self.layouts[plane]:
                    raise Refusal(errno.EINVAL, f"plane {plane} has no format {code:#x}")
            if "SRC_W" in named and not self.scales:
                source = named["SRC_W"] >> 16, named["SRC_H"] >> 16
                if source != (named["CRTC_W"], named["CRTC_H"]):
                    raise Refusal(errno.ERANGE, "the plane does not scale")
        super().drm_ioctl_mode_atomic(file, argument)


def _layouts(formats):
    if isinstance(formats, dict):
        return {fourcc(code): list(modifiers) for code, modifiers in formats.items()}
    return {fourcc(code): [LINEAR] for code in formats.split()}


def blob_of(layouts):
    """Make the blob of IN_FORMATS: each modifier with the mask of the formats that have it."""
    codes = list(layouts)
    formats = struct.pack(f"={len(codes)}I", *codes)
    start = 24 + len(formats)
    start += -start % 8
    modifiers = sorted({modifier for many in layouts.values() for modifier in many})
    head = struct.pack("=6I", 1, 0, len(codes), 24, len(modifiers), start)
    body = b"".join(
        struct.pack("=QIIQ", sum(1 << n for n, code in enumerate(codes) if modifier in layouts[code]), 0, 0, modifier)
        for modifier in modifiers
    )
    return (head + formats).ljust(start, b"\0") + body


__all__ = ["QuirkyCard", "blob_of"]
