"""The controls of an open device."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from zcore._v4l2_device import V4l2Device
from zcore._v4l2_ext_controls import ControlDescription, describe_all, get_raw, set_raw
from zcore.controls import values
from zcore.controls.control import Control, refused, spell
from zcore.controls.errors import ControlError, UnknownControlError, nearest
from zcore.controls.kinds import CUR_VAL, ControlFlag, ControlType
from zcore.controls.watch import ControlWatch, Notifier
from zcore.stages.structures import as_fields, plain_name

Wishes = Mapping[Any, Any] | str
HARDWARE = (5, 6, 110, 121)  # EIO, ENXIO, ETIMEDOUT, EREMOTEIO: validation never says these
CURES = {13: "it is read-only", 16: "it cannot change while the device streams", 34: "see its range"}


class Granted(dict[str, Any]):
    """What a driver granted, by name.

    Attributes
    ----------
    adjusted : dict
        Name to what was asked for, of those that the driver set to something else.
    notes : list of str
        Sentences about these, and about controls that are without effect now (inactive).
    """

    def __init__(self, granted: Mapping[str, Any] = {}):
        super().__init__(granted)
        self.adjusted: dict[str, Any] = {}
        self.notes: list[str] = []


class Controls:
    """The controls of an open device, by name.

    How am I supposed to use this? ``camera.controls.brightness = 10`` sets one, ``camera.controls.brightness`` reads
    it, ``camera.controls["brightness"]`` is the :class:`Control` with its range; ``controls.set({...})`` sets several
    in one call. Names are v4l2-ctl's; case and punctuation do not matter. It works from any thread while the stage is
    open, also while it streams.
    """

    def __init__(
        self,
        device: V4l2Device,
        stage: str = "",
        busy: Callable[[], str] | None = None,
        changed: Callable[[], None] | None = None,
    ):
        set_ = object.__setattr__
        set_(self, "device", device)
        set_(self, "_stage", stage)
        set_(self, "_busy", busy or (lambda: ""))  # says why the layout of buffers cannot change now
        set_(self, "_changed", changed or (lambda: None))  # the layout of buffers may have changed
        set_(self, "_menus", {})
        set_(self, "_known", None)
        set_(self, "_classes", {})

    device: V4l2Device
    _stage: str
    _busy: Callable[[], str]
    _changed: Callable[[], None]
    _menus: dict[int, dict[int, str | int]]
    _known: dict[str, Control] | None
    _classes: dict[int, str]

    def refresh(self) -> None:
        """List the controls again; needed only for drivers whose list changes while they are open."""
        known: dict[str, Control] = {}
        for info in describe_all(self.device):
            if info.type == ControlType.CTRL_CLASS:
                self._classes[info.id & 0x0FFF0000] = info.name
            elif not info.flags & ControlFlag.DISABLED:
                name = spell(info)
                if name in known:  # drivers do that; the number tells them apart
                    name = f"{name}_{info.id:08x}"
                known[name] = Control(self, info, name)
        object.__setattr__(self, "_known", known)

    def _all(self) -> dict[str, Control]:
        if self._known is None:
            self.refresh()
        assert self._known is not None
        return self._known

    @property
    def who(self) -> str:
        """Stage and device, for messages."""
        where = f"{self.device.path}, {self.device.card}" if self._stage else f"{self.device.path} ({self.device.card})"
        return f"{self._stage} ({where})" if self._stage else where

    def class_name(self, id: int) -> str:
        """Name the class of a control as the driver does."""
        return self._classes.get(id & 0x0FFF0000, "")

    def menu_of(self, id: int, read: Callable[[], dict[int, str | int]]) -> dict[int, str | int]:
        """Remember what a menu says."""
        if id not in self._menus:
            self._menus[id] = read()
        return self._menus[id]

    def __getitem__(self, name: str | int) -> Control:
        known = self._all()
        if isinstance(name, Control):
            name = name.id
        if isinstance(name, int):
            for control in known.values():
                if control.id == name:
                    return control
            raise UnknownControlError(f"{self.who} has no control {name:#x}", str(name))
        plain = plain_name(str(name))
        if plain in known:
            return known[plain]
        raise UnknownControlError(f"{self.who} has no control {str(name)!r}; {nearest(plain, known)}", plain)

    def __setitem__(self, name: str | int, value: Any) -> None:
        self.set_one(name, value)

    def __contains__(self, name: object) -> bool:
        try:
            self[name]  # type: ignore[index]
        except UnknownControlError:
            return False
        return True

    def __iter__(self) -> Iterator[Control]:
        return iter(list(self._all().values()))

    def __len__(self) -> int:
        return len(self._all())

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self._all()]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # asked by copy, pickle, inspect and the like
            raise AttributeError(name)
        return self[name].value

    def __setattr__(self, name: str, value: Any) -> None:
        if name in Controls.__annotations__ or hasattr(type(self), name):
            raise AttributeError(f"{name!r} is a method of Controls; for a control of that name: controls[{name!r}]")
        self.set_one(name, value)

    def __repr__(self) -> str:
        state = "closed" if self.device.fd.closed else f"{len(self)} controls"
        return f"<Controls of {self.who}, {state}>"

    def keys(self) -> list[str]:
        """List the names."""
        return list(self._all())

    # Reading

    def get(self, names: Iterable[str | int] | None = None) -> dict[str, Any]:
        """Read several in one call (VIDIOC_G_EXT_CTRLS).

        Parameters
        ----------
        names : iterable of str, optional
            Which; left out: all that have a value.
        """
        if isinstance(names, (str, int)):
            names = [names]
        chosen = [self[name] for name in names] if names is not None else [one for one in self if one.readable]
        if not chosen:
            return {}
        infos = [control.describe() for control in chosen]
        for control, info in zip(chosen, infos, strict=True):
            control.check_readable(info)
        found = self._read(chosen, infos, CUR_VAL)
        return dict(zip([control.name for control in chosen], found, strict=True))

    def read_special(self, info: ControlDescription, which: int) -> Any:
        """Read the default, the minimum or the maximum of an array or a structure; ``None`` where there is none."""
        code, _, raw = get_raw(self.device, [(info.id, values.payload_size(info))], which)
        return None if code else values.decode(info, raw[0])

    def _read(self, chosen: list[Control], infos: list[ControlDescription], which: int) -> list[Any]:
        wanted = [(info.id, values.payload_size(info)) for info in infos]
        code, index, raw = get_raw(self.device, wanted, which)
        if code == 28:  # ENOSPC: a dynamic array, or a text, that has grown meanwhile
            infos = [control.describe() for control in chosen]
            wanted = [(info.id, values.payload_size(info)) for info in infos]
            code, index, raw = get_raw(self.device, wanted, which)
        if code:
            who = chosen[index].name if index >= 0 else ", ".join(one.name for one in chosen[:8])
            raise refused(code, "VIDIOC_G_EXT_CTRLS", self._where, f"control {who} could not be read")
        return [
            values.decode(info, one, control.menu) for control, info, one in zip(chosen, infos, raw, strict=True)
        ]  # fmt: skip

    @property
    def _where(self) -> str:
        return f"{self._stage} ({self.device.path})" if self._stage else self.device.path

    def snapshot(self) -> dict[str, Any]:
        """Read all that can be set again, for :meth:`set`: neither buttons nor read-only nor volatile ones."""
        keep = [
            control.name for control in self
            if control.readable and not control.flags & (ControlFlag.READ_ONLY | ControlFlag.VOLATILE)
        ]  # fmt: skip
        return {name: _lasting(value) for name, value in self.get(keep).items()} if keep else {}

    # Setting

    def set_one(self, name: str | int, value: Any) -> None:
        """Set one, and warn where the driver did not do quite that."""
        for note in self.set({self[name].id: value}).notes:
            warnings.warn(note, RuntimeWarning, stacklevel=3)

    def set(self, wishes: Wishes) -> Granted:
        """Set several in one call (VIDIOC_S_EXT_CTRLS): all or none, as far as the driver goes.

        Parameters
        ----------
        wishes : mapping or str
            Names to values, or a structure string such as ``brightness=10,power_line_frequency=50 Hz``. A menu takes
            an entry's index or text, a button anything, an array what numpy makes an array of its shape.

        Returns
        -------
        Granted
            A dict of what was granted.

        Raises
        ------
        UnknownControlError
            No such control; names the nearest.
        ControlError
            A value is none for its control, or the control is read-only; nothing was set.
        DeviceError
            The driver refused one; says which, and whether others were set before it.
        """
        return self._apply(wishes, test=False)

    def try_(self, wishes: Wishes) -> Granted:
        """Ask what would be granted, and change nothing (VIDIOC_TRY_EXT_CTRLS)."""
        return self._apply(wishes, test=True)

    def reset(self) -> Granted:
        """Set all controls that can be set now to their defaults."""
        wishes = {}
        for control in self:
            if control.writable and control.readable and not control.flags & ControlFlag.VOLATILE:
                default = control.default
                if default is not None:
                    wishes[control.id] = default
        return self.set(wishes)

    def _apply(self, wishes: Wishes, *, test: bool) -> Granted:
        chosen: dict[int, tuple[Control, Any]] = {}
        for name, value in (as_fields(wishes) if isinstance(wishes, str) else wishes).items():
            control = self[name]
            if control.id in chosen:
                raise ControlError(f"control {control.name!r} is set twice", control.name)
            chosen[control.id] = control, value
        if not chosen:
            return Granted()
        controls = [control for control, _ in chosen.values()]
        infos = [control.describe() for control in controls]
        raw = [self._encode(c, info, chosen[c.id][1], test) for c, info in zip(controls, infos, strict=True)]
        code, index, granted = set_raw(self.device, raw, CUR_VAL, 0, test)
        if code:
            raise self._refusal(code, index, controls, [value for _, value in chosen.values()], test)
        layout = any(info.flags & ControlFlag.MODIFY_LAYOUT for info in infos)
        if layout and not test:
            self._changed()
        return self._granted(controls, infos, raw, granted)

    def _encode(self, control: Control, info: ControlDescription, value: Any, test: bool) -> Any:
        if info.flags & ControlFlag.READ_ONLY:
            raise ControlError(f"{self.device.path}: control {control.name} is read-only", control.name)
        if info.flags & ControlFlag.MODIFY_LAYOUT and not test and (reason := self._busy()):
            raise ControlError(
                f"{self.device.path}: control {control.name} changes the layout of buffers (modify-layout), and "
                f"{reason}: set it before, or stop and free them first",
                control.name,
            )
        try:
            return values.encode(self.device, info, value, control.menu)
        except ControlError as error:
            hint = self._would_grant(control, info, value)
            raise ControlError(f"{error}{hint}", control.name) from None

    def _would_grant(self, control: Control, info: ControlDescription, value: Any) -> str:
        """Say what the driver makes of a number that is out of range."""
        if info.type not in values.INTEGERS or values.has_payload(info) or isinstance(value, (str, bytes, float)):
            return ""
        try:
            wide = info.type == ControlType.INTEGER64
            raw = int(value).to_bytes(8, "little" if values.LITTLE else "big", signed=True) if wide else int(value)
            if isinstance(raw, int) and not -(1 << 31) <= raw < 1 << 31:
                return ""
            one: Any = (info.id, raw, True) if isinstance(raw, bytes) else (info.id, raw)
            code, _, granted = set_raw(self.device, [one], CUR_VAL, 0, True)
        except (TypeError, ValueError, OverflowError):
            return ""
        return "" if code else f" (the driver would grant {values.decode(info, granted[0], control.menu)})"

    def _granted(self, controls: list[Control], infos: list[ControlDescription], raw: Any, granted: Any) -> Granted:
        found = Granted()
        for control, info, asked, got in zip(controls, infos, raw, granted, strict=True):
            wish = asked[1] if isinstance(asked[1], bytes) else values.pack(asked[1])
            found[control.name] = values.decode(info, got, control.menu)
            if info.type == ControlType.BUTTON:
                found[control.name] = None
            elif got != wish and found[control.name] != (was := values.decode(info, wish, control.menu)):
                found.adjusted[control.name] = was
                found.notes.append(
                    f"{self._where}: {control.name} was asked for {was!r}, and the driver granted "
                    f"{found[control.name]!r}"
                )
            if info.flags & ControlFlag.INACTIVE:
                found.notes.append(
                    f"{self._where}: {control.name} is inactive: another control, such as an automatic mode, makes it "
                    "without effect for now"
                )
        return found

    def _refusal(self, code: int, index: int, controls: list[Control], wishes: list[Any], test: bool) -> Exception:
        if index < 0:  # TRY_EXT_CTRLS finds nothing wrong with a grabbed one, and only S_EXT_CTRLS refuses it
            grabbed = [i for i, control in enumerate(controls) if control.flags & ControlFlag.GRABBED]
            index = grabbed[0] if code == 16 and grabbed else 0 if len(controls) == 1 else -1
            before = ""
        else:
            before = ", ".join(control.name for control in controls[:index])
        names = ", ".join(control.name for control in controls)
        which = f"{controls[index].name}={values.short(wishes[index])}" if index >= 0 else f"(one of {names})"
        call = "VIDIOC_TRY_EXT_CTRLS" if test else "VIDIOC_S_EXT_CTRLS"
        what = f"control {which} was refused"
        if before and not test and code in HARDWARE:
            what += f", after {before} had been set"
        return refused(code, call, self._where, what, CURES.get(code, ""))

    # Events

    def watch(self, *names: str | int, timeout: float | None = None, initial: bool = False) -> ControlWatch:
        """Iterate over changes of controls (V4L2_EVENT_CTRL), whoever makes them.

        Parameters
        ----------
        *names : str
            Which; left out: all.
        timeout : float, optional
            Seconds without a change after which the iteration ends; left out: it never does.
        initial : bool
            Begin with what is set now.
        """
        chosen = [self[name] for name in names] or list(self)
        return ControlWatch(self, chosen, timeout, initial)

    def on_change(self, callback: Callable[[Any], object], *names: str | int, initial: bool = False) -> Notifier:
        """Call a function with each change, in a thread of its own; ends with the device, or with its ``close()``.

        Parameters
        ----------
        callback : callable
            Gets a :class:`ControlChange`.
        *names, initial
            As for :meth:`watch`.
        """
        return Notifier(self.watch(*names, initial=initial), callback)


def _lasting(value: Any) -> Any:
    return value.copy() if hasattr(value, "copy") else value
