"""Follow the signal at the input of a capture device: DV timings of HDMI and the like, and television standards."""

from __future__ import annotations

from zcore._ioctl import ioctl
from zcore._v4l2_device import V4l2Device
from zcore.errors import DeviceError

DV_TIMINGS_BYTES = 132  # struct v4l2_dv_timings
QUERY_DV_TIMINGS = 2 << 30 | DV_TIMINGS_BYTES << 16 | ord("V") << 8 | 99
S_DV_TIMINGS = 3 << 30 | DV_TIMINGS_BYTES << 16 | ord("V") << 8 | 87
QUERYSTD = 2 << 30 | 8 << 16 | ord("V") << 8 | 63
S_STD = 1 << 30 | 8 << 16 | ord("V") << 8 | 24


def follow_signal(device: V4l2Device) -> None:
    """Set the device to the timings or the standard that it detects now, where its input has either.

    A driver changes nothing by itself when the signal does: it tells (V4L2_EVENT_SOURCE_CHANGE) and waits to be told
    (Linux media documentation, "Digital Video (DV) Timings"). The format follows from the timings.

    Raises
    ------
    DeviceError
        There is no signal (ENOLINK), or none that the device can lock on to (ENOLCK) or receive (ERANGE).
    """
    for query, choose, size in ((QUERY_DV_TIMINGS, S_DV_TIMINGS, DV_TIMINGS_BYTES), (QUERYSTD, S_STD, 8)):
        found = bytearray(size)
        try:
            ioctl(device.fd.fileno(), query, found)
        except DeviceError as error:
            if error.errno in (25, 61):  # ENOTTY, ENODATA: this input has no such thing
                continue
            raise
        ioctl(device.fd.fileno(), choose, found)
        return
