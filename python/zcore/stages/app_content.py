"""What a program pushes: whether it fits into a frame, and how it gets there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from zcore._frame import Frame
from zcore._pool import Pool
from zcore.stages.roomier import filled

Array = np.ndarray[Any, Any]
Content = Array | Sequence[Array] | bytes | bytearray | memoryview


def check_content(who: str, content: object, pool: Pool) -> None:
    """Refuse what does not fit into a frame of a pool, before a buffer is waited for.

    Raises
    ------
    ValueError
        Says what would fit.
    TypeError
        It is nothing that has pixels.
    """
    arrays = _arrays(who, content)
    fmt = pool.format
    assert fmt is not None
    given = sum(array.nbytes for array in arrays)
    if fmt.coded:
        if len(arrays) != 1:
            raise ValueError(f"{who}: a frame of {fmt} is one array, not {_told(arrays)}")
        return
    specs = fmt.array_specs(*pool.size)
    if [(array.shape, array.dtype) for array in arrays] == [(spec.shape, spec.dtype) for spec in specs]:
        return
    whole = sum(int(np.prod(spec.shape)) * spec.dtype.itemsize for spec in specs)
    if len(arrays) == 1 and arrays[0].ndim == 1 and arrays[0].dtype == np.uint8 and given == whole:
        return
    shapes = " and ".join(f"{spec.dtype} {spec.shape}" for spec in specs)
    raise ValueError(
        f"{who}: a frame of {fmt} {pool.size[0]}x{pool.size[1]} is {shapes}, or {whole} bytes, not {_told(arrays)}"
    )


def check_frame(who: str, frame: Frame, pool: Pool) -> None:
    """Refuse a frame of another format or size.

    Raises
    ------
    ValueError
        It has another one.
    """
    if (frame.format, frame.size) != (pool.format, pool.size) and not (frame.format == pool.format and _coded(pool)):
        given, wanted = ("x".join(map(str, size)) for size in (frame.size, pool.size))
        raise ValueError(f"{who}: the chain has {pool.format} {wanted}, the frame is {frame.format} {given}")


def _coded(pool: Pool) -> bool:
    return pool.format is not None and pool.format.coded


def _arrays(who: str, content: object) -> list[Array]:
    if isinstance(content, np.ndarray):
        return [content]
    if isinstance(content, (bytes, bytearray, memoryview)):
        return [np.frombuffer(content, np.uint8)]
    if isinstance(content, (list, tuple)) and content and all(isinstance(one, np.ndarray) for one in content):
        return list(content)
    raise TypeError(f"{who} takes numpy arrays, bytes and frames, not {type(content).__name__}")


def _told(arrays: Sequence[Array]) -> str:
    return " and ".join(f"{array.dtype} {array.shape}" for array in arrays)


def fill(frame: Frame, content: object, who: str) -> tuple[Frame, int]:
    """Copy what `check_content` has let pass into a frame; gives the one that was filled, and the number of bytes.

    It is another one where a coded frame needs more room.
    """
    if isinstance(content, Frame):
        content = content.array() if content.format.coded else content.planes()
    arrays = _arrays("fill", content)
    if frame.format.coded:
        frame = filled(frame, np.ascontiguousarray(arrays[0]), who)
        return frame, frame.bytes_used[0]
    planes = frame.planes(write=True)
    if len(arrays) == 1 and arrays[0].shape != planes[0].shape:
        place = 0
        for plane in planes:
            plane[...] = arrays[0][place : place + plane.nbytes].view(plane.dtype).reshape(plane.shape)
            place += plane.nbytes
        return frame, place
    for plane, array in zip(planes, arrays, strict=True):
        plane[...] = array
    return frame, sum(plane.nbytes for plane in planes)
