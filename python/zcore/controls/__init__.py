"""Controls of V4L2 devices, and their events."""

from zcore.controls.collection import Controls, Granted
from zcore.controls.control import Control
from zcore.controls.errors import ControlError, UnknownControlError
from zcore.controls.events import DeviceEvent, EventWatch
from zcore.controls.kinds import Area, ContentLightLevel, MasteringDisplay, MenuEntry, Rect, structure_dtype
from zcore.controls.watch import ControlChange, ControlWatch

__all__ = [
    "Area",
    "ContentLightLevel",
    "Control",
    "ControlChange",
    "ControlError",
    "ControlWatch",
    "Controls",
    "DeviceEvent",
    "EventWatch",
    "Granted",
    "MasteringDisplay",
    "MenuEntry",
    "Rect",
    "UnknownControlError",
    "structure_dtype",
]
