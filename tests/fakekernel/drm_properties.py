"""The properties of the fake card's objects, and what values they take."""

import errno

from . import structs
from .kernel import Refusal
from .structs import U32, U64, write_array

CRTC, ENCODER, CONNECTOR, UNPLUGGED, PRIMARY, OVERLAY = 40, 45, 50, 51, 31, 32
OBJECT_TYPES = {0xCCCCCCCC: {CRTC}, 0xC0C0C0C0: {CONNECTOR, UNPLUGGED}, 0xEEEEEEEE: {PRIMARY, OVERLAY}}
RANGE, IMMUTABLE, ENUM, BLOB, BITMASK, OBJECT, SIGNED = 2, 4, 8, 16, 32, 0x40, 0x80
IN_FORMATS_BLOB = 900
ROTATIONS = {"rotate-0": 0, "rotate-90": 1, "rotate-180": 2, "rotate-270": 3, "reflect-x": 4, "reflect-y": 5}
# name -> flags, value, and the limits or the named values
PLANE_PROPERTIES = {
    "type": (ENUM | IMMUTABLE, 0, {"Overlay": 0, "Primary": 1, "Cursor": 2}),
    "FB_ID": (OBJECT, 0, None), "CRTC_ID": (OBJECT, 0, None), "IN_FORMATS": (BLOB | IMMUTABLE, 0, None),
    "SRC_X": (RANGE, 0, None), "SRC_Y": (RANGE, 0, None), "SRC_W": (RANGE, 0, None), "SRC_H": (RANGE, 0, None),
    "CRTC_X": (SIGNED, 0, None), "CRTC_Y": (SIGNED, 0, None), "CRTC_W": (RANGE, 0, None), "CRTC_H": (RANGE, 0, None),
    "rotation": (BITMASK, 1, ROTATIONS), "alpha": (RANGE, 0xFFFF, (0, 0xFFFF)), "zpos": (RANGE, 0, (0, 3)),
    "pixel blend mode": (ENUM, 0, {"Pre-multiplied": 0, "Coverage": 1, "None": 2}),
    "hue": (SIGNED, 0, (-180, 180)), "FB_DAMAGE_CLIPS": (BLOB, 0, None),
    "COLOR_ENCODING": (ENUM, 0, {"ITU-R BT.601 YCbCr": 0, "ITU-R BT.709 YCbCr": 1, "ITU-R BT.2020 YCbCr": 2}),
    "COLOR_RANGE": (ENUM, 0, {"YCbCr limited range": 0, "YCbCr full range": 1}),
}  # fmt: skip
CONNECTOR_PROPERTIES = {
    "CRTC_ID": (OBJECT, 0, None), "max bpc": (RANGE, 8, (6, 16)),
    "content type": (ENUM, 0, {"No Data": 0, "Graphics": 1, "Photo": 2, "Cinema": 3, "Game": 4}),
    "EDID": (BLOB | IMMUTABLE, 0, None), "HDR_OUTPUT_METADATA": (BLOB, 0, None),
    "vrr_capable": (RANGE | IMMUTABLE, 1, (0, 1)),
}  # fmt: skip


