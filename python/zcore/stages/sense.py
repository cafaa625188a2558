"""Whether what a driver answers can be."""

from __future__ import annotations

from zcore.errors import NegotiationError
from zcore.stages.base import LinkCaps, describe


def check_sense(caps: LinkCaps, who: str) -> None:
    """Refuse what cannot be: rows that are shorter than their pixels, pictures that are longer than their buffers."""
    if not caps.format.linear:
        return
    what = f"{caps.format} {caps.width}x{caps.height}"
    try:
        components = describe(caps)[0]
    except ValueError as error:
        raise NegotiationError(f"{who} answered to {what} with what cannot be: {error}") from error
    plain = caps.format.layout(caps.width, caps.height)
    for (memory, offset, stride, rows), plane in zip(components, plain.planes, strict=True):
        end, size = offset + stride * (rows - 1) + plane.width_bytes, caps.memory_planes[memory][0]
        if end > size:
            raise NegotiationError(
                f"{who} answered to {what} with {size} bytes in rows of {caps.memory_planes[memory][1]}, and its "
                f"pixels take {end}"
            )
