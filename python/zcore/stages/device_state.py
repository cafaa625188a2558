"""The state of a V4L2 capture or output device beside its format: connector, signal, rectangles, colours, priority."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from zcore import _v4l2_inputs as native
from zcore._v4l2_device import V4l2Device
from zcore._v4l2_inputs import Connector, DvTimings
from zcore._v4l2_selection import Rect
from zcore.colorimetry import Colorimetry, parse
from zcore.errors import NegotiationError
from zcore.stages import selection, timings
from zcore.stages.base import LinkCaps
from zcore.stages.fields import as_field
from zcore.stages.selection import Area
from zcore.stages.timings import Signal
from zcore.stages.v4l2_pad import V4l2Pad, caps_of


@dataclass
class Wishes:
    """What the user wants of the device's state; ``None`` leaves it as it is."""

    connector: str | int | None = None
    standard: str | int | None = None
    dv_timings: str | DvTimings | None = None
    crop: Area | None = None
    compose: Area | None = None
    field: int = 0
    colorimetry: Colorimetry | None = None
    priority: int | None = None


def make_wishes(
    connector: str | int | None,
    standard: str | int | None,
    dv_timings: str | DvTimings | None,
    crop: Area | None,
    compose: Area | None,
    field: str | int | None,
    colorimetry: str | Colorimetry | None,
    priority: str | None,
) -> Wishes:
    """Check what can be checked before any device is opened."""
    if standard is not None and dv_timings is not None:
        raise ValueError("an input has a television standard or DV timings, not both: leave one out")
    if priority is not None and priority not in timings.PRIORITIES:
        raise ValueError(f"priority is one of {', '.join(timings.PRIORITIES)}, not {priority!r}")
    return Wishes(
        connector,
        standard,
        dv_timings,
        selection.as_area(crop, "crop"),
        selection.as_area(compose, "compose"),
        as_field(field),
        parse(colorimetry) if colorimetry is not None else None,
        timings.PRIORITIES[priority] if priority is not None else None,
    )


