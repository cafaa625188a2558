"""Requests: controls and buffers that a driver applies together, for one frame.

For drivers whose media device has MEDIA_IOC_REQUEST_ALLOC: ``vivid``, ``vim2m``, stateless codecs, many ISPs.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Self

from zcore import _request
from zcore._fd import Fd
from zcore._frame import Frame
from zcore._v4l2 import Queue
from zcore._v4l2_device import ControlInfo, V4l2Device
from zcore.errors import DeviceError, make_error
from zcore.stages.v4l2_pad import V4l2Pad, caps_of, capture_type, output_type

_MIXED = (
    "a queue takes buffers either all within requests or all directly, until it is stopped and its buffers are freed"
)
_RULES = {
    ("VIDIOC_QBUF", 16): (_MIXED, "stop the queue, then use one way only"),
    ("VIDIOC_QBUF", 53): ("this queue takes buffers within requests only", "give it buffers with Request.queue()"),
    ("VIDIOC_QBUF in a request", 53): ("the queue has no requests", "queue its buffers directly, with give()"),
    ("MEDIA_REQUEST_IOC_QUEUE", 2): ("the request has no buffer, or lacks a control that the driver needs", ""),
    ("MEDIA_REQUEST_IOC_QUEUE", 16): ("the request was queued already", "wait for it, then reuse()"),
    ("MEDIA_REQUEST_IOC_REINIT", 16): ("the request is with the driver still", "wait for it first"),
    ("VIDIOC_G_EXT_CTRLS", 13): ("the controls of a request can be read when it is complete", "wait for it first"),
    ("VIDIOC_G_EXT_CTRLS", 16): ("the controls of a request can be read when it is complete", "wait for it first"),
    ("VIDIOC_S_EXT_CTRLS", 16): ("the request is with the driver, or complete", "reuse() it first"),
    ("MEDIA_IOC_REQUEST_ALLOC", 25): ("the driver has no requests", ""),
}


def media_device_of(path: str) -> str:
    """Find the media device that a video node belongs to.

    Parameters
    ----------
    path : str
        A V4L2 node, such as ``/dev/video0``.

    Raises
    ------
    DeviceError
        It has none: the driver has no media controller, and so no requests.
    """
    try:
        status = os.stat(path)
    except OSError as error:
        raise make_error(error.errno or 2, "stat", path) from error
    folder = f"/sys/dev/char/{os.major(status.st_rdev)}:{os.minor(status.st_rdev)}/device"
    found = sorted(glob.glob(f"{folder}/media[0-9]*"))
    if not found:
        raise make_error(
            19, "open", path, "its driver has no media device, and so no requests", "use a driver that has them"
        )
    return f"/dev/{os.path.basename(found[0])}"


def explained(error: DeviceError, within: bool = False) -> DeviceError:
    """Put the rules of requests into an error that has none.

    Parameters
    ----------
    within : bool
        Whether a buffer was queued within a request: EBADR (53) says the opposite then.
    """
    operation = error.operation.split()[0] if error.operation else ""
    code = error.errno or 0
    known = _RULES.get((f"{operation} in a request" if within else operation, code)) or _RULES.get((operation, code))
    if known is not None:
        error.cause, error.cure = known
    return error


class Request:
    """One request.

    How am I supposed to use this? Set controls, queue a buffer, submit, wait; then read what was applied, and use it
    again::

        camera_queue = buffers(device)
        start(camera_queue)
        request = Request(device)
        request.set_controls({"Brightness": 200})
        request.queue(camera_queue)
        request.submit()
        request.wait()
        frame = take(camera_queue)
        request.get_controls(["Brightness"])
        request.reuse()

    Parameters
    ----------
    device : V4l2Device
        Whose controls and buffers it carries.
    media : str, optional
        Its media device; found where left out.

    Raises
    ------
    DeviceError
        ENOTTY or ENODEV where the driver has no requests.
    """

    def __init__(self, device: V4l2Device, media: str | None = None):
        self.device = device
        self._controls: dict[str, ControlInfo] | None = None
        with Fd.open(media or media_device_of(device.path)) as opened:
            try:
                self._raw = _request.RawRequest(opened)
            except DeviceError as error:
                raise explained(error) from None

    def _control(self, name: str) -> ControlInfo:
        if self._controls is None:
            self._controls = {control.name.lower(): control for control in self.device.controls()}
        try:
            return self._controls[name.lower()]
        except KeyError:
            close = get_close_matches(name.lower(), self._controls, n=3, cutoff=0.4)
            hint = f"; did you mean {' or '.join(self._controls[one].name for one in close)}?" if close else ""
            raise ValueError(f"{self.device.path} has no control {name!r}{hint}") from None

    def set_controls(self, values: Mapping[str, int | bytes]) -> None:
        """Set controls within the request: they hold from its frame on.

        Parameters
        ----------
        values : mapping
            By the controls' names; bytes for a control with a structure.

        Raises
        ------
        DeviceError
            The driver refuses one: names it.
        """
        wanted = []
        for name, value in values.items():
            control = self._control(name)
            wanted.append((control.id, control.type, value))
        code, index = self._raw.set_controls(self.device, wanted)
        if code:
            which = f" of {list(values)[index]!r}" if index >= 0 else ""
            raise explained(make_error(code, "VIDIOC_S_EXT_CTRLS", f"{self.device.path}{which}"))

    def get_controls(self, names: Sequence[str]) -> dict[str, int | bytes]:
        """Read controls as they were applied; the request must be complete."""
        controls = [self._control(name) for name in names]
        try:
            values = self._raw.get_controls(self.device, [(control.id, control.type, 0) for control in controls])
        except DeviceError as error:
            raise explained(error) from None
        return dict(zip(names, values, strict=True))

    def queue(self, queue: Queue, frame: Frame | None = None) -> None:
        """Put a buffer into the request.

        Parameters
        ----------
        queue : Queue
            Of the same device.
        frame : Frame, optional
            What an OUTPUT queue shall take; a CAPTURE queue gets a free buffer of its pool.

        Raises
        ------
        DeviceError
            EBUSY: the queue got buffers directly before; EBADR: it has no requests.
        """
        try:
            _request.queue_buffer(queue, self._raw, frame)
        except DeviceError as error:
            raise explained(error, within=True) from None

    def submit(self) -> None:
        """Hand it to the driver."""
        try:
            self._raw.queue()
        except DeviceError as error:
            raise explained(error) from None

    def wait(self, timeout: float = 5.0) -> None:
        """Wait until it is complete.

        Parameters
        ----------
        timeout : float
            Seconds.

        Raises
        ------
        DeviceTimeoutError
            It is not complete within that time.
        """
        if not self._raw.wait(round(timeout * 1000)):
            raise make_error(
                110, "poll", self._raw.name, "the request is not complete", "does the other queue have buffers?"
            )

    def reuse(self) -> None:
        """Make it empty again; it must be complete, or not submitted."""
        try:
            self._raw.reinit()
        except DeviceError as error:
            raise explained(error) from None

    def fileno(self) -> int:
        """Give its descriptor, for ``select.poll`` with POLLPRI."""
        return self._raw.fd.fileno()

    def close(self) -> None:
        """Close it; a second call does nothing. What was submitted is finished all the same."""
        self._raw.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def buffers(device: V4l2Device, *, output: bool = False, count: int = 4, export: bool = True) -> Queue:
    """Make a queue with buffers of the driver's own, in the format that the device is set to.

    Parameters
    ----------
    device : V4l2Device
        Whose queue it is.
    output : bool
        The queue that takes frames, of a mem-to-mem or output device; else the one that gives them.
    count : int
        How many buffers to ask for.
    export : bool
        Share them as DMA-BUF, so that other devices can take their frames.

    Returns
    -------
    Queue
        Its frames are in :attr:`Queue.pool`; close it before the device.

    Raises
    ------
    DeviceError
        EINVAL: the device has no such queue.
    """
    type = (output_type if output else capture_type)(device.capabilities)
    if type is None:
        raise make_error(22, "VIDIOC_G_FMT", device.path, f"it has no {'OUTPUT' if output else 'CAPTURE'} queue")
    pad = V4l2Pad(device, type, f"{device.path} {'OUTPUT' if output else 'CAPTURE'}")
    pad.allocate(caps_of(device.get_format(type)), count, export=export)
    return pad.queue


def start(queue: Queue) -> None:
    """Start a queue without giving it buffers: they come within requests."""
    _request.start_queue(queue)


def give(queue: Queue, frame: Frame | None = None) -> None:
    """Queue a buffer directly, without a request: what the other queue of a mem-to-mem device needs."""
    try:
        _request.queue_buffer(queue, None, frame)
    except DeviceError as error:
        raise explained(error) from None


def take(queue: Queue, timeout: float = 5.0) -> Frame | None:
    """Wait for a finished buffer: a frame of a CAPTURE queue, ``None`` of an OUTPUT queue or at the end.

    Raises
    ------
    DeviceTimeoutError
        None came within `timeout` seconds.
    """
    return _request.dequeue_buffer(queue, round(timeout * 1000))
