"""A fake card of old: no atomic commits, no property for gamma, and the calls for it instead."""

import errno

from . import structs
from .drm import FakeCard
from .drm_properties import CRTC
from .kernel import Refusal
from .structs import read_array

U16 = structs.c.c_uint16


class FakeGammaCard(FakeCard):
    """A card whose CRTC has a gamma table of `entries`."""

    def __init__(self, kernel, *arguments, entries=8, **options):
        super().__init__(kernel, *arguments, atomic=False, **options)
        self.entries = entries
        self.straight = [round(i * 65535 / max(entries - 1, 1)) for i in range(entries)]
        self.gamma = [list(self.straight) for _ in range(3)]
        for name in ("GAMMA_LUT", "GAMMA_LUT_SIZE", "CTM"):
            del self.properties[CRTC][self.property_id(CRTC, name)]

    def drm_ioctl_mode_getcrtc(self, file, crtc):
        super().drm_ioctl_mode_getcrtc(file, crtc)
        crtc.gamma_size = self.entries

    def check_table(self, argument):
        if argument.crtc_id != CRTC:
            raise Refusal(errno.ENOENT, f"CRTC {argument.crtc_id}")
        if not self.entries:
            raise Refusal(errno.ENOSYS, "no gamma")
        if argument.gamma_size != self.entries:
            raise Refusal(errno.EINVAL, f"{argument.gamma_size} entries, not {self.entries}")

    def drm_ioctl_mode_getgamma(self, file, argument):
        self.check_table(argument)
        for address, table in zip((argument.red, argument.green, argument.blue), self.gamma, strict=True):
            structs.write_array(address, U16, table)

    def drm_ioctl_mode_setgamma(self, file, argument):
        self.need_master(file)
        self.check_table(argument)
        tables = (argument.red, argument.green, argument.blue)
        self.gamma = [read_array(address, U16, self.entries) for address in tables]
