"""What stages on V4L2 devices have of controls and events."""

from __future__ import annotations

from typing import Any

from zcore._v4l2_device import V4l2Device
from zcore.controls.collection import Controls
from zcore.controls.events import EventWatch


class ControlsMixin:
    """Controls and events of a stage that has a V4L2 device open."""

    name: str
    device: str
    _device: V4l2Device | None
    _controls: Controls | None = None

    def _queues(self) -> list[Any]:
        """Give the pads whose buffers have a layout."""
        pads = getattr(self, "_pads", None) or (getattr(self, "_pad", None),)
        return [pad for pad in pads if pad is not None]

    @property
    def controls(self) -> Controls:
        """The device's controls, by name, while it is open; it is opened where it is not.

        Also from other threads, while frames flow.
        """
        if self._device is None:
            self.open()  # type: ignore[attr-defined]
        device = self._device
        assert device is not None
        if self._controls is None or self._controls.device is not device:
            self._controls = Controls(device, self.name, self._why_busy, self._layout_changed)
        return self._controls

    def watch_events(self, *types: str, timeout: float | None = None) -> EventWatch:
        """Iterate over events of the device; those that a running chain waits for reach both.

        Parameters
        ----------
        *types : str
            ``eos``, ``frame_sync``, ``source_change``, ``motion_det``, ``vsync``.
        timeout : float, optional
            Seconds without one after which the iteration ends; left out: it never does.

        Raises
        ------
        UnsupportedError
            The driver lacks one of them.
        """
        return EventWatch(self.controls.device, types, timeout)

    def _why_busy(self) -> str:
        return next(
            (f"{pad.name} has buffers allocated" for pad in self._queues() if pad.queue.state not in ("empty", "gone")),
            "",
        )

    def _layout_changed(self) -> None:
        """Forget what was read of formats: they may be others now."""
        for pad in self._queues():
            pad.forget()
        if hasattr(self, "caps"):
            setattr(self, "caps", None)  # noqa: B010 - not every stage has it
