"""A fake card with two CRTCs, a monitor on each. Commits that block do so until the test lets them go on."""

import errno
import threading

from .drm import NONBLOCK, TEST_ONLY, FakeCard
from .drm_properties import CONNECTOR, CRTC, PLANE_PROPERTIES, PRIMARY, UNPLUGGED
from .kernel import Refusal
from .structs import U32, read_array

CRTC_2, ENCODER_2, PRIMARY_2, CONNECTOR_2 = 41, 46, 33, UNPLUGGED
LONG = 30


class FakeHeads(FakeCard):
    """A card with two screens.

    Attributes
    ----------
    hold : bool
        Whether commits that block wait for :meth:`let_go`.
    takes_along : bool
        Whether a commit that blocks keeps both CRTCs busy, as a mode that needs their common clocks does.
    blocked : threading.Event
        Somebody is in such a commit.
    """

    def __init__(self, kernel, *arguments, **options):
        self.pendings, self.actives, self.busy = {}, {}, set()
        self.hold = self.takes_along = False
        self.blocked, self.released = threading.Event(), threading.Event()
        super().__init__(kernel, *arguments, **options)
        self.shown[PRIMARY_2] = 0
        self.plugged = {CONNECTOR, CONNECTOR_2}

    @property
    def pending(self):
        return self.pendings.get(self.head)

    @pending.setter
    def pending(self, value):
        self.pendings[self.head] = value

    @property
    def active(self):
        return self.actives.get(self.head, 0)

    @active.setter
    def active(self, value):
        self.actives[self.head] = value

    def closed(self, file):
        self.pendings = {head: one for head, one in self.pendings.items() if one and one[0] is not file}
        super().closed(file)

    def make_properties(self):
        super().make_properties()
        self.properties[CRTC_2] = {id: list(entry) for id, entry in self.properties[CRTC].items()}
        self.properties[PRIMARY_2] = {}
        for number, (name, (flags, value, limits)) in enumerate(PLANE_PROPERTIES.items(), 200):
            value = {"type": 1, "IN_FORMATS": 900}.get(name, value)
            self.properties[PRIMARY_2][number] = [name, flags, value]
            self.limits[number] = limits

    def flip(self, head=None):
        """Let the vertical blank of a CRTC come."""
        with self.kernel.lock:
            before, self.head = self.head, head or self.head
            try:
                super().flip()
            finally:
                self.head = before

    def let_go(self):
        """Let the commit that blocks go on, and all after it."""
        self.hold = False
        self.released.set()

    # Objects

    def drm_ioctl_mode_getresources(self, file, res):
        self.counted(res, "count_crtcs", "crtcs", [CRTC, CRTC_2])
        self.counted(res, "count_connectors", "connectors", [CONNECTOR, CONNECTOR_2])

    def drm_ioctl_mode_getconnector(self, file, conn):
        super().drm_ioctl_mode_getconnector(file, conn)
        if conn.connector_id == CONNECTOR_2:
            if conn.encoders:
                self.counted(conn, "count_encoders", "encoders", [ENCODER_2])
            conn.encoder_id = ENCODER_2

    def drm_ioctl_mode_getencoder(self, file, encoder):
        if encoder.encoder_id != ENCODER_2:
            return super().drm_ioctl_mode_getencoder(file, encoder)
        encoder.possible_crtcs, encoder.crtc_id = 2, CRTC_2
        return None

    def drm_ioctl_mode_getplaneresources(self, file, res):
        self.counted(res, "count_planes", "planes", list(self.shown))

    def drm_ioctl_mode_getplane(self, file, plane):
        super().drm_ioctl_mode_getplane(file, plane)
        if plane.plane_id == PRIMARY_2:
            plane.possible_crtcs = 2
            plane.crtc_id = CRTC_2 if plane.fb_id else 0

    def drm_ioctl_mode_getcrtc(self, file, crtc):
        if crtc.crtc_id not in (CRTC, CRTC_2):
            raise Refusal(errno.ENOENT, f"CRTC {crtc.crtc_id}")
        crtc.fb_id = self.shown[PRIMARY if crtc.crtc_id == CRTC else PRIMARY_2]
        crtc.mode_valid = self.actives.get(crtc.crtc_id, 0)
        if crtc.mode_valid:
            crtc.mode = self.mode()

    def drm_ioctl_mode_obj_getproperties(self, file, argument):
        known = {CRTC_2: 0xCCCCCCCC, PRIMARY_2: 0xEEEEEEEE}
        if argument.obj_id not in known:
            return super().drm_ioctl_mode_obj_getproperties(file, argument)
        if known[argument.obj_id] != argument.obj_type:
            raise Refusal(errno.ENOENT, f"object {argument.obj_id}")
        return self.tell_properties(argument)

    # Showing

    def drm_ioctl_mode_atomic(self, file, argument):
        objects = set(read_array(argument.objs, U32, argument.count_objs))
        second = objects & {CRTC_2, PRIMARY_2, CONNECTOR_2}
        if second and objects & {CRTC, PRIMARY, CONNECTOR}:
            raise Refusal(errno.EINVAL, "a commit to two CRTCs, which nobody should need here")
        self.head = CRTC_2 if second else CRTC
        heads = {CRTC, CRTC_2} if self.takes_along else {self.head}
        if argument.flags & NONBLOCK and self.busy & {self.head}:
            raise Refusal(errno.EBUSY, "a commit that blocks is on its way")
        if argument.flags & (NONBLOCK | TEST_ONLY) or not self.hold:
            super().drm_ioctl_mode_atomic(file, argument)
            return
        head, self.busy = self.head, self.busy | heads
        self.blocked.set()
        self.kernel.lock.release()  # the kernel does others' calls meanwhile
        try:
            assert self.released.wait(LONG)
        finally:
            self.kernel.lock.acquire()
            self.busy -= heads
        self.head = head
        super().drm_ioctl_mode_atomic(file, argument)