class DeviceState:
    """What capture and output stages can tell of their device while it is open, and change.

    After each change the format is read again, because drivers change it on their own then.
    """

    name: str
    device: str
    wishes: Wishes
    caps: LinkCaps | None
    _pad: V4l2Pad | None

    def _opened(self) -> V4l2Pad:
        if self._pad is None:
            raise ValueError(f"{self.name} ({self.device}) is not open; use it in 'with' or in a chain")
        return self._pad

    def _raw(self) -> V4l2Device:
        return self._opened().device

    def apply_state(self, pad: V4l2Pad) -> None:
        """Set what comes before the format: priority, connector, signal, and the part of the picture."""
        wishes, device = self.wishes, pad.device
        if wishes.priority is not None:
            native.priority(device, wishes.priority)
        if wishes.connector is not None:
            timings.choose_connector(device, wishes.connector, pad.is_output)
        if wishes.standard is not None:
            timings.choose_standard(device, wishes.standard)
        if wishes.dv_timings is not None:
            timings.choose_timings(device, wishes.dv_timings)
        pad.forget()
        pad.field, pad.colours = wishes.field, wishes.colorimetry
        for name, area in self._areas():
            selection.write(device, pad.type, name, area, who=self.name)

    def apply_areas(self, caps: LinkCaps) -> LinkCaps:
        """Set the rectangles for the format that is set now, which may have changed them; gives the format after it."""
        pad = self._opened()
        for name, area in self._areas():
            selection.write(pad.device, pad.type, name, area, who=self.name)
        if not self._areas():
            return caps
        after = caps_of(pad.device.get_format(pad.type), caps.rate)
        return after if (after, after.memory_planes) != (caps, caps.memory_planes) else caps

    def _areas(self) -> list[tuple[str, Area]]:
        both = (("crop", self.wishes.crop), ("compose", self.wishes.compose))
        return [(name, area) for name, area in both if area is not None]

    def reread(self, what: str) -> None:
        """Read the format again after a change of something else."""
        pad = self._opened()
        pad.forget()
        if self.caps is None:
            return
        now = caps_of(pad.device.get_format(pad.type), self.caps.rate)
        same = (now.format, now.size, now.memory_planes) == (self.caps.format, self.caps.size, self.caps.memory_planes)
        if not same and pad.queue.state != "empty":
            raise NegotiationError(
                f"{self.name} ({self.device}): {what} made {now} of {self.caps}, and the buffers are for the "
                "old format; close the stage and open it anew"
            )
        self.caps = replace(now, features=self.caps.features)

    def state_facts(self) -> dict[str, Any]:
        """Tell where the driver granted another rectangle than was asked for."""
        found: dict[str, Any] = {}
        for name, area in self._areas() if self._pad is not None else ():
            now = selection.read(self._raw(), self._opened().type, name)
            if now is not None and tuple(now) != tuple(area):
                found[name] = selection.text(now)
        return found

    # Rectangles

    def select(self, target: str, area: Area, flags: str | Sequence[str] = ()) -> Rect:
        """Set a rectangle, and say how it may differ.

        Parameters
        ----------
        target : str
            ``crop`` or ``compose``.
        area : (int, int, int, int) or Margins
            Left, top, width, height in pixels.
        flags : str or sequence of str
            ``le``: it must lie in `area`; ``ge``: it must contain it; both: exactly this; ``keep_config``: nothing
            else may change for it. Old drivers (S_CROP) have no flags.

        Returns
        -------
        Rect
            What was granted.
        """
        if target not in ("crop", "compose"):
            raise ValueError(f"crop and compose can be set, not {target!r}")
        checked = selection.as_area(area, target)
        bits = selection.flag_bits(flags)
        pad = self._opened()
        assert checked is not None
        granted = selection.write(pad.device, pad.type, target, checked, bits, self.name)
        setattr(self.wishes, target, checked)
        self.reread(f"{target} {selection.text(granted)}")
        return granted

    def _rect(self, name: str) -> Rect | None:
        pad = self._opened()
        return selection.read(pad.device, pad.type, name)

    @property
    def crop(self) -> Rect | None:
        """The part of the picture that is taken; ``None`` where the device cannot crop. Can be set while open."""
        return self._rect("crop")

    @crop.setter
    def crop(self, area: Area) -> None:
        self.select("crop", area)

    @property
    def crop_default(self) -> Rect | None:
        """The part that holds the whole picture."""
        return self._rect("crop_default")

    @property
    def crop_bounds(self) -> Rect | None:
        """Where a crop must lie."""
        return self._rect("crop_bounds")

    @property
    def compose(self) -> Rect | None:
        """Where in the buffer (of an output: on the screen) the picture is put. Can be set while open."""
        return self._rect("compose")

    @compose.setter
    def compose(self, area: Area) -> None:
        self.select("compose", area)

    @property
    def compose_default(self) -> Rect | None:
        """Where it is put by default."""
        return self._rect("compose_default")

    @property
    def compose_bounds(self) -> Rect | None:
        """Where it may be put."""
        return self._rect("compose_bounds")

    @property
    def compose_padded(self) -> Rect | None:
        """What the device may overwrite of the buffer, with padding."""
        return self._rect("compose_padded")

    @property
    def native_size(self) -> Rect | None:
        """Size of the sensor or of the signal."""
        return self._rect("native_size")

    # Connectors and signals

    @property
    def connectors(self) -> list[Connector]:
        """Inputs of a capture device, outputs of an output device."""
        return native.connectors(self._raw(), self._opened().is_output)

    @property
    def connector(self) -> Connector | None:
        """The one that is chosen; set it by number or name."""
        return timings.present_connector(self._raw(), self._opened().is_output)

    @connector.setter
    def connector(self, wanted: str | int) -> None:
        self.wishes.connector = timings.choose_connector(self._raw(), wanted, self._opened().is_output).number
        self.reread("the new connector")

    @property
    def standards(self) -> list[str]:
        """Television standards that the present connector knows."""
        return [one.name for one in native.standards(self._raw())]

    @property
    def standard(self) -> str | None:
        """The television standard that is set; ``None`` where there are none. Set it by name, or to ``auto``."""
        id = native.get_standard(self._raw())
        return timings.standard_name(id, native.standards(self._raw())) if id is not None else None

    @standard.setter
    def standard(self, wanted: str | int) -> None:
        timings.choose_standard(self._raw(), wanted)
        self.wishes.standard, self.wishes.dv_timings = wanted, None
        self.reread("the new standard")

    @property
    def dv_timings_list(self) -> list[DvTimings]:
        """DV timings that the present connector knows."""
        return native.dv_timings(self._raw())

    @property
    def dv_timings(self) -> DvTimings | None:
        """The DV timings that are set; ``None`` where there are none. Set them by name, or to ``auto``."""
        return native.get_dv_timings(self._raw())

    @dv_timings.setter
    def dv_timings(self, wanted: str | DvTimings) -> None:
        timings.choose_timings(self._raw(), wanted)
        self.wishes.dv_timings, self.wishes.standard = wanted, None
        self.reread("the new timings")

    def signal(self) -> Signal:
        """Look at the signal now: its status in words, and the standard or the timings that it has."""
        return timings.read_signal(self._raw())

    def edid(self) -> bytes:
        """Read the EDID: what an HDMI input shows to the source, or what the screen at an output shows."""
        index = native.connector(self._raw(), self._opened().is_output)
        return native.edid(self._raw(), index or 0)

    @property
    def priority(self) -> str | None:
        """Highest priority that anybody has on the device; ``None`` where it has none."""
        found = native.priority(self._raw())
        return next((name for name, number in timings.PRIORITIES.items() if number == found), None)

    @property
    def colorimetry(self) -> Colorimetry | None:
        """Colours of the frames, as far as the format is set."""
        return self.caps.colorimetry if self.caps is not None else None
