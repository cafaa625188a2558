"""Find media devices, and the one that a device node belongs to."""

from __future__ import annotations

import os

from zcore.errors import make_error
from zcore.media import nodes
from zcore.media.graph import MediaDevice


def media_devices() -> list[MediaDevice]:
    """List the media devices of this machine; those that cannot be opened are left out.

    Returns
    -------
    list of MediaDevice
    """
    found = []
    for path in nodes.media_paths():
        try:
            found.append(MediaDevice(path))
        except OSError:
            continue
    return found


def media_device_of(path: str) -> MediaDevice:
    """Find the media device that a video node or sub-device belongs to.

    The numbers of the node (``major:minor``) are looked for among the interfaces of every media device, which is what
    the kernel itself goes by: several media devices may share one parent in sysfs.

    Parameters
    ----------
    path : str
        Such as ``/dev/video0``; a link to it will do.

    Returns
    -------
    MediaDevice
        Its ``path`` is the node on which requests are allocated.

    Raises
    ------
    DeviceNotFoundError
        There is no such node, or no media device has it: many drivers of simple cameras have no media device at all.
    DevicePermissionError
        The media device may be one that this user may not open.
    """
    number = nodes.number_of(os.fspath(path))
    if number is None:
        raise make_error(2, "stat", path, "there is no such device node", "see 'zcore devices' for what there is")
    shut: OSError | None = None
    for candidate in nodes.media_paths():
        try:
            media = MediaDevice(candidate)
        except PermissionError as error:
            shut = error
            continue
        except OSError:
            continue
        if any(one.number == number for one in media.interfaces):
            return media
    if shut is not None:
        raise shut
    raise make_error(
        2, "MEDIA_IOC_G_TOPOLOGY", path, "no media device of this machine has this node: its driver has no media graph"
    )
