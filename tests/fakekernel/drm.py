"""A fake DRM card: one CRTC, two connectors, a primary and an overlay plane. The test is the vertical blank."""

import errno
import struct
import time

from . import structs
from .drm_gem import FORMATS, LINEAR, GemFile
from .drm_properties import (
    CONNECTOR,
    CRTC,
    ENCODER,
    IMMUTABLE,
    IN_FORMATS_BLOB,
    OBJECT_TYPES,
    OVERLAY,
    PRIMARY,
    UNPLUGGED,
    FakeProperties,
)
from .kernel import Device, Refusal
from .structs import U32, U64, read_array, write_array

TEST_ONLY, NONBLOCK, ALLOW_MODESET, EVENT, ASYNC = 0x100, 0x200, 0x400, 1, 2


class FakeCard(FakeProperties, Device):
    """A card whose commits wait for :meth:`flip`; with ``auto`` they complete at once."""

    head = CRTC  # whose `pending` and `active` are meant

    def __init__(self, kernel, path="/dev/dri/card0", width=64, height=16, atomic=True, auto=False):
        super().__init__(kernel, path)
        self.width, self.height, self.atomic, self.auto = width, height, atomic, auto
        self.formats = list(FORMATS)
        self.modifiers = [LINEAR]
        self.pitch_alignment = 4
        self.closefb = True
        self.capabilities = {1: 1, 5: 3, 6: 1, 0x10: 1, 0x12: 1}
        self.clients = {}  # File -> GemFile
        self.caps = {}  # File -> client capabilities
        self.master = None
        self.next_id = 200
        self.shown = {PRIMARY: 0, OVERLAY: 0}  # plane -> framebuffer on the screen
        self.pending = None  # (file, {plane: framebuffer}, user_data, event)
        self.commits = []  # flags and settings of each real commit
        self.blanked = 0  # planes that went off because their framebuffer was removed
        self.flips = 0
        self.active = 0
        self.plugged = {CONNECTOR}
        self.make_properties()

    def opened(self, file):
        self.clients[file] = GemFile(self)
        self.caps[file] = {}
        if self.master is None:
            self.master = file

    def closed(self, file):
        left = self.clients.pop(file)
        if not self.gone:  # no call reaches a card that is gone: the kernel frees what is left
            left.verify(self.path)
        self.pending = None if self.pending and self.pending[0] is file else self.pending
        self.master = None if self.master is file else self.master

    def framebuffer(self, id):
        for client in self.clients.values():
            if id in client.framebuffers:
                return client.framebuffers[id]
        raise Refusal(errno.ENOENT, f"framebuffer {id}")

    @property
    def scanned_out(self):
        """Identities of what is on the screen or on its way there."""
        ids = {*self.shown.values(), *(self.pending[1].values() if self.pending else ())} - {0}
        return {memory.identity for id in ids for memory in self.framebuffer(id).objects}

    # What tests do

    def flip(self):
        """Let the vertical blank come: the pending commit is on the screen, and its event is sent."""
        with self.kernel.lock:
            assert self.pending, f"{self.path}: no commit waits for a flip"
            file, planes, user_data, event = self.pending
            self.pending = None
            self.shown.update(planes)
            self.flips += 1
            if event:
                self.send_event(self.flip_event(user_data), file)

    def flip_event(self, user_data=0, crtc=0):
        now, crtc = time.monotonic_ns(), crtc or self.head
        return struct.pack(
            "=IIQIIII", 2, 32, user_data, now // 10**9, now % 10**9 // 1000, self.flips & 0xFFFFFFFF, crtc
        )

    def send_event(self, raw, file=None):
        (file or self.master).peer.send(raw)

    # The device

    def drm_ioctl_version(self, file, version):
        structs.c.memmove(version.name, b"fake"[: version.name_len], min(4, version.name_len))
        version.name_len = 4

    def drm_ioctl_get_cap(self, file, cap):
        if cap.capability not in self.capabilities:
            raise Refusal(errno.EINVAL, "no such capability")
        cap.value = self.capabilities[cap.capability]

    def drm_ioctl_set_client_cap(self, file, cap):
        if cap.capability == 3 and not self.atomic:
            raise Refusal(errno.EOPNOTSUPP, "no atomic commits")
        if cap.capability not in (2, 3, 5) or cap.value > 1 or (cap.capability == 5 and not self.caps[file].get(3)):
            raise Refusal(errno.EINVAL, "no such client capability")
        self.caps[file][cap.capability] = cap.value

    def drm_ioctl_auth_magic(self, file, auth):
        self.need_master(file)
        raise Refusal(errno.EINVAL, "magic 0")

    def drm_ioctl_set_master(self, file, _):
        if self.master not in (None, file):
            raise Refusal(errno.EBUSY, "there is a master")
        self.master = file

    def drm_ioctl_drop_master(self, file, _):
        if self.master is not file:
            raise Refusal(errno.EINVAL, "not master")
        self.master = None

    def need_master(self, file):
        if self.master is not file:
            raise Refusal(errno.EACCES, "not DRM master")

    def drm_ioctl_gem_close(self, file, argument):
        self.clients[file].gem_close(argument.first)

    def drm_ioctl_prime_fd_to_handle(self, file, argument):
        self.clients[file].fd_to_handle(argument)

    def drm_ioctl_prime_handle_to_fd(self, file, argument):
        self.clients[file].handle_to_fd(argument)

    def drm_ioctl_mode_create_dumb(self, file, argument):
        self.clients[file].create_dumb(argument)

    def drm_ioctl_mode_destroy_dumb(self, file, argument):
        self.clients[file].destroy_dumb(argument.value)

    def drm_ioctl_mode_addfb2(self, file, command):
        self.next_id += 1
        self.clients[file].add_framebuffer(self.next_id, command)

    def drm_ioctl_mode_rmfb(self, file, argument):
        self.clients[file].remove_framebuffer(argument.value)
        for plane, id in self.shown.items():
            if id == argument.value:
                self.shown[plane] = 0
                self.blanked += 1
        if self.pending and argument.value in self.pending[1].values():
            self.kernel.complain(f"RMFB of framebuffer {argument.value} while its commit is pending")

    def drm_ioctl_mode_closefb(self, file, argument):
        if not self.closefb or argument.second:
            raise Refusal(errno.EINVAL, "no such call" if not self.closefb else "padding that is not 0")
        self.clients[file].remove_framebuffer(argument.first)  # what shows it goes on

    # Objects

    def counted(self, argument, count, pointer, values):
        if getattr(argument, count) >= len(values) and getattr(argument, pointer):
            write_array(getattr(argument, pointer), U32, values)
        setattr(argument, count, len(values))

    def drm_ioctl_mode_getresources(self, file, res):
        self.counted(res, "count_crtcs", "crtcs", [CRTC])
        self.counted(res, "count_connectors", "connectors", [CONNECTOR, UNPLUGGED])
        res.count_encoders, res.count_fbs = 1, len(self.clients[file].framebuffers)

    def mode(self):
        return structs.ModeInfo(
            clock=self.width * self.height * 60 // 1000, hdisplay=self.width, vdisplay=self.height, htotal=self.width,
            vtotal=self.height, vrefresh=60, type=0x48, name=b"fake",
        )  # fmt: skip

    def drm_ioctl_mode_getconnector(self, file, conn):
        if conn.connector_id not in OBJECT_TYPES[0xC0C0C0C0]:
            raise Refusal(errno.ENOENT, f"connector {conn.connector_id}")
        plugged = conn.connector_id in self.plugged
        modes = [self.mode()] if plugged else []
        if conn.count_modes >= len(modes) and conn.modes:
            for i, mode in enumerate(modes):
                structs.ModeInfo.from_buffer((structs.c.c_char * 68).from_address(conn.modes + i * 68))
                structs.c.memmove(conn.modes + i * 68, bytes(mode), 68)
        conn.count_modes = len(modes)
        self.counted(conn, "count_encoders", "encoders", [ENCODER])
        conn.connector_type, conn.connector_type_id = 11, 1 if conn.connector_id == CONNECTOR else 2
        conn.connection = 1 if plugged else 2
        conn.encoder_id = ENCODER if plugged else 0

    def drm_ioctl_mode_getencoder(self, file, encoder):
        if encoder.encoder_id != ENCODER:
            raise Refusal(errno.ENOENT, f"encoder {encoder.encoder_id}")
        encoder.possible_crtcs, encoder.crtc_id = 1, CRTC

    def drm_ioctl_mode_getplaneresources(self, file, res):
        self.counted(res, "count_planes", "planes", [PRIMARY, OVERLAY] if self.caps[file].get(2) else [OVERLAY])

    def drm_ioctl_mode_getplane(self, file, plane):
        if plane.plane_id not in self.shown:
            raise Refusal(errno.ENOENT, f"plane {plane.plane_id}")
        plane.possible_crtcs, plane.fb_id = 1, self.shown[plane.plane_id]
        plane.crtc_id = CRTC if plane.fb_id else 0
        self.counted(plane, "count_format_types", "formats", self.formats)

    def in_formats(self):
        """The blob of IN_FORMATS: every format with every modifier of the card."""
        formats = struct.pack(f"={len(self.formats)}I", *self.formats)
        start = 24 + len(formats)
        start += -start % 8
        head = struct.pack("=6I", 1, 0, len(self.formats), 24, len(self.modifiers), start)
        mask = (1 << len(self.formats)) - 1
        return (head + formats).ljust(start, b"\0") + b"".join(
            struct.pack("=QIIQ", mask, 0, 0, modifier) for modifier in self.modifiers
        )

    def drm_ioctl_mode_getpropblob(self, file, argument):
        blobs = {**self.clients[file].blobs, IN_FORMATS_BLOB: self.in_formats()}
        if argument.blob_id not in blobs:
            raise Refusal(errno.ENOENT, f"blob {argument.blob_id}")
        content = blobs[argument.blob_id]
        if argument.length == len(content) and content:
            structs.c.memmove(argument.data, content, len(content))
        argument.length = len(content)

    def drm_ioctl_mode_createpropblob(self, file, argument):
        if not argument.length:
            raise Refusal(errno.EINVAL, "empty")
        self.next_id += 1
        argument.blob_id = self.next_id
        self.clients[file].blobs[self.next_id] = structs.c.string_at(argument.data, argument.length)

    def drm_ioctl_mode_destroypropblob(self, file, argument):
        if self.clients[file].blobs.pop(argument.value, None) is None:
            raise Refusal(errno.ENOENT, f"blob {argument.value}")

    # Showing

    def drm_ioctl_mode_getcrtc(self, file, crtc):
        if crtc.crtc_id != CRTC:
            raise Refusal(errno.ENOENT, f"CRTC {crtc.crtc_id}")
        crtc.fb_id, crtc.mode_valid = self.shown[PRIMARY], self.active
        if self.active:
            crtc.mode = self.mode()

    def drm_ioctl_mode_setcrtc(self, file, crtc):
        self.need_master(file)
        if crtc.mode_valid:
            if read_array(crtc.connectors, U32, crtc.count_connectors) != [CONNECTOR]:
                raise Refusal(errno.EINVAL, "connectors")
            self.framebuffer(crtc.fb_id)
        self.active, self.shown[PRIMARY] = crtc.mode_valid, crtc.fb_id if crtc.mode_valid else 0

    def drm_ioctl_mode_page_flip(self, file, argument):
        self.need_master(file)
        if argument.crtc_id != CRTC or argument.flags & ~EVENT or argument.reserved:
            raise Refusal(errno.EINVAL, "CRTC or flags")
        if not self.shown[PRIMARY] or self.pending:
            raise Refusal(errno.EBUSY, "off, or a flip is pending")
        self.framebuffer(argument.fb_id)
        self.begin(file, {PRIMARY: argument.fb_id}, argument.user_data, bool(argument.flags & EVENT))

    def drm_ioctl_mode_atomic(self, file, argument):
        self.need_master(file)
        if not self.caps[file].get(3):
            raise Refusal(errno.EINVAL, "the client capability ATOMIC was not set")
        flags = argument.flags
        if flags & ~(TEST_ONLY | NONBLOCK | ALLOW_MODESET | EVENT) or argument.reserved:
            raise Refusal(errno.EINVAL, f"flags {flags:#x}")
        if flags & TEST_ONLY and flags & EVENT:
            raise Refusal(errno.EINVAL, "an event for a test")
        settings = self.settings(argument)
        modeset = any(
            entry[0] in ("ACTIVE", "MODE_ID") or object in (CONNECTOR, UNPLUGGED)
            for object, values in settings.items() for id in values for entry in [self.properties[object][id]]
        )  # fmt: skip
        if modeset and not flags & ALLOW_MODESET:
            raise Refusal(errno.EINVAL, "a modeset without ALLOW_MODESET")
        planes = {
            object: values[self.property_id(object, "FB_ID")] for object, values in settings.items()
            if object in self.shown and self.property_id(object, "FB_ID") in values
        }  # fmt: skip
        for id in planes.values():
            if id and self.framebuffer(id).format not in self.formats:
                raise Refusal(errno.EINVAL, "format of the plane")
        if not modeset and not self.active and flags & EVENT:
            raise Refusal(errno.EINVAL, "an event from a CRTC that is off")
        if flags & TEST_ONLY:
            return
        if self.pending:
            if flags & NONBLOCK:
                raise Refusal(errno.EBUSY, "a commit is pending")
            self.flip()
        for object, values in settings.items():
            for id, value in values.items():
                self.properties[object][id][2] = value
        self.active = self.value(self.head, "ACTIVE") if modeset else self.active
        self.commits.append((flags, settings))
        if flags & NONBLOCK:
            self.begin(file, planes, argument.user_data, bool(flags & EVENT))
        else:
            self.shown.update(planes)
            if flags & EVENT:
                self.send_event(self.flip_event(argument.user_data), file)

    def settings(self, argument):
        objects = read_array(argument.objs, U32, argument.count_objs)
        counts = read_array(argument.counts, U32, argument.count_objs)
        total = sum(counts)
        ids, values = read_array(argument.props, U32, total), read_array(argument.values, U64, total)
        found, at = {}, 0
        for object, count in zip(objects, counts, strict=True):
            if object not in self.properties:
                raise Refusal(errno.ENOENT, f"object {object}")
            for id, value in zip(ids[at : at + count], values[at : at + count], strict=True):
                if id not in self.properties[object]:
                    raise Refusal(errno.ENOENT, f"object {object} has no property {id}")
                if self.properties[object][id][1] & IMMUTABLE:
                    raise Refusal(errno.EINVAL, "immutable")
                self.check_value(object, id, value)
                found.setdefault(object, {})[id] = value
            at += count
        return found

    def begin(self, file, planes, user_data, event):
        for id in planes.values():
            if id:
                for memory in self.framebuffer(id).objects:
                    memory.check_idle(self.path, reads=True)
                    if memory.owner and not memory.owner[0].output:
                        self.kernel.complain(f"{memory.label} is shown while {memory.owner[0].device.path} fills it")
        self.pending = (file, planes, user_data, event)
        if self.auto:
            self.flip()

    def verify(self):
        for client in self.clients.values() if not self.gone else ():
            client.verify(self.path)
