"""One control of an open device."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zcore._v4l2_controls import menu as read_menu
from zcore._v4l2_ext_controls import ControlDescription, describe
from zcore.controls import values
from zcore.controls.errors import ControlError
from zcore.controls.kinds import CLASSES, DEF_VAL, MAX_VAL, MIN_VAL, ControlFlag, ControlType, type_name
from zcore.errors import make_error
from zcore.stages.structures import plain_name

if TYPE_CHECKING:
    from zcore.controls.collection import Controls

REFERENCE = "Linux media documentation, ioctls VIDIOC_QUERYCTRL"


class Control:
    """A control of an open device: its value, its range, its flags.

    How am I supposed to use this? ``camera.controls["brightness"].value = 10``. What can change while the device is
    open (range, flags, value) is asked of the driver each time. Values are: int; bool; str; :class:`MenuEntry` (an int
    that knows its text) for menus; numpy arrays; :class:`Area`, :class:`Rect` and the like, or numpy structures.

    Attributes
    ----------
    id : int
        V4L2_CID_*.
    name : str
        As v4l2-ctl spells it: ``power_line_frequency``.
    label : str
        As the driver spells it: ``Power Line Frequency``.
    type : str
        V4L2_CTRL_TYPE_* in lower case: integer, boolean, menu, u16, area, h264_sps; a number where it is a new one.
    """

    id: int = 0
    name: str = ""
    label: str = ""
    type: str = ""

    def __init__(self, owner: Controls, info: ControlDescription, name: str):
        self._owner = owner
        self._first = info
        self.id = info.id
        self.name = name
        self.label = info.name
        self.type = type_name(info.type)

    def describe(self) -> ControlDescription:
        """Ask the driver what it says about the control now (VIDIOC_QUERY_EXT_CTRL)."""
        return describe(self._owner.device, self.id) or self._first

    @property
    def klass(self) -> str:
        """Name of its class, such as ``Camera Controls``."""
        return self._owner.class_name(self.id) or CLASSES.get(self.id & 0x0FFF0000, "")

    @property
    def flags(self) -> ControlFlag:
        """V4L2_CTRL_FLAG_*, as they are now: grabbed and inactive come and go."""
        return ControlFlag(self.describe().flags)

    @property
    def minimum(self) -> Any:
        """Smallest value; shortest text; of an array, of each element; of a structure, where the driver tells."""
        return self._bound("minimum", MIN_VAL)

    @property
    def maximum(self) -> Any:
        """Largest value; longest text; of a bit mask, all bits that there are."""
        found = self._bound("maximum", MAX_VAL)
        return found & 0xFFFFFFFF if self._first.type == ControlType.BITMASK else found

    @property
    def step(self) -> int | None:
        """Distance of values; ``None`` where the type has none."""
        return None if self._structure else self.describe().step

    @property
    def default(self) -> Any:
        """Value after loading the driver, of arrays and structures too; ``None`` of a button or text without one."""
        info = self.describe()
        if info.type == ControlType.BUTTON:
            return None
        if values.has_payload(info):
            return self._owner.read_special(info, DEF_VAL)
        return values.number(info, info.default, self.menu)

    def _bound(self, which: str, special: int) -> Any:
        if not self._structure:
            return getattr(self.describe(), which)
        info = self.describe()
        if not info.flags & ControlFlag.HAS_WHICH_MIN_MAX:
            return None
        return self._owner.read_special(info, special)

    @property
    def _structure(self) -> bool:
        return self._first.type >= ControlType.AREA

    @property
    def elements(self) -> int:
        """How many elements it has now; 1 where it is no array."""
        return self.describe().elems or 1

    @property
    def shape(self) -> tuple[int, ...]:
        """Its dimensions, of a dynamic array the largest ones; empty where it is no array."""
        return tuple(self.describe().dims)

    @property
    def menu(self) -> dict[int, str | int]:
        """Entries of a menu by their index, which may have holes; numbers for an integer menu; empty for other types.

        Asked for once: what a menu says does not change.
        """
        if self._first.type not in values.MENUS:
            return {}
        return self._owner.menu_of(self.id, lambda: read_menu(self._owner.device, self._first))  # type: ignore[arg-type]

    @property
    def value(self) -> Any:
        """The value now. Setting warns (RuntimeWarning) where the driver grants another, or does not use it now.

        Raises
        ------
        ControlError
            It cannot be read or set, or does not take that value; says why.
        DeviceError
            The driver refused.
        """
        return self._owner.get([self.id])[self.name]

    @value.setter
    def value(self, value: Any) -> None:
        self._owner.set_one(self.id, value)

    def press(self) -> None:
        """Press a button."""
        if self._first.type != ControlType.BUTTON:
            raise ControlError(
                f"{self._owner.device.path}: {self.name} is of type {self.type} and no button", self.name
            )
        self._owner.set_one(self.id, 1)

    def reset(self) -> Any:
        """Set the default value; gives what was granted."""
        default = self.default
        if default is None:
            raise ControlError(f"{self._owner.device.path}: {self.name} has no default value", self.name)
        return self._owner.set({self.id: default})[self.name]

    @property
    def readable(self) -> bool:
        """Whether it has a value to read."""
        return not self.flags & (ControlFlag.WRITE_ONLY | ControlFlag.DISABLED) and self.type != "button"

    @property
    def writable(self) -> bool:
        """Whether it can be set now: neither read-only nor grabbed."""
        return not self.flags & (ControlFlag.READ_ONLY | ControlFlag.GRABBED | ControlFlag.DISABLED)

    def check_readable(self, info: ControlDescription) -> None:
        """Say why it has no value to read."""
        if info.flags & ControlFlag.WRITE_ONLY or info.type == ControlType.BUTTON:
            what = "a button" if info.type == ControlType.BUTTON else "write-only"
            raise ControlError(f"{self._owner.device.path}: control {self.name} is {what}: it has no value", self.name)

    def to_dict(self) -> dict[str, Any]:
        """Give everything about it as plain data, ready for JSON."""
        info = self.describe()
        flags = ControlFlag(info.flags)
        found: dict[str, Any] = {
            "id": self.id,
            "name": self.name,
            "label": self.label,
            "class": self.klass,
            "type": self.type,
            "flags": [flag.name.lower() for flag in ControlFlag if flag & flags and flag.name],
        }
        if not self._structure:
            found |= {"minimum": self.minimum, "maximum": self.maximum, "step": info.step}
        if info.dims:
            found |= {"dims": list(info.dims), "elems": info.elems}
        for key in ("default", "value"):
            if key == "value" and not self.readable:
                continue
            try:
                found[key] = plain(getattr(self, key))
            except OSError as error:
                found[key] = None
                found["problem"] = str(error)
        if self.menu:
            found["menu"] = {str(index): text for index, text in self.menu.items()}
        return found

    def __repr__(self) -> str:
        try:
            value = repr(self.value) if self.readable else "no value"
        except (OSError, ControlError, ValueError) as error:
            value = type(error).__name__
        return f"<Control {self.name} {self.type} {value if len(value) < 60 else value[:57] + '...'}>"


def plain(value: Any) -> Any:
    """Turn a value into what JSON has."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, tuple):
        return [plain(one) for one in value]
    return int(value) if isinstance(value, int) and not isinstance(value, bool) else value


def spell(info: ControlDescription) -> str:
    """Spell the name of a control as v4l2-ctl does; one without a name by its number."""
    return plain_name(info.name) or f"control_{info.id:08x}"


def refused(code: int, call: str, who: str, what: str, cure: str = "") -> Exception:
    """Make the error for a control that the driver refused."""
    return make_error(code, call, who, what, cure)