class FakeProperties:
    """What a card tells of the properties of its objects, and lets be set."""

    def make_properties(self):
        self.properties = {}  # object -> {property id: [name, flags, value]}
        self.limits = {}  # property id -> limits or named values
        number = 100
        for id in (PRIMARY, OVERLAY):
            self.properties[id] = {}
            for name, (flags, value, limits) in PLANE_PROPERTIES.items():
                value = {"type": int(id == PRIMARY), "IN_FORMATS": IN_FORMATS_BLOB}.get(name, value)
                self.properties[id][number] = [name, flags, value]
                self.limits[number] = limits
                number += 1
        self.properties[CRTC] = {
            160: ["ACTIVE", RANGE, 0], 161: ["MODE_ID", BLOB, 0], 162: ["GAMMA_LUT", BLOB, 0],
            163: ["GAMMA_LUT_SIZE", RANGE | IMMUTABLE, 256], 164: ["CTM", BLOB, 0], 165: ["VRR_ENABLED", RANGE, 0],
        }  # fmt: skip
        self.limits[165] = (0, 1)
        number = 170  # properties of connectors have one id for all of them
        for id in (CONNECTOR, UNPLUGGED):
            self.properties[id] = {}
            for at, (name, (flags, value, limits)) in enumerate(CONNECTOR_PROPERTIES.items(), number):
                self.properties[id][at] = [name, flags, value]
                self.limits[at] = limits

    def property_id(self, object, name):
        """Give a property's id."""
        return next(id for id, entry in self.properties[object].items() if entry[0] == name)

    def value(self, object, name):
        return self.properties[object][self.property_id(object, name)][2]

    def check_value(self, object, id, value):
        """As drm_property_change_valid_get()."""
        name, flags, _ = self.properties[object][id]
        limits = self.limits.get(id)
        if limits is None:
            return
        signed = value - (1 << 64) if value >> 63 else value
        if flags & SIGNED == SIGNED or flags & RANGE:
            fine = limits[0] <= (signed if flags & SIGNED == SIGNED else value) <= limits[1]
        elif flags & BITMASK:
            fine = not value & ~sum(1 << bit for bit in limits.values())
        else:
            fine = value in limits.values()
        if not fine:
            raise Refusal(errno.EINVAL, f"{name} = {value:#x}")
        if name == "rotation" and bin(value & 0xF).count("1") != 1:
            raise Refusal(errno.EINVAL, "a picture is turned once")

    def drm_ioctl_mode_obj_getproperties(self, file, argument):
        if argument.obj_id not in OBJECT_TYPES.get(argument.obj_type, ()):
            raise Refusal(errno.ENOENT, f"object {argument.obj_id}")
        self.tell_properties(argument)

    def tell_properties(self, argument):
        entries = self.properties[argument.obj_id]
        if argument.count_props >= len(entries) and argument.props:
            write_array(argument.props, U32, entries)
            write_array(argument.values, U64, [value for _, _, value in entries.values()])
        argument.count_props = len(entries)

    def drm_ioctl_mode_obj_setproperty(self, file, argument):
        self.need_master(file)
        if argument.obj_id not in OBJECT_TYPES.get(argument.obj_type, ()):
            raise Refusal(errno.ENOENT, f"object {argument.obj_id}")
        if argument.prop_id not in self.properties[argument.obj_id]:
            raise Refusal(errno.EINVAL, f"property {argument.prop_id}")
        if self.properties[argument.obj_id][argument.prop_id][1] & IMMUTABLE:
            raise Refusal(errno.EINVAL, "immutable")
        self.check_value(argument.obj_id, argument.prop_id, argument.value)
        self.properties[argument.obj_id][argument.prop_id][2] = argument.value

    def drm_ioctl_mode_getproperty(self, file, argument):
        for entries in self.properties.values():
            if argument.prop_id in entries:
                name, argument.flags, _ = entries[argument.prop_id]
                argument.name = name.encode()
                limits = self.limits.get(argument.prop_id)
                named = [(value, text.encode()) for text, value in limits.items()] if isinstance(limits, dict) else []
                if argument.count_enum_blobs >= len(named) and argument.enums:
                    for i, (value, text) in enumerate(named):
                        raw = bytes(structs.PropertyEnum(value, text))
                        structs.c.memmove(argument.enums + i * len(raw), raw, len(raw))
                argument.count_enum_blobs = len(named)
                numbers = (
                    [n & 0xFFFFFFFFFFFFFFFF for n in limits] if isinstance(limits, tuple) else [v for v, _ in named]
                )
                if argument.count_values >= len(numbers) and argument.values:
                    write_array(argument.values, U64, numbers)
                argument.count_values = len(numbers)
                return
        raise Refusal(errno.ENOENT, f"property {argument.prop_id}")
