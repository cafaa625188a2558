"""A fake card with a writeback connector, fences in and out, and GETFB2. The test writes the pictures back."""

import errno
import struct

from . import structs
from .drm import NONBLOCK, TEST_ONLY, FakeCard
from .drm_properties import BLOB, CONNECTOR, CRTC, IMMUTABLE, OBJECT, OVERLAY, PRIMARY, RANGE, UNPLUGGED
from .fences import FakeFence
from .kernel import Refusal, identity_of
from .structs import S32, fourcc

WRITEBACK = 52
FORMATS_BLOB = 901


class FakeWritebackCard(FakeCard):
    """A card that can write back what it shows.

    Attributes
    ----------
    clones : bool
        Whether it can drive screen and writeback connector at once.
    jobs : list of (framebuffer, FakeFence)
        Pictures that it was asked to write; :meth:`write_back` does so.
    waits : list of FakeFence
        The fences that commits were to wait for.
    outs : list of FakeFence
        The fences that commits gave.
    """

    def __init__(self, kernel, *arguments, clones=True, **options):
        self.clones, self.jobs, self.waits, self.outs, self.joined = clones, [], [], [], False
        super().__init__(kernel, *arguments, **options)

    def make_properties(self):
        super().make_properties()
        number = 300
        for id in (PRIMARY, OVERLAY):
            self.properties[id][number] = ["IN_FENCE_FD", RANGE, 0xFFFFFFFFFFFFFFFF]
            number += 1
        self.properties[CRTC][310] = ["OUT_FENCE_PTR", RANGE, 0]
        self.properties[WRITEBACK] = {
            320: ["CRTC_ID", OBJECT, 0], 321: ["WRITEBACK_FB_ID", OBJECT, 0],
            322: ["WRITEBACK_OUT_FENCE_PTR", RANGE, 0],
            323: ["WRITEBACK_PIXEL_FORMATS", BLOB | IMMUTABLE, FORMATS_BLOB],
        }  # fmt: skip

    # Objects

    def drm_ioctl_mode_getresources(self, file, res):
        ids = [CONNECTOR, UNPLUGGED] + ([WRITEBACK] if self.caps[file].get(5) else [])
        self.counted(res, "count_crtcs", "crtcs", [CRTC])
        self.counted(res, "count_connectors", "connectors", ids)

    def drm_ioctl_mode_getconnector(self, file, conn):
        if conn.connector_id != WRITEBACK:
            return super().drm_ioctl_mode_getconnector(file, conn)
        conn.count_modes, conn.connector_type, conn.connector_type_id, conn.connection = 0, 18, 1, 3
        self.counted(conn, "count_encoders", "encoders", [45])
        return None

    def drm_ioctl_mode_obj_getproperties(self, file, argument):
        if argument.obj_id != WRITEBACK:
            return super().drm_ioctl_mode_obj_getproperties(file, argument)
        entries = self.properties[WRITEBACK]
        if argument.count_props >= len(entries) and argument.props:
            structs.write_array(argument.props, structs.U32, entries)
            structs.write_array(argument.values, structs.U64, [value for _, _, value in entries.values()])
        argument.count_props = len(entries)
        return None

    def drm_ioctl_mode_getpropblob(self, file, argument):
        if argument.blob_id != FORMATS_BLOB:
            return super().drm_ioctl_mode_getpropblob(file, argument)
        content = struct.pack("=2I", fourcc("RG16"), fourcc("XR24"))
        if argument.length == len(content):
            structs.c.memmove(argument.data, content, len(content))
        argument.length = len(content)
        return None

    def drm_ioctl_mode_getfb2(self, file, command):
        framebuffer = self.framebuffer(command.fb_id)
        command.width, command.height = framebuffer.width, framebuffer.height
        command.pixel_format, command.flags = framebuffer.format, 2 if framebuffer.modifier is not None else 0
        made = {}
        for i, memory in enumerate(framebuffer.objects):
            command.pitches[i], command.offsets[i] = framebuffer.pitches[i], framebuffer.offsets[i]
            command.modifier[i] = framebuffer.modifier or 0
            if self.master is not file:  # neither master nor root: the kernel hides them
                command.handles[i] = 0
                continue
            if memory not in made:  # a new handle for each distinct buffer, whatever the file has already
                made[memory] = self.clients[file].new_handle(memory)
            command.handles[i] = made[memory]

    # Commits

    def drm_ioctl_mode_atomic(self, file, argument):
        settings = self.settings(argument)
        names = {
            (object, self.properties[object][id][0]): value
            for object, values in settings.items() for id, value in values.items()
        }  # fmt: skip
        beside = names.get((WRITEBACK, "CRTC_ID")) and names.get((CONNECTOR, "CRTC_ID"), CRTC) != 0
        if beside and not self.clones:
            raise Refusal(errno.EINVAL, "the encoders are no clones")
        joined = bool(names.get((WRITEBACK, "CRTC_ID"), self.joined))
        framebuffer, place = (
            names.get((WRITEBACK, "WRITEBACK_FB_ID")),
            names.get((WRITEBACK, "WRITEBACK_OUT_FENCE_PTR")),
        )
        if place and not framebuffer:
            raise Refusal(errno.EINVAL, "a writeback fence without a framebuffer")
        if framebuffer and not joined:
            raise Refusal(errno.EINVAL, "the connector is joined to no CRTC")
        if framebuffer and self.jobs and argument.flags & NONBLOCK:
            raise Refusal(errno.EBUSY, "a picture is being written")
        fences = [value for (_, name), value in names.items() if name == "IN_FENCE_FD" and value != 0xFFFFFFFFFFFFFFFF]
        waits = [self.kernel.buffers[identity_of(value)] for value in fences]
        super().drm_ioctl_mode_atomic(file, argument)
        if argument.flags & TEST_ONLY:
            return
        self.joined = joined
        self.waits += waits
        if names.get((CRTC, "OUT_FENCE_PTR")):
            self.outs.append(self.give(names[CRTC, "OUT_FENCE_PTR"], "out"))
        if framebuffer:
            self.framebuffer(framebuffer)
            self.jobs.append((framebuffer, self.give(place, "writeback")))

    def give(self, place, name):
        fence = FakeFence(self.kernel, driver="fake", timeline="CRTC:40", name=name)
        S32.from_address(place).value = fence.export()
        return fence

    def write_back(self, value=0, status=1):
        """Write the oldest picture, filled with a value, and signal its fence."""
        with self.kernel.lock:
            framebuffer, fence = self.jobs.pop(0)
            memory = self.framebuffer(framebuffer).objects[0]
            memory.check_idle("the writeback connector")
            memory.write(bytes([value]) * memory.size)
            fence.signal(status)
