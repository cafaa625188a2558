"""Coded frames that are larger than the buffers for them: larger buffers take their place while the chain runs."""

from __future__ import annotations

from typing import Any

import numpy as np

from zcore import _alloc
from zcore._frame import Frame
from zcore._pool import Pool
from zcore._roomy import replace_buffer, retire, take_roomy
from zcore.allocators import name_buffers
from zcore.errors import ChainError, DeviceError

MOST = (1 << 31) - 4096
OURS = ("udmabuf", "memfd", "dma-heap:")  # what zcore allocates; all else is some device's


def filled(frame: Frame, payload: memoryview | np.ndarray[Any, Any], who: str) -> Frame:
    """Write a coded frame into an empty one, which gets a larger buffer where it is too small.

    Parameters
    ----------
    frame : Frame
        An empty one, that nobody else has.
    payload : memoryview or array
        The coded frame.
    who : str
        The stage, for messages.

    Returns
    -------
    Frame
        The one that was filled: another one where the buffers are a device's own, which have their numbers.

    Raises
    ------
    ChainError
        No larger buffer is to be had; says what helps.
    """
    data = np.frombuffer(payload, np.uint8) if isinstance(payload, memoryview) else payload.view(np.uint8).reshape(-1)
    if data.size > frame.bytes_used[0]:
        frame = roomier(frame, data.size, who)
    frame.array(write=True)[: data.size] = data
    frame.set_used(data.size)
    return frame


def roomier(frame: Frame, size: int, who: str) -> Frame:
    """Give an empty frame that has room for so many bytes, in place of one that has not."""
    pool, room = frame.pool, frame.bytes_used[0]
    if size > MOST:
        raise ChainError(f"{who}: a coded frame has {size} bytes, and a buffer has less than 2 GiB")
    # Half as much again, and at least twice as much as before: a stream of large frames is not to grow at each of them.
    wish = min(max(size + size // 2, 2 * room), MOST)
    queue = pool.maker() if pool.maker is not None else None
    try:
        if queue is None:
            return _replaced(frame, wish, who)
        larger = take_roomy(pool, size, who)
        if larger is None:
            queue.grow(1, size=wish)
            retire(frame)
            larger = take_roomy(pool, size, who)
        if larger is None:  # other threads took them
            raise ChainError("no larger buffer is free")
        return larger
    except (ChainError, DeviceError, OSError, ValueError) as error:
        raise ChainError(
            f"{who}: a coded frame of {size} bytes does not fit into buffers of {room} bytes of {pool.name}, and there"
            f" are no larger ones: {error}; give the decoder buffer_size={size} or more"
        ) from error


def _replaced(frame: Frame, wish: int, who: str) -> Frame:
    kind = frame.buffers[0].allocator
    if not kind.startswith(OURS):
        raise ChainError(f"they come from {kind}, which makes buffers before the chain starts only")
    replace_buffer(frame, _alloc.allocate(wish, kind, f"zcore {who}"[:31]))
    name_buffers(frame.pool)
    return frame


def enlarged(pool: Pool | None) -> dict[str, int]:
    """Tell for a report how many buffers got larger."""
    return {"enlarged_buffers": pool.enlarged} if pool is not None and pool.enlarged else {}
